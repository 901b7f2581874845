/* The engine's choice from the command line. */
#include "cli/sim_engine.h"

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
