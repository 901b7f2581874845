/* The corpora of the tokenizers' fuzz targets, hostile files included, through their targets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "corpus.h"

#define LLVMFuzzerTestOneInput fuzz_tokenizer
#include "../../fuzz/fuzz_tokenizer.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_pieces
#include "../../fuzz/fuzz_pieces.c"
#undef LLVMFuzzerTestOneInput

REPLAY(tokenizer)
REPLAY(pieces)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokenizer_corpus), cmocka_unit_test(pieces_corpus)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
