/* What weft tabular predict writes: the header of its table, and a row. */
#include "cli/tabular_predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the header ---- */

static void add_class_names(cli_prediction *p, const char *end)
{
    for (int k = 0; k < p->schema->classes; k++) {
        weft_text name = {0};
        weft_text_add(&name, "p_%s%s", weft_schema_class(p->schema, k), end);
        weft_text_add(&p->line, ",");
        weft_csv_add_field(&p->line, name.data ? name.data : "", name.length);
        weft_text_free(&name);
    }
}

void cli_prediction_header(cli_prediction *p)
{
    weft_text *out = &p->line;
    weft_text_add(out, "prediction");
    add_class_names(p, "");
    if (p->interval)
        weft_text_add(out, p->schema->classes ? ",set" : ",lower,upper");
    if (p->as_is.model) {
        weft_text_add(out, ",as_is");
        add_class_names(p, "_as_is");
    }
    if (p->domain)
        weft_text_add(out, ",domain_rank,out_of_domain");
    static const char *const kept[] = {"row", "weight", "label", "distance", "without"};
    for (int64_t k = 1; k <= p->neighbors; k++)
        for (int i = 0; i < (p->what_if ? 5 : 4); i++)
            weft_text_add(out, ",neighbor_%lld_%s", (long long)k, kept[i]);
    weft_text_add(out, "\n");
}

/* ---- a row ---- */

static double probability(const cli_prediction *p, const double *value, int k)
{
    return p->said.width == 1 ? (k ? value[0] : 1 - value[0]) : value[k];
}

static void add_class(weft_text *out, const weft_schema *schema, int64_t label)
{
    const char *name = weft_schema_class(schema, label);
    weft_csv_add_field(out, name, strlen(name));
}

static void add_target(cli_prediction *p, double standardised)
{
    cli_tabular_number(&p->line, weft_schema_unscale(p->schema, standardised));
}

/* The same training rows stand behind many predictions. */
static void add_written(cli_prediction *p, int64_t candidate)
{
    double *value = p->written + candidate;
    if (isnan(*value))
        *value = weft_schema_written(p->schema, p->m.folder.candidates->y[candidate]);
    cli_tabular_number(&p->line, *value);
}

/* The classes that cannot be ruled out, parted by "|"; empty when the level is so low that none is wanted. */
static void add_set(cli_prediction *p, const double *value)
{
    double one = value[0], *calibrated = p->said.width == 1 ? &one : malloc((size_t)p->said.width * sizeof *calibrated);
    weft_text set = {0};
    if (!calibrated) {
        p->line.failed = true;
        return;
    }
    memcpy(calibrated, value, (size_t)p->said.width * sizeof *calibrated);
    if (!p->calibrated) /* sets are made of calibrated probabilities, whichever are printed */
        weft_calibration_apply(p->calibration, p->config, 1, calibrated);
    bool first = true;
    for (int k = 0; k < p->schema->classes; k++)
        if (1 - probability(p, calibrated, k) <= p->threshold) {
            weft_text_add(&set, "%s%s", first ? "" : "|", weft_schema_class(p->schema, k));
            first = false;
        }
    weft_text_add(&p->line, ",");
    weft_csv_add_field(&p->line, set.data ? set.data : "", set.length);
    p->line.failed |= set.failed;
    weft_text_free(&set);
    if (calibrated != &one)
        free(calibrated);
}

static void add_interval(cli_prediction *p, int64_t i)
{
    const double *value = p->said.value + i * p->said.width;
    if (p->schema->classes) {
        add_set(p, value);
        return;
    }
    double reach = weft_calibration_reach(p->calibration, p->threshold, p->said.spread ? p->said.spread[i] : 0);
    for (int side = -1; side <= 1; side += 2) {
        weft_text_add(&p->line, ",");
        if (isfinite(reach))
            add_target(p, value[0] + side * reach);
        else
            weft_text_add(&p->line, side < 0 ? "-inf" : "inf");
    }
}

static void add_neighbors(cli_prediction *p, int64_t i, int64_t likeliest)
{
    const weft_rows_data *candidates = p->m.folder.candidates;
    weft_text *out = &p->line;
    for (int64_t k = 0; k < p->neighbors; k++) {
        const weft_neighbor *n = &p->said.neighbor[i * p->neighbors + k];
        weft_text_add(out, ",%lld,", (long long)candidates->row[n->candidate]);
        cli_tabular_number(out, n->weight);
        weft_text_add(out, ",");
        if (candidates->y)
            add_written(p, n->candidate);
        else
            add_class(out, p->schema, candidates->label[n->candidate]);
        weft_text_add(out, ",");
        cli_tabular_number(out, n->distance);
        if (!p->what_if)
            continue;
        const double *value = p->without + (i * p->neighbors + k) * p->said.width;
        weft_text_add(out, ",");
        if (candidates->y)
            add_target(p, value[0]);
        else
            cli_tabular_number(out, probability(p, value, (int)likeliest));
    }
}

/* The class or the value, then the classes' probabilities; returns the class (0 for a quantity). */
static int64_t add_prediction(cli_prediction *p, const weft_predictions *said, int64_t i)
{
    const double *value = said->value + i * said->width;
    if (!p->schema->classes) {
        add_target(p, value[0]);
        return 0;
    }
    int64_t class = said->width == 1 ? value[0] > p->cut : weft_predicted_class(said->value, i, p->schema->classes);
    add_class(&p->line, p->schema, class);
    for (int k = 0; k < p->schema->classes; k++) {
        weft_text_add(&p->line, ",");
        cli_tabular_number(&p->line, probability(p, value, k));
    }
    return class;
}

void cli_prediction_row(cli_prediction *p, int64_t i)
{
    int64_t predicted = add_prediction(p, &p->said, i);
    if (p->interval)
        add_interval(p, i);
    if (p->as_is.model) {
        weft_text_add(&p->line, ",");
        int64_t as_is = add_prediction(p, &p->said_as_is, i);
        p->changed += p->schema->classes ? as_is != predicted : p->said.value[i] != p->said_as_is.value[i];
    }
    if (p->domain) {
        double rank = weft_calibration_rank(p->calibration, p->said.remoteness[i]);
        weft_text_add(&p->line, ",");
        cli_tabular_number(&p->line, rank);
        weft_text_add(&p->line, ",%d", rank > WEFT_REMOTE);
    }
    add_neighbors(p, i, predicted);
    weft_text_add(&p->line, "\n");
}
