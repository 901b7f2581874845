/* Sampling, stop strings and generation_config.json: golden cases, and properties that hold for any logits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "lm/generation_config.h"
#include "lm/stopping.h"

enum { MOST = 64 };

static int64_t take(weft_json_value list, double out[MOST], int64_t ids[MOST])
{
    for (int64_t i = 0; i < weft_json_size(list); i++) {
        out[i] = weft_json_number(weft_json_item(list, i), 0);
        ids[i] = weft_json_integer(weft_json_item(list, i), 0);
    }
    return weft_json_size(list);
}

static void goldens(void **state)
{
    weft_json *json;
    (void)state;
    assert_int_equal(weft_json_read(WEFT_SOURCE_DIR "/tests/golden/lm/sampling.json", &json), WEFT_OK);
    for (int64_t i = 0; i < weft_json_size(weft_json_root(json)); i++) {
        weft_json_value row = weft_json_item(weft_json_root(json), i);
        double numbers[MOST], wanted[MOST], u[MOST];
        int64_t prompt[MOST], output[MOST], drawn[MOST], greedy, ignored[MOST];
        float logits[MOST];
        int64_t n = take(weft_json_get(row, "logits"), numbers, ignored);
        for (int64_t k = 0; k < n; k++)
            logits[k] = (float)numbers[k];
        weft_sampler_history h = {prompt, take(weft_json_get(row, "prompt_ids"), numbers, prompt), output,
                                  take(weft_json_get(row, "output_ids"), numbers, output)};
        weft_sampler_settings settings = WEFT_SAMPLER_DEFAULT;
        weft_logit_bias *bias;
        weft_sampler *s;
        const double *p;
        assert_int_equal(weft_sampler_read(weft_json_get(row, "settings"), "golden", &settings, &bias), WEFT_OK);
        assert_int_equal(weft_sampler_new(n, &settings, &s), WEFT_OK);
        assert_int_equal(weft_sampler_probabilities(s, logits, &h, &p), WEFT_OK);
        take(weft_json_get(row, "probabilities"), wanted, ignored);
        for (int64_t k = 0; k < n; k++)
            assert_true(fabs(p[k] - wanted[k]) < 1e-6);
        take(weft_json_get(row, "drawn"), wanted, drawn);
        for (int64_t k = 0, m = take(weft_json_get(row, "u"), u, ignored); k < m; k++)
            assert_int_equal(weft_sampler_draw(p, n, u[k]), drawn[k]);
        assert_int_equal(weft_sampler_greedy(s, logits, &h, &greedy), WEFT_OK);
        assert_int_equal(greedy, weft_json_integer(weft_json_get(row, "greedy"), -1));
        weft_sampler_free(s);
    }
    weft_json_free(json);
}

/* Random logits with ties. */
static void fill(float *logits, int64_t n, uint64_t seed)
{
    weft_random_key key = weft_random_stream(seed, "logits");
    for (int64_t i = 0; i < n; i++)
        logits[i] = (float)(round(weft_random_normal(key, 0, 0, (uint64_t)i) * 8) / 4);
}

static void properties(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        enum { N = 300 };
        float logits[N];
        fill(logits, N, seed);
        weft_sampler_settings settings = WEFT_SAMPLER_DEFAULT;
        settings.temperature = 0.3 + 0.01 * (double)seed;
        settings.top_k = (int64_t)(seed % 7) * 5;
        settings.top_p = seed % 3 ? 0.05 + 0.004 * (double)seed : 1;
        settings.min_p = seed % 5 ? 0 : 0.2;
        settings.typical_p = seed % 4 ? 1 : 0.6;
        settings.order = (weft_sampler_order)(seed & 1);
        weft_sampler *s;
        const double *p;
        double sum = 0, least = INFINITY;
        float kept_least = INFINITY, dropped_most = -INFINITY;
        int64_t best = 0;
        assert_int_equal(weft_sampler_new(N, &settings, &s), WEFT_OK);
        assert_int_equal(weft_sampler_probabilities(s, logits, &(weft_sampler_history){0}, &p), WEFT_OK);
        for (int64_t i = 0; i < N; i++) {
            sum += p[i];
            best = logits[i] > logits[best] ? i : best;
            if (p[i] > 0) {
                least = fmin(least, p[i]);
                kept_least = fminf(kept_least, logits[i]);
            } else {
                dropped_most = fmaxf(dropped_most, logits[i]);
            }
        }
        assert_true(fabs(sum - 1) < 1e-12);
        if (settings.typical_p == 1) { /* what is kept is the top of the list, and the best is always there */
            assert_true(kept_least >= dropped_most);
            assert_true(p[best] > 0);
        }
        if (settings.min_p > 0 && settings.order == WEFT_SAMPLE_TRANSFORMERS && settings.typical_p == 1)
            assert_true(least >= settings.min_p * p[best] * (1 - 1e-12));
        /* the same draw for the same (seed, stream, place); others for others */
        int64_t first, second, different = 0;
        for (int64_t m = 0; m < 20; m++) {
            int64_t said[20] = {0};
            weft_sampler_history h = {NULL, 0, said, m};
            assert_int_equal(weft_sampler_next(s, logits, &h, seed, 3, &first), WEFT_OK);
            assert_int_equal(weft_sampler_next(s, logits, &h, seed, 3, &second), WEFT_OK);
            assert_int_equal(first, second);
            assert_true(p[first] > 0);
            assert_int_equal(weft_sampler_next(s, logits, &h, seed, 4, &second), WEFT_OK);
            different += first != second;
        }
        assert_true(different > 0 || least > 0.2);
        weft_sampler_free(s);
    }
}

