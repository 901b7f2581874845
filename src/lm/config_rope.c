/* Rotary positions: rope_theta, rope_scaling and the newer rope_parameters, and the frequencies that follow from them.
 * Rules as in transformers' modeling_rope_utils; YaRN: arXiv 2309.00071; LongRoPE: arXiv 2402.13753. */
#include "lm/config_family.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    weft_lm_rope_type type;
} types[] = {
    {"default", WEFT_ROPE_DEFAULT}, {"linear", WEFT_ROPE_LINEAR}, {"dynamic", WEFT_ROPE_DYNAMIC},
    {"llama3", WEFT_ROPE_LLAMA3},   {"yarn", WEFT_ROPE_YARN},     {"longrope", WEFT_ROPE_LONGROPE},
    {"su", WEFT_ROPE_LONGROPE}, /* longrope's first name */
};

static weft_status read_type(weft_json_value v, const char *where, weft_lm_rope *r)
{
    const char *name = NULL;
    weft_status status = weft_json_take_string(v, where, "type", &name);
    if (status == WEFT_OK)
        status = weft_json_take_string(v, where, "rope_type", &name);
    if (status != WEFT_OK || !name)
        return status;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0) {
            r->type = types[i].type;
            return WEFT_OK;
        }
    return weft_fail(WEFT_ERROR_FORMAT,
                     "%s: \"rope_type\" is \"%.60s\"; known are default, linear, dynamic, llama3, yarn, longrope", where, name);
}

static weft_status read_factors(weft_json_value v, const char *where, const char *key, int64_t count, double **out)
{
    weft_json_value list = weft_json_get(v, key);
    if (weft_json_kind_of(list) != WEFT_JSON_LIST || weft_json_size(list) != count)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" of longrope has %lld numbers, expected %lld: half the rotated dimensions",
                         where, key, (long long)weft_json_size(list), (long long)count);
    if (!(*out = calloc((size_t)count + 1, sizeof **out)))
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
    for (int64_t i = 0; i < count; i++)
        if (!((*out)[i] = weft_json_number(weft_json_item(list, i), NAN), (*out)[i] > 0))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" entry %lld of longrope is no number above 0", where, key,
                             (long long)i);
    return WEFT_OK;
}

/* keys that a type cannot do without */
static weft_status need(weft_json_value v, const char *where, const weft_lm_rope *r)
{
    static const struct {
        weft_lm_rope_type type;
        const char *key;
    } needed[] = {
        {WEFT_ROPE_LINEAR, "factor"},
        {WEFT_ROPE_DYNAMIC, "factor"},
        {WEFT_ROPE_LLAMA3, "factor"},
        {WEFT_ROPE_LLAMA3, "low_freq_factor"},
        {WEFT_ROPE_LLAMA3, "high_freq_factor"},
        {WEFT_ROPE_LLAMA3, "original_max_position_embeddings"},
        {WEFT_ROPE_YARN, "factor"},
        {WEFT_ROPE_LONGROPE, "short_factor"},
        {WEFT_ROPE_LONGROPE, "long_factor"},
    };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (needed[i].type == r->type && !weft_json_present(weft_json_get(v, needed[i].key)))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: rope scaling of type \"%s\" needs the key \"%s\"", where,
                             types[r->type].name, needed[i].key);
    return WEFT_OK;
}

