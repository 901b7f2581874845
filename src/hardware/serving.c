/* The serving loop: admission, chunks of prompts, blocks, preemption; and what the requests saw of it. */
#include "hardware/serving.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

weft_serving_options weft_serving_defaults(void)
{
    return (weft_serving_options){.batch = 256, .budget = 2048, .block = 16, .halves_from = 256};
}

typedef struct state {
    int64_t done;   /* tokens in the cache */
    int64_t made;   /* tokens generated */
    int64_t blocks; /* held */
    int channel;    /* of its cache; -1: none */
} state;

typedef struct server {
    const weft_platform *platform;
    const weft_llm *llm;
    const weft_trace *trace;
    const weft_serving_options *o;
    weft_serving_result *out;
    state *states;    /* [count] */
    int64_t *running; /* [batch] numbers of requests, in order of admission */
    int64_t running_count;
    int64_t *waiting; /* ring [count + 1]: arrived, not running; preempted ones go to the front */
    int64_t waiting_first, waiting_count;
    int64_t next; /* of the trace */
    int64_t finished, free_blocks;
    int64_t load[64];            /* tokens of each channel */
    weft_hardware_request *step; /* [batch]: the work of one iteration, beside `who` */
    int64_t *who;
    int64_t step_count;
    double now;
    int64_t sample_every;
} server;

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t ring_size(const server *s)
{
    return s->trace->count + 1;
}

static void wait_at_front(server *s, int64_t r)
{
    s->waiting_first = (s->waiting_first + ring_size(s) - 1) % ring_size(s);
    s->waiting[s->waiting_first] = r;
    s->waiting_count++;
}

static void wait_at_end(server *s, int64_t r)
{
    s->waiting[(s->waiting_first + s->waiting_count++) % ring_size(s)] = r;
}

static void arrive(server *s)
{
    for (; s->next < s->trace->count; s->next++) {
        bool closed = s->o->concurrency > 0;
        double at = s->trace->requests[s->next].arrival;
        if (closed ? s->next - s->finished >= s->o->concurrency : at > s->now)
            return;
        s->out->requests[s->next].arrival = closed ? s->now : at;
        wait_at_end(s, s->next);
    }
}

/* Tokens that must be in the cache before the next one is made: the prompt, and after a preemption what was made already. */
static int64_t context_of(const server *s, int64_t r)
{
    return s->out->requests[r].prompt + s->states[r].made;
}

static void release(server *s, int64_t r)
{
    state *st = &s->states[r];
    s->free_blocks += st->blocks;
    s->load[st->channel] -= st->done;
    *st = (state){.made = st->made, .channel = -1};
}

static void remove_running(server *s, int64_t place)
{
    memmove(s->running + place, s->running + place + 1, (size_t)(s->running_count - place - 1) * sizeof *s->running);
    s->running_count--;
}

/* Blocks for `tokens` tokens in all; those that came later give theirs back when there are none. False: it had to wait itself. */
static bool take_blocks(server *s, int64_t place, int64_t tokens)
{
    int64_t r = s->running[place], need = ceil_div(tokens, s->o->block) - s->states[r].blocks;
    while (need > s->free_blocks && s->running_count > place + 1) {
        int64_t last = s->running[s->running_count - 1];
        release(s, last);
        s->out->requests[last].preempted++;
        s->out->preemptions++;
        remove_running(s, s->running_count - 1);
        wait_at_front(s, last);
    }
    if (need > s->free_blocks)
        return false;
    if (need > 0) {
        s->free_blocks -= need;
        s->states[r].blocks += need;
    }
    return true;
}

static void add_step(server *s, int64_t r, int64_t tokens)
{
    state *st = &s->states[r];
    s->step[s->step_count] = (weft_hardware_request){.length = st->done + tokens, .channel = st->channel, .tokens = tokens};
    s->who[s->step_count++] = r;
}

static void admit(server *s, int64_t budget)
{
    while (s->waiting_count && s->running_count < s->o->batch && budget > 0) {
        int64_t r = s->waiting[s->waiting_first], context = context_of(s, r), need = ceil_div(context + 1, s->o->block);
        if (need > s->free_blocks)
            return;
        int channel = 0;
        for (int c = 1; c < s->platform->machine.memory.channels; c++)
            channel = s->load[c] < s->load[channel] ? c : channel;
        s->waiting_first = (s->waiting_first + 1) % ring_size(s);
        s->waiting_count--;
        s->free_blocks -= need;
        s->states[r].blocks = need;
        s->states[r].channel = channel;
        s->running[s->running_count++] = r;
        if (isnan(s->out->requests[r].start))
            s->out->requests[r].start = s->now;
        int64_t tokens = context < budget ? context : budget;
        add_step(s, r, tokens);
        budget -= tokens;
    }
}

