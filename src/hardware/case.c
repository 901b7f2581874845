/* Cases as JSON: reading one with every value checked, and writing the answer. */
#include "hardware/case.h"

#include <stdio.h>
#include <stdlib.h>

static weft_status missing(const char *name, const char *key, const char *what)
{
    return weft_fail(WEFT_ERROR_FORMAT, "%s: no \"%s\"; expected %s", name, key, what);
}

static weft_status read_model(weft_json_value model, const char *name, weft_hardware_shape *out)
{
    static const struct {
        const char *key;
        int64_t most;
        bool required;
    } keys[] = {{"n_embd", 1 << 20, true}, {"n_head", 1 << 16, true}, {"n_tp", 1 << 16, false}};
    int64_t value[3] = {0, 0, 1};
    if (weft_json_kind_of(model) != WEFT_JSON_OBJECT)
        return missing(name, "model", "an object with n_embd, n_head and n_tp");
    for (int i = 0; i < 3; i++) {
        weft_status status = weft_json_take_integer(model, name, keys[i].key, 1, keys[i].most, &value[i]);
        if (status != WEFT_OK)
            return status;
        if (keys[i].required && !weft_json_present(weft_json_get(model, keys[i].key)))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: model has no \"%s\"", name, keys[i].key);
    }
    *out = (weft_hardware_shape){.embed = value[0], .heads = value[1], .tensor_parallel = (int)value[2]};
    return WEFT_OK;
}

/* A whole number of a request. */
static weft_status read_number(weft_json_value pair, int64_t row, int column, const char *name, int64_t *out)
{
    static const char *const meaning[] = {"seq_len", "ch_idx", "tokens"};
    weft_json_value value = weft_json_item(pair, column);
    if (weft_json_kind_of(value) == WEFT_JSON_INTEGER) {
        *out = weft_json_integer(value, 0);
        return WEFT_OK;
    }
    if (weft_json_kind_of(value) == WEFT_JSON_NUMBER)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: requests_seq_ch[%lld]: %s is %g; expected a whole number", name, (long long)row,
                         meaning[column], weft_json_number(value, 0));
    return weft_fail(WEFT_ERROR_FORMAT, "%s: requests_seq_ch[%lld]: %s is not a number", name, (long long)row, meaning[column]);
}

static weft_status read_requests(weft_json_value list, const char *name, weft_case *out)
{
    int64_t count = weft_json_size(list);
    if (weft_json_kind_of(list) != WEFT_JSON_LIST)
        return missing(name, "requests_seq_ch", "a list of [seq_len, channel]");
    out->requests = calloc((size_t)count + 1, sizeof *out->requests);
    if (!out->requests)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %lld requests", name, (long long)count);
    for (int64_t i = 0; i < count; i++) {
        weft_json_value pair = weft_json_item(list, i);
        int64_t numbers = weft_json_kind_of(pair) == WEFT_JSON_LIST ? weft_json_size(pair) : 0;
        if (numbers != 2 && numbers != 3)
            return weft_fail(WEFT_ERROR_FORMAT,
                             "%s: requests_seq_ch[%lld] is not a pair [seq_len, channel], nor [seq_len, channel, tokens] with a "
                             "prompt's chunk",
                             name, (long long)i);
        int64_t length = 0, channel = 0, tokens = 0;
        weft_status status = read_number(pair, i, 0, name, &length);
        if (status == WEFT_OK)
            status = read_number(pair, i, 1, name, &channel);
        if (status == WEFT_OK && numbers == 3)
            status = read_number(pair, i, 2, name, &tokens);
        if (status != WEFT_OK)
            return status;
        if (channel > INT32_MAX || channel < INT32_MIN)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: requests_seq_ch[%lld]: channel is %lld", name, (long long)i,
                             (long long)channel);
        out->requests[out->count++] = (weft_hardware_request){.length = length, .channel = (int)channel, .tokens = tokens};
    }
    return WEFT_OK;
}

static weft_status read_case(weft_json_value root, const char *name, weft_case *out)
{
    const char *system = NULL, *title = "";
    if (weft_json_kind_of(root) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: not a JSON object", name);
    weft_status status = weft_json_take_string(root, name, "system", &system);
    if (status != WEFT_OK)
        return status;
    if (!system)
        return missing(name, "system", "neupims, npu_pim or npu_only");
    if (!weft_hardware_system_parse(system, &out->system))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: system is \"%s\"; expected neupims, npu_pim or npu_only", name, system);
    status = weft_json_take_bool(root, name, "sub_batch", &out->sub_batch);
    if (status == WEFT_OK)
        status = weft_json_take_string(root, name, "case", &title);
    if (status == WEFT_OK)
        snprintf(out->name, sizeof out->name, "%s", title);
    if (status == WEFT_OK)
        status = read_model(weft_json_get(root, "model"), name, &out->shape);
    return status == WEFT_OK ? read_requests(weft_json_get(root, "requests_seq_ch"), name, out) : status;
}

static weft_status take(weft_status status, weft_json *json, const char *name, weft_case *out)
{
    *out = (weft_case){0};
    if (status == WEFT_OK)
        status = read_case(weft_json_root(json), name, out);
    weft_json_free(json);
    if (status != WEFT_OK)
        weft_case_free(out);
    return status;
}

weft_status weft_case_parse(const char *text, size_t size, const char *name, weft_case *out)
{
    weft_json *json = NULL;
    weft_status status = weft_json_parse(text, size, name, &json);
    return take(status, json, name, out);
}

weft_status weft_case_read(const char *path, weft_case *out)
{
    weft_json *json = NULL;
    weft_status status = weft_json_read(path, &json);
    return take(status, json, path, out);
}

