/* weft tuco sweep: multiple-choice accuracy over values of alpha, and what choosing alpha by cross-validation gains. */
#include "cli/tuco.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {
    {"QUESTIONS.jsonl", 1, 1, "a question a line: prompt, choices, answer; or Model-Written Evaluations'"}, {0}};

static const cli_option options[] = {
    TUCO_MODEL_OPTIONS,
    TUCO_PROMPT_OPTIONS,
    {.name = "alphas",
     .value = "A,B",
     .kind = CLI_LIST,
     .otherwise = NULL,
     .help = "values of alpha, 1 among them (default: 0.75,0.9,0.95,1,1.05,1.1,1.25)"},
    {.name = "folds",
     .value = "N",
     .kind = CLI_INT,
     .least = 2,
     .most = 1000,
     .otherwise = "5",
     .help = "parts of the cross-validation"},
    {0},
};

enum { MOST_ALPHAS = 64 };
static const char *const usual[] = {"0.75", "0.9", "0.95", "1", "1.05", "1.1", "1.25"};

typedef struct sweep {
    double alpha[MOST_ALPHAS];
    int alphas, one;
    unsigned char *correct; /* [alphas, questions] */
    double *tuco;           /* [questions] at alpha 1 */
    int64_t count;
} sweep;

static weft_status read_alphas(cli_arguments *a, sweep *s)
{
    const char *const *words = usual;
    int count = cli_given(a, "alphas") ? cli_list(a, "alphas", &words) : (int)(sizeof usual / sizeof usual[0]);
    s->one = -1;
    if (count > MOST_ALPHAS)
        return cli_misuse(a, "--alphas wants at most %d values", MOST_ALPHAS);
    for (int i = 0; i < count; i++) {
        char *end;
        s->alpha[i] = strtod(words[i], &end);
        if (*end || end == words[i] || !isfinite(s->alpha[i]) || s->alpha[i] < 0)
            return cli_misuse(a, "--alphas wants numbers >= 0: \"%.40s\" is none", words[i]);
        if (s->alpha[i] == 1)
            s->one = i;
    }
    s->alphas = count;
    return s->one < 0 ? cli_misuse(a, "--alphas wants 1 among its values") : WEFT_OK;
}

enum { MOST_CHOICES = 64 };

/* The question with its choices, each as ids: they part behind their first *shared tokens, and tokens[c] is choice c's next one.
 */
static weft_status encode_choices(tuco_job *job, const weft_prompt *q, int64_t **ids, int64_t *shared,
                                  int64_t tokens[MOST_CHOICES])
{
    int64_t *with[MOST_CHOICES] = {NULL}, count[MOST_CHOICES] = {0};
    weft_status status = WEFT_OK;
    for (int c = 0; c < q->choice_count && status == WEFT_OK; c++)
        status = weft_prompt_encode(&job->encoder, q, q->choices[c], &with[c], &count[c]);
    *shared = status == WEFT_OK ? count[0] : 0;
    for (int c = 1; c < q->choice_count && status == WEFT_OK; c++) {
        int64_t at = 0;
        while (at < *shared && at < count[c] && with[c][at] == with[0][at])
            at++;
        *shared = at;
    }
    for (int c = 0; c < q->choice_count && status == WEFT_OK; c++) {
        if (*shared >= count[c])
            status = weft_fail(WEFT_ERROR_ARGUMENT, "line %lld: choice \"%.40s\" is how another one begins", (long long)q->line,
                               q->choices[c]);
        else
            tokens[c] = with[c][*shared];
        for (int d = 0; d < c && status == WEFT_OK; d++)
            if (tokens[c] == tokens[d])
                status =
                    weft_fail(WEFT_ERROR_ARGUMENT, "line %lld: choices \"%.40s\" and \"%.40s\" begin alike, the others do not",
                              (long long)q->line, q->choices[d], q->choices[c]);
    }
    *ids = with[0];
    for (int c = 1; c < q->choice_count; c++)
        free(with[c]);
    return status;
}

/* The answer's token is likelier than every other choice's. */
static bool answered(const weft_prompt *q, const int64_t *tokens, const float *logits)
{
    for (int c = 0; c < q->choice_count; c++)
        if (c != q->answer && !(logits[tokens[q->answer]] > logits[tokens[c]]))
            return false;
    return true;
}

