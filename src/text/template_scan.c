/* Templates to tokens: text, tags and what stands in them. White space goes as Jinja2's trim_blocks and lstrip_blocks say: a line
 * break right after a block tag or comment is dropped, and so are blanks between the start of a line and a block tag or comment;
 * "-" inside a tag's edge takes all white space on that side, "+" keeps it. */
#include "text/template_inner.h"

#include <stdlib.h>
#include <string.h>

#include "text/template_letters.h"

#define DEEPEST_BRACKETS 256

typedef struct scanner {
    weft_arena *arena;
    const char *name;
    const char *at, *end;
    int line;
    bool line_start; /* what was read last ended in a line break */
    jinja_token *tokens;
    int64_t count, capacity;
    weft_status status;
} scanner;

static void reject(scanner *s, const char *what)
{
    if (s->status == WEFT_OK)
        s->status = weft_fail(WEFT_ERROR_FORMAT, "%s, line %d: %s", s->name, s->line, what);
}

static void add(scanner *s, jinja_token_kind kind, const char *text, size_t length)
{
    if (s->count == s->capacity) {
        int64_t capacity = s->capacity ? 2 * s->capacity : 256;
        jinja_token *tokens = weft_arena_get(s->arena, (size_t)capacity * sizeof *tokens);
        if (!tokens) {
            s->status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", s->name);
            return;
        }
        if (s->count)
            memcpy(tokens, s->tokens, (size_t)s->count * sizeof *tokens);
        s->tokens = tokens;
        s->capacity = capacity;
    }
    s->tokens[s->count++] = (jinja_token){kind, s->line, text, length};
}

/* Moves on to `to`, counting lines. */
static void advance(scanner *s, const char *to)
{
    if (to > s->at)
        s->line_start = to[-1] == '\n';
    for (; s->at < to; s->at++)
        s->line += *s->at == '\n';
}

static bool starts(const scanner *s, const char *at, const char *text)
{
    size_t length = strlen(text);
    return (size_t)(s->end - at) >= length && memcmp(at, text, length) == 0;
}

static const char *after_space(const scanner *s, const char *at)
{
    int bytes;
    while (at < s->end && (bytes = weft_space_at(at, s->end)) > 0)
        at += bytes;
    return at;
}

/* Text up to a tag that begins at `to`; `sign`: what stands after the tag's opening; variables do not strip lines. */
static void add_data(scanner *s, const char *to, char sign, bool variable)
{
    const char *end = to;
    if (sign == '-') {
        int bytes;
        while (end > s->at && (bytes = weft_space_before(s->at, end)) > 0)
            end -= bytes;
    } else if (sign != '+' && !variable) {
        const char *line = end;
        while (line > s->at && line[-1] != '\n')
            line--;
        if (line > s->at || s->line_start)
            if (after_space(&(scanner){.end = end}, line) == end)
                end = line;
    }
    if (end > s->at)
        add(s, TOKEN_DATA, s->at, (size_t)(end - s->at));
    advance(s, to);
}

/* The end of a tag at `at`: "%}" with its signs; NULL when none is there. *after: behind it and what it takes away. */
static const char *tag_end(const scanner *s, const char *at, const char *close, bool trims, const char **after)
{
    const char *from = at;
    if (at < s->end && *at == '-' && starts(s, at + 1, close)) {
        *after = after_space(s, at + 1 + strlen(close));
        return from;
    }
    if (trims && at < s->end && *at == '+' && starts(s, at + 1, close)) {
        *after = at + 1 + strlen(close);
        return from;
    }
    if (!starts(s, at, close))
        return NULL;
    at += strlen(close);
    *after = trims && at < s->end && *at == '\n' ? at + 1 : at;
    return from;
}

static void scan_comment(scanner *s)
{
    for (const char *at = s->at + 2; at < s->end; at++) {
        const char *after;
        if (tag_end(s, at, "#}", true, &after)) {
            advance(s, after);
            return;
        }
    }
    reject(s, "a comment {# is not closed");
}

/* {% raw %} … {% endraw %}: true when one begins here, and then it is read. */
static bool scan_raw(scanner *s)
{
    const char *at = s->at + 2, *after;
    at = after_space(s, at < s->end && (*at == '-' || *at == '+') ? at + 1 : at);
    if (!starts(s, at, "raw"))
        return false;
    at = after_space(s, at + 3);
    if (!tag_end(s, at, "%}", false, &after))
        return false;
    advance(s, after);
    for (at = s->at; at < s->end; at++) {
        if (!starts(s, at, "{%"))
            continue;
        char sign = at + 2 < s->end ? at[2] : 0;
        const char *word = after_space(s, sign == '-' || sign == '+' ? at + 3 : at + 2);
        if (!starts(s, word, "endraw") || !tag_end(s, after_space(s, word + 6), "%}", true, &after))
            continue;
        add_data(s, at, sign, false);
        advance(s, after);
        return true;
    }
    reject(s, "{% raw %} is not closed by {% endraw %}");
    return true;
}

