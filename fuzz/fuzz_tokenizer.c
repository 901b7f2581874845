/* Any bytes as tokenizer.json: never a crash or a leak; a tokenizer that opens takes texts, and its ids are tokens. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const texts[] = {"", "a b  ab", "The\xC3\xA9\xE2\x96\x81 1.\n<x>\xFF"};
    weft_json *json = NULL;
    weft_encoding *e = NULL;
    if (weft_json_parse((const char *)data, size, "f", &json) != WEFT_OK)
        return 0;
    weft_tokenizer *t = weft_tokenizer_new();
    if (t && weft_tokenizer_from_json(weft_json_root(json), "f", t) == WEFT_OK && weft_encoding_new(t, &e) == WEFT_OK) {
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            weft_text back = {0};
            if (weft_encode(e, texts[i], strlen(texts[i]), &(weft_encode_options){.add_special = true, .offsets = i == 1}) ==
                    WEFT_OK &&
                weft_decode(t, weft_encoding_ids(e), weft_encoding_count(e), NULL, &back) == WEFT_ERROR_ARGUMENT)
                abort();
            weft_text_free(&back);
        }
    }
    weft_encoding_free(e);
    weft_tokenizer_free(t);
    weft_json_free(json);
    return 0;
}
