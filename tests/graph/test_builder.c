/* Building, binding, compiling and running graphs: what is refused, in which words, and what stays true at the edges. */
#include "graph/graph_case.h"

/* ---- building ---- */

/* The first mistake in the graph that `make` builds, and what its message must say. */
static void refused(void (*make)(weft_graph *), const char *says)
{
    weft_graph *g = weft_graph_new(WEFT_F32);
    make(g);
    if (weft_graph_status(g) == WEFT_OK)
        fail_msg("\"%s\" was expected, but nothing was refused", says);
    if (!strstr(weft_error(), says))
        fail_msg("\"%s\" was expected, not \"%s\"", says, weft_error());
    char first[512];
    snprintf(first, sizeof first, "%s", weft_error());
    assert_int_equal(weft_relu(g, weft_input(g, "later", WEFT_F32, DIMS(3))).id, 0); /* does nothing any more */
    weft_poison(g, "another mistake");
    assert_int_not_equal(weft_graph_status(g), WEFT_OK);
    assert_string_equal(weft_error(), first);
    weft_plan *plan;
    assert_int_not_equal(weft_compile(engine, g, NULL, 0, NULL, 0, &plan), WEFT_OK);
    assert_null(plan);
    assert_string_equal(weft_error(), first);
    weft_graph_free(g);
}

static weft_value x(weft_graph *g, const char *name, weft_dims dims)
{
    return weft_input(g, name, WEFT_F32, dims);
}

#define MISTAKE(name, ...) \
    static void name(weft_graph *g) \
    { \
        __VA_ARGS__ \
    }
MISTAKE(bad_add, weft_add(g, x(g, "a", DIMS(2, 3)), x(g, "b", DIMS(2, 4)));)
MISTAKE(bad_scope, weft_enter(g, "encoder.%d", 3); weft_enter(g, "mlp");
        weft_matmul(g, x(g, "a", DIMS(2, 3)), x(g, "b", DIMS(2, 3)));)
MISTAKE(bad_batch, weft_matmul(g, x(g, "a", DIMS(2, 4, 3)), x(g, "b", DIMS(3, 3, 5)));)
MISTAKE(bad_vector, weft_matmul(g, x(g, "a", DIMS(3)), x(g, "b", DIMS(3, 5)));)
MISTAKE(bad_reshape, weft_reshape(g, x(g, "a", DIMS(2, 3)), DIMS(5));)
MISTAKE(bad_negative, weft_reshape(g, x(g, "a", DIMS(2, 3)), DIMS(-2, -3));)
MISTAKE(bad_slice, weft_slice(g, x(g, "a", DIMS(2, 3)), 1, 1, 4);)
MISTAKE(bad_axis, weft_slice(g, x(g, "a", DIMS(2, 3)), 2, 0, 1);)
MISTAKE(bad_rows, weft_rows(g, x(g, "a", DIMS(2, 3)), 2, 1);)
MISTAKE(bad_permute, weft_permute(g, x(g, "a", DIMS(2, 3)), (int[]){1, 1});)
MISTAKE(bad_transpose, weft_transpose(g, x(g, "a", DIMS(2)));)
MISTAKE(bad_pad, weft_pad(g, x(g, "a", DIMS(2)), 0, -1, 0);)
MISTAKE(bad_concat, weft_value p[2] = {x(g, "a", DIMS(2, 3)), x(g, "b", DIMS(3, 4))}; weft_concat(g, 0, p, 2);)
MISTAKE(no_parts, weft_concat(g, 0, NULL, 0);)
MISTAKE(bad_broadcast, weft_broadcast(g, x(g, "a", DIMS(2, 3)), DIMS(2, 4));)
MISTAKE(bad_sum, weft_sum(g, x(g, "a", DIMS(2, 3)), 0, 2);)
MISTAKE(bad_sum_low, weft_sum(g, x(g, "a", DIMS(2, 3)), -3, -1);)
MISTAKE(bad_softmax, weft_softmax(g, x(g, "a", SCALAR));)
MISTAKE(bad_norm, weft_normalize_layer(g, x(g, "a", DIMS(2, 3)), x(g, "w", DIMS(2)), (weft_value){0}, 1e-5);)
MISTAKE(integers_added, weft_relu(g, weft_input(g, "ids", WEFT_I64, DIMS(3)));)
MISTAKE(float_index, weft_gather(g, x(g, "a", DIMS(2, 3)), x(g, "i", DIMS(2)));)
MISTAKE(free_index, weft_pick(g, x(g, "a", DIMS(2, 3)), weft_input(g, "i", WEFT_I64, DIMS(2)));)
MISTAKE(wide_index, weft_pick(g, x(g, "a", DIMS(2, 3)), weft_index(g, "i", DIMS(2), 4));)
MISTAKE(other_table, weft_gather(g, x(g, "a", DIMS(2, 3)), weft_index(g, "i", DIMS(2), 3));)
MISTAKE(other_target, weft_scatter_add(g, x(g, "a", DIMS(2, 3)), weft_index(g, "i", DIMS(2), 3), 2);)
MISTAKE(part_of_index, weft_scatter_add(g, x(g, "a", DIMS(2, 3)), weft_rows(g, weft_index(g, "i", DIMS(4), 5), 1, 3), 5);)
MISTAKE(pair_float_index, weft_pair_sqdist(g, x(g, "q", DIMS(2, 3)), x(g, "t", DIMS(5, 3)), x(g, "i", DIMS(2, 4)));)
MISTAKE(pair_other_index, weft_pair_sqdist(g, x(g, "q", DIMS(2, 3)), x(g, "t", DIMS(5, 3)), weft_index(g, "i", DIMS(2, 4), 6));)
MISTAKE(gather_sum_float_index, weft_gather_sum(g, x(g, "w", DIMS(2, 4)), x(g, "t", DIMS(5, 3)), x(g, "i", DIMS(2, 4)));)
MISTAKE(pair_used, weft_value q = weft_used(g, x(g, "q", DIMS(2, 3)), weft_count_input(g, "n", 2));
        weft_pair_sqdist(g, q, x(g, "t", DIMS(5, 3)), weft_index(g, "i", DIMS(2, 4), 5));)
