/* Small graphs in tests: inputs of given numbers, compiling, running, fetching. Failing calls fail the test. */
#ifndef WEFT_TESTS_GRAPH_CASE_H
#define WEFT_TESTS_GRAPH_CASE_H

#include "graph/session.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static weft_engine *engine;

static inline int open_engine(void **state)
{
    (void)state;
    return weft_engine_new(&(weft_engine_options){.threads = 1}, &engine) == WEFT_OK ? 0 : -1;
}

static inline int close_engine(void **state)
{
    (void)state;
    weft_engine_free(engine);
    return 0;
}

static inline void fine(weft_status status)
{
    if (status != WEFT_OK)
        fail_msg("%s", weft_error());
}

/* A graph, its plan and its session. */
typedef struct running {
    weft_graph *g;
    weft_plan *plan;
    weft_session *s;
} running;

static inline running run_of(weft_graph *g, const weft_value *fetches, int n)
{
    running r = {.g = g};
    fine(weft_graph_status(g));
    fine(weft_compile(engine, g, NULL, 0, fetches, n, &r.plan));
    fine(weft_session_new(r.plan, NULL, 0, &r.s));
    return r;
}

/* Ends the session and the plan, and the graph with them when `graph`. */
static inline void end(running *r, bool graph)
{
    weft_session_free(r->s);
    weft_plan_free(r->plan);
    if (graph)
        weft_graph_free(r->g);
    *r = (running){0};
}

static inline weft_tensor result(running *r, weft_value v)
{
    weft_tensor t;
    fine(weft_fetch_value(r->s, v, &t));
    return t;
}

static inline float result_at(running *r, weft_value v, int64_t i)
{
    return ((const float *)result(r, v).data)[i];
}

/* A tensor in F32 over `numbers`. */
static inline weft_tensor floats(float *numbers, weft_dims dims)
{
    return (weft_tensor){numbers, WEFT_F32, dims};
}

static inline weft_tensor integers(int64_t *numbers, weft_dims dims)
{
    return (weft_tensor){numbers, WEFT_I64, dims};
}

/* Runs with the arena and the scratch full of NaN. */
static inline weft_status run_dirty(running *r)
{
    memset(r->s->arena, 255, r->plan->arena_bytes);
    for (int i = 0; i < weft_engine_threads(r->plan->engine); i++)
        memset(r->s->run.scratch[i], 255, r->plan->scratch_bytes);
    return weft_run(r->s);
}

#endif
