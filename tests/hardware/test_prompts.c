/* Chunks of prompts in the engines: products by a hand count, every line accounted for, no timing rule broken, and the event
 * engine equal to the one that walks every clock; appended keys and values stand where attention in memory reads them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "command_log.h"

static uint64_t state_of_draws;

static int64_t draw(int64_t below)
{
    state_of_draws = state_of_draws * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((state_of_draws >> 33) % (uint64_t)below);
}

typedef struct work {
    weft_hardware hardware;
    weft_hardware_shape shape;
    weft_hardware_request requests[8];
    int64_t count;
    weft_hardware_options options;
} work;

static weft_hardware_result *run(const work *w)
{
    weft_hardware_result *r;
    if (weft_hardware_run(&w->hardware, &w->shape, w->requests, w->count, &w->options, &r) != WEFT_OK)
        fail_msg("%s", weft_error());
    return r;
}

/* Small work of every kind: grouped keys, windows, quantised caches, all systems, orders and behaviours, tight scratchpads. */
static work any_work(void)
{
    static const unsigned behaviours[] = {WEFT_QUIRKS_COMPAT, WEFT_QUIRKS_FIXED, WEFT_QUIRK_KV_APPEND,
                                          WEFT_QUIRK_ACCUMULATOR_RACE};
    work w = {.hardware = weft_hardware_default(), .count = 2 + draw(4)};
    int64_t heads = 1 + draw(4), size = 32 << draw(3), group = heads % 2 ? 1 : 2;
    w.shape = (weft_hardware_shape){.embed = heads * size,
                                    .heads = heads,
                                    .kv_heads = heads / group,
                                    .inner = 128,
                                    .kv_bits = 16 >> draw(2),
                                    .window = draw(3) ? 0 : 20 + draw(200)};
    for (int64_t i = 0; i < w.count; i++) {
        int64_t tokens = draw(3) ? 1 + draw(200) : 1;
        w.requests[i] = (weft_hardware_request){.length = tokens + draw(300), .channel = (int)draw(32), .tokens = tokens};
    }
    w.options = (weft_hardware_options){
        .system = (weft_hardware_system)draw(3), .order = (weft_line_order)draw(2), .fixed = behaviours[draw(4)]};
    w.options.sub_batch = w.options.system == WEFT_SYSTEM_NEUPIMS && draw(2);
    w.options.exact_halves = draw(2);
    if (!draw(3))
        w.hardware.npu.scratchpad_kb = 700;
    return w;
}

/* Tokens and keys counted one by one. */
static int64_t attention_macs(const work *w, bool chunks)
{
    int64_t pairs = 0;
    for (int64_t i = 0; i < w->count; i++) {
        const weft_hardware_request *q = &w->requests[i];
        for (int64_t j = 0; j < q->tokens; j++) {
            int64_t seen = q->length - q->tokens + j + 1, window = w->shape.window;
            if ((q->tokens > 1) == chunks)
                pairs += window && seen > window ? window : seen;
        }
    }
    return 2 * pairs * w->shape.embed;
}

static int64_t tokens_of(const work *w)
{
    int64_t tokens = 0;
    for (int64_t i = 0; i < w->count; i++)
        tokens += w->requests[i].tokens;
    return tokens;
}

static void every_product_and_line_is_accounted_for(void **state)
{
    (void)state;
    state_of_draws = 1;
    for (int round = 0; round < 60; round++) {
        work w = any_work();
        command_log *log = command_log_new(w.options.system == WEFT_SYSTEM_NEUPIMS);
        if (w.options.system != WEFT_SYSTEM_NPU) {
            w.options.sink = command_log_take;
            w.options.sink_user = log;
            w.options.sink_dram = true;
        }
        weft_hardware_result *r = run(&w);
        if (log->violations)
            fail_msg("round %d: %lld violations; %s", round, (long long)log->violations, log->first);
        int64_t layers = w.options.sub_batch ? 2 : 1, kv = w.shape.kv_heads * (w.shape.embed / w.shape.heads);
        int64_t products = tokens_of(&w) * (w.shape.embed * (w.shape.embed + 2 * kv) + w.shape.embed * w.shape.embed +
                                            2 * w.shape.embed * w.shape.inner);
        bool in_memory = w.options.system != WEFT_SYSTEM_NPU;
        int64_t macs = products + attention_macs(&w, true) + (in_memory ? 0 : attention_macs(&w, false));
        assert_int_equal(r->stats.macs, layers * macs);
        assert_int_equal(r->stats.pim_macs, in_memory ? layers * attention_macs(&w, false) : 0);
        int64_t loads = 0, stores = 0;
        for (int i = 0; i < r->op_count; i++) {
            loads += r->ops[i].read_lines;
            stores += r->ops[i].write_lines;
            assert_true(r->ops[i].start <= r->ops[i].finish && r->ops[i].finish <= r->total_cycles);
        }
        assert_int_equal(loads, r->stats.load_lines);
        assert_int_equal(stores, r->stats.store_lines);
        assert_int_equal(r->dram.num_reads_done, r->stats.load_lines);
        assert_int_equal(r->dram.num_writes_done, r->stats.store_lines);
        assert_int_equal(r->dram.num_readres_done, r->dram.num_readres_cmds);
        weft_hardware_result_free(r);
        free(log);
    }
}

