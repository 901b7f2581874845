/* The classes of a head, and its configuration. */
#include "lm/classes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"

static weft_status memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "training data: memory is short");
}

void weft_lm_classes_free(weft_lm_classes *c)
{
    for (int64_t i = 0; i < c->count; i++)
        free(c->names[i]);
    free(c->names);
    *c = (weft_lm_classes){0};
}

weft_lm_problem weft_lm_problem_of(const weft_lm_config *c)
{
    if (c->problem != WEFT_LM_PROBLEM_UNSAID)
        return c->problem;
    return c->classes == 1 ? WEFT_LM_PROBLEM_MULTI_LABEL : WEFT_LM_PROBLEM_SINGLE_LABEL;
}

void weft_lm_probabilities(weft_lm_problem problem, int64_t count, double *x)
{
    double most = x[0], sum = 0;
    for (int64_t k = 0; k < count && problem == WEFT_LM_PROBLEM_MULTI_LABEL; k++)
        x[k] = x[k] < 0 ? exp(x[k]) / (1 + exp(x[k])) : 1 / (1 + exp(-x[k]));
    if (problem != WEFT_LM_PROBLEM_SINGLE_LABEL)
        return;
    for (int64_t k = 1; k < count; k++)
        most = x[k] > most ? x[k] : most;
    for (int64_t k = 0; k < count; k++)
        sum += x[k] = exp(x[k] - most);
    for (int64_t k = 0; k < count; k++)
        x[k] /= sum;
}

int64_t weft_lm_classes_position(const weft_lm_classes *c, const char *name)
{
    int64_t i = 0;
    while (i < c->count && strcmp(c->names[i], name) != 0)
        i++;
    return i < c->count ? i : -1;
}

weft_status weft_lm_classes_add(weft_lm_classes *c, const char *name)
{
    if (!c->names && !(c->names = calloc(WEFT_LM_MOST_CLASSES, sizeof *c->names)))
        return memory();
    char *copy = malloc(strlen(name) + 1);
    if (!copy)
        return memory();
    strcpy(copy, name);
    c->names[c->count++] = copy;
    return WEFT_OK;
}

const char *weft_lm_label_text(weft_json_value label, char room[32])
{
    const char *text = weft_json_string(label, NULL);
    double number = weft_json_number(label, NAN);
    if (text || !(fabs(number) < 9e15) || number != floor(number))
        return text;
    snprintf(room, 32, "%.0f", number);
    return room;
}

weft_status weft_lm_no_label(const char *where)
{
    return weft_fail(WEFT_ERROR_FORMAT, "%s: expected {text, label}, the label a string or an integer", where);
}

bool weft_lm_is_integer(const char *text)
{
    text += *text == '-';
    return *text && strlen(text) < 17 && strspn(text, "0123456789") == strlen(text);
}

weft_status weft_lm_classes_of_config(weft_lm_classes *c, weft_json_value config, int64_t count)
{
    *c = (weft_lm_classes){0};
    if (count > WEFT_LM_MOST_CLASSES)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "the model tells %lld classes apart, expected at most %d", (long long)count,
                         WEFT_LM_MOST_CLASSES);
    weft_status status = weft_lm_problem_read(config, "config.json", &c->problem);
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        char key[32], fallback[32];
        snprintf(key, sizeof key, "%lld", (long long)i);
        snprintf(fallback, sizeof fallback, "LABEL_%lld", (long long)i);
        status = weft_lm_classes_add(c, weft_json_string(weft_json_get(weft_json_get(config, "id2label"), key), fallback));
    }
    return status;
}

weft_status weft_lm_classes_open(weft_lm_classes *c, const char *folder, const char *adapter, int64_t count)
{
    char *path = weft_path_join(folder, "config.json"), *named = adapter ? weft_path_join(adapter, "classes.json") : NULL;
    weft_json *json = NULL;
    *c = (weft_lm_classes){0};
    weft_status status =
        path && (!adapter || named) ? weft_json_read(named && weft_path_exists(named) ? named : path, &json) : memory();
    if (status == WEFT_OK)
        status = weft_lm_classes_of_config(c, weft_json_root(json), count);
    weft_json_free(json);
    free(path);
    free(named);
    return status;
}

int64_t weft_lm_classes_index(const weft_lm_classes *c, weft_json_value label)
{
    char room[32];
    const char *text = weft_lm_label_text(label, room);
    int64_t at = text ? weft_lm_classes_position(c, text) : -1;
    if (text && at < 0 && weft_lm_is_integer(text)) { /* a class by its number, where no name says otherwise */
        const long long number = strtoll(text, NULL, 10);
        at = number >= 0 && number < c->count ? number : -1;
    }
    return at;
}

