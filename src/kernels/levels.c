/* Which processor levels this machine has, found once. */
#include "kernels/level.h"

#include <pthread.h>

static const weft_kernels levels[WEFT_LEVEL_COUNT] = {
    {"x86-64-v2", false, &weft_vector_f32_v2, &weft_vector_f64_v2, &weft_gemm_v2, &weft_pair_f32_v2, &weft_pair_f64_v2,
     &weft_attention_f32_v2, &weft_attention_f64_v2, weft_peak_v2},
    {"avx2", false, &weft_vector_f32_v3, &weft_vector_f64_v3, &weft_gemm_v3, &weft_pair_f32_v3, &weft_pair_f64_v3,
     &weft_attention_f32_v3, &weft_attention_f64_v3, weft_peak_v3},
    {"avx512", false, &weft_vector_f32_v4, &weft_vector_f64_v4, &weft_gemm_v4, &weft_pair_f32_v4, &weft_pair_f64_v4,
     &weft_attention_f32_v4, &weft_attention_f64_v4, weft_peak_v4},
};

static weft_kernels present[WEFT_LEVEL_COUNT];
static int best_level;
static pthread_once_t found = PTHREAD_ONCE_INIT;

/* The compiler's own test of the processor also asks whether the system keeps the wide registers. */
static void find_levels(void)
{
    __builtin_cpu_init();
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
    for (int i = 0; i < WEFT_LEVEL_COUNT; i++)
        present[i] = levels[i];
    best_level = v4 ? 2 : v3 ? 1 : 0;
    present[2].bf16 = v4 && __builtin_cpu_supports("avx512bf16");
}

const weft_kernels *weft_kernels_level(int index)
{
    pthread_once(&found, find_levels);
    return index >= 0 && index <= best_level ? &present[index] : NULL;
}

const weft_kernels *weft_kernels_best(void)
{
    pthread_once(&found, find_levels);
    return &present[best_level];
}
