/* The steps of pre-tokenizers. */
#include "text/splitter.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/normalizer.h"
#include "text/unicode.h"

void weft_splitter_free(weft_splitter *s)
{
    for (int i = 0; i < s->step_count; i++)
        weft_splitter_free(&s->steps[i]);
    free(s->steps);
    free(s->text);
    weft_regex_free(s->regex);
    *s = (weft_splitter){0};
}

void weft_pieces_free(weft_pieces *p)
{
    weft_spelling_free(&p->text);
    free(p->cuts);
    *p = (weft_pieces){0};
}

void weft_pieces_add(weft_pieces *p, size_t begin, size_t end)
{
    if (begin >= end || p->failed)
        return;
    if (p->count == p->capacity) {
        size_t capacity = 2 * p->capacity + 256;
        weft_cut *cuts = realloc(p->cuts, capacity * sizeof *cuts);
        if (!cuts) {
            p->failed = true;
            return;
        }
        p->cuts = cuts;
        p->capacity = capacity;
    }
    p->cuts[p->count++] = (weft_cut){(uint32_t)begin, (uint32_t)end};
}

/* ---- cutting at what is found ---- */

/* The next place in in[from … stop), by all finders but regular expressions; false when there is none. */
static bool find(const weft_splitter *s, weft_span in, size_t from, size_t stop, size_t *begin, size_t *end)
{
    if (from >= stop)
        return false;
    if (s->scan) {
        *begin = from;
        *end = from + s->scan(in.data + from, in.data + stop);
        return true;
    }
    if (s->text) {
        const char *place = s->text_length ? memmem(in.data + from, stop - from, s->text, s->text_length) : NULL;
        *begin = place ? (size_t)(place - in.data) : stop;
        *end = *begin + s->text_length;
        return place != NULL;
    }
    for (const char *at = in.data + from, *last = in.data + stop; at < last;) {
        const char *next = at;
        if (weft_unicode_classes(weft_utf8_next(&next)) & s->classes) {
            *begin = (size_t)(at - in.data);
            *end = (size_t)(next - in.data);
            return true;
        }
        at = next;
    }
    return false;
}

/* Puts matches and what lies between them together as the behaviour says (the order of cuts is that of the text). */
typedef struct joiner {
    weft_pieces *out;
    weft_split_behavior behavior;
    bool any, last_matched; /* of the part before */
    bool waiting;           /* MERGED_WITH_NEXT: a match that may join what follows */
    size_t begin, end;      /* the waiting match; CONTIGUOUS: the run so far */
} joiner;

static void join(joiner *j, size_t begin, size_t end, bool matched)
{
    weft_pieces *out = j->out;
    if (begin == end)
        return;
    switch (j->behavior) {
    case WEFT_SPLIT_ISOLATED:
        weft_pieces_add(out, begin, end);
        break;
    case WEFT_SPLIT_REMOVED:
        if (!matched)
            weft_pieces_add(out, begin, end);
        break;
    case WEFT_SPLIT_MERGED_WITH_PREVIOUS:
        if (matched && j->any && !j->last_matched && !out->failed)
            out->cuts[out->count - 1].end = (uint32_t)end;
        else
            weft_pieces_add(out, begin, end);
        break;
    case WEFT_SPLIT_MERGED_WITH_NEXT:
        if (j->waiting && matched)
            weft_pieces_add(out, j->begin, j->end);
        else if (j->waiting)
            begin = j->begin;
        j->waiting = matched;
        j->begin = begin;
        j->end = end;
        if (!matched)
            weft_pieces_add(out, begin, end);
        break;
    case WEFT_SPLIT_CONTIGUOUS:
        if (j->any && matched == j->last_matched) {
            j->end = end;
        } else {
            if (j->any)
                weft_pieces_add(out, j->begin, j->end);
            j->begin = begin;
            j->end = end;
        }
        break;
    }
    j->any = true;
    j->last_matched = matched;
}

static void join_end(joiner *j)
{
    if (j->waiting || (j->behavior == WEFT_SPLIT_CONTIGUOUS && j->any))
        weft_pieces_add(j->out, j->begin, j->end);
}

static weft_status split_cut(const weft_splitter *s, weft_regex_match *match, weft_span in, weft_cut cut, weft_pieces *out)
{
    joiner j = {.out = out, .behavior = s->behavior};
    size_t from = cut.begin, at = cut.begin;
    while (at <= cut.end) {
        size_t begin = 0, end = 0;
        bool found = false;
        weft_status status = WEFT_OK;
        if (s->regex) { /* look-arounds must not see beyond the piece */
            status = weft_regex_search(s->regex, match, in.data + cut.begin, cut.end - cut.begin, at - cut.begin, &found, &begin,
                                       &end);
            begin += cut.begin;
            end += cut.begin;
        } else {
            found = find(s, in, at, cut.end, &begin, &end);
        }
        if (status != WEFT_OK)
            return status;
        if (!found)
            break;
        join(&j, from, begin, s->invert);
        join(&j, begin, end, !s->invert);
        from = at = end;
        if (begin == end) { /* an empty match: it cuts, and the search goes on behind the next character */
            if (at == cut.end)
                break;
            at += weft_utf8_at(in.data + at, in.data + cut.end).length;
        }
    }
    join(&j, from, cut.end, s->invert);
    join_end(&j);
    return WEFT_OK;
}

