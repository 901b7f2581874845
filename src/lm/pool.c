/* Texts through a model in batches. How far a text is filled up depends on its own length alone, so that its plan's length, and
 * with it every bit of its answer, is the same in any company. */
#include "lm/pool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lm/model.h"

typedef struct entry {
    int64_t text, tokens, length; /* length: filled up */
} entry;

typedef struct pass {
    weft_lm *lm;
    weft_lm_pooling pooling;
    int64_t batch, length, size; /* of the plan at hand; numbers a text */
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    int64_t *ids, *types, *positions, *places, *rows; /* [batch, length] each; the last two [batch] */
    float *mask;
} pass;

static void close_pass(pass *p)
{
    weft_session_free(p->session);
    weft_plan_free(p->plan);
    weft_graph_free(p->graph);
    free(p->ids);
    free(p->mask);
    p->session = NULL;
    p->plan = NULL;
    p->graph = NULL;
    p->ids = NULL;
    p->mask = NULL;
}

static weft_status memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "texts: memory is short");
}

static weft_value pooled(weft_lm_builder *b, weft_lm_pooling pooling)
{
    b->form.streams = pooling != WEFT_LM_POOL_CLASSES; /* a classifying decoder needs its last rows alone */
    weft_value x = weft_lm_stream(b);
    if (pooling == WEFT_LM_POOL_CLASSES)
        return weft_lm_class_logits(b, x);
    if (pooling == WEFT_LM_POOL_POOLER)
        return weft_lm_pooled(b, x);
    return b->c->family->encoder ? x : weft_lm_final(b, x);
}

static weft_status open_pass(pass *p, int64_t batch, int64_t length)
{
    const size_t n = (size_t)(batch * length);
    if (p->session && p->batch == batch && p->length == length)
        return WEFT_OK;
    close_pass(p);
    p->batch = batch;
    p->length = length;
    p->ids = malloc((3 * n + 2 * (size_t)batch) * sizeof *p->ids);
    p->mask = malloc(n * sizeof *p->mask);
    if (!p->ids || !p->mask)
        return memory();
    p->types = p->ids + n;
    p->positions = p->types + n;
    p->places = p->positions + n;
    p->rows = p->places + batch;
    if (!(p->graph = weft_lm_graph(p->lm)))
        return WEFT_ERROR_MEMORY;
    weft_lm_builder b;
    weft_lm_begin(&b, p->graph, &p->lm->config,
                  &(weft_lm_form){.batch = batch,
                                  .tokens = length,
                                  .mask = p->lm->config.family->encoder,
                                  .types = p->lm->config.types > 1,
                                  .round_scale = p->lm->bf16,
                                  .adapter = p->lm->adapter});
    weft_value answer = weft_name(p->graph, pooled(&b, p->pooling), "answer");
    weft_status status = weft_compile(p->lm->engine, p->graph, NULL, 0, &answer, 1, &p->plan);
    return status == WEFT_OK ? weft_session_new(p->plan, p->lm->sets, p->lm->set_count, &p->session) : status;
}

/* The last token of a text as a decoder's classifier finds it: padding's id is none (lm/model.h). */
static void fill(pass *p, const weft_lm_texts *texts, const entry *entries)
{
    const weft_lm_config *c = &p->lm->config;
    const int64_t pad = c->pad_id >= 0 && c->pad_id < c->vocab ? c->pad_id : 0;
    for (int64_t b = 0; b < p->batch; b++) {
        const int64_t from = texts->starts[entries[b].text];
        for (int64_t t = 0; t < p->length; t++) {
            const int64_t at = b * p->length + t;
            const bool there = t < entries[b].tokens;
            p->ids[at] = there ? texts->ids[from + t] : pad;
            p->types[at] = there ? texts->types[from + t] : 0;
            p->mask[at] = there;
        }
    }
    weft_lm_last_tokens(c, p->ids, p->mask, p->batch, p->length, p->places, p->rows);
}

static weft_status run_pass(pass *p, weft_tensor *out)
{
    const weft_lm_config *c = &p->lm->config;
    const weft_dims dims = DIMS(p->batch, p->length);
    const struct {
        const char *name;
        weft_tensor tensor;
        bool there;
    } inputs[] = {{"input_ids", {p->ids, WEFT_I64, dims}, true},
                  {"attention_mask", {p->mask, WEFT_F32, dims}, c->family->encoder},
                  {"token_type_ids", {p->types, WEFT_I64, dims}, c->types > 1},
                  {"position_ids", {p->positions, WEFT_I64, dims}, c->family->names->position != NULL},
                  {"places", {p->places, WEFT_I64, DIMS(p->batch)}, true},
                  {"rows", {p->rows, WEFT_I64, DIMS(p->batch)}, true}};
    weft_status status = WEFT_OK;
    if (c->family->names->position)
        status = weft_lm_positions(c, p->ids, p->batch, p->length, p->positions);
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0] && status == WEFT_OK; i++)
        if (inputs[i].there && weft_find(p->graph, inputs[i].name).id)
            status = weft_bind(p->session, inputs[i].name, inputs[i].tensor);
    if (status == WEFT_OK)
        status = weft_run(p->session);
    return status == WEFT_OK ? weft_fetch(p->session, "answer", out) : status;
}

static double number_at(weft_tensor t, int64_t i)
{
    return t.dtype == WEFT_F64 ? ((const double *)t.data)[i] : (double)((const float *)t.data)[i];
}

