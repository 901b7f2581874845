/* What kinds columns are found to be, on tables written here and on the shipped ones; what is refused, and in which words. */
#include "tabular/table_case.h"
#include "base/files.h"

#include <unistd.h>

/* `rows` lines made by a function of the row number, below a header. */
static weft_csv *made(const char *header, int rows, void (*line)(weft_text *, int))
{
    weft_text text = {0};
    weft_text_add(&text, "%s\n", header);
    for (int i = 0; i < rows; i++) {
        line(&text, i);
        weft_text_add(&text, "\n");
    }
    weft_csv *csv = csv_of(text.data);
    weft_text_free(&text);
    return csv;
}

static const weft_column *column(const weft_schema *s, const char *name)
{
    int c = weft_schema_find(s, name);
    assert_true(c >= 0);
    return s->columns + c;
}

static void assert_says(const weft_text *text, const char *piece)
{
    if (!text->data || !strstr(text->data, piece))
        fail_msg("\"%s\" lacks \"%s\"", text->data ? text->data : "", piece);
}

static void every_kind_line(weft_text *t, int i)
{
    static const char *const color[] = {"red", "green", "blue", "", "NA"};
    static const char *const yes[] = {"yes", "no"};
    weft_text_add(t, "%d.5,%s,%s,%s,%d,7,,%s,%d/%d/2011,%d,%s", i * i, i % 10 ? "3" : "", color[i % 5], yes[i % 3 == 0], i % 2,
                  i % 4 ? yes[i % 2] : "null", 1 + i % 12, 1 + i % 28, 5 - i % 2 * 2, i % 2 ? "b" : "a");
}
static const char every_kind[] = "num,gap,color,yes,flag,const,empty,maybe,day,two,target";

static weft_schema *every_kind_schema(weft_csv *csv)
{
    weft_schema *s;
    assert_ok(infer_all(csv, &(weft_schema_options){.target = "target", .task = -1, .seed = 3}, &s));
    return s;
}

static void kinds_are_inferred(void **state)
{
    (void)state;
    weft_csv *csv = made(every_kind, 120, every_kind_line);
    weft_schema *s = every_kind_schema(csv);
    assert_int_equal(column(s, "num")->kind, WEFT_COLUMN_NUMERICAL);
    assert_false(column(s, "num")->indicator);
    assert_int_equal(column(s, "gap")->kind, WEFT_COLUMN_NUMERICAL);
    assert_true(column(s, "gap")->indicator);
    assert_true(column(s, "gap")->median[0] == 3);
    assert_int_equal(column(s, "color")->kind, WEFT_COLUMN_CATEGORICAL);
    assert_int_equal(column(s, "color")->levels.count, 4); /* missing in two spellings is one level, the first */
    assert_string_equal(column(s, "color")->levels.text[0], "");
    assert_string_equal(column(s, "color")->levels.text[1], "blue");
    assert_string_equal(column(s, "color")->levels.text[3], "red");
    assert_int_equal(column(s, "yes")->kind, WEFT_COLUMN_BINARY);
    assert_int_equal(column(s, "flag")->kind, WEFT_COLUMN_BINARY);
    assert_int_equal(column(s, "two")->kind, WEFT_COLUMN_BINARY);
    assert_string_equal(column(s, "two")->levels.text[0], "3");
    assert_int_equal(column(s, "const")->kind, WEFT_COLUMN_NUMERICAL);
    assert_int_equal(column(s, "empty")->kind, WEFT_COLUMN_DROPPED);
    assert_int_equal(column(s, "maybe")->kind, WEFT_COLUMN_CATEGORICAL);
    assert_int_equal(column(s, "maybe")->levels.count, 3);
    assert_int_equal(column(s, "day")->kind, WEFT_COLUMN_DATE);
    assert_int_equal(column(s, "day")->parts, 4); /* the year never changes, and there is no time */
    assert_int_equal(s->task, WEFT_TASK_BINARY);
    assert_int_equal(s->n_num, 3 + 4);
    assert_int_equal(s->n_bin, 3 + 1);
    assert_int_equal(s->n_cat, 2);
    assert_int_equal(column(s, "gap")->bin_at, 3); /* after the binary columns */
    assert_int_equal(column(s, "two")->bin_at, 2);
    assert_int_equal(weft_schema_inputs(s), 7 + 4 + 4 + 3);
    assert_says(&s->warnings, "\"const\" is constant");
    assert_says(&s->warnings, "\"empty\" is left out");
    assert_says(&s->warnings, "\"gap\" is constant");
    weft_text text = {0};
    weft_schema_print(s, &text);
    assert_says(&text, "4 levels: (missing), blue, green, red (text, with missing as a level)");
    assert_says(&text, "month, day, weekday, days");
    assert_says(&text, "binary, 2 classes: a, b");
    assert_says(&text, "18 inputs");
    weft_text_free(&text);
    weft_schema_free(s);
    weft_csv_free(csv);
}

