/* Memory traces: a CSV with not_before, type and address, and the same with what the controllers answered. */
#ifndef WEFT_HARDWARE_ACCESS_TRACE_H
#define WEFT_HARDWARE_ACCESS_TRACE_H

#include "weft/hardware.h"

typedef struct weft_access_trace {
    weft_memory_access *accesses; /* [count] */
    int64_t count;
} weft_access_trace;

/* Columns `not_before`, `type` and `addr` (or `address`), whole numbers; other columns are left alone. */
weft_status weft_access_trace_read(const char *path, weft_access_trace *out);
weft_status weft_access_trace_parse(const void *bytes, size_t size, const char *name, weft_access_trace *out);
void weft_access_trace_free(weft_access_trace *);

/* not_before,type,addr,accepted,done: a line an access. */
weft_status weft_access_trace_write(const weft_access_trace *, const char *path);

#endif
