/* Parameter sets: named tensors come back as they were given, through files too, and start by the laws of the graph. */
#include "graph/params.h"
#include "base/files.h"
#include "base/random.h"
#include "io/io.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/weft-params-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    return rmdir(folder);
}

static weft_params *new_set(void)
{
    weft_params *p;
    assert_int_equal(weft_params_new(&p), WEFT_OK);
    return p;
}

static void keeps_many_names(void **state)
{
    (void)state;
    weft_params *p = new_set();
    char name[32];
    for (int i = 0; i < 1000; i++) {
        float value = (float)i;
        snprintf(name, sizeof name, "layer.%d.weight", i);
        assert_int_equal(weft_params_set(p, name, (weft_tensor){&value, WEFT_F32, DIMS(1)}), WEFT_OK);
    }
    assert_int_equal(weft_params_count(p), 1000);
    for (int i = 0; i < 1000; i++) {
        weft_tensor t;
        snprintf(name, sizeof name, "layer.%d.weight", i);
        assert_true(weft_params_get(p, name, &t));
        assert_true(*(float *)t.data == (float)i);
        assert_string_equal(weft_params_at(p, i, NULL), name);
    }
    weft_tensor none;
    assert_false(weft_params_get(p, "layer.1000.weight", &none));
    assert_null(weft_params_at(p, 1000, NULL));
    assert_null(weft_params_at(p, -1, NULL));
    weft_params_free(p);
    weft_params_free(NULL);
}

static void replaces_and_counts(void **state)
{
    (void)state;
    weft_params *p = new_set();
    float a[4] = {1, 2, 3, 4};
    double b[6] = {1, 2, 3, 4, 5, 6};
    uint64_t v0 = weft_params_version(p);
    assert_int_equal(weft_params_set(p, "w", (weft_tensor){a, WEFT_F32, DIMS(2, 2)}), WEFT_OK);
    uint64_t v1 = weft_params_version(p);
    assert_true(v1 > v0);
    weft_tensor view, t;
    assert_true(weft_params_get(p, "w", &view));
    a[0] = 7;
    assert_true(*(float *)view.data == 1); /* a copy */
    assert_int_equal(weft_params_set(p, "w", (weft_tensor){a, WEFT_F32, DIMS(4)}), WEFT_OK);
    assert_true(*(float *)view.data == 7); /* same size: the view stays */
    assert_int_equal(weft_params_set(p, "w", (weft_tensor){b, WEFT_F64, DIMS(3, 2)}), WEFT_OK);
    assert_true(weft_params_get(p, "w", &t));
    assert_int_equal(t.dtype, WEFT_F64);
    assert_int_equal(t.dims.rank, 2);
    assert_int_equal(weft_params_count(p), 1);
    uint64_t v2 = weft_params_version(p);
    weft_params_touch(p);
    assert_true(v2 > v1 && weft_params_version(p) > v2);
    assert_int_equal(weft_params_set(p, "", (weft_tensor){a, WEFT_F32, DIMS(2, 2)}), WEFT_ERROR_ARGUMENT);
    assert_int_equal(weft_params_set(p, "x", (weft_tensor){a, WEFT_F32, DIMS(-1)}), WEFT_ERROR_ARGUMENT);
    assert_int_equal(weft_params_set(p, "x", (weft_tensor){NULL, WEFT_F32, DIMS(3)}), WEFT_ERROR_ARGUMENT);
    assert_int_equal(weft_params_set(p, "x", (weft_tensor){NULL, WEFT_F32, DIMS(0, 3)}), WEFT_OK);
    assert_int_equal(weft_params_edit(p, "y", &t), WEFT_ERROR_ARGUMENT);
    weft_params_free(p);
}