/* One text's numbers [size] from row b of the answer: [batch, size], or of every token [batch, length, size]. */
static void take(const pass *p, weft_tensor answer, int64_t b, int64_t tokens, double *out)
{
    const int64_t n = p->size;
    if (p->pooling == WEFT_LM_POOL_CLASSES || p->pooling == WEFT_LM_POOL_POOLER) {
        for (int64_t i = 0; i < n; i++)
            out[i] = number_at(answer, b * n + i);
        return;
    }
    const int64_t first = p->pooling == WEFT_LM_POOL_LAST ? tokens - 1 : 0;
    const int64_t end = p->pooling == WEFT_LM_POOL_FIRST ? 1 : tokens;
    for (int64_t i = 0; i < n; i++) {
        double all = number_at(answer, (b * p->length + first) * n + i);
        for (int64_t t = first + 1; t < end; t++) {
            const double x = number_at(answer, (b * p->length + t) * n + i);
            all = p->pooling == WEFT_LM_POOL_MAX ? fmax(all, x) : all + x;
        }
        out[i] = p->pooling == WEFT_LM_POOL_MEAN ? all / (double)tokens : all;
    }
}

/* A NaN is an error that says which layer it comes from. */
static weft_status check(const pass *p, const weft_lm_texts *texts, const entry *e, const double *numbers)
{
    for (int64_t i = 0; i < p->size; i++)
        if (!isfinite(numbers[i]))
            return weft_lm_blame(p->lm, texts->ids + texts->starts[e->text], e->tokens);
    return WEFT_OK;
}

/* Lengths in steps of an eighth, at least 8. Where ropes go by the length, no step may lead to other frequencies. */
static int64_t filled_length(const weft_lm_config *c, int64_t tokens)
{
    int64_t step = 8, most = c->positions - weft_lm_first_position(c);
    while (step * 16 <= tokens)
        step *= 2;
    int64_t length = (tokens + step - 1) / step * step;
    length = c->family->names->position && length > most && tokens <= most ? most : length;
    return weft_lm_rope_kind_of_length(c, length) == weft_lm_rope_kind_of_length(c, tokens) ? length : tokens;
}

static int by_length(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return x->length != y->length ? (x->length > y->length) - (x->length < y->length) : (x->text > y->text) - (x->text < y->text);
}

weft_status weft_lm_pool_size(const weft_lm *lm, weft_lm_pooling pooling, int64_t *out)
{
    const weft_lm_config *c = &lm->config;
    const bool pooler = c->family->encoder && c->head_kinds & WEFT_LM_POOLER;
    if (pooling == WEFT_LM_POOL_CLASSES && !(c->head_kinds & WEFT_LM_CLASSIFIER))
        return weft_fail(
            WEFT_ERROR_ARGUMENT,
            "this %s model has no classification head; weft lm finetune --classify trains one, or --adapter brings one",
            c->family->model_type);
    if (pooling == WEFT_LM_POOL_POOLER && !pooler)
        return weft_fail(WEFT_ERROR_ARGUMENT, "this %s model has no pooler; expected another pooling", c->family->model_type);
    *out = pooling == WEFT_LM_POOL_CLASSES ? c->classes : c->width;
    return WEFT_OK;
}

static weft_status run_groups(pass *p, const weft_lm_texts *texts, const weft_lm_pool_options *o, const entry *entries,
                              double *out)
{
    weft_status status = WEFT_OK;
    for (int64_t from = 0, count; from < texts->texts && status == WEFT_OK; from += count) {
        weft_tensor answer;
        for (count = 1; count < o->batch && from + count < texts->texts && entries[from + count].length == entries[from].length;)
            count++;
        status = open_pass(p, count, entries[from].length);
        if (status == WEFT_OK)
            fill(p, texts, entries + from);
        if (status == WEFT_OK)
            status = run_pass(p, &answer);
        for (int64_t b = 0; b < count && status == WEFT_OK; b++) {
            const entry *e = &entries[from + b];
            double *numbers = out + e->text * p->size;
            take(p, answer, b, e->tokens, numbers);
            status = check(p, texts, e, numbers);
        }
        if (status == WEFT_OK && o->progress)
            o->progress(o->user, from + count);
        if (status == WEFT_OK && weft_interrupted())
            status = weft_fail(WEFT_ERROR_INTERRUPTED, "interrupted");
    }
    return status;
}

weft_status weft_lm_pool(weft_lm *lm, const weft_lm_texts *texts, const weft_lm_pool_options *o, double *out)
{
    pass p = {.lm = lm, .pooling = o->pooling};
    weft_status status = weft_lm_pool_size(lm, o->pooling, &p.size);
    entry *entries = malloc(((size_t)texts->texts + 1) * sizeof *entries);
    if (!entries)
        status = memory();
    for (int64_t i = 0; i < texts->count && status == WEFT_OK; i++)
        if (texts->ids[i] < 0 || texts->ids[i] >= lm->config.vocab)
            status = weft_fail(WEFT_ERROR_FORMAT, "token %lld of this tokenizer is past the model's vocabulary of %lld",
                               (long long)texts->ids[i], (long long)lm->config.vocab);
    for (int64_t i = 0; i < texts->texts && status == WEFT_OK; i++) {
        const int64_t tokens = texts->starts[i + 1] - texts->starts[i];
        entries[i] = (entry){i, tokens, filled_length(&lm->config, tokens)};
    }
    if (status == WEFT_OK) {
        qsort(entries, (size_t)texts->texts, sizeof *entries, by_length);
        status = run_groups(&p, texts, o, entries, out);
    }
    close_pass(&p);
    free(entries);
    return status;
}
