/* Attention of prompts' chunks on the NPU: a chunk of t tokens attends to the keys before it and, causally, to its own.
 *
 * Queries that share a key head stand below each other, g·t rows for g queries a key; a tile takes some key heads, a range of
 * those rows and a span of keys. Scores Q·Kᵀ and products P·V go through the systolic pipeline as blocks of 128 × 128, those
 * wholly above the diagonal or outside the window left out; softmax goes row by row through the vector units. A span after the
 * first scales what the rows have summed so far by their new maxima (FlashAttention, arXiv 2205.14135, algorithm 1), so that any
 * context fits any scratchpad. Keys and values are read as the projection stored them, striped over all channels, where they stay
 * until the prompt ends; what decoding reads in memory is appended beside that (op_append.c). */
#include "hardware/ops.h"

enum { ROWS = 0, KEYS, GROUPS };

static int64_t queries_a_key(const weft_work *w)
{
    return w->heads / w->kv_heads;
}

/* Keys that token `j` of the chunk sees: from, up to. */
static int64_t key_end(const weft_kv *kv, int64_t j)
{
    return kv->position - kv->tokens + j + 1;
}

static int64_t key_begin(const weft_work *w, const weft_kv *kv, int64_t j)
{
    int64_t window = w->shape->window;
    return window > 0 ? weft_most(0, key_end(kv, j) - window) : 0;
}

/* Keys that rows [from, to) see. Row i is token i mod t of its query head. */
static void keys_of_rows(const weft_work *w, const weft_kv *kv, int64_t from, int64_t to, int64_t *begin, int64_t *end)
{
    int64_t first = from % kv->tokens, last = first + to - from - 1;
    if (last >= kv->tokens) {
        first = 0;
        last = kv->tokens - 1;
    }
    *begin = key_begin(w, kv, first);
    *end = key_end(kv, last);
}

/* Pairs of a token and a key that it sees. */
static int64_t pairs(const weft_work *w, const weft_kv *kv)
{
    int64_t before = kv->position - kv->tokens, window = w->shape->window, growing = kv->tokens;
    if (window > 0)
        growing = weft_least(kv->tokens, weft_most(0, window - before));
    return growing * before + growing * (growing + 1) / 2 + (kv->tokens - growing) * window;
}

static int64_t tile_bytes(const weft_work *w, const int64_t *tile)
{
    int64_t block = w->hardware->npu.systolic_width, r = weft_round_up(tile[ROWS], block), k = weft_round_up(tile[KEYS], block);
    return 2 * tile[GROUPS] * (2 * r * w->dk + 2 * weft_elements(k * w->dk, w->shape->kv_bits) + r * k);
}

weft_status weft_prompt_cut(const weft_work *w, weft_op *op)
{
    int64_t block = w->hardware->npu.systolic_width, *t = op->tile;
    t[ROWS] = t[KEYS] = 1;
    t[GROUPS] = w->kv_heads;
    for (int64_t i = 0; i < op->request_count; i++) {
        const weft_kv *kv = &op->requests[i];
        t[ROWS] = weft_most(t[ROWS], kv->tokens * queries_a_key(w));
        t[KEYS] = weft_most(t[KEYS], kv->position - key_begin(w, kv, 0));
    }
    while (tile_bytes(w, t) > w->buffer_bytes) {
        int largest = t[GROUPS] > 1 ? GROUPS : t[KEYS] >= t[ROWS] ? KEYS : ROWS;
        if (t[largest] <= (largest == GROUPS ? 1 : block))
            return weft_fail(WEFT_ERROR_ARGUMENT,
                             "%s: a tile of %lld queries and %lld keys needs %lld bytes, half a scratchpad has %lld; raise npu "
                             "scratchpad_kb (%lld)",
                             op->name, (long long)t[ROWS], (long long)t[KEYS], (long long)tile_bytes(w, t),
                             (long long)w->buffer_bytes, (long long)w->hardware->npu.scratchpad_kb);
        t[largest] = weft_ceil(t[largest], 2);
    }
    /* Whole blocks, so that tiles meet at blocks' edges. */
    t[ROWS] = t[ROWS] > block ? t[ROWS] / block * block : block;
    t[KEYS] = t[KEYS] > block ? t[KEYS] / block * block : block;
    for (int64_t i = 0; i < op->request_count; i++) {
        const weft_kv *kv = &op->requests[i];
        int64_t rows = kv->tokens * queries_a_key(w), groups = weft_ceil(w->kv_heads, t[GROUPS]);
        for (int64_t from = 0; from < rows; from += t[ROWS]) {
            int64_t begin, end;
            keys_of_rows(w, kv, from, weft_least(from + t[ROWS], rows), &begin, &end);
            op->tile_count += groups * weft_ceil(end - begin, t[KEYS]);
        }
        op->macs += 2 * pairs(w, kv) * w->heads * w->dk;
    }
    return WEFT_OK;
}

