/* weft tour: every job, small, on data that Weft makes itself; a table and a report at the end. */
#include "cli/tour.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"

static const cli_option options[] = {
    {.name = "out", .value = "DIR", .kind = CLI_PATH, .otherwise = "tour", .help = "where data, models and report.html go"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over an earlier tour"},
    {0},
};

static const tour_job jobs[] = {
    {"tabular",
     "Learn a table of houses, predict new ones with the houses behind each prediction, add later ones without training.",
     tour_tabular},
    {"language", "Learn a tokenizer and a small language model from text that Weft makes, and let it speak.", tour_lm},
    {"audit", "Fine-tune that model, and tell how much of an answer is owed to it.", tour_audit},
    {"hardware", "Time one batch on a GPU, an NPU and NPUs whose memory computes, and draw what each unit did.", tour_sim},
};

enum { JOBS = sizeof jobs / sizeof jobs[0] };

static void add_to_json(cli_arguments *a, const char *name, bool ok, double seconds, const char *headline)
{
    weft_json_writer *w = cli_json(a);
    weft_json_open_object(w);
    weft_json_add_key(w, "name");
    weft_json_add_string(w, name);
    weft_json_add_key(w, "ok");
    weft_json_add_bool(w, ok);
    weft_json_add_key(w, "seconds");
    weft_json_add_number(w, seconds);
    weft_json_add_key(w, "headline");
    weft_json_add_string(w, headline);
    weft_json_close_object(w);
}

static weft_status run_jobs(cli_arguments *a, const char *folder, weft_report *page)
{
    tour_result results[JOBS] = {{0}};
    double seconds[JOBS] = {0};
    weft_status status = WEFT_OK;
    weft_json_add_key(cli_json(a), "jobs");
    weft_json_open_list(cli_json(a));
    int failed = 0;
    for (int i = 0; i < JOBS; i++) {
        if (!cli_quiet(a))
            cli_say(a, "%s: %s\n", jobs[i].name, jobs[i].about);
        double begin = weft_clock();
        weft_report_heading(page, 2, jobs[i].name);
        weft_report_paragraph(page, "%s", jobs[i].about);
        weft_status one = jobs[i].run(a, folder, page, &results[i]);
        seconds[i] = weft_clock() - begin;
        results[i].ok = one == WEFT_OK;
        if (one != WEFT_OK) {
            snprintf(results[i].headline, sizeof results[i].headline, "%.*s", (int)sizeof results[i].headline - 1, weft_error());
            status = one;
            failed++;
        }
        add_to_json(a, jobs[i].name, results[i].ok, seconds[i], results[i].headline);
    }
    weft_json_close_list(cli_json(a));
    weft_report_heading(page, 2, "In short");
    weft_report_column columns[] = {{"job", WEFT_COLUMN_TEXT, 0},
                                    {"", WEFT_COLUMN_BADGE, 0},
                                    {"time", WEFT_COLUMN_SECONDS, 0},
                                    {"result", WEFT_COLUMN_TEXT, 0}};
    weft_report_cell cells[JOBS][4];
    cli_say(a, "\n%-10s %-6s %8s  %s\n", "job", "", "seconds", "result");
    for (int i = 0; i < JOBS; i++) {
        const char *word = results[i].ok ? "ok" : "failed";
        cli_say(a, "%-10s %-6s %8.1f  %s\n", jobs[i].name, word, seconds[i], results[i].headline);
        cells[i][0] = (weft_report_cell){.text = jobs[i].name};
        cells[i][1] = (weft_report_cell){.text = word, .number = results[i].ok ? WEFT_BADGE_GOOD : WEFT_BADGE_BAD};
        cells[i][2] = (weft_report_cell){.number = seconds[i]};
        cells[i][3] = (weft_report_cell){.text = results[i].headline};
    }
    weft_report_table(page, "Jobs", columns, 4, &cells[0][0], JOBS);
    char *path = weft_path_join(folder, "report.html");
    weft_status saved = path ? weft_report_save(page, path) : weft_fail(WEFT_ERROR_MEMORY, "tour: memory is short");
    if (saved == WEFT_OK)
        cli_say(a, "\nThe report is %s\n", path);
    free(path);
    if (failed)
        return weft_fail(status, "%d of %d jobs failed: %s", failed, (int)JOBS, results[0].headline);
    return saved;
}

static weft_status run(cli_arguments *a)
{
    const char *folder = cli_text(a, "out");
    weft_status status = cli_may_write(a, folder, "report.html");
    if (status == WEFT_OK)
        status = weft_folder_make(folder);
    weft_report *page = status == WEFT_OK ? weft_report_new("A tour of Weft") : NULL;
    if (status == WEFT_OK)
        status = page ? run_jobs(a, folder, page) : weft_fail(WEFT_ERROR_MEMORY, "tour: memory is short");
    weft_report_free(page);
    return status;
}

const cli_command cli_tour = {
    .name = "tour",
    .summary = "every job, small, on data that Weft makes itself",
    .description = "Takes a minute or two. DIR gets the data, the models and report.html, a page that needs nothing else.",
    .options = options,
    .example = "weft tour --out tour",
    .run = run,
};
