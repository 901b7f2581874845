/* Elementwise programs: building one from a group of values, and running it strip by strip. A strip has at most WEFT_STRIP
 * elements, so that all of it stays in the first-level cache; each op runs by its own kernel, so fusing changes no bit. */
#include "graph/program.h"

#include <string.h>

/* ---- building ---- */

static weft_strip_mode mode_of(weft_dims operand, weft_dims whole)
{
    int64_t count = weft_dims_count(operand), all = weft_dims_count(whole);
    if (count == all)
        return WEFT_STRIP_FULL;
    if (count == 1)
        return WEFT_STRIP_ONE;
    return operand.size[operand.rank - 1] == whole.size[whole.rank - 1] ? WEFT_STRIP_ROW : WEFT_STRIP_COLUMN;
}

static int add_operand(weft_step *s, weft_slot place, weft_strip_mode mode)
{
    for (int i = 0; i < s->in_count; i++)
        if (s->program->mode[i] == mode && s->in[i].buffer == place.buffer && s->in[i].offset == place.offset &&
            s->in[i].dtype == place.dtype && weft_dims_equal(s->in[i].dims, place.dims))
            return i;
    s->in[s->in_count] = place;
    s->program->mode[s->in_count] = mode;
    return s->in_count++;
}

/* A drawn leaf may have several readers among the members; its strip stays until the last. */
static bool read_later(const weft_graph *g, const weft_group *group, int k, weft_value x)
{
    for (k++; k < group->count; k++) {
        const weft_node *n = weft_node_of(g, (weft_value){group->member[k]});
        for (int i = 0; i < n->input_count; i++)
            if (n->inputs[i].id == x.id)
                return true;
    }
    return false;
}

static int addend_of(const weft_program *program)
{
    const weft_instruction *in = &program->instruction[0];
    if (program->count > 1 || program->producers != 1 || program->rounded || in->kind != WEFT_OP_BINARY || in->sub != WEFT_ADD)
        return -1;
    const int other = in->source[0] < in->source[1] ? in->source[0] : in->source[1], operand = -3 - other;
    return operand >= 0 && program->mode[operand] == WEFT_STRIP_FULL ? operand : -1;
}

bool weft_program_build(weft_planner *p, weft_step *s, const weft_group *group)
{
    const weft_graph *g = weft_planner_graph(p);
    weft_program *program = weft_plan_get(p, sizeof *program);
    if (!program)
        return false;
    s->program = program;
    weft_dims whole = weft_shape(g, (weft_value){group->root});
    program->columns = whole.rank ? whole.size[whole.rank - 1] : 1;
    program->rows = program->columns ? weft_dims_count(whole) / program->columns : 0;
    program->producers = group->partner ? 2 : group->producer ? 1 : 0;
    program->rounded = s->out[0].dtype != g->dtype;
    program->element = weft_dtype_size(g->dtype);
    program->flat = !program->rounded;
    program->dense = true;
    for (int i = 0; i < s->in_count; i++) /* the producer's own operands are not the program's */
        program->mode[i] = (weft_strip_mode)-1;
    int slot_of[WEFT_PROGRAM_MOST];
    bool free_slot[WEFT_PROGRAM_MOST];
    memset(free_slot, 1, sizeof free_slot);
    for (int k = 0; k < group->count; k++) { /* members stand in ascending order: operands before users */
        const weft_node *n = weft_node_of(g, (weft_value){group->member[k]});
        weft_instruction *in = &program->instruction[k];
        in->kind = (int)n->op->kind;
        in->sub = n->op->sub;
        in->p = n->attributes.f[0];
        in->op = n->op;
        in->law = n->law;
        in->keys = in->bound = -1;
        int freed[3], freed_count = 0;
        if (n->op == weft_op_random) {
            in->leaf = group->member[k];
            in->bound = add_operand(s, weft_place_of_leaf(p, (weft_value){in->leaf}), WEFT_STRIP_FULL);
            if (n->attributes.i[1])
                in->keys = add_operand(s, weft_place_of(p, (weft_value){(int32_t)n->attributes.i[1]}), WEFT_STRIP_COLUMN);
            program->flat = program->dense = false;
        }
        for (int i = 0; i < n->input_count; i++) {
            weft_value x = n->inputs[i];
            if (x.id == group->producer || x.id == group->partner) {
                in->source[i] = x.id == group->producer ? -1 : -2;
                continue;
            }
            int member = -1;
            for (int j = 0; j < k; j++)
                if (group->member[j] == x.id)
                    member = j;
            if (member >= 0) {
                in->source[i] = slot_of[member];
                if (!read_later(g, group, k, x))
                    freed[freed_count++] = slot_of[member];
                continue;
            }
            weft_strip_mode mode = mode_of(weft_shape(g, x), whole);
            program->flat &= mode == WEFT_STRIP_FULL || mode == WEFT_STRIP_ONE;
            program->dense &= mode == WEFT_STRIP_ONE;
            in->source[i] = -3 - add_operand(s, weft_place_of(p, x), mode);
        }
        for (int f = 0; f < freed_count; f++)
            free_slot[freed[f]] = true;
        in->target = -1;
        if (group->member[k] != group->root) {
            int slot = 0;
            while (!free_slot[slot])
                slot++;
            free_slot[slot] = false;
            in->target = slot_of[k] = slot;
            if (slot + 1 > program->strips)
                program->strips = slot + 1;
        }
    }
    program->count = group->count;
    program->addend = addend_of(program);
    program->scratch_bytes = (size_t)(program->strips + s->in_count + 1 + program->rounded) * WEFT_STRIP * program->element;
    weft_need_scratch(p, program->scratch_bytes);
    return true;
}