/* One scaling object into r, whose defaults stand; `share` of the head is rotated. */
static weft_status read_one(weft_json_value v, const char *where, const weft_lm_config *c, double *share, weft_lm_rope *r)
{
    if (!weft_json_present(v))
        return WEFT_OK;
    if (weft_json_kind_of(v) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: the rope's scaling is no object", where);
    weft_status status = read_type(v, where, r);
    if (status == WEFT_OK)
        status = need(v, where, r);
    const struct {
        const char *key;
        double least, most, *out;
    } numbers[] = {
        {"rope_theta", 1e-3, 1e15, &r->theta},
        {"factor", 1e-3, 1e9, &r->factor},
        {"low_freq_factor", 1e-9, 1e9, &r->low_frequency},
        {"high_freq_factor", 1e-9, 1e9, &r->high_frequency},
        {"beta_fast", 1e-9, 1e9, &r->beta_fast},
        {"beta_slow", 1e-9, 1e9, &r->beta_slow},
        {"mscale", 0, 1e9, &r->mscale},
        {"mscale_all_dim", 0, 1e9, &r->mscale_all},
        {"attention_factor", 0, 1e9, &r->attention_factor},
        {"partial_rotary_factor", 0, 1, share},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && status == WEFT_OK; i++)
        status = weft_json_take_number(v, where, numbers[i].key, numbers[i].least, numbers[i].most, numbers[i].out);
    if (status == WEFT_OK)
        status = weft_json_take_bool(v, where, "truncate", &r->truncate);
    if (status == WEFT_OK)
        status = weft_json_take_integer(v, where, "original_max_position_embeddings", 1, 1 << 30, &r->original_positions);
    if (status == WEFT_OK && r->type == WEFT_ROPE_LLAMA3 && r->high_frequency <= r->low_frequency)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: \"high_freq_factor\" is %g, expected more than \"low_freq_factor\", %g", where,
                           r->high_frequency, r->low_frequency);
    int64_t half = (int64_t)((double)c->head_dim * *share) / 2;
    if (status == WEFT_OK && r->type == WEFT_ROPE_LONGROPE)
        status = read_factors(v, where, "short_factor", half, &r->short_factors);
    if (status == WEFT_OK && r->type == WEFT_ROPE_LONGROPE)
        status = read_factors(v, where, "long_factor", half, &r->long_factors);
    return status;
}

weft_status weft_lm_rope_read(weft_json_value root, const char *where, weft_lm_config *c)
{
    const weft_lm_defaults *d = c->family->defaults;
    double share = d->rotary, theta = d->theta > 0 ? d->theta : 10000, local = 10000;
    int64_t original = 0;
    weft_status status = weft_json_take_number(root, where, "rotary_emb_base", 1e-3, 1e15, &theta);
    if (status == WEFT_OK)
        status = weft_json_take_number(root, where, "rope_theta", 1e-3, 1e15, &theta);
    if (status == WEFT_OK)
        status = weft_json_take_number(root, where, "rope_local_base_freq", 1e-3, 1e15, &local);
    if (status == WEFT_OK && c->family->qkv == WEFT_LM_QKV_HEADS)
        status = weft_json_take_number(root, where, "rotary_pct", 0, 1, &share);
    if (status == WEFT_OK)
        status = weft_json_take_number(root, where, "partial_rotary_factor", 0, 1, &share);
    if (status == WEFT_OK)
        status = weft_json_take_integer(root, where, "original_max_position_embeddings", 1, 1 << 30, &original);
    if (status != WEFT_OK)
        return status;
    for (int i = 0; i < 2; i++)
        c->rope[i] = (weft_lm_rope){.theta = i ? local : theta,
                                    .factor = 1,
                                    .low_frequency = 1,
                                    .high_frequency = 4,
                                    .beta_fast = 32,
                                    .beta_slow = 1,
                                    .truncate = true,
                                    .original_positions = original ? original : c->positions,
                                    .positions = c->positions};
    weft_json_value parameters = weft_json_get(root, "rope_parameters");
    weft_json_value all = weft_json_get(parameters, "full_attention"), windowed = weft_json_get(parameters, "sliding_attention");
    bool nested = weft_json_present(all) || weft_json_present(windowed);
    status = read_one(weft_json_present(parameters) ? nested ? all : parameters : weft_json_get(root, "rope_scaling"), where, c,
                      &share, &c->rope[0]);
    if (status == WEFT_OK && nested && d->local_rope)
        status = read_one(windowed, where, c, &share, &c->rope[1]);
    c->rotary = (int64_t)((double)c->head_dim * share);
    return status;
}

/* ---- frequencies ---- */

/* The dimension whose wave turns `turns` times within the original length (YaRN, eq. 17 ff.). */
static double corrected(const weft_lm_rope *r, double rotary, double turns)
{
    return rotary * log((double)r->original_positions / (2 * M_PI * turns)) / (2 * log(r->theta));
}

