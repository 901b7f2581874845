/* Hardware from files: units, DRAMsim3's ini, the published simulator's files, Weft's own layout and back, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hardware/platform.h"
#include "hardware/units.h"
#include "shared_data.h"

static void units_scale_and_bare_numbers_have_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        weft_dimension dimension;
        double value;
    } good[] = {
        {"1 GHz", WEFT_DIMENSION_FREQUENCY, 1e9},        {"1.5MHz", WEFT_DIMENSION_FREQUENCY, 1.5e6},
        {"64 KiB", WEFT_DIMENSION_BYTES, 65536},         {"64 KB", WEFT_DIMENSION_BYTES, 64000},
        {"312 TFLOP/s", WEFT_DIMENSION_COMPUTE, 312e12}, {"0.5 pJ", WEFT_DIMENSION_ENERGY, 0.5e-12},
        {"600 GB/s", WEFT_DIMENSION_BANDWIDTH, 600e9},   {" 2 ns ", WEFT_DIMENSION_TIME, 2e-9},
    };
    double value;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(weft_quantity_parse(good[i].text, good[i].dimension, &value));
        assert_float_equal(value / good[i].value, 1, 1e-12);
    }
    static const char *const bad[] = {"1000",    "",        "GHz",      "1 GHz x", "1 pJ",
                                      "nan GHz", "inf GHz", "0x10 GHz", "1 ghz",   "1e999 GHz"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(weft_quantity_parse(bad[i], WEFT_DIMENSION_FREQUENCY, &value));
}

static weft_platform parsed(const char *text, const char *name)
{
    weft_platform p = weft_platform_default();
    if (weft_platform_parse(text, strlen(text), name, NULL, &p) != WEFT_OK)
        fail_msg("%s", weft_error());
    return p;
}

static void own_layout_takes_units_in_texts_and_keys(void **state)
{
    (void)state;
    weft_platform p = parsed("{\"base\":\"newton\",\"name\":\"mine\",\"npu\":{\"frequency\":\"1.2 GHz\",\"systolic_arrays\":4,"
                             "\"scratchpad_mib\":32},\"memory\":{\"frequency_mhz\":1200,\"channels\":16,\"timing\":{\"tRP\":20,"
                             "\"tCK\":\"0.833 ns\"},\"power\":{\"VDD_volts\":1.1}},\"link\":{\"bandwidth\":\"50 GB/s\"}}",
                             "h.json");
    assert_string_equal(p.name, "mine");
    assert_float_equal(p.machine.npu.core_mhz, 1200, 1e-9);
    assert_int_equal(p.machine.npu.systolic_arrays, 4);
    assert_int_equal(p.machine.npu.scratchpad_kb, 32 * 1024);
    assert_int_equal(p.machine.memory.kind, WEFT_MEMORY_SINGLE);
    assert_float_equal(p.machine.memory.mhz, 1200, 1e-9);
    assert_int_equal(p.machine.memory.channels, 16);
    assert_int_equal(p.machine.memory.timing.tRP, 20);
    assert_float_equal(p.machine.memory.timing.tCK, 0.833, 1e-9);
    assert_float_equal(p.machine.memory.power.VDD, 1.1, 1e-12);
    assert_float_equal(p.link.bandwidth, 50e9, 1);
}

static void presets_are_written_and_read_back(void **state)
{
    (void)state;
    weft_platform row;
    for (int i = 0; weft_platform_preset(i, &row); i++) {
        weft_text first = {0}, second = {0};
        assert_int_equal(weft_hardware_check(&row.machine), WEFT_OK);
        weft_platform_write(&row, &first);
        weft_platform back = weft_platform_default();
        if (weft_platform_parse(first.data, first.length, "preset.json", NULL, &back) != WEFT_OK)
            fail_msg("%s", weft_error());
        back.source = row.source;
        weft_platform_write(&back, &second);
        assert_string_equal(first.data, second.data);
        weft_text_free(&first);
        weft_text_free(&second);
    }
    weft_platform p = weft_platform_default();
    assert_float_equal(weft_platform_bandwidth(&p), 1.024e12, 1); /* 32 channels · 64 B / 2 ns */
    assert_float_equal(weft_platform_macs(&p), 131072, 0);        /* 8 · 128 · 128 */
    assert_float_equal(weft_platform_capacity(&p), 32.0 * (1 << 30), 0);
    weft_platform plain = p;
    plain.machine.memory.kind = WEFT_MEMORY_SINGLE;
    double die = 8 * 32.0 * (1 << 30) * p.area.dram_bit;
    assert_float_equal((weft_platform_dram_area(&p) - weft_platform_dram_area(&plain)) / die, 0.0311, 1e-9);
}

