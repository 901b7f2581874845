/* The thread team: every piece once, a thread's own run first, barriers that hold, many runs, and a forked child that starts
 * threads of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/threads.h"
#include "sanitizers.h"

enum { PIECES = 1000, STEPS = 200 };

static void count_piece(void *argument, int64_t piece, int thread)
{
    (void)thread;
    atomic_int *counts = argument;
    atomic_fetch_add(&counts[piece], 1);
}

static void every_piece_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 7; threads++) {
        weft_team *team = NULL;
        static atomic_int counts[PIECES];
        memset(counts, 0, sizeof counts);
        assert_int_equal(weft_team_new(threads, &team), WEFT_OK);
        for (int round = 0; round < 50; round++)
            weft_team_pieces(team, PIECES, count_piece, counts);
        for (int i = 0; i < PIECES; i++)
            assert_int_equal(counts[i], 50);
        weft_team_pieces(team, 0, count_piece, counts);
        weft_team_free(team);
    }
}

/* Threads ask in any order: each gets its own run from the front, then the ends of others' runs, and no piece twice. */
static void own_pieces_first(void **state)
{
    (void)state;
    uint32_t draw = 1;
    for (int threads = 1; threads <= 6; threads++)
        for (int64_t pieces = 0; pieces <= 40; pieces++) {
            weft_taken taken[6];
            int64_t last_own[6], given = 0;
            bool seen[40] = {false}, strayed[6] = {false};
            for (int t = 0; t < threads; t++) {
                atomic_init(&taken[t], 0);
                last_own[t] = pieces * t / threads - 1;
            }
            while (given < pieces) {
                draw = draw * 1664525 + 1013904223;
                const int thread = (int)((draw >> 16) % (uint32_t)threads);
                const int64_t piece = weft_deal(taken, pieces, threads, thread);
                assert_in_range(piece, 0, pieces - 1);
                assert_false(seen[piece]);
                seen[piece] = true;
                given++;
                const bool own = piece >= pieces * thread / threads && piece < pieces * (thread + 1) / threads;
                assert_false(own && strayed[thread]);
                if (own)
                    assert_int_equal(piece, ++last_own[thread]);
                strayed[thread] |= !own;
            }
            for (int t = 0; t < threads; t++)
                assert_int_equal(weft_deal(taken, pieces, threads, t), -1);
        }
}

typedef struct steps {
    weft_team *team;
    atomic_int arrived[STEPS];
    atomic_int early;
} steps;

/* After a barrier all threads must have passed the step before it. */
static void walk(void *argument, int thread)
{
    steps *s = argument;
    for (int i = 0; i < STEPS; i++) {
        atomic_fetch_add(&s->arrived[i], 1);
        weft_team_barrier(s->team, thread);
        if (atomic_load(&s->arrived[i]) != weft_team_size(s->team))
            atomic_fetch_add(&s->early, 1);
        if ((i + thread) % 37 == 0)
            usleep(200); /* long enough that the others fall asleep */
    }
}

static void barriers_hold(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        static steps s;
        memset(&s, 0, sizeof s);
        assert_int_equal(weft_team_new(threads, &s.team), WEFT_OK);
        weft_team_run(s.team, walk, &s);
        assert_int_equal(s.early, 0);
        for (int i = 0; i < STEPS; i++)
            assert_int_equal(s.arrived[i], threads);
        weft_team_free(s.team);
    }
}

static void a_forked_child_has_its_own(void **state)
{
    (void)state;
#if THREAD_SANITIZER
    skip(); /* the thread sanitizer allows no threads in a forked child */
#endif
    weft_team *team = NULL;
    static atomic_int counts[PIECES];
    assert_int_equal(weft_team_new(3, &team), WEFT_OK);
    weft_team_pieces(team, PIECES, count_piece, counts);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        weft_team_pieces(team, PIECES, count_piece, counts);
        bool fine = true;
        for (int i = 0; i < PIECES; i++)
            fine &= counts[i] == 2;
        weft_team_free(team);
        _exit(fine ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    weft_team_pieces(team, PIECES, count_piece, counts);
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(counts[i], 2);
    weft_team_free(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_once),
        cmocka_unit_test(own_pieces_first),
        cmocka_unit_test(barriers_hold),
        cmocka_unit_test(a_forked_child_has_its_own),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
