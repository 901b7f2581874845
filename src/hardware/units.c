/* Units of hardware files: one table. */
#include "hardware/units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    weft_dimension dimension;
    const char *unit, *ending; /* in a text; at the end of a key */
    double scale;
} units[] = {
    {WEFT_DIMENSION_FREQUENCY, "Hz", "hz", 1},
    {WEFT_DIMENSION_FREQUENCY, "kHz", "khz", 1e3},
    {WEFT_DIMENSION_FREQUENCY, "MHz", "mhz", 1e6},
    {WEFT_DIMENSION_FREQUENCY, "GHz", "ghz", 1e9},
    {WEFT_DIMENSION_TIME, "s", "s", 1},
    {WEFT_DIMENSION_TIME, "ms", "ms", 1e-3},
    {WEFT_DIMENSION_TIME, "us", "us", 1e-6},
    {WEFT_DIMENSION_TIME, "ns", "ns", 1e-9},
    {WEFT_DIMENSION_TIME, "ps", "ps", 1e-12},
    {WEFT_DIMENSION_BYTES, "B", "bytes", 1},
    {WEFT_DIMENSION_BYTES, "KB", "kb", 1e3},
    {WEFT_DIMENSION_BYTES, "MB", "mb", 1e6},
    {WEFT_DIMENSION_BYTES, "GB", "gb", 1e9},
    {WEFT_DIMENSION_BYTES, "KiB", "kib", 1024},
    {WEFT_DIMENSION_BYTES, "MiB", "mib", 1048576},
    {WEFT_DIMENSION_BYTES, "GiB", "gib", 1073741824},
    {WEFT_DIMENSION_BANDWIDTH, "B/s", "b_s", 1},
    {WEFT_DIMENSION_BANDWIDTH, "MB/s", "mb_s", 1e6},
    {WEFT_DIMENSION_BANDWIDTH, "GB/s", "gb_s", 1e9},
    {WEFT_DIMENSION_BANDWIDTH, "TB/s", "tb_s", 1e12},
    {WEFT_DIMENSION_BANDWIDTH, "Gbit/s", "gbit_s", 1e9 / 8},
    {WEFT_DIMENSION_COMPUTE, "FLOP/s", "flop_s", 1},
    {WEFT_DIMENSION_COMPUTE, "GFLOP/s", "gflop_s", 1e9},
    {WEFT_DIMENSION_COMPUTE, "TFLOP/s", "tflop_s", 1e12},
    {WEFT_DIMENSION_COMPUTE, "PFLOP/s", "pflop_s", 1e15},
    {WEFT_DIMENSION_ENERGY, "J", "j", 1},
    {WEFT_DIMENSION_ENERGY, "nJ", "nj", 1e-9},
    {WEFT_DIMENSION_ENERGY, "pJ", "pj", 1e-12},
    {WEFT_DIMENSION_ENERGY, "fJ", "fj", 1e-15},
    {WEFT_DIMENSION_POWER, "W", "w", 1},
    {WEFT_DIMENSION_POWER, "mW", "mw", 1e-3},
    {WEFT_DIMENSION_POWER, "uW", "uw", 1e-6},
    {WEFT_DIMENSION_AREA, "m2", "m2", 1},
    {WEFT_DIMENSION_AREA, "mm2", "mm2", 1e-6},
    {WEFT_DIMENSION_AREA, "um2", "um2", 1e-12},
};

enum { UNITS = sizeof units / sizeof units[0] };

static const struct {
    const char *example, *ending;
} shown[WEFT_DIMENSION_COUNT] = {
    [WEFT_DIMENSION_NONE] = {"1", ""},
    [WEFT_DIMENSION_FREQUENCY] = {"1 GHz", "mhz"},
    [WEFT_DIMENSION_TIME] = {"500 ns", "ns"},
    [WEFT_DIMENSION_BYTES] = {"64 MiB", "mib"},
    [WEFT_DIMENSION_BANDWIDTH] = {"600 GB/s", "gb_s"},
    [WEFT_DIMENSION_COMPUTE] = {"312 TFLOP/s", "tflop_s"},
    [WEFT_DIMENSION_ENERGY] = {"0.6 pJ", "pj"},
    [WEFT_DIMENSION_POWER] = {"25 W", "w"},
    [WEFT_DIMENSION_AREA] = {"1.5 mm2", "mm2"},
};

bool weft_quantity_parse(const char *text, weft_dimension dimension, double *out)
{
    char *end = NULL;
    text += strspn(text, " ");
    if (!*text || !strchr("+-.0123456789", *text) || strpbrk(text, "xX")) /* no "inf" or "nan", no hexadecimal */
        return false;
    double number = strtod(text, &end);
    if (end == text || !isfinite(number))
        return false;
    end += strspn(end, " ");
    size_t length = strlen(end);
    while (length && end[length - 1] == ' ')
        length--;
    for (int i = 0; i < UNITS; i++)
        if (units[i].dimension == dimension && strlen(units[i].unit) == length && memcmp(units[i].unit, end, length) == 0) {
            *out = number * units[i].scale;
            return isfinite(*out);
        }
    return false;
}

bool weft_quantity_suffix(const char *suffix, weft_dimension dimension, double *scale)
{
    for (int i = 0; i < UNITS; i++)
        if (units[i].dimension == dimension && strcasecmp(units[i].ending, suffix) == 0) {
            *scale = units[i].scale;
            return true;
        }
    return false;
}

const char *weft_quantity_example(weft_dimension dimension)
{
    return shown[dimension].example;
}

const char *weft_quantity_ending(weft_dimension dimension)
{
    return shown[dimension].ending;
}
