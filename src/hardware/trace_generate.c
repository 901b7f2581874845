/* Making traces: snapshots of a serving run whose batch is always full, and streams of arrivals. */
#include "hardware/trace.h"

#include "base/files.h"
#include "base/random.h"
#include "hardware/balance.h"
#include "io/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BATCH = 1 << 20 };

static weft_status take_lengths(weft_csv *csv, weft_lengths *out)
{
    static const char *const names[2][3] = {{"input_toks", "prompt", "prompt_tokens"},
                                            {"output_toks", "output", "output_tokens"}};
    const double *value[2] = {NULL, NULL};
    for (int c = 0; c < 2; c++) {
        int place = -1;
        for (int n = 0; n < 3 && place < 0; n++)
            place = weft_csv_find(csv, names[c][n]);
        if (place < 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: no column %s (or %s)", weft_csv_path(csv), names[c][0], names[c][1]);
        value[c] = weft_csv_column_at(csv, place).values;
        for (int64_t row = 0; row < weft_csv_rows(csv); row++)
            if (!(value[c][row] >= 0 && value[c][row] <= WEFT_TRACE_MOST_TOKENS) || value[c][row] != floor(value[c][row]))
                return weft_fail(WEFT_ERROR_FORMAT, "%s, line %lld: \"%s\" is not a whole number of tokens", weft_csv_path(csv),
                                 (long long)weft_csv_line(csv, row), weft_csv_column_at(csv, place).name);
    }
    size_t rows = (size_t)weft_csv_rows(csv);
    out->prompt = malloc((rows + 1) * sizeof *out->prompt);
    out->output = malloc((rows + 1) * sizeof *out->output);
    if (!out->prompt || !out->output)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", weft_csv_path(csv));
    for (size_t row = 0; row < rows; row++) {
        if (value[1][row] < 1 || value[0][row] < 1) {
            out->dropped++;
            continue;
        }
        out->prompt[out->count] = (int32_t)value[0][row];
        out->output[out->count++] = (int32_t)value[1][row];
    }
    return out->count ? WEFT_OK : weft_fail(WEFT_ERROR_FORMAT, "%s: no row has a prompt and an answer", weft_csv_path(csv));
}

weft_status weft_lengths_read(const char *path, weft_lengths *out)
{
    weft_csv *csv = NULL;
    *out = (weft_lengths){0};
    weft_status status = weft_csv_read(path, &(weft_csv_options){.threads = 1}, &csv);
    if (status == WEFT_OK)
        status = take_lengths(csv, out);
    weft_csv_free(csv);
    if (status != WEFT_OK)
        weft_lengths_free(out);
    return status;
}

void weft_lengths_free(weft_lengths *lengths)
{
    free(lengths->prompt);
    free(lengths->output);
    *lengths = (weft_lengths){0};
}

weft_trace_options weft_trace_defaults(void)
{
    return (weft_trace_options){.batch = 512,
                                .warm_up = 100000,
                                .between = 500,
                                .snapshots = 1,
                                .context = 2048,
                                .channels = 32,
                                .balanced = true,
                                .heads = 32,
                                .embedding = 1024,
                                .head_size = 128,
                                .layers = 32};
}

/* The requests that are alive, and where they live. */
typedef struct generator {
    const weft_trace_options *o;
    const weft_lengths *lengths;
    weft_attention_shape shape;
    weft_random_key key;
    uint64_t draws;
    int64_t *prompt, *output, *made; /* [batch]: of each request, and tokens generated so far */
    int32_t *channel;                /* [batch] */
    int64_t *fresh;                  /* [batch]: places whose request is new and has no channel */
    int64_t fresh_count;
    int64_t *load, *used; /* [channels]: estimated cycles; tiles */
    int pointer;          /* of round robin */
} generator;

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t length_of(const generator *g, int64_t i)
{
    int64_t length = g->prompt[i] + g->made[i];
    return length < g->o->context ? length : g->o->context;
}

/* 32 KiB tiles of the keys and values of all layers of a stage. */
static int64_t tiles_of(const generator *g, int64_t length)
{
    const weft_attention_shape *s = &g->shape;
    return (ceil_div(length, s->banks) * ceil_div(s->embedding, s->row_elements) +
            ceil_div(length, s->row_elements) * ceil_div(s->embedding, s->banks)) *
           g->o->layers;
}

static void draw(generator *g, int64_t i)
{
    uint64_t row = weft_random_below(g->key, 0, g->draws++, 0, (uint64_t)g->lengths->count);
    g->prompt[i] = g->lengths->prompt[row];
    g->output[i] = g->lengths->output[row];
    g->made[i] = 0;
    g->channel[i] = -1;
    g->fresh[g->fresh_count++] = i;
}

static void count_channels(generator *g)
{
    memset(g->load, 0, (size_t)g->o->channels * sizeof *g->load);
    memset(g->used, 0, (size_t)g->o->channels * sizeof *g->used);
    for (int64_t i = 0; i < g->o->batch; i++)
        if (g->channel[i] >= 0) {
            g->load[g->channel[i]] += weft_attention_estimate(&g->shape, length_of(g, i));
            g->used[g->channel[i]] += tiles_of(g, length_of(g, i));
        }
}

static weft_status place_balanced(generator *g)
{
    int64_t *cost = malloc((size_t)(g->fresh_count + 1) * sizeof *cost);
    int32_t *channel = malloc((size_t)(g->fresh_count + 1) * sizeof *channel);
    weft_status status = cost && channel ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "making a trace: memory is short");
    for (int64_t k = 0; k < g->fresh_count && status == WEFT_OK; k++)
        cost[k] = weft_attention_estimate(&g->shape, length_of(g, g->fresh[k]));
    if (status == WEFT_OK)
        status = weft_balance_greedy(cost, g->fresh_count, g->o->channels, g->load, channel);
    for (int64_t k = 0; k < g->fresh_count && status == WEFT_OK; k++)
        g->channel[g->fresh[k]] = channel[k];
    free(cost);
    free(channel);
    return status;
}

