/* Kernels on flat memory: elementwise, reductions, normalisation, softmax, moves, random numbers.
 *
 * One table a level and compute type; the arrays are float in the f32 table and double in the f64 table, passed as void *.
 * Every function computes an output element from its own inputs alone, by the same operations wherever the element stands:
 * not at which offset, in which call, with which n, nor how aligned. (Tails use the same arithmetic as full vectors.)
 * `rows` are dense rows of `n` elements. Outputs may be the very same array as an input (y == x) but never overlap otherwise.
 */
#ifndef WEFT_KERNELS_VECTOR_H
#define WEFT_KERNELS_VECTOR_H

#include "weft/base.h"

/* Elementwise and row kernels given this much output in one call write past the caches (a third faster for arrays that do not fit
 * in them; the bits are the same). So cut a large array that nobody reads soon into calls of at least this size. */
#define WEFT_STREAM_BYTES (1 << 20)

/* What a loss beside a teacher's answers depends on; a cap of 0: none. */
typedef enum weft_distill_number {
    WEFT_DISTILL_TEMPERATURE,
    WEFT_DISTILL_WEIGHT, /* the teacher's share */
    WEFT_DISTILL_CAP,    /* logits ← cap · tanh(logits / cap) */
    WEFT_DISTILL_TAUGHT_CAP,
    WEFT_DISTILL_NUMBERS
} weft_distill_number;

typedef enum weft_unary {
    WEFT_NEG,
    WEFT_ABS,
    WEFT_EXP,
    WEFT_LOG,
    WEFT_SQRT,
    WEFT_RSQRT,
    WEFT_RECIP,
    WEFT_TANH,
    WEFT_ERF,
    WEFT_SIN,
    WEFT_COS,
    WEFT_FLOOR,
    WEFT_SQUARE,
    WEFT_SCALE, /* x * p */
    WEFT_SHIFT, /* x + p */
    WEFT_RELU,
    WEFT_LEAKY_RELU, /* x > 0 ? x : x * p */
    WEFT_GELU,
    WEFT_GELU_TANH,
    WEFT_QUICK_GELU,
    WEFT_SILU,
    WEFT_SIGMOID,
    WEFT_SOFTPLUS, /* log(1 + exp x), stable */
    WEFT_SIGN,     /* -1, 0, 1 */
    WEFT_UNARY_COUNT
} weft_unary;

typedef enum weft_binary {
    WEFT_ADD,
    WEFT_SUB,
    WEFT_MUL,
    WEFT_DIV,
    WEFT_MIN,
    WEFT_MAX,
    WEFT_EQUAL,
    WEFT_LESS, /* 1 or 0 */
    /* derivatives: a = dy, b = x (the input of the forward op): dy * f'(x) */
    WEFT_RELU_GRAD,
    WEFT_LEAKY_RELU_GRAD,
    WEFT_GELU_GRAD,
    WEFT_GELU_TANH_GRAD,
    WEFT_QUICK_GELU_GRAD,
    WEFT_SILU_GRAD,
    WEFT_SIGMOID_GRAD,
    WEFT_SOFTPLUS_GRAD,
    WEFT_TANH_GRAD,
    WEFT_BINARY_COUNT
} weft_binary;

typedef enum weft_reduce { WEFT_SUM, WEFT_REDUCE_MAX, WEFT_REDUCE_COUNT } weft_reduce;

/* Laws of random leaves; see base/random.h for which word belongs to which element. */
typedef enum weft_law_kind {
    WEFT_LAW_UNIFORM, /* U(a, b) */
    WEFT_LAW_NORMAL,  /* N(a, b²): mean a, standard deviation b */
    WEFT_LAW_DROPOUT  /* 0 with probability a, else 1 / (1 - a); a is rounded to 1/65536 for the draw only */
} weft_law_kind;

