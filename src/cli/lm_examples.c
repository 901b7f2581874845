/* Texts to classify or to embed: from a file, standard input or the command line, through the model some at a time. */
#include "cli/lm_examples.h"

#include "base/utf8.h"
#include "cli/lm_texts.h"

#include <string.h>

weft_status cli_lm_examples_check(cli_arguments *a)
{
    if (cli_given(a, "data") == cli_given(a, "text"))
        return cli_misuse(a, "give --data F or --text TEXT%s", cli_given(a, "data") ? ", not both" : "");
    if (cli_given(a, "pair") && !cli_given(a, "text"))
        return cli_misuse(a, "--pair is the second text beside --text; records of --data have it as text_pair");
    return WEFT_OK;
}

/* One record {"text": …, "text_pair": …}. */
static weft_status give_text(const char *text, size_t length, const char *second, const char *where,
                             weft_record_function function, void *user)
{
    weft_text record = {0};
    weft_json *json = NULL;
    weft_json_writer w = weft_json_to(&record, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "text");
    weft_json_add_bytes(&w, text, length);
    if (second) {
        weft_json_add_key(&w, "text_pair");
        weft_json_add_string(&w, second);
    }
    weft_json_close_object(&w);
    weft_status status = record.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where)
                                       : weft_json_parse_zeros(record.data, record.length, where, &json);
    if (status == WEFT_OK)
        status = function(user, weft_json_root(json), where);
    weft_json_free(json);
    weft_text_free(&record);
    return status;
}

/* A text a line; empty lines are passed over. */
static weft_status give_lines(const char *bytes, size_t size, const char *name, weft_record_function function, void *user)
{
    const char *end = bytes + size;
    weft_status status = WEFT_OK;
    weft_text where = {0};
    int64_t number = 0, broken = 0;
    for (const char *line = bytes, *next; line < end && status == WEFT_OK; line = next) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        next = stop ? stop + 1 : end;
        size_t length = (size_t)((stop ? stop : end) - line);
        while (length && (line[length - 1] == '\r' || line[length - 1] == ' ' || line[length - 1] == '\t'))
            length--;
        number++;
        if (length == 0)
            continue;
        broken += !weft_utf8_is_valid(line, length);
        where.length = 0;
        weft_text_add(&where, "%s line %lld", name, (long long)number);
        status = where.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", name)
                              : give_text(line, length, NULL, where.data, function, user);
    }
    if (broken)
        weft_log(WEFT_LOG_WARNING, "%s: %lld lines are not UTF-8; broken places are read as U+FFFD", name, (long long)broken);
    weft_text_free(&where);
    return status;
}

static bool are_records(const char *bytes, size_t size)
{
    size_t at = 0;
    while (at < size && bytes[at] && strchr(" \t\r\n", bytes[at]))
        at++;
    return at < size && bytes[at] && strchr("{[\"", bytes[at]);
}

weft_status cli_lm_examples_read(cli_arguments *a, weft_record_function function, void *user)
{
    const char *path = cli_text(a, "data"), *text = cli_text(a, "text");
    if (!path)
        return give_text(text, strlen(text), cli_text(a, "pair"), "--text", function, user);
    const char *ending = strrchr(path, '.');
    const bool piped = cli_is_stream(path);
    if (weft_records_are_table(path) || (ending && (strcmp(ending, ".json") == 0 || strcmp(ending, ".jsonl") == 0)))
        return weft_records_read(path, function, user, NULL);
    cli_input in;
    weft_status status = cli_input_open(path, &in);
    if (status == WEFT_OK)
        status = piped && are_records(in.bytes, in.size) ? weft_records_parse(in.bytes, in.size, in.name, function, user, NULL)
                                                         : give_lines(in.bytes, in.size, in.name, function, user);
    cli_input_close(&in);
    return status;
}

static void progress(void *user, int64_t done)
{
    cli_lm_examples *e = user;
    if (!e->progress)
        e->progress = weft_progress_new(cli_progress, e->arguments, "reading", 0, "texts");
    weft_progress_update(e->progress, e->done + done, "%s", "");
}

weft_status cli_lm_examples_open(cli_arguments *a, cli_lm_reader_open open, weft_lm_reader_options options, cli_lm_examples *e)
{
    weft_engine *engine = cli_engine(a);
    *e = (cli_lm_examples){.arguments = a};
    options.model = cli_lm_options(a);
    options.longest = cli_given(a, "length") ? cli_int(a, "length") : 0;
    options.batch = cli_int(a, "batch-size");
    options.progress = progress;
    options.user = e;
    return engine ? open(engine, cli_positional_at(a, 0), &options, &e->reader) : WEFT_ERROR_MEMORY;
}

void cli_lm_examples_close(cli_lm_examples *e)
{
    weft_progress_free(e->progress);
    weft_text_free(&e->whole);
    weft_lm_reader_free(e->reader);
}

weft_status cli_lm_examples_add(cli_lm_examples *e, weft_json_value record, const char *prefix, const char *where)
{
    size_t length, second_length, repaired = 0;
    const weft_json_value pair = weft_json_get(record, "text_pair");
    const char *text =
        weft_json_bytes(weft_json_kind_of(record) == WEFT_JSON_STRING ? record : weft_json_get(record, "text"), &length);
    const char *second = weft_json_bytes(pair, &second_length);
    if (!text || (weft_json_present(pair) && !second))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected {\"text\": \"…\"} or {\"text\": \"…\", \"text_pair\": \"…\"}", where);
    if (prefix) {
        e->whole.length = 0;
        weft_text_add(&e->whole, "%s", prefix);
        weft_text_bytes(&e->whole, text, length);
        if (e->whole.failed)
            return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
        text = e->whole.data ? e->whole.data : "";
        length = e->whole.length;
    }
    weft_status status = weft_lm_reader_add(e->reader, text, length, second, second_length, &repaired);
    if (status != WEFT_OK)
        return weft_fail_in(status, "%s", where);
    if (repaired)
        weft_log(WEFT_LOG_WARNING, "%s: not UTF-8; %zu broken places are read as U+FFFD", where, repaired);
    return WEFT_OK;
}

weft_status cli_lm_examples_run(cli_lm_examples *e, double *out)
{
    const int64_t count = weft_lm_reader_count(e->reader);
    const weft_status status = weft_lm_reader_run(e->reader, out);
    e->done += count;
    return status;
}

weft_status cli_lm_examples_finish(cli_lm_examples *e)
{
    const char *path = cli_text(e->arguments, "data");
    weft_progress_free(e->progress);
    e->progress = NULL;
    if (e->done == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: holds no text", cli_is_stream(path) ? "standard input" : path);
    const int64_t cut = weft_lm_reader_cut(e->reader);
    if (cut)
        weft_log(WEFT_LOG_WARNING, "%lld %s longer than the model reads (or --length) and cut off", (long long)cut,
                 cut == 1 ? "text is" : "texts are");
    return WEFT_OK;
}