void weft_keep_made(weft_planner *p, weft_step *s, size_t elements, size_t bytes)
{
    const size_t own = s->program ? s->program->scratch_bytes : 0, size = weft_dtype_size(weft_planner_graph(p)->dtype);
    s->made_at = ((own > bytes ? own : bytes) + 63) & ~(size_t)63;
    s->made_bytes = (elements * size + 63) & ~(size_t)63;
    weft_need_scratch(p, s->made_at + s->made_bytes * (size_t)(s->program && s->program->producers > 1 ? 2 : 1));
}

/* ---- running ---- */

typedef struct strip {
    const weft_step *s;
    const weft_run_state *run;
    size_t e;
    char *scratch;                    /* strips, copies of repeated operands, one number repeated, a result to be rounded */
    const char *made[2];              /* what the producers wrote */
    const char *at[WEFT_STEP_INPUTS]; /* operands for this strip … */
    int64_t stride[WEFT_STEP_INPUTS]; /* … and how they advance */
    char *out;
    int64_t n, row, rows; /* elements; first row; rows (0: a part of one row) */
} strip;

static const char *source_at(const strip *t, int source, int64_t *stride)
{
    *stride = 1;
    if (source < 0 && source >= -2)
        return t->made[-1 - source];
    if (source >= 0)
        return t->scratch + (size_t)source * WEFT_STRIP * t->e;
    *stride = t->stride[-3 - source];
    return t->at[-3 - source];
}

static void draw(const strip *t, const weft_instruction *in, char *y)
{
    const weft_slot *bound = &t->s->in[in->bound];
    if (t->run->base[bound->buffer]) {
        memcpy(y, t->at[in->bound], (size_t)t->n * t->e);
        return;
    }
    const int64_t *keys = in->keys >= 0 ? (const int64_t *)weft_at(t->run, &t->s->in[in->keys]) + t->row : NULL;
    t->run->vector->random((weft_law_kind)in->law.kind, in->law.a, in->law.b, t->run->keys[in->leaf], t->run->step, t->rows, keys,
                           t->row, t->n / t->rows, y);
}

