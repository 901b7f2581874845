/* Attention, what forward and gradient share: products of small dense matrices by the tiles of the matrix product, a block of
 * keys as the tiles want it, and the scores of some queries with a block's keys. */
#ifndef WEFT_KERNELS_ATTENTION_BLOCK_H
#define WEFT_KERNELS_ATTENTION_BLOCK_H

#include "kernels/attention.h"
#include "kernels/level/gemm_pack.h"
#include "kernels/level/gemm_tile.h"
#include "kernels/level/vector_real.h"

#if WEFT_REAL_BITS == 32
#define TILES        GEMM_TILES_F32
#define REAL_ELEMENT GEMM_FLOATS
#define REAL_DTYPE   WEFT_F32
#else
#define TILES        GEMM_TILES_F64
#define REAL_ELEMENT GEMM_DOUBLES
#define REAL_DTYPE   WEFT_F64
#endif

enum {
    BLOCK = WEFT_ATTENTION_BLOCK,
    ROW_BLOCK = 24,      /* queries at once: their scores with a block's keys lie in the first cache */
    SCORES = BLOCK + 16, /* stride of a row of scores: rows fall in different sets of the first cache */
    WIDEST = 2 * LANES
};

/* The next array of a thread's scratch; memory NULL: only to know how much there is. */
#define TAKE(scratch, memory, field, elements) \
    do { \
        scratch.field = (memory) ? (void *)((char *)(memory) + scratch.bytes) : NULL; \
        scratch.bytes += ((size_t)(elements) * sizeof *scratch.field + 63) & ~(size_t)63; \
    } while (0)

/* Up to whole panels: so wide is memory that a tile may read or write. */
static int64_t padded(int64_t size)
{
    return (size + WIDEST - 1) / WIDEST * WIDEST;
}

/* What the products of a task multiply, and how many such elements hold `size` numbers along the sum's axis. All kinds of a
 * compute type have its size. */
static gemm_element element_of(const weft_attention_task *t)
{
    return REAL_ELEMENT == GEMM_FLOATS && t->bf16 ? weft_gemm_bf16_element() : REAL_ELEMENT;
}

static int64_t steps_of(gemm_element kind, int64_t size)
{
    return kind == GEMM_PAIRS ? (size + 1) / 2 : size;
}

static const weft_gemm_tiles *tiles_of(gemm_element kind)
{
#if defined(WEFT_LEVEL_v4)
    return kind == GEMM_PAIRS ? &GEMM_TILES_BF16 : &TILES;
#else
    (void)kind;
    return &TILES;
#endif
}

/* C[rows, columns] = A·B, or C += A·B. A in `order` with its stride; column c of B, c a multiple of the panel width, stands at
 * b + c · b_column, its steps b_step apart. B is read and C written up to whole panels. */
static void product(gemm_element kind, int64_t rows, int64_t columns, int64_t depth, int order, const real *a, int64_t a_stride,
                    const real *b, int64_t b_column, int64_t b_step, real *c, int64_t c_row, bool add)
{
    const weft_gemm_tiles *tiles = tiles_of(kind);
    for (int64_t column = 0, width; column < columns; column += width) {
        int narrow = 0;
        while (narrow + 1 < tiles->widths && (WIDEST >> (narrow + 1)) >= columns - column)
            narrow++;
        width = WIDEST >> narrow;
        for (int64_t row = 0, h = 0; row < rows; row += tiles->heights[h]) {
            while (tiles->heights[h] > rows - row)
                h++;
            tiles->tile[order][narrow][h](depth, order == GEMM_BY_ROWS ? a + row * a_stride : a + row, a_stride,
                                          b + column * b_column, b_step, c + row * c_row + column, c_row, width, add, NULL, 0,
                                          (weft_gemm_ahead){0});
        }
    }
}

/* out[i · stride + j] = x[i · token + j], zeros behind `size` up to the stride. */
static void copy_rows(int64_t rows, int64_t size, const real *x, int64_t token, real *out, int64_t stride)
{
    for (int64_t i = 0; i < rows; i++) {
        memcpy(out + i * stride, x + i * token, (size_t)size * sizeof(real));
        if (size < stride)
            memset(out + i * stride + size, 0, (size_t)(stride - size) * sizeof(real));
    }
}

static const void *element(const void *data, weft_dtype dtype, int64_t i)
{
    return (const char *)data + i * (dtype == WEFT_F64 ? 8 : dtype == WEFT_F32 ? 4 : 2);
}

