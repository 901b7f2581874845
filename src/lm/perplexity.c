/* Perplexity over windows with a stride: a token is scored once, by the first window that has context for it. */
#include "lm/lm.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As many windows at a time as make about this many tokens. */
enum { TOKENS_AT_A_TIME = 2048 };

typedef struct measure {
    weft_lm *lm;
    const int64_t *ids;
    int64_t count, window, stride, batch;
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    int64_t *tokens, *labels, *positions; /* [batch, window] */
    double sum;
    int64_t scored;
} measure;

static weft_status prepare(measure *m)
{
    size_t n = (size_t)(m->batch * m->window);
    int64_t rows = m->batch * m->window, W = m->window;
    const weft_lm_config *c = &m->lm->config;
    weft_lm_builder b;
    m->graph = weft_lm_graph(m->lm);
    m->tokens = calloc(n, sizeof *m->tokens);
    m->labels = calloc(n, sizeof *m->labels);
    m->positions = calloc(n, sizeof *m->positions);
    if (!m->graph || !m->tokens || !m->labels || !m->positions)
        return weft_fail(WEFT_ERROR_MEMORY, "perplexity: memory is short");
    weft_graph *g = m->graph;
    weft_lm_begin(&b, g, c,
                  &(weft_lm_form){.batch = m->batch, .tokens = W, .round_scale = m->lm->bf16, .adapter = m->lm->adapter});
    weft_value x = weft_reshape(g, weft_lm_final(&b, weft_lm_stream(&b)), DIMS(rows, c->width));
    weft_value losses = weft_name(g, weft_lm_row_losses(&b, x, weft_labels(g, "labels", DIMS(rows), c->vocab)), "losses");
    weft_status status = weft_compile(m->lm->engine, g, NULL, 0, &losses, 1, &m->plan);
    return status == WEFT_OK ? weft_session_new(m->plan, m->lm->sets, m->lm->set_count, &m->session) : status;
}

/* Scores what is in the buffers. */
static weft_status run(measure *m)
{
    weft_dims dims = DIMS(m->batch, m->window);
    weft_tensor losses;
    weft_status status = weft_bind(m->session, "input_ids", (weft_tensor){m->tokens, WEFT_I64, dims});
    if (status == WEFT_OK)
        status = weft_bind(m->session, "labels", (weft_tensor){m->labels, WEFT_I64, DIMS(m->batch * m->window)});
    if (status == WEFT_OK && m->lm->config.family->names->position)
        status = weft_bind(m->session, "position_ids", (weft_tensor){m->positions, WEFT_I64, dims});
    if (status == WEFT_OK)
        status = weft_run(m->session);
    if (status == WEFT_OK)
        status = weft_fetch(m->session, "losses", &losses);
    for (int64_t i = 0; i < m->batch * m->window && status == WEFT_OK; i++) {
        if (m->labels[i] == WEFT_IGNORE)
            continue;
        double loss = losses.dtype == WEFT_F64 ? ((const double *)losses.data)[i] : (double)((const float *)losses.data)[i];
        if (isnan(loss))
            status = weft_lm_blame(m->lm, m->tokens + i / m->window * m->window, m->window);
        m->sum += loss;
        m->scored++;
    }
    return status;
}

/* Window number k of a batch begins at `begin`: targets from `first` on are scored, the first token never. */
static void fill(measure *m, int64_t k, int64_t begin, int64_t end, int64_t first, unsigned char *scored)
{
    int64_t at = k * m->window;
    for (int64_t t = 0; t < m->window; t++) {
        int64_t target = begin + t + 1;
        m->tokens[at + t] = begin + t < end ? m->ids[begin + t] : 0;
        m->positions[at + t] = t;
        m->labels[at + t] = target < end && target >= first ? m->ids[target] : WEFT_IGNORE;
        if (scored && m->labels[at + t] != WEFT_IGNORE)
            scored[target] = 1;
    }
}

static void release(measure *m)
{
    weft_session_free(m->session);
    weft_plan_free(m->plan);
    weft_graph_free(m->graph);
    free(m->tokens);
    free(m->labels);
    free(m->positions);
    m->session = NULL;
    m->plan = NULL;
    m->graph = NULL;
    m->tokens = m->labels = m->positions = NULL;
}

