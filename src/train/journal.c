/* The journal's file: flock for who may write, one write a line, cut back to its last whole line by whoever locks it. */
#include "train/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, LONGEST = 1 << 24 }; /* bytes: of a read; of a line */

struct weft_journal {
    char *path;
    int file;
    int64_t read, lines; /* bytes and lines handed out */
    char *held;          /* room for bytes read beyond them */
    size_t held_size, held_capacity;
};

static weft_status fail_system(const char *path, const char *what)
{
    char text[128];
    return weft_fail(WEFT_ERROR_FILE, "%s: cannot %s: %s", path, what, strerror_r(errno, text, sizeof text));
}

weft_status weft_journal_open(const char *path, weft_journal **out)
{
    *out = NULL;
    weft_journal *j = calloc(1, sizeof *j);
    if (!j || !(j->path = strdup(path))) {
        free(j);
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
    }
    j->file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (j->file < 0) {
        weft_status status = fail_system(path, "open");
        weft_journal_close(j);
        return status;
    }
    *out = j;
    return WEFT_OK;
}

void weft_journal_close(weft_journal *j)
{
    if (!j)
        return;
    if (j->file >= 0)
        close(j->file);
    free(j->path);
    free(j->held);
    free(j);
}

const char *weft_journal_path(const weft_journal *j)
{
    return j->path;
}

/* Where the last whole line ends, looked for from the end backwards. */
static weft_status end_of_lines(const weft_journal *j, int64_t size, int64_t *out)
{
    char bytes[4096];
    for (int64_t end = size; end > 0;) {
        int64_t from = end > (int64_t)sizeof bytes ? end - (int64_t)sizeof bytes : 0;
        ssize_t got = pread(j->file, bytes, (size_t)(end - from), from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got != end - from)
            return fail_system(j->path, "read");
        while (end > from && bytes[end - 1 - from] != '\n')
            end--;
        if (end > from) {
            *out = end;
            return WEFT_OK;
        }
    }
    *out = 0;
    return WEFT_OK;
}

weft_status weft_journal_lock(weft_journal *j)
{
    while (flock(j->file, LOCK_EX) != 0)
        if (errno != EINTR)
            return fail_system(j->path, "lock");
    struct stat info;
    int64_t end = 0;
    weft_status status = fstat(j->file, &info) == 0 ? end_of_lines(j, info.st_size, &end) : fail_system(j->path, "examine");
    if (status == WEFT_OK && end < info.st_size && ftruncate(j->file, end) != 0)
        status = fail_system(j->path, "cut");
    if (status != WEFT_OK)
        weft_journal_unlock(j);
    return status;
}

void weft_journal_unlock(weft_journal *j)
{
    flock(j->file, LOCK_UN);
}

static weft_status fill(weft_journal *j, bool *more)
{
    if (j->held_size + CHUNK > j->held_capacity) {
        size_t capacity = 2 * j->held_capacity + CHUNK;
        char *held = j->held_size < LONGEST ? realloc(j->held, capacity) : NULL;
        if (!held)
            return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short for line %lld", j->path, (long long)j->lines + 1);
        j->held = held;
        j->held_capacity = capacity;
    }
    ssize_t got;
    do
        got = pread(j->file, j->held + j->held_size, CHUNK, j->read + (int64_t)j->held_size);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail_system(j->path, "read");
    j->held_size += (size_t)got;
    *more = got > 0;
    return WEFT_OK;
}

weft_status weft_journal_read(weft_journal *j, weft_status (*line)(void *user, const char *text, size_t length, int64_t number),
                              void *user)
{
    j->held_size = 0; /* an unfinished line may have been cut and written anew */
    for (bool more = true; more;) {
        weft_status status = fill(j, &more);
        if (status != WEFT_OK)
            return status;
        size_t from = 0;
        const char *end;
        while (j->held_size > from && (end = memchr(j->held + from, '\n', j->held_size - from)) != NULL) {
            size_t length = (size_t)(end - (j->held + from));
            status = line(user, j->held + from, length, ++j->lines);
            if (status != WEFT_OK)
                return status;
            from += length + 1;
        }
        j->read += (int64_t)from;
        j->held_size -= from;
        memmove(j->held, j->held + from, j->held_size);
    }
    return WEFT_OK;
}

weft_status weft_journal_add(weft_journal *j, const char *line)
{
    weft_text text = {0};
    weft_text_add(&text, "%s\n", line);
    weft_status status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", j->path) : WEFT_OK;
    for (size_t done = 0; status == WEFT_OK && done < text.length;) {
        ssize_t written = write(j->file, text.data + done, text.length - done);
        if (written < 0 && errno != EINTR)
            status = fail_system(j->path, "write");
        done += written > 0 ? (size_t)written : 0;
    }
    if (status == WEFT_OK && fdatasync(j->file) != 0 && errno != EINVAL)
        status = fail_system(j->path, "write");
    weft_text_free(&text);
    return status;
}

weft_status weft_lock_try(const char *path, int *out)
{
    *out = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*out < 0)
        return fail_system(path, "open");
    while (flock(*out, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR)
            continue;
        weft_status status = errno == EWOULDBLOCK ? WEFT_OK : fail_system(path, "lock");
        close(*out);
        *out = -1;
        return status;
    }
    return WEFT_OK;
}

void weft_lock_end(int lock)
{
    if (lock >= 0)
        close(lock);
}
