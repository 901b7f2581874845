/* A journal that several processes share: a file of lines of JSON, only ever added to. Whoever changes anything holds the lock;
 * it ends with the process, however that ends. A line that a killed process left half written is cut off by the next one that
 * locks. */
#ifndef WEFT_TRAIN_JOURNAL_H
#define WEFT_TRAIN_JOURNAL_H

#include "weft/base.h"

typedef struct weft_journal weft_journal;

weft_status weft_journal_open(const char *path, weft_journal **out); /* makes the file where there is none */
void weft_journal_close(weft_journal *);                             /* NULL is fine */

/* Waits for the other processes; not nested. */
weft_status weft_journal_lock(weft_journal *);
void weft_journal_unlock(weft_journal *);

/* Hands each whole line that has not been read yet to `line`, without its end; numbers begin at 1. With or without the lock:
 * without it, a line that is being written is left for the next time. */
weft_status weft_journal_read(weft_journal *, weft_status (*line)(void *user, const char *text, size_t length, int64_t number),
                              void *user);

/* Adds a line (its end is added); needs the lock. It is on the disk when this returns. */
weft_status weft_journal_add(weft_journal *, const char *line);

const char *weft_journal_path(const weft_journal *);

/* A lock on a file of its own, made where there is none: WEFT_OK with *out ≥ 0, or −1 when another process holds it. */
weft_status weft_lock_try(const char *path, int *out);
void weft_lock_end(int lock); /* −1 is fine */

#endif
