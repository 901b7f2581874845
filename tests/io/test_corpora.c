/* Every file of the fuzz targets' corpora, hostile ones included, through its target. A target aborts when a rule is broken. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "corpus.h"

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
