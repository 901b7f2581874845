/* weft tuco compare: two files of prompts through one pair: means, AUC with its interval, histograms. */
#include "cli/tuco.h"

#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {{"A", 1, 1, "prompts expected to have the higher TuCo"}, {"B", 1, 1, "the others"}, {0}};

static const cli_option options[] = {
    TUCO_MODEL_OPTIONS,
    TUCO_PROMPT_OPTIONS,
    {.name = "wrap-b",
     .value = "TEXT",
     .kind = CLI_TEXT,
     .help = "the same as --wrap for the second file; default: that of the first"},
    {.name = "alpha",
     .value = "A",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = CLI_ANY,
     .otherwise = "1",
     .help = "scale of fine-tuning's contribution"},
    {.name = "mean",
     .kind = CLI_FLAG,
     .help = "score a prompt by its mean TuCo over all positions but the first, not by the last one's"},
    {.name = "report", .value = "F.html", .kind = CLI_PATH, .help = "write a page with the distributions"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over the report"},
    {0},
};

typedef struct scores {
    double *tuco;
    unsigned char *labels;
    int64_t count;
} scores;

static double score(cli_arguments *a, const weft_tuco_reading *r)
{
    if (!cli_flag(a, "mean") || r->tokens < 2)
        return r->tuco;
    double sum = 0; /* the first position draws all attention: its norms are no measure */
    for (int64_t i = 1; i < r->tokens; i++)
        sum += r->tuco_pos[i];
    return sum / (double)(r->tokens - 1);
}

static weft_status read_file(cli_arguments *a, tuco_job *job, const char *path, unsigned char label, scores *out)
{
    tuco_texts texts = {0};
    weft_status status = weft_prompts_read(path, cli_text(a, "column"), &texts.prompts);
    if (status == WEFT_OK && (status = tuco_texts_encode(job, &texts)) != WEFT_OK)
        status = weft_fail_in(status, "%s", path);
    int64_t total = out->count + texts.prompts.count;
    double *tuco = status == WEFT_OK ? realloc(out->tuco, (size_t)(total + 1) * sizeof *tuco) : NULL;
    if (tuco)
        out->tuco = tuco;
    unsigned char *labels = tuco ? realloc(out->labels, (size_t)total + 1) : NULL;
    if (labels)
        out->labels = labels;
    if (status == WEFT_OK && !labels)
        status = weft_fail(WEFT_ERROR_MEMORY, "tuco: memory is short");
    weft_progress *progress =
        status == WEFT_OK ? weft_progress_new(cli_progress, a, "reading", texts.prompts.count, "prompts") : NULL;
    for (int64_t i = 0; i < texts.prompts.count && status == WEFT_OK; i++) {
        weft_tuco_reading *r = NULL;
        status = weft_interrupted() ? weft_fail(WEFT_ERROR_INTERRUPTED, "interrupted")
                                    : weft_tuco_read(job->pair, texts.ids[i], texts.n[i],
                                                     &(weft_tuco_request){.alpha = cli_number(a, "alpha")}, &r);
        if (status == WEFT_OK) {
            out->tuco[out->count] = score(a, r);
            out->labels[out->count++] = label;
            weft_progress_update(progress, i + 1, "%s", "");
        }
        weft_tuco_reading_free(r);
    }
    weft_progress_free(progress);
    tuco_texts_free(&texts);
    return status;
}

static double mean_of(const scores *s, unsigned char label)
{
    double sum = 0, count = 0;
    for (int64_t i = 0; i < s->count; i++)
        if (s->labels[i] == label) {
            sum += s->tuco[i];
            count++;
        }
    return sum / count;
}

static weft_status tell(cli_arguments *a, const scores *s, int64_t first)
{
    double low, high, threshold, auc = weft_tuco_auc(s->tuco, s->labels, s->count);
    double tpr = weft_tuco_tpr(s->tuco, s->labels, s->count, 0.05, &threshold);
    weft_status status = weft_tuco_auc_interval(s->tuco, s->labels, s->count, 1000, (uint64_t)cli_int(a, "seed"), &low, &high);
    if (status != WEFT_OK)
        return status;
    const char *names[] = {cli_positional_at(a, 0), cli_positional_at(a, 1)};
    double means[] = {mean_of(s, 1), mean_of(s, 0)};
    int64_t counts[] = {first, s->count - first};
    for (int k = 0; k < 2; k++)
        cli_say(a, "%-40s %6lld prompts, mean TuCo %.4f\n", names[k], (long long)counts[k], means[k]);
    cli_say(a, "AUC %.4f (95 %% interval %.4f to %.4f): the chance that a prompt of the first has the higher TuCo\n", auc, low,
            high);
    cli_say(a, "at most 5 %% of the first below %.4f: %.1f %% of the second are\n", threshold, 100 * tpr);
    cli_json_number(a, "auc", auc);
    cli_json_number(a, "auc_low", low);
    cli_json_number(a, "auc_high", high);
    cli_json_number(a, "tpr_at_fpr_5", tpr);
    cli_json_number(a, "mean_a", means[0]);
    cli_json_number(a, "mean_b", means[1]);
    cli_json_integer(a, "prompts_a", counts[0]);
    cli_json_integer(a, "prompts_b", counts[1]);
    if (!cli_given(a, "report"))
        return WEFT_OK;
    tuco_group groups[] = {{names[0], s->tuco, counts[0]}, {names[1], s->tuco + first, counts[1]}};
    return tuco_page_groups("TuCo of two groups of prompts", groups, 2, auc, low, high, cli_text(a, "report"));
}

static weft_status run(cli_arguments *a)
{
    tuco_job job = {0};
    scores s = {0};
    int64_t first = 0;
    weft_status status = cli_given(a, "report") ? cli_may_write(a, cli_text(a, "report"), NULL) : WEFT_OK;
    if (status == WEFT_OK)
        status = tuco_job_open(a, true, &job);
    if (status == WEFT_OK)
        status = read_file(a, &job, cli_positional_at(a, 0), 1, &s);
    first = s.count;
    if (status == WEFT_OK && cli_given(a, "wrap-b"))
        status = tuco_job_wrap(a, &job, "wrap-b");
    if (status == WEFT_OK)
        status = read_file(a, &job, cli_positional_at(a, 1), 0, &s);
    if (status == WEFT_OK)
        status = tell(a, &s, first);
    free(s.tuco);
    free(s.labels);
    tuco_job_close(&job);
    return status;
}

const cli_command cli_tuco_compare = {
    .name = "tuco",
    .action = "compare",
    .summary = "whether fine-tuning contributes more to one group of prompts than to another",
    .description =
        "Wrap both groups alike, or the wrapping is what is compared; --wrap-b '{}' reads the second file as plain text.",
    .positionals = files,
    .options = options,
    .example = "weft tuco compare chat.txt web.txt --base stories260K --tuned stories260K-sft --wrap 'User: {}\\nAssistant:' "
               "--report tuco.html",
    .run = run,
};
