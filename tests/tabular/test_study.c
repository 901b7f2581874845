/* A study's journal: two processes that write to it at once, half lines, lines that make no sense; the spaces and the rule of
 * stopping early. */
#include "tabr_case.h"

#include "base/files.h"
#include "tabular/study.h"
#include "train/journal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/weft-study-XXXXXX";

static char *path_of(const char *name)
{
    char *path = weft_path_join(folder, name);
    assert_non_null(path);
    return path;
}

/* ---- the journal ---- */

typedef struct seen {
    int64_t lines, next[2];
    char last[128];
} seen;

static weft_status count_line(void *user, const char *text, size_t length, int64_t number)
{
    seen *s = user;
    int who, n;
    assert_int_equal(number, ++s->lines);
    snprintf(s->last, sizeof s->last, "%.*s", (int)length, text);
    if (sscanf(s->last, "{\"who\": %d, \"n\": %d}", &who, &n) == 2)
        assert_int_equal(n, s->next[who]++); /* each writer's lines in their order, none lost */
    return WEFT_OK;
}

static void write_lines(const char *path, int who, int count)
{
    weft_journal *j = NULL;
    MUST(weft_journal_open(path, &j));
    for (int n = 0; n < count; n++) {
        char line[64];
        snprintf(line, sizeof line, "{\"who\": %d, \"n\": %d}", who, n);
        MUST(weft_journal_lock(j));
        MUST(weft_journal_add(j, line));
        weft_journal_unlock(j);
    }
    weft_journal_close(j);
}

static void two_processes_write(void **state)
{
    (void)state;
    enum { LINES = 200 };
    char *path = path_of("two.jsonl");
    weft_journal *j = NULL;
    seen s = {0};
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        write_lines(path, 1, LINES);
        _exit(0);
    }
    MUST(weft_journal_open(path, &j));
    write_lines(path, 0, LINES);
    int how = -1;
    while (waitpid(child, &how, WNOHANG) == 0)
        MUST(weft_journal_read(j, count_line, &s)); /* while the other one writes */
    assert_int_equal(how, 0);
    MUST(weft_journal_read(j, count_line, &s));
    assert_int_equal(s.next[0], LINES);
    assert_int_equal(s.next[1], LINES);
    assert_int_equal(s.lines, 2 * LINES);
    weft_journal_close(j);
    free(path);
}

static void append(const char *path, const char *bytes)
{
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0666);
    assert_true(file >= 0 && write(file, bytes, strlen(bytes)) == (ssize_t)strlen(bytes));
    close(file);
}

static void half_lines_are_cut(void **state)
{
    (void)state;
    char *path = path_of("half.jsonl");
    weft_journal *j = NULL;
    seen s = {0};
    append(path, "{\"who\": 0, \"n\": 0}\n{\"who\": 0, \"n\"");
    MUST(weft_journal_open(path, &j));
    MUST(weft_journal_read(j, count_line, &s));
    assert_int_equal(s.lines, 1); /* the half line waits: it may be one that is being written */
    MUST(weft_journal_lock(j));
    MUST(weft_journal_add(j, "{\"who\": 0, \"n\": 1}"));
    weft_journal_unlock(j);
    MUST(weft_journal_read(j, count_line, &s));
    assert_int_equal(s.lines, 2);
    assert_string_equal(s.last, "{\"who\": 0, \"n\": 1}");
    append(path, "x");
    MUST(weft_journal_lock(j)); /* a file of nothing but half a line, too */
    weft_journal_unlock(j);
    MUST(weft_journal_read(j, count_line, &s));
    assert_int_equal(s.lines, 2);
    weft_journal_close(j);
    free(path);
}

static void a_lock_ends_with_its_process(void **state)
{
    (void)state;
    char *path = path_of("lock");
    int lock = -1, ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (weft_lock_try(path, &lock) != WEFT_OK || lock < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    MUST(weft_lock_try(path, &lock));
    assert_int_equal(lock, -1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    MUST(weft_lock_try(path, &lock));
    assert_true(lock >= 0);
    weft_lock_end(lock);
    close(ready[0]);
    close(ready[1]);
    free(path);
}

/* ---- spaces ---- */

static const weft_axis *axis_named(const weft_space *s, const char *name)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->axis[i].name, name) == 0)
            return &s->axis[i];
    return NULL;
}

