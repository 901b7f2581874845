/* Keys of all candidates, and W_T1 applied to them, kept between predictions. */
#include "graph/engine.h"
#include "tabular/retrieval.h"

#include <stdlib.h>

size_t weft_known_bytes(const weft_tabular_config *c, int64_t candidates)
{
    return (size_t)candidates * (size_t)(c->d_main + weft_tabr_hidden(c)) * sizeof(float);
}

void weft_known_free(weft_known *k)
{
    weft_session_free(k->session);
    weft_plan_free(k->plan);
    weft_graph_free(k->graph);
    free(k->keys);
    free(k->hidden);
    *k = (weft_known){0};
}

static weft_status open_known(weft_known *k, weft_engine *engine, const weft_tabular_config *c, weft_params *params,
                              const weft_rows_data *candidates)
{
    size_t padded = (size_t)weft_rows_padded(candidates->rows);
    k->rows = candidates->rows;
    k->keys = malloc((padded * (size_t)c->d_main + 1) * sizeof *k->keys);
    k->hidden = malloc((padded * (size_t)weft_tabr_hidden(c) + 1) * sizeof *k->hidden);
    k->graph = weft_graph_new(WEFT_F32);
    if (!k->keys || !k->hidden || !k->graph)
        return weft_fail(WEFT_ERROR_MEMORY, "keys of %lld candidates do not fit in memory", (long long)candidates->rows);
    weft_value out[2];
    weft_tabr_build_known(k->graph, c, weft_tabr_folds(c), WEFT_ROWS_CHUNK, out);
    weft_status status = weft_compile(engine, k->graph, NULL, 0, out, 2, &k->plan);
    return status == WEFT_OK ? weft_session_new(k->plan, &params, 1, &k->session) : status;
}

weft_status weft_known_refresh(weft_known *k, weft_engine *engine, const weft_tabular_config *c, weft_params *params,
                               const weft_rows_data *candidates)
{
    int64_t d = c->d_main, h = weft_tabr_hidden(c);
    weft_status status = k->session ? WEFT_OK : open_known(k, engine, c, params, candidates);
    for (int64_t from = 0; from < k->rows && status == WEFT_OK; from += WEFT_ROWS_CHUNK) {
        weft_tensor keys = {k->keys + from * d, WEFT_F32, DIMS(WEFT_ROWS_CHUNK, d)},
                    hidden = {k->hidden + from * h, WEFT_F32, DIMS(WEFT_ROWS_CHUNK, h)};
        if ((status = weft_rows_bind(k->session, k->graph, "rows.", candidates, from, WEFT_ROWS_CHUNK)) == WEFT_OK &&
            (status = weft_bind(k->session, "known.keys", keys)) == WEFT_OK &&
            (status = weft_bind(k->session, "known.hidden", hidden)) == WEFT_OK)
            status = weft_run(k->session);
    }
    return status;
}
