/* Training data from files: what a record says is prompt, and what response. */
#include "lm/data.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "io/records.h"
#include "lm/labels.h"
#include "text/chat_template.h"

#define ALPACA \
    "Below is an instruction that describes a task{{ ', paired with an input that provides further context' if input }}. Write " \
    "a " \
    "response that appropriately completes the request.\n\n### Instruction:\n{{ instruction }}\n\n" \
    "{% if input %}### Input:\n{{ input }}\n\n{% endif %}### Response:\n"

typedef struct reader {
    weft_lm_data *data;
    const weft_lm_data_options *options;
    weft_encoding *encoding;
    weft_template *prompt;
    weft_template_result result;
    int64_t *ids; /* of the document at hand */
    unsigned char *learned;
    int64_t count, capacity;
    weft_lm_texts texts; /* the one at hand, to be classified */
    double *truth;       /* [target_count] of it */
} reader;

static weft_status push(reader *r, int64_t id, bool learned)
{
    if (r->count == r->capacity) {
        int64_t capacity = r->capacity ? 2 * r->capacity : 1024;
        int64_t *ids = realloc(r->ids, (size_t)capacity * sizeof *ids);
        if (ids)
            r->ids = ids;
        unsigned char *flags = ids ? realloc(r->learned, (size_t)capacity) : NULL;
        if (flags)
            r->learned = flags;
        if (!ids || !flags)
            return weft_fail(WEFT_ERROR_MEMORY, "training data: memory is short");
        r->capacity = capacity;
    }
    r->ids[r->count] = id;
    r->learned[r->count++] = learned;
    return WEFT_OK;
}

/* A text's tokens, without any around it; special tokens that it spells are ordinary characters. */
static weft_status push_text(reader *r, const char *text, bool learned)
{
    weft_status status = weft_encode(r->encoding, text, strlen(text), &(weft_encode_options){.literal = true});
    for (size_t i = 0; status == WEFT_OK && i < weft_encoding_count(r->encoding); i++)
        status = push(r, weft_encoding_ids(r->encoding)[i], learned);
    return status;
}

/* The document at hand goes to the data, cut at the longest length; one with nothing to learn is left out. */
static weft_status finish_document(reader *r)
{
    int64_t longest = r->options->longest, count = r->count;
    r->count = 0;
    if (longest && count > longest) {
        count = longest;
        r->data->cut++;
    }
    if (count < 2 || !memchr(r->learned + 1, 1, (size_t)count - 1)) {
        r->data->left_out++;
        return WEFT_OK;
    }
    return weft_lm_data_add(r->data, r->ids, r->learned, count);
}

/* A text in windows, with the tokens around each, which are not learned. */
static weft_status add_windows(reader *r, const char *text, size_t length)
{
    const weft_lm_data_options *o = r->options;
    int64_t most = o->longest - (o->bos >= 0) - (o->eos >= 0);
    if (most < 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "rows of %lld tokens have no room for a text beside the tokens around it",
                         (long long)o->longest);
    weft_status status = weft_encode(r->encoding, text, length, &(weft_encode_options){.literal = true});
    int64_t count = status == WEFT_OK ? (int64_t)weft_encoding_count(r->encoding) : 0;
    for (int64_t from = 0; from < count && status == WEFT_OK; from += most) {
        status = o->bos >= 0 ? push(r, o->bos, false) : WEFT_OK;
        for (int64_t i = from; i < count && i < from + most && status == WEFT_OK; i++)
            status = push(r, weft_encoding_ids(r->encoding)[i], true);
        if (status == WEFT_OK && o->eos >= 0)
            status = push(r, o->eos, false);
        if (status == WEFT_OK)
            status = weft_lm_data_add(r->data, r->ids, r->learned, r->count);
        r->count = 0;
    }
    return status;
}

