/* Files of SentencePiece pieces: the protobuf tokenizer.model, and llama2.c's tokenizer.bin. */
#include "text/pieces.h"

#include <stdlib.h>

/* ---- protobuf: fields of a message one after another ---- */

typedef struct field {
    uint32_t number;
    int wire;            /* 0 varint, 1 eight bytes, 2 a length and bytes, 5 four bytes */
    uint64_t value;      /* of wire 0, 1, 5 */
    const uint8_t *data; /* of wire 2 */
    size_t size;
} field;

typedef struct message {
    const uint8_t *at, *end;
    bool broken;
} message;

static uint64_t read_varint(message *m)
{
    uint64_t value = 0;
    for (int shift = 0; m->at < m->end && shift < 70; shift += 7) {
        uint8_t byte = *m->at++;
        value |= shift < 64 ? (uint64_t)(byte & 0x7F) << shift : 0;
        if (byte < 0x80)
            return value;
    }
    m->broken = true;
    return 0;
}

/* False at the end of the message, and when it is broken. */
static bool next_field(message *m, field *out)
{
    if (m->broken || m->at >= m->end)
        return false;
    uint64_t key = read_varint(m);
    *out = (field){.number = (uint32_t)(key >> 3), .wire = (int)(key & 7)};
    size_t fixed = out->wire == 1 ? 8 : out->wire == 5 ? 4 : 0;
    if (m->broken || key >> 3 == 0 || key >> 3 >= 1u << 29) {
        m->broken = true;
    } else if (out->wire == 0) {
        out->value = read_varint(m);
    } else if (out->wire == 2) {
        uint64_t size = read_varint(m);
        if (m->broken || size > (uint64_t)(m->end - m->at)) {
            m->broken = true;
            return false;
        }
        out->data = m->at;
        out->size = (size_t)size;
        m->at += size;
    } else if (fixed && (size_t)(m->end - m->at) >= fixed) {
        for (size_t i = 0; i < fixed; i++)
            out->value |= (uint64_t)m->at[i] << 8 * i;
        m->at += fixed;
    } else {
        m->broken = true;
    }
    return !m->broken;
}

