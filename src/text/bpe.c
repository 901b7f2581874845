/* Byte-pair encoding: merge the neighbouring pair of lowest rank, the leftmost of equals, until none is left.
 * Short pieces look for it from left to right each time; long ones keep the pairs in a heap, O(n log n). */
#include "text/model.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "text/normalizer.h"

#define NO_RANK    UINT32_MAX
#define SHORT_MOST 48 /* symbols; measured: the heap wins above some 60 */

static const weft_merge *find_merge(const weft_bpe *bpe, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    for (uint64_t slot = (key * 0x9E3779B97F4A7C15u >> 32) & bpe->mask;; slot = (slot + 1) & bpe->mask) {
        const weft_merge *merge = &bpe->merges[slot];
        if (merge->result < 0)
            return NULL;
        if (merge->left == left && merge->right == right)
            return merge;
    }
}

static void set_pair(const weft_bpe *bpe, weft_symbol *symbol, int32_t right)
{
    const weft_merge *merge = find_merge(bpe, symbol->id, right);
    symbol->rank = merge ? merge->rank : NO_RANK;
    symbol->result = merge ? merge->result : -1;
}

/* ---- the symbols that a piece begins as ---- */

static int32_t symbol_of(const weft_bpe *bpe, uint32_t code)
{
    if (code < 128)
        return bpe->ascii[code];
    for (uint32_t slot = (code * 0x9E3779B1u) & bpe->letter_mask; bpe->letters[slot].code; slot = (slot + 1) & bpe->letter_mask)
        if (bpe->letters[slot].code == code)
            return bpe->letters[slot].symbol;
    return -1;
}

static size_t begin_bytes(const weft_bpe *bpe, const char *text, size_t length, weft_symbol *out)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        int32_t id = bpe->bytes[(uint8_t)text[i]];
        if (id < 0) {
            id = bpe->unknown;
            if (id < 0 || (bpe->fuse_unknown && n && out[n - 1].id == id))
                continue;
        }
        out[n++] = (weft_symbol){.id = id, .begin = (uint32_t)i};
    }
    return n;
}

/* A character's symbol where tokens carry a mark at the beginning (of all but the first) or at the end of a word. */
static int32_t marked_symbol(const weft_token_model *m, const char *at, size_t length, bool first, bool last)
{
    const weft_bpe *bpe = &m->bpe;
    weft_text text = {0};
    if (!first && bpe->prefix)
        weft_text_bytes(&text, bpe->prefix, strlen(bpe->prefix));
    weft_text_bytes(&text, at, length);
    if (last && bpe->suffix)
        weft_text_bytes(&text, bpe->suffix, strlen(bpe->suffix));
    int32_t id = text.failed ? -1 : weft_vocabulary_find(&m->vocabulary, text.data, text.length);
    weft_text_free(&text);
    return id;
}

static size_t begin_letters(const weft_token_model *m, const char *text, size_t length, weft_symbol *out)
{
    const weft_bpe *bpe = &m->bpe;
    const char *at = text, *end = text + length;
    bool marked = bpe->prefix || bpe->suffix, fusing = false;
    size_t n = 0;
    while (at < end) {
        const char *from = at;
        uint32_t code = weft_utf8_next(&at);
        size_t width = (size_t)(at - from);
        uint32_t begin = (uint32_t)(from - text);
        int32_t id = marked ? marked_symbol(m, from, width, from == text, at == end) : symbol_of(bpe, code);
        if (id >= 0) {
            out[n++] = (weft_symbol){.id = id, .begin = begin};
            fusing = false;
            continue;
        }
        bool bytes = bpe->byte_fallback;
        for (size_t i = 0; i < width; i++)
            bytes = bytes && bpe->fallback[(uint8_t)from[i]] >= 0;
        if (bytes) {
            for (size_t i = 0; i < width; i++)
                out[n++] = (weft_symbol){.id = bpe->fallback[(uint8_t)from[i]], .begin = begin + (uint32_t)i};
            fusing = false;
        } else if (bpe->unknown >= 0 && !(fusing && bpe->fuse_unknown)) {
            out[n++] = (weft_symbol){.id = bpe->unknown, .begin = begin};
            fusing = true;
        }
    }
    return n;
}

/* ---- merging ---- */

