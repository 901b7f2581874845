/* Tables after preprocessing: storage, one-hot codes, rows that occur twice. */
#include "tabular/table.h"

#include <stdlib.h>
#include <string.h>

const char *const weft_task_names[WEFT_TASKS] = {"regression", "binary", "multiclass"};

weft_status weft_table_new(int64_t rows, int n_num, int n_bin, int n_cat, int schema_columns, weft_table **out)
{
    *out = NULL;
    size_t n = (size_t)rows;
    weft_table *t = calloc(1, sizeof *t);
    if (!t)
        return weft_fail(WEFT_ERROR_MEMORY, "table: out of memory");
    t->rows = rows;
    t->n_num = n_num;
    t->n_bin = n_bin;
    t->n_cat = n_cat;
    /* One element more than needed: an empty group still has an address of its own. */
    t->x_num = calloc(n * (size_t)n_num + 1, sizeof *t->x_num);
    t->x_bin = calloc(n * (size_t)n_bin + 1, sizeof *t->x_bin);
    t->x_cat = calloc(n * (size_t)n_cat + 1, sizeof *t->x_cat);
    t->row = calloc(n + 1, sizeof *t->row);
    t->unseen = calloc((size_t)schema_columns + 1, sizeof *t->unseen);
    t->filled = calloc((size_t)schema_columns + 1, sizeof *t->filled);
    if (!t->x_num || !t->x_bin || !t->x_cat || !t->row || !t->unseen || !t->filled) {
        weft_table_free(t);
        return weft_fail(WEFT_ERROR_MEMORY, "table: no memory for %lld rows of %d columns", (long long)rows,
                         n_num + n_bin + n_cat);
    }
    *out = t;
    return WEFT_OK;
}

void weft_table_free(weft_table *t)
{
    if (!t)
        return;
    free(t->x_num);
    free(t->x_bin);
    free(t->x_cat);
    free(t->y);
    free(t->label);
    free(t->row);
    free(t->unseen);
    free(t->filled);
    weft_text_free(&t->notes);
    free(t);
}

void weft_table_one_hot(const weft_table *t, const int *cardinality, float *out)
{
    int64_t width = 0;
    for (int j = 0; j < t->n_cat; j++)
        width += cardinality[j];
    memset(out, 0, (size_t)(t->rows * width) * sizeof *out);
    for (int64_t i = 0; i < t->rows; i++, out += width) {
        float *block = out;
        for (int j = 0; j < t->n_cat; block += cardinality[j++]) {
            int64_t code = t->x_cat[i * t->n_cat + j];
            if (code >= 0 && code < cardinality[j])
                block[code] = 1;
        }
    }
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t float_word(float x)
{
    uint32_t bits;
    x += 0.0f; /* -0 and 0 are the same value */
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint64_t row_hash(const weft_table *t, int64_t i)
{
    uint64_t hash = 0x243f6a8885a308d3u;
    for (int j = 0; j < t->n_num; j++)
        hash = mix(hash, float_word(t->x_num[i * t->n_num + j]));
    for (int j = 0; j < t->n_bin; j++)
        hash = mix(hash, float_word(t->x_bin[i * t->n_bin + j]));
    for (int j = 0; j < t->n_cat; j++)
        hash = mix(hash, (uint64_t)t->x_cat[i * t->n_cat + j]);
    return hash;
}

static bool same_row(const weft_table *a, int64_t i, const weft_table *b, int64_t k)
{
    for (int j = 0; j < a->n_num; j++)
        if (a->x_num[i * a->n_num + j] != b->x_num[k * b->n_num + j])
            return false;
    for (int j = 0; j < a->n_bin; j++)
        if (a->x_bin[i * a->n_bin + j] != b->x_bin[k * b->n_bin + j])
            return false;
    for (int j = 0; j < a->n_cat; j++)
        if (a->x_cat[i * a->n_cat + j] != b->x_cat[k * b->n_cat + j])
            return false;
    return true;
}

weft_status weft_table_duplicates(const weft_table *table, const weft_table *of, bool *out, int64_t *count)
{
    *count = 0;
    if (table->n_num != of->n_num || table->n_bin != of->n_bin || table->n_cat != of->n_cat)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "duplicates: one table has %d + %d + %d columns (numbers, binary, categorical), the other %d + %d + %d",
                         table->n_num, table->n_bin, table->n_cat, of->n_num, of->n_bin, of->n_cat);
    size_t size = 16;
    while (size < 2 * (size_t)of->rows)
        size *= 2;
    int64_t *slot = calloc(size, sizeof *slot); /* row + 1 of `of`; 0 is free */
    if (!slot)
        return weft_fail(WEFT_ERROR_MEMORY, "duplicates: no memory for %lld rows", (long long)of->rows);
    for (int64_t i = 0; i < of->rows; i++) {
        size_t at = row_hash(of, i) & (size - 1);
        while (slot[at] && !same_row(of, i, of, slot[at] - 1))
            at = (at + 1) & (size - 1);
        if (!slot[at])
            slot[at] = i + 1;
    }
    for (int64_t i = 0; i < table->rows; i++) {
        size_t at = row_hash(table, i) & (size - 1);
        while (slot[at] && !same_row(table, i, of, slot[at] - 1))
            at = (at + 1) & (size - 1);
        out[i] = slot[at] != 0;
        *count += out[i];
    }
    free(slot);
    return WEFT_OK;
}

int weft_batch_size(int64_t train_rows)
{
    static const struct {
        int64_t below;
        int size;
    } rule[] = {{2500, 32}, {5000, 64}, {7000, 128}, {30000, 256}, {200000, 512}};
    for (size_t i = 0; i < sizeof rule / sizeof *rule; i++)
        if (train_rows < rule[i].below)
            return rule[i].size;
    return 1024;
}
