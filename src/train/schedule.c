/* Learning rates by step, and the order in which an epoch visits its examples. */
#include "weft/train.h"
#include "base/random.h"

#include <math.h>

#define PI 3.14159265358979323846

/* Decay shapes: from 1 at t = 0 to 0 at t = 1. */
static double flat(double t)
{
    (void)t;
    return 1;
}

static double straight(double t)
{
    return 1 - t;
}

static double half_cosine(double t)
{
    return 0.5 * (1 + cos(PI * t));
}

static double (*const shapes[WEFT_SCHEDULE_COUNT])(double t) = {
    [WEFT_CONSTANT] = flat, [WEFT_LINEAR] = straight, [WEFT_COSINE] = half_cosine};

static const struct {
    int from_step;    /* the first step counts as this many */
    int short_of;     /* the peak comes at step warmup − this */
    bool decay_waits; /* it begins when the warm-up is over */
} warmups[WEFT_WARMUP_COUNT] = {
    [WEFT_WARMUP_RISING] = {1, 0, true}, [WEFT_WARMUP_FROM_ZERO] = {0, 1, true}, [WEFT_WARMUP_OVERLAID] = {1, 0, false}};

double weft_schedule_rate(const weft_schedule *s, int64_t step)
{
    double rise = 1;
    if (step < s->warmup) {
        int64_t whole = s->warmup - warmups[s->warmup_kind].short_of;
        rise = whole > 0 ? (double)(step + warmups[s->warmup_kind].from_step) / (double)whole : 0;
        if (warmups[s->warmup_kind].decay_waits)
            return s->peak * rise;
    }
    int64_t start = warmups[s->warmup_kind].decay_waits ? s->warmup : 0, length = s->steps - start, past = step - start;
    double left = shapes[s->kind](past >= length ? 1 : (double)past / (double)length);
    return rise * (s->peak * left + s->floor * (1 - left));
}

weft_status weft_schedule_check(const weft_schedule *s)
{
    if ((unsigned)s->kind >= WEFT_SCHEDULE_COUNT || (unsigned)s->warmup_kind >= WEFT_WARMUP_COUNT)
        return weft_fail(WEFT_ERROR_ARGUMENT, "schedule kind %d with warm-up kind %d: there is none", (int)s->kind,
                         (int)s->warmup_kind);
    if (!(s->peak >= 0) || !isfinite(s->peak) || !(s->floor >= 0) || !isfinite(s->floor))
        return weft_fail(WEFT_ERROR_ARGUMENT, "schedule from rate %g to %g: expected numbers of at least 0", s->peak, s->floor);
    if (s->warmup < 0 || s->steps < 0)
        return weft_fail(WEFT_ERROR_ARGUMENT, "schedule of %lld steps with %lld of warm-up: expected at least 0",
                         (long long)s->steps, (long long)s->warmup);
    if (s->kind != WEFT_CONSTANT && s->warmup > s->steps)
        return weft_fail(WEFT_ERROR_ARGUMENT, "schedule: %lld warm-up steps do not fit into %lld steps", (long long)s->warmup,
                         (long long)s->steps);
    return WEFT_OK;
}

void weft_epoch_order(uint64_t seed, int64_t epoch, int64_t n, int64_t *out)
{
    weft_random_permutation(weft_random_stream(seed, "epoch"), (uint64_t)epoch, n, out);
}
