/* Any bytes as a tuning journal: never a crash or a leak; what was taken is a table that makes sense. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tabular/study.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_tabular_config config = weft_tabular_default();
    weft_space space;
    config.n_num_features = 1;
    if (size == 0 || weft_space_of(&config, (weft_json_value){NULL}, &space) != WEFT_OK)
        return 0;
    weft_study_table table = {.space = &space};
    const char *text = (const char *)data;
    int64_t number = 0;
    for (size_t from = 0; from < size;) {
        const char *end = memchr(text + from, '\n', size - from);
        size_t length = end ? (size_t)(end - (text + from)) : size - from;
        (void)weft_study_take_line(&table, text + from, length, "journal", ++number); /* later lines may be fine */
        from += length + 1;
    }
    for (int64_t i = 0; i < table.count; i++) {
        const weft_study_trial *t = table.trial + i;
        if (t->rungs > WEFT_RUNGS || (t->state == WEFT_TRIAL_COMPLETE && !isfinite(t->score)))
            abort();
        for (int k = 0; k < space.count; k++)
            if (!isnan(t->value[k]) && !(t->value[k] >= space.axis[k].least && t->value[k] <= space.axis[k].most))
                abort();
        if (t->rungs > 0)
            (void)weft_study_stops(&table, i, t->rungs - 1);
    }
    weft_study_table_free(&table);
    return 0;
}
