/* Register tiles: the innermost loops of a product, one function for every height, width and order of A.
 *
 * A tile adds A[rows, depth] · B[depth, width] to C[rows, width], in registers from the first to the last step of the depth, one
 * chain of additions an output. Widths are two vectors, one, and half of one; the widest that fits is taken, and the last panel
 * of a matrix takes the narrowest that holds it. "Element" is a float, a double, or two bf16 side by side (k even in the low
 * half); all three kinds have the same number of B elements a vector as C elements.
 */
#ifndef WEFT_KERNELS_GEMM_TILE_H
#define WEFT_KERNELS_GEMM_TILE_H

#include "kernels/level.h"

#include <immintrin.h>

enum {
    GEMM_BY_ROWS,    /* element (i, p) of A stands at a[i · stride + p] */
    GEMM_BY_COLUMNS, /* element (i, p) of A stands at a[i + p · stride] */
    GEMM_ORDERS,
    GEMM_WIDTHS = 3,
    GEMM_HEIGHTS = 5
};

/* What the next tile writes and adds, asked for by a tall one: where it takes little time, a row every few steps (kit_ahead), as
 * all of it at once would keep the tile's own reads waiting; else, as the steps are dear, at once. */
typedef struct weft_gemm_ahead {
    const char *c, *d;              /* d NULL: nothing is added */
    int64_t rows, c_apart, d_apart; /* bytes between rows */
} weft_gemm_ahead;

/* depth in elements; strides in elements; b[p · b_step + j], always a whole width of it; c[i · c_row + j].
 * Only the first `columns` of C are touched: less than the width at level v4 only. load: go on from C; else from zero. d, of C's
 * type: added to the sums when they are written; NULL: nothing is. */
typedef void weft_gemm_tile(int64_t depth, const void *a, int64_t a_stride, const void *b, int64_t b_step, void *c, int64_t c_row,
                            int64_t columns, bool load, const void *d, int64_t d_row, weft_gemm_ahead ahead);

/* GEMM_PAIR_ROWS rows, A by rows, of two full panels side by side. */
typedef void weft_gemm_pair_tile(int64_t depth, const void *a, int64_t a_stride, const void *b, const void *next_b,
                                 int64_t b_step, void *c, int64_t c_row, bool load, const void *d, int64_t d_row);

/* One row, A by rows, of several full panels, each b_panel elements behind the one before: two chains of additions alone would
 * wait for one another. */
typedef void weft_gemm_row_tile(int64_t depth, const void *a, const void *b, int64_t b_panel, int64_t b_step, void *c, bool load,
                                const void *d);

enum { GEMM_ROW_TILES = 2 };

typedef struct weft_gemm_tiles {
    int lanes;                 /* C elements a vector; width w holds 2 · lanes >> w of them */
    int widths;                /* how many widths there are */
    int heights[GEMM_HEIGHTS]; /* rows, falling to 1; 0 where there are fewer heights */
    weft_gemm_tile *tile[GEMM_ORDERS][GEMM_WIDTHS][GEMM_HEIGHTS];
    weft_gemm_pair_tile *pair;               /* NULL: none */
    weft_gemm_row_tile *row[GEMM_ROW_TILES]; /* of GEMM_ROW_PANELS >> i panels; NULL: none */
} weft_gemm_tiles;

#define GEMM_TILES_F32  WEFT_LEVEL_NAME(weft_gemm_tiles_f32)
#define GEMM_TILES_F64  WEFT_LEVEL_NAME(weft_gemm_tiles_f64)
#define GEMM_TILES_BF16 WEFT_LEVEL_NAME(weft_gemm_tiles_bf16)

extern const weft_gemm_tiles GEMM_TILES_F32, GEMM_TILES_F64;
#if defined(WEFT_LEVEL_v4)
extern const weft_gemm_tiles GEMM_TILES_BF16; /* needs a processor that multiplies bf16 */
#endif

#if defined(WEFT_LEVEL_v4)
enum { GEMM_TALLEST = 12, GEMM_PAIR_ROWS = 6, GEMM_ROW_PANELS = 4 };
#define GEMM_EACH_HEIGHT(X, ...) X(12, __VA_ARGS__) X(8, __VA_ARGS__) X(4, __VA_ARGS__) X(2, __VA_ARGS__) X(1, __VA_ARGS__)
#else
enum { GEMM_TALLEST = 6, GEMM_PAIR_ROWS = 3, GEMM_ROW_PANELS = 4 };
#define GEMM_EACH_HEIGHT(X, ...) X(6, __VA_ARGS__) X(4, __VA_ARGS__) X(2, __VA_ARGS__) X(1, __VA_ARGS__)
#endif

