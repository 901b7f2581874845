/* The registry from inside: running a model on tensors from a file. */
#ifndef WEFT_REGISTRY_REGISTRY_H
#define WEFT_REGISTRY_REGISTRY_H

#include "nn/model_type.h"
#include "weft/model.h"

/* Opens the folder's weights, evaluates, and adds outputs, taps and gradients to *out. */
weft_status weft_model_run(weft_model *, weft_engine *, const weft_run_request *, weft_arrays *out);

/* Lets the folder's weights, where there are any, say what config.json leaves open, before the model is counted or listed. */
weft_status weft_model_match(weft_model *);

bool weft_model_takes_adapter(const weft_model *);

const weft_model_type *weft_model_type_at(int i); /* NULL past the end */

#endif
