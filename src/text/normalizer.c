/* The steps of normalizers. */
#include "text/normalizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void weft_normalizer_free(weft_normalizer *n)
{
    for (int i = 0; i < n->step_count; i++)
        weft_normalizer_free(&n->steps[i]);
    free(n->steps);
    free(n->pattern);
    free(n->content);
    free(n->map.units);
    free(n->map.texts);
    weft_regex_free(n->regex);
    *n = (weft_normalizer){0};
}

/* ---- one character at a time ---- */

/* The character at byte *at of a valid span, what it stands for, and the way past it. */
static uint32_t next_code(weft_span in, size_t *at, weft_range *range)
{
    const char *c = in.data + *at;
    size_t begin = *at;
    uint32_t code = weft_utf8_next(&c);
    *at = (size_t)(c - in.data);
    *range = weft_span_range(in, begin, *at);
    return code;
}

static void put_lower(uint32_t code, weft_range range, weft_spelling *out)
{
    uint32_t lower[2];
    int count = weft_unicode_lower(code, lower);
    for (int i = 0; i < count; i++)
        weft_spelling_code(out, lower[i], range);
}

static void lowercase(weft_span in, weft_spelling *out)
{
    weft_range range;
    for (size_t at = 0; at < in.length;) {
        uint32_t code = next_code(in, &at, &range);
        put_lower(code, range, out);
    }
}

static void strip_accents(weft_span in, weft_spelling *out)
{
    weft_range range;
    for (size_t at = 0; at < in.length;) {
        size_t begin = at;
        uint32_t code = next_code(in, &at, &range);
        if (!(weft_unicode_classes(code) & WEFT_IS_MARK))
            weft_spelling_copy(out, in, begin, at);
    }
}

static void byte_level(weft_span in, weft_spelling *out)
{
    for (size_t at = 0; at < in.length; at++)
        weft_spelling_code(out, weft_byte_letter((uint8_t)in.data[at]), weft_span_range(in, at, at + 1));
}

/* The filter and the white space of SentencePiece's nmt rules. */
static void nmt(weft_span in, weft_spelling *out)
{
    weft_range range;
    for (size_t at = 0; at < in.length;) {
        size_t begin = at;
        uint32_t c = next_code(in, &at, &range);
        bool dropped = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
        bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 ||
                     c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
        if (space)
            weft_spelling_add(out, " ", 1, range);
        else if (!dropped)
            weft_spelling_copy(out, in, begin, at);
    }
}

static void strip(const weft_normalizer *n, weft_span in, weft_spelling *out)
{
    size_t begin = 0, end = in.length, next = 0;
    weft_range range;
    while (n->left && begin < end && weft_unicode_classes(next_code(in, &next, &range)) & WEFT_IS_SPACE)
        begin = next;
    while (n->right && end > begin) {
        size_t last = end - 1;
        while (last > begin && ((unsigned char)in.data[last] & 0xC0) == 0x80)
            last--;
        next = last;
        if (!(weft_unicode_classes(next_code(in, &next, &range)) & WEFT_IS_SPACE))
            break;
        end = last;
    }
    weft_spelling_copy(out, in, begin, end);
}

/* ---- normal forms (UAX 15) ---- */

typedef struct letter {
    uint32_t code;
    int class;
    weft_range range;
} letter;

typedef struct letters {
    letter *list;
    size_t count, capacity;
} letters;

static bool push(letters *l, letter one)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity * 2 + 64;
        letter *list = realloc(l->list, capacity * sizeof *list);
        if (!list)
            return false;
        l->list = list;
        l->capacity = capacity;
    }
    l->list[l->count++] = one;
    return true;
}

/* Marks in the order of their classes, stably. Runs are short but for hostile texts, where qsort's order of equal
 * classes would matter: those are counted out. */
static bool order_marks(letters *l, size_t begin)
{
    size_t count = l->count - begin;
    letter *run = l->list + begin;
    if (count <= 32) {
        for (size_t i = 1; i < count; i++)
            for (size_t j = i; j > 0 && run[j - 1].class > run[j].class; j--) {
                letter swap = run[j];
                run[j] = run[j - 1];
                run[j - 1] = swap;
            }
        return true;
    }
    letter *sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return false;
    size_t place[257] = {0};
    for (size_t i = 0; i < count; i++)
        place[(run[i].class & 255) + 1]++;
    for (int c = 0; c < 256; c++)
        place[c + 1] += place[c];
    for (size_t i = 0; i < count; i++)
        sorted[place[run[i].class & 255]++] = run[i];
    memcpy(run, sorted, count * sizeof *run);
    free(sorted);
    return true;
}

