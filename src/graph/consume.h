/* Values handed over while a plan runs. A consumer takes each as soon as it is finished, in the run's parallel region, and its
 * memory then serves others: so a training step need not hold all gradients at once. */
#ifndef WEFT_GRAPH_CONSUME_H
#define WEFT_GRAPH_CONSUME_H

#include "weft/graph.h"

/* `value` is handed over when it is finished and no later step reads `after` ({0}: nothing to wait for): a parameter, which the
 * consumer may then change in place. */
typedef struct weft_consumed {
    weft_value value, after;
} weft_consumed;

typedef struct weft_consumer {
    void *user;
    int64_t (*pieces)(void *user, int item);                                         /* the same for any number of threads */
    void (*take)(void *user, int item, const void *data, int64_t piece, int thread); /* data: the whole value */
} weft_consumer;

/* weft_compile with values that are consumed, in the order of items; they need not be fetched. */
weft_status weft_compile_consuming(weft_engine *, weft_graph *, const weft_value *feeds, int nf, const weft_value *fetches, int n,
                                   const weft_consumed *consumed, int count, weft_plan **out);
int weft_plan_consumed(const weft_plan *, int item, weft_consumed *out); /* how many; `item` of them, −1: none */

/* Who takes them from the next run on (NULL: nobody), which must outlive those runs. Without one such a plan does not run. */
void weft_session_consumer(weft_session *, const weft_consumer *);

#endif
