/* What the commands that read whole texts share (lm classify, lm embed): where the texts come from, and their tokens. */
#ifndef WEFT_CLI_LM_EXAMPLES_H
#define WEFT_CLI_LM_EXAMPLES_H

#include "cli/lm.h"
#include "io/records.h"
#include "lm/pool.h"

#define CLI_LM_EXAMPLE_OPTIONS \
    {.name = "data", \
     .value = "F", \
     .kind = CLI_PATH, \
     .help = \
         "texts: .jsonl, .json or .csv of {text} or {text, text_pair}, else a text a line; - for standard input (JSON lines or " \
         "a text a line)"}, \
        {.name = "text", .value = "TEXT", .kind = CLI_TEXT, .help = "one text, in place of a file"}, \
        {.name = "pair", .value = "TEXT", .kind = CLI_TEXT, .help = "with --text: the second text of a pair"}, \
        {.name = "length", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 1, \
         .most = 1 << 24, \
         .help = "tokens a text; longer ones are cut off (default: the model's context)"}, \
    { \
        .name = "batch-size", .value = "N", .kind = CLI_INT, .least = 1, .most = 1 << 16, .otherwise = "16", \
        .help = "texts a pass; no result depends on it" \
    }

/* The options that exclude each other. */
weft_status cli_lm_examples_check(cli_arguments *);

/* Reads the texts of --data or --text: `function` gets each as a record. A line of text is the record {"text": …}. */
weft_status cli_lm_examples_read(cli_arguments *, weft_record_function function, void *user);

typedef struct cli_lm_examples {
    cli_arguments *arguments;
    weft_lm_reader *reader;
    int64_t done;    /* texts that went before */
    weft_text whole; /* prefix and text */
    weft_progress *progress;
} cli_lm_examples;

typedef weft_status (*cli_lm_reader_open)(weft_engine *, const char *folder, const weft_lm_reader_options *,
                                          weft_lm_reader **out);

/* The model of positional 0, by weft_lm_classifier_open or weft_lm_embedder_open; what the command line says goes into the
 * options. */
weft_status cli_lm_examples_open(cli_arguments *, cli_lm_reader_open, weft_lm_reader_options, cli_lm_examples *out);
void cli_lm_examples_close(cli_lm_examples *);
/* Adds a record's text, or pair, to those at hand; `prefix` stands in front of the first one, NULL: nothing. */
weft_status cli_lm_examples_add(cli_lm_examples *, weft_json_value record, const char *prefix, const char *where);
/* The numbers of the texts at hand: out [texts, size]. They are at hand no longer. */
weft_status cli_lm_examples_run(cli_lm_examples *, double *out);
/* After the last: ends the progress, says how many were cut off; no text at all is an error. */
weft_status cli_lm_examples_finish(cli_lm_examples *);

#endif
