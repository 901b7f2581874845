/* weft lm generate: continue prompts. */
#include "cli/lm_generate.h"
#include "cli/lm_texts.h"
#include "lm/generate.h"
#include "lm/stopping.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_positional files[] = {{"MODEL", 1, 1, "a model's folder"}, {0}};

static const cli_option options[] = {
    {.name = "prompt",
     .value = "TEXT",
     .kind = CLI_TEXT,
     .help = "the text to continue; - for all that is on standard input, without its last line end"},
    {.name = "ids", .value = "IDS", .kind = CLI_LIST, .help = "tokens in place of a text: 1,403,407"},
    {.name = "file",
     .value = "F.txt",
     .kind = CLI_PATH,
     .help = "prompts, one a line, continued together; - for the lines on standard input"},
    {.name = "no-special", .kind = CLI_FLAG, .help = "without the special tokens that the tokenizer puts around a text"},
    {.name = "tokens",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1 << 24,
     .otherwise = "128",
     .help = "new tokens at most"},
    {.name = "chat", .kind = CLI_FLAG, .help = "the prompt is a user's message: the model's chat template is put around it"},
    {.name = "system", .value = "TEXT", .kind = CLI_TEXT, .help = "with a chat: what the model is told before it"},
    {.name = "template",
     .value = "NAME",
     .kind = CLI_CHOICE,
     .choices = "chatml|llama2|llama3|mistral|gemma|zephyr|vicuna|alpaca",
     .help = "a well-known chat template in place of the folder's"},
    {.name = "interactive",
     .kind = CLI_FLAG,
     .help = "talk with the model line by line (so it is in a terminal without a prompt)"},
    {.name = "stop",
     .value = "TEXT",
     .kind = CLI_LIST,
     .help = "end before this text (\\, is a comma in it); several may be given"},
    {.name = "ignore-eos", .kind = CLI_FLAG, .help = "go on behind the model's end token"},
    CLI_LM_SAMPLING_OPTIONS,
    CLI_LM_MODEL_OPTIONS,
    {0},
};

/* ---- streams of text ---- */

typedef struct stream {
    int64_t *prompt, count;
    weft_decoding *decoding;
    weft_stopper *stops;
    weft_text text;
} stream;

typedef struct job {
    cli_arguments *arguments;
    weft_tokenizer *tokenizer;
    weft_chat_template *chat; /* NULL: prompts are texts to continue */
    stream *streams;
    int64_t count;
    bool live; /* the one stream is shown as it comes */
} job;

static void stream_free(stream *s)
{
    free(s->prompt);
    weft_decoding_free(s->decoding);
    weft_stopper_free(s->stops);
    weft_text_free(&s->text);
}

/* The decoder has seen the prompt, so that what follows has its spaces right. */
static weft_status start_decoding(const job *j, stream *s, const char *const *stops, int stop_count)
{
    weft_text before = {0};
    if (!j->tokenizer)
        return WEFT_OK;
    weft_status status = weft_stopper_new(stops, stop_count, &s->stops);
    if (status == WEFT_OK)
        status = weft_decoding_new(j->tokenizer, &(weft_decode_options){.skip_special = true}, &s->decoding);
    for (int64_t i = 0; i < s->count && status == WEFT_OK; i++)
        if (weft_tokenizer_token(j->tokenizer, s->prompt[i]))
            status = weft_decoding_push(s->decoding, s->prompt[i], &before);
    weft_text_free(&before);
    return status;
}

static void show_new(const job *j, const stream *s, size_t from)
{
    if (j->live && s->text.length > from) {
        cli_say_bytes(j->arguments, s->text.data + from, s->text.length - from);
        cli_out_flush();
    }
}

