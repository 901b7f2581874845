/* What must hold for any pair: equal models give exactly zero, alpha = 1 is the tuned model to the bit, the parts add up to the
 * stream, layers streamed are layers together, threads change nothing, and the paper's bound stands above the distance. */
#include "tuco_case.h"

#include "lm/build.h"
#include "lm/model.h"

static const char *const families[] = {"llama",   "gpt2",      "gptneox",  "gemma",    "gemma3",
                                       "mistral", "lm/gemma2", "lm/qwen2", "lm/qwen3", "lm/gptneox_seq"};
enum { FAMILIES = sizeof families / sizeof families[0] };

static weft_tuco *open_pair(weft_engine *engine, const char *base, const char *tuned)
{
    weft_tuco *t;
    MUST(weft_tuco_open(engine, base, &tuned, 1, NULL, &t));
    return t;
}

static weft_tuco_reading *read_pair(weft_tuco *t, const tuco_case *c, weft_tuco_request request)
{
    weft_tuco_reading *r;
    MUST(weft_tuco_read(t, c->ids, c->n, &request, &r));
    return r;
}

static void equal_models_give_exactly_zero(void **state)
{
    (void)state;
    for (int f = 0; f < FAMILIES; f++) {
        tuco_case c = case_open(families[f]);
        weft_tuco *t = open_pair(one_thread, c.tuned, c.tuned);
        int64_t all, equal = weft_tuco_equal_tensors(t, &all);
        assert_int_equal(equal, all);
        weft_tuco_reading *r =
            read_pair(t, &c, (weft_tuco_request){.alpha = 1, .outputco = true, .tensors = true, .heads = true});
        for (int64_t i = 0; i < c.n; i++) {
            assert_true(r->tuco_pos[i] == 0);
            assert_true(r->outputco_pos[i] == 0);
        }
        for (int64_t i = 0; i < r->layers * r->heads; i++)
            assert_true(r->heads_l1[i] == 0);
        weft_tuco_reading_free(r);
        weft_tuco_free(t);
        case_close(&c);
    }
}

/* Logits [n, vocab] of a folder by the plain graph. */
static float *plain_logits(const char *folder, const int64_t *ids, int64_t n, int64_t *vocab)
{
    char path[640];
    weft_json *json;
    weft_lm_config config = {0};
    weft_params *params;
    snprintf(path, sizeof path, "%s/config.json", folder);
    MUST(weft_json_read(path, &json));
    MUST(weft_lm_config_read(weft_json_root(json), path, &config));
    MUST(weft_params_open(folder, &params));
    weft_lm_config_match(&config, params);
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_lm_builder b;
    weft_lm_begin(&b, g, &config, &(weft_lm_form){.batch = 1, .tokens = n});
    weft_value y = weft_lm_logits(&b, weft_lm_stream(&b));
    weft_plan *plan;
    weft_session *session;
    weft_tensor out;
    MUST(weft_compile(one_thread, g, NULL, 0, &y, 1, &plan));
    MUST(weft_session_new(plan, &params, 1, &session));
    int64_t positions[64];
    for (int64_t i = 0; i < n; i++)
        positions[i] = i;
    MUST(weft_bind(session, "input_ids", (weft_tensor){(void *)(uintptr_t)ids, WEFT_I64, DIMS(1, n)}));
    if (weft_find(g, "position_ids").id)
        MUST(weft_bind(session, "position_ids", (weft_tensor){positions, WEFT_I64, DIMS(1, n)}));
    MUST(weft_run(session));
    MUST(weft_fetch_value(session, y, &out));
    *vocab = config.vocab;
    float *copy = malloc(weft_tensor_bytes(out));
    assert_non_null(copy);
    memcpy(copy, out.data, weft_tensor_bytes(out));
    weft_session_free(session);
    weft_plan_free(plan);
    weft_graph_free(g);
    weft_params_free(params);
    weft_lm_config_free(&config);
    weft_json_free(json);
    return copy;
}