static float float_of(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

/* ---- ModelProto ---- */

static bool read_piece(const field *in, weft_piece *out)
{
    message m = {in->data, in->data + in->size, false};
    *out = (weft_piece){.text = "", .type = WEFT_PIECE_NORMAL};
    for (field f; next_field(&m, &f);) {
        if (f.number == 1 && f.wire == 2) {
            out->text = (const char *)f.data;
            out->length = f.size;
        } else if (f.number == 2 && f.wire == 5) {
            out->score = float_of(f.value);
        } else if (f.number == 3 && f.wire == 0) {
            out->type = f.value <= WEFT_PIECE_BYTE ? (weft_piece_type)f.value : (weft_piece_type)0;
        }
    }
    return !m.broken;
}

/* TrainerSpec: what of it decides how text is encoded. */
typedef struct trainer {
    int64_t model_type; /* 1 unigram, 2 byte pairs, 3 words, 4 characters */
    bool space_behind;
} trainer;

static bool read_trainer(const field *in, weft_piece_list *l, trainer *out)
{
    message m = {in->data, in->data + in->size, false};
    for (field f; next_field(&m, &f);) {
        int64_t number = (int32_t)f.value;
        if (f.wire != 0)
            continue;
        switch (f.number) {
        case 3:
            out->model_type = number;
            break;
        case 24:
            out->space_behind = number != 0;
            break;
        case 35:
            l->byte_fallback = number != 0;
            break;
        case 40:
            l->unknown = number < 0 ? -1 : number;
            break;
        case 41:
            l->bos = number < 0 ? -1 : number;
            break;
        case 42:
            l->eos = number < 0 ? -1 : number;
            break;
        case 43:
            l->pad = number < 0 ? -1 : number;
            break;
        default:
            break;
        }
    }
    return !m.broken;
}

static bool read_normalizer(const field *in, weft_piece_list *l)
{
    message m = {in->data, in->data + in->size, false};
    for (field f; next_field(&m, &f);) {
        if (f.number == 2 && f.wire == 2 && f.size > 0) {
            l->charsmap = f.data;
            l->charsmap_size = f.size;
        }
        bool *flag = f.number == 3   ? &l->add_dummy_prefix
                     : f.number == 4 ? &l->remove_extra_spaces
                     : f.number == 5 ? &l->escape_spaces
                                     : NULL;
        if (flag && f.wire == 0)
            *flag = f.value != 0;
    }
    return !m.broken;
}

static weft_status read_model(message *m, weft_piece_list *l, trainer *t)
{
    weft_status status = WEFT_OK;
    bool well = true;
    for (field f; status == WEFT_OK && well && next_field(m, &f);) {
        weft_piece piece;
        if (f.wire != 2)
            continue;
        if (f.number == 1) {
            well = read_piece(&f, &piece);
            status = well ? weft_piece_add(l, piece) : WEFT_OK;
        } else if (f.number == 2) {
            well = read_trainer(&f, l, t);
        } else if (f.number == 3) {
            well = read_normalizer(&f, l);
        }
    }
    if (status == WEFT_OK && (m->broken || !well))
        return weft_fail(WEFT_ERROR_FORMAT, "no SentencePiece model, or a broken one: %zu pieces could be read", l->count);
    return status;
}

weft_status weft_tokenizer_from_sentencepiece(const void *bytes, size_t size, const char *name, weft_json_value config,
                                              weft_tokenizer *out)
{
    weft_piece_list l = {
        .add_dummy_prefix = true, .remove_extra_spaces = true, .escape_spaces = true, .bos = 1, .eos = 2, .pad = -1};
    trainer t = {.model_type = 1};
    message m = {bytes, (const uint8_t *)bytes + size, false};
    weft_status status = read_model(&m, &l, &t);
    if (status == WEFT_OK && t.model_type != 1 && t.model_type != 2)
        status = weft_fail(WEFT_ERROR_UNSUPPORTED, "model_type %lld; known are 1 (unigram) and 2 (bpe)", (long long)t.model_type);
    if (status == WEFT_OK && t.space_behind)
        status = weft_fail(WEFT_ERROR_UNSUPPORTED, "treat_whitespace_as_suffix is not known");
    l.unigram = t.model_type == 1;
    for (size_t i = 0; i < l.count; i++)
        l.byte_fallback |= l.pieces[i].type == WEFT_PIECE_BYTE;
    /* Llama's tokenizers put BOS before a text, T5's EOS behind it; tokenizer_config.json may say otherwise */
    l.add_bos = !l.unigram;
    l.add_eos = strncmp(weft_json_string(weft_json_get(config, "tokenizer_class"), ""), "T5", 2) == 0;
    if (status == WEFT_OK)
        status = weft_json_take_bool(config, "tokenizer_config.json", "add_bos_token", &l.add_bos);
    if (status == WEFT_OK)
        status = weft_json_take_bool(config, "tokenizer_config.json", "add_eos_token", &l.add_eos);
    if (status != WEFT_OK)
        status = weft_fail_in(status, "%s", name);
    else
        status = weft_tokenizer_from_pieces(&l, name, out);
    free(l.pieces);
    return status;
}

/* ---- llama2.c ---- */

static uint32_t word_at(const uint8_t *c)
{
    return (uint32_t)c[0] | (uint32_t)c[1] << 8 | (uint32_t)c[2] << 16 | (uint32_t)c[3] << 24;
}

/* The file has spaces where the model has ▁, line ends around <s> and </s>, and no types: those follow from the place. */
weft_status weft_tokenizer_from_llama2c(const void *bytes, size_t size, const char *name, weft_tokenizer *t)
{
    const uint8_t *at = bytes, *end = at + size;
    weft_piece_list l = {.byte_fallback = true,
                         .add_dummy_prefix = true,
                         .escape_spaces = true,
                         .unknown = 0,
                         .bos = 1,
                         .eos = 2,
                         .pad = -1,
                         .add_bos = true};
    weft_status status = WEFT_OK;
    if (size < 4)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %zu bytes are no tokenizer.bin", name, size);
    at += 4;                                                      /* the longest piece */
    for (const uint8_t *c = at; c < end; c += 8 + word_at(c + 4)) /* check, and make room once, as pieces point into it */
        if (end - c < 8 || word_at(c + 4) > (uint64_t)(end - c - 8))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: a piece at byte %zu reaches beyond the end of the file", name,
                             (size_t)(c - (const uint8_t *)bytes));
    char *texts = malloc(3 * size);
    size_t used = 0;
    if (!texts)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", name);
    while (at < end && status == WEFT_OK) {
        weft_piece piece = {.text = texts + used, .score = float_of(word_at(at)), .type = WEFT_PIECE_NORMAL};
        size_t length = word_at(at + 4);
        const char *text = (const char *)at + 8;
        piece.type = l.count == 0    ? WEFT_PIECE_UNKNOWN
                     : l.count < 3   ? WEFT_PIECE_CONTROL
                     : l.count < 259 ? WEFT_PIECE_BYTE
                                     : WEFT_PIECE_NORMAL;
        at += 8 + length;
        for (; l.count < 3 && length && *text == '\n'; text++)
            length--;
        while (l.count < 3 && length && text[length - 1] == '\n')
            length--;
        for (size_t i = 0; i < length; i++) {
            bool space = text[i] == ' ' && piece.type == WEFT_PIECE_NORMAL;
            memcpy(texts + used, space ? "\xE2\x96\x81" : text + i, space ? 3 : 1);
            used += space ? 3 : 1;
        }
        piece.length = (size_t)(texts + used - piece.text);
        status = weft_piece_add(&l, piece);
    }
    if (status == WEFT_OK && l.count < 259)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: %zu pieces; expected <unk>, <s>, </s> and 256 bytes before all others", name,
                           l.count);
    if (status == WEFT_OK)
        status = weft_tokenizer_from_pieces(&l, name, t);
    free(texts);
    free(l.pieces);
    return status;
}
