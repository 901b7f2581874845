/* Any bytes as a trace of requests: never a crash or a leak, and what is read is within its limits. */
#include <stdint.h>
#include <stdlib.h>

#include "hardware/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_trace t;
    if (weft_trace_parse(data, size, "f", 32, 4096, &t) != WEFT_OK)
        return t.requests ? abort(), 0 : 0;
    double before = 0;
    for (int64_t i = 0; i < t.count; i++) {
        const weft_load_request *r = &t.requests[i];
        if (r->length < 1 || r->length > 4096 || r->channel < -1 || r->channel >= 32 || r->arrival < before)
            abort();
        before = r->arrival;
    }
    weft_trace_free(&t);
    return 0;
}