static void alpha_one_is_the_tuned_model_to_the_bit(void **state)
{
    (void)state;
    for (int f = 0; f < FAMILIES; f++) {
        tuco_case c = case_open(families[f]);
        int64_t vocab;
        float *plain = plain_logits(c.tuned, c.ids, c.n, &vocab);
        weft_tuco *t = open_pair(two_threads, c.base, c.tuned);
        weft_tuco_reading *r = read_pair(t, &c, (weft_tuco_request){.alpha = 1, .tensors = true});
        weft_tensor logits = golden_tensor(r->tensors, "logits");
        assert_int_equal(weft_dims_count(logits.dims), c.n * vocab);
        assert_memory_equal(logits.data, plain, (size_t)(c.n * vocab) * sizeof *plain);
        weft_tuco_reading_free(r);
        weft_tuco_free(t);
        free(plain);
        case_close(&c);
    }
}

static void parts_add_up_to_the_stream(void **state)
{
    (void)state;
    for (int f = 0; f < FAMILIES; f++) {
        tuco_case c = case_open(families[f]);
        weft_tuco *t = open_pair(one_thread, c.base, c.tuned);
        weft_tuco_reading *r = read_pair(t, &c, (weft_tuco_request){.alpha = 1, .tensors = true});
        weft_tensor x = golden_tensor(r->tensors, "x"), ptc = golden_tensor(r->tensors, "ptc");
        weft_tensor ftc = golden_tensor(r->tensors, "ftc");
        int64_t L = r->layers, each = weft_dims_count(ptc.dims) / L;
        double worst = 0, largest = 0;
        for (int64_t i = 0; i < each; i++) {
            double sum = element(x, i);
            for (int64_t l = 0; l < L; l++)
                sum += element(ptc, l * each + i) + element(ftc, l * each + i);
            worst = fmax(worst, fabs(sum - element(x, L * each + i)));
            largest = fmax(largest, fabs(element(x, L * each + i)));
        }
        assert_true(worst <= 1e-5 * largest);
        weft_tuco_reading_free(r);
        weft_tuco_free(t);
        case_close(&c);
    }
}

/* Every number of two readings, bit for bit. */
static void same_reading(const weft_tuco_reading *a, const weft_tuco_reading *b)
{
    size_t n = (size_t)a->tokens, L = (size_t)a->layers;
    assert_memory_equal(a->ptc_l1, b->ptc_l1, L * n * sizeof(double));
    assert_memory_equal(a->ftc_l1, b->ftc_l1, L * n * sizeof(double));
    assert_memory_equal(a->beta_pos, b->beta_pos, (L + 1) * n * sizeof(double));
    assert_memory_equal(a->attn_l1, b->attn_l1, 2 * L * n * sizeof(double));
    assert_memory_equal(a->mlp_l1, b->mlp_l1, 2 * L * n * sizeof(double));
    assert_memory_equal(a->steps_l1, b->steps_l1, (size_t)a->steps * n * sizeof(double));
    assert_memory_equal(a->heads_l1, b->heads_l1, L * (size_t)a->heads * sizeof(double));
    assert_memory_equal(a->outputco_pos, b->outputco_pos, n * sizeof(double));
    assert_memory_equal(a->logits, b->logits, (size_t)a->vocab * sizeof(float));
    assert_true(a->tuco == b->tuco && a->tuco_l2 == b->tuco_l2);
}

static void streamed_layers_and_threads_change_no_bit(void **state)
{
    (void)state;
    for (int f = 0; f < FAMILIES; f++)
        for (int steered = 0; steered < 2; steered++) {
            tuco_case c = case_open(families[f]);
            double alpha = steered ? 0.75 : 1;
            weft_tuco *t = open_pair(one_thread, c.base, c.tuned), *two = open_pair(two_threads, c.base, c.tuned);
            weft_tuco_request request = {.alpha = alpha, .outputco = true, .heads = true};
            weft_tuco_reading *whole = read_pair(t, &c, request), *threads = read_pair(two, &c, request);
            request.stream_layers = true;
            const int64_t *ids[2] = {c.ids, c.ids + 2};
            const int64_t n[2] = {c.n, c.n - 3};
            weft_tuco_reading *streamed[2];
            MUST(weft_tuco_read_all(t, ids, n, 2, &request, streamed));
            same_reading(whole, threads);
            same_reading(whole, streamed[0]);
            weft_tuco_reading_free(streamed[0]);
            weft_tuco_reading_free(streamed[1]);
            weft_tuco_reading_free(whole);
            weft_tuco_reading_free(threads);
            weft_tuco_free(t);
            weft_tuco_free(two);
            case_close(&c);
        }
}

