/* Reading prompts and questions. Nothing in a file is trusted: sizes are bounded, the first bad line is named. */
#include "audit/prompts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "io/csv.h"

enum { LARGEST_FILE = 1 << 30, MOST_CHOICES = 64 };

static weft_status short_of_memory(const char *path)
{
    return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
}

static void prompt_free(weft_prompt *p)
{
    for (int i = 0; p->choices && i < p->choice_count; i++)
        free(p->choices[i]);
    free(p->choices);
    free(p->text);
}

void weft_prompts_free(weft_prompts *p)
{
    for (int64_t i = 0; i < p->count; i++)
        prompt_free(&p->at[i]);
    free(p->at);
    *p = (weft_prompts){0};
}

/* Takes over `p`, also on failure. */
static weft_status add(weft_prompts *list, weft_prompt *p, const char *path)
{
    if (list->count == list->capacity) {
        int64_t capacity = list->capacity ? 2 * list->capacity : 64;
        weft_prompt *larger = realloc(list->at, (size_t)capacity * sizeof *larger);
        if (!larger) {
            prompt_free(p);
            return short_of_memory(path);
        }
        list->at = larger;
        list->capacity = capacity;
    }
    list->at[list->count++] = *p;
    return WEFT_OK;
}

typedef weft_status (*read_line)(const char *line, size_t length, const char *where, weft_prompt *out);

static weft_status read_text(const char *line, size_t length, const char *where, weft_prompt *out)
{
    out->label = WEFT_NO_LABEL;
    if (memchr(line, 0, length))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a zero byte; expected a prompt of text", where);
    out->text = strndup(line, length);
    return out->text ? WEFT_OK : short_of_memory(where);
}

static weft_status take_label(weft_json_value label, const char *where, int *out)
{
    *out = WEFT_NO_LABEL;
    if (!weft_json_present(label))
        return WEFT_OK;
    double number = weft_json_kind_of(label) == WEFT_JSON_BOOL ? weft_json_bool(label, false) : weft_json_number(label, -1);
    if (number != 0 && number != 1)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"label\" is neither 0 nor 1", where);
    *out = (int)number;
    return WEFT_OK;
}

static weft_status text_of(weft_json_value messages, const char *where, char **out)
{
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 0);
    weft_json_add_value(&w, messages);
    *out = text.failed ? NULL : text.data;
    return *out ? WEFT_OK : short_of_memory(where);
}

static weft_status prompt_of(weft_json_value root, const char *where, weft_prompt *out)
{
    weft_json_value messages = weft_json_get(root, "messages");
    const char *text = weft_json_string(weft_json_get(root, "prompt"), NULL);
    weft_status status = take_label(weft_json_get(root, "label"), where, &out->label);
    if (status != WEFT_OK)
        return status;
    if (text) {
        out->text = strdup(text);
        return out->text ? WEFT_OK : short_of_memory(where);
    }
    if (weft_json_kind_of(messages) != WEFT_JSON_LIST)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected {\"prompt\": TEXT} or {\"messages\": [...]}", where);
    out->messages = true;
    return text_of(messages, where, &out->text);
}

static weft_status read_json(const char *line, size_t length, const char *where, weft_prompt *out)
{
    weft_json *json;
    weft_status status = weft_json_parse(line, length, where, &json);
    if (status == WEFT_OK)
        status = prompt_of(weft_json_root(json), where, out);
    weft_json_free(json);
    return status;
}

static weft_status add_choice(weft_prompt *p, const char *text, const char *where)
{
    char **larger = realloc(p->choices, (size_t)(p->choice_count + 1) * sizeof *larger);
    if (!larger)
        return short_of_memory(where);
    p->choices = larger;
    if (!(larger[p->choice_count] = strdup(text)))
        return short_of_memory(where);
    p->choice_count++;
    return WEFT_OK;
}

static weft_status choices_of(weft_json_value root, const char *where, weft_prompt *out)
{
    weft_json_value choices = weft_json_get(root, "choices"), answer = weft_json_get(root, "answer");
    int64_t count = weft_json_size(choices);
    if (weft_json_kind_of(choices) != WEFT_JSON_LIST || count < 2 || count > MOST_CHOICES)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected \"choices\", a list of 2 to %d texts", where, MOST_CHOICES);
    const char *name = weft_json_string(answer, NULL);
    int64_t right = name ? -1 : weft_json_integer(answer, -1);
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        const char *text = weft_json_string(weft_json_item(choices, i), NULL);
        if (!text || !*text)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: choice %lld is no text", where, (long long)i);
        if (name && strcmp(name, text) == 0)
            right = i;
        status = add_choice(out, text, where);
    }
    if (status == WEFT_OK && (right < 0 || right >= count))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"answer\" is neither one of the choices nor an index from 0 to %lld", where,
                         (long long)count - 1);
    out->answer = (int)right;
    return status;
}