static void rows_become_numbers(void **state)
{
    (void)state;
    weft_csv *csv = made(every_kind, 120, every_kind_line);
    weft_schema *s = every_kind_schema(csv);
    weft_table *t;
    assert_ok(weft_schema_apply(s, csv, NULL, 120, true, &t));
    assert_int_equal(t->rows, 120);
    for (int64_t i = 0; i < 120; i++) {
        assert_int_equal(t->row[i], i);
        assert_int_equal(t->label[i], i % 2);
        assert_true(t->x_bin[i * 4 + 0] == (float)(i % 3 != 0)); /* no, yes */
        assert_true(t->x_bin[i * 4 + 1] == (float)(i % 2));
        assert_true(t->x_bin[i * 4 + 2] == (float)(i % 2 == 0));
        assert_true(t->x_bin[i * 4 + 3] == (float)(i % 10 == 0)); /* gap is missing */
        static const int code[] = {3, 2, 1, 0, 0};
        assert_int_equal(t->x_cat[i * 2], code[i % 5]);
        assert_true(i == 0 || t->x_num[i * s->n_num] > t->x_num[(i - 1) * s->n_num]);
        assert_true(t->x_num[i * s->n_num + 1] == t->x_num[1]); /* filled with the median: the same as all others */
    }
    assert_null(t->notes.data);
    weft_table_free(t);
    weft_schema_free(s);
    weft_csv_free(csv);
}

