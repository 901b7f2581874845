/* The analytic engine against cycle counts of the published simulator, and what adds layers up: collectives, rooflines, kinds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hardware/iteration.h"

typedef struct published {
    const char *name;
    weft_hardware_shape shape;
    weft_hardware_system system;
    bool halves;
    int64_t length[8];
    int channel[8];
    int count;
    int64_t total, stages[6]; /* cycles of the public simulator, lines in ascending order */
} published;

/* Cases small enough to stand here; docs/results/neupims.md has the table of all. */
static const published runs[] = {
    {"t512_b1_s64", {.embed = 512, .heads = 4}, WEFT_SYSTEM_NEUPIMS, false, {64}, {0}, 1, 13979, {2205, 4202, 7572}},
    {"p_t512_b1_s64", {.embed = 512, .heads = 4}, WEFT_SYSTEM_NPU, false, {64}, {0}, 1, 16295, {0}},
};

static weft_status run(const published *p, weft_hardware_result **out)
{
    weft_hardware hardware = weft_hardware_default();
    weft_hardware_request requests[8];
    for (int i = 0; i < p->count; i++)
        requests[i] = (weft_hardware_request){.length = p->length[i], .channel = p->channel[i]};
    weft_hardware_options o = {.mode = WEFT_HARDWARE_ANALYTIC, .system = p->system, .sub_batch = p->halves};
    return weft_hardware_run(&hardware, &p->shape, requests, p->count, &o, out);
}

static void is_near_the_published_simulator(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        weft_hardware_result *r = NULL;
        assert_int_equal(run(&runs[i], &r), WEFT_OK);
        double error = (double)r->total_cycles / (double)runs[i].total - 1;
        if (fabs(error) > 0.08)
            fail_msg("%s: %lld cycles, published %lld", runs[i].name, (long long)r->total_cycles, (long long)runs[i].total);
        int64_t sum = 0;
        for (int k = 0; k < r->stage_count; k++) {
            sum += r->stages[k].cycles;
            assert_true(fabs((double)r->stages[k].cycles / (double)runs[i].stages[k] - 1) < 0.15);
        }
        assert_true(!r->stage_count || sum == r->total_cycles);
        weft_hardware_result_free(r);
    }
}

static weft_hardware_result *sized(int64_t count, int64_t length, weft_hardware_system system, bool halves)
{
    static weft_hardware_request requests[512];
    weft_hardware hardware = weft_hardware_default();
    weft_hardware_shape shape = {.embed = 4096, .heads = 32, .tensor_parallel = 4};
    weft_hardware_options o = {.mode = WEFT_HARDWARE_ANALYTIC, .system = system, .sub_batch = halves};
    o.fixed = system == WEFT_SYSTEM_NPU ? WEFT_QUIRK_REQUEST_LIMIT : 0; /* the published one knows no tensor parallelism */
    weft_hardware_result *r = NULL;
    for (int64_t i = 0; i < count; i++)
        requests[i] = (weft_hardware_request){.length = length, .channel = (int)(i % 32)};
    assert_int_equal(weft_hardware_run(&hardware, &shape, requests, count, &o, &r), WEFT_OK);
    return r;
}

