/* Any bytes as lines of prompts and of questions: never a crash or a leak; what is read has texts, labels and answers in range.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audit/prompts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_prompts(const weft_prompts *list, bool questions)
{
    if (list->count < 1)
        abort();
    for (int64_t i = 0; i < list->count; i++) {
        const weft_prompt *p = &list->at[i];
        if (!p->text || p->label < WEFT_NO_LABEL || p->label > 1 || (i && p->line <= list->at[i - 1].line))
            abort();
        if (questions && (p->choice_count < 2 || p->answer < 0 || p->answer >= p->choice_count))
            abort();
        for (int k = 0; k < p->choice_count; k++)
            if (!p->choices[k])
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int kind = WEFT_LINES_TEXT; kind <= WEFT_LINES_QUESTIONS; kind++) {
        weft_prompts list;
        if (weft_prompts_parse((const char *)data, size, (weft_prompt_lines)kind, "f", &list) == WEFT_OK)
            check_prompts(&list, kind == WEFT_LINES_QUESTIONS);
        else if (list.count || list.at || !weft_error()[0])
            abort();
        weft_prompts_free(&list);
    }
    return 0;
}
