/* The memory controllers: every accepted and done cycle of the published simulator's traces, for all three kinds, clock by clock
 * and jumping; and no command log breaks a timing rule. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "command_log.h"
#include "hardware/access_trace.h"
#include "io/csv.h"

static const struct {
    const char *name;
    weft_memory_kind kind;
} traces[] = {
    {"mem_seq_read_4096", WEFT_MEMORY_DUAL},         {"mem_seq_write_4096", WEFT_MEMORY_DUAL},
    {"mem_one_channel_read_1000", WEFT_MEMORY_DUAL}, {"mem_random_rw_ch0_2000", WEFT_MEMORY_DUAL},
    {"mem_random_rw_paced_2000", WEFT_MEMORY_DUAL},  {"mem_gemv_logit_1req", WEFT_MEMORY_DUAL},
    {"mem_gemv_attend_4heads", WEFT_MEMORY_DUAL},    {"mem_gemv_same_row", WEFT_MEMORY_DUAL},
    {"mem_mixed_pim_and_reads", WEFT_MEMORY_DUAL},   {"mem_mixed_pim_and_random_rw", WEFT_MEMORY_DUAL},
    {"mem_single_gemv_logit", WEFT_MEMORY_SINGLE},   {"mem_single_mixed", WEFT_MEMORY_SINGLE},
    {"mem_single_random_rw", WEFT_MEMORY_SINGLE},    {"mem_dram_random_rw", WEFT_MEMORY_PLAIN},
    {"mem_dram_seq_read", WEFT_MEMORY_PLAIN},
};
enum { TRACES = sizeof traces / sizeof traces[0] };

static void replay_golden(int index, bool jump)
{
    char path[512];
    weft_access_trace trace;
    weft_csv *csv;
    weft_dram_totals totals;
    snprintf(path, sizeof path, "%s/tests/golden/neupims/%s.csv", WEFT_SOURCE_DIR, traces[index].name);
    if (weft_access_trace_read(path, &trace) != WEFT_OK || weft_csv_read(path, NULL, &csv) != WEFT_OK)
        fail_msg("%s", weft_error());
    weft_hardware h = weft_hardware_default();
    h.memory.kind = traces[index].kind;
    command_log *log = command_log_new(h.memory.kind == WEFT_MEMORY_DUAL);
    if (weft_hardware_replay(&h.memory, 0, jump, trace.accesses, trace.count, command_log_take, log, &totals) != WEFT_OK)
        fail_msg("%s: %s", traces[index].name, weft_error());
    const double *accepted = weft_csv_column_at(csv, weft_csv_find(csv, "accepted")).values;
    const double *done = weft_csv_column_at(csv, weft_csv_find(csv, "done")).values;
    int64_t reads = 0, writes = 0;
    for (int64_t i = 0; i < trace.count; i++) {
        const weft_memory_access *a = &trace.accesses[i];
        if (a->accepted != (int64_t)accepted[i] || a->done != (int64_t)done[i])
            fail_msg("%s row %lld (type %d): accepted %lld, done %lld; expected %.0f, %.0f", traces[index].name, (long long)i,
                     a->type, (long long)a->accepted, (long long)a->done, accepted[i], done[i]);
        reads += a->type == 0;
        writes += a->type == 1;
    }
    if (log->violations)
        fail_msg("%s: %lld violations; %s", traces[index].name, (long long)log->violations, log->first);
    assert_int_equal(totals.num_reads_done, reads);
    assert_int_equal(totals.num_writes_done, writes);
    assert_int_equal(log->counts[WEFT_DRAM_READ], totals.num_read_cmds);
    assert_int_equal(log->counts[WEFT_DRAM_WRITE], totals.num_write_cmds);
    assert_true(totals.num_read_cmds <= reads && totals.num_write_cmds <= writes);
    free(log);
    weft_csv_free(csv);
    weft_access_trace_free(&trace);
}

static void clock_by_clock(void **state)
{
    (void)state;
    for (int i = 0; i < TRACES; i++)
        replay_golden(i, false);
}

static void jumping(void **state)
{
    (void)state;
    for (int i = 0; i < TRACES; i++)
        replay_golden(i, true);
}

/* Random mixtures, PIM commands on rows that reads want too: the same answers whether clocks are walked or jumped over. */
static void jumps_change_nothing(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static weft_memory_access walked[COUNT], jumped[COUNT];
    for (uint64_t seed = 0; seed < 12; seed++) {
        weft_random_key key = weft_random_stream(seed, "controllers");
        weft_hardware h = weft_hardware_default();
        h.memory.kind = (weft_memory_kind)(seed % 3);
        int64_t clock = 0;
        int count = 0;
        bool meet = seed / 3 & 1; /* reads want rows that compute: a read may then close one bank's PIM row of a group's four */
        while (count < COUNT) {
            uint64_t step = (uint64_t)count, more = weft_random_word(key, 1, step, 0);
            uint64_t draw = (uint64_t)weft_random_word(key, 0, step, 0) << 32 | weft_random_word(key, 0, step, 1);
            uint64_t row = draw >> 8 & 3, column = draw >> 16 & 15, bank = draw >> 24 & 31, channel = draw >> 32 & 1;
            uint64_t address = ((row + (meet && draw & 1 ? 600 : 0)) << 20) | bank << 15 | channel << 10 | column << 6;
            clock += (int64_t)(more % (seed < 6 ? 4 : 60));
            if (h.memory.kind != WEFT_MEMORY_PLAIN && more >> 8 & 1 && count + 8 < COUNT) {
                uint64_t pim = (600 + row) << 20 | channel << 10, results = 2;
                walked[count++] = (weft_memory_access){.not_before = clock, .type = 2, .address = channel << 10};
                walked[count++] = (weft_memory_access){.not_before = clock, .type = 5, .address = pim | 1 << 15 | 4 << 6};
                for (uint64_t k = 0; k < results; k++) {
                    uint64_t result = pim | (2 + 5 * row) << 15 | (k == results - 1) << 6;
                    bool single = h.memory.kind == WEFT_MEMORY_SINGLE;
                    if (single)
                        walked[count++] = (weft_memory_access){.not_before = clock, .type = 3, .address = result};
                    walked[count++] = (weft_memory_access){.not_before = clock, .type = single ? 4 : 6, .address = result};
                }
                continue;
            }
            walked[count++] = (weft_memory_access){.not_before = clock, .type = (int)(more >> 12 & 1), .address = address};
        }
        memcpy(jumped, walked, sizeof walked);
        weft_dram_totals a, b;
        command_log *log = command_log_new(h.memory.kind == WEFT_MEMORY_DUAL);
        if (weft_hardware_replay(&h.memory, 0, false, walked, COUNT, command_log_take, log, &a) != WEFT_OK ||
            weft_hardware_replay(&h.memory, 0, true, jumped, COUNT, NULL, NULL, &b) != WEFT_OK)
            fail_msg("seed %d: %s", (int)seed, weft_error());
        for (int i = 0; i < COUNT; i++)
            if (walked[i].accepted != jumped[i].accepted || walked[i].done != jumped[i].done)
                fail_msg("seed %d, access %d: %lld, %lld clock by clock, %lld, %lld jumping", (int)seed, i,
                         (long long)walked[i].accepted, (long long)walked[i].done, (long long)jumped[i].accepted,
                         (long long)jumped[i].done);
        assert_memory_equal(&a, &b, sizeof a);
        if (log->violations && !meet)
            fail_msg("seed %d: %lld violations; %s", (int)seed, (long long)log->violations, log->first);
        free(log);
    }
}

