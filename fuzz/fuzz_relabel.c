/* Any bytes as "ROW=TARGET": never a crash; what is read has a row and a target that is not empty. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tabular/suppose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    weft_relabel one;
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (weft_relabel_parse(text, &one) == WEFT_OK && (one.row < 0 || one.target <= text || !*one.target))
        abort();
    free(text);
    return 0;
}
