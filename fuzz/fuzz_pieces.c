/* Any bytes as a SentencePiece model, as llama2.c's tokenizer.bin, and as a list of merges: never a crash or a leak. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static weft_status open_merges(const uint8_t *data, size_t size, weft_tokenizer *t)
{
    static const char vocab[] = "{\"a\": 0, \"b\": 1, \"ab\": 2, \"ba\": 3, \"aba\": 4}";
    weft_json *json = NULL;
    weft_status status = weft_json_parse(vocab, strlen(vocab), "v", &json);
    if (status == WEFT_OK)
        status = weft_tokenizer_from_merges(weft_json_root(json), "v", (const char *)data, size, "m", (weft_json_value){NULL}, t);
    weft_json_free(json);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int kind = 0; kind < 3; kind++) {
        weft_tokenizer *t = weft_tokenizer_new();
        weft_encoding *e = NULL;
        weft_text back = {0};
        weft_status status = !t          ? WEFT_ERROR_MEMORY
                             : kind == 0 ? weft_tokenizer_from_sentencepiece(data, size, "f", (weft_json_value){NULL}, t)
                             : kind == 1 ? weft_tokenizer_from_llama2c(data, size, "f", t)
                                         : open_merges(data, size, t);
        if (status == WEFT_OK && weft_encoding_new(t, &e) == WEFT_OK &&
            weft_encode(e, "a ab  aba\xE6\x9D\xB1", 12, &(weft_encode_options){.add_special = true}) == WEFT_OK &&
            weft_decode(t, weft_encoding_ids(e), weft_encoding_count(e), NULL, &back) == WEFT_ERROR_ARGUMENT)
            abort();
        weft_text_free(&back);
        weft_encoding_free(e);
        weft_tokenizer_free(t);
    }
    return 0;
}
