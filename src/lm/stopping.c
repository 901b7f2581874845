/* Stop strings. The text held back is always shorter than the longest stop string: the longest end of it that begins one. */
#include "lm/stopping.h"

#include <stdlib.h>
#include <string.h>

struct weft_stopper {
    char **stops;
    size_t *lengths;
    int count;
    weft_text held;
    bool stopped;
};

weft_status weft_stopper_new(const char *const *stops, int count, weft_stopper **out)
{
    *out = NULL;
    for (int i = 0; i < count; i++)
        if (!stops[i][0])
            return weft_fail(WEFT_ERROR_ARGUMENT, "a stop string is empty");
    weft_stopper *s = calloc(1, sizeof *s);
    if (s) {
        s->stops = calloc((size_t)count + 1, sizeof *s->stops);
        s->lengths = calloc((size_t)count + 1, sizeof *s->lengths);
    }
    bool short_of_memory = !s || !s->stops || !s->lengths;
    for (int i = 0; !short_of_memory && i < count; i++) {
        s->lengths[i] = strlen(stops[i]);
        s->stops[i] = strdup(stops[i]);
        s->count = i + 1;
        short_of_memory = !s->stops[i];
    }
    if (short_of_memory) {
        weft_stopper_free(s);
        return weft_fail(WEFT_ERROR_MEMORY, "stop strings: memory is short");
    }
    *out = s;
    return WEFT_OK;
}

void weft_stopper_free(weft_stopper *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->count; i++)
        free(s->stops[i]);
    free(s->stops);
    free(s->lengths);
    weft_text_free(&s->held);
    free(s);
}

void weft_stopper_reset(weft_stopper *s)
{
    s->held.length = 0;
    s->stopped = false;
}

/* Where the first stop string in the held text begins; its length when there is none. */
static size_t first_stop(const weft_stopper *s)
{
    size_t first = s->held.length;
    for (int i = 0; i < s->count; i++) {
        const char *found = s->held.length ? memmem(s->held.data, s->held.length, s->stops[i], s->lengths[i]) : NULL;
        if (found && (size_t)(found - s->held.data) < first)
            first = (size_t)(found - s->held.data);
    }
    return first;
}

/* Bytes at the held text's end that begin a stop string. */
static size_t possible_stop(const weft_stopper *s)
{
    size_t most = 0;
    for (int i = 0; i < s->count; i++) {
        size_t length = s->lengths[i] - 1 < s->held.length ? s->lengths[i] - 1 : s->held.length;
        while (length > most && memcmp(s->held.data + s->held.length - length, s->stops[i], length) != 0)
            length--;
        most = length > most ? length : most;
    }
    return most;
}

static weft_status release(weft_stopper *s, size_t count, weft_text *out)
{
    if (count)
        weft_text_bytes(out, s->held.data, count);
    if (out->failed || s->held.failed)
        return weft_fail(WEFT_ERROR_MEMORY, "generated text: memory is short");
    memmove(s->held.data, s->held.data + count, s->held.length - count);
    s->held.length -= count;
    return WEFT_OK;
}

weft_status weft_stopper_add(weft_stopper *s, const char *bytes, size_t length, weft_text *out, bool *stopped)
{
    *stopped = s->stopped;
    if (s->stopped || length == 0)
        return WEFT_OK;
    weft_text_bytes(&s->held, bytes, length);
    if (s->held.failed)
        return weft_fail(WEFT_ERROR_MEMORY, "generated text: memory is short");
    size_t first = first_stop(s);
    s->stopped = *stopped = first < s->held.length;
    return release(s, s->stopped ? first : s->held.length - possible_stop(s), out);
}

weft_status weft_stopper_finish(weft_stopper *s, weft_text *out)
{
    return s->stopped || s->held.length == 0 ? WEFT_OK : release(s, s->held.length, out);
}