/* Specification 4.6. */
static void spaces_are_the_published_ones(void **state)
{
    (void)state;
    static const struct {
        weft_tabular_arch arch;
        weft_numeric_embedding_kind embedding;
        int count;
        const char *name;
        double least, most;
    } wanted[] = {
        {WEFT_TABULAR_TABR, WEFT_NUMERIC_NONE, 6, "d_main", 96, 384},
        {WEFT_TABULAR_TABR, WEFT_NUMERIC_NONE, 6, "lr", 3e-5, 1e-3},
        {WEFT_TABULAR_TABR, WEFT_NUMERIC_NONE, 6, "context_dropout", 0, 0.6},
        {WEFT_TABULAR_TABR, WEFT_NUMERIC_PLR_LITE, 11, "encoder_n_blocks", 0, 1},
        {WEFT_TABULAR_TABR, WEFT_NUMERIC_PLR_LITE, 11, "predictor_n_blocks", 1, 2},
        {WEFT_TABULAR_TABR, WEFT_NUMERIC_PLR_LITE, 11, "n_frequencies", 16, 96},
        {WEFT_TABULAR_TABR, WEFT_NUMERIC_PLR_LITE, 11, "frequency_scale", 0.01, 100},
        {WEFT_TABULAR_TABR, WEFT_NUMERIC_PLR_LITE, 11, "d_embedding", 16, 64},
        {WEFT_TABULAR_TABR, WEFT_NUMERIC_LR, 9, "d_embedding", 16, 96},
        {WEFT_TABULAR_MLP, WEFT_NUMERIC_NONE, 7, "n_blocks", 1, 6},
        {WEFT_TABULAR_MLP, WEFT_NUMERIC_NONE, 7, "d_layer", 64, 1024},
        {WEFT_TABULAR_MLP, WEFT_NUMERIC_NONE, 7, "lr", 1e-5, 1e-3},
        {WEFT_TABULAR_MLP, WEFT_NUMERIC_PLR, 10, "dropout", 0, 0.5},
        {WEFT_TABULAR_MLP, WEFT_NUMERIC_LR, 8, "weight_decay", 1e-6, 1e-4},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        weft_tabular_config c = case_config(WEFT_TASK_REGRESSION, wanted[i].embedding, 2, 8, 0, 1);
        weft_space s;
        c.arch = wanted[i].arch;
        MUST(weft_space_of(&c, (weft_json_value){NULL}, &s));
        const weft_axis *a = axis_named(&s, wanted[i].name);
        assert_int_equal(s.count, wanted[i].count);
        assert_non_null(a);
        assert_true(a->least == wanted[i].least && a->most == wanted[i].most);
    }
}

static void values_go_in_and_out(void **state)
{
    (void)state;
    weft_tabular_config c = case_config(WEFT_TASK_BINARY, WEFT_NUMERIC_PLR_LITE, 2, 8, 0, 1), d = c;
    weft_fit_options f = weft_fit_default(1000), g = f;
    weft_space s;
    weft_json *fixed = NULL;
    const char *text = "{\"lr\": 0.1, \"num_embeddings\": {\"d_embedding\": 3}}";
    double values[WEFT_SPACE_AXES], back[WEFT_SPACE_AXES];
    MUST(weft_json_parse(text, strlen(text), "fixed", &fixed));
    MUST(weft_space_of(&c, weft_json_root(fixed), &s));
    assert_null(axis_named(&s, "lr"));
    assert_null(axis_named(&s, "d_embedding"));
    for (int decays = 0; decays < 2; decays++) {
        c.d_main = 200;
        c.context_dropout = 0.25;
        c.num_embeddings.frequencies = 5000; /* beyond the space */
        f.weight_decay = decays ? 5e-5 : 0;
        weft_space_read(&s, &c, &f, values);
        weft_text json = {0};
        weft_json_writer w = weft_json_to(&json, 0);
        weft_json *read = NULL;
        weft_space_write_values(&s, values, &w);
        MUST(weft_json_parse(json.data, json.length, "values", &read));
        MUST(weft_space_read_values(&s, weft_json_root(read), "values", back));
        weft_space_apply(&s, back, &d, &g);
        assert_int_equal(d.d_main, 200);
        assert_true(d.context_dropout == 0.25 && g.weight_decay == f.weight_decay);
        assert_int_equal(d.num_embeddings.frequencies, 96);
        assert_int_equal(d.num_embeddings.width, 3);
        weft_json_free(read);
        weft_text_free(&json);
    }
    weft_json_free(fixed);
    text = "{\"d_main\": 1, \"context_dropout\": 0, \"dropout0\": 0, \"encoder_n_blocks\": 0, \"predictor_n_blocks\": 1, "
           "\"n_frequencies\": 1, \"frequency_scale\": 1, \"d_embedding\": 1, \"lr\": 1, \"weight_decay\": 0}";
    MUST(weft_json_parse(text, strlen(text), "fixed", &fixed));
    assert_int_not_equal(weft_space_of(&c, weft_json_root(fixed), &s), WEFT_OK);
    weft_json_free(fixed);
}

/* ---- lines ---- */

