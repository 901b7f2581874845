/* Decisions between two classes, and the choice of one. */
#include "tabular/decision.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is measured ---- */

static double share(int64_t part, int64_t other)
{
    return part + other > 0 ? (double)part / (double)(part + other) : NAN;
}

static double precision(const weft_decision *d)
{
    return share(d->true_positives, d->false_positives);
}

static double recall(const weft_decision *d)
{
    return share(d->true_positives, d->false_negatives);
}

static double f1(const weft_decision *d)
{
    return share(2 * d->true_positives, d->false_positives + d->false_negatives);
}

static double accuracy(const weft_decision *d)
{
    return share(d->true_positives + d->true_negatives, d->false_positives + d->false_negatives);
}

static double balanced_accuracy(const weft_decision *d)
{
    return (recall(d) + share(d->true_negatives, d->false_positives)) / 2;
}

/* Matthews' correlation; 0 where one class alone is predicted, its limit. */
static double mcc(const weft_decision *d)
{
    double tp = (double)d->true_positives, fp = (double)d->false_positives, fn = (double)d->false_negatives,
           tn = (double)d->true_negatives, scale = sqrt(tp + fp) * sqrt(tp + fn) * sqrt(tn + fp) * sqrt(tn + fn);
    return scale > 0 ? (tp * tn - fp * fn) / scale : 0;
}

const weft_decision_measure weft_decision_measures[WEFT_DECISION_MEASURES] = {
    {"f1", f1},         {"balanced_accuracy", balanced_accuracy}, {"accuracy", accuracy}, {"mcc", mcc}, {"precision", precision},
    {"recall", recall},
};

const weft_decision_measure *weft_decision_measure_find(const char *name)
{
    for (int i = 0; i < WEFT_DECISION_MEASURES; i++)
        if (strcmp(name, weft_decision_measures[i].name) == 0)
            return &weft_decision_measures[i];
    return NULL;
}

/* ---- all decisions ---- */

weft_decision weft_decision_at(const double *probability, const int64_t *label, int64_t rows, double threshold)
{
    weft_decision d = {.threshold = threshold};
    for (int64_t i = 0; i < rows; i++) {
        bool positive = probability[i] > threshold, right = positive == (label[i] == 1);
        int64_t *count = positive ? right ? &d.true_positives : &d.false_positives
                         : right  ? &d.true_negatives
                                  : &d.false_negatives;
        ++*count;
    }
    return d;
}

typedef struct scored {
    double probability;
    int64_t positive;
} scored;

static int by_probability(const void *a, const void *b)
{
    double x = ((const scored *)a)->probability, y = ((const scored *)b)->probability;
    return (x > y) - (x < y);
}

/* Halfway, and below `high` whatever the rounding. */
static double between(double low, double high)
{
    double middle = low + (high - low) / 2;
    return middle < high ? middle : low;
}

weft_status weft_decision_all(const double *probability, const int64_t *label, int64_t rows, weft_decision **out, int64_t *count)
{
    scored *order = malloc(((size_t)rows + 1) * sizeof *order);
    weft_decision *list = malloc(((size_t)rows + 1) * sizeof *list);
    *out = NULL;
    *count = 0;
    if (!order || !list) {
        free(order);
        free(list);
        return weft_fail(WEFT_ERROR_MEMORY, "a threshold: no memory for %lld rows", (long long)rows);
    }
    weft_decision d = {0};
    for (int64_t i = 0; i < rows; i++) {
        order[i] = (scored){probability[i], label[i] == 1};
        d.true_positives += label[i] == 1;
        d.false_positives += label[i] != 1;
    }
    qsort(order, (size_t)rows, sizeof *order, by_probability);
    double below = 0; /* the largest probability that is predicted negative */
    for (int64_t i = 0; i <= rows;) {
        double above = i < rows ? order[i].probability : 1;
        if (i == rows || above > below) { /* nothing lies above a threshold of 1 */
            d.threshold = i < rows ? between(below, above) : below < 1 ? between(below, 1) : 1;
            list[(*count)++] = d;
        }
        if (i == rows)
            break;
        for (; i < rows && order[i].probability == above; i++) {
            d.true_positives -= order[i].positive;
            d.false_negatives += order[i].positive;
            d.false_positives -= !order[i].positive;
            d.true_negatives += !order[i].positive;
        }
        below = above;
    }
    free(order);
    *out = list;
    return WEFT_OK;
}

/* ---- the choice ---- */

/* measure: that of the wish; NULL: its cost. */
static double worth(const weft_decision_wish *wish, const weft_decision_measure *measure, const weft_decision *d)
{
    double value = measure
                       ? measure->value(d)
                       : -(wish->false_positive * (double)d->false_positives + wish->false_negative * (double)d->false_negatives);
    return isnan(value) ? -INFINITY : value;
}

static weft_status out_of_reach(const weft_decision_wish *wish, const weft_decision *list, int64_t count)
{
    double best = 0;
    for (int64_t i = 0; i < count; i++)
        if (recall(&list[i]) >= wish->least_recall && precision(&list[i]) > best)
            best = precision(&list[i]);
    return weft_fail(
        WEFT_ERROR_ARGUMENT,
        "no threshold has a precision of %g and a recall of %g on these rows; with that recall %g is the best precision",
        wish->least_precision, wish->least_recall, best);
}

weft_status weft_decision_choose(const weft_decision_wish *wish, const double *probability, const int64_t *label, int64_t rows,
                                 weft_decision *out)
{
    const weft_decision_measure *measure = wish->measure ? weft_decision_measure_find(wish->measure) : NULL;
    if (wish->measure && !measure)
        return weft_fail(WEFT_ERROR_ARGUMENT, "a threshold: \"%s\" is not measured", wish->measure);
    int64_t positives = 0, count;
    for (int64_t i = 0; i < rows; i++)
        positives += label[i] == 1;
    if (positives == 0 || positives == rows)
        return weft_fail(WEFT_ERROR_ARGUMENT, "all %lld rows are of one class: no threshold can be chosen by them",
                         (long long)rows);
    weft_decision *list;
    weft_status status = weft_decision_all(probability, label, rows, &list, &count);
    if (status != WEFT_OK)
        return status;
    const weft_decision *best = NULL;
    double most = 0;
    for (int64_t i = 0; i < count; i++) {
        const weft_decision *d = &list[i];
        if (recall(d) < wish->least_recall || (wish->least_precision > 0 && !(precision(d) >= wish->least_precision)))
            continue;
        const double value = worth(wish, measure, d);
        if (!best || value > most || (value == most && fabs(d->threshold - 0.5) < fabs(best->threshold - 0.5))) {
            best = d;
            most = value;
        }
    }
    if (best)
        *out = *best;
    else
        status = out_of_reach(wish, list, count);
    free(list);
    return status;
}
