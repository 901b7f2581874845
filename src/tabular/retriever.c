/* The search for contexts: keys of all candidates with the weights as they are, then the nearest of each query. Where keys are
 * affine in the (embedded) inputs z, M = W_K W_in is formed once and distances are taken between M z: one product a row in place
 * of two; and where z is narrower than a key, between R z with QR = M: d_in numbers a row in place of d (2.10.4). */
#include "graph/engine.h"
#include "kernels/lapack.h"
#include "tabular/values.h"

#include <stdlib.h>
#include <string.h>

/* Rows → search vectors, for so many rows at a time. With the designs of tabr_design.c that compare by inner products, what is
 * searched for (queries) is projected otherwise than what is searched (keys). */
typedef struct projection {
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
} projection;

enum { MANY, TRAINING, SOME, FEW, OWN, OWN_TRAINING, PROJECTIONS, SOME_ROWS = 512, FEW_ROWS = 16 };

static const struct {
    int64_t rows;
    bool training, query;
    bool inner; /* only for inner products: queries of the candidates themselves */
} forms[PROJECTIONS] = {[MANY] = {WEFT_ROWS_CHUNK, false, false, false}, [TRAINING] = {WEFT_ROWS_CHUNK, true, false, false},
                        [SOME] = {SOME_ROWS, false, true, false},        [FEW] = {FEW_ROWS, false, true, false},
                        [OWN] = {WEFT_ROWS_CHUNK, false, true, true},    [OWN_TRAINING] = {WEFT_ROWS_CHUNK, true, true, true}};

struct weft_retriever {
    weft_engine *engine;
    const weft_tabular_config *config;
    const weft_rows_data *candidates;
    weft_dtype dtype;
    bool affine, folded; /* vectors are M z; they are R z */
    bool inner;          /* the nearest are those of the largest inner products */
    int64_t width;       /* of a search vector */
    int64_t inputs;      /* of z, where affine */
    void *vectors;       /* [padded candidates, width] */
    void *queries;       /* the same of what the candidates themselves search for; `vectors` unless inner */
    weft_search *search;
    projection by[PROJECTIONS];
    projection weights; /* M = W_K W_in */
    const weft_values *values;
    projection vectors_of_values, sums; /* M of each distinct value; what the candidates add up of them */
    weft_params *bound;                 /* what the sessions read */
    void *r;                            /* M or R [width, inputs] of the compute type */
    double *m;
    int64_t *row_key; /* [chunk] */
    void *query;      /* [chunk, width] */
};

static weft_value vectors_of(weft_retriever *r, weft_graph *g, int form)
{
    weft_value count = weft_count_input(g, "count", forms[form].rows);
    if (r->inner && forms[form].query)
        return weft_name(g, weft_tabr_build_queries(g, r->config, forms[form].rows, count, forms[form].training),
                         "candidate_keys");
    if (!r->affine)
        return weft_tabr_build_keys(g, r->config, forms[form].rows, count, forms[form].training);
    weft_value z = weft_tabular_inputs(g, r->config, "rows.", forms[form].rows, 0, count);
    if (!z.id)
        return z;
    r->inputs = weft_shape(g, z).size[1];
    weft_dims dims = DIMS(r->folded ? r->inputs : r->config->d_main, r->inputs);
    weft_value y = weft_product(g, z, weft_input(g, "R", r->dtype, dims), (weft_value){0});
    return weft_name(g, y, "candidate_keys");
}

