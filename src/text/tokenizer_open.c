/* Opening a tokenizer from a folder or a file: which files there are, and what tokenizer_config.json adds. */
#include "text/pieces.h"

#include <stdlib.h>

#include "base/files.h"

#define LARGEST_FILE ((size_t)256 << 20)

/* ---- tokenizer_config.json, special_tokens_map.json, added_tokens.json ---- */

/* A file of the folder when it is there. */
static weft_status read_optional(const char *folder, const char *name, weft_json **out)
{
    *out = NULL;
    char *path = weft_path_join(folder, name);
    if (!path)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    weft_status status = weft_path_exists(path) ? weft_json_read(path, out) : WEFT_OK;
    free(path);
    return status;
}

static weft_status add_token(weft_tokenizer *t, const char *content, int64_t id, weft_json_value flags)
{
    weft_added_token token = {.id = (int32_t)id};
    if (id < 0 || id >= WEFT_MOST_TOKENS)
        return weft_fail(WEFT_ERROR_FORMAT, "added token \"%.80s\" has id %lld; ids go from 0 to %d", content, (long long)id,
                         WEFT_MOST_TOKENS - 1);
    token.special = weft_json_bool(weft_json_get(flags, "special"), false);
    token.single_word = weft_json_bool(weft_json_get(flags, "single_word"), false);
    token.lstrip = weft_json_bool(weft_json_get(flags, "lstrip"), false);
    token.rstrip = weft_json_bool(weft_json_get(flags, "rstrip"), false);
    token.normalized = weft_json_bool(weft_json_get(flags, "normalized"), false);
    return weft_added_put(&t->added, content, strlen(content), token);
}

/* Where there is no tokenizer.json, added tokens stand in these two: {"50256": {"content": …}} and {"<x>": 50257}. */
static weft_status add_side_tokens(const char *folder, weft_json_value config, weft_tokenizer *t)
{
    weft_json_value entry, table = weft_json_get(config, "added_tokens_decoder");
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_json_size(table) && status == WEFT_OK; i++) {
        const char *key = weft_json_key(table, i, &entry), *content = weft_json_string(weft_json_get(entry, "content"), NULL);
        char *end = NULL;
        long long id = key ? strtoll(key, &end, 10) : -1;
        if (!content || !end || *end || end == key)
            return weft_fail(WEFT_ERROR_FORMAT, "tokenizer_config.json: added_tokens_decoder: entry \"%.40s\" is no id and token",
                             key ? key : "?");
        status = add_token(t, content, id, entry);
    }
    weft_json *file = NULL;
    if (status == WEFT_OK)
        status = read_optional(folder, "added_tokens.json", &file);
    weft_json_value root = weft_json_root(file);
    for (int64_t i = 0; i < weft_json_size(root) && status == WEFT_OK; i++) {
        const char *content = weft_json_key(root, i, &entry);
        if (content)
            status = add_token(t, content, weft_json_integer(entry, -1), (weft_json_value){NULL});
    }
    weft_json_free(file);
    return status;
}

/* Special tokens by name: "</s>" or {"content": "</s>", …}. A name that is no token is passed over. */
static void name_special(weft_json_value from, weft_tokenizer *t)
{
    static const char *const keys[WEFT_TOKEN_KINDS] = {"bos_token", "eos_token", "pad_token", "unk_token",
                                                       "cls_token", "sep_token", "mask_token"};
    for (int i = 0; i < WEFT_TOKEN_KINDS; i++) {
        weft_json_value value = weft_json_get(from, keys[i]);
        const char *content = weft_json_string(value, weft_json_string(weft_json_get(value, "content"), NULL));
        int64_t id = content ? weft_tokenizer_id(t, content) : -1;
        if (id >= 0)
            t->special[i] = id;
    }
}

/* ---- kinds of files ---- */

/* The bytes of one or two files, and the folder's tokenizer_config.json. */
typedef struct source {
    const char *name[2];
    char *bytes[2];
    size_t size[2];
    weft_json_value config;
} source;

static weft_status open_json(const source *s, weft_tokenizer *t)
{
    weft_json *json = NULL;
    weft_status status = weft_json_parse(s->bytes[0], s->size[0], s->name[0], &json);
    if (status == WEFT_OK)
        status = weft_tokenizer_from_json(weft_json_root(json), s->name[0], t);
    weft_json_free(json);
    return status;
}

static weft_status open_merges(const source *s, weft_tokenizer *t)
{
    weft_json *json = NULL;
    weft_status status = weft_json_parse(s->bytes[0], s->size[0], s->name[0], &json);
    if (status == WEFT_OK)
        status = weft_tokenizer_from_merges(weft_json_root(json), s->name[0], s->bytes[1], s->size[1], s->name[1], s->config, t);
    weft_json_free(json);
    return status;
}

static weft_status open_sentencepiece(const source *s, weft_tokenizer *t)
{
    return weft_tokenizer_from_sentencepiece(s->bytes[0], s->size[0], s->name[0], s->config, t);
}

