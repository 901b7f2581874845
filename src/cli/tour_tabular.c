/* The tour's table: houses whose price depends on where they stand, with categories and missing cells. A model is trained,
 * predicts and names the houses behind a prediction, then looks at houses that were sold later, without training. */
#include "cli/tabular.h"
#include "cli/tour.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/random.h"
#include "tabular/folder.h"
#include "tabular/prepare.h"

enum { HOUSES = 3000, LATER = 1500 };

static const char *const quarters[] = {"harbour", "hill", "old town", "station"};

static double price(double east, double north, double rooms, double age, int quarter)
{
    double view = 60 * sin(1.7 * east) * cos(1.3 * north), centre = 120 * exp(-(east * east + north * north) / 8);
    return 150 + view + centre + 22 * rooms - 0.6 * age + (quarter == 0 ? 40 : quarter == 2 ? 25 : 0);
}

/* Houses from number `first` on: those of a later file are others of the same town. */
static weft_status make_houses(const char *path, int first, int count)
{
    weft_random_key key = weft_random_stream(0, "tour houses");
    weft_text text = {0};
    weft_text_add(&text, "east_km,north_km,rooms,age_years,quarter,garden,price_thousand\n");
    for (int i = first; i < first + count; i++) {
        uint64_t row = (uint64_t)i;
        double east = 8 * weft_random_uniform(key, 0, row, 0) - 4, north = 8 * weft_random_uniform(key, 0, row, 1) - 4;
        double rooms = (double)(1 + weft_random_below(key, 1, row, 0, 7)), age = floor(110 * weft_random_uniform(key, 0, row, 2));
        int quarter = (int)weft_random_below(key, 1, row, 1, 4);
        bool garden = weft_random_uniform(key, 0, row, 3) < 0.4;
        double value = price(east, north, rooms, age, quarter) + (garden ? 18 : 0) + 8 * weft_random_normal(key, 2, row, 0);
        weft_text_add(&text, "%.3f,%.3f,%.0f,", east, north, rooms);
        if (weft_random_uniform(key, 0, row, 4) >= 0.04) /* some ages are not known */
            weft_text_add(&text, "%.0f", age);
        weft_text_add(&text, ",%s,%s,%.1f\n", quarters[quarter], garden ? "yes" : "no", value);
    }
    weft_status status =
        text.failed ? weft_fail(WEFT_ERROR_MEMORY, "tour: memory is short") : weft_file_write(path, text.data, text.length);
    weft_text_free(&text);
    return status;
}

typedef struct tour_table {
    weft_tabular_folder model;
    weft_prepared prepared;
    weft_rows_data *rows[WEFT_PARTS];
    weft_progress *progress;
    cli_arguments *arguments;
    weft_report_run report;
    const char *folder;
} tour_table;

static void on_progress(void *user, const char *phase, int64_t done, int64_t total, const char *note)
{
    tour_table *t = user;
    if (strcmp(phase, "training") != 0)
        return;
    if (!t->progress)
        t->progress = weft_progress_new(cli_progress, t->arguments, "training", total, "steps");
    weft_progress_update(t->progress, done, "%s", note ? note : "");
}

static void on_epoch(void *user, int64_t epoch, double train_loss, const weft_metrics *val, bool best)
{
    (void)epoch, (void)best;
    weft_report_run_epoch(&((tour_table *)user)->report, train_loss, val->rmse);
}

static weft_status on_finish(void *user)
{
    tour_table *t = user;
    return weft_tabular_folder_save(t->folder, &t->model.config, t->prepared.schema, t->model.params,
                                    t->prepared.part[WEFT_PART_TRAIN]);
}

