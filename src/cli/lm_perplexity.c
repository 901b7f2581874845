/* weft lm perplexity: how well a model foretells a text. */
#include "cli/lm.h"
#include "cli/lm_texts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {{"MODEL", 1, 1, "a model's folder"}, {0}};

static const cli_option options[] = {
    {.name = "file", .value = "F.txt", .kind = CLI_PATH, .help = "the text; - for what is on standard input"},
    {.name = "ids", .value = "IDS", .kind = CLI_LIST, .help = "tokens in place of a text: 1,403,407"},
    {.name = "window",
     .value = "W",
     .kind = CLI_INT,
     .least = 2,
     .most = 1 << 24,
     .help = "tokens the model sees at once (default: its context)"},
    {.name = "stride",
     .value = "S",
     .kind = CLI_INT,
     .least = 1,
     .most = 1 << 24,
     .help = "tokens from window to window (default: the window, without overlap)"},
    {.name = "ppl-style",
     .value = "STYLE",
     .kind = CLI_CHOICE,
     .choices = "weft|llamacpp",
     .otherwise = "weft",
     .help = "llamacpp: only the second half of each whole window is scored, as llama.cpp's tool does"},
    {.name = "no-special", .kind = CLI_FLAG, .help = "without the special tokens that the tokenizer puts around a text"},
    CLI_LM_MODEL_OPTIONS,
    {0},
};

/* The text's tokens, and for each the bytes of the text it stands for. */
typedef struct subject {
    int64_t *ids, count;
    size_t *begin, *end; /* NULL: tokens were given, the text is not known */
} subject;

static weft_status encode_file(cli_arguments *a, const weft_tokenizer *tokenizer, subject *s)
{
    cli_input in;
    weft_encoding *e = NULL;
    weft_status status = cli_input_open(cli_text(a, "file"), &in);
    if (status == WEFT_OK)
        status = weft_encoding_new(tokenizer, &e);
    if (status == WEFT_OK)
        status =
            weft_encode(e, in.bytes, in.size, &(weft_encode_options){.add_special = !cli_flag(a, "no-special"), .offsets = true});
    if (status == WEFT_OK) {
        size_t n = weft_encoding_count(e);
        s->count = (int64_t)n;
        s->ids = malloc((n + 1) * sizeof *s->ids);
        s->begin = malloc((n + 1) * sizeof *s->begin);
        s->end = malloc((n + 1) * sizeof *s->end);
        if (!s->ids || !s->begin || !s->end)
            status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", in.name);
        for (size_t i = 0; i < n && status == WEFT_OK; i++) {
            s->ids[i] = weft_encoding_ids(e)[i];
            weft_encoding_range(e, i, &s->begin[i], &s->end[i]);
        }
        if (status == WEFT_OK && n < 2)
            status =
                weft_fail(WEFT_ERROR_FORMAT, "%s: the text is %s: expected two tokens at least, of which the second is scored",
                          in.name, in.size ? "a single token" : "empty");
        if (weft_encoding_repaired(e))
            weft_log(WEFT_LOG_WARNING, "%s: not UTF-8; %zu broken places are read as U+FFFD", in.name, weft_encoding_repaired(e));
    }
    weft_encoding_free(e);
    cli_input_close(&in);
    return status;
}

/* Bytes of the text that scored tokens stand for, each byte once. */
static double scored_bytes(const subject *s, const unsigned char *scored)
{
    size_t bytes = 0, seen = 0;
    for (int64_t i = 0; i < s->count; i++) {
        size_t from = s->begin[i] > seen ? s->begin[i] : seen;
        if (scored[i] && s->end[i] > from)
            bytes += s->end[i] - from;
        seen = s->end[i] > seen ? s->end[i] : seen;
    }
    return (double)bytes;
}

typedef struct bar {
    cli_arguments *arguments;
    weft_progress *progress;
} bar;

static void progress(void *user, int64_t done, int64_t total)
{
    bar *b = user;
    if (!b->progress)
        b->progress = weft_progress_new(cli_progress, b->arguments, "scoring", total, "windows");
    weft_progress_update(b->progress, done, "%s", "");
}

