/* Texts from files: plain ones, and JSON lines. */
#include "cli/lm_texts.h"

#include "base/files.h"
#include "base/utf8.h"

#include <string.h>

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
    weft_map map = {0};
    int64_t number = 0;
    weft_text where = {0};
    weft_status status = weft_map_open(path, &map);
    const char *end = (const char *)map.data + map.size;
    for (const char *at = map.data, *next; status == WEFT_OK && at < end; at = next) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        number++;
        if (is_blank(at, stop))
            continue;
        where.length = 0;
        weft_text_add(&where, "%s line %lld", path, (long long)number);
        status = where.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path)
                              : read_line(at, (size_t)(stop - at), where.data, function, user);
    }
    weft_text_free(&where);
    weft_map_close(&map);
    return status;
}

weft_status cli_read_texts(const char *path, cli_text_function *function, void *user)
{
    size_t length = strlen(path);
    if (length > 6 && strcmp(path + length - 6, ".jsonl") == 0)
        return cli_read_lines(path, function, user);
    weft_map map = {0};
    weft_status status = weft_map_open(path, &map);
    if (status != WEFT_OK)
        return status;
    if (!weft_utf8_is_valid(map.size ? map.data : "", map.size))
        weft_log(WEFT_LOG_WARNING, "%s: not UTF-8; broken places are read as U+FFFD", path);
    status = function(user, map.size ? map.data : "", map.size, path);
    weft_map_close(&map);
    return status;
}
