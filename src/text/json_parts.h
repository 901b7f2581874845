/* Reading the parts of tokenizer.json, one file a part. Each part is an object whose "type" is a row of a table. */
#ifndef WEFT_TEXT_JSON_PARTS_H
#define WEFT_TEXT_JSON_PARTS_H

#include "text/tokenizer.h"

#define WEFT_DEEPEST_SEQUENCE 16 /* sequences inside sequences */

/* The row number of the object's "type" in `names` (ends in NULL); fails naming the known ones. `what`: "normalizer". */
weft_status weft_part_type(weft_json_value part, const char *what, const char *const *names, int *out);

/* A text under `key`, copied; fails when it is missing or no text. */
weft_status weft_part_text(weft_json_value part, const char *what, const char *key, char **out, size_t *length);

/* {"String": …} or {"Regex": …} under "pattern": one of the two outs. */
weft_status weft_part_pattern(weft_json_value part, const char *what, char **text, size_t *length, weft_regex **regex,
                              weft_scan **scan);

/* An absent or null part is an empty sequence. */
weft_status weft_json_normalizer(weft_json_value, weft_normalizer *out);
weft_status weft_json_splitter(weft_json_value, weft_splitter *out);
weft_status weft_json_decoder(weft_json_value, weft_decoder_step *out);
weft_status weft_json_processor(weft_json_value, const weft_tokenizer *, weft_processor *out);
weft_status weft_json_model(weft_json_value, weft_tokenizer *); /* the splitter is there already */

#endif
