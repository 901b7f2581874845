/* What a kind of model must offer to be a row of the registry: `info`, `run`, `bench` and the rooms work through it. */
#ifndef WEFT_NN_MODEL_TYPE_H
#define WEFT_NN_MODEL_TYPE_H

#include "base/json.h"
#include "nn/evaluate.h"

typedef struct weft_model_type {
    const char *name; /* model_type of config.json */
    /* reads and checks config.json's keys; `where` for messages */
    weft_status (*open)(weft_json_value config, const char *where, void **self);
    void (*close)(void *self);
    /* the graph that `weft info` counts and lists: one input row, evaluation; answers its outputs in fetches (room for 8) */
    weft_status (*describe)(void *self, weft_graph *, weft_value *fetches, int *count);
    /* names and shapes of what `run` takes and writes, a line each, for people */
    void (*list)(void *self, weft_text *out);
    /* `folder`: for further files of the model (candidates); NULL: none */
    weft_status (*run)(void *self, weft_engine *, weft_params *, const char *folder, const weft_run_request *, weft_arrays *out);
    bool adapters; /* `run` takes one */
    /* what the weights show and config.json leaves open (ties, heads, sizes); NULL: nothing */
    void (*match)(void *self, const weft_params *);
} weft_model_type;

#endif