/* A text, or a pair, with its label. */
static weft_status add_classed(reader *r, weft_json_value record, const char *where)
{
    weft_lm_data *data = r->data;
    size_t length, second_length;
    const char *text = weft_json_bytes(weft_json_get(record, "text"), &length);
    const char *second = weft_json_bytes(weft_json_get(record, "text_pair"), &second_length);
    int32_t class = 0;
    if (!text)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected {text, label} or {text, text_pair, label}", where);
    const weft_json_value label = weft_lm_label_of(record);
    weft_status status = !weft_json_present(label) ? weft_lm_no_label(where)
                         : data->target_count      ? weft_lm_label_truth(r->options->classes, label, where, r->truth)
                                                   : weft_lm_classes_find(r->options->classes, label, where, &class);
    if (status != WEFT_OK)
        return status;
    r->texts.texts = r->texts.count = 0;
    status = weft_lm_text_reader_add(r->options->texts, text, length, second, second_length, &r->texts, NULL);
    if (status == WEFT_OK)
        status = weft_lm_data_add(data, r->texts.ids, NULL, r->texts.count);
    if (status != WEFT_OK)
        return weft_fail_in(status, "%s", where);
    memcpy(data->types + data->count - r->texts.count, r->texts.types, (size_t)r->texts.count);
    data->classes[data->documents - 1] = class;
    for (int64_t k = 0; k < data->target_count; k++)
        data->targets[(data->documents - 1) * data->target_count + k] = (float)r->truth[k];
    data->cut = r->texts.cut;
    return WEFT_OK;
}

/* Prompt and response, tokenised apart as when the one is read and the other said. */
static weft_status add_answer(reader *r, const char *prompt, const char *response)
{
    weft_status status = r->options->bos >= 0 ? push(r, r->options->bos, false) : WEFT_OK;
    if (status == WEFT_OK && *prompt)
        status = push_text(r, prompt, false);
    if (status == WEFT_OK)
        status = push_text(r, response, true);
    if (status == WEFT_OK && r->options->eos >= 0)
        status = push(r, r->options->eos, true);
    return status == WEFT_OK ? finish_document(r) : status;
}

static weft_status add_span(weft_template_result *result, size_t begin, size_t end)
{
    if (result->span_count == result->span_capacity) {
        int64_t capacity = result->span_capacity ? 2 * result->span_capacity : 8;
        weft_template_span *spans = realloc(result->spans, (size_t)capacity * sizeof *spans);
        if (!spans)
            return weft_fail(WEFT_ERROR_MEMORY, "training data: memory is short");
        result->spans = spans;
        result->span_capacity = capacity;
    }
    result->spans[result->span_count++] = (weft_template_span){begin, end};
    return WEFT_OK;
}

/* Where the assistant speaks, for a template that does not say: what message i adds to the text up to its prompt. */
static weft_status find_spans(reader *r, weft_json_value talk, const char *where)
{
    weft_json_value messages = weft_json_get(talk, "messages");
    weft_template_result before = {0}, after = {0};
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_json_size(messages) && status == WEFT_OK; i++) {
        const char *role = weft_json_string(weft_json_get(weft_json_item(messages, i), "role"), "");
        if (strcmp(role, "assistant") != 0)
            continue;
        status = weft_chat_render(r->options->chat, talk, i, true, NULL, &before);
        if (status == WEFT_OK)
            status = weft_chat_render(r->options->chat, talk, i + 1, false, NULL, &after);
        if (status != WEFT_OK)
            break;
        size_t from = before.text.length, to = after.text.length, whole = r->result.text.length;
        bool found = !before.raised && !after.raised && from <= to && to <= whole &&
                     memcmp(before.text.data, r->result.text.data, from) == 0 &&
                     memcmp(after.text.data, r->result.text.data, to) == 0;
        status = found ? add_span(&r->result, from, to)
                       : weft_fail(WEFT_ERROR_FORMAT,
                                   "%s: what message %lld adds cannot be told from this chat template: put {%% generation %%} … "
                                   "{%% endgeneration %%} around the assistant's part in it",
                                   where, (long long)i + 1);
    }
    weft_template_result_free(&before);
    weft_template_result_free(&after);
    return status;
}

