/* Whole systems: every number of the published simulator's runs, in both line orders, by both engines; what must be conserved;
 * and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "command_log.h"
#include "hardware/case.h"
#include "hardware/npu_core.h"

/* Small enough for every clock to be walked in a test. */
static const char *const small[] = {"a_t512_b1_s1",     "a_t512_b1_s64",    "a_t512_b4_s512", "a_t512_b4_samech",
                                    "a_t512_b8_sub",    "n_t512_b4_samech", "p_t512_b1_s64",  "p_t512_b4_s512",
                                    "p_t512_b4_samech", "a_odd_b5",         "p_odd_b5"};
static const char *const large[] = {"a_t1024_b16",     "a_t1024_b16_sub", "a_t1024_b130", "n_t1024_b16", "a_t2048_b32",
                                    "a_t2048_b32_sub", "a_g7_b8",         "a_g7_b64",     "n_g7_b64"};

static void golden_path(const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/tests/golden/neupims/sys_%s.json", WEFT_SOURCE_DIR, name);
}

static weft_case read_golden(const char *name, weft_json **json)
{
    char path[512];
    weft_case c;
    golden_path(name, path, sizeof path);
    if (weft_case_read(path, &c) != WEFT_OK || (json && weft_json_read(path, json) != WEFT_OK))
        fail_msg("%s", weft_error());
    return c;
}

static weft_hardware_result *run_case(const weft_case *c, weft_hardware_options options)
{
    weft_hardware hardware = weft_hardware_default();
    weft_hardware_result *result;
    options.system = c->system;
    options.sub_batch = c->sub_batch;
    if (weft_hardware_run(&hardware, &c->shape, c->requests, c->count, &options, &result) != WEFT_OK)
        fail_msg("%s: %s", c->name, weft_error());
    return result;
}

/* Every value of `expected` stands in `answer`: whole numbers exactly, bandwidth to 1e-4 %, energy to a millionth. */
static void same_values(const char *where, weft_json_value answer, weft_json_value expected, const char *key)
{
    weft_json_kind kind = weft_json_kind_of(expected);
    if (kind == WEFT_JSON_OBJECT) {
        weft_json_value value;
        const char *name;
        for (int64_t i = 0; (name = weft_json_key(expected, i, &value)); i++) {
            if (weft_json_present(value) && !weft_json_present(weft_json_get(answer, name)))
                fail_msg("%s: no %s", where, name);
            same_values(where, weft_json_get(answer, name), value, name);
        }
    } else if (kind == WEFT_JSON_LIST) {
        assert_int_equal(weft_json_size(answer), weft_json_size(expected));
        for (int64_t i = 0; i < weft_json_size(expected); i++)
            same_values(where, weft_json_item(answer, i), weft_json_item(expected, i), key);
    } else if (kind == WEFT_JSON_STRING) {
        assert_string_equal(weft_json_string(answer, ""), weft_json_string(expected, ""));
    } else if (kind == WEFT_JSON_INTEGER || kind == WEFT_JSON_NUMBER) {
        double a = weft_json_number(answer, -1), b = weft_json_number(expected, -2);
        double room = strcmp(key, "mem_bw_util_pct") == 0 ? 1e-4 : strstr(key, "energy") ? 1e-6 * fabs(b) : 0;
        if (fabs(a - b) > room)
            fail_msg("%s: %s is %.10g, expected %.10g", where, key, a, b);
    }
}

static void compare(const char *name, weft_hardware_mode mode)
{
    static const char *const orders[] = {[WEFT_LINES_SORTED] = "sorted", [WEFT_LINES_HASH] = "hash"};
    static const char *const parts[] = {"total_cycles", "stages", "ops", "dram_totals"};
    weft_json *golden, *answer;
    weft_case c = read_golden(name, &golden);
    for (int order = 0; order < 2; order++) {
        weft_json_value expected = weft_json_get(weft_json_root(golden), orders[order]);
        if (!weft_json_present(expected))
            continue;
        weft_hardware_result *r = run_case(&c, (weft_hardware_options){.mode = mode, .order = (weft_line_order)order});
        weft_text text = {0};
        weft_json_writer writer = weft_json_to(&text, 0);
        weft_json_open_object(&writer);
        weft_case_answer(r, &writer);
        weft_json_close_object(&writer);
        assert_int_equal(weft_json_parse(text.data, text.length, "answer", &answer), WEFT_OK);
        char where[96];
        snprintf(where, sizeof where, "%s, %s", name, orders[order]);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            same_values(where, weft_json_get(weft_json_root(answer), parts[i]), weft_json_get(expected, parts[i]), parts[i]);
        weft_json_free(answer);
        weft_text_free(&text);
        weft_hardware_result_free(r);
    }
    weft_json_free(golden);
    weft_case_free(&c);
}

