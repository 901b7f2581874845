/* weft lm check: is a model folder whole? Tokenizer, chat template, sizes, and a hash of what it computes. */
#include "cli/lm.h"
#include "weft/template.h"
#include "weft/train.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const cli_positional files[] = {{"MODEL", 1, 1, "a model's folder"}, {0}};

static const cli_option options[] = {
    CLI_LM_MODEL_OPTIONS,
    {0},
};

/* Texts that tokenizers trip over. */
static const struct {
    const char *name, *text;
} texts[] = {
    {"english", "The quick brown fox jumps over the lazy dog. It's 3.14, isn't it?"},
    {"spaces", "  two before, two  between\n\n\tand a tab "},
    {"code", "for (int i = 0; i < 10; i++) { x[i] += 1e-5; } // done"},
    {"accents", "Größe, naïve café, Łódź"},
    {"cjk", "日本語の文章 和 中文"},
    {"emoji", "👩‍🚀 went to the 🌙"},
};

enum { TEXTS = sizeof texts / sizeof texts[0], PROBE = 16 };

typedef struct check {
    cli_arguments *arguments;
    const char *folder;
    weft_lm *lm;
    weft_tokenizer *tokenizer;
    bool ok;
} check;

static weft_status check_tokenizer(check *c)
{
    cli_arguments *a = c->arguments;
    weft_encoding *e = NULL;
    weft_status status = cli_lm_tokenizer(c->folder, c->lm, NULL, &c->tokenizer);
    if (status != WEFT_OK)
        return status;
    weft_json_add_key(cli_json(a), "tokenizer");
    if (!c->tokenizer) {
        weft_json_add_null(cli_json(a));
        cli_say(a, "tokenizer    none in the folder: only --ids can be continued\n");
        return WEFT_OK;
    }
    weft_json_open_object(cli_json(a));
    int64_t size = weft_tokenizer_size(c->tokenizer), spare = weft_lm_vocabulary(c->lm) - size;
    cli_json_integer(a, "tokens", size);
    cli_json_integer(a, "bos", weft_tokenizer_special(c->tokenizer, WEFT_TOKEN_BOS));
    cli_json_integer(a, "eos", weft_tokenizer_special(c->tokenizer, WEFT_TOKEN_EOS));
    cli_say(a, "tokenizer    %lld tokens, %lld rows of the embedding without one; begins with %lld, ends with %lld (-1: none)\n",
            (long long)size, (long long)spare, (long long)weft_tokenizer_special(c->tokenizer, WEFT_TOKEN_BOS),
            (long long)weft_tokenizer_special(c->tokenizer, WEFT_TOKEN_EOS));
    weft_json_add_key(cli_json(a), "round_trip");
    weft_json_open_object(cli_json(a));
    status = weft_encoding_new(c->tokenizer, &e);
    for (int i = 0; i < TEXTS && status == WEFT_OK; i++) {
        bool same = false;
        status = weft_round_trip(e, texts[i].text, strlen(texts[i].text), &same);
        cli_json_bool(a, texts[i].name, same);
        cli_say(a, "  %-10s %s\n", texts[i].name, same ? "comes back as it was" : "does not come back byte for byte");
    }
    weft_json_close_object(cli_json(a));
    weft_json_close_object(cli_json(a));
    weft_encoding_free(e);
    return status;
}

/* The folder's chat template on two turns. No template is fine; one that cannot be read is not. */
static weft_status check_template(check *c)
{
    static const char talk[] =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}, {\"role\": \"assistant\", \"content\": "
        "\"Hi\"}, {\"role\": \"user\", \"content\": \"How are you?\"}], \"add_generation_prompt\": true}";
    cli_arguments *a = c->arguments;
    weft_chat_template *chat = NULL;
    weft_template_result result = {0};
    time_t seconds = time(NULL);
    struct tm now;
    localtime_r(&seconds, &now);
    if (weft_chat_template_open(c->folder, NULL, &chat) != WEFT_OK) {
        bool none = strstr(weft_error(), "no chat template") != NULL;
        cli_say(a, "template     %s\n", none ? "none in the folder" : weft_error());
        cli_json_string(a, "template", none ? NULL : weft_error());
        c->ok &= none;
        return WEFT_OK;
    }
    bool fine = weft_chat_template_render(chat, talk, sizeof talk - 1, &now, &result) == WEFT_OK && !result.raised;
    cli_json_string(a, "template", fine ? result.text.data : result.raised ? result.text.data : weft_error());
    cli_say(a, "template     %s\n", fine ? "renders two turns:" : "fails:");
    cli_say(a, "%s\n", fine || result.raised ? result.text.data : weft_error());
    c->ok &= fine;
    weft_template_result_free(&result);
    weft_chat_template_free(chat);
    return WEFT_OK;
}

