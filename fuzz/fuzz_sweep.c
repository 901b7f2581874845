/* Any bytes as a sweep's journal: never a crash or a leak; a point that was taken has its numbers, or a reason. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hardware/sweep_inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64], lock[80];

static void remove_files(void)
{
    unlink(path);
    unlink(lock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_sweep_point points[3] = {{.name = "a", .checksum = 1}, {.name = "b", .checksum = 2}, {.name = "a", .checksum = 1}};
    weft_sweep_journal *journal = NULL;
    int64_t taken = 0, done = 0;
    if (!path[0]) {
        snprintf(path, sizeof path, "/tmp/weft-fuzz-sweep-%d", (int)getpid());
        snprintf(lock, sizeof lock, "%s.lock", path);
        atexit(remove_files);
    }
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
    if (weft_sweep_journal_open(points, 3, path, &journal) == WEFT_OK)
        (void)weft_sweep_journal_read(journal, &taken);
    for (int i = 0; i < 3; i++) {
        done += points[i].done;
        for (int k = 0; points[i].done && !points[i].failed && k < WEFT_SWEEP_NUMBERS; k++)
            if (!isfinite(weft_sweep_value(&points[i], k)))
                abort();
        if (points[i].failed && !points[i].error)
            abort();
    }
    if (done != taken)
        abort();
    weft_sweep_journal_close(journal);
    weft_sweep_free(points, 3);
    return 0;
}
