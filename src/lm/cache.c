/* Streams of tokens with their caches: one plan a chunk size, all on the same state, so that a prompt goes through in large
 * chunks and new tokens one at a time. Ropes that depend on the length take that of all that has been fed, as transformers does:
 * keys of before keep the turn that they had. A stream that has fewer tokens than its chunk is padded: what padding leaves in the
 * cache stands behind the stream's end, where no query looks, and the next chunk writes over it. */
#include "lm/lm.h"
#include "nn/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Chunk sizes; a call takes the least that holds what is left, or the largest. */
static const int64_t chunk_sizes[] = {1, 8, 64, 256};

enum { CHUNKS = sizeof chunk_sizes / sizeof chunk_sizes[0] };

typedef struct chunk {
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    int64_t *ids, *positions; /* [streams, size] */
    int64_t rope;             /* the kind of length that its rope is for */
    int64_t *rows, *places;   /* [streams] of the last tokens among those, and in the cache */
} chunk;

typedef struct state {
    char *name;
    weft_tensor tensor;
} state;

struct weft_lm_decoder {
    weft_lm *lm;
    int64_t streams, capacity;
    chunk chunks[CHUNKS];
    state *states;
    int state_count;
    int64_t rope_length;     /* of the sequences, what is being fed included: what length-dependent ropes reckon with */
    int64_t *start, *length; /* [streams] */
    int64_t *history;        /* [streams, capacity]: what was fed, for messages */
    float *logits;           /* [streams, vocab] */
};

static weft_status short_of_memory(const weft_lm_decoder *d)
{
    return weft_fail(WEFT_ERROR_MEMORY, "a cache of %lld streams of %lld tokens does not fit in memory", (long long)d->streams,
                     (long long)d->capacity);
}

static void chunk_free(chunk *c)
{
    weft_session_free(c->session);
    weft_plan_free(c->plan);
    weft_graph_free(c->graph);
    free(c->ids);
    free(c->positions);
    free(c->rows);
    free(c->places);
    *c = (chunk){0};
}