static weft_status split_all(const weft_splitter *s, weft_regex_match *match, const weft_pieces *in, weft_pieces *out)
{
    weft_status status = WEFT_OK;
    if (s->scan && s->behavior == WEFT_SPLIT_ISOLATED) {
        for (size_t i = 0; i < in->count; i++) {
            const char *data = in->span.data;
            for (size_t at = in->cuts[i].begin, end = in->cuts[i].end; at < end;) {
                size_t length = s->scan(data + at, data + end);
                weft_pieces_add(out, at, at + length);
                at += length;
            }
        }
        return WEFT_OK;
    }
    for (size_t i = 0; i < in->count && status == WEFT_OK; i++)
        status = split_cut(s, match, in->span, in->cuts[i], out);
    return status;
}

/* ---- steps that write a new text ---- */

static void byte_level(const weft_splitter *s, const weft_pieces *in, weft_pieces *out)
{
    for (size_t i = 0; i < in->count; i++) {
        size_t begin = out->text.length;
        weft_cut cut = in->cuts[i];
        if (s->prefix_space && in->span.data[cut.begin] != ' ') {
            uint32_t at = weft_span_range(in->span, cut.begin, cut.begin).from;
            weft_spelling_add(&out->text, " ", 1, (weft_range){at, at});
        }
        weft_spelling_copy(&out->text, in->span, cut.begin, cut.end);
        weft_pieces_add(out, begin, out->text.length);
    }
}

static void byte_letters(const weft_pieces *in, weft_pieces *out)
{
    for (size_t i = 0; i < in->count; i++) {
        size_t begin = out->text.length;
        for (size_t at = in->cuts[i].begin; at < in->cuts[i].end; at++)
            weft_spelling_code(&out->text, weft_byte_letter((uint8_t)in->span.data[at]), weft_span_range(in->span, at, at + 1));
        weft_pieces_add(out, begin, out->text.length);
    }
}

static void metaspace(const weft_splitter *s, const weft_pieces *in, bool first, weft_pieces *out)
{
    for (size_t i = 0; i < in->count; i++) {
        size_t begin = out->text.length, from = in->cuts[i].begin, end = in->cuts[i].end;
        const char *data = in->span.data;
        bool begins = data[from] == ' ' || (end - from >= s->text_length && memcmp(data + from, s->text, s->text_length) == 0);
        if (!begins && (s->scheme == WEFT_PREPEND_ALWAYS || (s->scheme == WEFT_PREPEND_FIRST && first && i == 0))) {
            uint32_t at = weft_span_range(in->span, from, from).from;
            weft_spelling_add(&out->text, s->text, s->text_length, (weft_range){at, at});
        }
        while (from < end) {
            const char *space = memchr(data + from, ' ', end - from);
            size_t at = space ? (size_t)(space - data) : end;
            weft_spelling_copy(&out->text, in->span, from, at);
            if (space)
                weft_spelling_add(&out->text, s->text, s->text_length, weft_span_range(in->span, at, at + 1));
            from = at + (space != NULL);
        }
        weft_pieces_add(out, begin, out->text.length);
    }
}

/* ---- all steps ---- */

typedef struct progress {
    weft_pieces *now, *next;
    weft_regex_match *match;
    bool first, traced;
} progress;

/* The step's result stands in `next`; a text that it wrote becomes its span. */
static weft_status advance(progress *p, bool wrote)
{
    weft_pieces *out = p->next;
    if (out->failed || out->text.failed)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for a text of %zu bytes", p->now->span.length);
    out->span = wrote ? weft_spelling_span(&out->text, 0, out->text.length) : p->now->span;
    p->next = p->now;
    p->now = out;
    return WEFT_OK;
}

/* `wrote` may not hit the room whose text the span still points into: so a step that only cuts takes the cuts alone. */
static weft_status apply(const weft_splitter *s, progress *p)
{
    weft_status status = WEFT_OK;
    if (s->kind == WEFT_SPLITTER_SEQUENCE) {
        for (int i = 0; i < s->step_count && status == WEFT_OK; i++)
            status = apply(&s->steps[i], p);
        return status;
    }
    p->next->count = 0;
    p->next->failed = false;
    if (s->kind == WEFT_SPLITTER_SPLIT) {
        if ((status = split_all(s, p->match, p->now, p->next)) != WEFT_OK)
            return status;
        weft_spelling text = p->next->text; /* the written text goes along with the cuts */
        p->next->text = p->now->text;
        p->now->text = text;
        return advance(p, false);
    }
    weft_spelling_clear(&p->next->text, p->traced);
    if (s->kind == WEFT_SPLITTER_METASPACE) {
        metaspace(s, p->now, p->first, p->next);
        return advance(p, true);
    }
    if (s->prefix_space) {
        byte_level(s, p->now, p->next);
        if ((status = advance(p, true)) != WEFT_OK)
            return status;
    }
    if (s->step_count && (status = apply(&s->steps[0], p)) != WEFT_OK) /* its own expression */
        return status;
    if (s->bytes_as_they_are)
        return WEFT_OK;
    p->next->count = 0;
    p->next->failed = false;
    weft_spelling_clear(&p->next->text, p->traced);
    byte_letters(p->now, p->next);
    return advance(p, true);
}

weft_status weft_split(const weft_splitter *s, weft_regex_match *match, weft_span in, bool first, bool traced,
                       weft_pieces room[2], weft_pieces **out)
{
    room[0].span = in;
    room[0].count = 0;
    room[0].failed = false;
    weft_pieces_add(&room[0], 0, in.length);
    progress p = {.now = &room[0], .next = &room[1], .match = match, .first = first, .traced = traced};
    weft_status status = room[0].failed ? weft_fail(WEFT_ERROR_MEMORY, "memory is short") : apply(s, &p);
    *out = p.now;
    return status;
}
