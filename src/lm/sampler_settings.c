/* What a sampler is told: ranges, and reading them from JSON. */
#include "lm/sampler.h"

#include "base/spelling.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST 1e30

weft_status weft_sampler_check(const weft_sampler_settings *s)
{
    const struct {
        const char *name, *wants;
        double value, least, most;
        bool above; /* least itself is refused */
    } rows[] = {
        {"temperature", "0 (greedy) or more", s->temperature, 0, LARGEST, false},
        {"top_p", "more than 0, at most 1", s->top_p, 0, 1, true},
        {"min_p", "from 0 to 1", s->min_p, 0, 1, false},
        {"typical_p", "more than 0, at most 1", s->typical_p, 0, 1, true},
        {"repetition_penalty", "more than 0", s->repetition_penalty, 0, LARGEST, true},
        {"presence_penalty", "a number", s->presence_penalty, -LARGEST, LARGEST, false},
        {"frequency_penalty", "a number", s->frequency_penalty, -LARGEST, LARGEST, false},
        {"top_k", "0 (all) or more", (double)s->top_k, 0, LARGEST, false},
        {"no_repeat_ngram_size", "0 (off) or more", (double)s->no_repeat_ngram, 0, LARGEST, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!(rows[i].value >= rows[i].least && rows[i].value <= rows[i].most) ||
            (rows[i].above && rows[i].value == rows[i].least))
            return weft_fail(WEFT_ERROR_ARGUMENT, "%s is %g; expected %s", rows[i].name, rows[i].value, rows[i].wants);
    for (int64_t i = 0; i < s->bias_count; i++)
        if (isnan(s->bias[i].bias) || s->bias[i].bias > LARGEST)
            return weft_fail(WEFT_ERROR_ARGUMENT, "logit_bias of token %lld is %g", (long long)s->bias[i].id, s->bias[i].bias);
    return WEFT_OK;
}

weft_status weft_sampler_check_keys(weft_json_value object, const char *where)
{
    static const char *const known[] = {"temperature",
                                        "top_k",
                                        "top_p",
                                        "min_p",
                                        "typical_p",
                                        "repetition_penalty",
                                        "presence_penalty",
                                        "frequency_penalty",
                                        "no_repeat_ngram_size",
                                        "logit_bias",
                                        "sampler_order",
                                        "greedy",
                                        "do_sample"};
    enum { KNOWN = sizeof known / sizeof known[0] };
    for (int64_t i = 0; i < weft_json_size(object); i++) {
        weft_json_value value;
        const char *key = weft_json_key(object, i, &value), *nearest = NULL;
        bool found = false;
        for (int k = 0; k < KNOWN; k++) {
            found = found || strcmp(key, known[k]) == 0;
            weft_spelling_nearest(key, known[k], &nearest);
        }
        if (found)
            continue;
        weft_text list = {0};
        for (int k = 0; k < KNOWN && !nearest; k++)
            weft_text_add(&list, "%s%s", k ? ", " : "", known[k]);
        weft_status status =
            nearest ? weft_fail(WEFT_ERROR_FORMAT, "%s: there is no setting \"%.60s\"; did you mean %s?", where, key, nearest)
                    : weft_fail(WEFT_ERROR_FORMAT, "%s: there is no setting \"%.60s\"; known are %s", where, key,
                                list.data ? list.data : "");
        weft_text_free(&list);
        return status;
    }
    return WEFT_OK;
}

/* {"id": bias, …} */
static weft_status read_bias(weft_json_value object, const char *where, weft_sampler_settings *out, weft_logit_bias **bias)
{
    int64_t count = weft_json_size(object);
    if (weft_json_kind_of(object) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: logit_bias: expected an object {\"token id\": number}", where);
    if (!(*bias = calloc((size_t)count + 1, sizeof **bias)))
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
    for (int64_t i = 0; i < count; i++) {
        weft_json_value value;
        char *end;
        const char *key = weft_json_key(object, i, &value);
        errno = 0;
        (*bias)[i] = (weft_logit_bias){strtoll(key, &end, 10), weft_json_number(value, NAN)};
        if (errno || end == key || *end || isnan((*bias)[i].bias))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: logit_bias: \"%.60s\": expected a token id and a number", where, key);
    }
    out->bias = *bias;
    out->bias_count = count;
    return WEFT_OK;
}

static weft_status read_words(weft_json_value object, const char *where, weft_sampler_settings *out)
{
    const char *order = NULL;
    bool sample = true;
    weft_status status = weft_json_take_string(object, where, "sampler_order", &order);
    if (status == WEFT_OK && order) {
        if (strcmp(order, "llamacpp") != 0 && strcmp(order, "transformers") != 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: sampler_order: \"%.60s\"; expected transformers or llamacpp", where, order);
        out->order = strcmp(order, "llamacpp") == 0 ? WEFT_SAMPLE_LLAMACPP : WEFT_SAMPLE_TRANSFORMERS;
    }
    if (status == WEFT_OK)
        status = weft_json_take_bool(object, where, "greedy", &out->greedy);
    if (status == WEFT_OK && weft_json_present(weft_json_get(object, "do_sample"))) {
        status = weft_json_take_bool(object, where, "do_sample", &sample);
        out->greedy = !sample;
    }
    return status;
}

weft_status weft_sampler_read(weft_json_value object, const char *where, weft_sampler_settings *out, weft_logit_bias **bias)
{
    weft_sampler_settings *s = out;
    const struct {
        const char *key;
        double *number;
        int64_t *integer;
    } rows[] = {
        {"temperature", &s->temperature, NULL},
        {"top_k", NULL, &s->top_k},
        {"top_p", &s->top_p, NULL},
        {"min_p", &s->min_p, NULL},
        {"typical_p", &s->typical_p, NULL},
        {"repetition_penalty", &s->repetition_penalty, NULL},
        {"presence_penalty", &s->presence_penalty, NULL},
        {"frequency_penalty", &s->frequency_penalty, NULL},
        {"no_repeat_ngram_size", NULL, &s->no_repeat_ngram},
    };
    *bias = NULL;
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && status == WEFT_OK; i++) {
        if (!weft_json_present(weft_json_get(object, rows[i].key)))
            continue; /* null: as if it were not there */
        status = rows[i].number ? weft_json_take_number(object, where, rows[i].key, -LARGEST, LARGEST, rows[i].number)
                                : weft_json_take_integer(object, where, rows[i].key, INT64_MIN, INT64_MAX, rows[i].integer);
    }
    if (status == WEFT_OK)
        status = read_words(object, where, out);
    weft_json_value biases = weft_json_get(object, "logit_bias");
    if (status == WEFT_OK && weft_json_present(biases))
        status = read_bias(biases, where, out, bias);
    if (status == WEFT_OK && (status = weft_sampler_check(out)) != WEFT_OK)
        status = weft_fail_in(status, "%s", where);
    if (status != WEFT_OK) {
        free(*bias);
        *bias = NULL;
        out->bias = NULL;
        out->bias_count = 0;
    }
    return status;
}
