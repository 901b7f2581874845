/* How a product is carried out, from its sizes, types and strides alone.
 *
 * Swapping: with few columns (n ≤ 4) most lanes of a tile would be idle, so Cᵀ = Bᵀ·Aᵀ is computed: the same chains.
 * Packing: right is packed whole when several rows of pieces would each rearrange it, or when reading it with its own stride
 * would touch a page a step; with few rows, or when it is as good as packed already, it is not.
 * Pieces: enough for the last of them to keep no thread waiting long, none below about 10 µs, and a piece's part of left and of
 * right fit the second cache.
 */
#include "kernels/level/gemm_plan.h"

#include <string.h>

enum {
    BLOCK_BYTES = 2048,        /* depth of a block: 512 floats */
    DIRECT_BLOCK = 16,         /* the same when right is read in place: whole rows of it follow one another */
    LEFT_BYTES = 192 * 1536,   /* of left a piece, where it is copied */
    RIGHT_BYTES = 512 * 1536,  /* of right a piece */
    IN_PLACE_PANELS = 16,      /* and the least of a piece then */
    COPY_PANELS = 32,          /* so many make a copy of left cheap */
    FEW_COLUMNS = 4,           /* at most so many are swapped */
    SMALL_BYTES = 16 << 10,    /* right is read in place when it is no larger */
    TINY_NANOSECONDS = 20000,  /* one piece */
    PIECE_NANOSECONDS = 10000, /* the least otherwise */
    ENOUGH_PIECES = 64
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t ceiling(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static void choose_tiles(gemm_plan *plan, const weft_gemm *g)
{
    plan->kind = g->dtype == WEFT_F64 ? GEMM_DOUBLES : !g->bf16 ? GEMM_FLOATS : weft_gemm_bf16_element();
    plan->tiles = plan->kind == GEMM_DOUBLES ? &GEMM_TILES_F64 : &GEMM_TILES_F32;
#if defined(WEFT_LEVEL_v4)
    if (plan->kind == GEMM_PAIRS)
        plan->tiles = &GEMM_TILES_BF16;
#endif
    plan->size = plan->kind == GEMM_DOUBLES ? 8 : 4;
    plan->width = 2 * plan->tiles->lanes;
    plan->depth = plan->kind == GEMM_PAIRS ? ceiling(g->k, 2) : g->k;
}

/* A rough lower bound, as one core with AVX-512 would do. */
static double nanoseconds(const gemm_plan *plan)
{
    const double m = (double)plan->m, n = (double)plan->n, k = (double)plan->depth, size = (double)plan->size;
    const double work = m * n * k * size / 200, bytes = (m * k + k * n + m * n) * size / 20;
    return work > bytes ? work : bytes;
}

static void cut(gemm_plan *plan)
{
    const double time = nanoseconds(plan);
    const int64_t pieces = time < TINY_NANOSECONDS ? 1 : least((int64_t)(time / PIECE_NANOSECONDS), ENOUGH_PIECES);
    const int64_t deep = most(1, least(plan->depth, plan->block)) * plan->size;
    plan->row_units = ceiling(plan->m, GEMM_TALLEST);
    plan->column_units = ceiling(plan->n, plan->width);
    int64_t rows = plan->row_units, columns = plan->column_units; /* of a piece, in units */
    columns = most(1, least(columns, RIGHT_BYTES / deep / plan->width));
    if (plan->copied && pieces > 1)
        rows = most(1, least(rows, LEFT_BYTES / deep / GEMM_TALLEST));
    const bool few = plan->direct && !plan->packed && plan->m <= GEMM_TALLEST; /* long runs of right's rows, for the memory */
    const int64_t narrowest = few ? IN_PLACE_PANELS : 1;
    while (ceiling(plan->row_units, rows) * ceiling(plan->column_units, columns) < pieces) {
        if (rows * GEMM_TALLEST >= 96)
            rows = ceiling(rows, 2);
        else if (columns > 4 && columns > narrowest)
            columns = ceiling(columns, 2);
        else if (rows * GEMM_TALLEST >= 48)
            rows = ceiling(rows, 2);
        else if (columns > narrowest)
            columns = ceiling(columns, 2);
        else if (rows > 1)
            rows = ceiling(rows, 2);
        else
            break;
    }
    plan->down = ceiling(plan->row_units, rows);
    plan->across = ceiling(plan->column_units, columns);
    plan->rows_most = least(plan->m, ceiling(plan->row_units, plan->down) * GEMM_TALLEST);
    plan->columns_most = least(plan->n, ceiling(plan->column_units, plan->across) * plan->width);
}

/* Whether the tallest tiles may read left where it stands: what they read together must not fall in one set of the first cache (4
 * KB apart), and where the lines lie across the depth, a cache line a step, it must not be read for too many panels. */
static bool easy_lines(const gemm_plan *plan)
{
    const int64_t apart = plan->left.step == 1 ? plan->left.line : plan->left.step;
    return apart * plan->size % 4096 != 0 && (plan->left.step == 1 || plan->n < COPY_PANELS * plan->width);
}

static gemm_plan make_plan(const weft_gemm *g)
{
    gemm_plan plan = {.m = g->m, .n = g->n};
    if (g->m == 0 || g->n == 0)
        return plan;
    choose_tiles(&plan, g);
    plan.left = (gemm_operand){g->a, g->a_rounded ? WEFT_BF16 : g->dtype, g->a_column, g->a_row, g->k};
    plan.right = (gemm_operand){g->b, g->b_dtype, g->b_row, g->b_column, g->k};
    plan.swapped = g->n <= FEW_COLUMNS && g->m >= 2 * g->n && !g->a_rounded;
    if (plan.swapped) {
        const gemm_operand a = plan.left;
        plan.left = plan.right;
        plan.right = a;
        plan.m = g->n;
        plan.n = g->m;
    }
    const bool plain = plan.kind == GEMM_FLOATS || plan.kind == GEMM_DOUBLES;
    const int64_t narrowest = plan.width >> (plan.tiles->widths - 1);
    const bool ragged = plan.n % narrowest != 0;
    plan.direct = plain && plan.right.dtype == g->dtype && plan.right.line == 1;
    plan.packed_size = plan.size;
    if (plan.swapped || g->as_stored || (!g->bf16 && plan.m <= 4 && !g->kept))
        plan.packed = false;
    else if (plan.direct)
        plan.packed = (plan.m > GEMM_TALLEST || g->kept) &&
                      (ragged || (plan.n > plan.width && plan.n * plan.depth * plan.size > SMALL_BYTES));
    else
        plan.packed = true;

    if (plan.packed && g->kept && plan.kind == GEMM_FLOATS && plan.right.dtype != WEFT_F32)
        plan.packed_size = 2;

    const bool in_place = plan.direct && !plan.packed;
    const int64_t limit = in_place && plan.n > plan.width && plan.m <= GEMM_TALLEST ? DIRECT_BLOCK : BLOCK_BYTES / plan.size;
    const int64_t blocks = most(1, ceiling(plan.depth, limit));
    plan.block = most(16, ceiling(ceiling(plan.depth, blocks), 16) * 16);
    const bool pairs = plan.kind == GEMM_PAIRS && g->a_rounded;
    if (pairs)
        plan.left = (gemm_operand){g->a, WEFT_F32, 1, g->a_row / 2, plan.depth};
    plan.left_kind = pairs ? GEMM_FLOATS : plan.kind;
    const bool as_is = pairs || (plain && plan.left.dtype == g->dtype), hard = plan.n >= 4 * plan.width && !easy_lines(&plan);
    plan.paired =
        as_is && hard && plan.tiles->pair && plan.left.step == 1 && (plan.packed || plan.direct) && plan.packed_size == plan.size;
    plan.copied = !as_is || (hard && !plan.paired);
    cut(&plan);

    plan.pack_units = plan.packed ? ceiling(plan.depth, GEMM_PACK_DEPTH) * plan.column_units : 0;
    plan.pack_pieces = plan.packed ? least(ceiling(plan.pack_units, 8), ENOUGH_PIECES) : 0;
    return plan;
}

/* What a plan is made of. */
typedef struct plan_key {
    int64_t m, n, k, a_row, a_column, b_row, b_column;
    int32_t dtype, b_dtype, bf16, kept, as_stored, a_rounded;
} plan_key;

/* A product asks for its plan several times a piece, and a model has a few dozen products: for small ones planning would cost as
 * much as multiplying. So each thread remembers the plans it made last. */
const gemm_plan *WEFT_LEVEL_NAME(weft_gemm_plan)(const weft_gemm *g)
{
    enum { REMEMBERED = 64 };
    static _Thread_local struct {
        plan_key key;
        gemm_plan plan;
    } last[REMEMBERED]; /* all zero: the plan of no rows, which is its own */
    const plan_key key = {.m = g->m,
                          .n = g->n,
                          .k = g->k,
                          .a_row = g->a_row,
                          .a_column = g->a_column,
                          .b_row = g->b_row,
                          .b_column = g->b_column,
                          .dtype = (int32_t)g->dtype,
                          .b_dtype = (int32_t)g->b_dtype,
                          .bf16 = g->bf16,
                          .kept = g->kept,
                          .as_stored = g->as_stored,
                          .a_rounded = g->a_rounded};
    uint64_t hash = (uint64_t)(key.m * 31 + key.n) * 1000003u + (uint64_t)(key.k * 7 + key.b_row + key.a_column);
    hash ^= hash >> 17;
    hash *= 0x9E3779B97F4A7C15u;
    gemm_plan *plan = &last[hash >> 58].plan;
    if (memcmp(&last[hash >> 58].key, &key, sizeof key) != 0) {
        *plan = make_plan(g);
        last[hash >> 58].key = key;
    }
    plan->left.data = plan->swapped ? g->b : g->a;
    plan->right.data = plan->swapped ? g->a : g->b;
    return plan;
}

int WEFT_LEVEL_NAME(weft_gemm_width)(const gemm_plan *plan, int64_t column, int64_t *width)
{
    int narrow = 0;
    while (narrow + 1 < plan->tiles->widths && plan->width >> (narrow + 1) >= plan->n - column)
        narrow++;
    *width = plan->width >> narrow;
    return narrow;
}
