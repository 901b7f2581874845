/* Texts from files and from standard input: plain ones, and JSON lines. */
#include "cli/lm_texts.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

weft_status cli_read_records(const char *path, weft_record_function function, void *user)
{
    cli_input in;
    if (!cli_is_stream(path))
        return weft_records_read(path, function, user, NULL);
    weft_status status = cli_input_open(path, &in);
    if (status == WEFT_OK)
        status = weft_records_parse(in.bytes, in.size, in.name, function, user, NULL);
    cli_input_close(&in);
    return status;
}

static weft_status read_line(const char *line, size_t length, const char *where, cli_text_function *function, void *user)
{
    weft_json *json = NULL;
    weft_text repaired = {0};
    size_t broken = weft_utf8_is_valid(line, length) ? 0 : weft_utf8_repair(line, length, &repaired);
    if (repaired.failed) {
        weft_text_free(&repaired);
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
    }
    if (broken)
        weft_log(WEFT_LOG_WARNING, "%s: not UTF-8; %zu broken places are read as U+FFFD", where, broken);
    weft_status status = weft_json_parse_zeros(broken ? repaired.data : line, broken ? repaired.length : length, where, &json);
    if (status == WEFT_OK) {
        weft_json_value root = weft_json_root(json);
        const char *text = weft_json_bytes(weft_json_get(root, "text"), &length);
        if (!text)
            text = weft_json_bytes(root, &length);
        status =
            text ? function(user, text, length, where) : weft_fail(WEFT_ERROR_FORMAT, "%s: expected {\"text\": \"…\"}", where);
    }
    weft_json_free(json);
    weft_text_free(&repaired);
    return status;
}

static bool is_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at == end;
}

weft_status cli_read_lines(const char *path, cli_text_function *function, void *user)
{
    cli_input in;
    int64_t number = 0;
    weft_text where = {0};
    weft_status status = cli_input_open(path, &in);
    const char *end = in.bytes + in.size;
    for (const char *at = in.bytes, *next; status == WEFT_OK && at < end; at = next) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        number++;
        if (is_blank(at, stop))
            continue;
        where.length = 0;
        weft_text_add(&where, "%s line %lld", in.name, (long long)number);
        status = where.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", in.name)
                              : read_line(at, (size_t)(stop - at), where.data, function, user);
    }
    weft_text_free(&where);
    cli_input_close(&in);
    return status;
}

weft_status cli_read_texts(const char *path, cli_text_function *function, void *user)
{
    size_t length = strlen(path);
    if (length > 6 && strcmp(path + length - 6, ".jsonl") == 0)
        return cli_read_lines(path, function, user);
    cli_input in;
    weft_status status = cli_input_open(path, &in);
    if (status == WEFT_OK && !weft_utf8_is_valid(in.bytes, in.size))
        weft_log(WEFT_LOG_WARNING, "%s: not UTF-8; broken places are read as U+FFFD", in.name);
    if (status == WEFT_OK)
        status = function(user, in.bytes, in.size, in.name);
    cli_input_close(&in);
    return status;
}