/* The work of the next iteration: a token of each that decodes, then chunks of prompts, the oldest first. */
static void schedule(server *s)
{
    int64_t budget = s->o->budget;
    s->step_count = 0;
    for (int64_t place = 0; place < s->running_count && budget > 0; place++) {
        int64_t r = s->running[place];
        if (s->states[r].done + 1 < context_of(s, r) || s->states[r].made == 0)
            continue; /* its prompt is not done */
        if (take_blocks(s, place, s->states[r].done + 1)) {
            add_step(s, r, 1);
            budget--;
        }
    }
    for (int64_t place = 0; place < s->running_count && budget > 0; place++) {
        int64_t r = s->running[place], left = context_of(s, r) - s->states[r].done;
        if (s->states[r].made > 0 && left <= 1)
            continue;
        int64_t tokens = left < budget ? left : budget;
        add_step(s, r, tokens);
        budget -= tokens;
    }
    admit(s, budget);
}

static void finish(server *s, int64_t r)
{
    release(s, r);
    for (int64_t place = 0; place < s->running_count; place++)
        if (s->running[place] == r) {
            remove_running(s, place);
            break;
        }
    s->out->requests[r].finish = s->now;
    s->finished++;
}

static void count_tokens(server *s)
{
    for (int64_t i = 0; i < s->step_count; i++) {
        int64_t r = s->who[i];
        state *st = &s->states[r];
        weft_served *v = &s->out->requests[r];
        if (st->channel < 0)
            continue;
        st->done += s->step[i].tokens;
        s->load[st->channel] += s->step[i].tokens;
        if (st->done < context_of(s, r))
            continue;
        if (++st->made == 1)
            v->first = s->now;
        if (st->made >= v->output)
            finish(s, r);
    }
}

/* Every so many iterations; when the samples are full every other one is dropped. */
static void sample(server *s)
{
    weft_serving_result *out = s->out;
    if (out->iterations % s->sample_every)
        return;
    if (out->sample_count == WEFT_SERVING_SAMPLES) {
        for (int i = 0; i < WEFT_SERVING_SAMPLES / 2; i++)
            out->samples[i] = out->samples[2 * i];
        out->sample_count = WEFT_SERVING_SAMPLES / 2;
        s->sample_every *= 2;
    }
    out->samples[out->sample_count++] = (weft_serving_sample){s->now, (double)s->running_count, (double)s->waiting_count,
                                                              out->blocks ? 1 - (double)s->free_blocks / (double)out->blocks : 0};
}

static weft_status iterate(server *s)
{
    weft_iteration_options o = s->o->iteration;
    weft_iteration it;
    int64_t decoding = 0;
    for (int64_t i = 0; i < s->step_count; i++)
        decoding += s->step[i].tokens == 1;
    o.unchecked = true; /* the blocks have been counted */
    o.sub_batch = o.system == WEFT_SERVE_NEUPIMS && s->o->halves_from && decoding >= s->o->halves_from;
    weft_status status = weft_iteration_run(s->platform, s->llm, s->step, s->step_count, &o, &it);
    if (status != WEFT_OK)
        return status;
    double seconds = it.seconds + it.collective_seconds + it.head_seconds;
    weft_iteration_free(&it);
    if (!(seconds > 0))
        return weft_fail(WEFT_ERROR_NUMERIC, "serving: an iteration of %lld requests takes %g seconds", (long long)s->step_count,
                         seconds);
    s->now += seconds;
    s->out->busy_seconds += seconds;
    s->out->energy += it.energy.total;
    s->out->mean_batch += (double)s->step_count;
    int64_t used = s->out->blocks - s->free_blocks;
    s->out->peak_blocks = used > s->out->peak_blocks ? used : s->out->peak_blocks;
    count_tokens(s);
    s->out->iterations++;
    sample(s);
    return WEFT_OK;
}