static void lines_are_doubted(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says; /* says NULL: it is fine */
    } lines[] = {
        {"{\"trial\": 0, \"begin\": {}}", "before the study's settings"},
        {"{\"study\": {\"seed\": \"0\"}}", NULL},
        {"{\"study\": {\"seed\": \"0\"}}", "second time"},
        {"", "line 4"},
        {"[1]", "no JSON object"},
        {"{\"trial\": 1, \"begin\": {}}", "expected trial 0"},
        {"{\"trial\": 0, \"begin\": {}}", "\"d_main\" is missing"},
        {"{\"trial\": 0, \"begin\": {\"d_main\": 96, \"context_dropout\": 0, \"dropout0\": 0.7, \"lr\": 1e-4, \"?weight_decay\": "
         "0}}",
         "\"dropout0\" is not a number from 0 to 0.6"},
        {"{\"trial\": 0, \"begin\": {\"d_main\": 96.5, \"context_dropout\": 0, \"dropout0\": 0, \"lr\": 1e-4, \"?weight_decay\": "
         "0}}",
         "\"d_main\" is not a whole number"},
        {"{\"trial\": 0, \"begin\": {\"d_main\": 96, \"context_dropout\": 0, \"dropout0\": 0, \"lr\": 1e-4, \"?weight_decay\": "
         "0, "
         "\"weight_decay\": 1e-5}}",
         "\"weight_decay\" was not asked for"},
        {"{\"trial\": 0, \"begin\": {\"d_main\": 96, \"context_dropout\": 0, \"dropout0\": 0, \"lr\": 1e-4, \"?weight_decay\": "
         "0, "
         "\"colour\": 1}}",
         "\"colour\" is none of the settings"},
        {"{\"trial\": 0, \"end\": \"complete\"}", "has not begun"},
        {"{\"trial\": 0, \"begin\": {\"d_main\": 96, \"context_dropout\": 0, \"dropout0\": 0, \"lr\": 1e-4, \"?weight_decay\": "
         "0}}",
         NULL},
        {"{\"trial\": 0, \"epochs\": 9, \"score\": 1}", "no score after 9 epochs"},
        {"{\"trial\": 0, \"epochs\": 3, \"score\": null}", "no score after 3 epochs"},
        {"{\"trial\": 0, \"epochs\": 3, \"score\": -1}", NULL},
        {"{\"trial\": -1, \"end\": \"complete\"}", "trial"},
        {"{\"trial\": 0, \"end\": \"complete\", \"epochs\": 4}", "without a score"},
        {"{\"trial\": 0, \"end\": \"running\"}", "expected complete, pruned or failed"},
        {"{\"trial\": 0, \"end\": \"complete\", \"score\": -0.5, \"epochs\": 4, \"best_epoch\": 2, \"seconds\": 1.5}", NULL},
        {"{\"trial\": 0, \"end\": \"failed\"}", "has ended before"},
    };
    weft_tabular_config c = case_config(WEFT_TASK_REGRESSION, WEFT_NUMERIC_NONE, 2, 8, 0, 1);
    weft_space s;
    MUST(weft_space_of(&c, (weft_json_value){NULL}, &s));
    weft_study_table t = {.space = &s};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        weft_status status = weft_study_take_line(&t, lines[i].line, strlen(lines[i].line), "j", (int64_t)i + 1);
        if (!lines[i].says != (status == WEFT_OK) || (lines[i].says && !strstr(weft_error(), lines[i].says)))
            fail_msg("line %d: %s", (int)i + 1, status == WEFT_OK ? "taken" : weft_error());
    }
    assert_int_equal(t.count, 1);
    assert_int_equal(t.trial[0].state, WEFT_TRIAL_COMPLETE);
    assert_true(t.trial[0].score == -0.5 && t.trial[0].epochs == 4 && t.trial[0].rungs == 1);
    weft_study_table_free(&t);
}

/* A third goes on, judged when it comes: the first always does. */
static void the_better_third_goes_on(void **state)
{
    (void)state;
    enum { TRIALS = 9 };
    weft_study_trial trials[TRIALS] = {{0}};
    weft_study_table t = {.trial = trials, .count = TRIALS};
    int going = 0;
    for (int i = 0; i < TRIALS; i++) {
        trials[i].rungs = 1;
        trials[i].rung[0] = i;
        assert_false(weft_study_stops(&t, i, 0)); /* each is the best so far */
    }
    for (int i = 0; i < TRIALS; i++)
        going += !weft_study_stops(&t, i, 0);
    assert_int_equal(going, TRIALS / WEFT_HALVING);
    assert_true(weft_study_stops(&t, 0, 0));
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"two.jsonl", "half.jsonl", "lock"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = weft_path_join(folder, names[i]);
        unlink(path);
        free(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_processes_write),          cmocka_unit_test(half_lines_are_cut),
        cmocka_unit_test(a_lock_ends_with_its_process), cmocka_unit_test(spaces_are_the_published_ones),
        cmocka_unit_test(values_go_in_and_out),         cmocka_unit_test(lines_are_doubted),
        cmocka_unit_test(the_better_third_goes_on),
    };
    return cmocka_run_group_tests_name("study", tests, make_folder, remove_folder);
}
