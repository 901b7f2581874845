/* Matrix products: the table of a level. A piece walks the depth in blocks, the panels of right in a block, and the tiles of left
 * down a panel; between blocks C holds the sums, which changes no bit of the chains. */
#include "kernels/level/gemm_plan.h"

#include <string.h>

#define plan_of      WEFT_LEVEL_NAME(weft_gemm_plan)
#define width_of     WEFT_LEVEL_NAME(weft_gemm_width)
#define pack_lines   WEFT_LEVEL_NAME(weft_gemm_pack_lines)
#define pack_panel   WEFT_LEVEL_NAME(weft_gemm_pack_panel)
#define pack_halves  WEFT_LEVEL_NAME(weft_gemm_pack_halves)
#define widen_halves WEFT_LEVEL_NAME(weft_gemm_widen_halves)

static int64_t round_up_64(int64_t bytes)
{
    return (bytes + 63) & ~(int64_t)63;
}

/* Bytes of the packed panels before line `column` of right. */
static int64_t packed_offset(const gemm_plan *plan, int64_t column)
{
    return column * plan->depth * plan->packed_size;
}

static size_t packed_bytes(const weft_gemm *g)
{
    const gemm_plan *plan = plan_of(g);
    if (!plan->packed)
        return 0;
    const int64_t last = (plan->column_units - 1) * plan->width;
    int64_t width;
    width_of(plan, last, &width);
    return (size_t)round_up_64(packed_offset(plan, last + width));
}

static int64_t pack_pieces(const weft_gemm *g)
{
    return plan_of(g)->pack_pieces;
}

static void pack(const weft_gemm *g, void *packed, int64_t piece)
{
    const gemm_plan *plan = plan_of(g);
    const int64_t first = plan->pack_units * piece / plan->pack_pieces, end = plan->pack_units * (piece + 1) / plan->pack_pieces;
    const int64_t depth_units = plan->pack_units / plan->column_units;
    for (int64_t unit = first; unit < end; unit++) {
        const bool down = plan->right.step == 1; /* neighbours in memory follow one another */
        const int64_t from = (down ? unit % depth_units : unit / plan->column_units) * GEMM_PACK_DEPTH;
        const int64_t column = (down ? unit / depth_units : unit % plan->column_units) * plan->width;
        const int64_t to = from + GEMM_PACK_DEPTH < plan->depth ? from + GEMM_PACK_DEPTH : plan->depth;
        int64_t width;
        width_of(plan, column, &width);
        char *out = (char *)packed + packed_offset(plan, column) + from * width * plan->packed_size;
        if (plan->packed_size < plan->size)
            pack_halves(&plan->right, from, to, column, plan->n, (uint16_t *)(void *)out, width);
        else
            pack_panel(&plan->right, plan->kind, from, to, column, plan->n, out, width);
    }
}

/* A thread's scratch: the copied part of left, one panel of right, one tile of C. */
typedef struct layout {
    int64_t stride; /* of the copied lines, an odd number of cache lines: twelve rows then fall in different sets */
    int64_t panel, tile, bytes;
} layout;

static layout layout_of(const gemm_plan *plan)
{
    layout at = {.stride = (plan->block * plan->size / 64 | 1) * 64 / plan->size};
    const int64_t rows = (plan->rows_most + GEMM_TALLEST - 1) / GEMM_TALLEST * GEMM_TALLEST;
    at.panel = plan->copied ? round_up_64(rows * at.stride * plan->size) : 0;
    at.tile =
        at.panel + (plan->packed && plan->packed_size == plan->size ? 0 : round_up_64(plan->block * plan->width * plan->size));
    at.bytes = at.tile + round_up_64(GEMM_TALLEST * plan->width * plan->size);
    return at;
}

static size_t scratch_bytes(const weft_gemm *g)
{
    const gemm_plan *plan = plan_of(g);
    return plan->m == 0 || plan->n == 0 ? 0 : (size_t)layout_of(plan).bytes;
}