weft_status weft_retriever_new(weft_engine *engine, const weft_tabular_config *config, weft_dtype dtype,
                               const weft_rows_data *candidates, bool folded, weft_retriever **out)
{
    *out = NULL;
    weft_retriever *r = calloc(1, sizeof *r);
    if (!r)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a retriever");
    r->engine = engine;
    r->config = config;
    r->candidates = candidates;
    r->dtype = dtype;
    r->affine = folded && weft_tabr_affine(config);
    r->folded = folded && weft_tabr_folds(config);
    r->inner = weft_tabr_inner_product(config);
    weft_status status = WEFT_ERROR_MEMORY;
    for (int form = 0; form < PROJECTIONS; form++) {
        if (forms[form].inner && !r->inner)
            continue;
        weft_graph *g = r->by[form].graph = weft_graph_new(dtype);
        if (!g)
            goto failed;
        weft_value y = vectors_of(r, g, form);
        if ((status = weft_compile(engine, g, NULL, 0, &y, 1, &r->by[form].plan)) != WEFT_OK)
            goto failed;
        r->width = weft_shape(g, y).size[1];
    }
    if (r->affine) {
        weft_graph *g = r->weights.graph = weft_graph_new(dtype);
        if (!g)
            goto failed;
        int64_t d = config->d_main;
        weft_value m = weft_matmul(g, weft_linear_weight(g, "K", d, d), weft_linear_weight(g, "linear", d, r->inputs));
        weft_name(g, m, "m");
        if ((status = weft_compile(engine, g, NULL, 0, &m, 1, &r->weights.plan)) != WEFT_OK)
            goto failed;
    }
    int64_t padded = weft_rows_padded(candidates->rows);
    size_t e = weft_dtype_size(dtype), width = (size_t)r->width, inputs = (size_t)r->inputs;
    r->vectors = malloc((size_t)(padded + 1) * width * e);
    r->queries = r->inner ? malloc((size_t)(padded + 1) * width * e) : r->vectors;
    r->query = malloc((size_t)WEFT_ROWS_CHUNK * width * e);
    r->row_key = malloc((size_t)WEFT_ROWS_CHUNK * sizeof *r->row_key);
    r->r = malloc(width * inputs * e + 1);
    r->m = malloc(((size_t)config->d_main * inputs + inputs * inputs + 1) * sizeof *r->m);
    status = r->vectors && r->queries && r->query && r->row_key && r->r && r->m
                 ? WEFT_OK
                 : weft_fail(WEFT_ERROR_MEMORY, "keys of %lld candidates do not fit in memory", (long long)candidates->rows);
failed:
    if (status != WEFT_OK) {
        weft_retriever_free(r);
        return status;
    }
    *out = r;
    return WEFT_OK;
}

static void free_projection(projection *p)
{
    weft_session_free(p->session);
    weft_plan_free(p->plan);
    weft_graph_free(p->graph);
}

void weft_retriever_free(weft_retriever *r)
{
    if (!r)
        return;
    for (int form = 0; form < PROJECTIONS; form++)
        free_projection(&r->by[form]);
    free_projection(&r->weights);
    free_projection(&r->vectors_of_values);
    free_projection(&r->sums);
    weft_search_free(r->search);
    if (r->inner)
        free(r->queries);
    free(r->vectors);
    free(r->query);
    free(r->row_key);
    free(r->r);
    free(r->m);
    free(r);
}

static weft_status compile(weft_retriever *r, projection *p, weft_value y)
{
    return weft_compile(r->engine, p->graph, NULL, 0, &y, 1, &p->plan);
}

weft_status weft_retriever_use_values(weft_retriever *r, const weft_values *values)
{
    weft_graph *g = r->vectors_of_values.graph = weft_graph_new(r->dtype), *s = r->sums.graph = weft_graph_new(r->dtype);
    if (!g || !s)
        return WEFT_ERROR_MEMORY;
    r->values = values;
    r->bound = NULL;
    weft_status status = compile(r, &r->vectors_of_values, weft_tabr_build_vectors(g, r->config, values));
    return status == WEFT_OK ? compile(r, &r->sums, weft_tabr_build_sums(s, r->config, values, WEFT_ROWS_CHUNK)) : status;
}

static weft_status open_session(projection *p, weft_params *params)
{
    weft_session_free(p->session);
    p->session = NULL;
    return weft_session_new(p->plan, &params, 1, &p->session);
}

static weft_status open_sessions(weft_retriever *r, weft_params *params)
{
    if (r->bound == params)
        return WEFT_OK;
    r->bound = NULL;
    weft_status status = WEFT_OK;
    for (int form = 0; form < PROJECTIONS && status == WEFT_OK; form++)
        if (r->by[form].plan)
            status = open_session(&r->by[form], params);
    if (r->affine && status == WEFT_OK)
        status = open_session(&r->weights, params);
    if (r->values && status == WEFT_OK)
        status = open_session(&r->vectors_of_values, params);
    if (r->values && status == WEFT_OK)
        status = open_session(&r->sums, params);
    if (status == WEFT_OK)
        r->bound = params;
    return status;
}

