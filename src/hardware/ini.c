/* Reading DRAMsim3's ini files; nothing of a file is trusted. */
#include "hardware/ini.h"

#include "base/files.h"

#include <stdlib.h>
#include <string.h>

static char *copy(const char *text, size_t length)
{
    char *out = malloc(length + 1);
    if (out) {
        memcpy(out, text, length);
        out[length] = 0;
    }
    return out;
}

static weft_status add(weft_settings *s, const char *section, size_t section_length, const char *key, size_t key_length,
                       const char *value, size_t value_length, int line)
{
    if (s->count >= WEFT_INI_ROWS)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: more than %d settings", s->name, WEFT_INI_ROWS);
    if (s->count == s->capacity) {
        int capacity = s->capacity ? 2 * s->capacity : 64;
        weft_setting *rows = realloc(s->rows, (size_t)capacity * sizeof *rows);
        if (!rows)
            return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", s->name);
        s->rows = rows;
        s->capacity = capacity;
    }
    weft_setting row = {copy(section, section_length), copy(key, key_length), copy(value, value_length), line};
    s->rows[s->count++] = row; /* freed with the list, also when a copy failed */
    return row.section && row.key && row.value ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", s->name);
}

weft_status weft_settings_add(weft_settings *s, const char *section, const char *key, const char *value, int line)
{
    return add(s, section, strlen(section), key, strlen(key), value, strlen(value), line);
}

const weft_setting *weft_settings_find(const weft_settings *s, const char *section, const char *key)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->rows[i].section, section) == 0 && strcmp(s->rows[i].key, key) == 0)
            return &s->rows[i];
    return NULL;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **from, const char **to)
{
    while (*from < *to && blank(**from))
        ++*from;
    while (*from < *to && blank((*to)[-1]))
        --*to;
}

static weft_status read_line(weft_settings *s, const char *from, const char *to, int line, const char **section, size_t *length)
{
    for (const char *c = from; c < to; c++)
        if (*c == ';' || *c == '#')
            to = c;
    trim(&from, &to);
    if (from == to)
        return WEFT_OK;
    if (memchr(from, 0, (size_t)(to - from)))
        return weft_fail(WEFT_ERROR_FORMAT, "%s, line %d: a zero byte; an .ini file is text", s->name, line);
    if (*from == '[') {
        if (to[-1] != ']')
            return weft_fail(WEFT_ERROR_FORMAT, "%s, line %d: a section needs its bracket: [name]", s->name, line);
        *section = from + 1;
        *length = (size_t)(to - from) - 2;
        return WEFT_OK;
    }
    const char *equals = memchr(from, '=', (size_t)(to - from));
    if (!equals)
        return weft_fail(WEFT_ERROR_FORMAT, "%s, line %d: \"%.*s\" is neither [section] nor key = value", s->name, line,
                         (int)(to - from < 40 ? to - from : 40), from);
    const char *key_end = equals, *value = equals + 1;
    trim(&from, &key_end);
    trim(&value, &to);
    if (from == key_end)
        return weft_fail(WEFT_ERROR_FORMAT, "%s, line %d: no key before \"=\"", s->name, line);
    weft_status status = add(s, *section, *length, from, (size_t)(key_end - from), value, (size_t)(to - value), line);
    if (status != WEFT_OK)
        return status;
    const weft_setting *row = &s->rows[s->count - 1], *first = weft_settings_find(s, row->section, row->key);
    return first == row ? WEFT_OK
                        : weft_fail(WEFT_ERROR_FORMAT, "%s, line %d: \"%s\" stands already on line %d", s->name, line, row->key,
                                    first->line);
}

weft_status weft_ini_parse(const char *text, size_t size, const char *name, weft_settings *out)
{
    *out = (weft_settings){.name = copy(name, strlen(name))};
    if (!out->name)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", name);
    weft_status status = size <= WEFT_INI_BYTES ? WEFT_OK : weft_fail(WEFT_ERROR_FORMAT, "%s: larger than 1 MiB", name);
    const char *section = "", *end = text + size;
    size_t length = 0;
    int line = 1;
    for (const char *at = text; status == WEFT_OK && at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        status = read_line(out, at, stop, line, &section, &length);
        at = stop + 1;
    }
    if (status != WEFT_OK)
        weft_settings_free(out);
    return status;
}

weft_status weft_ini_read(const char *path, weft_settings *out)
{
    char *text = NULL;
    size_t size = 0;
    *out = (weft_settings){0};
    weft_status status = weft_file_read(path, WEFT_INI_BYTES, &text, &size);
    if (status == WEFT_OK)
        status = weft_ini_parse(text, size, path, out);
    free(text);
    return status;
}

void weft_settings_free(weft_settings *s)
{
    for (int i = 0; i < s->count; i++) {
        free(s->rows[i].section);
        free(s->rows[i].key);
        free(s->rows[i].value);
    }
    free(s->rows);
    free(s->name);
    *s = (weft_settings){0};
}
