/* The frequency scale in `weft tabular train` and `tune`: whether it is chosen by training, and telling how it was. */
#include "cli/tabular.h"
#include "tabular/scales.h"

bool cli_tabular_chooses_scale(cli_arguments *a, const weft_tabular_config *c, const weft_json *given)
{
    const weft_numeric_embedding_kind kind = c->num_embeddings.kind;
    weft_json_value embedding = weft_json_get(weft_json_root(given), "num_embeddings");
    return (kind == WEFT_NUMERIC_PLR || kind == WEFT_NUMERIC_PLR_LITE) && weft_tabular_preset_leaves_scale(cli_text(a, "arch")) &&
           !weft_json_present(weft_json_get(embedding, "frequency_scale"));
}

void cli_tabular_scales(cli_arguments *a, const weft_tabular_config *c, const weft_fit_options *fit, int64_t train_rows,
                        const double *score)
{
    const weft_measure *measure = weft_fit_measure(c, fit);
    weft_json_add_key(cli_json(a), "frequency_scales");
    weft_json_open_list(cli_json(a));
    for (int k = 0; k < WEFT_SCALES; k++) {
        double value = weft_measure_score(measure, score[k]);
        cli_say(a, "frequency scale %-5g validation %s %.5g after %lld epochs%s\n", weft_scales[k], measure->title, value,
                (long long)weft_scale_epochs(train_rows, fit),
                weft_scales[k] == c->num_embeddings.frequency_scale ? "  taken" : "");
        weft_json_open_object(cli_json(a));
        cli_json_number(a, "frequency_scale", weft_scales[k]);
        cli_json_number(a, "score", value);
        weft_json_close_object(cli_json(a));
    }
    weft_json_close_list(cli_json(a));
    cli_say(a, "\n");
}