/* Keys [from, to) of x [tokens, size] as panels [steps of size][WIDEST], one panel after another: what multiplies rows of
 * queries. */
static void pack_across_keys(gemm_element kind, const void *x, weft_dtype dtype, int64_t token, int64_t size, int64_t from,
                             int64_t to, real *out)
{
    const gemm_operand keys = {x, dtype, 1, token, size};
    const int64_t steps = steps_of(kind, size);
    for (int64_t j = from; j < to; j += WIDEST, out += WIDEST * steps)
        WEFT_LEVEL_NAME(weft_gemm_pack_panel)(&keys, kind, 0, steps, j, to, out, WIDEST);
}

/* The same keys as panels [steps of to - from][WIDEST]: what multiplies rows of weights, one a key. */
static void pack_along_keys(gemm_element kind, const void *x, weft_dtype dtype, int64_t token, int64_t size, int64_t from,
                            int64_t to, real *out)
{
    const gemm_operand columns = {element(x, dtype, from * token), dtype, token, 1, to - from};
    const int64_t steps = steps_of(kind, to - from);
    for (int64_t j = 0; j < size; j += WIDEST, out += WIDEST * steps)
        WEFT_LEVEL_NAME(weft_gemm_pack_panel)(&columns, kind, 0, steps, j, size, out, WIDEST);
}

/* `size` numbers in a row as the left side of products; x and out may be one. */
static void pack_row(gemm_element kind, const real *x, int64_t size, real *out)
{
    const gemm_operand row = {x, REAL_DTYPE, 1, size, size};
    WEFT_LEVEL_NAME(weft_gemm_pack_lines)(&row, kind, 0, steps_of(kind, size), 0, 1, out, size);
}

/* A block of keys, and the part of it in which some query of the task may see one. */
typedef struct key_block {
    int64_t first, from, to; /* key numbers; from lies a whole number of panels behind first */
} key_block;

static key_block block_of(const weft_attention_task *t, int64_t query0, int64_t query1, int64_t first)
{
    int64_t least, most, unused;
    weft_sight_range(&t->sight, query0, &least, &unused);
    weft_sight_range(&t->sight, query1 - 1, &unused, &most);
    key_block b = {first, least > first ? first + (least - first) / WIDEST * WIDEST : first, first + BLOCK};
    if (b.to > most)
        b.to = most;
    return b;
}

/* Scores of query i of one head with keys [b.from, b.to), in place: scaled, capped, with their bias, −infinity where the key is
 * hidden and behind b.to up to whole panels. `slope` gets the derivative of the cap, where it is not NULL. */
static void finish_scores(const weft_attention_task *t, int64_t g, int64_t i, const key_block *b, real *s, real *slope)
{
    const int64_t count = b->to - b->from, wide = padded(count);
    const vec scale = splat((real)t->scale);
    if (t->cap > 0) {
        const vec cap = splat((real)t->cap), inverse = splat((real)(t->scale / t->cap));
        for (int64_t j = 0; j < wide; j += LANES) {
            const vec x = tanh_(load(s + j) * inverse);
            store(s + j, x * cap);
            if (slope)
                store(slope + j, splat(1) - x * x);
        }
    } else {
        for (int64_t j = 0; j < wide; j += LANES)
            store(s + j, load(s + j) * scale);
    }
    if (t->bias) {
        const real *bias = (const real *)t->bias + g * t->bias_head + i * t->bias_query + b->from * t->bias_key;
        for (int64_t j = 0; j < count; j++)
            s[j] += bias[j * t->bias_key];
    }
    int64_t from, to;
    weft_sight_range(&t->sight, i, &from, &to);
    from -= b->from, to -= b->from;
    for (int64_t j = 0; j < from && j < wide; j++)
        s[j] = -(real)INFINITY;
    for (int64_t j = to < 0 ? 0 : to; j < wide; j++)
        s[j] = -(real)INFINITY;
    if (t->sight.segments) {
        const int64_t *segments = t->sight.segments + b->from, own = t->sight.segments[i];
        for (int64_t j = 0; j < count; j++)
            s[j] = segments[j] == own ? s[j] : -(real)INFINITY;
    }
    if (t->sight.mask) {
        const real *shown = (const real *)t->sight.mask + b->from;
        for (int64_t j = 0; j < count; j++)
            s[j] = shown[j] != 0 ? s[j] : -(real)INFINITY;
    }
}

#endif
