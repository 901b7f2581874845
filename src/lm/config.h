/* A language model's config.json, read into one struct that serves every family: what differs between families is a row of
 * the table in config_family.c, what differs between models is a field here. */
#ifndef WEFT_LM_CONFIG_H
#define WEFT_LM_CONFIG_H

#include "base/json.h"
#include "weft/lm.h"
#include "weft/nn.h"

typedef enum weft_lm_norm {
    WEFT_LM_LAYER_NORM,
    WEFT_LM_RMS_NORM,
    WEFT_LM_RMS_NORM_OFFSET /* multiplies by 1 + w */
} weft_lm_norm;

/* How q, k and v leave their projection. */
typedef enum weft_lm_qkv {
    WEFT_LM_QKV_APART,  /* three linears */
    WEFT_LM_QKV_THIRDS, /* one: [q | k | v] */
    WEFT_LM_QKV_HEADS   /* one: [head][q, k, v][head_dim] */
} weft_lm_qkv;

/* Names of a family's modules below its base prefix; NULL: it has none. */
typedef struct weft_lm_names {
    const char *embedding, *position, *type, *embedding_norm; /* tables, and the encoders' norm behind their sum */
    const char *layer;                                        /* in front of a layer's number */
    const char *attention_norm, *q, *k, *v, *qkv, *q_norm, *k_norm, *o, *after_attention_norm;
    const char *mlp_norm, *gate, *up, *down, *after_mlp_norm;
    const char *final_norm;
    const char *head; /* outside the base prefix */
} weft_lm_names;

typedef struct weft_lm_family {
    const char *model_type;
    const char *base; /* prefix of the base model's names */
    const weft_lm_names *names;
    const struct weft_lm_defaults *defaults;
    weft_lm_norm norm;
    weft_lm_qkv qkv;
    bool encoder;
    bool conv1d;           /* weights are [in, out] */
    bool scaled_embedding; /* embedding · √width */
} weft_lm_family;

typedef enum weft_lm_rope_type {
    WEFT_ROPE_DEFAULT,
    WEFT_ROPE_LINEAR,
    WEFT_ROPE_DYNAMIC,
    WEFT_ROPE_LLAMA3,
    WEFT_ROPE_YARN,
    WEFT_ROPE_LONGROPE
} weft_lm_rope_type;

typedef struct weft_lm_rope {
    weft_lm_rope_type type;
    double theta;
    double factor;
    double low_frequency, high_frequency; /* llama3 */
    double beta_fast, beta_slow;          /* yarn */
    double mscale, mscale_all;            /* yarn; 0: not given */
    bool truncate;                        /* yarn: corrections are rounded to whole dimensions */
    double attention_factor;              /* 0: the type's own */
    int64_t original_positions;           /* the length it was trained for */
    int64_t positions;                    /* max_position_embeddings */
    double *short_factors, *long_factors; /* longrope: [rotary / 2] */
} weft_lm_rope;

/* Which heads stand on an encoder; a classifier on a decoder too, in place of the one of tokens. */
enum { WEFT_LM_POOLER = 1, WEFT_LM_MLM = 2, WEFT_LM_NSP = 4, WEFT_LM_CLASSIFIER = 8 };

/* As config.json's problem_type spells it; NULL: unsaid. */
const char *weft_lm_problem_name(weft_lm_problem);
/* Is such a head asked for a number a class, and not for one of its classes? */
bool weft_lm_problem_of_numbers(weft_lm_problem);
/* problem_type of a configuration; unsaid where it has none. Another word is an error that lists the known ones. */
weft_status weft_lm_problem_read(weft_json_value root, const char *where, weft_lm_problem *out);

/* Sizes that config.json did not say. */
enum { WEFT_LM_NO_VOCAB = 1, WEFT_LM_NO_POSITIONS = 2, WEFT_LM_NO_TYPES = 4, WEFT_LM_NO_FFN = 8 };

typedef struct weft_lm_config {
    const weft_lm_family *family;
    int64_t vocab, width, layers, heads, kv_heads, head_dim, ffn, positions;
    int64_t types;   /* of segments (encoders) */
    int64_t classes; /* of a classification head */
    weft_lm_problem problem;
    int64_t pad_id; /* roberta counts positions from it, a decoder's classifier reads the last other token; -1: none */
    weft_activation activation;
    double eps;
    double query_scale;     /* q·k is multiplied by it */
    bool scale_by_layer;    /* and divided by l + 1 */
    double attention_cap;   /* scores ← cap·tanh(scores/cap); 0: none */
    double logit_cap;       /* the same for logits */
    double embedding_scale; /* 1, or √width */
    double init_range;      /* standard deviation of fresh weights */
    bool qkv_bias, o_bias, mlp_bias;
    bool parallel; /* attention and MLP read the same stream */
    bool mlp;      /* false: attention only */
    bool tied;     /* the head is the embedding matrix */
    bool tied_given;
    int64_t rotary;       /* rotated dimensions of a head, even; 0: no rope */
    weft_lm_rope rope[2]; /* 0: everywhere; 1: gemma3's windowed layers */
    int64_t *window;      /* [layers] keys a query sees, itself included; 0: all */
    unsigned char *ropes; /* [layers] which rope */
    unsigned head_kinds, missing;
    /* how the weights at hand spell names: set by weft_lm_config_match */
    char base[64], outside[64]; /* prefixes of the base model and of what stands beside it, without the last dot */
    bool old_norms;             /* LayerNorm.gamma and .beta */
    const char *head;           /* module of a decoder's head, beside the base model */
    const char *mlm_table;      /* module of the masked-word head's own table; NULL: the embeddings */
    const char *mlm_bias;       /* name of its bias where that is the decoder's; NULL: the family's */
} weft_lm_config;

/* Reads every key, checks that they fit together; `where` for messages. The family is that of `model_type`. */
weft_status weft_lm_config_read(weft_json_value root, const char *where, weft_lm_config *out);
void weft_lm_config_free(weft_lm_config *);

const weft_lm_family *weft_lm_family_find(const char *model_type);

/* Looks in the names of `params` how this file spells prefixes and norms, whether its head is tied, which heads it has, and the
 * sizes that config.json does not say. */
void weft_lm_config_match(weft_lm_config *, const weft_params *);

/* Looks among `params` for a classification head; where there is one it becomes the model's. */
bool weft_lm_config_match_classifier(weft_lm_config *, const weft_params *);
/* Is that a tensor which some files hold once more under a second name, and which the model reads under the first? */
bool weft_lm_is_second_copy(const weft_lm_config *, const char *name);
/* Is that the name, without a prefix, of something that stands beside the base model: a head? */
bool weft_lm_stands_outside(const weft_lm_config *, const char *name);

/* rope_scaling, rope_parameters and their kin (config_rope.c). */
weft_status weft_lm_rope_read(weft_json_value root, const char *where, weft_lm_config *);
/* Windows and layer_types (config_layers.c). */
weft_status weft_lm_layers_read(weft_json_value root, const char *where, weft_lm_config *);

/* Do the frequencies depend on the sequence's length? */
bool weft_lm_rope_by_length(const weft_lm_config *);
/* The same frequencies hold for all lengths of which this is the same number; 0 where they do not depend on the length. */
int64_t weft_lm_rope_kind_of_length(const weft_lm_config *, int64_t length);
/* inv [rotary / 2] for sequences of `length` tokens, and the factor on cosines and sines. */
void weft_lm_rope_frequencies(const weft_lm_rope *, int64_t rotary, int64_t length, double *inv, double *factor);

#endif
