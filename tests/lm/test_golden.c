/* Language models through the code of `weft run` against tensors that independent implementations computed in float64:
 * streams, logits, losses, gradients of every family, encoders with their heads, an adapter unmerged. */
#include "lm_case.h"

typedef struct tolerances {
    double values, loss, gradients; /* gradients: of the tensor's largest value */
} tolerances;

static const tolerances single = {3e-5, 1e-5, 2e-5}, wide = {2e-6, 1e-6, 2e-6};

static weft_arrays *run_case(const lm_case *c, weft_dtype dtype, bool labels, bool gradients)
{
    weft_model *model;
    weft_arrays *inputs, *out;
    static const char *const loss[] = {"loss"};
    MUST(weft_arrays_new(&inputs));
    MUST(weft_arrays_new(&out));
    for (int64_t i = 0; i < weft_arrays_count(c->golden); i++) {
        weft_array a = weft_arrays_at(c->golden, i);
        if (is_input(a.name))
            MUST(weft_arrays_add(inputs, a.name, a.tensor));
    }
    if (labels)
        MUST(weft_arrays_add(inputs, "labels", tensor_of(c->golden, "input_ids")));
    weft_run_request request = {
        .inputs = inputs, .dtype = dtype, .adapter = c->adapter[0] ? c->adapter : NULL, .grads = loss, .grad_count = gradients};
    MUST(weft_model_open(c->folder, &model));
    MUST(weft_model_run(model, test_engine(), &request, out));
    weft_model_free(model);
    weft_arrays_free(inputs);
    return out;
}

/* mask [rows]: rows that count, each `width` numbers; NULL: all */
static void compare(const char *name, weft_tensor want, weft_tensor have, const int64_t *mask, int64_t rows, int64_t width,
                    double tolerance)
{
    assert_int_equal(weft_dims_count(want.dims), weft_dims_count(have.dims));
    for (int64_t i = 0; i < weft_dims_count(want.dims); i++) {
        if (mask && !mask[i / width % rows])
            continue;
        double difference = fabs(element(want, i) - element(have, i));
        if (!(difference <= tolerance))
            fail_msg("%s[%lld]: %.9g, expected %.9g", name, (long long)i, element(have, i), element(want, i));
    }
}

static void compare_gradients(const lm_case *c, const weft_arrays *out, double tolerance)
{
    double largest = 0;
    int compared = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < weft_arrays_count(c->golden); i++) {
            weft_array a = weft_arrays_at(c->golden, i);
            double own = 0;
            if (!starts(a.name, "grad."))
                continue;
            for (int64_t k = 0; k < weft_dims_count(a.tensor.dims); k++)
                own = fmax(own, fabs(element(a.tensor, k)));
            largest = fmax(largest, own);
            if (pass == 1) {
                compare(a.name, a.tensor, tensor_of(out, a.name), NULL, 1, 1, tolerance * fmax(own, 1e-6 * largest));
                compared++;
            }
        }
    int given = 0;
    for (int64_t i = 0; i < weft_arrays_count(out); i++)
        given += starts(weft_arrays_at(out, i).name, "grad.");
    assert_int_equal(given, compared); /* of every parameter, and of nothing else */
}

static void check(const char *name, weft_dtype dtype, const tolerances *t)
{
    lm_case c = case_open(name);
    weft_tensor want, have;
    static const char *const values[] = {"hidden", "logits", "pooled", "mlm_logits", "nsp_logits"};
    bool encoder = weft_arrays_find(c.golden, "attention_mask", &want), gradients = false;
    const int64_t *mask = encoder ? want.data : NULL;
    int64_t rows = encoder ? weft_dims_count(want.dims) : 1;
    for (int64_t i = 0; i < weft_arrays_count(c.golden); i++)
        gradients |= starts(weft_arrays_at(c.golden, i).name, "grad.");
    weft_arrays *out = run_case(&c, dtype, !encoder, gradients);
    int compared = 0;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char full[64];
        snprintf(full, sizeof full, "out.%s", values[i]);
        if (!weft_arrays_find(c.golden, full, &want))
            continue;
        have = tensor_of(out, values[i]);
        assert_true(weft_dims_equal(want.dims, have.dims));
        bool tokens = i == 0 || i == 1 || i == 3;
        compare(values[i], want, have, tokens ? mask : NULL, rows, want.dims.size[want.dims.rank - 1],
                encoder ? 5e-5 : t->values);
        compared++;
    }
    assert_true(compared > 0);
    if (weft_arrays_find(c.golden, "out.loss", &want))
        compare("loss", want, tensor_of(out, "loss"), NULL, 1, 1, t->loss);
    if (gradients)
        compare_gradients(&c, out, t->gradients);
    weft_arrays_free(out);
    case_close(&c);
}