typedef struct weft_vector_table {
    void (*unary)(weft_unary op, double p, int64_t n, const void *x, void *y);
    /* a and b advance by their stride each element: 1, or 0 for one value for all */
    void (*binary)(weft_binary op, double p, int64_t n, const void *a, int64_t a_stride, const void *b, int64_t b_stride,
                   void *y);
    void (*where)(int64_t n, const void *condition, const void *a, int64_t a_stride, const void *b, int64_t b_stride, void *y);
    /* x [outer, r, inner] → y [outer, inner]; sums of more than 16 terms are carried in double (f32) in a fixed order;
     * r = 0 gives 0 for sums and -infinity for max */
    void (*reduce)(weft_reduce op, int64_t outer, int64_t r, int64_t inner, const void *x, void *y);
    /* columns [c0, c1) of the sum over rows of x [rows, n] → y [n], the same bits whatever the column range; carried in double */
    void (*column_sum)(int64_t rows, int64_t n, int64_t c0, int64_t c1, const void *x, void *y);
    /* the same for the elementwise product x·z (weight gradients of scales) */
    void (*column_dot)(int64_t rows, int64_t n, int64_t c0, int64_t c1, const void *x, const void *z, void *y);
    double (*dot)(int64_t n, const void *x, const void *z);    /* in double, fixed order */
    void (*axpy)(int64_t n, double a, const void *x, void *y); /* y = fma(a, x, y) */
    void (*softmax)(int64_t rows, int64_t n, const void *x, void *y);
    void (*softmax_grad)(int64_t rows, int64_t n, const void *y, const void *dy, void *dx); /* y (dy - Σ y dy) */
    void (*log_softmax)(int64_t rows, int64_t n, const void *x, void *y);
    void (*log_softmax_grad)(int64_t rows, int64_t n, const void *y, const void *dy, void *dx); /* dy - e^y Σ dy */
    /* population variance; y = (x - mean) / sqrt(var + eps) * w + b; w and b may be NULL (1 and 0) */
    void (*layer_norm)(int64_t rows, int64_t n, double eps, const void *x, const void *w, const void *b, void *y);
    /* dx of the above, and xhat [rows, n], the normalised input, where xhat is not NULL (then dw = column_dot(dy, xhat)) */
    void (*layer_norm_grad)(int64_t rows, int64_t n, double eps, const void *x, const void *w, const void *dy, void *dx,
                            void *xhat);
    /* y = x / sqrt(mean(x²) + eps) * (offset + w) */
    void (*rms_norm)(int64_t rows, int64_t n, double eps, double offset, const void *x, const void *w, void *y);
    void (*rms_norm_grad)(int64_t rows, int64_t n, double eps, double offset, const void *x, const void *w, const void *dy,
                          void *dx, void *xhat);
    /* cross-entropy of rows: logits [rows, n] (capped in place where cap > 0), labels [rows], negative: none, loss 0; smoothing
     * as a share of all classes; log_sums may be NULL. The gradient's logits are replaced by (softmax − target) · dloss · slope
     * of cap; `capped`: they have been capped already. */
    void (*row_loss)(int64_t rows, int64_t n, double smoothing, double cap, void *logits, const int64_t *labels, void *losses,
                     void *log_sums);
    void (*row_loss_grad)(int64_t rows, int64_t n, double smoothing, double cap, bool capped, void *logits, const int64_t *labels,
                          const void *log_sums, const void *dlosses);
    /* the same beside a teacher's logits `taught` [rows, n], both capped in place by what `numbers` say (weft_distill_number):
     * (1 − weight) · cross-entropy + weight · T² · KL(softmax(taught / T) ‖ softmax(logits / T)). What is left of both matrices
     * is of no use; log_sums [rows, 3] of logits, logits / T, taught / T, may be NULL. The gradient's logits are replaced by
     * that of the loss; taught is no operand of it. */
    void (*row_distill)(int64_t rows, int64_t n, const double *numbers, void *logits, void *taught, const int64_t *labels,
                        void *losses, void *log_sums);
    void (*row_distill_grad)(int64_t rows, int64_t n, const double *numbers, void *logits, void *taught, const int64_t *labels,
                             const void *log_sums, const void *dlosses);
    /* turns the first R dimensions of each of a token's heads [heads, head] by angles, R/2 cosines and then R/2 sines: pairs
     * (i, i + R/2), or (2i, 2i + 1) when interleaved; back: the other way round */
    void (*rope)(int64_t heads, int64_t head, int64_t R, bool interleaved, bool back, const void *angles, const void *x, void *y);
    /* periodic features of x [n], x_step apart: p [n, 2k] holds cos 2πfx for f [k], then sin 2πfx */
    void (*waves)(int64_t n, int64_t k, const void *x, int64_t x_step, const void *f, void *p);
    /* for dp [n, 2k]: df [k] += its gradient over all n, in double; dx [n], x_step apart, = that of x; either may be NULL */
    void (*waves_grad)(int64_t n, int64_t k, const void *x, int64_t x_step, const void *f, const void *p, const void *dp,
                       double *df, void *dx);
    /* y = relu(x + bias), x and y [n, width] */
    void (*add_relu)(int64_t n, int64_t width, const void *x, const void *bias, void *y);
    /* g [n, width], line i: the sum of dy over rows list[start[i]] … list[start[i + 1] - 1] (start and list NULL: row i), where y
     * of the first of them is > 0 or NaN; else 0. Rows of y and dy stand `step` apart; sums [width], where given, += the lines,
     * in double */
    void (*relu_gate)(int64_t n, int64_t width, const void *y, const void *dy, int64_t step, const int32_t *start,
                      const int32_t *list, void *g, double *sums);
    /* rows of random numbers: element (i, column) from (key, step, row_keys[i], column); row_keys NULL: row0 + i */
    void (*random)(weft_law_kind law, double a, double b, const uint32_t key[2], uint64_t step, int64_t rows,
                   const int64_t *row_keys, int64_t row0, int64_t n, void *y);
    void (*widen)(weft_dtype from, int64_t n, const void *x, void *y); /* BF16, F16, F32, F64, integers → compute type */
    void (*narrow)(weft_dtype to, int64_t n, const void *x, void *y);  /* compute type → BF16, F16 (nearest even), F32, F64 */
    /* compute type → BF16, one of the two neighbours: of u uniform in [0, 1] (compute type) the mean is x */
    void (*narrow_at_random)(int64_t n, const void *x, const void *u, void *y);
    /* one AdamW update of n elements; bias corrections c1 = 1 - beta1^t, c2 = 1 - beta2^t are given:
     * p *= 1 - lr·decay; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g²; p -= lr (m/c1) / (sqrt(v/c2) + eps) */
    void (*adamw)(int64_t n, double lr, double beta1, double beta2, double eps, double decay, double c1, double c2, const void *g,
                  void *p, void *m, void *v);
} weft_vector_table;

extern const weft_vector_table weft_vector_f32_v2, weft_vector_f32_v3, weft_vector_f32_v4;
extern const weft_vector_table weft_vector_f64_v2, weft_vector_f64_v3, weft_vector_f64_v4;

#endif