#define GEMM_INLINE static inline __attribute__((always_inline, unused))
#if defined(__clang__)
#define GEMM_UNROLL(n)    _Pragma("clang loop unroll(full)")
#define GEMM_UNROLL_DEPTH _Pragma("clang loop unroll_count(4)")
#else
#define GEMM_UNROLL(n)    _Pragma("GCC unroll 16")
#define GEMM_UNROLL_DEPTH _Pragma("GCC unroll 4")
#endif

/* A kit: what a tile needs of registers `reg` of `count` elements of type `real`. The part forms move the first `n` elements;
 * below level v4, which has no masks, parts go through a buffer of the caller's and the part forms move the whole. */
#define GEMM_DEFINE_KIT(kit, reg, real, count, prefix, suffix, mask) \
    enum { kit##_lanes = count, kit##_ahead = 0 }; \
    typedef reg kit##_vector; \
    GEMM_INLINE reg kit##_splat(const real *p) \
    { \
        return prefix##_set1_##suffix(*p); \
    } \
    GEMM_INLINE reg kit##_take(const real *p) \
    { \
        return prefix##_loadu_##suffix(p); \
    } \
    GEMM_INLINE reg kit##_add(reg a, reg b, reg c) \
    { \
        return GEMM_MULTIPLY_ADD(prefix, suffix, a, b, c); \
    } \
    GEMM_DEFINE_MOVES(kit, reg, real, count, prefix, suffix, mask)

#if defined(WEFT_LEVEL_v2)
#define GEMM_MULTIPLY_ADD(prefix, suffix, a, b, c) prefix##_add_##suffix(prefix##_mul_##suffix(a, b), c)
#else
#define GEMM_MULTIPLY_ADD(prefix, suffix, a, b, c) prefix##_fmadd_##suffix(a, b, c)
#endif

#if defined(WEFT_LEVEL_v4)
#define GEMM_PART_GET(prefix, suffix, mask, count, n, p) \
    prefix##_maskz_loadu_##suffix((mask)(n <= 0 ? 0 : n >= count ? (1u << count) - 1 : (1u << n) - 1), p)
#define GEMM_PART_PUT(prefix, suffix, mask, count, n, p, x) \
    prefix##_mask_storeu_##suffix(p, (mask)(n <= 0 ? 0 : n >= count ? (1u << count) - 1 : (1u << n) - 1), x)
#else
#define GEMM_PART_GET(prefix, suffix, mask, count, n, p)    ((void)n, prefix##_loadu_##suffix(p))
#define GEMM_PART_PUT(prefix, suffix, mask, count, n, p, x) ((void)n, prefix##_storeu_##suffix(p, x))
#endif

#define GEMM_DEFINE_MOVES(kit, reg, real, count, prefix, suffix, mask) \
    GEMM_INLINE reg kit##_get(const real *p) \
    { \
        return prefix##_loadu_##suffix(p); \
    } \
    GEMM_INLINE void kit##_put(real *p, reg x) \
    { \
        prefix##_storeu_##suffix(p, x); \
    } \
    GEMM_INLINE reg kit##_get_part(const real *p, int64_t n) \
    { \
        return GEMM_PART_GET(prefix, suffix, mask, count, n, p); \
    } \
    GEMM_INLINE void kit##_put_part(real *p, reg x, int64_t n) \
    { \
        GEMM_PART_PUT(prefix, suffix, mask, count, n, p, x); \
    } \
    GEMM_INLINE reg kit##_plus(reg a, reg b) \
    { \
        return prefix##_add_##suffix(a, b); \
    } \
    GEMM_INLINE reg kit##_zero(void) \
    { \
        return prefix##_setzero_##suffix(); \
    }

/* Defines BODY(R, V, order, …), the tile of R rows and V vectors of a kit. Four row pointers, each with multiples 0, 1 and 2 of
 * the stride, keep the addresses of twelve rows within the sixteen integer registers. What is a few steps ahead is asked for
 * early: the hardware does not foresee strided reads; short tiles go through memory fast and ask into the second cache, where
 * lines a multiple of 4 KB apart do not push one another out. */
#define GEMM_DEFINE_BODY(BODY, TARGET, kit, real, element) \
    TARGET GEMM_INLINE void BODY(const int R, const int V, const int order, int64_t depth, const element *a, int64_t a_stride, \
                                 const element *b, int64_t b_step, real *c, int64_t c_row, int64_t columns, bool load, \
                                 const real *d, int64_t d_row, weft_gemm_ahead ahead) \
    { \
        kit##_vector sum[GEMM_TALLEST][2]; \
        const bool whole = columns >= V * kit##_lanes; \
        GEMM_UNROLL(16) \
        for (int i = 0; i < R; i++) \
            GEMM_UNROLL(2) \
        for (int v = 0; v < V; v++) { \
            const real *from = c + i * c_row + v * kit##_lanes; \
            sum[i][v] = !load ? kit##_zero() : whole ? kit##_get(from) : kit##_get_part(from, columns - v * kit##_lanes); \
        } \
        const element *row[4] = {a, a + 3 * a_stride, a + 6 * a_stride, a + 9 * a_stride}; \
        for (int64_t begin = 0, end; begin < depth; begin = end) { \
            end = kit##_ahead > 0 && 2 * R > GEMM_TALLEST && begin + kit##_ahead < depth ? begin + kit##_ahead : depth; \
            for (int64_t i = kit##_ahead > 0 ? 1 : ahead.rows; 2 * R > GEMM_TALLEST && i > 0 && ahead.rows > 0; \
                 i--, ahead.rows--) { \
                __builtin_prefetch(ahead.c, 1); \
                __builtin_prefetch(ahead.c + 64, 1); \
                ahead.c += ahead.c_apart; \
                if (ahead.d) { \
                    __builtin_prefetch(ahead.d); \
                    __builtin_prefetch(ahead.d + 64); \
                    ahead.d += ahead.d_apart; \
                } \
            } \
            GEMM_UNROLL_DEPTH \
            for (int64_t p = begin; p < end; p++) { \
                kit##_vector right[2]; \
                GEMM_UNROLL(2) \
                for (int v = 0; v < V; v++) \
                    if (R <= 4) \
                        __builtin_prefetch(b + 16 * b_step + v * kit##_lanes, 0, 2); \
                    else \
                        __builtin_prefetch(b + 8 * b_step + v * kit##_lanes); \
                if (order == GEMM_BY_COLUMNS && R >= 4) \
                    __builtin_prefetch(row[0] + 16 * a_stride); \
                GEMM_UNROLL(2) \
                for (int v = 0; v < V; v++) \
                    right[v] = kit##_take(b + v * kit##_lanes); \
                GEMM_UNROLL(16) \
                for (int i = 0; i < R; i++) { \
                    const kit##_vector left = kit##_splat(order == GEMM_BY_ROWS ? row[i / 3] + i % 3 * a_stride : row[0] + i); \
                    GEMM_UNROLL(2) \
                    for (int v = 0; v < V; v++) \
                        sum[i][v] = kit##_add(left, right[v], sum[i][v]); \
                } \
                b += b_step; \
                if (order == GEMM_BY_ROWS) { \
                    GEMM_UNROLL(4) \
                    for (int i = 0; i < (R + 2) / 3; i++) \
                        row[i]++; \
                } else \
                    row[0] += a_stride; \
            } \
        } \
        GEMM_UNROLL(16) \
        for (int i = 0; i < R; i++) \
            GEMM_UNROLL(2) \
        for (int v = 0; v < V; v++) { \
            real *to = c + i * c_row + v * kit##_lanes; \
            if (whole) \
                kit##_put(to, d ? kit##_plus(sum[i][v], kit##_get(d + i * d_row + v * kit##_lanes)) : sum[i][v]); \
            else \
                kit##_put_part( \
                    to, \
                    d ? kit##_plus(sum[i][v], kit##_get_part(d + i * d_row + v * kit##_lanes, columns - v * kit##_lanes)) \
                      : sum[i][v], \
                    columns - v * kit##_lanes); \
        } \
    }

/* Defines the tile of two panels. Lines of A a multiple of 4 KB apart share a set of the first cache, which holds half as many as
 * the tallest tile has: so a tile of half the height and twice the width, with the same number of sums in registers. */
#define GEMM_DEFINE_PAIR_TILE(NAME, kit, real) \
    static void NAME(int64_t depth, const void *a_, int64_t a_stride, const void *b_, const void *next_b, int64_t b_step, \
                     void *c_, int64_t c_row, bool load, const void *d_, int64_t d_row) \
    { \
        const real *b[2] = {b_, next_b}, *d = d_; \
        const real *row[2] = {(const real *)a_, (const real *)a_ + 3 * a_stride}; \
        real *c = c_; \
        kit##_vector sum[GEMM_PAIR_ROWS][4]; \
        GEMM_UNROLL(16) \
        for (int i = 0; i < GEMM_PAIR_ROWS; i++) \
            GEMM_UNROLL(4) \
        for (int v = 0; v < 4; v++) \
            sum[i][v] = load ? kit##_get(c + i * c_row + v * kit##_lanes) : kit##_zero(); \
        GEMM_UNROLL_DEPTH \
        for (int64_t p = 0; p < depth; p++) { \
            kit##_vector right[4]; \
            GEMM_UNROLL(4) \
            for (int v = 0; v < 4; v++) \
                __builtin_prefetch(b[v / 2] + 8 * b_step + v % 2 * kit##_lanes); \
            GEMM_UNROLL(4) \
            for (int v = 0; v < 4; v++) \
                right[v] = kit##_take(b[v / 2] + v % 2 * kit##_lanes); \
            GEMM_UNROLL(16) \
            for (int i = 0; i < GEMM_PAIR_ROWS; i++) { \
                const kit##_vector left = kit##_splat(row[i / 3] + i % 3 * a_stride); \
                GEMM_UNROLL(4) \
                for (int v = 0; v < 4; v++) \
                    sum[i][v] = kit##_add(left, right[v], sum[i][v]); \
            } \
            b[0] += b_step; \
            b[1] += b_step; \
            row[0]++; \
            row[1]++; \
        } \
        GEMM_UNROLL(16) \
        for (int i = 0; i < GEMM_PAIR_ROWS; i++) \
            GEMM_UNROLL(4) \
        for (int v = 0; v < 4; v++) \
            kit##_put(c + i * c_row + v * kit##_lanes, \
                      d ? kit##_plus(sum[i][v], kit##_get(d + i * d_row + v * kit##_lanes)) : sum[i][v]); \
    }

/* Defines a tile of one row and some panels. */
#define GEMM_DEFINE_ROW_TILE(NAME, kit, real, panels) \
    static void NAME(int64_t depth, const void *a_, const void *b_, int64_t b_panel, int64_t b_step, void *c_, bool load, \
                     const void *d_) \
    { \
        const real *a = a_, *b = b_, *d = d_; \
        real *c = c_; \
        kit##_vector sum[2 * panels]; \
        GEMM_UNROLL(8) \
        for (int v = 0; v < 2 * panels; v++) \
            sum[v] = load ? kit##_get(c + v * kit##_lanes) : kit##_zero(); \
        for (int64_t p = 0; p < depth; p++, b += b_step) { \
            const kit##_vector left = kit##_splat(a + p); \
            GEMM_UNROLL(8) \
            for (int v = 0; v < 2 * panels; v++) \
                sum[v] = kit##_add(left, kit##_take(b + v / 2 * b_panel + v % 2 * kit##_lanes), sum[v]); \
        } \
        GEMM_UNROLL(8) \
        for (int v = 0; v < 2 * panels; v++) \
            kit##_put(c + v * kit##_lanes, d ? kit##_plus(sum[v], kit##_get(d + v * kit##_lanes)) : sum[v]); \
    }

/* One tile function of the table: NAME_<order>_<width>_<rows>. */
#define GEMM_DEFINE_TILE(rows, NAME, TARGET, BODY, order, width, vectors, real, element) \
    TARGET static void NAME##_##order##_##width##_##rows(int64_t depth, const void *a, int64_t a_stride, const void *b, \
                                                         int64_t b_step, void *c, int64_t c_row, int64_t columns, bool load, \
                                                         const void *d, int64_t d_row, weft_gemm_ahead ahead) \
    { \
        BODY(rows, vectors, order, depth, (const element *)a, a_stride, (const element *)b, b_step, (real *)c, c_row, columns, \
             load, (const real *)d, d_row, ahead); \
    }

#define GEMM_DEFINE_TILES(NAME, TARGET, BODY, width, vectors, real, element) \
    GEMM_EACH_HEIGHT(GEMM_DEFINE_TILE, NAME, TARGET, BODY, 0, width, vectors, real, element) \
    GEMM_EACH_HEIGHT(GEMM_DEFINE_TILE, NAME, TARGET, BODY, 1, width, vectors, real, element)

#define GEMM_TILE_ENTRY(rows, NAME, order, width) NAME##_##order##_##width##_##rows,
#define GEMM_HEIGHT_ENTRY(rows, unused)           rows,
#define GEMM_TILE_ROW(NAME, order, width) \
    { \
        GEMM_EACH_HEIGHT(GEMM_TILE_ENTRY, NAME, order, width) \
    }
#if defined(WEFT_LEVEL_v2)
#define GEMM_TILE_ORDER(NAME, order) \
    { \
        GEMM_TILE_ROW(NAME, order, 0), GEMM_TILE_ROW(NAME, order, 1) \
    }
enum { GEMM_WIDTHS_HERE = 2 };
#else
#define GEMM_TILE_ORDER(NAME, order) \
    { \
        GEMM_TILE_ROW(NAME, order, 0), GEMM_TILE_ROW(NAME, order, 1), GEMM_TILE_ROW(NAME, order, 2) \
    }
enum { GEMM_WIDTHS_HERE = 3 };
#endif
#define GEMM_TABLE(NAME, lane_count, pair_tile, ...) \
    { \
        .lanes = lane_count, .pair = pair_tile, .row = {__VA_ARGS__}, .widths = GEMM_WIDTHS_HERE, \
        .heights = {GEMM_EACH_HEIGHT(GEMM_HEIGHT_ENTRY, 0)}, .tile = { \
            GEMM_TILE_ORDER(NAME, 0), \
            GEMM_TILE_ORDER(NAME, 1) \
        } \
    }

#endif
