/* Tests of tokenizers: opening them from texts and from the shipped files, and comparing ids. */
#ifndef WEFT_TESTS_TEXT_CASE_H
#define WEFT_TESTS_TEXT_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/files.h"
#include "text/json_parts.h"
#include "weft/text.h"

#define MUST(call) must((call), #call, __FILE__, __LINE__)

static inline void must(weft_status status, const char *what, const char *file, int line)
{
    if (status != WEFT_OK) {
        print_error("%s: %s\n", what, weft_error());
        _fail(file, line);
    }
}

/* A file of tests/golden/text. */
static inline weft_json *golden_json(const char *name)
{
    char path[1024];
    weft_json *json = NULL;
    char *bytes;
    size_t size;
    snprintf(path, sizeof path, "%s/tests/golden/text/%s", WEFT_SOURCE_DIR, name);
    MUST(weft_file_read(path, 1 << 20, &bytes, &size));
    MUST(weft_json_parse_zeros(bytes, size, name, &json));
    free(bytes);
    return json;
}

/* A file of the shipped language-model data, or NULL with a visible skip. */
static inline const char *data_file(const char *name)
{
    static char path[1024];
    const char *folder = getenv("WEFT_DATA");
    snprintf(path, sizeof path, "%s/lm/%s", folder ? folder : WEFT_SOURCE_DIR "/../shared/data", name);
    if (weft_path_exists(path))
        return path;
    print_message("no %s (set WEFT_DATA): skipped\n", path);
    return NULL;
}

/* GPT-2's tokenizer, BERT's, Llama 2's (also from llama2.c's file) and the one of 512 tokens, from the shipped files; NULL: not
 * there. */
static inline weft_tokenizer *shipped(const char *name)
{
    static const char *const rows[][2] = {{"llama2", "llama2-tokenizer.model"},
                                          {"llama2c", "llama2-tokenizer.bin"},
                                          {"bert", "bert-base-uncased-vocab.txt"},
                                          {"tok512", "stories260K"},
                                          {"tok512c", "tok512.bin"},
                                          {"gpt2", "."}};
    weft_tokenizer *t = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i][0], name) == 0) {
            const char *path = data_file(rows[i][1]);
            if (path)
                MUST(weft_tokenizer_open(path, &t));
        }
    return t;
}

static inline weft_tokenizer *from_json(const char *text)
{
    weft_json *json = NULL;
    weft_tokenizer *t = weft_tokenizer_new();
    MUST(weft_json_parse(text, strlen(text), "test", &json));
    MUST(weft_tokenizer_from_json(weft_json_root(json), "test", t));
    weft_json_free(json);
    return t;
}

static inline void assert_ids(const char *what, const int64_t *ids, size_t count, const int64_t *expected, size_t expected_count)
{
    bool same = count == expected_count;
    for (size_t i = 0; same && i < count; i++)
        same = ids[i] == expected[i];
    if (same)
        return;
    print_error("%s\n  ids     ", what);
    for (size_t i = 0; i < count; i++)
        print_error(" %lld", (long long)ids[i]);
    print_error("\n  expected");
    for (size_t i = 0; i < expected_count; i++)
        print_error(" %lld", (long long)expected[i]);
    print_error("\n");
    fail();
}

/* The ids of a text, given as numbers. */
#define ASSERT_ENCODES(e, text, options, ...) \
    do { \
        const int64_t expected_ids_[] = {__VA_ARGS__}; \
        MUST(weft_encode(e, text, strlen(text), options)); \
        assert_ids(text, weft_encoding_ids(e), weft_encoding_count(e), expected_ids_, \
                   sizeof expected_ids_ / sizeof *expected_ids_); \
    } while (0)

/* The ids of case["text"] against case[key]. */
static inline void assert_case(weft_encoding *e, weft_json_value one, const char *key, const weft_encode_options *options)
{
    weft_json_value list = weft_json_get(one, key);
    size_t length, count = (size_t)weft_json_size(list);
    const char *text = weft_json_bytes(weft_json_get(one, "text"), &length);
    int64_t *expected = malloc((count + 1) * sizeof *expected);
    for (size_t i = 0; i < count; i++)
        expected[i] = weft_json_integer(weft_json_item(list, (int64_t)i), -1);
    MUST(weft_encode(e, text, length, options));
    assert_ids(text, weft_encoding_ids(e), weft_encoding_count(e), expected, count);
    free(expected);
}

#endif