static bool digit_of(char c, int base)
{
    if (base == 16)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    return c >= '0' && c < '0' + base;
}

/* Digits with single underscores between them. */
static const char *digits(const char *at, const char *end, int base)
{
    while (at < end && (digit_of(*at, base) || (*at == '_' && at + 1 < end && digit_of(at[1], base))))
        at++;
    return at;
}

static void scan_number(scanner *s)
{
    const char *at = s->at;
    jinja_token_kind kind = TOKEN_INTEGER;
    int base = 10;
    if (*at == '0' && at + 1 < s->end)
        base = strchr("xX", at[1]) ? 16 : strchr("oO", at[1]) ? 8 : strchr("bB", at[1]) ? 2 : 10;
    if (base != 10 && at + 2 < s->end && (digit_of(at[2], base) || at[2] == '_')) {
        at = digits(at + 2, s->end, base);
    } else {
        bool member = s->count && s->tokens[s->count - 1].kind == TOKEN_OPERATOR && s->at[-1] == '.'; /* a.0.1 */
        at = digits(at, s->end, 10);
        if (!member && at + 1 < s->end && *at == '.' && digit_of(at[1], 10)) {
            kind = TOKEN_FLOAT;
            at = digits(at + 1, s->end, 10);
        }
        if (!member && at + 1 < s->end && (*at == 'e' || *at == 'E')) {
            const char *exponent = at + 1 + (at[1] == '+' || at[1] == '-');
            if (exponent < s->end && digit_of(*exponent, 10)) {
                kind = TOKEN_FLOAT;
                at = digits(exponent, s->end, 10);
            }
        }
    }
    add(s, kind, s->at, (size_t)(at - s->at));
    advance(s, at);
}

static bool name_byte(char c, bool first)
{
    unsigned char byte = (unsigned char)c;
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 0x80 ||
           (!first && byte >= '0' && byte <= '9');
}

static void scan_string(scanner *s)
{
    char quote = *s->at;
    for (const char *at = s->at + 1; at < s->end; at++) {
        if (*at == '\\') {
            at++;
        } else if (*at == quote) {
            add(s, TOKEN_STRING, s->at + 1, (size_t)(at - s->at - 1));
            advance(s, at + 1);
            return;
        }
    }
    reject(s, "a string is not closed");
}

/* Longest first. */
static const char *const operators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "[", "]",
                                        "(",  ")",  "{",  "}",  ">",  "<",  "=", ".", ":", "|", ",", ";", NULL};

/* An operator, with brackets kept in balance: the tag's end is not looked for inside them. */
static void scan_operator(scanner *s, char open[DEEPEST_BRACKETS], int *depth)
{
    for (int i = 0; operators[i]; i++) {
        if (!starts(s, s->at, operators[i]))
            continue;
        char c = operators[i][0];
        if (c == '(' || c == '[' || c == '{') {
            if (*depth == DEEPEST_BRACKETS) {
                reject(s, "brackets stand more than 256 deep");
                return;
            }
            open[(*depth)++] = c == '(' ? ')' : c == '[' ? ']' : '}';
        } else if (c == ')' || c == ']' || c == '}') {
            char said[48] = "unexpected '?'";
            if (*depth == 0) {
                said[12] = c;
                reject(s, said);
                return;
            }
            if (open[--*depth] != c) {
                memcpy(said, "unexpected '?', expected '?'", 29);
                said[12] = c;
                said[26] = open[*depth];
                reject(s, said);
                return;
            }
        }
        add(s, TOKEN_OPERATOR, s->at, strlen(operators[i]));
        advance(s, s->at + strlen(operators[i]));
        return;
    }
    char said[32] = "unexpected character '?'";
    said[22] = *s->at >= 32 && *s->at < 127 ? *s->at : '?';
    reject(s, said);
}

