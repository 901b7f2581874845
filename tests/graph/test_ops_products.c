/* Products, whole-row and pair ops of the op table, on random shapes: values, both gradients, threads, rows and used extents. */
#include "graph/op_cases_products.h"
#include "graph/op_check.h"

OP_TESTS(product_cases)

int main(void)
{
    const struct CMUnitTest tests[] = {OP_TEST_LIST};
    return cmocka_run_group_tests(tests, open_engines, close_engines);
}
