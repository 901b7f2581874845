/* Any bytes as adapter_config.json beside a small Llama: never a crash or a leak; what is accepted builds a graph. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lm/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_model(weft_lm_config *c)
{
    static const char text[] =
        "{\"model_type\": \"llama\", \"hidden_size\": 8, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, "
        "\"intermediate_size\": 12, \"vocab_size\": 20}";
    weft_json *json;
    if (weft_json_parse(text, sizeof text - 1, "m", &json) != WEFT_OK ||
        weft_lm_config_read(weft_json_root(json), "m", c) != WEFT_OK)
        abort();
    weft_json_free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_json *json;
    weft_lm_config c;
    weft_lm_adapter *a;
    if (weft_json_parse((const char *)data, size, "f", &json) != WEFT_OK)
        return 0;
    read_model(&c);
    weft_status status = weft_lm_adapter_parse(weft_json_root(json), "f", &c, &a);
    weft_json_free(json);
    if ((status == WEFT_OK) != (a != NULL))
        abort();
    weft_graph *g = a ? weft_graph_new(WEFT_F32) : NULL;
    if (g) {
        weft_lm_builder b;
        weft_lm_begin(&b, g, &c, &(weft_lm_form){.batch = 1, .tokens = 2, .adapter = a});
        weft_lm_outputs(&b, false);
        if (weft_graph_status(g) != WEFT_OK && !weft_error()[0])
            abort();
    }
    weft_graph_free(g);
    weft_lm_adapter_free(a);
    weft_lm_config_free(&c);
    return 0;
}
