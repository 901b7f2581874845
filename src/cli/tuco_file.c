/* weft tuco --file: each prompt of a file, written as it is read, resumable; with labels the AUC at the end. */
#include "cli/tuco.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"

#define HEADER "line,tokens,tuco,tuco_l2,outputco,label\n"

typedef struct file_run {
    cli_arguments *a;
    tuco_job job;
    tuco_texts texts;
    double *tuco, *outputco;
    int64_t done; /* prompts that an earlier run wrote */
    FILE *out;
} file_run;

static weft_status cannot(const char *path, const char *what)
{
    return weft_fail(WEFT_ERROR_FILE, "%s: cannot %s it", path, what);
}

/* Rows of an unfinished --out: a row counts when it is whole and its line and token count are those of the prompt. */
static weft_status take_up(file_run *f, const char *path)
{
    char *text;
    size_t size;
    if (!weft_path_exists(path))
        return WEFT_OK;
    weft_status status = weft_file_read(path, (size_t)1 << 30, &text, &size);
    if (status != WEFT_OK)
        return status;
    if (strncmp(text, HEADER, strlen(HEADER)) != 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: its first line is not \"%.40s\": written by something else", path,
                           "line,tokens,tuco,…");
    char *row = text + strlen(HEADER), *kept = row, *stop;
    while (status == WEFT_OK && f->done < f->texts.prompts.count && (stop = strchr(row, '\n'))) {
        long long line, tokens;
        double tuco, l2, outputco;
        *stop = 0;
        if (sscanf(row, "%lld,%lld,%lf,%lf,%lf", &line, &tokens, &tuco, &l2, &outputco) != 5)
            outputco = NAN;
        if (sscanf(row, "%lld,%lld,%lf,%lf", &line, &tokens, &tuco, &l2) != 4)
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: row %lld cannot be read", path, (long long)f->done + 1);
        else if (line != f->texts.prompts.at[f->done].line || tokens != f->texts.n[f->done])
            status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: row %lld is not of these prompts: start anew with --force", path,
                               (long long)f->done + 1);
        if (status != WEFT_OK)
            break;
        f->tuco[f->done] = tuco;
        f->outputco[f->done++] = outputco;
        *stop = '\n';
        kept = row = stop + 1;
    }
    if (status == WEFT_OK) /* a row that was cut off is written again */
        status = weft_file_write(path, text, (size_t)(kept - text));
    free(text);
    return status;
}

static weft_status open_out(file_run *f)
{
    const char *path = cli_text(f->a, "out");
    if (!path)
        return WEFT_OK;
    weft_status status = cli_flag(f->a, "resume") ? take_up(f, path) : WEFT_OK;
    if (status == WEFT_OK && f->done == 0)
        status = weft_file_write(path, HEADER, strlen(HEADER));
    if (status == WEFT_OK && !(f->out = fopen(path, "a")))
        status = cannot(path, "open");
    return status;
}

static weft_status write_row(file_run *f, int64_t i, const weft_tuco_reading *r)
{
    const weft_prompt *p = &f->texts.prompts.at[i];
    f->tuco[i] = r->tuco;
    f->outputco[i] = r->outputco;
    if (!f->out)
        return WEFT_OK;
    fprintf(f->out, "%lld,%lld,%.9g,%.9g,", (long long)p->line, (long long)r->tokens, r->tuco, r->tuco_l2);
    if (!isnan(r->outputco))
        fprintf(f->out, "%.9g", r->outputco);
    if (p->label == WEFT_NO_LABEL)
        fprintf(f->out, ",\n");
    else
        fprintf(f->out, ",%d\n", p->label);
    return fflush(f->out) == 0 ? WEFT_OK : cannot(cli_text(f->a, "out"), "write");
}

