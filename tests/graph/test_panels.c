/* Packed weights in their blocks: one copy for all holders of a key, memory that no two share, freed with the last holder and not
 * before, also when the set is gone or several threads take and drop at once. */
#include "graph/panels.h"

#include "base/random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { KIB = 1 << 10, MIB = 1 << 20 };

static weft_panels_key key_of(const char *place, int64_t bytes)
{
    weft_panels_key key;
    memset(&key, 0, sizeof key); /* compared byte by byte */
    key.data = place;
    key.rows = 3;
    key.columns = 5;
    key.bytes = bytes;
    return key;
}

static const char places[256];

static void one_copy_a_key(void **state)
{
    (void)state;
    weft_panels *list = NULL;
    const weft_panels_key key = key_of(places, 100);
    weft_panels *first = weft_panels_take(&list, &key), *again = weft_panels_take(&list, &key);
    assert_non_null(first);
    assert_ptr_equal(first, again);
    assert_int_equal(first->holders, 2);
    assert_int_equal(first->version, 0); /* nothing is packed in it yet */
    weft_panels_key others[8];
    for (int i = 0; i < 8; i++)
        others[i] = key;
    others[0].data = places + 1;
    others[1].kernels = places;
    others[2].rows = 4;
    others[3].columns = 6;
    others[4].bytes = 101;
    others[5].dtype = 1;
    others[6].transposed = 1;
    others[7].bf16 = 1;
    weft_panels *other[8];
    for (int i = 0; i < 8; i++) {
        other[i] = weft_panels_take(&list, &others[i]);
        assert_ptr_not_equal(other[i], first);
        for (int k = 0; k < i; k++)
            assert_ptr_not_equal(other[i], other[k]);
    }
    weft_panels_drop(&list, again);
    assert_ptr_equal(weft_panels_take(&list, &key), first);
    for (int i = 0; i < 8; i++)
        weft_panels_drop(&list, other[i]);
    weft_panels_drop(&list, first);
    weft_panels_drop(&list, first);
    weft_panels_drop(&list, NULL);
    assert_null(list);
}

static void fill(const weft_panels *p, int mark)
{
    memset(p->data, mark, (size_t)p->key.bytes);
}

static void check(const weft_panels *p, int mark)
{
    const unsigned char *bytes = p->data;
    assert_int_equal((uintptr_t)p->data % 64, 0);
    for (int64_t i = 0; i < p->key.bytes; i++)
        if (bytes[i] != mark)
            fail_msg("byte %lld of panels %d is %d", (long long)i, mark, bytes[i]);
}

/* Sizes on both sides of each limit, taken and dropped in random order: what one holder wrote stays until it drops. */
static void nobody_writes_over_another(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1,           63,       64,      65, 4 * KIB, 512 * KIB - 64, 512 * KIB, 512 * KIB + 1,
                                    5 * MIB + 3, 17 * MIB, 33 * MIB};
    enum { PANELS = 60, ROUNDS = 400 };
    weft_panels *list = NULL, *held[PANELS] = {NULL};
    weft_random_key random = weft_random_stream(3, "panels");
    for (uint64_t round = 0; round < ROUNDS; round++) {
        const size_t i = (size_t)weft_random_below(random, 0, round, 0, PANELS);
        if (held[i]) {
            check(held[i], (int)i + 1);
            weft_panels_drop(&list, held[i]);
            held[i] = NULL;
            continue;
        }
        const uint64_t most = i % 12 == 0 ? sizeof sizes / sizeof sizes[0] : 9; /* few of the largest */
        const weft_panels_key key = key_of(places + i, sizes[weft_random_below(random, 0, round, 1, most)]);
        held[i] = weft_panels_take(&list, &key);
        assert_non_null(held[i]);
        fill(held[i], (int)i + 1);
    }
    for (int i = 0; i < PANELS; i++)
        if (held[i]) {
            check(held[i], i + 1);
            weft_panels_drop(&list, held[i]);
        }
    assert_null(list);
}

