/* weft lm tokenize: texts to token ids, and ids to text. */
#include "cli/lm_texts.h"
#include "weft/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {{"DIR", 1, 1, "a folder with a tokenizer, or a tokenizer's file"}, {0}};

static const cli_option options[] = {
    {.name = "text",
     .value = "TEXT",
     .kind = CLI_TEXT,
     .help = "the text to cut into tokens; - for what is on standard input, without its last line end"},
    {.name = "file",
     .value = "F.jsonl",
     .kind = CLI_PATH,
     .help = "texts, a line of JSON each: {\"text\": \"…\"}; - for standard input"},
    {.name = "decode", .value = "IDS", .kind = CLI_LIST, .help = "ids to turn into text: 1,2,3"},
    {.name = "no-special",
     .kind = CLI_FLAG,
     .help = "leave out the special tokens that stand around a text; with --decode, all special ones"},
    {.name = "literal", .kind = CLI_FLAG, .help = "read special tokens that a text spells, like </s>, as ordinary characters"},
    {0},
};

typedef struct job {
    cli_arguments *arguments;
    weft_tokenizer *tokenizer;
    weft_encoding *encoding;
    weft_encode_options options;
    int64_t texts, tokens;
} job;

/* For people: each id with its token, control characters shown as such. */
static void say_tokens(job *j)
{
    const int64_t *ids = weft_encoding_ids(j->encoding);
    for (size_t i = 0; i < weft_encoding_count(j->encoding); i++) {
        weft_text shown = {0};
        weft_json_writer w = weft_json_to(&shown, 0);
        weft_json_add_string(&w, weft_tokenizer_token(j->tokenizer, ids[i]));
        cli_say(j->arguments, "%8lld  %s\n", (long long)ids[i], shown.data ? shown.data : "");
        weft_text_free(&shown);
    }
}

/* `where`: the place of the text, for messages. */
static weft_status tokenize(void *user, const char *text, size_t length, const char *where)
{
    job *j = user;
    weft_status status = weft_encode(j->encoding, text, length, &j->options);
    if (status != WEFT_OK)
        return weft_fail_in(status, "%s", where);
    size_t repaired = weft_encoding_repaired(j->encoding), count = weft_encoding_count(j->encoding);
    if (repaired)
        weft_log(WEFT_LOG_WARNING, "%s: not UTF-8; %zu broken places are read as U+FFFD", where, repaired);
    weft_json_writer *w = cli_json(j->arguments);
    weft_json_open_object(w);
    weft_json_add_key(w, "ids");
    weft_json_open_list(w);
    for (size_t i = 0; i < count; i++)
        weft_json_add_integer(w, weft_encoding_ids(j->encoding)[i]);
    weft_json_close_list(w);
    weft_json_close_object(w);
    if (j->texts++ > 0)
        cli_say(j->arguments, "\n");
    say_tokens(j);
    j->tokens += (int64_t)count;
    return WEFT_OK;
}

static weft_status tokenize_piped(job *j)
{
    cli_input in;
    weft_status status = cli_input_open_text("-", &in);
    if (status == WEFT_OK)
        status = tokenize(j, in.bytes, in.size, in.name);
    cli_input_close(&in);
    return status;
}

static weft_status decode(cli_arguments *a, const weft_tokenizer *t, bool skip_special)
{
    const char *const *items;
    int count = cli_list(a, "decode", &items);
    int64_t *ids = malloc(((size_t)count + 1) * sizeof *ids);
    if (!ids)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    weft_text text = {0};
    weft_status status = WEFT_OK;
    for (int i = 0; i < count && status == WEFT_OK; i++) {
        char *end;
        errno = 0;
        ids[i] = strtoll(items[i], &end, 10);
        if (errno || end == items[i] || *end || ids[i] < 0)
            status = cli_misuse(a, "--decode takes whole numbers from 0 on with commas between, not \"%.60s\"", items[i]);
    }
    if (status == WEFT_OK)
        status = weft_decode(t, ids, (size_t)count, &(weft_decode_options){.skip_special = skip_special}, &text);
    if (status == WEFT_OK) {
        cli_say_bytes(a, text.data, text.length);
        cli_say(a, "\n");
        cli_json_text(a, "text", &text);
    }
    weft_text_free(&text);
    free(ids);
    return status;
}

static weft_status run_job(job *j)
{
    cli_arguments *a = j->arguments;
    weft_status status = weft_tokenizer_open(cli_positional_at(a, 0), &j->tokenizer);
    if (status != WEFT_OK)
        return status;
    cli_json_integer(a, "vocabulary", weft_tokenizer_size(j->tokenizer));
    if (cli_given(a, "decode"))
        return decode(a, j->tokenizer, cli_flag(a, "no-special"));
    if ((status = weft_encoding_new(j->tokenizer, &j->encoding)) != WEFT_OK)
        return status;
    j->options = (weft_encode_options){.add_special = !cli_flag(a, "no-special"), .literal = cli_flag(a, "literal")};
    weft_json_add_key(cli_json(a), "results");
    weft_json_open_list(cli_json(a));
    if (cli_given(a, "text") && cli_is_stream(cli_text(a, "text")))
        status = tokenize_piped(j);
    else if (cli_given(a, "text"))
        status = tokenize(j, cli_text(a, "text"), strlen(cli_text(a, "text")), "--text");
    else
        status = cli_read_lines(cli_text(a, "file"), tokenize, j);
    weft_json_close_list(cli_json(a));
    cli_json_integer(a, "tokens", j->tokens);
    return status;
}

static weft_status run(cli_arguments *arguments)
{
    int given = cli_given(arguments, "text") + cli_given(arguments, "file") + cli_given(arguments, "decode");
    if (given != 1)
        return cli_misuse(arguments, "lm tokenize takes one of --text TEXT, --file F.jsonl and --decode IDS%s",
                          given ? ", not several" : "");
    job j = {.arguments = arguments};
    weft_status status = run_job(&j);
    weft_encoding_free(j.encoding);
    weft_tokenizer_free(j.tokenizer);
    return status;
}

const cli_command cli_lm_tokenize = {
    .name = "lm",
    .action = "tokenize",
    .summary = "cut texts into tokens, and put them together",
    .description = "DIR holds a tokenizer: tokenizer.json; or tokenizer.model (SentencePiece), vocab.json and merges.txt (GPT-2, "
                   "RoBERTa, Qwen2), "
                   "vocab.txt (BERT), tokenizer.bin (llama2.c). A model's folder does, and so does a folder with these files "
                   "alone. A file of these "
                   "kinds can be named itself.\n\n"
                   "The ids are those of the tokenizer's authors. Special tokens that stand around a text (BOS, [CLS] and [SEP]) "
                   "are put there unless "
                   "--no-special is given; those that a text spells itself are found unless --literal is given.",
    .positionals = files,
    .options = options,
    .example = "weft lm tokenize stories260K --text \"Once upon a time\"\n"
               "weft lm tokenize stories260K --decode 1,403,407,261,378\n"
               "weft lm tokenize stories260K --text -\n"
               "weft lm tokenize stories260K --file texts.jsonl --no-special --json",
    .run = run,
};