static void goes_through_a_file(void **state)
{
    (void)state;
    weft_params *p = new_set(), *q;
    float a[4] = {1, -2, NAN, 4};
    uint16_t h[3] = {1, 2, 0x7f80};
    char path[64];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_int_equal(weft_params_set(p, "w", (weft_tensor){a, WEFT_F32, DIMS(2, 2)}), WEFT_OK);
    assert_int_equal(weft_params_set(p, "h", (weft_tensor){h, WEFT_BF16, DIMS(3)}), WEFT_OK);
    assert_int_equal(weft_params_save(p, path), WEFT_OK);
    weft_params_free(p);
    const char *ways[] = {path, folder};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weft_params_open(ways[i], &q), WEFT_OK);
        weft_tensor t;
        assert_true(weft_params_get(q, "w", &t));
        assert_memory_equal(t.data, a, sizeof a);
        assert_true(weft_params_get(q, "h", &t));
        assert_int_equal(t.dtype, WEFT_BF16);
        assert_memory_equal(t.data, h, sizeof h);
        weft_params_free(q);
    }
    /* a mapped tensor is copied before it is written; saving over the file it came from is fine */
    assert_int_equal(weft_params_open(path, &q), WEFT_OK);
    weft_tensor t, again;
    uint64_t version = weft_params_version(q);
    assert_int_equal(weft_params_edit(q, "w", &t), WEFT_OK);
    assert_true(weft_params_version(q) > version); /* sessions must leave the mapped data */
    ((float *)t.data)[0] = 5;
    assert_true(weft_params_get(q, "w", &again));
    assert_ptr_equal(t.data, again.data);
    assert_int_equal(weft_params_save(q, path), WEFT_OK);
    weft_params_free(q);
    assert_int_equal(weft_params_open(path, &q), WEFT_OK);
    assert_true(weft_params_get(q, "w", &t));
    assert_true(*(float *)t.data == 5);
    weft_params_free(q);
    weft_arrays *raw;
    assert_int_equal(weft_safetensors_open(path, &raw), WEFT_OK);
    assert_string_equal(weft_arrays_metadata(raw, "format"), "pt");
    weft_arrays_free(raw);
    assert_int_equal(weft_params_open("/tmp/there is no such file", &q), WEFT_ERROR_FILE);
    assert_null(q);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(weft_file_write(path, text, strlen(text)), WEFT_OK);
}

static void remove_file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static void opens_a_model_in_parts(void **state)
{
    (void)state;
    char path[128];
    weft_params *q;
    remove_file("model.safetensors");
    for (int part = 0; part < 2; part++) {
        weft_params *p = new_set();
        for (int i = part; i < 6; i += 2) {
            char name[16];
            float value = (float)i;
            snprintf(name, sizeof name, "t%d", i);
            assert_int_equal(weft_params_set(p, name, (weft_tensor){&value, WEFT_F32, DIMS(1)}), WEFT_OK);
        }
        snprintf(path, sizeof path, "%s/part-%d.safetensors", folder, part);
        assert_int_equal(weft_params_save(p, path), WEFT_OK);
        weft_params_free(p);
    }
    write_file(
        "model.safetensors.index.json",
        "{\"metadata\": {\"total_size\": 20}, \"weight_map\": {\"t0\": \"part-0.safetensors\", \"t1\": \"part-1.safetensors\", "
        "\"t2\": \"part-0.safetensors\", \"t3\": \"part-1.safetensors\", \"t5\": \"part-1.safetensors\"}}");
    assert_int_equal(weft_params_open(folder, &q), WEFT_OK);
    assert_int_equal(weft_params_count(q), 5); /* t4 is in a file, but not in the map */
    for (int i = 0; i < 6; i++) {
        char name[8];
        weft_tensor t;
        snprintf(name, sizeof name, "t%d", i);
        assert_true(weft_params_get(q, name, &t) == (i != 4));
        assert_true(i == 4 || *(float *)t.data == (float)i);
    }
    weft_params_free(q);
    const char *wrong[] = {"{}",
                           "{\"weight_map\": {}}",
                           "{\"weight_map\": {\"t0\": 1}}",
                           "{\"weight_map\": {\"t0\": \"../part-0.safetensors\"}}",
                           "{\"weight_map\": {\"t0\": \"part-2.safetensors\"}}",
                           "{\"weight_map\": {\"t1\": \"part-0.safetensors\"}}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_file("model.safetensors.index.json", wrong[i]);
        assert_int_not_equal(weft_params_open(folder, &q), WEFT_OK);
        assert_null(q);
    }
    remove_file("model.safetensors.index.json");
    remove_file("part-0.safetensors");
    remove_file("part-1.safetensors");
}