static weft_status on_token(void *user, int64_t number, int64_t id, bool *stop)
{
    job *j = user;
    stream *s = &j->streams[number];
    weft_text piece = {0};
    size_t from = s->text.length;
    if (weft_interrupted())
        *stop = true;
    if (!s->decoding)
        return WEFT_OK;
    weft_status status = weft_decoding_push(s->decoding, id, &piece);
    bool stopped = false;
    if (status == WEFT_OK)
        status = weft_stopper_add(s->stops, piece.data, piece.length, &s->text, &stopped);
    *stop |= stopped;
    weft_text_free(&piece);
    if (status == WEFT_OK)
        show_new(j, s, from);
    return status;
}

/* What decoder and stop strings held back, unless the text ended at a stop string. */
static weft_status finish_text(job *j, stream *s, weft_lm_end end)
{
    weft_text piece = {0};
    size_t from = s->text.length;
    bool stopped = end == WEFT_LM_END_STOP;
    if (!s->decoding || stopped)
        return WEFT_OK;
    weft_status status = weft_decoding_finish(s->decoding, &piece);
    if (status == WEFT_OK)
        status = weft_stopper_add(s->stops, piece.data, piece.length, &s->text, &stopped);
    if (status == WEFT_OK && !stopped)
        status = weft_stopper_finish(s->stops, &s->text);
    weft_text_free(&piece);
    if (status == WEFT_OK)
        show_new(j, s, from);
    return status;
}

/* ---- prompts ---- */

static weft_status add_prompt(job *j, const char *text, size_t length)
{
    stream *grown = realloc(j->streams, (size_t)(j->count + 1) * sizeof *grown);
    if (!grown)
        return weft_fail(WEFT_ERROR_MEMORY, "prompts: memory is short");
    j->streams = grown;
    stream *s = &grown[j->count++];
    *s = (stream){0};
    if (!text)
        return cli_lm_ids(j->arguments, &s->prompt, &s->count);
    if (!j->chat)
        return cli_lm_encode(j->tokenizer, text, length, cli_flag(j->arguments, "no-special"), &s->prompt, &s->count);
    weft_text message = {0};
    weft_text_bytes(&message, text, length);
    weft_status status = message.failed ? weft_fail(WEFT_ERROR_MEMORY, "prompts: memory is short")
                                        : cli_lm_chat_tokens(j->arguments, j->chat, j->tokenizer,
                                                             &(weft_chat_message){"user", message.data ? message.data : ""}, 1,
                                                             &s->prompt, &s->count);
    weft_text_free(&message);
    return status;
}

static weft_status read_prompts(job *j)
{
    cli_arguments *a = j->arguments;
    const char *prompt = cli_text(a, "prompt"), *path = cli_text(a, "file");
    const bool piped = prompt && cli_is_stream(prompt);
    if (prompt && !piped)
        return add_prompt(j, prompt, strlen(prompt));
    cli_input in;
    weft_status status = piped ? cli_input_open_text("-", &in) : cli_input_open(path, &in);
    if (status == WEFT_OK && piped)
        status = add_prompt(j, in.bytes, in.size);
    for (const char *line = in.bytes, *end = line + in.size; !piped && line < end && status == WEFT_OK;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop ? stop : end) - line);
        if (length && line[length - 1] == '\r')
            length--;
        status = add_prompt(j, line, length);
        line = stop ? stop + 1 : end;
    }
    if (status == WEFT_OK && j->count == 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: holds no prompt", in.name);
    cli_input_close(&in);
    return status;
}

/* ---- results ---- */

static const char *reason(weft_lm_end end)
{
    return end == WEFT_LM_END_LENGTH ? "length" : "stop";
}

static void add_result(cli_arguments *a, const stream *s, const weft_lm_generated *g)
{
    weft_json_writer *w = cli_json(a);
    if (s->decoding)
        cli_json_text(a, "text", &s->text);
    else
        cli_json_string(a, "text", NULL);
    weft_json_add_key(w, "ids");
    weft_json_open_list(w);
    for (int64_t i = 0; i < g->count; i++)
        weft_json_add_integer(w, g->ids[i]);
    weft_json_close_list(w);
    cli_json_integer(a, "prompt_tokens", s->count);
    cli_json_string(a, "finish_reason", reason(g->end));
}

