/* What the parts of tokenizer.json have in common. */
#include "text/json_parts.h"

#include <stdlib.h>

weft_status weft_part_type(weft_json_value part, const char *what, const char *const *names, int *out)
{
    const char *type = weft_json_string(weft_json_get(part, "type"), NULL);
    if (weft_json_kind_of(part) != WEFT_JSON_OBJECT || !type)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected an object with a \"type\"", what);
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], type) == 0) {
            *out = i;
            return WEFT_OK;
        }
    weft_text known = {0};
    for (int i = 0; names[i]; i++)
        weft_text_add(&known, "%s%s", i ? ", " : "", names[i]);
    weft_status status =
        weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: unknown type \"%.80s\"; known are %s", what, type, known.data ? known.data : "");
    weft_text_free(&known);
    return status;
}

weft_status weft_part_text(weft_json_value part, const char *what, const char *key, char **out, size_t *length)
{
    const char *text = weft_json_bytes(weft_json_get(part, key), length);
    if (!text)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" must be a text", what, key);
    *out = weft_copy_text(text, *length);
    return *out ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
}

weft_status weft_part_pattern(weft_json_value part, const char *what, char **text, size_t *length, weft_regex **regex,
                              weft_scan **scan)
{
    weft_json_value pattern = weft_json_get(part, "pattern");
    if (weft_json_kind_of(pattern) == WEFT_JSON_STRING) /* as older files have it */
        return weft_part_text(part, what, "pattern", text, length);
    if (weft_json_string(weft_json_get(pattern, "String"), NULL))
        return weft_part_text(pattern, what, "String", text, length);
    const char *expression = weft_json_bytes(weft_json_get(pattern, "Regex"), length);
    if (!expression)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"pattern\" must be {\"String\": …} or {\"Regex\": …}", what);
    const weft_scan_row *row = scan ? weft_scan_of(expression, *length) : NULL;
    if (row) {
        *scan = row->scan;
        return WEFT_OK;
    }
    weft_status status = weft_regex_new(expression, *length, regex);
    return status == WEFT_OK ? status : weft_fail_in(status, "%s", what);
}
