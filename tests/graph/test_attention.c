/* Attention over several blocks of keys, in f32 and with bf16 products: against the form from simpler ops, cached against whole,
 * states in BF16; and what states refuse. */
#include "graph/graph_case.h"

enum { TOKENS = 600, HEADS = 4, KV = 2, HEAD = 24, CHUNK = 300 };

static bool bf16_products; /* of the graphs that are built */

static double draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 40) / 8388608.0 - 1;
}

static float *numbers(int64_t count, uint64_t seed)
{
    float *x = malloc((size_t)count * sizeof *x);
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)(2 * draw(&seed));
    return x;
}

/* Queries, keys and values of TOKENS tokens of two items. */
static struct sequence {
    float *q, *k, *v, *dy;
    weft_dims qd, kd;
} all;

static int make_sequence(void **state)
{
    if (open_engine(state) != 0)
        return -1;
    all = (struct sequence){numbers(2 * TOKENS * HEADS * HEAD, 1), numbers(2 * TOKENS * KV * HEAD, 2),
                            numbers(2 * TOKENS * KV * HEAD, 3),    numbers(2 * TOKENS * HEADS * HEAD, 4),
                            DIMS(2, TOKENS, HEADS, HEAD),          DIMS(2, TOKENS, KV, HEAD)};
    return 0;
}

static int free_sequence(void **state)
{
    free(all.q);
    free(all.k);
    free(all.v);
    free(all.dy);
    return close_engine(state);
}

/* The value and, with `n` 4, its three gradients, in dtype. */
static running attend(weft_dtype dtype, weft_attention_options o, weft_value out[4], int n)
{
    weft_graph *g = weft_graph_new(dtype);
    weft_graph_bf16(g, bf16_products && dtype == WEFT_F32);
    weft_value q = weft_input(g, "q", dtype, all.qd), k = weft_input(g, "k", dtype, all.kd),
               v = weft_input(g, "v", dtype, all.kd);
    out[0] = weft_attention(g, q, k, v, o);
    if (n > 1)
        fine(weft_gradient(g, out[0], weft_input(g, "dy", dtype, all.qd), (weft_value[]){q, k, v}, 3, out + 1));
    running r = run_of(g, out, n);
    fine(weft_bind(r.s, "q", floats(all.q, all.qd)));
    fine(weft_bind(r.s, "k", floats(all.k, all.kd)));
    fine(weft_bind(r.s, "v", floats(all.v, all.kd)));
    if (n > 1)
        fine(weft_bind(r.s, "dy", floats(all.dy, all.qd)));
    fine(run_dirty(&r));
    return r;
}

static void blocks_join_to_the_whole(void **state)
{
    (void)state;
    static const weft_attention_options some[] = {
        {.causal = true}, {.causal = false}, {.causal = true, .window = 300, .cap = 3}, {.window = 40, .scale = 0.4}};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        weft_attention_options lowered = some[i];
        lowered.name = "a";
        weft_value a[4], b[4];
        running fused = attend(WEFT_F32, some[i], a, 4), plain = attend(WEFT_F64, lowered, b, 4);
        for (int k = 0; k < 4; k++) {
            weft_tensor x = result(&fused, a[k]), y = result(&plain, b[k]);
            double largest = 0, off = 0;
            for (int64_t e = 0; e < weft_dims_count(y.dims); e++) {
                largest = fmax(largest, fabs(((double *)y.data)[e]));
                off = fmax(off, fabs((double)((float *)x.data)[e] - ((double *)y.data)[e]));
            }
            if (!(off <= (bf16_products ? 0.02 : 3e-6) * largest) || (bf16_products && off < 1e-5 * largest))
                fail_msg("case %d, output %d: off by %g of %g", (int)i, k, off, largest);
        }
        end(&fused, true);
        end(&plain, true);
    }
}

/* A plan of m tokens over a cache of TOKENS + 40. */
static running cached(int64_t m, weft_dtype stored, weft_value *y)
{
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_graph_bf16(g, bf16_products);
    const weft_dims rows = DIMS(2, m, KV, HEAD), cache = DIMS(2, TOKENS + 40, KV, HEAD);
    weft_value q = weft_input(g, "q", WEFT_F32, DIMS(2, m, HEADS, HEAD));
    weft_value k = weft_input(g, "k", WEFT_F32, rows), v = weft_input(g, "v", WEFT_F32, rows);
    weft_value start = weft_count_input(g, "start", TOKENS);
    weft_enter(g, "layer.0");
    k = weft_store(g, weft_state(g, "key", stored, cache), start, k);
    v = weft_store(g, weft_state(g, "value", stored, cache), start, v);
    weft_leave(g);
    *y = weft_attention(g, q, k, v, (weft_attention_options){.causal = true, .start = start});
    return run_of(g, y, 1);
}