static weft_status ask(tuco_job *job, sweep *s, const weft_prompts *questions, int64_t i)
{
    const weft_prompt *q = &questions->at[i];
    int64_t tokens[MOST_CHOICES], *ids, n;
    weft_status status = encode_choices(job, q, &ids, &n, tokens);
    for (int k = 0; k < s->alphas && status == WEFT_OK; k++) {
        weft_tuco_reading *r = NULL;
        status = weft_tuco_read(job->pair, ids, n, &(weft_tuco_request){.alpha = s->alpha[k]}, &r);
        if (status == WEFT_OK) {
            s->correct[(int64_t)k * s->count + i] = answered(q, tokens, r->logits);
            if (k == s->one)
                s->tuco[i] = r->tuco;
        } else
            status = weft_fail_in(status, "line %lld", (long long)q->line);
        weft_tuco_reading_free(r);
    }
    free(ids);
    return status;
}

static double share(const sweep *s, int k)
{
    int64_t right = 0;
    for (int64_t i = 0; i < s->count; i++)
        right += s->correct[(int64_t)k * s->count + i];
    return (double)right / (double)s->count;
}

static weft_status tell(cli_arguments *a, const sweep *s)
{
    weft_json_writer *w = cli_json(a);
    weft_json_add_key(w, "alphas");
    weft_json_open_list(w);
    cli_say(a, "%8s %10s\n", "alpha", "accuracy");
    for (int k = 0; k < s->alphas; k++) {
        double accuracy = share(s, k);
        cli_say(a, "%8g %9.2f %%\n", s->alpha[k], 100 * accuracy);
        weft_json_open_object(w);
        weft_json_add_key(w, "alpha");
        weft_json_add_number(w, s->alpha[k]);
        weft_json_add_key(w, "accuracy");
        weft_json_add_number(w, accuracy);
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
    double up, down, tuco = 0;
    int folds = (int)cli_int(a, "folds");
    weft_status status = weft_tuco_delta_cv(s->correct, s->alpha, s->alphas, s->count, s->one, folds, true, &up);
    if (status == WEFT_OK)
        status = weft_tuco_delta_cv(s->correct, s->alpha, s->alphas, s->count, s->one, folds, false, &down);
    if (status != WEFT_OK)
        return status;
    for (int64_t i = 0; i < s->count; i++)
        tuco += s->tuco[i] / (double)s->count;
    cli_say(a, "\nalpha chosen on the other folds changes the accuracy by %+.2f points (by %+.2f when chosen to be worst)\n",
            100 * up, 100 * down);
    cli_say(a, "mean TuCo of %lld questions %.4f\n", (long long)s->count, tuco);
    cli_json_number(a, "accuracy", share(s, s->one));
    cli_json_number(a, "delta_cv", up);
    cli_json_number(a, "delta_cv_minimised", down);
    cli_json_number(a, "mean_tuco", tuco);
    cli_json_integer(a, "questions", s->count);
    return WEFT_OK;
}

static weft_status run(cli_arguments *a)
{
    tuco_job job = {0};
    weft_prompts questions = {0};
    sweep s = {0};
    weft_status status = read_alphas(a, &s);
    if (status == WEFT_OK)
        status = weft_questions_read(cli_positional_at(a, 0), &questions);
    if (status == WEFT_OK)
        status = tuco_job_open(a, true, &job);
    s.count = questions.count;
    s.correct = calloc((size_t)(s.alphas * s.count) + 1, 1);
    s.tuco = calloc((size_t)s.count + 1, sizeof *s.tuco);
    if (status == WEFT_OK && (!s.correct || !s.tuco))
        status = weft_fail(WEFT_ERROR_MEMORY, "tuco: memory is short");
    weft_progress *progress = status == WEFT_OK ? weft_progress_new(cli_progress, a, "reading", s.count, "questions") : NULL;
    for (int64_t i = 0; i < s.count && status == WEFT_OK; i++) {
        status = weft_interrupted() ? weft_fail(WEFT_ERROR_INTERRUPTED, "interrupted") : ask(&job, &s, &questions, i);
        if (status == WEFT_OK)
            weft_progress_update(progress, i + 1, "%s", "");
    }
    weft_progress_free(progress);
    if (status == WEFT_OK)
        status = tell(a, &s);
    free(s.correct);
    free(s.tuco);
    weft_prompts_free(&questions);
    tuco_job_close(&job);
    return status;
}

const cli_command cli_tuco_sweep = {
    .name = "tuco",
    .action = "sweep",
    .summary = "accuracy on multiple-choice questions as fine-tuning's contribution is scaled",
    .description =
        "A question counts as answered when its answer's first token is likelier than every other choice's; tokens that all "
        "choices begin with are read first.",
    .positionals = files,
    .options = options,
    .example = "weft tuco sweep agreeableness.jsonl --base stories260K --tuned stories260K-sft --wrap 'User: {}\\nAssistant:'",
    .run = run,
};
