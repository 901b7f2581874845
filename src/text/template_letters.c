/* Letters as Python's str sees them. */
#include "text/template_letters.h"

int weft_point_at(const char *at, const char *end, uint32_t *point)
{
    weft_utf8 read = weft_utf8_at(at, end);
    *point = read.code;
    return read.valid ? read.length : 1;
}

bool weft_point_is_space(uint32_t p)
{
    return (p >= 0x09 && p <= 0x0D) || (p >= 0x1C && p <= 0x20) || p == 0x85 || p == 0xA0 || p == 0x1680 ||
           (p >= 0x2000 && p <= 0x200A) || p == 0x2028 || p == 0x2029 || p == 0x202F || p == 0x205F || p == 0x3000;
}

int weft_space_at(const char *at, const char *end)
{
    uint32_t point;
    int bytes = weft_point_at(at, end, &point);
    return weft_point_is_space(point) ? bytes : 0;
}

int weft_space_before(const char *begin, const char *end)
{
    const char *at = end - 1;
    while (at > begin && end - at < 4 && ((unsigned char)*at & 0xC0) == 0x80)
        at--;
    uint32_t point;
    int bytes = weft_point_at(at, end, &point);
    return at + bytes == end && weft_point_is_space(point) ? bytes : 0;
}

uint32_t weft_point_lower(uint32_t point)
{
    uint32_t lower[2];
    return weft_unicode_lower(point, lower) == 1 ? lower[0] : point;
}
