/* Standard input and output in place of files. */
#include "cli/streams.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool cli_is_stream(const char *path)
{
    return strcmp(path, "-") == 0;
}

/* What is piped is held in memory. */
static const size_t most_piped = (size_t)4 << 30;

weft_status cli_input_open(const char *path, cli_input *in)
{
    const bool piped = cli_is_stream(path);
    *in = (cli_input){.name = piped ? "standard input" : path};
    weft_status status =
        piped ? weft_stream_read(STDIN_FILENO, in->name, most_piped, &in->piped, &in->size) : weft_map_open(path, &in->map);
    in->bytes = piped ? in->piped : in->map.data;
    in->size = piped ? in->size : in->map.size;
    if (!in->bytes || status != WEFT_OK)
        in->bytes = "";
    return status;
}

weft_status cli_input_open_text(const char *path, cli_input *in)
{
    weft_status status = cli_input_open(path, in);
    if (in->size && in->bytes[in->size - 1] == '\n')
        in->size--;
    if (in->size && in->bytes[in->size - 1] == '\r')
        in->size--;
    return status;
}

void cli_input_close(cli_input *in)
{
    weft_map_close(&in->map);
    free(in->piped);
    *in = (cli_input){0};
}

weft_status cli_output_open(const char *path, weft_output **out)
{
    return cli_is_stream(path) ? weft_output_stream(STDOUT_FILENO, "standard output", out) : weft_output_open(path, out);
}
