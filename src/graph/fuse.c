/* Fusing: trees of elementwise values that have one reader each run as one program, behind the product or row op that makes their
 * first operand where there is one. No bit changes: each op keeps its own kernel. */
#include "graph/planning.h"

#include <stdlib.h>
#include <string.h>

static bool elementwise(const weft_planner *p, int32_t id)
{
    weft_op_kind kind = p->graph->nodes[id].op->kind;
    return !p->fed[id] && (kind == WEFT_OP_UNARY || kind == WEFT_OP_BINARY || kind == WEFT_OP_WHERE);
}

static bool same_form(const weft_node *a, const weft_node *b)
{
    return weft_dims_equal(a->dims, b->dims) && weft_extent_equal(a->extent, b->extent);
}

static bool draws_in_strip(const weft_planner *p, int32_t id, const weft_node *root)
{
    const weft_node *n = &p->graph->nodes[id];
    return n->op == weft_op_random && !p->fed[id] && weft_dims_equal(n->dims, root->dims) && n->dims.rank > 0 &&
           n->dims.size[n->dims.rank - 1] <= WEFT_STRIP &&
           !(n->dims.rank == 1 && root->extent.count.id); /* rows are drawn whole, and the only row is used in part */
}

static bool holds(const weft_group *group, int32_t id)
{
    for (int i = 0; i < group->count; i++)
        if (group->member[i] == id)
            return true;
    return false;
}

/* *operands counts the places that the group may need on its step: one an operand that stays outside, two a random leaf. */
static void collect(weft_planner *p, weft_group *group, int32_t id, int *operands)
{
    const weft_graph *g = p->graph;
    const weft_node *n = &g->nodes[id], *root = &g->nodes[group->root];
    group->member[group->count++] = id;
    *operands += n->input_count;
    for (int i = 0; i < n->input_count; i++) {
        int32_t x = n->inputs[i].id;
        const weft_node *in = &g->nodes[x];
        bool alone = p->uses[x] == 1 && !p->fetched[x] && !p->fed[x] && !p->group_of[x];
        bool room = group->count < WEFT_PROGRAM_MOST && *operands + in->input_count <= WEFT_PROGRAM_OPERANDS;
        if (draws_in_strip(p, x, root)) {
            if (!holds(group, x) && room && *operands < WEFT_PROGRAM_OPERANDS) {
                group->member[group->count++] = x;
                ++*operands;
                group->draws = true;
            }
        } else if (alone && room && elementwise(p, x) && same_form(in, root)) {
            --*operands;
            p->group_of[x] = group;
            collect(p, group, x, operands);
        } else if (alone && !group->producer && in->op->takes_program && same_form(in, root) && in->output_count == 1) {
            group->producer = x;
        } else if (alone && group->producer && !group->partner && same_form(in, root) &&
                   weft_products_pair(p, (weft_value){group->producer}, (weft_value){x})) {
            group->partner = x;
        }
    }
}

static int by_number(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

void weft_group_values(weft_planner *p)
{
    for (int32_t id = p->graph->count - 1; id > 0; id--) {
        if (!p->live[id] || !elementwise(p, id) || p->group_of[id])
            continue;
        weft_group *group = weft_plan_get(p, sizeof *group);
        if (!group)
            return;
        int operands = 0;
        group->root = id;
        p->group_of[id] = group;
        collect(p, group, id, &operands);
        /* random rows are drawn whole, and a product's tiles are not whole rows */
        if (group->producer && group->draws && !p->graph->nodes[group->producer].op->whole_rows)
            group->producer = group->partner = 0;
        if (group->producer)
            p->group_of[group->producer] = group;
        if (group->partner)
            p->group_of[group->partner] = group;
        qsort(group->member, (size_t)group->count, sizeof *group->member, by_number);
    }
}

weft_value weft_partner_of(const weft_planner *p, weft_value producer)
{
    const weft_group *group = p->group_of[producer.id];
    return (weft_value){group && group->producer == producer.id ? group->partner : 0};
}

bool weft_read_whole(const weft_planner *p, int32_t leaf)
{
    const weft_graph *g = p->graph;
    if (p->fetched[leaf])
        return true;
    for (int32_t id = leaf + 1; id < g->count; id++) {
        const weft_node *n = &g->nodes[id];
        if (!p->live[id] || p->fed[id])
            continue;
        for (int i = 0; i < n->input_count; i++) {
            if (n->inputs[i].id != leaf)
                continue;
            if (p->group_of[id] && holds(p->group_of[id], leaf))
                continue;
            if (strncmp(n->op->name, "pair_relu_sum", 13) == 0 && weft_draws_mask(&g->nodes[leaf]))
                continue;
            return true;
        }
    }
    return false;
}