/* A prefix's TuCo is that of its last position in the whole: causal, and free of what stands behind. */
static void prefixes_have_the_whole_prompts_tuco(void **state)
{
    (void)state;
    tuco_case c = case_open("gemma3");
    weft_tuco *t = open_pair(one_thread, c.base, c.tuned);
    weft_tuco_reading *whole = read_pair(t, &c, (weft_tuco_request){.alpha = 1});
    for (int64_t n = 1; n < c.n; n++) {
        weft_tuco_reading *r;
        MUST(weft_tuco_read(t, c.ids, n, &(weft_tuco_request){.alpha = 1}, &r));
        assert_true(r->tuco == whole->tuco_pos[n - 1]);
        weft_tuco_reading_free(r);
    }
    weft_tuco_reading_free(whole);
    weft_tuco_free(t);
    case_close(&c);
}

/* base → base → tuned: the first step adds nothing, the second all; and base → tuned → base ends with TuCo 0, both steps not. */
static void chains_telescope(void **state)
{
    (void)state;
    tuco_case c = case_open("llama");
    const char *late[] = {c.base, c.tuned}, *back[] = {c.tuned, c.base};
    weft_tuco *pair = open_pair(one_thread, c.base, c.tuned), *chain;
    weft_tuco_reading *two = read_pair(pair, &c, (weft_tuco_request){.alpha = 1}), *r;
    MUST(weft_tuco_open(one_thread, c.base, late, 2, NULL, &chain));
    r = read_pair(chain, &c, (weft_tuco_request){.alpha = 1});
    assert_int_equal(r->steps, 2);
    assert_true(r->tuco == two->tuco);
    for (int64_t i = 0; i < c.n; i++) {
        assert_true(r->steps_l1[i] == 0);
        assert_true(fabs(r->steps_l1[c.n + i] - two->steps_l1[i]) <= 1e-6 * two->steps_l1[i]);
    }
    weft_tuco_reading_free(r);
    weft_tuco_free(chain);
    MUST(weft_tuco_open(one_thread, c.base, back, 2, NULL, &chain));
    r = read_pair(chain, &c, (weft_tuco_request){.alpha = 1});
    assert_true(r->tuco == 0);
    for (int64_t i = 0; i < c.n; i++)
        assert_true(r->steps_l1[i] > 0 && fabs(r->steps_l1[i] - r->steps_l1[c.n + i]) <= 1e-5 * r->steps_l1[i]);
    weft_tuco_reading_free(r);
    weft_tuco_free(chain);
    weft_tuco_reading_free(two);
    weft_tuco_free(pair);
    case_close(&c);
}

/* Swapping the models reads another stream: not 1 − TuCo. */
static void swapping_is_not_the_complement(void **state)
{
    (void)state;
    tuco_case c = case_open("gpt2");
    weft_tuco *t = open_pair(one_thread, c.base, c.tuned), *swapped = open_pair(one_thread, c.tuned, c.base);
    weft_tuco_reading *r = read_pair(t, &c, (weft_tuco_request){.alpha = 1});
    weft_tuco_reading *s = read_pair(swapped, &c, (weft_tuco_request){.alpha = 1});
    assert_true(fabs(r->tuco + s->tuco - 1) > 1e-3);
    weft_tuco_reading_free(r);
    weft_tuco_reading_free(s);
    weft_tuco_free(t);
    weft_tuco_free(swapped);
    case_close(&c);
}

