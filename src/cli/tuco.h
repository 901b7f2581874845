/* What the tuco commands share: opening a pair, encoding prompts, telling readings. */
#ifndef WEFT_CLI_TUCO_H
#define WEFT_CLI_TUCO_H

#include "audit/prompts.h"
#include "cli/cli.h"
#include "weft/audit.h"

/* Options that all of them take. */
#define TUCO_MODEL_OPTIONS \
    {.name = "base", .value = "DIR", .kind = CLI_PATH, .help = "the model before fine-tuning", .traits = CLI_REQUIRED}, \
        {.name = "tuned", \
         .value = "DIR", \
         .kind = CLI_LIST, \
         .help = "the fine-tuned model, or a PEFT adapter on the base; several, in order, are a chain", \
         .traits = CLI_REQUIRED}, \
        {.name = "ends", \
         .value = "WHICH", \
         .kind = CLI_CHOICE, \
         .choices = "tuned|base", \
         .otherwise = "tuned", \
         .help = "whose embedding, final norm and head are used"}, \
    { \
        .name = "dtype", .value = "TYPE", .kind = CLI_CHOICE, .choices = "f32|f64|bf16", .otherwise = "f32", \
        .help = "type of the computation" \
    }
#define TUCO_PROMPT_OPTIONS \
    {.name = "wrap", \
     .value = "TEXT", \
     .kind = CLI_TEXT, \
     .help = "text around each prompt, which stands in place of {} (\\n: a new line)"}, \
        {.name = "template", \
         .value = "NAME", \
         .kind = CLI_TEXT, \
         .help = "a chat template by name, or auto: the tuned model's own"}, \
        {.name = "system", .value = "TEXT", .kind = CLI_TEXT, .help = "a system message in front, with --template"}, \
    { \
        .name = "column", .value = "NAME", .kind = CLI_TEXT, .otherwise = "prompt", .help = "the prompts' column in a CSV file" \
    }

typedef struct tuco_job {
    weft_tuco *pair;
    weft_prompt_encoder encoder;
    char *wrap; /* with its \n in place */
} tuco_job;

/* needs_text: a tokenizer is needed; else one that is missing is no failure. */
weft_status tuco_job_open(cli_arguments *, bool needs_text, tuco_job *out);
void tuco_job_close(tuco_job *);
/* Takes the wrapping from an option, --wrap or its like. */
weft_status tuco_job_wrap(cli_arguments *, tuco_job *, const char *option);

/* Encoded prompts of a file. */
typedef struct tuco_texts {
    weft_prompts prompts;
    int64_t **ids, *n;
} tuco_texts;
weft_status tuco_texts_encode(tuco_job *, tuco_texts *); /* of what is in ->prompts */
void tuco_texts_free(tuco_texts *);

/* The threshold of --threshold, or below which 5 % of --reference's prompts lie; −1: neither was given. */
weft_status tuco_threshold(cli_arguments *, tuco_job *, double *out);

/* weft tuco --file (tuco_file.c). */
weft_status tuco_run_file(cli_arguments *);

/* A token's text for people, control characters shown; "" without a tokenizer. */
const char *tuco_token(const tuco_job *, int64_t id);

/* report.html of one prompt (tokens: the prompt's, then `generated` ones with their own TuCo) or of groups of prompts. */
typedef struct tuco_page_tokens {
    const int64_t *ids;
    const double *tuco;
    int64_t count, prompt;
} tuco_page_tokens;
weft_status tuco_page_prompt(const tuco_job *, const weft_tuco_reading *, const tuco_page_tokens *, const char *base,
                             const char *tuned, const char *path);
typedef struct tuco_group {
    const char *name;
    const double *tuco;
    int64_t count;
} tuco_group;
weft_status tuco_page_groups(const char *title, const tuco_group *groups, int count, double auc, double low, double high,
                             const char *path);

#endif
