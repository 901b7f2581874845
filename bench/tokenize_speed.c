/* How fast a tokenizer reads a text, on one thread: the best of several runs, the whole text in one call and line by line.
 *
 *     make -C build bench_tokenize_speed && build/bench_tokenize_speed TOKENIZER TEXT [ROUNDS]
 *
 * Prints one line of JSON a way: name, seconds, MB/s (10^6 bytes), tokens. bench/peers/tokenize_speed.py sets it beside others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/files.h"
#include "weft/text.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static weft_status whole(weft_encoding *e, const char *text, size_t size, size_t *tokens)
{
    weft_status status = weft_encode(e, text, size, NULL);
    *tokens = weft_encoding_count(e);
    return status;
}

static weft_status lines(weft_encoding *e, const char *text, size_t size, size_t *tokens)
{
    weft_status status = WEFT_OK;
    *tokens = 0;
    for (const char *at = text, *end = text + size, *next; at < end && status == WEFT_OK; at = next) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        next = stop ? stop + 1 : end;
        status = weft_encode(e, at, (size_t)((stop ? stop : end) - at), NULL);
        *tokens += weft_encoding_count(e);
    }
    return status;
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        weft_status (*run)(weft_encoding *, const char *, size_t, size_t *);
    } ways[] = {{"whole", whole}, {"lines", lines}};
    weft_tokenizer *t = NULL;
    weft_encoding *e = NULL;
    char *text = NULL;
    size_t size = 0, tokens = 0;
    if (count < 3) {
        fprintf(stderr, "usage: bench_tokenize_speed TOKENIZER TEXT [ROUNDS]\n");
        return 2;
    }
    double begin = now();
    weft_status status = weft_tokenizer_open(arguments[1], &t);
    double opening = now() - begin;
    if (status == WEFT_OK)
        status = weft_file_read(arguments[2], (size_t)1 << 30, &text, &size);
    for (size_t k = 0; k < 2 && status == WEFT_OK; k++) {
        double best = 1e300, first = 0;
        for (int round = 0; round < (count > 3 ? atoi(arguments[3]) : 10) && status == WEFT_OK; round++) {
            if (round == 0) { /* also the first call, with nothing in the caches */
                weft_encoding_free(e);
                status = weft_encoding_new(t, &e);
            }
            begin = now();
            if (status == WEFT_OK)
                status = ways[k].run(e, text, size, &tokens);
            double seconds = now() - begin;
            first = round ? first : seconds;
            best = seconds < best ? seconds : best;
        }
        if (status == WEFT_OK)
            printf("{\"name\": \"%s\", \"seconds\": %.6f, \"mbps\": %.2f, \"first_mbps\": %.2f, \"tokens\": %zu, "
                   "\"open_seconds\": %.4f}\n",
                   ways[k].name, best, (double)size / best * 1e-6, (double)size / first * 1e-6, tokens, opening);
    }
    if (status != WEFT_OK)
        fprintf(stderr, "%s\n", weft_error());
    free(text);
    weft_encoding_free(e);
    weft_tokenizer_free(t);
    return status != WEFT_OK;
}
