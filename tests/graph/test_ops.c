/* Every row of the op table has a case in the other op tests, and each case builds the op it says. */
#include "graph/op_cases_elementwise.h"
#include "graph/op_cases_moves.h"
#include "graph/op_cases_products.h"
#include "graph/op_cases_sequence.h"
#include "graph/op_check.h"

static const struct {
    const op_case *cases;
    int count;
} tables[] = {
    {elementwise_cases, sizeof elementwise_cases / sizeof *elementwise_cases},
    {move_cases, sizeof move_cases / sizeof *move_cases},
    {product_cases, sizeof product_cases / sizeof *product_cases},
    {sequence_cases, sizeof sequence_cases / sizeof *sequence_cases},
};
enum { TABLES = sizeof tables / sizeof *tables };

static void every_row_has_a_case(void **state)
{
    (void)state;
    for (int i = 0; i < weft_op_count(); i++) {
        const weft_op *op = weft_op_at(i);
        if (op->kind == WEFT_OP_LEAF) /* operands, not functions; test_builder binds them */
            continue;
        bool found = false;
        for (int k = 0; k < TABLES; k++)
            for (int c = 0; c < tables[k].count; c++)
                found |= strcmp(tables[k].cases[c].row, op->name) == 0;
        if (!found)
            fail_msg("the op %s has no case", op->name);
    }
}

static void every_case_builds_its_row(void **state)
{
    (void)state;
    for (int k = 0; k < TABLES; k++)
        for (int c = 0; c < tables[k].count; c++) {
            const op_case *one = &tables[k].cases[c];
            const weft_op *op = weft_op_find(one->row);
            bool found = false;
            if (!op)
                fail_msg("there is no op %s", one->row);
            for (int seed = 1; seed <= EXTENT_SEEDS && !found; seed++) {
                trial t = start(one, seed);
                t.g = weft_graph_new(WEFT_F64);
                t.state = scramble(t.seed);
                t.form = (form)one->form;
                t.y = one->build(&t);
                check(&t, weft_graph_status(t.g));
                for (int32_t id = 1; id <= t.y.id; id++)
                    found |= t.g->nodes[id].op == op;
                close_trial(&t);
            }
            if (!found)
                fail_msg("the case of %s does not build it", one->row);
        }
}

static void every_row_can_be_differentiated(void **state)
{
    (void)state;
    for (int i = 0; i < weft_op_count(); i++) {
        const weft_op *op = weft_op_at(i);
        if (op->kind != WEFT_OP_LEAF && op != weft_op_part && !op->gradient && !op->lower)
            fail_msg("the op %s has neither gradient nor lowering", op->name);
        assert_ptr_equal(weft_op_find(op->name), op); /* names are unique */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_case),
        cmocka_unit_test(every_case_builds_its_row),
        cmocka_unit_test(every_row_can_be_differentiated),
    };
    return cmocka_run_group_tests(tests, open_engines, close_engines);
}
