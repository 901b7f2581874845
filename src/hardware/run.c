/* One call for every engine: the table of engines, checks of the work, and the result's memory. */
#include "hardware/engines.h"

#include "hardware/analytic.h"

#include <stdlib.h>

static const weft_hardware_engine engines[] = {
    {"event", WEFT_HARDWARE_EVENT, weft_engine_event},
    {"exact", WEFT_HARDWARE_EXACT, weft_engine_exact},
    {"analytic", WEFT_HARDWARE_ANALYTIC, weft_run_analytic},
    {NULL, WEFT_HARDWARE_EVENT, NULL},
};

const weft_hardware_engine *weft_hardware_engine_at(int i)
{
    const weft_hardware_engine *row = engines;
    while (i-- > 0 && row->name)
        row++;
    return row->name ? row : NULL;
}

/* Fills in what the shape leaves out. */
static weft_hardware_shape filled(const weft_hardware_shape *given)
{
    weft_hardware_shape s = *given;
    if (!s.kv_heads)
        s.kv_heads = s.heads;
    if (!s.head_dim)
        s.head_dim = s.heads > 0 ? s.embed / s.heads : 0;
    if (!s.inner)
        s.inner = 4 * s.embed;
    if (!s.experts)
        s.experts = 1;
    if (!s.active_experts)
        s.active_experts = 1;
    if (!s.tensor_parallel)
        s.tensor_parallel = 1;
    if (!s.weight_bits)
        s.weight_bits = 16;
    if (!s.kv_bits)
        s.kv_bits = 16;
    return s;
}

/* ---- Checks of the work. ---- */

static weft_status check_range(const char *name, int64_t value, int64_t least, int64_t most)
{
    if (value < least || value > most)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s is %lld; it must be from %lld to %lld", name, (long long)value,
                         (long long)least, (long long)most);
    return WEFT_OK;
}

static weft_status check_divides(const char *name, int64_t value, const char *by_name, int64_t by)
{
    if (value % by)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s %lld is not divisible by %s %lld", name, (long long)value, by_name,
                         (long long)by);
    return WEFT_OK;
}

/* Products of keys multiply a head's numbers, those of values up to a row's; a command counts its multiplies where an address has
 * its bank. */
static weft_status check_products(const weft_hardware_shape *s, const weft_hardware_memory *m)
{
    const int64_t most = (int64_t)m->ranks * m->bankgroups * m->banks_per_group, lanes = m->pim_lanes;
    const struct {
        const char *what;
        int64_t numbers;
    } rows[] = {{"head", s->head_dim}, {"row", (int64_t)m->columns * m->request_bytes / 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].numbers > most * lanes)
            return weft_fail(
                WEFT_ERROR_ARGUMENT,
                "memory pim_lanes is %lld: a %s of %lld numbers takes %lld multiplies; a PIM command has at most %lld, with %lld "
                "lanes or more",
                (long long)lanes, rows[i].what, (long long)rows[i].numbers, (long long)((rows[i].numbers + lanes - 1) / lanes),
                (long long)most, (long long)((rows[i].numbers + most - 1) / most));
    if (s->head_dim % lanes)
        weft_log(WEFT_LOG_WARNING, "a head of %lld numbers does not fill its last PIM multiply of %lld", (long long)s->head_dim,
                 (long long)lanes);
    return WEFT_OK;
}

static weft_status check_shape(const weft_hardware_shape *s, const weft_hardware_memory *m, const weft_hardware_options *o)
{
    const struct {
        const char *name;
        int64_t value, most;
    } ranges[] = {
        {"n_embd", s->embed, 1 << 17},
        {"n_head", s->heads, 1 << 14},
        {"KV heads", s->kv_heads, 1 << 14},
        {"n_tp", s->tensor_parallel, 1 << 14},
        {"inner width", s->inner, 1 << 20},
        {"experts", s->experts, 1 << 12},
        {"active experts", s->active_experts, s->experts},
        {"weight bits", s->weight_bits, 16},
        {"KV bits", s->kv_bits, 16},
    };
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0] && status == WEFT_OK; i++)
        status = check_range(ranges[i].name, ranges[i].value, 1, ranges[i].most);
    if (status == WEFT_OK && s->head_dim * s->heads == s->embed / s->heads * s->heads)
        status = check_divides("n_embd", s->embed, "n_head", s->heads);
    if (status == WEFT_OK)
        status = check_range("size of a head", s->head_dim, 1, 1 << 14);
    if (status == WEFT_OK)
        status = check_divides("n_head", s->heads, "n_tp", s->tensor_parallel);
    if (status == WEFT_OK)
        status = check_divides("n_head", s->heads, "the number of KV heads", s->kv_heads);
    if (status == WEFT_OK && s->kv_heads > s->tensor_parallel)
        status = check_divides("the number of KV heads", s->kv_heads, "n_tp", s->tensor_parallel);
    if (status == WEFT_OK && s->window < 0)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "window is %lld; it must be 0 (none) or more", (long long)s->window);
    if (status == WEFT_OK && m->kind != WEFT_MEMORY_PLAIN)
        status = check_products(s, m);
    if (status == WEFT_OK && o->system == WEFT_SYSTEM_NPU && s->tensor_parallel > 1 && o->fixed == WEFT_QUIRKS_COMPAT)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "the published NPU-only system knows no tensor parallelism: n_tp is %d, not 1",
                           s->tensor_parallel);
    return status;
}