/* M, or R of QR = M, in double */
static weft_status find_r(weft_retriever *r)
{
    weft_tensor m;
    weft_status status = weft_run(r->weights.session);
    if (status != WEFT_OK || (status = weft_fetch(r->weights.session, "m", &m)) != WEFT_OK)
        return status;
    int64_t d = r->config->d_main, width = r->width;
    if (!r->folded) {
        memcpy(r->r, m.data, (size_t)(d * r->inputs) * weft_dtype_size(r->dtype));
        return WEFT_OK;
    }
    for (int64_t i = 0; i < d * width; i++)
        r->m[i] = r->dtype == WEFT_F64 ? ((const double *)m.data)[i] : (double)((const float *)m.data)[i];
    double *upper = r->m + d * width;
    if ((status = weft_qr(d, width, r->m, upper)) != WEFT_OK)
        return status;
    for (int64_t i = 0; i < width * width; i++)
        if (r->dtype == WEFT_F64)
            ((double *)r->r)[i] = upper[i];
        else
            ((float *)r->r)[i] = (float)upper[i];
    return WEFT_OK;
}

/* Vectors of rows [from, from + chunk) of data, as far as there are so many; its arrays are padded that far. */
static weft_status run_chunk(weft_retriever *r, int form, const weft_rows_data *data, int64_t from, void *out)
{
    weft_session *s = r->by[form].session;
    weft_status status = WEFT_OK;
    int64_t n = forms[form].rows, left = data->rows - from;
    if ((status = weft_set(s, "count", left < n ? left : n)) != WEFT_OK ||
        (status = weft_rows_bind(s, r->by[form].graph, "rows.", data, from, n)) != WEFT_OK)
        return status;
    if (weft_find(r->by[form].graph, "row_key").id) {
        for (int64_t i = 0; i < n; i++)
            r->row_key[i] = from + i;
        if ((status = weft_bind(s, "row_key", (weft_tensor){r->row_key, WEFT_I64, DIMS(n)})) != WEFT_OK)
            return status;
    }
    weft_tensor target = {out, r->dtype, DIMS(n, r->width)};
    if ((status = weft_bind(s, "candidate_keys", target)) != WEFT_OK)
        return status;
    return weft_run(s);
}

/* Keys of all candidates as sums of the vectors of their distinct values. */
static weft_status sum_values(weft_retriever *r)
{
    const weft_values *v = r->values;
    weft_session *s = r->sums.session;
    weft_tensor vectors, values = {v->value, WEFT_F32, DIMS(v->start[v->features], 1)};
    weft_status status = weft_bind(r->vectors_of_values.session, "values", values);
    if (status != WEFT_OK || (status = weft_run(r->vectors_of_values.session)) != WEFT_OK ||
        (status = weft_fetch(r->vectors_of_values.session, "vectors", &vectors)) != WEFT_OK ||
        (status = weft_bind(s, "vectors", vectors)) != WEFT_OK)
        return status;
    for (int64_t from = 0; from < r->candidates->rows; from += WEFT_ROWS_CHUNK) {
        char *out = (char *)r->vectors + (size_t)(from * r->width) * weft_dtype_size(r->dtype);
        weft_tensor place = {v->place + from * v->slots, WEFT_I64, DIMS(WEFT_ROWS_CHUNK, v->slots)};
        status = weft_bind(s, "rows.place", place);
        if (status == WEFT_OK)
            status = weft_rows_bind(s, r->sums.graph, "rows.", r->candidates, from, WEFT_ROWS_CHUNK);
        if (status == WEFT_OK)
            status = weft_bind(s, "candidate_keys", (weft_tensor){out, r->dtype, DIMS(WEFT_ROWS_CHUNK, r->width)});
        if (status != WEFT_OK || (status = weft_run(s)) != WEFT_OK)
            return status;
    }
    return WEFT_OK;
}

static weft_status index_keys(weft_retriever *r)
{
    weft_search_free(r->search);
    r->search = NULL;
    return weft_search_new(r->engine->kernels, r->engine->team, r->dtype, r->candidates->rows, r->width, r->vectors, r->inner,
                           &r->search);
}