static int64_t pieces(const weft_gemm *g)
{
    const gemm_plan *plan = plan_of(g);
    return plan->down * plan->across;
}

/* The part of the plan's [m, n]. */
static weft_gemm_area plan_area(const gemm_plan *plan, int64_t piece)
{
    const int64_t row = piece % plan->down, column = piece / plan->down;
    weft_gemm_area area = {
        plan->row_units * row / plan->down * GEMM_TALLEST, plan->row_units * (row + 1) / plan->down * GEMM_TALLEST,
        plan->column_units * column / plan->across * plan->width, plan->column_units * (column + 1) / plan->across * plan->width};
    if (area.row1 > plan->m)
        area.row1 = plan->m;
    if (area.column1 > plan->n)
        area.column1 = plan->n;
    return area;
}

static weft_gemm_area swap_area(weft_gemm_area area)
{
    return (weft_gemm_area){area.column0, area.column1, area.row0, area.row1};
}

static weft_gemm_area area(const weft_gemm *g, int64_t piece)
{
    const gemm_plan *plan = plan_of(g);
    return plan->swapped ? swap_area(plan_area(plan, piece)) : plan_area(plan, piece);
}

/* Moves a tile [rows, columns] between C and the buffer [rows, width]; C's strides are in elements. */
static void move_tile(int64_t size, char *c, int64_t c_row, int64_t c_column, char *buffer, int64_t width, int64_t rows,
                      int64_t columns, bool store)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            char *outside = c + (i * c_row + j * c_column) * size, *inside = buffer + (i * width + j) * size;
            char *to = store ? outside : inside;
            const char *from = store ? inside : outside;
            if (size == 4)
                memcpy(to, from, 4);
            else
                memcpy(to, from, 8);
        }
}

/* What a panel's tiles share. */
typedef struct panel {
    const char *left;   /* first line of the piece, first element of the block */
    int order;          /* of left, for the tiles */
    int64_t stride;     /* between lines by rows, between steps by columns */
    int64_t tall_bytes; /* from one group of GEMM_TALLEST lines of left to the next */
    int64_t line_bytes; /* from line to line within a group */
    const char *right;
    int64_t right_step;
    int64_t depth;
    int narrow; /* width class */
    int64_t width, columns;
    char *c; /* first row of the piece, first column of the panel */
    int64_t c_row, c_column;
    const char *d; /* what is added to the finished rows, NULL: nothing; like C */
    int64_t d_row, d_column;
    bool load;
    const char *next_c, *next_d; /* the first rows of the panel behind it; NULL: there is none */
} panel;

/* D's row beside a row of C; NULL: nothing is added. */
static const char *d_at(const gemm_plan *plan, const panel *p, int64_t row)
{
    return p->d ? p->d + row * p->d_row * plan->size : NULL;
}

/* Asks for what a tile of two panels writes and adds. */
static void expect(const gemm_plan *plan, const panel *p, int64_t row, int64_t rows, int64_t columns)
{
    const int64_t bytes = columns * plan->size;
    for (int64_t i = row; i < row + rows; i++)
        for (int64_t byte = 0; byte < bytes; byte += 64) {
            __builtin_prefetch(p->c + i * p->c_row * plan->size + byte, 1);
            if (p->d)
                __builtin_prefetch(p->d + i * p->d_row * plan->size + byte);
        }
}

/* C += D where it is written by other ways than the tiles'; both with the strides of a panel's. */
static void add_d(const gemm_plan *plan, const panel *p, int64_t row, int64_t rows, int64_t columns)
{
    for (int64_t i = row; p->d && i < row + rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            void *to = p->c + (i * p->c_row + j * p->c_column) * plan->size;
            const void *from = p->d + (i * p->d_row + j * p->d_column) * plan->size;
            if (plan->size == 4)
                *(float *)to += *(const float *)from;
            else
                *(double *)to += *(const double *)from;
        }
}

