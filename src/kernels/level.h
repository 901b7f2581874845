/* Processor levels. Every file in src/kernels/level/ is compiled once a level, with WEFT_LEVEL set to
 * v2 (x86-64-v2: the portable form), v3 (AVX2 and FMA) or v4 (AVX-512); the engine picks one table at start.
 * Inside such a file WEFT_LEVEL_NAME(foo) is foo_v2, foo_v3 or foo_v4. Bits may differ between levels, not within one. */
#ifndef WEFT_KERNELS_LEVEL_H
#define WEFT_KERNELS_LEVEL_H

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/pair.h"
#include "kernels/vector.h"

#define WEFT_LEVEL_PASTE_(name, level)  name##_##level
#define WEFT_LEVEL_PASTE2_(name, level) WEFT_LEVEL_PASTE_(name, level)
#define WEFT_LEVEL_NAME(name)           WEFT_LEVEL_PASTE2_(name, WEFT_LEVEL)

typedef struct weft_kernels {
    const char *name; /* "x86-64-v2", "avx2", "avx512" */
    bool bf16;        /* the processor multiplies bf16 itself */
    const weft_vector_table *f32, *f64;
    const weft_gemm_table *gemm;
    const weft_pair_table *pair_f32, *pair_f64;
    const weft_attention_table *attention_f32, *attention_f64;
    /* Floating-point operations done: multiply-adds in registers, of bf16 numbers where the processor has them; for measuring. */
    double (*peak)(bool bf16, int64_t rounds, float *sink);
} weft_kernels;

enum { WEFT_LEVEL_COUNT = 3 };

double weft_peak_v2(bool bf16, int64_t rounds, float *sink);
double weft_peak_v3(bool bf16, int64_t rounds, float *sink);
double weft_peak_v4(bool bf16, int64_t rounds, float *sink);

/* The table of level `index` (0 = v2 … 2 = v4), or NULL when this processor lacks it. */
const weft_kernels *weft_kernels_level(int index);

/* The best level of this processor. */
const weft_kernels *weft_kernels_best(void);

#endif
