/* Tabular models as rows of the registry, and reading their rows from named arrays. */
#ifndef WEFT_TABULAR_MODEL_H
#define WEFT_TABULAR_MODEL_H

#include "nn/model_type.h"
#include "tabular/retrieval.h"

extern const weft_model_type weft_tabr_model, weft_mlp_model;

/* Rows from arrays PREFIXx_num [rows, F], x_bin, x_cat (I64 codes, -1: none of the levels), y. Shapes and codes are checked
 * against the configuration, and there must be rows; `where` for messages. *out is NULL when there is no x_num, x_bin or x_cat.
 */
weft_status weft_rows_from_arrays(const weft_tabular_config *, const weft_arrays *, const char *prefix, const char *where,
                                  weft_rows_data **out);

/* The targets of rows: F32 or F64 standardised values, or I64 classes, checked against the configuration. */
weft_status weft_rows_targets(const weft_tabular_config *, weft_tensor y, const char *prefix, const char *where,
                              weft_rows_data *);

/* Refuses a request for the loss, or its gradient, where the inputs hold no targets. */
weft_status weft_tabular_check_loss(const weft_run_request *);

/* Evaluates TabR on given rows (cli.md, Model folders). */
weft_status weft_tabr_run(const weft_tabular_config *, weft_engine *, weft_params *, const char *folder, const weft_run_request *,
                          weft_arrays *out);

/* How a single model is run, and the same for a configuration of several members: values of member K are written as
 * members.K.NAME; output and loss are those of the members' mean, and so are gradients of these two; of any other name, a
 * gradient is that of the sum over the members. By parameters they are written as grad.members.K.PARAMETER. */
typedef weft_status (*weft_tabular_run)(const weft_tabular_config *, weft_engine *, weft_params *, const char *folder,
                                        const weft_run_request *, weft_arrays *out);
weft_status weft_ensemble_evaluate(const weft_tabular_config *, weft_engine *, weft_params *, const char *folder,
                                   const weft_run_request *, weft_tabular_run run_one, weft_arrays *out);

#endif
