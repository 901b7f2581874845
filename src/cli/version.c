/* weft version */
#include "cli/cli.h"

static weft_status run(cli_arguments *arguments)
{
    cli_say(arguments, "weft %s\n", WEFT_VERSION);
    cli_json_string(arguments, "version", WEFT_VERSION);
    return WEFT_OK;
}

const cli_command cli_version = {
    .name = "version",
    .summary = "show the version",
    .example = "weft version --json",
    .run = run,
};