void weft_case_free(weft_case *c)
{
    free(c->requests);
    *c = (weft_case){0};
}

static void add_integer(weft_json_writer *to, const char *key, int64_t value)
{
    weft_json_add_key(to, key);
    weft_json_add_integer(to, value);
}

static void add_stage(weft_json_writer *to, char stage)
{
    char name[2] = {stage, 0};
    weft_json_add_key(to, "stage");
    weft_json_add_string(to, stage ? name : NULL);
}

static void add_stages(const weft_hardware_result *r, weft_json_writer *to)
{
    weft_json_add_key(to, "stages");
    weft_json_open_list(to);
    for (int i = 0; i < r->stage_count; i++) {
        const weft_hardware_stage *s = &r->stages[i];
        weft_json_open_object(to);
        add_stage(to, s->name);
        add_integer(to, "total_cycles", s->cycles);
        add_integer(to, "pim_cycles", s->pim_cycles);
        weft_json_add_key(to, "mem_bw_util_pct");
        weft_json_add_number(to, s->bandwidth_percent);
        weft_json_close_object(to);
    }
    weft_json_close_list(to);
}

void weft_case_bounds(const weft_hardware_op *op, weft_json_writer *to)
{
    weft_json_add_key(to, "bound");
    weft_json_open_object(to);
    for (int k = 0; k < WEFT_BOUNDS; k++)
        add_integer(to, weft_hardware_bound_name(k), op->bound[k]);
    weft_json_close_object(to);
}

static void add_ops(const weft_hardware_result *r, weft_json_writer *to)
{
    weft_json_add_key(to, "ops");
    weft_json_open_list(to);
    for (int i = 0; i < r->op_count; i++) {
        const weft_hardware_op *op = &r->ops[i];
        weft_json_open_object(to);
        add_stage(to, op->stage);
        weft_json_add_key(to, "op");
        weft_json_add_string(to, op->name);
        add_integer(to, "start", op->start);
        add_integer(to, "finish", op->finish);
        add_integer(to, "cycles", op->finish - op->start);
        weft_case_bounds(op, to);
        weft_json_close_object(to);
    }
    weft_json_close_list(to);
}

static void add_stats(const weft_hardware_result *r, weft_json_writer *to)
{
    const weft_hardware_stats *s = &r->stats;
    weft_json_add_key(to, "stats");
    weft_json_open_object(to);
    add_integer(to, "matmul_cycle", s->systolic_busy);
    add_integer(to, "total_cycle", s->core_cycles);
    add_integer(to, "systolic_inst_issue_count", s->systolic_issues);
    add_integer(to, "systolic_preload_issue_count", s->systolic_preloads);
    add_integer(to, "dram_total_cycles", s->dram_cycles);
    add_integer(to, "dram_total_processed_memory_requests", s->load_lines + s->store_lines + s->pim_commands);
    add_integer(to, "element_addresses", s->elements);
    add_integer(to, "npu_dram_requests", s->load_lines + s->store_lines);
    weft_json_close_object(to);
}

/* Counters that stayed 0 are left out, as the published simulator does. */
static void add_totals(const weft_dram_totals *d, weft_json_writer *to)
{
    const struct {
        const char *key;
        int64_t value;
    } counters[] = {
        {"num_cycles", d->num_cycles},
        {"num_reads_done", d->num_reads_done},
        {"num_writes_done", d->num_writes_done},
        {"num_readres_done", d->num_readres_done},
        {"num_read_cmds", d->num_read_cmds},
        {"num_write_cmds", d->num_write_cmds},
        {"num_act_cmds", d->num_act_cmds},
        {"num_pre_cmds", d->num_pre_cmds},
        {"num_ref_cmds", d->num_ref_cmds},
        {"num_gwrite_cmds", d->num_gwrite_cmds},
        {"num_gact_cmds", d->num_gact_cmds},
        {"num_comp_cmds", d->num_comp_cmds},
        {"num_readres_cmds", d->num_readres_cmds},
        {"num_pim_precharge_cmds", d->num_pim_precharge_cmds},
        {"num_ondemand_pres", d->num_ondemand_pres},
        {"num_read_row_hits", d->num_read_row_hits},
        {"num_write_row_hits", d->num_write_row_hits},
        {"num_parallel_act_cmds", d->num_parallel_act_cmds},
        {"num_parallel_prec_cmds", d->num_parallel_prec_cmds},
        {"num_parallel_read_cmds", d->num_parallel_read_cmds},
        {"num_parallel_write_cmds", d->num_parallel_write_cmds},
        {"pim_cycles", d->pim_cycles},
    };
    const struct {
        const char *key;
        double value;
    } energies[] = {
        {"act_energy", d->act_energy},   {"read_energy", d->read_energy},       {"write_energy", d->write_energy},
        {"ref_energy", d->ref_energy},   {"gwrite_energy", d->gwrite_energy},   {"gact_energy", d->gact_energy},
        {"comp_energy", d->comp_energy}, {"readres_energy", d->readres_energy}, {"total_energy", d->total_energy},
    };
    weft_json_add_key(to, "dram_totals");
    weft_json_open_object(to);
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        if (counters[i].value)
            add_integer(to, counters[i].key, counters[i].value);
    for (size_t i = 0; i < sizeof energies / sizeof energies[0]; i++)
        if (energies[i].value > 0) {
            weft_json_add_key(to, energies[i].key);
            weft_json_add_number(to, energies[i].value);
        }
    weft_json_close_object(to);
}

void weft_case_answer(const weft_hardware_result *r, weft_json_writer *to)
{
    add_integer(to, "total_cycles", r->total_cycles);
    add_stages(r, to);
    add_ops(r, to);
    add_stats(r, to);
    add_totals(&r->dram, to);
}