static weft_status serve(server *s)
{
    weft_progress *progress = weft_progress_new(s->o->progress, s->o->user, "serving", s->trace->count, "requests");
    weft_status status = WEFT_OK;
    while (s->finished < s->trace->count && status == WEFT_OK) {
        arrive(s);
        schedule(s);
        if (s->step_count) {
            status = iterate(s);
        } else if (s->next < s->trace->count && s->trace->requests[s->next].arrival > s->now && !s->waiting_count) {
            s->now = s->trace->requests[s->next].arrival;
        } else {
            status = weft_fail(WEFT_ERROR_ARGUMENT, "serving: a request fits no more into the cache of %lld blocks",
                               (long long)s->out->blocks);
        }
        weft_progress_update(progress, s->finished, "%lld running", (long long)s->running_count);
        if (status == WEFT_OK && weft_interrupted())
            status = weft_fail(WEFT_ERROR_INTERRUPTED, "stopped");
    }
    weft_progress_free(progress);
    return status;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

weft_percentiles weft_percentiles_of(double *values, int64_t count)
{
    weft_percentiles p = {0};
    if (count < 1)
        return (weft_percentiles){NAN, NAN, NAN, NAN};
    qsort(values, (size_t)count, sizeof *values, by_value);
    for (int64_t i = 0; i < count; i++)
        p.mean += values[i] / (double)count;
    p.p50 = values[(count * 50 + 99) / 100 - 1];
    p.p90 = values[(count * 90 + 99) / 100 - 1];
    p.p99 = values[(count * 99 + 99) / 100 - 1];
    return p;
}

static weft_status summarise(server *s)
{
    weft_serving_result *out = s->out;
    const weft_serving_options *o = s->o;
    double *values = malloc((size_t)(4 * out->count + 1) * sizeof *values), begin = INFINITY, good = 0, tokens = 0, prompts = 0;
    if (!values)
        return weft_fail(WEFT_ERROR_MEMORY, "serving: memory is short");
    double *ttft = values, *tpot = values + out->count, *whole = tpot + out->count, *queued = whole + out->count;
    int64_t paced = 0;
    for (int64_t i = 0; i < out->count; i++) {
        const weft_served *v = &out->requests[i];
        ttft[i] = v->first - v->arrival;
        whole[i] = v->finish - v->arrival;
        queued[i] = v->start - v->arrival;
        double pace = v->output > 1 ? (v->finish - v->first) / (double)(v->output - 1) : 0;
        if (v->output > 1)
            tpot[paced++] = pace;
        good += (o->ttft_goal <= 0 || ttft[i] <= o->ttft_goal) && (o->tpot_goal <= 0 || pace <= o->tpot_goal);
        begin = v->arrival < begin ? v->arrival : begin;
        tokens += (double)v->output;
        prompts += (double)v->prompt;
    }
    out->ttft = weft_percentiles_of(ttft, out->count);
    out->tpot = weft_percentiles_of(tpot, paced);
    out->end_to_end = weft_percentiles_of(whole, out->count);
    out->queueing = weft_percentiles_of(queued, out->count);
    out->seconds = s->now - begin;
    out->tokens_per_second = tokens / out->seconds;
    out->prompt_tokens_per_second = prompts / out->seconds;
    out->requests_per_second = (double)out->count / out->seconds;
    out->good_share = good / (double)out->count;
    out->good_requests_per_second = good / out->seconds;
    out->mean_batch /= out->iterations ? (double)out->iterations : 1;
    free(values);
    return WEFT_OK;
}

static weft_status check(server *s)
{
    double each = (double)weft_llm_kv_bytes(s->llm) / (double)(s->llm->tensor_parallel * s->llm->pipeline_parallel);
    double left = weft_device_capacity(s->platform, s->o->iteration.system) - weft_device_bytes(s->llm, 0);
    double blocks = left > 0 ? floor(left / each / (double)s->o->block) : 0;
    s->out->blocks = s->free_blocks = blocks < 1e15 ? (int64_t)blocks : (int64_t)1e15;
    for (int64_t i = 0; i < s->trace->count; i++) {
        const weft_load_request *r = &s->trace->requests[i];
        if (ceil_div(r->prompt + r->output, s->o->block) > s->out->blocks)
            return weft_fail(WEFT_ERROR_ARGUMENT,
                             "request %lld of %lld tokens does not fit: beside the weights of %s there is room for %.0f tokens",
                             (long long)i + 1, (long long)(r->prompt + r->output), s->llm->name,
                             (double)s->out->blocks * (double)s->o->block);
    }
    return WEFT_OK;
}

weft_status weft_serving_run(const weft_platform *p, const weft_llm *m, const weft_trace *trace, const weft_serving_options *o,
                             weft_serving_result *out)
{
    *out = (weft_serving_result){.count = trace->count};
    if (!trace->timed)
        return weft_fail(WEFT_ERROR_ARGUMENT, "serving needs a trace with prompt and output (and arrival_s)");
    size_t n = (size_t)trace->count, batch = (size_t)o->batch;
    server s = {.platform = p, .llm = m, .trace = trace, .o = o, .out = out, .sample_every = 1};
    out->requests = calloc(n + 1, sizeof *out->requests);
    s.states = calloc(n + 1, sizeof *s.states);
    s.running = calloc(batch + 1, sizeof *s.running);
    s.waiting = calloc(n + 1, sizeof *s.waiting);
    s.step = calloc(batch + 1, sizeof *s.step);
    s.who = calloc(batch + 1, sizeof *s.who);
    weft_status status = out->requests && s.states && s.running && s.waiting && s.step && s.who
                             ? WEFT_OK
                             : weft_fail(WEFT_ERROR_MEMORY, "serving: memory is short");
    for (int64_t i = 0; i < trace->count && status == WEFT_OK; i++) {
        const weft_load_request *r = &trace->requests[i];
        out->requests[i] = (weft_served){.arrival = r->arrival, .start = NAN, .prompt = r->prompt, .output = r->output};
        s.states[i].channel = -1;
    }
    if (status == WEFT_OK)
        status = check(&s);
    if (status == WEFT_OK)
        status = serve(&s);
    if (status == WEFT_OK)
        status = summarise(&s);
    free(s.states);
    free(s.running);
    free(s.waiting);
    free(s.step);
    free(s.who);
    if (status != WEFT_OK)
        weft_serving_free(out);
    return status;
}

void weft_serving_free(weft_serving_result *r)
{
    free(r->requests);
    r->requests = NULL;
}