static size_t merge_short(const weft_bpe *bpe, weft_symbol *s, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++)
        set_pair(bpe, &s[i], s[i + 1].id);
    if (n)
        s[n - 1].rank = NO_RANK;
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (s[i].rank < s[best].rank)
                best = i;
        if (s[best].rank == NO_RANK)
            break;
        s[best].id = s[best].result;
        memmove(s + best + 1, s + best + 2, (n - best - 2) * sizeof *s);
        n--;
        if (best + 1 < n)
            set_pair(bpe, &s[best], s[best + 1].id);
        else
            s[best].rank = NO_RANK;
        if (best)
            set_pair(bpe, &s[best - 1], s[best].id);
    }
    return n;
}

static void heap_push(weft_model_work *w, uint64_t key)
{
    size_t at = w->heap_count++;
    for (; at > 0 && w->heap[(at - 1) / 2] > key; at = (at - 1) / 2)
        w->heap[at] = w->heap[(at - 1) / 2];
    w->heap[at] = key;
}

static uint64_t heap_pop(weft_model_work *w)
{
    uint64_t top = w->heap[0], key = w->heap[--w->heap_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < w->heap_count; at = child) {
        if (child + 1 < w->heap_count && w->heap[child + 1] < w->heap[child])
            child++;
        if (key <= w->heap[child])
            break;
        w->heap[at] = w->heap[child];
    }
    w->heap[at] = key;
    return top;
}

/* Keys are rank, then place: the leftmost of equal ranks comes first. A key whose symbol has another rank by now is stale. */
static void push_pair(const weft_bpe *bpe, weft_model_work *w, uint32_t at)
{
    weft_symbol *s = w->symbols;
    set_pair(bpe, &s[at], s[s[at].next].id);
    if (s[at].rank != NO_RANK)
        heap_push(w, (uint64_t)s[at].rank << 32 | at);
}

/* Each merge adds at most two pairs and ends one symbol, so that 3 n keys are enough. */
static bool merge_long(const weft_bpe *bpe, weft_model_work *w, size_t *count)
{
    size_t n = *count;
    weft_symbol *s = w->symbols;
    uint64_t *heap = weft_work_room(w->heap, &w->heap_room, 3 * n, sizeof *heap);
    if (!heap)
        return false;
    w->heap = heap;
    w->heap_count = 0;
    for (uint32_t i = 0; i < n; i++) {
        s[i].before = i - 1; /* of the first: UINT32_MAX */
        s[i].next = i + 1;
        s[i].rank = NO_RANK;
    }
    for (uint32_t i = 0; i + 1 < n; i++)
        push_pair(bpe, w, i);
    while (w->heap_count) {
        uint64_t key = heap_pop(w);
        uint32_t at = (uint32_t)key;
        if (s[at].rank != key >> 32)
            continue;
        uint32_t gone = s[at].next;
        s[at].id = s[at].result;
        s[at].next = s[gone].next;
        s[at].rank = s[gone].rank = NO_RANK;
        if (s[at].next < n) {
            s[s[at].next].before = at;
            push_pair(bpe, w, at);
        }
        if (s[at].before < n)
            push_pair(bpe, w, s[at].before);
    }
    size_t kept = 0;
    for (uint32_t i = 0, next; i < n; i = next) {
        next = s[i].next;
        s[kept++] = s[i]; /* kept ≤ i: nothing that is still to be read is written over */
    }
    *count = kept;
    return true;
}

/* A character that is part of tokens but no token itself: bytes, or unknown. */
static void add_unknown(const weft_bpe *bpe, weft_span piece, size_t begin, size_t end, weft_tokens *out, bool *fusing)
{
    bool bytes = bpe->byte_fallback;
    for (size_t i = begin; i < end; i++)
        bytes = bytes && bpe->fallback[(uint8_t)piece.data[i]] >= 0;
    for (size_t i = begin; bytes && i < end; i++)
        weft_tokens_add(out, bpe->fallback[(uint8_t)piece.data[i]], piece, i, i + 1);
    if (!bytes && bpe->unknown >= 0 && !(*fusing && bpe->fuse_unknown))
        weft_tokens_add(out, bpe->unknown, piece, begin, end);
    *fusing = !bytes;
}

/* The piece as a token; -1 when it is none. */
static int32_t find_whole(const weft_token_model *m, weft_span piece)
{
    char letters[512];
    size_t length = 0;
    if (!m->bpe.reads_bytes)
        return weft_vocabulary_find(&m->vocabulary, piece.data, piece.length);
    if (piece.length * 2 > sizeof letters)
        return -1; /* no token of bytes is as long */
    for (size_t i = 0; i < piece.length; i++)
        length += weft_utf8_put(weft_byte_letter((uint8_t)piece.data[i]), letters + length);
    return weft_vocabulary_find(&m->vocabulary, letters, length);
}