/* The first channel from the pointer on that has room. */
static weft_status place_round_robin(generator *g)
{
    for (int64_t k = 0; k < g->fresh_count; k++) {
        int64_t i = g->fresh[k], need = tiles_of(g, length_of(g, i));
        int tried = 0;
        while (tried < g->o->channels && g->o->room && g->used[g->pointer] + need > g->o->room) {
            g->pointer = (g->pointer + 1) % g->o->channels;
            tried++;
        }
        if (tried == g->o->channels)
            return weft_fail(WEFT_ERROR_ARGUMENT,
                             "making a trace: no channel has room for %lld more tiles; a batch of %lld does not fit the memory",
                             (long long)need, (long long)g->o->batch);
        g->channel[i] = g->pointer;
        g->used[g->pointer] += need;
        g->pointer = (g->pointer + 1) % g->o->channels;
    }
    return WEFT_OK;
}

static weft_status place(generator *g)
{
    if (!g->fresh_count)
        return WEFT_OK;
    count_channels(g);
    weft_status status = g->o->balanced ? place_balanced(g) : place_round_robin(g);
    g->fresh_count = 0;
    return status;
}

static weft_status step(generator *g)
{
    for (int64_t i = 0; i < g->o->batch; i++)
        if (++g->made[i] >= g->output[i])
            draw(g, i);
    return place(g);
}

static weft_status snapshot(const generator *g, weft_trace *out)
{
    out->requests = calloc((size_t)g->o->batch, sizeof *out->requests);
    if (!out->requests)
        return weft_fail(WEFT_ERROR_MEMORY, "making a trace: memory is short");
    out->count = g->o->batch;
    out->channels = true;
    for (int64_t i = 0; i < g->o->batch; i++)
        out->requests[i] = (weft_load_request){.length = length_of(g, i), .channel = g->channel[i]};
    return WEFT_OK;
}

