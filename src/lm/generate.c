/* Continuing prompts: all streams of a batch go on together, each until its own end. */
#include "lm/generate.h"
#include "lm/lm.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

typedef struct generation {
    weft_lm *lm;
    const weft_lm_generate_options *o;
    const weft_lm_tokens *prompts;
    int64_t streams;
    weft_lm_generated *out;
    weft_lm_decoder *decoder;
    weft_sampler *sampler;
    int64_t first;        /* number of stream 0 among all prompts */
    weft_lm_tokens *next; /* [streams] what each is fed */
} generation;

static bool is_end(const weft_lm_generate_options *o, int64_t id)
{
    for (int i = 0; i < o->eos_count; i++)
        if (o->eos[i] == id)
            return true;
    return false;
}

/* The next token of stream s; draws are keyed by seed, stream and place alone. */
static weft_status choose(generation *g, int64_t s, int64_t *id)
{
    weft_lm_generated *r = &g->out[s];
    weft_sampler_history history = {g->prompts[s].ids, g->prompts[s].count, r->ids, r->count};
    return weft_sampler_next(g->sampler, weft_lm_decoder_logits(g->decoder, s), &history, g->o->seed, (uint64_t)(g->first + s),
                             id);
}

/* Chooses for every stream that goes on; *going: how many do. */
static weft_status step(generation *g, int64_t *going)
{
    weft_status status = WEFT_OK;
    *going = 0;
    for (int64_t s = 0; s < g->streams && status == WEFT_OK; s++) {
        weft_lm_generated *r = &g->out[s];
        int64_t id;
        bool stop = false;
        g->next[s] = (weft_lm_tokens){0};
        if (r->end != WEFT_LM_GOING)
            continue;
        if ((status = choose(g, s, &id)) != WEFT_OK)
            break;
        if (is_end(g->o, id)) {
            r->end = WEFT_LM_END_TOKEN;
            continue;
        }
        r->ids[r->count++] = id;
        if (g->o->token)
            status = g->o->token(g->o->user, g->first + s, id, &stop);
        if (stop) {
            r->end = WEFT_LM_END_STOP;
            continue;
        }
        if (r->count == g->o->tokens || g->prompts[s].count + r->count >= weft_lm_decoder_capacity(g->decoder)) {
            r->end = WEFT_LM_END_LENGTH;
            continue;
        }
        g->next[s] = (weft_lm_tokens){&r->ids[r->count - 1], 1};
        ++*going;
    }
    return status;
}

static weft_status prepare(generation *g)
{
    int64_t longest = 0;
    int64_t context = g->o->decoder ? weft_lm_decoder_capacity(g->o->decoder) : weft_lm_context(g->lm);
    for (int64_t s = 0; s < g->streams; s++) {
        if (g->prompts[s].count < 1)
            return weft_fail(WEFT_ERROR_ARGUMENT, "prompt %lld is empty: a model continues from one token at least",
                             (long long)(g->first + s));
        if (g->prompts[s].count >= context)
            return weft_fail(WEFT_ERROR_ARGUMENT, "the prompt has %lld tokens, the model's context holds %lld",
                             (long long)g->prompts[s].count, (long long)context);
        longest = g->prompts[s].count > longest ? g->prompts[s].count : longest;
        const int64_t room = context - g->prompts[s].count, most = g->o->tokens < room ? g->o->tokens : room;
        if (!(g->out[s].ids = malloc((size_t)(most + 1) * sizeof *g->out[s].ids)))
            return weft_fail(WEFT_ERROR_MEMORY, "%lld new tokens: memory is short", (long long)g->o->tokens);
    }
    if (!(g->next = calloc((size_t)g->streams, sizeof *g->next)))
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    memcpy(g->next, g->prompts, (size_t)g->streams * sizeof *g->next);
    if (g->o->decoder) {
        int64_t held = weft_lm_decoder_common(g->o->decoder, 0, g->prompts[0]);
        if (held == g->prompts[0].count)
            held--; /* the last token's logits are needed */
        weft_lm_decoder_rewind(g->o->decoder, 0, held);
        g->next[0] = (weft_lm_tokens){g->prompts[0].ids + held, g->prompts[0].count - held};
        g->decoder = g->o->decoder;
        return weft_sampler_new(weft_lm_vocabulary(g->lm), g->o->settings, &g->sampler);
    }
    int64_t capacity = longest + g->o->tokens < context ? longest + g->o->tokens : context;
    weft_status status = weft_lm_decoder_new(g->lm, g->streams, capacity, &g->decoder);
    return status == WEFT_OK ? weft_sampler_new(weft_lm_vocabulary(g->lm), g->o->settings, &g->sampler) : status;
}

/* Prompts [first, first + count) together. */
static weft_status run(weft_lm *lm, const weft_lm_tokens *prompts, int64_t first, int64_t count,
                       const weft_lm_generate_options *options, weft_lm_generated *out)
{
    generation g = {.lm = lm, .o = options, .prompts = prompts + first, .streams = count, .out = out + first, .first = first};
    weft_status status = prepare(&g);
    double begun = weft_clock(), prompted = begun;
    int64_t going = 1;
    while (going > 0 && status == WEFT_OK) {
        status = weft_lm_decoder_feed(g.decoder, g.next);
        if (prompted == begun)
            prompted = weft_clock();
        if (status == WEFT_OK)
            status = step(&g, &going);
    }
    for (int64_t s = 0; s < count; s++) {
        g.out[s].prompt_seconds = prompted - begun;
        g.out[s].seconds = weft_clock() - prompted;
    }
    if (!options->decoder)
        weft_lm_decoder_free(g.decoder);
    weft_sampler_free(g.sampler);
    free(g.next);
    return status;
}

weft_status weft_lm_generate(weft_lm *lm, const weft_lm_tokens *prompts, int64_t count, const weft_lm_generate_options *options,
                             weft_lm_generated *out)
{
    memset(out, 0, (size_t)count * sizeof *out);
    if (options->decoder && count != 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "a decoder of one stream for %lld prompts", (long long)count);
    if (options->tokens < 1 || options->tokens > 1 << 30)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%lld new tokens: expected one at least", (long long)options->tokens);
    /* ropes that go by the length of the cache would let neighbours' lengths matter: then each prompt goes by itself */
    int64_t each = weft_lm_rope_by_length(&lm->config) ? 1 : count;
    weft_status status = WEFT_OK;
    for (int64_t first = 0; first < count && status == WEFT_OK; first += each)
        status = run(lm, prompts, first, each, options, out);
    if (status != WEFT_OK)
        for (int64_t s = 0; s < count; s++)
            weft_lm_generated_free(&out[s]);
    return status;
}

void weft_lm_generated_free(weft_lm_generated *g)
{
    free(g->ids);
    *g = (weft_lm_generated){0};
}
