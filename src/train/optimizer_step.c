/* One step of an optimiser: gradients are gathered by name, measured, then every parameter is updated in one pass over memory.
 * Work is cut into fixed pieces, and sums over pieces are added in their order, so threads change no bit. */
#include "train/optimizer.h"
#include "graph/params.h"
#include "graph/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *at(const weft_optimizer_row *row, const void *data, int64_t from)
{
    return (char *)(uintptr_t)data + (size_t)from * weft_dtype_size(row->dtype);
}

/* Elements cut to ± limit, into y. */
static void cut(const weft_vector_table *k, const weft_optimizer_row *row, double limit, int64_t n, const void *g, void *y)
{
    double wide[2] = {limit, -limit};
    float narrow[2] = {(float)limit, (float)-limit};
    const void *high = row->dtype == WEFT_F64 ? (void *)&wide[0] : &narrow[0];
    const void *low = row->dtype == WEFT_F64 ? (void *)&wide[1] : &narrow[1];
    k->binary(WEFT_MIN, 0, n, g, 1, high, 0, y);
    k->binary(WEFT_MAX, 0, n, y, 1, low, 0, y);
}

double weft_optimizer_measure(weft_optimizer *o, const weft_optimizer_piece *p, const void *gradient, int thread)
{
    const weft_optimizer_row *row = &o->rows[p->row];
    const weft_vector_table *k = weft_optimizer_kernels(o, row);
    const void *g = at(row, gradient, p->from);
    double sum = k->dot(p->size, g, g);
    if (o->options.clip_value > 0 && isfinite(sum)) { /* NaN must not vanish in the cut */
        void *y = weft_optimizer_scratch(o, thread, 0);
        cut(k, row, o->options.clip_value, p->size, g, y);
        sum = k->dot(p->size, y, y);
    }
    return sum;
}

static void measure_piece(void *argument, int64_t i, int thread)
{
    weft_optimizer *o = argument;
    const int64_t piece = o->in_place[i];
    const weft_optimizer_piece *p = &o->pieces[piece];
    const void *gradient = o->rows[p->row].gradient;
    o->partial[piece] = gradient ? weft_optimizer_measure(o, p, gradient, thread) : 0;
}

/* AdamW of one piece; moments in BF16 are widened for it, and rounded at random afterwards. */
static void adamw(const weft_optimizer_pass *s, const weft_optimizer_piece *p, const void *g, void *theta, int thread)
{
    weft_optimizer *o = s->o;
    const weft_optimizer_options *options = &o->options;
    const weft_optimizer_row *row = &o->rows[p->row];
    const weft_vector_table *k = weft_optimizer_kernels(o, row);
    const size_t from = (size_t)p->from * weft_dtype_size(row->moments);
    const bool narrow = row->moments != row->dtype;
    const double t = (double)(row->steps + 1);
    void *stored[2] = {(char *)row->m + from, (char *)row->v + from}, *moment[2] = {stored[0], stored[1]};
    for (int i = 0; i < 2 && narrow; i++)
        k->widen(row->moments, p->size, stored[i], moment[i] = weft_optimizer_scratch(o, thread, 1 + i));
    k->adamw(p->size, s->rate * row->rate, options->beta1, options->beta2, options->eps, row->weight_decay,
             1 - pow(options->beta1, t), 1 - pow(options->beta2, t), g, theta, moment[0], moment[1]);
    if (!narrow)
        return;
    void *draws = weft_optimizer_scratch(o, thread, 3);
    k->random(WEFT_LAW_UNIFORM, 0, 1, row->rounding.word, (uint64_t)row->steps, 1, NULL, p->from / WEFT_OPTIMIZER_PIECE, p->size,
              draws);
    for (int i = 0; i < 2; i++)
        k->narrow_at_random(p->size, moment[i], draws, stored[i]);
}

