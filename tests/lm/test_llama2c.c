/* llama2.c's model files: the tensors that they become, and what is wrong with broken ones. */
#include "lm_case.h"

#include "base/files.h"
#include "lm/llama2c.h"
#include "lm/model.h"

enum { WIDTH = 8, FFN = 6, LAYERS = 2, HEADS = 2, KV = 1, VOCAB = 5, POSITIONS = 3, HEAD = WIDTH / HEADS };
enum {
    NUMBERS = VOCAB * WIDTH + LAYERS * (WIDTH + 2 * WIDTH * WIDTH + 2 * KV * HEAD * WIDTH + WIDTH + 3 * WIDTH * FFN) + WIDTH +
              POSITIONS * HEAD,
    HEADER = 28
};

static const int32_t header[7] = {WIDTH, FFN, LAYERS, HEADS, KV, VOCAB, POSITIONS};

/* A file whose number k is k; with a head of its own, VOCAB · WIDTH more. */
static unsigned char *file_of(bool own_head, size_t *size)
{
    const int count = NUMBERS + (own_head ? VOCAB * WIDTH : 0);
    unsigned char *bytes = malloc(*size = HEADER + (size_t)count * 4);
    memcpy(bytes, header, HEADER);
    for (int k = 0; k < count; k++) {
        const float number = (float)k;
        memcpy(bytes + HEADER + 4 * k, &number, 4);
    }
    const int32_t negative = -VOCAB;
    if (own_head)
        memcpy(bytes + 20, &negative, 4);
    return bytes;
}

static const float *numbers(const weft_params *p, const char *name)
{
    weft_tensor t;
    if (!weft_params_get(p, name, &t))
        fail_msg("%s is missing", name);
    return t.data;
}

static void every_tensor_has_its_place(void **state)
{
    (void)state;
    for (int own_head = 0; own_head < 2; own_head++) {
        size_t size;
        unsigned char *bytes = file_of(own_head, &size);
        weft_text config = {0};
        weft_params *p;
        MUST(weft_llama2c_parse(bytes, size, "a.bin", &config, &p));
        free(bytes); /* nothing is borrowed */
        assert_int_equal(weft_params_count(p), 2 + 9 * LAYERS + own_head);
        const int norms = VOCAB * WIDTH, q = norms + LAYERS * WIDTH, k = q + LAYERS * WIDTH * WIDTH;
        const int v = k + LAYERS * KV * HEAD * WIDTH, o = v + LAYERS * KV * HEAD * WIDTH;
        assert_true(numbers(p, "model.embed_tokens.weight")[WIDTH] == WIDTH);
        assert_true(numbers(p, "model.layers.1.input_layernorm.weight")[0] == (float)(norms + WIDTH));
        assert_true(numbers(p, "model.layers.1.self_attn.v_proj.weight")[3] == (float)(v + KV * HEAD * WIDTH + 3));
        assert_true(numbers(p, "model.layers.0.self_attn.o_proj.weight")[0] == (float)o);
        const float *rows = numbers(p, "model.layers.1.self_attn.q_proj.weight"); /* rows 0, 2, 1, 3 of each head */
        static const int order[] = {0, 2, 1, 3, 4, 6, 5, 7};
        for (int r = 0; r < WIDTH; r++)
            for (int c = 0; c < WIDTH; c++)
                assert_true(rows[r * WIDTH + c] == (float)(q + WIDTH * WIDTH + order[r] * WIDTH + c));
        assert_true(numbers(p, "model.layers.0.self_attn.k_proj.weight")[WIDTH] == (float)(k + 2 * WIDTH));
        if (own_head)
            assert_true(numbers(p, "lm_head.weight")[0] == NUMBERS);
        weft_json *json;
        weft_lm_config c;
        MUST(weft_json_parse(config.data, config.length, "config.json", &json));
        MUST(weft_lm_config_read(weft_json_root(json), "config.json", &c));
        weft_lm_config_match(&c, p);
        MUST(weft_lm_weights_check(&c, p));
        assert_int_equal(c.tied, !own_head);
        weft_json_free(json);
        weft_lm_config_free(&c);
        weft_params_free(p);
        weft_text_free(&config);
    }
}

static void broken_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        int number;
        int32_t value;
        const char *text;
    } rows[] = {
        {0, 0, "dim is 0, expected 1"},
        {1, -6, "hidden_dim is -6"},
        {2, 1 << 30, "n_layers is 1073741824"},
        {3, 3, "8 numbers a token in 3 heads"},
        {4, 2, "bytes end within"},
        {5, INT32_MIN, "vocab_size is -2147483648"},
        {5, 1 << 24, "embed_tokens.weight: the"},
        {6, 2, "bytes, the header wants"},
        {0, 0x616b3432, "a later format"},
        {3, 8, "expected heads of one even"},
        {4, 0, "n_kv_heads is 0, expected 1"},
    };
    size_t size;
    weft_text config = {0};
    weft_params *p;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char *bytes = file_of(false, &size);
        memcpy(bytes + 4 * rows[i].number, &rows[i].value, 4);
        assert_int_not_equal(weft_llama2c_parse(bytes, size, "a.bin", &config, &p), WEFT_OK);
        if (!strstr(weft_error(), rows[i].text) || !strstr(weft_error(), "a.bin"))
            fail_msg("\"%s\" does not say \"%s\"", weft_error(), rows[i].text);
        assert_null(p);
        free(bytes);
    }
    unsigned char *bytes = file_of(false, &size);
    for (size_t length = 0; length < size; length++)
        assert_int_not_equal(weft_llama2c_parse(bytes, length, "a.bin", &config, &p), WEFT_OK);
    free(bytes);
    weft_text_free(&config);
}

/* The trained model that is there in both forms. */
static void the_real_one_is_the_folder(void **state)
{
    (void)state;
    const char *data = getenv("WEFT_DATA");
    char file[512], folder[512];
    snprintf(file, sizeof file, "%s/lm/stories260K.bin", data ? data : WEFT_SOURCE_DIR "/../shared/data");
    snprintf(folder, sizeof folder, "%s/lm/stories260K", data ? data : WEFT_SOURCE_DIR "/../shared/data");
    if (!weft_path_exists(file) || !weft_path_is_folder(folder)) {
        print_message("skipped: %s is not there\n", file);
        skip();
    }
    weft_text config = {0};
    weft_params *p, *want;
    MUST(weft_llama2c_open(file, &config, &p));
    MUST(weft_params_open(folder, &want));
    assert_int_equal(weft_params_count(p), weft_params_count(want));
    for (int64_t i = 0; i < weft_params_count(want); i++) {
        weft_tensor a, b;
        const char *name = weft_params_at(want, i, &b);
        if (!weft_params_get(p, name, &a) || !weft_dims_equal(a.dims, b.dims))
            fail_msg("%s is missing, or of another shape", name);
        assert_memory_equal(a.data, b.data, weft_tensor_bytes(b));
    }
    weft_params_free(p);
    weft_params_free(want);
    weft_text_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_tensor_has_its_place), cmocka_unit_test(broken_files_are_refused),
                                       cmocka_unit_test(the_real_one_is_the_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
