/* One evaluation of a graph for `weft run`: bind, run, and collect outputs, taps and gradients by name. */
#ifndef WEFT_NN_EVALUATE_H
#define WEFT_NN_EVALUATE_H

#include "io/io.h"
#include "weft/nn.h"

/* What the user asked of a model. */
typedef struct weft_run_request {
    const weft_arrays *inputs;
    const char *const *taps; /* intermediates to keep, by name */
    int tap_count;
    const char *const *grads; /* values whose weighted sums are differentiated; several add up */
    int grad_count;
    bool train;          /* batch norms use the batch's statistics */
    weft_dtype dtype;    /* F32 or F64 */
    bool bf16;           /* products in bf16 (with F32) */
    const char *adapter; /* a folder with an adapter; NULL: none */
} weft_run_request;

/* Whether a request's taps, or its grads, name this one. */
bool weft_run_lists(const char *const *names, int count, const char *name);

/* An empty graph of the type that was asked for; NULL when memory is short. */
weft_graph *weft_run_graph(const weft_run_request *);

typedef struct weft_binding {
    const char *name;
    weft_tensor tensor;
} weft_binding;

typedef struct weft_count_binding {
    const char *name;
    int64_t value;
} weft_count_binding;

typedef struct weft_evaluation {
    weft_engine *engine;
    weft_graph *graph;
    weft_params *const *params; /* searched in this order */
    int param_count;
    const weft_binding *bindings;
    int binding_count;
    const weft_count_binding *counts;
    int count_count;
    const char *const *outputs; /* named values that are always written */
    int output_count;
    const char *const *inputs; /* floating-point inputs to differentiate by */
    int input_count;
    /* What a parameter's gradient is called, behind "grad."; NULL: it is not taken. The text holds until the next call. Without
     * this function all are taken, by their own names. */
    const char *(*gradient_name)(void *user, const char *parameter);
    void *user;
} weft_evaluation;

/* Appends outputs and taps under their names, and "grad.NAME" of every parameter and input, to *out (copies). A tap or gradient
 * that the graph does not have is an error that lists those it has. */
weft_status weft_evaluate(const weft_evaluation *, const weft_run_request *, weft_arrays *out);

/* An error for a name that is not among the graph's named values. */
weft_status weft_no_such_value(const weft_graph *, const char *name);

/* Refuses inputs that are not in `known` (NULL-terminated; an entry that ends in '*' is a prefix), listing them. */
weft_status weft_check_inputs(const weft_arrays *inputs, const char *const *known);

#endif
