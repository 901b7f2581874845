/* Inside a sweep: the numbers of a point, and its journal. Not for other parts. */
#ifndef WEFT_HARDWARE_SWEEP_INNER_H
#define WEFT_HARDWARE_SWEEP_INNER_H

#include "hardware/sweep.h"

/* What a line of the journal and a row of the tables hold of a point. */
enum { WEFT_SWEEP_NUMBERS = 9 };
extern const char *const weft_sweep_number_keys[WEFT_SWEEP_NUMBERS];
double *weft_sweep_number(weft_sweep_point *, int i);
double weft_sweep_value(const weft_sweep_point *, int i);

/* The journal (train/journal.h), and the parts of the list that processes have claimed. A part is claimed by a lock on one byte
 * of JOURNAL.lock, which ends with the process. A claim saves others the work and no more: where two lists differ, a point may be
 * computed twice, to the same numbers. */
typedef struct weft_sweep_journal weft_sweep_journal;

/* path NULL: *out is NULL, and all calls below do nothing and claim everything. */
weft_status weft_sweep_journal_open(weft_sweep_point *points, int64_t count, const char *path, weft_sweep_journal **out);
void weft_sweep_journal_close(weft_sweep_journal *);

/* Takes over what has been written since the last time; *taken is how many points became done by it. */
weft_status weft_sweep_journal_read(weft_sweep_journal *, int64_t *taken);

weft_status weft_sweep_claim(weft_sweep_journal *, int64_t part, bool *mine);
void weft_sweep_let_go(weft_sweep_journal *, int64_t part);

/* Keeps a line for a point; `write` adds the kept ones to the file. */
void weft_sweep_journal_add(weft_sweep_journal *, const weft_sweep_point *);
weft_status weft_sweep_journal_write(weft_sweep_journal *);

#endif