static void exact_engine(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
        compare(small[i], WEFT_HARDWARE_EXACT);
}

static void event_engine(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
        compare(small[i], WEFT_HARDWARE_EVENT);
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        compare(large[i], WEFT_HARDWARE_EVENT);
}

static void all_cycles_have_a_cause(const weft_hardware_op *op)
{
    int64_t sum = 0;
    for (int k = 0; k < WEFT_BOUNDS; k++) {
        assert_true(op->bound[k] >= 0);
        sum += op->bound[k];
    }
    assert_int_equal(sum, op->finish - op->start);
}

/* Requests sent are answered once each; commands do what was asked; refreshes keep time; and no command breaks a rule. */
static void conserved(const char *name, unsigned fixed)
{
    weft_case c = read_golden(name, NULL);
    command_log *log = command_log_new(c.system == WEFT_SYSTEM_NEUPIMS);
    weft_hardware_options o = {.fixed = fixed, .sink = command_log_take, .sink_user = log, .sink_dram = true};
    weft_hardware_result *r = run_case(&c, o);
    if (log->violations)
        fail_msg("%s: %lld violations; %s", name, (long long)log->violations, log->first);
    const weft_dram_totals *d = &r->dram;
    assert_int_equal(d->num_reads_done, r->stats.load_lines);
    assert_int_equal(d->num_writes_done, r->stats.store_lines);
    assert_true(d->num_read_cmds <= d->num_reads_done && d->num_write_cmds <= d->num_writes_done);
    assert_int_equal(d->num_readres_done, d->num_readres_cmds);
    assert_int_equal(log->counts[WEFT_DRAM_READ], d->num_read_cmds);
    assert_int_equal(log->counts[WEFT_DRAM_ACTIVATE], d->num_act_cmds);
    assert_int_equal(log->counts[WEFT_DRAM_G_ACTIVATE], d->num_gact_cmds);
    int64_t expected = r->stats.dram_cycles / 3900 * 2 * 32;
    assert_true(d->num_ref_cmds >= expected - 64 && d->num_ref_cmds <= expected + 64);
    int64_t busy[2] = {0, 0}, loads = 0, stores = 0;
    for (int i = 0; i < r->op_count; i++) {
        busy[r->ops[i].pim] += r->ops[i].finish - r->ops[i].start;
        all_cycles_have_a_cause(&r->ops[i]);
        loads += r->ops[i].read_lines;
        stores += r->ops[i].write_lines;
        assert_true(r->ops[i].finish <= r->total_cycles);
    }
    assert_true(busy[0] <= r->total_cycles && busy[1] <= r->total_cycles);
    assert_int_equal(loads, r->stats.load_lines);
    assert_int_equal(stores, r->stats.store_lines);
    assert_int_equal(d->rank_active_cycles + d->rank_idle_cycles, 2 * d->num_cycles);
    weft_hardware_result_free(r);
    weft_case_free(&c);
    free(log);
}

static void nothing_is_lost(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        conserved(small[i], WEFT_QUIRKS_COMPAT);
        conserved(small[i], WEFT_QUIRKS_FIXED);
    }
}

