/* A tabular model's folder: config.json, model.safetensors, schema.json, for TabR candidates.safetensors, and
 * calibration.safetensors once it was fitted. */
#ifndef WEFT_TABULAR_FOLDER_H
#define WEFT_TABULAR_FOLDER_H

#include "tabular/calibrate.h"
#include "tabular/candidates.h"
#include "tabular/fit.h"
#include "tabular/schema.h"

typedef struct weft_tabular_folder {
    weft_tabular_config config;
    weft_schema *schema;
    weft_params *params;
    weft_rows_data *candidates;        /* NULL for MLP */
    weft_calibration *calibration;     /* NULL: none was fitted */
    char trained[WEFT_CANDIDATES_SUM]; /* checksum of the candidates of training, from config.json; "" when it names none */
    int64_t next_row;                  /* the number of the next row to be added */
} weft_tabular_folder;

/* The configuration's column counts and task, from the schema. */
weft_status weft_tabular_config_from_schema(const weft_schema *, weft_tabular_config *);

/* Writes the files, model.safetensors last: a folder with it is whole. `candidates`: the training table (TabR). */
weft_status weft_tabular_folder_save(const char *path, const weft_tabular_config *, const weft_schema *, const weft_params *,
                                     const weft_table *candidates);

/* Adds the calibration to a folder. */
weft_status weft_tabular_folder_calibrate(const char *path, const weft_calibration *);

/* Opens and checks all of them against each other: a missing, truncated, mis-shaped or changed tensor is named. */
weft_status weft_tabular_folder_open(const char *path, weft_tabular_folder *out);
void weft_tabular_folder_close(weft_tabular_folder *);

/* The candidates of a folder as a table. */
weft_status weft_tabular_folder_table(const char *path, const weft_tabular_folder *, weft_table **out);

/* Puts other candidates into the folder, in one step: a process killed at any moment leaves the old ones or the new ones. `to`
 * (NULL: the folder itself) is another folder, which gets the folder's other files too and is not there until it is whole;
 * a model that stands there is replaced. */
weft_status weft_tabular_folder_change(const char *path, const weft_tabular_folder *, const weft_table *candidates,
                                       int64_t next_row, const char *to);

#endif
