/* The table of operator families. */
#include "hardware/ops.h"

weft_status weft_bookkeeping_cut(const weft_work *w, weft_op *op)
{
    (void)w;
    op->tile_count = 0;
    op->lasts = 1;
    return WEFT_OK;
}

/* The links alone: what is sent goes from scratchpad to scratchpad. */
weft_status weft_all_reduce_cut(const weft_work *w, weft_op *op)
{
    const weft_hardware *h = w->hardware;
    double seconds = weft_hardware_all_reduce(&h->link, w->shape->tensor_parallel, 2.0 * (double)(op->rows * op->inner));
    op->tile_count = 0;
    op->lasts = weft_most(1, (int64_t)(seconds * h->npu.core_mhz * 1e6));
    return WEFT_OK;
}

static const struct {
    weft_status (*cut)(const weft_work *, weft_op *);
    void (*tile)(const weft_work *, const weft_op *, int64_t index, weft_tile *out);
    bool (*accumulates)(const weft_work *, const weft_op *, int64_t index); /* NULL: no tile does */
} families[] = {
    [WEFT_OP_MATMUL] = {weft_matmul_cut, weft_matmul_tile, weft_matmul_accumulates},
    [WEFT_OP_LAYERNORM] = {weft_rows_cut, weft_rows_tile, NULL},
    [WEFT_OP_RESIDUAL] = {weft_rows_cut, weft_rows_tile, NULL},
    [WEFT_OP_ACTIVATION] = {weft_rows_cut, weft_rows_tile, NULL},
    [WEFT_OP_LOGIT_SOFTMAX] = {weft_pim_cut, weft_logit_tile, NULL},
    [WEFT_OP_ATTEND] = {weft_pim_cut, weft_attend_tile, NULL},
    [WEFT_OP_FUSED_MHA] = {weft_fused_cut, weft_fused_tile, NULL},
    [WEFT_OP_PROMPT] = {weft_prompt_cut, weft_prompt_tile, weft_prompt_accumulates},
    [WEFT_OP_APPEND] = {weft_append_cut, weft_append_tile, NULL},
    [WEFT_OP_BOOKKEEPING] = {weft_bookkeeping_cut, NULL, NULL},
    [WEFT_OP_ALL_REDUCE] = {weft_all_reduce_cut, NULL, NULL},
};

weft_status weft_op_cut(const weft_work *w, weft_op *op)
{
    return families[op->kind].cut(w, op);
}

void weft_op_tile(const weft_work *w, const weft_op *op, int64_t index, weft_tile *out)
{
    weft_tile_clear(out);
    families[op->kind].tile(w, op, index, out);
}

bool weft_op_accumulates(const weft_work *w, const weft_op *op, int64_t index)
{
    return families[op->kind].accumulates && index < op->tile_count && families[op->kind].accumulates(w, op, index);
}
