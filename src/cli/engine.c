/* The engine that --threads asks for. */
#include "cli/cli.h"

#include <stdlib.h>

static weft_engine *engine;

static void free_engine(void)
{
    weft_engine_free(engine);
}

weft_engine *cli_engine(cli_arguments *arguments)
{
    weft_engine_options options = {.threads = (int)cli_int(arguments, "threads")};
    if (!engine && weft_engine_new(&options, &engine) == WEFT_OK)
        atexit(free_engine);
    return engine;
}