/* Cycles of all operators by cause, of a golden case on a machine. */
static void causes_of(const char *name, const weft_hardware *machine, weft_hardware_mode mode, bool pim, int64_t out[WEFT_BOUNDS])
{
    weft_case c = read_golden(name, NULL);
    weft_hardware_result *r;
    weft_hardware_options o = {.mode = mode, .system = c.system, .sub_batch = c.sub_batch};
    memset(out, 0, WEFT_BOUNDS * sizeof *out);
    if (weft_hardware_run(machine, &c.shape, c.requests, c.count, &o, &r) != WEFT_OK)
        fail_msg("%s", weft_error());
    for (int i = 0; i < r->op_count; i++) {
        all_cycles_have_a_cause(&r->ops[i]);
        for (int k = 0; k < WEFT_BOUNDS && r->ops[i].pim == pim; k++)
            out[k] += r->ops[i].bound[k];
    }
    weft_hardware_result_free(r);
    weft_case_free(&c);
}

static int64_t sum_of(const int64_t cycles[WEFT_BOUNDS])
{
    int64_t sum = 0;
    for (int k = 0; k < WEFT_BOUNDS; k++)
        sum += cycles[k];
    return sum;
}

/* Attention in memory waits for rows; one long vector through the arrays for the arrays; and what is made slower is waited for
 * more, by every engine. */
static void causes_are_the_machines(void **state)
{
    (void)state;
    const weft_hardware_mode modes[] = {WEFT_HARDWARE_EVENT, WEFT_HARDWARE_ANALYTIC};
    for (int m = 0; m < 2; m++) {
        int64_t before[WEFT_BOUNDS], after[WEFT_BOUNDS];
        weft_hardware machine = weft_hardware_default();
        causes_of("a_t512_b4_samech", &machine, modes[m], true, before);
        assert_true(before[WEFT_BOUND_ACTIVATE] + before[WEFT_BOUND_PRECHARGE] + before[WEFT_BOUND_PIM] +
                        before[WEFT_BOUND_REFRESH] >
                    0.9 * (double)sum_of(before));
        machine.memory.timing.tRFC = 700;
        causes_of("a_t512_b4_samech", &machine, modes[m], true, after);
        assert_true(after[WEFT_BOUND_REFRESH] > 1.5 * (double)before[WEFT_BOUND_REFRESH]);
        machine = weft_hardware_default();
        machine.memory.timing.tFAW = 60;
        causes_of("a_t512_b4_samech", &machine, modes[m], true, after);
        assert_true(after[WEFT_BOUND_ACTIVATE] > 1.5 * (double)before[WEFT_BOUND_ACTIVATE]);
        machine = weft_hardware_default();
        causes_of("p_t512_b4_samech", &machine, modes[m], false, before);
        assert_true(before[WEFT_BOUND_COMPUTE] > 0.7 * (double)sum_of(before));
        /* Large products of few rows wait for the bus; at half its rate, still more. */
        causes_of("a_g7_b8", &machine, modes[m], false, before);
        assert_true(before[WEFT_BOUND_BANDWIDTH] > 0.6 * (double)sum_of(before));
        machine.memory.timing.burst = 4;
        causes_of("a_g7_b8", &machine, modes[m], false, after);
        assert_true(after[WEFT_BOUND_BANDWIDTH] > 1.5 * (double)before[WEFT_BOUND_BANDWIDTH]);
    }
}

/* Hand formulas of single operations (cycles). */
static void operations_take_their_time(void **state)
{
    (void)state;
    weft_hardware_npu npu = weft_hardware_default().npu;
    assert_int_equal(weft_block_cycles(&npu, 16), 270);
    assert_int_equal(weft_vector_cycles(&npu, WEFT_SOFTMAX, 4096), 162);
    assert_int_equal(weft_vector_cycles(&npu, WEFT_LAYERNORM, 4096), 229);
    assert_int_equal(weft_vector_cycles(&npu, WEFT_LAYERNORM, 0), 5);
    assert_int_equal(weft_vector_cycles(&npu, WEFT_ADD, 0), 0);
    assert_int_equal(weft_vector_cycles(&npu, WEFT_GELU, 129), 2);
}

