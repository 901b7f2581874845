/* Labels of every kind: which problem a file of them is, what each asks for, which mistakes are told; the training pass of heads
 * of numbers and of labels by themselves against losses and gradients of transformers in float64; and the scores. */
#include "lm_case.h"

#include "lm/fit.h"
#include "lm/labels.h"

/* ---- Files of labels. ---- */

static char *labels_file(const char *name, const char *text)
{
    const char *folder = WEFT_BINARY_DIR "/labels";
    MUST(weft_folder_make(folder));
    write_text(folder, name, text);
    return weft_path_join(folder, name);
}

static void kinds_of_files(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        weft_lm_problem given, problem;
        const char *names; /* parted by spaces */
    } rows[] = {
        {"a.jsonl", "{\"label\": \"b\"}\n{\"label\": \"a\"}", 0, WEFT_LM_PROBLEM_SINGLE_LABEL, "a b"},
        {"a.jsonl", "{\"label\": 10}\n{\"label\": 9}\n{\"label\": 10}", 0, WEFT_LM_PROBLEM_SINGLE_LABEL, "9 10"},
        {"a.jsonl", "{\"label\": \"x\"}\n{\"label\": 9}", 0, WEFT_LM_PROBLEM_SINGLE_LABEL, "9 x"},
        {"a.jsonl", "{\"label\": 1.0}\n{\"label\": 2.5}", 0, WEFT_LM_PROBLEM_REGRESSION, "LABEL_0"},
        {"a.jsonl", "{\"label\": 1}\n{\"label\": 2.5}", 0, WEFT_LM_PROBLEM_REGRESSION, "LABEL_0"},
        {"a.jsonl", "{\"label\": 1}\n{\"label\": 2}", WEFT_LM_PROBLEM_REGRESSION, WEFT_LM_PROBLEM_REGRESSION, "LABEL_0"},
        {"a.jsonl", "{\"labels\": [7, 1]}\n{\"labels\": [2.5, -3]}", WEFT_LM_PROBLEM_REGRESSION, WEFT_LM_PROBLEM_REGRESSION,
         "LABEL_0 LABEL_1"},
        {"a.jsonl", "{\"labels\": [\"c\", \"a\"]}\n{\"labels\": []}\n{\"label\": [\"b\"]}", 0, WEFT_LM_PROBLEM_MULTI_LABEL,
         "a b c"},
        {"a.jsonl", "{\"label\": [4, 11]}\n{\"label\": [2]}", 0, WEFT_LM_PROBLEM_MULTI_LABEL, "2 4 11"},
        {"a.jsonl", "{\"label\": [1, 0]}\n{\"label\": [1, 1]}", 0, WEFT_LM_PROBLEM_MULTI_LABEL, "LABEL_0 LABEL_1"},
        {"a.jsonl", "{\"label\": [0.5]}\n{\"label\": [1.0]}", 0, WEFT_LM_PROBLEM_MULTI_LABEL, "LABEL_0"},
        {"a.jsonl", "{\"label\": [\"a\"]}\n{\"label\": []}", 0, WEFT_LM_PROBLEM_MULTI_LABEL, "a"},
        {"a.csv", "text,label\nt,b\nt,a\n", 0, WEFT_LM_PROBLEM_SINGLE_LABEL, "a b"},
        {"a.csv", "text,label\nt,10\nt,9\n", 0, WEFT_LM_PROBLEM_SINGLE_LABEL, "9 10"},
        {"a.csv", "text,label\nt,10\nt,9.5\n", 0, WEFT_LM_PROBLEM_REGRESSION, "LABEL_0"},
        {"a.csv", "text,label\nt,10\nt,9.5\n", WEFT_LM_PROBLEM_SINGLE_LABEL, WEFT_LM_PROBLEM_SINGLE_LABEL, "10 9.5"},
        {"a.csv", "text,label\nt,b\nt,\nt,c|a\n", 0, WEFT_LM_PROBLEM_MULTI_LABEL, "a b c"},
        {"a.csv", "text,label\nt,b\nt,c|a\n", WEFT_LM_PROBLEM_SINGLE_LABEL, WEFT_LM_PROBLEM_SINGLE_LABEL, "b c|a"},
        {"a.csv", "text,label\nt,b\nt,a\n", WEFT_LM_PROBLEM_MULTI_LABEL, WEFT_LM_PROBLEM_MULTI_LABEL, "a b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = labels_file(rows[i].name, rows[i].text), names[256] = "";
        weft_lm_classes c;
        weft_lm_problem alone = rows[i].problem;
        MUST(weft_lm_labels_collect(&c, path, rows[i].given));
        for (int64_t k = 0; k < c.count; k++)
            strcat(strcat(names, k ? " " : ""), c.names[k]);
        assert_string_equal(names, rows[i].names);
        assert_int_equal(c.problem, rows[i].problem);
        if (!rows[i].given)
            MUST(weft_lm_labels_problem(path, &alone));
        assert_int_equal(alone, rows[i].problem);
        weft_lm_classes_free(&c);
        unlink(path);
        free(path);
    }
}