/* Where a tile stands. */
typedef struct place {
    const weft_kv *kv;
    int64_t groups;               /* key heads of the tile */
    int64_t rows_from, rows_to;   /* of a group */
    int64_t keys_from, keys_to;   /* of the span */
    int64_t keys_begin, keys_end; /* of all spans of these rows */
} place;

static place find(const weft_work *w, const weft_op *op, int64_t index)
{
    const int64_t *t = op->tile;
    for (int64_t i = 0; i < op->request_count; i++) {
        place p = {.kv = &op->requests[i]};
        int64_t rows = p.kv->tokens * queries_a_key(w);
        for (int64_t from = 0; from < rows; from += t[ROWS]) {
            p.rows_from = from;
            p.rows_to = weft_least(from + t[ROWS], rows);
            keys_of_rows(w, p.kv, p.rows_from, p.rows_to, &p.keys_begin, &p.keys_end);
            int64_t spans = weft_ceil(p.keys_end - p.keys_begin, t[KEYS]), here = spans * weft_ceil(w->kv_heads, t[GROUPS]);
            if (index >= here) {
                index -= here;
                continue;
            }
            p.groups = weft_least(t[GROUPS], w->kv_heads - index / spans * t[GROUPS]);
            p.keys_from = p.keys_begin + index % spans * t[KEYS];
            p.keys_to = weft_least(p.keys_from + t[KEYS], p.keys_end);
            return p;
        }
    }
    return (place){0};
}

bool weft_prompt_accumulates(const weft_work *w, const weft_op *op, int64_t index)
{
    place p = find(w, op, index);
    return p.keys_from > p.keys_begin;
}

/* What a tile's instructions are made from: blocks of rows and keys, and where their entries are. */
typedef struct blocks {
    const weft_work *w;
    place p;
    int64_t size, rows, keys; /* edge of a block; blocks of rows, of keys */
    weft_tile *out;
} blocks;

static uint32_t entry(const blocks *b, int64_t kind, int64_t group, int64_t each, int64_t i)
{
    return (uint32_t)((kind * b->p.groups + group) * each + i);
}

/* Entries of the scratchpad: queries by blocks of rows, then keys and values by blocks of keys. */
static uint32_t query_entry(const blocks *b, int64_t group, int64_t r)
{
    return entry(b, 0, group, b->rows, r);
}

static uint32_t key_entry(const blocks *b, bool value, int64_t group, int64_t k)
{
    return (uint32_t)(b->p.groups * b->rows) + entry(b, value, group, b->keys, k);
}

/* Entries of the accumulator, each by blocks of rows. */
enum { SCORES = 0, PROBABILITIES, OUTPUT };

static uint32_t sum_entry(const blocks *b, int kind, int64_t group, int64_t r)
{
    return entry(b, kind, group, b->rows, r);
}

static int64_t row_from(const blocks *b, int64_t r)
{
    return b->p.rows_from + r * b->size;
}

static int64_t row_to(const blocks *b, int64_t r)
{
    return weft_least(row_from(b, r) + b->size, b->p.rows_to);
}

static int64_t key_from(const blocks *b, int64_t k)
{
    return b->p.keys_from + k * b->size;
}

static int64_t key_to(const blocks *b, int64_t k)
{
    return weft_least(key_from(b, k) + b->size, b->p.keys_to);
}

/* Whether rows of block r see keys of [from, to). */
static bool sees(const blocks *b, int64_t r, int64_t from, int64_t to)
{
    int64_t begin, end;
    keys_of_rows(b->w, b->p.kv, row_from(b, r), row_to(b, r), &begin, &end);
    return begin < to && end > from;
}

static void load(const blocks *b, uint32_t key, int64_t elements)
{
    weft_instruction *in = weft_tile_add(b->out, WEFT_MOVIN);
    in->key = key;
    in->size = elements;
}

static void load_group(const blocks *b, int64_t group)
{
    for (int64_t r = 0; r < b->rows; r++)
        load(b, query_entry(b, group, r), (row_to(b, r) - row_from(b, r)) * b->w->dk);
    for (int value = 0; value < 2; value++)
        for (int64_t k = 0; k < b->keys; k++)
            load(b, key_entry(b, value, group, k),
                 weft_elements((key_to(b, k) - key_from(b, k)) * b->w->dk, b->w->shape->kv_bits));
}

static void multiply(const blocks *b, bool preload, uint32_t to, uint32_t x, uint32_t y)
{
    int64_t passes = b->size / b->w->hardware->npu.systolic_arrays;
    weft_instruction *in = weft_tile_add(b->out, preload ? WEFT_GEMM_PRELOAD : WEFT_GEMM);
    in->key = to;
    in->size = passes > 0 ? passes : 1;
    weft_tile_source(b->out, in, x);
    weft_tile_source(b->out, in, y);
}

