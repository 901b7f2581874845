/* weft tabular predict: a CSV of predictions, with the training rows behind them, intervals and doubts on request. */
#include "cli/tabular_predict.h"

#include "cli/streams.h"
#include "tabular/suppose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {
    {"DIR", 1, 1, "a model's folder"}, {"DATA.csv", 1, 1, "rows to predict; - for standard input"}, {0}};

static const cli_option options[] = {
    {.name = "out",
     .value = "P.csv",
     .kind = CLI_PATH,
     .help = "where the predictions go; - for standard output",
     .traits = CLI_REQUIRED},
    {.name = "neighbors",
     .value = "K",
     .kind = CLI_INT,
     .least = 0,
     .most = 65536,
     .otherwise = "0",
     .help = "also the K training rows with the largest weights (TabR)",
     .group = "Reasons and doubts"},
    {.name = "what-if",
     .kind = CLI_FLAG,
     .help = "also what the prediction would be without each of these rows",
     .group = "Reasons and doubts"},
    {.name = "without",
     .value = "ROWS",
     .kind = CLI_TEXT,
     .help = "what it would say without these training rows: numbers and ranges, as in 3,17,40-52 (TabR)",
     .group = "What if"},
    {.name = "relabel",
     .value = "ROW=TARGET",
     .kind = CLI_LIST,
     .help = "what it would say had this training row another target; a list, or given again (TabR)",
     .group = "What if"},
    {.name = "interval",
     .value = "LEVEL",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1,
     .help = "also bounds (regression) or the set of classes that hold the truth with this probability, e.g. 0.9",
     .group = "Reasons and doubts",
     .traits = CLI_ABOVE_LEAST | CLI_BELOW_MOST},
    {.name = "domain",
     .kind = CLI_FLAG,
     .help = "also how far each row is from the training rows (TabR)",
     .group = "Reasons and doubts"},
    {.name = "calibrated",
     .kind = CLI_FLAG,
     .help = "probabilities after the temperature fitted on the validation rows",
     .group = "Reasons and doubts"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over P.csv"},
    {0},
};

enum { ROWS_AT_ONCE = 4 * WEFT_ROWS_CHUNK };

/* ---- the job ---- */

static weft_status predict_part(cli_prediction *p, int64_t from, int64_t count)
{
    weft_rows_data *rows = NULL;
    weft_status status = weft_rows_from_part(p->config, p->table, from, count, &rows);
    if (status == WEFT_OK)
        status = weft_tabular_predict(p->m.model, rows, false, p->neighbors, &p->said);
    if (status == WEFT_OK && p->as_is.model)
        status = weft_tabular_predict(p->as_is.model, rows, false, 0, &p->said_as_is);
    if (status == WEFT_OK && p->what_if) {
        p->without = malloc((size_t)(count * p->neighbors * p->said.width + 1) * sizeof *p->without);
        status = p->without ? weft_tabular_without(p->m.model, rows, &p->said, p->without)
                            : weft_fail(WEFT_ERROR_MEMORY, "predict: memory is short");
    }
    if (status == WEFT_OK && p->calibrated) {
        weft_calibration_apply(p->calibration, p->config, count, p->said.value);
        if (p->as_is.model)
            weft_calibration_apply(p->calibration, p->config, count, p->said_as_is.value);
        if (p->what_if)
            weft_calibration_apply(p->calibration, p->config, count * p->neighbors, p->without);
    }
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        p->line.length = 0;
        cli_prediction_row(p, i);
        status = p->line.failed ? weft_fail(WEFT_ERROR_MEMORY, "predict: memory is short")
                                : weft_output_write(p->file, p->line.data, p->line.length);
    }
    weft_predictions_free(&p->said);
    weft_predictions_free(&p->said_as_is);
    free(p->without);
    p->without = NULL;
    weft_rows_free(rows);
    return status;
}

/* Room for the targets of the rows that predictions rest on. */
static weft_status open_written(cli_prediction *p)
{
    const weft_rows_data *candidates = p->m.folder.candidates;
    if (!p->neighbors || !candidates->y)
        return WEFT_OK;
    p->written = malloc(((size_t)candidates->rows + 1) * sizeof *p->written);
    if (!p->written)
        return weft_fail(WEFT_ERROR_MEMORY, "predict: memory is short");
    for (int64_t i = 0; i < candidates->rows; i++)
        p->written[i] = NAN;
    return WEFT_OK;
}

