/* Learning rates: published values, corners, and that nonsense is refused; epoch orders are permutations of their own. */
#include "weft/train.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void near(double got, double wanted)
{
    if (!(fabs(got - wanted) <= 1e-12 * fabs(wanted)))
        fail_msg("got %.17g, wanted %.17g", got, wanted);
}

/* Made by the FcaFormer training code (golden training_math.safetensors: 3 epochs of 5 steps, 3 steps of warm-up; then the
 * ImageNet recipe at chosen steps). */
static void follows_the_image_recipe(void **state)
{
    (void)state;
    const weft_schedule small = {WEFT_COSINE, 1e-3, 1e-6, 3, 15, WEFT_WARMUP_FROM_ZERO};
    const double rates[15] = {0.0,
                              0.0005,
                              0.001,
                              0.001,
                              0.0009829799502313896,
                              0.0009330796891903273,
                              0.0008536998372026805,
                              0.0007502500000000002,
                              0.0006297801130287093,
                              0.0005005000000000001,
                              0.000371219886971291,
                              0.00025075000000000016,
                              0.00014730016279731955,
                              6.792031080967287e-05,
                              1.8020049768610437e-05};
    for (int i = 0; i < 15; i++)
        near(weft_schedule_rate(&small, i), rates[i]);
    const weft_schedule large = {WEFT_COSINE, 2e-3, 1e-6, 20 * 1251, 300 * 1251, WEFT_WARMUP_FROM_ZERO};
    const int64_t steps[8] = {0, 1, 12510, 25019, 25020, 25021, 200000, 375299};
    const double wanted[8] = {0.0,   7.993924617290859e-08, 0.0010000399696230863, 0.002,
                              0.002, 0.0019999999999598004, 0.0010019342906381554, 1.0000000401996066e-06};
    for (int i = 0; i < 8; i++)
        near(weft_schedule_rate(&large, steps[i]), wanted[i]);
}

static void keeps_its_corners(void **state)
{
    (void)state;
    const weft_schedule constant = {WEFT_CONSTANT, 0.3, 0.1, 4, 0, WEFT_WARMUP_RISING};
    near(weft_schedule_rate(&constant, 0), 0.3 / 4);
    near(weft_schedule_rate(&constant, 3), 0.3);
    assert_true(weft_schedule_rate(&constant, 4) == 0.3 && weft_schedule_rate(&constant, INT64_MAX) == 0.3);
    const weft_schedule linear = {WEFT_LINEAR, 1, 0.2, 10, 20, WEFT_WARMUP_RISING};
    near(weft_schedule_rate(&linear, 9), 1);
    near(weft_schedule_rate(&linear, 10), 1);
    near(weft_schedule_rate(&linear, 15), 0.6);
    assert_true(weft_schedule_rate(&linear, 20) == 0.2 && weft_schedule_rate(&linear, 1000) == 0.2);
    /* peak · min(1, (step + 1)/20) · (0.1 + 0.45 (1 + cos(π step/600))) */
    const weft_schedule overlaid = {WEFT_COSINE, 1e-3, 1e-4, 20, 600, WEFT_WARMUP_OVERLAID};
    for (int step = 0; step < 600; step++)
        near(weft_schedule_rate(&overlaid, step),
             1e-3 * fmin(1, (step + 1) / 20.0) * (0.1 + 0.45 * (1 + cos(3.14159265358979323846 * step / 600))));
    const weft_schedule bare = {.kind = WEFT_COSINE, .peak = 2, .steps = 0};
    assert_true(weft_schedule_rate(&bare, 0) == 0);
    const weft_schedule single = {WEFT_LINEAR, 2, 0, 1, 2, WEFT_WARMUP_FROM_ZERO};
    assert_true(weft_schedule_rate(&single, 0) == 0 && weft_schedule_rate(&single, 1) == 2 &&
                weft_schedule_rate(&single, 2) == 0);
}

static void refuses_nonsense(void **state)
{
    (void)state;
    const weft_schedule wrong[] = {{WEFT_COSINE, 1, 0, 11, 10, 0},
                                   {WEFT_COSINE, NAN, 0, 0, 10, 0},
                                   {WEFT_COSINE, 1, -1, 0, 10, 0},
                                   {WEFT_LINEAR, 1, 0, -1, 10, 0},
                                   {WEFT_LINEAR, 1, 0, 0, -1, 0},
                                   {WEFT_SCHEDULE_COUNT, 1, 0, 0, 1, 0},
                                   {WEFT_LINEAR, 1, 0, 0, 1, WEFT_WARMUP_COUNT},
                                   {WEFT_LINEAR, INFINITY, 0, 0, 1, 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(weft_schedule_check(&wrong[i]), WEFT_ERROR_ARGUMENT);
    const weft_schedule right = {WEFT_CONSTANT, 1, 0, 5, 0, 0};
    assert_int_equal(weft_schedule_check(&right), WEFT_OK);
}

static void orders_epochs(void **state)
{
    (void)state;
    enum { N = 1000 };
    int64_t order[3][N];
    weft_epoch_order(7, 0, N, order[0]);
    weft_epoch_order(7, 1, N, order[1]);
    weft_epoch_order(8, 0, N, order[2]);
    for (int k = 0; k < 3; k++) {
        char seen[N] = {0};
        for (int i = 0; i < N; i++) {
            assert_true(order[k][i] >= 0 && order[k][i] < N && !seen[order[k][i]]);
            seen[order[k][i]] = 1;
        }
        assert_memory_not_equal(order[k], order[(k + 1) % 3], sizeof order[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_image_recipe),
        cmocka_unit_test(keeps_its_corners),
        cmocka_unit_test(refuses_nonsense),
        cmocka_unit_test(orders_epochs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
