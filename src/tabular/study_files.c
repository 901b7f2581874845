/* A study's files: where they are, and removing them. */
#include "tabular/study_inner.h"

#include "base/files.h"
#include "tabular/ensemble.h"
#include "tabular/subruns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *weft_study_path(const char *folder, int64_t trial, const char *name)
{
    return weft_subrun_path(folder, "trials", trial, name);
}

char *weft_study_trial_folder(const weft_study *s, int64_t trial)
{
    return weft_study_path(s->options.folder, trial, NULL);
}

char *weft_study_journal_path(const char *folder)
{
    char *path = weft_path_join(folder, "journal.jsonl");
    if (!path)
        weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    return path;
}

/* Frees `path`, too; NULL: it could not be made. */
static weft_status remove_file(char *path)
{
    weft_status status = path ? weft_file_remove(path) : WEFT_ERROR_MEMORY;
    free(path);
    return status;
}

weft_status weft_study_drop_ensemble(const char *path)
{
    weft_status status = weft_members_forget(path);
    return status == WEFT_OK ? weft_run_remove(path) : status;
}

weft_status weft_study_remove_trial(const char *folder, int64_t trial)
{
    char *path = weft_study_path(folder, trial, NULL), *ensemble = weft_study_path(folder, trial, "ensemble");
    weft_status status = path && ensemble ? WEFT_OK : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK && weft_path_is_folder(ensemble))
        status = weft_study_drop_ensemble(ensemble);
    if (status == WEFT_OK)
        status = weft_run_remove(path);
    if (status == WEFT_OK)
        status = remove_file(weft_study_path(folder, trial, ".lock"));
    if (path)
        (void)rmdir(path);
    free(path);
    free(ensemble);
    return status;
}

bool weft_study_begun(const char *folder)
{
    char *path = weft_study_journal_path(folder);
    bool begun = path && weft_path_exists(path);
    free(path);
    return begun;
}

/* The first line holds the study's settings, of which num_embeddings is one. What is wrong with it is told as the study is
 * opened. */
static weft_status take_scale(void *user, const char *text, size_t length, int64_t number)
{
    double *scale = user;
    weft_json *json = NULL;
    if (number > 1)
        return WEFT_OK;
    if (weft_json_parse(text, length, "the journal", &json) == WEFT_OK) {
        weft_json_value embedding = weft_json_get(weft_json_get(weft_json_root(json), "study"), "num_embeddings");
        *scale = weft_json_number(weft_json_get(embedding, "frequency_scale"), 0);
    }
    weft_json_free(json);
    return WEFT_OK;
}

weft_status weft_study_kept_scale(const char *folder, double *scale)
{
    weft_journal *journal = NULL;
    *scale = 0;
    if (!weft_study_begun(folder))
        return WEFT_OK;
    char *path = weft_study_journal_path(folder);
    weft_status status = path ? weft_journal_open(path, &journal) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK)
        status = weft_journal_read(journal, take_scale, scale);
    weft_journal_close(journal);
    free(path);
    return status;
}

static weft_status skip_line(void *user, const char *text, size_t length, int64_t number)
{
    (void)text;
    (void)length;
    *(int64_t *)user = number; /* there are no more trials than lines */
    return WEFT_OK;
}

weft_status weft_study_forget(const char *folder)
{
    weft_journal *journal = NULL;
    int64_t lines = 0;
    char *path = weft_study_journal_path(folder);
    weft_status status = path ? weft_journal_open(path, &journal) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK)
        status = weft_journal_read(journal, skip_line, &lines);
    weft_journal_close(journal);
    for (int64_t k = 0; k < lines && status == WEFT_OK; k++)
        status = weft_study_remove_trial(folder, k);
    char *trials = weft_study_path(folder, -1, NULL);
    if (trials)
        (void)rmdir(trials);
    free(trials);
    return status == WEFT_OK ? remove_file(path) : (free(path), status);
}