static weft_status encode_word(const weft_token_model *m, weft_model_work *w, weft_span piece, weft_tokens *out)
{
    const weft_bpe *bpe = &m->bpe;
    int32_t whole = bpe->whole_pieces ? find_whole(m, piece) : -1;
    if (whole >= 0) {
        weft_tokens_add(out, whole, piece, 0, piece.length);
        return WEFT_OK;
    }
    weft_symbol *symbols = weft_work_room(w->symbols, &w->symbol_room, piece.length, sizeof *symbols);
    bool fits = symbols != NULL;
    size_t n = 0;
    if (fits) {
        w->symbols = symbols;
        n = bpe->reads_bytes ? begin_bytes(bpe, piece.data, piece.length, w->symbols)
                             : begin_letters(m, piece.data, piece.length, w->symbols);
        if (n <= SHORT_MOST)
            n = merge_short(bpe, w->symbols, n);
        else
            fits = merge_long(bpe, w, &n);
    }
    if (!fits)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for a piece of %zu bytes", piece.length);
    bool fusing = false;
    for (size_t i = 0; i < n; i++) {
        size_t begin = w->symbols[i].begin, end = i + 1 < n ? w->symbols[i + 1].begin : piece.length;
        if (w->symbols[i].id >= bpe->token_count) {
            add_unknown(bpe, piece, begin, end, out, &fusing);
        } else {
            weft_tokens_add(out, w->symbols[i].id, piece, begin, end);
            fusing = false;
        }
    }
    return WEFT_OK;
}

/* The same through the cache of short pieces. */
static weft_status encode_cached(const weft_token_model *m, weft_model_work *w, weft_span piece, weft_tokens *out)
{
    if (piece.length > WEFT_CACHED_BYTES || out->traced)
        return encode_word(m, w, piece, out);
    if (!w->cache && (w->cache = calloc(WEFT_CACHE_ENTRIES, sizeof *w->cache)) == NULL)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    weft_cache_entry *entry = &w->cache[weft_bytes_hash(piece.data, piece.length) & (WEFT_CACHE_ENTRIES - 1)];
    if (entry->length != piece.length || memcmp(entry->text, piece.data, piece.length) != 0) {
        size_t before = out->count;
        weft_status status = encode_word(m, w, piece, out);
        size_t count = out->count - before;
        if (status == WEFT_OK && count <= WEFT_CACHED_IDS && !out->failed) {
            entry->length = (uint8_t)piece.length;
            entry->count = (uint8_t)count;
            memcpy(entry->text, piece.data, piece.length);
            for (size_t i = 0; i < count; i++)
                entry->ids[i] = (int32_t)out->ids[before + i];
        }
        return status;
    }
    if (out->count + WEFT_CACHED_IDS <= out->capacity || weft_tokens_reserve(out, WEFT_CACHED_IDS)) {
        for (size_t i = 0; i < entry->count; i++)
            out->ids[out->count + i] = entry->ids[i];
        out->count += entry->count;
    }
    return WEFT_OK;
}

/* Whether a piece may be cut beside the character: not where unknown ones might be joined into one token. */
static bool stands_alone(const weft_bpe *bpe, uint32_t code)
{
    int32_t symbol = bpe->neighbours->anywhere ? 0 : symbol_of(bpe, code);
    return symbol >= 0 && symbol < bpe->token_count;
}

weft_status weft_bpe_encode(const weft_token_model *m, weft_model_work *w, weft_span piece, weft_tokens *out)
{
    const weft_bpe *bpe = &m->bpe;
    if (!bpe->neighbours)
        return encode_cached(m, w, piece, out);
    weft_status status = WEFT_OK;
    const char *from = piece.data, *at = piece.data, *end = piece.data + piece.length;
    uint32_t left = at < end ? weft_utf8_next(&at) : 0;
    while (at < end && status == WEFT_OK) {
        const char *border = at;
        uint32_t right = weft_utf8_next(&at);
        if (!weft_bpe_may_join(bpe->neighbours, left, right) && stands_alone(bpe, left) && stands_alone(bpe, right)) {
            status = encode_cached(m, w, weft_span_part(piece, (size_t)(from - piece.data), (size_t)(border - piece.data)), out);
            from = border;
        }
        left = right;
    }
    if (status == WEFT_OK && from < end)
        status = encode_cached(m, w, weft_span_part(piece, (size_t)(from - piece.data), piece.length), out);
    return status;
}
