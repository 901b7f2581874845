/* The thread team: every piece once, barriers that hold, many runs, and a forked child that starts threads of its own. */
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
#if defined(__SANITIZE_THREAD__)
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
        cmocka_unit_test(barriers_hold),
        cmocka_unit_test(a_forked_child_has_its_own),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
