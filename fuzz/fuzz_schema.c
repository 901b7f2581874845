/* Any bytes as a schema.json, once as the folder's own and once as one that a person has edited: never a crash or a leak; a
 * schema that is read is written, and reads back as the same text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tabular/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const weft_schema *schema)
{
    weft_text text[2] = {{0}, {0}};
    weft_json_writer w = weft_json_to(&text[0], 0);
    weft_schema_write(schema, &w);
    weft_json *json = NULL;
    weft_schema *again = NULL;
    if (weft_json_parse(text[0].data, text[0].length, "written", &json) != WEFT_OK ||
        weft_schema_parse(weft_json_root(json), "written", &again) != WEFT_OK)
        abort();
    w = weft_json_to(&text[1], 0);
    weft_schema_write(again, &w);
    if (text[0].length != text[1].length || memcmp(text[0].data, text[1].data, text[0].length) != 0)
        abort();
    weft_schema_free(again);
    weft_json_free(json);
    weft_text_free(&text[0]);
    weft_text_free(&text[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_json *json;
    weft_schema *schema;
    weft_schema_wishes *wishes;
    if (weft_json_parse((const char *)data, size, "f", &json) != WEFT_OK)
        return 0;
    if (weft_schema_parse(weft_json_root(json), "f", &schema) == WEFT_OK) {
        write_again(schema);
        weft_schema_free(schema);
    }
    if (weft_schema_wishes_parse(weft_json_root(json), "f", &wishes) == WEFT_OK)
        weft_schema_wishes_free(wishes);
    weft_json_free(json);
    return 0;
}
