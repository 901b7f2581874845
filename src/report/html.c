/* The page of a report: its frame, texts, tables, and saving. */
#include "report/page.h"

#include "base/files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

weft_report *weft_report_new(const char *title)
{
    weft_report *report = calloc(1, sizeof *report);
    if (!report) {
        weft_fail(WEFT_ERROR_MEMORY, "report: memory is short");
        return NULL;
    }
    weft_report_escape(&report->title, title ? title : "Report");
    return report;
}

void weft_report_free(weft_report *report)
{
    if (!report)
        return;
    weft_text_free(&report->title);
    weft_text_free(&report->body);
    weft_text_free(&report->page);
    free(report);
}

void weft_report_switch(weft_report *report, weft_report_run run)
{
    static const char *const opening[] = {"", "<div class=\"figures\">\n", "<div class=\"badges\">"};
    if (report->run == run)
        return;
    if (report->run != WEFT_RUN_NONE)
        weft_text_add(&report->body, "</div>\n");
    weft_text_add(&report->body, "%s", opening[run]);
    report->run = run;
}

const char *weft_report_html(weft_report *report, size_t *length)
{
    weft_report_switch(report, WEFT_RUN_NONE);
    const char *title = report->title.data ? report->title.data : "";
    weft_text page = {0};
    weft_text_add(&page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n"
                         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
                         "<meta name=\"color-scheme\" content=\"light dark\" />\n"
                         "<meta name=\"generator\" content=\"Weft " WEFT_VERSION "\" />\n");
    weft_text_add(&page, "<title>%s</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n<h1>%s</h1>\n", title,
                  weft_report_style, title);
    weft_text_bytes(&page, report->body.data, report->body.length);
    weft_text_add(&page, "</main>\n</body>\n</html>\n");
    weft_text_free(&report->page);
    report->page = page;
    *length = page.length;
    return page.failed || report->body.failed || report->title.failed ? NULL : page.data;
}

weft_status weft_report_save(weft_report *report, const char *path)
{
    size_t length;
    const char *html = weft_report_html(report, &length);
    if (!html)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short while building the report", path);
    return weft_file_write(path, html, length);
}

void weft_report_heading(weft_report *report, int level, const char *text)
{
    level = level < 2 ? 2 : level > 4 ? 4 : level;
    weft_report_switch(report, WEFT_RUN_NONE);
    weft_text_add(&report->body, "<h%d>", level);
    weft_report_escape(&report->body, text);
    weft_text_add(&report->body, "</h%d>\n", level);
}

void weft_report_paragraph(weft_report *report, const char *format, ...)
{
    weft_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    weft_text_addv(&text, format, arguments);
    va_end(arguments);
    weft_report_switch(report, WEFT_RUN_NONE);
    weft_text_add(&report->body, "<p>");
    weft_report_escape(&report->body, text.data);
    weft_text_add(&report->body, "</p>\n");
    report->body.failed |= text.failed;
    weft_text_free(&text);
}

static void add_badge(weft_text *out, weft_badge kind, const char *text)
{
    static const char *const classes[] = {"", " good", " warn", " bad"};
    if ((unsigned)kind >= sizeof classes / sizeof *classes)
        kind = WEFT_BADGE_PLAIN;
    weft_text_add(out, "<span class=\"badge%s\">", classes[kind]);
    weft_report_escape(out, text);
    weft_text_add(out, "</span>");
}

void weft_report_badge(weft_report *report, weft_badge kind, const char *text)
{
    weft_report_switch(report, WEFT_RUN_BADGES);
    add_badge(&report->body, kind, text);
}

static void open_table(weft_report *report, const char *class, const char *caption)
{
    weft_report_switch(report, WEFT_RUN_NONE);
    /* A table that is too wide for a phone scrolls by itself; tabindex lets the keyboard reach it. */
    weft_text_add(&report->body, "<div class=\"scroll\" tabindex=\"0\"><table class=\"%s\">\n", class);
    if (caption && *caption) {
        weft_text_add(&report->body, "<caption>");
        weft_report_escape(&report->body, caption);
        weft_text_add(&report->body, "</caption>\n");
    }
}

void weft_report_pairs(weft_report *report, const char *caption, const weft_report_pair *pairs, size_t count)
{
    open_table(report, "pairs", caption);
    weft_text_add(&report->body, "<tbody>\n");
    for (size_t i = 0; i < count; i++) {
        weft_text_add(&report->body, "<tr><th scope=\"row\">");
        weft_report_escape(&report->body, pairs[i].key);
        weft_text_add(&report->body, "</th><td>");
        weft_report_escape(&report->body, pairs[i].value);
        weft_text_add(&report->body, "</td></tr>\n");
    }
    weft_text_add(&report->body, "</tbody></table></div>\n");
}

static bool is_number(weft_column_type type)
{
    return type != WEFT_COLUMN_TEXT && type != WEFT_COLUMN_BADGE;
}

static void add_cell(weft_text *out, const weft_report_column *column, const weft_report_cell *cell)
{
    char number[WEFT_NUMBER_TEXT], *text = number;
    weft_text_add(out, is_number(column->type) ? "<td class=\"n\">" : "<td>");
    if (column->type == WEFT_COLUMN_BADGE) {
        if (cell->text)
            add_badge(out, cell->number >= 0 && cell->number <= 3 ? (weft_badge)cell->number : WEFT_BADGE_PLAIN, cell->text);
    } else if (column->type == WEFT_COLUMN_TEXT || cell->text) {
        weft_report_escape(out, cell->text);
    } else {
        switch (column->type) {
        case WEFT_COLUMN_INTEGER:
            weft_report_integer(cell->number, number);
            break;
        case WEFT_COLUMN_PERCENT:
            weft_report_fixed(cell->number * 100, column->digits > 0 ? column->digits : 1, number);
            break;
        case WEFT_COLUMN_SECONDS:
            weft_report_seconds(cell->number, number);
            break;
        case WEFT_COLUMN_BYTES:
            weft_report_bytes(cell->number, number);
            break;
        default:
            weft_report_number(cell->number, column->digits, number);
        }
        weft_text_add(out, "%s%s", text, column->type == WEFT_COLUMN_PERCENT && !isnan(cell->number) ? " %" : "");
    }
    weft_text_add(out, "</td>");
}

void weft_report_table(weft_report *report, const char *caption, const weft_report_column *columns, size_t column_count,
                       const weft_report_cell *cells, size_t rows)
{
    weft_text *out = &report->body;
    open_table(report, "data", caption);
    weft_text_add(out, "<thead><tr>");
    for (size_t c = 0; c < column_count; c++) {
        weft_text_add(out, "<th scope=\"col\"%s>", is_number(columns[c].type) ? " class=\"n\"" : "");
        weft_report_escape(out, columns[c].name);
        weft_text_add(out, "</th>");
    }
    weft_text_add(out, "</tr></thead>\n<tbody>\n");
    for (size_t r = 0; r < rows; r++) {
        weft_text_add(out, "<tr>");
        for (size_t c = 0; c < column_count; c++)
            add_cell(out, &columns[c], &cells[r * column_count + c]);
        weft_text_add(out, "</tr>\n");
    }
    if (!rows)
        weft_text_add(out, "<tr><td colspan=\"%zu\">no rows</td></tr>\n", column_count ? column_count : 1);
    weft_text_add(out, "</tbody></table></div>\n");
}