static bool decompose(weft_span in, bool compatibility, letters *l)
{
    size_t marks = 0; /* where the run of marks at the end begins */
    weft_range range;
    for (size_t at = 0; at < in.length;) {
        uint32_t code = next_code(in, &at, &range), parts[WEFT_DECOMPOSED] = {code};
        int count = code < 128 ? 1 : weft_unicode_decompose(code, compatibility, parts);
        for (int i = 0; i < count; i++) {
            int class = parts[i] < 128 ? 0 : weft_unicode_combining(parts[i]);
            if (class == 0) {
                if (l->count - marks > 1 && !order_marks(l, marks))
                    return false;
                marks = l->count + 1;
            }
            if (!push(l, (letter){parts[i], class, range}))
                return false;
        }
    }
    return l->count <= marks + 1 || order_marks(l, marks);
}

static void compose(letters *l)
{
    size_t starter = SIZE_MAX, kept = 0;
    int last = 0; /* class of the letter before, when it is not the starter itself */
    for (size_t i = 0; i < l->count; i++) {
        letter one = l->list[i];
        bool blocked = starter == SIZE_MAX || (kept - 1 > starter && last >= one.class);
        uint32_t both = blocked ? 0 : weft_unicode_compose(l->list[starter].code, one.code);
        if (both) {
            l->list[starter].code = both;
            l->list[starter].range.to = one.range.to > l->list[starter].range.to ? one.range.to : l->list[starter].range.to;
            continue;
        }
        if (one.class == 0)
            starter = kept;
        last = one.class;
        l->list[kept++] = one;
    }
    l->count = kept;
}

static bool is_ascii(weft_span in)
{
    unsigned char all = 0;
    for (size_t i = 0; i < in.length; i++)
        all |= (unsigned char)in.data[i];
    return all < 0x80;
}

static weft_status normal_form(weft_normal_form form, weft_span in, weft_spelling *out)
{
    if (is_ascii(in)) {
        weft_spelling_copy(out, in, 0, in.length);
        return WEFT_OK;
    }
    letters l = {0};
    bool fits = decompose(in, form == WEFT_NFKC || form == WEFT_NFKD, &l);
    if (fits && (form == WEFT_NFC || form == WEFT_NFKC))
        compose(&l);
    for (size_t i = 0; fits && i < l.count; i++)
        weft_spelling_code(out, l.list[i].code, l.list[i].range);
    free(l.list);
    return fits ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short for a text of %zu bytes", in.length);
}

/* ---- replacing ---- */

static weft_status replace(const weft_normalizer *n, weft_regex_match *match, weft_span in, weft_spelling *out)
{
    size_t from = 0, begin = 0, end = 0;
    for (size_t at = 0; at <= in.length;) {
        bool found;
        if (n->regex) {
            weft_status status = weft_regex_search(n->regex, match, in.data, in.length, at, &found, &begin, &end);
            if (status != WEFT_OK)
                return status;
        } else {
            const char *place = n->pattern_length ? memmem(in.data + at, in.length - at, n->pattern, n->pattern_length) : NULL;
            found = place != NULL;
            begin = found ? (size_t)(place - in.data) : 0;
            end = begin + n->pattern_length;
        }
        if (!found)
            break;
        weft_spelling_copy(out, in, from, begin);
        weft_spelling_add(out, n->content, n->content_length, weft_span_range(in, begin, end));
        from = at = end;
        if (end == begin && at < in.length) { /* an empty match: go on behind the next character */
            at += weft_utf8_at(in.data + at, in.data + in.length).length;
            weft_spelling_copy(out, in, from, at);
            from = at;
        } else if (end == begin) {
            break;
        }
    }
    weft_spelling_copy(out, in, from, in.length);
    return WEFT_OK;
}

/* ---- BERT ---- */

