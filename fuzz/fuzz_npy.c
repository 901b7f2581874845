/* Any bytes as an NPY file: never a crash or a leak, and every tensor lies in memory to its last byte. */
#include <stdint.h>
#include <stdlib.h>

#include "io/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_arrays *arrays;
    weft_status status = weft_npy_parse(data, size, "f", &arrays);
    if ((status == WEFT_OK) != (arrays != NULL))
        abort();
    if (!arrays)
        return 0;
    unsigned sum = 0;
    for (int64_t i = 0; i < weft_arrays_count(arrays); i++) {
        weft_array array = weft_arrays_at(arrays, i);
        weft_tensor found;
        if (!weft_arrays_find(arrays, array.name, &found) || found.data != array.tensor.data)
            abort();
        const unsigned char *bytes = array.tensor.data;
        for (size_t b = 0; b < weft_tensor_bytes(array.tensor); b++)
            sum = 31 * sum + bytes[b];
    }
    volatile unsigned kept = sum; /* or the reads are optimised away */
    (void)kept;
    weft_arrays_free(arrays);
    return 0;
}
