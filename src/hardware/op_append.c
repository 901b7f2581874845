/* New keys and values into their request's rows of the memory that computes, a copy of what the projection stored.
 *
 * A token's key is contiguous there: 512 dimensions are one bank's row, the next token's are in the next bank. A value is
 * scattered: each dimension has a row of 512 tokens in a bank of its own, so that a token's value of dk dimensions is dk writes
 * of a line each, of which it fills two bytes (the others are masked). A window's cache starts over at its first row. */
#include "hardware/ops.h"

/* Tokens of this iteration that the cache still holds afterwards. */
static int64_t kept(const weft_kv *kv)
{
    return weft_least(kv->tokens, kv->length);
}

/* A tile holds the keys and values of so many tokens, of whichever requests come next. */
static int64_t tokens_a_tile(const weft_work *w)
{
    return w->buffer_bytes / (4 * w->kv_heads * w->dk);
}

weft_status weft_append_cut(const weft_work *w, weft_op *op)
{
    int64_t tokens = 0;
    for (int64_t i = 0; i < op->request_count; i++)
        tokens += kept(&op->requests[i]);
    if (tokens_a_tile(w) < 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: a token's keys and values are %lld bytes, half a scratchpad has %lld",
                         op->name, (long long)(4 * w->kv_heads * w->dk), (long long)w->buffer_bytes);
    op->tile_count = weft_ceil(tokens, tokens_a_tile(w));
    return WEFT_OK;
}

/* `pieces` runs of `lines` lines in consecutive banks, from a place on. */
static void add_store(const weft_work *w, const weft_kv *kv, uint32_t key, int64_t elements, weft_dram_place at, int64_t lines,
                      int64_t pieces, weft_tile *out)
{
    at.channel = kv->channel;
    weft_instruction *in = weft_tile_add(out, WEFT_MOVOUT);
    in->key = key;
    in->size = elements;
    in->address = weft_dram_address(w->rules, at);
    in->lines = (uint16_t)lines;
    in->pieces = (uint16_t)pieces;
    in->stride = (uint16_t)w->hardware->memory.columns;
}

/* Token `at` of the cache and those in the banks after it, up to `end`; returns how many. */
static int64_t append_keys(const weft_work *w, const weft_kv *kv, uint32_t key, int64_t at, int64_t end, weft_tile *out)
{
    int64_t width = w->kv_heads * w->dk, chunks = weft_ceil(width, w->row_elements), line = w->hardware->memory.request_bytes;
    int64_t bank = at % w->row_groups, tokens = weft_least(end - at, w->row_groups - bank);
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        int64_t dims = weft_least(w->row_elements, width - chunk * w->row_elements);
        weft_dram_place place = {.bank = (int)bank, .row = kv->first_row + at / w->row_groups * chunks + chunk};
        add_store(w, kv, key, tokens * dims, place, weft_ceil(dims * w->shape->kv_bits / 8, line), tokens, out);
    }
    return tokens;
}

/* Tokens from `at` on that share the lines of a row, up to `end`; returns how many. */
static int64_t append_values(const weft_work *w, const weft_kv *kv, uint32_t key, int64_t at, int64_t end, weft_tile *out)
{
    int64_t line = w->hardware->memory.request_bytes * 8 / w->shape->kv_bits, in_row = at % w->row_elements;
    int64_t chunks = weft_ceil(kv->length, w->row_elements), parts = weft_ceil(w->dk, w->row_groups);
    int64_t tokens = weft_least(end - at, w->row_elements - in_row), first = in_row / line, last = (in_row + tokens - 1) / line;
    bool own_rows = w->fixed & WEFT_QUIRK_KV_ROWS;
    for (int64_t head = 0; head < w->kv_heads; head++)
        for (int64_t part = 0; part < parts; part++) {
            int64_t row = (own_rows ? head * parts : 0) + part, dims = weft_least(w->row_groups, w->dk - part * w->row_groups);
            weft_dram_place place = {.column = (int)first,
                                     .row = kv->first_row + kv->k_rows + row * chunks + at / w->row_elements};
            add_store(w, kv, key, tokens * dims, place, last - first + 1, dims, out);
        }
    return tokens;
}

/* New tokens [from, to) of one request, counted among those that are kept: loaded, then stored a run at a time. */
static void append(const weft_work *w, const weft_kv *kv, uint32_t key, int64_t from, int64_t to, weft_tile *out)
{
    for (uint32_t value = 0; value < 2; value++) {
        weft_instruction *load = weft_tile_add(out, WEFT_MOVIN);
        load->to_accumulator = true;
        load->key = key + value;
        load->size = (to - from) * w->kv_heads * w->dk;
    }
    for (int value = 0; value < 2; value++)
        for (int64_t token = from; token < to;) {
            int64_t at = (kv->position - kept(kv) + token) % kv->length, end = weft_least(at + to - token, kv->length);
            token += value ? append_values(w, kv, key + 1, at, end, out) : append_keys(w, kv, key, at, end, out);
        }
}

void weft_append_tile(const weft_work *w, const weft_op *op, int64_t index, weft_tile *out)
{
    int64_t begin = index * tokens_a_tile(w), end = begin + tokens_a_tile(w);
    uint32_t key = 0;
    out->pim = op->pim;
    for (int64_t i = 0, at = 0; i < op->request_count && at < end; i++) {
        int64_t tokens = kept(&op->requests[i]), from = weft_most(begin - at, 0), to = weft_least(end - at, tokens);
        if (from < to) {
            append(w, &op->requests[i], key, from, to, out);
            key += 2;
        }
        at += tokens;
    }
}
