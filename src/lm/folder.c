/* Folders of language models, written. */
#include "lm/folder.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"

#define LARGEST_COPIED ((size_t)1 << 30)

/* from/NAME to to/NAME; NAME's place in `from` may be taken by the file `alone`. */
static weft_status copy_file(const char *from, const char *alone, const char *to, const char *name)
{
    char *source = alone ? strdup(alone) : weft_path_join(from, name), *target = weft_path_join(to, name), *bytes = NULL;
    size_t size;
    weft_status status = source && target ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", to);
    if (status == WEFT_OK && weft_path_exists(source) && !weft_path_is_folder(source)) {
        status = weft_file_read(source, LARGEST_COPIED, &bytes, &size);
        if (status == WEFT_OK)
            status = weft_file_write(target, bytes, size);
    }
    free(bytes);
    free(source);
    free(target);
    return status;
}

weft_status weft_lm_copy_tokenizer(const char *from, const char *to)
{
    static const char *const names[] = {"tokenizer.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "vocab.json",
                                        "merges.txt",
                                        "vocab.txt",
                                        "tokenizer.model",
                                        "spiece.model",
                                        "encoder.json",
                                        "vocab.bpe",
                                        "tokenizer.bin",
                                        "chat_template.jinja",
                                        "generation_config.json"};
    static const char *const alone[] = {"tokenizer.json", "tokenizer.model", "vocab.txt", "tokenizer.bin"};
    weft_status status = WEFT_OK;
    const char *ending = strrchr(from, '.');
    for (size_t i = 0; i < sizeof alone / sizeof alone[0] && !weft_path_is_folder(from); i++)
        if (ending && strcmp(strrchr(alone[i], '.'), ending) == 0)
            return copy_file(NULL, from, to, alone[i]);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == WEFT_OK; i++)
        status = copy_file(from, NULL, to, names[i]);
    return status;
}

static weft_status write_text(const char *folder, const char *name, const char *text, size_t length)
{
    char *path = weft_path_join(folder, name);
    weft_status status = path ? weft_file_write(path, text, length) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    free(path);
    return status;
}

/* config.json of `from`, its weights being float32. */
static weft_status copy_config(const char *from, const char *to)
{
    char *path = weft_path_join(from, "config.json");
    weft_json *json = NULL;
    weft_text text = {0};
    weft_status status = path ? weft_json_read(path, &json) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", to);
    if (status == WEFT_OK) {
        weft_json_writer w = weft_json_to(&text, 2);
        weft_json_value root = weft_json_root(json), value;
        weft_json_open_object(&w);
        for (int64_t i = 0; i < weft_json_size(root); i++) {
            const char *key = weft_json_key(root, i, &value);
            weft_json_add_key(&w, key);
            if (strcmp(key, "torch_dtype") == 0 || strcmp(key, "dtype") == 0)
                weft_json_add_string(&w, "float32");
            else
                weft_json_add_value(&w, value);
        }
        weft_json_close_object(&w);
        weft_text_add(&text, "\n");
        status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", to)
                             : write_text(to, "config.json", text.data, text.length);
    }
    weft_text_free(&text);
    weft_json_free(json);
    free(path);
    return status;
}

weft_status weft_lm_folder_save(const char *folder, const char *from, const char *config, const weft_params *params)
{
    weft_status status = weft_folder_make(folder);
    if (status == WEFT_OK)
        status = config ? write_text(folder, "config.json", config, strlen(config)) : copy_config(from, folder);
    if (status == WEFT_OK && from)
        status = weft_lm_copy_tokenizer(from, folder);
    char *path = weft_path_join(folder, "model.safetensors");
    if (status == WEFT_OK)
        status = path ? weft_params_save(params, path) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    free(path);
    return status;
}

weft_status weft_lm_adapter_save(const char *folder, const char *config, const weft_lm_adapter *adapter, const weft_lm_config *c)
{
    weft_params *spelt = NULL;
    weft_status status = weft_folder_make(folder);
    if (status == WEFT_OK)
        status = weft_params_new(&spelt);
    for (int64_t i = 0; i < weft_params_count(adapter->params) && status == WEFT_OK; i++) {
        weft_tensor t;
        char name[WEFT_LM_ADAPTER_NAME];
        weft_lm_adapter_spell(adapter, c, weft_params_at(adapter->params, i, &t), name);
        status = weft_params_share(spelt, name, t);
    }
    if (status == WEFT_OK)
        status = write_text(folder, "adapter_config.json", config, strlen(config));
    char *path = weft_path_join(folder, "adapter_model.safetensors");
    if (status == WEFT_OK)
        status = path ? weft_params_save(spelt, path) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    weft_params_free(spelt);
    free(path);
    return status;
}
