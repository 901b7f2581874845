/* Distinct values by a hash table of their numbers, half full at most. */
#include "kernels/distinct.h"

#include <string.h>

/* The table's size as a power of two. */
static int table_bits(int64_t n)
{
    int bits = 4;
    while ((int64_t)1 << bits < 2 * n)
        bits++;
    return bits;
}

size_t weft_distinct_scratch(int64_t n)
{
    return (((size_t)1 << table_bits(n)) + (size_t)n) * sizeof(int32_t);
}

static uint64_t bits_at(const void *x, size_t size, int64_t i)
{
    uint32_t narrow;
    uint64_t wide;
    if (size == sizeof wide) {
        memcpy(&wide, (const char *)x + (size_t)i * size, sizeof wide);
        return wide;
    }
    memcpy(&narrow, (const char *)x + (size_t)i * size, sizeof narrow);
    return narrow;
}

int64_t weft_distinct(int64_t n, size_t size, const void *x, int64_t step, void *scratch, void *values, int32_t *start,
                      int32_t *list)
{
    const int bits = table_bits(n);
    const size_t mask = ((size_t)1 << bits) - 1;
    int32_t *table = scratch, *value_of = table + mask + 1, count = 0; /* 1 + the number of a value; 0: free */
    memset(table, 0, (mask + 1) * sizeof *table);
    start[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t key = bits_at(x, size, i * step);
        size_t at = (size_t)((key * 0x9E3779B97F4A7C15u) >> (64 - bits));
        while (table[at] && bits_at(values, size, table[at] - 1) != key)
            at = (at + 1) & mask;
        if (!table[at]) {
            table[at] = ++count;
            memcpy((char *)values + (size_t)(count - 1) * size, (const char *)x + (size_t)(i * step) * size, size);
            start[count] = 0;
        }
        value_of[i] = table[at] - 1;
        start[table[at]]++; /* how many rows, one place further */
    }
    for (int32_t v = 0; v < count; v++)
        start[v + 1] += start[v];
    for (int64_t i = n - 1; i >= 0; i--) /* from the last row on: each value's rows fill from their end */
        list[--start[value_of[i] + 1]] = (int32_t)i;
    /* start[v + 1] is where value v begins by now */
    memmove(start, start + 1, (size_t)count * sizeof *start);
    start[count] = (int32_t)n;
    return count;
}
