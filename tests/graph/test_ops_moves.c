/* Views, moves, reductions and ops by row number, on random shapes: values, both gradients, threads, rows, used extents. */
#include "graph/op_cases_moves.h"
#include "graph/op_check.h"

OP_TESTS(move_cases)

int main(void)
{
    const struct CMUnitTest tests[] = {OP_TEST_LIST};
    return cmocka_run_group_tests(tests, open_engines, close_engines);
}
