/* From options to a simulation: model, hardware, requests, devices. */
#include "cli/sim.h"

#include "hardware/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bits_of(const char *type)
{
    static const struct {
        const char *type;
        int bits;
    } rows[] = {{"fp16", 16}, {"fp8", 8}, {"int8", 8}, {"int4", 4}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].type, type) == 0)
            return rows[i].bits;
    return 16;
}

void sim_apply_devices(cli_arguments *a, sim_setup *s)
{
    s->tensor_given = cli_given(a, "tensor-parallel") || s->llm.tensor_parallel > 1 || strcmp(s->llm.family, "gpt3") == 0;
    if (cli_given(a, "tensor-parallel"))
        s->llm.tensor_parallel = cli_int(a, "tensor-parallel");
    if (cli_given(a, "pipeline-parallel"))
        s->llm.pipeline_parallel = cli_int(a, "pipeline-parallel");
    if (cli_text(a, "weights"))
        s->llm.weight_bits = bits_of(cli_text(a, "weights"));
    if (cli_text(a, "kv"))
        s->llm.kv_bits = bits_of(cli_text(a, "kv"));
}

weft_status sim_prepare_engine(cli_arguments *a, sim_setup *s)
{
    weft_hardware_options engine = cli_sim_options(a);
    *s = (sim_setup){.platform = weft_platform_default(), .sub_batch = -1};
    s->options.mode = engine.mode;
    s->options.order = engine.order;
    s->options.fixed = engine.fixed;
    s->options.exact_halves = engine.exact_halves;
    s->options.links_inside = strcmp(cli_text(a, "links"), "inside") == 0;
    s->options.collective = strcmp(cli_text(a, "collective"), "tree") == 0 ? WEFT_COLLECTIVE_TREE : WEFT_COLLECTIVE_RING;
    if (s->options.links_inside && !(engine.fixed & WEFT_QUIRK_ALL_REDUCE))
        return cli_misuse(a, "--links inside needs --behaviour fixed: the published simulator's devices exchange nothing");
    if (cli_text(a, "sub-batch"))
        s->sub_batch = strcmp(cli_text(a, "sub-batch"), "on") == 0;
    return WEFT_OK;
}

weft_status sim_load(cli_arguments *a, weft_platform *platform, weft_llm *llm)
{
    const char *const *files;
    int count = cli_list(a, "hardware", &files);
    weft_status status = WEFT_OK;
    *platform = weft_platform_default();
    for (int i = 0; i < count && status == WEFT_OK; i++)
        status = weft_platform_load(files[i], platform);
    return status == WEFT_OK ? weft_llm_open(cli_text(a, "model"), llm) : status;
}

weft_status sim_prepare(cli_arguments *a, sim_setup *s)
{
    weft_status status = sim_prepare_engine(a, s);
    if (status == WEFT_OK)
        status = sim_load(a, &s->platform, &s->llm);
    if (status != WEFT_OK)
        return status;
    if (s->sub_batch < 0 && s->platform.sub_batch_given)
        s->sub_batch = s->platform.sub_batch;
    sim_apply_devices(a, s);
    return weft_llm_check(&s->llm, cli_text(a, "model"));
}

weft_status sim_design(cli_arguments *a, const sim_setup *s, weft_trace *trace, weft_design *out)
{
    const char *path = cli_text(a, "trace");
    if (!path && !cli_given(a, "batch"))
        return cli_misuse(a, "sim needs --trace T.csv, or --batch N requests of --length L tokens");
    if (path && cli_given(a, "length"))
        return cli_misuse(a, "--length is for requests without a --trace; the trace tells its own lengths");
    *out = (weft_design){.platform = &s->platform,
                         .llm = s->llm,
                         .options = s->options,
                         .halves = s->sub_batch,
                         .choose_devices = !s->tensor_given,
                         .batch = cli_given(a, "batch") ? cli_int(a, "batch") : 0,
                         .length = cli_int(a, "length"),
                         .placement = weft_placement_of(cli_text(a, "channels")),
                         .replace_channels = cli_given(a, "channels"),
                         .seed = (uint64_t)cli_int(a, "seed"),
                         .judged = true};
    weft_status status = WEFT_OK;
    if (path) {
        status = weft_trace_read(path, s->platform.machine.memory.channels, s->llm.context, trace);
        out->trace = trace;
    }
    return status;
}

weft_serving_system sim_system_of(const weft_platform *p)
{
    static const weft_serving_system systems[] = {
        [WEFT_MEMORY_DUAL] = WEFT_SERVE_NEUPIMS, [WEFT_MEMORY_SINGLE] = WEFT_SERVE_NPU_PIM, [WEFT_MEMORY_PLAIN] = WEFT_SERVE_NPU};
    return p->has_system && p->system == WEFT_SYSTEM_NPU ? WEFT_SERVE_NPU : systems[p->machine.memory.kind];
}

