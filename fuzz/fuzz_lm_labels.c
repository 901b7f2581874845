/* Any bytes as records with labels, of a problem that the first byte names: never a crash or a leak; what a label asks for is
 * finite, of several labels from 0 to 1. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "io/records.h"
#include "lm/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static weft_status ask(void *user, weft_json_value record, const char *where)
{
    static double truth[WEFT_LM_MOST_CLASSES];
    const weft_lm_classes *c = user;
    const weft_json_value label = weft_lm_label_of(record);
    int32_t class = -1;
    if (!weft_lm_problem_of_numbers(c->problem)) {
        if (weft_lm_classes_find(c, label, where, &class) == WEFT_OK && (class < 0 || class >= c->count))
            abort();
        return WEFT_OK;
    }
    if (weft_lm_label_truth(c, label, where, truth) != WEFT_OK)
        return WEFT_OK;
    for (int64_t k = 0; k < c->count; k++)
        if (!isfinite(truth[k]) || (c->problem == WEFT_LM_PROBLEM_MULTI_LABEL && (truth[k] < 0 || truth[k] > 1)))
            abort();
    return WEFT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_lm_classes c;
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    if (weft_lm_labels_parse(&c, bytes, size - 1, "f", (weft_lm_problem)(data[0] % 4)) == WEFT_OK) {
        if (c.count < 1 || c.count > WEFT_LM_MOST_CLASSES || c.problem == WEFT_LM_PROBLEM_UNSAID)
            abort();
        weft_records_parse(bytes, size - 1, "f", ask, &c, NULL);
    }
    weft_lm_classes_free(&c);
    return 0;
}
