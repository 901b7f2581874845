/* The corpora of the fuzz targets of language models, hostile files included, through their targets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "corpus.h"

#define LLVMFuzzerTestOneInput fuzz_lm_config
#include "../../fuzz/fuzz_lm_config.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_lm_adapter
#include "../../fuzz/fuzz_lm_adapter.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_llama2c
#include "../../fuzz/fuzz_llama2c.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_lm_sentence
#include "../../fuzz/fuzz_lm_sentence.c"
#undef LLVMFuzzerTestOneInput

#define LLVMFuzzerTestOneInput fuzz_lm_labels
#include "../../fuzz/fuzz_lm_labels.c"
#undef LLVMFuzzerTestOneInput

REPLAY(lm_config)
REPLAY(lm_adapter)
REPLAY(llama2c)
REPLAY(lm_sentence)
REPLAY(lm_labels)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lm_config_corpus), cmocka_unit_test(lm_adapter_corpus),
                                       cmocka_unit_test(llama2c_corpus), cmocka_unit_test(lm_sentence_corpus),
                                       cmocka_unit_test(lm_labels_corpus)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