/* A conversation through the chat template; a token is learned when all of it stands in what the assistant says. */
static weft_status add_talk(reader *r, weft_json_value talk, const char *where)
{
    if (!r->options->chat)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "%s: messages need a chat template, and the tokenizer's folder has none; name one "
                         "with --template",
                         where);
    weft_status status = weft_chat_render(r->options->chat, talk, -1, false, NULL, &r->result);
    if (status == WEFT_OK && r->result.raised)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: the chat template refuses it: %s", where, r->result.text.data);
    if (status == WEFT_OK && r->result.span_count == 0)
        status = find_spans(r, talk, where);
    if (status == WEFT_OK)
        status = weft_encode(r->encoding, r->result.text.data, r->result.text.length, &(weft_encode_options){.offsets = true});
    int64_t span = 0;
    for (size_t i = 0; status == WEFT_OK && i < weft_encoding_count(r->encoding); i++) {
        size_t begin, end;
        weft_encoding_range(r->encoding, i, &begin, &end);
        while (span < r->result.span_count && r->result.spans[span].end <= begin && end > begin)
            span++;
        bool learned = span < r->result.span_count && begin >= r->result.spans[span].begin && end <= r->result.spans[span].end &&
                       end > begin;
        status = push(r, weft_encoding_ids(r->encoding)[i], learned);
    }
    return status == WEFT_OK ? finish_document(r) : weft_fail_in(status, "%s", where);
}

static weft_status render_prompt(reader *r, weft_json_value record, const char *where)
{
    enum { MOST = 32 };
    weft_template_variable variables[MOST + 2];
    int count = 0;
    for (int64_t i = 0; i < weft_json_size(record) && count < MOST; i++) {
        variables[count] = (weft_template_variable){0};
        variables[count].name = weft_json_key(record, i, &variables[count].value);
        count++;
    }
    variables[count++] = (weft_template_variable){.name = "input", .text = ""};
    weft_status status = weft_template_render(r->prompt, variables, count, NULL, NULL, &r->result);
    if (status == WEFT_OK && r->result.raised)
        status = weft_fail(WEFT_ERROR_FORMAT, "the prompt's template refuses it: %s", r->result.text.data);
    return status == WEFT_OK ? WEFT_OK : weft_fail_in(status, "%s", where);
}

/* {instruction, input, output} as a conversation of two messages. */
static weft_status add_as_talk(reader *r, const char *asked, const char *more, const char *answer, const char *where)
{
    weft_text text = {0};
    weft_json *json = NULL;
    weft_json_writer w = weft_json_to(&text, 0);
    weft_text question = {0};
    weft_text_add(&question, "%s%s%s", asked, *more ? "\n\n" : "", more);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "messages");
    weft_json_open_list(&w);
    for (int i = 0; i < 2; i++) {
        weft_json_open_object(&w);
        weft_json_add_key(&w, "role");
        weft_json_add_string(&w, i ? "assistant" : "user");
        weft_json_add_key(&w, "content");
        weft_json_add_string(&w, i ? answer : question.data);
        weft_json_close_object(&w);
    }
    weft_json_close_list(&w);
    weft_json_close_object(&w);
    weft_status status = text.failed || question.failed ? weft_fail(WEFT_ERROR_MEMORY, "training data: memory is short")
                                                        : weft_json_parse(text.data, text.length, where, &json);
    if (status == WEFT_OK)
        status = add_talk(r, weft_json_root(json), where);
    weft_json_free(json);
    weft_text_free(&text);
    weft_text_free(&question);
    return status;
}

static weft_status add_record(void *user, weft_json_value record, const char *where)
{
    reader *r = user;
    const char *text = weft_json_string(weft_json_get(record, "text"), NULL);
    const char *prompt = weft_json_string(weft_json_get(record, "prompt"), NULL);
    const char *instruction = weft_json_string(weft_json_get(record, "instruction"), NULL);
    const char *input = weft_json_string(weft_json_get(record, "input"), "");
    const char *answers[2] = {weft_json_string(weft_json_get(record, r->options->pairs ? "chosen" : "output"), NULL),
                              weft_json_string(weft_json_get(record, "rejected"), NULL)};
    if (!answers[0] && !r->options->pairs)
        answers[0] = weft_json_string(weft_json_get(record, "completion"), NULL);
    weft_status status = WEFT_OK;
    if (r->options->classes)
        return add_classed(r, record, where);
    if (r->options->in_place) {
        if (!text)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: expected {text}: an encoder learns from texts alone", where);
        status = add_windows(r, text, strlen(text));
        return status == WEFT_OK ? WEFT_OK : weft_fail_in(status, "%s", where);
    }
    if (weft_json_present(weft_json_get(record, "messages")) && !r->options->pairs)
        return add_talk(r, record, where);
    if (text && !r->options->pairs) {
        if ((status = r->options->bos >= 0 ? push(r, r->options->bos, false) : WEFT_OK) == WEFT_OK)
            status = push_text(r, text, true);
        if (status == WEFT_OK && r->options->eos >= 0)
            status = push(r, r->options->eos, true);
        return status == WEFT_OK ? finish_document(r) : weft_fail_in(status, "%s", where);
    }
    if ((!prompt && !instruction) || !answers[0] || (r->options->pairs && !answers[1]))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected %s", where,
                         r->options->pairs ? "{instruction or prompt, chosen, rejected}"
                                           : "{text}, {messages}, {prompt, completion} or {instruction, input, output}");
    if (instruction && (!r->options->chat || r->options->prompt)) {
        if ((status = render_prompt(r, record, where)) != WEFT_OK)
            return status;
        prompt = r->result.text.data;
    }
    int64_t documents = r->data->documents, count = r->data->count;
    for (int i = 0; i < (r->options->pairs ? 2 : 1) && status == WEFT_OK; i++) {
        if (r->options->chat && !r->options->prompt)
            status = add_as_talk(r, instruction ? instruction : prompt, instruction ? input : "", answers[i], where);
        else if ((status = add_answer(r, prompt, answers[i])) != WEFT_OK)
            status = weft_fail_in(status, "%s", where);
    }
    if (r->options->pairs && r->data->documents == documents + 1) { /* one without the other is no pair */
        r->data->documents = documents;
        r->data->count = count;
    }
    return status;
}

