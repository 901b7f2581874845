/* Building a language model's graph: what its inputs are, and its pieces, each a function of the stream, so that others can
 * put them together in their own way (two models on one stream, one sublayer left out).
 *
 *     weft_lm_builder b;
 *     weft_lm_begin(&b, g, config, &(weft_lm_form){.batch = 1, .tokens = 64});
 *     weft_value x = weft_lm_embed(&b);                          [batch, tokens, width]
 *     for (int l = 0; l < config->layers; l++)
 *         x = weft_lm_block(&b, l, x);
 *     weft_value logits = weft_lm_logits(&b, x);                 [batch, tokens, vocab]
 */
#ifndef WEFT_LM_BUILD_H
#define WEFT_LM_BUILD_H

#include "lm/config.h"

typedef struct weft_lm_adapter weft_lm_adapter;

/* Inputs are input_ids [batch, tokens] (an index) and what is switched on here. */
typedef struct weft_lm_form {
    int64_t batch, tokens;
    int64_t capacity;    /* of the caches, in keys a stream, with the input start [batch] I64, where a chunk begins; 0: none */
    int64_t rope_length; /* what length-dependent ropes reckon with; 0: capacity, else tokens */
    bool mask;           /* attention_mask [batch, keys]: 0 hides a key */
    bool segments;       /* segments [batch, tokens] I64: attention stays inside equal numbers, positions are an input too */
    bool types;          /* token_type_ids [batch, tokens]; off: all zero */
    bool positions;      /* position_ids [batch, tokens] I64 in place of 0, 1, … */
    bool rows;           /* logits of the rows that the input rows [batch] names, each in its own stream (a decoder's classifier
                          * always has them); the input places
                          * [batch] says where they stand in it, counted from the first key */
    bool streams;        /* all rows of every stream are wanted: the last block gives them all */
    bool maps;           /* attention.L.scores and .probabilities are kept as named values */
    bool round_scale;    /* √width of the embeddings rounded to bf16, as models in bf16 do */
    bool unnamed;        /* no value gets a name: two models then share what is equal in them */
    const char *scope;   /* in front of every parameter, state and named value; NULL: none */
    const weft_lm_adapter *adapter;
    double adapter_dropout; /* of the adapter's input, in training */
} weft_lm_form;

typedef struct weft_lm_builder {
    weft_graph *g;
    const weft_lm_config *c;
    weft_lm_form form;
    weft_value ids, start, mask, segments, positions, types, rows, places;
    bool picking;         /* queries are those of the rows asked for: nobody reads the others of the last block */
    bool entered, inside; /* a scope is open; it is that of the base model */
    int64_t layer;        /* whose scope it is, or −1 */
    weft_value heads;     /* what the last attention's output projection read: [batch, tokens, heads · head_dim] */
} weft_lm_builder;

/* Declares the inputs. */
void weft_lm_begin(weft_lm_builder *, weft_graph *, const weft_lm_config *, const weft_lm_form *);

/* x_0: the embeddings, with positions where they are learned, scaled or normalised where the family does so. */
weft_value weft_lm_embed(weft_lm_builder *);
/* What layer l's attention adds to the stream x, norms included; for an encoder, before the norm behind the sum. */
weft_value weft_lm_attention(weft_lm_builder *, int64_t l, weft_value x);
/* What layer l's feed-forward half adds to the stream x that it reads. */
weft_value weft_lm_mlp(weft_lm_builder *, int64_t l, weft_value x);
/* x_{l+1}; both halves are named attention.L and mlp.L. The last block of a form with rows gives these alone: [batch, 1, width].
 */
weft_value weft_lm_block(weft_lm_builder *, int64_t l, weft_value x);
/* The final norm. */
weft_value weft_lm_final(weft_lm_builder *, weft_value x);
/* Final norm and head: [batch, tokens, vocab], or [batch, vocab] of the rows that were asked for. */
weft_value weft_lm_logits(weft_lm_builder *, weft_value x);
/* Losses of rows h [rows, width] behind the final norm against labels [rows] (weft_labels), without a matrix of logits: [rows].
 */
weft_value weft_lm_row_losses(weft_lm_builder *, weft_value h, weft_value labels);
/* Logits [… , vocab] of h [… , width] behind the final norm. */
weft_value weft_lm_head(weft_lm_builder *, weft_value h);
/* The head's matrix [vocab, width]: its own, or that of the embedding; and whether the adapter stands beside it. */
weft_value weft_lm_head_table(weft_lm_builder *);
bool weft_lm_head_is_adapted(weft_lm_builder *);
/* Embedding and all blocks; every stream is named hidden.0 … hidden.LAYERS. */
weft_value weft_lm_stream(weft_lm_builder *);
/* [layers + 1, batch, tokens, width]: the streams of weft_lm_stream in one. */
weft_value weft_lm_hidden(weft_lm_builder *);

/* All that a plain run computes, named as `weft run` writes it: hidden; logits; pooled, mlm_logits, nsp_logits. Leading axes as
 * in the form, or without the batch where `single`. Answers the main one. */
weft_value weft_lm_outputs(weft_lm_builder *, bool single);

/* Heads of an encoder on its last stream [batch, tokens, width]. */
weft_value weft_lm_pooled(weft_lm_builder *, weft_value x);     /* [batch, width] */
weft_value weft_lm_mlm_logits(weft_lm_builder *, weft_value x); /* [batch, tokens, vocab] */
/* Losses of all its rows against labels [batch · tokens], without a matrix of logits: [batch · tokens]. */
weft_value weft_lm_mlm_losses(weft_lm_builder *, weft_value x, weft_value labels);
weft_value weft_lm_nsp_logits(weft_lm_builder *, weft_value pooled); /* [batch, 2] */
weft_value weft_lm_class_logits(weft_lm_builder *, weft_value x);    /* [batch, classes]; of a decoder too, at its rows */

/* ---- shared by decoder.c and encoder.c ---- */

/* Scope of the base model, of layer l (l ≥ 0) in it; or of what stands beside it. weft_lm_leave for each. */
void weft_lm_enter_base(weft_lm_builder *, int64_t l);
void weft_lm_enter_outside(weft_lm_builder *);
void weft_lm_leave(weft_lm_builder *);
/* NAME.weight [out, in] (Conv1D: [in, out]) and NAME.bias, with the adapter's part where it has one; `sd`: of fresh weights. */
weft_value weft_lm_linear(weft_lm_builder *, weft_value x, const char *name, int64_t out, bool bias, double sd);
/* The family's norm of that name; NULL: x itself. */
weft_value weft_lm_normalize(weft_lm_builder *, weft_value x, const char *name);
/* weft_lm_class_logits of a decoder. */
weft_value weft_lm_decoder_class_logits(weft_lm_builder *, weft_value x);
/* q [batch, tokens, heads, head_dim], k and v [batch, tokens, kv_heads, head_dim] of layer l from its normed input h; while
 * picking, q [batch, 1, heads, head_dim]. */
void weft_lm_project(weft_lm_builder *, weft_value h, weft_value *q, weft_value *k, weft_value *v);
/* The rows asked for, of x [batch, tokens, …]: [batch, 1, size of a row]. */
weft_value weft_lm_pick(weft_lm_builder *, weft_value x);
/* A value's name with the form's scope in front. */
weft_value weft_lm_tap(weft_lm_builder *, weft_value, const char *format, ...) WEFT_PRINTF(3, 4);

#endif