static void yarn(const weft_lm_rope *r, int64_t rotary, double *inv, double *factor)
{
    double low = corrected(r, (double)rotary, r->beta_fast), high = corrected(r, (double)rotary, r->beta_slow);
    if (r->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, (double)rotary - 1);
    if (high == low)
        high += 0.001;
    for (int64_t i = 0; i < rotary / 2; i++) {
        double ramp = fmin(fmax(((double)i - low) / (high - low), 0), 1);
        inv[i] = inv[i] / r->factor * ramp + inv[i] * (1 - ramp);
    }
    double logarithm = r->factor > 1 ? log(r->factor) : 0;
    *factor = r->mscale > 0 && r->mscale_all > 0 ? (0.1 * r->mscale * logarithm + 1) / (0.1 * r->mscale_all * logarithm + 1)
                                                 : 0.1 * logarithm + 1;
}

static void llama3(const weft_lm_rope *r, int64_t rotary, double *inv)
{
    double original = (double)r->original_positions;
    for (int64_t i = 0; i < rotary / 2; i++) {
        double wave = 2 * M_PI / inv[i];
        double s = (original / wave - r->low_frequency) / (r->high_frequency - r->low_frequency);
        if (wave > original / r->low_frequency)
            inv[i] /= r->factor;
        else if (wave >= original / r->high_frequency)
            inv[i] = (1 - s) * inv[i] / r->factor + s * inv[i];
    }
}

static void longrope(const weft_lm_rope *r, int64_t rotary, int64_t length, double *inv, double *factor)
{
    const double *f = length > r->original_positions ? r->long_factors : r->short_factors;
    for (int64_t i = 0; i < rotary / 2; i++)
        inv[i] /= f[i];
    double longer = r->original_positions != r->positions ? (double)r->positions / (double)r->original_positions : r->factor;
    *factor = longer > 1 && r->original_positions > 1 ? sqrt(1 + log(longer) / log((double)r->original_positions)) : 1;
}

bool weft_lm_rope_by_length(const weft_lm_config *c)
{
    bool any = false;
    for (int i = 0; i < 2 && c->rotary > 0; i++)
        any |= c->rope[i].type == WEFT_ROPE_DYNAMIC || c->rope[i].type == WEFT_ROPE_LONGROPE;
    return any;
}

int64_t weft_lm_rope_kind_of_length(const weft_lm_config *c, int64_t length)
{
    int64_t kind = 0;
    for (int i = 0; i < 2 && c->rotary > 0; i++) {
        const weft_lm_rope *r = &c->rope[i];
        const int64_t own = r->type == WEFT_ROPE_DYNAMIC    ? (length > r->positions ? length : r->positions)
                            : r->type == WEFT_ROPE_LONGROPE ? r->original_positions + (length > r->original_positions)
                                                            : 0;
        kind = kind && own && own != kind ? length : own ? own : kind; /* two that disagree: every length by itself */
    }
    return kind;
}

void weft_lm_rope_frequencies(const weft_lm_rope *r, int64_t rotary, int64_t length, double *inv, double *factor)
{
    double theta = r->theta;
    *factor = 1;
    if (r->type == WEFT_ROPE_DYNAMIC && length > r->positions && rotary > 2)
        theta *= pow(r->factor * (double)length / (double)r->positions - (r->factor - 1), (double)rotary / (double)(rotary - 2));
    for (int64_t i = 0; i < rotary / 2; i++)
        inv[i] = pow(theta, -2 * (double)i / (double)rotary);
    if (r->type == WEFT_ROPE_LINEAR)
        for (int64_t i = 0; i < rotary / 2; i++)
            inv[i] /= r->factor;
    else if (r->type == WEFT_ROPE_LLAMA3)
        llama3(r, rotary, inv);
    else if (r->type == WEFT_ROPE_YARN)
        yarn(r, rotary, inv, factor);
    else if (r->type == WEFT_ROPE_LONGROPE)
        longrope(r, rotary, length, inv, factor);
    if (r->attention_factor > 0 && (r->type == WEFT_ROPE_YARN || r->type == WEFT_ROPE_LONGROPE)) /* the others have no such key */
        *factor = r->attention_factor;
}
