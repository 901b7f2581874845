/* Where the published configurations, traces and lengths lie, when they are there. */
#ifndef WEFT_TESTS_HARDWARE_SHARED_DATA_H
#define WEFT_TESTS_HARDWARE_SHARED_DATA_H

#include <stdio.h>
#include <stdlib.h>

/* "…/neupims/NAME" or NULL with a visible skip; valid until the next call. */
static inline const char *shared_file(const char *name)
{
    static char path[1024];
    const char *folder = getenv("WEFT_DATA");
    snprintf(path, sizeof path, "%s/neupims/%s", folder ? folder : WEFT_SOURCE_DIR "/../shared/data", name);
    FILE *probe = fopen(path, "rb");
    if (probe) {
        fclose(probe);
        return path;
    }
    print_message("no %s (set WEFT_DATA): skipped\n", path);
    return NULL;
}

#endif
