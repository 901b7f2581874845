/* weft tabular threshold: where two classes are parted. */
#include "cli/tabular.h"
#include "tabular/decision.h"

#include <math.h>
#include <stdio.h>

static const cli_positional files[] = {{"DIR", 1, 1, "the folder of a model of two classes"},
                                       {"DATA.csv", 1, 1, "rows with their target, not used in training"},
                                       {0}};

static const cli_option options[] = {
    CLI_TABULAR_PART_OPTIONS,
    {.name = "by",
     .value = "MEASURE",
     .kind = CLI_CHOICE,
     .choices = WEFT_DECISION_NAMES,
     .help = "what is to be largest; by default f1, or what the options below leave open",
     .group = "The choice"},
    {.name = "cost",
     .value = "FP,FN",
     .kind = CLI_TEXT,
     .help = "what a false positive and a false negative cost: their sum is to be least",
     .group = "The choice"},
    {.name = "least-precision",
     .value = "X",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1,
     .help = "of the rows predicted positive at least this share is to be so",
     .traits = CLI_ABOVE_LEAST,
     .group = "The choice"},
    {.name = "least-recall",
     .value = "X",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1,
     .help = "of the positive rows at least this share is to be found",
     .traits = CLI_ABOVE_LEAST,
     .group = "The choice"},
    {.name = "to",
     .value = "P",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1,
     .help = "this threshold, chosen by you; 0.5 undoes",
     .group = "The choice"},
    {.name = "dry-run", .kind = CLI_FLAG, .help = "show it, and leave the folder as it is"},
    {0},
};

static void write_decision(cli_arguments *a, const char *key, const weft_decision *d, const char *class)
{
    weft_json_writer *w = cli_json(a);
    weft_json_add_key(w, key);
    weft_json_open_object(w);
    cli_json_string(a, "class", class);
    cli_json_number(a, "threshold", d->threshold);
    for (int i = 0; i < WEFT_DECISION_MEASURES; i++)
        cli_json_number(a, weft_decision_measures[i].name, weft_decision_measures[i].value(d));
    cli_json_integer(a, "true_positives", d->true_positives);
    cli_json_integer(a, "false_positives", d->false_positives);
    cli_json_integer(a, "false_negatives", d->false_negatives);
    cli_json_integer(a, "true_negatives", d->true_negatives);
    weft_json_close_object(w);
}

/* Two decisions side by side. */
static void say_both(cli_arguments *a, const char *const title[2], const weft_decision d[2])
{
    cli_say(a, "%-18s %10s %10s\n%-18s %10.4g %10.4g\n", "", title[0], title[1], "threshold", d[0].threshold, d[1].threshold);
    for (int i = 0; i < WEFT_DECISION_MEASURES; i++)
        cli_say(a, "%-18s %10.4f %10.4f\n", weft_decision_measures[i].name, weft_decision_measures[i].value(&d[0]),
                weft_decision_measures[i].value(&d[1]));
    const struct {
        const char *name;
        int64_t count[2];
    } counts[] = {
        {"false positives", {d[0].false_positives, d[1].false_positives}},
        {"false negatives", {d[0].false_negatives, d[1].false_negatives}},
    };
    for (int i = 0; i < 2; i++)
        cli_say(a, "%-18s %10lld %10lld\n", counts[i].name, (long long)counts[i].count[0], (long long)counts[i].count[1]);
}

void cli_tabular_decision(cli_arguments *a, const weft_tabular_folder *f, const weft_rows_data *rows,
                          const weft_predictions *said)
{
    if (f->config.n_classes != 2 || !f->calibration || f->calibration->threshold == 0.5)
        return;
    const char *class = weft_schema_class(f->schema, 1);
    weft_decision d[2] = {weft_decision_at(said->value, rows->label, rows->rows, 0.5),
                          weft_decision_at(said->value, rows->label, rows->rows, f->calibration->threshold)};
    cli_say(a, "predict says \"%s\" above a probability of %.4g; of these rows:\n", class, d[1].threshold);
    say_both(a, (const char *const[]){"likeliest", "chosen"}, d);
    write_decision(a, "decision", &d[1], class);
}

/* "FP,FN" */
static weft_status read_costs(cli_arguments *a, weft_decision_wish *wish)
{
    const char *text = cli_text(a, "cost");
    char rest;
    if (sscanf(text, "%lf,%lf%c", &wish->false_positive, &wish->false_negative, &rest) != 2 || !(wish->false_positive >= 0) ||
        !(wish->false_negative >= 0) || !isfinite(wish->false_positive) || !isfinite(wish->false_negative))
        return cli_misuse(a, "--cost %s: two numbers of 0 or more are expected, as in 1,5", text);
    return WEFT_OK;
}

