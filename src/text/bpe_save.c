/* Writing a learnt tokenizer as tokenizer.json and tokenizer_config.json, as `tokenizers` and `transformers` read them. */
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "text/bpe_train.h"

static void key_string(weft_json_writer *w, const char *key, const char *value)
{
    weft_json_add_key(w, key);
    weft_json_add_string(w, value);
}

static void key_bool(weft_json_writer *w, const char *key, bool value)
{
    weft_json_add_key(w, key);
    weft_json_add_bool(w, value);
}

static void key_null(weft_json_writer *w, const char *key)
{
    weft_json_add_key(w, key);
    weft_json_add_null(w);
}

/* The same keys serve as pre-tokenizer, post-processor and decoder. */
static void byte_level(weft_json_writer *w, bool with_pattern)
{
    weft_json_open_object(w);
    key_string(w, "type", "ByteLevel");
    key_bool(w, "add_prefix_space", false);
    key_bool(w, "trim_offsets", true);
    key_bool(w, "use_regex", with_pattern);
    weft_json_close_object(w);
}

static void pre_tokenizer(weft_json_writer *w, const weft_scan_row *scan)
{
    if (scan == &weft_scans[0]) {
        byte_level(w, true);
        return;
    }
    weft_json_open_object(w);
    key_string(w, "type", "Sequence");
    weft_json_add_key(w, "pretokenizers");
    weft_json_open_list(w);
    weft_json_open_object(w);
    key_string(w, "type", "Split");
    weft_json_add_key(w, "pattern");
    weft_json_open_object(w);
    key_string(w, "Regex", scan->pattern);
    weft_json_close_object(w);
    key_string(w, "behavior", "Isolated");
    key_bool(w, "invert", false);
    weft_json_close_object(w);
    byte_level(w, false);
    weft_json_close_list(w);
    weft_json_close_object(w);
}