static void show(cli_arguments *a, const subject *s, const unsigned char *scored, const weft_lm_perplexity *p)
{
    double bytes = s->begin ? scored_bytes(s, scored) : 0, rate = (double)s->count / fmax(p->seconds, 1e-9);
    cli_json_number(a, "perplexity", p->perplexity);
    cli_json_number(a, "nll", p->nll);
    cli_json_integer(a, "scored", p->scored);
    cli_json_integer(a, "tokens", s->count);
    if (bytes > 0)
        cli_json_number(a, "bits_per_byte", p->nll / log(2) / bytes);
    cli_json_number(a, "tokens_per_second", rate);
    cli_say(a, "perplexity     %.6g\nnll            %.6g nats in all, %.6g a token\n", p->perplexity, p->nll,
            p->nll / (double)(p->scored ? p->scored : 1));
    if (bytes > 0)
        cli_say(a, "bits per byte  %.5g\n", p->nll / log(2) / bytes);
    cli_say(a, "scored         %lld of %lld tokens\nspeed          %.0f tokens a second\n", (long long)p->scored,
            (long long)s->count, rate);
}

static weft_status measure(cli_arguments *a, weft_lm *lm, subject *s)
{
    bar shown = {.arguments = a};
    weft_lm_perplexity_options o = {.window = cli_int(a, "window"),
                                    .stride = cli_int(a, "stride"),
                                    .llamacpp = strcmp(cli_text(a, "ppl-style"), "llamacpp") == 0,
                                    .progress = progress,
                                    .user = &shown};
    weft_lm_perplexity result;
    unsigned char *scored = malloc((size_t)s->count + 1);
    weft_status status = scored ? weft_lm_measure(lm, s->ids, s->count, &o, scored, &result)
                                : weft_fail(WEFT_ERROR_MEMORY, "perplexity: memory is short");
    weft_progress_free(shown.progress);
    if (status == WEFT_OK)
        show(a, s, scored, &result);
    free(scored);
    return status;
}

static weft_status run(cli_arguments *a)
{
    weft_lm *lm = NULL;
    weft_tokenizer *tokenizer = NULL;
    subject s = {0};
    if (cli_given(a, "file") == cli_given(a, "ids"))
        return cli_misuse(a, "give --file F.txt or --ids 1,2,3");
    if (cli_given(a, "window") && cli_int(a, "stride") > cli_int(a, "window"))
        return cli_misuse(a, "--stride %lld is more than --window %lld: tokens between windows would not be scored",
                          (long long)cli_int(a, "stride"), (long long)cli_int(a, "window"));
    weft_status status = cli_given(a, "ids") ? cli_lm_ids(a, &s.ids, &s.count) : WEFT_OK;
    if (status == WEFT_OK)
        status = cli_lm_open(a, &lm);
    if (status == WEFT_OK && !s.ids)
        status = cli_lm_tokenizer(cli_positional_at(a, 0), lm, "--file", &tokenizer);
    if (status == WEFT_OK && !s.ids)
        status = encode_file(a, tokenizer, &s);
    if (status == WEFT_OK)
        status = measure(a, lm, &s);
    free(s.ids);
    free(s.begin);
    free(s.end);
    weft_tokenizer_free(tokenizer);
    weft_lm_free(lm);
    return status;
}

const cli_command cli_lm_perplexity = {
    .name = "lm",
    .action = "perplexity",
    .summary = "how well a model foretells a text",
    .description = "The text is read in windows of W tokens that begin every S tokens. A token is scored once, by the first "
                   "window that holds "
                   "it, and never as a window's first token, which nothing foretells. A small stride gives each token more "
                   "context and takes "
                   "longer. Perplexity is exp of the mean negative log-likelihood; bits per byte do not depend on the tokenizer.",
    .positionals = files,
    .options = options,
    .example = "weft lm perplexity stories260K --file story.txt --window 256 --stride 128",
    .run = run,
};