/* Conservation: the operators' multiply-accumulates and lines are the formulas'; nothing finishes after the end. */
static void accounts_for_every_product_and_line(void **state)
{
    (void)state;
    const int64_t E = 4096, tp = 4, R = 64, L = 400;
    for (int system = 0; system < 3; system++) {
        weft_hardware_result *r = sized(R, L, (weft_hardware_system)system, false);
        int64_t in_memory = system == WEFT_SYSTEM_NPU ? 0 : 2 * R * L * E / tp;
        assert_int_equal(r->stats.pim_macs, in_memory);
        assert_int_equal(r->stats.macs, R * 12 * E * E / tp + (2 * R * L * E / tp - in_memory));
        int64_t loads = 0, stores = 0;
        for (int i = 0; i < r->op_count; i++) {
            loads += r->ops[i].read_lines;
            stores += r->ops[i].write_lines;
            assert_true(r->ops[i].start <= r->ops[i].finish && r->ops[i].finish <= r->total_cycles);
        }
        assert_int_equal(loads, r->stats.load_lines);
        assert_int_equal(stores, r->stats.store_lines);
        assert_true(r->stats.load_lines * 64 > 12 * E * E * 2 / tp); /* the weights are read */
        const weft_dram_totals *d = &r->dram;
        double sum = d->act_energy + d->read_energy + d->write_energy + d->ref_energy + d->gwrite_energy + d->gact_energy +
                     d->comp_energy + d->readres_energy + d->background_energy;
        assert_float_equal(d->total_energy / sum, 1, 1e-9);
        assert_float_equal(d->read_energy / (double)d->num_read_cmds, 804, 1e-6);
        assert_float_equal(d->act_energy / (double)d->num_act_cmds, 828, 1e-6);
        weft_hardware_result_free(r);
    }
}

static void more_work_takes_longer(void **state)
{
    (void)state;
    for (int system = 0; system < 3; system++) {
        int64_t before = 0;
        for (int64_t count = 32; count <= 512; count *= 2)
            for (int64_t length = 128; length <= 2048; length *= 4) {
                weft_hardware_result *r = sized(count, length, (weft_hardware_system)system, false);
                assert_true(length == 128 || r->total_cycles > before);
                before = r->total_cycles;
                weft_hardware_result_free(r);
            }
    }
    weft_hardware_result *whole = sized(512, 512, WEFT_SYSTEM_NEUPIMS, false),
                         *halves = sized(512, 512, WEFT_SYSTEM_NEUPIMS, true);
    assert_int_equal(halves->stage_count, 6);
    assert_int_equal(halves->stats.pim_macs, 2 * whole->stats.pim_macs); /* A … F are two layers' worth */
    assert_int_equal(halves->stats.macs, 2 * whole->stats.macs);
    assert_true(halves->stages[2].cycles + halves->stages[3].cycles < whole->total_cycles); /* at 512 it pays */
    weft_hardware_result_free(whole);
    weft_hardware_result_free(halves);
}

static void layers_add_up_as_the_paper_adds_them(void **state)
{
    (void)state;
    weft_platform p = weft_platform_default();
    weft_hardware_request requests[64];
    for (int i = 0; i < 64; i++)
        requests[i] = (weft_hardware_request){.length = 300, .channel = i % 32};
    for (int m = 0; weft_llm_preset_at(m); m++)
        for (int halves = 0; halves < 2; halves++) {
            const weft_llm *llm = weft_llm_preset_at(m);
            weft_iteration_options o = {.system = WEFT_SERVE_NEUPIMS, .mode = WEFT_HARDWARE_ANALYTIC, .sub_batch = halves};
            weft_iteration it;
            if (weft_iteration_run(&p, llm, requests, 64, &o, &it) != WEFT_OK)
                fail_msg("%s", weft_error());
            const weft_hardware_stage *s = it.result->stages;
            double n = (double)(llm->layers / llm->pipeline_parallel);
            double expected = halves ? (double)(s[0].cycles + s[1].cycles + s[4].cycles + s[5].cycles) +
                                           (n - 1) * (double)(s[2].cycles + s[3].cycles)
                                     : n * (double)(s[0].cycles + s[1].cycles + s[2].cycles);
            assert_float_equal(it.stage_cycles, expected, 1e-6 * expected);
            assert_float_equal(it.tokens_per_second, 64 * 1e9 / expected, 1e-6 * it.tokens_per_second);
            assert_float_equal(it.cycles, expected * (double)llm->pipeline_parallel, 1e-6 * it.cycles);
            double each = 12.0 * (double)(llm->width * llm->width);
            assert_float_equal(it.macs / ((double)llm->layers * 64 * each), 1, 1e-9);
            const weft_iteration_energy *e = &it.energy;
            assert_float_equal(e->total, e->dram + e->pim + e->npu + e->link + e->other, 1e-12);
            assert_true(e->dram > 0 && e->pim > 0 && e->npu > 0 && e->link > 0 && e->other == 0);
            weft_iteration_free(&it);
        }
}

