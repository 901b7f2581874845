/* Adapters in PEFT's format: adapter_config.json and adapter_model.safetensors, applied unmerged beside a linear layer:
 * y = x Wᵀ + b + s · dropout(x) Aᵀ Bᵀ with s = alpha / r (rslora: alpha / √r). LoRA: arXiv 2106.09685; DoRA: arXiv 2402.09353. */
#ifndef WEFT_LM_ADAPTER_H
#define WEFT_LM_ADAPTER_H

#include "lm/build.h"
#include "text/regex.h"

#define WEFT_LM_ADAPTER_PREFIX "base_model.model."
enum { WEFT_LM_ADAPTER_NAME = 512 }; /* bytes of a tensor's name */

/* A value for modules whose name, from some dot on, is what the expression says. */
typedef struct weft_lm_pattern {
    weft_regex *expression;
    double value;
} weft_lm_pattern;

struct weft_lm_adapter {
    int64_t r;
    double alpha, dropout;
    bool rslora, dora;
    bool all_linear;           /* every linear but the head */
    weft_regex *expression;    /* of whole module names; or NULL */
    weft_regex_match *matcher; /* of this expression and the patterns */
    char **targets;            /* suffixes of module names */
    int target_count;
    int64_t *layers; /* only these; NULL: all */
    int layer_count;
    weft_lm_pattern *ranks, *alphas;
    int rank_count, alpha_count;
    char **saved; /* modules_to_save: ends of names of modules that are trained whole */
    int saved_count;
    char base[64]; /* how module names begin: "model", "transformer", … */
    /* LoRA's tensors by PEFT's names, and what takes the place of the base's (modules_to_save, biases) by the graph's; NULL: to
     * be drawn, every target is covered. */
    weft_params *params;
    weft_params *file;       /* adapter_model.safetensors, whose memory they share; NULL: they are their own */
    const char *head;        /* how the file spells the head of tokens where that is not the family's name; else NULL */
    unsigned head_kinds;     /* the heads of the model with the adapter, where it brings a classification head; else 0 */
    int64_t classes;         /* of that head */
    weft_lm_problem problem; /* what classes.json beside it says of it */
};

/* Reads a folder and matches it to the model; a tensor that fits nowhere is an error that names it. */
weft_status weft_lm_adapter_open(const char *folder, const weft_lm_config *, weft_lm_adapter **out);
/* The same from adapter_config.json's text alone: an adapter to be trained. */
weft_status weft_lm_adapter_parse(weft_json_value config, const char *where, const weft_lm_config *, weft_lm_adapter **out);
void weft_lm_adapter_free(weft_lm_adapter *);
/* The head that the adapter brings becomes the model's. */
void weft_lm_adapter_take_head(const weft_lm_adapter *, weft_lm_config *);

/* A parameter of the graph, as PEFT's files spell it. */
void weft_lm_adapter_spell(const weft_lm_adapter *, const weft_lm_config *, const char *parameter,
                           char out[WEFT_LM_ADAPTER_NAME]);
/* Is it one of a module to be trained whole? */
bool weft_lm_adapter_saves(const weft_lm_adapter *, const weft_lm_config *, const char *parameter);

/* For builders: does it touch module NAME of the builder's present scope? Its linear and its embedding. */
bool weft_lm_adapter_covers(const weft_lm_adapter *, const weft_lm_builder *, const char *name);
weft_value weft_lm_adapter_linear(const weft_lm_adapter *, weft_lm_builder *, weft_value x, const char *name, weft_value w,
                                  weft_value bias, bool turned);
weft_value weft_lm_adapter_embedding(const weft_lm_adapter *, weft_lm_builder *, weft_value index, const char *name, int64_t rows,
                                     int64_t width);
/* s of a module, and its rank. */
double weft_lm_adapter_scale(const weft_lm_adapter *, const char *module, int64_t *rank);

#endif
