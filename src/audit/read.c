/* Reading one prompt: run the chain's plan, take the norms, form the shares. */
#include "audit/chain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void weft_tuco_reading_free(weft_tuco_reading *r)
{
    if (!r)
        return;
    double *const arrays[] = {r->tuco_pos, r->outputco_pos, r->ptc_l1,   r->ftc_l1,  r->ptc_cum_l1, r->ftc_cum_l1, r->ftc_l2,
                              r->ptc_l2,   r->beta_pos,     r->beta_seq, r->attn_l1, r->mlp_l1,     r->steps_l1,   r->heads_l1};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        free(arrays[i]);
    free(r->logits);
    weft_arrays_free(r->tensors);
    free(r);
}

weft_status tuco_reading_new(const weft_tuco *t, int64_t n, const weft_tuco_request *request, weft_tuco_reading **out)
{
    weft_tuco_reading *r = calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return tuco_short_of_memory();
    const int64_t L = weft_tuco_layers(t), heads = request->heads ? tuco_tuned(t)->config.heads : 0;
    r->tokens = n;
    r->layers = L;
    r->vocab = weft_tuco_vocab(t);
    r->steps = t->models - 1;
    r->heads = heads;
    r->outputco = NAN;
    struct {
        double **to;
        int64_t count;
    } arrays[] = {
        {&r->tuco_pos, n},
        {&r->outputco_pos, request->outputco ? n : 0},
        {&r->ptc_l1, L * n},
        {&r->ftc_l1, L * n},
        {&r->ptc_cum_l1, (L + 1) * n},
        {&r->ftc_cum_l1, (L + 1) * n},
        {&r->ptc_l2, n},
        {&r->ftc_l2, n},
        {&r->beta_pos, (L + 1) * n},
        {&r->beta_seq, L + 1},
        {&r->attn_l1, 2 * L * n},
        {&r->mlp_l1, 2 * L * n},
        {&r->steps_l1, r->steps * n},
        {&r->heads_l1, L * heads},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        if (arrays[i].count && !(*arrays[i].to = calloc((size_t)arrays[i].count, sizeof(double))))
            return tuco_short_of_memory();
    r->logits = calloc((size_t)r->vocab, sizeof *r->logits);
    return r->logits ? WEFT_OK : tuco_short_of_memory();
}

/* From the norms l1 [4, L, n] to everything formed of them. */
void tuco_reading_finish(weft_tuco_reading *r, const double *norms, const double *halves)
{
    const int64_t L = r->layers, n = r->tokens, each = L * n;
    memcpy(r->ptc_l1, norms, (size_t)each * sizeof *norms);
    memcpy(r->ftc_l1, norms + each, (size_t)each * sizeof *norms);
    memcpy(r->ptc_cum_l1 + n, norms + 2 * each, (size_t)each * sizeof *norms);
    memcpy(r->ftc_cum_l1 + n, norms + 3 * each, (size_t)each * sizeof *norms);
    const double *half[4] = {halves, halves + each, halves + 2 * each, halves + 3 * each};
    memcpy(r->attn_l1, half[0], (size_t)each * sizeof *halves);
    memcpy(r->mlp_l1, half[1], (size_t)each * sizeof *halves);
    memcpy(r->attn_l1 + each, half[2], (size_t)each * sizeof *halves);
    memcpy(r->mlp_l1 + each, half[3], (size_t)each * sizeof *halves);
    for (int64_t l = 0; l <= L; l++) {
        double base = 0, tuned = 0;
        for (int64_t i = l * n; i < (l + 1) * n; i++) {
            r->beta_pos[i] = tuco_share_of(r->ptc_cum_l1[i], r->ftc_cum_l1[i]);
            base += r->ptc_cum_l1[i];
            tuned += r->ftc_cum_l1[i];
        }
        r->beta_seq[l] = tuco_share_of(base, tuned);
    }
    for (int64_t i = 0; i < n; i++) {
        r->tuco_pos[i] = r->beta_pos[L * n + i];
        r->ptc_l2[i] = sqrt(r->ptc_l2[i]);
        r->ftc_l2[i] = sqrt(r->ftc_l2[i]);
    }
    r->tuco = r->tuco_pos[n - 1];
    r->tuco_l2 = tuco_share_of(r->ptc_l2[n - 1], r->ftc_l2[n - 1]);
}

/* ---- OutputCo ---- */

static double at(weft_tensor t, int64_t i)
{
    return t.dtype == WEFT_F64 ? ((const double *)t.data)[i] : (double)((const float *)t.data)[i];
}

void tuco_output_shares(weft_tuco_reading *r, weft_tensor tuned, weft_tensor base)
{
    const int64_t width = base.dims.size[1];
    for (int64_t i = 0; i < r->tokens; i++) {
        double own = 0, between = 0;
        for (int64_t j = i * width; j < (i + 1) * width; j++) {
            own += fabs(at(base, j));
            between += fabs(at(tuned, j) - at(base, j));
        }
        r->outputco_pos[i] = tuco_share_of(own, between);
    }
    r->outputco = r->outputco_pos[r->tokens - 1];
}

/* The base by itself, from its own embedding: its last stream against `tuned` [n, width]. */
static weft_status read_outputco(weft_tuco *t, const int64_t *ids, weft_tuco_reading *r, weft_tensor tuned)
{
    const int64_t n = r->tokens;
    weft_status status = tuco_check_base_ids(t, ids, n);
    if (status != WEFT_OK)
        return status;
    tuco_form form = {.tokens = tuco_round_up(n), .length = tuco_rope_length(t, n), .own_base = true};
    weft_tensor base, copy = tuned;
    const size_t bytes = weft_tensor_bytes(tuned);
    if (!(copy.data = malloc(bytes + 1)))
        return tuco_short_of_memory();
    memcpy(copy.data, tuned.data, bytes);
    tuco_plan *p;
    status = tuco_plan_get(t, &form, &p);
    if (status == WEFT_OK)
        status = tuco_plan_feed(p, t, ids, n, 0, 1);
    if (status == WEFT_OK)
        status = weft_run(p->session);
    if (status == WEFT_OK)
        status = weft_fetch(p->session, "stream", &base);
    if (status == WEFT_OK)
        tuco_output_shares(r, copy, base);
    free(copy.data);
    return status;
}

/* ---- tensors for --tensors ---- */

/* The first n rows of a kept value [count, rows, width]; x, ptc … and logits. */
static weft_status keep_tensor(tuco_plan *p, weft_tuco_reading *r, const char *name)
{
    weft_tensor t;
    weft_status status = weft_fetch(p->session, name, &t);
    if (status != WEFT_OK)
        return status;
    const int64_t rank = t.dims.rank, rows = t.dims.size[rank - 2], width = t.dims.size[rank - 1];
    const int64_t count = rank == 3 ? t.dims.size[0] : 1, n = r->tokens;
    const size_t size = weft_dtype_size(t.dtype), row = (size_t)width * size;
    char *copy = malloc((size_t)(count * n) * row + 1);
    if (!copy)
        return tuco_short_of_memory();
    for (int64_t i = 0; i < count; i++)
        memcpy(copy + (size_t)(i * n) * row, (const char *)t.data + (size_t)(i * rows) * row, (size_t)n * row);
    weft_dims dims = rank == 3 ? DIMS(count, n, width) : DIMS(n, width);
    status = weft_arrays_add_copy(r->tensors, name, (weft_tensor){copy, t.dtype, dims});
    free(copy);
    return status;
}

static weft_status keep_tensors(tuco_plan *p, weft_tuco_reading *r)
{
    static const char *const names[] = {"x", "ptc", "ftc", "ptc_attn", "ptc_mlp", "ftc_attn", "ftc_mlp", "logits"};
    const int64_t L = r->layers, n = r->tokens;
    weft_status status = weft_arrays_new(&r->tensors);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == WEFT_OK; i++)
        status = keep_tensor(p, r, names[i]);
    const struct {
        const char *name;
        double *data;
        weft_dims dims;
    } numbers[] = {
        {"ptc_l1", r->ptc_l1, DIMS(L, n)},
        {"ftc_l1", r->ftc_l1, DIMS(L, n)},
        {"ptc_cum_l1", r->ptc_cum_l1, DIMS(L + 1, n)},
        {"ftc_cum_l1", r->ftc_cum_l1, DIMS(L + 1, n)},
        {"beta_pos", r->beta_pos, DIMS(L + 1, n)},
        {"beta_seq", r->beta_seq, DIMS(L + 1)},
        {"tuco", &r->tuco, DIMS(1)},
        {"tuco_l2", &r->tuco_l2, DIMS(1)},
        {"tuco_pos", r->tuco_pos, DIMS(n)},
        {"outputco_pos", r->outputco_pos, DIMS(n)},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && status == WEFT_OK; i++)
        if (numbers[i].data)
            status = weft_arrays_add_copy(r->tensors, numbers[i].name, (weft_tensor){numbers[i].data, WEFT_F64, numbers[i].dims});
    return status;
}