/* Those of middling size lie side by side in one block until it is full; small and very large ones by themselves. */
static void middling_ones_share_a_block(void **state)
{
    (void)state;
    enum { MIDDLING = 20 };
    weft_panels *list = NULL, *held[MIDDLING];
    int blocks = 1;
    for (int i = 0; i < MIDDLING; i++) { /* 20 times 2 MiB and a bit: fifteen in the first block */
        const weft_panels_key key = key_of(places + i, 2 * MIB + 10);
        held[i] = weft_panels_take(&list, &key);
        assert_non_null(held[i]);
        if (i && held[i]->block == held[i - 1]->block)
            assert_int_equal((char *)held[i]->data - (char *)held[i - 1]->data, 2 * MIB + 64);
        else
            blocks += i > 0;
    }
    assert_int_equal(blocks, 2);
    assert_ptr_not_equal(held[14]->block, held[15]->block);
    const weft_panels_key alone[] = {key_of(places + 50, 100), key_of(places + 51, 32 * MIB)};
    for (int k = 0; k < 2; k++) {
        weft_panels *p = weft_panels_take(&list, &alone[k]);
        assert_non_null(p);
        for (int i = 0; i < MIDDLING; i++)
            assert_ptr_not_equal(p->block, held[i]->block);
        weft_panels_drop(&list, p);
    }
    for (int i = 0; i < MIDDLING; i++)
        weft_panels_drop(&list, held[i]);
    assert_null(list);
}

/* The set is freed while a session still reads: the list is empty, the memory stays, and another set's panels are others. */
static void holders_outlive_the_set(void **state)
{
    (void)state;
    weft_panels *list = NULL, *fresh = NULL;
    const weft_panels_key key = key_of(places, MIB);
    weft_panels *p = weft_panels_take(&list, &key);
    assert_non_null(p);
    fill(p, 7);
    weft_panels_abandon(&list);
    assert_null(list);
    assert_true(p->orphan);
    weft_panels *q = weft_panels_take(&fresh, &key);
    assert_ptr_not_equal(p, q);
    fill(q, 8);
    check(p, 7);
    weft_panels_drop(&list, p);
    check(q, 8);
    weft_panels_drop(&fresh, q);
    assert_null(fresh);
}

enum { THREADS = 4, TIMES = 2000, KEYS = 5 };

static weft_panels *shared_list;

static void *take_and_drop(void *user)
{
    const uint64_t thread = (uint64_t)(uintptr_t)user;
    weft_random_key random = weft_random_stream(thread, "threads");
    weft_panels *held[KEYS] = {NULL};
    bool same = true;
    for (uint64_t t = 0; t < TIMES; t++) {
        const size_t k = (size_t)weft_random_below(random, 0, t, 0, KEYS);
        const weft_panels_key key = key_of(places + k, 700 * KIB);
        if (held[k]) {
            weft_panels_drop(&shared_list, held[k]);
            held[k] = NULL;
            continue;
        }
        held[k] = weft_panels_take(&shared_list, &key);
        weft_panels_lock();
        same = same && held[k] && held[k]->key.data == key.data;
        if (same && held[k]->version == 0) { /* packed once, by whoever comes first */
            memset(held[k]->data, (int)k + 1, 64);
            held[k]->version = 1;
        }
        same = same && ((unsigned char *)held[k]->data)[63] == k + 1;
        weft_panels_unlock();
    }
    for (int k = 0; k < KEYS; k++)
        weft_panels_drop(&shared_list, held[k]);
    return same ? user : NULL;
}

static void threads_together(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_drop, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++) {
        void *fine;
        pthread_join(threads[i], &fine);
        assert_non_null(fine);
    }
    assert_null(shared_list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_copy_a_key), cmocka_unit_test(nobody_writes_over_another),
                                       cmocka_unit_test(middling_ones_share_a_block), cmocka_unit_test(holders_outlive_the_set),
                                       cmocka_unit_test(threads_together)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