static void penalties(void **state)
{
    const float logits[4] = {2, -1, 0.5f, 0};
    const int64_t prompt[] = {0, 1, 2, 0}, output[] = {1, 1};
    weft_sampler_settings settings = WEFT_SAMPLER_DEFAULT;
    weft_logit_bias bias[] = {{3, -INFINITY}};
    weft_sampler *s;
    const double *p;
    (void)state;
    settings.repetition_penalty = 2;
    settings.presence_penalty = 0.25;
    settings.frequency_penalty = 0.5;
    settings.bias = bias;
    settings.bias_count = 1;
    assert_int_equal(weft_sampler_new(4, &settings, &s), WEFT_OK);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(weft_sampler_probabilities(s, logits, &(weft_sampler_history){prompt, 4, output, 2}, &p), WEFT_OK);
        const double changed[3] = {1, -2 - 0.25 - 1, 0.25};
        double sum = exp(changed[0]) + exp(changed[1]) + exp(changed[2]);
        for (int i = 0; i < 3; i++)
            assert_true(fabs(p[i] - exp(changed[i]) / sum) < 1e-12);
        assert_true(p[3] == 0);
    }
    weft_sampler_free(s);
    settings = WEFT_SAMPLER_DEFAULT;
    settings.no_repeat_ngram = 2; /* 0 1 2 0 … 1 would say "0 1" again */
    assert_int_equal(weft_sampler_new(4, &settings, &s), WEFT_OK);
    assert_int_equal(weft_sampler_probabilities(s, logits, &(weft_sampler_history){prompt, 4, NULL, 0}, &p), WEFT_OK);
    assert_true(p[1] == 0 && p[0] > 0 && p[2] > 0);
    weft_sampler_free(s);
}

static void refusals(void **state)
{
    float logits[3] = {0, NAN, 1};
    weft_sampler_settings settings = WEFT_SAMPLER_DEFAULT;
    weft_sampler *s;
    int64_t id;
    (void)state;
    assert_int_equal(weft_sampler_new(3, &settings, &s), WEFT_OK);
    assert_int_equal(weft_sampler_greedy(s, logits, &(weft_sampler_history){0}, &id), WEFT_ERROR_NUMERIC);
    assert_non_null(strstr(weft_error(), "token 1 is NaN"));
    logits[1] = INFINITY;
    assert_int_equal(weft_sampler_greedy(s, logits, &(weft_sampler_history){0}, &id), WEFT_ERROR_NUMERIC);
    for (int i = 0; i < 3; i++)
        logits[i] = -INFINITY;
    assert_int_equal(weft_sampler_greedy(s, logits, &(weft_sampler_history){0}, &id), WEFT_ERROR_NUMERIC);
    logits[2] = 0;
    assert_int_equal(weft_sampler_greedy(s, logits, &(weft_sampler_history){(int64_t[]){3}, 1, NULL, 0}, &id),
                     WEFT_ERROR_ARGUMENT);
    assert_int_equal(weft_sampler_greedy(s, logits, &(weft_sampler_history){0}, &id), WEFT_OK);
    assert_int_equal(id, 2);
    weft_sampler_free(s);
    static const char *const broken[] = {"{\"temperature\": -1}",
                                         "{\"top_p\": 0}",
                                         "{\"top_p\": 1.5}",
                                         "{\"top_k\": -1}",
                                         "{\"top_k\": 1.5}",
                                         "{\"min_p\": 2}",
                                         "{\"temperature\": \"a\"}",
                                         "{\"logit_bias\": [1]}",
                                         "{\"logit_bias\": {\"a\": 1}}",
                                         "{\"sampler_order\": 1}",
                                         "{\"sampler_order\": \"x\"}"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        weft_json *json;
        weft_logit_bias *bias;
        settings = WEFT_SAMPLER_DEFAULT;
        assert_int_equal(weft_json_parse(broken[i], strlen(broken[i]), "s", &json), WEFT_OK);
        assert_int_not_equal(weft_sampler_read(weft_json_root(json), "s", &settings, &bias), WEFT_OK);
        assert_null(bias);
        weft_json_free(json);
    }
}

