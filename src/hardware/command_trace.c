/* A row a DRAM command. */
#include "hardware/command_trace.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"

struct weft_command_trace {
    weft_output *file;
    weft_status status;
};

static void write_line(weft_command_trace *t, const char *line, int length)
{
    if (t->status == WEFT_OK)
        t->status = weft_output_write(t->file, line, (size_t)length);
}

weft_status weft_command_trace_open(const char *path, weft_command_trace **out)
{
    static const char header[] = "cycle,channel,rank,bankgroup,bank,command,row,count,held_by,after,after_cycle\n";
    *out = calloc(1, sizeof **out);
    if (!*out)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
    weft_status status = weft_output_open(path, &(*out)->file);
    if (status != WEFT_OK) {
        free(*out);
        *out = NULL;
        return status;
    }
    write_line(*out, header, (int)sizeof header - 1);
    return WEFT_OK;
}

void weft_command_trace_take(void *trace, const weft_hardware_event *e)
{
    if (e->unit != WEFT_UNIT_DRAM)
        return;
    char row[32] = "", after[64] = ",", line[256];
    if (e->row >= 0)
        snprintf(row, sizeof row, "%lld", (long long)e->row);
    if (e->held >= WEFT_HOLD_BANK)
        snprintf(after, sizeof after, "%s,%lld", weft_dram_command_name(e->after), (long long)e->after_start);
    int length = snprintf(line, sizeof line, "%lld,%d,%d,%d,%d,%s,%s,%d,%s,%s\n", (long long)e->start, e->index, e->rank,
                          e->bankgroup, e->bank, e->name, row, e->count, weft_dram_hold_name(e->held), after);
    write_line(trace, line, length);
}

weft_status weft_command_trace_close(weft_command_trace *t, bool keep)
{
    if (!t)
        return WEFT_OK;
    weft_status status = t->status;
    if (keep && status == WEFT_OK)
        status = weft_output_commit(t->file);
    else
        weft_output_abandon(t->file);
    free(t);
    return status;
}
