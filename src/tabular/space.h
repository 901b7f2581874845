/* What tuning searches: the settings of each model with their ranges (spec 4.6), and putting a trial's values into a
 * configuration. */
#ifndef WEFT_TABULAR_SPACE_H
#define WEFT_TABULAR_SPACE_H

#include "tabular/fit.h"
#include "train/tpe.h"

enum { WEFT_SPACE_AXES = 16 };

/* A setting that is 0 or searched for has two axes: a choice named "?NAME", and NAME, asked for where the choice is 1. */
typedef struct weft_space {
    weft_axis axis[WEFT_SPACE_AXES];
    int gate[WEFT_SPACE_AXES]; /* the axis that must be 1; −1: none */
    int count;
} weft_space;

/* The space of a model like *config. A setting whose name is a key of `fixed` (an absent value: none) is left as it is. */
weft_status weft_space_of(const weft_tabular_config *config, weft_json_value fixed, weft_space *out);

/* The values that *config and *fit hold, moved to the nearest end where they lie outside: [count], NaN where a gate is 0. */
void weft_space_read(const weft_space *, const weft_tabular_config *config, const weft_fit_options *fit, double *values);
/* Puts values into *config and *fit. */
void weft_space_apply(const weft_space *, const double *values, weft_tabular_config *config, weft_fit_options *fit);

/* As JSON: the axes into an open list; a trial's values as an object, and back. Reading fails on a name that is no axis, a value
 * outside its range, and one that is missing or not asked for. */
void weft_space_write(const weft_space *, weft_json_writer *);
void weft_space_write_values(const weft_space *, const double *values, weft_json_writer *);
/* The same for readers: no questions, and 0 for a setting that its question has switched off. */
void weft_space_write_settings(const weft_space *, const double *values, weft_json_writer *);
weft_status weft_space_read_values(const weft_space *, weft_json_value object, const char *where, double *values);

#endif
