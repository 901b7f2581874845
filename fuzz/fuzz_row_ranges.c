/* Any bytes as row numbers and ranges: never a crash; what is read holds ranges that ascend. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tabular/candidates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    weft_row_ranges ranges;
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (weft_row_ranges_parse(text, &ranges) == WEFT_OK) {
        for (int i = 0; i < ranges.count; i++)
            if (ranges.range[i][0] < 0 || ranges.range[i][1] < ranges.range[i][0])
                abort();
        weft_row_ranges_free(&ranges);
    }
    free(text);
    return 0;
}