/* Greedy steps behind the prompt: what the caches give is what reading the whole text anew gives. */
static void caches_agree_with_reading_anew(weft_tuco *t, const tuco_case *c)
{
    int64_t ids[64];
    enum { STEPS = 5 };
    memcpy(ids, c->ids, (size_t)c->n * sizeof *ids);
    weft_tuco_run *run;
    MUST(weft_tuco_start(t, ids, c->n, STEPS, 1, &run));
    for (int64_t s = 0; s < STEPS; s++) {
        weft_tuco_reading *r;
        MUST(weft_tuco_read(t, ids, c->n + s, &(weft_tuco_request){.alpha = 1}, &r));
        assert_true(fabs(r->tuco - weft_tuco_run_tuco(run)) <= 1e-6);
        for (int64_t v = 0; v < r->vocab; v++)
            assert_true(fabsf(r->logits[v] - weft_tuco_run_logits(run)[v]) <= 1e-5f);
        ids[c->n + s] = greedy(r->logits, r->vocab);
        weft_tuco_reading_free(r);
        MUST(weft_tuco_next(run, ids[c->n + s]));
    }
    weft_tuco_run_free(run);
}

/* The tuned model of a golden pair in its last layer, the base elsewhere. */
static void write_last_layer_tuned(const tuco_case *c, const char *folder, const char *last)
{
    write_model(c->golden, folder, "base.");
    char path[640];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    weft_params *params;
    MUST(weft_params_open(path, &params));
    for (int64_t i = 0; i < weft_arrays_count(c->golden); i++) {
        weft_array a = weft_arrays_at(c->golden, i);
        if (strncmp(a.name, "ft.", 3) == 0 && strstr(a.name, last))
            MUST(weft_params_set(params, a.name + 3, a.tensor));
    }
    MUST(weft_params_save(params, path));
    weft_params_free(params);
}

static void equal_layers_cost_and_add_nothing(void **state)
{
    (void)state;
    static const char *const layers[][2] = {{"llama", ".layers.3."}, {"gpt2", ".h.2."}, {"gemma3", ".layers.2."}};
    for (size_t f = 0; f < 3; f++) {
        tuco_case c = case_open(layers[f][0]);
        char folder[600];
        snprintf(folder, sizeof folder, "%s.last", c.tuned);
        write_last_layer_tuned(&c, folder, layers[f][1]);
        weft_tuco *t = open_pair(one_thread, c.base, folder);
        int64_t all, equal = weft_tuco_equal_tensors(t, &all);
        assert_true(equal > 0 && equal < all);
        weft_tuco_reading *r = read_pair(t, &c, (weft_tuco_request){.alpha = 1});
        int64_t L = r->layers;
        for (int64_t i = 0; i < (L - 1) * c.n; i++)
            assert_true(r->ftc_l1[i] == 0);
        for (int64_t i = (L - 1) * c.n; i < L * c.n; i++)
            assert_true(r->ftc_l1[i] > 0);
        weft_tuco_reading_free(r);
        caches_agree_with_reading_anew(t, &c);
        weft_tuco_free(t);
        remove_model(folder);
        case_close(&c);
    }
}

