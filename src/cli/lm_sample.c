/* weft lm sample: what the sampler does to given logits. */
#include "cli/lm_texts.h"
#include "lm/sampler.h"

#include <math.h>
#include <stdlib.h>

static const cli_option options[] = {
    {.name = "file",
     .value = "F.jsonl",
     .kind = CLI_PATH,
     .help =
         "cases with the keys logits, prompt_ids, output_ids, settings and u: a line of JSON each, or one list; - for standard "
         "input",
     .traits = CLI_REQUIRED},
    {.name = "sampler-order",
     .value = "ORDER",
     .kind = CLI_CHOICE,
     .choices = "transformers|llamacpp",
     .otherwise = "transformers",
     .help = "what is applied first: llamacpp has the temperature last"},
    {0},
};

/* A list of numbers or of ids; malloc'd, absent: empty. */
typedef struct numbers {
    float *floats;
    double *reals;
    int64_t *ids;
    int64_t count;
} numbers;

static weft_status read_numbers(weft_json_value record, const char *key, const char *where, bool ids, numbers *out)
{
    weft_json_value list = weft_json_get(record, key);
    bool given = weft_json_present(list);
    if (given && weft_json_kind_of(list) != WEFT_JSON_LIST)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %s: expected a list", where, key);
    int64_t n = given ? weft_json_size(list) : 0;
    out->count = n;
    out->floats = malloc(((size_t)n + 1) * sizeof *out->floats);
    out->reals = malloc(((size_t)n + 1) * sizeof *out->reals);
    out->ids = malloc(((size_t)n + 1) * sizeof *out->ids);
    if (!out->floats || !out->reals || !out->ids)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
    for (int64_t i = 0; i < n; i++) {
        weft_json_value item = weft_json_item(list, i);
        weft_json_kind kind = weft_json_kind_of(item);
        /* JSON has no NaN: null stands for it, as for what other programs could not write */
        bool fits = kind == WEFT_JSON_INTEGER || (!ids && (kind == WEFT_JSON_NUMBER || kind == WEFT_JSON_NULL));
        if (!fits)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: %s[%lld]: expected a %s", where, key, (long long)i,
                             ids ? "token id" : "number");
        out->reals[i] = weft_json_number(item, NAN);
        out->floats[i] = (float)out->reals[i];
        out->ids[i] = weft_json_integer(item, -1);
    }
    return WEFT_OK;
}

static void free_numbers(numbers *n)
{
    free(n->floats);
    free(n->reals);
    free(n->ids);
}

typedef struct sample_case {
    numbers logits, prompt, output, u;
    weft_sampler_settings settings;
    weft_logit_bias *bias;
    weft_sampler *sampler;
} sample_case;

static weft_status read_case(sample_case *c, weft_json_value record, const char *where)
{
    weft_json_value settings = weft_json_get(record, "settings");
    weft_status status = read_numbers(record, "logits", where, false, &c->logits);
    if (status == WEFT_OK && c->logits.count == 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: expected {\"logits\": [numbers], …}", where);
    if (status == WEFT_OK)
        status = read_numbers(record, "prompt_ids", where, true, &c->prompt);
    if (status == WEFT_OK)
        status = read_numbers(record, "output_ids", where, true, &c->output);
    if (status == WEFT_OK)
        status = read_numbers(record, "u", where, false, &c->u);
    if (status == WEFT_OK && weft_json_present(settings) && weft_json_kind_of(settings) != WEFT_JSON_OBJECT)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: settings: expected an object", where);
    for (int64_t i = 0; i < c->u.count && status == WEFT_OK; i++)
        if (!(c->u.reals[i] >= 0 && c->u.reals[i] < 1))
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: u[%lld] is %g; expected from 0 to less than 1", where, (long long)i,
                               c->u.reals[i]);
    if (status == WEFT_OK)
        status = weft_sampler_check_keys(settings, where);
    return status == WEFT_OK ? weft_sampler_read(settings, where, &c->settings, &c->bias) : status;
}

static weft_status answer(cli_arguments *a, sample_case *c, const char *where)
{
    weft_sampler_history history = {c->prompt.ids, c->prompt.count, c->output.ids, c->output.count};
    const double *p = NULL;
    int64_t greedy = 0;
    weft_status status = weft_sampler_new(c->logits.count, &c->settings, &c->sampler);
    if (status == WEFT_OK)
        status = weft_sampler_greedy(c->sampler, c->logits.floats, &history, &greedy);
    if (status == WEFT_OK)
        status = weft_sampler_probabilities(c->sampler, c->logits.floats, &history, &p);
    if (status != WEFT_OK)
        return weft_fail_in(status, "%s", where);
    weft_json_writer *w = cli_json(a);
    weft_json_open_object(w);
    weft_json_add_key(w, "probabilities");
    weft_json_open_list(w);
    for (int64_t i = 0; i < c->logits.count; i++)
        weft_json_add_number(w, p[i]);
    weft_json_close_list(w);
    weft_json_add_key(w, "drawn");
    weft_json_open_list(w);
    cli_say(a, "%s: greedy %lld; drawn", where, (long long)greedy);
    for (int64_t i = 0; i < c->u.count; i++) {
        int64_t drawn = weft_sampler_draw(p, c->logits.count, c->u.reals[i]);
        weft_json_add_integer(w, drawn);
        cli_say(a, " %lld", (long long)drawn);
    }
    weft_json_close_list(w);
    weft_json_add_key(w, "greedy");
    weft_json_add_integer(w, greedy);
    weft_json_close_object(w);
    cli_say(a, "\n");
    for (int64_t i = 0; i < c->logits.count; i++)
        if (p[i] > 0.01)
            cli_say(a, "%8lld  %.4f\n", (long long)i, p[i]);
    return WEFT_OK;
}

static weft_status sample(void *user, weft_json_value record, const char *where)
{
    cli_arguments *a = user;
    sample_case c = {.settings = WEFT_SAMPLER_DEFAULT};
    if (cli_text(a, "sampler-order")[0] == 'l')
        c.settings.order = WEFT_SAMPLE_LLAMACPP;
    weft_status status = read_case(&c, record, where);
    if (status == WEFT_OK)
        status = answer(a, &c, where);
    weft_sampler_free(c.sampler);
    free(c.bias);
    free_numbers(&c.logits);
    free_numbers(&c.prompt);
    free_numbers(&c.output);
    free_numbers(&c.u);
    return status;
}

static weft_status run(cli_arguments *a)
{
    weft_json_add_key(cli_json(a), "results");
    weft_json_open_list(cli_json(a));
    weft_status status = cli_read_records(cli_text(a, "file"), sample, a);
    weft_json_close_list(cli_json(a));
    return status;
}

const cli_command cli_lm_sample = {
    .name = "lm",
    .action = "sample",
    .summary = "show what the sampler does to given logits",
    .description = "settings: temperature (0: greedy), top_k, top_p, min_p, typical_p, repetition_penalty, presence_penalty, "
                   "frequency_penalty, no_repeat_ngram_size, logit_bias, greedy, sampler_order; another name is refused. For "
                   "each u the answer is the first token in id order at "
                   "which the sum "
                   "of probabilities passes u.",
    .options = options,
    .example = "weft lm sample --file case.jsonl\n"
               "# case.jsonl: {\"logits\": [1, 2, 3], \"settings\": {\"top_p\": 0.9}, \"u\": [0.1, 0.5]}",
    .run = run,
};