#define CASE(name) \
    static void name##_in_f32(void **state) \
    { \
        (void)state; \
        check(#name, WEFT_F32, &single); \
    } \
    static void name##_in_f64(void **state) \
    { \
        (void)state; \
        check(#name, WEFT_F64, &wide); \
    }
#define EACH(ROW) \
    ROW(gpt2) \
    ROW(gptneox) \
    ROW(gptneox_seq) \
    ROW(llama) \
    ROW(llama3rope) \
    ROW(llama_bias_yarn) \
    ROW(mistral) \
    ROW(qwen2) \
    ROW(qwen3) \
    ROW(gemma) \
    ROW(gemma2) \
    ROW(gemma3) \
    ROW(bert) \
    ROW(roberta) \
    ROW(distilbert) \
    ROW(lora_gpt2)
EACH(CASE)

/* What stands behind a padded place changes no real one. */
static void padding_changes_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"bert", "roberta", "distilbert"};
    for (int n = 0; n < 3; n++) {
        lm_case c = case_open(names[n]);
        weft_arrays *first = run_case(&c, WEFT_F32, false, false);
        weft_tensor ids = tensor_of(c.golden, "input_ids"), mask = tensor_of(c.golden, "attention_mask");
        int64_t rows = weft_dims_count(ids.dims), changed = 0;
        int64_t *other = malloc((size_t)rows * sizeof *other);
        assert_non_null(other);
        for (int64_t i = 0; i < rows; i++) {
            bool real = ((const int64_t *)mask.data)[i] != 0;
            other[i] = ((const int64_t *)ids.data)[i];
            if (!real) /* tokens that count for roberta's positions, behind all real ones */
                other[i] = 2 + (other[i] + 7 + i) % 80;
            changed += !real;
        }
        assert_true(changed > 0);
        weft_arrays *set;
        MUST(weft_arrays_new(&set));
        MUST(weft_arrays_add(set, "input_ids", (weft_tensor){other, WEFT_I64, ids.dims}));
        for (int64_t i = 0; i < weft_arrays_count(c.golden); i++) {
            weft_array a = weft_arrays_at(c.golden, i);
            if (strcmp(a.name, "input_ids") != 0)
                MUST(weft_arrays_add(set, a.name, a.tensor));
        }
        lm_case changed_case = c;
        changed_case.golden = set;
        weft_arrays *second = run_case(&changed_case, WEFT_F32, false, false);
        weft_tensor a = tensor_of(first, "hidden"), b = tensor_of(second, "hidden");
        compare("hidden", a, b, mask.data, rows, a.dims.size[3], 0);
        weft_arrays_free(first);
        weft_arrays_free(second);
        weft_arrays_free(set);
        free(other);
        case_close(&c);
    }
}

/* Other spellings of the same tensors: without the base prefix, under a multimodal model's, BERT's first names of norms. */
static void spellings(void **state)
{
    (void)state;
    static const struct {
        const char *golden, *from, *to;
    } rows[] = {
        {"gpt2", "transformer.", ""},
        {"llama3rope", "model.", ""},
        {"gemma3", "model.", "language_model.model."},
        {"gemma3", "model.", "model.language_model."},
        {"gemma3", "model.", "language_model."},
        {"bert", "LayerNorm.weight", "LayerNorm.gamma"},
        {"bert", "LayerNorm.bias", "LayerNorm.beta"},
        {"gptneox", "gpt_neox.", ""},
        {"gptneox", "embed_out.", "lm_head."},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        lm_case c = case_open(rows[r].golden);
        bool norms = strcmp(rows[r].golden, "bert") == 0;
        weft_arrays *plain = run_case(&c, WEFT_F32, false, false), *set;
        char *path = weft_path_join(c.folder, "model.safetensors");
        int renamed = 0;
        MUST(weft_arrays_new(&set));
        for (int64_t i = 0; i < weft_arrays_count(c.golden); i++) {
            weft_array a = weft_arrays_at(c.golden, i);
            char name[300];
            if (!is_weight(a.name))
                continue;
            const char *at = norms ? strstr(a.name, "LayerNorm.") : starts(a.name, rows[r].from) ? a.name : NULL;
            const char *last = strrchr(a.name, '.');
            if (norms && at) /* both parts of a norm */
                snprintf(name, sizeof name, "%.*s.%s", (int)(last - a.name), a.name,
                         strcmp(last, ".weight") == 0 ? "gamma" : "beta");
            else if (at)
                snprintf(name, sizeof name, "%s%s", rows[r].to, a.name + strlen(rows[r].from));
            else
                snprintf(name, sizeof name, "%s", a.name);
            renamed += at != NULL;
            MUST(weft_arrays_add(set, name, a.tensor));
        }
        assert_true(renamed > 0);
        MUST(weft_safetensors_save(set, path));
        weft_arrays *other = run_case(&c, WEFT_F32, false, false);
        const char *value = norms ? "mlm_logits" : "logits";
        compare(value, tensor_of(plain, value), tensor_of(other, value), NULL, 1, 1, 0);
        weft_arrays_free(set);
        weft_arrays_free(plain);
        weft_arrays_free(other);
        free(path);
        case_close(&c);
    }
}

