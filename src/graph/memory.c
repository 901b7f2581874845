/* The memory plan: how long each buffer of the arena is in use, which elementwise steps work in place, and offsets such that
 * buffers that are in use together do not overlap (largest first, lowest gap). */
#include "graph/planning.h"

#include <stdlib.h>

static void touch(weft_plan *plan, const weft_slot *place, int32_t step)
{
    if (place->buffer < 0)
        return;
    weft_buffer *b = &plan->buffers[place->buffer];
    if (step < b->first)
        b->first = step;
    if (step > b->last)
        b->last = step;
}

/* Whether the step may write where operand k stands: the whole of it, read by nobody later, nor in another way by this step. */
static bool may_write_over(const weft_plan *plan, int32_t step, int k)
{
    const weft_step *s = plan->steps[step];
    const weft_buffer *out = &plan->buffers[s->out[0].buffer],
                      *in = s->in[k].buffer >= 0 ? &plan->buffers[s->in[k].buffer] : NULL;
    if (!in || in->kind != WEFT_BUFFER_ARENA || in->last != step || in->bytes != out->bytes || s->in[k].offset != 0 ||
        s->in[k].dtype != s->out[0].dtype)
        return false;
    if (s->program ? s->program->producers > 0 || s->program->mode[k] != WEFT_STRIP_FULL : s->writes_over != k + 1)
        return false;
    for (int j = 0; j < s->in_count; j++)
        if (j != k && s->in[j].buffer == s->in[k].buffer)
            return false;
    return true;
}

/* An elementwise step without producer, or one that says so, may write where a whole operand stood that nobody reads any more. */
static void work_in_place(weft_plan *plan)
{
    for (int32_t i = 0; i < plan->step_count; i++) {
        weft_step *s = plan->steps[i];
        weft_buffer *out = s->out_count && s->out[0].buffer >= 0 ? &plan->buffers[s->out[0].buffer] : NULL;
        if (!out || out->kind != WEFT_BUFFER_ARENA || out->first != i || s->out[0].offset != 0)
            continue;
        for (int k = 0; k < s->in_count; k++)
            if (may_write_over(plan, i, k)) {
                out->same_as = s->in[k].buffer;
                break;
            }
    }
    /* what shares a place lives as long as all of them */
    for (int32_t b = plan->buffer_count - 1; b >= 0; b--) {
        int32_t root = b;
        while (plan->buffers[root].same_as >= 0)
            root = plan->buffers[root].same_as;
        plan->buffers[b].same_as = root == b ? -1 : root;
        if (root != b && plan->buffers[b].last > plan->buffers[root].last)
            plan->buffers[root].last = plan->buffers[b].last;
    }
}

typedef struct placed {
    size_t offset, end;
    int32_t first, last;
} placed;

typedef struct sized {
    size_t bytes;
    int32_t buffer;
} sized;

static int largest_first(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x->buffer > y->buffer) - (x->buffer < y->buffer);
}

weft_status weft_memory_lay(weft_plan *plan)
{
    for (int32_t i = 0; i < plan->step_count; i++) {
        weft_step *s = plan->steps[i];
        for (int k = 0; k < s->in_count; k++)
            touch(plan, &s->in[k], i);
        for (int k = 0; k < s->out_count; k++)
            touch(plan, &s->out[k], i);
    }
    for (int i = 0; i < plan->fetch_count; i++)
        plan->buffers[plan->fetch_places[i].buffer].last = INT32_MAX;
    work_in_place(plan);
    size_t n = (size_t)plan->buffer_count + 1;
    placed *list = malloc(n * sizeof *list); /* by offset */
    sized *order = malloc(n * sizeof *order);
    if (!list || !order) {
        free(list);
        free(order);
        return WEFT_ERROR_MEMORY;
    }
    int32_t count = 0, wanted = 0;
    for (int32_t b = 0; b < plan->buffer_count; b++)
        if (plan->buffers[b].kind == WEFT_BUFFER_ARENA && plan->buffers[b].same_as < 0 && plan->buffers[b].last >= 0)
            order[wanted++] = (sized){plan->buffers[b].bytes, b};
    qsort(order, (size_t)wanted, sizeof *order, largest_first);
    for (int32_t i = 0; i < wanted; i++) {
        weft_buffer *b = &plan->buffers[order[i].buffer];
        size_t at = 0;
        int32_t slot = 0;
        for (int32_t k = 0; k < count; k++) {
            if (list[k].last < b->first || list[k].first > b->last)
                continue;
            if (list[k].offset >= at + b->bytes)
                break;
            if (list[k].end > at)
                at = list[k].end;
        }
        while (slot < count && list[slot].offset <= at)
            slot++;
        for (int32_t k = count; k > slot; k--)
            list[k] = list[k - 1];
        list[slot] = (placed){at, at + b->bytes, b->first, b->last};
        count++;
        b->offset = at;
        if (at + b->bytes > plan->arena_bytes)
            plan->arena_bytes = at + b->bytes;
    }
    for (int32_t b = 0; b < plan->buffer_count; b++)
        if (plan->buffers[b].same_as >= 0)
            plan->buffers[b].offset = plan->buffers[plan->buffers[b].same_as].offset;
    free(list);
    free(order);
    return WEFT_OK;
}
