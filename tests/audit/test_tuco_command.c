/* weft tuco as it is typed: the JSON contract, files of prompts with resuming and labels, comparing, sweeping, and every bad
 * input in one line with its exit status. The models are a golden pair with a word-level tokenizer beside it. */
#include "tuco_case.h"

#include <sys/wait.h>

#include "base/json.h"

static tuco_case pair, other;
static char work[512], out[1 << 20], err[1 << 16];

static void slurp(const char *name, char *to, size_t size)
{
    char path[640];
    snprintf(path, sizeof path, "%s/%s", work, name);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(to, 1, size - 1, f) : 0;
    to[n] = 0;
    if (f)
        fclose(f);
}

/* Runs weft with arguments in the work folder; exit status, texts in out and err. */
static int run(const char *format, ...)
{
    char arguments[8192], command[10240];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    snprintf(command, sizeof command, "cd '%s' && '%s/weft' %s --threads 1 >out 2>err </dev/null", work, WEFT_BINARY_DIR,
             arguments);
    int status = system(command);
    slurp("out", out, sizeof out);
    slurp("err", err, sizeof err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void must_run(int status)
{
    if (status != 0)
        fail_msg("exit status %d: %s", status, err);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    MUST(weft_file_write(path, text, strlen(text)));
}

static weft_json *json_out(void)
{
    weft_json *json;
    MUST(weft_json_parse(out, strlen(out), "standard output", &json));
    return json;
}

static double number(weft_json_value v, const char *key)
{
    return weft_json_number(weft_json_get(v, key), NAN);
}

/* One line "weft: …" that holds `part`, and that exit status. */
static void refused(int have, int want, const char *part)
{
    if (have != want || strncmp(err, "weft: ", 6) != 0 || strchr(err, '\n') != err + strlen(err) - 1 || !strstr(err, part))
        fail_msg("exit status %d, expected %d and one line with \"%s\": %s", have, want, part, err);
}

static void a_prompt_answers_the_contract(void **state)
{
    (void)state;
    must_run(
        run("tuco --base '%s' --tuned '%s' --ids 3,1,4,1,5 --generate 4 --heads --tensors t.safetensors --report p.html --json",
            pair.base, pair.tuned));
    weft_json *json = json_out();
    weft_json_value root = weft_json_root(json), tokens = weft_json_get(root, "tokens"), layers = weft_json_get(root, "layers");
    double tuco = number(root, "tuco");
    assert_true(tuco > 0 && tuco < 1 && number(root, "outputco") > 0 && number(root, "tuco_l2") > 0 &&
                number(root, "alpha") == 1);
    assert_true(weft_json_size(tokens) >= 5 && weft_json_size(tokens) <= 9);
    assert_true(number(weft_json_item(tokens, 4), "tuco") == tuco && number(weft_json_item(tokens, 2), "id") == 4);
    assert_int_equal(weft_json_size(layers), 4);
    assert_true(fabs(number(weft_json_item(layers, 3), "beta") - tuco) < 1e-12);
    assert_true(number(weft_json_item(layers, 0), "ptc") > 0 && number(weft_json_item(layers, 0), "ftc") > 0);
    assert_int_equal(weft_json_size(weft_json_get(root, "beta_seq")), 5);
    weft_json_free(json);
    weft_arrays *tensors;
    char path[640];
    snprintf(path, sizeof path, "%s/t.safetensors", work);
    MUST(weft_safetensors_open(path, &tensors));
    static const char *const names[] = {"x",       "ptc",      "ftc",          "ptc_attn", "ptc_mlp", "ftc_attn",
                                        "ftc_mlp", "beta_pos", "outputco_pos", "logits",   "tuco_pos"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        golden_tensor(tensors, names[i]);
    weft_arrays_free(tensors);
    slurp("p.html", out, sizeof out);
    assert_non_null(strstr(out, "</html>"));
}

static void prompts_of_a_file(void **state)
{
    (void)state;
    write_file(work, "p.jsonl",
               "{\"prompt\": \"a b c\", \"label\": 1}\n\n{\"prompt\": \"d e\", \"label\": 0}\n{\"prompt\": \"c c b a\", "
               "\"label\": 1}\n");
    must_run(run("tuco --base '%s' --tuned '%s' --file p.jsonl --out r.csv --report g.html --json", pair.base, pair.tuned));
    weft_json *json = json_out();
    weft_json_value root = weft_json_root(json), prompts = weft_json_get(root, "prompts");
    assert_int_equal(weft_json_size(prompts), 3);
    assert_true(number(weft_json_item(prompts, 1), "line") == 3 && number(weft_json_item(prompts, 1), "tokens") == 2);
    double auc = number(root, "auc");
    assert_true(auc >= 0 && auc <= 1 && number(root, "auc_low") <= auc && auc <= number(root, "auc_high"));
    weft_json_free(json);
    char whole[4096], again[4096];
    slurp("r.csv", whole, sizeof whole);
    refused(run("tuco --base '%s' --tuned '%s' --file p.jsonl --out r.csv", pair.base, pair.tuned), 1, "r.csv");
    /* cut behind the first row, in the middle of the second: what was there stays, the rest is written again */
    char *cut = strchr(strchr(whole, '\n') + 1, '\n') + 4, kept = *cut;
    *cut = 0;
    write_file(work, "r.csv", whole);
    *cut = kept;
    must_run(run("tuco --base '%s' --tuned '%s' --file p.jsonl --out r.csv --resume", pair.base, pair.tuned));
    slurp("r.csv", again, sizeof again);
    assert_string_equal(whole, again);
    must_run(run("tuco --base '%s' --tuned '%s' --file p.jsonl --stream-layers --force --out r.csv", pair.base, pair.tuned));
    slurp("r.csv", again, sizeof again);
    assert_string_equal(whole, again);
    write_file(work, "p.csv", "id,question\n1,\"a b\"\n2,c d e\n");
    must_run(run("tuco --base '%s' --tuned '%s' --file p.csv --column question --no-outputco", pair.base, pair.tuned));
    refused(run("tuco --base '%s' --tuned '%s' --file p.csv --column questoin", pair.base, pair.tuned), 1, "question");
    refused(run("tuco --base '%s' --tuned '%s' --file p.jsonl --threshold 0.99", pair.base, pair.tuned), 1,
            "below the threshold");
    must_run(run("tuco --base '%s' --tuned '%s' --file p.jsonl --reference p.jsonl", pair.base, pair.tuned));
    write_file(work, "one.jsonl", "{\"prompt\": \"a b c\", \"label\": 1}\n{\"prompt\": \"d e\", \"label\": 1}\n");
    refused(run("tuco --base '%s' --tuned '%s' --file one.jsonl", pair.base, pair.tuned), 1,
            "AUC needs both labels; all 2 are 1");
}

static void groups_and_questions(void **state)
{
    (void)state;
    write_file(work, "a.txt", "a b c\nb c d\na a a e\n");
    write_file(work, "b.txt", "e d\nd d d\n");
    must_run(
        run("tuco compare a.txt b.txt --base '%s' --tuned '%s' --wrap 'e {} d' --report c.html --json", pair.base, pair.tuned));
    weft_json *json = json_out();
    weft_json_value root = weft_json_root(json);
    assert_true(number(root, "prompts_a") == 3 && number(root, "prompts_b") == 2);
    assert_true(number(root, "auc") >= 0 && number(root, "auc") <= 1 && number(root, "mean_a") > 0);
    weft_json_free(json);
    char questions[2048] = "";
    for (int i = 0; i < 6; i++)
        strcat(questions,
               i % 2
                   ? "{\"prompt\": \"a b\", \"choices\": [\" c\", \" d\", \" e\"], \"answer\": 1}\n"
                   : "{\"question\": \"c d\", \"answer_matching_behavior\": \" a\", \"answer_not_matching_behavior\": \" b\"}\n");
    write_file(work, "q.jsonl", questions);
    must_run(run("tuco sweep q.jsonl --base '%s' --tuned '%s' --alphas 0,1,2 --folds 3 --json", pair.base, pair.tuned));
    json = json_out();
    root = weft_json_root(json);
    assert_int_equal(weft_json_size(weft_json_get(root, "alphas")), 3);
    assert_true(number(root, "questions") == 6 && isfinite(number(root, "delta_cv")) && number(root, "mean_tuco") > 0);
    weft_json_free(json);
    refused(run("tuco sweep q.jsonl --base '%s' --tuned '%s' --alphas 0,2", pair.base, pair.tuned), 2, "1 among its values");
}

static void bad_input_is_told_in_a_line(void **state)
{
    (void)state;
    refused(run("tuco --base '%s' --tuned '%s' --ids 1", pair.base, other.tuned), 1,
            "base is llama, tuned is gpt2: TuCo needs one architecture");
    refused(run("tuco --base '%s' --tuned '%s' --ids 1 --alpha -1", pair.base, pair.tuned), 2, "--alpha wants a number >= 0");
    refused(run("tuco --base '%s' --tuned '%s' --ids 1 --alpha nan", pair.base, pair.tuned), 2, "--alpha");
    must_run(run("tuco --base '%s' --tuned '%s' --ids 1 --alpha -1 --force", pair.base, pair.tuned));
    refused(run("tuco --base '%s' --tuned '%s' --ids 1,x", pair.base, pair.tuned), 2, "--ids");
    refused(run("tuco --base '%s' --tuned '%s' --ids 1,99999", pair.base, pair.tuned), 1, "id 99999");
    refused(run("tuco --base '%s' --tuned '%s' --prompt ''", pair.base, pair.tuned), 1, "the prompt has no tokens");
    refused(run("tuco --base '%s' --tuned '%s'", pair.base, pair.tuned), 2, "--prompt");
    refused(run("tuco --base '%s' --tuned nowhere --ids 1", pair.base), 1, "nowhere");
    refused(run("tuco --base '%s' --tuned '%s' --file nowhere.txt", pair.base, pair.tuned), 1, "nowhere.txt");
    write_file(work, "bad.jsonl", "{\"prompt\": \"a\"}\n{\"prmpt\": 3}\n");
    refused(run("tuco --base '%s' --tuned '%s' --file bad.jsonl", pair.base, pair.tuned), 1, "bad.jsonl, line 2");
    char long_prompt[8192] = "";
    for (int i = 0; i < 2000; i++)
        strcat(long_prompt, "a ");
    refused(run("tuco --base '%s' --tuned '%s' --prompt '%s'", pair.base, pair.tuned, long_prompt), 1, "the model takes");
}

/* Another hidden size, and a weight that is NaN. */
static void broken_models_are_told(void **state)
{
    (void)state;
    char folder[600], path[700];
    snprintf(folder, sizeof folder, "%s/broken", work);
    write_model(pair.golden, folder, "ft.");
    char *config = strdup(weft_arrays_metadata(pair.golden, "config")), *at = strstr(config, "\"num_hidden_layers\": ");
    assert_non_null(at);
    at[strlen("\"num_hidden_layers\": ")] = '3';
    write_file(folder, "config.json", config);
    refused(run("tuco --base '%s' --tuned '%s' --ids 1", pair.base, folder), 1,
            "base and tuned differ: num_hidden_layers is 4 and 3");
    write_file(folder, "config.json", weft_arrays_metadata(pair.golden, "config"));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    weft_params *params;
    MUST(weft_params_open(path, &params));
    weft_tensor t;
    assert_true(weft_params_get(params, "model.norm.weight", &t));
    float *numbers = malloc(weft_tensor_bytes(t));
    memcpy(numbers, t.data, weft_tensor_bytes(t));
    numbers[1] = NAN;
    t.data = numbers;
    MUST(weft_params_set(params, "model.norm.weight", t));
    MUST(weft_params_save(params, path));
    refused(run("tuco --base '%s' --tuned '%s' --ids 1", pair.base, folder), 1,
            "model.norm.weight: element 1 is not a finite number");
    free(numbers);
    free(config);
    weft_params_free(params);
    remove_model(folder);
}

static int setup(void **state)
{
    (void)state;
    static const char tokenizer[] =
        "{\"version\": \"1.0\", \"added_tokens\": [], \"normalizer\": null, \"pre_tokenizer\": {\"type\": \"Whitespace\"},"
        " \"post_processor\": null, \"decoder\": null, \"model\": {\"type\": \"WordLevel\", \"unk_token\": \"?\","
        " \"vocab\": {\"?\": 0, \"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4, \"e\": 5}}}";
    pair = case_open("llama");
    other = case_open("gpt2");
    write_file(pair.tuned, "tokenizer.json", tokenizer);
    snprintf(work, sizeof work, "%s/tuco_cases/work.%d", WEFT_BINARY_DIR, (int)getpid());
    MUST(weft_folder_make(work));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[1200];
    snprintf(command, sizeof command, "rm -rf '%s' '%s/tokenizer.json'", work, pair.tuned);
    int status = system(command);
    case_close(&pair);
    case_close(&other);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_answers_the_contract), cmocka_unit_test(prompts_of_a_file),
        cmocka_unit_test(groups_and_questions),          cmocka_unit_test(bad_input_is_told_in_a_line),
        cmocka_unit_test(broken_models_are_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
