/* The hand-written pre-tokenizers cut as PCRE2 does on the expressions themselves; the classes agree character by character. */
#include "text/text_case.h"

#include "base/random.h"
#include "base/utf8.h"
#include "text/regex.h"
#include "text/scan.h"
#include "text/unicode.h"

static weft_regex *regex_of(const char *pattern)
{
    weft_regex *regex = NULL;
    MUST(weft_regex_new(pattern, strlen(pattern), &regex));
    return regex;
}

/* Which code points each expression matches: utf8proc and PCRE2 may be of two versions of Unicode, so characters that PCRE2 does
 * not know are passed over. */
static void classes_agree(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        unsigned class;
    } rows[] = {{"\\p{L}", WEFT_IS_LETTER}, {"\\p{N}", WEFT_IS_NUMBER},
                {"\\s", WEFT_IS_SPACE},     {"[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}]", WEFT_IS_WORD},
                {"\\p{Mn}", WEFT_IS_MARK},  {"[\\p{Cc}\\p{Cf}\\p{Co}]", WEFT_IS_CONTROL}};
    weft_regex *unknown = regex_of("\\p{Cn}");
    weft_regex_match *match;
    MUST(weft_regex_match_new(&match));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weft_regex *regex = regex_of(rows[i].pattern);
        for (uint32_t code = 0; code < 0x110000; code++) {
            char text[4];
            size_t length = weft_utf8_put(code, text), begin, end;
            bool found, none;
            if (code >= 0xD800 && code < 0xE000)
                continue;
            MUST(weft_regex_search(regex, match, text, length, 0, &found, &begin, &end));
            if (found == ((weft_unicode_classes(code) & rows[i].class) != 0))
                continue;
            MUST(weft_regex_search(unknown, match, text, length, 0, &none, &begin, &end));
            if (!none)
                fail_msg("U+%04X: %s says %d, the class says %d", code, rows[i].pattern, found, !found);
        }
        weft_regex_free(regex);
    }
    weft_regex_match_free(match);
    weft_regex_free(unknown);
}

/* A text of characters that the expressions look at, and of any others. */
static size_t random_text(weft_random_key key, uint64_t row, char *out)
{
    static const char *const bits[] = {
        "'",  "'s", "'LL", "'re", "'\xC5\xBF", " ",  "  ",           "\n",           "\r\n",
        "\t", "a",  "Z",   "ve",  "1",         "23", "\xC2\xA0",     "\xE2\x80\x83", "\xC3\xA9",
        "-",  "!?", "_",   "d",   "m",         "t",  "\xE1\xA0\x8E", "\xC2\x85",     "\xE6\x9D\xB1"};
    size_t length = 0, pieces = 1 + weft_random_below(key, 0, row, 0, 24);
    for (size_t i = 1; i <= pieces; i++) {
        uint64_t pick = weft_random_below(key, 0, row, 2 * i, 40);
        if (pick < sizeof bits / sizeof *bits) {
            memcpy(out + length, bits[pick], strlen(bits[pick]));
            length += strlen(bits[pick]);
            continue;
        }
        uint32_t code = (uint32_t)weft_random_below(key, 0, row, 2 * i + 1, pick < 36 ? 0x3000 : 0x11000);
        while (code >= 0xD800 && code < 0xE000)
            code -= 0x1000;
        length += weft_utf8_put(code, out + length);
    }
    return length;
}

static void cuts_agree(void **state)
{
    (void)state;
    weft_regex_match *match;
    weft_random_key key = weft_random_stream(7, "texts");
    weft_regex *unknown = regex_of("\\p{Cn}");
    MUST(weft_regex_match_new(&match));
    for (const weft_scan_row *row = weft_scans; row->name; row++) {
        weft_regex *regex = regex_of(row->pattern);
        for (uint64_t n = 0; n < 40000; n++) {
            char text[256];
            size_t length = random_text(key, n, text), begin, end;
            bool found;
            MUST(weft_regex_search(unknown, match, text, length, 0, &found, &begin, &end));
            for (size_t at = 0; !found && at < length; at = end) {
                bool matched;
                MUST(weft_regex_search(regex, match, text, length, at, &matched, &begin, &end));
                size_t taken = row->scan(text + at, text + length);
                if (!matched || begin != at || at + taken != end)
                    fail_msg("%s: text %llu at byte %zu: %zu bytes, the expression takes %zu", row->name, (unsigned long long)n,
                             at, taken, matched ? end - at : 0);
            }
        }
        weft_regex_free(regex);
    }
    weft_regex_free(unknown);
    weft_regex_match_free(match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes_agree), cmocka_unit_test(cuts_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
