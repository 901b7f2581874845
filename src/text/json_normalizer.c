/* "normalizer" of tokenizer.json. */
#include "text/json_parts.h"

#include <stdlib.h>

static const char what[] = "normalizer";

static const char *const names[] = {"Sequence",  "NFC",   "NFD",          "NFKC",           "NFKD",
                                    "Lowercase", "Strip", "StripAccents", "Replace",        "Prepend",
                                    "ByteLevel", "Nmt",   "Precompiled",  "BertNormalizer", NULL};

static const struct {
    weft_normalizer_kind kind;
    weft_normal_form form;
} kinds[] = {{WEFT_NORMALIZER_SEQUENCE, 0},     {WEFT_NORMALIZER_FORM, WEFT_NFC},   {WEFT_NORMALIZER_FORM, WEFT_NFD},
             {WEFT_NORMALIZER_FORM, WEFT_NFKC}, {WEFT_NORMALIZER_FORM, WEFT_NFKD},  {WEFT_NORMALIZER_LOWERCASE, 0},
             {WEFT_NORMALIZER_STRIP, 0},        {WEFT_NORMALIZER_STRIP_ACCENTS, 0}, {WEFT_NORMALIZER_REPLACE, 0},
             {WEFT_NORMALIZER_PREPEND, 0},      {WEFT_NORMALIZER_BYTE_LEVEL, 0},    {WEFT_NORMALIZER_NMT, 0},
             {WEFT_NORMALIZER_PRECOMPILED, 0},  {WEFT_NORMALIZER_BERT, 0}};

/* Base 64 as RFC 4648 has it; other characters are refused. */
static weft_status decode_base64(const char *text, size_t length, unsigned char *out, size_t *size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int held = 0;
    *size = 0;
    while (length && text[length - 1] == '=')
        length--;
    for (size_t i = 0; i < length; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: precompiled_charsmap is not base 64 at byte %zu", what, i);
        bits = bits << 6 | (uint32_t)(digit - digits);
        if ((held += 6) >= 8) {
            held -= 8;
            out[(*size)++] = (unsigned char)(bits >> held);
        }
    }
    return WEFT_OK;
}

static weft_status read_charsmap(weft_json_value part, weft_normalizer *out)
{
    weft_json_value value = weft_json_get(part, "precompiled_charsmap");
    size_t length, size = 0;
    const char *text = weft_json_bytes(value, &length);
    if (!weft_json_present(value) || (text && length == 0)) { /* none: nothing is replaced */
        out->kind = WEFT_NORMALIZER_SEQUENCE;
        return WEFT_OK;
    }
    if (!text)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"precompiled_charsmap\" must be a text", what);
    unsigned char *bytes = malloc(length + 1);
    if (!bytes)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    weft_status status = decode_base64(text, length, bytes, &size);
    if (status == WEFT_OK && (status = weft_charsmap_read(bytes, size, &out->map)) != WEFT_OK)
        status = weft_fail_in(status, "%s", what);
    free(bytes);
    return status;
}

static weft_status read_bert(weft_json_value part, weft_normalizer *out)
{
    out->clean_text = out->ideographs = out->lowercase = true;
    weft_status status = weft_json_take_bool(part, what, "clean_text", &out->clean_text);
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "handle_chinese_chars", &out->ideographs);
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "lowercase", &out->lowercase);
    out->strip_accents = out->lowercase;
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "strip_accents", &out->strip_accents);
    return status;
}

static weft_status read(weft_json_value part, int depth, weft_normalizer *out)
{
    int row = 0;
    weft_status status = weft_part_type(part, what, names, &row);
    if (status != WEFT_OK)
        return status;
    out->kind = kinds[row].kind;
    out->form = kinds[row].form;
    weft_json_value steps = weft_json_get(part, "normalizers");
    switch (out->kind) {
    case WEFT_NORMALIZER_SEQUENCE:
        if (weft_json_kind_of(steps) != WEFT_JSON_LIST || depth >= WEFT_DEEPEST_SEQUENCE)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: a Sequence needs a list \"normalizers\", and at most %d lie in each other",
                             what, WEFT_DEEPEST_SEQUENCE);
        for (int64_t i = 0; i < weft_json_size(steps) && status == WEFT_OK; i++) {
            weft_normalizer *step = weft_normalizer_step(out);
            status = step ? read(weft_json_item(steps, i), depth + 1, step) : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
        }
        return status;
    case WEFT_NORMALIZER_STRIP:
        out->left = out->right = true;
        if ((status = weft_json_take_bool(part, what, "strip_left", &out->left)) == WEFT_OK)
            status = weft_json_take_bool(part, what, "strip_right", &out->right);
        return status;
    case WEFT_NORMALIZER_REPLACE:
        status = weft_part_pattern(part, what, &out->pattern, &out->pattern_length, &out->regex, NULL);
        return status == WEFT_OK ? weft_part_text(part, what, "content", &out->content, &out->content_length) : status;
    case WEFT_NORMALIZER_PREPEND:
        return weft_part_text(part, what, "prepend", &out->content, &out->content_length);
    case WEFT_NORMALIZER_PRECOMPILED:
        return read_charsmap(part, out);
    case WEFT_NORMALIZER_BERT:
        return read_bert(part, out);
    default:
        return WEFT_OK;
    }
}

weft_status weft_json_normalizer(weft_json_value part, weft_normalizer *out)
{
    return weft_json_present(part) ? read(part, 0, out) : WEFT_OK;
}
