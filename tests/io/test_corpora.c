/* Every file of the fuzz targets' corpora, hostile ones included, through its target. A target aborts when a rule is broken. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"

/* The targets all have the name that libFuzzer asks for; here each gets its own. */
#define LLVMFuzzerTestOneInput fuzz_csv
#include "../../fuzz/fuzz_csv.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_json
#include "../../fuzz/fuzz_json.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_npy
#include "../../fuzz/fuzz_npy.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_npz
#include "../../fuzz/fuzz_npz.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_safetensors
#include "../../fuzz/fuzz_safetensors.c"
#undef LLVMFuzzerTestOneInput

static void replay(const char *name, int (*target)(const uint8_t *, size_t))
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

#define REPLAY(name) \
    static void name##_corpus(void **state) \
    { \
        (void)state; \
        replay(#name, fuzz_##name); \
    }
REPLAY(csv)
REPLAY(json)
REPLAY(npy)
REPLAY(npz)
REPLAY(safetensors)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_corpus), cmocka_unit_test(json_corpus),        cmocka_unit_test(npy_corpus),
        cmocka_unit_test(npz_corpus), cmocka_unit_test(safetensors_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