static weft_status write_rows(cli_prediction *p, const char *path)
{
    weft_status status = cli_output_open(path, &p->file);
    if (status != WEFT_OK)
        return status;
    cli_prediction_header(p);
    status = weft_output_write(p->file, p->line.data, p->line.length);
    for (int64_t from = 0; from < p->table->rows && status == WEFT_OK; from += ROWS_AT_ONCE)
        status = predict_part(p, from, from + ROWS_AT_ONCE < p->table->rows ? ROWS_AT_ONCE : p->table->rows - from);
    if (status == WEFT_OK)
        return weft_output_commit(p->file);
    weft_output_abandon(p->file);
    return status;
}

/* What was asked for must be there. */
static weft_status check_wishes(cli_arguments *a, cli_prediction *p)
{
    const weft_tabular_folder *f = &p->m.folder;
    const char *folder = cli_positional_at(a, 0);
    p->neighbors = cli_int(a, "neighbors");
    p->what_if = cli_flag(a, "what-if");
    p->interval = cli_given(a, "interval");
    p->domain = cli_flag(a, "domain");
    p->calibrated = cli_flag(a, "calibrated");
    p->calibration = f->calibration;
    if ((p->neighbors || p->domain) && f->config.arch != WEFT_TABULAR_TABR)
        return weft_fail(WEFT_ERROR_ARGUMENT, "--%s: %s is an MLP, which looks at no training rows",
                         p->neighbors ? "neighbors" : "domain", folder);
    if (p->neighbors > f->config.context_size)
        return weft_fail(WEFT_ERROR_ARGUMENT, "--neighbors %lld: this model looks at %lld training rows", (long long)p->neighbors,
                         (long long)f->config.context_size);
    if (p->calibrated && f->config.task == WEFT_TASK_REGRESSION)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "--calibrated: %s predicts a quantity, not probabilities; --interval says how sure it is", folder);
    if ((p->interval || p->calibrated) && !f->calibration)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "%s: holds no calibration.safetensors; `weft tabular calibrate` makes it from rows "
                         "that training has not seen",
                         folder);
    if (p->domain && (!f->calibration || !f->calibration->distance))
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: holds no distances of its training rows; `weft tabular calibrate` makes them",
                         folder);
    p->cut = f->calibration ? f->calibration->threshold : 0.5;
    if (p->calibrated && f->config.n_classes == 2)
        weft_calibration_apply(f->calibration, &f->config, 1, &p->cut);
    if (!p->interval)
        return WEFT_OK;
    p->threshold = weft_calibration_threshold(f->calibration, cli_number(a, "interval"));
    if (isinf(p->threshold))
        weft_log(WEFT_LOG_WARNING, "%lld validation rows are too few to bound anything with %g %%: nothing is ruled out",
                 (long long)f->calibration->scores, 100 * cli_number(a, "interval"));
    return WEFT_OK;
}

static weft_status read_rows(cli_arguments *a, cli_prediction *p)
{
    const weft_csv_options how = {.threads = (int)cli_int(a, "threads")};
    weft_csv *csv = NULL;
    cli_input in;
    weft_status status = cli_input_open(cli_positional_at(a, 1), &in);
    if (status == WEFT_OK)
        status = weft_csv_parse(in.bytes, in.size, in.name, &how, &csv);
    if (status == WEFT_OK)
        status = weft_schema_apply(p->schema, csv, NULL, weft_csv_rows(csv), false, &p->table);
    if (status == WEFT_OK)
        cli_tabular_warn(p->table->notes.data);
    weft_csv_free(csv);
    cli_input_close(&in);
    return status;
}

typedef struct supposition {
    weft_row_ranges without;
    weft_relabel *relabel;
    int relabels;
    bool any;
} supposition;

/* From the command line alone. */
static weft_status read_supposition(cli_arguments *a, supposition *s)
{
    const char *const *items;
    s->relabels = cli_list(a, "relabel", &items);
    s->any = cli_given(a, "without") || s->relabels > 0;
    s->relabel = malloc(((size_t)s->relabels + 1) * sizeof *s->relabel);
    if (!s->relabel)
        return weft_fail(WEFT_ERROR_MEMORY, "predict: memory is short");
    weft_status status = cli_given(a, "without") ? weft_row_ranges_parse(cli_text(a, "without"), &s->without) : WEFT_OK;
    if (status == WEFT_ERROR_ARGUMENT)
        return cli_misuse(a, "--without: %s", weft_error());
    for (int i = 0; i < s->relabels && status == WEFT_OK; i++)
        if ((status = weft_relabel_parse(items[i], &s->relabel[i])) == WEFT_ERROR_ARGUMENT)
            return cli_misuse(a, "--relabel %s", weft_error());
    for (int i = 0; i < s->relabels && status == WEFT_OK; i++) {
        const long long row = (long long)s->relabel[i].row;
        for (int k = 0; k < i; k++)
            if (s->relabel[k].row == row)
                return cli_misuse(a, "--relabel names row %lld twice", row);
        for (int k = 0; k < s->without.count; k++)
            if (s->without.range[k][0] <= row && row <= s->without.range[k][1])
                return cli_misuse(a, "row %lld is named by both --without and --relabel", row);
    }
    return status;
}

