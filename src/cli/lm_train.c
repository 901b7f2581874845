/* weft lm train: a language model from scratch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "cli/lm_training.h"
#include "lm/model.h"

static const cli_option options[] = {
    CLI_LM_DATA_OPTIONS,
    {.name = "tokenizer",
     .value = "DIR",
     .kind = CLI_PATH,
     .help = "a folder with a tokenizer (weft lm tokenizer makes one from text)",
     .traits = CLI_REQUIRED},
    {.name = "arch",
     .value = "NAME",
     .kind = CLI_CHOICE,
     .choices = "llama-260k|llama-15m|llama-42m|llama-110m|gpt2",
     .otherwise = "llama-15m",
     .help = "the model",
     .group = "Model"},
    {.name = "config",
     .value = "F.json",
     .kind = CLI_PATH,
     .help = "a config.json of any language model that Weft knows, in place of --arch",
     .group = "Model"},
    {.name = "template",
     .value = "NAME",
     .kind = CLI_CHOICE,
     .choices = "chatml|llama2|llama3|mistral|gemma|zephyr|vicuna|alpaca",
     .help = "chat template for records with messages, in place of the tokenizer's",
     .group = "Data"},
    {.name = "prompt",
     .value = "TEMPLATE",
     .kind = CLI_TEXT,
     .help = "the prompt of {instruction, input, output} records, in Jinja2's language with the record's keys",
     .group = "Data"},
    {.name = "no-packing",
     .kind = CLI_FLAG,
     .help = "a row a record, filled up, in place of several in one row",
     .group = "Data"},
    CLI_LM_TRAINING_OPTIONS,
    {0},
};

/* Presets of --arch (llama2.c's sizes, and GPT-2). */
static const struct {
    const char *name;
    bool gpt2;
    int width, layers, heads, kv_heads, ffn, context;
    double lr;
} archs[] = {
    {"llama-260k", false, 64, 5, 8, 4, 172, 512, 1e-3},   {"llama-15m", false, 288, 6, 6, 6, 768, 256, 5e-4},
    {"llama-42m", false, 512, 8, 8, 8, 1376, 1024, 5e-4}, {"llama-110m", false, 768, 12, 12, 12, 2048, 1024, 5e-4},
    {"gpt2", true, 768, 12, 12, 12, 3072, 1024, 5e-4},
};

static void add_special(weft_json_writer *w, const weft_tokenizer *t, const char *key, weft_special_token kind)
{
    int64_t id = weft_tokenizer_special(t, kind);
    weft_json_add_key(w, key);
    if (id >= 0)
        weft_json_add_integer(w, id);
    else
        weft_json_add_null(w);
}

static weft_status preset(cli_lm_plan *p, const weft_tokenizer *t)
{
    size_t k = 0;
    while (strcmp(archs[k].name, cli_text(p->arguments, "arch")) != 0)
        k++;
    p->lr = archs[k].lr;
    weft_json_writer w = weft_json_to(&p->config, 2);
    const struct {
        const char *llama, *gpt2;
        int64_t value;
    } rows[] = {{"vocab_size", "vocab_size", weft_tokenizer_size(t)},
                {"hidden_size", "n_embd", archs[k].width},
                {"num_hidden_layers", "n_layer", archs[k].layers},
                {"num_attention_heads", "n_head", archs[k].heads},
                {"num_key_value_heads", NULL, archs[k].kv_heads},
                {"intermediate_size", "n_inner", archs[k].ffn},
                {"max_position_embeddings", "n_positions", archs[k].context}};
    weft_json_open_object(&w);
    weft_json_add_key(&w, "architectures");
    weft_json_open_list(&w);
    weft_json_add_string(&w, archs[k].gpt2 ? "GPT2LMHeadModel" : "LlamaForCausalLM");
    weft_json_close_list(&w);
    weft_json_add_key(&w, "model_type");
    weft_json_add_string(&w, archs[k].gpt2 ? "gpt2" : "llama");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *key = archs[k].gpt2 ? rows[i].gpt2 : rows[i].llama;
        if (!key)
            continue;
        weft_json_add_key(&w, key);
        weft_json_add_integer(&w, rows[i].value);
    }
    weft_json_add_key(&w, archs[k].gpt2 ? "layer_norm_epsilon" : "rms_norm_eps");
    weft_json_add_number(&w, 1e-5);
    weft_json_add_key(&w, "initializer_range");
    weft_json_add_number(&w, 0.02);
    weft_json_add_key(&w, "tie_word_embeddings");
    weft_json_add_bool(&w, true);
    add_special(&w, t, "bos_token_id", WEFT_TOKEN_BOS);
    add_special(&w, t, "eos_token_id", WEFT_TOKEN_EOS);
    weft_json_add_key(&w, "torch_dtype");
    weft_json_add_string(&w, "float32");
    weft_json_close_object(&w);
    weft_text_add(&p->config, "\n");
    return p->config.failed ? weft_fail(WEFT_ERROR_MEMORY, "memory is short") : WEFT_OK;
}