static void show(const job *j, const weft_lm_generated *g)
{
    cli_arguments *a = j->arguments;
    int64_t made = 0;
    for (int64_t i = 0; i < j->count; i++) {
        made += g[i].count;
        if (j->live && j->streams[i].decoding) {
            cli_say(a, "\n");
        } else if (j->streams[i].decoding) {
            cli_say(a, "%s", i ? "---\n" : "");
            cli_say_bytes(a, j->streams[i].text.data, j->streams[i].text.length);
            cli_say(a, "\n");
        }
        if (!j->streams[i].decoding) {
            for (int64_t t = 0; t < g[i].count; t++)
                cli_say(a, "%s%lld", t ? "," : "", (long long)g[i].ids[t]);
            cli_say(a, "\n");
        }
    }
    if (cli_given(a, "file")) {
        weft_json_add_key(cli_json(a), "results");
        weft_json_open_list(cli_json(a));
        for (int64_t i = 0; i < j->count; i++) {
            weft_json_open_object(cli_json(a));
            add_result(a, &j->streams[i], &g[i]);
            weft_json_close_object(cli_json(a));
        }
        weft_json_close_list(cli_json(a));
    } else {
        add_result(a, &j->streams[0], &g[0]);
    }
    /* the first new token comes with the prompt */
    double rate = made > j->count ? (double)(made - j->count) / fmax(g[0].seconds, 1e-9)
                                  : (double)made / fmax(g[0].prompt_seconds + g[0].seconds, 1e-9);
    cli_json_number(a, "tokens_per_second", rate);
    cli_json_number(a, "prompt_seconds", g[0].prompt_seconds);
    if (!cli_quiet(a))
        weft_log(WEFT_LOG_INFO, "%lld tokens, %.0f a second", (long long)made, rate);
}

static weft_status generate(job *j, weft_lm *lm, const weft_generation_config *c)
{
    cli_arguments *a = j->arguments;
    const char *const *stops;
    int stop_count = cli_list(a, "stop", &stops);
    weft_lm_tokens *prompts = calloc((size_t)j->count, sizeof *prompts);
    weft_lm_generated *made = calloc((size_t)j->count, sizeof *made);
    weft_status status = prompts && made ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "generate: memory is short");
    for (int64_t i = 0; i < j->count && status == WEFT_OK; i++) {
        prompts[i] = (weft_lm_tokens){j->streams[i].prompt, j->streams[i].count};
        status = start_decoding(j, &j->streams[i], stops, stop_count);
    }
    unsigned char *never = NULL;
    weft_sampler_settings sampler = c->sampler;
    if (status == WEFT_OK)
        status = cli_lm_rows_without_token(j->tokenizer, weft_lm_vocabulary(lm), &never);
    sampler.never = never;
    weft_lm_generate_options o = {.tokens = cli_int(a, "tokens"),
                                  .settings = &sampler,
                                  .seed = (uint64_t)cli_int(a, "seed"),
                                  .eos = c->eos,
                                  .eos_count = cli_flag(a, "ignore-eos") ? 0 : c->eos_count,
                                  .token = on_token,
                                  .user = j};
    if (status == WEFT_OK)
        status = weft_lm_generate(lm, prompts, j->count, &o, made);
    for (int64_t i = 0; i < j->count && status == WEFT_OK; i++)
        status = finish_text(j, &j->streams[i], made[i].end);
    if (status == WEFT_OK)
        show(j, made);
    for (int64_t i = 0; made && i < j->count; i++)
        weft_lm_generated_free(&made[i]);
    free(prompts);
    free(made);
    free(never);
    return status;
}

