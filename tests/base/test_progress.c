/* Progress reports: ten a second at most, always the first and the last, rates that count only new work. */
#include "base/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

typedef struct seen {
    int reports, finished;
    weft_progress_report last;
    char note[64];
} seen;

static void take(void *user, const weft_progress_report *report)
{
    seen *s = user;
    assert_false(s->finished); /* nothing after the end */
    s->reports++;
    s->finished = report->finished;
    s->last = *report;
    strncpy(s->note, report->note, sizeof s->note - 1);
    assert_string_equal(report->what, "training");
    assert_string_equal(report->unit, "steps");
}

static void wait_seconds(double seconds)
{
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

static void reports_are_few(void **state)
{
    (void)state;
    seen s = {0};
    weft_progress *p = weft_progress_new(take, &s, "training", 100000, "steps");
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 1; i <= 100000; i++)
        weft_progress_update(p, i, "loss %d", i);
    clock_gettime(CLOCK_MONOTONIC, &end);
    weft_progress_free(p);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    assert_in_range(s.reports, 2, 2 + (int)(seconds * 10) + 1);
    assert_true(s.finished);
    assert_int_equal(s.last.done, 100000);
    assert_string_equal(s.note, "loss 100000"); /* the last update's, though it was not sent at the time */
}

static void a_resumed_job_counts_what_is_new(void **state)
{
    (void)state;
    seen s = {0};
    weft_progress *p = weft_progress_new(take, &s, "training", 1100, "steps");
    weft_progress_update(p, 1000, NULL);
    assert_int_equal(s.reports, 1);
    assert_true(s.last.rate == 0 && s.last.left < 0); /* not known yet */
    wait_seconds(0.15);
    weft_progress_update(p, 1010, "%s", "x");
    assert_int_equal(s.reports, 2);
    assert_true(s.last.rate > 0 && s.last.rate < 10 / 0.15 + 1); /* not 1,010 in that time */
    double left = 90 / s.last.rate;
    assert_true(s.last.left > 0.99 * left && s.last.left < 1.01 * left);
    weft_progress_free(p);
}

static void without_a_total_nothing_is_foretold(void **state)
{
    (void)state;
    seen s = {0};
    weft_progress *p = weft_progress_new(take, &s, "training", 0, "steps");
    weft_progress_update(p, 0, NULL);
    wait_seconds(0.11);
    weft_progress_update(p, 5, NULL);
    assert_true(s.last.rate > 0 && s.last.left < 0);
    weft_progress_free(p);
}

static void nobody_listens(void **state)
{
    (void)state;
    weft_progress *p = weft_progress_new(NULL, NULL, "training", 10, "steps");
    assert_null(p);
    weft_progress_update(p, 1, "x");
    weft_progress_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_are_few),
        cmocka_unit_test(a_resumed_job_counts_what_is_new),
        cmocka_unit_test(without_a_total_nothing_is_foretold),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
