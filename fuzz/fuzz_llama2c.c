/* Any bytes as a llama2.c model: never a crash or a leak; what is accepted is a configuration and all its tensors. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "lm/config.h"
#include "lm/llama2c.h"
#include "lm/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_text config = {0};
    weft_params *params = NULL;
    weft_status status = weft_llama2c_parse(data, size, "f", &config, &params);
    if ((status == WEFT_OK) != (params != NULL))
        abort();
    if (status == WEFT_OK) {
        weft_json *json = NULL;
        weft_lm_config c;
        if (weft_json_parse(config.data, config.length, "f", &json) != WEFT_OK)
            abort();
        if (weft_lm_config_read(weft_json_root(json), "f", &c) == WEFT_OK) {
            weft_lm_config_match(&c, params);
            if (weft_lm_weights_check(&c, params) != WEFT_OK)
                abort();
            weft_lm_config_free(&c);
        }
        weft_json_free(json);
    }
    weft_params_free(params);
    weft_text_free(&config);
    return 0;
}