static weft_status read_wish(cli_arguments *a, weft_decision_wish *wish)
{
    bool precision = cli_given(a, "least-precision"), recall = cli_given(a, "least-recall"), cost = cli_given(a, "cost");
    if (cost && cli_given(a, "by"))
        return cli_misuse(a, "--by and --cost both say what is best");
    if (cli_given(a, "to") && (precision || recall || cost || cli_given(a, "by")))
        return cli_misuse(a, "--to is a threshold, and leaves nothing to choose");
    wish->least_precision = precision ? cli_number(a, "least-precision") : 0;
    wish->least_recall = recall ? cli_number(a, "least-recall") : 0;
    wish->measure = cost                  ? NULL
                    : cli_given(a, "by")  ? cli_text(a, "by")
                    : recall == precision ? "f1"
                    : recall              ? "precision"
                                          : "recall";
    return cost ? read_costs(a, wish) : WEFT_OK;
}

static weft_status check_model(const char *folder, const weft_tabular_folder *f)
{
    if (f->config.task != WEFT_TASK_BINARY)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: its target is %s; a threshold parts two classes", folder,
                         f->config.task == WEFT_TASK_REGRESSION ? "a quantity" : "one of several classes");
    if (!f->calibration)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "%s: holds no calibration.safetensors, where the threshold is kept; `weft tabular calibrate` makes it",
                         folder);
    return WEFT_OK;
}

static weft_status choose(cli_arguments *a, const weft_decision_wish *wish, const cli_tabular_model *m,
                          const weft_rows_data *rows)
{
    const char *folder = cli_positional_at(a, 0), *class = weft_schema_class(m->folder.schema, 1);
    weft_calibration *c = m->folder.calibration;
    weft_predictions said = {0};
    weft_decision d[2];
    weft_status status = weft_tabular_predict(m->model, rows, false, 0, &said);
    if (status == WEFT_OK) {
        d[0] = weft_decision_at(said.value, rows->label, rows->rows, c->threshold);
        if (cli_given(a, "to"))
            d[1] = weft_decision_at(said.value, rows->label, rows->rows, cli_number(a, "to"));
        else if ((status = weft_decision_choose(wish, said.value, rows->label, rows->rows, &d[1])) != WEFT_OK)
            weft_fail_in(status, "%s", cli_positional_at(a, 1));
    }
    if (status == WEFT_OK && !cli_flag(a, "dry-run")) {
        c->threshold = d[1].threshold;
        status = weft_tabular_folder_calibrate(folder, c);
    }
    if (status == WEFT_OK) {
        cli_say(a, "of %lld rows, positive: \"%s\"\n", (long long)rows->rows, class);
        say_both(a, (const char *const[]){"before", "now"}, d);
        if (cli_flag(a, "dry-run"))
            cli_say(a, "%s is as it was\n", folder);
        cli_json_integer(a, "rows", rows->rows);
        write_decision(a, "before", &d[0], class);
        write_decision(a, "now", &d[1], class);
    }
    weft_predictions_free(&said);
    return status;
}

static weft_status run(cli_arguments *arguments)
{
    cli_tabular_model m = {0};
    weft_rows_data *rows = NULL;
    weft_decision_wish wish = {0};
    const char *folder = cli_positional_at(arguments, 0);
    weft_status status = cli_tabular_check_split(arguments);
    if (status == WEFT_OK)
        status = read_wish(arguments, &wish);
    if (status == WEFT_OK)
        status = cli_tabular_open(arguments, folder, &m);
    if (status == WEFT_OK)
        status = check_model(folder, &m.folder);
    if (status == WEFT_OK)
        status = cli_tabular_rows_to_fit(arguments, &m.folder, &rows);
    if (status == WEFT_OK)
        status = choose(arguments, &wish, &m, rows);
    weft_rows_free(rows);
    cli_tabular_close(&m);
    return status;
}

const cli_command cli_tabular_threshold = {
    .name = "tabular",
    .action = "threshold",
    .summary = "choose the probability above which the second of two classes is predicted",
    .description =
        "A model predicts the likelier class. Where one class is rare, or one kind of error costs more than the other, another "
        "threshold than 0.5 serves better. It is chosen on rows that training has not seen, kept in calibration.safetensors, and "
        "decides from then on what predict writes as prediction; probabilities stay as they are. The second class in the order "
        "of eval's confusion matrix is called positive.\n\n"
        "By default F1 is made as large as can be. --least-recall 0.9 takes the best precision among the thresholds that find "
        "nine positive rows in ten, --least-precision the best recall, --cost 1,5 the least cost when missing a positive row "
        "is five times as bad as a false alarm.",
    .positionals = files,
    .options = options,
    .example = "weft tabular threshold churn customers.csv --split customers.split.csv --part val --cost 1,5",
    .run = run,
};
