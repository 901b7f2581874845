/* Elementary functions of double vectors: the C library's, element by element. Double is the type of checks and goldens, where
 * the last digit matters more than the time. Same functions as vector_math_f32.h. */
#ifndef WEFT_KERNELS_VECTOR_MATH_F64_H
#define WEFT_KERNELS_VECTOR_MATH_F64_H

#include "kernels/level/vector_real.h"

#define VECTOR_EACH(name, function) \
    SIMD_INLINE vec name(vec x) \
    { \
        for (int i = 0; i < LANES; i++) \
            x[i] = function(x[i]); \
        return x; \
    }
VECTOR_EACH(exp_, exp)
VECTOR_EACH(log_, log)
VECTOR_EACH(log1p_unit, log1p)
VECTOR_EACH(tanh_, tanh)
VECTOR_EACH(erf_, erf)
VECTOR_EACH(sin_, sin)
VECTOR_EACH(cos_, cos)
VECTOR_EACH(erfc_each, erfc)

/* Φ(x) and φ(x) of the standard normal law; what the rounding of x / √2 lost is added to first order, for deep in the tail it
 * would be multiplied by x². */
SIMD_INLINE vec normal_cdf(vec x, vec *pdf)
{
    const vec root = splat(0.70710678118654752440), rest = splat(-4.8336466567264567e-17);
    vec z = x * root, lost = mad(x, rest, fused(x, root, -z));
    *pdf = exp_(splat(-0.5) * x * x) * splat(0.39894228040143267794);
    return mad(*pdf * splat(1.41421356237309504880), select(abs_(x) < splat(40), lost, splat(0)), splat(0.5) * erfc_each(-z));
}

#endif
