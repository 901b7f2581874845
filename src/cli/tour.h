/* The tour's jobs: one function a room. */
#ifndef WEFT_CLI_TOUR_H
#define WEFT_CLI_TOUR_H

#include "cli/cli.h"
#include "report/report.h"

typedef struct tour_result {
    bool ok;
    char headline[256]; /* one line: what came out */
} tour_result;

typedef struct tour_job {
    const char *name, *about;
    weft_status (*run)(cli_arguments *, const char *folder, weft_report *page, tour_result *);
} tour_job;

/* Runs "weft WORDS…" (NULL at the end) in a process of its own; its JSON result. Scratch files in `folder`. */
weft_status tour_command(const char *folder, const char *const *words, weft_json **out);

weft_status tour_lm(cli_arguments *, const char *folder, weft_report *page, tour_result *);
weft_status tour_audit(cli_arguments *, const char *folder, weft_report *page, tour_result *);
weft_status tour_tabular(cli_arguments *, const char *folder, weft_report *page, tour_result *);
weft_status tour_sim(cli_arguments *, const char *folder, weft_report *page, tour_result *);

#endif
