/* Which layers see all keys and which a window, and by which rope. */
#include "lm/config_family.h"

#include <stdlib.h>
#include <string.h>

/* Window of layer l by the family's rule: 0 for none. */
static int64_t by_rule(const weft_lm_defaults *d, int64_t l, int64_t window, int64_t first, int64_t pattern)
{
    switch (d->window_rule) {
    case WEFT_LM_WINDOW_ALL:
        return window;
    case WEFT_LM_WINDOW_UPPER:
        return l >= first ? window : 0;
    case WEFT_LM_WINDOW_EVEN:
        return l % 2 == 0 ? window : 0;
    case WEFT_LM_WINDOW_PATTERN:
        return (l + 1) % pattern != 0 ? window : 0;
    default:
        return 0;
    }
}

/* layer_types: a text a layer */
static weft_status read_types(weft_json_value list, const char *where, int64_t window, weft_lm_config *c)
{
    if (weft_json_kind_of(list) != WEFT_JSON_LIST || weft_json_size(list) != c->layers)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"layer_types\" has %lld entries, the model %lld layers", where,
                         (long long)weft_json_size(list), (long long)c->layers);
    for (int64_t l = 0; l < c->layers; l++) {
        const char *type = weft_json_string(weft_json_item(list, l), "");
        bool sliding = strcmp(type, "sliding_attention") == 0;
        if (!sliding && strcmp(type, "full_attention") != 0)
            return weft_fail(WEFT_ERROR_FORMAT,
                             "%s: \"layer_types\" entry %lld is \"%.60s\"; known are full_attention, sliding_attention", where,
                             (long long)l, type);
        if (sliding && window <= 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"layer_types\" names sliding_attention, but there is no \"sliding_window\"",
                             where);
        c->window[l] = sliding ? window : 0;
    }
    return WEFT_OK;
}

weft_status weft_lm_layers_read(weft_json_value root, const char *where, weft_lm_config *c)
{
    const weft_lm_defaults *d = c->family->defaults;
    bool switched = d->window_rule != WEFT_LM_WINDOW_UPPER; /* qwen's windows are off until use_sliding_window */
    int64_t window = d->window, first = 28, pattern = 6;
    c->window = calloc((size_t)c->layers, sizeof *c->window);
    c->ropes = calloc((size_t)c->layers, sizeof *c->ropes);
    if (!c->window || !c->ropes)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
    if (c->family->encoder)
        return WEFT_OK;
    weft_json_value given = weft_json_get(root, "sliding_window"), types = weft_json_get(root, "layer_types");
    if (given.node && !weft_json_present(given))
        window = 0;
    weft_status status = weft_json_take_integer(root, where, "sliding_window", 1, 1 << 30, &window);
    if (status == WEFT_OK && !switched)
        status = weft_json_take_bool(root, where, "use_sliding_window", &switched);
    if (status == WEFT_OK)
        status = weft_json_take_integer(root, where, "max_window_layers", 0, 1 << 20, &first);
    if (status == WEFT_OK)
        status = weft_json_take_integer(root, where, "_sliding_window_pattern", 1, 1 << 20, &pattern);
    if (status == WEFT_OK)
        status = weft_json_take_integer(root, where, "sliding_window_pattern", 1, 1 << 20, &pattern);
    if (status != WEFT_OK)
        return status;
    if (weft_json_present(types)) {
        if ((status = read_types(types, where, window, c)) != WEFT_OK)
            return status;
    } else {
        for (int64_t l = 0; l < c->layers; l++)
            c->window[l] = switched ? by_rule(d, l, window, first, pattern) : 0;
    }
    for (int64_t l = 0; l < c->layers; l++)
        c->ropes[l] = d->local_rope && c->window[l] > 0;
    return WEFT_OK;
}
