/* Placing requests on channels better than by descending cost: annealing, and branch and bound. The heaviest channel ends an
 * iteration's attention, so its load is what is made small (scheduling on identical machines, P || Cmax). */
#include "hardware/balance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

enum {
    ANNEALING_STEPS = 400000,
    DESCENT_MOST = 8192, /* requests for which every exchange is tried at the end */
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

typedef struct placement {
    const int64_t *cost;
    int64_t count;
    int channels;
    int32_t *channel; /* [count] */
    int64_t *load;    /* [channels] */
} placement;

static void move(placement *p, int64_t i, int to)
{
    p->load[p->channel[i]] -= p->cost[i];
    p->load[to] += p->cost[i];
    p->channel[i] = to;
}

static void exchange(placement *p, int64_t a, int64_t b)
{
    int of_a = p->channel[a], of_b = p->channel[b];
    move(p, a, of_b);
    move(p, b, of_a);
}

static int heaviest_channel(const placement *p)
{
    int heaviest = 0;
    for (int c = 1; c < p->channels; c++)
        heaviest = p->load[c] > p->load[heaviest] ? c : heaviest;
    return heaviest;
}

/* The move or exchange that leaves the heaviest channel and its partner lightest; false: none makes both lighter. */
static bool improve(placement *p)
{
    int from = heaviest_channel(p);
    int64_t best = p->load[from], item = -1, partner = -1;
    int target = -1;
    for (int64_t a = 0; a < p->count; a++) {
        if (p->channel[a] != from)
            continue;
        for (int c = 0; c < p->channels; c++)
            if (c != from && p->load[c] + p->cost[a] < best)
                best = p->load[c] + p->cost[a], item = a, target = c, partner = -1;
        for (int64_t b = 0; b < p->count; b++) {
            int64_t less = p->cost[a] - p->cost[b];
            if (p->channel[b] == from || less <= 0)
                continue;
            int64_t left = p->load[from] - less, other = p->load[p->channel[b]] + less;
            int64_t higher = left > other ? left : other;
            if (higher < best)
                best = higher, item = a, partner = b, target = p->channel[b];
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

/* Sums of squares of loads under a falling temperature; best[count] is the placement of least heaviest load on the way. */
static void anneal(placement *p, uint64_t seed, int64_t bound, int32_t *best)
{
    weft_random_key key = weft_random_stream(seed, "balancing channels");
    int64_t lightest = p->load[heaviest_channel(p)];
    double mean = 0, hot, temperature;
    for (int64_t i = 0; i < p->count; i++)
        mean += (double)p->cost[i] / (double)p->count;
    temperature = hot = mean * mean;
    for (uint32_t step = 0; step < ANNEALING_STEPS && lightest > bound; step++) {
        const uint32_t counter[4] = {step, 0, 0, 0};
        uint32_t word[4];
        weft_philox(key.word, counter, word);
        if (step % 64 == 0)
            temperature = hot * pow(1e-7, (double)step / ANNEALING_STEPS);
        int64_t a = (int64_t)(((uint64_t)word[0] * (uint64_t)p->count) >> 32), b = -1;
        int from = p->channel[a], to;
        int64_t amount = p->cost[a];
        if (word[1] & 1) {
            b = (int64_t)(((uint64_t)word[2] * (uint64_t)p->count) >> 32);
            to = p->channel[b];
            amount -= p->cost[b];
        } else {
            to = (int)(((uint64_t)word[2] * (uint64_t)p->channels) >> 32);
        }
        if (to == from)
            continue;
        double rise = 2.0 * (double)amount * (double)(p->load[to] - p->load[from] + amount);
        if (rise > 0 && ((double)word[3] + 0.5) * 0x1p-32 >= exp(-rise / temperature))
            continue;
        if (b >= 0)
            exchange(p, a, b);
        else
            move(p, a, to);
        int64_t now = p->load[heaviest_channel(p)];
        if (now < lightest) {
            lightest = now;
            memcpy(best, p->channel, (size_t)p->count * sizeof *best);
        }
    }
}

weft_status weft_balance_anneal(const int64_t *cost, int64_t count, int channels, uint64_t seed, int32_t *channel)
{
    int64_t *load = calloc((size_t)channels, sizeof *load), bound = 0;
    int32_t *best = malloc((size_t)(count + 1) * sizeof *best);
    weft_status status = load && best ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "balancing channels: memory is short");
    if (status == WEFT_OK)
        status = weft_balance_greedy(cost, count, channels, load, channel);
    if (status == WEFT_OK)
        status = weft_balance_bound(cost, count, channels, &bound);
    if (status == WEFT_OK && count) {
        placement p = {cost, count, channels, channel, load};
        memcpy(best, channel, (size_t)count * sizeof *best);
        anneal(&p, seed, bound, best);
        memcpy(channel, best, (size_t)count * sizeof *best);
        weft_balance_heaviest(cost, channel, count, channels, load);
        while (count <= DESCENT_MOST && load[heaviest_channel(&p)] > bound && improve(&p))
            ;
    }
    free(load);
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
        status = weft_balance_anneal(cost, count, channels, seed, channel);
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
