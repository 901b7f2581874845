/* Any bytes as a case of the simulator: read or refused, and a small one also simulated, never a crash, a leak or a hang. */
#include <stdint.h>
#include <stdlib.h>

#include "hardware/case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_case c;
    if (weft_case_parse((const char *)data, size, "f", &c) != WEFT_OK)
        return 0;
    int64_t tokens = 0;
    for (int64_t i = 0; i < c.count; i++)
        tokens += c.requests[i].length > 0 && c.requests[i].length < 1 << 20 ? c.requests[i].length : 0;
    if (c.shape.embed <= 256 && c.count <= 8 && tokens <= 4096) {
        weft_hardware hardware = weft_hardware_default();
        weft_hardware_options options = {.system = c.system, .sub_batch = c.sub_batch, .order = (weft_line_order)(size & 1)};
        weft_hardware_result *result = NULL;
        if (weft_hardware_run(&hardware, &c.shape, c.requests, c.count, &options, &result) == WEFT_OK &&
            result->total_cycles <= 0)
            abort();
        weft_hardware_result_free(result);
    }
    weft_case_free(&c);
    return 0;
}