static void added_tokens(weft_json_writer *w, const weft_bpe_trainer *t)
{
    weft_json_open_list(w);
    for (int i = 0; i < t->options.special_count; i++) {
        weft_json_open_object(w);
        weft_json_add_key(w, "id");
        weft_json_add_integer(w, i);
        key_string(w, "content", t->options.special[i]);
        key_bool(w, "single_word", false);
        key_bool(w, "lstrip", false);
        key_bool(w, "rstrip", false);
        key_bool(w, "normalized", false);
        key_bool(w, "special", true);
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
}

static void model(weft_json_writer *w, const weft_bpe_trainer *t)
{
    weft_json_open_object(w);
    key_string(w, "type", "BPE");
    key_null(w, "dropout");
    key_null(w, "unk_token");
    key_null(w, "continuing_subword_prefix");
    key_null(w, "end_of_word_suffix");
    key_bool(w, "fuse_unk", false);
    key_bool(w, "byte_fallback", false);
    key_bool(w, "ignore_merges", false);
    weft_json_add_key(w, "vocab");
    weft_json_open_object(w);
    for (int32_t id = 0; id < t->vocabulary.count; id++) {
        weft_json_add_key(w, weft_vocabulary_token(&t->vocabulary, id, NULL));
        weft_json_add_integer(w, id);
    }
    weft_json_close_object(w);
    weft_json_add_key(w, "merges");
    weft_json_open_list(w);
    weft_text line = {0};
    for (size_t i = 0; i < t->merge_count; i++) {
        line.length = 0;
        weft_text_add(&line, "%s %s", weft_vocabulary_token(&t->vocabulary, t->merges[i].left, NULL),
                      weft_vocabulary_token(&t->vocabulary, t->merges[i].right, NULL));
        weft_json_add_string(w, line.data);
        w->text->failed |= line.failed;
    }
    weft_text_free(&line);
    weft_json_close_list(w);
    weft_json_close_object(w);
}

/* {KIND: {"id": …, "type_id": 0}}, a step of a template: transformers gives such a tokenizer's models no other types. */
static void step(weft_json_writer *w, const char *kind, const char *id)
{
    weft_json_open_object(w);
    weft_json_add_key(w, kind);
    weft_json_open_object(w);
    key_string(w, "id", id);
    weft_json_add_key(w, "type_id");
    weft_json_add_integer(w, 0);
    weft_json_close_object(w);
    weft_json_close_object(w);
}

/* [CLS] A [SEP], and [CLS] A [SEP] B [SEP]. */
static void around_texts(weft_json_writer *w, const weft_bpe_trainer *t)
{
    const char *const ends[] = {t->options.cls, t->options.sep};
    weft_json_open_object(w);
    key_string(w, "type", "TemplateProcessing");
    for (int pair = 0; pair < 2; pair++) {
        weft_json_add_key(w, pair ? "pair" : "single");
        weft_json_open_list(w);
        step(w, "SpecialToken", t->options.cls);
        for (int i = 0; i <= pair; i++) {
            step(w, "Sequence", i ? "B" : "A");
            step(w, "SpecialToken", t->options.sep);
        }
        weft_json_close_list(w);
    }
    weft_json_add_key(w, "special_tokens");
    weft_json_open_object(w);
    for (int i = 0; i < 2; i++) {
        int id = 0;
        while (id < t->options.special_count && strcmp(t->options.special[id], ends[i]) != 0)
            id++;
        weft_json_add_key(w, ends[i]);
        weft_json_open_object(w);
        key_string(w, "id", ends[i]);
        weft_json_add_key(w, "ids");
        weft_json_open_list(w);
        weft_json_add_integer(w, id);
        weft_json_close_list(w);
        weft_json_add_key(w, "tokens");
        weft_json_open_list(w);
        weft_json_add_string(w, ends[i]);
        weft_json_close_list(w);
        weft_json_close_object(w);
    }
    weft_json_close_object(w);
    weft_json_close_object(w);
}

static void tokenizer_json(const weft_bpe_trainer *t, weft_text *out)
{
    weft_json_writer w = weft_json_to(out, 1);
    weft_json_open_object(&w);
    key_string(&w, "version", "1.0");
    key_null(&w, "truncation");
    key_null(&w, "padding");
    weft_json_add_key(&w, "added_tokens");
    added_tokens(&w, t);
    key_null(&w, "normalizer");
    weft_json_add_key(&w, "pre_tokenizer");
    pre_tokenizer(&w, t->scan);
    weft_json_add_key(&w, "post_processor");
    if (t->options.cls && t->options.sep)
        around_texts(&w, t);
    else
        byte_level(&w, true);
    weft_json_add_key(&w, "decoder");
    byte_level(&w, true);
    weft_json_add_key(&w, "model");
    model(&w, t);
    weft_json_close_object(&w);
    weft_text_add(out, "\n");
}

static void config_json(const weft_bpe_trainer *t, weft_text *out)
{
    const char *const named[][2] = {{"bos_token", t->options.bos}, {"eos_token", t->options.eos},
                                    {"pad_token", t->options.pad}, {"cls_token", t->options.cls},
                                    {"sep_token", t->options.sep}, {"mask_token", t->options.mask}};
    weft_json_writer w = weft_json_to(out, 1);
    weft_json_open_object(&w);
    key_string(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i][1])
            key_string(&w, named[i][0], named[i][1]);
    key_bool(&w, "add_prefix_space", false);
    key_bool(&w, "clean_up_tokenization_spaces", false);
    weft_json_close_object(&w);
    weft_text_add(out, "\n");
}

weft_status weft_bpe_trainer_save(const weft_bpe_trainer *t, const char *folder)
{
    static const struct {
        const char *name;
        void (*write)(const weft_bpe_trainer *, weft_text *);
    } files[] = {{"tokenizer_config.json", config_json}, {"tokenizer.json", tokenizer_json}};
    weft_status status = weft_folder_make(folder);
    for (size_t i = 0; i < sizeof files / sizeof *files && status == WEFT_OK; i++) {
        weft_text text = {0};
        char *path = weft_path_join(folder, files[i].name);
        files[i].write(t, &text);
        status = !path || text.failed ? weft_fail(WEFT_ERROR_MEMORY, "memory is short")
                                      : weft_file_write(path, text.data, text.length);
        weft_text_free(&text);
        free(path);
    }
    return status;
}