void weft_optimizer_update(const weft_optimizer_pass *s, const weft_optimizer_piece *p, const void *gradient, int thread)
{
    weft_optimizer *o = s->o;
    weft_optimizer_row *row = &o->rows[p->row];
    const weft_optimizer_options *options = &o->options;
    const weft_vector_table *k = weft_optimizer_kernels(o, row);
    void *theta = at(row, row->parameter, p->from);
    if (gradient) {
        const void *g = at(row, gradient, p->from);
        void *y = weft_optimizer_scratch(o, thread, 0);
        double rate = s->rate * row->rate;
        bool sgd = options->kind == WEFT_OPTIMIZER_SGD;
        if (options->clip_value > 0) {
            cut(k, row, options->clip_value, p->size, g, y);
            g = y;
        }
        if (s->factor != 1 || (sgd && g != y)) {
            k->unary(WEFT_SCALE, s->factor, p->size, g, y);
            g = y;
        }
        if (sgd) {
            if (row->weight_decay > 0)
                k->axpy(p->size, row->weight_decay, theta, y);
            void *m = at(row, row->m, p->from);
            k->unary(WEFT_SCALE, options->momentum, p->size, m, m);
            k->axpy(p->size, 1, y, m);
            if (options->nesterov)
                k->axpy(p->size, options->momentum, m, y);
            k->axpy(p->size, -rate, options->nesterov ? y : m, theta);
        } else {
            adamw(s, p, g, theta, thread);
        }
    }
    if (row->ema) {
        void *e = at(row, row->ema, p->from);
        k->unary(WEFT_SCALE, s->ema, p->size, e, e);
        k->axpy(p->size, 1 - s->ema, theta, e);
    }
}

static void update_piece(void *argument, int64_t i, int thread)
{
    const weft_optimizer_pass *s = argument;
    const weft_optimizer_piece *p = &s->o->pieces[s->o->in_place[i]];
    weft_optimizer_update(s, p, s->o->rows[p->row].gradient, thread);
}

weft_status weft_optimizer_prepare(weft_optimizer *o, bool *any)
{
    *any = false;
    for (int32_t r = 0; r < o->count; r++) {
        weft_optimizer_row *row = &o->rows[r];
        weft_tensor t;
        char have[WEFT_DIMS_TEXT], want[WEFT_DIMS_TEXT];
        *any |= row->gradient != NULL;
        if (row->rate == 0)
            row->gradient = NULL;
        if (!row->gradient && !row->ema)
            continue;
        if (!weft_params_get(o->params, row->name, &t))
            return weft_fail(WEFT_ERROR_ARGUMENT, "parameter \"%s\" is no longer in the set", row->name);
        if (t.dtype != row->dtype || !weft_dims_equal(t.dims, row->dims))
            return weft_fail(WEFT_ERROR_ARGUMENT, "parameter \"%s\" is %s, it was %s when the optimiser was made", row->name,
                             weft_dims_text(t.dims, have), weft_dims_text(row->dims, want));
        if (row->gradient) {
            weft_status status = weft_params_edit(o->params, row->name, &t);
            if (status != WEFT_OK)
                return status;
            bool ready = row->m || (row->m = weft_optimizer_memory(row, row->moments));
            if (ready && o->options.kind == WEFT_OPTIMIZER_ADAMW)
                ready = row->v || (row->v = weft_optimizer_memory(row, row->moments));
            if (!ready)
                return weft_fail(WEFT_ERROR_MEMORY, "parameter \"%s\": cannot allocate its moments", row->name);
        }
        row->parameter = t.data;
    }
    return WEFT_OK;
}

weft_status weft_optimizer_check_rate(double rate)
{
    if (rate >= 0 && isfinite(rate))
        return WEFT_OK;
    return weft_fail(WEFT_ERROR_ARGUMENT, "learning rate %g: expected a number of at least 0", rate);
}

weft_status weft_optimizer_sum_norm(weft_optimizer *o)
{
    double sum = 0;
    for (int64_t i = 0; i < o->piece_count; i++) {
        if (!isfinite(o->partial[i]))
            return weft_fail(WEFT_ERROR_NUMERIC, "the gradient of \"%s\" holds NaN or infinity", o->rows[o->pieces[i].row].name);
        sum += o->partial[i];
    }
    o->norm = sqrt(sum);
    return WEFT_OK;
}

weft_optimizer_pass weft_optimizer_begin(weft_optimizer *o, double rate)
{
    const double t = (double)(o->steps + 1), d = o->options.ema_decay, rising = (1 + t) / (10 + t);
    return (weft_optimizer_pass){o, rate, 1, o->options.ema_warmup && rising < d ? rising : d};
}

