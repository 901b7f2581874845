/* Large blocks of memory, on large pages where the system gives them. */
#include "base/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { LARGE_PAGE = 2 << 20 };

void *weft_pages_get(size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    const size_t align = bytes >= 2 * (size_t)LARGE_PAGE ? LARGE_PAGE : 64;
    bytes = (bytes + align - 1) / align * align;
    void *block = aligned_alloc(align, bytes ? bytes : align);
    if (block && align == LARGE_PAGE)
        (void)madvise(block, bytes, MADV_HUGEPAGE); /* a wish: nothing depends on it */
    return block;
}
