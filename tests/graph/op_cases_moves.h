/* The op table's test: cases of views, moves, reductions and ops by row number. */
#ifndef WEFT_TESTS_OP_CASES_MOVES_H
#define WEFT_TESTS_OP_CASES_MOVES_H

#include "graph/op_case.h"

/* ---- views ---- */

/* [rows, a, b]: inner axes joined, or the outermost joined with the next and with all others */
static weft_value build_reshape(trial *t)
{
    weft_dims d = batch_dims(t, 3);
    weft_value x = operand(t, d, ANY, ROWS);
    switch (below(t, 3)) {
    case 0:
        return weft_reshape(t->g, x, DIMS(d.size[0], d.size[1] * d.size[2]));
    case 1:
        return weft_reshape(t->g, x, DIMS(d.size[0] * d.size[1], d.size[2]));
    default: /* there and back in a chain */
        x = weft_reshape(t->g, x, DIMS(d.size[0] * d.size[1] * d.size[2]));
        return weft_reshape(t->g, weft_square(t->g, x), DIMS(d.size[0] * d.size[1], d.size[2], 1));
    }
}

static weft_value build_rows(trial *t)
{
    weft_dims d = batch_dims(t, 1 + (int)below(t, 3));
    weft_value x = operand(t, d, ANY, ROWS);
    int64_t from = below(t, d.size[0] + 1), to = from + below(t, d.size[0] - from + 1);
    return weft_rows(t->g, weft_square(t->g, x), from, to);
}

/* Rows of a value that has `base` rows in front of the batch: the tail of it, used as far as the batch. */
static weft_value build_rows_used(trial *t)
{
    weft_dims d = batch_dims(t, 2), head = d;
    int64_t base = head.size[0] = size_from(t, 0), from = below(t, base + 1);
    weft_value parts[2] = {operand(t, head, ANY, 0), operand(t, d, ANY, ROWS)};
    weft_value all = weft_concat(t->g, 0, parts, 2);
    t->lead = (base - from) * d.size[1];
    return weft_square(t->g, weft_rows(t->g, all, from, base + d.size[0]));
}

/* The part of it that is always used. */
static weft_value build_rows_base(trial *t)
{
    weft_dims d = batch_dims(t, 2), head = d;
    int64_t base = head.size[0] = size_from(t, 1), from = below(t, base);
    weft_value parts[2] = {operand(t, head, ANY, 0), operand(t, d, ANY, ROWS)};
    return weft_rows(t->g, weft_square(t->g, weft_concat(t->g, 0, parts, 2)), from, base);
}

static weft_value build_part(trial *t)
{
    weft_dims d = batch_dims(t, 2);
    weft_value in[2] = {operand(t, d, ANY, ROWS)};
    in[1] = operand(t, d, ANY, ROWS);
    return weft_part(t->g, weft_apply(t->g, weft_op_find("layer_norm_grad"), in, 2, &(weft_attributes){.f = {0.1}}), 1);
}

/* In every mode the batch is used in part as the harness says, here by a view of its own. */
static weft_value build_used(trial *t)
{
    weft_dims d = batch_dims(t, 1 + (int)below(t, 3));
    weft_value x = operand(t, d, ANY, ROWS);
    if (!t->count.id)
        t->count = weft_count_input(t->g, "rows", t->rows);
    return weft_used(t->g, weft_square(t->g, x), t->count);
}

static weft_value build_alias(trial *t)
{
    weft_value x = operand(t, batch_dims(t, 2), ANY, ROWS);
    return weft_name(t->g, weft_name(t->g, x, "first"), "second");
}

static weft_value build_detach(trial *t)
{
    return weft_detach(t->g, operand(t, batch_dims(t, 2), ANY, ROWS | FIXED));
}

/* ---- moves ---- */

static weft_value build_slice(trial *t)
{
    weft_dims d = batch_dims(t, 2 + (int)below(t, 3));
    weft_value x = operand(t, d, ANY, ROWS);
    int axis = 1 + (int)below(t, d.rank - 1);
    int64_t from = below(t, d.size[axis] + 1), to = from + below(t, d.size[axis] - from + 1);
    return weft_square(t->g, weft_slice(t->g, x, axis - (below(t, 2) ? d.rank : 0), from, to));
}

static weft_value build_permute(trial *t)
{
    weft_dims d = batch_dims(t, 2 + (int)below(t, 3));
    weft_value x = operand(t, d, ANY, ROWS);
    int axes[4];
    for (int i = 0; i < d.rank; i++)
        axes[i] = i;
    bool keep = t->form == ROWWISE;
    for (int i = d.rank - 1; i > keep; i--) {
        int k = keep + (int)below(t, i + 1 - keep), other = axes[i];
        axes[i] = axes[k];
        axes[k] = other;
    }
    return weft_permute(t->g, x, axes);
}