void weft_optimizer_finish(weft_optimizer *o)
{
    for (int32_t r = 0; r < o->count; r++)
        o->rows[r].steps += o->rows[r].gradient != NULL;
    o->steps++;
    weft_params_touch(o->params);
}

/* The step, with row->gradient set. */
static weft_status update(weft_optimizer *o, double rate)
{
    bool any = false;
    weft_status status = weft_optimizer_check_rate(rate);
    if (status == WEFT_OK)
        status = weft_optimizer_prepare(o, &any);
    if (status == WEFT_OK && !any)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "there is no gradient for this step: expected fetches named \"grad.PARAMETER\"");
    if (status != WEFT_OK)
        return status;
    weft_team_pieces(o->engine->team, o->piece_count, measure_piece, o);
    if ((status = weft_optimizer_sum_norm(o)) != WEFT_OK)
        return status;
    weft_optimizer_pass s = weft_optimizer_begin(o, rate);
    if (o->options.clip_norm > 0 && o->norm > o->options.clip_norm)
        s.factor = o->options.clip_norm / o->norm;
    weft_team_pieces(o->engine->team, o->piece_count, update_piece, &s);
    weft_optimizer_finish(o);
    return WEFT_OK;
}

/* ---- where gradients come from ---- */

static weft_status offer(weft_optimizer *o, const char *name, weft_tensor g, bool known)
{
    weft_optimizer_row *row = weft_optimizer_find(o, name);
    char have[WEFT_DIMS_TEXT], want[WEFT_DIMS_TEXT];
    if (!row)
        return known ? weft_fail(WEFT_ERROR_ARGUMENT, "gradient of \"%s\": the optimiser has no such parameter", name) : WEFT_OK;
    if (g.dtype != row->dtype || !weft_dims_equal(g.dims, row->dims))
        return weft_fail(WEFT_ERROR_ARGUMENT, "the gradient of \"%s\" is %s %s, the parameter is %s %s", name,
                         weft_dtype_name(g.dtype), weft_dims_text(g.dims, have), weft_dtype_name(row->dtype),
                         weft_dims_text(row->dims, want));
    row->gradient = row->count ? g.data : NULL;
    return WEFT_OK;
}

weft_status weft_optimizer_open_step(weft_optimizer *o)
{
    if (o->swapped)
        return weft_fail(WEFT_ERROR_ARGUMENT, "parameters and their moving averages are exchanged: exchange them back first");
    for (int32_t r = 0; r < o->count; r++)
        o->rows[r].gradient = NULL;
    return WEFT_OK;
}

/* Fetches named "grad.NAME"; those of other things than this optimiser's parameters are none of its business. */
static weft_status take_fetches(weft_optimizer *o, weft_session *session)
{
    const weft_plan *plan = session->plan;
    weft_status status = WEFT_OK;
    for (int i = 0; status == WEFT_OK && i < plan->fetch_count; i++) {
        const char *name = weft_node_of(plan->graph, plan->fetches[i])->name;
        weft_tensor g;
        if (name && strncmp(name, "grad.", 5) == 0 && (status = weft_fetch_value(session, plan->fetches[i], &g)) == WEFT_OK)
            status = offer(o, name + 5, g, false);
    }
    return status;
}

void weft_optimizer_sum(weft_optimizer *o, const weft_optimizer_piece *p, const void *gradient, double weight)
{
    const weft_optimizer_row *row = &o->rows[p->row];
    const weft_vector_table *k = weft_optimizer_kernels(o, row);
    if (row->summed)
        k->axpy(p->size, weight, at(row, gradient, p->from), at(row, row->sum, p->from));
    else
        k->unary(WEFT_SCALE, weight, p->size, at(row, gradient, p->from), at(row, row->sum, p->from));
}

static void sum_piece(void *argument, int64_t i, int thread)
{
    (void)thread;
    const weft_optimizer_pass *s = argument;
    const weft_optimizer_piece *p = &s->o->pieces[s->o->in_place[i]];
    if (s->o->rows[p->row].gradient)
        weft_optimizer_sum(s->o, p, s->o->rows[p->row].gradient, s->factor);
}

weft_status weft_optimizer_make_sum(weft_optimizer_row *row)
{
    if (row->sum || (row->sum = weft_optimizer_memory(row, row->dtype)))
        return WEFT_OK;
    return weft_fail(WEFT_ERROR_MEMORY, "parameter \"%s\": cannot allocate its accumulated gradient", row->name);
}

