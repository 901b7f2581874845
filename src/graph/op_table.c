/* The op table: every family's rows, one after the other. */
#include "graph/op.h"

#include <string.h>

static const weft_op *const families[] = {
    weft_ops_leaf,      weft_ops_view,  weft_ops_move, weft_ops_unary,   weft_ops_binary, weft_ops_reduce,
    weft_ops_matmul,    weft_ops_index, weft_ops_row,  weft_ops_pair,    weft_ops_state,  weft_ops_rope,
    weft_ops_attention, weft_ops_mask,  weft_ops_loss, weft_ops_distill, weft_ops_plr,
};

enum { FAMILIES = sizeof families / sizeof families[0] };

const weft_op *weft_op_at(int i)
{
    for (int f = 0; f < FAMILIES; f++)
        for (const weft_op *op = families[f]; op->name; op++)
            if (i-- == 0)
                return op;
    return NULL;
}

int weft_op_count(void)
{
    int count = 0;
    while (weft_op_at(count))
        count++;
    return count;
}

const weft_op *weft_op_find(const char *name)
{
    const weft_op *op;
    for (int i = 0; (op = weft_op_at(i)); i++)
        if (strcmp(op->name, name) == 0)
            return op;
    return NULL;
}
