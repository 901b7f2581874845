/* Any bytes as a hardware file (JSON of three kinds, or a DRAMsim3 ini) or a model's config.json, by the first byte: never a
 * crash or a leak; a machine that is read passes the engines' checks and is written so that it reads back. */
#include <stdint.h>
#include <stdlib.h>

#include "hardware/llm.h"
#include "hardware/platform.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hardware(const char *text, size_t size, const char *name)
{
    weft_platform p = weft_platform_default(), back = p;
    if (weft_platform_parse(text, size, name, NULL, &p) != WEFT_OK)
        return;
    weft_text written = {0};
    weft_platform_write(&p, &written);
    if (weft_hardware_check(&p.machine) != WEFT_OK || !written.data ||
        weft_platform_parse(written.data, written.length, "back.json", NULL, &back) != WEFT_OK)
        abort();
    weft_text_free(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    weft_llm m;
    if (data[0] % 3 == 0)
        hardware(text, size - 1, "f.json");
    else if (data[0] % 3 == 1)
        hardware(text, size - 1, "f.ini");
    else if (weft_llm_parse(text, size - 1, "f", &m) == WEFT_OK &&
             (weft_llm_parameters(&m) < 0 || weft_llm_weight_bytes(&m) < 0 || weft_llm_token_macs(&m) < 0))
        abort();
    return 0;
}