static weft_status question_of(weft_json_value root, const char *where, weft_prompt *out)
{
    const char *question = weft_json_string(weft_json_get(root, "question"), NULL);
    const char *matching = weft_json_string(weft_json_get(root, "answer_matching_behavior"), NULL);
    const char *other = weft_json_string(weft_json_get(root, "answer_not_matching_behavior"), NULL);
    if (!question || !matching || !other) {
        weft_status status = prompt_of(root, where, out);
        return status == WEFT_OK ? choices_of(root, where, out) : status;
    }
    out->label = WEFT_NO_LABEL;
    if (!(out->text = strdup(question)))
        return short_of_memory(where);
    weft_status status = add_choice(out, matching, where); /* answer 0 */
    return status == WEFT_OK ? add_choice(out, other, where) : status;
}

static weft_status read_question(const char *line, size_t length, const char *where, weft_prompt *out)
{
    weft_json *json;
    weft_status status = weft_json_parse(line, length, where, &json);
    if (status == WEFT_OK)
        status = question_of(weft_json_root(json), where, out);
    weft_json_free(json);
    return status;
}

static weft_status take_lines(const char *text, size_t size, const char *path, read_line one, weft_prompts *out)
{
    weft_status status = WEFT_OK;
    int64_t number = 0;
    for (const char *line = text, *end = text + size, *next; line < end && status == WEFT_OK; line = next) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        next = stop ? stop + 1 : end;
        size_t length = (size_t)((stop ? stop : end) - line);
        while (length && (line[length - 1] == '\r' || line[length - 1] == ' '))
            length--;
        number++;
        if (!length)
            continue;
        char where[512];
        weft_prompt p = {.line = number};
        snprintf(where, sizeof where, "%.440s, line %lld", path, (long long)number);
        status = one(line, length, where, &p);
        if (status == WEFT_OK)
            status = add(out, &p, path);
        else
            prompt_free(&p);
    }
    return status;
}

static weft_status read_lines(const char *path, read_line one, weft_prompts *out)
{
    char *text;
    size_t size;
    weft_status status = weft_file_read(path, LARGEST_FILE, &text, &size);
    if (status != WEFT_OK)
        return status;
    status = take_lines(text, size, path, one, out);
    free(text);
    return status;
}

static weft_status read_csv(const char *path, const char *column, weft_prompts *out)
{
    weft_csv *csv;
    weft_status status = weft_csv_read(path, &(weft_csv_options){.threads = 1}, &csv);
    if (status != WEFT_OK)
        return status;
    const char *wanted = column ? column : "prompt";
    int prompt = weft_csv_find(csv, wanted), label = weft_csv_find(csv, "label");
    if (prompt < 0)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: no column \"%s\"; the nearest is \"%s\"", path, wanted,
                           weft_csv_nearest(csv, wanted));
    for (int64_t i = 0; status == WEFT_OK && i < weft_csv_rows(csv); i++) {
        weft_cell cell = weft_csv_cell(csv, i, prompt);
        weft_prompt p = {.line = weft_csv_line(csv, i), .label = WEFT_NO_LABEL, .text = strndup(cell.text, cell.length)};
        if (label >= 0) {
            double value = weft_csv_column_at(csv, label).values[i];
            if (value != 0 && value != 1)
                status = weft_fail(WEFT_ERROR_FORMAT, "%s, line %lld: \"label\" is neither 0 nor 1", path, (long long)p.line);
            else
                p.label = (int)value;
        }
        if (status == WEFT_OK && !p.text)
            status = short_of_memory(path);
        if (status == WEFT_OK)
            status = add(out, &p, path);
        else
            prompt_free(&p);
    }
    weft_csv_free(csv);
    return status;
}

static bool ends_in(const char *path, const char *ending)
{
    size_t n = strlen(path), k = strlen(ending);
    return n >= k && strcmp(path + n - k, ending) == 0;
}

static weft_status finish(weft_status status, const char *path, const char *what, weft_prompts *out)
{
    if (status == WEFT_OK && out->count == 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: holds no %s", path, what);
    if (status != WEFT_OK)
        weft_prompts_free(out);
    return status;
}

weft_status weft_prompts_read(const char *path, const char *column, weft_prompts *out)
{
    *out = (weft_prompts){0};
    weft_status status = ends_in(path, ".csv")                               ? read_csv(path, column, out)
                         : ends_in(path, ".jsonl") || ends_in(path, ".json") ? read_lines(path, read_json, out)
                                                                             : read_lines(path, read_text, out);
    return finish(status, path, "prompts", out);
}

weft_status weft_prompts_parse(const char *text, size_t size, weft_prompt_lines kind, const char *name, weft_prompts *out)
{
    static const struct {
        read_line one;
        const char *what;
    } kinds[] = {[WEFT_LINES_TEXT] = {read_text, "prompts"},
                 [WEFT_LINES_JSON] = {read_json, "prompts"},
                 [WEFT_LINES_QUESTIONS] = {read_question, "questions"}};
    *out = (weft_prompts){0};
    return finish(take_lines(text, size, name, kinds[kind].one, out), name, kinds[kind].what, out);
}

weft_status weft_questions_read(const char *path, weft_prompts *out)
{
    *out = (weft_prompts){0};
    return finish(read_lines(path, read_question, out), path, "questions", out);
}
