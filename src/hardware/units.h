/* Quantities with units, as hardware files write them: "1 GHz", "40 GiB", "0.6 pJ". A bare number has no unit and is refused by
 * the reader that wants one; a key may carry the unit instead: "frequency_mhz": 1000. */
#ifndef WEFT_HARDWARE_UNITS_H
#define WEFT_HARDWARE_UNITS_H

#include "weft/base.h"

typedef enum weft_dimension {
    WEFT_DIMENSION_NONE = 0,  /* a count or a ratio: a bare number */
    WEFT_DIMENSION_FREQUENCY, /* Hz */
    WEFT_DIMENSION_TIME,      /* s */
    WEFT_DIMENSION_BYTES,     /* B; KiB MiB GiB are powers of 1024, KB MB GB of 1000 */
    WEFT_DIMENSION_BANDWIDTH, /* B/s */
    WEFT_DIMENSION_COMPUTE,   /* FLOP/s */
    WEFT_DIMENSION_ENERGY,    /* J */
    WEFT_DIMENSION_POWER,     /* W */
    WEFT_DIMENSION_AREA,      /* m² */
    WEFT_DIMENSION_COUNT
} weft_dimension;

/* Reads "1.5 GHz" (the space may be missing) into base units; false: not a finite number followed by a unit of that dimension. */
bool weft_quantity_parse(const char *text, weft_dimension, double *out);

/* The scale of a unit spelled as the end of a key, "mhz", "gb_s", "tflop_s", whatever its capitals; false: no such unit. */
bool weft_quantity_suffix(const char *suffix, weft_dimension, double *scale);

/* What messages show: "1 GHz", and a key's ending with the unit: "mhz". */
const char *weft_quantity_example(weft_dimension);
const char *weft_quantity_ending(weft_dimension);

#endif
