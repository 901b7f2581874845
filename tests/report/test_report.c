/* Reports: well formed whatever goes in, texts escaped, no NaN in the drawing, charts show what they were given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "report/page.h"
#include "report/svg.h"

static size_t times(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + strlen(part), part))
        count++;
    return count;
}

static const char *html(weft_report *report)
{
    size_t length;
    const char *text = weft_report_html(report, &length);
    assert_non_null(text);
    assert_int_equal(strlen(text), length);
    return text;
}

/* Quotes of a tag's attributes close, values hold no "<", no bare number is "nan" or "inf". Returns the place after ">". */
static const char *check_tag(const char *at, char *name, size_t size, bool *closed)
{
    size_t length = strcspn(at, " \n/>");
    assert_true(length > 0 && length < size);
    memcpy(name, at, length);
    name[length] = 0;
    *closed = false;
    for (at += length; *at != '>'; at++) {
        assert_true(*at && *at != '<');
        *closed = *at == '/';
        if (*at != '"')
            continue;
        const char *end = strchr(at + 1, '"');
        assert_non_null(end);
        char value[4096];
        size_t bytes = (size_t)(end - at - 1);
        if (bytes < sizeof value) {
            memcpy(value, at + 1, bytes);
            value[bytes] = 0;
            assert_null(strchr(value, '<'));
            assert_null(strstr(value, "nan"));
            assert_null(strstr(value, "inf"));
        }
        at = end;
    }
    return at + 1;
}

/* Every tag that opens closes, in order; "&" begins an entity; one root. */
static void check_well_formed(const char *text)
{
    static char open[64][32];
    size_t depth = 0;
    assert_memory_equal(text, "<!DOCTYPE html>", 15);
    for (const char *at = text + 15; *at;) {
        if (*at == '&') {
            size_t length = strcspn(at, ";");
            assert_true(length < 8 && at[length] == ';');
        }
        assert_true(*at != '>');
        if (*at != '<') {
            at++;
            continue;
        }
        if (at[1] == '/') {
            size_t length = strcspn(at + 2, ">");
            assert_true(depth > 0);
            depth--;
            assert_int_equal(strlen(open[depth]), length);
            assert_memory_equal(open[depth], at + 2, length);
            at += 2 + length + 1;
            continue;
        }
        bool closed;
        assert_true(depth < 64);
        at = check_tag(at + 1, open[depth], sizeof *open, &closed);
        if (!strcmp(open[depth], "style"))
            at = strstr(at, "</style>");
        depth += !closed;
    }
    assert_int_equal(depth, 0);
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, " href="));
    assert_null(strstr(text, " src="));
    assert_null(strstr(text, "url("));
}

static void texts_are_escaped(void **state)
{
    (void)state;
    weft_report *report = weft_report_new("<b>\"R&D\"</b> 'x'");
    const char *bad = "</p><script>alert(1)</script>&\x01\xff\xc0\xaf\xed\xa0\x80";
    weft_report_heading(report, 9, bad);
    weft_report_paragraph(report, "%s %d", bad, 7);
    weft_report_badge(report, (weft_badge)77, bad);
    weft_report_pairs(report, bad, &(weft_report_pair){bad, NULL}, 1);
    weft_report_column column = {bad, WEFT_COLUMN_TEXT, 0};
    weft_report_table(report, bad, &column, 1, &(weft_report_cell){bad, 0}, 1);
    double one[] = {1, 2};
    weft_chart chart = {.title = bad, .x_label = bad, .y_label = bad, .note = bad};
    weft_report_lines(report, &chart, &(weft_series){bad, NULL, one, 2}, 1, 1, bad);
    weft_report_bars(report, &chart, &bad, one, NULL, 1);
    weft_report_scatter(report, &chart, one, one, 2, true);
    weft_report_confusion(report, &chart, &bad, &(int64_t){3}, 1);
    const char *text = html(report);
    check_well_formed(text);
    assert_non_null(strstr(text, "<title>&lt;b&gt;&quot;R&amp;D&quot;&lt;/b&gt; &#39;x&#39;</title>"));
    assert_non_null(
        strstr(text, "&amp;\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD 7</p>"));
    weft_report_free(report);
}

static void short_texts_keep_whole_characters(void **state)
{
    (void)state;
    weft_text text = {0};
    weft_report_escape_short(&text, "héé<é", 4);
    assert_string_equal(text.data, "héé…");
    weft_text_free(&text);
    weft_report_escape_short(&text, "é<é", 3);
    assert_string_equal(text.data, "é&lt;é");
    weft_text_free(&text);
    assert_int_equal(weft_report_characters("aé\xff"), 3);
}

