/* Every file of a fuzz target's corpus through the target. */
#ifndef WEFT_TESTS_CORPUS_H
#define WEFT_TESTS_CORPUS_H

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"

static inline void replay(const char *name, int (*target)(const uint8_t *, size_t))
{
    char *folder = weft_path_join(WEFT_SOURCE_DIR "/fuzz/corpus", name);
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        char *path = weft_path_join(folder, entry->d_name), *data;
        size_t size;
        if (entry->d_name[0] != '.') {
            assert_int_equal(weft_file_read(path, 1 << 20, &data, &size), WEFT_OK);
            uint8_t *exact = malloc(size ? size : 1); /* a sanitizer sees a read behind its end */
            assert_non_null(exact);
            memcpy(exact, data, size);
            target(exact, size);
            free(exact);
            free(data);
            count++;
        }
        free(path);
    }
    closedir(listing);
    free(folder);
    assert_true(count >= 10);
}

/* The test of corpus NAME and its target fuzz_NAME. */
#define REPLAY(name) \
    static void name##_corpus(void **state) \
    { \
        (void)state; \
        replay(#name, fuzz_##name); \
    }

#endif