static void jumping_changes_nothing(void **state)
{
    (void)state;
    state_of_draws = 2;
    for (int round = 0; round < 40; round++) {
        work w = any_work();
        weft_hardware_result *jumped = run(&w);
        w.options.mode = WEFT_HARDWARE_EXACT;
        weft_hardware_result *walked = run(&w);
        assert_int_equal(jumped->total_cycles, walked->total_cycles);
        assert_int_equal(jumped->op_count, walked->op_count);
        assert_memory_equal(jumped->ops, walked->ops, (size_t)walked->op_count * sizeof *walked->ops);
        assert_memory_equal(&jumped->dram, &walked->dram, sizeof walked->dram);
        assert_memory_equal(&jumped->stats, &walked->stats, sizeof walked->stats);
        weft_hardware_result_free(walked);
        weft_hardware_result_free(jumped);
    }
}

static const weft_hardware_op *find_op(const weft_hardware_result *r, const char *name)
{
    for (int i = 0; i < r->op_count; i++)
        if (strcmp(r->ops[i].name, name) == 0)
            return &r->ops[i];
    fail_msg("no operator %s", name);
    return NULL;
}

static work one_prompt(int64_t length, int64_t tokens)
{
    work w = {.hardware = weft_hardware_default(), .count = 1};
    w.shape = (weft_hardware_shape){.embed = 512, .heads = 4};
    w.requests[0] = (weft_hardware_request){.length = length, .channel = 7, .tokens = tokens};
    w.options.fixed = WEFT_QUIRKS_FIXED;
    return w;
}

/* Lines of a chunk's attention in ascending order, each load beginning on a line: queries, keys and values of every head, and
 * outputs (sizes in lines of 64 bytes). */
static void a_chunk_moves_what_it_needs(void **state)
{
    (void)state;
    work w = one_prompt(640, 256);
    weft_hardware_result *r = run(&w);
    const weft_hardware_op *op = find_op(r, "attn.prompt");
    int64_t line = 32, dk = 128, heads = 4;
    assert_int_equal(op->read_lines, heads * (256 * dk + 2 * 640 * dk) / line);
    assert_int_equal(op->write_lines, heads * 256 * dk / line);
    assert_int_equal(op->macs, 2 * heads * dk * (256 * 384 + 256 * 257 / 2));
    /* Its products keep the arrays busy for at least the blocks that are not above the diagonal. */
    assert_true(op->finish - op->start > heads * 2 * (3 + 1) * 16);
    weft_hardware_result_free(r);
    /* A tight scratchpad computes the same in more tiles, and loads keys again for each range of rows. */
    w.hardware.npu.scratchpad_kb = 700;
    r = run(&w);
    const weft_hardware_op *tight = find_op(r, "attn.prompt");
    assert_int_equal(tight->macs, 2 * heads * dk * (256 * 384 + 256 * 257 / 2));
    assert_true(tight->read_lines > heads * (256 * dk + 2 * 640 * dk) / line);
    assert_int_equal(tight->write_lines, heads * 256 * dk / line);
    weft_hardware_result_free(r);
}

/* Chunk by chunk a prompt's attention is the whole prompt's. */
static void chunks_add_up(void **state)
{
    (void)state;
    work whole = one_prompt(600, 600);
    weft_hardware_result *r = run(&whole);
    int64_t macs = r->stats.macs, sum = 0;
    weft_hardware_result_free(r);
    for (int64_t done = 200; done <= 600; done += 200) {
        work chunk = one_prompt(done, 200);
        r = run(&chunk);
        sum += r->stats.macs;
        weft_hardware_result_free(r);
    }
    assert_int_equal(sum, macs);
}

/* Rows and banks of one channel that are written, and rows that are opened for computing. */
typedef struct places {
    uint8_t written[4096][32], computed[4096];
} places;