static void run_strip(strip *t)
{
    const weft_program *program = t->s->program;
    const weft_vector_table *v = t->run->vector;
    for (int k = 0; k < program->count; k++) {
        const weft_instruction *in = &program->instruction[k];
        char *y = in->target < 0 ? t->out : t->scratch + (size_t)in->target * WEFT_STRIP * t->e;
        int64_t sa, sb, sc;
        const char *a, *b, *c;
        switch (in->kind) {
        case WEFT_OP_LEAF:
            draw(t, in, y);
            break;
        case WEFT_OP_UNARY:
            a = source_at(t, in->source[0], &sa);
            if (sa == 0) { /* one number: its function once, then everywhere */
                v->unary((weft_unary)in->sub, in->p, 1, a, y);
                for (int64_t i = 1; i < t->n; i++)
                    memcpy(y + (size_t)i * t->e, y, t->e);
            } else {
                v->unary((weft_unary)in->sub, in->p, t->n, a, y);
            }
            break;
        case WEFT_OP_BINARY:
            a = source_at(t, in->source[0], &sa);
            b = source_at(t, in->source[1], &sb);
            v->binary((weft_binary)in->sub, in->p, t->n, a, sa, b, sb, y);
            break;
        default: {
            a = source_at(t, in->source[0], &sa);
            b = source_at(t, in->source[1], &sb);
            c = source_at(t, in->source[2], &sc);
            char *spread = t->scratch + (size_t)(program->strips + t->s->in_count) * WEFT_STRIP * t->e;
            if (sa == 0) {
                for (int64_t i = 0; i < t->n; i++)
                    memcpy(spread + (size_t)i * t->e, a, t->e);
                a = spread;
            }
            v->where(t->n, a, b, sb, c, sc, y);
        }
        }
    }
}

/* Repeats: a row for each of `rows` rows, or each row's number along it. */
static void repeat_row(char *to, const char *row, int64_t rows, int64_t columns, size_t e)
{
    for (int64_t r = 0; r < rows; r++)
        memcpy(to + (size_t)(r * columns) * e, row, (size_t)columns * e);
}

static void repeat_column(char *to, const char *column, int64_t rows, int64_t columns, size_t e)
{
    for (int64_t i = 0; i < rows; i++)
        if (e == 4)
            for (int64_t c = 0; c < columns; c++)
                memcpy(to + (size_t)(i * columns + c) * 4, column + (size_t)i * 4, 4);
        else
            for (int64_t c = 0; c < columns; c++)
                memcpy(to + (size_t)(i * columns + c) * 8, column + (size_t)i * 8, 8);
}

static void set_operands(strip *t, int64_t r, int64_t rows, int64_t c0)
{
    const weft_step *s = t->s;
    const weft_program *program = s->program;
    int64_t columns = program->columns;
    for (int i = 0; i < s->in_count; i++) {
        if ((int)program->mode[i] == -1 || !t->run->base[s->in[i].buffer])
            continue;
        const char *x = weft_at(t->run, &s->in[i]);
        char *copy = t->scratch + (size_t)(program->strips + i) * WEFT_STRIP * t->e;
        t->stride[i] = 1;
        switch (program->mode[i]) {
        case WEFT_STRIP_FULL:
            t->at[i] = x + (size_t)(r * columns + c0) * t->e;
            break;
        case WEFT_STRIP_ONE:
            t->at[i] = x;
            t->stride[i] = 0;
            break;
        case WEFT_STRIP_ROW:
            t->at[i] = x + (size_t)c0 * t->e;
            if (rows > 1) {
                repeat_row(copy, x, rows, columns, t->e);
                t->at[i] = copy;
            }
            break;
        case WEFT_STRIP_COLUMN:
            if (s->in[i].dtype == WEFT_I64)
                break; /* row keys are read by draw */
            t->at[i] = x + (size_t)r * t->e;
            t->stride[i] = 0;
            if (rows > 1) {
                repeat_column(copy, t->at[i], rows, columns, t->e);
                t->at[i] = copy;
                t->stride[i] = 1;
            }
            break;
        }
    }
}

/* The strip's result, computed in scratch, to its place. */
static void write_rounded(const strip *t, int64_t column)
{
    const int64_t columns = t->n / t->rows;
    weft_write_rounded(t->run, &t->s->out[0], (const float *)(const void *)t->out, t->row, t->rows, column, columns);
}