/* ---- one prompt ---- */

weft_status tuco_read_whole(weft_tuco *t, const int64_t *ids, const weft_tuco_request *request, weft_tuco_run *run,
                            weft_tuco_reading *r)
{
    const int64_t L = r->layers, n = r->tokens;
    tuco_form form = {.tokens = tuco_round_up(n),
                      .capacity = run ? tuco_run_capacity(run) : 0,
                      .length = tuco_rope_length(t, n),
                      .steered = request->alpha != 1,
                      .tensors = request->tensors,
                      .heads = request->heads};
    tuco_plan *p;
    double *norms = malloc((size_t)(4 * L * n) * sizeof *norms), *halves = malloc((size_t)(4 * L * n) * sizeof *halves);
    double *sums = malloc((size_t)(2 * n) * sizeof *sums);
    weft_status status = norms && halves && sums ? tuco_plan_get(t, &form, &p) : tuco_short_of_memory();
    if (status == WEFT_OK)
        status = tuco_plan_feed(p, t, ids, n, 0, request->alpha);
    if (status == WEFT_OK && run)
        status = tuco_run_bind(run, p);
    if (status == WEFT_OK)
        status = weft_run(p->session);
    if (status == WEFT_OK)
        status = tuco_plan_rows(p, "l1", 4 * L, n, norms);
    if (status == WEFT_OK)
        status = tuco_plan_rows(p, "halves", 4 * L, n, halves);
    if (status == WEFT_OK)
        status = tuco_plan_rows(p, "l2", 2, n, sums);
    if (status == WEFT_OK)
        status = tuco_plan_rows(p, "steps", r->steps, n, r->steps_l1);
    if (status == WEFT_OK && request->heads)
        status = tuco_plan_rows(p, "heads", L, r->heads, r->heads_l1);
    if (status == WEFT_OK)
        status = tuco_plan_logits(p, r->vocab, r->logits);
    if (status == WEFT_OK) {
        memcpy(r->ptc_l2, sums, (size_t)n * sizeof *sums);
        memcpy(r->ftc_l2, sums + n, (size_t)n * sizeof *sums);
        tuco_reading_finish(r, norms, halves);
    }
    weft_tensor stream;
    if (status == WEFT_OK && request->outputco && (status = weft_fetch(p->session, "stream", &stream)) == WEFT_OK)
        status = read_outputco(t, ids, r, stream);
    if (status == WEFT_OK && request->tensors)
        status = keep_tensors(p, r);
    free(norms);
    free(halves);
    free(sums);
    return status;
}