/* The last window where it is shorter and ropes go by the length: a graph of its own length, as a model that read it alone. */
static weft_status shorter_window(measure *m, int64_t begin, int64_t done, unsigned char *scored)
{
    release(m);
    m->window = m->count - begin;
    m->batch = 1;
    weft_status status = prepare(m);
    if (status == WEFT_OK) {
        fill(m, 0, begin, m->count, done, scored);
        status = run(m);
    }
    return status;
}

static weft_status all_windows(measure *m, const weft_lm_perplexity_options *o, unsigned char *scored)
{
    int64_t done = 0, k = 0, begin = 0, windows = 0;
    int64_t total = o->llamacpp             ? m->count / m->window
                    : m->count <= m->window ? 1
                                            : 1 + (m->count - m->window + m->stride - 1) / m->stride;
    const int64_t last = m->count - (total - 1) * m->stride;
    const weft_lm_config *c = &m->lm->config;
    const bool shorter =
        !o->llamacpp && last < m->window && weft_lm_rope_kind_of_length(c, last) != weft_lm_rope_kind_of_length(c, m->window);
    weft_status status = WEFT_OK;
    total -= shorter;
    while (windows < total && status == WEFT_OK) {
        int64_t end = begin + m->window < m->count ? begin + m->window : m->count;
        fill(m, k++, begin, end, o->llamacpp ? begin + m->window / 2 + 1 : done, scored);
        done = end;
        begin += m->stride;
        windows++;
        if (k < m->batch && windows < total)
            continue;
        for (; k < m->batch; k++)
            fill(m, k, 0, 0, 0, NULL); /* nothing to score */
        status = run(m);
        k = 0;
        if (o->progress)
            o->progress(o->user, windows, total);
        if (status == WEFT_OK && weft_interrupted())
            status = weft_fail(WEFT_ERROR_INTERRUPTED, "interrupted");
    }
    return status == WEFT_OK && shorter ? shorter_window(m, begin, done, scored) : status;
}

weft_status weft_lm_measure(weft_lm *lm, const int64_t *ids, int64_t count, const weft_lm_perplexity_options *options,
                            unsigned char *scored, weft_lm_perplexity *out)
{
    weft_lm_perplexity_options o = options ? *options : (weft_lm_perplexity_options){0};
    measure m = {.lm = lm, .ids = ids, .count = count, .window = o.window ? o.window : lm->config.positions};
    *out = (weft_lm_perplexity){0};
    if (lm->config.family->encoder)
        return weft_fail(WEFT_ERROR_ARGUMENT, "a %s model is an encoder: it gives no next token a probability", weft_lm_type(lm));
    if (count < 2)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: expected two tokens at least, of which the second is scored",
                         count ? "the text is a single token" : "the text is empty");
    m.stride = o.llamacpp ? m.window : o.stride ? o.stride : m.window;
    if (m.window < 2 || m.stride < 1 || m.stride > m.window)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "window %lld and stride %lld: expected a window of 2 or more, a stride of 1 to the window",
                         (long long)m.window, (long long)m.stride);
    if (m.window > count && !o.llamacpp) { /* a single window: the stride is of no use */
        m.window = count;
        m.stride = m.stride < count ? m.stride : count;
    }
    if (o.llamacpp && count < m.window)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%lld tokens do not fill a window of %lld", (long long)count, (long long)m.window);
    if (lm->config.family->names->position && m.window > lm->config.positions)
        return weft_fail(WEFT_ERROR_ARGUMENT, "a window of %lld tokens: the model has %lld positions", (long long)m.window,
                         (long long)lm->config.positions);
    for (int64_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= lm->config.vocab)
            return weft_fail(WEFT_ERROR_ARGUMENT, "token %lld at place %lld is not among the model's 0 to %lld",
                             (long long)ids[i], (long long)i, (long long)lm->config.vocab - 1);
    int64_t windows = 1 + count / m.stride;
    m.batch = TOKENS_AT_A_TIME / m.window < 1 ? 1 : TOKENS_AT_A_TIME / m.window;
    if (m.batch > windows)
        m.batch = windows;
    if (scored)
        memset(scored, 0, (size_t)count);
    double begun = weft_clock();
    weft_status status = prepare(&m);
    if (status == WEFT_OK)
        status = all_windows(&m, &o, scored);
    release(&m);
    if (status != WEFT_OK)
        return status;
    *out = (weft_lm_perplexity){.scored = m.scored, .nll = m.sum, .seconds = weft_clock() - begun};
    out->perplexity = exp(m.sum / (double)(m.scored ? m.scored : 1));
    return WEFT_OK;
}