/* GPT3-7B on four A100, decoding alone: all weights and caches are read once at 1555 GB/s. */
static void the_gpu_is_a_roofline(void **state)
{
    (void)state;
    weft_platform p = weft_platform_default();
    const weft_llm *m = weft_llm_preset_at(0);
    weft_hardware_request one = {.length = 1000};
    weft_iteration_options o = {.system = WEFT_SERVE_GPU};
    weft_iteration it;
    assert_int_equal(weft_iteration_run(&p, m, &one, 1, &o, &it), WEFT_OK);
    double bytes = (double)(m->layers * 12 * m->width * m->width * 2 + 1000 * weft_llm_kv_bytes(m)) / 4;
    assert_float_equal(it.seconds / (bytes / 1555e9), 1, 0.002);
    assert_float_equal(it.bandwidth_utilization, 1, 1e-9);
    assert_float_equal(it.energy.total, 400 * it.seconds * 4 + it.energy.link, 1e-9);
    weft_hardware_request prompt = {.length = 2048, .tokens = 2048};
    assert_int_equal(weft_iteration_run(&p, m, &prompt, 1, &o, &it), WEFT_OK);
    assert_float_equal(it.npu_utilization, 1, 0.02); /* a whole prompt is bound by products */
}

static void collectives_follow_their_formulas(void **state)
{
    (void)state;
    weft_link link = {.bandwidth = 100e9, .latency = 2e-6};
    assert_float_equal(weft_collective_seconds(&link, WEFT_COLLECTIVE_RING, 1, 1e6), 0, 0);
    assert_float_equal(weft_collective_seconds(&link, WEFT_COLLECTIVE_RING, 4, 1e6), 1.5 * 1e-5 + 6 * 2e-6, 1e-12);
    assert_float_equal(weft_collective_seconds(&link, WEFT_COLLECTIVE_TREE, 8, 1e6), 6 * (1e-5 + 2e-6), 1e-12);
}

/* All-reduces inside the layers' time: as much longer as they take, or less where another half works meanwhile; never twice. */
static void links_take_their_time_once(void **state)
{
    (void)state;
    weft_platform p = weft_platform_default();
    const weft_llm *m = weft_llm_preset_at(0);
    weft_hardware_request requests[32];
    for (int i = 0; i < 32; i++)
        requests[i] = (weft_hardware_request){.length = 200, .channel = i};
    for (int mode = 0; mode < 2; mode++)
        for (int system = WEFT_SERVE_GPU; system <= WEFT_SERVE_NEUPIMS; system += WEFT_SERVE_NEUPIMS) {
            weft_iteration_options o = {.system = (weft_serving_system)system,
                                        .mode = mode ? WEFT_HARDWARE_EVENT : WEFT_HARDWARE_ANALYTIC,
                                        .fixed = WEFT_QUIRKS_FIXED};
            weft_iteration beside, inside;
            assert_int_equal(weft_iteration_run(&p, m, requests, 32, &o, &beside), WEFT_OK);
            o.links_inside = true;
            assert_int_equal(weft_iteration_run(&p, m, requests, 32, &o, &inside), WEFT_OK);
            double added = inside.seconds - beside.seconds;
            assert_float_equal(added / beside.collective_seconds, 1, mode ? 0.05 : 1e-3);
            assert_float_equal(inside.collective_seconds, 0, 0);
            assert_float_equal(inside.full_tokens_per_second / beside.full_tokens_per_second, 1, 0.01);
            o.fixed = WEFT_QUIRKS_COMPAT; /* the published devices exchange nothing */
            weft_iteration_free(&inside);
            assert_int_equal(weft_iteration_run(&p, m, requests, 32, &o, &inside), WEFT_OK);
            assert_true(inside.collective_seconds > 0);
            weft_iteration_free(&inside);
            weft_iteration_free(&beside);
        }
}