static weft_status run(generator *g, weft_trace *out)
{
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < g->o->batch; i++)
        draw(g, i);
    status = place(g);
    int64_t steps = g->o->warm_up;
    for (int64_t s = 0; s < g->o->snapshots && status == WEFT_OK; s++) {
        for (int64_t k = 0; k < steps && status == WEFT_OK; k++)
            status = k % 1024 == 0 && weft_interrupted() ? weft_fail(WEFT_ERROR_INTERRUPTED, "stopped") : step(g);
        if (status == WEFT_OK)
            status = snapshot(g, &out[s]);
        steps = g->o->between;
    }
    return status;
}

weft_status weft_trace_generate(const weft_trace_options *o, const weft_lengths *lengths, weft_trace *out)
{
    for (int64_t s = 0; s < o->snapshots; s++)
        out[s] = (weft_trace){0};
    if (o->batch < 1 || o->batch > MOST_BATCH)
        return weft_fail(WEFT_ERROR_ARGUMENT, "making a trace: a batch of %lld; expected 1 to %d", (long long)o->batch,
                         MOST_BATCH);
    size_t n = (size_t)o->batch, channels = (size_t)o->channels;
    generator g = {.o = o,
                   .lengths = lengths,
                   .shape = {o->embedding, o->heads, o->head_size, 512, 32},
                   .key = weft_random_stream(o->seed, "trace requests")};
    int64_t *numbers = calloc(4 * n + 2 * channels, sizeof *numbers);
    g.channel = malloc(n * sizeof *g.channel);
    weft_status status = numbers && g.channel ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "making a trace: memory is short");
    if (status == WEFT_OK) {
        g.prompt = numbers, g.output = numbers + n, g.made = numbers + 2 * n, g.fresh = numbers + 3 * n;
        g.load = numbers + 4 * n, g.used = g.load + channels;
        memset(g.channel, 0xff, n * sizeof *g.channel);
        status = run(&g, out);
    }
    for (int64_t s = 0; s < o->snapshots && status != WEFT_OK; s++)
        weft_trace_free(&out[s]);
    free(numbers);
    free(g.channel);
    return status;
}

/* Seconds to the next arrival; a burst arrives together, after a gap as long as its requests would have taken alone. */
static double gap(weft_arrivals kind, double rate, int64_t burst, weft_random_key key, uint64_t i, int64_t *left)
{
    if (kind == WEFT_ARRIVALS_EVEN)
        return 1 / rate;
    if (kind == WEFT_ARRIVALS_BURSTS && *left > 0) {
        --*left;
        return 0;
    }
    double mean = 1 / rate;
    if (kind == WEFT_ARRIVALS_BURSTS) { /* sizes 1 … 2·burst - 1, each as likely: burst on average */
        mean *= (double)burst;
        *left = (int64_t)weft_random_below(key, 2, i, 0, (uint64_t)(2 * burst - 1));
    }
    return -log(weft_random_uniform(key, 1, i, 0)) * mean;
}

weft_status weft_trace_arrivals(weft_arrivals kind, double rate, int64_t burst, int64_t count, int64_t context, uint64_t seed,
                                const weft_lengths *lengths, weft_trace *out)
{
    *out = (weft_trace){.timed = true};
    weft_random_key key = weft_random_stream(seed, "trace arrivals");
    out->requests = calloc((size_t)count + 1, sizeof *out->requests);
    if (!out->requests)
        return weft_fail(WEFT_ERROR_MEMORY, "making a trace: memory is short");
    double now = 0;
    int64_t left = 0;
    for (int64_t i = 0; i < count; i++) {
        uint64_t row = weft_random_below(key, 0, (uint64_t)i, 0, (uint64_t)lengths->count);
        int64_t prompt = lengths->prompt[row], output = lengths->output[row];
        if (context) { /* what serving systems do: the prompt is cut, the answer stops where the context ends */
            prompt = prompt < context ? prompt : context - 1;
            output = prompt + output <= context ? output : context - prompt;
        }
        now += i ? gap(kind, rate, burst, key, (uint64_t)i, &left) : 0;
        out->requests[out->count++] =
            (weft_load_request){.length = prompt, .channel = -1, .arrival = now, .prompt = prompt, .output = output};
    }
    return WEFT_OK;
}
