/* Decimal text to the nearest double, ties to even: exact arithmetic for short numbers, 128-bit powers of ten for the
 * others, and strtod for the few that lie too near the middle of two doubles to tell. */
#include "io/csv_inner.h"

#include <stdio.h>
#include <stdlib.h>

/* 10^e for e = -55 … 55 as c 2^b with 2^127 <= c < 2^128, c truncated, b = floor(e log2 10) - 127. In Python, for e >= 0:
 * v = 10**e; c = (v << 128) >> v.bit_length(); for e < 0: c = 2**-b // 10**-e. */
#define WIDEST_POWER 55
static const uint64_t powers[2 * WIDEST_POWER + 1][2] = {
    {0x9ced737bb6c4183d, 0x55464dd69685606b}, {0xc428d05aa4751e4c, 0xaa97e14c3c26b886}, {0xf53304714d9265df, 0xd53dd99f4b3066a8},
    {0x993fe2c6d07b7fab, 0xe546a8038efe4029}, {0xbf8fdb78849a5f96, 0xde98520472bdd033}, {0xef73d256a5c0f77c, 0x963e66858f6d4440},
    {0x95a8637627989aad, 0xdde7001379a44aa8}, {0xbb127c53b17ec159, 0x5560c018580d5d52}, {0xe9d71b689dde71af, 0xaab8f01e6e10b4a6},
    {0x9226712162ab070d, 0xcab3961304ca70e8}, {0xb6b00d69bb55c8d1, 0x3d607b97c5fd0d22}, {0xe45c10c42a2b3b05, 0x8cb89a7db77c506a},
    {0x8eb98a7a9a5b04e3, 0x77f3608e92adb242}, {0xb267ed1940f1c61c, 0x55f038b237591ed3}, {0xdf01e85f912e37a3, 0x6b6c46dec52f6688},
    {0x8b61313bbabce2c6, 0x2323ac4b3b3da015}, {0xae397d8aa96c1b77, 0xabec975e0a0d081a}, {0xd9c7dced53c72255, 0x96e7bd358c904a21},
    {0x881cea14545c7575, 0x7e50d64177da2e54}, {0xaa242499697392d2, 0xdde50bd1d5d0b9e9}, {0xd4ad2dbfc3d07787, 0x955e4ec64b44e864},
    {0x84ec3c97da624ab4, 0xbd5af13bef0b113e}, {0xa6274bbdd0fadd61, 0xecb1ad8aeacdd58e}, {0xcfb11ead453994ba, 0x67de18eda5814af2},
    {0x81ceb32c4b43fcf4, 0x80eacf948770ced7}, {0xa2425ff75e14fc31, 0xa1258379a94d028d}, {0xcad2f7f5359a3b3e, 0x096ee45813a04330},
    {0xfd87b5f28300ca0d, 0x8bca9d6e188853fc}, {0x9e74d1b791e07e48, 0x775ea264cf55347d}, {0xc612062576589dda, 0x95364afe032a819d},
    {0xf79687aed3eec551, 0x3a83ddbd83f52204}, {0x9abe14cd44753b52, 0xc4926a9672793542}, {0xc16d9a0095928a27, 0x75b7053c0f178293},
    {0xf1c90080baf72cb1, 0x5324c68b12dd6338}, {0x971da05074da7bee, 0xd3f6fc16ebca5e03}, {0xbce5086492111aea, 0x88f4bb1ca6bcf584},
    {0xec1e4a7db69561a5, 0x2b31e9e3d06c32e5}, {0x9392ee8e921d5d07, 0x3aff322e62439fcf}, {0xb877aa3236a4b449, 0x09befeb9fad487c2},
    {0xe69594bec44de15b, 0x4c2ebe687989a9b3}, {0x901d7cf73ab0acd9, 0x0f9d37014bf60a10}, {0xb424dc35095cd80f, 0x538484c19ef38c94},
    {0xe12e13424bb40e13, 0x2865a5f206b06fb9}, {0x8cbccc096f5088cb, 0xf93f87b7442e45d3}, {0xafebff0bcb24aafe, 0xf78f69a51539d748},
    {0xdbe6fecebdedd5be, 0xb573440e5a884d1b}, {0x89705f4136b4a597, 0x31680a88f8953030}, {0xabcc77118461cefc, 0xfdc20d2b36ba7c3d},
    {0xd6bf94d5e57a42bc, 0x3d32907604691b4c}, {0x8637bd05af6c69b5, 0xa63f9a49c2c1b10f}, {0xa7c5ac471b478423, 0x0fcf80dc33721d53},
    {0xd1b71758e219652b, 0xd3c36113404ea4a8}, {0x83126e978d4fdf3b, 0x645a1cac083126e9}, {0xa3d70a3d70a3d70a, 0x3d70a3d70a3d70a3},
    {0xcccccccccccccccc, 0xcccccccccccccccc}, {0x8000000000000000, 0x0000000000000000}, {0xa000000000000000, 0x0000000000000000},
    {0xc800000000000000, 0x0000000000000000}, {0xfa00000000000000, 0x0000000000000000}, {0x9c40000000000000, 0x0000000000000000},
    {0xc350000000000000, 0x0000000000000000}, {0xf424000000000000, 0x0000000000000000}, {0x9896800000000000, 0x0000000000000000},
    {0xbebc200000000000, 0x0000000000000000}, {0xee6b280000000000, 0x0000000000000000}, {0x9502f90000000000, 0x0000000000000000},
    {0xba43b74000000000, 0x0000000000000000}, {0xe8d4a51000000000, 0x0000000000000000}, {0x9184e72a00000000, 0x0000000000000000},
    {0xb5e620f480000000, 0x0000000000000000}, {0xe35fa931a0000000, 0x0000000000000000}, {0x8e1bc9bf04000000, 0x0000000000000000},
    {0xb1a2bc2ec5000000, 0x0000000000000000}, {0xde0b6b3a76400000, 0x0000000000000000}, {0x8ac7230489e80000, 0x0000000000000000},
    {0xad78ebc5ac620000, 0x0000000000000000}, {0xd8d726b7177a8000, 0x0000000000000000}, {0x878678326eac9000, 0x0000000000000000},
    {0xa968163f0a57b400, 0x0000000000000000}, {0xd3c21bcecceda100, 0x0000000000000000}, {0x84595161401484a0, 0x0000000000000000},
    {0xa56fa5b99019a5c8, 0x0000000000000000}, {0xcecb8f27f4200f3a, 0x0000000000000000}, {0x813f3978f8940984, 0x4000000000000000},
    {0xa18f07d736b90be5, 0x5000000000000000}, {0xc9f2c9cd04674ede, 0xa400000000000000}, {0xfc6f7c4045812296, 0x4d00000000000000},
    {0x9dc5ada82b70b59d, 0xf020000000000000}, {0xc5371912364ce305, 0x6c28000000000000}, {0xf684df56c3e01bc6, 0xc732000000000000},
    {0x9a130b963a6c115c, 0x3c7f400000000000}, {0xc097ce7bc90715b3, 0x4b9f100000000000}, {0xf0bdc21abb48db20, 0x1e86d40000000000},
    {0x96769950b50d88f4, 0x1314448000000000}, {0xbc143fa4e250eb31, 0x17d955a000000000}, {0xeb194f8e1ae525fd, 0x5dcfab0800000000},
    {0x92efd1b8d0cf37be, 0x5aa1cae500000000}, {0xb7abc627050305ad, 0xf14a3d9e40000000}, {0xe596b7b0c643c719, 0x6d9ccd05d0000000},
    {0x8f7e32ce7bea5c6f, 0xe4820023a2000000}, {0xb35dbf821ae4f38b, 0xdda2802c8a800000}, {0xe0352f62a19e306e, 0xd50b2037ad200000},
    {0x8c213d9da502de45, 0x4526f422cc340000}, {0xaf298d050e4395d6, 0x9670b12b7f410000}, {0xdaf3f04651d47b4c, 0x3c0cdd765f114000},
    {0x88d8762bf324cd0f, 0xa5880a69fb6ac800}, {0xab0e93b6efee0053, 0x8eea0d047a457a00}, {0xd5d238a4abe98068, 0x72a4904598d6d880},
    {0x85a36366eb71f041, 0x47a6da2b7f864750}, {0xa70c3c40a64e6c51, 0x999090b65f67d924}, {0xd0cf4b50cfe20765, 0xfff4b4e3f741cf6d},
};

