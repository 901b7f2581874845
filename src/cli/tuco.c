/* weft tuco: how much fine-tuning contributed to one response, or to each prompt of a file. */
#include "cli/lm.h"
#include "cli/tuco.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "lm/sampler.h"

static const cli_option options[] = {
    TUCO_MODEL_OPTIONS,
    {.name = "prompt", .value = "TEXT", .kind = CLI_TEXT, .help = "the prompt", .group = "What to read"},
    {.name = "ids",
     .value = "1,2,3",
     .kind = CLI_LIST,
     .help = "the prompt as token ids, used as they are",
     .group = "What to read"},
    {.name = "file",
     .value = "F",
     .kind = CLI_PATH,
     .help = "prompts: a line each; .jsonl with prompt or messages, and label; .csv with a column of them",
     .group = "What to read"},
    TUCO_PROMPT_OPTIONS,
    {.name = "alpha",
     .value = "A",
     .kind = CLI_NUMBER,
     .least = -CLI_ANY,
     .most = CLI_ANY,
     .otherwise = "1",
     .help = "scale fine-tuning's contribution: 0 is the base's blocks, 1 the tuned model"},
    {.name = "generate", .value = "N", .kind = CLI_INT, .least = 1, .most = 1e6, .help = "generate N tokens, each with its TuCo"},
    {.name = "temperature",
     .value = "T",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 100,
     .otherwise = "0",
     .help = "of the generated tokens; 0: the likeliest"},
    {.name = "top-k",
     .value = "K",
     .kind = CLI_INT,
     .least = 0,
     .most = 1e9,
     .otherwise = "0",
     .help = "draw among the K likeliest; 0: all"},
    {.name = "top-p",
     .value = "P",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1,
     .otherwise = "1",
     .help = "draw among the likeliest that together reach P"},
    {.name = "tensors",
     .value = "OUT.safetensors",
     .kind = CLI_PATH,
     .help = "write streams, components and logits of all layers"},
    {.name = "heads", .kind = CLI_FLAG, .help = "split the attention's contribution at the last token by heads"},
    {.name = "no-outputco", .kind = CLI_FLAG, .help = "leave OutputCo out: it runs the base once more"},
    {.name = "stream-layers", .kind = CLI_FLAG, .help = "keep one layer's weights in memory at a time"},
    {.name = "report", .value = "F.html", .kind = CLI_PATH, .help = "write a page with maps of tokens and layers"},
    {.name = "out", .value = "F.csv", .kind = CLI_PATH, .help = "with --file: a line a prompt, written as they are read"},
    {.name = "resume", .kind = CLI_FLAG, .help = "go on with an unfinished --out"},
    {.name = "threshold",
     .value = "T",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1,
     .help = "fail (exit status 1) when the TuCo of a prompt is below T"},
    {.name = "reference", .value = "F", .kind = CLI_PATH, .help = "prompts to take the threshold from: 5 % of them lie below it"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over what is there, and allow an alpha below 0"},
    {0},
};

/* ---- one prompt ---- */

/* Tokens of the prompt, then those generated. */
typedef struct told {
    int64_t *ids, count, prompt;
    double *tuco;
} told;

static void add_numbers(weft_json_writer *w, const char *key, const double *x, int64_t n)
{
    weft_json_add_key(w, key);
    weft_json_open_list(w);
    for (int64_t i = 0; i < n; i++)
        weft_json_add_number(w, x[i]);
    weft_json_close_list(w);
}

static void tell_json(cli_arguments *a, const tuco_job *job, const weft_tuco_reading *r, const told *tokens)
{
    weft_json_writer *w = cli_json(a);
    const char *const *tuned;
    int count = cli_list(a, "tuned", &tuned);
    cli_json_number(a, "tuco", r->tuco);
    if (!isnan(r->outputco))
        cli_json_number(a, "outputco", r->outputco);
    cli_json_number(a, "tuco_l2", r->tuco_l2);
    cli_json_number(a, "alpha", cli_number(a, "alpha"));
    cli_json_string(a, "base", cli_text(a, "base"));
    cli_json_string(a, "tuned", tuned[count - 1]);
    weft_json_add_key(w, "tokens");
    weft_json_open_list(w);
    for (int64_t i = 0; i < tokens->count; i++) {
        weft_json_open_object(w);
        weft_json_add_key(w, "token");
        weft_json_add_string(w, tuco_token(job, tokens->ids[i]));
        weft_json_add_key(w, "id");
        weft_json_add_integer(w, tokens->ids[i]);
        weft_json_add_key(w, "tuco");
        weft_json_add_number(w, tokens->tuco[i]);
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
    weft_json_add_key(w, "layers");
    weft_json_open_list(w);
    const int64_t n = r->tokens, last = n - 1, each = r->layers * n;
    for (int64_t l = 0; l < r->layers; l++) {
        const double parts[] = {r->ptc_l1[l * n + last],       r->ftc_l1[l * n + last], r->beta_pos[(l + 1) * n + last],
                                r->attn_l1[l * n + last],      r->mlp_l1[l * n + last], r->attn_l1[each + l * n + last],
                                r->mlp_l1[each + l * n + last]};
        static const char *const names[] = {"ptc", "ftc", "beta", "ptc_attn", "ptc_mlp", "ftc_attn", "ftc_mlp"};
        weft_json_open_object(w);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            weft_json_add_key(w, names[i]);
            weft_json_add_number(w, parts[i]);
        }
        if (r->heads)
            add_numbers(w, "heads", r->heads_l1 + l * r->heads, r->heads);
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
    add_numbers(w, "beta_seq", r->beta_seq, r->layers + 1);
    if (r->steps > 1) {
        double steps[WEFT_TUCO_MODELS];
        for (int64_t k = 0; k < r->steps; k++)
            steps[k] = r->steps_l1[k * n + last];
        add_numbers(w, "steps", steps, r->steps);
    }
    if (tokens->count > tokens->prompt) {
        double sum = 0;
        for (int64_t i = tokens->prompt; i < tokens->count; i++)
            sum += tokens->tuco[i];
        cli_json_number(a, "tuco_response", sum / (double)(tokens->count - tokens->prompt));
    }
}

/* A share as a bar of ten. */
static void bar(double share, char out[11])
{
    for (int i = 0; i < 10; i++)
        out[i] = i < share * 10 + 0.5 ? '#' : '.';
    out[10] = 0;
}

static void tell_people(cli_arguments *a, const tuco_job *job, const weft_tuco_reading *r, const told *tokens)
{
    char text[11];
    int64_t all, equal = weft_tuco_equal_tensors(job->pair, &all), last = r->tokens - 1, n = r->tokens;
    cli_say(a, "TuCo %.4f: fine-tuning's share of what the layers added at the last token of the prompt\n", r->tuco);
    if (!isnan(r->outputco))
        cli_say(a, "OutputCo %.4f (against the base run by itself); by L2 norms %.4f\n", r->outputco, r->tuco_l2);
    cli_say(a, "%lld of the base's %lld tensors are unchanged by fine-tuning\n\n", (long long)equal, (long long)all);
    cli_say(a, "%-6s %10s %10s %8s\n", "layer", "base", "tuning", "beta");
    for (int64_t l = 0; l < r->layers; l++) {
        bar(r->beta_pos[(l + 1) * n + last], text);
        cli_say(a, "%-6lld %10.3f %10.3f %8.4f %s\n", (long long)l, r->ptc_l1[l * n + last], r->ftc_l1[l * n + last],
                r->beta_pos[(l + 1) * n + last], text);
    }
    for (int64_t k = 0; r->steps > 1 && k < r->steps; k++)
        cli_say(a, "step %lld adds %.3f\n", (long long)k + 1, r->steps_l1[k * n + last]);
    cli_say(a, "\n%-16s %8s %8s\n", "token", "id", "TuCo");
    for (int64_t i = 0; i < tokens->count; i++) {
        weft_text shown = {0};
        weft_json_writer w = weft_json_to(&shown, 0);
        weft_json_add_string(&w, tuco_token(job, tokens->ids[i]));
        bar(tokens->tuco[i], text);
        cli_say(a, "%-16s %8lld %8.4f %s%s\n", shown.data ? shown.data : "", (long long)tokens->ids[i], tokens->tuco[i], text,
                i == tokens->prompt ? " < generated" : "");
        weft_text_free(&shown);
    }
}

static weft_status generate(cli_arguments *a, tuco_job *job, weft_tuco_run *run, told *tokens)
{
    const int64_t wanted = cli_int(a, "generate"), vocab = weft_tuco_vocab(job->pair);
    unsigned char *never = NULL;
    weft_sampler_settings sampling = WEFT_SAMPLER_DEFAULT;
    sampling.temperature = cli_number(a, "temperature");
    sampling.top_p = cli_number(a, "top-p");
    sampling.top_k = cli_int(a, "top-k");
    int64_t eos = job->encoder.tokenizer ? weft_tokenizer_special(job->encoder.tokenizer, WEFT_TOKEN_EOS) : -1;
    int64_t *ids = realloc(tokens->ids, (size_t)(tokens->prompt + wanted + 1) * sizeof *ids);
    if (ids)
        tokens->ids = ids;
    double *tuco = realloc(tokens->tuco, (size_t)(tokens->prompt + wanted + 1) * sizeof *tuco);
    if (tuco)
        tokens->tuco = tuco;
    if (!ids || !tuco)
        return weft_fail(WEFT_ERROR_MEMORY, "tuco: memory is short");
    weft_sampler *sampler = NULL;
    weft_status status = cli_lm_rows_without_token(job->encoder.tokenizer, vocab, &never);
    sampling.never = never;
    if (status == WEFT_OK)
        status = weft_sampler_new(vocab, &sampling, &sampler);
    for (int64_t i = 0; i < wanted && status == WEFT_OK; i++) {
        int64_t id = 0;
        if (weft_interrupted())
            status = weft_fail(WEFT_ERROR_INTERRUPTED, "interrupted after %lld tokens", (long long)i);
        if (status == WEFT_OK)
            status = weft_sampler_next(sampler, weft_tuco_run_logits(run),
                                       &(weft_sampler_history){tokens->ids, tokens->prompt, tokens->ids + tokens->prompt, i},
                                       (uint64_t)cli_int(a, "seed"), 0, &id);
        if (status != WEFT_OK || id == eos)
            break;
        tokens->ids[tokens->count] = id;
        tokens->tuco[tokens->count++] = weft_tuco_run_tuco(run); /* of the position that chose it */
        if (i + 1 < wanted)
            status = weft_tuco_next(run, id);
    }
    weft_sampler_free(sampler);
    free(never);
    return status;
}

static weft_status tell_text(cli_arguments *a, const tuco_job *job, const told *tokens)
{
    if (!job->encoder.tokenizer || tokens->count == tokens->prompt)
        return WEFT_OK;
    weft_text text = {0};
    weft_status status =
        weft_decode(job->encoder.tokenizer, tokens->ids + tokens->prompt, (size_t)(tokens->count - tokens->prompt),
                    &(weft_decode_options){.skip_special = true}, &text);
    if (status == WEFT_OK) {
        cli_json_text(a, "text", &text);
        cli_say(a, "\n");
        cli_say_bytes(a, text.data, text.length);
        cli_say(a, "\n");
    }
    weft_text_free(&text);
    return status;
}

static weft_status read_prompt(cli_arguments *a, tuco_job *job, told *tokens)
{
    double threshold = -1;
    weft_tuco_request request = {.alpha = cli_number(a, "alpha"),
                                 .outputco = !cli_flag(a, "no-outputco"),
                                 .heads = cli_flag(a, "heads"),
                                 .tensors = cli_given(a, "tensors"),
                                 .stream_layers = cli_flag(a, "stream-layers")};
    weft_tuco_reading *r = NULL;
    weft_tuco_run *run = NULL;
    weft_status status = tuco_threshold(a, job, &threshold);
    if (status == WEFT_OK)
        status = cli_given(a, "generate") ? weft_tuco_read_and_start(job->pair, tokens->ids, tokens->prompt,
                                                                     cli_int(a, "generate"), &request, &r, &run)
                                          : weft_tuco_read(job->pair, tokens->ids, tokens->prompt, &request, &r);
    tokens->tuco = status == WEFT_OK ? malloc((size_t)(tokens->prompt + 1) * sizeof *tokens->tuco) : NULL;
    if (status == WEFT_OK && !tokens->tuco)
        status = weft_fail(WEFT_ERROR_MEMORY, "tuco: memory is short");
    if (status == WEFT_OK) {
        memcpy(tokens->tuco, r->tuco_pos, (size_t)tokens->prompt * sizeof *tokens->tuco);
        tokens->count = tokens->prompt;
    }
    if (status == WEFT_OK && run)
        status = generate(a, job, run, tokens);
    weft_tuco_run_free(run);
    if (status == WEFT_OK) {
        tell_json(a, job, r, tokens);
        tell_people(a, job, r, tokens);
        status = tell_text(a, job, tokens);
    }
    if (status == WEFT_OK && strcmp(cli_text(a, "dtype"), "bf16") == 0 && r->tuco < 0.02)
        weft_log(WEFT_LOG_WARNING, "TuCo %.4f in bf16: so small a share is near the rounding; use --dtype f32", r->tuco);
    if (status == WEFT_OK && r->tensors)
        status = weft_safetensors_save(r->tensors, cli_text(a, "tensors"));
    const char *const *tuned;
    int count = cli_list(a, "tuned", &tuned);
    if (status == WEFT_OK && cli_given(a, "report"))
        status = tuco_page_prompt(job, r, &(tuco_page_tokens){tokens->ids, tokens->tuco, tokens->count, tokens->prompt},
                                  cli_text(a, "base"), tuned[count - 1], cli_text(a, "report"));
    if (status == WEFT_OK)
        status = r->tuco < threshold ? weft_fail(WEFT_ERROR_NUMERIC, "TuCo %.4f is below the threshold %.4f", r->tuco, threshold)
                                     : WEFT_OK;
    weft_tuco_reading_free(r);
    return status;
}

static weft_status ids_of(cli_arguments *a, told *out)
{
    const char *const *words;
    int count = cli_list(a, "ids", &words);
    if (!(out->ids = malloc((size_t)(count + 1) * sizeof *out->ids)))
        return weft_fail(WEFT_ERROR_MEMORY, "tuco: memory is short");
    for (int i = 0; i < count; i++) {
        char *end;
        errno = 0;
        out->ids[i] = strtoll(words[i], &end, 10);
        if (end == words[i] || *end || errno || out->ids[i] < 0)
            return cli_misuse(a, "--ids wants whole numbers: \"%.40s\" is none", words[i]);
    }
    out->prompt = count;
    return WEFT_OK;
}

static weft_status run_prompt(cli_arguments *a)
{
    tuco_job job = {0};
    told tokens = {0};
    bool typed = cli_given(a, "ids");
    weft_status status = typed ? ids_of(a, &tokens) : WEFT_OK;
    if (status == WEFT_OK)
        status = tuco_job_open(a, !typed, &job);
    if (status == WEFT_OK && !typed) {
        weft_prompt p = {.text = (char *)(uintptr_t)cli_text(a, "prompt"), .line = 1};
        status = weft_prompt_encode(&job.encoder, &p, "", &tokens.ids, &tokens.prompt);
    }
    if (status == WEFT_OK)
        status = read_prompt(a, &job, &tokens);
    free(tokens.ids);
    free(tokens.tuco);
    tuco_job_close(&job);
    return status;
}

static weft_status check(cli_arguments *a)
{
    double alpha = cli_number(a, "alpha");
    int ways = cli_given(a, "prompt") + cli_given(a, "ids") + cli_given(a, "file");
    if (ways != 1)
        return cli_misuse(a, "give one of --prompt, --ids and --file");
    if (!isfinite(alpha) || (alpha < 0 && !cli_flag(a, "force")))
        return cli_misuse(a, "--alpha wants a number >= 0");
    bool file = cli_given(a, "file");
    if (!file && (cli_given(a, "out") || cli_flag(a, "resume")))
        return cli_misuse(a, "--out and --resume go with --file");
    if (file && (cli_given(a, "generate") || cli_given(a, "tensors") || cli_flag(a, "heads")))
        return cli_misuse(a, "--generate, --tensors and --heads go with a single prompt");
    if (cli_flag(a, "stream-layers") && (cli_given(a, "generate") || cli_given(a, "tensors")))
        return cli_misuse(a, "--stream-layers reads prompts; it neither generates nor keeps tensors");
    if (cli_given(a, "threshold") && cli_given(a, "reference"))
        return cli_misuse(a, "give one of --threshold and --reference");
    weft_status status = cli_given(a, "tensors") ? cli_may_write(a, cli_text(a, "tensors"), NULL) : WEFT_OK;
    if (status == WEFT_OK && cli_given(a, "report"))
        status = cli_may_write(a, cli_text(a, "report"), NULL);
    if (status == WEFT_OK && cli_given(a, "out") && !cli_flag(a, "resume"))
        status = cli_may_write(a, cli_text(a, "out"), NULL);
    return status;
}

static weft_status run(cli_arguments *a)
{
    weft_status status = check(a);
    if (status != WEFT_OK)
        return status;
    return cli_given(a, "file") ? tuco_run_file(a) : run_prompt(a);
}

const cli_command cli_tuco = {
    .name = "tuco",
    .summary = "how much fine-tuning contributes to a response",
    .description =
        "Both models read the residual stream of the tuned one. At each block the stream gains what the base would add, and what "
        "fine-tuning adds to that; TuCo is the second sum's share of both, by L1 norms, at the last token: 0.30 reads 30 % "
        "tuning "
        "contribution. Prompts that slip past fine-tuning have a low TuCo.\n\n"
        "Compare prompts in the same wrapping or template: much of the share at the last token comes from the format itself.",
    .options = options,
    .example = "weft tuco --base stories260K --tuned stories260K-sft --wrap 'User: {}\\nAssistant:' --prompt 'Name a fruit.' "
               "--generate 20\n"
               "weft tuco --base stories260K --tuned stories260K-sft --file prompts.txt --out tuco.csv --report tuco.html",
    .run = run,
};
