/* Parts that commands of the lm room share. */
#include "cli/lm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

weft_lm_options cli_lm_options(const cli_arguments *a)
{
    const char *dtype = cli_text(a, "dtype");
    return (weft_lm_options){.adapter = cli_text(a, "adapter"),
                             .dtype = strcmp(dtype, "f64") == 0    ? WEFT_F64
                                      : strcmp(dtype, "bf16") == 0 ? WEFT_BF16
                                                                   : WEFT_F32};
}

weft_status cli_lm_open(cli_arguments *a, weft_lm **out)
{
    const weft_lm_options options = cli_lm_options(a);
    *out = NULL;
    weft_engine *engine = cli_engine(a);
    return engine ? weft_lm_open(engine, cli_positional_at(a, 0), &options, out) : WEFT_ERROR_MEMORY;
}

weft_status cli_lm_tokenizer(const char *folder, const weft_lm *lm, const char *needed, weft_tokenizer **out)
{
    *out = NULL;
    if (!weft_tokenizer_is_in(folder))
        return needed ? weft_fail(WEFT_ERROR_FILE,
                                  "%s: there is no tokenizer.json here, which %s needs; --ids takes tokens as they are", folder,
                                  needed)
                      : WEFT_OK;
    return weft_lm_tokenizer_open(lm, folder, out);
}

weft_status cli_lm_rows_without_token(const weft_tokenizer *tokenizer, int64_t vocabulary, unsigned char **out)
{
    *out = NULL;
    for (int64_t i = 0; tokenizer && i < vocabulary; i++) {
        if (weft_tokenizer_token(tokenizer, i))
            continue;
        if (!*out && !(*out = calloc((size_t)vocabulary, 1)))
            return weft_fail(WEFT_ERROR_MEMORY, "generate: memory is short");
        (*out)[i] = 1;
    }
    return WEFT_OK;
}

weft_status cli_lm_ids(cli_arguments *a, int64_t **out, int64_t *count)
{
    const char *const *items;
    *count = cli_list(a, "ids", &items);
    if (!(*out = malloc((size_t)(*count + 1) * sizeof **out)))
        return weft_fail(WEFT_ERROR_MEMORY, "--ids: memory is short");
    for (int64_t i = 0; i < *count; i++) {
        char *end;
        errno = 0;
        (*out)[i] = strtoll(items[i], &end, 10);
        if (end == items[i] || *end || errno || (*out)[i] < 0) {
            weft_status status = cli_misuse(a, "--ids has \"%s\", expected whole numbers from 0 on: 1,403,407", items[i]);
            free(*out);
            *out = NULL;
            return status;
        }
    }
    return WEFT_OK;
}

weft_status cli_lm_encode(const weft_tokenizer *tokenizer, const char *text, size_t length, bool bare, int64_t **out,
                          int64_t *count)
{
    weft_encoding *e = NULL;
    weft_status status = weft_encoding_new(tokenizer, &e);
    *out = NULL;
    if (status == WEFT_OK)
        status = weft_encode(e, text, length, &(weft_encode_options){.add_special = !bare});
    if (status == WEFT_OK) {
        *count = (int64_t)weft_encoding_count(e);
        if ((*out = malloc((size_t)(*count + 1) * sizeof **out)))
            memcpy(*out, weft_encoding_ids(e), (size_t)*count * sizeof **out);
        else
            status = weft_fail(WEFT_ERROR_MEMORY, "the prompt's tokens: memory is short");
        if (weft_encoding_repaired(e))
            weft_log(WEFT_LOG_WARNING, "the text is not UTF-8; %zu broken places are read as U+FFFD", weft_encoding_repaired(e));
    }
    weft_encoding_free(e);
    return status;
}
