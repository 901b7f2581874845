/* How tokens are chosen: what the model's folder says, and the options over it. */
#include "cli/lm_generate.h"

#include <string.h>

/* Filters choose among tokens that are drawn from, and without a temperature none is. */
static void warn_of_idle_filters(const cli_arguments *a, const weft_sampler_settings *s)
{
    static const char *const filters[] = {"top-k", "top-p", "min-p", "typical-p"};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0] && !cli_given(a, "temperature"); i++)
        if (cli_given(a, filters[i]) && (s->greedy || s->temperature == 0))
            weft_log(WEFT_LOG_WARNING,
                     "--%s changes nothing at temperature 0, where the likeliest token is taken; give --temperature", filters[i]);
}

weft_status cli_lm_sampling(cli_arguments *a, const char *folder, weft_generation_config *out)
{
    weft_status status = weft_generation_config_open(folder, out);
    weft_sampler_settings *s = &out->sampler;
    const struct {
        const char *name;
        double *number;
    } rows[] = {
        {"temperature", &s->temperature},
        {"top-p", &s->top_p},
        {"min-p", &s->min_p},
        {"typical-p", &s->typical_p},
        {"repetition-penalty", &s->repetition_penalty},
        {"presence-penalty", &s->presence_penalty},
        {"frequency-penalty", &s->frequency_penalty},
    };
    if (status != WEFT_OK)
        return status;
    if (cli_given(a, "temperature"))
        s->greedy = false; /* temperature 0 is greedy by itself */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (cli_given(a, rows[i].name))
            *rows[i].number = cli_number(a, rows[i].name);
    if (cli_given(a, "top-k"))
        s->top_k = cli_int(a, "top-k");
    if (cli_given(a, "no-repeat-ngram"))
        s->no_repeat_ngram = cli_int(a, "no-repeat-ngram");
    if (strcmp(cli_text(a, "sampler-order"), "llamacpp") == 0)
        s->order = WEFT_SAMPLE_LLAMACPP;
    warn_of_idle_filters(a, s);
    return weft_sampler_check(s);
}
