/* DRAM commands as a CSV: a row a command, with what kept it from being issued a cycle earlier.
 *
 *     cycle,channel,rank,bankgroup,bank,command,row,count,held_by,after,after_cycle
 *
 * held_by: request (what it serves came just then, or the controller's order), slot (another command took the bus), window (four
 * activations), or bank, group, rank, channel: a delay there that began with the command `after` at `after_cycle`. */
#ifndef WEFT_HARDWARE_COMMAND_TRACE_H
#define WEFT_HARDWARE_COMMAND_TRACE_H

#include "weft/hardware.h"

typedef struct weft_command_trace weft_command_trace;

weft_status weft_command_trace_open(const char *path, weft_command_trace **out);
void weft_command_trace_take(void *trace, const weft_hardware_event *); /* a weft_hardware_sink */
/* Writes the file, or reports the first failure; frees. `keep` false: as if it had never been opened. NULL is fine. */
weft_status weft_command_trace_close(weft_command_trace *, bool keep);

#endif