/* Prompts [i, i + count) of those that are not read yet. */
static weft_status read_some(file_run *f, int64_t i, int64_t count)
{
    weft_tuco_request request = {.alpha = cli_number(f->a, "alpha"),
                                 .outputco = !cli_flag(f->a, "no-outputco"),
                                 .stream_layers = cli_flag(f->a, "stream-layers")};
    weft_tuco_reading **readings = calloc((size_t)count + 1, sizeof *readings);
    const int64_t *const *ids = (const int64_t *const *)f->texts.ids + i;
    weft_status status = readings ? weft_tuco_read_all(f->job.pair, ids, f->texts.n + i, count, &request, readings)
                                  : weft_fail(WEFT_ERROR_MEMORY, "tuco: memory is short");
    if (status != WEFT_OK && count == 1)
        status = weft_fail_in(status, "line %lld", (long long)f->texts.prompts.at[i].line);
    for (int64_t k = 0; k < count && readings; k++) {
        if (status == WEFT_OK)
            status = write_row(f, i + k, readings[k]);
        weft_tuco_reading_free(readings[k]);
    }
    free(readings);
    return status;
}

static weft_status read_all(file_run *f)
{
    int64_t count = f->texts.prompts.count, at_once = cli_flag(f->a, "stream-layers") ? 256 : 1;
    weft_status status = WEFT_OK;
    weft_progress *progress = weft_progress_new(cli_progress, f->a, "reading", count, "prompts");
    weft_progress_update(progress, f->done, "%s", "");
    for (int64_t i = f->done; i < count && status == WEFT_OK; i += at_once) {
        status = weft_interrupted() ? weft_fail(WEFT_ERROR_INTERRUPTED, "interrupted after %lld of %lld prompts%s", (long long)i,
                                                (long long)count, f->out ? "; the same command with --resume goes on" : "")
                                    : read_some(f, i, count - i < at_once ? count - i : at_once);
        if (status == WEFT_OK)
            weft_progress_update(progress, i + at_once < count ? i + at_once : count, "%s", "");
    }
    weft_progress_free(progress);
    return status;
}