static void wrong_files(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        weft_lm_problem given;
        const char *says;
    } rows[] = {
        {"b.jsonl", "{\"label\": [\"a\"]}\n{\"label\": \"b\"}", 0, "b.jsonl line 2: the label is a word, at"},
        {"b.jsonl", "{\"label\": 1}\n{\"label\": [1]}", 0, "b.jsonl line 1: the label is an integer, at"},
        {"b.jsonl", "{\"label\": 0.5}\n{\"label\": \"b\"}", 0, "line 2: the label is a word, at"},
        {"b.jsonl", "{\"label\": \"a\"}\n{\"label\": \"a\"}", 0, "all records have one label"},
        {"b.jsonl", "{\"label\": [\"a\"]}\n{\"label\": [\"a\"]}", 0, "all records have one label"},
        {"b.jsonl", "{\"label\": []}\n{\"label\": []}", 0, "there are no labels"},
        {"b.jsonl", "\n", 0, "there are no labels"},
        {"b.jsonl", "{\"label\": \"a\"}\n{\"label\": null}", 0, "line 2: expected {text, label}"},
        {"b.jsonl", "{\"label\": \"a\"}\n{\"label\": true}", 0, "line 2: expected {text, label}"},
        {"b.jsonl", "{\"label\": \"a\"}\n{\"label\": {}}", 0, "line 2: expected {text, label}"},
        {"b.jsonl", "{\"label\": [\"a\", [1]]}", 0, "line 1: item 1 of the label is neither"},
        {"b.jsonl", "{\"label\": [0.5, 2]}\n{\"label\": [0.5, 1]}", 0, "--problem-type regression"},
        {"b.jsonl", "{\"label\": [0.5, 1]}\n{\"label\": [0.5]}", 0, "as many in each list"},
        {"b.csv", "text,label\nt,0.5\nt,nan\n", 0, "b.csv line 3: the label is a word, at"},
        {"b.csv", "text,label\nt,0.5\nt,1e999\n", 0, "b.csv line 3: the label is a word, at"},
        {"b.csv", "text,label\nt,0.5\nt,\n", 0, "b.csv line 3: the label is empty"},
        {"b.csv", "text,label\nt,a\nt,\n", 0, "b.csv line 3: the label is empty"},
        {"b.csv", "text,label\nt,a|b\nt,0.5\n", 0, "--problem-type multi_label_classification"},
        {"b.csv", "text,words\nt,a\n", 0, "b.csv line 2: expected {text, label}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = labels_file(rows[i].name, rows[i].text);
        weft_lm_classes c;
        if (weft_lm_labels_collect(&c, path, rows[i].given) == WEFT_OK)
            fail_msg("row %zu was taken", i);
        if (!strstr(weft_error(), rows[i].says))
            fail_msg("row %zu: %s", i, weft_error());
        weft_lm_classes_free(&c);
        unlink(path);
        free(path);
    }
}

