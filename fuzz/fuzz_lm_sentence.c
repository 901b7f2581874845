/* Any bytes as modules.json and as a pooling's config.json: never a crash or a leak; what is accepted names a folder beside it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lm/sentence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_json *json;
    char place[WEFT_LM_MODULE_PATH] = "";
    weft_lm_sentence s = {0};
    if (weft_json_parse((const char *)data, size, "f", &json) != WEFT_OK)
        return 0;
    if (weft_lm_sentence_modules(weft_json_root(json), "f", &s, place) == WEFT_OK &&
        (strchr(place, '/') || place[0] == '.' || memchr(place, 0, sizeof place) == NULL))
        abort();
    s.pooling = WEFT_LM_POOL_CLASSES;
    if (weft_lm_sentence_pooling(weft_json_root(json), "f", false, &s) == WEFT_OK && s.pooling == WEFT_LM_POOL_CLASSES)
        abort();
    weft_json_free(json);
    return 0;
}
