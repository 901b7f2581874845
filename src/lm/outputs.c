/* What a plain run of a language model computes, by the names that `weft run` writes. */
#include "lm/build.h"

static void output(weft_lm_builder *b, weft_value v, int batch_axis, const char *name, bool single)
{
    weft_dims d = weft_shape(b->g, v), without = d;
    if (single && d.rank > batch_axis) {
        without.rank--;
        for (int i = batch_axis; i < without.rank; i++)
            without.size[i] = d.size[i + 1];
        v = weft_reshape(b->g, v, without);
    }
    weft_lm_tap(b, v, "%s", name);
}

weft_value weft_lm_outputs(weft_lm_builder *b, bool single)
{
    unsigned heads = b->c->head_kinds;
    b->form.streams = true;
    weft_value x = weft_lm_stream(b), pooled = {0};
    output(b, weft_lm_hidden(b), 1, "hidden", single);
    if (!b->c->family->encoder) {
        weft_value logits = heads & WEFT_LM_CLASSIFIER ? weft_lm_class_logits(b, x) : weft_lm_logits(b, x);
        output(b, logits, 0, "logits", single);
        return logits;
    }
    if (heads & WEFT_LM_POOLER)
        output(b, pooled = weft_lm_pooled(b, x), 0, "pooled", single);
    if (heads & WEFT_LM_MLM)
        output(b, weft_lm_mlm_logits(b, x), 0, "mlm_logits", single);
    if (heads & WEFT_LM_NSP && pooled.id)
        output(b, weft_lm_nsp_logits(b, pooled), 0, "nsp_logits", single);
    if (heads & WEFT_LM_CLASSIFIER)
        output(b, weft_lm_class_logits(b, x), 0, "logits", single);
    return x;
}