MISTAKE(bad_mask, weft_pair_relu_sum(g, x(g, "q", DIMS(2, 3)), x(g, "t", DIMS(5, 3)), x(g, "b", DIMS(3)),
                                     weft_index(g, "i", DIMS(2, 4), 5), x(g, "p", DIMS(2, 4)), x(g, "m", DIMS(2, 4)));)
MISTAKE(one_used_row, weft_softmax(g, weft_used(g, x(g, "a", DIMS(7)), weft_count_input(g, "n", 7)));)
MISTAKE(count_too_large, weft_used(g, x(g, "a", DIMS(7)), weft_count_input(g, "n", 8));)
MISTAKE(count_is_no_count, weft_used(g, x(g, "a", DIMS(7)), x(g, "n", SCALAR));)
MISTAKE(two_counts, weft_add(g, weft_used(g, x(g, "a", DIMS(7)), weft_count_input(g, "m", 7)),
                             weft_used(g, x(g, "b", DIMS(7)), weft_count_input(g, "n", 7)));)
MISTAKE(leaf_again, x(g, "a", DIMS(2, 3)); x(g, "a", DIMS(3, 2));)
MISTAKE(leaf_of_other_kind, x(g, "a", DIMS(2)); weft_param(g, "a", WEFT_ZEROS, DIMS(2));)
MISTAKE(index_again, weft_index(g, "i", DIMS(2), 5); weft_index(g, "i", DIMS(2), 6);)
MISTAKE(bad_rate, weft_random(g, "m", (weft_law){WEFT_DROPOUT_LAW, 1, 0}, (weft_value){0}, DIMS(2));)
MISTAKE(bad_keys, weft_random(g, "m", (weft_law){WEFT_DROPOUT_LAW, 0.5, 0}, weft_input(g, "k", WEFT_I64, DIMS(3)), DIMS(2, 3));)
MISTAKE(too_many_axes, weft_value i = weft_index(g, "i", DIMS(1, 1, 1, 1, 1, 1, 1, 1), 2);
        weft_gather(g, x(g, "t", DIMS(2, 3)), i);)
MISTAKE(too_large, x(g, "a", DIMS(INT64_MAX / 2, 3));)
MISTAKE(negative_size, x(g, "a", DIMS(-1));)
MISTAKE(none_given, weft_relu(g, (weft_value){0});)
MISTAKE(foreign, weft_relu(g, (weft_value){77});)
MISTAKE(grows_too_large, weft_value v = x(g, "a", DIMS(1, 1)); weft_broadcast(g, v, DIMS(INT64_MAX / 2, 4));)
MISTAKE(bad_cotangent, weft_value v = x(g, "a", DIMS(2)), d; weft_gradient(g, v, x(g, "c", DIMS(3)), &v, 1, &d);)