/* Search vectors of all candidates by one of the forms of WEFT_ROWS_CHUNK rows. */
static weft_status project_candidates(weft_retriever *r, int form, uint64_t seed, uint64_t step, void *out)
{
    weft_session *s = r->by[form].session;
    weft_seed(s, seed, step);
    weft_status status = WEFT_OK;
    if (r->affine)
        status = weft_bind(s, "R", (weft_tensor){r->r, r->dtype, DIMS(r->width, r->inputs)});
    size_t row = (size_t)r->width * weft_dtype_size(r->dtype);
    for (int64_t from = 0; from < r->candidates->rows && status == WEFT_OK; from += WEFT_ROWS_CHUNK)
        status = run_chunk(r, form, r->candidates, from, (char *)out + (size_t)from * row);
    return status;
}

weft_status weft_retriever_refresh(weft_retriever *r, weft_params *params, bool training, uint64_t seed, uint64_t step)
{
    weft_status status = open_sessions(r, params);
    if (status == WEFT_OK && r->values)
        return (status = sum_values(r)) == WEFT_OK ? index_keys(r) : status;
    if (status == WEFT_OK && r->affine)
        status = find_r(r);
    if (status != WEFT_OK)
        return status;
    if ((status = project_candidates(r, training ? TRAINING : MANY, seed, step, r->vectors)) != WEFT_OK)
        return status;
    if (r->inner && (status = project_candidates(r, training ? OWN_TRAINING : OWN, seed, step, r->queries)) != WEFT_OK)
        return status;
    return index_keys(r);
}

static weft_status too_few(const weft_retriever *r, int64_t m, bool own)
{
    long long n = (long long)r->candidates->rows;
    return weft_fail(WEFT_ERROR_ARGUMENT,
                     "%lld training rows%s are fewer than the %lld that each row looks at; --context-size takes a smaller number",
                     n, own ? ", less the row itself," : "", (long long)m);
}

static weft_status find_own(weft_retriever *r, const int64_t *rows, int64_t count, int64_t m, const int64_t *exclude,
                            int64_t *context)
{
    if (r->candidates->rows - (exclude ? 1 : 0) < m)
        return too_few(r, m, exclude != NULL);
    size_t bytes = (size_t)r->width * weft_dtype_size(r->dtype);
    char *query = malloc((size_t)(count ? count : 1) * bytes);
    if (!query)
        return weft_fail(WEFT_ERROR_MEMORY, "search: memory is short");
    for (int64_t i = 0; i < count; i++)
        memcpy(query + (size_t)i * bytes, (const char *)r->queries + (size_t)rows[i] * bytes, bytes);
    weft_status status = weft_search_run(r->search, r->engine->team, count, query, m, exclude, context, NULL);
    free(query);
    return status;
}

weft_status weft_retriever_find_own(weft_retriever *r, const int64_t *rows, int64_t count, int64_t m, int64_t *context)
{
    return find_own(r, rows, count, m, rows, context);
}

weft_status weft_retriever_find_own_inclusive(weft_retriever *r, const int64_t *rows, int64_t count, int64_t m, int64_t *context)
{
    return find_own(r, rows, count, m, NULL, context);
}

weft_status weft_retriever_find(weft_retriever *r, weft_params *params, const weft_rows_data *queries, int64_t from,
                                int64_t count, int64_t m, int64_t *context)
{
    if (r->candidates->rows < m)
        return too_few(r, m, false);
    int form = count <= FEW_ROWS ? FEW : SOME;
    int64_t chunk = forms[form].rows;
    weft_status status = open_sessions(r, params);
    if (status == WEFT_OK && r->affine)
        status = weft_bind(r->by[form].session, "R", (weft_tensor){r->r, r->dtype, DIMS(r->width, r->inputs)});
    size_t e = weft_dtype_size(r->dtype);
    while (count > 0 && status == WEFT_OK) {
        int64_t base = from / chunk * chunk, within = from - base;
        int64_t n = chunk - within < count ? chunk - within : count;
        if ((status = run_chunk(r, form, queries, base, r->query)) != WEFT_OK)
            break;
        const char *vectors = (const char *)r->query + (size_t)(within * r->width) * e;
        status = weft_search_run(r->search, r->engine->team, n, vectors, m, NULL, context, NULL);
        context += n * m;
        from += n;
        count -= n;
    }
    return status;
}