/* Rows [at, at + m) of both items of x [2, TOKENS, width] as [2, m, width]. */
static float *part_of(const float *x, int64_t width, int64_t at, int64_t m)
{
    float *part = malloc((size_t)(2 * m * width) * sizeof *part);
    for (int64_t item = 0; item < 2; item++)
        memcpy(part + item * m * width, x + (item * TOKENS + at) * width, (size_t)(m * width) * sizeof *part);
    return part;
}

/* All tokens through the cache: chunks of CHUNK, then one by one from `single` on. */
static float *through_cache(weft_dtype stored, int64_t single)
{
    const size_t bytes = (size_t)(2 * (TOKENS + 40) * KV * HEAD) * weft_dtype_size(stored);
    const weft_dims cache = DIMS(2, TOKENS + 40, KV, HEAD);
    void *keys = malloc(bytes), *values = malloc(bytes);
    memset(keys, 255, bytes); /* NaN: nobody may read behind what was written */
    memset(values, 255, bytes);
    float *out = malloc((size_t)(2 * TOKENS * HEADS * HEAD) * sizeof *out);
    weft_value y[2];
    running runs[2] = {cached(CHUNK, stored, &y[0]), cached(1, stored, &y[1])};
    for (int i = 0; i < 2; i++) {
        fine(weft_bind(runs[i].s, "layer.0.key", (weft_tensor){keys, stored, cache}));
        fine(weft_bind(runs[i].s, "layer.0.value", (weft_tensor){values, stored, cache}));
    }
    for (int64_t at = 0; at < TOKENS;) {
        const int one = at >= single;
        const int64_t m = one ? 1 : CHUNK;
        float *q = part_of(all.q, HEADS * HEAD, at, m), *k = part_of(all.k, KV * HEAD, at, m),
              *v = part_of(all.v, KV * HEAD, at, m);
        running *r = &runs[one];
        fine(weft_bind(r->s, "q", floats(q, DIMS(2, m, HEADS, HEAD))));
        fine(weft_bind(r->s, "k", floats(k, DIMS(2, m, KV, HEAD))));
        fine(weft_bind(r->s, "v", floats(v, DIMS(2, m, KV, HEAD))));
        fine(weft_set(r->s, "start", at));
        fine(run_dirty(r));
        const float *got = result(r, y[one]).data;
        for (int64_t item = 0; item < 2; item++)
            memcpy(out + (item * TOKENS + at) * HEADS * HEAD, got + item * m * HEADS * HEAD,
                   (size_t)(m * HEADS * HEAD) * sizeof *out);
        free(q);
        free(k);
        free(v);
        at += m;
    }
    end(&runs[0], true);
    end(&runs[1], true);
    free(keys);
    free(values);
    return out;
}

static void a_cache_changes_no_bit(void **state)
{
    (void)state;
    const size_t bytes = (size_t)(2 * TOKENS * HEADS * HEAD) * sizeof(float);
    weft_value y[4];
    running whole = attend(WEFT_F32, (weft_attention_options){.causal = true}, y, 1);
    const float *want = result(&whole, y[0]).data;
    float *chunks = through_cache(WEFT_F32, TOKENS), *singles = through_cache(WEFT_F32, CHUNK);
    assert_memory_equal(chunks, want, bytes);
    assert_memory_equal(singles, want, bytes);
    free(chunks);
    free(singles);
    end(&whole, true);
}

static void blocks_of_bf16_products_join(void **state)
{
    bf16_products = true;
    blocks_join_to_the_whole(state);
    bf16_products = false;
}

/* What bf16 products read of a cache may as well be stored so. */
static void nor_with_bf16_products(void **state)
{
    bf16_products = true;
    a_cache_changes_no_bit(state);
    float *wide = through_cache(WEFT_F32, CHUNK), *narrow = through_cache(WEFT_BF16, CHUNK);
    assert_memory_equal(narrow, wide, (size_t)(2 * TOKENS * HEADS * HEAD) * sizeof(float));
    free(wide);
    free(narrow);
    bf16_products = false;
}

static void a_cache_in_bf16_is_rounded_once(void **state)
{
    (void)state;
    const size_t bytes = (size_t)(2 * TOKENS * HEADS * HEAD) * sizeof(float);
    float *kept = through_cache(WEFT_BF16, CHUNK);
    struct sequence exact = all;
    const int64_t count = weft_dims_count(all.kd);
    all.k = malloc((size_t)count * sizeof *all.k);
    all.v = malloc((size_t)count * sizeof *all.v);
    for (int i = 0; i < 2; i++) {
        const float *from = i ? exact.v : exact.k;
        for (int64_t e = 0; e < count; e++) { /* the nearest bf16, ties to even */
            uint32_t word;
            memcpy(&word, &from[e], 4);
            word = (word + 0x7fff + (word >> 16 & 1)) & 0xffff0000;
            memcpy(i ? &all.v[e] : &all.k[e], &word, 4);
        }
    }
    weft_value y[4];
    running whole = attend(WEFT_F32, (weft_attention_options){.causal = true}, y, 1);
    assert_memory_equal(kept, result(&whole, y[0]).data, bytes);
    end(&whole, true);
    free(kept);
    free(all.k);
    free(all.v);
    all = exact;
}

