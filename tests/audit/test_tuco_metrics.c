/* The metrics on groups of prompts against counts by hand and by brute force, and the paper's two examples of the ratios. */
#include "tuco_case.h"

#include "audit/chain.h"

static double pairs_auc(const double *s, const unsigned char *y, int64_t n)
{
    double won = 0, all = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            if (y[i] && !y[j]) {
                won += s[i] > s[j] ? 1 : s[i] == s[j] ? 0.5 : 0;
                all++;
            }
    return won / all;
}

static void auc_counts_pairs(void **state)
{
    (void)state;
    const double ties[] = {0.1, 0.2, 0.2, 0.2, 0.3};
    const unsigned char y[] = {0, 1, 0, 1, 1};
    /* pairs (1 over 0): 0.2>0.1, 0.2=0.2, 0.2>0.1, 0.2=0.2, 0.3>0.1, 0.3>0.2 */
    assert_true(fabs(weft_tuco_auc(ties, y, 5) - 5.0 / 6) < 1e-15);
    uint64_t x = 1;
    for (int round = 0; round < 50; round++) {
        double s[60];
        unsigned char l[60];
        for (int i = 0; i < 60; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            s[i] = (double)(x >> 60);
            l[i] = (x >> 40) & 1;
        }
        l[0] = 0;
        l[1] = 1;
        assert_true(fabs(weft_tuco_auc(s, l, 60) - pairs_auc(s, l, 60)) < 1e-12);
        double low, high;
        MUST(weft_tuco_auc_interval(s, l, 60, 200, 7, &low, &high));
        assert_true(low <= weft_tuco_auc(s, l, 60) && weft_tuco_auc(s, l, 60) <= high && low >= 0 && high <= 1);
    }
    assert_true(isnan(weft_tuco_auc(ties, (unsigned char[]){1, 1, 1, 1, 1}, 5)));
}

static void detection_keeps_the_false_positive_rate(void **state)
{
    (void)state;
    double s[120];
    unsigned char y[120];
    for (int i = 0; i < 100; i++) { /* label 1 at 1 … 100 */
        s[i] = i + 1;
        y[i] = 1;
    }
    for (int i = 0; i < 20; i++) { /* label 0 at 0.5, 1.5, … 19.5 */
        s[100 + i] = i + 0.5;
        y[100 + i] = 0;
    }
    /* five of label 1 may lie below: the largest threshold that is a score is 6 */
    double threshold;
    assert_true(fabs(weft_tuco_tpr(s, y, 120, 0.05, &threshold) - 6.0 / 20) < 1e-12);
    assert_true(threshold == 6);
    double apart[] = {1, 2, 5, 6};
    assert_true(weft_tuco_tpr(apart, (unsigned char[]){0, 0, 1, 1}, 4, 0.05, &threshold) == 1);
    assert_true(weft_tuco_tpr(apart, (unsigned char[]){1, 1, 0, 0}, 4, 0.05, &threshold) == 0);
}

static void delta_chooses_alpha_on_the_other_folds(void **state)
{
    (void)state;
    const double alpha[] = {0.75, 1, 1.25};
    enum { N = 10 };
    /* alpha 1.25 is right everywhere, 1 on half, 0.75 nowhere */
    unsigned char correct[3][N] = {{0}, {1, 0, 1, 0, 1, 0, 1, 0, 1, 0}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}};
    double delta;
    MUST(weft_tuco_delta_cv(&correct[0][0], alpha, 3, N, 1, 5, true, &delta));
    assert_true(fabs(delta - 0.5) < 1e-12);
    MUST(weft_tuco_delta_cv(&correct[0][0], alpha, 3, N, 1, 5, false, &delta));
    assert_true(fabs(delta + 0.5) < 1e-12);
    memset(correct, 1, sizeof correct); /* ties go to the value nearest 1 */
    correct[0][3] = correct[2][3] = 0;
    correct[1][0] = 0;
    MUST(weft_tuco_delta_cv(&correct[0][0], alpha, 3, N, 1, 5, true, &delta));
    /* without row 0's fold alpha 1 is best, and wrong on row 0; elsewhere all are level, and 1 is nearest … to itself; but with
     * row 3's fold left out 0.75 and 1.25 lead, 1 having missed row 0: the tie goes to 0.75, first of two as near, wrong on row 3
     */
    assert_true(fabs(delta + 0.1) < 1e-12);
    assert_int_equal(weft_tuco_delta_cv(&correct[0][0], alpha, 3, 3, 1, 5, true, &delta), WEFT_ERROR_ARGUMENT);
}

/* Norms of the sums over layers of multiples of one vector h with ‖h‖₁ = 1: the paper's examples. */
static void ratios_of_the_papers_examples(void **state)
{
    (void)state;
    const double ptc[] = {0, 0, 1, 1 - 0.5}, ftc[] = {1, 0.5, 0.5, 0.5};
    weft_tuco_reading r = {.tokens = 1, .layers = 4};
    double norms[16], halves[16] = {0}, arrays[8][16] = {{0}}, beta = 0;
    memcpy(norms, ptc, sizeof ptc);
    memcpy(norms + 4, ftc, sizeof ftc);
    memcpy(norms + 8, ptc, sizeof ptc);
    memcpy(norms + 12, ftc, sizeof ftc);
    r.ptc_l1 = arrays[0], r.ftc_l1 = arrays[1], r.ptc_cum_l1 = arrays[2], r.ftc_cum_l1 = arrays[3], r.beta_pos = arrays[4];
    r.beta_seq = arrays[5], r.attn_l1 = arrays[6], r.mlp_l1 = arrays[7];
    double tuco_pos, ptc_l2 = 0.25, ftc_l2 = 0.25;
    r.tuco_pos = &tuco_pos, r.ptc_l2 = &ptc_l2, r.ftc_l2 = &ftc_l2;
    tuco_reading_finish(&r, norms, halves);
    const double want[] = {0, 1, 1, 1.0 / 3, 0.5};
    for (int l = 0; l <= 4; l++) {
        assert_true(fabs(r.beta_pos[l] - want[l]) < 1e-15);
        assert_true(fabs(r.beta_seq[l] - want[l]) < 1e-15);
        beta = fmax(beta, r.beta_seq[l]);
    }
    assert_true(beta == 1 && r.tuco == 0.5);
    assert_true(tuco_share_of(3, 1) == 0.25); /* the second example: ‖3h‖ and ‖−h‖ */
    assert_true(tuco_share_of(0, 0) == 0);
    const float same[] = {2, -4};
    double output;
    weft_tuco_reading o = {.tokens = 1, .outputco_pos = &output};
    weft_tensor stream = {(void *)(uintptr_t)same, WEFT_F32, DIMS(1, 2)};
    tuco_output_shares(&o, stream, stream); /* both final streams are 2h */
    assert_true(o.outputco == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auc_counts_pairs), cmocka_unit_test(detection_keeps_the_false_positive_rate),
        cmocka_unit_test(delta_chooses_alpha_on_the_other_folds), cmocka_unit_test(ratios_of_the_papers_examples)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
