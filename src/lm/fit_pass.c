/* One pass over a batch: its graph, forward and with gradients. */
#include "lm/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lm/teacher.h"
#include "train/optimizer.h"

struct weft_lm_pass {
    weft_lm *lm;
    weft_lm_pass_form form;
    int64_t rows; /* batch, DPO 2 · batch */
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    weft_lm_teacher *teacher;
    weft_lm_batch inputs;
    double *reference;
    float *shown;           /* reference in the graph's type; then what counts: pairs, or rows */
    int64_t *places, *last; /* of a decoder's classifier: each row's last token, in it and among all */
    float scale;
};

/* What is trained: of an adapted model the adapter's tensors; nothing of a teacher. */
static bool is_trained(const weft_lm *lm, const char *name)
{
    weft_tensor t;
    return weft_params_get(lm->adapter ? lm->adapter->params : lm->params, name, &t);
}

/* Summed losses a row [rows] of token losses [rows · length]. */
static weft_value dpo_loss(weft_lm_pass *p, weft_value losses, weft_value scale)
{
    weft_graph *g = p->graph;
    int64_t B = p->form.batch;
    weft_value sums = weft_sum(g, weft_reshape(g, losses, DIMS(p->rows, p->form.length)), 1, 1);
    sums = weft_reshape(g, sums, DIMS(p->rows));
    weft_value reference = weft_input(g, "reference", WEFT_F32, DIMS(p->rows));
    weft_value gain = weft_sub(g, reference, sums); /* log π − log π_ref of each response */
    weft_value margin = weft_scale(g, weft_sub(g, weft_rows(g, gain, 0, B), weft_rows(g, gain, B, 2 * B)), p->form.beta);
    weft_value counted = weft_input(g, "counted", WEFT_F32, DIMS(B)); /* 1 for a pair, 0 for an empty place */
    weft_name(g, sums, "sums");
    return weft_mul(g, weft_sum_all(g, weft_mul(g, weft_softplus(g, weft_neg(g, margin)), counted)), scale);
}

/* Losses [rows] of a classification head; empty rows are 0. Numbers: a row's loss is the mean over its numbers, as in the heads
 * of transformers. */
static weft_value class_losses(weft_lm_pass *p, weft_value answers, int64_t classes)
{
    weft_graph *g = p->graph;
    if (!p->form.targets)
        return weft_row_losses(g, answers, weft_labels(g, "labels", DIMS(p->rows), classes), 0);
    const bool number = p->lm->config.problem == WEFT_LM_PROBLEM_REGRESSION;
    weft_value want = weft_input(g, "targets", WEFT_F32, DIMS(p->rows, classes));
    weft_value counted = weft_input(g, "counted", WEFT_F32, DIMS(p->rows));
    return weft_mul(g, number ? weft_row_squares(g, answers, want) : weft_row_bce_logits(g, answers, want), counted);
}

/* Losses [rows · length], of classes [rows], of the stream x behind the last block. */
static weft_value token_losses(weft_lm_pass *p, weft_lm_builder *b, weft_value x)
{
    weft_graph *g = p->graph;
    int64_t places = p->rows * p->form.length, vocab = b->c->vocab;
    if (p->form.classes) {
        weft_value answers = weft_name(g, weft_lm_class_logits(b, x), "class_logits");
        return class_losses(p, answers, b->c->classes);
    }
    weft_value labels = weft_labels(g, "labels", DIMS(places), vocab);
    if (b->c->family->encoder)
        return weft_lm_mlm_losses(b, x, labels);
    const weft_value h = weft_reshape(g, weft_lm_final(b, x), DIMS(places, b->c->width));
    if (!p->teacher)
        return weft_lm_row_losses(b, h, labels);
    return weft_lm_teacher_losses(p->teacher, b, h, labels, p->form.temperature, p->form.teacher_weight);
}

