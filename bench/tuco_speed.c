/* TuCo beside plain runs of the tuned model, in one run: a prompt of 512 tokens and decoding, for a Llama of 110 M parameters
 * with random weights. Pairs: all weights differ; the last two of twelve layers differ; a LoRA adapter on q_proj and v_proj.
 *
 *     make -C build bench_tuco_speed && build/bench_tuco_speed FOLDER [threads [tokens of the prompt]]
 *
 * FOLDER gets the models (1.3 GB), which are made once. Times are the best of several, both sides taking turns.
 */
#include "audit/chain.h"
#include "base/files.h"
#include "base/random.h"
#include "lm/build.h"
#include "lm/model.h"
#include "weft/lm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PROMPT = 512, POSITION = 128, STEPS = 8, ROUNDS = 4 };

static const char config_text[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 768, \"num_hidden_layers\": 12, \"num_attention_heads\": 12,"
    " \"intermediate_size\": 2048, \"vocab_size\": 32000, \"max_position_embeddings\": 1024, \"tie_word_embeddings\": true}\n";
static const char adapter_text[] =
    "{\"peft_type\": \"LORA\", \"r\": 8, \"lora_alpha\": 16, \"target_modules\": [\"q_proj\", \"v_proj\"],"
    " \"task_type\": \"CAUSAL_LM\"}\n";

static void must(weft_status status)
{
    if (status == WEFT_OK)
        return;
    fprintf(stderr, "tuco_speed: %s\n", weft_error());
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static weft_lm_config config;

static void write_in(const char *folder, const char *name, const char *text)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(weft_file_write(path, text, strlen(text)));
}

/* Fresh weights in `folder`; with `from`, a copy of its weights with noise on layers `first` and later. */
static void make_model(const char *folder, const weft_params *from, int first)
{
    char path[1024];
    weft_params *p;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_lm_builder b;
    must(weft_folder_make(folder));
    write_in(folder, "config.json", config_text);
    weft_lm_begin(&b, g, &config, &(weft_lm_form){.batch = 1, .tokens = 1});
    weft_lm_outputs(&b, true);
    must(weft_params_new(&p));
    must(weft_params_init(p, g, WEFT_F32, from ? 2 : 1));
    for (int64_t i = 0; from && i < weft_params_count(p); i++) {
        weft_tensor fresh, old;
        const char *name = weft_params_at(p, i, &fresh);
        weft_params_get(from, name, &old);
        int layer = -1;
        sscanf(name, "model.layers.%d.", &layer);
        float *x = fresh.data, *y = old.data;
        for (int64_t k = 0; k < weft_dims_count(fresh.dims); k++)
            x[k] = layer >= first ? y[k] + 0.1f * x[k] : y[k];
    }
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    must(weft_params_save(p, path));
    weft_params_free(p);
    weft_graph_free(g);
}

static void make_adapter(const char *folder)
{
    char path[2048], name[256];
    weft_params *p;
    must(weft_folder_make(folder));
    write_in(folder, "adapter_config.json", adapter_text);
    must(weft_params_new(&p));
    float *x = malloc(8 * 768 * sizeof *x);
    weft_random_key key = weft_random_stream(3, "adapter");
    for (int l = 0; l < 12; l++)
        for (int m = 0; m < 4; m++) {
            for (int k = 0; k < 8 * 768; k++)
                x[k] = 0.02f * (float)weft_random_normal(key, 0, (uint64_t)(4 * l + m), (uint64_t)k);
            snprintf(name, sizeof name, "base_model.model.model.layers.%d.self_attn.%s_proj.lora_%s.weight", l, m < 2 ? "q" : "v",
                     m % 2 ? "B" : "A");
            must(weft_params_set(p, name, (weft_tensor){x, WEFT_F32, m % 2 ? DIMS(768, 8) : DIMS(8, 768)}));
        }
    free(x);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    must(weft_params_save(p, path));
    weft_params_free(p);
}

typedef struct side {
    weft_tuco *tuco;
    weft_lm *plain;
    double prompt, decode;
} side;

static int64_t ids[PROMPT], prompt_tokens = PROMPT;

static double time_prompt(side *s)
{
    double begin = now();
    if (s->tuco) {
        weft_tuco_reading *r;
        must(weft_tuco_read(s->tuco, ids, prompt_tokens, &(weft_tuco_request){.alpha = 1}, &r));
        weft_tuco_reading_free(r);
    } else {
        weft_lm_decoder *d;
        must(weft_lm_decoder_new(s->plain, 1, prompt_tokens, &d));
        begin = now();
        must(weft_lm_decoder_feed(d, &(weft_lm_tokens){ids, prompt_tokens}));
        double took = now() - begin;
        weft_lm_decoder_free(d);
        return took;
    }
    return now() - begin;
}

/* A token behind POSITION others. */
static double time_decode(side *s)
{
    double begin;
    if (s->tuco) {
        weft_tuco_run *run;
        must(weft_tuco_start(s->tuco, ids, POSITION, STEPS + 2, 1, &run));
        must(weft_tuco_next(run, 7));
        begin = now();
        for (int i = 0; i < STEPS; i++)
            must(weft_tuco_next(run, 7));
        begin = now() - begin;
        weft_tuco_run_free(run);
    } else {
        int64_t id = 7;
        weft_lm_decoder *d;
        must(weft_lm_decoder_new(s->plain, 1, POSITION + STEPS + 2, &d));
        must(weft_lm_decoder_feed(d, &(weft_lm_tokens){ids, POSITION}));
        must(weft_lm_decoder_feed(d, &(weft_lm_tokens){&id, 1}));
        begin = now();
        for (int i = 0; i < STEPS; i++)
            must(weft_lm_decoder_feed(d, &(weft_lm_tokens){&id, 1}));
        begin = now() - begin;
        weft_lm_decoder_free(d);
    }
    return begin / STEPS;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "tuco_speed";
    char paths[4][1024];
    static const char *const names[] = {"base", "tuned", "last2", "lora"};
    weft_engine *engine;
    weft_json *json;
    must(weft_engine_new(&(weft_engine_options){.threads = argc > 2 ? atoi(argv[2]) : 2}, &engine));
    if (argc > 3 && (prompt_tokens = atoi(argv[3])) < 1)
        prompt_tokens = 1;
    if (prompt_tokens > PROMPT)
        prompt_tokens = PROMPT;
    must(weft_json_parse(config_text, strlen(config_text), "config", &json));
    must(weft_lm_config_read(weft_json_root(json), "config", &config));
    for (int i = 0; i < 4; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
    if (!weft_path_exists(paths[3])) {
        weft_params *base;
        make_model(paths[0], NULL, 0);
        must(weft_params_open(paths[0], &base));
        make_model(paths[1], base, 0);
        make_model(paths[2], base, 10);
        weft_params_free(base);
        make_adapter(paths[3]);
    }
    for (int i = 0; i < PROMPT; i++)
        ids[i] = (i * 7919 + 13) % 32000;
    side sides[4] = {{0}};
    must(weft_lm_open(engine, paths[1], NULL, &sides[0].plain));
    for (int i = 1; i < 4; i++) {
        const char *tuned = paths[i];
        must(weft_tuco_open(engine, paths[0], &tuned, 1, NULL, &sides[i].tuco));
    }
    for (int round = 0; round <= ROUNDS; round++)
        for (int i = 0; i < 4; i++) {
            double prompt = time_prompt(&sides[i]), decode = time_decode(&sides[i]);
            if (round == 0) /* makes plans, packs weights */
                continue;
            sides[i].prompt = round == 1 || prompt < sides[i].prompt ? prompt : sides[i].prompt;
            sides[i].decode = round == 1 || decode < sides[i].decode ? decode : sides[i].decode;
        }
    static const char *const what[] = {"plain run of the tuned model", "TuCo, all weights differ",
                                       "TuCo, the last 2 of 12 layers differ", "TuCo, LoRA on q_proj and v_proj"};
    char heading[32];
    snprintf(heading, sizeof heading, "%d tokens", (int)prompt_tokens);
    printf("%-40s %12s %8s %12s %8s\n", "", heading, "", "a token", "");
    for (int i = 0; i < 4; i++)
        printf("%-40s %9.1f ms %7.2fx %9.2f ms %7.2fx\n", what[i], 1e3 * sides[i].prompt, sides[i].prompt / sides[0].prompt,
               1e3 * sides[i].decode, sides[i].decode / sides[0].decode);
    for (int i = 0; i < 4; i++) {
        weft_tuco_free(sides[i].tuco);
        weft_lm_free(sides[i].plain);
    }
    weft_lm_config_free(&config);
    weft_json_free(json);
    weft_engine_free(engine);
    return 0;
}
