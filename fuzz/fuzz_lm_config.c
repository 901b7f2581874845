/* Any bytes as a language model's config.json: never a crash or a leak; what is accepted has sizes that fit together, and
 * builds a graph or says why not. */
#include <stdint.h>
#include <stdlib.h>

#include "lm/build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_json *json;
    weft_lm_config c;
    if (weft_json_parse((const char *)data, size, "f", &json) != WEFT_OK)
        return 0;
    weft_status status = weft_lm_config_read(weft_json_root(json), "f", &c);
    weft_json_free(json);
    if (status != WEFT_OK)
        return 0;
    if (c.heads % c.kv_heads != 0 || c.rotary % 2 != 0 || c.rotary > c.head_dim || !c.window || c.layers < 1)
        abort();
    if (c.layers <= 8) { /* more layers only take longer */
        weft_graph *g = weft_graph_new(WEFT_F32);
        weft_lm_builder b;
        if (g) {
            weft_lm_begin(&b, g, &c, &(weft_lm_form){.batch = 2, .tokens = 3, .mask = true});
            weft_lm_outputs(&b, false);
            if (weft_graph_status(g) != WEFT_OK && !weft_error()[0])
                abort();
        }
        weft_graph_free(g);
    }
    weft_lm_config_free(&c);
    return 0;
}
