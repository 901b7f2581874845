/* Rotary positions: a kernel on the heads of one token. */
#ifndef WEFT_KERNELS_VECTOR_ROPE_H
#define WEFT_KERNELS_VECTOR_ROPE_H

#include "kernels/level/vector_real.h"

/* The sine with its sign for turning forward or back, and the two products rounded apart: the same bits in every lane. */
static void rope(int64_t heads, int64_t head, int64_t R, bool interleaved, bool back, const void *angles, const void *x, void *y)
{
    const int64_t half = R / 2;
    const real *c = angles, *s = c + half;
    const real sign = back ? -1 : 1;
    for (int64_t h = 0; h < heads; h++) {
        const real *a = (const real *)x + h * head;
        real *to = (real *)y + h * head;
        if (interleaved)
            for (int64_t i = 0; i < half; i++) {
                const real first = a[2 * i], second = a[2 * i + 1], sine_i = sign * s[i];
                to[2 * i] = first * c[i] - second * sine_i;
                to[2 * i + 1] = second * c[i] + first * sine_i;
            }
        else
            for (int64_t i = 0; i < half; i++) {
                const real first = a[i], second = a[half + i], sine_i = sign * s[i];
                to[i] = first * c[i] - second * sine_i;
                to[half + i] = second * c[i] + first * sine_i;
            }
        if (R < head && to != a)
            memcpy(to + R, a + R, (size_t)(head - R) * sizeof *to);
    }
}

#endif