static weft_status run_prompts(cli_arguments *a, weft_lm *lm, const weft_generation_config *c)
{
    bool ids = cli_given(a, "ids");
    job j = {.arguments = a, .live = !cli_given(a, "file") && !cli_wants_json(a)};
    const char *folder = cli_positional_at(a, 0);
    weft_status status = cli_lm_tokenizer(folder, lm, ids ? cli_given(a, "stop") ? "--stop" : NULL : "a text", &j.tokenizer);
    if (status == WEFT_OK && (cli_flag(a, "chat") || cli_given(a, "template") || cli_given(a, "system")))
        status = cli_lm_chat_open(a, &j.chat);
    if (status == WEFT_OK)
        status = ids ? add_prompt(&j, NULL, 0) : read_prompts(&j);
    if (status == WEFT_OK)
        status = generate(&j, lm, c);
    for (int64_t i = 0; i < j.count; i++)
        stream_free(&j.streams[i]);
    free(j.streams);
    weft_chat_template_free(j.chat);
    weft_tokenizer_free(j.tokenizer);
    return status;
}

/* What can be judged from the command line alone; *talk: line by line. */
static weft_status check(cli_arguments *a, bool *talk)
{
    int given = cli_given(a, "prompt") + cli_given(a, "ids") + cli_given(a, "file");
    bool chat = cli_flag(a, "chat") || cli_given(a, "template") || cli_given(a, "system");
    *talk = cli_flag(a, "interactive") || (given == 0 && !cli_wants_json(a) && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
    if (*talk && given)
        return cli_misuse(a, "--interactive takes its prompts line by line, not from --prompt, --ids or --file");
    if (*talk && cli_wants_json(a))
        return cli_misuse(a, "--interactive and --json exclude each other");
    if (!*talk && given != 1)
        return cli_misuse(a, given ? "--prompt, --ids and --file exclude each other"
                                   : "give --prompt TEXT, --ids 1,2,3 or --file F.txt");
    if (chat && cli_given(a, "ids"))
        return cli_misuse(a, "--ids are tokens as they are: --chat, --system and --template go with a text");
    int64_t *ids = NULL, count;
    weft_status status = cli_given(a, "ids") ? cli_lm_ids(a, &ids, &count) : WEFT_OK;
    free(ids);
    return status;
}

static weft_status run(cli_arguments *a)
{
    bool talk;
    weft_lm *lm = NULL;
    weft_generation_config c = {0};
    weft_status status = check(a, &talk);
    if (status == WEFT_OK)
        status = cli_lm_sampling(a, cli_positional_at(a, 0), &c);
    if (status == WEFT_OK)
        status = cli_lm_open(a, &lm);
    if (status == WEFT_OK)
        status = talk ? cli_lm_talk(a, lm, &c) : run_prompts(a, lm, &c);
    weft_generation_config_free(&c);
    weft_lm_free(lm);
    return status;
}

const cli_command cli_lm_generate = {
    .name = "lm",
    .action = "generate",
    .summary = "continue a prompt",
    .description = "New tokens are shown as they come. Without sampling options the folder's generation_config.json is followed, "
                   "and where it "
                   "says nothing the likeliest token is taken each time (temperature 0). Generation ends at the model's end "
                   "token, at a --stop "
                   "text, after --tokens, or where the model's context is full. The same --seed gives the same text.\n\n"
                   "In a terminal and without a prompt it is a conversation: each line is a message, put into the model's chat "
                   "template; a model "
                   "without one continues each line. /reset begins anew, /exit or Ctrl-D ends.",
    .positionals = files,
    .options = options,
    .example = "weft lm generate stories260K --prompt \"Once upon a time\" --tokens 100\n"
               "weft lm generate stories260K --prompt \"Once upon a time\" --temperature 0.8 --top-p 0.9 --seed 7\n"
               "weft lm generate stories260K --file prompts.txt --tokens 40 --json\n"
               "weft lm generate stories260K --prompt -",
    .run = run,
};
