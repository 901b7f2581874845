/* What `weft lm train` and `weft lm finetune` share: their options, reading data, the run itself, what is told. */
#ifndef WEFT_CLI_LM_TRAINING_H
#define WEFT_CLI_LM_TRAINING_H

#include "cli/cli.h"
#include "lm/classes.h"
#include "lm/fit.h"
#include "lm/folder.h"

/* What a command decides before the run; the options say the rest. */
typedef struct cli_lm_plan {
    cli_arguments *arguments;
    const char *out;
    const char *tokenizer;                 /* folder with tokenizer and chat template */
    const char *proof;                     /* the file that makes `out` a finished result */
    double lr, weight_decay, warmup_share; /* where no option says so */
    int64_t length;                        /* the same */
    bool dpo, classify;
    weft_lm_classes classes;           /* of a classifier */
    weft_status (*finish)(void *plan); /* writes the result */
    weft_lm *lm, *teacher;             /* teacher NULL: none */
    const char *source;                /* the base's folder; NULL: none */
    weft_text config, adapter;         /* config.json of what is trained, where it is not the base's; adapter_config.json */
    weft_progress *progress;
    double train_loss, validation_loss, first_validation;
    int64_t evaluations;
} cli_lm_plan;

/* Options that exclude each other. */
weft_status cli_lm_check_words(cli_arguments *);
/* Refuses a folder that holds a result or an unfinished run, unless it was said what to do with it. */
weft_status cli_lm_check_folder(cli_lm_plan *);
/* Reads the data, trains plan->lm, writes, tells. */
weft_status cli_lm_training(cli_lm_plan *);

#define CLI_LM_DATA_OPTIONS \
    {.name = "data", \
     .value = "F", \
     .kind = CLI_PATH, \
     .help = "a text file, or .json, .jsonl or .csv with records", \
     .traits = CLI_REQUIRED}, \
        {.name = "out", .value = "DIR", .kind = CLI_PATH, .help = "the folder of what is trained", .traits = CLI_REQUIRED}, \
        {.name = "val", .value = "F", .kind = CLI_PATH, .help = "validation data in a file of its own", .group = "Data"}, \
        {.name = "val-share", \
         .value = "S", \
         .kind = CLI_NUMBER, \
         .least = 0, \
         .most = 0.9, \
         .otherwise = "0.1", \
         .help = "without --val: this share of the data, its end, is for validation; 0: none", \
         .group = "Data"}, \
        {.name = "val-rows", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 0, \
         .most = CLI_ANY, \
         .otherwise = "64", \
         .help = "validation rows looked at each time; 0: all", \
         .group = "Data"}, \
    { \
        .name = "length", .value = "N", .kind = CLI_INT, .least = 1, .most = 1 << 20, \
        .help = "tokens a row; longer texts are cut into rows, longer records cut off", .group = "Data" \
    }

#define CLI_LM_TRAINING_OPTIONS \
    {.name = "batch-size", \
     .value = "N", \
     .kind = CLI_INT, \
     .least = 1, \
     .most = 1 << 16, \
     .otherwise = "16", \
     .help = "rows a pass", \
     .group = "Training"}, \
        {.name = "accumulate", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 1, \
         .most = 1 << 16, \
         .otherwise = "1", \
         .help = "passes whose gradients make one step", \
         .group = "Training"}, \
        {.name = "steps", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 1, \
         .most = 1e12, \
         .help = "steps in all, in place of --epochs", \
         .group = "Training"}, \
        {.name = "epochs", \
         .value = "N", \
         .kind = CLI_NUMBER, \
         .least = 0, \
         .most = 1e6, \
         .otherwise = "1", \
         .help = "passes over the data", \
         .group = "Training", \
         .traits = CLI_ABOVE_LEAST}, \
        {.name = "eval-every", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 1, \
         .most = 1e12, \
         .help = "steps between evaluations (default: a tenth of all); the steps are rounded up to whole intervals", \
         .group = "Training"}, \
        {.name = "patience", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 0, \
         .most = CLI_ANY, \
         .help = "stop after more than N evaluations without a better one", \
         .group = "Training"}, \
        {.name = "lr", \
         .value = "RATE", \
         .kind = CLI_NUMBER, \
         .least = 0, \
         .most = 10, \
         .help = "peak learning rate of AdamW", \
         .group = "Training", \
         .traits = CLI_ABOVE_LEAST}, \
        {.name = "min-lr", \
         .value = "SHARE", \
         .kind = CLI_NUMBER, \
         .least = 0, \
         .most = 1, \
         .otherwise = "0.1", \
         .help = "where the rate ends, as a share of the peak", \
         .group = "Training"}, \
        {.name = "warmup", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 0, \
         .most = 1e12, \
         .help = "steps in which the rate rises", \
         .group = "Training"}, \
        {.name = "schedule", \
         .value = "KIND", \
         .kind = CLI_CHOICE, \
         .choices = "cosine|linear|constant", \
         .otherwise = "cosine", \
         .help = "how the rate falls", \
         .group = "Training"}, \
        {.name = "weight-decay", \
         .value = "W", \
         .kind = CLI_NUMBER, \
         .least = 0, \
         .most = 10, \
         .help = "decoupled weight decay, of matrices alone", \
         .group = "Training"}, \
        {.name = "beta1", \
         .value = "B", \
         .kind = CLI_NUMBER, \
         .least = 0, \
         .most = 1, \
         .otherwise = "0.9", \
         .help = "AdamW's first decay", \
         .group = "Training", \
         .traits = CLI_BELOW_MOST}, \
        {.name = "beta2", \
         .value = "B", \
         .kind = CLI_NUMBER, \
         .least = 0, \
         .most = 1, \
         .otherwise = "0.95", \
         .help = "AdamW's second decay", \
         .group = "Training", \
         .traits = CLI_BELOW_MOST}, \
        {.name = "clip", \
         .value = "NORM", \
         .kind = CLI_NUMBER, \
         .least = 0, \
         .most = 1e9, \
         .otherwise = "1", \
         .help = "largest norm of a step's gradients; 0: any, which needs less memory", \
         .group = "Training"}, \
        {.name = "dtype", \
         .value = "TYPE", \
         .kind = CLI_CHOICE, \
         .choices = "f32|bf16", \
         .otherwise = "f32", \
         .help = "of the operands of products; weights and sums stay f32", \
         .group = "Training"}, \
        {.name = "moments", \
         .value = "TYPE", \
         .kind = CLI_CHOICE, \
         .choices = "f32|bf16", \
         .otherwise = "f32", \
         .help = "how AdamW stores its two moments; bf16, rounded at random, is half the memory", \
         .group = "Training"}, \
        {.name = "recompute", \
         .kind = CLI_FLAG, \
         .help = "compute each block again for its gradients instead of keeping it: less memory, more time, the same result", \
         .group = "Training"}, \
        {.name = "checkpoint-every", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 0, \
         .most = 1e12, \
         .otherwise = "0", \
         .help = "a checkpoint each N steps, beside the one that Ctrl-C makes", \
         .group = "Training"}, \
        {.name = "resume", .kind = CLI_FLAG, .help = "go on with the unfinished run in DIR", .group = "Training"}, \
    { \
        .name = "force", .kind = CLI_FLAG, .help = "write over what is in DIR", .group = "Training" \
    }

#endif