int sim_all_systems(const weft_design *d, int64_t requests, sim_row out[SIM_ROWS])
{
    int rows = 0;
    for (int i = 0; i < WEFT_SERVE_SYSTEMS; i++) {
        out[rows] = (sim_row){.design = *d};
        out[rows].design.options.system = (weft_serving_system)i;
        out[rows++].design.halves = 0;
    }
    if (d->halves != 0 && requests > 1) {
        out[rows] = out[rows - 1];
        out[rows++].design.halves = 1;
    }
    return rows;
}

void sim_row_name(const sim_row *row, char *out, size_t room)
{
    snprintf(out, room, "%s%s", weft_serving_name(row->design.options.system),
             row->design.options.sub_batch ? " + sub-batches" : "");
}

static weft_status run_row(sim_row *row, bool watch)
{
    weft_design *d = &row->design;
    if (watch && d->options.system != WEFT_SERVE_GPU) {
        weft_hardware machine = d->platform->machine;
        machine.memory.kind = d->options.system == WEFT_SERVE_NEUPIMS ? WEFT_MEMORY_DUAL : WEFT_MEMORY_SINGLE;
        row->timeline = weft_timeline_new(&machine);
        if (!row->timeline)
            return WEFT_ERROR_MEMORY;
        d->options.sink = weft_timeline_event;
        d->options.sink_user = row->timeline;
        d->options.sink_dram = true;
    }
    weft_status status = weft_design_run(d, &row->iteration);
    if (status == WEFT_OK && row->timeline)
        status = weft_timeline_finish(row->timeline, row->iteration.result);
    return status == WEFT_OK && weft_interrupted() ? weft_fail(WEFT_ERROR_INTERRUPTED, "stopped") : status;
}

weft_status sim_run_rows(sim_row *rows, int n, bool watch)
{
    int ran = 0;
    for (int i = 0; i < n; i++) {
        weft_status status = run_row(&rows[i], watch);
        if (status == WEFT_ERROR_INTERRUPTED || (status != WEFT_OK && ran == 0 && i == n - 1))
            return status;
        if (status != WEFT_OK) {
            rows[i].error = strdup(weft_error());
            weft_timeline_free(rows[i].timeline);
            rows[i].timeline = NULL;
            if (!rows[i].error)
                return weft_fail(WEFT_ERROR_MEMORY, "a simulation: memory is short");
        }
        ran += status == WEFT_OK;
    }
    return WEFT_OK;
}

void sim_free_rows(sim_row *rows, int n)
{
    for (int i = 0; i < n; i++) {
        weft_iteration_free(&rows[i].iteration);
        weft_timeline_free(rows[i].timeline);
        free(rows[i].error);
    }
}

static void number(weft_json_writer *w, const char *key, double value)
{
    weft_json_add_key(w, key);
    weft_json_add_number(w, value);
}

static void integer(weft_json_writer *w, const char *key, int64_t value)
{
    weft_json_add_key(w, key);
    weft_json_add_integer(w, value);
}

static void add_energy(weft_json_writer *w, const weft_iteration_energy *e)
{
    number(w, "energy_joules", e->total);
    weft_json_add_key(w, "energy");
    weft_json_open_object(w);
    number(w, "dram_joules", e->dram);
    number(w, "pim_joules", e->pim);
    number(w, "npu_joules", e->npu);
    number(w, "link_joules", e->link);
    number(w, "gpu_joules", e->other);
    weft_json_close_object(w);
}