static weft_status compile(weft_lm_pass *p, weft_value loss)
{
    weft_graph *g = p->graph;
    int n = p->form.gradients ? weft_graph_params(g, -1, NULL, NULL) : 0, trained = 0, wanted_count = 1;
    weft_value *wrt = calloc(2 * (size_t)n + 3, sizeof *wrt), *wanted = wrt ? wrt + n : NULL;
    const char **names = calloc((size_t)n + 1, sizeof *names);
    weft_consumed *consumed = calloc((size_t)n + 1, sizeof *consumed);
    weft_status status = wrt && names && consumed ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    for (int i = 0; status == WEFT_OK && i < n; i++) {
        weft_graph_params(g, i, &names[trained], &wrt[trained]);
        trained += is_trained(p->lm, names[trained]);
    }
    if (status == WEFT_OK) {
        wanted[0] = loss;
        if (trained)
            status = weft_gradient(g, loss, (weft_value){0}, wrt, trained, wanted + 1);
        for (int i = 0; i < trained && status == WEFT_OK; i++) {
            consumed[i] = (weft_consumed){wanted[1 + i], wrt[i]};
            if (!p->form.consumed)
                wanted[wanted_count++] = weft_name(g, wanted[1 + i], "grad.%s", names[i]);
        }
        if (p->form.dpo)
            wanted[wanted_count++] = weft_find(g, "sums");
        if (p->form.classes)
            wanted[wanted_count++] = weft_find(g, "class_logits");
    }
    if (status == WEFT_OK)
        status = weft_compile_consuming(p->lm->engine, g, NULL, 0, wanted, wanted_count, consumed, p->form.consumed ? trained : 0,
                                        &p->plan);
    free(consumed);
    free(wrt);
    free(names);
    weft_params *sets[4];
    int count = 0;
    for (; count < p->lm->set_count; count++)
        sets[count] = p->lm->sets[count];
    if (p->teacher)
        sets[count++] = weft_lm_teacher_head(p->teacher);
    return status == WEFT_OK ? weft_session_new(p->plan, sets, count, &p->session) : status;
}

/* Pairs of texts are told apart by their types alone. */
static bool types_wanted(const weft_lm_pass *p)
{
    return p->form.classes && p->lm->config.types > 1;
}

static weft_status build(weft_lm_pass *p)
{
    weft_lm_builder b;
    weft_graph *g = p->graph = weft_lm_graph(p->lm);
    if (!g)
        return WEFT_ERROR_MEMORY;
    if (p->form.bf16)
        weft_graph_bf16(g, true);
    weft_graph_recompute(g, p->form.recompute);
    weft_lm_begin(&b, g, &p->lm->config,
                  &(weft_lm_form){.batch = p->rows,
                                  .tokens = p->form.length,
                                  .segments = p->form.segments,
                                  .types = types_wanted(p),
                                  .adapter = p->lm->adapter,
                                  .adapter_dropout = p->form.gradients ? p->form.adapter_dropout : 0});
    weft_value losses = token_losses(p, &b, weft_lm_stream(&b));
    weft_value scale = weft_input(g, "scale", WEFT_F32, SCALAR);
    weft_value loss = p->form.dpo ? dpo_loss(p, losses, scale) : weft_mul(g, weft_sum_all(g, losses), scale);
    return compile(p, weft_name(g, loss, "loss"));
}

weft_status weft_lm_pass_new(weft_lm *lm, const weft_lm_pass_form *form, weft_lm_pass **out)
{
    *out = NULL;
    weft_lm_pass *p = calloc(1, sizeof *p);
    if (!p)
        return weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    p->lm = lm;
    p->form = *form;
    p->rows = form->dpo ? 2 * form->batch : form->batch;
    size_t n = (size_t)(p->rows * form->length);
    int64_t *all = calloc(5 * n, sizeof *all);
    if (all)
        p->inputs = (weft_lm_batch){all, all + n, all + 2 * n, all + 3 * n, all + 4 * n, NULL, 0};
    p->inputs.targets = calloc((size_t)(p->rows * form->targets) + 1, sizeof *p->inputs.targets);
    p->reference = calloc((size_t)p->rows, sizeof *p->reference);
    p->shown = calloc(2 * (size_t)p->rows, sizeof *p->shown);
    p->places = calloc(2 * (size_t)p->rows, sizeof *p->places);
    p->last = p->places ? p->places + p->rows : NULL;
    if (form->classes && !lm->config.family->encoder) /* a row is one text, and its last token sees nothing behind it */
        p->form.segments = false;
    weft_status status = all && p->inputs.targets && p->reference && p->shown && p->places
                             ? WEFT_OK
                             : weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    if (status == WEFT_OK && form->teacher)
        status = weft_lm_teacher_new(form->teacher, lm, p->rows, form->length, form->segments, form->bf16, &p->teacher);
    if (status == WEFT_OK)
        status = build(p);
    if (status == WEFT_OK)
        *out = p;
    else
        weft_lm_pass_free(p);
    return status;
}

void weft_lm_pass_free(weft_lm_pass *p)
{
    if (!p)
        return;
    weft_session_free(p->session);
    weft_plan_free(p->plan);
    weft_graph_free(p->graph);
    weft_lm_teacher_free(p->teacher);
    free(p->inputs.ids);
    free(p->inputs.targets);
    free(p->reference);
    free(p->shown);
    free(p->places);
    free(p);
}

weft_lm_batch *weft_lm_pass_inputs(weft_lm_pass *p)
{
    return &p->inputs;
}

double *weft_lm_pass_reference(weft_lm_pass *p)
{
    return p->reference;
}

weft_session *weft_lm_pass_session(weft_lm_pass *p)
{
    return p->session;
}

