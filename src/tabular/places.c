/* Places of candidates in a batch's rows: each candidate that some context names stands there once. */
#include "tabular/retrieval.h"

#include <stdlib.h>

static weft_status reserve(weft_places *p, int64_t candidates)
{
    if (p->candidates >= candidates)
        return WEFT_OK;
    weft_places_free(p);
    p->place = malloc((size_t)(candidates + 1) * sizeof *p->place);
    p->stamp = calloc((size_t)candidates + 1, sizeof *p->stamp);
    if (!p->place || !p->stamp) {
        weft_places_free(p);
        return weft_fail(WEFT_ERROR_MEMORY, "places of %lld candidates do not fit in memory", (long long)candidates);
    }
    p->candidates = candidates;
    return WEFT_OK;
}

void weft_places_free(weft_places *p)
{
    free(p->place);
    free(p->stamp);
    *p = (weft_places){0};
}

weft_status weft_places_find(weft_places *p, int64_t candidates, const int64_t *own, int64_t batch, int64_t m,
                             const int64_t *context, int64_t capacity, int64_t *out, int64_t *unique, int64_t *count)
{
    weft_status status = reserve(p, candidates);
    if (status != WEFT_OK)
        return status;
    p->round++;
    *count = 0;
    for (int64_t i = 0; own && i < batch; i++)
        if (p->stamp[own[i]] != p->round) {
            p->stamp[own[i]] = p->round;
            p->place[own[i]] = i;
        }
    for (int64_t k = 0; k < batch * m; k++) {
        int64_t row = context[k];
        if (row < 0 || row >= candidates)
            return weft_fail(WEFT_ERROR_ARGUMENT, "context %lld of row %lld is %lld, there are %lld candidates",
                             (long long)(k % m), (long long)(k / m), (long long)row, (long long)candidates);
        if (p->stamp[row] != p->round) {
            if (*count == capacity)
                return weft_fail(WEFT_ERROR_ARGUMENT, "a batch looks at more than %lld other rows", (long long)capacity);
            p->stamp[row] = p->round;
            p->place[row] = batch + *count;
            unique[(*count)++] = row;
        }
        out[k] = p->place[row];
    }
    return WEFT_OK;
}