static void run_panel(const gemm_plan *plan, const panel *p, int64_t rows, char *buffer)
{
    const weft_gemm_tiles *tiles = plan->tiles;
#if defined(WEFT_LEVEL_v4)
    const bool buffered = plan->swapped;
#else
    const bool buffered = plan->swapped || p->columns < p->width;
#endif
    for (int64_t row = 0, height = 0; row < rows; row += tiles->heights[height]) {
        while (tiles->heights[height] > rows - row)
            height++;
        const char *left = p->left + row / GEMM_TALLEST * p->tall_bytes + row % GEMM_TALLEST * p->line_bytes;
        weft_gemm_tile *tile = tiles->tile[p->order][p->narrow][height];
        char *c = p->c + row * p->c_row * plan->size;
        if (!buffered) {
            const int64_t next = row + tiles->heights[height];
            weft_gemm_ahead ahead = {.rows = rows - next < GEMM_TALLEST ? rows - next : GEMM_TALLEST,
                                     .c_apart = p->c_row * plan->size,
                                     .d_apart = p->d_row * plan->size};
            if (next < rows) { /* down this panel, or the top of the one behind it */
                ahead.c = p->c + next * ahead.c_apart;
                ahead.d = d_at(plan, p, next);
            } else {
                ahead.c = p->next_c;
                ahead.d = p->next_d;
                ahead.rows = p->next_c ? GEMM_TALLEST : 0;
            }
            tile(p->depth, left, p->stride, p->right, p->right_step, c, p->c_row, p->columns, p->load, d_at(plan, p, row),
                 p->d_row, ahead);
            continue;
        }
        if (p->load) {
            if (p->columns < p->width)
                memset(buffer, 0, (size_t)(tiles->heights[height] * p->width * plan->size));
            move_tile(plan->size, c, p->c_row, p->c_column, buffer, p->width, tiles->heights[height], p->columns, false);
        }
        tile(p->depth, left, p->stride, p->right, p->right_step, buffer, p->width, p->width, p->load, NULL, 0,
             (weft_gemm_ahead){0});
        move_tile(plan->size, c, p->c_row, p->c_column, buffer, p->width, tiles->heights[height], p->columns, true);
        add_d(plan, p, row, tiles->heights[height], p->columns);
    }
}

/* Two full panels side by side: whole groups of GEMM_PAIR_ROWS rows together, the rows left over one panel after the other. */
static void run_pair(const gemm_plan *plan, const panel *p, const panel *next, int64_t rows, char *buffer)
{
    const int64_t whole = rows / GEMM_PAIR_ROWS * GEMM_PAIR_ROWS, c_bytes = p->c_row * plan->size;
    for (int64_t row = 0; row < whole; row += GEMM_PAIR_ROWS) {
        char *c = p->c + row * c_bytes;
        if (row == 0)
            expect(plan, p, 0, GEMM_PAIR_ROWS, 2 * p->width);
        if (row + GEMM_PAIR_ROWS < whole)
            expect(plan, p, row + GEMM_PAIR_ROWS, GEMM_PAIR_ROWS, 2 * p->width);
        plan->tiles->pair(p->depth, p->left + row * p->line_bytes, p->stride, p->right, next->right, p->right_step, c, p->c_row,
                          p->load, d_at(plan, p, row), p->d_row);
    }
    for (int k = 0; k < 2; k++) {
        panel rest = k == 0 ? *p : *next;
        rest.left += whole * rest.line_bytes;
        rest.c += whole * c_bytes;
        rest.d = d_at(plan, &rest, whole);
        run_panel(plan, &rest, rows - whole, buffer);
    }
}