/* However a text is cut into pieces, what comes out is the text up to the first stop string. */
static void stops(void **state)
{
    static const char *const strings[] = {"</s>", "stop", "</stop"};
    static const char *const texts[][2] = {{"abc", "abc"},     {"ab</s>c", "ab"}, {"ab</", "ab</"}, {"a sto stop b", "a sto "},
                                           {"x</</s>", "x</"}, {"</stop", "</"},  {"", ""}};
    (void)state;
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
        for (size_t piece = 1; piece < 8; piece++) {
            weft_stopper *s;
            weft_text out = {0};
            bool stopped = false;
            assert_int_equal(weft_stopper_new(strings, 3, &s), WEFT_OK);
            for (size_t at = 0, length = strlen(texts[t][0]); at < length && !stopped; at += piece)
                assert_int_equal(weft_stopper_add(s, texts[t][0] + at, at + piece < length ? piece : length - at, &out, &stopped),
                                 WEFT_OK);
            assert_int_equal(weft_stopper_finish(s, &out), WEFT_OK);
            /* "</stop" ends at once in "stop" when it comes in one piece or more: the earliest beginning wins where both are
             * there */
            if (strcmp(texts[t][0], "</stop") == 0)
                assert_int_equal(stopped, true);
            else
                assert_string_equal(out.data ? out.data : "", texts[t][1]);
            weft_text_free(&out);
            weft_stopper_free(s);
        }
    weft_stopper *s;
    assert_int_equal(weft_stopper_new((const char *[]){""}, 1, &s), WEFT_ERROR_ARGUMENT);
}

static void configs(void **state)
{
    static const char generation[] = "{\"do_sample\": true, \"temperature\": 0.6, \"eos_token_id\": [5, 7], \"max_length\": 64}";
    static const char config[] = "{\"bos_token_id\": 1, \"eos_token_id\": 2}";
    static const char negative[] = "{\"pad_token_id\": -1, \"eos_token_id\": [-1, 3]}", wrong[] = "{\"eos_token_id\": \"</s>\"}";
    static const char *const where[] = {"g", "c"};
    weft_json *g, *c, *n, *w;
    weft_generation_config out;
    (void)state;
    assert_int_equal(weft_json_parse(generation, strlen(generation), "g", &g), WEFT_OK);
    assert_int_equal(weft_json_parse(config, strlen(config), "c", &c), WEFT_OK);
    assert_int_equal(weft_generation_config_read(weft_json_root(g), weft_json_root(c), where, &out), WEFT_OK);
    assert_true(!out.sampler.greedy && out.sampler.temperature == 0.6);
    assert_true(weft_is_eos(&out, 5) && weft_is_eos(&out, 7) && !weft_is_eos(&out, 2));
    assert_true(out.bos == 1 && out.pad == -1 && out.max_length == 64);
    weft_generation_config_free(&out);
    assert_int_equal(weft_generation_config_read((weft_json_value){NULL}, weft_json_root(c), where, &out), WEFT_OK);
    assert_true(out.sampler.greedy && weft_is_eos(&out, 2));
    weft_generation_config_free(&out);
    assert_int_equal(weft_json_parse(negative, strlen(negative), "n", &n), WEFT_OK);
    assert_int_equal(weft_generation_config_read((weft_json_value){NULL}, weft_json_root(n), where, &out), WEFT_OK);
    assert_true(out.pad == -1 && out.eos_count == 1 && weft_is_eos(&out, 3) && !weft_is_eos(&out, -1));
    weft_generation_config_free(&out);
    assert_int_equal(weft_json_parse(wrong, strlen(wrong), "w", &w), WEFT_OK);
    assert_int_equal(weft_generation_config_read(weft_json_root(n), weft_json_root(w), where, &out), WEFT_OK);
    weft_generation_config_free(&out);
    assert_int_equal(weft_generation_config_read((weft_json_value){NULL}, weft_json_root(w), where, &out), WEFT_ERROR_FORMAT);
    assert_string_equal(weft_error(), "c: eos_token_id: expected a token id or a list of them");
    weft_json_free(g);
    weft_json_free(c);
    weft_json_free(n);
    weft_json_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(goldens),  cmocka_unit_test(properties), cmocka_unit_test(penalties),
                                       cmocka_unit_test(refusals), cmocka_unit_test(stops),      cmocka_unit_test(configs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
