/* Tokens seen as heads: the same memory under another shape, as weft_attention takes and gives it. */
#include "weft/nn.h"

#include "graph/graph.h"

weft_value weft_heads(weft_graph *g, weft_value x, int heads)
{
    if (!weft_check(g, "heads", x))
        return (weft_value){0};
    weft_dims d = weft_shape(g, x);
    if (d.rank != 3 || heads < 1 || d.size[2] % heads != 0) {
        char text[WEFT_DIMS_TEXT];
        weft_poison(g, "heads: %s does not divide into %d heads", weft_dims_text(d, text), heads);
        return (weft_value){0};
    }
    return weft_reshape(g, x, DIMS(d.size[0], d.size[1], heads, d.size[2] / heads));
}

weft_value weft_merge_heads(weft_graph *g, weft_value x)
{
    if (!weft_check(g, "merge_heads", x))
        return (weft_value){0};
    weft_dims d = weft_shape(g, x);
    if (d.rank != 4) {
        weft_poison(g, "merge_heads: needs [batch, tokens, heads, head]");
        return (weft_value){0};
    }
    return weft_reshape(g, x, DIMS(d.size[0], d.size[1], d.size[2] * d.size[3]));
}
