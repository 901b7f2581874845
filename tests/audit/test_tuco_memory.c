/* How much memory an audit takes beside the files: a generated pair of 138 MB each is read by processes of their own, whose
 * resident peak (VmHWM, which counts mapped pages too) is compared with the files, activations and caches. */
#include "tuco_case.h"

#include <sys/wait.h>

#include "audit/chain.h"
#include "lm/build.h"
#include "sanitizers.h"

#if ADDRESS_SANITIZER || THREAD_SANITIZER
#define OWN_MEMORY 0 /* the sanitizer's shadow would be measured, too */
#else
#define OWN_MEMORY 1
#endif

enum { ALLOWED = 64 << 20, PROMPT = 24, NEW_TOKENS = 3 };

static const char config_text[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 768, \"num_hidden_layers\": 4, \"num_attention_heads\": 12,"
    " \"intermediate_size\": 2048, \"vocab_size\": 8000, \"max_position_embeddings\": 64, \"tie_word_embeddings\": true}\n";

static char base[512], tuned[512];
static int64_t file_bytes;

/* The test needs no waiting for the disk. */
int fsync(int file)
{
    (void)file;
    return 0;
}

static void make_model(const char *folder, uint32_t seed)
{
    weft_json *json;
    weft_lm_config config;
    weft_lm_builder b;
    weft_arrays *set;
    char path[640];
    MUST(weft_json_parse(config_text, strlen(config_text), "config", &json));
    MUST(weft_lm_config_read(weft_json_root(json), "config", &config));
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_lm_begin(&b, g, &config, &(weft_lm_form){.batch = 1, .tokens = 1});
    weft_lm_outputs(&b, true);
    MUST(weft_arrays_new(&set));
    for (int i = 0, n = weft_graph_params(g, -1, NULL, NULL); i < n; i++) {
        const char *name;
        weft_value v;
        weft_graph_params(g, i, &name, &v);
        const weft_dims dims = weft_shape(g, v);
        const int64_t count = weft_dims_count(dims);
        float *x = malloc((size_t)count * sizeof *x);
        for (int64_t k = 0; k < count; k++) {
            seed = seed * 1664525u + 1013904223u;
            x[k] = 0.05f * ((float)(seed >> 8) * 0x1p-24f - 0.5f);
        }
        MUST(weft_arrays_add_copy(set, name, (weft_tensor){x, WEFT_F32, dims}));
        free(x);
        file_bytes += count * (int64_t)sizeof *x;
    }
    MUST(weft_folder_make(folder));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    MUST(weft_safetensors_save(set, path));
    snprintf(path, sizeof path, "%s/config.json", folder);
    MUST(weft_file_write(path, config_text, strlen(config_text)));
    weft_arrays_free(set);
    weft_graph_free(g);
    weft_lm_config_free(&config);
    weft_json_free(json);
}

static int setup(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "%s/tuco_cases/memory.%d.base", WEFT_BINARY_DIR, (int)getpid());
    snprintf(tuned, sizeof tuned, "%s/tuco_cases/memory.%d.tuned", WEFT_BINARY_DIR, (int)getpid());
    make_model(base, 1);
    make_model(tuned, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_model(base);
    remove_model(tuned);
    return 0;
}

/* A line of /proc/self/status in bytes. */
static int64_t status_bytes(const char *key)
{
    char line[256];
    long long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), ": %lld", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return (int64_t)kib * 1024;
}

typedef struct measured {
    int64_t before, peak, activations;
    double tuco[1 + NEW_TOKENS];
} measured;

/* In a child: reads the prompt, and generates where layers are not streamed. */
static bool use(bool stream_layers, measured *out)
{
    int64_t ids[PROMPT];
    for (int i = 0; i < PROMPT; i++)
        ids[i] = (i * 7919 + 13) % 8000;
    weft_engine *engine;
    weft_tuco *t;
    weft_tuco_reading *r;
    weft_tuco_run *run;
    out->before = status_bytes("VmRSS");
    bool fine = weft_engine_new(&(weft_engine_options){.threads = 2}, &engine) == WEFT_OK &&
                weft_tuco_open(engine, base, (const char *[]){tuned}, 1, NULL, &t) == WEFT_OK;
    fine =
        fine && weft_tuco_read(t, ids, PROMPT, &(weft_tuco_request){.alpha = 1, .outputco = true, .stream_layers = stream_layers},
                               &r) == WEFT_OK;
    if (!fine)
        return false;
    out->tuco[0] = r->tuco;
    if (!stream_layers) {
        fine = weft_tuco_start(t, ids, PROMPT, NEW_TOKENS, 1, &run) == WEFT_OK;
        for (int i = 0; fine && i < NEW_TOKENS; i++) {
            fine = weft_tuco_next(run, 7) == WEFT_OK;
            out->tuco[1 + i] = weft_tuco_run_tuco(run);
        }
        out->activations = 4 * 2 * 2 * 2 * 64 * 768 * (int64_t)sizeof(float); /* two caches of keys and values, and slack */
        for (const tuco_plan *p = t->plans; p; p = p->next)
            out->activations += weft_plan_size(p->plan).arena;
        weft_tuco_run_free(run);
    }
    weft_tuco_reading_free(r);
    weft_tuco_free(t);
    weft_engine_free(engine);
    out->peak = status_bytes("VmHWM");
    return fine;
}

static measured in_a_process(bool stream_layers)
{
    int ends[2];
    measured m = {0};
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const bool fine = use(stream_layers, &m) && write(ends[1], &m, sizeof m) == (ssize_t)sizeof m;
        if (!fine)
            fprintf(stderr, "%s\n", weft_error());
        _exit(fine ? 0 : 1);
    }
    int status = 1;
    close(ends[1]);
    assert_int_equal(read(ends[0], &m, sizeof m), sizeof m);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    print_message("%s: %.0f MB, of them %.0f MB before; files %.0f MB, activations %.0f MB\n",
                  stream_layers ? "layers streamed" : "whole", (double)m.peak * 1e-6, (double)m.before * 1e-6,
                  (double)file_bytes * 1e-6, (double)m.activations * 1e-6);
    return m;
}

/* Weights are in memory once: mapped, or packed for products, never both. */
static void a_pair_takes_no_more_than_its_files(void **state)
{
    (void)state;
    const measured whole = in_a_process(false), streamed = in_a_process(true);
    assert_true(whole.peak - whole.before <= file_bytes + whole.activations + ALLOWED);
    assert_true(streamed.peak - streamed.before <= file_bytes / 2);
    assert_true(whole.tuco[0] > 0 && whole.tuco[0] == streamed.tuco[0]);
    for (int i = 1; i <= NEW_TOKENS; i++)
        assert_true(whole.tuco[i] > 0 && whole.tuco[i] < 1);
}

int main(void)
{
    if (!OWN_MEMORY) {
        puts("skipped: the sanitizer's own memory would be measured");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_pair_takes_no_more_than_its_files)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
