/* Vector operators, a row at a time: LayerNorm, residual addition, activation. */
#include "hardware/ops.h"

typedef struct row_kind {
    weft_op_kind kind;
    weft_opcode code;
    int loads;                      /* of a row */
    int64_t rows_bytes, once_bytes; /* need = width · (rows · rows_bytes + once_bytes) */
    bool parameters;                /* beta and gamma come first */
} row_kind;

static const row_kind kinds[] = {
    {WEFT_OP_LAYERNORM, WEFT_LAYERNORM, 1, 6, 4, true},
    {WEFT_OP_RESIDUAL, WEFT_ADD, 2, 6, 0, false},
    {WEFT_OP_ACTIVATION, WEFT_GELU, 1, 4, 0, false},
};

static const row_kind *kind_of(const weft_op *op)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].kind == op->kind)
            return &kinds[i];
    return &kinds[0];
}

weft_status weft_rows_cut(const weft_work *w, weft_op *op)
{
    const row_kind *kind = kind_of(op);
    int64_t width = weft_round_up(op->inner, w->hardware->npu.vector_width), rows = op->rows, tiles = 1;
    while (width * (rows * kind->rows_bytes + kind->once_bytes) > w->buffer_bytes && rows > 1) {
        rows = weft_ceil(rows, 2);
        tiles *= 2;
    }
    int64_t need = width * (rows * kind->rows_bytes + kind->once_bytes);
    if (need > w->buffer_bytes)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "%s: one row of %lld needs %lld bytes, half a scratchpad has %lld; raise npu "
                         "scratchpad_kb (%lld)",
                         op->name, (long long)op->inner, (long long)need, (long long)w->buffer_bytes,
                         (long long)w->hardware->npu.scratchpad_kb);
    op->tile[0] = rows;
    op->tiles[0] = op->tile_count = tiles;
    return WEFT_OK;
}

void weft_rows_tile(const weft_work *w, const weft_op *op, int64_t index, weft_tile *out)
{
    const row_kind *kind = kind_of(op);
    uint32_t key = 0, parameters[2] = {0, 0};
    /* A tile runs all its rows in the published simulator, also past the last one. */
    int64_t rows = op->tile[0], left = op->rows - index * rows;
    bool exact = w->fixed & WEFT_QUIRK_VECTOR_LENGTHS;
    if (exact && left < rows)
        rows = left > 0 ? left : 0;
    for (int i = 0; kind->parameters && i < 2; i++) {
        weft_instruction *load = weft_tile_add(out, WEFT_MOVIN);
        load->key = parameters[i] = key++;
        load->size = op->inner;
    }
    for (int64_t row = 0; row < rows; row++) {
        uint32_t first = key;
        for (int i = 0; i < kind->loads; i++) {
            weft_instruction *load = weft_tile_add(out, WEFT_MOVIN);
            load->key = key++;
            load->size = op->inner;
        }
        weft_instruction *compute = weft_tile_add(out, kind->code);
        compute->key = (uint32_t)row;
        compute->size = exact ? op->inner : 0; /* the published simulator passes a length that it has moved away */
        for (uint32_t source = first; source < key; source++)
            weft_tile_source(out, compute, source);
        for (int i = 0; kind->parameters && i < 2; i++)
            weft_tile_source(out, compute, parameters[i]);
        weft_instruction *store = weft_tile_add(out, WEFT_MOVOUT);
        store->key = (uint32_t)row;
        store->size = op->inner;
    }
}
