/* Cross-entropy with so many classes that the rows are taken in several runs: a row alone gives the same bits, the gradients sum
 * to nothing over the classes, and rows without a label count for nothing; likewise beside a teacher, whose losses are those of
 * the definition. */
#include "graph/graph_case.h"
#include "weft/nn.h"

enum { ROWS = 40, CLASSES = 600000, WIDTH = 2 };

static void many_classes_in_several_runs(void **state)
{
    (void)state;
    float hidden[ROWS * WIDTH], *table = malloc(CLASSES * (WIDTH + 1) * sizeof *table), *bias = table + CLASSES * WIDTH;
    int64_t labels[ROWS];
    double log_sum[ROWS];
    for (int i = 0; i < ROWS * WIDTH; i++)
        hidden[i] = (float)(i * 37 % 41) / 20 - 1;
    for (int i = 0; i < CLASSES * WIDTH; i++)
        table[i] = (float)(i * 7919LL % 2003) / 1000 - 1;
    for (int i = 0; i < CLASSES; i++)
        bias[i] = (float)(i * 104729LL % 1009) / 1000 - 0.5F;
    for (int i = 0; i < ROWS; i++)
        labels[i] = i == 7 ? WEFT_IGNORE : i * 14557 % CLASSES;
    running r[2];
    weft_value out[2][4];
    for (int k = 0; k < 2; k++) { /* all rows; the last one alone */
        const int64_t rows = k ? 1 : ROWS, from = k ? ROWS - 1 : 0;
        weft_graph *g = weft_graph_new(WEFT_F32);
        weft_value h = weft_input(g, "h", WEFT_F32, DIMS(rows, WIDTH)), w = weft_input(g, "w", WEFT_F32, DIMS(CLASSES, WIDTH));
        weft_value l = weft_labels(g, "l", DIMS(rows), CLASSES), b = weft_input(g, "b", WEFT_F32, DIMS(CLASSES));
        out[k][0] = weft_cross_entropy_rows(g, h, w, b, l, 0, 0);
        fine(weft_gradient(g, out[k][0], (weft_value){0}, (weft_value[]){h, w, b}, 3, out[k] + 1));
        r[k] = run_of(g, out[k], 4);
        fine(weft_bind(r[k].s, "b", floats(bias, DIMS(CLASSES))));
        fine(weft_bind(r[k].s, "h", floats(hidden + from * WIDTH, DIMS(rows, WIDTH))));
        fine(weft_bind(r[k].s, "w", floats(table, DIMS(CLASSES, WIDTH))));
        fine(weft_bind(r[k].s, "l", integers(labels + from, DIMS(rows))));
        fine(run_dirty(&r[k]));
    }
    assert_true(weft_plan_size(r[0].plan).arena < 3LL * 32 * CLASSES * 4); /* not all of the logits */
    for (int i = 0; i < ROWS; i++) {
        double sum = 0, own = 0;
        for (int c = 0; c < CLASSES; c++) {
            double z = (double)hidden[i * WIDTH] * (double)table[c * WIDTH] +
                       (double)hidden[i * WIDTH + 1] * (double)table[c * WIDTH + 1] + (double)bias[c];
            sum += exp(z);
            own = c == labels[i] ? z : own;
        }
        log_sum[i] = log(sum);
        double want = i == 7 ? 0 : log(sum) - own;
        assert_true(fabs((double)result_at(&r[0], out[0][0], i) - want) < 1e-5);
    }
    assert_true(result_at(&r[0], out[0][0], ROWS - 1) == result_at(&r[1], out[1][0], 0));
    for (int c = 0; c < CLASSES; c += 60013) { /* dbias: of each class the probabilities, less one where it is the label */
        double want = 0;
        for (int i = 0; i < ROWS; i++) {
            double z = (double)hidden[i * WIDTH] * (double)table[c * WIDTH] +
                       (double)hidden[i * WIDTH + 1] * (double)table[c * WIDTH + 1] + (double)bias[c];
            want += i == 7 ? 0 : exp(z - log_sum[i]) - (c == labels[i]);
        }
        assert_true(fabs((double)result_at(&r[0], out[0][3], c) - want) < 1e-6 * (1 + fabs(want)));
    }
    for (int j = 0; j < WIDTH; j++) {
        double sum = 0, size = 0;
        for (int c = 0; c < CLASSES; c++) {
            sum += (double)result_at(&r[0], out[0][2], c * WIDTH + j);
            size += fabs((double)result_at(&r[0], out[0][2], c * WIDTH + j));
        }
        assert_true(size > 1 && fabs(sum) < 1e-4 * size);
        assert_true(result_at(&r[0], out[0][1], 7 * WIDTH + j) == 0);
        assert_true(result_at(&r[0], out[0][1], (ROWS - 1) * WIDTH + j) == result_at(&r[1], out[1][1], j));
    }
    end(&r[0], true);
    end(&r[1], true);
    free(table);
}

/* Logit c of a row. */
static double product_of(const float *row, const float *table, int64_t width, int64_t c)
{
    double z = 0;
    for (int64_t j = 0; j < width; j++)
        z += (double)row[j] * (double)table[c * width + j];
    return z;
}

