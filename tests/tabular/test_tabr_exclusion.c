/* Self-exclusion is at work in training (specification 8.1, 10.11): a row that may look at itself copies its own label, and the
 * train loss falls far below what it is worth on other rows. Two runs that differ in nothing else must be told apart. */
#include "tabr_case.h"

#include "table_case.h"

static weft_engine *engine;

enum { MOST_EPOCHS = 40 };

typedef struct curve {
    double train_loss[MOST_EPOCHS], val_loss[MOST_EPOCHS]; /* mean squared error of the standardised target */
    int epochs;
} curve;

static void note_epoch(void *user, int64_t epoch, double train_loss, const weft_metrics *val, bool best)
{
    (void)best;
    curve *c = user;
    c->train_loss[epoch] = train_loss;
    c->val_loss[epoch] = val->rmse * val->rmse;
    c->epochs = (int)epoch + 1;
}

static curve fit(const weft_tabular_config *config, const weft_rows_data *train, const weft_rows_data *val,
                 weft_fit_options options, bool include_self)
{
    curve c = {.epochs = 0};
    weft_params *params = NULL;
    weft_train_result result;
    MUST(weft_params_new(&params));
    options.include_self = include_self;
    options.user = &c;
    options.epoch = note_epoch;
    options.target_sd = 1;
    MUST(weft_fit(engine, config, params, train, val, &options, &result));
    weft_params_free(params);
    return c;
}

/* y = sin(2 x₀) + x₁/2 + noise of sd 0.7: the noise can be copied, not learnt. Standardised to about 1. */
static weft_rows_data *noisy_rows(const weft_tabular_config *config, int64_t rows, uint64_t seed)
{
    weft_rows_data *data = case_rows(config, rows, seed);
    for (int64_t i = 0; i < rows; i++) {
        const float *x = data->x_num + i * data->n_num;
        data->y[i] = (float)((sin(2 * (double)x[0]) + 0.5 * (double)x[1] + 0.7 * (double)data->y[i]) / 1.11);
    }
    return data;
}

static void on_a_noisy_table(void **state)
{
    (void)state;
    enum { EPOCHS = 15 };
    weft_tabular_config config = case_config(WEFT_TASK_REGRESSION, WEFT_NUMERIC_NONE, 3, 32, 0, 1);
    config.context_size = 24;
    config.context_dropout = config.dropout0 = 0.2;
    weft_rows_data *train = noisy_rows(&config, 600, 1), *val = noisy_rows(&config, 400, 2);
    weft_fit_options options = weft_fit_default(600);
    options.lr = 2e-3;
    options.batch_size = 64;
    options.max_epochs = EPOCHS;
    for (uint64_t seed = 0; seed < 3; seed++) {
        options.seed = seed;
        curve without = fit(&config, train, val, options, false), with = fit(&config, train, val, options, true);
        assert_int_equal(without.epochs, EPOCHS);
        assert_int_equal(with.epochs, EPOCHS);
        print_message("seed %d: train %.3f, validation %.3f; looking at itself: train %.3f, validation %.3f\n", (int)seed,
                      without.train_loss[EPOCHS - 1], without.val_loss[EPOCHS - 1], with.train_loss[EPOCHS - 1],
                      with.val_loss[EPOCHS - 1]);
        assert_true(with.train_loss[EPOCHS - 1] < 0.7 * without.train_loss[EPOCHS - 1]);
        assert_true(with.train_loss[EPOCHS - 1] < 0.6 * with.val_loss[EPOCHS - 1]);
        assert_true(without.train_loss[EPOCHS - 1] > 0.8 * without.val_loss[EPOCHS - 1]);
        assert_true(without.val_loss[EPOCHS - 1] < 0.75); /* it did learn: 1 is the mean, 0.4 the noise */
    }
    weft_rows_free(train);
    weft_rows_free(val);
}

static weft_rows_data *part_of(const weft_tabular_config *config, const weft_schema *schema, weft_csv *csv,
                               const weft_split *split, weft_part part)
{
    weft_table *table = NULL;
    weft_rows_data *rows = NULL;
    MUST(weft_schema_apply(schema, csv, split->rows[part], split->count[part], true, &table));
    MUST(weft_rows_from_table(config, table, &rows));
    weft_table_free(table);
    return rows;
}

static void on_california(void **state)
{
    (void)state;
    const char *folder = data_folder();
    if (!folder)
        skip();
    char path[1100];
    weft_csv *csv = NULL, *split_csv = NULL;
    weft_csv_options plain = {0};
    weft_split split;
    weft_schema *schema = NULL;
    snprintf(path, sizeof path, "%s/california.csv", folder);
    MUST(weft_csv_read(path, &plain, &csv));
    snprintf(path, sizeof path, "%s/california.split.csv", folder);
    MUST(weft_csv_read(path, &plain, &split_csv));
    MUST(weft_split_from_csv(split_csv, weft_csv_rows(csv), &split));
    weft_schema_options about = {.target = "MedHouseVal", .task = -1};
    MUST(weft_schema_infer(csv, &about, split.rows[WEFT_PART_TRAIN], split.count[WEFT_PART_TRAIN], &schema));
    weft_tabular_config config = weft_tabular_default();
    config.n_num_features = schema->n_num;
    assert_int_equal(weft_schema_inputs(schema), 8);
    weft_rows_data *train = part_of(&config, schema, csv, &split, WEFT_PART_TRAIN),
                   *val = part_of(&config, schema, csv, &split, WEFT_PART_VAL);
    weft_fit_options options = weft_fit_default(train->rows);
    options.max_epochs = 1;
    curve without = fit(&config, train, val, options, false), with = fit(&config, train, val, options, true);
    print_message("california: train %.3f, validation %.3f; looking at itself: train %.3f, validation %.3f\n",
                  without.train_loss[0], without.val_loss[0], with.train_loss[0], with.val_loss[0]);
    /* the authors' model: 0.316 and 0.249 (seed 0) */
    assert_true(without.train_loss[0] > 0.28 && without.train_loss[0] < 0.35);
    assert_true(with.train_loss[0] < 0.28 && with.train_loss[0] < 0.88 * without.train_loss[0]);
    weft_rows_free(train);
    weft_rows_free(val);
    weft_schema_free(schema);
    weft_split_free(&split);
    weft_csv_free(split_csv);
    weft_csv_free(csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(on_a_noisy_table), cmocka_unit_test(on_california)};
    if (weft_engine_new(&(weft_engine_options){.threads = 1}, &engine) != WEFT_OK)
        return 1;
    int failed = cmocka_run_group_tests_name("tabr_exclusion", tests, NULL, NULL);
    weft_engine_free(engine);
    return failed;
}
