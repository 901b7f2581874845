/* Large blocks of memory. What is read from end to end, or walked over in long strides, asks the system for pages of 2 MiB: with
 * those of 4 KiB a core spends itself on page look-ups (two cores read 31 GB/s in place of 23). */
#ifndef WEFT_BASE_PAGES_H
#define WEFT_BASE_PAGES_H

#include <stddef.h>

/* bytes, aligned to 64 and on large pages where they fill two; freed by free(). NULL when memory is short. */
void *weft_pages_get(size_t bytes);

#endif