/* Adds weight · row->gradient to the sums. */
static weft_status accumulate(weft_optimizer *o, double weight)
{
    weft_status status = WEFT_OK;
    for (int32_t r = 0; r < o->count && status == WEFT_OK; r++)
        if (o->rows[r].gradient)
            status = weft_optimizer_make_sum(&o->rows[r]);
    if (status != WEFT_OK)
        return status;
    weft_optimizer_pass s = {.o = o, .factor = weight};
    weft_team_pieces(o->engine->team, o->piece_count, sum_piece, &s);
    for (int32_t r = 0; r < o->count; r++)
        o->rows[r].summed |= o->rows[r].gradient != NULL;
    return WEFT_OK;
}

/* The step on row->gradient plus what was accumulated, which is forgotten. */
static weft_status update_all(weft_optimizer *o, double rate)
{
    bool summed = false;
    for (int32_t r = 0; r < o->count; r++)
        summed |= o->rows[r].summed;
    weft_status status = summed ? accumulate(o, 1) : WEFT_OK;
    for (int32_t r = 0; summed && r < o->count; r++)
        o->rows[r].gradient = o->rows[r].summed ? o->rows[r].sum : NULL;
    if (status == WEFT_OK)
        status = update(o, rate);
    weft_optimizer_discard(o);
    return status;
}

weft_status weft_optimizer_step(weft_optimizer *o, weft_session *session, double rate)
{
    weft_status status = weft_optimizer_open_step(o);
    if (status == WEFT_OK && session)
        status = take_fetches(o, session);
    return status == WEFT_OK ? update_all(o, rate) : status;
}

weft_status weft_optimizer_apply(weft_optimizer *o, const char *const *names, const weft_tensor *grads, int n, double rate)
{
    weft_status status = weft_optimizer_open_step(o);
    for (int i = 0; status == WEFT_OK && i < n; i++)
        status = offer(o, names[i], grads[i], true);
    return status == WEFT_OK ? update_all(o, rate) : status;
}

weft_status weft_optimizer_accumulate(weft_optimizer *o, weft_session *session, double weight)
{
    if (!isfinite(weight))
        return weft_fail(WEFT_ERROR_ARGUMENT, "gradients weighted by %g: expected a number", weight);
    weft_status status = weft_optimizer_open_step(o);
    if (status == WEFT_OK)
        status = take_fetches(o, session);
    return status == WEFT_OK ? accumulate(o, weight) : status;
}

void weft_optimizer_discard(weft_optimizer *o)
{
    for (int32_t r = 0; r < o->count; r++)
        o->rows[r].summed = false;
}

/* ---- moving averages ---- */

static void swap_piece(void *argument, int64_t piece, int thread)
{
    weft_optimizer *o = argument;
    weft_optimizer_piece p = o->pieces[piece];
    weft_optimizer_row *row = &o->rows[p.row];
    void *y = weft_optimizer_scratch(o, thread, 0), *theta = at(row, row->parameter, p.from), *e = at(row, row->ema, p.from);
    size_t bytes = (size_t)p.size * weft_dtype_size(row->dtype);
    memcpy(y, theta, bytes);
    memcpy(theta, e, bytes);
    memcpy(e, y, bytes);
}

weft_status weft_optimizer_swap_ema(weft_optimizer *o)
{
    if (!(o->options.ema_decay > 0))
        return weft_fail(WEFT_ERROR_ARGUMENT, "this optimiser keeps no moving averages");
    for (int32_t r = 0; r < o->count; r++) {
        weft_tensor t;
        weft_status status = weft_params_edit(o->params, o->rows[r].name, &t);
        if (status != WEFT_OK)
            return status;
        if (t.dtype != o->rows[r].dtype || !weft_dims_equal(t.dims, o->rows[r].dims))
            return weft_fail(WEFT_ERROR_ARGUMENT, "parameter \"%s\" has changed its shape since the optimiser was made",
                             o->rows[r].name);
        o->rows[r].parameter = t.data;
    }
    weft_team_pieces(o->engine->team, o->piece_count, swap_piece, o);
    o->swapped = !o->swapped;
    weft_params_touch(o->params);
    return WEFT_OK;
}
