/* A tabular model's folder: config.json, model.safetensors, schema.json and, for TabR, candidates.safetensors. */
#ifndef WEFT_TABULAR_FOLDER_H
#define WEFT_TABULAR_FOLDER_H

#include "tabular/fit.h"
#include "tabular/schema.h"

typedef struct weft_tabular_folder {
    weft_tabular_config config;
    weft_schema *schema;
    weft_params *params;
    weft_rows_data *candidates; /* NULL for MLP */
} weft_tabular_folder;

/* The configuration's column counts and task, from the schema. */
weft_status weft_tabular_config_from_schema(const weft_schema *, weft_tabular_config *);

/* Writes the files, model.safetensors last: a folder with it is whole. `candidates`: the training table (TabR). */
weft_status weft_tabular_folder_save(const char *path, const weft_tabular_config *, const weft_schema *, const weft_params *,
                                     const weft_table *candidates);

/* Opens and checks all of them against each other: a missing, truncated, mis-shaped or changed tensor is named. */
weft_status weft_tabular_folder_open(const char *path, weft_tabular_folder *out);
void weft_tabular_folder_close(weft_tabular_folder *);

#endif
