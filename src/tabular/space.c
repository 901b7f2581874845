/* Search spaces as rows. */
#include "tabular/space.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Which models a row is for: all of its marks must hold. */
enum { TABR = 1, MLP = 2, EMBEDDED = 4, PERIODIC = 8, LINEAR = 16 };

/* Where a setting lives. */
typedef enum place { IN_CONFIG, IN_FIT } place;

typedef struct row {
    const char *name; /* as config.json and --config spell it */
    weft_axis_kind kind;
    double least, most;
    bool log;
    bool gated; /* 0, or this range, by a choice that is searched too */
    unsigned marks;
    place in;
    size_t offset; /* of a double, or an int64_t where kind is integer */
} row;

#define CONFIG(member) IN_CONFIG, offsetof(weft_tabular_config, member)
#define FIT(member)    IN_FIT, offsetof(weft_fit_options, member)

static const row rows[] = {
    {"d_main", WEFT_AXIS_INTEGER, 96, 384, false, false, TABR, CONFIG(d_main)},
    {"context_dropout", WEFT_AXIS_REAL, 0, 0.6, false, false, TABR, CONFIG(context_dropout)},
    {"dropout0", WEFT_AXIS_REAL, 0, 0.6, false, false, TABR, CONFIG(dropout0)},
    {"encoder_n_blocks", WEFT_AXIS_INTEGER, 0, 1, false, false, TABR | EMBEDDED, CONFIG(encoder_n_blocks)},
    {"predictor_n_blocks", WEFT_AXIS_INTEGER, 1, 2, false, false, TABR | EMBEDDED, CONFIG(predictor_n_blocks)},
    {"n_blocks", WEFT_AXIS_INTEGER, 1, 6, false, false, MLP, CONFIG(n_blocks)},
    {"d_layer", WEFT_AXIS_INTEGER, 64, 1024, false, false, MLP, CONFIG(d_layer)},
    {"dropout", WEFT_AXIS_REAL, 0, 0.5, false, true, MLP, CONFIG(dropout)},
    {"n_frequencies", WEFT_AXIS_INTEGER, 16, 96, false, false, PERIODIC, CONFIG(num_embeddings.frequencies)},
    {"frequency_scale", WEFT_AXIS_REAL, 0.01, 100, true, false, PERIODIC, CONFIG(num_embeddings.frequency_scale)},
    {"d_embedding", WEFT_AXIS_INTEGER, 16, 64, false, false, PERIODIC, CONFIG(num_embeddings.width)},
    {"d_embedding", WEFT_AXIS_INTEGER, 16, 96, false, false, LINEAR, CONFIG(num_embeddings.width)},
    {"lr", WEFT_AXIS_REAL, 3e-5, 1e-3, true, false, TABR, FIT(lr)},
    {"lr", WEFT_AXIS_REAL, 1e-5, 1e-3, true, false, MLP, FIT(lr)},
    {"weight_decay", WEFT_AXIS_REAL, 1e-6, 1e-4, true, true, 0, FIT(weight_decay)},
};

/* The names of the choices of gated rows, in the order of `rows`. */
static const char *gate_name(const char *name)
{
    return strcmp(name, "dropout") == 0 ? "?dropout" : "?weight_decay";
}

static const row *row_of(const weft_space *s, int i)
{
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        if (strcmp(rows[k].name, s->axis[i].name) == 0)
            return &rows[k];
    return NULL;
}

static unsigned marks_of(const weft_tabular_config *c)
{
    unsigned marks = c->arch == WEFT_TABULAR_TABR ? TABR : MLP;
    switch (c->num_embeddings.kind) {
    case WEFT_NUMERIC_PLR:
    case WEFT_NUMERIC_PLR_LITE:
        return marks | EMBEDDED | PERIODIC;
    case WEFT_NUMERIC_LINEAR:
    case WEFT_NUMERIC_LR:
        return marks | EMBEDDED | LINEAR;
    default:
        return marks;
    }
}

static bool is_fixed(weft_json_value fixed, const char *name)
{
    return weft_json_get(fixed, name).node || weft_json_get(weft_json_get(fixed, "num_embeddings"), name).node;
}

weft_status weft_space_of(const weft_tabular_config *config, weft_json_value fixed, weft_space *out)
{
    unsigned marks = marks_of(config);
    *out = (weft_space){.count = 0};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        const row *r = &rows[k];
        if ((r->marks & marks) != r->marks || is_fixed(fixed, r->name))
            continue;
        int gate = -1;
        if (r->gated) {
            gate = out->count++;
            out->axis[gate] = (weft_axis){.name = gate_name(r->name), .kind = WEFT_AXIS_CHOICE, .most = 1};
            out->gate[gate] = -1;
        }
        out->gate[out->count] = gate;
        out->axis[out->count++] = (weft_axis){r->name, r->kind, r->least, r->most, r->log};
    }
    if (out->count == 0)
        return weft_fail(WEFT_ERROR_ARGUMENT, "there is nothing to tune: the configuration fixes every setting");
    return WEFT_OK;
}

