/* What the actions of `weft sim` share: how an engine is chosen. */
#ifndef WEFT_CLI_SIM_ENGINE_H
#define WEFT_CLI_SIM_ENGINE_H

#include "cli/cli.h"
#include "weft/hardware.h"

/* Rows of an option table; mode_ and behaviour_ are the action's defaults. */
#define CLI_SIM_ENGINE_OPTIONS(mode_, behaviour_) \
    {.name = "mode", \
     .value = "MODE", \
     .kind = CLI_CHOICE, \
     .choices = "exact|event|analytic", \
     .otherwise = mode_, \
     .group = "Engine", \
     .help = "exact runs every clock, event jumps between those at which something happens, analytic computes formulas"}, \
        {.name = "order", \
         .value = "ORDER", \
         .kind = CLI_CHOICE, \
         .choices = "sorted|hash", \
         .otherwise = "sorted", \
         .group = "Engine", \
         .help = "how a load's lines leave the core: by address, or in the published simulator's order"}, \
        {.name = "behaviour", \
         .value = "WHICH", \
         .kind = CLI_CHOICE, \
         .choices = "compat|fixed", \
         .otherwise = behaviour_, \
         .group = "Engine", \
         .help = "as the published simulator does, or as the paper means"}, \
        {.name = "partition", \
         .value = "HOW", \
         .kind = CLI_CHOICE, \
         .choices = "halves|exact", \
         .otherwise = "halves", \
         .group = "Engine", \
         .help = "sub-batches of equal counts in each channel, as published, or of equal estimated latency"}, \
    { \
        .name = "sub-batch", .value = "on|off", .kind = CLI_CHOICE, .choices = "on|off", .group = "Engine", \
        .help = "two halves of the batch, one on the NPU while the other is in memory" \
    }

#define CLI_SIM_COMMANDS \
    { \
        .name = "commands", .value = "F.csv", .kind = CLI_PATH, \
        .help = "write every DRAM command, and what kept it from being issued a cycle earlier" \
    }

/* Mode, order and behaviour from the options above. */
weft_hardware_options cli_sim_options(const cli_arguments *);

/* "activate 61 %, precharge 25 %": what most of an operator's cycles were waited for, a tenth of them or more each. */
void cli_sim_causes(const weft_hardware_op *, char *out, size_t room);

#endif