static void scan_tag(scanner *s, bool variable)
{
    const char *close = variable ? "}}" : "%}", *after;
    char open[DEEPEST_BRACKETS];
    int depth = 0;
    add(s, variable ? TOKEN_VARIABLE_BEGIN : TOKEN_BLOCK_BEGIN, s->at, 2);
    const char *at = s->at + 2;
    advance(s, at < s->end && (*at == '-' || (!variable && *at == '+')) ? at + 1 : at);
    while (s->status == WEFT_OK) {
        if (s->at >= s->end) {
            reject(s, variable ? "{{ is not closed by }}" : "{% is not closed by %}");
            return;
        }
        if (depth == 0 && tag_end(s, s->at, close, !variable, &after)) {
            add(s, variable ? TOKEN_VARIABLE_END : TOKEN_BLOCK_END, s->at, 2);
            advance(s, after);
            return;
        }
        const char *next = after_space(s, s->at);
        if (next > s->at) {
            advance(s, next);
        } else if (*s->at >= '0' && *s->at <= '9') {
            scan_number(s);
        } else if (name_byte(*s->at, true)) {
            while (next < s->end && name_byte(*next, false) && weft_space_at(next, s->end) == 0)
                next++;
            add(s, TOKEN_NAME, s->at, (size_t)(next - s->at));
            advance(s, next);
        } else if (*s->at == '"' || *s->at == '\'') {
            scan_string(s);
        } else {
            scan_operator(s, open, &depth);
        }
    }
}

static void scan(scanner *s)
{
    while (s->status == WEFT_OK && s->at < s->end) {
        const char *tag = s->at;
        while (tag + 1 < s->end && !(tag[0] == '{' && (tag[1] == '{' || tag[1] == '%' || tag[1] == '#')))
            tag++;
        if (tag + 1 >= s->end) {
            add(s, TOKEN_DATA, s->at, (size_t)(s->end - s->at));
            advance(s, s->end);
            break;
        }
        char sign = tag + 2 < s->end ? tag[2] : 0;
        add_data(s, tag, sign == '-' || sign == '+' ? sign : 0, tag[1] == '{');
        if (tag[1] == '#')
            scan_comment(s);
        else if (tag[1] == '{')
            scan_tag(s, true);
        else if (!scan_raw(s))
            scan_tag(s, false);
    }
    add(s, TOKEN_END, s->end, 0);
}

weft_status weft_jinja_scan(weft_arena *arena, const char *source, size_t size, const char *name, jinja_token **out,
                            int64_t *count)
{
    /* line breaks become "\n", and the last one is dropped */
    char *text = weft_arena_get(arena, size + 1);
    if (!text)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", name);
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        if (source[i] == '\r' && i + 1 < size && source[i + 1] == '\n')
            continue;
        text[length++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (length && text[length - 1] == '\n')
        length--;
    scanner s = {.arena = arena, .name = name, .at = text, .end = text + length, .line = 1, .line_start = true};
    scan(&s);
    *out = s.tokens;
    *count = s.count;
    return s.status;
}

/* Puts code point `point` as UTF-8 at `to`; surrogates become U+FFFD. */
static char *put_point(char *to, uint32_t point)
{
    return to + (ptrdiff_t)weft_utf8_put(point > 0x10FFFF || (point >= 0xD800 && point < 0xE000) ? 0xFFFD : point, to);
}

weft_status weft_jinja_unescape(weft_arena *arena, const jinja_token *token, const char *name, const jinja_string **out)
{
    static const char letters[] = "abfnrtv\\'\"", meanings[] = "\a\b\f\n\r\t\v\\'\"";
    jinja_string *string = weft_arena_get(arena, sizeof *string);
    char *bytes = weft_arena_get(arena, 2 * token->length + 8); /* "\x80" makes two bytes of four, "\8" stays */
    if (!string || !bytes)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", name);
    char *to = bytes;
    const char *at = token->text, *end = at + token->length;
    while (at < end) {
        if (*at != '\\' || at + 1 == end) {
            *to++ = *at++;
            continue;
        }
        char c = at[1];
        const char *letter = c ? strchr(letters, c) : NULL;
        int width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        if (letter) {
            *to++ = meanings[letter - letters];
            at += 2;
        } else if (c == '\n') {
            at += 2;
        } else if (c >= '0' && c <= '7') {
            uint32_t point = 0;
            int read = 0;
            for (at++; at < end && read < 3 && *at >= '0' && *at <= '7'; at++, read++)
                point = point * 8 + (uint32_t)(*at - '0');
            to = put_point(to, point);
        } else if (width) {
            uint32_t point = 0;
            int read = 0;
            for (const char *hex = at + 2; hex < end && read < width && digit_of(*hex, 16); hex++, read++)
                point = point * 16 + (uint32_t)(*hex <= '9' ? *hex - '0' : (*hex | 32) - 'a' + 10);
            if (read < width)
                return weft_fail(WEFT_ERROR_FORMAT, "%s, line %d: \\%c in a string wants %d hexadecimal digits", name,
                                 token->line, c, width);
            to = put_point(to, point);
            at += 2 + width;
        } else { /* any other is two characters, as in Python */
            *to++ = *at++;
        }
    }
    *string = (jinja_string){bytes, (size_t)(to - bytes), -1};
    *out = string;
    return WEFT_OK;
}
