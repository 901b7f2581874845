/* Byte pairs: short pieces, long ones and cached ones are merged as the definition says; a megabyte of one letter takes no
 * quadratic time; what is learnt is what `tokenizers` learns. */
#include "text/text_case.h"

#include "base/random.h"

enum { LETTERS = 4, MERGES = 60, MOST = 400 };

/* A random vocabulary over a … d, with merges whose result is a token; `joined` are the pairs in order of rank. */
typedef struct toy {
    char tokens[LETTERS + MERGES][64];
    int joined[MERGES][3]; /* left, right, result */
    int count, merges;
} toy;

static int find(const toy *t, const char *text)
{
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->tokens[i], text) == 0)
            return i;
    return -1;
}

static void draw(toy *t, uint64_t seed)
{
    weft_random_key key = weft_random_stream(seed, "toy");
    *t = (toy){.count = LETTERS};
    for (int i = 0; i < LETTERS; i++)
        t->tokens[i][0] = (char)('a' + i);
    for (uint64_t n = 0; n < MERGES; n++) {
        int left = (int)weft_random_below(key, 0, n, 0, (uint64_t)t->count),
            right = (int)weft_random_below(key, 0, n, 2, (uint64_t)t->count);
        char text[160];
        snprintf(text, sizeof text, "%s%s", t->tokens[left], t->tokens[right]);
        bool listed = strlen(text) > 20;
        for (int i = 0; i < t->merges; i++)
            listed |= t->joined[i][0] == left && t->joined[i][1] == right;
        if (listed)
            continue;
        int result = find(t, text);
        if (result < 0) {
            result = t->count++;
            strcpy(t->tokens[result], text);
        }
        int *row = t->joined[t->merges++];
        row[0] = left, row[1] = right, row[2] = result;
    }
}

static weft_tokenizer *toy_tokenizer(const toy *t)
{
    weft_text json = {0};
    weft_text_add(&json, "{\"model\": {\"type\": \"BPE\", \"vocab\": {");
    for (int i = 0; i < t->count; i++)
        weft_text_add(&json, "%s\"%s\": %d", i ? ", " : "", t->tokens[i], i);
    weft_text_add(&json, "}, \"merges\": [");
    for (int i = 0; i < t->merges; i++)
        weft_text_add(&json, "%s[\"%s\", \"%s\"]", i ? ", " : "", t->tokens[t->joined[i][0]], t->tokens[t->joined[i][1]]);
    weft_text_add(&json, "]}}");
    weft_tokenizer *made = from_json(json.data);
    weft_text_free(&json);
    return made;
}

/* The definition: the lowest rank, its leftmost place, again and again. */
static size_t by_definition(const toy *t, const char *text, size_t length, int64_t *out)
{
    size_t n = length;
    for (size_t i = 0; i < n; i++)
        out[i] = text[i] - 'a';
    for (;;) {
        int best = t->merges;
        size_t place = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (int r = 0; r < best; r++)
                if (t->joined[r][0] == out[i] && t->joined[r][1] == out[i + 1]) {
                    best = r;
                    place = i;
                }
        if (best == t->merges)
            return n;
        out[place] = t->joined[best][2];
        memmove(out + place + 1, out + place + 2, (n - place - 2) * sizeof *out);
        n--;
    }
}

static void merges_by_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        toy t;
        weft_encoding *e = NULL;
        draw(&t, seed);
        weft_tokenizer *made = toy_tokenizer(&t);
        weft_random_key key = weft_random_stream(seed, "texts");
        MUST(weft_encoding_new(made, &e));
        for (uint64_t n = 0; n < 60; n++) {
            char text[MOST];
            int64_t expected[MOST];
            size_t length = weft_random_below(key, 0, n, 0, n % 3 ? 24 : MOST),
                   letters = 1 + weft_random_below(key, 0, n, 2, LETTERS);
            for (size_t i = 0; i < length; i++)
                text[i] = (char)('a' + weft_random_below(key, 1, n, 2 * i, letters));
            size_t count = by_definition(&t, text, length, expected);
            for (int again = 0; again < 2; again++) { /* the second time from the cache */
                MUST(weft_encode(e, text, length, NULL));
                assert_ids("toy", weft_encoding_ids(e), weft_encoding_count(e), expected, count);
            }
        }
        weft_encoding_free(e);
        weft_tokenizer_free(made);
    }
}