static void new_files_are_matched_by_name(void **state)
{
    (void)state;
    weft_csv *csv = made(every_kind, 120, every_kind_line);
    weft_schema *s = every_kind_schema(csv);
    weft_table *t;
    weft_csv *file = csv_of("two,flag,surplus,day,maybe,yes,color,const,gap,num\n"
                            "3.0,01,x,2011-02-03,no,no,red,7,,1.5\n"
                            "5,1,y,,,perhaps,violet,8,4,\n"
                            "4,0,z,,,,,,,\n");
    assert_ok(weft_schema_apply(s, file, NULL, 3, false, &t));
    assert_null(t->label);
    assert_true(t->x_bin[2] == 0 && t->x_bin[1] == 1); /* the same numbers, written otherwise */
    assert_int_equal(t->x_cat[0], 3);
    assert_int_equal(t->x_cat[2], -1);
    assert_int_equal(t->x_cat[4], 0);
    assert_true(t->x_bin[4] == 0.5f && t->x_bin[8] == 0.5f && t->x_bin[8 + 2] == 0.5f);
    assert_int_equal(t->unseen[weft_schema_find(s, "color")], 1);
    assert_int_equal(t->unseen[weft_schema_find(s, "yes")], 2);
    assert_int_equal(t->unseen[weft_schema_find(s, "two")], 1);
    assert_int_equal(t->filled[weft_schema_find(s, "num")], 2);
    assert_says(&t->notes, "ignored, which training did not have: \"surplus\"");
    assert_says(&t->notes, "column \"num\": 2 missing cells filled");
    assert_says(&t->notes, "column \"yes\": 2 cells");
    weft_table_free(t);
    weft_csv_free(file);
    static const struct {
        const char *text;
        const char *piece[2];
    } cases[] = {
        {"two,flag,day,maybe,yes,colour,const,gap,num\n3,1,,,,,7,3,1\n", {"no column \"color\"", "colour"}},
        {"two,flag,day,maybe,yes,color,const,gap,num\n3,1,,,,,7,3,1\n3,1,,,,,7,3,x y\n", {"line 3, column \"num\"", "\"x y\""}},
        {"two,flag,day,maybe,yes,color,const,gap,num\n3,1,,,,,7,3,inf\n", {"line 2, column \"num\"", "finite"}},
        {"two,flag,day,maybe,yes,color,const,gap,num\n3,1,,,,,7,3,1e39\n", {"line 2, column \"num\"", "float32"}},
        {"two,flag,day,maybe,yes,color,const,gap,num\n3,1,30/1/2011,,,,7,3,1\n", {"line 2, column \"day\"", "2024-12-31"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file = csv_of(cases[i].text);
        assert_int_not_equal(weft_schema_apply(s, file, NULL, weft_csv_rows(file), false, &t), WEFT_OK);
        for (int p = 0; p < 2; p++)
            if (!strstr(weft_error(), cases[i].piece[p]))
                fail_msg("case %zu: \"%s\" lacks \"%s\"", i, weft_error(), cases[i].piece[p]);
        weft_csv_free(file);
    }
    file = csv_of("two,flag,day,maybe,yes,color,const,gap,num,target\n3,1,,,,,7,3,1,a\n3,1,,,,,7,3,1,\n3,1,,,,,7,3,1,c\n");
    assert_error(weft_schema_apply(s, file, NULL, 3, true, &t), "line 4, column \"target\"", "class \"c\"", "a, b");
    assert_ok(weft_schema_apply(s, file, NULL, 2, true, &t));
    assert_int_equal(t->rows, 1);
    assert_int_equal(t->unlabelled, 1);
    assert_says(&t->notes, "1 row left out");
    weft_table_free(t);
    weft_csv_free(file);
    weft_schema_free(s);
    weft_csv_free(csv);
}

static void saved_and_loaded(void **state)
{
    (void)state;
    weft_csv *csv = made(every_kind, 120, every_kind_line);
    char folder[] = "/tmp/weft_schema_XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/schema.json", folder);
    for (int scaling = 0; scaling < WEFT_SCALINGS; scaling++) {
        for (int target = 0; target < 2; target++) {
            weft_schema *s, *again;
            weft_schema_options options = {.target = target ? "num" : "target", .task = -1, .scaling = (weft_scaling)scaling};
            assert_ok(infer_all(csv, &options, &s));
            assert_ok(weft_schema_save(s, path));
            assert_ok(weft_schema_load(path, &again));
            assert_int_equal(again->file_rows, 120);
            assert_string_equal(again->file, "t.csv");
            weft_text a = {0}, b = {0};
            weft_schema_print(s, &a);
            weft_schema_print(again, &b);
            assert_string_equal(a.data, b.data);
            weft_text_free(&a);
            weft_text_free(&b);
            weft_table *x, *y;
            assert_ok(weft_schema_apply(s, csv, NULL, 120, true, &x));
            assert_ok(weft_schema_apply(again, csv, NULL, 120, true, &y));
            assert_memory_equal(x->x_num, y->x_num, (size_t)(120 * s->n_num) * sizeof(float));
            assert_memory_equal(x->x_bin, y->x_bin, (size_t)(120 * s->n_bin) * sizeof(float));
            assert_memory_equal(x->x_cat, y->x_cat, (size_t)(120 * s->n_cat) * sizeof(int64_t));
            if (target)
                assert_memory_equal(x->y, y->y, 120 * sizeof(float));
            weft_table_free(x);
            weft_table_free(y);
            weft_schema_free(s);
            weft_schema_free(again);
        }
    }
    unlink(path);
    rmdir(folder);
    weft_csv_free(csv);
}

/* A schema file edited by hand: `edit` with `from` replaced. */
static void broken_schema_files_are_refused(void **state)
{
    (void)state;
    static const char good[] =
        "{\"format\":1,\"file\":\"a.csv\",\"rows\":9,\"train_rows\":5,\"task\":\"binary\",\"scaling\":\"quantile\","
        "\"columns\":[{\"name\":\"x\",\"kind\":\"numerical\",\"indicator\":false,\"numbers\":[{\"median\":2,"
        "\"quantiles\":[1,2,3]}]},{\"name\":\"c\",\"kind\":\"categorical\",\"levels\":[null,\"p\",\"q\"]},"
        "{\"name\":\"b\",\"kind\":\"binary\",\"numeric\":true,\"levels\":[\"2\",\"10\"]},"
        "{\"name\":\"y\",\"kind\":\"target\",\"levels\":[\"no\",\"yes\"]}]}";
    static const struct {
        const char *from, *to, *piece;
    } cases[] = {
        {"\"format\":1", "\"format\":2", "format 2"},
        {"\"quantile\"", "\"quantil\"", "must be one of quantile, standard, none"},
        {"\"binary\",\"scaling\"", "\"both\",\"scaling\"", "regression, binary, multiclass"},
        {"[1,2,3]", "[1,3,2]", "column \"x\": quantile 2"},
        {"[1,2,3]", "[1,null,2]", "quantile 1"},
        {"[1,2,3]", "[]", "\"quantiles\""},
        {"\"median\":2,", "", "\"median\" is absent"},
        {"\"median\":2,", "\"median\":\"2\",", "column \"x\""},
        {"\"numbers\":[{", "\"numbers\":[1,{", "\"numbers\""},
        {"[null,\"p\",\"q\"]", "[null,\"q\",\"p\"]", "level \"p\" must come after \"q\""},
        {"[null,\"p\",\"q\"]", "[\"p\",7]", "level 1 must be a text"},
        {"[null,\"p\",\"q\"]", "[]", "\"levels\""},
        {"[\"2\",\"10\"]", "[\"10\",\"2\"]", "must be larger"},
        {"[\"2\",\"10\"]", "[\"2\",\"ten\"]", "not a number"},
        {"[\"2\",\"10\"]", "[\"2\",\"10\",\"11\"]", "exactly two"},
        {"[\"no\",\"yes\"]", "[\"no\"]", "exactly two"},
        {"[\"no\",\"yes\"]", "[null,\"yes\"]", "only a categorical column"},
        {"\"name\":\"c\"", "\"name\":\"x\"", "twice"},
        {"\"name\":\"c\",", "", "\"name\" is absent"},
        {"\"kind\":\"categorical\"", "\"kind\":\"text\"", "numerical, binary, categorical"},
        {"\"kind\":\"categorical\"", "\"kind\":\"target\"", "column \"c\""},
        {"\"kind\":\"target\"", "\"kind\":\"dropped\"", "no column is of kind \"target\""},
        {"\"columns\":[", "\"colums\":[", "\"columns\""},
        {"\"file\":\"a.csv\",", "", "\"file\" is absent"},
    };
    for (size_t i = 0; i <= sizeof cases / sizeof *cases; i++) {
        weft_text text = {0};
        bool intact = i == sizeof cases / sizeof *cases;
        const char *at = intact ? good : strstr(good, cases[i].from);
        assert_non_null(at);
        weft_text_bytes(&text, good, (size_t)(at - good));
        weft_text_add(&text, "%s%s", intact ? "" : cases[i].to, at + (intact ? 0 : strlen(cases[i].from)));
        weft_json *json = NULL;
        weft_schema *s = NULL;
        assert_ok(weft_json_parse(text.data, text.length, "schema.json", &json));
        weft_status status = weft_schema_parse(weft_json_root(json), "schema.json", &s);
        if (intact) {
            if (status != WEFT_OK)
                fail_msg("%s", weft_error());
            assert_int_equal(weft_schema_inputs(s), 1 + 1 + 3);
            weft_schema_free(s);
        } else if (status == WEFT_OK || !strstr(weft_error(), cases[i].piece) || !strstr(weft_error(), "schema.json")) {
            fail_msg("case %zu: \"%s\" lacks \"%s\"", i, status == WEFT_OK ? "accepted" : weft_error(), cases[i].piece);
        }
        weft_json_free(json);
        weft_text_free(&text);
    }
}

/* The task that a target of i → text asks for, over 300 rows. */
static weft_status task_of(const char *(*cell)(int, char *), int asked, weft_task *task, int *classes)
{
    weft_text text = {0};
    weft_text_add(&text, "x,y\n");
    for (int i = 0; i < 300; i++) {
        char room[64];
        weft_text_add(&text, "%d,%s\n", i * i, cell(i, room));
    }
    weft_csv *csv = csv_of(text.data);
    weft_text_free(&text);
    weft_schema *s = NULL;
    weft_status status = infer_all(csv, &(weft_schema_options){.target = "y", .task = asked}, &s);
    if (status == WEFT_OK) {
        *task = s->task;
        *classes = s->classes;
        int64_t *class_of_row;
        weft_task again;
        assert_ok(weft_schema_target(csv, &(weft_schema_options){.target = "y", .task = asked}, &again, &class_of_row));
        assert_int_equal(again, *task);
        for (int i = 0; class_of_row && i < 300; i++)
            assert_true(class_of_row[i] >= 0 && class_of_row[i] < *classes);
        assert_int_equal(class_of_row != NULL, *task != WEFT_TASK_REGRESSION);
        free(class_of_row);
    }
    weft_schema_free(s);
    weft_csv_free(csv);
    return status;
}

static const char *letters(int i, char *t)
{
    t[0] = (char)('A' + i % 26);
    t[1] = 0;
    return t;
}
static const char *grades(int i, char *t)
{
    snprintf(t, 64, "%d", 3 + i % 7);
    return t;
}
static const char *counts(int i, char *t)
{
    snprintf(t, 64, "%d", i % 40);
    return t;
}
static const char *halves(int i, char *t)
{
    snprintf(t, 64, "%d.5", i % 7);
    return t;
}
static const char *one_two(int i, char *t)
{
    snprintf(t, 64, "%d", 1 + i % 2);
    return t;
}
static const char *same(int i, char *t)
{
    (void)i;
    return strcpy(t, "5");
}
static const char *mostly(int i, char *t)
{
    snprintf(t, 64, i == 7 ? "many" : "%d.25", i);
    return t;
}
static const char *infinite(int i, char *t)
{
    snprintf(t, 64, i == 8 ? "-inf" : "%d.25", i);
    return t;
}

static void tasks_are_inferred(void **state)
{
    (void)state;
    weft_task task;
    int classes;
    assert_ok(task_of(letters, -1, &task, &classes));
    assert_true(task == WEFT_TASK_MULTICLASS && classes == 26);
    assert_ok(task_of(grades, -1, &task, &classes));
    assert_true(task == WEFT_TASK_MULTICLASS && classes == 7);
    assert_ok(task_of(grades, WEFT_TASK_REGRESSION, &task, &classes));
    assert_true(task == WEFT_TASK_REGRESSION && classes == 0);
    assert_ok(task_of(counts, -1, &task, &classes));
    assert_int_equal(task, WEFT_TASK_REGRESSION);
    assert_ok(task_of(counts, WEFT_TASK_MULTICLASS, &task, &classes));
    assert_true(task == WEFT_TASK_MULTICLASS && classes == 40);
    assert_ok(task_of(halves, -1, &task, &classes));
    assert_int_equal(task, WEFT_TASK_REGRESSION);
    assert_ok(task_of(one_two, -1, &task, &classes));
    assert_true(task == WEFT_TASK_BINARY && classes == 2);
    assert_ok(task_of(one_two, WEFT_TASK_MULTICLASS, &task, &classes));
    assert_int_equal(task, WEFT_TASK_BINARY);
    assert_error(task_of(grades, WEFT_TASK_BINARY, &task, &classes), "--task binary", "7");
    assert_error(task_of(letters, WEFT_TASK_REGRESSION, &task, &classes), "line 2", "\"A\"", "--task regression");
    assert_error(task_of(same, -1, &task, &classes), "\"y\"", "one class only");
    assert_error(task_of(same, WEFT_TASK_REGRESSION, &task, &classes), "\"y\"", "holds 5");
    assert_error(task_of(mostly, -1, &task, &classes), "line 9", "\"many\"");
    assert_error(task_of(infinite, -1, &task, &classes), "line 10", "\"-inf\"");
}

static void person_line(weft_text *t, int i)
{
    weft_text_add(t, "%d,name %d,%s,%s,%d.%d.2011,%d,%s", i, i % 60,
                  i == 41 ? "?"
                  : i % 3 ? "12.5"
                  : i % 7 ? "-3"
                          : "1e3",
                  i == 17 ? "inf" : "2", 1 + i % 28, 1 + i % 12, i % 9, i % 5 ? "p" : "");
}
static const char person[] = "id,name,size,rate,born,small,y";

static void city_line(weft_text *t, int i)
{
    weft_text_add(t, "%d.5,city %d,city %d,%d", i, i % 200, i % 201, i % 2);
}

static void bad_tables_are_refused(void **state)
{
    (void)state;
    weft_csv *csv = made(person, 200, person_line);
    weft_schema *s;
    weft_schema_options o = {.target = "small", .task = -1};
#define TRY(...) assert_error(infer_all(csv, &o, &s), __VA_ARGS__)
    o.target = "smal";
    TRY("no column \"smal\"", "nearest name is \"small\"");
    o.target = NULL;
    TRY("--target");
    o.target = "small";
    o.drop = "id,nam";
    TRY("no column \"nam\"", "--drop", "\"name\"");
    o.drop = "\"id\",\"nam\"";
    TRY("no column \"nam\"", "--drop", "\"name\"");
    o.drop = "\"id,nam\"";
    TRY("no column \"id,nam\"", "--drop");
    o.drop = "small";
    TRY("\"small\"", "--drop");
    o.drop = "size,rate,born";
    TRY("column \"name\"", "60 different texts", "identifier", "--drop");
    o.drop = "name";
    TRY("line 43, column \"size\"", "\"?\"", "99.5 %", "--categorical");
    o.drop = "name, size";
    TRY("line 19, column \"rate\"", "\"inf\"", "infinite");
    o.drop = "name, size,rate";
    TRY("column \"born\"", "\"1.1.2011\"", "2024-12-31", "--drop");
    o.drop = "name,size,rate,born";
    assert_ok(infer_all(csv, &o, &s));
    assert_says(&s->warnings, "\"id\" only numbers the rows");
    assert_int_equal(s->n_columns, 7);
    assert_string_equal(column(s, "name")->reason, "named by --drop");
    weft_schema_free(s);
    o.drop = "rate,born";
    o.categorical = "name,size,id";
    assert_ok(infer_all(csv, &o, &s));
    assert_int_equal(column(s, "name")->levels.count, 60);
    assert_int_equal(column(s, "size")->levels.count, 4);
    assert_int_equal(column(s, "id")->levels.count, 200);
    assert_string_equal(column(s, "id")->levels.text[10], "10"); /* numbers in the order of their values */
    weft_schema_free(s);
    o.categorical = NULL;
    o.drop = "id,name,size,rate,born,y";
    TRY("no column is left");
    o.drop = "id,name,size,rate,born,small";
    o.target = "y";
    TRY("one class only");
#undef TRY
    weft_csv_free(csv);
    csv = made("x,ticket,many,y", 250, city_line);
    o = (weft_schema_options){.target = "y", .task = -1};
    assert_error(infer_all(csv, &o, &s), "column \"ticket\" (200", "column \"many\" (more than 200", "--drop 'ticket,many'");
    weft_csv_free(csv);
    csv = made("x,fine,many,y", 2010, city_line);
    o = (weft_schema_options){.target = "y", .task = -1};
    assert_error(infer_all(csv, &o, &s), "column \"many\"", "more than 200 different texts");
    o.drop = "many";
    assert_ok(infer_all(csv, &o, &s));
    assert_int_equal(column(s, "fine")->levels.count, 200);
    weft_schema_free(s);
    weft_csv_free(csv);
    csv = csv_of("x,y\n1,caf\xc3\xa9\n2,caf\xe9\n3,the\n");
    o = (weft_schema_options){.target = "y", .task = -1};
    assert_error(infer_all(csv, &o, &s), "line 3, column \"y\"", "UTF-8");
    weft_csv_free(csv);
    static const char *const broken[] = {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "a\xff"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_false(weft_levels_is_text(broken[i], strlen(broken[i])));
    assert_true(weft_levels_is_text("\xe2\x82\xac \xf0\x9f\x8c\xb3 \xed\x9f\xbf", 12) && !weft_levels_is_text("a\0b", 3));
    csv = csv_of("x,y\n1,\n2,NA\n3,\n");
    o = (weft_schema_options){.target = "y", .task = -1};
    assert_error(infer_all(csv, &o, &s), "\"y\"", "empty in every row");
    weft_csv_free(csv);
    csv = csv_of("x,y\n1,a\n2,b\n3,\n4,a\n5,a\n");
    const int64_t missing_only[1] = {2}, one_class[3] = {0, 3, 4}, some[4] = {0, 1, 2, 3};
    assert_error(weft_schema_infer(csv, &o, missing_only, 1, &s), "\"y\"", "1 training rows");
    assert_error(weft_schema_infer(csv, &o, one_class, 3, &s), "training row", "\"a\"", "one class only");
    assert_ok(weft_schema_infer(csv, &o, some, 4, &s));
    assert_says(&s->warnings, "1 of 4 training rows are left out");
    assert_int_equal(s->train_rows, 3);
    weft_schema_free(s);
    weft_csv_free(csv);
}

/* The shipped tables with their splits; columns that the specification's runs leave out are dropped. */
static const struct shipped {
    const char *name, *target, *drop;
    int num, bin, inputs; /* -1: not checked */
    weft_task task;
    int classes;
    int64_t duplicates; /* test rows with an identical training row; -1: not checked */
} shipped[] = {
    {"california", "MedHouseVal", NULL, 8, 0, 8, WEFT_TASK_REGRESSION, 0, -1},
    {"housing", "median_house_value", NULL, 8, 1, -1, WEFT_TASK_REGRESSION, 0, -1},
    {"diamonds", "price", NULL, 6, 0, 26, WEFT_TASK_REGRESSION, 0, -1},
    {"bike_hour", "cnt", "instant,dteday,casual,registered", -1, -1, -1, WEFT_TASK_REGRESSION, 0, -1},
    {"bike_hour", "cnt", "instant,casual,registered", -1, -1, -1, WEFT_TASK_REGRESSION, 0, -1},
    {"churn", "Exited", "RowNumber,CustomerId,Surname", 6, 3, 12, WEFT_TASK_BINARY, 2, -1},
    {"churn", "Exited", "RowNumber,Surname", 7, 3, 13, WEFT_TASK_BINARY, 2, -1}, /* the published 7 + 3 + 1 columns */
    {"adult", "income", NULL, 6, 1, 107, WEFT_TASK_BINARY, 2, -1},
    {"german_credit", "class", NULL, -1, -1, -1, WEFT_TASK_BINARY, 2, -1},
    {"titanic", "Survived", "PassengerId,Name,Ticket,Cabin", -1, -1, -1, WEFT_TASK_BINARY, 2, -1},
    {"wine_white", "quality", NULL, 11, 0, 11, WEFT_TASK_MULTICLASS, 7, 247},
    {"letter", "letter", NULL, 16, 0, 16, WEFT_TASK_MULTICLASS, 26, 319},
    {"covtype6k", "Cover_Type", NULL, 10, 44, 54, WEFT_TASK_MULTICLASS, 7, -1},
    {"penguins", "species", NULL, 4, 4, 4 + 4 + 3 + 3, WEFT_TASK_MULTICLASS, 3, -1},
};

static void check_shipped(const char *folder, const struct shipped *t)
{
    char path[1200];
    weft_csv *csv, *split_file;
    weft_csv_options options = {0};
    snprintf(path, sizeof path, "%s/%s.csv", folder, t->name);
    assert_ok(weft_csv_read(path, &options, &csv));
    snprintf(path, sizeof path, "%s/%s.split.csv", folder, t->name);
    assert_ok(weft_csv_read(path, &options, &split_file));
    weft_split split;
    assert_ok(weft_split_from_csv(split_file, weft_csv_rows(csv), &split));
    weft_schema *s;
    weft_schema_options o = {.target = t->target, .task = -1, .drop = t->drop};
    assert_ok(weft_schema_infer(csv, &o, split.rows[0], split.count[0], &s));
    print_message("%s: %d + %d + %d columns, %d inputs\n%s", t->name, s->n_num, s->n_bin, s->n_cat, (int)weft_schema_inputs(s),
                  s->warnings.data ? s->warnings.data : "");
    assert_int_equal(s->task, t->task);
    assert_int_equal(s->classes, t->classes);
    assert_true(t->num < 0 || s->n_num == t->num);
    assert_true(t->bin < 0 || s->n_bin == t->bin);
    assert_true(t->inputs < 0 || weft_schema_inputs(s) == t->inputs);
    weft_table *part[WEFT_PARTS];
    for (int p = 0; p < WEFT_PARTS; p++) {
        assert_ok(weft_schema_apply(s, csv, split.rows[p], split.count[p], true, &part[p]));
        for (int64_t i = 0; i < part[p]->rows * s->n_num; i++)
            assert_true(fabsf(part[p]->x_num[i]) <= 5.2f);
        for (int64_t i = 0; p == 0 && i < part[p]->rows * s->n_cat; i++)
            assert_true(part[p]->x_cat[i] >= 0);
    }
    int64_t duplicates;
    bool *found = calloc((size_t)part[2]->rows, sizeof *found);
    assert_ok(weft_table_duplicates(part[2], part[0], found, &duplicates));
    free(found);
    if (t->duplicates >= 0)
        assert_int_equal(duplicates, t->duplicates);
    for (int p = 0; p < WEFT_PARTS; p++)
        weft_table_free(part[p]);
    weft_schema_free(s);
    weft_split_free(&split);
    weft_csv_free(csv);
    weft_csv_free(split_file);
}

static void shipped_tables(void **state)
{
    (void)state;
    const char *folder = data_folder();
    if (!folder)
        skip();
    for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++)
        check_shipped(folder, shipped + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_inferred),
        cmocka_unit_test(rows_become_numbers),
        cmocka_unit_test(new_files_are_matched_by_name),
        cmocka_unit_test(saved_and_loaded),
        cmocka_unit_test(broken_schema_files_are_refused),
        cmocka_unit_test(tasks_are_inferred),
        cmocka_unit_test(bad_tables_are_refused),
        cmocka_unit_test(shipped_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