static void refreshes_come_in_time(void **state)
{
    (void)state;
    weft_hardware h = weft_hardware_default();
    weft_memory_access access = {.not_before = 1000000, .type = 0};
    weft_dram_totals totals;
    assert_int_equal(weft_hardware_replay(&h.memory, 0, true, &access, 1, NULL, NULL, &totals), WEFT_OK);
    int64_t expected = totals.num_cycles / 32 / 3900 * 2 * 32; /* of 2 ranks in 32 channels */
    assert_true(totals.num_ref_cmds >= expected - 64 && totals.num_ref_cmds <= expected + 64);
    assert_true(access.done > 1000000 && access.done < 1000400);
}

static void expect_refused(weft_memory_kind kind, weft_memory_access access, const char *words)
{
    weft_hardware h = weft_hardware_default();
    h.memory.kind = kind;
    assert_int_not_equal(weft_hardware_replay(&h.memory, 0, true, &access, 1, NULL, NULL, NULL), WEFT_OK);
    if (!strstr(weft_error(), words))
        fail_msg("\"%s\" does not say \"%s\"", weft_error(), words);
}

static void bad_accesses_are_refused(void **state)
{
    (void)state;
    expect_refused(WEFT_MEMORY_DUAL, (weft_memory_access){.type = 7}, "type is 7");
    expect_refused(WEFT_MEMORY_DUAL, (weft_memory_access){.type = -1}, "type is -1");
    expect_refused(WEFT_MEMORY_DUAL, (weft_memory_access){.type = 3}, "COMP");
    expect_refused(WEFT_MEMORY_SINGLE, (weft_memory_access){.type = 6}, "COMPS_READRES");
    expect_refused(WEFT_MEMORY_PLAIN, (weft_memory_access){.type = 2}, "GWRITE");
    expect_refused(WEFT_MEMORY_DUAL, (weft_memory_access){.address = (uint64_t)1 << 40}, "outside the memory");
    expect_refused(WEFT_MEMORY_DUAL, (weft_memory_access){.not_before = -4}, "not_before");
    const char text[] = "not_before,type,addr\n0,0,64\n3,1,1.5\n";
    weft_access_trace trace;
    assert_int_not_equal(weft_access_trace_parse(text, sizeof text - 1, "t.csv", &trace), WEFT_OK);
    assert_non_null(strstr(weft_error(), "t.csv, line 3: addr is \"1.5\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_by_clock),           cmocka_unit_test(jumping),
        cmocka_unit_test(jumps_change_nothing),     cmocka_unit_test(refreshes_come_in_time),
        cmocka_unit_test(bad_accesses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
