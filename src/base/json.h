/* JSON: a reader (jansson inside json.c, nowhere else) and a streaming writer on weft_text.
 * Readers get typed values or an error that names the file, the key's path, what stands there and what was expected. */
#ifndef WEFT_BASE_JSON_H
#define WEFT_BASE_JSON_H

#include "weft/base.h"

typedef struct weft_json weft_json; /* one document; values inside are borrowed from it */

weft_status weft_json_parse(const char *text, size_t size, const char *name, weft_json **out); /* `name` for messages */
/* The same, and "\u0000" inside a text is taken; weft_json_bytes tells where the text ends. */
weft_status weft_json_parse_zeros(const char *text, size_t size, const char *name, weft_json **out);
weft_status weft_json_read(const char *path, weft_json **out); /* at most 256 MB */
void weft_json_free(weft_json *);

typedef enum weft_json_kind {
    WEFT_JSON_NULL,
    WEFT_JSON_BOOL,
    WEFT_JSON_INTEGER,
    WEFT_JSON_NUMBER,
    WEFT_JSON_STRING,
    WEFT_JSON_LIST,
    WEFT_JSON_OBJECT
} weft_json_kind;

/* A value: {NULL} when absent. Every accessor takes an absent value and answers absent, 0, NULL or the given default. */
typedef struct weft_json_value {
    void *node;
} weft_json_value;

weft_json_value weft_json_root(const weft_json *);
bool weft_json_present(weft_json_value); /* there, and not null */
weft_json_kind weft_json_kind_of(weft_json_value);
weft_json_value weft_json_get(weft_json_value object, const char *key);
int64_t weft_json_size(weft_json_value list_or_object);
weft_json_value weft_json_item(weft_json_value list, int64_t i);
const char *weft_json_key(weft_json_value object, int64_t i, weft_json_value *value); /* in the file's order; NULL past the end */
double weft_json_number(weft_json_value, double otherwise);
int64_t weft_json_integer(weft_json_value, int64_t otherwise);
bool weft_json_bool(weft_json_value, bool otherwise);
const char *weft_json_string(weft_json_value, const char *otherwise);
const char *weft_json_bytes(weft_json_value, size_t *length); /* of a string; NULL and 0 for all else */

/* With checks: fails naming `where` (a file) and the key, unless the key is absent (then *out stays) or of the right kind. */
weft_status weft_json_take_integer(weft_json_value object, const char *where, const char *key, int64_t least, int64_t most,
                                   int64_t *out);
weft_status weft_json_take_number(weft_json_value object, const char *where, const char *key, double least, double most,
                                  double *out);
weft_status weft_json_take_bool(weft_json_value object, const char *where, const char *key, bool *out);
weft_status weft_json_take_string(weft_json_value object, const char *where, const char *key, const char **out);

/* Writing: commas, quotes and escapes are kept right; numbers are printed so that they read back to the same double
 * (the shortest such form); NaN and infinities become null. indent 0: one line. */
typedef struct weft_json_writer {
    weft_text *text;
    int indent, depth;
    bool first, after_key;
} weft_json_writer;

weft_json_writer weft_json_to(weft_text *, int indent);
void weft_json_open_object(weft_json_writer *);
void weft_json_close_object(weft_json_writer *);
void weft_json_open_list(weft_json_writer *);
void weft_json_close_list(weft_json_writer *);
void weft_json_add_key(weft_json_writer *, const char *key);
void weft_json_add_string(weft_json_writer *, const char *value); /* NULL writes null; invalid UTF-8 bytes become U+FFFD */
void weft_json_add_bytes(weft_json_writer *, const char *value, size_t length); /* the same for text with zero bytes */
void weft_json_add_number(weft_json_writer *, double value);
void weft_json_add_float(weft_json_writer *, float value); /* shortest form that reads back to the same float */
void weft_json_add_integer(weft_json_writer *, int64_t value);
void weft_json_add_bool(weft_json_writer *, bool value);
void weft_json_add_null(weft_json_writer *);
/* A parsed value as it is. */
void weft_json_add_value(weft_json_writer *, weft_json_value);

#endif