static weft_value build_transpose(trial *t)
{
    return weft_transpose(t->g, operand(t, batch_dims(t, 3 + (int)below(t, 2)), ANY, ROWS));
}

static weft_value build_pad(trial *t)
{
    weft_dims d = batch_dims(t, 2 + (int)below(t, 3));
    weft_value x = operand(t, d, ANY, ROWS);
    int axis = t->form == WHOLE ? 0 : 1 + (int)below(t, d.rank - 1);
    int64_t before = below(t, 4), after = below(t, 4);
    return weft_square(t->g, weft_pad(t->g, x, axis, before, after));
}

/* Side by side. */
static weft_value build_concat(trial *t)
{
    weft_dims d = batch_dims(t, 2 + (int)below(t, 3)), other = d;
    int axis = 1 + (int)below(t, d.rank - 1);
    weft_value parts[3];
    for (int i = 0; i < 3; i++) {
        other.size[axis] = size_from(t, 0);
        parts[i] = operand(t, other, ANY, ROWS);
    }
    if (below(t, 3) == 0)
        parts[1] = parts[0];
    return weft_square(t->g, weft_concat(t->g, axis, parts, 1 + (int)below(t, 3)));
}

/* One after the other: the batch comes last. */
static weft_value build_concat_rows(trial *t)
{
    weft_dims d = batch_dims(t, 1 + (int)below(t, 3)), head = d;
    weft_value parts[3];
    for (int i = 0; i < 2; i++) {
        head.size[0] = size_from(t, 0);
        parts[i] = operand(t, head, ANY, 0);
        t->lead += weft_dims_count(head);
    }
    parts[2] = operand(t, d, ANY, ROWS);
    return weft_square(t->g, weft_concat(t->g, 0, parts, 3));
}

static weft_value build_broadcast(trial *t)
{
    weft_dims d = batch_dims(t, 1 + (int)below(t, 3)), to = d, from = d;
    for (int i = 1; i < d.rank; i++)
        if (below(t, 2))
            from.size[i] = 1;
    if (t->form == WHOLE) { /* new axes outside */
        to = (weft_dims){.rank = d.rank + 1, .size = {size_from(t, 0)}};
        for (int i = 0; i < d.rank; i++)
            to.size[i + 1] = d.size[i];
    }
    return weft_square(t->g, weft_broadcast(t->g, operand(t, from, ANY, ROWS), to));
}

static weft_value count_for(trial *t)
{
    if (!t->count.id)
        t->count = weft_count_input(t->g, "rows", t->rows);
    return t->count;
}

static weft_value build_clear(trial *t)
{
    weft_value x = operand(t, batch_dims(t, 1 + (int)below(t, 3)), ANY, ROWS);
    weft_value used = weft_used(t->g, x, count_for(t));
    return weft_apply(t->g, weft_op_find("clear_unused"), &used, 1, NULL);
}

/* Row `from` on of a value of which `base` rows and the batch are used. */
static weft_value build_place_rows(trial *t)
{
    weft_dims d = batch_dims(t, 2), whole = d;
    weft_value x = operand(t, d, ANY, ROWS);
    int64_t base = size_from(t, 0);
    whole.size[0] += base;
    t->lead = base * d.size[1];
    return weft_apply(t->g, weft_op_find("place_rows"), &x, 1,
                      &(weft_attributes){.dims = whole, .i = {base, count_for(t).id, base, 1}});
}

/* ---- reductions ---- */

static weft_value build_reduce(trial *t)
{
    weft_dims d;
    bool max = t->of->law == DISTINCT;
    int rank = 1 + (int)below(t, 4);
    d.rank = rank;
    d.size[0] = rows_from(t, max);
    for (int i = 1; i < rank; i++)
        d.size[i] = t->big && i == rank - 1 ? 67 : size_from(t, max);
    if (t->form == ROWWISE && rank == 1)
        d = DIMS(d.size[0], size_from(t, max));
    rank = d.rank;
    int first = t->form == ROWWISE ? 1 + (int)below(t, rank - 1) : 0, last = first + (int)below(t, rank - first);
    weft_value x = operand(t, d, t->of->law, ROWS);
    return max ? weft_max(t->g, x, first, last) : weft_square(t->g, weft_sum(t->g, x, first - rank, last));
}

/* ---- by row number ---- */