enum { MOST_PUBLISHED_REQUESTS = 1024, MOST_REQUESTS = 1 << 20, MOST_TOKENS = 1 << 22 };

/* Those with a channel, in order; the others are named in the log. */
static weft_status check_requests(const weft_hardware_job *job, weft_hardware_request *out, int64_t *count)
{
    int channels = job->hardware->memory.channels;
    int64_t most = job->options->fixed & WEFT_QUIRK_REQUEST_LIMIT ? MOST_REQUESTS : MOST_PUBLISHED_REQUESTS;
    int64_t tokens = 0;
    *count = 0;
    if (job->count > most)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%lld requests; the published simulator takes at most %lld", (long long)job->count,
                         (long long)most);
    for (int64_t i = 0; i < job->count; i++) {
        const weft_hardware_request *q = &job->requests[i];
        if (q->length < 1 || q->length > 1 << 28)
            return weft_fail(WEFT_ERROR_ARGUMENT, "request %lld: length is %lld; it must be from 1 to %d", (long long)i + 1,
                             (long long)q->length, 1 << 28);
        if (q->channel >= channels)
            return weft_fail(WEFT_ERROR_ARGUMENT, "request %lld: channel is %d; the memory has channels 0 to %d",
                             (long long)i + 1, q->channel, channels - 1);
        tokens += q->tokens > 1 ? q->tokens : 1;
        if (q->tokens > q->length || q->tokens < 0)
            return weft_fail(WEFT_ERROR_ARGUMENT,
                             "request %lld: computes %lld tokens of %lld; a length counts the tokens of this iteration too",
                             (long long)i + 1, (long long)q->tokens, (long long)q->length);
        if (tokens > MOST_TOKENS)
            return weft_fail(WEFT_ERROR_ARGUMENT, "request %lld: its %lld tokens are more than the %d of one iteration",
                             (long long)i + 1, (long long)q->tokens, MOST_TOKENS);
        if (q->channel < 0)
            weft_log(WEFT_LOG_WARNING, "request %lld is skipped: its channel is %d", (long long)i + 1, q->channel);
        else
            out[(*count)++] = *q;
    }
    if (!*count)
        return weft_fail(WEFT_ERROR_ARGUMENT, "there is no request%s", job->count ? " with a channel" : "");
    return WEFT_OK;
}

void weft_hardware_result_free(weft_hardware_result *result)
{
    if (!result)
        return;
    free(result->stages);
    free(result->ops);
    free(result);
}

static weft_status run_engine(const weft_hardware_job *job, weft_hardware_result **out)
{
    for (const weft_hardware_engine *row = engines; row->name; row++) {
        if (row->mode != job->options->mode)
            continue;
        *out = calloc(1, sizeof **out);
        if (!*out)
            return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the result of a simulation");
        weft_status status = row->run(job, *out);
        if (status != WEFT_OK) {
            weft_hardware_result_free(*out);
            *out = NULL;
        }
        return status;
    }
    return weft_fail(WEFT_ERROR_UNSUPPORTED, "this build has no engine of that mode");
}

weft_status weft_hardware_run(const weft_hardware *hardware, const weft_hardware_shape *shape,
                              const weft_hardware_request *requests, int64_t count, const weft_hardware_options *options,
                              weft_hardware_result **out)
{
    static const weft_memory_kind kinds[] = {[WEFT_SYSTEM_NEUPIMS] = WEFT_MEMORY_DUAL,
                                             [WEFT_SYSTEM_NPU_PIM] = WEFT_MEMORY_SINGLE,
                                             [WEFT_SYSTEM_NPU] = WEFT_MEMORY_PLAIN};
    *out = NULL;
    weft_hardware machine = *hardware;
    machine.memory.kind = kinds[options->system];
    weft_hardware_shape s = filled(shape);
    weft_status status = weft_hardware_check(&machine);
    if (status == WEFT_OK)
        status = check_shape(&s, &machine.memory, options);
    if (status == WEFT_OK && options->sub_batch && options->system == WEFT_SYSTEM_NPU)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "sub-batches need a memory that computes; the NPU-only system has none");
    if (status != WEFT_OK)
        return status;
    weft_hardware_job job = {&machine, &s, requests, count, options};
    weft_hardware_request *kept = malloc((size_t)(count > 0 && count <= MOST_REQUESTS ? count : 1) * sizeof *kept);
    if (!kept)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate %lld requests", (long long)count);
    int64_t left = 0;
    status = check_requests(&job, kept, &left);
    job.requests = kept;
    job.count = left;
    if (status == WEFT_OK)
        status = run_engine(&job, out);
    free(kept);
    return status;
}
