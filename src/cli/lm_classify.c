/* weft lm classify: the classes of texts, by a model with a classification head. */
#include "base/files.h"
#include "cli/lm_answer.h"
#include "cli/lm_examples.h"
#include "cli/streams.h"

#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {{"MODEL", 1, 1, "a model's folder"}, {0}};

static const cli_option options[] = {
    CLI_LM_EXAMPLE_OPTIONS,
    {.name = "out",
     .value = "P",
     .kind = CLI_PATH,
     .help = "the answers as a table, P.csv, or as P.jsonl; - for a table on standard output"},
    {.name = "top-k",
     .value = "K",
     .kind = CLI_INT,
     .least = 0,
     .most = CLI_ANY,
     .otherwise = "1",
     .help = "show the K likeliest classes of each text; 0: all"},
    {.name = "threshold",
     .value = "P",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1,
     .otherwise = "0.5",
     .help = "of a model whose classes stand each by itself: those above this probability are there"},
    {.name = "logits", .kind = CLI_FLAG, .help = "the head's numbers as they are, in place of probabilities"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over P"},
    CLI_LM_MODEL_OPTIONS,
    {0},
};

/* Texts that go through the model before their answers are written. */
enum { TEXTS_AT_ONCE = 1024 };

typedef struct kept_record {
    weft_text label; /* what a record says beside its text, as JSON: its label alone */
    weft_text where;
} kept_record;

typedef struct job {
    cli_arguments *arguments;
    cli_lm_examples examples;
    const weft_lm_classes *classes;
    cli_lm_answers answers;
    cli_lm_judge judge;
    int64_t n;       /* classes */
    bool table;      /* the file is a CSV; else JSON lines */
    double *numbers; /* [TEXTS_AT_ONCE, n] */
    double *judged;  /* [n]: probabilities of the text at hand, or numbers */
    kept_record *records;
    int64_t rows;
    weft_output *file; /* NULL: shown */
    weft_text line;
} job;

static weft_status write_answer(job *j, const double *x)
{
    cli_lm_answer_take(&j->answers, x);
    j->line.length = 0;
    if (!j->file && cli_wants_json(j->arguments)) {
        cli_lm_answer_json(&j->answers, x, cli_json(j->arguments));
        return WEFT_OK;
    }
    if (!j->file) {
        cli_lm_answer_line(&j->answers, x, &j->line);
    } else if (j->table) {
        cli_lm_answer_row(&j->answers, x, &j->line);
    } else {
        weft_json_writer w = weft_json_to(&j->line, 0);
        cli_lm_answer_json(&j->answers, x, &w);
        weft_text_add(&j->line, "\n");
    }
    if (j->line.failed)
        return weft_fail(WEFT_ERROR_MEMORY, "classify: memory is short");
    if (j->file)
        return weft_output_write(j->file, j->line.data, j->line.length);
    cli_say(j->arguments, "%s", j->line.data);
    return WEFT_OK;
}

/* ---- all of them ---- */

/* What the judge wants of a record is kept until its text's turn. */
static weft_status keep(job *j, weft_json_value record, const char *where)
{
    kept_record *kept = &j->records[weft_lm_reader_count(j->examples.reader) - 1];
    static const char *const keys[] = {"label", "labels"};
    kept->label.length = kept->where.length = 0;
    weft_json_writer w = weft_json_to(&kept->label, 0);
    weft_json_open_object(&w);
    for (int i = 0; i < 2; i++) {
        weft_json_value value = weft_json_get(record, keys[i]);
        if (weft_json_present(value)) {
            weft_json_add_key(&w, keys[i]);
            weft_json_add_value(&w, value);
        }
    }
    weft_json_close_object(&w);
    weft_text_add(&kept->where, "%s", where);
    return kept->label.failed || kept->where.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where) : WEFT_OK;
}

static weft_status judge(job *j, const kept_record *kept, const double *x)
{
    weft_json *json = NULL;
    weft_status status = weft_json_parse(kept->label.data, kept->label.length, kept->where.data, &json);
    if (status == WEFT_OK)
        status = cli_lm_judge_add(&j->judge, weft_json_root(json), kept->where.data, x);
    weft_json_free(json);
    return status;
}

/* Labels first, so that nothing is said of texts at hand among which one has a wrong label. */
static weft_status flush(job *j)
{
    const int64_t count = weft_lm_reader_count(j->examples.reader);
    weft_status status = count ? cli_lm_examples_run(&j->examples, j->numbers) : WEFT_OK;
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        const double *x = j->numbers + i * j->n;
        memcpy(j->judged, x, (size_t)j->n * sizeof *x);
        if (j->answers.logits)
            weft_lm_probabilities(j->answers.problem, j->n, j->judged);
        status = judge(j, &j->records[i], j->judged);
    }
    for (int64_t i = 0; i < count && status == WEFT_OK; i++)
        status = write_answer(j, j->numbers + i * j->n);
    j->rows += count;
    return status;
}

static weft_status add(void *user, weft_json_value record, const char *where)
{
    job *j = user;
    weft_status status = cli_lm_examples_add(&j->examples, record, NULL, where);
    if (status == WEFT_OK)
        status = keep(j, record, where);
    return status == WEFT_OK && weft_lm_reader_count(j->examples.reader) == TEXTS_AT_ONCE ? flush(j) : status;
}

static bool is_table(const char *path)
{
    const size_t length = strlen(path);
    return cli_is_stream(path) || (length > 4 && strcmp(path + length - 4, ".csv") == 0);
}

static weft_status open_output(job *j, const char *path)
{
    if (!path)
        return WEFT_OK;
    weft_status status = cli_output_open(path, &j->file);
    if (status == WEFT_OK && j->table) {
        cli_lm_answer_header(&j->answers, &j->line);
        status = j->line.failed ? weft_fail(WEFT_ERROR_MEMORY, "classify: memory is short")
                                : weft_output_write(j->file, j->line.data, j->line.length);
    }
    return status;
}

