/* System calls that change files, replaced so that a process can be killed in the middle of any of them, or meet a full disk.
 * Included by one file of a test program; the library is linked to these in place of the C library's. */
#ifndef WEFT_TESTS_KILL_H
#define WEFT_TESTS_KILL_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int calls_left = -1; /* −1: no limit; counts down, and the call that finds 0 kills */
static bool disk_full;      /* in place of the kill: writes fail from there on */
static int calls_made;

static bool last_call(void)
{
    calls_made++;
    return calls_left >= 0 && calls_left-- == 0;
}

ssize_t write(int file, const void *bytes, size_t size)
{
    if (last_call() || (disk_full && calls_left < 0)) {
        syscall(SYS_write, file, bytes, size / 2); /* half of it arrives */
        if (!disk_full)
            raise(SIGKILL);
        calls_left = -1;
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_write, file, bytes, size);
}

static void maybe_die(void)
{
    if (last_call() && !disk_full)
        raise(SIGKILL);
}

/* A killed process loses nothing that the system has: the tests need no waiting for the disk. */
int fsync(int file)
{
    (void)file;
    maybe_die();
    return 0;
}

int ftruncate(int file, off_t size)
{
    maybe_die();
    return (int)syscall(SYS_ftruncate, file, size);
}

int rename(const char *from, const char *to)
{
    maybe_die();
    int result = (int)syscall(SYS_rename, from, to);
    maybe_die();
    return result;
}

int unlink(const char *path)
{
    maybe_die();
    return (int)syscall(SYS_unlink, path);
}

int unlinkat(int folder, const char *path, int flags)
{
    maybe_die();
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

#endif