static void numbers_read_well(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *number, *integer, *seconds, *bytes;
    } rows[] = {
        {0, "0", "0", "0 s", "0 B"},
        {13209, "13209", "13,209", "3 h 40 min", "12.9 KiB"},
        {-1234567, "−1.235e6", "−1,234,567", "−342 h 56 min", "−1.18 MiB"},
        {0.0123, "0.0123", "0", "12.3 ms", "0.0123 B"},
        {1e-9, "1e−9", "0", "0.001 µs", "1e−9 B"},
        {-0.2, "−0.2", "0", "−200 ms", "−0.2 B"},
        {NAN, "–", "–", "–", "–"},
        {-INFINITY, "−∞", "−∞", "−∞", "−∞"},
        {1e300, "1e300", "1e300", "1e300 s", "8.88e284 PiB"},
    };
    char text[WEFT_NUMBER_TEXT];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(weft_report_number(rows[i].value, 4, text), rows[i].number);
        assert_string_equal(weft_report_integer(rows[i].value, text), rows[i].integer);
        assert_string_equal(weft_report_seconds(rows[i].value, text), rows[i].seconds);
        assert_string_equal(weft_report_bytes(rows[i].value, text), rows[i].bytes);
    }
    assert_string_equal(weft_report_fixed(2.5, 2, text), "2.50");
    assert_string_equal(weft_report_fixed(-0.001, 2, text), "0.00");
}

/* Whatever the range: low < high, at least two ticks in it, rising, told apart by their texts; places are finite and rise. */
static void axes_fit_any_range(void **state)
{
    (void)state;
    static const double ends[] = {-INFINITY, -1e308, -1e6, -3,        -1e-12, -5e-324, 0,    5e-324, 1e-310,
                                  1e-12,     0.1,    1,    1.0000001, 97,     1e6,     1e15, 1e308,  NAN};
    size_t count = sizeof ends / sizeof *ends;
    for (size_t i = 0; i < count * count * 2; i++) {
        weft_range range = {0};
        weft_range_add(&range, ends[i % count]);
        weft_range_add(&range, ends[i / count % count]);
        weft_axis axis = weft_axis_fit(range, i >= count * count, 0.03, 5);
        axis.from = 50, axis.to = 400;
        assert_true(axis.low < axis.high);
        assert_true(axis.tick_count >= 1 && axis.tick_count <= 16);
        char last[WEFT_NUMBER_TEXT] = "", text[WEFT_NUMBER_TEXT];
        for (int t = 0; t < axis.tick_count; t++) {
            double place = weft_axis_place(&axis, axis.ticks[t]);
            assert_true(place >= 49 && place <= 401);
            assert_true(t == 0 || place > weft_axis_place(&axis, axis.ticks[t - 1]));
            assert_string_not_equal(weft_axis_tick_text(&axis, axis.ticks[t], text), last);
            memcpy(last, text, sizeof last);
        }
        for (size_t k = 0; k < count; k++)
            assert_true(isfinite(weft_axis_place(&axis, ends[k])));
    }
    weft_range range = {0};
    weft_range_add(&range, 0);
    weft_range_add(&range, 10);
    weft_axis axis = weft_axis_fit(range, false, 0, 5);
    assert_int_equal(axis.tick_count, 6);
    assert_true(axis.ticks[1] == 2 && axis.ticks[5] == 10);
}

static void every_chart_takes_any_values(void **state)
{
    (void)state;
    static const double special[] = {NAN, INFINITY, -INFINITY, 0, -0.0, 1, -1, 1e308, -1e308, 5e-324, 3, 3, 3, 1e-9};
    static const char *const names[] = {"a", NULL, "a long name of a class with ünï", "<&>"};
    static const int64_t counts[16] = {0, INT64_MAX, INT64_MAX, -5, 3, 2, 1, 0, 0, 0, 0, 0, 7, 7, 7, 7};
    weft_report *report = weft_report_new(NULL);
    for (size_t from = 0; from < 14; from++) {
        for (size_t count = 0; from + count <= 14; count++) {
            const double *v = special + from;
            weft_chart chart = {
                .title = count % 2 ? "t" : NULL, .y_label = count % 3 ? "y" : NULL, .log_x = count % 5 == 1, .log_y = count % 2};
            weft_series series[] = {{names[count % 4], count % 2 ? special : NULL, v, count}, {NULL, NULL, v, count}};
            weft_report_lines(report, &chart, series, count % 3, v[0], names[from % 4]);
            weft_report_scatter(report, &chart, v, special, count, from % 2);
            weft_report_histogram(report, &chart, v, count, (int)from - 2);
            weft_report_bars(report, &chart, names, v, from % 2 ? special : NULL, count < 4 ? count : 4);
            weft_report_confusion(report, &chart, names, counts, count % 5);
            weft_reliability_bin bins[2] = {{v[0], special[count % 14], counts[from % 8]}, {0.5, 0.4, 3}};
            weft_report_reliability(report, &chart, bins, count % 3);
        }
    }
    check_well_formed(html(report));
    weft_report_free(report);
}

