/* The address stream: which lines an instruction's elements touch. */
#include "hardware/stream.h"

void weft_stream_start(weft_stream *s, int64_t period_bytes, int line_bytes, bool aligned)
{
    *s = (weft_stream){.period = (period_bytes + 1) / 2, .aligned = aligned};
    if (s->period < 1)
        s->period = 1;
    while (2 << s->line_shift < line_bytes)
        s->line_shift++;
    if (aligned)
        s->position = s->period - 1;
}

weft_lines weft_stream_take(weft_stream *s, int64_t elements)
{
    weft_lines lines = {{0, 0}, {-1, -1}, 0};
    if (elements <= 0)
        return lines;
    int shift = s->line_shift;
    int64_t first = (s->position + 1) % s->period, end = first + elements - 1; /* of the last element, before starting over */
    /* Aligned, each instruction's data begins on a line of its own. */
    if (s->aligned && first & ((1 << shift) - 1)) {
        first = ((first >> shift) + 1) << shift;
        first = first < s->period ? first : 0;
        end = first + elements - 1;
    }
    s->position = end % s->period;
    lines.first[0] = first >> shift;
    if (end < s->period) {
        lines.last[0] = end >> shift;
    } else if (elements >= s->period) { /* everything, beginning at `first` */
        lines.last[0] = (s->period - 1) >> shift;
        lines.last[1] = lines.first[0] - 1;
    } else {
        lines.last[0] = (s->period - 1) >> shift;
        lines.last[1] = s->position >> shift;
        if (lines.last[1] >= lines.first[0])
            lines.last[1] = lines.first[0] - 1;
    }
    for (int i = 0; i < 2; i++)
        lines.count += lines.last[i] - lines.first[i] + 1;
    return lines;
}