/* Finds, or copies to the scratch, elements from … to of the piece's lines of left. */
static void take_left(const gemm_plan *plan, const weft_gemm_area *part, int64_t from, int64_t to, char *scratch, int64_t stride,
                      panel *p)
{
    const gemm_operand *left = &plan->left;
    p->order = left->step == 1 ? GEMM_BY_ROWS : GEMM_BY_COLUMNS;
    p->left = (const char *)left->data + (part->row0 * left->line + from * left->step) * plan->size;
    p->stride = p->order == GEMM_BY_ROWS ? left->line : left->step;
    p->line_bytes = left->line * plan->size;
    p->tall_bytes = p->line_bytes * GEMM_TALLEST;
    if (!plan->copied)
        return;
    p->left = scratch;
    if (p->order == GEMM_BY_ROWS) {
        pack_lines(left, plan->left_kind, from, to, part->row0, part->row1, scratch, stride);
        p->stride = stride;
        p->line_bytes = stride * plan->size;
        p->tall_bytes = p->line_bytes * GEMM_TALLEST;
        return;
    }
    p->stride = GEMM_TALLEST;
    p->line_bytes = plan->size;
    p->tall_bytes = (to - from) * GEMM_TALLEST * plan->size;
    enum { STEPS = 16 }; /* so few pages that all groups find them in the translation buffer */
    for (int64_t step = from; step < to; step += STEPS) {
        char *out = scratch + (step - from) * GEMM_TALLEST * plan->size;
        for (int64_t row = part->row0; row < part->row1; row += GEMM_TALLEST, out += p->tall_bytes)
            pack_panel(left, plan->kind, step, step + STEPS < to ? step + STEPS : to, row, part->row1, out, GEMM_TALLEST);
    }
}

/* Finds, or packs to the scratch, elements from … to of the panel at line `column` of right. */
static void take_right(const gemm_plan *plan, const char *packed, int64_t column, int64_t from, int64_t to, char *scratch,
                       panel *p)
{
    const gemm_operand *right = &plan->right;
    p->right_step = p->width;
    if (plan->packed && plan->packed_size < plan->size) {
        p->right = scratch;
        widen_halves(right->dtype, (to - from) * p->width,
                     (const uint16_t *)(const void *)(packed + packed_offset(plan, column) + from * p->width * plan->packed_size),
                     (float *)(void *)scratch);
    } else if (plan->packed) {
        p->right = packed + packed_offset(plan, column) + from * p->width * plan->size;
    } else if (plan->direct && p->columns == p->width) {
        p->right = (const char *)right->data + (from * right->step + column) * plan->size;
        p->right_step = right->step;
    } else {
        p->right = scratch;
        pack_panel(right, plan->kind, from, to, column, plan->n, scratch, p->width);
    }
}

/* One row of left by the tile of as many full panels as there are; answers how many it did. A small product alone: the panels of
 * a large one come from memory, whose prefetchers like one stream. */
static int64_t run_row(const gemm_plan *plan, const panel *p, int64_t columns)
{
    const bool whole =
        plan->packed && plan->packed_size == plan->size && p->order == GEMM_BY_ROWS && plan->down * plan->across == 1;
    for (int i = 0; whole && i < GEMM_ROW_TILES && plan->tiles->row[i]; i++)
        if (columns >= (GEMM_ROW_PANELS >> i) * plan->width) {
            plan->tiles->row[i](p->depth, p->left, p->right, plan->depth * plan->width, plan->width, p->c, p->load, p->d);
            return GEMM_ROW_PANELS >> i;
        }
    return 0;
}

