/* The engine that --threads asks for. */
#include "cli/cli.h"

#include "base/threads.h"

#include <stdlib.h>

static weft_engine *engine;

static void free_engine(void)
{
    weft_engine_free(engine);
}

weft_engine *cli_engine(cli_arguments *arguments)
{
    weft_engine_options options = {.threads = (int)cli_int(arguments, "threads")};
    /* far more threads than cores only wait for each other, and the system may refuse to make them; results are the same */
    int cores = weft_cores(), most = cores * 4 > 64 ? cores * 4 : 64;
    if (options.threads > most) {
        if (!engine)
            weft_log(WEFT_LOG_WARNING, "%d threads on %d cores: %d are used", options.threads, cores, most);
        options.threads = most;
    }
    if (!engine && weft_engine_new(&options, &engine) == WEFT_OK)
        atexit(free_engine);
    return engine;
}
