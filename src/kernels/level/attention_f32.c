/* The table of attention kernels for float, at the level being compiled. */
#define WEFT_REAL_BITS 32
#include "kernels/level/vector_real.h"

#include "kernels/level/vector_math_f32.h"

#include "kernels/level/attention_forward.h"
#include "kernels/level/attention_gradient.h"

const weft_attention_table WEFT_LEVEL_NAME(weft_attention_f32) = {scratch_bytes, forward, gradient};