static weft_graph *three_parameters(void)
{
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_param(g, "u", WEFT_UNIFORM(0.25), DIMS(7, 143));
    weft_param(g, "n", WEFT_NORMAL(2), DIMS(1001));
    weft_param(g, "one", WEFT_ONES, DIMS(5));
    weft_param(g, "c", ((weft_init){WEFT_INIT_CONSTANT, 0.5, 0}), SCALAR);
    return g;
}

static void starts_by_its_law(void **state)
{
    (void)state;
    weft_graph *g = three_parameters();
    weft_params *p = new_set(), *q = new_set();
    assert_int_equal(weft_params_init(p, g, WEFT_F32, 11), WEFT_OK);
    assert_int_equal(weft_params_init(q, g, WEFT_F64, 11), WEFT_OK);
    assert_int_equal(weft_params_count(p), 4);
    weft_random_key uniform = weft_random_stream(11, "u"), normal = weft_random_stream(11, "n");
    weft_tensor u, n, ud, nd, t;
    assert_true(weft_params_get(p, "u", &u) && weft_params_get(p, "n", &n));
    assert_true(weft_params_get(q, "u", &ud) && weft_params_get(q, "n", &nd));
    for (uint64_t k = 0; k < 1001; k++) {
        double want_u = 0.5 * weft_random_uniform(uniform, 0, 0, k) - 0.25, want_n = 2 * weft_random_normal(normal, 0, 0, k);
        assert_true(fabs(((double *)ud.data)[k] - want_u) < 1e-15);
        assert_true(((double *)nd.data)[k] == want_n);
        assert_true(((float *)u.data)[k] == (float)((double *)ud.data)[k]);
        assert_true(((float *)n.data)[k] == (float)want_n);
    }
    assert_true(weft_params_get(p, "one", &t) && ((float *)t.data)[4] == 1);
    assert_true(weft_params_get(p, "c", &t) && ((float *)t.data)[0] == 0.5f);
    /* what is there stays; another shape is refused and nothing added */
    float mine[5] = {9, 9, 9, 9, 9};
    weft_params *r = new_set(), *s = new_set();
    assert_int_equal(weft_params_set(r, "one", (weft_tensor){mine, WEFT_F32, DIMS(5)}), WEFT_OK);
    assert_int_equal(weft_params_init(r, g, WEFT_F32, 11), WEFT_OK);
    assert_true(weft_params_get(r, "one", &t) && ((float *)t.data)[0] == 9);
    assert_int_equal(weft_params_set(s, "one", (weft_tensor){mine, WEFT_F32, DIMS(4)}), WEFT_OK);
    assert_int_equal(weft_params_init(s, g, WEFT_F32, 11), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "\"one\" is [4], the model wants [5]"));
    assert_int_equal(weft_params_count(s), 1);
    assert_int_equal(weft_params_init(s, g, WEFT_BF16, 11), WEFT_ERROR_ARGUMENT);
    weft_params_free(p);
    weft_params_free(q);
    weft_params_free(r);
    weft_params_free(s);
    weft_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_many_names),       cmocka_unit_test(replaces_and_counts), cmocka_unit_test(goes_through_a_file),
        cmocka_unit_test(opens_a_model_in_parts), cmocka_unit_test(starts_by_its_law),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