static void add_layer(weft_json_writer *w, const weft_hardware_result *r)
{
    weft_json_add_key(w, "layer");
    weft_json_open_object(w);
    integer(w, "total_cycles", r->total_cycles);
    weft_json_add_key(w, "stages");
    weft_json_open_list(w);
    for (int i = 0; i < r->stage_count; i++) {
        char name[2] = {r->stages[i].name, 0};
        weft_json_open_object(w);
        weft_json_add_key(w, "stage");
        weft_json_add_string(w, name);
        integer(w, "total_cycles", r->stages[i].cycles);
        integer(w, "pim_cycles", r->stages[i].pim_cycles);
        number(w, "mem_bw_util_pct", r->stages[i].bandwidth_percent);
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
    weft_json_add_key(w, "ops");
    weft_json_open_list(w);
    for (int i = 0; i < r->op_count; i++) {
        const weft_hardware_op *op = &r->ops[i];
        char stage[2] = {op->stage, 0};
        weft_json_open_object(w);
        weft_json_add_key(w, "stage");
        weft_json_add_string(w, op->stage ? stage : NULL);
        weft_json_add_key(w, "op");
        weft_json_add_string(w, op->name);
        integer(w, "start", op->start);
        integer(w, "finish", op->finish);
        integer(w, "macs", op->macs);
        integer(w, "read_lines", op->read_lines);
        integer(w, "write_lines", op->write_lines);
        weft_case_bounds(op, w);
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
    weft_json_close_object(w);
}

void sim_balance_json(weft_json_writer *w, const weft_balance *b)
{
    integer(w, "heaviest_cycles", b->heaviest);
    number(w, "mean_cycles", b->mean);
    integer(w, "bound_cycles", b->bound);
    number(w, "above_bound", b->bound ? (double)b->heaviest / (double)b->bound - 1 : 0);
    weft_json_add_key(w, "least");
    weft_json_add_bool(w, b->least);
    number(w, "attention_cycles", b->cycles);
}

void sim_row_json(weft_json_writer *w, const sim_row *row)
{
    const weft_iteration *it = &row->iteration;
    weft_json_add_key(w, "system");
    weft_json_add_string(w, weft_serving_name(row->design.options.system));
    weft_json_add_key(w, "sub_batch");
    weft_json_add_bool(w, row->design.options.sub_batch);
    integer(w, "devices", row->design.llm.tensor_parallel * row->design.llm.pipeline_parallel);
    if (row->error) {
        weft_json_add_key(w, "error");
        weft_json_add_string(w, row->error);
        return;
    }
    number(w, "cycles", it->cycles);
    number(w, "layer_cycles", it->layer_cycles);
    number(w, "stage_cycles", it->stage_cycles);
    number(w, "seconds", it->seconds);
    number(w, "tokens_per_second", it->tokens_per_second);
    number(w, "utilization", it->utilization);
    number(w, "npu_utilization", it->npu_utilization);
    number(w, "pim_utilization", it->pim_utilization);
    number(w, "bandwidth_utilization", it->bandwidth_utilization);
    add_energy(w, &it->energy);
    if (row->design.options.system >= WEFT_SERVE_NPU_PIM) {
        weft_json_add_key(w, "channels");
        weft_json_open_object(w);
        sim_balance_json(w, &row->design.balance);
        weft_json_close_object(w);
    }
    number(w, "area_mm2", weft_design_area(&row->design) * 1e6);
    number(w, "macs", it->macs);
    number(w, "pim_macs", it->pim_macs);
    number(w, "external_bytes", it->bytes);
    number(w, "device_bytes", it->device_bytes);
    number(w, "collective_seconds", it->collective_seconds);
    number(w, "head_seconds", it->head_seconds);
    number(w, "tokens_per_second_with_collectives_and_head", it->full_tokens_per_second);
    if (it->result)
        add_layer(w, it->result);
}

void sim_model_json(weft_json_writer *w, const weft_llm *m)
{
    weft_json_add_key(w, "model");
    weft_json_open_object(w);
    weft_json_add_key(w, "name");
    weft_json_add_string(w, m->name);
    weft_json_add_key(w, "model_type");
    weft_json_add_string(w, m->family);
    integer(w, "layers", m->layers);
    integer(w, "hidden_size", m->width);
    integer(w, "heads", m->heads);
    integer(w, "kv_heads", m->kv_heads);
    integer(w, "head_dim", m->head_size);
    integer(w, "experts", m->experts);
    integer(w, "active_experts", m->active);
    integer(w, "window", m->window);
    integer(w, "weight_bits", m->weight_bits);
    integer(w, "kv_bits", m->kv_bits);
    integer(w, "tensor_parallel", m->tensor_parallel);
    integer(w, "pipeline_parallel", m->pipeline_parallel);
    integer(w, "parameters", weft_llm_parameters(m));
    integer(w, "layer_weights", weft_llm_layer_parameters(m, !m->experts));
    integer(w, "weight_bytes", weft_llm_weight_bytes(m));
    integer(w, "macs_per_token", weft_llm_token_macs(m));
    integer(w, "head_macs_per_token", weft_llm_head_macs(m));
    integer(w, "attention_macs_per_context_token", weft_llm_attention_macs(m, 1));
    integer(w, "kv_bytes_per_token", weft_llm_kv_bytes(m));
    weft_json_close_object(w);
}

void sim_model_say(cli_arguments *a, const weft_platform *p, const weft_llm *m)
{
    cli_say(a, "%s: %lld layer%s, width %lld, %lld heads (%lld for keys and values)", m->name, (long long)m->layers,
            m->layers == 1 ? "" : "s", (long long)m->width, (long long)m->heads, (long long)m->kv_heads);
    if (m->experts)
        cli_say(a, ", %lld of %lld experts a token", (long long)m->active, (long long)m->experts);
    if (m->window)
        cli_say(a, ", window %lld", (long long)m->window);
    cli_say(a, "; %.2f G parameters, %lld weight bytes, %lld multiply-accumulates a token, %lld cache bytes a token\n",
            (double)weft_llm_parameters(m) / 1e9, (long long)weft_llm_weight_bytes(m), (long long)weft_llm_token_macs(m),
            (long long)weft_llm_kv_bytes(m));
    const weft_hardware *h = &p->machine;
    cli_say(a, "%s: %d arrays of %dx%d at %g MHz, %d memory channels, %.0f GB/s; %lld device%s a layer, %lld pipeline stage%s\n",
            p->name, h->npu.systolic_arrays, h->npu.systolic_height, h->npu.systolic_width, h->npu.core_mhz, h->memory.channels,
            weft_platform_bandwidth(p) / 1e9, (long long)m->tensor_parallel, m->tensor_parallel == 1 ? "" : "s",
            (long long)m->pipeline_parallel, m->pipeline_parallel == 1 ? "" : "s");
}
