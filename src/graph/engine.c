/* The engine: threads and the processor level. */
#include "graph/engine.h"

#include <stdlib.h>

weft_status weft_engine_new(const weft_engine_options *options, weft_engine **out)
{
    *out = NULL;
    weft_engine_options given = options ? *options : (weft_engine_options){0};
    if (given.threads < 0 || given.threads > 1024)
        return weft_fail(WEFT_ERROR_ARGUMENT, "an engine of %d threads: expected 0 (all cores) to 1024", given.threads);
    if (given.level < 0 || given.level > WEFT_LEVEL_COUNT)
        return weft_fail(WEFT_ERROR_ARGUMENT, "processor level %d: expected 0 (the best) to %d", given.level, WEFT_LEVEL_COUNT);
    const weft_kernels *kernels = given.level ? weft_kernels_level(given.level - 1) : weft_kernels_best();
    if (!kernels)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "this processor lacks level %d", given.level);
    weft_engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate an engine");
    engine->kernels = kernels;
    weft_status status = weft_team_new(given.threads, &engine->team);
    if (status != WEFT_OK) {
        free(engine);
        return status;
    }
    *out = engine;
    return WEFT_OK;
}

void weft_engine_free(weft_engine *engine)
{
    if (!engine)
        return;
    weft_team_free(engine->team);
    free(engine);
}

int weft_engine_threads(const weft_engine *engine)
{
    return weft_team_size(engine->team);
}

const char *weft_engine_level(const weft_engine *engine)
{
    return engine->kernels->name;
}