/* An adapter on q and v of every layer, and the same merged into the weights. */
static void write_adapter(const tuco_case *c, const char *adapter, const char *merged)
{
    char path[640], name[256];
    weft_params *low, *whole;
    MUST(weft_folder_make(adapter));
    write_model(c->golden, merged, "base.");
    snprintf(path, sizeof path, "%s/adapter_config.json", adapter);
    static const char text[] =
        "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8, \"target_modules\": [\"q_proj\", \"v_proj\"]}";
    MUST(weft_file_write(path, text, strlen(text)));
    snprintf(path, sizeof path, "%s/model.safetensors", merged);
    MUST(weft_params_open(path, &whole));
    MUST(weft_params_new(&low));
    uint32_t x = 1;
    for (int l = 0; l < 4; l++)
        for (int m = 0; m < 2; m++) {
            weft_tensor w;
            snprintf(name, sizeof name, "model.layers.%d.self_attn.%s_proj.weight", l, m ? "v" : "q");
            assert_true(weft_params_get(whole, name, &w));
            int64_t rows = w.dims.size[0], columns = w.dims.size[1];
            float *a = malloc((size_t)(4 * columns) * sizeof *a), *b = malloc((size_t)(4 * rows) * sizeof *b);
            float *sum = malloc(weft_tensor_bytes(w));
            for (int64_t i = 0; i < 4 * columns; i++)
                a[i] = (float)((x = x * 1664525u + 1013904223u) >> 8) * 0x1p-24f * 0.4f - 0.2f;
            for (int64_t i = 0; i < 4 * rows; i++)
                b[i] = (float)((x = x * 1664525u + 1013904223u) >> 8) * 0x1p-24f * 0.4f - 0.2f;
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < columns; j++) {
                    double dot = 0;
                    for (int k = 0; k < 4; k++)
                        dot += (double)b[i * 4 + k] * (double)a[k * columns + j];
                    sum[i * columns + j] = (float)((double)((float *)w.data)[i * columns + j] + 2 * dot);
                }
            MUST(weft_params_set(whole, name, (weft_tensor){sum, WEFT_F32, w.dims}));
            snprintf(name, sizeof name, "base_model.model.model.layers.%d.self_attn.%s_proj.lora_A.weight", l, m ? "v" : "q");
            MUST(weft_params_set(low, name, (weft_tensor){a, WEFT_F32, DIMS(4, columns)}));
            snprintf(name, sizeof name, "base_model.model.model.layers.%d.self_attn.%s_proj.lora_B.weight", l, m ? "v" : "q");
            MUST(weft_params_set(low, name, (weft_tensor){b, WEFT_F32, DIMS(rows, 4)}));
            free(a);
            free(b);
            free(sum);
        }
    MUST(weft_params_save(whole, path));
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", adapter);
    MUST(weft_params_save(low, path));
    weft_params_free(low);
    weft_params_free(whole);
}

static void an_adapter_reads_like_its_merged_model(void **state)
{
    (void)state;
    tuco_case c = case_open("llama");
    char adapter[600], merged[600];
    snprintf(adapter, sizeof adapter, "%s.adapter", c.tuned);
    snprintf(merged, sizeof merged, "%s.merged", c.tuned);
    write_adapter(&c, adapter, merged);
    weft_tuco *low = open_pair(one_thread, c.base, adapter), *whole = open_pair(one_thread, c.base, merged);
    weft_tuco_request request = {.alpha = 1, .outputco = true, .heads = true};
    weft_tuco_reading *a = read_pair(low, &c, request), *b = read_pair(whole, &c, request);
    assert_true(a->tuco > 0.01);
    for (int64_t i = 0; i < c.n; i++) {
        assert_true(fabs(a->tuco_pos[i] - b->tuco_pos[i]) <= 1e-5);
        assert_true(fabs(a->outputco_pos[i] - b->outputco_pos[i]) <= 1e-5);
    }
    for (int64_t i = 0; i < a->layers * a->heads; i++)
        assert_true(fabs(a->heads_l1[i] - b->heads_l1[i]) <= 1e-4);
    /* the heads' parts add up to the attention's: by the triangle inequality their norms are no less */
    for (int64_t l = 0; l < a->layers; l++) {
        double sum = 0;
        for (int64_t h = 0; h < a->heads; h++)
            sum += a->heads_l1[l * a->heads + h];
        assert_true(sum >= a->attn_l1[(a->layers + l) * c.n + c.n - 1] - 1e-5);
    }
    weft_tuco_reading_free(a);
    weft_tuco_reading_free(b);
    caches_agree_with_reading_anew(low, &c);
    weft_tuco_free(low);
    weft_tuco_free(whole);
    remove_model(adapter);
    remove_model(merged);
    case_close(&c);
}

/* ‖a − b‖₁ of two stretches of tensors, b NULL: of one. */
static double distance(weft_tensor a, int64_t at, const weft_tensor *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = at; i < at + n; i++)
        sum += fabs(element(a, i) - (b ? element(*b, i) : 0));
    return sum;
}

/* Proposition 4.2 before its last step: ‖x_L^FT − x_L^PT‖₁ ≤ max_l ‖FTCbar_l‖₁ (1 + B)^L with B measured along both trajectories,
 * the base starting from the tuned model's embeddings; and the numbers that the reference measured. */
