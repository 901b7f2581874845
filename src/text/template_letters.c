/* Letters as Python's str sees them. */
#include "text/template_letters.h"

#include <utf8proc.h>

int weft_utf8_get(const char *at, const char *end, uint32_t *point)
{
    utf8proc_int32_t read = 0;
    utf8proc_ssize_t left = end - at < 4 ? end - at : 4;
    utf8proc_ssize_t bytes = (unsigned char)*at < 0x80 ? 1 : utf8proc_iterate((const utf8proc_uint8_t *)at, left, &read);
    if (bytes == 1)
        read = (unsigned char)*at;
    *point = bytes > 0 ? (uint32_t)read : 0xFFFD;
    return bytes > 0 ? (int)bytes : 1;
}

int weft_utf8_put(uint32_t point, char out[4])
{
    return (int)utf8proc_encode_char((utf8proc_int32_t)point, (utf8proc_uint8_t *)out);
}

bool weft_point_is_space(uint32_t p)
{
    return (p >= 0x09 && p <= 0x0D) || (p >= 0x1C && p <= 0x20) || p == 0x85 || p == 0xA0 || p == 0x1680 ||
           (p >= 0x2000 && p <= 0x200A) || p == 0x2028 || p == 0x2029 || p == 0x202F || p == 0x205F || p == 0x3000;
}

int weft_space_at(const char *at, const char *end)
{
    uint32_t point;
    int bytes = weft_utf8_get(at, end, &point);
    return weft_point_is_space(point) ? bytes : 0;
}

int weft_space_before(const char *begin, const char *end)
{
    const char *at = end - 1;
    while (at > begin && end - at < 4 && ((unsigned char)*at & 0xC0) == 0x80)
        at--;
    uint32_t point;
    int bytes = weft_utf8_get(at, end, &point);
    return at + bytes == end && weft_point_is_space(point) ? bytes : 0;
}

static utf8proc_category_t category(uint32_t point)
{
    return utf8proc_category((utf8proc_int32_t)point);
}

bool weft_point_is_letter(uint32_t point)
{
    utf8proc_category_t c = category(point);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

bool weft_point_is_digit(uint32_t point)
{
    return category(point) == UTF8PROC_CATEGORY_ND;
}

bool weft_point_is_number(uint32_t point)
{
    utf8proc_category_t c = category(point);
    return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO;
}

bool weft_point_is_cased(uint32_t point)
{
    utf8proc_category_t c = category(point);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

bool weft_point_is_upper(uint32_t point)
{
    return category(point) == UTF8PROC_CATEGORY_LU;
}

bool weft_point_is_lower(uint32_t point)
{
    return category(point) == UTF8PROC_CATEGORY_LL;
}

bool weft_point_is_shown(uint32_t point)
{
    utf8proc_category_t c = category(point);
    bool hidden = c == UTF8PROC_CATEGORY_CN || c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF ||
                  c == UTF8PROC_CATEGORY_CS || c == UTF8PROC_CATEGORY_CO;
    bool separates = c == UTF8PROC_CATEGORY_ZS || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP;
    return point == ' ' || !(hidden || separates);
}

uint32_t weft_point_upper(uint32_t point)
{
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)point);
}

uint32_t weft_point_lower(uint32_t point)
{
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)point);
}

uint32_t weft_point_title(uint32_t point)
{
    return (uint32_t)utf8proc_totitle((utf8proc_int32_t)point);
}
