/* Templates of special tokens. */
#include "text/processor.h"

#include <stdlib.h>

static void free_template(weft_template *t)
{
    for (int i = 0; i < t->count; i++)
        free(t->parts[i].ids);
    free(t->parts);
    *t = (weft_template){0};
}

void weft_processor_free(weft_processor *p)
{
    free_template(&p->single);
    free_template(&p->pair);
    p->trim_offsets = false;
}

weft_status weft_template_add(weft_template *t, int sequence, const int32_t *ids, int32_t id_count, int32_t type)
{
    weft_template_part *parts = realloc(t->parts, ((size_t)t->count + 1) * sizeof *parts);
    if (parts)
        t->parts = parts;
    int32_t *copy = parts && sequence < 0 ? malloc(((size_t)id_count + 1) * sizeof *copy) : NULL;
    if (!parts || (sequence < 0 && !copy))
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    for (int32_t i = 0; copy && i < id_count; i++)
        copy[i] = ids[i];
    t->parts[t->count++] = (weft_template_part){sequence, copy, copy ? id_count : 0, type};
    return WEFT_OK;
}

weft_status weft_template_spell(weft_template *t, const char *spelling, int32_t c, int32_t s)
{
    weft_status status = WEFT_OK;
    for (; *spelling && status == WEFT_OK; spelling++) {
        if (*spelling == ' ' || (*spelling >= '0' && *spelling <= '9'))
            continue;
        int sequence = *spelling == 'A' ? 0 : *spelling == 'B' ? 1 : -1;
        int32_t type = spelling[1] >= '0' && spelling[1] <= '9' ? spelling[1] - '0' : 0;
        status = weft_template_add(t, sequence, *spelling == 'C' ? &c : &s, 1, type);
    }
    return status;
}