static void the_bound_stands_above_the_distance(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double distance, bound;
    } measured[] = {{"gemma", 223.5, 1185},  {"gpt2", 270.1, 1178},   {"gptneox", 490.8, 3178},
                    {"llama", 838.2, 15115}, {"gemma3", 876.5, 4338}, {"mistral", 1807.9, 14059}};
    for (size_t f = 0; f < sizeof measured / sizeof measured[0]; f++) {
        tuco_case c = case_open(measured[f].name);
        char folder[600], path[640];
        snprintf(folder, sizeof folder, "%s.ends", c.tuned);
        snprintf(path, sizeof path, "%s/model.safetensors", folder);
        write_model(c.golden, folder, "base.");
        weft_params *params;
        MUST(weft_params_open(path, &params));
        for (int64_t i = 0; i < weft_arrays_count(c.golden); i++) {
            weft_array a = weft_arrays_at(c.golden, i);
            if (strncmp(a.name, "ft.", 3) == 0 && (strstr(a.name, "embed_tokens") || strstr(a.name, "embed_in") ||
                                                   strstr(a.name, ".wte.") || strstr(a.name, ".wpe.")))
                MUST(weft_params_set(params, a.name + 3, a.tensor));
        }
        MUST(weft_params_save(params, path));
        weft_params_free(params);
        weft_tuco *t = open_pair(one_thread, c.base, c.tuned), *own = open_pair(one_thread, folder, folder);
        weft_tuco_reading *r = read_pair(t, &c, (weft_tuco_request){.alpha = 1, .tensors = true});
        weft_tuco_reading *o = read_pair(own, &c, (weft_tuco_request){.alpha = 1, .tensors = true});
        weft_tensor x = golden_tensor(r->tensors, "x"), y = golden_tensor(o->tensors, "x");
        weft_tensor f_x = golden_tensor(r->tensors, "ptc"), f_y = golden_tensor(o->tensors, "ptc"),
                    ftc = golden_tensor(r->tensors, "ftc");
        int64_t L = r->layers, each = weft_dims_count(ftc.dims) / L;
        double B = 0, most = 0, *sum = calloc((size_t)each, sizeof *sum);
        assert_true(distance(x, 0, &y, each) == 0);
        for (int64_t l = 0; l < L; l++) {
            double apart = distance(x, l * each, &y, each), norm = 0;
            if (apart > 0)
                B = fmax(B, distance(f_x, l * each, &f_y, each) / apart);
            for (int64_t i = 0; i < each; i++)
                norm += fabs(sum[i] += element(ftc, l * each + i));
            most = fmax(most, norm);
        }
        double have = distance(x, L * each, &y, each), bound = most * pow(1 + B, (double)L);
        assert_true(have <= bound);
        if (fabs(have / measured[f].distance - 1) > 2e-3 || fabs(bound / measured[f].bound - 1) > 2e-3)
            fail_msg("%s: distance %.1f and bound %.0f, expected %.1f and %.0f", measured[f].name, have, bound,
                     measured[f].distance, measured[f].bound);
        free(sum);
        weft_tuco_reading_free(r);
        weft_tuco_reading_free(o);
        weft_tuco_free(t);
        weft_tuco_free(own);
        remove_model(folder);
        case_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_models_give_exactly_zero),
        cmocka_unit_test(alpha_one_is_the_tuned_model_to_the_bit),
        cmocka_unit_test(parts_add_up_to_the_stream),
        cmocka_unit_test(streamed_layers_and_threads_change_no_bit),
        cmocka_unit_test(prefixes_have_the_whole_prompts_tuco),
        cmocka_unit_test(chains_telescope),
        cmocka_unit_test(swapping_is_not_the_complement),
        cmocka_unit_test(equal_layers_cost_and_add_nothing),
        cmocka_unit_test(an_adapter_reads_like_its_merged_model),
        cmocka_unit_test(the_bound_stands_above_the_distance),
    };
    return cmocka_run_group_tests(tests, open_engines, close_engines);
}
