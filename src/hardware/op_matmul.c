/* X[R, K] · W[K, F] + b[F] as blocks of 128 × 128, features outermost: weights stream past stationary rows of X. */
#include "hardware/ops.h"

enum { ROWS = 0, INNER, FEATURES };

weft_status weft_matmul_cut(const weft_work *w, weft_op *op)
{
    int64_t block = w->hardware->npu.systolic_width;
    int64_t *t = op->tile;
    t[ROWS] = op->rows;
    t[INNER] = op->inner;
    t[FEATURES] = op->features;
    op->tiles[0] = op->tiles[1] = op->tiles[2] = 1;
    for (;;) {
        int64_t r = weft_round_up(t[ROWS], block), k = weft_round_up(t[INNER], block), f = weft_round_up(t[FEATURES], block);
        if (2 * (r * k + k * f + f * r) <= w->buffer_bytes)
            break;
        int largest = ROWS;
        for (int i = INNER; i <= FEATURES; i++)
            if (t[i] > t[largest])
                largest = i;
        if (t[largest] <= block)
            return weft_fail(WEFT_ERROR_ARGUMENT,
                             "%s: a tile of %lld × %lld × %lld needs %lld bytes, half a scratchpad has %lld; raise npu "
                             "scratchpad_kb (%lld)",
                             op->name, (long long)r, (long long)k, (long long)f, (long long)(2 * (r * k + k * f + f * r)),
                             (long long)w->buffer_bytes, (long long)w->hardware->npu.scratchpad_kb);
        t[largest] = weft_ceil(t[largest], 2);
        op->tiles[largest] *= 2;
    }
    op->tile_count = op->tiles[ROWS] * op->tiles[INNER] * op->tiles[FEATURES];
    op->macs = op->rows * op->inner * op->features;
    return WEFT_OK;
}

static int64_t inside(int64_t block, int64_t size, int64_t at)
{
    return at >= size ? 0 : weft_least(block, size - at);
}

/* The bias of the tile's rows. The published simulator takes as many elements as the feature index would give, indexed by row. */
static void add_bias(const weft_work *w, const weft_op *op, const int64_t *at, const int64_t *blocks, weft_tile *out)
{
    int64_t block = w->hardware->npu.systolic_width;
    bool every = w->fixed & WEFT_QUIRK_BIAS_LENGTH;
    for (int64_t m = 0; m < (every ? blocks[FEATURES] : 1); m++)
        for (int64_t n = 0; n < blocks[ROWS]; n++) {
            int64_t from = every ? at[FEATURES] + m * block : at[ROWS] + n * block;
            weft_instruction *i = weft_tile_add(out, WEFT_MOVIN);
            i->to_accumulator = true;
            i->key = (uint32_t)(m * blocks[ROWS] + n);
            i->size = inside(block, op->features, from);
        }
}

void weft_matmul_tile(const weft_work *w, const weft_op *op, int64_t index, weft_tile *out)
{
    int64_t block = w->hardware->npu.systolic_width, passes = block / w->hardware->npu.systolic_arrays;
    int64_t k_tile = index % op->tiles[INNER], n_tile = index / op->tiles[INNER] % op->tiles[ROWS];
    int64_t m_tile = index / op->tiles[INNER] / op->tiles[ROWS];
    int64_t at[3] = {n_tile * op->tile[ROWS], k_tile * op->tile[INNER], m_tile * op->tile[FEATURES]}, blocks[3];
    for (int i = 0; i < 3; i++)
        blocks[i] = weft_ceil(op->tile[i], block);
    bool fixed_stores = w->fixed & WEFT_QUIRK_MATMUL_STORES;
    int64_t x_keys = blocks[FEATURES] * blocks[INNER];
    out->accumulates = k_tile > 0;
    if (k_tile == 0)
        add_bias(w, op, at, blocks, out);
    for (int64_t n = 0; n < blocks[ROWS]; n++)
        for (int64_t k = 0; k < blocks[INNER]; k++)
            for (int64_t m = 0; m < blocks[FEATURES]; m++) {
                int64_t row = at[ROWS] + n * block, feature = at[FEATURES] + m * block;
                int64_t depth = inside(block, op->inner, at[INNER] + k * block);
                uint32_t weight = (uint32_t)(m * blocks[INNER] + k), x = (uint32_t)(x_keys + n * blocks[INNER] + k);
                uint32_t y = (uint32_t)(m * blocks[ROWS] + n);
                if (n == 0) {
                    weft_instruction *i = weft_tile_add(out, WEFT_MOVIN);
                    i->key = weight;
                    i->size = weft_elements(inside(block, op->features, feature) * depth, op->weight_bits);
                }
                if (m == 0) {
                    weft_instruction *i = weft_tile_add(out, WEFT_MOVIN);
                    i->key = x;
                    i->size = inside(block, op->rows, row) * depth;
                }
                weft_instruction *i = weft_tile_add(out, m == 0 ? WEFT_GEMM_PRELOAD : WEFT_GEMM);
                i->key = y;
                i->size = passes > 0 ? passes : 1;
                weft_tile_source(out, i, weight);
                weft_tile_source(out, i, x);
                if (k_tile == op->tiles[INNER] - 1 && k == blocks[INNER] - 1) {
                    /* The published simulator bounds the feature axis by the rows and the row axis by the features. */
                    weft_instruction *store = weft_tile_add(out, WEFT_MOVOUT);
                    store->key = y;
                    store->size = fixed_stores ? inside(block, op->features, feature) * inside(block, op->rows, row)
                                               : inside(block, op->rows, feature) * inside(block, op->features, row);
                }
            }
}

bool weft_matmul_accumulates(const weft_work *w, const weft_op *op, int64_t index)
{
    (void)w;
    return index % op->tiles[INNER] > 0; /* K goes first */
}
