/* Documents of tokens, and their rows. */
#include "lm/data.h"

#include <stdlib.h>
#include <string.h>

#include "weft/graph.h"

static weft_status memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "training data: memory is short");
}

void weft_lm_data_free(weft_lm_data *data)
{
    free(data->ids);
    free(data->learned);
    free(data->types);
    free(data->starts);
    free(data->classes);
    free(data->targets);
    *data = (weft_lm_data){0};
}

static weft_status reserve(weft_lm_data *data, int64_t tokens)
{
    if (data->documents + 2 > data->document_capacity) {
        int64_t capacity = data->document_capacity ? 2 * data->document_capacity : 64;
        int64_t *starts = realloc(data->starts, (size_t)capacity * sizeof *starts);
        if (!starts)
            return memory();
        if (!data->starts)
            starts[0] = 0;
        data->starts = starts;
        int32_t *classes = realloc(data->classes, (size_t)capacity * sizeof *classes);
        if (!classes)
            return memory();
        data->classes = classes;
        float *targets = realloc(data->targets, (size_t)(capacity * data->target_count + 1) * sizeof *targets);
        if (!targets)
            return memory();
        data->targets = targets;
        data->document_capacity = capacity;
    }
    if (data->count + tokens <= data->capacity)
        return WEFT_OK;
    int64_t capacity = data->count + tokens > 2 * data->capacity ? data->count + tokens : 2 * data->capacity;
    int32_t *ids = realloc(data->ids, (size_t)capacity * sizeof *ids);
    if (ids)
        data->ids = ids;
    unsigned char *learned = ids ? realloc(data->learned, (size_t)capacity) : NULL;
    if (learned)
        data->learned = learned;
    unsigned char *types = learned ? realloc(data->types, (size_t)capacity) : NULL;
    if (types)
        data->types = types;
    if (!types)
        return memory();
    data->capacity = capacity;
    return WEFT_OK;
}

weft_status weft_lm_data_add(weft_lm_data *data, const int64_t *ids, const unsigned char *learned, int64_t count)
{
    weft_status status = reserve(data, count);
    if (status != WEFT_OK)
        return status;
    for (int64_t i = 0; i < count; i++) {
        data->ids[data->count + i] = (int32_t)ids[i];
        data->learned[data->count + i] = learned ? learned[i] : 1;
        data->types[data->count + i] = 0;
    }
    data->count += count;
    data->classes[data->documents] = 0;
    for (int64_t k = 0; k < data->target_count; k++)
        data->targets[data->documents * data->target_count + k] = 0;
    data->starts[++data->documents] = data->count;
    return WEFT_OK;
}

weft_status weft_lm_data_split(weft_lm_data *data, double share, weft_lm_data *tail)
{
    *tail = (weft_lm_data){.in_place = data->in_place,
                           .mask_id = data->mask_id,
                           .first_position = data->first_position,
                           .paired = data->paired,
                           .classed = data->classed,
                           .target_count = data->target_count};
    const int64_t each = data->paired ? 2 : 1, examples = data->documents / each;
    int64_t kept = each * (examples - (int64_t)((double)examples * share + 0.5)), cut = data->documents ? data->starts[kept] : 0;
    const bool one = data->documents == 1 && !data->classed; /* a text, of which a part can be cut off */
    if (one) {
        kept = 1;
        cut = data->count - (int64_t)((double)data->count * share);
    }
    weft_status status = WEFT_OK;
    int64_t *ids = malloc(((size_t)(data->count - cut) + 1) * sizeof *ids);
    if (!ids)
        return memory();
    for (int64_t i = cut; i < data->count; i++)
        ids[i - cut] = data->ids[i];
    if (one && cut < data->count)
        status = weft_lm_data_add(tail, ids, data->learned + cut, data->count - cut);
    for (int64_t d = kept; !one && d < data->documents && status == WEFT_OK; d++) {
        status = weft_lm_data_add(tail, ids + data->starts[d] - cut, data->learned + data->starts[d],
                                  data->starts[d + 1] - data->starts[d]);
        if (status == WEFT_OK) {
            tail->classes[d - kept] = data->classes[d];
            memcpy(tail->targets + (d - kept) * data->target_count, data->targets + d * data->target_count,
                   (size_t)data->target_count * sizeof *data->targets);
            memcpy(tail->types + tail->starts[d - kept], data->types + data->starts[d],
                   (size_t)(data->starts[d + 1] - data->starts[d]));
        }
    }
    free(ids);
    if (status == WEFT_OK && data->documents) {
        data->documents = kept;
        data->count = cut;
        data->starts[kept] = cut;
    }
    return status;
}

/* ---- Rows. ---- */

void weft_lm_rows_free(weft_lm_rows *rows)
{
    free(rows->pieces);
    free(rows->first);
    *rows = (weft_lm_rows){0};
}

/* how far ahead of its place the token stands that is asked for */
static int64_t ahead(const weft_lm_data *data)
{
    return data->in_place ? 0 : 1;
}

static bool teaches(const weft_lm_data *data, weft_lm_piece piece)
{
    int64_t next = ahead(data);
    return piece.count > next && memchr(data->learned + piece.from + next, 1, (size_t)(piece.count - next)) != NULL;
}