static void charts_draw_what_they_are_given(void **state)
{
    (void)state;
    weft_report *report = weft_report_new("x");
    double y[] = {1, 2, NAN, 4, 5};
    weft_report_lines(report, &(weft_chart){.title = "gap"}, &(weft_series){"s", NULL, y, 5}, 1, 4, "best");
    const char *text = html(report);
    const char *path = strstr(text, "<path class=\"line l0\" d=\"");
    assert_non_null(path);
    char d[200] = "";
    assert_int_equal(sscanf(path + 25, "%199[^\"]", d), 1);
    assert_int_equal(times(d, "M"), 2); /* the NaN breaks the line */
    assert_int_equal(times(d, "L"), 2);
    assert_int_equal(times(text, "<circle"), 4);
    assert_int_equal(times(text, ">best 4</text>"), 1);
    assert_int_equal(times(text, "1 value not finite left out."), 1);
    assert_int_equal(times(text, "role=\"img\" aria-label=\"gap. "), 1);
    weft_report_free(report);

    report = weft_report_new("x");
    double values[] = {0, 1, 1, 2, 9, 9, 9, 10};
    weft_report_histogram(report, &(weft_chart){.title = "h"}, values, 8, 2);
    text = html(report);
    assert_int_equal(times(text, "<title>0 to 5: 4</title>"), 1);
    assert_int_equal(times(text, "<title>5 to 10: 4</title>"), 1);
    int64_t counts[] = {5, 1, 0, 4};
    weft_report_confusion(report, &(weft_chart){.title = "c"}, (const char *[]){"no", "yes"}, counts, 2);
    text = html(report);
    assert_int_equal(times(text, "true no, predicted yes: 1 (16.7 % of the row)"), 1);
    assert_int_equal(times(text, "9 of 10 rows are on the diagonal"), 1);
    weft_reliability_bin bins[] = {{0.25, 0.5, 10}, {0.9, 0.9, 30}};
    weft_report_reliability(report, &(weft_chart){.title = "r"}, bins, 2);
    assert_int_equal(times(html(report), "Expected calibration error 0.0625 over 40 rows"), 1);
    weft_report_free(report);
}