static weft_status own_config(cli_lm_plan *p)
{
    char *text = NULL;
    size_t size;
    weft_status status = weft_file_read(cli_text(p->arguments, "config"), (size_t)16 << 20, &text, &size);
    if (status == WEFT_OK)
        weft_text_bytes(&p->config, text, size);
    free(text);
    return status == WEFT_OK && p->config.failed ? weft_fail(WEFT_ERROR_MEMORY, "memory is short") : status;
}

/* A model with fresh weights. */
static weft_status make_model(cli_lm_plan *p, weft_engine *engine)
{
    const char *where = cli_given(p->arguments, "config") ? cli_text(p->arguments, "config") : "--arch";
    weft_json *json = NULL;
    weft_graph *g = NULL;
    weft_lm_builder b;
    weft_lm *lm = p->lm = calloc(1, sizeof *lm);
    weft_status status =
        lm ? weft_json_parse(p->config.data, p->config.length, where, &json) : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    if (status == WEFT_OK) {
        lm->engine = engine;
        lm->dtype = WEFT_F32;
        status = weft_lm_config_read(weft_json_root(json), where, &lm->config);
    }
    weft_json_free(json);
    if (status == WEFT_OK && lm->config.family->encoder)
        lm->config.head_kinds = WEFT_LM_MLM;
    if (status == WEFT_OK)
        status = weft_params_new(&lm->params);
    if (status == WEFT_OK && !(g = weft_graph_new(WEFT_F32)))
        status = WEFT_ERROR_MEMORY;
    if (status != WEFT_OK)
        return status;
    weft_lm_begin(&b, g, &lm->config, &(weft_lm_form){.batch = 1, .tokens = 1});
    weft_lm_outputs(&b, true);
    status = weft_graph_status(g);
    if (status == WEFT_OK)
        status = weft_params_init(lm->params, g, WEFT_F32, (uint64_t)cli_int(p->arguments, "seed"));
    weft_graph_free(g);
    lm->sets[0] = lm->params;
    lm->set_count = 1;
    int64_t parameters = 0;
    for (int64_t i = 0; i < weft_params_count(lm->params); i++) {
        weft_tensor t;
        weft_params_at(lm->params, i, &t);
        parameters += weft_dims_count(t.dims);
    }
    cli_json_integer(p->arguments, "parameters", parameters);
    cli_say(p->arguments, "%s with %lld parameters\n", lm->config.family->model_type, (long long)parameters);
    return status;
}

static weft_status finish(void *user)
{
    cli_lm_plan *p = user;
    return weft_lm_folder_save(p->out, p->tokenizer, p->config.data, p->lm->params);
}

static weft_status train(cli_lm_plan *p, weft_engine *engine)
{
    weft_tokenizer *tokenizer = NULL;
    weft_status status = cli_lm_check_folder(p);
    if (status == WEFT_OK)
        status = weft_tokenizer_open(p->tokenizer, &tokenizer);
    if (status == WEFT_OK)
        status = cli_given(p->arguments, "config") ? own_config(p) : preset(p, tokenizer);
    weft_tokenizer_free(tokenizer);
    if (status == WEFT_OK)
        status = make_model(p, engine);
    if (status == WEFT_OK) {
        int64_t context = p->lm->config.positions - weft_lm_first_position(&p->lm->config);
        p->length = context < 256 ? context : 256;
        status = cli_lm_training(p);
    }
    return status;
}

static weft_status run(cli_arguments *a)
{
    weft_engine *engine = cli_engine(a);
    cli_lm_plan p = {.arguments = a,
                     .out = cli_text(a, "out"),
                     .tokenizer = cli_text(a, "tokenizer"),
                     .proof = "model.safetensors",
                     .lr = 5e-4,
                     .weight_decay = 0.1,
                     .warmup_share = 0.04,
                     .finish = finish};
    if (cli_given(a, "config") && cli_given(a, "arch"))
        return cli_misuse(a, "--config and --arch exclude each other");
    weft_status status = cli_lm_check_words(a);
    if (status == WEFT_OK)
        status = engine ? train(&p, engine) : WEFT_ERROR_MEMORY;
    weft_lm_free(p.lm);
    weft_text_free(&p.config);
    return status;
}

const cli_command cli_lm_train = {
    .name = "lm",
    .action = "train",
    .summary = "train a language model from scratch",
    .description = "A text file is one stream, cut into rows of --length tokens. A .jsonl or .json file holds records with text; "
                   "with messages; "
                   "with prompt and completion; or with instruction, input and output: of these the responses alone are learned. "
                   "An encoder (--config with bert, roberta or distilbert) learns from texts by masked words. "
                   "The weights "
                   "of the best validation are kept. A run that was interrupted or killed goes on with --resume.\n\n"
                   "DIR gets config.json, model.safetensors, the tokenizer's files, run.json and metrics.jsonl (a line a step).",
    .options = options,
    .example = "weft lm train --data tales.txt --tokenizer stories260K --arch llama-260k --length 128 --steps 500 --out tales\n"
               "weft lm train --data tales.txt --tokenizer stories260K --config my.json --epochs 3 --out mine",
    .run = run,
};
