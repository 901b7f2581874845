/* Files: reading whole, mapping, and writing so that a reader sees the old content or the new, never a part. */
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUT_BUFFER (1 << 18)

static weft_status fail_system(const char *path, const char *what, int reason)
{
    char text[128];
    return weft_fail(WEFT_ERROR_FILE, "%s: cannot %s: %s", path, what, strerror_r(reason, text, sizeof text));
}

/* Opens a regular file for reading. O_NONBLOCK: a pipe without a writer must be refused, not waited for. */
static weft_status open_regular(const char *path, int *out, size_t *size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return fail_system(path, "open", errno);
    struct stat info;
    if (fstat(file, &info) != 0) {
        weft_status status = fail_system(path, "examine", errno);
        close(file);
        return status;
    }
    if (!S_ISREG(info.st_mode)) {
        close(file);
        return weft_fail(WEFT_ERROR_FILE, "%s: is a %s, expected a file", path,
                         S_ISDIR(info.st_mode)    ? "folder"
                         : S_ISFIFO(info.st_mode) ? "pipe"
                                                  : "device or socket");
    }
    *out = file;
    *size = (size_t)info.st_size;
    return WEFT_OK;
}

weft_status weft_map_open(const char *path, weft_map *out)
{
    *out = (weft_map){NULL, 0};
    int file;
    size_t size;
    weft_status status = open_regular(path, &file, &size);
    if (status != WEFT_OK)
        return status;
    if (size > 0) {
        void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
        if (data == MAP_FAILED)
            status = fail_system(path, "map", errno);
        else
            *out = (weft_map){data, size};
    }
    close(file);
    return status;
}

void weft_map_release(const weft_map *map)
{
    if (map->data)
        madvise((void *)(uintptr_t)map->data, map->size, MADV_DONTNEED); /* advice: nothing is lost if it is not taken */
}

void weft_map_release_part(const void *data, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data;
    const uintptr_t first = (at + page - 1) / page * page, end = (at + bytes) / page * page;
    if (first < end)
        madvise((void *)first, end - first, MADV_DONTNEED);
}

void weft_map_close(weft_map *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (weft_map){NULL, 0};
}

