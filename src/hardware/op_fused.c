/* Attention on the NPU (the published NPU-only system): one tile a request, its heads one after another. */
#include "hardware/ops.h"

static int64_t head_bytes(const weft_work *w, int64_t length)
{
    return 2 * (2 * w->dk + 2 * w->dk * length + length);
}

/* Heads of the request that fit; the published simulator drops the others. */
static int64_t heads_that_fit(const weft_work *w, int64_t length)
{
    return weft_least(w->heads, w->buffer_bytes / head_bytes(w, length));
}

weft_status weft_fused_cut(const weft_work *w, weft_op *op)
{
    op->tile_count = op->request_count;
    for (int64_t i = 0; i < op->request_count; i++) {
        int64_t length = op->requests[i].length;
        if (heads_that_fit(w, length) < 1)
            return weft_fail(WEFT_ERROR_ARGUMENT,
                             "%s: one head of a request of %lld tokens needs %lld bytes, half a scratchpad has %lld", op->name,
                             (long long)length, (long long)head_bytes(w, length), (long long)w->buffer_bytes);
        op->macs += 2 * length * w->heads * w->dk;
    }
    return WEFT_OK;
}

void weft_fused_tile(const weft_work *w, const weft_op *op, int64_t index, weft_tile *out)
{
    const weft_kv *kv = &op->requests[index];
    int64_t length = kv->length, heads = heads_that_fit(w, length), block = w->hardware->npu.systolic_width;
    int64_t arrays = w->hardware->npu.systolic_arrays, queries = w->heads / w->kv_heads;
    int64_t cached = weft_elements(length * w->dk, w->shape->kv_bits);
    for (int64_t h = 0; h < heads; h++) {
        /* A head's output has the key of the next head's probabilities: both must have come before either is stored. */
        int64_t head = h / queries; /* of the keys and values that they share */
        uint32_t q = (uint32_t)h, k = (uint32_t)(heads + head), v = (uint32_t)(2 * heads + head);
        uint32_t scores = (uint32_t)h, probabilities = (uint32_t)(heads + h), output = probabilities + 1;
        const struct {
            uint32_t key;
            int64_t size;
        } loads[] = {{q, w->dk}, {k, cached}, {v, cached}};
        for (int i = 0; i < (h % queries ? 1 : 3); i++) {
            weft_instruction *load = weft_tile_add(out, WEFT_MOVIN);
            load->key = loads[i].key;
            load->size = loads[i].size;
        }
        weft_instruction *logits = weft_tile_add(out, WEFT_GEMV_PRELOAD);
        logits->key = scores;
        logits->size = length / arrays;
        weft_tile_source(out, logits, q);
        weft_tile_source(out, logits, k);
        weft_instruction *softmax = weft_tile_add(out, WEFT_SOFTMAX);
        softmax->key = probabilities;
        softmax->size = length;
        weft_tile_source(out, softmax, scores | WEFT_FROM_ACCUMULATOR);
        for (int64_t from = 0; from < length + block - 1; from += block) {
            weft_instruction *attend = weft_tile_add(out, WEFT_GEMV_PRELOAD);
            attend->key = output;
            attend->size = w->dk / arrays;
            weft_tile_source(out, attend, probabilities | WEFT_FROM_ACCUMULATOR);
            weft_tile_source(out, attend, v);
        }
        weft_instruction *store = weft_tile_add(out, WEFT_MOVOUT);
        store->key = output;
        store->size = w->dk;
    }
}
