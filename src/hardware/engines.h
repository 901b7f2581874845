/* The engines: a row each, chosen by the mode. A run has passed its checks, and its shape is filled in, before it gets here. */
#ifndef WEFT_HARDWARE_ENGINES_H
#define WEFT_HARDWARE_ENGINES_H

#include "weft/hardware.h"

/* What an engine is given. Requests with a channel < 0 are gone already. */
typedef struct weft_hardware_job {
    const weft_hardware *hardware; /* its memory's kind is the system's */
    const weft_hardware_shape *shape;
    const weft_hardware_request *requests;
    int64_t count;
    const weft_hardware_options *options;
} weft_hardware_job;

typedef struct weft_hardware_engine {
    const char *name; /* as --mode spells it */
    weft_hardware_mode mode;
    weft_status (*run)(const weft_hardware_job *, weft_hardware_result *out); /* `out` is zeroed; run.c frees it on failure */
} weft_hardware_engine;

const weft_hardware_engine *weft_hardware_engine_at(int i); /* NULL past the end */

weft_status weft_engine_exact(const weft_hardware_job *, weft_hardware_result *out); /* machine.c */
weft_status weft_engine_event(const weft_hardware_job *, weft_hardware_result *out);

#endif