/* With quadratic time this would take hours. */
static void long_pieces(void **state)
{
    (void)state;
    toy t;
    size_t size = 4 << 20;
    weft_encoding *e = NULL;
    draw(&t, 3);
    weft_tokenizer *made = toy_tokenizer(&t);
    char *text = malloc(size);
    MUST(weft_encoding_new(made, &e));
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < size; i++)
            text[i] = (char)(kind ? 'a' + (i * i / 7) % 4 : 'a');
        MUST(weft_encode(e, text, size, NULL));
        assert_true(weft_encoding_count(e) > 0);
    }
    free(text);
    weft_encoding_free(e);
    weft_tokenizer_free(made);
}

/* Cutting where no token reaches across must not change what is merged: the same ids as without cuts. */
static void parts_one_by_one(void **state)
{
    (void)state;
    static const char *const options[] = {"\"unk_token\": \"?\", \"fuse_unk\": true", "\"unk_token\": \"?\"",
                                          "\"unk_token\": null"};
    size_t cuts = 0;
    for (uint64_t n = 0; n < 300; n++) {
        weft_random_key key = weft_random_stream(n, "parts");
        static const char *const letters[] = {"a", "b", "\xE2\x96\x81", "\xC3\xA9", "c"};
        weft_text json = {0}, vocab = {0};
        char tokens[64][64] = {{0}};
        int count = 5;
        weft_text_add(&vocab, "\"?\": 99");
        for (int i = 0; i < 5; i++) {
            strcpy(tokens[i], letters[i]);
            weft_text_add(&vocab, ", \"%s\": %d", tokens[i], i);
        }
        weft_text_add(
            &json,
            "{\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xE2\x96\x81\"}, "
            "\"model\": {\"type\": \"BPE\", %s, \"merges\": [",
            options[n % 3]);
        for (uint64_t i = 0; i < 12; i++) {
            const char *left = tokens[weft_random_below(key, 0, i, 0, (uint64_t)count)],
                       *right = tokens[weft_random_below(key, 0, i, 2, (uint64_t)count)];
            char both[128];
            snprintf(both, sizeof both, "%s%s", left, right);
            bool there = strlen(both) > 12;
            for (int k = 0; k < count; k++)
                there |= strcmp(tokens[k], both) == 0;
            if (there)
                continue;
            weft_text_add(&json, "%s[\"%s\", \"%s\"]", count > 5 ? ", " : "", left, right);
            weft_text_add(&vocab, ", \"%s\": %d", both, count);
            strcpy(tokens[count++], both);
        }
        weft_text_add(&json, "], \"vocab\": {%s}}}", vocab.data);
        weft_tokenizer *t[2] = {from_json(json.data), from_json(json.data)};
        weft_encoding *e[2] = {0};
        assert_non_null(t[0]->model.bpe.neighbours);
        weft_bpe_neighbours_free(t[1]->model.bpe.neighbours);
        t[1]->model.bpe.neighbours = NULL;
        for (int i = 0; i < 2; i++)
            MUST(weft_encoding_new(t[i], &e[i]));
        for (uint64_t k = 0; k < 20; k++) {
            char text[200];
            size_t length = 0, wanted = weft_random_below(key, 1, k, 0, 60);
            for (size_t i = 0; i < wanted; i++) {
                static const char *const bits[] = {"a", "b", "c", " ", "\xC3\xA9", "q", "a", " "};
                const char *bit = bits[weft_random_below(key, 2, k, 2 * i, 8)];
                memcpy(text + length, bit, strlen(bit));
                length += strlen(bit);
            }
            for (int i = 0; i < 2; i++)
                MUST(weft_encode(e[i], text, length, NULL));
            assert_ids("parts", weft_encoding_ids(e[0]), weft_encoding_count(e[0]), weft_encoding_ids(e[1]),
                       weft_encoding_count(e[1]));
        }
        for (uint32_t x = 0; x < 4; x++)
            cuts += !weft_bpe_may_join(t[0]->model.bpe.neighbours, 'a', (const uint32_t[]){'a', 'b', 0xE9, 'c'}[x]);
        for (int i = 0; i < 2; i++) {
            weft_encoding_free(e[i]);
            weft_tokenizer_free(t[i]);
        }
        weft_text_free(&json);
        weft_text_free(&vocab);
    }
    assert_true(cuts > 300); /* the property is not empty */
}

