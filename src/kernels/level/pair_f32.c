/* The table of pair kernels for float, at the level being compiled. */
#define WEFT_REAL_BITS 32
#include "kernels/level/vector_real.h"

#include "kernels/level/pair_linear.h"
#include "kernels/level/pair_relu.h"

const weft_pair_table WEFT_LEVEL_NAME(weft_pair_f32) = {
    .sqdist = sqdist,
    .sqdist_grad_query = sqdist_grad_query,
    .sqdist_grad_table = sqdist_grad_table,
    .relu_sum = relu_sum,
    .relu_sum_grad_query = relu_sum_grad_query,
    .relu_sum_grad_table = relu_sum_grad_table,
    .gather_sum = gather_sum,
    .gather_sum_grad_weight = gather_sum_grad_weight,
    .gather_sum_grad_table = gather_sum_grad_table,
};
