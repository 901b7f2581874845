/* Which tokens are masked. */
#include "lm/masking.h"

#include "base/random.h"
#include "weft/graph.h"

#define ASKED 0.15

void weft_lm_mask_rows(const weft_lm_data *data, weft_lm_masks masks, uint64_t seed, const int64_t *visits, int64_t batch,
                       int64_t length, int64_t vocab, weft_lm_batch *out)
{
    static const char *const names[2][3] = {{"masks.asked", "masks.shown", "masks.token"},
                                            {"validation.masks.asked", "validation.masks.shown", "validation.masks.token"}};
    weft_random_key asked = weft_random_stream(seed, names[masks][0]), shown = weft_random_stream(seed, names[masks][1]),
                    token = weft_random_stream(seed, names[masks][2]);
    for (int64_t b = 0; b < batch; b++)
        for (int64_t t = 0; t < length; t++) {
            int64_t at = b * length + t;
            uint64_t row = (uint64_t)visits[b], column = (uint64_t)t;
            if (out->labels[at] == WEFT_IGNORE)
                continue;
            if (weft_random_uniform(asked, 0, row, column) >= ASKED) {
                out->labels[at] = WEFT_IGNORE;
                out->labelled--;
                continue;
            }
            double kind = weft_random_uniform(shown, 0, row, column);
            if (kind < 0.8)
                out->ids[at] = data->mask_id;
            else if (kind < 0.9)
                out->ids[at] = (int64_t)weft_random_below(token, 0, row, column, (uint64_t)vocab);
        }
}