static void run(const weft_gemm *g, int64_t piece, void *scratch)
{
    const gemm_plan *plan = plan_of(g);
    const weft_gemm_area part = plan_area(plan, piece);
    const layout at = layout_of(plan);
    char *space = scratch;
    panel p = {.c_row = plan->swapped ? 1 : g->c_row, .c_column = plan->swapped ? g->c_row : 1};
    p.d_row = plan->swapped ? 1 : g->n;
    p.d_column = plan->swapped ? g->n : 1;
    /* C's first row that the piece writes, and the line of right that its first column is of */
    char *c = (char *)g->c + (g->own_c ? 0 : part.row0 * p.c_row * plan->size);
    const int64_t column0 = g->own_c ? part.column0 : 0;
    /* Little depth: writing C is the work, so go along its rows; the panels fit the first cache. Panels that are there: the
     * tallest tile's part of left stays in the first cache while they pass. */
    const int64_t rows = part.row1 - part.row0;
    const int64_t rows_at_once = plan->depth <= 32 && (plan->packed || plan->direct) ? 2 * GEMM_TALLEST
                                 : plan->packed && plan->packed_size == plan->size   ? GEMM_TALLEST
                                                                                     : rows + GEMM_TALLEST;
    if (plan->depth == 0 && !g->accumulate) {
        const weft_gemm_area zeros = plan->swapped ? swap_area(part) : part;
        const int64_t row0 = g->own_c ? zeros.row0 : 0, first = g->own_c ? 0 : zeros.column0;
        for (int64_t i = zeros.row0; i < zeros.row1; i++)
            memset((char *)g->c + ((i - row0) * g->c_row + first) * plan->size, 0,
                   (size_t)((zeros.column1 - zeros.column0) * plan->size));
    }
    if (plan->depth == 0 && g->d) {
        p.c = c + (part.column0 - column0) * p.c_column * plan->size;
        p.d = (const char *)g->d + (part.row0 * p.d_row + part.column0 * p.d_column) * plan->size;
        add_d(plan, &p, 0, rows, part.column1 - part.column0);
    }
    for (int64_t from = 0; from < plan->depth; from += plan->block) {
        const int64_t to = from + plan->block < plan->depth ? from + plan->block : plan->depth;
        p.depth = to - from;
        p.load = g->accumulate || from > 0;
        take_left(plan, &part, from, to, space, at.stride, &p);
        for (int64_t row = 0; row < rows; row += rows_at_once, p.left += rows_at_once / GEMM_TALLEST * p.tall_bytes)
            for (int64_t column = part.column0; column < part.column1; column += plan->width) {
                p.narrow = width_of(plan, column, &p.width);
                p.columns = part.column1 - column < p.width ? part.column1 - column : p.width;
                p.c = c + (row * p.c_row + (column - column0) * p.c_column) * plan->size;
                p.d = NULL;
                if (g->d && to == plan->depth)
                    p.d = (const char *)g->d + ((part.row0 + row) * p.d_row + column * p.d_column) * plan->size;
                const bool across = column + plan->width < part.column1, down = row + rows_at_once < rows;
                const int64_t next_row = across ? 0 : rows_at_once, next_column = across ? plan->width : part.column0 - column;
                const bool worth = plan->kind == GEMM_PAIRS || p.d;
                p.next_c = worth && (across || down) ? p.c + (next_row * p.c_row + next_column * p.c_column) * plan->size : NULL;
                p.next_d = p.d && p.next_c ? p.d + (next_row * p.d_row + next_column * p.d_column) * plan->size : NULL;
                take_right(plan, g->packed, column, from, to, space + at.panel, &p);
                const int64_t in_row = plan->m == 1 ? run_row(plan, &p, part.column1 - column) : 0;
                if (in_row > 0) {
                    column += (in_row - 1) * plan->width;
                    continue;
                }
                const int64_t count = rows - row < rows_at_once ? rows - row : rows_at_once;
                if (plan->paired && part.column1 - column >= 2 * plan->width) {
                    column += plan->width;
                    panel next = p;
                    take_right(plan, g->packed, column, from, to, space + at.panel, &next);
                    next.c += plan->width * plan->size;
                    next.d += next.d ? plan->width * plan->size : 0;
                    run_pair(plan, &p, &next, count, space + at.tile);
                    continue;
                }
                run_panel(plan, &p, count, space + at.tile);
            }
    }
}

static void round_rows(const float *x, int64_t rows, int64_t k, int64_t stride, uint16_t *out)
{
    const gemm_operand lines = {x, WEFT_F32, 1, k, k};
    pack_lines(&lines, GEMM_PAIRS, 0, (k + 1) / 2, 0, rows, out, stride / 2);
}

const weft_gemm_table WEFT_LEVEL_NAME(weft_gemm) = {packed_bytes, pack_pieces, pack, scratch_bytes,
                                                    pieces,       area,        run,  round_rows};