/* Up to the end of the file; `expected` is its size as far as it is known. */
static weft_status read_to_end(int file, const char *path, size_t expected, size_t limit, char **out, size_t *size)
{
    size_t capacity = expected + 1, length = 0; /* files of /proc say 0: the buffer grows */
    char *data = NULL;
    weft_status status;
    if (expected > limit || expected >= SIZE_MAX / 2)
        goto large;
    if (!(data = malloc(capacity)))
        goto memory;
    for (;;) {
        if (length > limit)
            goto large;
        if (length == capacity - 1) {
            char probe;
            ssize_t more;
            while ((more = read(file, &probe, 1)) < 0 && errno == EINTR)
                continue;
            if (more == 0)
                break;
            if (more < 0)
                goto failed;
            if (length + 1 > limit)
                goto large;
            char *larger = realloc(data, capacity = capacity * 2 + 4096);
            if (!larger)
                goto memory;
            data = larger;
            data[length++] = probe;
        }
        ssize_t got = read(file, data + length, capacity - 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            goto failed;
        if (got == 0)
            break;
        length += (size_t)got;
    }
    data[length] = 0;
    *out = data;
    *size = length;
    return WEFT_OK;

failed:
    status = fail_system(path, "read", errno);
    goto end;
large:
    status = weft_fail(WEFT_ERROR_FORMAT, "%s: is larger than %zu bytes, the most for such a file", path, limit);
    goto end;
memory:
    status = weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %zu bytes for it", path, capacity);
end:
    free(data);
    return status;
}

weft_status weft_file_read(const char *path, size_t limit, char **out, size_t *size)
{
    *out = NULL;
    *size = 0;
    int file;
    size_t expected;
    weft_status status = open_regular(path, &file, &expected);
    if (status != WEFT_OK)
        return status;
    status = read_to_end(file, path, expected, limit, out, size);
    close(file);
    return status;
}

weft_status weft_stream_read(int file, const char *name, size_t limit, char **out, size_t *size)
{
    *out = NULL;
    *size = 0;
    return read_to_end(file, name, 0, limit, out, size);
}

struct weft_output {
    char *path;      /* as given, for messages */
    char *target;    /* the file that is replaced: `path`, or what it links to */
    char *temporary; /* NULL: written directly (a device or pipe) */
    int file;        /* -1 after a failure */
    weft_status status;
    char error[1024]; /* the text of the first failure */
    size_t used;
    char buffer[OUTPUT_BUFFER];
};

static void output_free(weft_output *output)
{
    free(output->path);
    free(output->target);
    free(output->temporary);
    free(output);
}

static void output_drop(weft_output *output)
{
    if (output->file >= 0)
        close(output->file);
    output->file = -1;
    if (output->temporary)
        unlink(output->temporary);
}

static weft_status output_fail(weft_output *output, const char *what, int reason)
{
    output->status = fail_system(output->path, what, reason);
    snprintf(output->error, sizeof output->error, "%s", weft_error());
    output_drop(output);
    return output->status;
}

/* The name's folder, with its slash; "" for a plain name. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* A new file beside the target, with the mode that the process's mask gives; mkostemp would make it private. */
static int create_temporary(weft_output *output)
{
    static atomic_uint counter;
    size_t folder = folder_length(output->target);
    const char *name = output->target + folder;
    size_t room = folder + 128;
    if (!(output->temporary = malloc(room)))
        return ENOMEM;
    for (int attempt = 0; attempt < 1000; attempt++) {
        snprintf(output->temporary, room, "%.*s.%.48s.%ld-%u.tmp", (int)folder, output->target, name, (long)getpid(),
                 atomic_fetch_add(&counter, 1));
        output->file = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (output->file >= 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    int reason = errno;
    free(output->temporary);
    output->temporary = NULL;
    return reason;
}

static weft_output *new_output(const char *path)
{
    weft_output *output = malloc(sizeof *output);
    if (!output || !(output->path = strdup(path))) {
        free(output);
        weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a write buffer", path);
        return NULL;
    }
    output->target = NULL;
    output->temporary = NULL;
    output->file = -1;
    output->status = WEFT_OK;
    output->error[0] = 0;
    output->used = 0;
    return output;
}

weft_status weft_output_stream(int file, const char *name, weft_output **out)
{
    *out = new_output(name);
    if (!*out)
        return WEFT_ERROR_MEMORY;
    if (((*out)->file = fcntl(file, F_DUPFD_CLOEXEC, 0)) >= 0)
        return WEFT_OK;
    output_free(*out);
    *out = NULL;
    return fail_system(name, "write", errno);
}

weft_status weft_output_open(const char *path, weft_output **out)
{
    *out = NULL;
    if (!path[0] || strlen(path) > PATH_MAX)
        return weft_fail(WEFT_ERROR_ARGUMENT, "cannot write to a file with %s name", path[0] ? "so long a" : "an empty");
    weft_output *output = new_output(path);
    if (!output)
        return WEFT_ERROR_MEMORY;
    struct stat info;
    bool there = stat(path, &info) == 0;
    /* A link keeps pointing: what it names is replaced. A pipe behind /dev/stdout has no path of its own. */
    output->target = there && S_ISREG(info.st_mode) ? realpath(path, NULL) : strdup(path);
    if (!output->target) {
        output_free(output);
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its name", path);
    }
    int reason = 0;
    if (there && S_ISDIR(info.st_mode))
        reason = EISDIR;
    else if (there && !S_ISREG(info.st_mode))
        reason = (output->file = open(path, O_WRONLY | O_CLOEXEC)) < 0 ? errno : 0; /* a device is not to be renamed over */
    else
        reason = create_temporary(output);
    if (reason == 0 && output->temporary && there)
        (void)!fchmod(output->file, info.st_mode & 07777); /* best effort: content matters more than mode */
    if (reason) {
        output_free(output);
        return fail_system(path, "write", reason);
    }
    *out = output;
    return WEFT_OK;
}

static weft_status write_out(weft_output *output, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(output->file, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return output_fail(output, "write", written < 0 ? errno : ENOSPC);
        bytes += written;
        size -= (size_t)written;
    }
    return WEFT_OK;
}

static weft_status output_flush(weft_output *output)
{
    size_t used = output->used;
    output->used = 0;
    return write_out(output, output->buffer, used);
}

weft_status weft_output_write(weft_output *output, const void *bytes, size_t size)
{
    if (output->status != WEFT_OK)
        return weft_fail(output->status, "%s", output->error);
    if (size > OUTPUT_BUFFER - output->used && output_flush(output) != WEFT_OK)
        return output->status;
    if (size >= OUTPUT_BUFFER)
        return write_out(output, bytes, size);
    if (size)
        memcpy(output->buffer + output->used, bytes, size);
    output->used += size;
    return WEFT_OK;
}

/* The rename itself must reach the disk. A folder that may not be read, or a file system without this, is no failure. */
static int sync_folder(const char *target)
{
    size_t length = folder_length(target);
    char *folder = length ? strndup(target, length) : strdup(".");
    if (!folder)
        return ENOMEM;
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (file < 0)
        return errno == EACCES ? 0 : errno;
    int reason = fsync(file) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
    close(file);
    return reason;
}

weft_status weft_output_commit(weft_output *output)
{
    if (output->status != WEFT_OK)
        weft_fail(output->status, "%s", output->error);
    else
        output_flush(output);
    if (output->status == WEFT_OK && output->temporary && fsync(output->file) != 0 && errno != EINVAL)
        output_fail(output, "write", errno);
    if (output->status == WEFT_OK) {
        int file = output->file;
        output->file = -1;
        if (close(file) != 0 && errno != EINTR)
            output_fail(output, "write", errno);
    }
    if (output->status == WEFT_OK && output->temporary) {
        int reason;
        if (rename(output->temporary, output->target) != 0)
            output_fail(output, "replace", errno);
        else if ((reason = sync_folder(output->target)) != 0)
            output->status = fail_system(output->path, "sync the folder of", reason);
    }
    weft_status status = output->status;
    output_free(output);
    return status;
}

void weft_output_abandon(weft_output *output)
{
    if (!output)
        return;
    output_drop(output);
    output_free(output);
}

weft_status weft_file_write(const char *path, const void *bytes, size_t size)
{
    weft_output *output;
    weft_status status = weft_output_open(path, &output);
    if (status != WEFT_OK)
        return status;
    (void)weft_output_write(output, bytes, size); /* commit reports it too */
    return weft_output_commit(output);
}

bool weft_path_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool weft_path_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

weft_status weft_folder_make(const char *path)
{
    if (!path[0])
        return weft_fail(WEFT_ERROR_ARGUMENT, "cannot make a folder with an empty name");
    char *part = strdup(path);
    if (!part)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its name", path);
    weft_status status = WEFT_OK;
    for (char *at = part + 1; status == WEFT_OK; at++) {
        if (*at && *at != '/')
            continue;
        char kept = *at;
        *at = 0;
        if (mkdir(part, 0777) != 0) {
            int reason = errno; /* EEXIST, or EROFS and the like for a folder that is already there */
            if (!weft_path_is_folder(part))
                status = reason == EEXIST ? weft_fail(WEFT_ERROR_FILE, "%s: cannot make the folder: %s is a file", path, part)
                                          : fail_system(path, "make the folder", reason);
        }
        if (!kept)
            break;
        *at = kept;
    }
    free(part);
    return status;
}

char *weft_path_join(const char *folder, const char *name)
{
    size_t length = strlen(folder), more = strlen(name);
    char *path = malloc(length + more + 2);
    if (!path)
        return NULL;
    memcpy(path, folder, length);
    if (length && folder[length - 1] != '/')
        path[length++] = '/';
    memcpy(path + length, name, more + 1);
    return path;
}

weft_status weft_file_remove(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR)
        return weft_fail(WEFT_ERROR_FILE, "%s: cannot remove it: %s", path, strerror(errno));
    return WEFT_OK;
}
