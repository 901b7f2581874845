/* The table of search kernels for double, at the level being compiled. */
#define WEFT_REAL_BITS 64
#include "kernels/level/vector_real.h"

#include "kernels/level/search_scan.h"

const weft_search_table WEFT_LEVEL_NAME(weft_search_f64) = {
    .panel = PANEL,
    .pack = pack,
    .scan = scan,
    .bad_row = bad_row,
    .start = start,
    .guess = guess,
    .keep_best = keep_best,
    .join = join,
    .finish = finish,
};