static void says_when_a_model_does_not_fit(void **state)
{
    (void)state;
    weft_platform p = weft_platform_default();
    weft_llm m = *weft_llm_preset_at(3);
    int64_t devices = 0;
    assert_int_equal(weft_fit_devices(&p, WEFT_SERVE_NEUPIMS, &m, 1000, &devices), WEFT_OK);
    assert_int_equal(devices, 4); /* of each of four pipeline stages: 348 GB of weights, 32 GiB a device */
    m.tensor_parallel = m.pipeline_parallel = 1;
    weft_hardware_request one = {.length = 1000};
    weft_iteration_options o = {.system = WEFT_SERVE_NEUPIMS, .mode = WEFT_HARDWARE_ANALYTIC};
    weft_iteration it;
    assert_int_not_equal(weft_iteration_run(&p, &m, &one, 1, &o, &it), WEFT_OK);
    assert_non_null(strstr(weft_error(), "GPT3-175B needs"));
    assert_null(it.result);
}

/* All experts that tokens reach are read, and each token passes its share of them, however many there are. */
static void experts_are_all_accounted_for(void **state)
{
    (void)state;
    for (int64_t experts = 2; experts <= 64; experts *= 2)
        for (int halves = 0; halves < 2; halves++) {
            weft_hardware hardware = weft_hardware_default();
            weft_hardware_shape shape = {
                .embed = 512, .heads = 4, .inner = 256, .gated = true, .experts = experts, .active_experts = 2};
            weft_hardware_request requests[64];
            for (int i = 0; i < 64; i++)
                requests[i] = (weft_hardware_request){.length = 100, .channel = i % 32};
            weft_hardware_options o = {.mode = WEFT_HARDWARE_ANALYTIC, .sub_batch = halves};
            weft_hardware_result *r = NULL;
            assert_int_equal(weft_hardware_run(&hardware, &shape, requests, 64, &o, &r), WEFT_OK);
            int64_t ffn = 64 * 2 * 3 * 512 * 256, rest = 64 * 4 * 512 * 512;
            assert_int_equal(r->stats.macs, (halves ? 2 : 1) * (ffn + rest));
            int64_t last = 0, macs = 0;
            for (int i = 0; i < r->op_count; i++) {
                macs += r->ops[i].pim ? 0 : r->ops[i].macs;
                last = r->ops[i].finish > last ? r->ops[i].finish : last;
            }
            assert_int_equal(macs, r->stats.macs);
            assert_int_equal(last, r->total_cycles);
            weft_hardware_result_free(r);
        }
}

static void kinds_of_layers_cover_the_model(void **state)
{
    (void)state;
    static const char json[] = "{\"model_type\":\"gemma2\",\"hidden_size\":2304,\"intermediate_size\":9216,"
                               "\"num_attention_heads\":8,\"num_hidden_layers\":26,\"num_key_value_heads\":4,\"head_dim\":256,"
                               "\"vocab_size\":256000,\"sliding_window\":4096}";
    weft_llm m;
    weft_layer_kind kinds[WEFT_LAYER_KINDS];
    assert_int_equal(weft_llm_parse(json, strlen(json), "config.json", &m), WEFT_OK);
    assert_int_equal(weft_layer_kinds(&m, kinds), 2);
    assert_int_equal(kinds[0].count + kinds[1].count, 26);
    assert_int_equal(kinds[0].shape.window, 0);
    assert_int_equal(kinds[1].shape.window, 4096);
    assert_int_equal(kinds[0].shape.kv_heads, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_near_the_published_simulator), cmocka_unit_test(accounts_for_every_product_and_line),
        cmocka_unit_test(more_work_takes_longer),          cmocka_unit_test(layers_add_up_as_the_paper_adds_them),
        cmocka_unit_test(the_gpu_is_a_roofline),           cmocka_unit_test(collectives_follow_their_formulas),
        cmocka_unit_test(says_when_a_model_does_not_fit),  cmocka_unit_test(links_take_their_time_once),
        cmocka_unit_test(experts_are_all_accounted_for),   cmocka_unit_test(kinds_of_layers_cover_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
