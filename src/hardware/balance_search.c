/* Placing requests on channels better than by descending cost: annealing, and branch and bound. The heaviest channel ends an
 * iteration's attention, so its load is what is made small (scheduling on identical machines, P || Cmax). */
#include "hardware/balance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

enum {
    ANNEALING_STEPS = 400000,
    DESCENT_MOST = 1024, /* requests for which every exchange is tried at the end */
    BRANCH_MOST = 128,   /* requests for which the search can end in a life */
    BRANCH_NODES = 1 << 22,
};

int64_t weft_balance_heaviest(const int64_t *cost, const int32_t *channel, int64_t count, int channels, int64_t *load)
{
    int64_t heaviest = 0;
    memset(load, 0, (size_t)channels * sizeof *load);
    for (int64_t i = 0; i < count; i++)
        load[channel[i]] += cost[i];
    for (int c = 0; c < channels; c++)
        heaviest = load[c] > heaviest ? load[c] : heaviest;
    return heaviest;
}

weft_status weft_balance_bound(const int64_t *cost, int64_t count, int channels, int64_t *out)
{
    int64_t *order, sum = 0;
    weft_status status = weft_balance_order(cost, count, &order);
    if (status != WEFT_OK)
        return status;
    for (int64_t i = 0; i < count; i++)
        sum += cost[i];
    *out = (sum + channels - 1) / channels;
    /* Of the first k·channels + 1 by cost, some channel has k + 1: at least the k + 1 least of them. */
    for (int64_t k = 0; k * channels < count; k++) {
        int64_t least = 0;
        for (int64_t i = 0; i <= k; i++)
            least += cost[order[k * channels - i]];
        *out = least > *out ? least : *out;
    }
    free(order);
    return WEFT_OK;
}

/* ---- annealing ---- */

/* Phases follow each other, each as long as its heaviest channel; requests stay on their channel. */
typedef struct placement {
    const int64_t *cost; /* [phases][count] */
    int64_t count;
    int phases, channels;
    int32_t *channel; /* [count] */
    int64_t *load;    /* [phases][channels] */
} placement;

static int64_t total_of(const placement *p)
{
    int64_t total = 0;
    for (int f = 0; f < p->phases; f++) {
        const int64_t *load = p->load + f * p->channels;
        int64_t heaviest = load[0];
        for (int c = 1; c < p->channels; c++)
            heaviest = load[c] > heaviest ? load[c] : heaviest;
        total += heaviest;
    }
    return total;
}

static void move(placement *p, int64_t i, int to)
{
    for (int f = 0; f < p->phases; f++) {
        p->load[f * p->channels + p->channel[i]] -= p->cost[f * p->count + i];
        p->load[f * p->channels + to] += p->cost[f * p->count + i];
    }
    p->channel[i] = to;
}

/* Undone by the same call. */
static void exchange(placement *p, int64_t a, int64_t b)
{
    int of_a = p->channel[a], of_b = p->channel[b];
    move(p, a, of_b);
    move(p, b, of_a);
}

static bool is_heaviest(const placement *p, int channel)
{
    for (int f = 0; f < p->phases; f++) {
        const int64_t *load = p->load + f * p->channels;
        bool heaviest = true;
        for (int c = 0; c < p->channels && heaviest; c++)
            heaviest = load[c] <= load[channel];
        if (heaviest)
            return true;
    }
    return false;
}

/* The move or exchange of a request of a heaviest channel that shortens the whole most; false: none does. */
static bool improve(placement *p)
{
    int64_t best = total_of(p), item = -1, partner = -1;
    int target = -1;
    for (int64_t a = 0; a < p->count; a++) {
        int from = p->channel[a];
        if (!is_heaviest(p, from))
            continue;
        for (int c = 0; c < p->channels; c++) {
            move(p, a, c);
            int64_t total = total_of(p);
            if (total < best)
                best = total, item = a, target = c, partner = -1;
            move(p, a, from);
        }
        for (int64_t b = 0; b < p->count; b++) {
            if (p->channel[b] == from)
                continue;
            exchange(p, a, b);
            int64_t total = total_of(p);
            if (total < best)
                best = total, item = a, partner = b;
            exchange(p, a, b);
        }
    }
    if (item < 0)
        return false;
    if (partner >= 0)
        exchange(p, item, partner);
    else
        move(p, item, target);
    return true;
}