/* Two heads in several runs of rows: the losses and gradients of the definition in doubles, no matrix of logits, and the same
 * bits of a row alone. */
static void taught_in_several_runs(void **state)
{
    (void)state;
    enum { TEACHES = 300000, OTHER = 3, TAUGHT_ROWS = 70, ALONE = 61 }; /* 55 rows a run */
    const double T = 2, share = 0.7;
    const double numbers[] = {[WEFT_DISTILL_TEMPERATURE] = T, [WEFT_DISTILL_WEIGHT] = share, [WEFT_DISTILL_TAUGHT_CAP] = 0};
    const int64_t count = TAUGHT_ROWS * (WIDTH + OTHER) + (int64_t)TEACHES * (WIDTH + OTHER);
    float *h = malloc((size_t)count * sizeof *h), *t = h + TAUGHT_ROWS * WIDTH, *w = t + TAUGHT_ROWS * OTHER,
          *tw = w + TEACHES * WIDTH;
    int64_t labels[TAUGHT_ROWS];
    running r[2];
    weft_value out[2][3];
    for (int64_t i = 0; i < count; i++)
        h[i] = (float)(i * 7919 % 2003) / 1000 - 1;
    for (int64_t i = 0; i < TAUGHT_ROWS; i++)
        labels[i] = i == 60 ? WEFT_IGNORE : i * 14557 % TEACHES;
    for (int k = 0; k < 2; k++) { /* all rows; one alone */
        const int64_t rows = k ? 1 : TAUGHT_ROWS, from = k ? ALONE : 0;
        weft_graph *g = weft_graph_new(WEFT_F32);
        const weft_value v[] = {weft_input(g, "h", WEFT_F32, DIMS(rows, WIDTH)),
                                weft_input(g, "w", WEFT_F32, DIMS(TEACHES, WIDTH)), weft_labels(g, "l", DIMS(rows), TEACHES),
                                weft_input(g, "t", WEFT_F32, DIMS(rows, OTHER)),
                                weft_input(g, "tw", WEFT_F32, DIMS(TEACHES, OTHER))};
        out[k][0] = weft_distill_rows(g, v[0], v[1], v[2], v[3], v[4], numbers);
        fine(weft_gradient(g, out[k][0], (weft_value){0}, v, 2, out[k] + 1));
        r[k] = run_of(g, out[k], 3);
        fine(weft_bind(r[k].s, "h", floats(h + from * WIDTH, DIMS(rows, WIDTH))));
        fine(weft_bind(r[k].s, "w", floats(w, DIMS(TEACHES, WIDTH))));
        fine(weft_bind(r[k].s, "l", integers(labels + from, DIMS(rows))));
        fine(weft_bind(r[k].s, "t", floats(t + from * OTHER, DIMS(rows, OTHER))));
        fine(weft_bind(r[k].s, "tw", floats(tw, DIMS(TEACHES, OTHER))));
        fine(run_dirty(&r[k]));
    }
    assert_true(weft_plan_size(r[0].plan).arena < 2 * (68LL << 20) + TEACHES * (WIDTH + OTHER) * 8LL); /* two runs' logits */
    static const int looked_at[] = {0, 54, 55, 60, ALONE, TAUGHT_ROWS - 1};
    for (size_t i = 0; i < sizeof looked_at / sizeof looked_at[0]; i++) {
        const int row = looked_at[i];
        double sums[3] = {0}, loss = 0, slope[WIDTH] = {0};
        for (int64_t c = 0; c < TEACHES; c++) {
            const double z = product_of(h + row * WIDTH, w, WIDTH, c), y = product_of(t + row * OTHER, tw, OTHER, c);
            sums[0] += exp(z);
            sums[1] += exp(z / T);
            sums[2] += exp(y / T);
        }
        for (int64_t c = 0; c < TEACHES && row != 60; c++) {
            const double z = product_of(h + row * WIDTH, w, WIDTH, c), y = product_of(t + row * OTHER, tw, OTHER, c);
            const double p = exp(y / T) / sums[2], q = exp(z / T) / sums[1];
            loss += share * T * T * p * log(p / q) - (c == labels[row] ? (1 - share) * (z - log(sums[0])) : 0);
            for (int j = 0; j < WIDTH; j++)
                slope[j] +=
                    ((1 - share) * (exp(z) / sums[0] - (c == labels[row])) + share * T * (q - p)) * (double)w[c * WIDTH + j];
        }
        assert_true(fabs((double)result_at(&r[0], out[0][0], row) - loss) < 2e-5);
        for (int j = 0; j < WIDTH; j++)
            /* single precision adds up 300,000 terms */
            assert_true(fabs((double)result_at(&r[0], out[0][1], row * WIDTH + j) - slope[j]) < 1e-4);
    }
    for (int j = 0; j < WIDTH; j++) { /* what a class gains the others lose */
        double sum = 0, size = 0;
        for (int64_t c = 0; c < TEACHES; c++) {
            sum += (double)result_at(&r[0], out[0][2], c * WIDTH + j);
            size += fabs((double)result_at(&r[0], out[0][2], c * WIDTH + j));
        }
        assert_true(size > 1 && fabs(sum) < 1e-4 * size);
        assert_true(result_at(&r[0], out[0][1], ALONE * WIDTH + j) == result_at(&r[1], out[1][1], j));
    }
    assert_true(result_at(&r[0], out[0][0], ALONE) == result_at(&r[1], out[1][0], 0));
    end(&r[0], true);
    end(&r[1], true);
    free(h);
}