static weft_status open_word_list(const source *s, weft_tokenizer *t)
{
    return weft_tokenizer_from_word_list(s->bytes[0], s->size[0], s->name[0], s->config, t);
}

static weft_status open_llama2c(const source *s, weft_tokenizer *t)
{
    return weft_tokenizer_from_llama2c(s->bytes[0], s->size[0], s->name[0], t);
}

/* The first row whose files a folder has wins; `ending` is that of a file given by itself. */
typedef struct kind {
    const char *file, *second, *ending;
    weft_status (*open)(const source *, weft_tokenizer *);
} kind;

static const kind kinds[] = {
    {"tokenizer.json", NULL, ".json", open_json},     {"tokenizer.model", NULL, ".model", open_sentencepiece},
    {"spiece.model", NULL, NULL, open_sentencepiece}, {"vocab.json", "merges.txt", NULL, open_merges},
    {"encoder.json", "vocab.bpe", NULL, open_merges}, {"vocab.txt", NULL, ".txt", open_word_list},
    {"tokenizer.bin", NULL, ".bin", open_llama2c},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static bool has_file(const char *folder, const char *name)
{
    char *path = weft_path_join(folder, name);
    bool there = path && weft_path_exists(path);
    free(path);
    return there;
}

/* NULL: it has none. */
static const kind *kind_in_folder(const char *folder)
{
    for (int i = 0; i < KINDS; i++)
        if (has_file(folder, kinds[i].file) && (!kinds[i].second || has_file(folder, kinds[i].second)))
            return &kinds[i];
    return NULL;
}

bool weft_tokenizer_is_in(const char *folder)
{
    return kind_in_folder(folder) != NULL;
}

static const kind *kind_needed(const char *folder)
{
    const kind *k = kind_in_folder(folder);
    if (k)
        return k;
    weft_fail(WEFT_ERROR_FILE,
              "%s: holds no tokenizer; expected tokenizer.json, tokenizer.model, vocab.json and merges.txt, encoder.json and "
              "vocab.bpe, "
              "vocab.txt or tokenizer.bin",
              folder);
    return NULL;
}

static const kind *kind_of_file(const char *path)
{
    size_t length = strlen(path);
    for (int i = 0; i < KINDS; i++) {
        size_t ending = kinds[i].ending ? strlen(kinds[i].ending) : SIZE_MAX;
        if (length > ending && strcmp(path + length - ending, kinds[i].ending) == 0)
            return &kinds[i];
    }
    weft_fail(WEFT_ERROR_ARGUMENT, "%s: a tokenizer is a folder, or a file tokenizer.json, *.model, vocab.txt or *.bin", path);
    return NULL;
}

/* ---- opening ---- */

/* `folder` NULL: paths[0] is a file by itself. */
static weft_status open_files(const kind *k, const char *folder, char *const paths[2], weft_tokenizer *t)
{
    weft_json *config = NULL, *map = NULL;
    source s = {.name = {paths[0], paths[1]}};
    weft_status status = WEFT_OK;
    for (int i = 0; i < 2 && paths[i] && status == WEFT_OK; i++)
        status = weft_file_read(paths[i], LARGEST_FILE, &s.bytes[i], &s.size[i]);
    if (status == WEFT_OK && folder)
        status = read_optional(folder, "tokenizer_config.json", &config);
    if (status == WEFT_OK && folder)
        status = read_optional(folder, "special_tokens_map.json", &map);
    s.config = weft_json_root(config);
    if (status == WEFT_OK && folder && k->open != open_json)
        status = add_side_tokens(folder, s.config, t);
    if (status == WEFT_OK)
        status = k->open(&s, t);
    if (status == WEFT_OK) {
        name_special(weft_json_root(map), t);
        name_special(s.config, t);
    }
    free(s.bytes[0]);
    free(s.bytes[1]);
    weft_json_free(map);
    weft_json_free(config);
    return status;
}

weft_status weft_tokenizer_open(const char *path, weft_tokenizer **out)
{
    *out = NULL;
    if (!weft_path_exists(path))
        return weft_fail(WEFT_ERROR_FILE, "%s: there is no such folder or file", path);
    bool folder = weft_path_is_folder(path);
    const kind *k = folder ? kind_needed(path) : kind_of_file(path);
    if (!k)
        return folder ? WEFT_ERROR_FILE : WEFT_ERROR_ARGUMENT;
    char *paths[2] = {folder ? weft_path_join(path, k->file) : weft_copy_text(path, strlen(path)),
                      folder && k->second ? weft_path_join(path, k->second) : NULL};
    weft_tokenizer *t = weft_tokenizer_new();
    weft_status status = t && paths[0] && (paths[1] || !folder || !k->second) ? open_files(k, folder ? path : NULL, paths, t)
                                                                              : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    free(paths[0]);
    free(paths[1]);
    if (status != WEFT_OK) {
        weft_tokenizer_free(t);
        return status;
    }
    *out = t;
    return WEFT_OK;
}
