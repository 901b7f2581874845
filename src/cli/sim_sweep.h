/* Inside weft sim sweep. */
#ifndef WEFT_CLI_SIM_SWEEP_H
#define WEFT_CLI_SIM_SWEEP_H

#include "cli/sim.h"
#include "hardware/sweep.h"

/* Writes the page of the points. */
weft_status sim_sweep_report(const weft_sweep_point *, int64_t count, const char *path);

#endif