/* How much the sum of squares of loads rises when request a goes to channel `to`, and b (if ≥ 0) comes back. */
static double rise_of(const placement *p, int64_t a, int64_t b, int to)
{
    double rise = 0;
    for (int f = 0; f < p->phases; f++) {
        const int64_t *cost = p->cost + f * p->count, *load = p->load + f * p->channels;
        int64_t amount = cost[a] - (b >= 0 ? cost[b] : 0);
        rise += 2.0 * (double)amount * (double)(load[to] - load[p->channel[a]] + amount);
    }
    return rise;
}

/* Under a falling temperature; best[count] is the shortest placement on the way. */
static void anneal(placement *p, uint64_t seed, int64_t bound, int32_t *best)
{
    weft_random_key key = weft_random_stream(seed, "balancing channels");
    int64_t shortest = total_of(p);
    double mean = 0, hot, temperature;
    for (int64_t i = 0; i < p->count * p->phases; i++)
        mean += (double)p->cost[i] / (double)p->count;
    temperature = hot = mean * mean;
    for (uint32_t step = 0; step < ANNEALING_STEPS && shortest > bound; step++) {
        const uint32_t counter[4] = {step, 0, 0, 0};
        uint32_t word[4];
        weft_philox(key.word, counter, word);
        if (step % 64 == 0)
            temperature = hot * pow(1e-7, (double)step / ANNEALING_STEPS);
        int64_t a = (int64_t)(((uint64_t)word[0] * (uint64_t)p->count) >> 32), b = -1;
        int to;
        if (word[1] & 1) {
            b = (int64_t)(((uint64_t)word[2] * (uint64_t)p->count) >> 32);
            to = p->channel[b];
        } else {
            to = (int)(((uint64_t)word[2] * (uint64_t)p->channels) >> 32);
        }
        if (to == p->channel[a])
            continue;
        double rise = rise_of(p, a, b, to);
        if (rise > 0 && ((double)word[3] + 0.5) * 0x1p-32 >= exp(-rise / temperature))
            continue;
        if (b >= 0)
            exchange(p, a, b);
        else
            move(p, a, to);
        int64_t now = total_of(p);
        if (now < shortest) {
            shortest = now;
            memcpy(best, p->channel, (size_t)p->count * sizeof *best);
        }
    }
}

static void count_loads(placement *p)
{
    for (int f = 0; f < p->phases; f++)
        weft_balance_heaviest(p->cost + f * p->count, p->channel, p->count, p->channels, p->load + f * p->channels);
}

/* From the placement in p->channel; best [count] is room. */
static void shorten(placement *p, uint64_t seed, int64_t bound, int32_t *best)
{
    count_loads(p);
    memcpy(best, p->channel, (size_t)p->count * sizeof *best);
    anneal(p, seed, bound, best);
    memcpy(p->channel, best, (size_t)p->count * sizeof *best);
    count_loads(p);
    while (p->count <= DESCENT_MOST && total_of(p) > bound && improve(p))
        ;
}

weft_status weft_balance_anneal(const int64_t *cost, int phases, int64_t count, int channels, uint64_t seed, int32_t *channel)
{
    int64_t *load = calloc((size_t)(channels * phases), sizeof *load), *sum = calloc((size_t)count + 1, sizeof *sum), bound = 0;
    int32_t *best = malloc((size_t)(count + 1) * sizeof *best);
    weft_status status = load && sum && best ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "balancing channels: memory is short");
    if (status == WEFT_OK) {
        for (int64_t i = 0; i < count * phases; i++)
            sum[i % count] += cost[i];
        status = weft_balance_greedy(sum, count, channels, load, channel);
    }
    for (int f = 0; f < phases && status == WEFT_OK; f++) {
        int64_t least = 0;
        status = weft_balance_bound(cost + f * count, count, channels, &least);
        bound += least;
    }
    if (status == WEFT_OK && count)
        shorten(&(placement){cost, count, phases, channels, channel, load}, seed, bound, best);
    free(load);
    free(sum);
    free(best);
    return status;
}

