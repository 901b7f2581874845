/* Attention in memory (spec of the commands: NeuPIMs, section 5). A key of 512 dimensions lies in one bank's row, 32 tokens in
 * the 32 banks of a row number; a value row holds 512 tokens of one dimension a bank. So Q·K reads ⌈length/32⌉ row numbers for
 * every 512 dimensions, and probabilities · V reads ⌈dk/32⌉ of them for every 512 tokens. */
#include "hardware/ops.h"

static int log2_floor(int64_t n)
{
    int bits = 0;
    while ((n >> (bits + 1)) > 0)
        bits++;
    return bits;
}

static int64_t request_bytes(const weft_work *w, const weft_kv *kv)
{
    return 2 * w->heads * (2 * kv->length + w->dk);
}

/* Requests [*from, *to) of tile `index`. What does not fit goes to a next tile; the published simulator leaves the request that
 * overflowed in both. */
static void tile_range(const weft_work *w, const weft_op *op, int64_t index, int64_t *from, int64_t *to)
{
    bool once = w->fixed & WEFT_QUIRK_SPLIT_REQUESTS;
    int64_t bytes = 0, begin = 0, tile = 0, i = 0;
    for (; i < op->request_count; i++) {
        int64_t need = request_bytes(w, &op->requests[i]);
        if (bytes + need > w->buffer_bytes && i > begin) {
            if (tile == index) {
                *from = begin;
                *to = once ? i : i + 1;
                return;
            }
            tile++;
            begin = i;
            bytes = 0;
        }
        bytes += need;
    }
    *from = tile == index ? begin : i;
    *to = i;
}

weft_status weft_pim_cut(const weft_work *w, weft_op *op)
{
    for (int64_t i = 0; i < op->request_count; i++)
        if (request_bytes(w, &op->requests[i]) > w->buffer_bytes)
            return weft_fail(WEFT_ERROR_ARGUMENT, "%s: a request of %lld tokens needs %lld bytes, half a scratchpad has %lld",
                             op->name, (long long)op->requests[i].length, (long long)request_bytes(w, &op->requests[i]),
                             (long long)w->buffer_bytes);
    for (op->tile_count = 0;; op->tile_count++) {
        int64_t from, to;
        tile_range(w, op, op->tile_count, &from, &to);
        if (from >= to)
            break;
        if (to == op->request_count) {
            op->tile_count++;
            break;
        }
    }
    for (int64_t i = 0; i < op->request_count; i++)
        op->macs += op->requests[i].length * w->heads * w->dk;
    return WEFT_OK;
}

static void add_gwrite(const weft_work *w, const weft_kv *kv, int column, weft_tile *out)
{
    weft_instruction *i = weft_tile_add(out, WEFT_PIM_GWRITE);
    i->address = weft_dram_address(w->rules, (weft_dram_place){kv->channel, 0, column, 0});
}

/* The published simulator keeps the address of a logit's header in 32 bits, which cuts its row. */
static void add_header(const weft_work *w, const weft_kv *kv, int64_t row, int64_t comps, int64_t results, bool short_address,
                       weft_tile *out)
{
    weft_dram_place place = {kv->channel, log2_floor(results) & (w->rules->banks - 1), log2_floor(comps) & 7, row};
    weft_instruction *i = weft_tile_add(out, WEFT_PIM_HEADER);
    i->address = weft_dram_address(w->rules, place);
    if (short_address && !(w->fixed & WEFT_QUIRK_HEADER_ROW))
        i->address &= 0xffffffffu;
}

/* `comps` multiplies in every bank, and their result into entry `key`. */
static void add_product(const weft_work *w, const weft_kv *kv, int64_t row, int64_t comps, bool last, uint32_t key,
                        weft_tile *out)
{
    uint64_t address = weft_dram_address(w->rules, (weft_dram_place){kv->channel, (int)comps - 1, last, row});
    bool dual = w->rules->kind == WEFT_MEMORY_DUAL;
    for (int64_t i = 0; !dual && i < comps; i++)
        weft_tile_add(out, WEFT_PIM_COMP)->address = address;
    weft_instruction *result = weft_tile_add(out, dual ? WEFT_PIM_COMPS_READRES : WEFT_PIM_READRES);
    result->address = address;
    result->key = key;
}