static const char ini[] = "; a memory\n[dram_structure]\nprotocol = HBM\nbankgroups = 4\nbanks_per_group = 4\nrows = 32768\n"
                          "columns = 64\ndevice_width = 128\nBL = 4\n\n[timing]\r\ntCK = 0.5 (1/2)\nCL = 20 # cycles\nCWL = 6\n"
                          "tRCDRD = 20\ntRCDWR = 21\ntRP = 22\ntRAS = 48\ntRFC = 500\ntREFI = 7800\ntRRD_S = 6\ntRRD_L = 8\n"
                          "tWTR_S = 9\ntWTR_L = 12\ntFAW = 40\ntWR = 26\ntCCD_S = 1\ntCCD_L = 3\n[power]\nVDD = 1.1\nIDD0 = 70\n"
                          "IDD2N = 41\nIDD3N = 56\nIDD4R = 400\nIDD4W = 510\nIDD5AB = 260\nIDD6x = 32\n[system]\n"
                          "channel_size = 1024\nchannels = 16\nbus_width = 128\ncmd_queue_size = 8\ntrans_queue_size = 32\n";

static void dramsim3_files_set_the_memory(void **state)
{
    (void)state;
    weft_platform p = parsed(ini, "hbm3.ini");
    const weft_hardware_memory *m = &p.machine.memory;
    assert_int_equal(m->channels, 16);
    assert_int_equal(m->ranks, 2); /* 1 KiB rows · 32768 · 16 banks are 512 MiB */
    assert_int_equal(m->columns, 16);
    assert_int_equal(m->request_bytes, 64);
    assert_int_equal(m->timing.burst, 2);
    assert_int_equal(m->timing.tRCDWR, 21);
    assert_int_equal(m->timing.tRTP, 5); /* DRAMsim3's default */
    assert_float_equal(m->mhz, 2000, 1e-9);
    assert_float_equal(m->power.IDD4W, 510, 0);
    assert_float_equal(weft_platform_bandwidth(&p), 16 * 64 / 1e-9, 1);
}

/* A file and what the message must name. */
static const struct {
    const char *name, *text, *says;
} refused[] = {
    {"h.json", "{", "h.json"},
    {"h.json", "[]", "object"},
    {"h.json", "{\"npu\":{\"frequency\":1000}}", "\"1 GHz\""},
    {"h.json", "{\"npu\":{\"frequency\":\"1000\"}}", "unit"},
    {"h.json", "{\"npu\":{\"frequency\":\"1000 ns\"}}", "unit"},
    {"h.json", "{\"npu\":{\"frequency\":\"0 GHz\"}}", "npu.frequency"},
    {"h.json", "{\"npu\":{\"frequency_ghz\":0}}", "frequency_ghz"},
    {"h.json", "{\"npu\":{\"sistolic_arrays\":8}}", "did you mean \"systolic_arrays\"?"},
    {"h.json", "{\"npuu\":{}}", "did you mean npu"},
    {"h.json", "{\"npu\":{\"systolic_arrays\":\"eight\"}}", "expected a number"},
    {"h.json", "{\"npu\":{\"systolic_arrays\":1.5}}", "whole"},
    {"h.json", "{\"npu\":3}", "npu"},
    {"h.json", "{\"base\":\"nothing\"}", "neupims"},
    {"h.json", "{\"memory\":{\"type\":\"sram\"}}", "neupims, newton or dram"},
    {"h.json", "{\"memory\":{\"channels\":0}}", "channels"},
    {"h.json", "{\"memory\":{\"channels\":12}}", "power of two"},
    {"h.json", "{\"memory\":{\"columns\":24}}", "power of two"},
    {"h.json", "{\"memory\":{\"banks_per_group\":3}}", "power of two"},
    {"h.json", "{\"memory\":{\"timing\":\"../other.ini\"}}", "folder"},
    {"m.json", "{\"dram_type\":\"sdram\"}", "neupims, newton or dram"},
    {"m.json", "{\"dram_type\":\"neupims\",\"dram_freq\":0}", "dram_freq"},
    {"m.json", "{\"dram_type\":\"neupims\",\"dram_chanels\":3}", "did you mean \"dram_channels\"?"},
    {"m.json", "{\"dram_type\":\"neupims\",\"dram_page_size\":32}", "dram_page_size"},
    {"s.json", "{\"run_mode\":\"tpu\"}", "npu or npu+pim"},
    {"s.json", "{\"run_mode\":\"npu\",\"sub_batch_mode\":\"no\"}", "sub_batch_mode"},
    {"n.json", "{\"core_type\":\"systolic_ws\",\"core_freq\":\"fast\"}", "core_freq"},
    {"d.ini", "", "DRAMsim3"},
    {"d.ini", "[timing\ntRP = 3\n", "line 1"},
    {"d.ini", "[timing]\ntRP 3\n", "line 2"},
    {"d.ini", "[timing]\ntRP = 3\ntRP = 4\n", "line 3"},
    {"d.ini", "[timing]\ntRP = three\n", "tRP"},
    {"d.ini", "[timing]\ntRP = -1\n", "tRP"},
    {"d.ini", "[timing]\ntRP = 14\ntRAS = 50\ntRC = 40\n", "tRAS"},
    {"d.ini", "[timing]\ntRP = 14\ntCK = 0\n", "tCK"},
    {"d.ini", "[dram_structure]\nbankgroups = 0\n", "bankgroups"},
    {"d.ini", "[dram_structure]\nbankgroups = 4\ncolumns = 1\nBL = 8\n", "smaller than a burst"},
    {"d.ini", "[dram_structure]\nbankgroups = 3\n", "power of two"},
    {"d.ini", "[dram_structure]\nbankgroups = 4\n[system]\nchannel_size = 1\n", "channel_size"},
    {"d.ini", "[dram_structure]\nbankgroups = 4\npim_type = BOTH\n", "pim_type"},
};

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        weft_platform p = weft_platform_default();
        if (weft_platform_parse(refused[i].text, strlen(refused[i].text), refused[i].name, NULL, &p) == WEFT_OK)
            fail_msg("%s: accepted", refused[i].text);
        if (!strstr(weft_error(), refused[i].says) || !strstr(weft_error(), refused[i].name) || strchr(weft_error(), '\n'))
            fail_msg("%s: says \"%s\", expected \"%s\"", refused[i].text, weft_error(), refused[i].says);
    }
}