weft_status weft_lm_classes_find(const weft_lm_classes *c, weft_json_value label, const char *where, int32_t *out)
{
    char room[32];
    const char *text = weft_lm_label_text(label, room);
    if (!text)
        return weft_lm_no_label(where);
    int64_t at = weft_lm_classes_index(c, label);
    if (at < 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: label \"%.80s\" is none of the classifier's %lld, \"%.40s\" to \"%.40s\"", where,
                         text, (long long)c->count, c->names[0], c->names[c->count - 1]);
    *out = (int32_t)at;
    return WEFT_OK;
}

/* transformers finds a text's end in a batch by the padding behind it: a decoder that says none gets its end of text. */
static void add_padding(weft_json_writer *w, const weft_lm_config *model, weft_json_value config)
{
    weft_json_value end = weft_json_get(config, "eos_token_id");
    if (weft_json_kind_of(end) == WEFT_JSON_LIST)
        end = weft_json_item(end, 0);
    const int64_t id = weft_json_integer(end, -1);
    if (model->family->encoder || model->pad_id >= 0 || id < 0)
        return;
    weft_json_add_key(w, "pad_token_id");
    weft_json_add_integer(w, id);
}

static void add_names(weft_json_writer *w, const weft_lm_classes *c)
{
    weft_json_add_key(w, "id2label");
    weft_json_open_object(w);
    for (int64_t i = 0; i < c->count; i++) {
        char key[32];
        snprintf(key, sizeof key, "%lld", (long long)i);
        weft_json_add_key(w, key);
        weft_json_add_string(w, c->names[i]);
    }
    weft_json_close_object(w);
}

static void add_problem(weft_json_writer *w, const weft_lm_classes *c)
{
    if (c->problem == WEFT_LM_PROBLEM_UNSAID)
        return;
    weft_json_add_key(w, "problem_type");
    weft_json_add_string(w, weft_lm_problem_name(c->problem));
}

weft_status weft_lm_classes_save(const weft_lm_classes *c, const char *folder)
{
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 2);
    weft_json_open_object(&w);
    add_names(&w, c);
    add_problem(&w, c);
    weft_json_close_object(&w);
    weft_text_add(&text, "\n");
    char *path = weft_path_join(folder, "classes.json");
    weft_status status = path && !text.failed ? weft_file_write(path, text.data, text.length) : memory();
    weft_text_free(&text);
    free(path);
    return status;
}

weft_status weft_lm_classes_config(const weft_lm_classes *c, const weft_lm_config *model, weft_json_value config, weft_text *out)
{
    static const char *const replaced[] = {"architectures", "id2label",    "label2id", "num_labels",
                                           "problem_type",  "torch_dtype", "dtype"};
    static const char *const names[][2] = {{"bert", "BertForSequenceClassification"},
                                           {"roberta", "RobertaForSequenceClassification"},
                                           {"distilbert", "DistilBertForSequenceClassification"},
                                           {"gpt2", "GPT2ForSequenceClassification"},
                                           {"gpt_neox", "GPTNeoXForSequenceClassification"},
                                           {"llama", "LlamaForSequenceClassification"},
                                           {"mistral", "MistralForSequenceClassification"},
                                           {"qwen2", "Qwen2ForSequenceClassification"},
                                           {"qwen3", "Qwen3ForSequenceClassification"},
                                           {"gemma", "GemmaForSequenceClassification"},
                                           {"gemma2", "Gemma2ForSequenceClassification"},
                                           {"gemma3_text", "Gemma3TextForSequenceClassification"},
                                           {"gemma3", "Gemma3ForSequenceClassification"}};
    weft_json_writer w = weft_json_to(out, 2);
    weft_json_value value;
    weft_json_open_object(&w);
    weft_json_add_key(&w, "architectures");
    weft_json_open_list(&w);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i][0], model->family->model_type) == 0)
            weft_json_add_string(&w, names[i][1]);
    weft_json_close_list(&w);
    for (int64_t i = 0; i < weft_json_size(config); i++) {
        const char *key = weft_json_key(config, i, &value);
        bool keep = true;
        for (size_t k = 0; k < sizeof replaced / sizeof replaced[0]; k++)
            keep = keep && strcmp(key, replaced[k]) != 0;
        keep = keep && (strcmp(key, "pad_token_id") != 0 || model->family->encoder || model->pad_id >= 0);
        if (!keep)
            continue;
        weft_json_add_key(&w, key);
        weft_json_add_value(&w, value);
    }
    add_padding(&w, model, config);
    add_names(&w, c);
    weft_json_add_key(&w, "label2id");
    weft_json_open_object(&w);
    for (int64_t i = 0; i < c->count; i++) {
        weft_json_add_key(&w, c->names[i]);
        weft_json_add_integer(&w, i);
    }
    weft_json_close_object(&w);
    add_problem(&w, c);
    weft_json_add_key(&w, "torch_dtype");
    weft_json_add_string(&w, "float32");
    weft_json_close_object(&w);
    weft_text_add(out, "\n");
    return out->failed ? memory() : WEFT_OK;
}
