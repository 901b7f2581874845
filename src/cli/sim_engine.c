/* The engine's choice from the command line. */
#include "cli/sim_engine.h"

#include <stdio.h>
#include <string.h>

weft_hardware_options cli_sim_options(const cli_arguments *a)
{
    const char *mode = cli_text(a, "mode");
    return (weft_hardware_options){
        .mode = strcmp(mode, "exact") == 0      ? WEFT_HARDWARE_EXACT
                : strcmp(mode, "analytic") == 0 ? WEFT_HARDWARE_ANALYTIC
                                                : WEFT_HARDWARE_EVENT,
        .order = strcmp(cli_text(a, "order"), "hash") == 0 ? WEFT_LINES_HASH : WEFT_LINES_SORTED,
        .exact_halves = strcmp(cli_text(a, "partition"), "exact") == 0,
        .fixed = strcmp(cli_text(a, "behaviour"), "fixed") == 0 ? WEFT_QUIRKS_FIXED : WEFT_QUIRKS_COMPAT,
    };
}

void cli_sim_causes(const weft_hardware_op *op, char *out, size_t room)
{
    int64_t cycles = op->finish - op->start;
    bool told[WEFT_BOUNDS] = {false};
    size_t at = 0;
    out[0] = 0;
    for (;;) {
        int most = -1;
        for (int k = 0; k < WEFT_BOUNDS; k++)
            if (!told[k] && 10 * op->bound[k] >= cycles && op->bound[k] > 0 && (most < 0 || op->bound[k] > op->bound[most]))
                most = k;
        if (most < 0 || at >= room)
            return;
        told[most] = true;
        at += (size_t)snprintf(out + at, room - at, "%s%s %.0f %%", at ? ", " : "", weft_hardware_bound_name(most),
                               100.0 * (double)op->bound[most] / (double)cycles);
    }
}
