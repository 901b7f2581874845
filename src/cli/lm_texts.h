/* What the commands of the lm room share: reading texts from files. */
#ifndef WEFT_CLI_LM_TEXTS_H
#define WEFT_CLI_LM_TEXTS_H

#include "cli/cli.h"

/* Called with each text; `where` names its place, for messages. Another answer than WEFT_OK ends the reading. */
typedef weft_status cli_text_function(void *user, const char *text, size_t length, const char *where);

/* The texts of a file of JSON lines: {"text": "…"}, or a text alone; empty lines are passed over. Broken UTF-8 is read as U+FFFD,
 * with a warning. */
weft_status cli_read_lines(const char *path, cli_text_function *function, void *user);

/* A whole file as one text; one that ends in .jsonl as JSON lines. */
weft_status cli_read_texts(const char *path, cli_text_function *function, void *user);

#endif
