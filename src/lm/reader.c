/* A model that reads whole texts: its tokenizer, what its folder says of classes and vectors, and the texts at hand. */
#include <math.h>
#include <stdlib.h>

#include "lm/classes.h"
#include "lm/model.h"
#include "lm/pool.h"
#include "lm/sentence.h"

struct weft_lm_reader {
    weft_lm *lm;
    weft_tokenizer *tokenizer;
    weft_lm_text_reader *reader;
    weft_lm_texts texts; /* at hand */
    weft_lm_classes classes;
    weft_lm_pooling pooling;
    bool logits, unit;
    int64_t size, batch;
    void (*progress)(void *user, int64_t done);
    void *user;
};

/* The model and its tokenizer; `longest` is what the folder says, 0: nothing. */
static weft_status open_parts(weft_lm_reader *r, weft_engine *engine, const char *folder, const weft_lm_reader_options *o,
                              int64_t longest)
{
    weft_status status = weft_lm_open(engine, folder, &o->model, &r->lm);
    if (status == WEFT_OK)
        status = weft_lm_tokenizer_open(r->lm, folder, &r->tokenizer);
    if (status != WEFT_OK)
        return status;
    const int64_t context = weft_lm_context(r->lm) - weft_lm_first_position(&r->lm->config);
    if (o->longest > context)
        return weft_fail(WEFT_ERROR_ARGUMENT, "texts of %lld tokens: the model's context is %lld tokens", (long long)o->longest,
                         (long long)context);
    longest = o->longest > 0 ? o->longest : longest && longest < context ? longest : context;
    status = weft_lm_pool_size(r->lm, r->pooling, &r->size);
    return status == WEFT_OK ? weft_lm_text_reader_new(r->tokenizer, &r->lm->config, longest, &r->reader)
                             : weft_fail_in(status, "%s", folder);
}

static weft_lm_reader *reader_of(const weft_lm_reader_options *o)
{
    weft_lm_reader *r = calloc(1, sizeof *r);
    if (!r)
        weft_fail(WEFT_ERROR_MEMORY, "texts: memory is short");
    else
        *r = (weft_lm_reader){.batch = o->batch > 0 ? o->batch : 16, .progress = o->progress, .user = o->user};
    return r;
}

static weft_status finish(weft_lm_reader *r, weft_status status, weft_lm_reader **out)
{
    if (status == WEFT_OK)
        *out = r;
    else
        weft_lm_reader_free(r);
    return status;
}

weft_status weft_lm_classifier_open(weft_engine *engine, const char *folder, const weft_lm_reader_options *options,
                                    weft_lm_reader **out)
{
    const weft_lm_reader_options o = options ? *options : (weft_lm_reader_options){0};
    weft_lm_reader *r = reader_of(&o);
    *out = NULL;
    if (!r)
        return WEFT_ERROR_MEMORY;
    r->pooling = WEFT_LM_POOL_CLASSES;
    r->logits = o.logits;
    weft_status status = open_parts(r, engine, folder, &o, 0);
    if (status == WEFT_OK)
        status = weft_lm_classes_open(&r->classes, folder, o.model.adapter, r->size);
    if (status == WEFT_OK)
        r->classes.problem = weft_lm_problem_of(&r->lm->config);
    return finish(r, status, out);
}

weft_status weft_lm_embedder_open(weft_engine *engine, const char *folder, const weft_lm_reader_options *options,
                                  weft_lm_reader **out)
{
    const weft_lm_reader_options o = options ? *options : (weft_lm_reader_options){0};
    weft_lm_reader *r = reader_of(&o);
    weft_lm_sentence s;
    *out = NULL;
    if (!r)
        return WEFT_ERROR_MEMORY;
    weft_status status = weft_lm_sentence_read(folder, o.pooling != WEFT_LM_POOL_UNSAID, &s);
    if (status == WEFT_OK) {
        r->pooling = o.pooling != WEFT_LM_POOL_UNSAID ? o.pooling : s.pooling;
        r->unit = o.unit || (s.normalize && !o.raw);
        status = open_parts(r, engine, folder, &o, s.longest);
    }
    return finish(r, status, out);
}

void weft_lm_reader_free(weft_lm_reader *r)
{
    if (!r)
        return;
    weft_lm_texts_free(&r->texts);
    weft_lm_text_reader_free(r->reader);
    weft_lm_classes_free(&r->classes);
    weft_tokenizer_free(r->tokenizer);
    weft_lm_free(r->lm);
    free(r);
}

int64_t weft_lm_reader_size(const weft_lm_reader *r)
{
    return r->size;
}

weft_lm_problem weft_lm_reader_problem(const weft_lm_reader *r)
{
    return r->classes.problem;
}

const char *weft_lm_reader_class(const weft_lm_reader *r, int64_t k)
{
    return k >= 0 && k < r->classes.count ? r->classes.names[k] : NULL;
}

const weft_lm_classes *weft_lm_reader_classes(const weft_lm_reader *r)
{
    return &r->classes;
}

weft_lm_pooling weft_lm_reader_pooling(const weft_lm_reader *r)
{
    return r->pooling;
}

bool weft_lm_reader_is_unit(const weft_lm_reader *r)
{
    return r->unit;
}

weft_status weft_lm_reader_add(weft_lm_reader *r, const char *text, size_t length, const char *second, size_t second_length,
                               size_t *repaired)
{
    return weft_lm_text_reader_add(r->reader, text, length, second, second_length, &r->texts, repaired);
}

int64_t weft_lm_reader_count(const weft_lm_reader *r)
{
    return r->texts.texts;
}

int64_t weft_lm_reader_cut(const weft_lm_reader *r)
{
    return r->texts.cut;
}

static void to_length_one(int64_t n, double *x)
{
    double squares = 0;
    for (int64_t k = 0; k < n; k++)
        squares += x[k] * x[k];
    const double scale = squares > 0 ? 1 / sqrt(squares) : 1;
    for (int64_t k = 0; k < n; k++)
        x[k] *= scale;
}

weft_status weft_lm_reader_run(weft_lm_reader *r, double *out)
{
    const weft_lm_pool_options o = {.pooling = r->pooling, .batch = r->batch, .progress = r->progress, .user = r->user};
    const int64_t count = r->texts.texts;
    const weft_status status = count ? weft_lm_pool(r->lm, &r->texts, &o, out) : WEFT_OK;
    r->texts.texts = r->texts.count = 0;
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        if (r->unit)
            to_length_one(r->size, out + i * r->size);
        if (r->pooling == WEFT_LM_POOL_CLASSES && !r->logits)
            weft_lm_probabilities(r->classes.problem, r->size, out + i * r->size);
    }
    return status;
}