static void refused(weft_graph *g, weft_value v, const char *text)
{
    weft_plan *plan = NULL;
    assert_int_not_equal(weft_compile(engine, g, NULL, 0, &v, 1, &plan), WEFT_OK);
    if (!strstr(weft_error(), text))
        fail_msg("\"%s\" does not say \"%s\"", weft_error(), text);
    weft_graph_free(g);
}

static void states_refuse_what_would_depend_on_order(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value cache = weft_state(g, "cache", WEFT_F32, DIMS(1, 8, 2)), at = weft_count_input(g, "at", 8);
    weft_value rows = weft_input(g, "rows", WEFT_F32, DIMS(1, 3, 2)), new = weft_store(g, cache, at, rows);
    refused(g, weft_add(g, new, cache), "state \"cache\" is read beside weft_store");

    g = weft_graph_new(WEFT_F32);
    cache = weft_state(g, "cache", WEFT_F32, DIMS(1, 8, 2)), at = weft_count_input(g, "at", 9);
    refused(g, weft_store(g, cache, at, weft_input(g, "rows", WEFT_F32, DIMS(1, 3, 2))), "\"at\" may lie behind place 8");

    g = weft_graph_new(WEFT_F32);
    cache = weft_state(g, "cache", WEFT_BF16, DIMS(1, 8, 2));
    refused(g, weft_neg(g, cache), "is a state in BF16");

    g = weft_graph_new(WEFT_F32);
    weft_value q = weft_input(g, "q", WEFT_F32, DIMS(1, 3, 3, 8)), k = weft_input(g, "k", WEFT_F32, DIMS(1, 3, 2, 8));
    refused(g, weft_attention(g, q, k, k, (weft_attention_options){0}), "do not fit");
}

/* Rows behind the capacity are left out, each item has its own place, and a state must come in its own type. */
static void rows_go_where_they_belong(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value cache = weft_state(g, "cache", WEFT_F16, DIMS(2, 4, 1)), at = weft_index(g, "at", DIMS(2), 5);
    weft_value new = weft_store(g, cache, at, weft_input(g, "rows", WEFT_F32, DIMS(2, 2, 1)));
    running r = run_of(g, &new, 1);
    uint16_t memory[9] = {0, 0, 0, 0, 0, 0, 0, 0, 7};
    float rows[4] = {1, 2, 4, 8};
    fine(weft_bind(r.s, "rows", floats(rows, DIMS(2, 2, 1))));
    fine(weft_bind(r.s, "at", integers((int64_t[]){1, 3}, DIMS(2))));
    assert_int_not_equal(weft_bind(r.s, "cache", (weft_tensor){memory, WEFT_BF16, DIMS(2, 4, 1)}), WEFT_OK);
    fine(weft_bind(r.s, "cache", (weft_tensor){memory, WEFT_F16, DIMS(2, 4, 1)}));
    fine(weft_run(r.s));
    const uint16_t want[9] = {0, 0x3c00, 0x4000, 0, 0, 0, 0, 0x4400, 7};
    assert_memory_equal(memory, want, sizeof want);
    assert_int_not_equal(weft_bind(r.s, "at", integers((int64_t[]){1, 5}, DIMS(2))), WEFT_OK);
    end(&r, true);
}

static void a_query_that_sees_nothing_gives_zeros(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value q = weft_input(g, "q", WEFT_F32, DIMS(1, 2, 1, 2)), mask = weft_input(g, "mask", WEFT_F32, DIMS(1, 2));
    weft_value y = weft_attention(g, q, q, q, (weft_attention_options){.causal = true, .key_mask = mask});
    running r = run_of(g, &y, 1);
    float x[4] = {1, 2, 3, 4}, shown[2] = {0, 1};
    fine(weft_bind(r.s, "q", floats(x, DIMS(1, 2, 1, 2))));
    fine(weft_bind(r.s, "mask", floats(shown, DIMS(1, 2))));
    fine(run_dirty(&r));
    for (int i = 0; i < 4; i++)
        assert_true(result_at(&r, y, i) == (i < 2 ? 0 : x[i]));
    x[3] = NAN; /* and NaN is not nothing */
    fine(run_dirty(&r));
    assert_true(isnan(result_at(&r, y, 2)));
    end(&r, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_join_to_the_whole),        cmocka_unit_test(a_cache_changes_no_bit),
        cmocka_unit_test(blocks_of_bf16_products_join),    cmocka_unit_test(nor_with_bf16_products),
        cmocka_unit_test(a_cache_in_bf16_is_rounded_once), cmocka_unit_test(states_refuse_what_would_depend_on_order),
        cmocka_unit_test(rows_go_where_they_belong),       cmocka_unit_test(a_query_that_sees_nothing_gives_zeros),
    };
    return cmocka_run_group_tests(tests, make_sequence, free_sequence);
}
