/* "post_processor" of tokenizer.json. */
#include "text/json_parts.h"

#include <stdlib.h>

static const char what[] = "post_processor";

static const char *const names[] = {"Sequence", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel", NULL};

/* ["[SEP]", 102] under `key`: the id. */
static weft_status read_pair(weft_json_value part, const char *key, int32_t *id)
{
    weft_json_value pair = weft_json_get(part, key), number = weft_json_item(pair, 1);
    int64_t value = weft_json_integer(number, -1);
    if (weft_json_kind_of(pair) != WEFT_JSON_LIST || value < 0 || value >= WEFT_MOST_TOKENS)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" must be a list of a token and its id", what, key);
    *id = (int32_t)value;
    return WEFT_OK;
}

/* The entry of special_tokens, an object (or, in old files, a list of objects with an "id"). */
static weft_json_value special_entry(weft_json_value tokens, const char *name)
{
    if (weft_json_kind_of(tokens) == WEFT_JSON_OBJECT)
        return weft_json_get(tokens, name);
    for (int64_t i = 0; i < weft_json_size(tokens); i++)
        if (strcmp(weft_json_string(weft_json_get(weft_json_item(tokens, i), "id"), ""), name) == 0)
            return weft_json_item(tokens, i);
    return (weft_json_value){NULL};
}

static weft_status add_special(weft_json_value part, weft_json_value tokens, int32_t type, weft_template *out)
{
    const char *name = weft_json_string(weft_json_get(part, "id"), NULL);
    weft_json_value ids = weft_json_get(name ? special_entry(tokens, name) : part, "ids");
    int64_t count = weft_json_size(ids);
    if (!name || weft_json_kind_of(ids) != WEFT_JSON_LIST)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: special token \"%.80s\" has no \"ids\" in \"special_tokens\"", what,
                         name ? name : "?");
    int32_t *list = malloc(((size_t)count + 1) * sizeof *list);
    weft_status status = list ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        int64_t id = weft_json_integer(weft_json_item(ids, i), -1);
        if (id < 0 || id >= WEFT_MOST_TOKENS)
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: special token \"%.80s\" has an id that is none", what, name);
        else
            list[i] = (int32_t)id;
    }
    if (status == WEFT_OK)
        status = weft_template_add(out, -1, list, (int32_t)count, type);
    free(list);
    return status;
}

static weft_status read_template(weft_json_value part, const char *key, weft_template *out)
{
    weft_json_value list = weft_json_get(part, key), tokens = weft_json_get(part, "special_tokens");
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_json_size(list) && status == WEFT_OK; i++) {
        weft_json_value item = weft_json_item(list, i), special = weft_json_get(item, "SpecialToken");
        weft_json_value sequence = weft_json_get(item, "Sequence"), body = weft_json_present(special) ? special : sequence;
        int64_t type = 0;
        status = weft_json_take_integer(body, what, "type_id", 0, 65535, &type);
        if (status != WEFT_OK)
            return status;
        const char *letter = weft_json_string(weft_json_get(sequence, "id"), NULL);
        if (weft_json_present(special))
            status = add_special(special, tokens, (int32_t)type, out);
        else if (letter && (strcmp(letter, "A") == 0 || strcmp(letter, "B") == 0))
            status = weft_template_add(out, letter[0] - 'A', NULL, 0, (int32_t)type);
        else
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: part %lld of \"%s\" must be a SpecialToken or the Sequence A or B", what,
                               (long long)i + 1, key);
    }
    return status;
}

static weft_status read_around(weft_json_value part, const char *single, const char *pair, weft_processor *out)
{
    int32_t cls = 0, sep = 0;
    weft_status status = read_pair(part, "cls", &cls);
    if (status == WEFT_OK)
        status = read_pair(part, "sep", &sep);
    if (status == WEFT_OK)
        status = weft_template_spell(&out->single, single, cls, sep);
    return status == WEFT_OK ? weft_template_spell(&out->pair, pair, cls, sep) : status;
}

static weft_status read(weft_json_value part, int depth, weft_processor *out)
{
    int row = 0;
    weft_status status = weft_part_type(part, what, names, &row);
    if (status != WEFT_OK)
        return status;
    weft_json_value steps = weft_json_get(part, "processors");
    bool trims = row >= 3; /* the defaults of the two that have the key */
    if (row >= 1 && row <= 3 && out->single.count + out->pair.count > 0)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: more than one template in a Sequence", what);
    switch (row) {
    case 0:
        if (weft_json_kind_of(steps) != WEFT_JSON_LIST || depth >= WEFT_DEEPEST_SEQUENCE)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: a Sequence needs a list \"processors\", and at most %d lie in each other",
                             what, WEFT_DEEPEST_SEQUENCE);
        for (int64_t i = 0; i < weft_json_size(steps) && status == WEFT_OK; i++)
            status = read(weft_json_item(steps, i), depth + 1, out);
        return status;
    case 1:
        status = read_template(part, "single", &out->single);
        return status == WEFT_OK ? read_template(part, "pair", &out->pair) : status;
    case 2:
        return read_around(part, "C A S", "C A S B1 S1", out);
    case 3:
        status = read_around(part, "C A S", "C A S S B S", out);
        break;
    default:
        break;
    }
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "trim_offsets", &trims);
    out->trim_offsets |= trims;
    return status;
}

/* Ids that templates add must be tokens. */
static weft_status check_ids(const weft_tokenizer *t, const weft_template *template)
{
    for (int i = 0; i < template->count; i++)
        for (int32_t k = 0; k < template->parts[i].id_count; k++) {
            int32_t id = template->parts[i].ids[k];
            bool known = weft_vocabulary_token(&t->model.vocabulary, id, NULL) != NULL;
            for (int32_t a = 0; a < t->added.count && !known; a++)
                known = t->added.list[a].id == id;
            if (!known)
                return weft_fail(WEFT_ERROR_FORMAT, "%s: adds id %d, which is no token", what, id);
        }
    return WEFT_OK;
}

weft_status weft_json_processor(weft_json_value part, const weft_tokenizer *t, weft_processor *out)
{
    if (!weft_json_present(part))
        return WEFT_OK;
    weft_status status = read(part, 0, out);
    if (status == WEFT_OK)
        status = check_ids(t, &out->single);
    return status == WEFT_OK ? check_ids(t, &out->pair) : status;
}
