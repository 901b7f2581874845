/* weft tabular predict: a CSV of predictions, with the training rows behind them on request. */
#include "base/files.h"
#include "cli/tabular.h"
#include "tabular/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {{"DIR", 1, 1, "a model's folder"}, {"DATA.csv", 1, 1, "rows to predict"}, {0}};

static const cli_option options[] = {
    {.name = "out", .value = "P.csv", .kind = CLI_PATH, .help = "where the predictions go", .traits = CLI_REQUIRED},
    {.name = "neighbors",
     .value = "K",
     .kind = CLI_INT,
     .least = 0,
     .most = 65536,
     .otherwise = "0",
     .help = "also the K training rows with the largest weights (TabR)"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over P.csv"},
    {0},
};

typedef struct prediction {
    weft_tabular_folder folder;
    weft_table *table;
    weft_rows_data *rows;
    double *output, *probs, *distance;
    int64_t *context, neighbors, width;
    weft_predictor *predictor;
} prediction;

static void add_number(weft_text *out, double value)
{
    weft_text number = {0};
    weft_json_writer w = weft_json_to(&number, 0);
    weft_json_add_float(&w, (float)value);
    weft_text_add(out, "%s", number.data ? number.data : "");
    weft_text_free(&number);
}

static void add_class(weft_text *out, const weft_schema *schema, int64_t label)
{
    const char *name = weft_schema_class(schema, label);
    weft_csv_add_field(out, name, strlen(name));
}

static void add_header(const prediction *p, weft_text *out)
{
    const weft_schema *schema = p->folder.schema;
    weft_text_add(out, "prediction");
    for (int k = 0; k < schema->classes; k++) {
        weft_text name = {0};
        weft_text_add(&name, "p_%s", weft_schema_class(schema, k));
        weft_text_add(out, ",");
        weft_csv_add_field(out, name.data ? name.data : "", name.length);
        weft_text_free(&name);
    }
    for (int64_t k = 1; k <= p->neighbors; k++)
        weft_text_add(out, ",neighbor_%lld_row,neighbor_%lld_weight,neighbor_%lld_label,neighbor_%lld_distance", (long long)k,
                      (long long)k, (long long)k, (long long)k);
    weft_text_add(out, "\n");
}

typedef struct neighbor {
    double weight, distance;
    int64_t candidate;
} neighbor;

static int heavier_first(const void *a, const void *b)
{
    const neighbor *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return (x->candidate > y->candidate) - (x->candidate < y->candidate);
}

static void add_neighbors(const prediction *p, int64_t row, neighbor *list, weft_text *out)
{
    int64_t m = p->folder.config.context_size;
    const weft_rows_data *candidates = p->folder.candidates;
    for (int64_t j = 0; j < m; j++)
        list[j] = (neighbor){p->probs[row * m + j], p->distance[row * m + j], p->context[row * m + j]};
    qsort(list, (size_t)m, sizeof *list, heavier_first);
    for (int64_t k = 0; k < p->neighbors; k++) {
        weft_text_add(out, ",%lld,", (long long)candidates->row[list[k].candidate]);
        add_number(out, list[k].weight);
        weft_text_add(out, ",");
        if (candidates->y)
            add_number(out, weft_schema_unscale(p->folder.schema, (double)candidates->y[list[k].candidate]));
        else
            add_class(out, p->folder.schema, candidates->label[list[k].candidate]);
        weft_text_add(out, ",");
        add_number(out, list[k].distance);
    }
}

static weft_status write_rows(prediction *p, const char *path)
{
    weft_output *file = NULL;
    weft_text line = {0};
    int64_t m = p->folder.config.context_size;
    neighbor *list = malloc((size_t)(m + 1) * sizeof *list);
    const weft_tabular_config *c = &p->folder.config;
    weft_status status = list ? weft_output_open(path, &file) : weft_fail(WEFT_ERROR_MEMORY, "predict: memory is short");
    if (status == WEFT_OK) {
        add_header(p, &line);
        status = weft_output_write(file, line.data, line.length);
    }
    if (c->task != WEFT_TASK_REGRESSION)
        weft_probabilities(c, p->rows->rows, p->output);
    for (int64_t i = 0; i < p->rows->rows && status == WEFT_OK; i++) {
        line.length = 0;
        if (c->task == WEFT_TASK_REGRESSION) {
            add_number(&line, weft_schema_unscale(p->folder.schema, p->output[i]));
        } else {
            add_class(&line, p->folder.schema, weft_predicted_class(p->output, i, (int)c->n_classes));
            for (int k = 0; k < c->n_classes; k++) {
                double q = p->width == 1 ? (k ? p->output[i] : 1 - p->output[i]) : p->output[i * p->width + k];
                weft_text_add(&line, ",");
                add_number(&line, q);
            }
        }
        if (p->neighbors)
            add_neighbors(p, i, list, &line);
        weft_text_add(&line, "\n");
        if (status == WEFT_OK)
            status = line.failed ? weft_fail(WEFT_ERROR_MEMORY, "predict: memory is short")
                                 : weft_output_write(file, line.data, line.length);
    }
    if (status == WEFT_OK)
        status = weft_output_commit(file);
    else
        weft_output_abandon(file);
    weft_text_free(&line);
    free(list);
    return status;
}

static weft_status compute(prediction *p, weft_engine *engine)
{
    int64_t n = p->table->rows, m = p->folder.config.context_size;
    p->width = weft_tabular_outputs(&p->folder.config);
    weft_status status = weft_rows_from_table(&p->folder.config, p->table, &p->rows);
    if (status != WEFT_OK)
        return status;
    p->output = malloc((size_t)(n * p->width + 1) * sizeof *p->output);
    p->probs = p->neighbors ? malloc((size_t)(n * m + 1) * sizeof *p->probs) : NULL;
    p->distance = p->neighbors ? malloc((size_t)(n * m + 1) * sizeof *p->distance) : NULL;
    p->context = p->neighbors ? malloc((size_t)(n * m + 1) * sizeof *p->context) : NULL;
    if (!p->output || (p->neighbors && (!p->probs || !p->distance || !p->context)))
        return weft_fail(WEFT_ERROR_MEMORY, "predict: %lld rows do not fit in memory", (long long)n);
    if ((status = weft_predictor_new(engine, &p->folder.config, p->folder.params, p->folder.candidates, &p->predictor)) !=
        WEFT_OK)
        return status;
    return weft_predictor_run(p->predictor, p->rows, false, p->output, p->context, p->probs, p->distance);
}

static weft_status predict(cli_arguments *a, prediction *p)
{
    const char *out = cli_text(a, "out");
    weft_csv *csv = NULL;
    weft_engine *engine = cli_engine(a);
    weft_status status = engine ? cli_may_write(a, out, NULL) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK)
        status = weft_tabular_folder_open(cli_positional_at(a, 0), &p->folder);
    p->neighbors = cli_int(a, "neighbors");
    if (status == WEFT_OK && p->neighbors && p->folder.config.arch != WEFT_TABULAR_TABR)
        status =
            weft_fail(WEFT_ERROR_ARGUMENT, "--neighbors: %s is an MLP, which looks at no training rows", cli_positional_at(a, 0));
    if (status == WEFT_OK && p->neighbors > p->folder.config.context_size)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "--neighbors %lld: this model looks at %lld training rows",
                           (long long)p->neighbors, (long long)p->folder.config.context_size);
    if (status == WEFT_OK)
        status = weft_csv_read(cli_positional_at(a, 1), &(weft_csv_options){.threads = weft_engine_threads(engine)}, &csv);
    if (status == WEFT_OK)
        status = weft_schema_apply(p->folder.schema, csv, NULL, weft_csv_rows(csv), false, &p->table);
    if (status == WEFT_OK)
        cli_tabular_warn(p->table->notes.data);
    if (status == WEFT_OK)
        status = compute(p, engine);
    if (status == WEFT_OK)
        status = write_rows(p, out);
    if (status == WEFT_OK) {
        cli_say(a, "%lld predictions in %s\n", (long long)p->table->rows, out);
        cli_json_integer(a, "rows", p->table->rows);
    }
    weft_csv_free(csv);
    return status;
}

static weft_status run(cli_arguments *arguments)
{
    prediction p = {0};
    weft_status status = predict(arguments, &p);
    weft_predictor_free(p.predictor);
    weft_rows_free(p.rows);
    weft_table_free(p.table);
    weft_tabular_folder_close(&p.folder);
    free(p.output);
    free(p.probs);
    free(p.distance);
    free(p.context);
    return status;
}

const cli_command cli_tabular_predict = {
    .name = "tabular",
    .action = "predict",
    .summary = "predict the rows of a CSV",
    .description =
        "P.csv has a line a row of DATA: prediction (the target's units, or the class as the training file writes it), then "
        "p_CLASS for each class. With --neighbors K also neighbor_k_row, _weight, _label and _distance, k = 1 … K, largest "
        "weight first; a training row is named by its number in the file it came from, the first data row being 0.",
    .positionals = files,
    .options = options,
    .example = "weft tabular predict houses new.csv --out prices.csv --neighbors 5",
    .run = run,
};