static void learnt_as_by_tokenizers(void **state)
{
    (void)state;
    weft_json *golden = golden_json("bpe_learnt.json");
    weft_json_value root = weft_json_root(golden), merges = weft_json_get(root, "merges"), vocab = weft_json_get(root, "vocab"),
                    value;
    const char *text = weft_json_string(weft_json_get(root, "text"), ""), *const special[] = {"<|endoftext|>", "<pad>"};
    char folder[] = "/tmp/weft-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    weft_bpe_options o = {.vocabulary = weft_json_integer(weft_json_get(root, "vocabulary"), 0),
                          .special = special,
                          .special_count = 2,
                          .eos = special[0],
                          .pad = special[1]};
    weft_bpe_trainer *trainer = NULL;
    MUST(weft_bpe_trainer_new(&o, &trainer));
    MUST(weft_bpe_trainer_add(trainer, text, strlen(text)));
    MUST(weft_bpe_trainer_learn(trainer));
    MUST(weft_bpe_trainer_save(trainer, folder));
    assert_int_equal(weft_bpe_trainer_size(trainer), weft_json_integer(weft_json_get(root, "size"), -1));
    weft_bpe_trainer_free(trainer);

    weft_tokenizer *t = NULL;
    weft_encoding *e = NULL;
    weft_json *saved = NULL;
    bool same;
    char path[64];
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    MUST(weft_json_read(path, &saved));
    weft_json_value learnt = weft_json_get(weft_json_get(weft_json_root(saved), "model"), "merges");
    assert_int_equal(weft_json_size(learnt), weft_json_size(merges));
    for (int64_t i = 0; i < weft_json_size(merges); i++)
        assert_string_equal(weft_json_string(weft_json_item(learnt, i), "?"), weft_json_string(weft_json_item(merges, i), "!"));
    MUST(weft_tokenizer_open(folder, &t));
    for (int64_t i = 0; i < weft_json_size(vocab); i++) {
        const char *token = weft_json_key(vocab, i, &value);
        assert_int_equal(weft_tokenizer_id(t, token), weft_json_integer(value, -2));
    }
    assert_int_equal(weft_tokenizer_special(t, WEFT_TOKEN_EOS), 0);
    assert_int_equal(weft_tokenizer_special(t, WEFT_TOKEN_PAD), 1);
    assert_int_equal(weft_tokenizer_special(t, WEFT_TOKEN_BOS), -1);
    MUST(weft_encoding_new(t, &e));
    MUST(weft_round_trip(e, text, strlen(text), &same));
    assert_true(same);
    assert_true(weft_encoding_count(e) < strlen(text) / 2);
    weft_encoding_free(e);
    weft_tokenizer_free(t);
    weft_json_free(saved);
    weft_json_free(golden);
    remove(path);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    remove(path);
    remove(folder);
}

static void wrong_options_of_learning(void **state)
{
    (void)state;
    static const char *const twice[] = {"<a>", "<a>"}, *const empty[] = {""};
    static const struct {
        weft_bpe_options options;
        const char *says;
    } rows[] = {
        {{.vocabulary = 255}, "256"},
        {{.vocabulary = 1 << 30}, "256"},
        {{.vocabulary = 300, .pattern = "gpt5"}, "known are gpt2, llama3, qwen2"},
        {{.vocabulary = 300, .special = twice, .special_count = 2}, "twice"},
        {{.vocabulary = 300, .special = empty, .special_count = 1}, "empty"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weft_bpe_trainer *t;
        assert_int_equal(weft_bpe_trainer_new(&rows[i].options, &t), WEFT_ERROR_ARGUMENT);
        assert_null(t);
        if (!strstr(weft_error(), rows[i].says))
            fail_msg("error is \"%s\", expected \"%s\" in it", weft_error(), rows[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_by_definition),      cmocka_unit_test(long_pieces),
        cmocka_unit_test(parts_one_by_one),          cmocka_unit_test(learnt_as_by_tokenizers),
        cmocka_unit_test(wrong_options_of_learning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
