/* Masked words: how many are asked for and how they are shown, which never are, and that draws depend on seed and visit alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lm/masking.h"
#include "weft/graph.h"

enum { LENGTH = 64, ROWS = 400, VOCAB = 1000, MASK = 999, BEGIN = 998 };

typedef struct masked {
    int64_t ids[ROWS * LENGTH], labels[ROWS * LENGTH], positions[ROWS * LENGTH], segments[ROWS * LENGTH];
} masked;

static weft_lm_data data;
static weft_lm_rows rows;

static int set_up(void **state)
{
    (void)state;
    int64_t ids[LENGTH];
    unsigned char learned[LENGTH];
    data = (weft_lm_data){.in_place = true, .mask_id = MASK, .first_position = 2};
    for (int r = 0; r < ROWS; r++) {
        int64_t count = LENGTH - r % 7;
        for (int64_t i = 0; i < count; i++) {
            ids[i] = i ? (r * 31 + i * 7) % 900 : BEGIN;
            learned[i] = i > 0;
        }
        if (weft_lm_data_add(&data, ids, learned, count) != WEFT_OK)
            return 1;
    }
    return weft_lm_rows_make(&data, LENGTH, false, &rows) != WEFT_OK;
}

static int tear_down(void **state)
{
    (void)state;
    weft_lm_rows_free(&rows);
    weft_lm_data_free(&data);
    return 0;
}

static int64_t fill(masked *m, const int64_t *which, const int64_t *visits, int64_t batch, weft_lm_masks masks, uint64_t seed)
{
    weft_lm_batch b = {m->ids, m->labels, m->positions, m->segments, NULL, NULL, 0};
    weft_lm_rows_fill(&rows, &data, which, batch, &b);
    if (seed)
        weft_lm_mask_rows(&data, masks, seed, visits, batch, LENGTH, VOCAB, &b);
    return b.labelled;
}

static void shares(void **state)
{
    (void)state;
    masked *plain = malloc(sizeof *plain), *m = malloc(sizeof *m);
    int64_t which[ROWS], visits[ROWS], labelled = 0, asked = 0, mask = 0, same = 0;
    assert_true(plain && m && rows.count == ROWS && rows.packed);
    for (int r = 0; r < ROWS; r++) {
        which[r] = r;
        visits[r] = 1000 + r;
    }
    labelled = fill(plain, which, visits, ROWS, WEFT_LM_TRAINING_MASKS, 0);
    assert_int_equal(fill(m, which, visits, ROWS, WEFT_LM_TRAINING_MASKS, 5),
                     fill(m, which, visits, ROWS, WEFT_LM_TRAINING_MASKS, 5));
    for (int i = 0; i < ROWS * LENGTH; i++) {
        if (plain->labels[i] != WEFT_IGNORE)
            assert_int_equal(m->positions[i], 2 + i % LENGTH);
        if (i % LENGTH == 0)
            assert_int_equal(m->labels[i], WEFT_IGNORE); /* the token in front */
        if (m->labels[i] == WEFT_IGNORE) {
            assert_int_equal(m->ids[i], plain->ids[i]);
            continue;
        }
        assert_int_equal(m->labels[i], plain->ids[i]); /* its own token */
        asked++;
        mask += m->ids[i] == MASK;
        same += m->ids[i] == plain->ids[i];
    }
    double share = (double)asked / (double)labelled; /* standard deviations: 0.0023, 0.0066, 0.005 */
    assert_true(share > 0.14 && share < 0.16);
    assert_true((double)mask > 0.77 * (double)asked && (double)mask < 0.83 * (double)asked);
    assert_true((double)same > 0.08 * (double)asked && (double)same < 0.12 * (double)asked);
    free(plain);
    free(m);
}

/* A row has the same masks alone and among others; another visit, seed or stream has others. */
static void draws(void **state)
{
    (void)state;
    masked *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    size_t row = LENGTH * sizeof *a->ids;
    assert_true(a && b);
    fill(a, (const int64_t[]){3, 8, -1}, (const int64_t[]){30, 80, 90}, 3, WEFT_LM_TRAINING_MASKS, 5);
    fill(b, (const int64_t[]){8}, (const int64_t[]){80}, 1, WEFT_LM_TRAINING_MASKS, 5);
    assert_memory_equal(a->ids + LENGTH, b->ids, row);
    assert_memory_equal(a->labels + LENGTH, b->labels, row);
    fill(b, (const int64_t[]){8}, (const int64_t[]){81}, 1, WEFT_LM_TRAINING_MASKS, 5);
    assert_memory_not_equal(a->labels + LENGTH, b->labels, row);
    fill(b, (const int64_t[]){8}, (const int64_t[]){80}, 1, WEFT_LM_TRAINING_MASKS, 6);
    assert_memory_not_equal(a->labels + LENGTH, b->labels, row);
    fill(b, (const int64_t[]){8}, (const int64_t[]){80}, 1, WEFT_LM_VALIDATION_MASKS, 5);
    assert_memory_not_equal(a->labels + LENGTH, b->labels, row);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shares), cmocka_unit_test(draws)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
