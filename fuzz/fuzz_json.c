/* Any bytes as JSON text: never a crash or a leak; what is read is written, and reads back as the same text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_json *json, *again;
    if (weft_json_parse((const char *)data, size, "f", &json) != WEFT_OK)
        return 0;
    weft_text text = {0}, second = {0};
    weft_json_writer writer = weft_json_to(&text, size & 1 ? 2 : 0);
    weft_json_add_value(&writer, weft_json_root(json));
    if (weft_json_parse(text.data, text.length, "written", &again) != WEFT_OK)
        abort();
    writer = weft_json_to(&second, size & 1 ? 2 : 0);
    weft_json_add_value(&writer, weft_json_root(again));
    if (text.length != second.length || memcmp(text.data, second.data, text.length) != 0)
        abort();
    weft_text_free(&text);
    weft_text_free(&second);
    weft_json_free(json);
    weft_json_free(again);
    return 0;
}