/* w 10^e by one 64 x 128 bit product. With p its upper 128 bits, the true value lies in [p, p + 2): one for the bits dropped,
 * one for the power's truncation. Rounds when all of that interval rounds alike, else returns false. */
static bool scale_wide(uint64_t w, int e, double *out)
{
    const uint64_t *power = powers[e + WIDEST_POWER];
    int zeros = __builtin_clzll(w);
    w <<= zeros;
    unsigned __int128 low = (unsigned __int128)w * power[1], p = (unsigned __int128)w * power[0] + (low >> 64);
    int top = 126 + (int)(p >> 127);
    int shift = top - 52;
    unsigned __int128 rest = p & (((unsigned __int128)1 << shift) - 1), half = (unsigned __int128)1 << (shift - 1);
    if (rest + 2 > half && rest <= half)
        return false;
    uint64_t mantissa = (uint64_t)(p >> shift) + (rest > half);
    int64_t exponent = ((int64_t)(e * 217706) >> 16) - 127 + 64 - zeros + top;
    uint64_t bits = ((uint64_t)(exponent + 1022) << 52) + mantissa; /* the mantissa's leading one adds the missing 1 */
    memcpy(out, &bits, sizeof bits);
    return true;
}

/* Any number, by strtod: 768 digits decide between two doubles, so that of more only "not all zero" matters. Written without
 * a decimal point, which would depend on the locale. `exponent`: the one given after the digits. */
