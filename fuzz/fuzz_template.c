/* Any bytes as a template, rendered within small limits: never a crash, a leak or endless work. */
#include <stdint.h>
#include <string.h>

#include "text/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char talk[] =
        "[{\"role\": \"user\", \"content\": \"a b\\u00e9\"}, {\"role\": \"assistant\", \"content\": null}]";
    const weft_template_limits limits = {.steps = 20000, .output = 1 << 16, .memory = 4 << 20};
    weft_template *template;
    weft_json *json;
    if (weft_template_parse((const char *)data, size, "f", &template) != WEFT_OK)
        return 0;
    if (weft_json_parse(talk, sizeof talk - 1, "talk", &json) == WEFT_OK) {
        weft_template_variable variables[] = {{.name = "messages", .value = weft_json_root(json)},
                                              {.name = "s", .text = "x, y"},
                                              {.name = "t", .truth = true, .is_truth = true}};
        weft_template_result result = {0};
        (void)weft_template_render(template, variables, 3, &limits, NULL, &result);
        weft_template_result_free(&result);
        weft_json_free(json);
    }
    weft_template_free(template);
    return 0;
}
