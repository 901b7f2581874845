/* The folders of trainings that are parts of a larger run. */
#include "tabular/subruns.h"

#include "base/files.h"
#include "tabular/fit.h"

#include <stdlib.h>
#include <unistd.h>

char *weft_subrun_path(const char *folder, const char *kind, int64_t k, const char *name)
{
    weft_text path = {0};
    weft_text_add(&path, "%s/%s", folder, kind);
    if (k >= 0)
        weft_text_add(&path, "/%lld", (long long)k);
    if (name)
        weft_text_add(&path, "%s%s", name[0] == '.' ? "" : "/", name);
    if (!path.failed)
        return path.data;
    weft_text_free(&path);
    weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    return NULL;
}

bool weft_subruns_begun(const char *folder, const char *kind)
{
    char *path = weft_subrun_path(folder, kind, -1, NULL);
    bool begun = path && weft_path_is_folder(path) && !weft_run_finished(folder);
    free(path);
    return begun;
}

weft_status weft_subruns_forget(const char *folder, const char *kind)
{
    weft_status status = WEFT_OK;
    int64_t count = 0;
    for (bool there = true; there && status == WEFT_OK; count += there) {
        char *path = weft_subrun_path(folder, kind, count, NULL);
        there = path && weft_path_is_folder(path);
        status = path ? WEFT_OK : WEFT_ERROR_MEMORY;
        free(path);
    }
    while (count > 0 && status == WEFT_OK) { /* the last first: a kill in between leaves no gap */
        char *path = weft_subrun_path(folder, kind, --count, NULL);
        status = path ? weft_run_remove(path) : WEFT_ERROR_MEMORY;
        free(path);
    }
    char *path = weft_subrun_path(folder, kind, -1, NULL);
    if (status == WEFT_OK && path && weft_path_is_folder(path)) {
        status = weft_fit_drop_settings(path);
        (void)rmdir(path);
    }
    free(path);
    return status;
}