/* Logits behind 16 fixed tokens: their hash tells two copies, or two builds, apart. */
static weft_status check_logits(check *c)
{
    cli_arguments *a = c->arguments;
    int64_t ids[PROBE], V = weft_lm_vocabulary(c->lm), best = 0,
                        count = weft_lm_context(c->lm) < PROBE ? weft_lm_context(c->lm) : PROBE;
    weft_lm_decoder *d = NULL;
    if (weft_lm_is_encoder(c->lm)) {
        cli_say(a, "logits       an encoder continues nothing; weft run evaluates it\n");
        return WEFT_OK;
    }
    for (int i = 0; i < PROBE; i++)
        ids[i] = (1 + 37 * i) % V;
    weft_status status = weft_lm_decoder_new(c->lm, 1, count, &d);
    if (status == WEFT_OK)
        status = weft_lm_decoder_feed(d, &(weft_lm_tokens){ids, count});
    if (status == WEFT_OK) {
        const float *logits = weft_lm_decoder_logits(d, 0);
        char text[32];
        for (int64_t i = 1; i < V; i++)
            if (logits[i] > logits[best])
                best = i;
        snprintf(text, sizeof text, "%016llx", (unsigned long long)weft_checksum(logits, (size_t)V * sizeof *logits));
        cli_json_string(a, "logits_hash", text);
        cli_json_integer(a, "likeliest", best);
        cli_json_number(a, "largest_logit", (double)logits[best]);
        cli_say(a, "logits       hash %s behind %lld fixed tokens; likeliest next %lld at %.6g\n", text, (long long)count,
                (long long)best, (double)logits[best]);
    }
    weft_lm_decoder_free(d);
    return status;
}

static weft_status run(cli_arguments *a)
{
    check c = {.arguments = a, .folder = cli_positional_at(a, 0), .ok = true};
    weft_status status = cli_lm_open(a, &c.lm);
    if (status == WEFT_OK) {
        cli_json_string(a, "model_type", weft_lm_type(c.lm));
        cli_json_integer(a, "parameters", weft_lm_parameters(c.lm));
        cli_json_integer(a, "context", weft_lm_context(c.lm));
        cli_json_string(a, "level", weft_engine_level(cli_engine(a)));
        cli_say(a, "model        %s, %lld parameters, all tensors there and of their shapes; context %lld tokens\n",
                weft_lm_type(c.lm), (long long)weft_lm_parameters(c.lm), (long long)weft_lm_context(c.lm));
        status = check_tokenizer(&c);
    }
    if (status == WEFT_OK)
        status = check_template(&c);
    if (status == WEFT_OK)
        status = check_logits(&c);
    if (status == WEFT_OK && !c.ok)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: its chat template does not work", c.folder);
    weft_tokenizer_free(c.tokenizer);
    weft_lm_free(c.lm);
    return status;
}

const cli_command cli_lm_check = {
    .name = "lm",
    .action = "check",
    .summary = "is a model's folder whole: tensors, tokenizer, template, logits",
    .description =
        "Every tensor is compared with config.json, texts that tokenizers trip over are cut into tokens and put together "
        "again, the chat template is rendered, and a few fixed tokens go through the model. The hash of the logits is the "
        "same for the same weights on the same processor level.",
    .positionals = files,
    .options = options,
    .example = "weft lm check stories260K",
    .run = run,
};
