/* Generating with a chain: a plan for the prompt and one for each further token, behind the same caches. The base's keys and
 * values come from the one stream, so its cache is not that of the base run alone; caches that must be equal are one. */
#include "audit/chain.h"

#include <stdlib.h>
#include <string.h>
#include <string.h>

struct weft_tuco_run {
    weft_tuco *t;
    int64_t filled, capacity, rope_length;
    double alpha, tuco;
    float *logits;
    char **names; /* of the states, and their memory */
    void **memory;
    weft_tensor *states;
    int state_count;
};

/* Memory, zeroed, for every state of the plan's graph. */
static weft_status make_states(weft_tuco_run *run, const tuco_plan *p)
{
    weft_entry e;
    int count = weft_graph_entries(p->graph, -1, &e);
    run->names = calloc((size_t)count + 1, sizeof *run->names);
    run->memory = calloc((size_t)count + 1, sizeof *run->memory);
    run->states = calloc((size_t)count + 1, sizeof *run->states);
    if (!run->names || !run->memory || !run->states)
        return tuco_short_of_memory();
    for (int i = 0; i < count; i++) {
        weft_graph_entries(p->graph, i, &e);
        if (strcmp(e.kind, "state") != 0)
            continue;
        int k = run->state_count++;
        weft_tensor state = {NULL, e.dtype, e.dims};
        run->names[k] = strdup(e.name);
        run->memory[k] = calloc(1, weft_tensor_bytes(state) + 64);
        if (!run->names[k] || !run->memory[k])
            return tuco_short_of_memory();
        state.data = (void *)(((uintptr_t)run->memory[k] + 63) & ~(uintptr_t)63);
        run->states[k] = state;
    }
    return WEFT_OK;
}

int64_t tuco_run_capacity(const weft_tuco_run *run)
{
    return run->capacity;
}

/* A plan may have served another run since. */
weft_status tuco_run_bind(weft_tuco_run *run, tuco_plan *p)
{
    weft_status status = run->states ? WEFT_OK : make_states(run, p);
    for (int k = 0; k < run->state_count && status == WEFT_OK; k++)
        status = weft_bind(p->session, run->names[k], run->states[k]);
    return status;
}

/* Runs n more tokens, a prompt or one; takes the logits and the TuCo of the last. */
static weft_status advance(weft_tuco_run *run, const int64_t *ids, int64_t n, int64_t rows)
{
    weft_tuco *t = run->t;
    const int64_t L = weft_tuco_layers(t);
    tuco_form form = {.tokens = rows, .capacity = run->capacity, .length = run->rope_length, .steered = run->alpha != 1};
    tuco_plan *p;
    double *norms = malloc((size_t)(4 * L * n) * sizeof *norms);
    weft_status status = norms ? tuco_plan_get(t, &form, &p) : tuco_short_of_memory();
    if (status == WEFT_OK)
        status = tuco_plan_feed(p, t, ids, n, run->filled, run->alpha);
    if (status == WEFT_OK)
        status = tuco_run_bind(run, p);
    if (status == WEFT_OK)
        status = weft_run(p->session);
    if (status == WEFT_OK)
        status = tuco_plan_rows(p, "l1", 4 * L, n, norms);
    if (status == WEFT_OK)
        status = tuco_plan_logits(p, weft_tuco_vocab(t), run->logits);
    if (status == WEFT_OK) {
        run->filled += n;
        run->tuco = L ? tuco_share_of(norms[(3 * L - 1) * n + n - 1], norms[(4 * L - 1) * n + n - 1]) : 0;
    }
    free(norms);
    return status;
}