static weft_status fit(tour_table *t, weft_engine *engine, weft_train_result *result)
{
    weft_tabular_config *c = &t->model.config;
    *c = weft_tabular_default();
    c->d_main = 96;
    c->context_size = 32;
    weft_status status = weft_tabular_config_from_schema(t->prepared.schema, c);
    if (status == WEFT_OK)
        status = weft_params_new(&t->model.params);
    for (int part = 0; part < WEFT_PARTS && status == WEFT_OK; part++)
        status = weft_rows_from_table(c, t->prepared.part[part], &t->rows[part]);
    if (status != WEFT_OK)
        return status;
    weft_fit_options o = weft_fit_default(t->rows[WEFT_PART_TRAIN]->rows);
    o.lr = 1e-3;
    o.max_epochs = 30;
    o.patience = 8;
    o.target_mean = t->prepared.schema->target_mean;
    o.target_sd = t->prepared.schema->target_sd;
    o.user = t;
    o.progress = on_progress;
    o.epoch = on_epoch;
    o.finish = on_finish; /* no folder: a tour has nothing to resume */
    return weft_fit(engine, c, t->model.params, t->rows[WEFT_PART_TRAIN], t->rows[WEFT_PART_VAL], &o, result);
}

static weft_status rmse(tour_table *t, const weft_rows_data *rows, const weft_predictions *said, weft_metrics *m)
{
    return weft_value_metrics(&t->model.config, rows, said->value, t->prepared.schema->target_mean, t->prepared.schema->target_sd,
                              m);
}

/* Predicts the test rows; says how sure the predictions are, and what they rest on. */
static weft_status predict(tour_table *t, weft_engine *engine, weft_metrics *m)
{
    const weft_rows_data *test = t->rows[WEFT_PART_TEST];
    weft_tabular_folder trained = t->model; /* borrows all of it */
    trained.schema = t->prepared.schema;
    trained.candidates = t->rows[WEFT_PART_TRAIN];
    weft_tabular_model *model = NULL;
    weft_predictions said[WEFT_PARTS] = {0};
    weft_status status = weft_tabular_model_new(engine, &trained, &model);
    for (int part = 0; part < WEFT_PARTS && status == WEFT_OK; part++)
        status = weft_tabular_predict(model, t->rows[part], part == WEFT_PART_TRAIN, 0, &said[part]);
    if (status == WEFT_OK)
        status = rmse(t, test, &said[WEFT_PART_TEST], m);
    if (status == WEFT_OK)
        status = weft_calibration_fit(&trained.config, t->rows[WEFT_PART_VAL], &said[WEFT_PART_VAL], &said[WEFT_PART_TRAIN],
                                      &trained.calibration);
    if (status == WEFT_OK)
        status = weft_tabular_folder_calibrate(t->folder, trained.calibration);
    if (status == WEFT_OK) {
        weft_report_run_predictions(&t->report, &trained.config, trained.schema, test, said[WEFT_PART_TEST].value, m);
        status = weft_report_run_certainty(&t->report, &trained, test, &said[WEFT_PART_TEST]);
    }
    if (status == WEFT_OK)
        status = weft_report_run_neighbors(&t->report, model, &trained, test, &said[WEFT_PART_TEST]);
    if (status == WEFT_OK)
        status = weft_report_run_importance(&t->report, model, &trained, test, 0);
    weft_calibration_free(trained.calibration);
    for (int part = 0; part < WEFT_PARTS; part++)
        weft_predictions_free(&said[part]);
    weft_tabular_model_free(model);
    return status;
}