static void take_place(void *user, const weft_hardware_event *e)
{
    places *p = user;
    if (e->unit != WEFT_UNIT_DRAM || e->index != 7 || e->row < 513 || e->row >= 4096)
        return;
    int bank = (e->rank * 4 + e->bankgroup) * 4 + e->bank;
    if (e->command == WEFT_DRAM_WRITE)
        p->written[e->row][bank]++;
    if (e->command == WEFT_DRAM_G_ACTIVATE)
        p->computed[e->row] = 1;
}

/* A decoding token's key is 16 lines of one bank in each row of 512 dimensions; its value one line in each of its dimensions'
 * banks; all of them in rows that attention opens. */
static void new_keys_stand_where_attention_reads(void **state)
{
    (void)state;
    places *p = calloc(1, sizeof *p);
    work w = one_prompt(70, 1);
    w.options.sink = take_place;
    w.options.sink_user = p;
    w.options.sink_dram = true;
    weft_hardware_result *r = run(&w);
    int64_t keys = 0, values = 0;
    for (int row = 513; row < 4096; row++)
        for (int bank = 0; bank < 32; bank++) {
            int n = p->written[row][bank];
            assert_true(n == 0 || n == 1 || n == 16);
            assert_true(!n || p->computed[row]);
            keys += n == 16 ? n : 0;
            values += n == 1;
            if (n == 16)
                assert_int_equal(bank, 69 % 32);
        }
    assert_int_equal(keys, 16);
    assert_int_equal(values, 512);
    assert_int_equal(find_op(r, "attn.append")->write_lines, 16 + 512);
    weft_hardware_result_free(r);
    w.options.fixed &= ~(unsigned)WEFT_QUIRK_KV_APPEND;
    memset(p, 0, sizeof *p);
    r = run(&w);
    for (int row = 513; row < 4096; row++)
        for (int bank = 0; bank < 32; bank++)
            assert_int_equal(p->written[row][bank], 0);
    weft_hardware_result_free(r);
    free(p);
}

static void refused(work w, const char *words)
{
    weft_hardware_result *r = NULL;
    assert_int_not_equal(weft_hardware_run(&w.hardware, &w.shape, w.requests, w.count, &w.options, &r), WEFT_OK);
    assert_null(r);
    if (!strstr(weft_error(), words))
        fail_msg("\"%s\" does not say \"%s\"", weft_error(), words);
}

static void impossible_chunks_are_refused(void **state)
{
    (void)state;
    refused(one_prompt(100, 101), "computes 101 tokens of 100");
    refused(one_prompt(100, -2), "computes -2 tokens");
    refused(one_prompt(1 << 25, 1 << 25), "of one iteration");
    work w = one_prompt(4096, 512);
    w.hardware.npu.scratchpad_kb = 8;
    refused(w, "scratchpad");
}

/* Two devices of half the heads each: the exact partition evens out what counting leaves uneven. */
static void exact_halves_even_out_latencies(void **state)
{
    (void)state;
    work w = {.hardware = weft_hardware_default(), .count = 4};
    w.shape = (weft_hardware_shape){.embed = 512, .heads = 4};
    const int64_t lengths[] = {2000, 1000, 500, 500};
    for (int i = 0; i < 4; i++)
        w.requests[i] = (weft_hardware_request){.length = lengths[i], .channel = 0, .tokens = 1};
    w.options.sub_batch = true;
    weft_hardware_result *counted = run(&w);
    w.options.exact_halves = true;
    weft_hardware_result *exact = run(&w);
    assert_int_equal(counted->stats.pim_macs, exact->stats.pim_macs);
    int64_t most[2] = {0, 0};
    for (int i = 0; i < exact->stage_count; i++) {
        most[0] = counted->stages[i].pim_cycles > most[0] ? counted->stages[i].pim_cycles : most[0];
        most[1] = exact->stages[i].pim_cycles > most[1] ? exact->stages[i].pim_cycles : most[1];
    }
    assert_true(most[1] < most[0]);
    weft_hardware_result_free(exact);
    weft_hardware_result_free(counted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_product_and_line_is_accounted_for),
        cmocka_unit_test(jumping_changes_nothing),
        cmocka_unit_test(a_chunk_moves_what_it_needs),
        cmocka_unit_test(chunks_add_up),
        cmocka_unit_test(new_keys_stand_where_attention_reads),
        cmocka_unit_test(impossible_chunks_are_refused),
        cmocka_unit_test(exact_halves_even_out_latencies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