/* Beyond the most classes, and names too long. */
static void too_many(void **state)
{
    (void)state;
    weft_text text = {0};
    weft_lm_classes c;
    for (int i = 0; i <= WEFT_LM_MOST_CLASSES; i++)
        weft_text_add(&text, "{\"label\": %d}\n", i);
    char *path = labels_file("c.jsonl", text.data);
    assert_int_equal(weft_lm_labels_collect(&c, path, 0), WEFT_ERROR_FORMAT);
    assert_non_null(strstr(weft_error(), "different label number 1001"));
    weft_lm_classes_free(&c);
    free(path);
    text.length = 0;
    weft_text_add(&text, "{\"label\": \"%0300d\"}", 1);
    path = labels_file("c.jsonl", text.data);
    assert_int_equal(weft_lm_labels_collect(&c, path, 0), WEFT_ERROR_FORMAT);
    assert_non_null(strstr(weft_error(), "a label of 300 bytes"));
    weft_lm_classes_free(&c);
    unlink(path);
    free(path);
    weft_text_free(&text);
}

/* ---- One label. ---- */

static void truths(void **state)
{
    (void)state;
    static char a[] = "a", b[] = "b", cd[] = "c|d", zero[] = "0", un[] = "1", two[] = "2", label[] = "LABEL_0";
    static char *words[] = {a, b, cd}, *digits[] = {zero, un, two}, *one[] = {label};
    static const weft_lm_classes kinds[] = {{words, 3, WEFT_LM_PROBLEM_MULTI_LABEL},
                                            {digits, 3, WEFT_LM_PROBLEM_MULTI_LABEL},
                                            {words, 3, WEFT_LM_PROBLEM_REGRESSION},
                                            {one, 1, WEFT_LM_PROBLEM_REGRESSION}};
    static const struct {
        int kind;
        const char *label;
        double truth[3];
        const char *says; /* NULL: it is taken */
    } rows[] = {
        {0, "[\"b\", \"a\"]", {1, 1, 0}, NULL},
        {0, "\"a|b\"", {1, 1, 0}, NULL},
        {0, "\"c|d\"", {0, 0, 1}, NULL},
        {0, "\"\"", {0, 0, 0}, NULL},
        {0, "[]", {0, 0, 0}, NULL},
        {0, "[1, 0, 1]", {1, 0, 1}, NULL},
        {0, "[0.25, 0, 1]", {0.25, 0, 1}, NULL},
        {0, "[1]", {0, 1, 0}, NULL},
        {0, "2", {0, 0, 1}, NULL},
        {0, "[1, 2, 0.5]", {0}, "a label of 2"},
        {0, "\"a|x\"", {0}, "label \"x\" is none of the classifier's 3"},
        {0, "[\"x\"]", {0}, "label \"x\" is none of the classifier's 3"},
        {0, "[3]", {0}, "label \"3\" is none"},
        {0, "[\"a\", \"a\"]", {0}, "label \"a\" is there twice"},
        {0, "[null]", {0}, "neither text nor integer"},
        {0, "0.5", {0}, "neither text nor integer"},
        {1, "[0, 2]", {1, 0, 1}, NULL},
        {1, "[2, 1, 0]", {1, 1, 1}, NULL},
        {1, "[0.0, 1.0, 1.0]", {0, 1, 1}, NULL},
        {1, "[0, 1, 1]", {0}, "label \"1\" is there twice"},
        {2, "[0.5, -7, 1e30]", {0.5, -7, 1e30}, NULL},
        {2, "[1, 2]", {0}, "a list of numbers, 3 of them"},
        {2, "[1, 2, \"3\"]", {0}, "a list of numbers"},
        {3, "-2.5", {-2.5}, NULL},
        {3, "\"-2.5\"", {-2.5}, NULL},
        {3, "[4]", {4}, NULL},
        {3, "\"nan\"", {0}, "expected a number"},
        {3, "\"inf\"", {0}, "expected a number"},
        {3, "1e300", {0}, "expected a number"},
        {3, "\"2 kg\"", {0}, "expected a number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[128];
        double truth[3] = {9, 9, 9};
        weft_json *json;
        snprintf(text, sizeof text, "{\"label\": %s}", rows[i].label);
        MUST(weft_json_parse(text, strlen(text), "it", &json));
        const weft_lm_classes *c = &kinds[rows[i].kind];
        const weft_status status = weft_lm_label_truth(c, weft_lm_label_of(weft_json_root(json)), "it", truth);
        if ((status == WEFT_OK) != (rows[i].says == NULL) || (rows[i].says && !strstr(weft_error(), rows[i].says)))
            fail_msg("%s: %s", rows[i].label, status == WEFT_OK ? "was taken" : weft_error());
        for (int64_t k = 0; k < c->count && status == WEFT_OK; k++)
            if (truth[k] != rows[i].truth[k])
                fail_msg("%s: class %d is %g", rows[i].label, (int)k, truth[k]);
        weft_json_free(json);
    }
}

/* ---- Training passes. ---- */

/* The golden's batch as data to learn from: rows of different lengths, behind them an empty one that must change nothing. */
static void golden_pass(void **state)
{
    const char *name = *state;
    lm_case c = case_open(name);
    weft_lm *lm;
    weft_lm_data data = {0};
    weft_lm_rows rows;
    weft_lm_pass *pass;
    MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
    const weft_tensor ids = tensor_of(c.golden, "input_ids"), mask = tensor_of(c.golden, "attention_mask");
    const weft_tensor labels = tensor_of(c.golden, "out.labels");
    const int64_t texts = ids.dims.size[0], n = labels.dims.size[1];
    data.in_place = data.classed = true;
    data.target_count = n;
    for (int64_t i = 0; i < texts; i++) {
        int64_t count = 0;
        while (count < ids.dims.size[1] && ((const int64_t *)mask.data)[i * ids.dims.size[1] + count])
            count++;
        MUST(weft_lm_data_add(&data, (const int64_t *)ids.data + i * ids.dims.size[1], NULL, count));
        for (int64_t k = 0; k < n; k++)
            data.targets[i * n + k] = (float)element(labels, i * n + k);
    }
    MUST(weft_lm_rows_make(&data, 12, false, &rows));
    weft_lm_pass_form form = {
        .batch = texts + 1, .length = rows.length, .segments = rows.packed, .gradients = true, .classes = true, .targets = n};
    const int64_t which[] = {0, 1, 2, 3, -1};
    double loss, largest = 0;
    assert_int_equal(texts, 4);
    MUST(weft_lm_own_weights(lm, false, 0));
    MUST(weft_lm_pass_new(lm, &form, &pass));
    weft_lm_rows_fill(&rows, &data, which, texts + 1, weft_lm_pass_inputs(pass));
    assert_int_equal(weft_lm_pass_inputs(pass)->labelled, texts);
    MUST(weft_lm_pass_run(pass, 1 / (double)texts, 0, 0, &loss));
    assert_true(fabs(loss - element(tensor_of(c.golden, "out.loss"), 0)) < 1e-5);
    int64_t compared = 0;
    for (int round = 0; round < 2; round++) /* first how large gradients are, then how far off */
        for (int64_t i = 0; i < weft_params_count(lm->params); i++) {
            char key[300];
            weft_tensor t, got, want;
            double most = 0, off = 0;
            snprintf(key, sizeof key, "grad.%s", weft_params_at(lm->params, i, &t));
            want = tensor_of(c.golden, key);
            MUST(weft_fetch(weft_lm_pass_session(pass), key, &got));
            for (int64_t k = 0; k < weft_dims_count(t.dims); k++) {
                most = fmax(most, fabs(element(want, k)));
                off = fmax(off, fabs(element(want, k) - element(got, k)));
            }
            largest = fmax(largest, most);
            if (round == 1 && off > fmax(2e-5 * most, 1e-6 * largest))
                fail_msg("%s is off by %g, of %g", key, off, most);
            compared += round;
        }
    assert_true(compared > 10 && largest > 1e-2);
    double mean;
    weft_lm_scores scores;
    MUST(weft_lm_class_scores(lm, &data, &rows, texts, 3, false, &mean, &scores));
    assert_true(fabs(mean - loss) < 1e-6);
    assert_int_equal(scores.rows, texts);
    weft_lm_scores_free(&scores);
    weft_lm_pass_free(pass);
    weft_lm_rows_free(&rows);
    weft_lm_data_free(&data);
    weft_lm_free(lm);
    case_close(&c);
}

/* ---- Scores. ---- */

static double figure(const weft_lm_scores *s, const char *name)
{
    double value;
    const char *at;
    for (int i = 0; (at = weft_lm_scores_at(s, i, &value)); i++)
        if (strcmp(at, name) == 0)
            return value;
    fail_msg("no %s", name);
    return 0;
}

/* Against sums by hand: three labels of four rows; five numbers, far from 0. */
static void scores_by_hand(void **state)
{
    (void)state;
    static const double said[4][3] = {{0.9, 0.1, 0.6}, {0.2, 0.1, 0.7}, {0.8, 0.1, 0.1}, {0.1, 0.1, 0.1}};
    static const double there[4][3] = {{1, 0, 1}, {1, 0, 1}, {0, 0, 0}, {0, 0, 0.4}};
    weft_lm_scores s;
    MUST(weft_lm_scores_begin(&s, WEFT_LM_PROBLEM_MULTI_LABEL, 3));
    assert_true(isnan(figure(&s, "accuracy")));
    for (int i = 0; i < 4; i++)
        weft_lm_scores_labels(&s, said[i], there[i], 0.5);
    assert_true(figure(&s, "accuracy") == 0.5);
    assert_true(fabs(figure(&s, "micro_f1") - 2.0 * 3 / (4 + 4)) < 1e-12);
    assert_true(fabs(figure(&s, "macro_f1") - (0.5 + 1) / 2) < 1e-12); /* the second class is neither there nor said */
    weft_lm_scores_free(&s);

    MUST(weft_lm_scores_begin(&s, WEFT_LM_PROBLEM_REGRESSION, 1));
    static const double truth[] = {1e6 + 1, 1e6 + 2, 1e6 + 3, 1e6 + 4, 1e6 + 5};
    for (int i = 0; i < 5; i++) {
        const double answer = truth[i] + (i % 2 ? 0.5 : -0.5);
        weft_lm_scores_numbers(&s, &answer, &truth[i]);
    }
    assert_true(fabs(figure(&s, "rmse") - 0.5) < 1e-9 && fabs(figure(&s, "mae") - 0.5) < 1e-9);
    assert_true(fabs(figure(&s, "r2") - (1 - 1.25 / 10)) < 1e-9);
    weft_lm_scores_free(&s);

    MUST(weft_lm_scores_begin(&s, WEFT_LM_PROBLEM_SINGLE_LABEL, 3));
    weft_lm_scores_class(&s, said[0], 0);
    weft_lm_scores_class(&s, said[1], 2);
    weft_lm_scores_class(&s, said[2], 2);
    assert_true(fabs(figure(&s, "accuracy") - 2.0 / 3) < 1e-12);
    weft_lm_scores_free(&s);
}

int main(void)
{
    static char several[] = "classify_several", number[] = "classify_number";
    const struct CMUnitTest tests[] = {cmocka_unit_test(kinds_of_files),
                                       cmocka_unit_test(wrong_files),
                                       cmocka_unit_test(too_many),
                                       cmocka_unit_test(truths),
                                       cmocka_unit_test(scores_by_hand),
                                       {"golden_several", golden_pass, NULL, NULL, several},
                                       {"golden_number", golden_pass, NULL, NULL, number}};
    return cmocka_run_group_tests_name("lm labels", tests, NULL, NULL);
}
