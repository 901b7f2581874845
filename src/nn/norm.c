/* Normalisation layers with their parameters. */
#include "weft/nn.h"

#include <stdio.h>

#include "graph/graph.h"

weft_value weft_layer_norm(weft_graph *g, weft_value x, const char *name, double eps)
{
    if (!weft_check(g, "layer_norm", x))
        return (weft_value){0};
    weft_dims d = weft_shape(g, x);
    int64_t n = d.rank ? d.size[d.rank - 1] : 1;
    char weight[WEFT_NAME_BYTES], bias[WEFT_NAME_BYTES];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    weft_value w = weft_param(g, weight, WEFT_ONES, DIMS(n)), b = weft_param(g, bias, WEFT_ZEROS, DIMS(n));
    return weft_normalize_layer(g, x, w, b, eps);
}

weft_value weft_rms_norm(weft_graph *g, weft_value x, const char *name, double offset, double eps)
{
    if (!weft_check(g, "rms_norm", x))
        return (weft_value){0};
    weft_dims d = weft_shape(g, x);
    int64_t n = d.rank ? d.size[d.rank - 1] : 1;
    char weight[WEFT_NAME_BYTES];
    snprintf(weight, sizeof weight, "%s.weight", name);
    weft_value w = weft_param(g, weight, (weft_init){WEFT_INIT_CONSTANT, 1 - offset, 0}, DIMS(n));
    return weft_normalize_rms(g, x, w, offset, eps);
}