static void bert_clean(const weft_normalizer *n, weft_span in, weft_spelling *out)
{
    bool clean = n->clean_text, ideographs = n->ideographs;
    unsigned dropped = WEFT_IS_CONTROL | (n->no_unassigned ? WEFT_IS_UNASSIGNED : 0u);
    weft_range range;
    for (size_t at = 0; at < in.length;) {
        size_t begin = at;
        uint32_t code = next_code(in, &at, &range);
        unsigned classes = weft_unicode_classes(code);
        if (clean && classes & WEFT_IS_SPACE && (!(classes & WEFT_IS_CONTROL) || code == '\t' || code == '\n' || code == '\r')) {
            weft_spelling_add(out, " ", 1, range);
        } else if (clean && (code == WEFT_REPLACEMENT || classes & dropped)) {
            continue;
        } else if (ideographs && classes & WEFT_IS_IDEOGRAPH) {
            weft_spelling_add(out, " ", 1, (weft_range){range.from, range.from});
            weft_spelling_copy(out, in, begin, at);
            weft_spelling_add(out, " ", 1, (weft_range){range.to, range.to});
        } else {
            weft_spelling_copy(out, in, begin, at);
        }
    }
}

/* ---- all kinds ---- */

static weft_status apply(const weft_normalizer *n, weft_regex_match *match, weft_span in, weft_spelling room[2], int *next,
                         weft_span *out);

/* One step that needs no other: from `in` into the next of the two rooms. */
static weft_status apply_one(const weft_normalizer *n, weft_regex_match *match, weft_span in, weft_spelling room[2], int *next,
                             weft_span *out)
{
    weft_spelling *to = &room[*next];
    weft_status status = WEFT_OK;
    weft_spelling_clear(to, room[0].traced);
    switch (n->kind) {
    case WEFT_NORMALIZER_FORM:
        status = normal_form(n->form, in, to);
        break;
    case WEFT_NORMALIZER_LOWERCASE:
        lowercase(in, to);
        break;
    case WEFT_NORMALIZER_STRIP:
        strip(n, in, to);
        break;
    case WEFT_NORMALIZER_STRIP_ACCENTS:
        strip_accents(in, to);
        break;
    case WEFT_NORMALIZER_REPLACE:
        status = replace(n, match, in, to);
        break;
    case WEFT_NORMALIZER_PREPEND:
        if (in.length > 0) {
            uint32_t at = weft_span_range(in, 0, 0).from;
            weft_spelling_add(to, n->content, n->content_length, (weft_range){at, at});
        }
        weft_spelling_copy(to, in, 0, in.length);
        break;
    case WEFT_NORMALIZER_BYTE_LEVEL:
        byte_level(in, to);
        break;
    case WEFT_NORMALIZER_NMT:
        nmt(in, to);
        break;
    case WEFT_NORMALIZER_PRECOMPILED:
        weft_normalize_precompiled(n, in, to);
        break;
    case WEFT_NORMALIZER_BERT:
        bert_clean(n, in, to);
        break;
    case WEFT_NORMALIZER_SEQUENCE:
        break;
    }
    if (status == WEFT_OK && to->failed)
        status = weft_fail(WEFT_ERROR_MEMORY, "memory is short for a text of %zu bytes", in.length);
    if (status == WEFT_OK) {
        *out = weft_spelling_span(to, 0, to->length);
        *next ^= 1;
    }
    return status;
}

static weft_status apply(const weft_normalizer *n, weft_regex_match *match, weft_span in, weft_spelling room[2], int *next,
                         weft_span *out)
{
    weft_status status = WEFT_OK;
    if (n->kind == WEFT_NORMALIZER_SEQUENCE) {
        *out = in;
        for (int i = 0; i < n->step_count && status == WEFT_OK; i++)
            status = apply(&n->steps[i], match, *out, room, next, out);
        return status;
    }
    if (n->kind != WEFT_NORMALIZER_BERT)
        return apply_one(n, match, in, room, next, out);
    static const weft_normalizer nfd = {.kind = WEFT_NORMALIZER_FORM, .form = WEFT_NFD};
    static const weft_normalizer no_accents = {.kind = WEFT_NORMALIZER_STRIP_ACCENTS};
    static const weft_normalizer small = {.kind = WEFT_NORMALIZER_LOWERCASE};
    *out = in;
    if (n->clean_text || n->ideographs)
        status = apply_one(n, match, *out, room, next, out);
    if (status == WEFT_OK && n->strip_accents)
        status = apply_one(&nfd, match, *out, room, next, out);
    if (status == WEFT_OK && n->strip_accents)
        status = apply_one(&no_accents, match, *out, room, next, out);
    if (status == WEFT_OK && n->lowercase)
        status = apply_one(&small, match, *out, room, next, out);
    return status;
}

weft_status weft_normalize(const weft_normalizer *n, weft_regex_match *match, weft_span in, weft_spelling room[2], weft_span *out)
{
    int next = 0;
    return apply(n, match, in, room, &next, out);
}