/* Q·Kᵀ: the side with fewer blocks stays in the arrays while the other streams past. */
static void score(const blocks *b, int64_t group)
{
    bool rows_stay = b->rows <= b->keys;
    int64_t outer = rows_stay ? b->rows : b->keys, inner = rows_stay ? b->keys : b->rows;
    for (int64_t i = 0; i < outer; i++)
        for (int64_t depth = 0; depth < weft_ceil(b->w->dk, b->size); depth++) {
            bool preload = true;
            for (int64_t j = 0; j < inner; j++) {
                int64_t r = rows_stay ? i : j, k = rows_stay ? j : i;
                if (!sees(b, r, key_from(b, k), key_to(b, k)))
                    continue;
                multiply(b, preload, sum_entry(b, SCORES, group, r), query_entry(b, group, r), key_entry(b, false, group, k));
                preload = false;
            }
        }
}

/* A vector operation for each row of a block. They are issued in order, so that the first one waits for all. */
static void each_row(const blocks *b, int64_t r, weft_opcode code, int64_t elements, uint32_t to, uint32_t from)
{
    bool first = true;
    for (int64_t row = row_from(b, r); row < row_to(b, r); row++) {
        int64_t begin, end, seen;
        keys_of_rows(b->w, b->p.kv, row, row + 1, &begin, &end);
        seen = weft_least(end, b->p.keys_to) - weft_most(begin, b->p.keys_from);
        if (seen <= 0)
            continue;
        weft_instruction *in = weft_tile_add(b->out, code);
        in->key = to;
        in->size = elements ? elements : seen;
        if (first)
            weft_tile_source(b->out, in, from | WEFT_FROM_ACCUMULATOR);
        first = false;
    }
}

static void normalise(const blocks *b, int64_t group)
{
    for (int64_t r = 0; r < b->rows; r++) {
        uint32_t output = sum_entry(b, OUTPUT, group, r);
        if (!sees(b, r, b->p.keys_from, b->p.keys_to))
            continue;
        each_row(b, r, WEFT_SOFTMAX, 0, sum_entry(b, PROBABILITIES, group, r), sum_entry(b, SCORES, group, r));
        if (b->p.keys_from > b->p.keys_begin &&
            sees(b, r, b->p.keys_begin, b->p.keys_from)) /* a scaling takes an addition's time */
            each_row(b, r, WEFT_ADD, b->w->dk, output, output);
    }
}

/* P·V: values stay in the arrays, so that all rows stream past a block of them. */
static void attend(const blocks *b, int64_t group)
{
    for (int64_t k = 0; k < b->keys; k++)
        for (int64_t depth = 0; depth < weft_ceil(b->w->dk, b->size); depth++) {
            bool preload = true;
            for (int64_t r = 0; r < b->rows; r++) {
                if (!sees(b, r, key_from(b, k), key_to(b, k)))
                    continue;
                multiply(b, preload, sum_entry(b, OUTPUT, group, r), key_entry(b, true, group, k),
                         sum_entry(b, PROBABILITIES, group, r) | WEFT_FROM_ACCUMULATOR);
                preload = false;
            }
        }
}

static void store(const blocks *b, int64_t group)
{
    for (int64_t r = 0; r < b->rows; r++) {
        weft_instruction *in = weft_tile_add(b->out, WEFT_MOVOUT);
        in->key = sum_entry(b, OUTPUT, group, r);
        in->size = (row_to(b, r) - row_from(b, r)) * b->w->dk;
    }
}

void weft_prompt_tile(const weft_work *w, const weft_op *op, int64_t index, weft_tile *out)
{
    blocks b = {.w = w, .p = find(w, op, index), .size = w->hardware->npu.systolic_width, .out = out};
    b.rows = weft_ceil(b.p.rows_to - b.p.rows_from, b.size);
    b.keys = weft_ceil(b.p.keys_to - b.p.keys_from, b.size);
    out->accumulates = b.p.keys_from > b.p.keys_begin;
    for (int64_t group = 0; group < b.p.groups; group++)
        load_group(&b, group);
    /* One group's scores are multiplied while the vector units are at the one before, and that one's predecessor's sums follow.
     */
    for (int64_t step = 0; step < b.p.groups + 2; step++) {
        if (step < b.p.groups)
            score(&b, step);
        if (step >= 1 && step <= b.p.groups)
            normalise(&b, step - 1);
        if (step >= 2)
            attend(&b, step - 2);
    }
    for (int64_t group = 0; b.p.keys_to == b.p.keys_end && group < b.p.groups; group++)
        store(&b, group);
}