/* A model_type that is another name of a family. */
static void other_names(void **state)
{
    (void)state;
    static const char *const names[] = {"xlm-roberta", "camembert"};
    lm_case c = case_open("roberta");
    weft_arrays *plain = run_case(&c, WEFT_F32, false, false);
    const char *config = weft_arrays_metadata(c.golden, "config"), *type = "\"roberta\"", *at = strstr(config, type);
    assert_non_null(at);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[2048];
        snprintf(text, sizeof text, "%.*s\"%s\"%s", (int)(at - config), config, names[i], at + strlen(type));
        write_text(c.folder, "config.json", text);
        weft_arrays *other = run_case(&c, WEFT_F32, false, false);
        compare("mlm_logits", tensor_of(plain, "mlm_logits"), tensor_of(other, "mlm_logits"), NULL, 1, 1, 0);
        weft_arrays_free(other);
    }
    weft_arrays_free(plain);
    case_close(&c);
}

/* A number near x that both types hold: a multiple of 1/64 of at most eight bits. */
static float coarse(float x)
{
    return roundf(fmaxf(-1.9F, fminf(1.9F, x)) * 64) / 64;
}

/* A coarse number's bits in BF16, or, `half`, in F16: sign, five bits of exponent, ten of fraction. */
static uint16_t bits_of(float x, bool half)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (!half || x == 0)
        return (uint16_t)(bits >> 16);
    return (uint16_t)((bits >> 16 & 0x8000) | (((bits >> 23 & 255) - 112) << 10) | (bits >> 13 & 1023));
}

/* Weights stored in BF16 or F16 are the numbers that they stand for, to the bit. */
static void stored_in_half(void **state)
{
    (void)state;
    static const weft_dtype types[] = {WEFT_BF16, WEFT_F16};
    for (int k = 0; k < 2; k++) {
        lm_case c = case_open(k ? "gpt2" : "llama3rope");
        weft_arrays *sets[2], *out[2];
        char *path = weft_path_join(c.folder, "model.safetensors");
        for (int half = 0; half < 2; half++) {
            MUST(weft_arrays_new(&sets[half]));
            for (int64_t i = 0; i < weft_arrays_count(c.golden); i++) {
                weft_array a = weft_arrays_at(c.golden, i);
                if (!is_weight(a.name))
                    continue;
                const int64_t n = weft_dims_count(a.tensor.dims);
                float *whole = malloc((size_t)n * sizeof *whole);
                uint16_t *small = malloc((size_t)n * sizeof *small);
                assert_true(whole && small);
                for (int64_t e = 0; e < n; e++) {
                    whole[e] = coarse((float)element(a.tensor, e));
                    small[e] = bits_of(whole[e], types[k] == WEFT_F16);
                }
                weft_tensor stored = {half ? (void *)small : (void *)whole, half ? types[k] : WEFT_F32, a.tensor.dims};
                MUST(weft_arrays_add_copy(sets[half], a.name, stored));
                free(whole);
                free(small);
            }
            MUST(weft_safetensors_save(sets[half], path));
            out[half] = run_case(&c, WEFT_F32, false, false);
        }
        weft_tensor a = tensor_of(out[0], "logits"), b = tensor_of(out[1], "logits");
        assert_memory_equal(a.data, b.data, weft_tensor_bytes(a));
        for (int half = 0; half < 2; half++) {
            weft_arrays_free(out[half]);
            weft_arrays_free(sets[half]);
        }
        free(path);
        case_close(&c);
    }
}

#define ENTRY(name) cmocka_unit_test(name##_in_f32), cmocka_unit_test(name##_in_f64),
int main(void)
{
    const struct CMUnitTest tests[] = {EACH(ENTRY) cmocka_unit_test(padding_changes_nothing), cmocka_unit_test(spellings),
                                       cmocka_unit_test(other_names), cmocka_unit_test(stored_in_half)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