/* The houses of a later file become houses that the model looks at; predicts the test rows again. */
static weft_status extend(tour_table *t, weft_engine *engine, const char *path, weft_metrics *m)
{
    weft_csv *csv = NULL;
    weft_table *train = t->prepared.part[WEFT_PART_TRAIN], *later = NULL, *joined = NULL;
    weft_tabular_folder folder = {0};
    weft_tabular_model *model = NULL;
    weft_predictions said = {0};
    weft_status status = make_houses(path, HOUSES, LATER);
    if (status == WEFT_OK)
        status = weft_csv_read(path, &(weft_csv_options){.threads = weft_engine_threads(engine)}, &csv);
    if (status == WEFT_OK)
        status = weft_schema_apply(t->prepared.schema, csv, NULL, weft_csv_rows(csv), true, &later);
    if (status == WEFT_OK)
        status = weft_tabular_folder_open(t->folder, &folder);
    if (status == WEFT_OK)
        status = weft_candidates_join(train, NULL, later, folder.next_row, &joined);
    if (status == WEFT_OK)
        status = weft_tabular_folder_change(t->folder, &folder, joined, folder.next_row + LATER, NULL);
    weft_tabular_folder_close(&folder);
    if (status == WEFT_OK)
        status = weft_tabular_folder_open(t->folder, &folder);
    if (status == WEFT_OK)
        status = weft_tabular_model_new(engine, &folder, &model);
    if (status == WEFT_OK)
        status = weft_tabular_predict(model, t->rows[WEFT_PART_TEST], false, 0, &said);
    if (status == WEFT_OK)
        status = rmse(t, t->rows[WEFT_PART_TEST], &said, m);
    if (status == WEFT_OK)
        status = weft_report_run_drift(&t->report, "Houses that were added later", t->prepared.schema, train, later);
    weft_predictions_free(&said);
    weft_tabular_model_free(model);
    weft_tabular_folder_close(&folder);
    weft_table_free(joined);
    weft_table_free(later);
    weft_csv_free(csv);
    return status;
}

weft_status tour_tabular(cli_arguments *a, const char *folder, weft_report *page, tour_result *out)
{
    weft_engine *engine = cli_engine(a);
    char *data = weft_path_join(folder, "houses.csv"), *model = weft_path_join(folder, "houses"),
         *later = weft_path_join(folder, "houses-later.csv");
    tour_table t = {.arguments = a, .folder = model};
    weft_train_result result = {0};
    weft_metrics m = {0}, extended = {0};
    double seconds = 0;
    weft_status status =
        engine && data && model && later ? make_houses(data, 0, HOUSES) : weft_fail(WEFT_ERROR_MEMORY, "tour: memory is short");
    if (status == WEFT_OK) {
        weft_prepare_options o = {.data = data,
                                  .val_share = 0.2,
                                  .test_share = 0.2,
                                  .threads = weft_engine_threads(engine),
                                  .schema = {.target = "price_thousand", .task = -1}};
        status = weft_prepare(&o, &t.prepared);
    }
    if (status == WEFT_OK) {
        t.report.page = page;
        t.report.measure = weft_measure_of(WEFT_TASK_REGRESSION);
        double begin = weft_clock();
        status = fit(&t, engine, &result);
        seconds = weft_clock() - begin;
        weft_progress_free(t.progress);
    }
    if (status == WEFT_OK) {
        weft_report_run_training(&t.report, &result, seconds);
        status = predict(&t, engine, &m);
    }
    if (status == WEFT_OK)
        status = extend(&t, engine, later, &extended);
    if (status == WEFT_OK) { /* the noise of the prices alone has a standard deviation of 8 */
        weft_report_paragraph(
            page,
            "With these %d houses among those that it looks at, and without any training, the RMSE on the test houses "
            "is %.2f thousand; it was %.2f.",
            (int)LATER, extended.rmse, m.rmse);
        snprintf(out->headline, sizeof out->headline,
                 "RMSE %.1f thousand on unseen houses after %lld epochs, %.1f with %d more to look at (the noise is 8)", m.rmse,
                 (long long)result.epochs, extended.rmse, (int)LATER);
    }
    weft_metrics_free(&m);
    weft_metrics_free(&extended);
    free(t.report.loss);
    free(t.report.score);
    for (int part = 0; part < WEFT_PARTS; part++)
        weft_rows_free(t.rows[part]);
    weft_tabular_folder_close(&t.model);
    weft_prepared_free(&t.prepared);
    free(data);
    free(model);
    free(later);
    return status;
}