static void keep_warning(void *user, weft_log_level level, const char *line)
{
    (void)level;
    snprintf(user, 4096, "%s", line);
}

static void missing_timings_are_listed(void **state)
{
    (void)state;
    char line[4096] = "";
    weft_log_set(keep_warning, line);
    parsed("[timing]\ntRP = 15\n", "d.ini");
    weft_log_set(NULL, NULL);
    assert_non_null(strstr(line, "tRAS 34"));
    assert_non_null(strstr(line, "IDD4R 390"));
    assert_null(strstr(line, "tRP "));
}

static void published_files_load_to_the_published_machine(void **state)
{
    (void)state;
    static const char *const files[] = {"configs/npu_ws_128x128.json", "configs/memory_neupims.json", "configs/dram_hbm2.json",
                                        "configs/system_sub-batch-on.json"};
    if (!shared_file(files[0]))
        skip();
    weft_platform p = weft_platform_default();
    weft_hardware machine = weft_hardware_default();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (weft_platform_load(shared_file(files[i]), &p) != WEFT_OK)
            fail_msg("%s", weft_error());
    assert_memory_equal(&p.machine.npu, &machine.npu, sizeof machine.npu);
    assert_memory_equal(&p.machine.memory.timing, &machine.memory.timing, sizeof machine.memory.timing);
    assert_memory_equal(&p.machine.memory.power, &machine.memory.power, sizeof machine.memory.power);
    assert_int_equal(p.machine.memory.columns, 16);
    assert_int_equal(p.machine.memory.ranks, 2);
    assert_true(p.sub_batch_given && p.sub_batch);
    static const char *const others[] = {"configs/memory_newton.json",
                                         "configs/memory_dram.json",
                                         "configs/system_npu_only.json",
                                         "configs/system_sub-batch-off.json",
                                         "configs/dram_extra_DDR4_8Gb_x8_3200.json",
                                         "configs/dram_extra_GDDR5X_8Gb_x32.json",
                                         "configs/dram_extra_GDDR6_8Gb_x16.json",
                                         "configs/dram_extra_HBM1_4Gb_x128.json",
                                         "configs/dram_extra_HBM2_8Gb_x128.json"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        p = weft_platform_default();
        if (weft_platform_load(shared_file(others[i]), &p) != WEFT_OK)
            fail_msg("%s", weft_error());
    }
}

/* A memory may be read, and serve a system that multiplies elsewhere, though a PIM command cannot hold the multiplies of its
 * rows. */
static void rows_too_long_for_a_command_are_refused_by_systems_that_compute_in_memory(void **state)
{
    (void)state;
    weft_hardware machine = weft_hardware_default();
    machine.memory.pim_lanes = 1;
    assert_int_equal(weft_hardware_check(&machine), WEFT_OK);
    const weft_hardware_shape shape = {.embed = 64, .heads = 2};
    const weft_hardware_request request = {.length = 8};
    for (int system = WEFT_SYSTEM_NEUPIMS; system <= WEFT_SYSTEM_NPU; system++) {
        weft_hardware_options options = {.system = (weft_hardware_system)system};
        weft_hardware_result *result = NULL;
        weft_status status = weft_hardware_run(&machine, &shape, &request, 1, &options, &result);
        assert_int_equal(status, system == WEFT_SYSTEM_NPU ? WEFT_OK : WEFT_ERROR_ARGUMENT);
        assert_true(status == WEFT_OK || strstr(weft_error(), "a row of 512 numbers takes 512 multiplies"));
        weft_hardware_result_free(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_scale_and_bare_numbers_have_none),
        cmocka_unit_test(own_layout_takes_units_in_texts_and_keys),
        cmocka_unit_test(presets_are_written_and_read_back),
        cmocka_unit_test(dramsim3_files_set_the_memory),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(missing_timings_are_listed),
        cmocka_unit_test(rows_too_long_for_a_command_are_refused_by_systems_that_compute_in_memory),
        cmocka_unit_test(published_files_load_to_the_published_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