static weft_status with_reader(weft_lm_data *data, const weft_tokenizer *tokenizer, const weft_lm_data_options *options,
                               const char *path, bool records)
{
    reader r = {.data = data, .options = options};
    data->in_place = options->in_place;
    data->paired = options->pairs;
    data->classed = options->classes != NULL;
    if (options->classes && weft_lm_problem_of_numbers(options->classes->problem))
        data->target_count = options->classes->count;
    data->mask_id = options->mask_id;
    data->first_position = options->first_position;
    if (options->classes && !records)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "%s: classes are learned from records {text, label} in a .json, .jsonl or .csv file", path);
    const char *prompt = options->prompt ? options->prompt : ALPACA;
    r.truth = calloc((size_t)data->target_count + 1, sizeof *r.truth);
    weft_status status =
        r.truth ? weft_encoding_new(tokenizer, &r.encoding) : weft_fail(WEFT_ERROR_MEMORY, "training data: memory is short");
    if (status == WEFT_OK && records)
        status = weft_template_parse(prompt, strlen(prompt), "--prompt", &r.prompt);
    if (status == WEFT_OK && records)
        status = weft_records_read(path, add_record, &r, NULL);
    if (status == WEFT_OK && !records) {
        weft_map map;
        if ((status = weft_map_open(path, &map)) == WEFT_OK) {
            const char *text = map.data ? map.data : "";
            status = options->in_place ? add_windows(&r, text, map.size)
                                       : weft_encode(r.encoding, text, map.size, &(weft_encode_options){.literal = true});
            if (status == WEFT_OK && !options->in_place)
                status = weft_lm_data_add(data, weft_encoding_ids(r.encoding), NULL, (int64_t)weft_encoding_count(r.encoding));
            weft_map_close(&map);
            if (status != WEFT_OK)
                status = weft_fail_in(status, "%s", path);
        }
    }
    weft_template_free(r.prompt);
    weft_template_result_free(&r.result);
    weft_encoding_free(r.encoding);
    weft_lm_texts_free(&r.texts);
    free(r.ids);
    free(r.learned);
    free(r.truth);
    return status;
}

weft_status weft_lm_data_text(weft_lm_data *data, const weft_tokenizer *tokenizer, const char *path,
                              const weft_lm_data_options *options)
{
    return with_reader(data, tokenizer, options, path, false);
}

weft_status weft_lm_data_records(weft_lm_data *data, const weft_tokenizer *tokenizer, const char *path,
                                 const weft_lm_data_options *options)
{
    return with_reader(data, tokenizer, options, path, true);
}

weft_status weft_lm_data_read(weft_lm_data *data, const weft_tokenizer *tokenizer, const char *path,
                              const weft_lm_data_options *options)
{
    const char *dot = strrchr(path, '.');
    bool records = weft_records_are_table(path) || (dot && (strcmp(dot, ".json") == 0 || strcmp(dot, ".jsonl") == 0));
    return (records ? weft_lm_data_records : weft_lm_data_text)(data, tokenizer, path, options);
}