static void large_charts_are_thinned_the_same_way(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    double *x = malloc(COUNT * sizeof *x), *y = malloc(COUNT * sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    for (int i = 0; i < COUNT; i++) {
        x[i] = i;
        y[i] = sin(i * 0.01);
    }
    y[54321] = 100; /* one peak must survive the thinning */
    size_t length[2];
    for (int turn = 0; turn < 2; turn++) {
        weft_report *report = weft_report_new("x");
        weft_report_scatter(report, &(weft_chart){.title = "s"}, x, y, COUNT, false);
        size_t drawn = times(html(report), "<circle class=\"dot\"");
        assert_true(drawn > 2000 && drawn <= 3000);
        weft_report_lines(report, &(weft_chart){.title = "l"}, &(weft_series){"s", NULL, y, COUNT}, 1, NAN, NULL);
        const char *text = html(report);
        const char *path = strstr(text, "<path class=\"line l0\"");
        double highest = 1e9, at, value;
        for (const char *p = strpbrk(path + 22, "ML"); p && sscanf(p + 1, "%lf %lf", &at, &value) == 2;
             p = strpbrk(p + 1, "ML\""))
            highest = fmin(highest, value);
        assert_true(highest < 45); /* near the plot's top */
        check_well_formed(text);
        length[turn] = strlen(text);
        weft_report_free(report);
    }
    assert_int_equal(length[0], length[1]);
    assert_true(length[0] < 600000);
    free(x);
    free(y);
}

/* Bars of one style that touch are one; others, and those with labels, stand for themselves; what has no track or time is left
 * out. */
static void timelines_draw_their_bars(void **state)
{
    (void)state;
    const char *const tracks[] = {"first & <second>", "third"};
    weft_report_bar bars[1006];
    for (size_t i = 0; i < 1000; i++)
        bars[i] = (weft_report_bar){0, (double)i, (double)i + 0.9, 0, NULL};
    bars[1000] = (weft_report_bar){1, 0, 400, 2, "a \"label\""};
    bars[1001] = (weft_report_bar){1, 400, 1000, 2, "another"};
    bars[1002] = (weft_report_bar){7, 0, 10, 0, NULL};
    bars[1003] = (weft_report_bar){0, NAN, 10, 0, NULL};
    bars[1004] = (weft_report_bar){0, 0, INFINITY, 0, NULL};
    bars[1005] = (weft_report_bar){0, 990, 1000, 1, NULL};
    weft_report *report = weft_report_new("timeline");
    weft_report_timeline(report, &(weft_chart){.title = "What ran", .x_label = "cycles"}, tracks, 2, bars, 1006);
    const char *text = html(report);
    check_well_formed(text);
    assert_int_equal(times(text, "<rect class=\"f0\""), 1);
    assert_int_equal(times(text, "<rect class=\"f1\""), 1);
    assert_int_equal(times(text, "<rect class=\"f2\""), 2);
    assert_int_equal(times(text, "<figure class=\"wide\">"), 1);
    weft_report_timeline(report, &(weft_chart){.title = "Nothing"}, tracks, 2, bars + 1002, 3);
    check_well_formed(html(report));
    weft_report_free(report);
}

static void points_stand_without_lines(void **state)
{
    (void)state;
    double x[50], y[50];
    for (int i = 0; i < 50; i++)
        x[i] = i * 7 % 50, y[i] = i + 1;
    weft_series series = {"s", x, y, 50};
    weft_report *report = weft_report_new("points");
    weft_report_lines(report, &(weft_chart){.title = "p", .points = true}, &series, 1, NAN, NULL);
    const char *text = html(report);
    check_well_formed(text);
    assert_int_equal(times(text, "<circle"), 50);
    assert_int_equal(times(text, "<path"), 0);
    weft_report_free(report);
}

static void tables_show_each_type(void **state)
{
    (void)state;
    weft_report *report = weft_report_new("x");
    weft_report_column columns[] = {{"text", WEFT_COLUMN_TEXT, 0},       {"number", WEFT_COLUMN_NUMBER, 3},
                                    {"integer", WEFT_COLUMN_INTEGER, 0}, {"share", WEFT_COLUMN_PERCENT, 0},
                                    {"time", WEFT_COLUMN_SECONDS, 0},    {"memory", WEFT_COLUMN_BYTES, 0},
                                    {"state", WEFT_COLUMN_BADGE, 0}};
    weft_report_cell cells[14] = {{"a", 0}, {0, 3.14159}, {0, 1e6}, {0, 0.1234}, {0, 0.5}, {0, 2048},  {"ok", WEFT_BADGE_GOOD},
                                  {0, 0},   {0, NAN},     {0, NAN}, {0, NAN},    {0, NAN}, {"n/a", 0}, {0, NAN}};
    weft_report_table(report, "caption", columns, 7, cells, 2);
    weft_report_table(report, NULL, columns, 7, NULL, 0);
    const char *text = html(report);
    check_well_formed(text);
    assert_non_null(
        strstr(text, "<tr><td>a</td><td class=\"n\">3.14</td><td class=\"n\">1,000,000</td><td class=\"n\">12.3 %</td>"
                     "<td class=\"n\">500 ms</td><td class=\"n\">2 KiB</td><td><span class=\"badge good\">ok</span></td></tr>"));
    assert_non_null(strstr(text,
                           "<tr><td></td><td class=\"n\">–</td><td class=\"n\">–</td><td class=\"n\">–</td><td class=\"n\">–</td>"
                           "<td class=\"n\">n/a</td><td></td></tr>"));
    assert_int_equal(times(text, "<caption>caption</caption>"), 1);
    assert_int_equal(times(text, "no rows"), 1);
    weft_report_free(report);
}

static void saving_writes_the_page(void **state)
{
    (void)state;
    char folder[] = "/tmp/weft-report-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *path = weft_path_join(folder, "report.html");
    weft_report *report = weft_report_new("saved");
    weft_report_badge(report, WEFT_BADGE_GOOD, "open at the end");
    assert_int_equal(weft_report_save(report, path), WEFT_OK);
    char *text;
    size_t size;
    assert_int_equal(weft_file_read(path, 1 << 20, &text, &size), WEFT_OK);
    assert_string_equal(text, html(report));
    check_well_formed(text);
    free(text);
    assert_int_equal(weft_report_save(report, "/nonexistent/folder/report.html"), WEFT_ERROR_FILE);
    assert_non_null(strstr(weft_error(), "/nonexistent/folder/report.html"));
    report->body.failed = true; /* as after a failed allocation */
    assert_int_equal(weft_report_save(report, path), WEFT_ERROR_MEMORY);
    weft_report_free(report);
    weft_report_free(NULL);
    unlink(path);
    rmdir(folder);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(short_texts_keep_whole_characters),
        cmocka_unit_test(numbers_read_well),
        cmocka_unit_test(axes_fit_any_range),
        cmocka_unit_test(every_chart_takes_any_values),
        cmocka_unit_test(charts_draw_what_they_are_given),
        cmocka_unit_test(large_charts_are_thinned_the_same_way),
        cmocka_unit_test(timelines_draw_their_bars),
        cmocka_unit_test(points_stand_without_lines),
        cmocka_unit_test(tables_show_each_type),
        cmocka_unit_test(saving_writes_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