/* Windows of a document: each begins with the token that the one before was last asked for. */
static int64_t cut_document(const weft_lm_data *data, int64_t d, int64_t length, weft_lm_piece *out)
{
    int64_t count = 0, next = ahead(data);
    for (int64_t from = data->starts[d], end = data->starts[d + 1]; from + next < end; from += length) {
        weft_lm_piece piece = {from, end - from < length + next ? end - from : length + next};
        if (!teaches(data, piece))
            continue;
        if (out)
            out[count] = piece;
        count++;
    }
    return count;
}

static int longest_first(const void *a, const void *b)
{
    const weft_lm_piece *p = a, *q = b;
    if (p->count != q->count)
        return p->count < q->count ? 1 : -1;
    return (p->from > q->from) - (p->from < q->from);
}

/* Which row each piece goes to: the fullest that has room. open[room]: the row opened last with so much room, next[row]: the one
 * before. */
static int64_t best_fit(const weft_lm_piece *pieces, int64_t count, int64_t further, int64_t length, int64_t *row, int64_t *open,
                        int64_t *next)
{
    int64_t rows = 0;
    for (int64_t room = 0; room <= length; room++)
        open[room] = -1;
    for (int64_t i = 0; i < count; i++) {
        int64_t need = pieces[i].count - further, room = need;
        while (room <= length && open[room] < 0)
            room++;
        int64_t r = room <= length ? open[room] : rows++;
        if (room <= length)
            open[room] = next[r];
        else
            room = length;
        row[i] = r;
        next[r] = open[room - need];
        open[room - need] = r;
    }
    return rows;
}

weft_status weft_lm_rows_make(const weft_lm_data *data, int64_t length, bool packed, weft_lm_rows *out)
{
    int64_t count = 0;
    *out = (weft_lm_rows){.length = length, .packed = data->in_place};
    for (int64_t d = 0; d < data->documents; d++)
        count += cut_document(data, d, length, NULL);
    size_t n = (size_t)count + 1;
    weft_lm_piece *pieces = malloc(n * sizeof *pieces);
    int64_t *row = malloc(n * sizeof *row), *next = malloc(n * sizeof *next);
    int64_t *open = malloc(((size_t)length + 1) * sizeof *open);
    out->pieces = malloc(n * sizeof *out->pieces);
    out->first = calloc(n + 1, sizeof *out->first);
    weft_status status = pieces && row && next && open && out->pieces && out->first ? WEFT_OK : memory();
    if (status == WEFT_OK) {
        for (int64_t d = 0, at = 0; d < data->documents; d++)
            at += cut_document(data, d, length, pieces + at);
        if (packed) {
            qsort(pieces, (size_t)count, sizeof *pieces, longest_first);
            out->count = best_fit(pieces, count, ahead(data), length, row, open, next);
        } else {
            out->count = count;
            for (int64_t i = 0; i < count; i++)
                row[i] = i;
        }
        for (int64_t i = 0; i < count; i++)
            out->first[row[i] + 1]++;
        for (int64_t r = 0; r < out->count; r++) {
            out->packed = out->packed || out->first[r + 1] > 1;
            out->first[r + 1] += out->first[r];
            next[r] = out->first[r];
        }
        for (int64_t i = 0; i < count; i++)
            out->pieces[next[row[i]]++] = pieces[i];
    }
    free(pieces);
    free(row);
    free(next);
    free(open);
    if (status != WEFT_OK)
        weft_lm_rows_free(out);
    return status;
}

void weft_lm_rows_fill(const weft_lm_rows *rows, const weft_lm_data *data, const int64_t *which, int64_t batch,
                       weft_lm_batch *out)
{
    int64_t next = ahead(data);
    out->labelled = 0;
    for (int64_t b = 0; b < batch; b++) {
        int64_t at = b * rows->length, end = at + rows->length, segment = 0;
        if (which[b] >= 0)
            for (int64_t p = rows->first[which[b]]; p < rows->first[which[b] + 1]; p++, segment++) {
                weft_lm_piece piece = rows->pieces[p];
                for (int64_t i = 0; i + next < piece.count; i++, at++) {
                    bool learned = data->learned[piece.from + i + next];
                    out->ids[at] = data->ids[piece.from + i];
                    out->labels[at] = learned ? data->ids[piece.from + i + next] : WEFT_IGNORE;
                    out->positions[at] = data->first_position + i;
                    out->segments[at] = segment;
                    if (out->types)
                        out->types[at] = data->types[piece.from + i];
                    out->labelled += learned;
                }
            }
        for (int64_t i = 0; at < end; at++, i++) {
            out->ids[at] = 0;
            out->labels[at] = WEFT_IGNORE;
            out->positions[at] = data->first_position + i;
            out->segments[at] = segment;
            if (out->types)
                out->types[at] = 0;
        }
    }
    if (!data->classed)
        return;
    out->labelled = 0;
    for (int64_t b = 0; b < batch; b++) {
        const int64_t n = data->target_count;
        out->labels[b] = which[b] >= 0 ? data->classes[which[b]] : WEFT_IGNORE;
        out->labelled += which[b] >= 0;
        for (int64_t k = 0; k < n; k++)
            out->targets[b * n + k] = which[b] >= 0 ? data->targets[which[b] * n + k] : 0;
    }
}
