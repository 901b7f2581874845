/* Chat templates: where a model's folder keeps them, the special tokens that they name, and rendering a conversation. */
#include "text/chat_template.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/files.h"

/* Variables that are the tokenizer's: a text, or an object with `content`. */
static const char *const token_names[] = {"bos_token", "eos_token", "unk_token",  "sep_token",
                                          "pad_token", "cls_token", "mask_token", "additional_special_tokens"};
enum { TOKENS = sizeof token_names / sizeof token_names[0] };

struct weft_chat_template {
    weft_template *template;
    weft_arena arena;
    const char *text[TOKENS];       /* NULL: none, or: */
    weft_json_value value[TOKENS];  /* a list */
    weft_json *config, *tokens_map; /* what value points into */
};

void weft_chat_template_free(weft_chat_template *chat)
{
    if (!chat)
        return;
    weft_template_free(chat->template);
    weft_json_free(chat->config);
    weft_json_free(chat->tokens_map);
    weft_arena_free(&chat->arena);
    free(chat);
}

static weft_status new_chat(weft_chat_template **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "chat template: memory is short");
}

/* The JSON file of the folder; *out stays NULL where there is none. */
static weft_status read_optional(const char *folder, const char *name, weft_json **out)
{
    char *path = weft_path_join(folder, name);
    *out = NULL;
    if (!path)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    weft_status status = weft_path_exists(path) ? weft_json_read(path, out) : WEFT_OK;
    free(path);
    return status;
}

static void take_tokens(weft_chat_template *chat, const weft_json *json)
{
    for (int i = 0; json && i < TOKENS; i++) {
        weft_json_value value = weft_json_get(weft_json_root(json), token_names[i]);
        if (chat->text[i] || chat->value[i].node || !weft_json_present(value))
            continue;
        if (weft_json_kind_of(value) == WEFT_JSON_OBJECT)
            value = weft_json_get(value, "content");
        if (weft_json_kind_of(value) == WEFT_JSON_LIST)
            chat->value[i] = value;
        else
            chat->text[i] = weft_json_string(value, NULL);
    }
}

static weft_status read_tokens(weft_chat_template *chat, const char *folder)
{
    weft_status status = read_optional(folder, "tokenizer_config.json", &chat->config);
    if (status == WEFT_OK)
        status = read_optional(folder, "special_tokens_map.json", &chat->tokens_map);
    take_tokens(chat, chat->config);
    take_tokens(chat, chat->tokens_map);
    return status;
}

/* The template in a file of its own: chat_template.jinja, or additional_chat_templates/NAME.jinja. *found: there is one. */
static weft_status read_file(weft_chat_template *chat, const char *folder, const char *name, bool *found)
{
    weft_text file = {0};
    char *source = NULL;
    size_t size;
    if (!name || strcmp(name, "default") == 0)
        weft_text_add(&file, "%s/chat_template.jinja", folder);
    else
        weft_text_add(&file, "%s/additional_chat_templates/%s.jinja", folder, name);
    weft_status status = file.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder) : WEFT_OK;
    *found = status == WEFT_OK && !(name && strchr(name, '/')) && weft_path_exists(file.data);
    if (*found)
        status = weft_file_read(file.data, WEFT_TEMPLATE_LARGEST, &source, &size);
    if (*found && status == WEFT_OK)
        status = weft_template_parse(source, size, file.data, &chat->template);
    free(source);
    weft_text_free(&file);
    return status;
}

static weft_status no_template(const char *folder)
{
    weft_text names = {0};
    for (int i = 0; weft_chat_template_name(i); i++)
        weft_text_add(&names, "%s%s", i ? ", " : "", weft_chat_template_name(i));
    weft_status status =
        weft_fail(WEFT_ERROR_FORMAT,
                  "%s: no chat template: neither chat_template.jinja nor chat_template in tokenizer_config.json; "
                  "well-known ones go by name: %s",
                  folder, names.data ? names.data : "");
    weft_text_free(&names);
    return status;
}

/* From a list of {name, template}: the one of that name, the default one, the only one. */
static weft_status choose(weft_json_value list, const char *folder, const char *name, const char **source)
{
    weft_text names = {0};
    const char *wanted = name ? name : "default";
    *source = NULL;
    for (int64_t i = 0; i < weft_json_size(list); i++) {
        const char *own = weft_json_string(weft_json_get(weft_json_item(list, i), "name"), "");
        const char *text = weft_json_string(weft_json_get(weft_json_item(list, i), "template"), NULL);
        weft_text_add(&names, "%s%s", i ? ", " : "", own);
        if (text && !*source && (strcmp(own, wanted) == 0 || (!name && weft_json_size(list) == 1)))
            *source = text;
    }
    weft_status status = *source
                             ? WEFT_OK
                             : weft_fail(WEFT_ERROR_FORMAT, "%s/tokenizer_config.json: chat_template has no \"%s\" (it has: %s)",
                                         folder, wanted, names.data ? names.data : "none");
    weft_text_free(&names);
    return status;
}

static weft_status read_config(weft_chat_template *chat, const char *folder, const char *name)
{
    weft_json_value value = weft_json_get(weft_json_root(chat->config), "chat_template");
    const char *source = weft_json_string(value, NULL);
    weft_status status = WEFT_OK;
    if (!chat->config || !weft_json_present(value))
        return name ? weft_fail(WEFT_ERROR_FORMAT, "%s: no chat template \"%s\"", folder, name) : no_template(folder);
    if (weft_json_kind_of(value) == WEFT_JSON_LIST)
        status = choose(value, folder, name, &source);
    else if (name && strcmp(name, "default") != 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: one chat template alone, none called \"%s\"", folder, name);
    else if (!source)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s/tokenizer_config.json: chat_template is neither a text nor a list", folder);
    if (status != WEFT_OK)
        return status;
    weft_text where = {0};
    weft_text_add(&where, "chat template of %s/tokenizer_config.json", folder);
    status = weft_template_parse(source, strlen(source), where.data ? where.data : folder, &chat->template);
    weft_text_free(&where);
    return status;
}