static double mean(const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

/* AUC of label 1 over label 0, and the detection of label 0 by low TuCo. */
static weft_status tell_labels(file_run *f, double *auc, double *low, double *high)
{
    int64_t count = f->texts.prompts.count, ones = 0, labelled = 0;
    unsigned char *labels = calloc((size_t)count + 1, 1);
    if (!labels)
        return weft_fail(WEFT_ERROR_MEMORY, "tuco: memory is short");
    for (int64_t i = 0; i < count; i++) {
        labelled += f->texts.prompts.at[i].label != WEFT_NO_LABEL;
        labels[i] = f->texts.prompts.at[i].label == 1;
        ones += labels[i];
    }
    weft_status status = WEFT_OK;
    if (labelled && labelled < count)
        status =
            weft_fail(WEFT_ERROR_FORMAT, "%lld of %lld prompts have a label: all or none", (long long)labelled, (long long)count);
    else if (labelled && (ones == 0 || ones == count))
        status = weft_fail(WEFT_ERROR_ARGUMENT, "AUC needs both labels; all %lld are %d", (long long)count, ones ? 1 : 0);
    else if (labelled) {
        *auc = weft_tuco_auc(f->tuco, labels, count);
        status = weft_tuco_auc_interval(f->tuco, labels, count, 1000, (uint64_t)cli_int(f->a, "seed"), low, high);
        double threshold, tpr = weft_tuco_tpr(f->tuco, labels, count, 0.05, &threshold);
        cli_say(f->a, "AUC %.4f (95 %% interval %.4f to %.4f) of label 1 over label 0\n", *auc, *low, *high);
        cli_say(f->a, "at most 5 %% of label 1 below %.4f: %.1f %% of label 0 are\n", threshold, 100 * tpr);
        cli_json_number(f->a, "auc", *auc);
        cli_json_number(f->a, "auc_low", *low);
        cli_json_number(f->a, "auc_high", *high);
        cli_json_number(f->a, "tpr_at_fpr_5", tpr);
    }
    free(labels);
    return status;
}

static void tell_prompts(file_run *f)
{
    weft_json_writer *w = cli_json(f->a);
    weft_json_add_key(w, "prompts");
    weft_json_open_list(w);
    for (int64_t i = 0; i < f->texts.prompts.count; i++) {
        const weft_prompt *p = &f->texts.prompts.at[i];
        weft_json_open_object(w);
        weft_json_add_key(w, "line");
        weft_json_add_integer(w, p->line);
        weft_json_add_key(w, "tokens");
        weft_json_add_integer(w, f->texts.n[i]);
        weft_json_add_key(w, "tuco");
        weft_json_add_number(w, f->tuco[i]);
        if (!isnan(f->outputco[i])) {
            weft_json_add_key(w, "outputco");
            weft_json_add_number(w, f->outputco[i]);
        }
        if (p->label != WEFT_NO_LABEL) {
            weft_json_add_key(w, "label");
            weft_json_add_integer(w, p->label);
        }
        weft_json_close_object(w);
        cli_say(f->a, "%8.4f  %.*s\n", f->tuco[i], (int)strcspn(p->text, "\n"), p->text);
    }
    weft_json_close_list(w);
    double m = mean(f->tuco, f->texts.prompts.count);
    cli_say(f->a, "\n%lld prompts, mean TuCo %.4f\n", (long long)f->texts.prompts.count, m);
    cli_json_number(f->a, "mean", m);
}

static weft_status page(file_run *f, double auc, double low, double high)
{
    int64_t count = f->texts.prompts.count, sizes[2] = {0, 0};
    double *values = malloc((size_t)(2 * count + 1) * sizeof *values);
    if (!values)
        return weft_fail(WEFT_ERROR_MEMORY, "tuco: memory is short");
    bool labelled = f->texts.prompts.at[0].label != WEFT_NO_LABEL;
    for (int64_t i = 0; i < count; i++) {
        int k = f->texts.prompts.at[i].label == 1;
        values[k * count + sizes[k]++] = f->tuco[i];
    }
    tuco_group groups[] = {{labelled ? "label 0" : "prompts", values, sizes[0]}, {"label 1", values + count, sizes[1]}};
    char title[256];
    snprintf(title, sizeof title, "TuCo of %.200s", cli_text(f->a, "file"));
    weft_status status = tuco_page_groups(title, groups, labelled ? 2 : 1, auc, low, high, cli_text(f->a, "report"));
    free(values);
    return status;
}

static weft_status alarm_below(file_run *f, double threshold)
{
    int64_t below = 0, first = -1;
    for (int64_t i = f->texts.prompts.count - 1; i >= 0; i--)
        if (f->tuco[i] < threshold) {
            below++;
            first = i;
        }
    return below == 0 ? WEFT_OK
                      : weft_fail(WEFT_ERROR_NUMERIC, "TuCo of %lld of %lld prompts is below the threshold %.4f, first line %lld",
                                  (long long)below, (long long)f->texts.prompts.count, threshold,
                                  (long long)f->texts.prompts.at[first].line);
}

static weft_status run(file_run *f)
{
    double threshold, auc = NAN, low = NAN, high = NAN;
    weft_status status = weft_prompts_read(cli_text(f->a, "file"), cli_text(f->a, "column"), &f->texts.prompts);
    if (status == WEFT_OK)
        status = tuco_job_open(f->a, true, &f->job);
    if (status == WEFT_OK)
        status = tuco_texts_encode(&f->job, &f->texts);
    if (status != WEFT_OK)
        return status;
    f->tuco = calloc((size_t)f->texts.prompts.count + 1, sizeof *f->tuco);
    f->outputco = calloc((size_t)f->texts.prompts.count + 1, sizeof *f->outputco);
    if (!f->tuco || !f->outputco)
        return weft_fail(WEFT_ERROR_MEMORY, "tuco: memory is short");
    status = tuco_threshold(f->a, &f->job, &threshold);
    if (status == WEFT_OK)
        status = open_out(f);
    if (status == WEFT_OK)
        status = read_all(f);
    if (status == WEFT_OK)
        tell_prompts(f);
    if (status == WEFT_OK)
        status = tell_labels(f, &auc, &low, &high);
    if (status == WEFT_OK && cli_given(f->a, "report"))
        status = page(f, auc, low, high);
    return status == WEFT_OK ? alarm_below(f, threshold) : status;
}

weft_status tuco_run_file(cli_arguments *a)
{
    file_run f = {.a = a};
    weft_status status = run(&f);
    if (f.out && fclose(f.out) != 0 && status == WEFT_OK)
        status = cannot(cli_text(a, "out"), "write");
    free(f.tuco);
    free(f.outputco);
    tuco_texts_free(&f.texts);
    tuco_job_close(&f.job);
    return status;
}