/* The state of that name, zeroed memory made at the first call. */
static weft_tensor *state_of(weft_lm_decoder *d, const weft_entry *e)
{
    for (int i = 0; i < d->state_count; i++)
        if (strcmp(d->states[i].name, e->name) == 0)
            return &d->states[i].tensor;
    state *grown = realloc(d->states, (size_t)(d->state_count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    d->states = grown;
    state *s = &grown[d->state_count];
    int64_t count = weft_dims_count(e->dims);
    *s = (state){strdup(e->name), {count < 0 ? NULL : calloc((size_t)count, weft_dtype_size(e->dtype)), e->dtype, e->dims}};
    if (!s->name || !s->tensor.data) {
        free(s->name);
        free(s->tensor.data);
        return NULL;
    }
    d->state_count++;
    return &s->tensor;
}

static weft_status bind_states(weft_lm_decoder *d, chunk *c)
{
    weft_entry e;
    int count = weft_graph_entries(c->graph, -1, &e);
    weft_status status = WEFT_OK;
    for (int i = 0; i < count && status == WEFT_OK; i++) {
        weft_graph_entries(c->graph, i, &e);
        if (strcmp(e.kind, "state") != 0)
            continue;
        weft_tensor *t = state_of(d, &e);
        status = t ? weft_bind(c->session, e.name, *t) : short_of_memory(d);
    }
    return status;
}

/* Inputs are bound once to where each call writes them: `feed` sees to it that their numbers are in range. */
static weft_status bind_inputs(weft_lm_decoder *d, chunk *c, int64_t n)
{
    const int64_t S = d->streams;
    const weft_binding inputs[] = {
        {"input_ids", {c->ids, WEFT_I64, DIMS(S, n)}},
        {"start", {d->start, WEFT_I64, DIMS(S)}},
        {"rows", {c->rows, WEFT_I64, DIMS(S)}},
        {"places", {c->places, WEFT_I64, DIMS(S)}},
        {"position_ids", {c->positions, WEFT_I64, DIMS(S, n)}},
    };
    const int count = d->lm->config.family->names->position ? 5 : 4;
    weft_status status = WEFT_OK;
    for (int i = 0; i < count && status == WEFT_OK; i++)
        status = weft_bind(c->session, inputs[i].name, inputs[i].tensor);
    return status;
}

/* Builds and binds the chunk of that size at its first use. */
static weft_status chunk_of(weft_lm_decoder *d, int k, chunk **out)
{
    chunk *c = *out = &d->chunks[k];
    int64_t S = d->streams, n = chunk_sizes[k], rope = weft_lm_rope_kind_of_length(&d->lm->config, d->rope_length);
    if (c->session && c->rope == rope)
        return WEFT_OK;
    chunk before = *c; /* holds the packed weights until its follower does */
    *c = (chunk){0};
    weft_lm_builder b;
    weft_lm_form form = {.batch = S,
                         .tokens = n,
                         .capacity = d->capacity,
                         .rope_length = d->rope_length,
                         .rows = true,
                         .round_scale = d->lm->bf16,
                         .adapter = d->lm->adapter};
    c->rope = rope;
    c->graph = weft_lm_graph(d->lm);
    c->ids = calloc((size_t)(S * n), sizeof *c->ids);
    c->positions = calloc((size_t)(S * n), sizeof *c->positions);
    c->rows = calloc((size_t)S, sizeof *c->rows);
    c->places = calloc((size_t)S, sizeof *c->places);
    if (!c->graph || !c->ids || !c->positions || !c->rows || !c->places) {
        chunk_free(c);
        chunk_free(&before);
        return short_of_memory(d);
    }
    weft_lm_begin(&b, c->graph, &d->lm->config, &form);
    weft_value logits = weft_name(c->graph, weft_lm_logits(&b, weft_lm_stream(&b)), "logits");
    weft_status status = weft_compile(d->lm->engine, c->graph, NULL, 0, &logits, 1, &c->plan);
    if (status == WEFT_OK)
        status = weft_session_new(c->plan, d->lm->sets, d->lm->set_count, &c->session);
    if (status == WEFT_OK)
        status = bind_states(d, c);
    if (status == WEFT_OK)
        status = bind_inputs(d, c, n);
    if (status != WEFT_OK)
        chunk_free(c);
    chunk_free(&before);
    return status;
}

weft_status weft_lm_decoder_new(weft_lm *lm, int64_t streams, int64_t capacity, weft_lm_decoder **out)
{
    *out = NULL;
    if (lm->config.family->encoder)
        return weft_fail(WEFT_ERROR_ARGUMENT, "a %s model is an encoder: it does not continue texts", weft_lm_type(lm));
    if (lm->config.head_kinds & WEFT_LM_CLASSIFIER)
        return weft_fail(WEFT_ERROR_ARGUMENT, "this %s model is a classifier: it does not continue texts", weft_lm_type(lm));
    if (streams < 1 || capacity < 1 || streams > 1 << 16 || capacity > 1 << 30)
        return weft_fail(WEFT_ERROR_ARGUMENT, "a cache of %lld streams of %lld tokens: expected 1 or more of each",
                         (long long)streams, (long long)capacity);
    if (lm->config.family->names->position && capacity > lm->config.positions)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%lld tokens are more than the model's %lld positions", (long long)capacity,
                         (long long)lm->config.positions);
    weft_lm_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    *d = (weft_lm_decoder){.lm = lm, .streams = streams, .capacity = capacity, .rope_length = 1};
    size_t S = (size_t)streams;
    d->start = calloc(S, sizeof *d->start);
    d->length = calloc(S, sizeof *d->length);
    d->history = calloc(S * (size_t)capacity, sizeof *d->history);
    d->logits = calloc(S * (size_t)lm->config.vocab, sizeof *d->logits);
    chunk *first;
    weft_status status = d->start && d->length && d->history && d->logits ? chunk_of(d, 0, &first) : short_of_memory(d);
    if (status != WEFT_OK)
        weft_lm_decoder_free(d);
    else
        *out = d;
    return status;
}

void weft_lm_decoder_free(weft_lm_decoder *d)
{
    if (!d)
        return;
    for (int k = 0; k < CHUNKS; k++)
        chunk_free(&d->chunks[k]);
    for (int i = 0; i < d->state_count; i++) {
        free(d->states[i].name);
        free(d->states[i].tensor.data);
    }
    free(d->states);
    free(d->start);
    free(d->length);
    free(d->history);
    free(d->logits);
    free(d);
}

const float *weft_lm_decoder_logits(const weft_lm_decoder *d, int64_t s)
{
    return d->logits + s * d->lm->config.vocab;
}

int64_t weft_lm_decoder_length(const weft_lm_decoder *d, int64_t s)
{
    return d->length[s];
}

int64_t weft_lm_decoder_capacity(const weft_lm_decoder *d)
{
    return d->capacity;
}

int64_t weft_lm_decoder_common(const weft_lm_decoder *d, int64_t s, weft_lm_tokens tokens)
{
    int64_t n = 0;
    while (n < tokens.count && n < d->length[s] && tokens.ids[n] == d->history[s * d->capacity + n])
        n++;
    return n;
}

void weft_lm_decoder_rewind(weft_lm_decoder *d, int64_t s, int64_t length)
{
    if (length >= 0 && length < d->length[s])
        d->length[s] = length;
}

/* The logits of the streams whose last token was in this chunk. */
static weft_status take_logits(weft_lm_decoder *d, chunk *c, const int64_t *left)
{
    weft_tensor t;
    int64_t V = d->lm->config.vocab;
    weft_status status = weft_fetch(c->session, "logits", &t);
    for (int64_t s = 0; s < d->streams && status == WEFT_OK; s++) {
        float *out = d->logits + s * V;
        if (left[s] != 0)
            continue;
        bool nan = false;
        for (int64_t i = 0; i < V; i++) {
            out[i] = t.dtype == WEFT_F64 ? (float)((const double *)t.data)[s * V + i] : ((const float *)t.data)[s * V + i];
            nan |= isnan(out[i]);
        }
        if (nan)
            status = weft_lm_blame(d->lm, d->history + s * d->capacity, d->length[s]);
    }
    return status;
}

/* One chunk: up to its size of each stream's next tokens. done[s]: tokens already fed; left[s]: −1 when none were in this chunk
 */
static weft_status feed_chunk(weft_lm_decoder *d, int k, const weft_lm_tokens *tokens, int64_t *done, int64_t *left)
{
    chunk *c;
    int64_t S = d->streams, n = chunk_sizes[k], most = d->lm->config.positions - 1;
    weft_status status = chunk_of(d, k, &c);
    if (status != WEFT_OK)
        return status;
    for (int64_t s = 0; s < S; s++) {
        int64_t take = tokens[s].count - done[s] < n ? tokens[s].count - done[s] : n;
        d->start[s] = d->length[s];
        c->rows[s] = s * n + (take ? take - 1 : 0);
        c->places[s] = d->length[s] + (take ? take - 1 : 0);
        c->places[s] -= c->places[s] == d->capacity; /* nobody reads the row of a stream that takes nothing */
        for (int64_t t = 0; t < n; t++) {
            c->ids[s * n + t] = t < take ? tokens[s].ids[done[s] + t] : 0;
            c->positions[s * n + t] = d->length[s] + t < most ? d->length[s] + t : most;
        }
        if (take)
            memcpy(d->history + s * d->capacity + d->length[s], tokens[s].ids + done[s], (size_t)take * sizeof *d->history);
        d->length[s] += take;
        done[s] += take;
        left[s] = take ? tokens[s].count - done[s] : -1;
    }
    status = weft_run(c->session);
    return status == WEFT_OK ? take_logits(d, c, left) : status;
}

static weft_status check_tokens(const weft_lm_decoder *d, const weft_lm_tokens *tokens)
{
    for (int64_t s = 0; s < d->streams; s++) {
        if (tokens[s].count < 0 || tokens[s].count > d->capacity - d->length[s])
            return weft_fail(WEFT_ERROR_ARGUMENT, "stream %lld: %lld tokens more than the %lld there are, the cache holds %lld",
                             (long long)s, (long long)tokens[s].count, (long long)d->length[s], (long long)d->capacity);
        for (int64_t i = 0; i < tokens[s].count; i++)
            if (tokens[s].ids[i] < 0 || tokens[s].ids[i] >= d->lm->config.vocab)
                return weft_fail(WEFT_ERROR_ARGUMENT, "token %lld at place %lld is not among the model's 0 to %lld",
                                 (long long)tokens[s].ids[i], (long long)(d->length[s] + i), (long long)d->lm->config.vocab - 1);
    }
    return WEFT_OK;
}

weft_status weft_lm_decoder_feed(weft_lm_decoder *d, const weft_lm_tokens *tokens)
{
    weft_status status = check_tokens(d, tokens);
    if (status != WEFT_OK)
        return status;
    int64_t *done = calloc((size_t)d->streams * 2, sizeof *done);
    if (!done)
        return short_of_memory(d);
    d->rope_length = 1;
    for (int64_t s = 0; s < d->streams; s++)
        if (d->length[s] + tokens[s].count > d->rope_length)
            d->rope_length = d->length[s] + tokens[s].count;
    for (;;) {
        int64_t most = 0;
        for (int64_t s = 0; s < d->streams; s++)
            most = tokens[s].count - done[s] > most ? tokens[s].count - done[s] : most;
        if (most == 0 || status != WEFT_OK)
            break;
        int k = 0;
        while (k < CHUNKS - 1 && chunk_sizes[k] < most)
            k++;
        status = feed_chunk(d, k, tokens, done, done + d->streams);
        if (status == WEFT_OK && weft_interrupted())
            status = weft_fail(WEFT_ERROR_INTERRUPTED, "interrupted");
    }
    free(done);
    return status;
}
