/* weft tabular suspicious: training rows whose target the other rows do not bear out. */
#include "base/files.h"
#include "cli/tabular.h"
#include "tabular/suspicious.h"

#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {{"DIR", 1, 1, "a TabR model's folder"}, {0}};

static const cli_option options[] = {
    {.name = "top",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1000000,
     .otherwise = "20",
     .help = "how many rows to show"},
    {.name = "out", .value = "F.csv", .kind = CLI_PATH, .help = "also all rows, ranked, as a CSV"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over F.csv"},
    {0},
};

typedef struct suspect_text {
    weft_text target, predicted;
} suspect_text;

static void describe(const weft_tabular_folder *f, const weft_suspect *one, suspect_text *out)
{
    out->target.length = out->predicted.length = 0;
    if (f->config.task == WEFT_TASK_REGRESSION) {
        cli_tabular_number(&out->target, weft_schema_written(f->schema, f->candidates->y[one->candidate]));
        cli_tabular_number(&out->predicted, weft_schema_unscale(f->schema, one->value));
        return;
    }
    weft_text_add(&out->target, "%s", weft_schema_class(f->schema, f->candidates->label[one->candidate]));
    weft_text_add(&out->predicted, "%s", weft_schema_class(f->schema, one->likeliest));
}

static weft_status write_all(const weft_tabular_folder *f, const weft_suspect *list, const char *path)
{
    bool regression = f->config.task == WEFT_TASK_REGRESSION;
    weft_output *file = NULL;
    weft_text line = {0};
    suspect_text text = {0};
    weft_status status = weft_output_open(path, &file);
    if (status == WEFT_OK)
        weft_text_add(&line, regression ? "row,target,predicted,loss\n" : "row,target,predicted,loss,p_target,agreement\n");
    for (int64_t i = 0; i < f->candidates->rows && status == WEFT_OK; i++) {
        describe(f, &list[i], &text);
        weft_text_add(&line, "%lld,", (long long)f->candidates->row[list[i].candidate]);
        weft_csv_add_field(&line, text.target.data, text.target.length);
        weft_text_add(&line, ",");
        weft_csv_add_field(&line, text.predicted.data, text.predicted.length);
        weft_text_add(&line, ",");
        cli_tabular_number(&line, list[i].loss);
        if (!regression) {
            weft_text_add(&line, ",");
            cli_tabular_number(&line, list[i].value);
            weft_text_add(&line, ",");
            cli_tabular_number(&line, list[i].agreement);
        }
        weft_text_add(&line, "\n");
        status = line.failed || text.target.failed || text.predicted.failed
                     ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path)
                     : weft_output_write(file, line.data, line.length);
        line.length = 0;
    }
    weft_text_free(&line);
    weft_text_free(&text.target);
    weft_text_free(&text.predicted);
    if (status == WEFT_OK)
        return weft_output_commit(file);
    weft_output_abandon(file);
    return status;
}

static void show(cli_arguments *a, const weft_tabular_folder *f, const weft_suspect *list)
{
    bool regression = f->config.task == WEFT_TASK_REGRESSION;
    int64_t most = cli_int(a, "top"), n = f->candidates->rows < most ? f->candidates->rows : most;
    weft_json_writer *w = cli_json(a);
    suspect_text text = {0};
    cli_say(a, "each of %lld training rows predicted from the others; the %lld that agree least with them:\n",
            (long long)f->candidates->rows, (long long)n);
    cli_say(a, "  %8s  %-16s %-16s %9s%s\n", "row", "target", "predicted", "loss", regression ? "" : "   p(target)  agreement");
    weft_json_add_key(w, "suspicious");
    weft_json_open_list(w);
    for (int64_t i = 0; i < n; i++) {
        const weft_suspect *one = &list[i];
        int64_t row = f->candidates->row[one->candidate];
        describe(f, one, &text);
        cli_say(a, "  %8lld  %-16s %-16s %9.4g", (long long)row, text.target.data, text.predicted.data, one->loss);
        if (!regression)
            cli_say(a, "   %9.2g  %9.3f", one->value, one->agreement);
        cli_say(a, "\n");
        weft_json_open_object(w);
        cli_json_integer(a, "row", row);
        cli_json_string(a, "target", text.target.data);
        cli_json_string(a, "predicted", text.predicted.data);
        cli_json_number(a, "loss", one->loss);
        if (!regression) {
            cli_json_number(a, "p_target", one->value);
            cli_json_number(a, "agreement", one->agreement);
        }
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
    weft_text_free(&text.target);
    weft_text_free(&text.predicted);
}

static weft_status run(cli_arguments *arguments)
{
    cli_tabular_model m = {0};
    weft_suspect *list = NULL;
    const char *out = cli_text(arguments, "out");
    weft_status status = out ? cli_may_write(arguments, out, NULL) : WEFT_OK;
    if (status == WEFT_OK)
        status = cli_tabular_open(arguments, cli_positional_at(arguments, 0), &m);
    if (status == WEFT_OK && (status = weft_suspicious_rank(m.model, &m.folder, &list)) != WEFT_OK)
        weft_fail_in(status, "%s", cli_positional_at(arguments, 0));
    if (status == WEFT_OK && out)
        status = write_all(&m.folder, list, out);
    if (status == WEFT_OK)
        show(arguments, &m.folder, list);
    free(list);
    cli_tabular_close(&m);
    return status;
}

const cli_command cli_tabular_suspicious = {
    .name = "tabular",
    .action = "suspicious",
    .summary = "list training rows whose target the other rows do not bear out",
    .description =
        "Each training row is predicted as if it were new: it does not look at itself. First come those that are farthest off: "
        "wrong labels, typing errors, rows of another kind. loss is, for classes, -log of the probability of the row's own "
        "class (agreement: the share of its neighbours' weight that has this class); for quantities the error over the spread "
        "of its neighbours' targets. A row that was corrected or is no good: weft tabular forget DIR ROW.",
    .positionals = files,
    .options = options,
    .example = "weft tabular suspicious houses --top 10",
    .run = run,
};
