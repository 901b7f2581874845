/* Changing the candidates of a model's folder in one step, in place or into another folder. */
#include "tabular/folder.h"

#include "base/files.h"
#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char candidates_file[] = "candidates.safetensors";

static weft_status fail_system(const char *path, const char *what)
{
    return weft_fail(WEFT_ERROR_FILE, "%s: cannot %s: %s", path, what, strerror(errno));
}

static weft_status copy_file(const char *from, const char *to)
{
    weft_map map;
    weft_status status = weft_map_open(from, &map);
    if (status != WEFT_OK)
        return status;
    status = weft_file_write(to, map.data ? map.data : "", map.size);
    weft_map_close(&map);
    return status;
}

/* What is copied: the files of a model and of its finished run, not what an unfinished run needs. */
static bool is_copied(const char *folder, const char *name)
{
    struct stat info;
    char *path = weft_path_join(folder, name);
    bool plain = path && stat(path, &info) == 0 && S_ISREG(info.st_mode);
    free(path);
    return plain && name[0] != '.' && strncmp(name, "trainer", 7) != 0 && strcmp(name, candidates_file) != 0;
}

/* Calls `each` with every name in the folder until one fails. */
static weft_status walk(const char *folder, weft_status (*each)(const char *folder, const char *name, const char *to),
                        const char *to)
{
    DIR *names = opendir(folder);
    if (!names)
        return fail_system(folder, "read the folder");
    weft_status status = WEFT_OK;
    for (struct dirent *entry; status == WEFT_OK && (entry = readdir(names)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = each(folder, entry->d_name, to);
    closedir(names);
    return status;
}

static weft_status copy_entry(const char *folder, const char *name, const char *to)
{
    if (!is_copied(folder, name))
        return WEFT_OK;
    char *old = weft_path_join(folder, name), *new = weft_path_join(to, name);
    weft_status status = old && new ? copy_file(old, new) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    free(old);
    free(new);
    return status;
}

static weft_status remove_entry(const char *folder, const char *name, const char *unused)
{
    (void)unused;
    char *path = weft_path_join(folder, name);
    weft_status status = path ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    if (status == WEFT_OK && unlink(path) != 0)
        status = fail_system(path, "remove it");
    free(path);
    return status;
}

/* A folder of files of our own. */
static weft_status remove_folder(const char *path)
{
    weft_status status = weft_path_exists(path) ? walk(path, remove_entry, NULL) : WEFT_OK;
    if (status == WEFT_OK && rmdir(path) != 0 && errno != ENOENT)
        status = fail_system(path, "remove it");
    return status;
}

/* Of a model that was replaced: what the new one lacks is the user's own and goes back, the rest goes. */
static weft_status return_entry(const char *folder, const char *name, const char *to)
{
    char *path = weft_path_join(folder, name), *back = weft_path_join(to, name);
    weft_status status = path && back ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    bool keep = status == WEFT_OK && !weft_path_exists(back) && strncmp(name, "trainer", 7) != 0;
    if (status == WEFT_OK && (keep ? rename(path, back) : unlink(path)) != 0)
        status = fail_system(path, keep ? "move it back" : "remove it");
    free(path);
    free(back);
    return status;
}

/* `fresh` takes the place of `to`: a name that is free or an empty folder by one rename, a model by one exchange. */
static weft_status put_in_place(const char *fresh, const char *to)
{
    if (rename(fresh, to) == 0)
        return WEFT_OK;
    char *model = weft_path_join(to, "model.safetensors");
    bool replaces = model && weft_path_exists(model);
    free(model);
    if (!replaces)
        return weft_fail(WEFT_ERROR_FILE, "%s: is there and holds no model: choose another folder", to);
    if (renameat2(AT_FDCWD, fresh, AT_FDCWD, to, RENAME_EXCHANGE) != 0)
        return fail_system(to, "replace it in one step");
    weft_status status = walk(fresh, return_entry, to);
    return status == WEFT_OK ? remove_folder(fresh) : status;
}

static weft_status save_into(const char *folder, const weft_tabular_folder *f, const weft_table *candidates, int64_t next_row)
{
    char sum[WEFT_CANDIDATES_SUM], *path = weft_path_join(folder, candidates_file);
    weft_status status = path ? weft_candidates_save(path, candidates, next_row, f->trained[0] ? f->trained : NULL, sum)
                              : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    free(path);
    return status;
}

static weft_status change_copy(const char *path, const weft_tabular_folder *f, const weft_table *candidates, int64_t next_row,
                               const char *to)
{
    size_t length = strlen(to), name = 0;
    while (length > 1 && to[length - 1] == '/')
        length--;
    for (size_t i = 0; i + 1 < length; i++)
        name = to[i] == '/' ? i + 1 : name;
    weft_text fresh = {0};
    weft_text_add(&fresh, "%.*s.%.*s.weft-new", (int)name, to, (int)(length - name), to + name);
    if (fresh.failed)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", to);
    weft_status status = remove_folder(fresh.data); /* what a killed process may have left */
    if (status == WEFT_OK)
        status = weft_folder_make(fresh.data);
    if (status == WEFT_OK)
        status = walk(path, copy_entry, fresh.data);
    if (status == WEFT_OK)
        status = save_into(fresh.data, f, candidates, next_row);
    if (status == WEFT_OK)
        status = put_in_place(fresh.data, to);
    if (status != WEFT_OK) {
        char message[2048]; /* clearing up may fail in its own words */
        snprintf(message, sizeof message, "%s", weft_error());
        (void)remove_folder(fresh.data);
        weft_fail(status, "%s", message);
    }
    weft_text_free(&fresh);
    return status;
}

weft_status weft_tabular_folder_change(const char *path, const weft_tabular_folder *f, const weft_table *candidates,
                                       int64_t next_row, const char *to)
{
    if (f->config.arch != WEFT_TABULAR_TABR)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: is an MLP, which looks at no training rows: there is nothing to change", path);
    if (candidates->rows < f->config.context_size)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: %lld rows would be left, fewer than the context size %lld", path,
                         (long long)candidates->rows, (long long)f->config.context_size);
    char *here = to ? realpath(path, NULL) : NULL, *there = to ? realpath(to, NULL) : NULL;
    bool same = !to || (here && there && strcmp(here, there) == 0);
    free(here);
    free(there);
    return same ? save_into(path, f, candidates, next_row) : change_copy(path, f, candidates, next_row, to);
}
