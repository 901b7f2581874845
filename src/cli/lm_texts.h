/* What the commands of the lm room share: reading texts from files and from standard input. */
#ifndef WEFT_CLI_LM_TEXTS_H
#define WEFT_CLI_LM_TEXTS_H

#include "cli/cli.h"
#include "cli/streams.h"
#include "io/records.h"

/* weft_records_read, or of "-" the JSON records on standard input. */
weft_status cli_read_records(const char *path, weft_record_function, void *user);

/* Called with each text; `where` names its place, for messages. Another answer than WEFT_OK ends the reading. */
typedef weft_status cli_text_function(void *user, const char *text, size_t length, const char *where);

/* The texts of a file of JSON lines ("-": of standard input): {"text": "…"}, or a text alone; empty lines are passed over. Broken
 * UTF-8 is read as U+FFFD, with a warning. */
weft_status cli_read_lines(const char *path, cli_text_function *function, void *user);

/* A whole file as one text; one that ends in .jsonl as JSON lines. */
weft_status cli_read_texts(const char *path, cli_text_function *function, void *user);

#endif
