/* An opened language model from inside. */
#ifndef WEFT_LM_LM_H
#define WEFT_LM_LM_H

#include "lm/adapter.h"
#include "weft/lm.h"

struct weft_lm {
    weft_engine *engine;
    weft_lm_config config;
    weft_params *params;
    weft_lm_adapter *adapter;
    weft_params *sets[3]; /* in the order of search */
    int set_count;
    weft_dtype dtype; /* F32 or F64 */
    bool bf16;
    int64_t parameters;
};

/* An empty graph of the model's type; NULL when memory is short. */
weft_graph *weft_lm_graph(const weft_lm *);

/* A plain pass over ids [count] that looks where the first NaN comes from: always fails, and says where. */
weft_status weft_lm_blame(const weft_lm *, const int64_t *ids, int64_t count);

#endif