static weft_status bind(weft_lm_pass *p, double scale)
{
    weft_dims dims = DIMS(p->rows, p->form.length);
    const weft_lm_batch *in = &p->inputs;
    p->scale = (float)scale;
    bool positions = weft_find(p->graph, "position_ids").id != 0;
    for (int64_t r = 0; r < p->rows; r++) {
        p->shown[r] = (float)p->reference[r];
        const int64_t each = p->form.classes ? 1 : p->form.length;
        bool counted = false;
        for (int64_t t = 0; t < each && !counted; t++)
            counted = in->labels[r * each + t] != WEFT_IGNORE;
        p->shown[p->rows + r] = counted;
        p->places[r] = 0; /* segment 0 is the text, what fills the row up another */
        while (p->places[r] + 1 < p->form.length && in->segments[r * p->form.length + p->places[r] + 1] == 0)
            p->places[r]++;
        p->last[r] = r * p->form.length + p->places[r];
    }
    const struct {
        const char *name;
        weft_tensor tensor;
        bool there;
    } rows[] = {
        {"input_ids", {in->ids, WEFT_I64, dims}, true},
        {"labels", {in->labels, WEFT_I64, DIMS(p->form.classes ? p->rows : p->rows * p->form.length)}, !p->form.targets},
        {"targets", {in->targets, WEFT_F32, DIMS(p->rows, p->form.targets)}, p->form.targets > 0},
        {"position_ids", {in->positions, WEFT_I64, dims}, positions},
        {"segments", {in->segments, WEFT_I64, dims}, p->form.segments},
        {"token_type_ids", {in->types, WEFT_I64, dims}, types_wanted(p)},
        {"scale", {&p->scale, WEFT_F32, SCALAR}, true},
        {"rows", {p->last, WEFT_I64, DIMS(p->rows)}, p->form.classes && !p->lm->config.family->encoder},
        {"places", {p->places, WEFT_I64, DIMS(p->rows)}, p->form.classes && !p->lm->config.family->encoder},
        {"reference", {p->shown, WEFT_F32, DIMS(p->rows)}, p->form.dpo},
        {"counted", {p->shown + p->rows, WEFT_F32, DIMS(p->form.batch)}, p->form.dpo || p->form.targets},
    };
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && status == WEFT_OK; i++)
        if (rows[i].there)
            status = weft_bind(p->session, rows[i].name, rows[i].tensor);
    return status;
}

/* What one run is for: nothing more; a step; sums of gradients. */
typedef struct use {
    weft_optimizer *optimizer; /* NULL: nothing more */
    double rate;
    bool accumulating;
} use;

static weft_status run(weft_lm_pass *p, const use *u)
{
    if (!u->optimizer)
        return weft_run(p->session);
    return u->accumulating ? weft_optimizer_run_accumulating(u->optimizer, p->session, 1)
                           : weft_optimizer_run(u->optimizer, p->session, u->rate);
}

static weft_status pass(weft_lm_pass *p, double scale, uint64_t seed, uint64_t step, const use *u, double *loss)
{
    weft_tensor value;
    weft_status status = bind(p, scale);
    if (status == WEFT_OK && p->teacher)
        status = weft_lm_teacher_run(p->teacher, &p->inputs, &value);
    if (status == WEFT_OK && p->teacher)
        status = weft_bind(p->session, "taught", value);
    weft_seed(p->session, seed, step);
    if (status == WEFT_OK)
        status = run(p, u);
    if ((status != WEFT_OK && status != WEFT_ERROR_NUMERIC) || weft_fetch(p->session, "loss", &value) != WEFT_OK)
        return status;
    *loss = value.dtype == WEFT_F64 ? *(const double *)value.data : (double)*(const float *)value.data;
    return isfinite(*loss) ? status : WEFT_OK; /* such a loss says more than the gradients that it spoilt */
}

weft_status weft_lm_pass_run(weft_lm_pass *p, double scale, uint64_t seed, uint64_t step, double *loss)
{
    return pass(p, scale, seed, step, &(use){0}, loss);
}

weft_status weft_lm_pass_step(weft_lm_pass *p, double scale, uint64_t seed, uint64_t step, weft_optimizer *optimizer, double rate,
                              bool accumulating, double *loss)
{
    return pass(p, scale, seed, step, &(use){optimizer, rate, accumulating}, loss);
}

weft_status weft_lm_pass_sums(weft_lm_pass *p, double *out)
{
    weft_tensor sums;
    weft_status status = weft_fetch(p->session, "sums", &sums);
    for (int64_t i = 0; status == WEFT_OK && i < p->rows; i++)
        out[i] = sums.dtype == WEFT_F64 ? ((const double *)sums.data)[i] : (double)((const float *)sums.data)[i];
    return status;
}