static weft_status open_model(job *j)
{
    cli_arguments *a = j->arguments;
    const weft_lm_reader_options wanted = {.logits = cli_flag(a, "logits")};
    const weft_status status = cli_lm_examples_open(a, weft_lm_classifier_open, wanted, &j->examples);
    if (status != WEFT_OK)
        return status;
    const weft_lm_problem problem = weft_lm_reader_problem(j->examples.reader);
    j->n = weft_lm_reader_size(j->examples.reader);
    j->classes = weft_lm_reader_classes(j->examples.reader);
    int64_t top = cli_int(a, "top-k");
    if (top == 0 || top > j->n || problem == WEFT_LM_PROBLEM_REGRESSION ||
        (problem == WEFT_LM_PROBLEM_MULTI_LABEL && !cli_given(a, "top-k")))
        top = j->n;
    j->judge = (cli_lm_judge){.classes = j->classes, .count = j->n};
    j->answers = (cli_lm_answers){.classes = j->classes,
                                  .problem = problem,
                                  .count = j->n,
                                  .top = top,
                                  .threshold = cli_number(a, "threshold"),
                                  .logits = wanted.logits};
    j->numbers = malloc((size_t)(TEXTS_AT_ONCE * j->n) * sizeof *j->numbers);
    j->judged = malloc((size_t)j->n * sizeof *j->judged);
    j->answers.order = malloc((size_t)j->n * sizeof *j->answers.order);
    j->records = calloc(TEXTS_AT_ONCE, sizeof *j->records);
    return j->numbers && j->judged && j->answers.order && j->records ? WEFT_OK
                                                                     : weft_fail(WEFT_ERROR_MEMORY, "classify: memory is short");
}

static weft_status classify(job *j)
{
    cli_arguments *a = j->arguments;
    const char *out = cli_text(a, "out");
    j->table = out && is_table(out);
    weft_status status = out && !cli_is_stream(out) ? cli_may_write(a, out, NULL) : WEFT_OK;
    if (status == WEFT_OK)
        status = open_model(j);
    if (status == WEFT_OK)
        status = open_output(j, out);
    if (status != WEFT_OK)
        return status;
    cli_json_string(a, "problem_type", weft_lm_problem_name(j->classes->problem));
    if (!out) {
        weft_json_add_key(cli_json(a), "results");
        weft_json_open_list(cli_json(a));
    }
    status = cli_lm_examples_read(a, add, j);
    if (status == WEFT_OK)
        status = flush(j);
    if (status == WEFT_OK)
        status = cli_lm_examples_finish(&j->examples);
    if (!out)
        weft_json_close_list(cli_json(a));
    cli_json_integer(a, "rows", j->rows);
    return status;
}

static weft_status run(cli_arguments *a)
{
    job j = {.arguments = a};
    const char *out = cli_text(a, "out");
    weft_status status = cli_lm_examples_check(a);
    if (status == WEFT_OK && out && cli_is_stream(out) && cli_wants_json(a))
        status = cli_misuse(a, "--out - and --json both write to standard output");
    if (status == WEFT_OK && out && !is_table(out)) {
        const size_t length = strlen(out);
        if (length <= 6 || strcmp(out + length - 6, ".jsonl") != 0)
            status = cli_misuse(a, "--out %s: expected a name that ends in .csv or .jsonl, or -", out);
    }
    if (status == WEFT_OK)
        status = classify(&j);
    if (status == WEFT_OK && j.file) {
        status = weft_output_commit(j.file);
        if (status == WEFT_OK && !cli_is_stream(out))
            cli_say(a, "%lld answers in %s\n", (long long)j.rows, out);
    } else {
        weft_output_abandon(j.file);
    }
    if (status == WEFT_OK && !(out && cli_is_stream(out)))
        status = cli_lm_judge_tell(&j.judge, a, j.answers.threshold);
    for (int64_t i = 0; j.records && i < TEXTS_AT_ONCE; i++) {
        weft_text_free(&j.records[i].label);
        weft_text_free(&j.records[i].where);
    }
    cli_lm_judge_free(&j.judge);
    cli_lm_examples_close(&j.examples);
    weft_text_free(&j.line);
    free(j.numbers);
    free(j.judged);
    free(j.answers.order);
    free(j.records);
    return status;
}

const cli_command cli_lm_classify = {
    .name = "lm",
    .action = "classify",
    .summary = "tell the classes of texts",
    .description =
        "MODEL has a classification head: weft lm finetune --classify trains one, and the *ForSequenceClassification folders of "
        "others are read as they are; or --adapter brings the head.\n\n"
        "Texts are records {text}, pairs {text, text_pair}, or lines. What config.json calls problem_type decides what the "
        "head's "
        "numbers mean: probabilities of one of several labels; of each label by itself (multi_label_classification; a single "
        "label "
        "too); or numbers as they are (regression).\n\n"
        "P.csv has a line a text: prediction, then p_CLASS for each class; several labels are parted by |. P.jsonl has label and "
        "score, labels, or value. Where records have a label, accuracy, log-loss, F1 and calibration are told; for numbers RMSE, "
        "MAE "
        "and R2. A label may be a class's name or its number.\n\n"
        "Neither --batch-size nor the texts beside it change a text's answer.",
    .positionals = files,
    .options = options,
    .example = "weft lm classify reviews-bert --text \"Not bad at all\" --top-k 0\n"
               "weft lm classify reviews-bert --data reviews.jsonl --out answers.csv\n"
               "weft lm classify bert-base-uncased --adapter reviews-lora --data reviews.jsonl --json",
    .run = run,
};
