/* PCRE2 behind the spelling of tokenizer files. */
#include "text/regex.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define LONGEST_PATTERN 65536
#define MATCH_LIMIT     50000000 /* steps of one search: about a second */
#define STACK_MOST      (8 << 20)

struct weft_regex {
    pcre2_code *code;
    bool compiled; /* to machine code */
};

struct weft_regex_match {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* \s and \w mean other sets in PCRE2 10.42 (\s has U+180E; \w lacks marks and connectors), and \h is a hexadecimal digit. */
typedef struct escape {
    char letter;
    const char *outside, *inside; /* a class's brackets; NULL: cannot be said there */
} escape;

#define WORD "\\p{Alphabetic}\\p{M}\\p{N}\\p{Pc}"
static const escape escapes[] = {
    {'s', "\\p{White_Space}", "\\p{White_Space}"},
    {'S', "\\P{White_Space}", "\\P{White_Space}"},
    {'w', "[" WORD "]", WORD},
    {'W', "[^" WORD "]", NULL},
    {'h', "[0-9a-fA-F]", "0-9a-fA-F"},
    {'H', "[^0-9a-fA-F]", NULL},
};

/* The pattern in PCRE2's words. A class inside a class is a union in Oniguruma: its brackets are dropped. */
static weft_status translate(const char *pattern, size_t length, weft_text *out)
{
    int depth = 0;
    for (size_t i = 0; i < length; i++) {
        char c = pattern[i];
        if (c == '\\' && i + 1 < length) {
            const escape *found = NULL;
            for (size_t k = 0; k < sizeof escapes / sizeof *escapes; k++)
                if (escapes[k].letter == pattern[i + 1])
                    found = &escapes[k];
            const char *text = !found ? NULL : depth ? found->inside : found->outside;
            if (found && !text)
                return weft_fail(WEFT_ERROR_UNSUPPORTED, "\\%c inside a character class", pattern[i + 1]);
            if (text)
                weft_text_add(out, "%s", text);
            else
                weft_text_bytes(out, pattern + i, 2);
            i++;
        } else if (depth && c == '[' && i + 1 < length && pattern[i + 1] == ':') {
            const char *close = memmem(pattern + i, length - i, ":]", 2);
            size_t size = close ? (size_t)(close + 2 - (pattern + i)) : length - i;
            weft_text_bytes(out, pattern + i, size);
            i += size - 1;
        } else if (c == '[') {
            bool negated = i + 1 < length && pattern[i + 1] == '^';
            if (depth++ && negated)
                return weft_fail(WEFT_ERROR_UNSUPPORTED, "a negated character class inside another");
            if (depth > 1)
                continue;
            weft_text_bytes(out, pattern + i, negated ? 2 : 1);
            i += negated;
            if (i + 1 < length && pattern[i + 1] == ']') { /* stands for itself at the beginning */
                weft_text_bytes(out, "\\]", 2);
                i++;
            }
        } else if (c == ']' && depth) {
            if (--depth == 0)
                weft_text_bytes(out, "]", 1);
        } else if (depth && c == '&' && i + 1 < length && pattern[i + 1] == '&') {
            return weft_fail(WEFT_ERROR_UNSUPPORTED, "an intersection (&&) of character classes");
        } else {
            weft_text_bytes(out, &c, 1);
        }
    }
    return out->failed ? weft_fail(WEFT_ERROR_MEMORY, "memory is short") : WEFT_OK;
}

weft_status weft_regex_new(const char *pattern, size_t length, weft_regex **out)
{
    *out = NULL;
    if (length > LONGEST_PATTERN)
        return weft_fail(WEFT_ERROR_FORMAT, "a regular expression of %zu bytes; at most %d are read", length, LONGEST_PATTERN);
    weft_text text = {0};
    weft_status status = translate(pattern, length, &text);
    weft_regex *regex = status == WEFT_OK ? calloc(1, sizeof *regex) : NULL;
    if (status == WEFT_OK && !regex)
        status = weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    if (status == WEFT_OK) {
        int error;
        PCRE2_SIZE at;
        regex->code = pcre2_compile((PCRE2_SPTR)(text.data ? text.data : ""), text.length,
                                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, NULL);
        if (!regex->code) {
            char reason[160];
            pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, sizeof reason);
            status = weft_fail(WEFT_ERROR_FORMAT, "regular expression \"%.*s\": %s at byte %zu of \"%.200s\"",
                               (int)(length < 200 ? length : 200), pattern, reason, (size_t)at, text.data ? text.data : "");
        } else {
            regex->compiled = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
        }
    }
    weft_text_free(&text);
    if (status != WEFT_OK) {
        weft_regex_free(regex);
        return status;
    }
    *out = regex;
    return WEFT_OK;
}

void weft_regex_free(weft_regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    free(regex);
}

weft_status weft_regex_match_new(weft_regex_match **out)
{
    weft_regex_match *match = *out = calloc(1, sizeof *match);
    if (match) {
        match->data = pcre2_match_data_create(1, NULL);
        match->context = pcre2_match_context_create(NULL);
        match->stack = pcre2_jit_stack_create(32 << 10, STACK_MOST, NULL);
    }
    if (!match || !match->data || !match->context || !match->stack) {
        weft_regex_match_free(match);
        *out = NULL;
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    }
    pcre2_set_match_limit(match->context, MATCH_LIMIT);
    pcre2_set_heap_limit(match->context, 64 << 10); /* KiB */
    pcre2_jit_stack_assign(match->context, NULL, match->stack);
    return WEFT_OK;
}

void weft_regex_match_free(weft_regex_match *match)
{
    if (!match)
        return;
    pcre2_match_data_free(match->data);
    pcre2_match_context_free(match->context);
    pcre2_jit_stack_free(match->stack);
    free(match);
}

weft_status weft_regex_search(const weft_regex *regex, weft_regex_match *match, const char *text, size_t length, size_t from,
                              bool *found, size_t *begin, size_t *end)
{
    int result = PCRE2_ERROR_JIT_STACKLIMIT;
    if (regex->compiled)
        result = pcre2_jit_match(regex->code, (PCRE2_SPTR)text, length, from, PCRE2_NO_UTF_CHECK, match->data, match->context);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        result = pcre2_match(regex->code, (PCRE2_SPTR)text, length, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match->data,
                             match->context);
    *found = result >= 0;
    if (result < 0 && result != PCRE2_ERROR_NOMATCH) {
        char reason[160];
        pcre2_get_error_message(result, (PCRE2_UCHAR *)reason, sizeof reason);
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "the tokenizer's regular expression gave up at byte %zu of the text: %s", from,
                         reason);
    }
    if (*found) {
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(match->data);
        *begin = range[0];
        *end = range[1] < range[0] ? range[0] : range[1];
    }
    return WEFT_OK;
}
