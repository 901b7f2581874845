/* Unicode's tables, by utf8proc. */
#include "text/unicode.h"

#include <utf8proc.h>

#define CONTROL WEFT_IS_CONTROL
#define SPACE   (WEFT_IS_SPACE)
#define PUNCT   WEFT_IS_PUNCTUATION
#define DIGIT   (WEFT_IS_NUMBER | WEFT_IS_WORD)
#define LETTER  (WEFT_IS_LETTER | WEFT_IS_WORD)
#define ROW8(x) x, x, x, x, x, x, x, x

const uint8_t weft_ascii_classes[128] = {
    ROW8(CONTROL),   CONTROL,         CONTROL | SPACE,
    CONTROL | SPACE, CONTROL | SPACE, CONTROL | SPACE,
    CONTROL | SPACE, CONTROL,         CONTROL,
    ROW8(CONTROL),   ROW8(CONTROL), /* 0x10 */
    SPACE,           PUNCT,           PUNCT,
    PUNCT,           PUNCT,           PUNCT,
    PUNCT,           PUNCT,           ROW8(PUNCT), /* 0x20 */
    ROW8(DIGIT),     DIGIT,           DIGIT,
    PUNCT,           PUNCT,           PUNCT,
    PUNCT,           PUNCT,           PUNCT, /* 0x30 */
    PUNCT,           LETTER,          LETTER,
    LETTER,          LETTER,          LETTER,
    LETTER,          LETTER,          ROW8(LETTER), /* 0x40 */
    ROW8(LETTER),    LETTER,          LETTER,
    LETTER,          PUNCT,           PUNCT,
    PUNCT,           PUNCT,           PUNCT | WEFT_IS_WORD, /* 0x50 */
    PUNCT,           LETTER,          LETTER,
    LETTER,          LETTER,          LETTER,
    LETTER,          LETTER,          ROW8(LETTER), /* 0x60 */
    ROW8(LETTER),    LETTER,          LETTER,
    LETTER,          PUNCT,           PUNCT,
    PUNCT,           PUNCT,           CONTROL, /* 0x70 */
};

static bool in_ranges(uint32_t code, const uint32_t (*range)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code >= range[i][0] && code <= range[i][1])
            return true;
    return false;
}

/* The blocks that BERT's tokenizer calls Chinese characters. */
static bool is_ideograph(uint32_t code)
{
    static const uint32_t blocks[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                                         {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    return code >= 0x3400 && in_ranges(code, blocks, sizeof blocks / sizeof *blocks);
}

/* Alphabetic beyond letters, marks and letter numbers: the circled and squared Latin letters, which are symbols. */
static bool is_other_alphabetic(uint32_t code)
{
    static const uint32_t symbols[][2] = {{0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
    return in_ranges(code, symbols, sizeof symbols / sizeof *symbols);
}

unsigned weft_unicode_classes_of(uint32_t code)
{
    if (code < 128)
        return weft_ascii_classes[code];
    unsigned ideograph = is_ideograph(code) ? WEFT_IS_IDEOGRAPH : 0;
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return WEFT_IS_LETTER | WEFT_IS_WORD | ideograph;
    case UTF8PROC_CATEGORY_MN:
        return WEFT_IS_MARK | WEFT_IS_WORD;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return WEFT_IS_WORD;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
        return WEFT_IS_NUMBER | WEFT_IS_WORD | ideograph;
    case UTF8PROC_CATEGORY_NO:
        return WEFT_IS_NUMBER;
    case UTF8PROC_CATEGORY_PC:
        return WEFT_IS_PUNCTUATION | WEFT_IS_WORD;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return WEFT_IS_PUNCTUATION;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return WEFT_IS_SPACE;
    case UTF8PROC_CATEGORY_CC:
        return WEFT_IS_CONTROL | (code == 0x85 ? WEFT_IS_SPACE : 0u);
    case UTF8PROC_CATEGORY_CF:
        return WEFT_IS_CONTROL | (code == 0x200C || code == 0x200D ? WEFT_IS_WORD : 0u);
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
        return WEFT_IS_CONTROL;
    case UTF8PROC_CATEGORY_SO:
        return is_other_alphabetic(code) ? WEFT_IS_WORD : 0;
    case UTF8PROC_CATEGORY_CN:
        return WEFT_IS_UNASSIGNED | ideograph;
    default:
        return 0;
    }
}

int weft_unicode_lower(uint32_t code, uint32_t out[2])
{
    if (code < 128) {
        out[0] = code >= 'A' && code <= 'Z' ? code + 32 : code;
        return 1;
    }
    if (code == 0x130) { /* the one character whose lower case is two: i and a dot above */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
    return 1;
}

int weft_unicode_decompose(uint32_t code, bool compatibility, uint32_t *out)
{
    utf8proc_int32_t buffer[WEFT_DECOMPOSED];
    int boundary = 0;
    utf8proc_option_t options = UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0);
    utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)code, buffer, WEFT_DECOMPOSED, options, &boundary);
    if (count < 1 || count > WEFT_DECOMPOSED) { /* no character decomposes to more than 18 */
        out[0] = code;
        return 1;
    }
    for (utf8proc_ssize_t i = 0; i < count; i++)
        out[i] = (uint32_t)buffer[i];
    return (int)count;
}

int weft_unicode_combining(uint32_t code)
{
    return utf8proc_get_property((utf8proc_int32_t)code)->combining_class;
}

uint32_t weft_unicode_compose(uint32_t first, uint32_t second)
{
    utf8proc_int32_t pair[2] = {(utf8proc_int32_t)first, (utf8proc_int32_t)second};
    return utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) == 1 ? (uint32_t)pair[0] : 0;
}

bool weft_unicode_grapheme_break(uint32_t before, uint32_t after, int32_t *state)
{
    return utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)after, state);
}

uint32_t weft_unicode_upper(uint32_t code)
{
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)code);
}

uint32_t weft_unicode_title(uint32_t code)
{
    return (uint32_t)utf8proc_totitle((utf8proc_int32_t)code);
}

weft_letter_case weft_unicode_case(uint32_t code)
{
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_LU:
        return WEFT_CASE_UPPER;
    case UTF8PROC_CATEGORY_LL:
        return WEFT_CASE_LOWER;
    case UTF8PROC_CATEGORY_LT:
        return WEFT_CASE_TITLE;
    default:
        return WEFT_CASE_NONE;
    }
}

bool weft_unicode_is_decimal(uint32_t code)
{
    return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_ND;
}

bool weft_unicode_is_printable(uint32_t code)
{
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return code == ' ';
    default:
        return true;
    }
}
