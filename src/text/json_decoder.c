/* "decoder" of tokenizer.json. */
#include "text/json_parts.h"

static const char what[] = "decoder";

/* In the order of weft_decoder_kind. */
static const char *const names[] = {"Sequence", "ByteLevel", "WordPiece", "Metaspace",  "ByteFallback",
                                    "Fuse",     "Strip",     "Replace",   "BPEDecoder", NULL};

static weft_status read_metaspace(weft_json_value part, weft_decoder_step *out)
{
    const char *mark = "\xE2\x96\x81", *scheme = NULL;
    bool prefix = true;
    weft_status status = weft_json_take_string(part, what, "replacement", &mark);
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "add_prefix_space", &prefix);
    if (status == WEFT_OK)
        status = weft_json_take_string(part, what, "prepend_scheme", &scheme);
    if (status != WEFT_OK)
        return status;
    out->prepended = scheme ? strcmp(scheme, "never") != 0 : prefix;
    out->length = strlen(mark);
    out->text = weft_copy_text(mark, out->length);
    return out->text ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
}

/* A text under `key` with a default. */
static weft_status take_text(weft_json_value part, const char *key, const char *otherwise, weft_decoder_step *out)
{
    weft_status status = weft_json_take_string(part, what, key, &otherwise);
    if (status != WEFT_OK)
        return status;
    out->length = strlen(otherwise);
    out->text = weft_copy_text(otherwise, out->length);
    return out->text ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
}

static weft_status read(weft_json_value part, int depth, weft_decoder_step *out)
{
    int row = 0;
    weft_status status = weft_part_type(part, what, names, &row);
    if (status != WEFT_OK)
        return status;
    out->kind = (weft_decoder_kind)row;
    weft_json_value steps = weft_json_get(part, "decoders");
    switch (out->kind) {
    case WEFT_DECODER_SEQUENCE:
        if (weft_json_kind_of(steps) != WEFT_JSON_LIST || depth >= WEFT_DEEPEST_SEQUENCE)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: a Sequence needs a list \"decoders\", and at most %d lie in each other",
                             what, WEFT_DEEPEST_SEQUENCE);
        for (int64_t i = 0; i < weft_json_size(steps) && status == WEFT_OK; i++) {
            weft_decoder_step *step = weft_decoder_step_new(out);
            status = step ? read(weft_json_item(steps, i), depth + 1, step) : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
        }
        return status;
    case WEFT_DECODER_WORD_PIECE:
        out->cleanup = true;
        status = take_text(part, "prefix", "##", out);
        return status == WEFT_OK ? weft_json_take_bool(part, what, "cleanup", &out->cleanup) : status;
    case WEFT_DECODER_METASPACE:
        return read_metaspace(part, out);
    case WEFT_DECODER_STRIP:
        if ((status = weft_part_text(part, what, "content", &out->text, &out->length)) == WEFT_OK)
            status = weft_json_take_integer(part, what, "start", 0, INT32_MAX, &out->start);
        return status == WEFT_OK ? weft_json_take_integer(part, what, "stop", 0, INT32_MAX, &out->stop) : status;
    case WEFT_DECODER_REPLACE:
        status = weft_part_pattern(part, what, &out->text, &out->length, &out->regex, NULL);
        return status == WEFT_OK ? weft_part_text(part, what, "content", &out->content, &out->content_length) : status;
    case WEFT_DECODER_BPE:
        return take_text(part, "suffix", "</w>", out);
    default:
        return WEFT_OK;
    }
}

weft_status weft_json_decoder(weft_json_value part, weft_decoder_step *out)
{
    return weft_json_present(part) ? read(part, 0, out) : WEFT_OK;
}