/* A run that has read nothing. */
static weft_status new_run(weft_tuco *t, const int64_t *ids, int64_t n, int64_t most_new, double alpha, weft_tuco_run **out)
{
    *out = NULL;
    weft_status status = tuco_check_ids(t, ids, n);
    if (status != WEFT_OK)
        return status;
    int64_t most = weft_tuco_positions(t);
    if (n + most_new > most)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%lld tokens of prompt and %lld to generate: the model takes %lld", (long long)n,
                         (long long)most_new, (long long)most);
    weft_tuco_run *run = calloc(1, sizeof *run);
    if (!run)
        return tuco_short_of_memory();
    int64_t rows = tuco_round_up(n), needed = n + most_new;
    *run = (weft_tuco_run){.t = t, .alpha = alpha, .rope_length = tuco_rope_length(t, needed)};
    run->capacity = tuco_round_up(needed > rows ? needed : rows);
    run->logits = calloc((size_t)weft_tuco_vocab(t), sizeof *run->logits);
    *out = run;
    return run->logits ? WEFT_OK : tuco_short_of_memory();
}

static weft_status finish_start(weft_status status, weft_tuco_run **run)
{
    if (status != WEFT_OK) {
        weft_tuco_run_free(*run);
        *run = NULL;
    }
    return status;
}

weft_status weft_tuco_start(weft_tuco *t, const int64_t *ids, int64_t n, int64_t most_new, double alpha, weft_tuco_run **out)
{
    weft_status status = new_run(t, ids, n, most_new, alpha, out);
    return finish_start(status == WEFT_OK ? advance(*out, ids, n, tuco_round_up(n)) : status, out);
}

/* The reading's pass through the prompt, into the run's caches. */
static weft_status read_into(weft_tuco_run *run, const int64_t *ids, int64_t n, const weft_tuco_request *request,
                             weft_tuco_reading **out)
{
    weft_status status = tuco_reading_new(run->t, n, request, out);
    if (status == WEFT_OK)
        status = tuco_read_whole(run->t, ids, request, run, *out);
    if (status != WEFT_OK) {
        weft_tuco_reading_free(*out);
        *out = NULL;
        return status;
    }
    (*out)->peak_bytes = tuco_plans_bytes(run->t->plans);
    run->filled = n;
    run->tuco = (*out)->tuco;
    memcpy(run->logits, (*out)->logits, (size_t)weft_tuco_vocab(run->t) * sizeof *run->logits);
    return WEFT_OK;
}

weft_status weft_tuco_read_and_start(weft_tuco *t, const int64_t *ids, int64_t n, int64_t most_new,
                                     const weft_tuco_request *request, weft_tuco_reading **reading, weft_tuco_run **out)
{
    *reading = NULL;
    weft_status status = new_run(t, ids, n, most_new, request->alpha, out);
    if (status == WEFT_OK && ((*out)->rope_length || request->stream_layers)) {
        /* keys turned for the longer text are not those of the prompt by itself */
        status = weft_tuco_read(t, ids, n, request, reading);
        if (status == WEFT_OK)
            status = advance(*out, ids, n, tuco_round_up(n));
    } else if (status == WEFT_OK) {
        status = read_into(*out, ids, n, request, reading);
    }
    if (status != WEFT_OK) {
        weft_tuco_reading_free(*reading);
        *reading = NULL;
    }
    return finish_start(status, out);
}

const float *weft_tuco_run_logits(const weft_tuco_run *run)
{
    return run->logits;
}

double weft_tuco_run_tuco(const weft_tuco_run *run)
{
    return run->tuco;
}

weft_status weft_tuco_next(weft_tuco_run *run, int64_t id)
{
    if (id < 0 || id >= weft_tuco_vocab(run->t))
        return weft_fail(WEFT_ERROR_ARGUMENT, "id %lld is not in the vocabulary of %lld", (long long)id,
                         (long long)weft_tuco_vocab(run->t));
    if (run->filled >= run->capacity || run->filled >= weft_tuco_positions(run->t))
        return weft_fail(WEFT_ERROR_ARGUMENT, "%lld tokens are there: no room for one more", (long long)run->filled);
    return advance(run, &id, 1, 1);
}

void weft_tuco_run_free(weft_tuco_run *run)
{
    if (!run)
        return;
    for (int k = 0; k < run->state_count; k++) {
        free(run->names[k]);
        free(run->memory[k]);
    }
    free(run->names);
    free(run->memory);
    free(run->states);
    free(run->logits);
    free(run);
}