static weft_status read_one(weft_tuco *t, const int64_t *ids, int64_t n, const weft_tuco_request *request,
                            weft_tuco_reading **out)
{
    weft_tuco_reading *r = NULL;
    weft_status status = tuco_check_ids(t, ids, n);
    if (status == WEFT_OK)
        status = tuco_reading_new(t, n, request, &r);
    if (status == WEFT_OK)
        status = tuco_read_whole(t, ids, request, NULL, r);
    if (status != WEFT_OK) {
        weft_tuco_reading_free(r);
        return status;
    }
    r->peak_bytes = tuco_plans_bytes(t->plans);
    *out = r;
    return WEFT_OK;
}

weft_status weft_tuco_read_all(weft_tuco *t, const int64_t *const *ids, const int64_t *n, int64_t count,
                               const weft_tuco_request *request, weft_tuco_reading **out)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = NULL;
    if (request->stream_layers)
        return tuco_read_streaming(t, ids, n, count, request, out);
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < count && status == WEFT_OK; i++)
        status = read_one(t, ids[i], n[i], request, &out[i]);
    for (int64_t i = 0; i < count && status != WEFT_OK; i++) {
        weft_tuco_reading_free(out[i]);
        out[i] = NULL;
    }
    return status;
}

weft_status weft_tuco_read(weft_tuco *t, const int64_t *ids, int64_t n, const weft_tuco_request *request, weft_tuco_reading **out)
{
    return weft_tuco_read_all(t, &ids, &n, 1, request, out);
}