static weft_value build_gather(trial *t)
{
    int64_t rows = size_from(t, 1);
    weft_dims index = batch_dims(t, 1 + (int)below(t, 2)), table = {.rank = 1 + (int)below(t, 3), .size = {rows}};
    for (int i = 1; i < table.rank; i++)
        table.size[i] = size_from(t, 0);
    weft_value x = operand(t, table, ANY, 0);
    return weft_square(t->g, weft_gather(t->g, x, index_operand(t, index, rows, rows, ROWS)));
}

/* The table is used in part, and the index stays there. */
static weft_value build_gather_used(trial *t)
{
    weft_dims table = {.rank = 2, .size = {rows_from(t, 1), size_from(t, 0)}};
    t->least = (t->batch + 1) / 2;
    weft_value x = operand(t, table, ANY, ROWS);
    weft_dims index = {.rank = 1, .size = {size_from(t, 0)}};
    return weft_square(t->g, weft_gather(t->g, x, index_operand(t, index, table.size[0], t->least, 0)));
}

static weft_value build_scatter(trial *t)
{
    int64_t rows = size_from(t, 1);
    weft_dims index = batch_dims(t, 1 + (int)below(t, 2)), x = index;
    for (int i = (int)below(t, 3); i > 0; i--)
        x.size[x.rank++] = size_from(t, 0);
    weft_value v = operand(t, x, ANY, ROWS);
    return weft_square(t->g, weft_scatter_add(t->g, v, index_operand(t, index, rows, rows, ROWS), rows));
}

/* Sums onto what is there. */
static weft_value build_scatter_onto(trial *t)
{
    const int64_t rows = size_from(t, 1), width = size_from(t, 0);
    const weft_dims index = batch_dims(t, 1);
    weft_dims x = index;
    x.size[x.rank++] = width;
    const weft_value v = operand(t, x, ANY, ROWS), onto = operand(t, DIMS(rows, width), ANY, 0);
    const weft_value sums = weft_scatter_add(t->g, v, index_operand(t, index, rows, rows, ROWS), rows);
    return weft_square(t->g, weft_add_to(t->g, onto, sums));
}

static weft_value build_pick(trial *t)
{
    int64_t rows = rows_from(t, 0), n = size_from(t, 1);
    weft_value x = operand(t, DIMS(rows, n), ANY, ROWS);
    return weft_square(t->g, weft_pick(t->g, x, index_operand(t, DIMS(rows), n, n, ROWS)));
}

static weft_value build_place(trial *t)
{
    int64_t rows = rows_from(t, 0), n = size_from(t, 1);
    weft_value x = operand(t, DIMS(rows), ANY, ROWS);
    return weft_square(t->g, weft_place(t->g, x, index_operand(t, DIMS(rows), n, n, ROWS), n));
}

#define MOVE(row, builder, form) \
    { \
        row, builder, form, NULL, NULL, ANY, 0 \
    }

#define SUMS(row, builder, form) \
    { \
        row, builder, form, NULL, NULL, ANY, 1e-5 \
    }

static const op_case move_cases[] = {
    MOVE("reshape", build_reshape, ROWWISE),
    MOVE("rows", build_rows, WHOLE),
    MOVE("rows", build_rows_used, ROWWISE),
    MOVE("rows", build_rows_base, REDUCED),
    MOVE("part", build_part, ROWWISE),
    MOVE("used", build_used, WHOLE),
    MOVE("alias", build_alias, ROWWISE),
    MOVE("detach", build_detach, ROWWISE),
    MOVE("slice", build_slice, ROWWISE),
    MOVE("permute", build_permute, ROWWISE),
    MOVE("permute", build_permute, WHOLE),
    MOVE("permute", build_transpose, ROWWISE),
    MOVE("pad", build_pad, ROWWISE),
    MOVE("pad", build_pad, WHOLE),
    MOVE("concat", build_concat, ROWWISE),
    MOVE("concat", build_concat_rows, ROWWISE),
    SUMS("broadcast", build_broadcast, ROWWISE),
    SUMS("broadcast", build_broadcast, WHOLE),
    MOVE("clear_unused", build_clear, ROWWISE),
    MOVE("place_rows", build_place_rows, ROWWISE),
    SUMS("sum", build_reduce, ROWWISE),
    SUMS("sum", build_reduce, REDUCED),
    {"reduce_max", build_reduce, ROWWISE, NULL, NULL, DISTINCT, 0},
    {"reduce_max", build_reduce, REDUCED, NULL, NULL, DISTINCT, 0},
    SUMS("gather", build_gather, ROWWISE),
    SUMS("gather", build_gather_used, REDUCED),
    SUMS("scatter_add", build_scatter, REDUCED),
    SUMS("scatter_add", build_scatter_onto, REDUCED),
    MOVE("pick", build_pick, ROWWISE),
    MOVE("place", build_place, ROWWISE),
};

#endif
