/* A decoder as the hardware sees it: sizes, and what they cost in multiply-accumulates and bytes. Read from any Hugging Face
 * config.json, from the published simulator's model files, or taken from a table of presets.
 *
 * Counts are exact integers by the formulas beside them; E is `width`, h `heads`, g `kv_heads`, d `head_size`.
 */
#ifndef WEFT_HARDWARE_LLM_H
#define WEFT_HARDWARE_LLM_H

#include "weft/base.h"

typedef struct weft_llm {
    char name[96];
    char family[48];           /* model_type */
    int64_t layers;            /* decoder layers */
    int64_t width, heads;      /* E, h */
    int64_t kv_heads;          /* g: 1 … h (grouped-query attention); h where the cache is latent */
    int64_t head_size;         /* d, of queries and keys */
    int64_t value_size;        /* of values; d unless the cache is latent */
    int64_t inner;             /* width of a dense feed-forward half */
    bool gated;                /* three matrices (gate, up, down) in place of two */
    bool biases;               /* linear layers have them */
    bool qkv_biases;           /* the projections of q, k, v have them */
    bool layer_norm;           /* two vectors a norm; RMS norm: one */
    int64_t norms;             /* norms a layer, of width E */
    bool tied;                 /* the head is the embedding */
    int64_t vocabulary;        /* 0: not told */
    int64_t positions;         /* rows of a learned table; 0: rotary, ALiBi or none */
    int64_t embedding_width;   /* of the token table where it is not E (OPT 350M); else E */
    int64_t context;           /* longest sequence; 0: not told */
    int64_t experts, active;   /* mixture of experts: all, and those of a token; 0: dense */
    int64_t expert_inner;      /* width of an expert */
    int64_t shared_inner;      /* width of the experts that every token takes; 0: none */
    int64_t dense_layers;      /* layers without experts */
    int64_t window;            /* sliding window in tokens; 0: none */
    int64_t full_layers;       /* layers that see everything although there is a window */
    int64_t q_rank, kv_rank;   /* latent attention (DeepSeek): kv_rank 0: none; q_rank 0: queries are not compressed */
    int64_t rope_size;         /* latent attention: part of d that is rotated and shared by the heads' keys */
    int weight_bits, kv_bits;  /* 4, 8, 16 or 32 */
    int64_t tensor_parallel;   /* n_tp: devices that share a layer */
    int64_t pipeline_parallel; /* n_pp: stages that share the layers */
} weft_llm;

/* `model`: a preset's name, a config.json (or the published simulator's model file), or a folder that holds config.json. */
weft_status weft_llm_open(const char *model, weft_llm *out);
weft_status weft_llm_parse(const char *json, size_t size, const char *name, weft_llm *out);
/* Checks what --tensor-parallel and the like may have changed: heads by n_tp, layers by n_pp, bits. */
weft_status weft_llm_check(const weft_llm *, const char *where);

const weft_llm *weft_llm_preset_at(int i); /* NULL past the end */

/* Parameters (of all layers where it does not say otherwise; `_layer`: of a layer with experts where there are any). */
int64_t weft_llm_attention_parameters(const weft_llm *); /* a layer's projections: E·h·d + 2·E·g·d + h·d·E, without biases */
int64_t weft_llm_ffn_parameters(const weft_llm *);       /* a dense layer: 2 or 3 · E · inner */
int64_t weft_llm_expert_parameters(const weft_llm *);    /* one expert */
int64_t weft_llm_layer_parameters(const weft_llm *, bool dense); /* matrices of a layer, router and shared experts too */
int64_t weft_llm_parameters(const weft_llm *);                   /* everything: layers, norms, biases, embeddings, head */
int64_t weft_llm_weight_bytes(const weft_llm *);                 /* parameters · bits / 8; norms and biases at 16 bits or more */

/* Multiply-accumulates of one token: matrices of all layers (active experts alone), and the head. */
int64_t weft_llm_token_macs(const weft_llm *);
int64_t weft_llm_head_macs(const weft_llm *);
/* Multiply-accumulates of attention of one token that sees `length` tokens, all layers: 2·h·d·length a layer (q·K and p·V). */
int64_t weft_llm_attention_macs(const weft_llm *, int64_t length);
/* Bytes of the key-value cache a token, all layers: 2·g·d·bits/8 a layer, or (kv_rank + rope_size)·bits/8. */
int64_t weft_llm_kv_bytes(const weft_llm *);
/* Tokens of `length` that a layer with a window keeps. */
int64_t weft_llm_seen(const weft_llm *, int64_t length, bool full);

#endif