/* Labels outside the classes are refused as they are bound; the mean is over labelled rows, and 0 of none. */
static void labels_are_judged_and_counted(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value x = weft_input(g, "x", WEFT_F32, DIMS(2, 3)), l = weft_labels(g, "l", DIMS(2), 3);
    weft_value mean = weft_mean_labelled(g, weft_row_losses(g, x, l, 0), l);
    running r = run_of(g, &mean, 1);
    float logits[6] = {0, 0, 0, 5, 1, 2};
    fine(weft_bind(r.s, "x", floats(logits, DIMS(2, 3))));
    assert_int_not_equal(weft_bind(r.s, "l", integers((int64_t[]){0, 3}, DIMS(2))), WEFT_OK);
    assert_int_not_equal(weft_bind(r.s, "l", integers((int64_t[]){-1, 0}, DIMS(2))), WEFT_OK);
    int64_t labels[2] = {1, WEFT_IGNORE};
    fine(weft_bind(r.s, "l", integers(labels, DIMS(2))));
    fine(weft_run(r.s));
    assert_true(fabs((double)result_at(&r, mean, 0) - log(3)) < 1e-6);
    labels[0] = WEFT_IGNORE;
    fine(weft_bind(r.s, "l", integers(labels, DIMS(2))));
    fine(weft_run(r.s));
    assert_true(result_at(&r, mean, 0) == 0);
    end(&r, true);

    g = weft_graph_new(WEFT_F32); /* and they are no row numbers */
    l = weft_labels(g, "l", DIMS(2), 3);
    weft_value bad = weft_gather(g, weft_input(g, "x", WEFT_F32, DIMS(3, 2)), l);
    assert_true(bad.id == 0);
    assert_int_not_equal(weft_graph_status(g), WEFT_OK);
    assert_non_null(strstr(weft_error(), "holds labels"));
    weft_graph_free(g);
}

/* Losses beside a teacher, row by row, against the definition in doubles. */
static void distilled_losses(void **state)
{
    (void)state;
    enum { FEW = 3, VOCAB = 4 };
    float logits[FEW][VOCAB] = {{1, -2, 0.5F, 3}, {0, 0, 0, 0}, {2, 1, -1, 0.25F}};
    float taught[FEW][VOCAB] = {{0.5F, 1, -3, 2}, {4, 0, -1, 1}, {1, 1, 1, 2}};
    int64_t labels[FEW] = {3, 0, WEFT_IGNORE};
    double T = 1.7, weight = 0.3;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_plan *plan;
    weft_session *session;
    weft_tensor got;
    weft_value losses = weft_distill_logits(g, weft_input(g, "logits", WEFT_F32, DIMS(FEW, VOCAB)),
                                            weft_input(g, "taught", WEFT_F32, DIMS(FEW, VOCAB)),
                                            weft_labels(g, "labels", DIMS(FEW), VOCAB), T, weight);
    weft_name(g, losses, "losses");
    fine(weft_compile(engine, g, NULL, 0, &losses, 1, &plan));
    fine(weft_session_new(plan, NULL, 0, &session));
    fine(weft_bind(session, "logits", (weft_tensor){logits, WEFT_F32, DIMS(FEW, VOCAB)}));
    fine(weft_bind(session, "taught", (weft_tensor){taught, WEFT_F32, DIMS(FEW, VOCAB)}));
    fine(weft_bind(session, "labels", (weft_tensor){labels, WEFT_I64, DIMS(FEW)}));
    fine(weft_run(session));
    fine(weft_fetch(session, "losses", &got));
    for (int r = 0; r < FEW; r++) {
        double sums[3] = {0}, divergence = 0; /* of exponents: taught / T, logits / T, logits */
        for (int v = 0; v < VOCAB; v++) {
            sums[0] += exp((double)taught[r][v] / T);
            sums[1] += exp((double)logits[r][v] / T);
            sums[2] += exp((double)logits[r][v]);
        }
        for (int v = 0; v < VOCAB; v++) {
            double p = exp((double)taught[r][v] / T) / sums[0], q = exp((double)logits[r][v] / T) / sums[1];
            divergence += p * log(p / q);
        }
        double want = labels[r] == WEFT_IGNORE
                          ? 0
                          : (1 - weight) * (log(sums[2]) - (double)logits[r][labels[r]]) + weight * T * T * divergence;
        assert_true(fabs((double)((const float *)got.data)[r] - want) < 1e-5);
    }
    weft_session_free(session);
    weft_plan_free(plan);
    weft_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_classes_in_several_runs),
        cmocka_unit_test(taught_in_several_runs),
        cmocka_unit_test(distilled_losses),
        cmocka_unit_test(labels_are_judged_and_counted),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