/* The model as it is, and as it would be. */
static weft_status open_both(cli_arguments *a, const supposition *s, cli_prediction *p)
{
    const char *folder = cli_positional_at(a, 0);
    int64_t gone;
    weft_status status = cli_tabular_open(a, folder, &p->as_is);
    if (status == WEFT_OK)
        status = weft_tabular_folder_open(folder, &p->m.folder);
    if (status == WEFT_OK)
        status =
            weft_tabular_suppose(folder, &p->m.folder, s->without.count ? &s->without : NULL, s->relabel, s->relabels, &gone);
    if (status != WEFT_OK)
        return status;
    cli_json_integer(a, "without", gone);
    cli_json_integer(a, "relabelled", s->relabels);
    return weft_tabular_model_new(cli_engine(a), &p->m.folder, &p->m.model);
}

static weft_status predict(cli_arguments *a, const supposition *supposed, cli_prediction *p)
{
    const char *out = cli_text(a, "out");
    weft_status status = cli_is_stream(out) ? WEFT_OK : cli_may_write(a, out, NULL);
    if (status == WEFT_OK)
        status = supposed->any ? open_both(a, supposed, p) : cli_tabular_open(a, cli_positional_at(a, 0), &p->m);
    p->schema = p->m.folder.schema;
    p->config = &p->m.folder.config;
    if (status == WEFT_OK)
        status = check_wishes(a, p);
    if (status == WEFT_OK)
        status = read_rows(a, p);
    if (status == WEFT_OK)
        status = open_written(p);
    if (status == WEFT_OK)
        status = write_rows(p, out);
    if (status == WEFT_OK) {
        if (!cli_is_stream(out))
            cli_say(a, "%lld predictions in %s\n", (long long)p->table->rows, out);
        cli_json_integer(a, "rows", p->table->rows);
        if (supposed->any && !cli_is_stream(out))
            cli_say(a, "%lld of them differ from those of the model as it is\n", (long long)p->changed);
        if (supposed->any)
            cli_json_integer(a, "changed", p->changed);
    }
    return status;
}

static weft_status run(cli_arguments *arguments)
{
    if (cli_flag(arguments, "what-if") && !cli_int(arguments, "neighbors"))
        return cli_misuse(arguments, "--what-if needs --neighbors K beside it: it says what changes without each of them");
    if (cli_flag(arguments, "json") && cli_is_stream(cli_text(arguments, "out")))
        return cli_misuse(arguments, "--out - and --json both write to standard output");
    cli_prediction p = {0};
    supposition supposed = {0};
    weft_status status = read_supposition(arguments, &supposed);
    if (status == WEFT_OK)
        status = predict(arguments, &supposed, &p);
    weft_row_ranges_free(&supposed.without);
    free(supposed.relabel);
    free(p.written);
    weft_table_free(p.table);
    weft_text_free(&p.line);
    cli_tabular_close(&p.m);
    cli_tabular_close(&p.as_is);
    return status;
}

const cli_command cli_tabular_predict = {
    .name = "tabular",
    .action = "predict",
    .summary = "predict the rows of a CSV",
    .description =
        "P.csv has a line a row of DATA: prediction (the target's units, or the class as the training file writes it), then "
        "p_CLASS for each class. With --neighbors K also neighbor_k_row, _weight, _label and _distance, k = 1 … K, largest "
        "weight first; a training row is named by its number in the file it came from, the first data row being 0. Rows added "
        "by extend go on from that file's row count.\n\n"
        "--what-if adds neighbor_k_without: the prediction (for classes: the predicted class's probability) if that row were "
        "forgotten; the next nearest row takes its place. --interval adds lower and upper, or set (classes parted by |). "
        "--without and --relabel suppose other training rows, of which nothing is kept: prediction is then what the model would "
        "say, to the bit, after forget or with the corrected row; as_is (and p_CLASS_as_is) what it says.\n\n"
        "--domain adds domain_rank, the share of training rows that lie nearer to the others than this row does, and "
        "out_of_domain, 1 where it is above 0.99. Probabilities are the network's own unless --calibrated asks for those "
        "after the temperature; the predicted class is the same.",
    .positionals = files,
    .options = options,
    .example = "weft tabular predict houses new.csv --out prices.csv --neighbors 5 --interval 0.9 --domain",
    .run = run,
};
