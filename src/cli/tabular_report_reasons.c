/* In report.html: what predictions rest on: training rows, columns; and how the rows differ from those of training. */
#include "cli/tabular.h"
#include "tabular/drift.h"
#include "tabular/importance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHOWN = 3,
    NEIGHBORS = 4,
    MOST_DRIFTS = 12,
    IMPORTANCE_WORK = 30000,
    IMPORTANCE_REPEATS = 3,
    IMPORTANCE_SECONDS = 20,
    MOST_BARS = 40
};

static weft_status short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "a report: memory is short");
}

/* ---- rows ---- */

typedef struct judged {
    double loss;
    int64_t row;
} judged;

static int by_loss(const void *a, const void *b)
{
    const judged *x = a, *y = b;
    if (x->loss != y->loss)
        return x->loss > y->loss ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The best predicted row, a middling one and the worst. */
static weft_status choose(const weft_rows_data *rows, const weft_predictions *said, int64_t out[SHOWN])
{
    judged *list = malloc(((size_t)rows->rows + 1) * sizeof *list);
    if (!list)
        return short_of_memory();
    for (int64_t i = 0; i < rows->rows; i++) {
        const double *v = said->value + i * said->width;
        double loss;
        if (rows->y)
            loss = fabs((double)rows->y[i] - v[0]);
        else
            loss = -(said->width == 1 ? (rows->label[i] ? v[0] : 1 - v[0]) : v[rows->label[i]]);
        list[i] = (judged){loss, i};
    }
    qsort(list, (size_t)rows->rows, sizeof *list, by_loss);
    out[0] = list[0].row;
    out[1] = list[rows->rows / 2].row;
    out[2] = list[rows->rows - 1].row;
    free(list);
    return WEFT_OK;
}

static weft_report_cell target_cell(const weft_schema *s, const weft_rows_data *rows, int64_t row)
{
    if (rows->y)
        return (weft_report_cell){.number = weft_schema_written(s, rows->y[row])};
    return (weft_report_cell){.text = weft_schema_class(s, rows->label[row])};
}

/* A value: the quantity, or the probability of the row's own class. */
static double own_value(const weft_schema *s, const weft_rows_data *rows, int64_t row, const double *v, int64_t width)
{
    if (rows->y)
        return weft_schema_unscale(s, v[0]);
    return width == 1 ? (rows->label[row] ? v[0] : 1 - v[0]) : v[rows->label[row]];
}

static weft_status few_rows(const weft_tabular_config *c, const weft_rows_data *rows, const int64_t which[SHOWN],
                            weft_rows_data **out)
{
    weft_status status = weft_rows_new(c, SHOWN, out);
    for (int i = 0; i < SHOWN && status == WEFT_OK; i++) {
        weft_rows_copy(*out, i, rows, which[i]);
        if (rows->y)
            (*out)->y[i] = rows->y[which[i]];
        if (rows->label)
            (*out)->label[i] = rows->label[which[i]];
        (*out)->row[i] = rows->row[which[i]];
    }
    return status;
}

static void neighbors_table(weft_report_run *r, const weft_tabular_folder *f, const weft_rows_data *few,
                            const weft_predictions *said, const double *without)
{
    bool regression = few->y != NULL;
    weft_column_type target = regression ? WEFT_COLUMN_NUMBER : WEFT_COLUMN_TEXT,
                     value = regression ? WEFT_COLUMN_NUMBER : WEFT_COLUMN_PERCENT;
    static const char *const kinds[SHOWN] = {"best", "middling", "worst"};
    weft_report_column columns[] = {{"", WEFT_COLUMN_TEXT, 0},
                                    {"row", WEFT_COLUMN_INTEGER, 0},
                                    {"truth", target, 5},
                                    {regression ? "predicted" : "its probability", value, regression ? 5 : 1},
                                    {"rests on training row", WEFT_COLUMN_INTEGER, 0},
                                    {"with weight", WEFT_COLUMN_PERCENT, 1},
                                    {regression ? "whose target is" : "whose class is", target, 5},
                                    {"without it", value, regression ? 5 : 1}};
    int64_t k_most = said->neighbors;
    weft_report_cell *cells = calloc((size_t)(SHOWN * k_most) * 8 + 1, sizeof *cells);
    if (!cells)
        return;
    for (int i = 0; i < SHOWN; i++)
        for (int64_t k = 0; k < k_most; k++) {
            const weft_neighbor *n = &said->neighbor[i * k_most + k];
            weft_report_cell *row = cells + (i * k_most + k) * 8;
            row[0].text = k ? "" : kinds[i];
            row[1] = (weft_report_cell){.text = k ? "" : NULL, .number = (double)few->row[i]};
            row[2] = k ? (weft_report_cell){.text = ""} : target_cell(f->schema, few, i);
            row[3] = (weft_report_cell){.text = k ? "" : NULL,
                                        .number = own_value(f->schema, few, i, said->value + i * said->width, said->width)};
            row[4].number = (double)f->candidates->row[n->candidate];
            row[5].number = n->weight;
            row[6] = target_cell(f->schema, f->candidates, n->candidate);
            row[7].number = without ? own_value(f->schema, few, i, without + (i * k_most + k) * said->width, said->width) : NAN;
        }
    weft_report_table(r->page, "Three predictions and the training rows behind them", columns, without ? 8 : 7, cells,
                      (size_t)(SHOWN * k_most));
    free(cells);
}

weft_status weft_report_run_neighbors(weft_report_run *r, weft_tabular_model *model, const weft_tabular_folder *f,
                                      const weft_rows_data *rows, const weft_predictions *said)
{
    if (!f->candidates)
        return WEFT_OK;
    int64_t which[SHOWN], m = f->config.context_size;
    weft_rows_data *few = NULL;
    weft_predictions few_said = {0};
    double *without = NULL;
    weft_status status = choose(rows, said, which);
    if (status == WEFT_OK)
        status = few_rows(&f->config, rows, which, &few);
    if (status == WEFT_OK)
        status = weft_tabular_predict(model, few, false, m < NEIGHBORS ? m : NEIGHBORS, &few_said);
    if (status == WEFT_OK && f->candidates->rows > m) {
        without = malloc((size_t)(SHOWN * few_said.neighbors * few_said.width + 1) * sizeof *without);
        status = without ? weft_tabular_without(model, few, &few_said, without) : short_of_memory();
    }
    if (status == WEFT_OK) {
        weft_report_heading(r->page, 3, "What predictions rest on");
        weft_report_paragraph(
            r->page,
            "Each prediction looks at %lld training rows; the table names the heaviest of three. \"Without it\" is "
            "what the model would say had that row never been there (predict --what-if, and forget makes it so). A "
            "bad prediction whose neighbours agree with each other points to a strange row, or to a wrong target.",
            (long long)m);
        neighbors_table(r, f, few, &few_said, without);
    }
    free(without);
    weft_predictions_free(&few_said);
    weft_rows_free(few);
    return status;
}

/* ---- columns ---- */

weft_status weft_report_run_importance(weft_report_run *r, weft_tabular_model *model, const weft_tabular_folder *f,
                                       const weft_rows_data *rows, uint64_t seed)
{
    int64_t columns = 0, members = f->config.members > 1 ? f->config.members : 1;
    for (int c = 0; c < f->schema->n_columns; c++)
        columns += f->schema->columns[c].kind != WEFT_COLUMN_DROPPED && f->schema->columns[c].kind != WEFT_COLUMN_TARGET;
    int64_t most = IMPORTANCE_WORK / (columns * members * IMPORTANCE_REPEATS + 1);
    weft_importances found;
    weft_importance_options o = {.rows = most < 50     ? 50
                                         : most > 1000 ? 1000
                                                       : most,
                                 .repeats = IMPORTANCE_REPEATS,
                                 .seed = seed,
                                 .seconds = IMPORTANCE_SECONDS};
    o.measure = r->measure;
    weft_status status = weft_importance_measure(model, f, rows, &o, &found);
    if (status != WEFT_OK)
        return status;
    size_t n = found.count < MOST_BARS ? (size_t)found.count : MOST_BARS;
    const char **names = calloc(n + 1, sizeof *names);
    double *drop = calloc(2 * n + 1, sizeof *drop), *sd = drop ? drop + n : NULL;
    if (!names || !drop)
        status = short_of_memory();
    for (size_t i = 0; i < n && status == WEFT_OK; i++) {
        names[i] = f->schema->columns[found.list[i].column].name;
        drop[i] = found.list[i].drop;
        sd[i] = found.list[i].sd;
    }
    char label[64];
    snprintf(label, sizeof label, "%s %s", r->measure->title, r->measure->smaller_is_better ? "gained" : "lost");
    weft_text note = {0};
    weft_text_add(
        &note,
        "Each column's cells shuffled among %lld of these rows, %d times; whiskers: one standard deviation. Columns that say "
        "the same look unimportant together.",
        (long long)found.rows, (int)IMPORTANCE_REPEATS);
    if (found.count > MOST_BARS)
        weft_text_add(&note, " The %d of most weight are shown.", (int)MOST_BARS);
    if (found.count < found.columns)
        weft_text_add(&note,
                      " The table has many columns: these are the table's first %d of %d, as far as time went; `weft tabular "
                      "explain` measures all.",
                      found.count, found.columns);
    if (status == WEFT_OK)
        weft_report_bars(r->page,
                         &(weft_chart){.title = "What is lost when a column says nothing", .x_label = label, .note = note.data},
                         names, drop, sd, n);
    weft_text_free(&note);
    free(names);
    free(drop);
    weft_importances_free(&found);
    return status;
}

/* ---- drift ---- */

static int by_index(const void *a, const void *b)
{
    double x = (*(const weft_drift *const *)a)->psi, y = (*(const weft_drift *const *)b)->psi;
    return (x < y) - (x > y);
}

weft_status weft_report_run_drift(weft_report_run *r, const char *what, const weft_schema *schema, const weft_table *train,
                                  const weft_table *later)
{
    weft_drifts drifts;
    weft_status status = weft_drift_measure(schema, train, later, &drifts);
    if (status != WEFT_OK)
        return status;
    size_t n = (size_t)drifts.count, shown = n < MOST_DRIFTS ? n : MOST_DRIFTS;
    const weft_drift **order = malloc((n + 1) * sizeof *order);
    weft_report_cell *cells = calloc(shown * 5 + 1, sizeof *cells);
    int moved = 0;
    if (!order || !cells)
        status = short_of_memory();
    for (size_t i = 0; i < n && status == WEFT_OK; i++) {
        order[i] = &drifts.list[i];
        moved += weft_drift_matters(&drifts, (int)i);
    }
    if (status == WEFT_OK) {
        qsort(order, n, sizeof *order, by_index);
        for (size_t i = 0; i < shown; i++) {
            bool matters = weft_drift_matters(&drifts, (int)(order[i] - drifts.list));
            cells[5 * i].text = order[i]->feature;
            cells[5 * i + 1].number = order[i]->distance;
            cells[5 * i + 2].number = order[i]->p;
            cells[5 * i + 3].number = order[i]->psi;
            cells[5 * i + 4] = (weft_report_cell){matters ? "moved" : "level", matters ? WEFT_BADGE_WARN : WEFT_BADGE_GOOD};
        }
        weft_report_column columns[] = {{"column", WEFT_COLUMN_TEXT, 0},
                                        {"distance", WEFT_COLUMN_NUMBER, 3},
                                        {"p", WEFT_COLUMN_NUMBER, 2},
                                        {"stability index", WEFT_COLUMN_NUMBER, 3},
                                        {"", WEFT_COLUMN_BADGE, 0}};
        weft_report_heading(r->page, 3, "Drift");
        weft_report_paragraph(
            r->page,
            "%s against the training rows: %d of %zu columns moved beyond chance. Distance is Kolmogorov-Smirnov "
            "(categories: total variation); an index below 0.1 is little, above 0.25 much.",
            what, moved, n);
        weft_report_table(r->page, "The columns that moved most", columns, 5, cells, shown);
    }
    free(order);
    free(cells);
    weft_drifts_free(&drifts);
    return status;
}