weft_status weft_chat_template_open(const char *folder, const char *name, weft_chat_template **out)
{
    *out = NULL;
    weft_chat_template *chat;
    bool found = false;
    if (!weft_path_is_folder(folder))
        return weft_fail(WEFT_ERROR_FILE, "%s: no such folder", folder);
    weft_status status = new_chat(&chat);
    if (status == WEFT_OK)
        status = read_tokens(chat, folder);
    if (status == WEFT_OK)
        status = read_file(chat, folder, name, &found);
    if (status == WEFT_OK && !found)
        status = read_config(chat, folder, name);
    if (status == WEFT_OK)
        *out = chat;
    else
        weft_chat_template_free(chat);
    return status;
}

weft_status weft_chat_template_named(const char *name, const char *folder, weft_chat_template **out)
{
    *out = NULL;
    const weft_chat_preset *preset = weft_chat_preset_find(name);
    weft_chat_template *chat;
    if (!preset)
        return weft_fail(WEFT_ERROR_ARGUMENT, "no chat template is called \"%s\"", name);
    weft_status status = new_chat(&chat);
    if (status == WEFT_OK && folder)
        status = read_tokens(chat, folder);
    if (status == WEFT_OK)
        status = weft_template_parse(preset->source, strlen(preset->source), preset->name, &chat->template);
    if (status != WEFT_OK) {
        weft_chat_template_free(chat);
        return status;
    }
    chat->text[0] = chat->text[0] ? chat->text[0] : preset->bos;
    chat->text[1] = chat->text[1] ? chat->text[1] : preset->eos;
    *out = chat;
    return WEFT_OK;
}

weft_status weft_chat_template_parse(const char *source, size_t size, const char *name, const char *bos, const char *eos,
                                     weft_chat_template **out)
{
    *out = NULL;
    weft_chat_template *chat;
    weft_status status = new_chat(&chat);
    if (status == WEFT_OK)
        status = weft_template_parse(source, size, name, &chat->template);
    if (status == WEFT_OK) {
        chat->text[0] = weft_arena_copy(&chat->arena, bos ? bos : "");
        chat->text[1] = weft_arena_copy(&chat->arena, eos ? eos : "");
        if (!chat->text[0] || !chat->text[1])
            status = weft_fail(WEFT_ERROR_MEMORY, "chat template: memory is short");
    }
    if (status == WEFT_OK)
        *out = chat;
    else
        weft_chat_template_free(chat);
    return status;
}

weft_status weft_chat_render(const weft_chat_template *chat, weft_json_value conversation, int64_t messages, bool prompt,
                             const struct tm *now, weft_template_result *out)
{
    enum { OWN = 3 };
    weft_json_value list = weft_json_get(conversation, "messages");
    if (weft_json_kind_of(conversation) != WEFT_JSON_OBJECT || !conversation.node)
        return weft_fail(WEFT_ERROR_FORMAT, "a conversation is a JSON object with messages");
    if (!list.node || weft_json_kind_of(list) != WEFT_JSON_LIST)
        return weft_fail(WEFT_ERROR_FORMAT, "messages: a list was expected");
    for (int64_t i = 0; i < weft_json_size(list); i++)
        if (weft_json_kind_of(weft_json_item(list, i)) != WEFT_JSON_OBJECT)
            return weft_fail(WEFT_ERROR_FORMAT, "messages[%lld]: an object with role and content was expected", (long long)i);
    int64_t given = weft_json_size(conversation);
    weft_template_variable *variables = calloc((size_t)given + TOKENS + OWN + 1, sizeof *variables);
    if (!variables)
        return weft_fail(WEFT_ERROR_MEMORY, "chat template: memory is short");
    int count = 0;
    if (messages >= 0) {
        variables[count++] = (weft_template_variable){.name = "messages", .value = list, .items = messages + 1};
        variables[count++] = (weft_template_variable){.name = "add_generation_prompt", .truth = prompt, .is_truth = true};
    }
    for (int64_t i = 0; i < given; i++) {
        variables[count].name = weft_json_key(conversation, i, &variables[count].value);
        count++;
    }
    for (int i = 0; i < TOKENS; i++) {
        /* as in a tokenizer without them, what is not set is not defined; the first two are then empty */
        const char *text = chat->text[i] ? chat->text[i] : i < 2 && !chat->value[i].node ? "" : NULL;
        if (text || chat->value[i].node)
            variables[count++] = (weft_template_variable){.name = token_names[i], .text = text, .value = chat->value[i]};
    }
    variables[count++] = (weft_template_variable){.name = "add_generation_prompt", .truth = false, .is_truth = true};
    variables[count++] = (weft_template_variable){.name = "tools"}; /* none */
    variables[count++] = (weft_template_variable){.name = "documents"};
    weft_status status = weft_template_render(chat->template, variables, count, NULL, now, out);
    free(variables);
    return status;
}

weft_status weft_chat_template_render(const weft_chat_template *chat, const char *conversation, size_t size, const struct tm *now,
                                      weft_template_result *out)
{
    weft_json *json = NULL;
    weft_status status = weft_json_parse(conversation, size, "conversation", &json);
    if (status == WEFT_OK)
        status = weft_chat_render(chat, weft_json_root(json), -1, false, now, out);
    weft_json_free(json);
    return status;
}
