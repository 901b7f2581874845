/* How a product is carried out, from its sizes, types and strides alone: which operand stands on which side of the tiles, what is
 * packed, and how C is cut into pieces. */
#ifndef WEFT_KERNELS_GEMM_PLAN_H
#define WEFT_KERNELS_GEMM_PLAN_H

#include "kernels/level/gemm_pack.h"
#include "kernels/level/gemm_tile.h"

typedef struct gemm_plan {
    gemm_operand left, right; /* A and B; the other way round when swapped */
    int64_t m, n;             /* lines of left and right: C or, swapped, its transpose, is [m, n] */
    bool swapped;
    gemm_element kind, left_kind; /* what tiles read; how left is copied: as floats when it holds pairs already */
    const weft_gemm_tiles *tiles;
    int64_t size;                                             /* bytes an element */
    int64_t packed_size;                                      /* the same in packed panels: 2 when they stay BF16 or F16 */
    int64_t width;                                            /* lines of a full panel of right */
    int64_t depth, block;                                     /* elements in all; elements from one visit of C to the next */
    bool packed;                                              /* right is packed whole beforehand */
    bool direct;                                              /* full panels of right are read where they stand */
    bool copied;                                              /* each piece copies its part of left */
    bool paired;                                              /* two full panels of right at once */
    int64_t down, across;                                     /* pieces: down × across */
    int64_t row_units, column_units, rows_most, columns_most; /* units: tallest tiles, full panels; the largest piece */
    int64_t pack_units, pack_pieces;                          /* units: PACK_DEPTH elements of a panel */
} gemm_plan;

enum { GEMM_PACK_DEPTH = 64 };

/* Until the thread asks for the next plan. */
const gemm_plan *WEFT_LEVEL_NAME(weft_gemm_plan)(const weft_gemm *);

/* The width class and lines of the panel that starts at line `column` of right: full, or the narrowest that holds the rest. */
int WEFT_LEVEL_NAME(weft_gemm_width)(const gemm_plan *, int64_t column, int64_t *width);

#endif
