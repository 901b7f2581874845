/* GPT-2's, Llama 3's and Qwen2's expressions, one pre-token at a time. Comments number their alternatives. */
#include "text/scan.h"

#include <string.h>

#include "base/utf8.h"
#include "text/unicode.h"

#define LETTER WEFT_IS_LETTER
#define NUMBER WEFT_IS_NUMBER
#define SPACE  WEFT_IS_SPACE

static unsigned classes_at(const char *at, const char **next)
{
    unsigned char c = (unsigned char)*at;
    if (c < 128) {
        *next = at + 1;
        return weft_ascii_classes[c];
    }
    *next = at;
    return weft_unicode_classes_of(weft_utf8_next(next));
}

/* The end of the run of characters from `at` on that have a class of `mask` (or none, when `inside` is false). */
static const char *run_of(const char *at, const char *end, unsigned mask, bool inside)
{
    while (at < end) {
        const char *next;
        if (((classes_at(at, &next) & mask) != 0) != inside)
            break;
        at = next;
    }
    return at;
}

/* \s+(?!\S)|\s+ at white space: all of a run at the end of the text, else all but its last character, but at least one. */
static const char *spaces(const char *at, const char *end)
{
    const char *last = at, *stop = at;
    while (stop < end) {
        const char *next;
        if (!(classes_at(stop, &next) & SPACE))
            break;
        last = stop;
        stop = next;
    }
    return stop == end || last == at ? stop : last;
}

/* 's|'t|'re|'ve|'m|'ll|'d behind an apostrophe at `at`: its end, or NULL. */
static const char *contraction(const char *at, const char *end, bool any_case)
{
    static const char endings[][3] = {"s", "t", "re", "ve", "m", "ll", "d"};
    char fold = any_case ? 0x20 : 0;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);
        if ((size_t)(end - at) > length && (at[1] | fold) == endings[i][0] && (length == 1 || (at[2] | fold) == endings[i][1]))
            return at + 1 + length;
    }
    if (any_case && end - at > 2 && memcmp(at + 1, "\xC5\xBF", 2) == 0) /* the long s is an s in another case */
        return at + 3;
    return NULL;
}

static size_t scan_gpt2(const char *at, const char *end)
{
    const char *next, *stop;
    if (*at == '\'' && (stop = contraction(at, end, false)) != NULL) /* 1-7 */
        return (size_t)(stop - at);
    unsigned classes = classes_at(at, &next);
    if (*at == ' ' && next < end) { /* the optional space of 8-10 */
        const char *behind;
        unsigned second = classes_at(next, &behind);
        if (!(second & SPACE)) {
            classes = second;
            next = behind;
        }
    }
    if (classes & LETTER)
        stop = run_of(next, end, LETTER, true); /* 8 */
    else if (classes & NUMBER)
        stop = run_of(next, end, NUMBER, true); /* 9 */
    else if (!(classes & SPACE))
        stop = run_of(next, end, SPACE | LETTER | NUMBER, false); /* 10 */
    else
        stop = spaces(at, end); /* 11, 12 */
    return (size_t)(stop - at);
}

static bool is_line_end(char c)
{
    return c == '\r' || c == '\n';
}

/* \s*[\r\n]+ at white space: up to the last line end of the run; NULL when it has none. */
static const char *line_ends(const char *at, const char *end)
{
    const char *last = NULL, *next;
    while (at < end && classes_at(at, &next) & SPACE) {
        if (is_line_end(*at))
            last = next;
        at = next;
    }
    return last;
}

static size_t scan_llama3(const char *at, const char *end, int most_digits)
{
    const char *next, *behind, *stop;
    if (*at == '\'' && (stop = contraction(at, end, true)) != NULL) /* 1 */
        return (size_t)(stop - at);
    unsigned classes = classes_at(at, &next);
    if (classes & LETTER) /* 2 */
        return (size_t)(run_of(next, end, LETTER, true) - at);
    if (classes & NUMBER) { /* 3 */
        for (int i = 1; i < most_digits && next < end && classes_at(next, &behind) & NUMBER; i++)
            next = behind;
        return (size_t)(next - at);
    }
    unsigned second = next < end ? classes_at(next, &behind) : SPACE;
    if (second & LETTER && !is_line_end(*at)) /* 2, with a character before the letters */
        return (size_t)(run_of(behind, end, LETTER, true) - at);
    if (!(classes & SPACE) || (*at == ' ' && !(second & (SPACE | LETTER | NUMBER)))) { /* 4 */
        stop = run_of(next, end, SPACE | LETTER | NUMBER, false);
        while (stop < end && is_line_end(*stop))
            stop++;
        return (size_t)(stop - at);
    }
    if ((stop = line_ends(at, end)) == NULL) /* 5 */
        stop = spaces(at, end);              /* 6, 7 */
    return (size_t)(stop - at);
}

static size_t scan_three_digits(const char *at, const char *end)
{
    return scan_llama3(at, end, 3);
}

static size_t scan_one_digit(const char *at, const char *end)
{
    return scan_llama3(at, end, 1);
}

#define LLAMA3_LIKE(numbers) \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

const weft_scan_row weft_scans[] = {
    {"gpt2", WEFT_GPT2_PATTERN, scan_gpt2},
    {"llama3", LLAMA3_LIKE("\\p{N}{1,3}"), scan_three_digits},
    {"qwen2", LLAMA3_LIKE("\\p{N}"), scan_one_digit},
    {0},
};

const weft_scan_row *weft_scan_of(const char *pattern, size_t length)
{
    for (const weft_scan_row *row = weft_scans; row->name; row++)
        if (strlen(row->pattern) == length && memcmp(row->pattern, pattern, length) == 0)
            return row;
    return NULL;
}
