/* States, rotary positions, attention and labels of the op table, on random shapes: values, both gradients, threads, rows and
 * used extents. */
#include "graph/op_cases_sequence.h"
#include "graph/op_check.h"

OP_TESTS(sequence_cases)

int main(void)
{
    const struct CMUnitTest tests[] = {OP_TEST_LIST};
    return cmocka_run_group_tests(tests, open_engines, close_engines);
}
