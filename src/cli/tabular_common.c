/* Metrics of a part for people and for scripts; what a table's user should know. */
#include "cli/tabular.h"

#include <stdlib.h>
#include <string.h>

void cli_tabular_metrics(cli_arguments *a, const char *part, const weft_metrics *m, const weft_schema *schema)
{
    weft_text text = {0};
    const char *const *classes = weft_schema_classes(schema);
    weft_metrics_print(m, classes, &text);
    if (part)
        cli_say(a, "%s (%lld rows)\n", part, (long long)m->rows);
    cli_say(a, "%s", text.data ? text.data : "");
    weft_text_free(&text);
    if (part) {
        weft_json_add_key(cli_json(a), part);
        weft_json_open_object(cli_json(a));
    }
    weft_metrics_write(m, classes, cli_json(a));
    if (part)
        weft_json_close_object(cli_json(a));
}

weft_status cli_tabular_duplicates(cli_arguments *a, const weft_tabular_config *c, const weft_schema *schema,
                                   const weft_table *table, const weft_table *train, const weft_rows_data *rows,
                                   const double *output)
{
    int64_t count = 0, n = table->rows, width = weft_tabular_outputs(c);
    bool *same = malloc((size_t)n + 1);
    double *values = malloc((size_t)(n * (width + 1) + 1) * sizeof *values);
    weft_metrics m = {0};
    weft_status status = same && values ? weft_table_duplicates(table, train, same, &count)
                                        : weft_fail(WEFT_ERROR_MEMORY, "evaluation: memory is short");
    if (status == WEFT_OK && count > 0 && count < n) {
        memcpy(values, output, (size_t)(n * width) * sizeof *values);
        double *truth = values + n * width;
        bool regression = c->task == WEFT_TASK_REGRESSION;
        for (int64_t i = 0; regression && i < n; i++) {
            values[i] = weft_schema_unscale(schema, values[i]);
            truth[i] = weft_schema_unscale(schema, (double)rows->y[i]);
        }
        weft_probabilities(c, n, values);
        status = weft_metrics_part(c->task, values, regression ? truth : NULL, rows->label, n, (int)c->n_classes, 0x1p-23, same,
                                   false, &m);
        if (status == WEFT_OK) {
            cli_say(a, "%lld of these rows have an identical training row; without them:\n", (long long)count);
            cli_tabular_metrics(a, "without_duplicates", &m, schema);
        }
        weft_metrics_free(&m);
    }
    cli_json_integer(a, "duplicates", count);
    free(same);
    free(values);
    return status;
}

void cli_tabular_warn(const char *lines)
{
    for (const char *end; lines && (end = strchr(lines, '\n')) != NULL; lines = end + 1)
        weft_log(WEFT_LOG_WARNING, "%.*s", (int)(end - lines), lines);
}