/* Each quirk alone changes no more than it says, and the run still ends; all of them change the time. */
static void quirks_are_switches(void **state)
{
    (void)state;
    weft_case c = read_golden("a_odd_b5", NULL);
    weft_hardware_result *compat = run_case(&c, (weft_hardware_options){0});
    weft_hardware_result *fixed = run_case(&c, (weft_hardware_options){.fixed = WEFT_QUIRKS_FIXED});
    assert_true(fixed->total_cycles != compat->total_cycles);
    assert_true(fixed->stats.store_lines > compat->stats.store_lines); /* the whole output is stored */
    assert_int_equal(fixed->stats.macs, compat->stats.macs);
    unsigned seen = 0;
    const weft_hardware_quirk_row *row;
    for (int i = 0; (row = weft_hardware_quirk_at(i)); i++) {
        assert_true(row->bit && !(row->bit & seen) && row->name[0] && row->compat[0] && row->fixed[0]);
        seen |= row->bit;
        weft_hardware_result *one = run_case(&c, (weft_hardware_options){.fixed = row->bit});
        assert_true(one->total_cycles > 0);
        weft_hardware_result_free(one);
    }
    weft_hardware_result_free(fixed);
    weft_hardware_result_free(compat);
    weft_case_free(&c);
}

static void refused(const char *text, bool sub_batch, const char *words)
{
    weft_case c;
    weft_hardware_result *result = NULL;
    weft_hardware hardware = weft_hardware_default();
    weft_status status = weft_case_parse(text, strlen(text), "case.json", &c);
    if (status == WEFT_OK) {
        weft_hardware_options o = {.system = c.system, .sub_batch = sub_batch || c.sub_batch};
        status = weft_hardware_run(&hardware, &c.shape, c.requests, c.count, &o, &result);
        weft_case_free(&c);
    }
    assert_null(result);
    if (status == WEFT_OK || !strstr(weft_error(), words))
        fail_msg("\"%s\" does not say \"%s\"", weft_error(), words);
}

#define CASE(system, model, requests) "{\"system\": \"" system "\", \"model\": " model ", \"requests_seq_ch\": " requests "}"
#define SMALL                         "{\"n_embd\": 512, \"n_head\": 4, \"n_tp\": 1}"

static void bad_work_is_refused(void **state)
{
    (void)state;
    refused("[1]", false, "case.json: not a JSON object");
    refused("{\"system\": ", false, "case.json");
    refused("{}", false, "no \"system\"");
    refused(CASE("warp", SMALL, "[[1, 0]]"), false, "system is \"warp\"");
    refused(CASE("neupims", "{\"n_embd\": 510, \"n_head\": 4}", "[[1, 0]]"), false, "n_embd 510 is not divisible by n_head 4");
    refused(CASE("neupims", "{\"n_embd\": 512, \"n_head\": 4, \"n_tp\": 3}", "[[1, 0]]"), false,
            "n_head 4 is not divisible by n_tp 3");
    refused(CASE("neupims", "{\"n_embd\": 1024, \"n_head\": 1}", "[[1, 0]]"), false, "head");
    refused(CASE("neupims", "{\"n_head\": 4}", "[[1, 0]]"), false, "n_embd");
    refused(CASE("neupims", SMALL, "[]"), false, "no request");
    refused(CASE("neupims", SMALL, "[[0, 0]]"), false, "length is 0");
    refused(CASE("neupims", SMALL, "[[-7, 0]]"), false, "length is -7");
    refused(CASE("neupims", SMALL, "[[1.5, 0]]"), false, "1.5");
    refused(CASE("neupims", SMALL, "[[\"x\", 0]]"), false, "not a number");
    refused(CASE("neupims", SMALL, "[[5, 32]]"), false, "channel is 32");
    refused(CASE("neupims", SMALL, "[[5, -1]]"), false, "no request");
    refused(CASE("neupims", SMALL, "[[5]]"), false, "pair");
    refused(CASE("neupims", SMALL, "[[5, 1]]"), true, "half is empty");
    refused(CASE("npu_only", "{\"n_embd\": 512, \"n_head\": 4, \"n_tp\": 2}", "[[5, 1]]"), false, "tensor parallelism");
    refused(CASE("neupims", SMALL, "[[2000000, 1]]"), false, "rows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_engine),
        cmocka_unit_test(event_engine),
        cmocka_unit_test(causes_are_the_machines),
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(operations_take_their_time),
        cmocka_unit_test(quirks_are_switches),
        cmocka_unit_test(bad_work_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
