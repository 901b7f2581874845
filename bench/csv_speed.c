/* How fast a CSV file is read: `csv_speed FILE [REPEATS]` prints the best of some reads, in MB/s, for one thread and for all. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/threads.h"
#include "io/csv.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: csv_speed FILE [REPEATS]\n");
        return 2;
    }
    int repeats = count > 2 ? atoi(arguments[2]) : 5;
    FILE *file = fopen(arguments[1], "rb");
    long size = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : 0;
    if (file)
        fclose(file);
    for (int round = 0; round < 2; round++) {
        weft_csv_options options = {.threads = round == 0 ? 1 : weft_cores()};
        double best = 1e30;
        long long rows = 0;
        int columns = 0;
        for (int i = 0; i < repeats; i++) {
            double start = now();
            weft_csv *csv;
            if (weft_csv_read(arguments[1], &options, &csv) != WEFT_OK) {
                fprintf(stderr, "csv_speed: %s\n", weft_error());
                return 1;
            }
            double seconds = now() - start;
            best = seconds < best ? seconds : best;
            rows = (long long)weft_csv_rows(csv);
            columns = weft_csv_columns(csv);
            weft_csv_free(csv);
        }
        printf("%d thread%s: %lld rows, %d columns, %.1f MB in %.4f s: %.0f MB/s\n", options.threads,
               options.threads == 1 ? "" : "s", rows, columns, (double)size / 1e6, best, (double)size / 1e6 / best);
    }
    return 0;
}