static void *place_of(const row *r, weft_tabular_config *c, weft_fit_options *f)
{
    return (char *)(r->in == IN_CONFIG ? (void *)c : (void *)f) + r->offset;
}

void weft_space_read(const weft_space *s, const weft_tabular_config *config, const weft_fit_options *fit, double *values)
{
    weft_tabular_config c = *config;
    weft_fit_options f = *fit;
    for (int i = 0; i < s->count; i++) {
        if (s->axis[i].kind == WEFT_AXIS_CHOICE)
            continue;
        const row *r = row_of(s, i);
        const void *at = place_of(r, &c, &f);
        double v = r->kind == WEFT_AXIS_INTEGER ? (double)*(const int64_t *)at : *(const double *)at;
        int gate = s->gate[i];
        if (gate >= 0)
            values[gate] = v > 0;
        values[i] = gate >= 0 && v <= 0 ? NAN : fmin(fmax(v, s->axis[i].least), s->axis[i].most);
    }
}

void weft_space_apply(const weft_space *s, const double *values, weft_tabular_config *config, weft_fit_options *fit)
{
    for (int i = 0; i < s->count; i++) {
        if (s->axis[i].kind == WEFT_AXIS_CHOICE)
            continue;
        const row *r = row_of(s, i);
        void *at = place_of(r, config, fit);
        double v = isnan(values[i]) ? 0 : values[i];
        if (r->kind == WEFT_AXIS_INTEGER)
            *(int64_t *)at = (int64_t)v;
        else
            *(double *)at = v;
    }
}

/* ---- JSON ---- */

void weft_space_write(const weft_space *s, weft_json_writer *w)
{
    for (int i = 0; i < s->count; i++) {
        const weft_axis *a = &s->axis[i];
        weft_json_open_object(w);
        weft_json_add_key(w, "name");
        weft_json_add_string(w, a->name);
        weft_json_add_key(w, "least");
        weft_json_add_number(w, a->least);
        weft_json_add_key(w, "most");
        weft_json_add_number(w, a->most);
        weft_json_close_object(w);
    }
}

void weft_space_write_values(const weft_space *s, const double *values, weft_json_writer *w)
{
    weft_json_open_object(w);
    for (int i = 0; i < s->count; i++) {
        if (isnan(values[i]))
            continue;
        weft_json_add_key(w, s->axis[i].name);
        if (s->axis[i].kind == WEFT_AXIS_REAL)
            weft_json_add_number(w, values[i]);
        else
            weft_json_add_integer(w, (int64_t)values[i]);
    }
    weft_json_close_object(w);
}

void weft_space_write_settings(const weft_space *s, const double *values, weft_json_writer *w)
{
    weft_json_open_object(w);
    for (int i = 0; i < s->count; i++) {
        double value = isnan(values[i]) ? 0 : values[i];
        if (s->axis[i].kind == WEFT_AXIS_CHOICE)
            continue;
        weft_json_add_key(w, s->axis[i].name);
        if (s->axis[i].kind == WEFT_AXIS_REAL)
            weft_json_add_number(w, value);
        else
            weft_json_add_integer(w, (int64_t)value);
    }
    weft_json_close_object(w);
}

weft_status weft_space_read_values(const weft_space *s, weft_json_value object, const char *where, double *values)
{
    const char *key;
    for (int64_t k = 0; (key = weft_json_key(object, k, NULL)) != NULL; k++) {
        bool known = false;
        for (int i = 0; i < s->count; i++)
            known |= strcmp(key, s->axis[i].name) == 0;
        if (!known)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is none of the settings that are searched", where, key);
    }
    for (int i = 0; i < s->count; i++) {
        const weft_axis *a = &s->axis[i];
        weft_json_value value = weft_json_get(object, a->name);
        bool asked = s->gate[i] < 0 || values[s->gate[i]] == 1; /* gates stand before what they open */
        double v = weft_json_number(value, NAN);
        if (asked != (value.node != NULL))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" %s", where, a->name, asked ? "is missing" : "was not asked for");
        if (asked && (!(v >= a->least && v <= a->most) || (a->kind != WEFT_AXIS_REAL && v != floor(v))))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is not %s from %g to %g", where, a->name,
                             a->kind == WEFT_AXIS_REAL ? "a number" : "a whole number", a->least, a->most);
        values[i] = asked ? v : NAN;
    }
    return WEFT_OK;
}