void weft_program_run(const weft_step *s, const weft_run_state *run, const weft_area *part, int thread)
{
    const weft_program *program = s->program;
    const int64_t columns = program->columns, width = part->column1 - part->column0;
    const size_t e = program->element;
    strip t = {.s = s, .run = run, .e = e, .scratch = run->scratch[thread]};
    char *const out =
        program->rounded ? t.scratch + (size_t)(program->strips + s->in_count + 1) * WEFT_STRIP * e : weft_at(run, &s->out[0]);
    const bool whole = width == columns, apart = s->made_bytes > 0,
               run_on = whole || (apart && program->dense && program->rounded);
    int64_t together = run_on && width > 0 && width <= WEFT_STRIP / 2 ? WEFT_STRIP / width : 1;
    if (together > 1 && width > 256 && !program->flat && !program->dense)
        together = 1; /* long rows need no repeated copies */
    for (int64_t r = part->row0; r < part->row1; r += together) {
        const int64_t rows = r + together < part->row1 ? together : part->row1 - r;
        for (int64_t c = part->column0; c < part->column1; c += WEFT_STRIP) {
            const int64_t n = c + WEFT_STRIP < part->column1 ? WEFT_STRIP : part->column1 - c;
            t.row = r;
            t.rows = rows;
            t.n = rows > 1 ? rows * width : n;
            t.out = program->rounded ? out : out + (size_t)(r * columns + c) * e;
            for (int k = 0; k < program->producers; k++)
                t.made[k] = apart ? (const char *)weft_made(s, run, k, thread) +
                                        (size_t)((r - part->row0) * width + c - part->column0) * e
                                  : t.out;
            set_operands(&t, r, rows, c);
            run_strip(&t);
            if (program->rounded)
                write_rounded(&t, c);
        }
    }
}

/* Short runs of many rows are what the processor does not foresee. Into the second cache: the first is the producer's. */
void weft_program_expect(const weft_step *s, const weft_run_state *run, const weft_area *part)
{
    enum { LINE = 64, MOST_BYTES = 128 << 10 };
    const int64_t e = (int64_t)s->program->element, columns = s->program->columns, bytes = (part->column1 - part->column0) * e;
    if ((part->row1 - part->row0) * bytes > MOST_BYTES)
        return;
    for (int i = 0; i < s->in_count; i++) {
        if (s->program->mode[i] != WEFT_STRIP_FULL || s->in[i].buffer < 0 || !run->base[s->in[i].buffer])
            continue;
        const char *x = (const char *)weft_at(run, &s->in[i]) + part->column0 * e;
        for (int64_t r = part->row0; r < part->row1; r++)
            for (int64_t byte = 0; byte < bytes; byte += LINE)
                __builtin_prefetch(x + r * columns * e + byte, 0, 2);
    }
}

/* ---- programs without producer ---- */

enum { PROGRAM_PIECE = 32768 };

static int64_t piece_of(const weft_step *s)
{
    return weft_piece_elements(weft_dims_count(s->out[0].dims), s->out[0].dtype, PROGRAM_PIECE);
}

int64_t weft_program_pieces(const weft_step *s, const weft_run_state *run)
{
    int64_t count = weft_used_count(run, &s->out[0]), piece = piece_of(s);
    if (s->program->flat)
        return (count + piece - 1) / piece;
    int64_t columns = s->program->columns, rows = columns ? count / columns : 0, each = weft_rows_per_piece(columns, piece);
    return (rows + each - 1) / each;
}

void weft_program_piece(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    int64_t count = weft_used_count(run, &s->out[0]), columns = s->program->columns;
    if (!s->program->flat) {
        int64_t rows = columns ? count / columns : 0, each = weft_rows_per_piece(columns, piece_of(s));
        int64_t r0 = piece * each, r1 = r0 + each < rows ? r0 + each : rows;
        weft_program_run(s, run, &(weft_area){r0, r1, 0, columns}, thread);
        return;
    }
    const size_t e = s->program->element;
    strip t = {.s = s, .run = run, .e = e, .scratch = run->scratch[thread], .rows = 1};
    char *out = weft_at(run, &s->out[0]);
    int64_t begin = piece * piece_of(s), end = begin + piece_of(s) < count ? begin + piece_of(s) : count;
    int64_t length = s->program->count == 1 && s->program->instruction[0].kind != WEFT_OP_WHERE
                         ? piece_of(s)
                         : WEFT_STRIP; /* a single op needs no scratch */
    for (int64_t at = begin; at < end; at += length) {
        t.n = at + length < end ? length : end - at;
        t.out = out + (size_t)at * e;
        set_operands(&t, 0, 1, at);
        run_strip(&t);
    }
}