static void mistakes_are_named(void **state)
{
    (void)state;
    refused(bad_add, "[2, 3] and [2, 4]");
    refused(bad_scope, "encoder.3.mlp: matmul: [2, 3] by [2, 3]");
    refused(bad_batch, "[2, 4, 3] by [3, 3, 5]");
    refused(bad_vector, "matmul: [3] by [3, 5]");
    refused(bad_reshape, "[5] does not hold as many elements as [2, 3]");
    refused(bad_negative, "reshape");
    refused(bad_slice, "[2, 3]");
    refused(bad_axis, "[2, 3]");
    refused(bad_rows, "rows 2 to 1");
    refused(bad_permute, "permut");
    refused(bad_transpose, "transpose");
    refused(bad_pad, "pad");
    refused(bad_concat, "part 2 is [3, 4]");
    refused(no_parts, "no parts");
    refused(bad_broadcast, "[2, 3] does not stretch to [2, 4]");
    refused(bad_sum, "axes 0 to 2");
    refused(bad_sum_low, "not in [2, 3]");
    refused(bad_softmax, "softmax");
    refused(bad_norm, "operand 2 is [2]");
    refused(integers_added, "I64");
    refused(float_index, "index");
    refused(free_index, "index");
    refused(wide_index, "\"i\" points into 4 rows, there are 3");
    refused(other_table, "\"i\" points into 3 rows");
    refused(other_target, "\"i\" points into 3 rows");
    refused(part_of_index, "all of index \"i\"");
    refused(pair_float_index, "index");
    refused(pair_other_index, "\"i\" points into 6 rows");
    refused(gather_sum_float_index, "index");
    refused(pair_used, "used in part");
    refused(bad_mask, "mask");
    refused(one_used_row, "used in part");
    refused(count_too_large, "\"n\" up to 8");
    refused(count_is_no_count, "count input");
    refused(two_counts, "different parts");
    refused(leaf_again, "\"a\" is [3, 2] here, but input [2, 3] before");
    refused(leaf_of_other_kind, "\"a\"");
    refused(index_again, "\"i\"");
    refused(bad_rate, "rate of 1");
    refused(bad_keys, "row keys");
    refused(too_many_axes, "at most 8 axes");
    refused(too_large, "not a shape");
    refused(negative_size, "not a shape");
    refused(none_given, "not a value of this graph");
    refused(foreign, "not a value of this graph");
    refused(grows_too_large, "too many elements");
    refused(bad_cotangent, "cotangent");
    assert_null(weft_graph_new(WEFT_BF16));
    assert_non_null(strstr(weft_error(), "BF16"));
}

static void equal_nodes_are_one(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value a = x(g, "a", DIMS(4, 6)), b = x(g, "b", DIMS(4, 6));
    for (int i = 0; i < 2000; i++) /* the table of nodes grows in between */
        assert_int_not_equal(weft_scale(g, a, 2 + i).id, 0);
    assert_int_equal(x(g, "a", DIMS(4, 6)).id, a.id);
    assert_int_equal(weft_add(g, a, b).id, weft_add(g, a, b).id);
    assert_int_not_equal(weft_add(g, a, b).id, weft_add(g, b, a).id);
    assert_int_equal(weft_scale(g, a, 700).id, weft_scale(g, a, 700).id);
    assert_int_not_equal(weft_scale(g, a, 0.5).id, weft_scale(g, a, 0.25).id);
    assert_int_equal(weft_reshape(g, a, DIMS(24)).id, weft_reshape(g, a, DIMS(24)).id);
    assert_int_equal(weft_reshape(g, weft_reshape(g, a, DIMS(24)), DIMS(2, 12)).id, weft_reshape(g, a, DIMS(2, 12)).id);
    assert_int_equal(weft_transpose(g, a).id, weft_transpose(g, a).id);
    assert_int_equal(weft_broadcast(g, a, DIMS(3, 4, 6)).id, weft_broadcast(g, a, DIMS(3, 4, 6)).id);
    assert_int_equal(weft_constant(g, 2, DIMS(3)).id, weft_constant(g, 2, DIMS(3)).id);
    assert_int_not_equal(weft_constant(g, 2, DIMS(3)).id, weft_constant(g, 3, DIMS(3)).id);
    assert_int_equal(weft_reshape(g, a, DIMS(4, 6)).id, a.id);
    assert_int_equal(weft_find(g, "b").id, b.id);
    assert_int_equal(weft_find(g, "c").id, 0);
    weft_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(equal_nodes_are_one),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