/* ---- branch and bound ---- */

typedef struct branch {
    const int64_t *cost; /* [count], descending */
    int64_t count;
    int channels;
    int64_t *rest;        /* [count + 1]: sum of cost[i …] */
    int64_t *load;        /* [channels] */
    int32_t *at, *best;   /* [count] */
    int64_t limit, bound; /* loads above the limit are no better than what is known */
    int64_t nodes;        /* left */
    bool cut;             /* they ran out */
} branch;

/* Places requests i … in every way that may come below what is known; true: no need to look further. */
static bool descend(branch *s, int64_t i)
{
    if (s->nodes-- == 0) {
        s->cut = true;
        return true;
    }
    if (i == s->count) {
        int64_t heaviest = 0;
        for (int c = 0; c < s->channels; c++)
            heaviest = s->load[c] > heaviest ? s->load[c] : heaviest;
        memcpy(s->best, s->at, (size_t)s->count * sizeof *s->best);
        s->limit = heaviest - 1;
        return heaviest <= s->bound;
    }
    int64_t room = 0, least = s->cost[s->count - 1], tried = -1;
    for (int c = 0; c < s->channels; c++) /* where the least request does not fit, what is free is of no use */
        room += s->limit - s->load[c] >= least ? s->limit - s->load[c] : 0;
    if (room < s->rest[i])
        return false;
    for (;;) { /* lightest channel first, of equal loads one */
        int next = -1;
        for (int c = 0; c < s->channels; c++)
            if (s->load[c] > tried && (next < 0 || s->load[c] < s->load[next]))
                next = c;
        if (next < 0 || s->load[next] + s->cost[i] > s->limit)
            return false;
        tried = s->load[next];
        s->load[next] += s->cost[i];
        s->at[i] = next;
        bool over = descend(s, i + 1);
        s->load[next] -= s->cost[i];
        if (over)
            return true;
    }
}

static weft_status search(const int64_t *cost, int64_t count, int channels, int64_t known, int64_t bound, int32_t *channel,
                          bool *proven)
{
    branch s = {.count = count, .channels = channels, .limit = known - 1, .bound = bound, .nodes = BRANCH_NODES};
    int64_t *order, *numbers = calloc((size_t)(2 * count + 1 + channels), sizeof *numbers);
    int32_t *places = malloc((size_t)(2 * count + 1) * sizeof *places);
    weft_status status = weft_balance_order(cost, count, &order);
    if (status == WEFT_OK && (!numbers || !places))
        status = weft_fail(WEFT_ERROR_MEMORY, "balancing channels: memory is short");
    if (status == WEFT_OK) {
        int64_t *descending = numbers + count + 1 + channels;
        for (int64_t i = 0; i < count; i++)
            descending[i] = cost[order[i]];
        s.cost = descending;
        s.rest = numbers, s.load = numbers + count + 1;
        s.at = places, s.best = places + count;
        for (int64_t i = count; i-- > 0;)
            s.rest[i] = s.rest[i + 1] + descending[i];
        descend(&s, 0);
        *proven = !s.cut;
        for (int64_t i = 0; i < count && s.limit < known - 1; i++) /* something better was found */
            channel[order[i]] = s.best[i];
    }
    free(order);
    free(numbers);
    free(places);
    return status;
}

weft_status weft_balance_exact(const int64_t *cost, int64_t count, int channels, uint64_t seed, int32_t *channel, bool *proven)
{
    int64_t *load = calloc((size_t)channels, sizeof *load), bound = 0;
    *proven = false;
    weft_status status = load ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "balancing channels: memory is short");
    if (status == WEFT_OK)
        status = weft_balance_anneal(cost, 1, count, channels, seed, channel);
    if (status == WEFT_OK)
        status = weft_balance_bound(cost, count, channels, &bound);
    if (status == WEFT_OK) {
        int64_t known = weft_balance_heaviest(cost, channel, count, channels, load);
        *proven = known == bound;
        if (!*proven && count <= BRANCH_MOST)
            status = search(cost, count, channels, known, bound, channel, proven);
    }
    free(load);
    return status;
}