static double scale_slow(const char *digits, const char *end, int64_t exponent)
{
    enum { KEPT = 780 };
    char text[KEPT + 32];
    size_t length = 0;
    bool point = false, more = false;
    for (const char *c = digits; c < end; c++) {
        if (*c == '.') {
            point = true;
            continue;
        }
        if (length < KEPT && (length > 0 || *c != '0')) {
            text[length++] = *c;
            exponent -= point;
        } else if (length == 0) {
            exponent -= point;
        } else {
            more |= *c != '0';
            exponent += !point;
        }
    }
    if (length == 0)
        return 0;
    if (more) {
        text[length++] = '1';
        exponent--;
    }
    exponent = exponent < -100000 ? -100000 : exponent > 100000 ? 100000 : exponent;
    snprintf(text + length, 24, "e%d", (int)exponent);
    return strtod(text, NULL);
}

/* Appends the digits at `at` to w, eight at a time: a byte is a digit when its upper half is 3, and still is after adding 6;
 * then neighbours are joined to pairs, pairs to fours, fours to eight. */
static inline const char *read_digits(const char *at, const char *end, uint64_t *w)
{
    const uint64_t upper = 0xF0F0F0F0F0F0F0F0, threes = 0x3030303030303030, pairs = 0x000000FF000000FF;
    while (end - at >= 8) {
        uint64_t eight;
        memcpy(&eight, at, sizeof eight);
        if ((eight & upper) != threes || ((eight + 0x0606060606060606) & upper) != threes)
            break;
        eight -= threes;
        eight = 10 * eight + (eight >> 8);
        eight =
            ((eight & pairs) * (100 + ((uint64_t)1000000 << 32)) + (eight >> 16 & pairs) * (1 + ((uint64_t)10000 << 32))) >> 32;
        *w = 100000000 * *w + (uint32_t)eight;
        at += 8;
    }
    while (at < end && (unsigned char)(*at - '0') < 10)
        *w = 10 * *w + (unsigned char)(*at++ - '0');
    return at;
}

const char *weft_csv_read_number(const char *at, const char *end, double *value, bool *integer)
{
    static const double small[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    const char *digits = at;
    uint64_t w = 0; /* wraps beyond 19 digits, which are looked at again */
    while (at < end && (unsigned char)(*at - '0') < 10)
        w = 10 * w + (unsigned char)(*at++ - '0');
    int64_t count = at - digits, exponent = 0;
    bool whole = true;
    if (at < end && *at == '.') {
        whole = false;
        const char *fraction = ++at;
        at = read_digits(at, end, &w);
        exponent = fraction - at;
        count -= exponent;
    }
    if (count == 0)
        return NULL;
    const char *digits_end = at;
    int64_t given = 0;
    if (at < end && (*at == 'e' || *at == 'E')) {
        whole = false;
        at++;
        bool below = at < end && *at == '-';
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        const char *first = at;
        for (; at < end && (unsigned char)(*at - '0') < 10; at++)
            if (given < (int64_t)1 << 50)
                given = 10 * given + (*at - '0');
        if (at == first)
            return NULL;
        given = below ? -given : given;
        exponent += given;
    }
    bool wide = false;
    if (count > 19) { /* leading zeros do not count */
        const char *c = digits;
        int64_t zeros = 0;
        for (; c < digits_end && (*c == '0' || *c == '.'); c++)
            zeros += *c == '0';
        wide = count - zeros > 19;
    }
    double x;
    if (wide)
        x = scale_slow(digits, digits_end, given);
    else if (w == 0)
        x = 0;
    else if (w <= (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22)
        x = exponent < 0 ? (double)w / small[-exponent] : (double)w * small[exponent]; /* both exact: rounded once */
    else if (exponent < -WIDEST_POWER || exponent > WIDEST_POWER || !scale_wide(w, (int)exponent, &x))
        x = scale_slow(digits, digits_end, given);
    *value = negative ? -x : x;
    *integer = whole && x < 0x1p53;
    return at;
}
