/* Optimisers: what they keep for each parameter, and how it goes to and from a checkpoint. */
#include "train/optimizer.h"
#include "graph/params.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool weft_covers_vectors(void *user, const char *name, weft_dims dims)
{
    (void)user;
    (void)name;
    return dims.rank <= 1;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const weft_optimizer_row *)a)->name, ((const weft_optimizer_row *)b)->name);
}

weft_optimizer_row *weft_optimizer_find(const weft_optimizer *o, const char *name)
{
    int32_t low = 0, high = o->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = strcmp(name, o->rows[middle].name);
        if (order == 0)
            return &o->rows[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void *weft_optimizer_memory(const weft_optimizer_row *row, weft_dtype dtype)
{
    size_t bytes = ((size_t)row->count * weft_dtype_size(dtype) + 127) & ~(size_t)63;
    void *memory = aligned_alloc(64, bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void *weft_optimizer_scratch(const weft_optimizer *o, int thread, int part)
{
    return (double *)o->scratch + (size_t)(thread * WEFT_OPTIMIZER_SCRATCH + part) * WEFT_OPTIMIZER_PIECE;
}

const weft_vector_table *weft_optimizer_kernels(const weft_optimizer *o, const weft_optimizer_row *row)
{
    return row->dtype == WEFT_F64 ? o->engine->kernels->f64 : o->engine->kernels->f32;
}

/* ---- making ---- */

static bool in_range(double x, double least, double below)
{
    return x >= least && x < below; /* false for NaN */
}

static weft_status check_options(const weft_optimizer_options *o)
{
    if ((unsigned)o->kind > WEFT_OPTIMIZER_SGD)
        return weft_fail(WEFT_ERROR_ARGUMENT, "optimiser kind %d: there is none", (int)o->kind);
    if (o->bf16_moments && o->kind != WEFT_OPTIMIZER_ADAMW)
        return weft_fail(WEFT_ERROR_ARGUMENT, "moments in BF16 are AdamW's alone");
    const struct {
        const char *name;
        double value, least, below;
    } rows[] = {
        {"weight decay", o->weight_decay, 0, INFINITY},
        {"beta1", o->beta1, 0, 1},
        {"beta2", o->beta2, 0, 1},
        {"eps", o->eps, 0, INFINITY},
        {"momentum", o->momentum, 0, 1},
        {"clip_norm", o->clip_norm, 0, INFINITY},
        {"clip_value", o->clip_value, 0, INFINITY},
        {"ema_decay", o->ema_decay, 0, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!in_range(rows[i].value, rows[i].least, rows[i].below))
            return weft_fail(WEFT_ERROR_ARGUMENT, "optimiser: %s is %g, expected at least %g and below %g", rows[i].name,
                             rows[i].value, rows[i].least, rows[i].below);
    for (int i = 0; i < o->group_count; i++)
        if (!in_range(o->groups[i].rate, 0, INFINITY) || !in_range(o->groups[i].weight_decay, 0, INFINITY))
            return weft_fail(WEFT_ERROR_ARGUMENT,
                             "parameter group %d (\"%s\"): rate factor %g, weight decay %g: expected at least 0", i,
                             o->groups[i].pattern ? o->groups[i].pattern : "*", o->groups[i].rate, o->groups[i].weight_decay);
    return WEFT_OK;
}

static void settle(weft_optimizer_row *row, const weft_optimizer_options *options)
{
    row->rate = 1;
    row->weight_decay = options->weight_decay;
    for (int i = 0; i < options->group_count; i++) {
        const weft_parameter_group *g = &options->groups[i];
        if ((g->pattern && fnmatch(g->pattern, row->name, 0) != 0) || (g->covers && !g->covers(g->user, row->name, row->dims)))
            continue;
        row->rate = g->rate;
        row->weight_decay = g->weight_decay;
        return;
    }
}

static bool make_rows(weft_optimizer *o, const weft_optimizer_options *options)
{
    o->rows = calloc((size_t)weft_params_count(o->params) + 1, sizeof *o->rows);
    for (int64_t i = 0; o->rows && i < weft_params_count(o->params); i++) {
        weft_tensor t;
        const char *name = weft_params_at(o->params, i, &t);
        if (t.dtype != WEFT_F32 && t.dtype != WEFT_F64)
            continue;
        weft_optimizer_row *row = &o->rows[o->count];
        *row = (weft_optimizer_row){.dtype = t.dtype, .dims = t.dims, .count = weft_dims_count(t.dims)};
        if (!(row->name = strdup(name)))
            return false;
        o->count++;
        settle(row, options);
        row->moments = options->bf16_moments ? WEFT_BF16 : t.dtype;
        if (options->bf16_moments) {
            char *stream = weft_prefixed("moments.", name);
            if (!stream)
                return false;
            row->rounding = weft_random_stream(options->seed, stream);
            free(stream);
        }
        if (options->ema_decay > 0) {
            if (!(row->ema = weft_optimizer_memory(row, t.dtype)))
                return false;
            memcpy(row->ema, t.data, weft_tensor_bytes(t));
        }
    }
    if (!o->rows)
        return false;
    qsort(o->rows, (size_t)o->count, sizeof *o->rows, by_name);
    return true;
}

typedef struct placed {
    int64_t share, piece; /* in which of as many shares of its parameter as there are threads a piece begins */
} placed;

static int by_share(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    return x->share != y->share ? (x->share > y->share) - (x->share < y->share) : (x->piece > y->piece) - (x->piece < y->piece);
}

static bool make_pieces(weft_optimizer *o)
{
    for (int32_t r = 0; r < o->count; r++)
        o->piece_count += (o->rows[r].count + WEFT_OPTIMIZER_PIECE - 1) / WEFT_OPTIMIZER_PIECE;
    o->pieces = calloc((size_t)o->piece_count + 1, sizeof *o->pieces);
    o->partial = calloc((size_t)o->piece_count + 1, sizeof *o->partial);
    o->in_place = calloc((size_t)o->piece_count + 1, sizeof *o->in_place);
    placed *places = calloc((size_t)o->piece_count + 1, sizeof *places);
    o->scratch = aligned_alloc(64, (size_t)weft_team_size(o->engine->team) * WEFT_OPTIMIZER_SCRATCH * WEFT_OPTIMIZER_PIECE *
                                       sizeof(double));
    if (!o->pieces || !o->partial || !o->in_place || !o->scratch || !places) {
        free(places);
        return false;
    }
    const int64_t threads = weft_team_size(o->engine->team);
    int64_t piece = 0;
    for (int32_t r = 0; r < o->count; r++) {
        o->rows[r].first_piece = piece;
        for (int64_t from = 0; from < o->rows[r].count; from += WEFT_OPTIMIZER_PIECE) {
            int64_t left = o->rows[r].count - from;
            places[piece] = (placed){from * threads / o->rows[r].count, piece};
            o->pieces[piece++] =
                (weft_optimizer_piece){r, (int32_t)(left < WEFT_OPTIMIZER_PIECE ? left : WEFT_OPTIMIZER_PIECE), from};
        }
    }
    qsort(places, (size_t)piece, sizeof *places, by_share);
    for (int64_t i = 0; i < piece; i++)
        o->in_place[i] = places[i].piece;
    free(places);
    return true;
}

weft_status weft_optimizer_new(weft_engine *engine, weft_params *params, const weft_optimizer_options *options,
                               weft_optimizer **out)
{
    *out = NULL;
    weft_status status = check_options(options);
    if (status != WEFT_OK)
        return status;
    weft_optimizer *o = calloc(1, sizeof *o);
    if (!o)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate an optimiser");
    o->engine = engine;
    o->params = params;
    o->options = *options;
    o->options.groups = NULL;
    o->options.group_count = 0;
    if (!make_rows(o, options) || !make_pieces(o)) {
        weft_optimizer_free(o);
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate an optimiser of %lld parameters",
                         (long long)weft_params_count(params));
    }
    *out = o;
    return WEFT_OK;
}

void weft_optimizer_free(weft_optimizer *o)
{
    if (!o)
        return;
    for (int32_t r = 0; r < o->count; r++) {
        free(o->rows[r].name);
        free(o->rows[r].m);
        free(o->rows[r].v);
        free(o->rows[r].ema);
        free(o->rows[r].sum);
    }
    free(o->rows);
    free(o->pieces);
    free(o->partial);
    free(o->in_place);
    free(o->scratch);
    free(o);
}

int64_t weft_optimizer_steps(const weft_optimizer *o)
{
    return o->steps;
}

double weft_optimizer_norm(const weft_optimizer *o)
{
    return o->norm;
}

/* ---- checkpoints ---- */

/* The tensors that a row may have, and whether an absent one is made anew when it comes back from a file. */
static const struct {
    const char *prefix;
    size_t place;
    bool moment;
} kept[] = {
    {"m.", offsetof(weft_optimizer_row, m), true},
    {"v.", offsetof(weft_optimizer_row, v), true},
    {"ema.", offsetof(weft_optimizer_row, ema), false},
    {"sum.", offsetof(weft_optimizer_row, sum), false},
};
enum { KEPT = sizeof kept / sizeof *kept };

static weft_dtype type_of(const weft_optimizer_row *row, int k)
{
    return kept[k].moment ? row->moments : row->dtype;
}

static void **place_of(weft_optimizer_row *row, int k)
{
    return (void **)(void *)((char *)row + kept[k].place);
}

char *weft_prefixed(const char *prefix, const char *name)
{
    size_t first = strlen(prefix), more = strlen(name);
    char *full = malloc(first + more + 1);
    if (full) {
        memcpy(full, prefix, first);
        memcpy(full + first, name, more + 1);
    }
    return full;
}

weft_status weft_optimizer_collect(const weft_optimizer *o, weft_arrays *out)
{
    if (o->swapped)
        return weft_fail(WEFT_ERROR_ARGUMENT, "parameters and their moving averages are exchanged: exchange them back first");
    weft_status status = WEFT_OK;
    int64_t *steps = malloc((size_t)(o->count + 1) * sizeof *steps);
    if (!steps)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the optimiser's counters");
    steps[0] = o->steps;
    for (int32_t r = 0; status == WEFT_OK && r < o->count; r++) {
        weft_optimizer_row *row = &o->rows[r];
        steps[r + 1] = row->steps;
        for (int k = 0; status == WEFT_OK && k < KEPT; k++) {
            void *data = *place_of(row, k);
            if (!data || (data == row->sum && !row->summed))
                continue;
            char *name = weft_prefixed(kept[k].prefix, row->name);
            status = name ? weft_arrays_add(out, name, (weft_tensor){data, type_of(row, k), row->dims})
                          : weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a name");
            free(name);
        }
    }
    if (status == WEFT_OK)
        status = weft_arrays_add_copy(out, "optimizer.steps", (weft_tensor){steps, WEFT_I64, DIMS(o->count + 1)});
    if (status == WEFT_OK)
        status = weft_arrays_set_metadata(out, "optimizer", o->options.kind == WEFT_OPTIMIZER_SGD ? "sgd" : "adamw");
    free(steps);
    return status;
}

static weft_status check_state(const weft_optimizer *o, const weft_arrays *from, const char *where)
{
    weft_tensor steps;
    const char *kind = weft_arrays_metadata(from, "optimizer"), *mine = o->options.kind == WEFT_OPTIMIZER_SGD ? "sgd" : "adamw";
    if (!kind || !weft_arrays_find(from, "optimizer.steps", &steps) || steps.dtype != WEFT_I64)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: holds no optimiser", where);
    if (strcmp(kind, mine) != 0)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: was made with optimiser \"%.32s\", this run uses \"%s\"", where, kind, mine);
    if (!weft_dims_equal(steps.dims, DIMS(o->count + 1)))
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: was made with %lld parameters, this model has %d", where,
                         (long long)weft_dims_count(steps.dims) - 1, (int)o->count);
    for (int64_t i = 0; i < weft_arrays_count(from); i++) {
        weft_array a = weft_arrays_at(from, i);
        char have[WEFT_DIMS_TEXT], want[WEFT_DIMS_TEXT];
        for (int k = 0; k < KEPT; k++) {
            if (strncmp(a.name, kept[k].prefix, strlen(kept[k].prefix)) != 0)
                continue;
            const weft_optimizer_row *row = weft_optimizer_find(o, a.name + strlen(kept[k].prefix));
            if (!row)
                return weft_fail(WEFT_ERROR_ARGUMENT, "%s: holds \"%s\", the model has no such parameter", where, a.name);
            if (!weft_dims_equal(row->dims, a.tensor.dims) || type_of(row, k) != a.tensor.dtype)
                return weft_fail(WEFT_ERROR_ARGUMENT, "%s: \"%s\" is %s %s, the model wants %s %s", where, a.name,
                                 weft_dtype_name(a.tensor.dtype), weft_dims_text(a.tensor.dims, have),
                                 weft_dtype_name(type_of(row, k)), weft_dims_text(row->dims, want));
        }
    }
    return WEFT_OK;
}

weft_status weft_optimizer_restore(weft_optimizer *o, const weft_arrays *from, const char *where)
{
    if (o->swapped)
        return weft_fail(WEFT_ERROR_ARGUMENT, "parameters and their moving averages are exchanged: exchange them back first");
    weft_status status = check_state(o, from, where);
    void **ready = status == WEFT_OK ? calloc((size_t)o->count * KEPT + 1, sizeof *ready) : NULL;
    if (!ready)
        return status != WEFT_OK ? status : weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its optimiser", where);
    for (int32_t r = 0; status == WEFT_OK && r < o->count; r++)
        for (int k = 0; status == WEFT_OK && k < KEPT; k++) {
            weft_optimizer_row *row = &o->rows[r];
            char *name = weft_prefixed(kept[k].prefix, row->name);
            weft_tensor t;
            bool there = name && weft_arrays_find(from, name, &t);
            void *memory = there ? weft_optimizer_memory(row, type_of(row, k)) : NULL;
            if (!name || (there && !memory))
                status = weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its optimiser", where);
            else if (there)
                memcpy(memory, t.data, weft_tensor_bytes(t));
            else if (kept[k].place == offsetof(weft_optimizer_row, ema) && row->ema)
                status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: holds no moving average \"%s\", this run keeps them", where, name);
            ready[r * KEPT + k] = memory;
            free(name);
        }
    weft_tensor steps;
    weft_arrays_find(from, "optimizer.steps", &steps);
    for (int32_t r = 0; r < o->count; r++) {
        weft_optimizer_row *row = &o->rows[r];
        for (int k = 0; k < KEPT; k++) {
            void **place = place_of(row, k), *drop = status == WEFT_OK ? *place : ready[r * KEPT + k];
            if (status == WEFT_OK)
                *place = ready[r * KEPT + k];
            free(drop);
        }
        if (status == WEFT_OK) {
            row->steps = ((const int64_t *)steps.data)[r + 1];
            row->summed = row->sum != NULL;
        }
    }
    if (status == WEFT_OK)
        o->steps = ((const int64_t *)steps.data)[0];
    free(ready);
    return status;
}
