/* Any bytes as a memory trace: read or refused, and a short one replayed by the controller that the first byte names, walking
 * and jumping, with the same answers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hardware/access_trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_access_trace trace, again;
    if (size == 0 || weft_access_trace_parse(data + 1, size - 1, "f", &trace) != WEFT_OK)
        return 0;
    if (weft_access_trace_parse(data + 1, size - 1, "f", &again) != WEFT_OK || again.count != trace.count)
        abort();
    bool soon = true;
    for (int64_t i = 0; i < trace.count; i++)
        soon = soon && trace.accesses[i].not_before < 5000;
    if (soon && trace.count <= 500) {
        weft_hardware h = weft_hardware_default();
        h.memory.kind = (weft_memory_kind)(data[0] % 3);
        /* walking up to the limit of a trace that stalls would take a minute here */
        weft_status jumped = weft_hardware_replay(&h.memory, 0, true, again.accesses, again.count, NULL, NULL, NULL);
        if (jumped == WEFT_OK) {
            if (weft_hardware_replay(&h.memory, 0, false, trace.accesses, trace.count, NULL, NULL, NULL) != WEFT_OK)
                abort();
            for (int64_t i = 0; i < trace.count; i++)
                if (trace.accesses[i].accepted != again.accesses[i].accepted || trace.accesses[i].done != again.accesses[i].done)
                    abort();
        }
    }
    weft_access_trace_free(&trace);
    weft_access_trace_free(&again);
    return 0;
}
