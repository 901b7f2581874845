/* Files, and standard input and output in their place: what "-" means on the command line. */
#ifndef WEFT_CLI_STREAMS_H
#define WEFT_CLI_STREAMS_H

#include "base/files.h"

bool cli_is_stream(const char *path); /* it is "-" */

/* A file's bytes, or, of "-", those of standard input up to its end. */
typedef struct cli_input {
    const char *name; /* for messages */
    const char *bytes;
    size_t size;
    weft_map map;
    char *piped;
} cli_input;
weft_status cli_input_open(const char *path, cli_input *out);
void cli_input_close(cli_input *);
/* The same without the line end that closes the last line: a text that was typed or echoed. */
weft_status cli_input_open_text(const char *path, cli_input *out);

/* Writing to a file, or, of "-", to standard output. */
weft_status cli_output_open(const char *path, weft_output **out);

#endif
