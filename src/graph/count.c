/* Reading a graph without running it: its entries, parameters, and what a run costs; and a plan's description. */
#include "graph/params.h"
#include "graph/program.h"

#include <stdlib.h>
#include <string.h>

int weft_graph_params(const weft_graph *g, int i, const char **name, weft_value *value)
{
    int count = 0;
    for (int32_t id = 1; id < g->count; id++)
        if (g->nodes[id].op == weft_op_param) {
            if (count == i) {
                if (name)
                    *name = g->nodes[id].name;
                if (value)
                    *value = (weft_value){id};
            }
            count++;
        }
    return count;
}

weft_init weft_graph_param_init(const weft_graph *g, int i)
{
    weft_value v = {0};
    weft_graph_params(g, i, NULL, &v);
    return v.id ? weft_node_of(g, v)->init : WEFT_ZEROS;
}

int weft_graph_entries(const weft_graph *g, int i, weft_entry *out)
{
    int count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int32_t id = 1; id < g->count; id++) {
            const weft_node *n = &g->nodes[id];
            bool leaf = n->op->kind == WEFT_OP_LEAF;
            if (!n->name || leaf != (pass == 0))
                continue;
            if (count == i)
                *out = (weft_entry){n->name, leaf ? n->op->name : "value", n->dtype, n->dims, {id}};
            count++;
        }
    return count;
}

weft_status weft_count(const weft_graph *g, const weft_value *fetches, int n, weft_cost *out)
{
    *out = (weft_cost){0};
    if (weft_graph_status(g) != WEFT_OK)
        return g->status;
    bool *live = calloc((size_t)g->count, 1);
    if (!live)
        return weft_fail(WEFT_ERROR_MEMORY, "count: memory is short");
    for (int i = 0; i < n; i++)
        live[fetches[i].id] = true;
    for (int32_t id = g->count - 1; id > 0; id--) {
        const weft_node *node = &g->nodes[id];
        if (!live[id])
            continue;
        for (int i = 0; i < node->input_count; i++)
            live[node->inputs[i].id] = true;
        int64_t elements = weft_dims_count(node->dims);
        if (node->op == weft_op_param)
            out->parameters += elements;
        if (node->op->macs)
            out->macs += node->op->macs(g, node);
        if (node->op->kind != WEFT_OP_VIEW)
            out->bytes += elements * (int64_t)weft_dtype_size(node->dtype) * (node->op->kind == WEFT_OP_LEAF ? 1 : 2);
    }
    free(live);
    return WEFT_OK;
}

weft_plan_memory weft_plan_size(const weft_plan *plan)
{
    return (weft_plan_memory){(int64_t)plan->arena_bytes, (int64_t)plan->packed_bytes, plan->step_count};
}

void weft_describe(const weft_plan *plan, weft_text *out)
{
    char dims[WEFT_DIMS_TEXT];
    weft_text_add(out, "%d steps, %.2f MB of intermediates, %.2f MB of packed parameters\n", plan->step_count,
                  (double)plan->arena_bytes / 1e6, (double)plan->packed_bytes / 1e6);
    for (int32_t i = 0; i < plan->step_count; i++) {
        const weft_step *s = plan->steps[i];
        const char *name = weft_node_of(plan->graph, (weft_value){s->value})->name;
        weft_text_add(out, "%4d  %-20s %-28s", i,
                      s->op->kind == WEFT_OP_UNARY || s->op->kind == WEFT_OP_BINARY ? "elementwise" : s->op->name,
                      weft_dims_text(s->out[0].dims, dims));
        if (s->program) {
            weft_text_add(out, s->program->producers == 2 ? " twice, then" : s->program->producers ? " then" : " ");
            for (int k = 0; k < s->program->count; k++)
                weft_text_add(out, " %s", s->program->instruction[k].op->name);
        }
        weft_text_add(out, name ? "  → %s\n" : "\n", name);
    }
}
