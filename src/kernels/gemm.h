/* Matrix products: C[m,n] = A[m,k] · B[k,n], or C += A·B, or C = A·B + D.
 *
 * Each output is ONE chain of fused multiply-adds over k = 0, 1, …, k-1 in this order, started from 0 (or from C when
 * accumulating), whatever the tile, the piece, the packing, m, n or the thread: so a row does not know its batch.
 * D is added to the finished chain, as an addition behind the product would.
 * Work is cut into pieces that depend on m, n, k alone; any thread may run any piece. B is packed first (all pack pieces,
 * then a barrier, then all run pieces); weft_gemm_packed_bytes may answer 0: then nothing is packed and run reads B itself.
 * Pointers and sizes only; sources in src/kernels/level/gemm*.c.
 */
#ifndef WEFT_KERNELS_GEMM_H
#define WEFT_KERNELS_GEMM_H

#include "weft/base.h"

typedef struct weft_gemm {
    int64_t m, n, k;    /* any may be 0; k = 0 gives zeros (or leaves C when accumulating) */
    weft_dtype dtype;   /* type of A and C, and of the arithmetic: WEFT_F32 or WEFT_F64 */
    weft_dtype b_dtype; /* type of B in memory: dtype, or WEFT_BF16 / WEFT_F16 with dtype F32 (widened exactly) */
    bool bf16;          /* F32 only: round A and B to bf16 (nearest even), multiply as bf16, add in f32 */
    bool accumulate;    /* C += instead of C = */
    bool kept;          /* B is packed once for many products: pack it however few rows A has, and BF16 or F16 as they are */
    bool as_stored;     /* B is never packed whole: pieces read it in place, or rearrange the panels that they need */
    bool own_c;         /* C is the piece's own: its first element is that of the piece's area */
    bool a_rounded;     /* with bf16: A is stored in BF16, by rows of whole pairs, zero behind an odd k (round_rows makes it) */
    const void *a;
    int64_t a_row, a_column; /* element strides; one of them is 1 */
    const void *b;
    int64_t b_row, b_column; /* element strides; one of them is 1 */
    void *c;
    int64_t c_row;      /* element stride between rows; columns are dense */
    const void *d;      /* [m, n] dense, of C's type; NULL: none. Where C is the piece's own, there is none */
    const void *packed; /* what weft_gemm_pack wrote (64-byte aligned), or NULL when packed_bytes is 0 */
} weft_gemm;

typedef struct weft_gemm_area {
    int64_t row0, row1, column0, column1; /* the part of C a piece writes */
} weft_gemm_area;

typedef struct weft_gemm_table {
    size_t (*packed_bytes)(const weft_gemm *); /* from m, n, k, dtypes, strides alone */
    int64_t (*pack_pieces)(const weft_gemm *);
    void (*pack)(const weft_gemm *, void *packed, int64_t piece);
    size_t (*scratch_bytes)(const weft_gemm *); /* a thread, 64-byte aligned, for run */
    int64_t (*pieces)(const weft_gemm *);
    weft_gemm_area (*area)(const weft_gemm *, int64_t piece);
    void (*run)(const weft_gemm *, int64_t piece, void *scratch);
    /* A for a_rounded, on processors that multiply bf16: x [rows, k] dense; out's rows stand an even `stride` ≥ k apart. */
    void (*round_rows)(const float *x, int64_t rows, int64_t k, int64_t stride, uint16_t *out);
} weft_gemm_table;

extern const weft_gemm_table weft_gemm_v2, weft_gemm_v3, weft_gemm_v4;

#endif
