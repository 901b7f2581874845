/* The journal of a sweep: lines of points, and claims on parts of the list. */
#include "hardware/sweep_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "train/journal.h"

struct weft_sweep_journal {
    weft_journal *file;
    weft_sweep_point **in_order; /* [count], by name and checksum */
    int64_t count, taken;
    char *lock_path;
    int lock;
    weft_text kept; /* lines to be written */
};

static weft_status short_of_memory(const char *path)
{
    return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
}

/* Names tell points of one list apart, or nearly: two files may have one name. */
static int compare(const void *a, const void *b)
{
    const weft_sweep_point *const *x = a, *const *y = b;
    int names = strcmp((*x)->name, (*y)->name);
    if (names != 0 || (*x)->checksum == (*y)->checksum)
        return names;
    return (*x)->checksum < (*y)->checksum ? -1 : 1;
}

weft_status weft_sweep_journal_open(weft_sweep_point *points, int64_t count, const char *path, weft_sweep_journal **out)
{
    *out = NULL;
    if (!path)
        return WEFT_OK;
    weft_text lock = {0};
    weft_sweep_journal *j = calloc(1, sizeof *j);
    weft_sweep_point **in_order = malloc((size_t)(count + 1) * sizeof *in_order);
    weft_text_add(&lock, "%s.lock", path);
    if (!j || !in_order || lock.failed) {
        free(j);
        free(in_order);
        weft_text_free(&lock);
        return short_of_memory(path);
    }
    for (int64_t i = 0; i < count; i++)
        in_order[i] = &points[i];
    qsort(in_order, (size_t)count, sizeof *in_order, compare);
    *j = (weft_sweep_journal){.in_order = in_order, .count = count, .lock_path = lock.data};
    j->lock = open(lock.data, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    weft_status status = j->lock >= 0 ? weft_journal_open(path, &j->file)
                                      : weft_fail(WEFT_ERROR_FILE, "%s: cannot open it: %s", lock.data, strerror(errno));
    if (status != WEFT_OK) {
        weft_sweep_journal_close(j);
        return status;
    }
    *out = j;
    return WEFT_OK;
}

void weft_sweep_journal_close(weft_sweep_journal *j)
{
    if (!j)
        return;
    if (j->lock >= 0)
        close(j->lock);
    weft_journal_close(j->file);
    weft_text_free(&j->kept);
    free(j->lock_path);
    free(j->in_order);
    free(j);
}

/* ---- lines ---- */

void weft_sweep_journal_add(weft_sweep_journal *j, const weft_sweep_point *p)
{
    char hex[20];
    if (!j)
        return;
    if (j->kept.length)
        weft_text_add(&j->kept, "\n");
    weft_json_writer w = weft_json_to(&j->kept, 0);
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)p->checksum);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "name");
    weft_json_add_string(&w, p->name);
    weft_json_add_key(&w, "checksum");
    weft_json_add_string(&w, hex);
    weft_json_add_key(&w, "error");
    weft_json_add_string(&w, p->failed ? p->error : NULL);
    weft_json_add_key(&w, "devices");
    weft_json_add_integer(&w, p->devices);
    weft_json_add_key(&w, "batch");
    weft_json_add_integer(&w, p->batch);
    weft_json_add_key(&w, "sub_batch");
    weft_json_add_bool(&w, p->halves);
    for (int i = 0; i < WEFT_SWEEP_NUMBERS; i++) {
        weft_json_add_key(&w, weft_sweep_number_keys[i]);
        weft_json_add_number(&w, weft_sweep_value(p, i));
    }
    weft_json_close_object(&w);
}

weft_status weft_sweep_journal_write(weft_sweep_journal *j)
{
    if (!j || !j->kept.length)
        return WEFT_OK;
    if (j->kept.failed)
        return short_of_memory(weft_journal_path(j->file));
    weft_status status = weft_journal_lock(j->file);
    if (status != WEFT_OK)
        return status;
    status = weft_journal_add(j->file, j->kept.data);
    weft_journal_unlock(j->file);
    j->kept.length = 0;
    return status;
}

/* False: it lacks a number, and tells of no error. */
static bool take(weft_json_value o, weft_sweep_point *p)
{
    weft_sweep_point got = *p;
    const char *error = weft_json_string(weft_json_get(o, "error"), NULL);
    for (int i = 0; i < WEFT_SWEEP_NUMBERS; i++) {
        *weft_sweep_number(&got, i) = weft_json_number(weft_json_get(o, weft_sweep_number_keys[i]), NAN);
        if (!error && !isfinite(weft_sweep_value(&got, i)))
            return false;
    }
    got.devices = weft_json_integer(weft_json_get(o, "devices"), 1);
    got.batch = weft_json_integer(weft_json_get(o, "batch"), 0);
    got.halves = weft_json_bool(weft_json_get(o, "sub_batch"), false);
    got.failed = error != NULL;
    got.error = error ? strdup(error) : NULL;
    got.done = true;
    *p = got;
    return true;
}

/* A line that is no JSON, no whole point, or none of this list, is passed over: what it stood for is computed again, if it is
 * wanted. */
static weft_status take_line(void *user, const char *text, size_t length, int64_t number)
{
    (void)number;
    weft_sweep_journal *j = user;
    weft_json *json = NULL;
    if (weft_json_parse(text, length, weft_journal_path(j->file), &json) != WEFT_OK)
        return WEFT_OK;
    weft_json_value o = weft_json_root(json);
    weft_sweep_point key, *wanted = &key, **found;
    snprintf(key.name, sizeof key.name, "%s", weft_json_string(weft_json_get(o, "name"), ""));
    key.checksum = strtoull(weft_json_string(weft_json_get(o, "checksum"), "0"), NULL, 16);
    found = bsearch(&wanted, j->in_order, (size_t)j->count, sizeof *j->in_order, compare);
    while (found && found > j->in_order && compare(found - 1, &wanted) == 0)
        found--;
    for (; found && found < j->in_order + j->count && compare(found, &wanted) == 0; found++)
        if (!(*found)->done) /* a list may hold a point twice */
            j->taken += take(o, *found);
    weft_json_free(json);
    return WEFT_OK;
}

weft_status weft_sweep_journal_read(weft_sweep_journal *j, int64_t *taken)
{
    *taken = 0;
    if (!j)
        return WEFT_OK;
    j->taken = 0;
    weft_status status = weft_journal_read(j->file, take_line, j);
    *taken = j->taken;
    return status;
}

/* ---- claims ---- */

/* A lock of the open file, not of the process: it needs no care about other files closed meanwhile. */
static int set_lock(const weft_sweep_journal *j, short kind, int64_t part)
{
    struct flock lock = {.l_type = kind, .l_whence = SEEK_SET, .l_start = (off_t)part, .l_len = 1};
    int answer;
    do
        answer = fcntl(j->lock, F_OFD_SETLK, &lock);
    while (answer != 0 && errno == EINTR);
    return answer;
}

weft_status weft_sweep_claim(weft_sweep_journal *j, int64_t part, bool *mine)
{
    *mine = !j || set_lock(j, F_WRLCK, part) == 0;
    if (*mine || errno == EAGAIN || errno == EACCES)
        return WEFT_OK;
    return weft_fail(WEFT_ERROR_FILE, "%s: cannot lock it: %s", j->lock_path, strerror(errno));
}

void weft_sweep_let_go(weft_sweep_journal *j, int64_t part)
{
    if (j)
        set_lock(j, F_UNLCK, part);
}
