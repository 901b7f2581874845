/* The table of kernels on flat memory for float, at the level being compiled. */
#define WEFT_REAL_BITS 32
#include "kernels/level/vector_real.h"

#include "kernels/level/vector_math_f32.h"

#include "kernels/level/vector_convert.h"
#include "kernels/level/vector_elementwise.h"
#include "kernels/level/vector_loss.h"
#include "kernels/level/vector_periodic.h"
#include "kernels/level/vector_random.h"
#include "kernels/level/vector_rope.h"
#include "kernels/level/vector_rows.h"

const weft_vector_table WEFT_LEVEL_NAME(weft_vector_f32) = {
    .unary = unary,
    .binary = binary,
    .where = where,
    .reduce = reduce,
    .column_sum = column_sum,
    .column_dot = column_dot,
    .dot = dot,
    .axpy = axpy,
    .softmax = softmax,
    .softmax_grad = softmax_grad,
    .log_softmax = log_softmax,
    .log_softmax_grad = log_softmax_grad,
    .layer_norm = layer_norm,
    .layer_norm_grad = layer_norm_grad,
    .rms_norm = rms_norm,
    .rms_norm_grad = rms_norm_grad,
    .row_loss = row_loss,
    .row_loss_grad = row_loss_grad,
    .row_distill = row_distill,
    .row_distill_grad = row_distill_grad,
    .rope = rope,
    .waves = waves,
    .waves_grad = waves_grad,
    .add_relu = add_relu,
    .relu_gate = relu_gate,
    .random = random_rows,
    .widen = widen,
    .narrow = narrow,
    .narrow_at_random = narrow_at_random,
    .adamw = adamw,
};