/* Q·K and softmax of one request; `key` and `store` number result entries and accumulator entries. */
static void logit(const weft_work *w, const weft_kv *kv, uint32_t *key, uint32_t *store, weft_tile *out)
{
    int64_t width = w->kv_heads * w->dk, chunks = weft_ceil(width, w->row_elements);
    int64_t heads_in_tile = weft_ceil(w->row_elements, w->dk), rest = width % w->row_elements;
    int64_t heads_in_last = rest ? weft_ceil(rest, w->dk) : heads_in_tile;
    int64_t comps = weft_ceil(w->dk, w->hardware->memory.pim_lanes), steps = weft_ceil(kv->length, w->row_groups);
    int64_t group = w->heads / w->kv_heads; /* queries that share a key */
    uint32_t first = *key;
    for (int64_t q = 0; q < group; q++)
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            int64_t heads = chunk == chunks - 1 ? heads_in_last : heads_in_tile;
            add_gwrite(w, kv, 0, out);
            for (int64_t t = 0; t < steps; t++) {
                int64_t row = kv->first_row + t * chunks + chunk;
                add_header(w, kv, row, comps * heads, heads, true, out);
                for (int64_t h = 0; h < heads; h++)
                    add_product(w, kv, row, comps, h == heads - 1, (*key)++, out);
            }
        }
    int64_t length = w->fixed & WEFT_QUIRK_VECTOR_LENGTHS ? kv->length : 2 * kv->length; /* bytes taken for elements */
    uint32_t base = first;
    for (int64_t q = 0; q < group; q++)
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            int64_t heads = chunk == chunks - 1 ? heads_in_last : heads_in_tile;
            for (int64_t h = 0; h < heads; h++) {
                weft_instruction *softmax = weft_tile_add(out, WEFT_SOFTMAX);
                softmax->key = *store;
                softmax->size = length;
                for (int64_t t = 0; t < steps; t++)
                    weft_tile_source(out, softmax, base + (uint32_t)(t * heads + h));
                weft_instruction *move = weft_tile_add(out, WEFT_MOVOUT);
                move->key = (*store)++;
                move->size = kv->length;
            }
            base += (uint32_t)(steps * heads);
        }
}

void weft_logit_tile(const weft_work *w, const weft_op *op, int64_t index, weft_tile *out)
{
    int64_t from, to;
    uint32_t key = 0, store = 0;
    tile_range(w, op, index, &from, &to);
    out->pim = true;
    for (int64_t i = from; i < to; i++)
        logit(w, &op->requests[i], &key, &store, out);
}

static int64_t power_of_two_from(int64_t n)
{
    int64_t p = 1;
    while (p < n)
        p *= 2;
    return p;
}

/* Probabilities · V of one head. Results of several chunks are added up and stored; those of a single one are not stored at all
 * by the published simulator, which also stores the whole head for each of its parts. */
static void attend(const weft_work *w, const weft_kv *kv, int64_t kv_head, uint32_t *key, uint32_t *store, weft_tile *out)
{
    int64_t chunks = weft_ceil(kv->length, w->row_elements), parts = weft_ceil(w->dk, w->row_groups);
    int64_t lanes = w->hardware->memory.pim_lanes, rest = kv->length % w->row_elements;
    bool fixed = w->fixed & WEFT_QUIRK_ATTEND_STORES, own_rows = w->fixed & WEFT_QUIRK_KV_ROWS;
    int64_t first_row = kv->first_row + kv->k_rows + (own_rows ? kv_head * parts * chunks : 0);
    uint32_t first = *key;
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        int64_t comps = chunk == chunks - 1 && rest ? weft_ceil(rest, lanes) : w->row_elements / lanes;
        add_gwrite(w, kv, 8, out);
        for (int64_t t = 0; t < parts; t++) {
            int64_t row = first_row + t * chunks + chunk;
            add_header(w, kv, row, power_of_two_from(comps), 1, false, out);
            add_product(w, kv, row, comps, true, (*key)++, out);
        }
    }
    if (chunks == 1 && !fixed)
        return;
    for (int64_t t = 0; t < (fixed ? 1 : parts); t++) {
        weft_instruction *add = weft_tile_add(out, WEFT_ADD);
        add->key = *store;
        add->size = w->fixed & WEFT_QUIRK_VECTOR_LENGTHS ? w->dk * chunks : 2 * parts * w->row_groups;
        for (int64_t chunk = 0; chunk < chunks; chunk++)
            for (int64_t part = t; part < (fixed ? parts : t + 1); part++)
                weft_tile_source(out, add, first + (uint32_t)(chunk * parts + part));
        weft_instruction *move = weft_tile_add(out, WEFT_MOVOUT);
        move->key = (*store)++;
        move->size = w->dk;
    }
}

void weft_attend_tile(const weft_work *w, const weft_op *op, int64_t index, weft_tile *out)
{
    int64_t from, to, group = w->heads / w->kv_heads;
    uint32_t key = 0, store = 0;
    tile_range(w, op, index, &from, &to);
    out->pim = true;
    for (int64_t i = from; i < to; i++)
        for (int64_t h = 0; h < w->heads; h++)
            attend(w, &op->requests[i], h / group, &key, &store, out);
}
