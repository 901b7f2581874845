/* How sure a model is, and how often rightly: the temperature, intervals or sets of classes, rows out of its domain. */
#include "cli/tabular.h"

#include <math.h>

static void open_object(cli_arguments *a, const char *key)
{
    weft_json_add_key(cli_json(a), key);
    weft_json_open_object(cli_json(a));
}

static weft_status show_calibrated(cli_arguments *a, const weft_tabular_folder *f, const weft_rows_data *rows, double *p)
{
    weft_metrics m = {0};
    weft_calibration_apply(f->calibration, &f->config, rows->rows, p);
    weft_status status = weft_value_metrics(&f->config, rows, p, 0, 1, &m);
    if (status != WEFT_OK)
        return status;
    open_object(a, "calibrated");
    cli_json_number(a, "temperature", f->calibration->temperature);
    cli_json_number(a, "ece", m.ece);
    cli_json_number(a, "logloss", m.logloss);
    cli_json_number(a, "brier", m.brier);
    weft_json_close_object(cli_json(a));
    cli_say(a, "with --calibrated (temperature %.3g): ece %.4g, logloss %.4g, brier %.4g\n", f->calibration->temperature, m.ece,
            m.logloss, m.brier);
    weft_metrics_free(&m);
    return WEFT_OK;
}

/* The share of rows whose true class is among those that the model cannot rule out, and how many these are on average. */
static void show_sets(cli_arguments *a, const weft_tabular_folder *f, const weft_rows_data *rows, const double *p, double level)
{
    double threshold = weft_calibration_threshold(f->calibration, level);
    int64_t classes = f->config.n_classes, held = 0, members = 0;
    for (int64_t i = 0; i < rows->rows; i++)
        for (int64_t k = 0; k < classes; k++) {
            bool inside = 1 - (classes == 2 ? (k ? p[i] : 1 - p[i]) : p[i * classes + k]) <= threshold;
            members += inside;
            held += inside && rows->label[i] == k;
        }
    double n = (double)rows->rows;
    open_object(a, "interval");
    cli_json_number(a, "level", level);
    cli_json_number(a, "coverage", (double)held / n);
    cli_json_number(a, "mean_size", (double)members / n);
    weft_json_close_object(cli_json(a));
    cli_say(a, "sets of classes for %g %%: hold the true one in %.1f %% of the rows, %.2f classes on average\n", 100 * level,
            100 * (double)held / n, (double)members / n);
}

static void show_intervals(cli_arguments *a, const weft_tabular_folder *f, const weft_rows_data *rows,
                           const weft_predictions *said, double level)
{
    double threshold = weft_calibration_threshold(f->calibration, level), width = 0, n = (double)rows->rows;
    int64_t held = 0;
    for (int64_t i = 0; i < rows->rows; i++) {
        double reach = weft_calibration_reach(f->calibration, threshold, said->spread ? said->spread[i] : 0);
        held += fabs((double)rows->y[i] - said->value[i]) <= reach;
        width += 2 * reach * f->schema->target_sd / n;
    }
    open_object(a, "interval");
    cli_json_number(a, "level", level);
    cli_json_number(a, "coverage", (double)held / n);
    cli_json_number(a, "mean_width", width);
    weft_json_close_object(cli_json(a));
    cli_say(a, "intervals for %g %%: hold the truth in %.1f %% of the rows, mean width %.5g\n", 100 * level,
            100 * (double)held / n, width);
}

weft_status cli_tabular_certainty(cli_arguments *a, const char *part, const weft_tabular_folder *f, const weft_rows_data *rows,
                                  weft_predictions *said, double level)
{
    if (!f->calibration)
        return WEFT_OK;
    weft_status status = WEFT_OK;
    if (part) {
        cli_say(a, "%s, how sure it is\n", part);
        open_object(a, "certainty");
    }
    if (f->config.task == WEFT_TASK_REGRESSION) {
        show_intervals(a, f, rows, said, level);
    } else {
        status = show_calibrated(a, f, rows, said->value);
        show_sets(a, f, rows, said->value, level);
    }
    if (status == WEFT_OK && said->remoteness && f->calibration->distance) {
        int64_t remote = 0;
        for (int64_t i = 0; i < rows->rows; i++)
            remote += weft_calibration_rank(f->calibration, said->remoteness[i]) > WEFT_REMOTE;
        cli_json_number(a, "out_of_domain", (double)remote / (double)rows->rows);
        cli_say(a, "out of domain: %.2f %% of the rows (farther from the training rows than %g %% of these are)\n",
                100 * (double)remote / (double)rows->rows, 100 * WEFT_REMOTE);
    }
    if (part)
        weft_json_close_object(cli_json(a));
    return status;
}
