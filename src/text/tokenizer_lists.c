/* Tokenizers from plain lists: vocab.json and merges.txt (GPT-2, RoBERTa, Qwen2), vocab.txt (BERT). What such files leave unsaid
 * follows from tokenizer_config.json and from which special tokens there are. */
#include "text/tokenizer.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "text/unicode.h"

static weft_status memory_is_short(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
}

/* A special token that the vocabulary has; *id -1 when it has not. */
static weft_status add_special(weft_tokenizer *t, const char *content, bool lstrip, int32_t *id)
{
    *id = weft_vocabulary_find(&t->model.vocabulary, content, strlen(content));
    if (*id < 0)
        return WEFT_OK;
    return weft_added_put(&t->added, content, strlen(content), (weft_added_token){.id = *id, .special = true, .lstrip = lstrip});
}

/* ---- byte-level byte pairs ---- */

static weft_status read_vocabulary(weft_json_value vocab, const char *name, weft_vocabulary *out)
{
    weft_json_value value;
    weft_status status = WEFT_OK;
    if (weft_json_kind_of(vocab) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected an object of token and id", name);
    for (int64_t i = 0; i < weft_json_size(vocab) && status == WEFT_OK; i++) {
        const char *token = weft_json_key(vocab, i, &value);
        if (weft_json_kind_of(value) != WEFT_JSON_INTEGER)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: the id of token \"%.80s\" is no whole number", name, token);
        status = weft_vocabulary_add(out, token, strlen(token), weft_json_integer(value, -1));
    }
    return status == WEFT_OK ? status : weft_fail_in(status, "%s", name);
}

static weft_status read_merges(const weft_token_model *m, const char *text, size_t size, const char *name, weft_merge **out,
                               size_t *count)
{
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    weft_merge *merges = *out = malloc(lines * sizeof *merges);
    weft_status status = merges ? WEFT_OK : memory_is_short();
    int64_t line = 0;
    for (const char *at = text, *end = text + size, *next; at < end && status == WEFT_OK; at = next) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        line++;
        if (stop > at && stop[-1] == '\r')
            stop--;
        if (stop == at || (line == 1 && stop - at >= 8 && memcmp(at, "#version", 8) == 0))
            continue;
        const char *space = memchr(at, ' ', (size_t)(stop - at));
        if (!space || memchr(space + 1, ' ', (size_t)(stop - space - 1)))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: line %lld is not two tokens with a space between", name, (long long)line);
        status = weft_merge_of(m, at, (size_t)(space - at), space + 1, (size_t)(stop - space - 1), name, line, (uint32_t)*count,
                               &merges[*count]);
        ++*count;
    }
    return status;
}

/* How a class of transformers cuts text before its byte pairs. */
typedef struct family {
    const char *name; /* tokenizer_class, without "Fast"; the first row is for files that say nothing */
    const char *scan;
    bool nfc, around; /* <s> … </s> around every text */
} family;

static const family families[] = {
    {"GPT2Tokenizer", "gpt2", false, false},
    {"RobertaTokenizer", "gpt2", false, true},
    {"Qwen2Tokenizer", "qwen2", true, false},
};

static const family *family_of(weft_json_value config, const weft_vocabulary *v)
{
    const char *class = weft_json_string(weft_json_get(config, "tokenizer_class"), "");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strncmp(class, families[i].name, strlen(families[i].name)) == 0)
            return &families[i];
    return &families[weft_vocabulary_find(v, "<s>", 3) >= 0 && weft_vocabulary_find(v, "</s>", 4) >= 0];
}

static weft_status set_byte_level(weft_tokenizer *t, const family *f, bool prefix_space)
{
    weft_normalizer *nfc = f->nfc ? weft_normalizer_step(&t->normalizer) : NULL;
    weft_splitter *bytes = weft_splitter_step(&t->splitter), *cut = bytes ? weft_splitter_step(bytes) : NULL;
    weft_decoder_step *decoder = weft_decoder_step_new(&t->decoder);
    if ((f->nfc && !nfc) || !cut || !decoder)
        return memory_is_short();
    if (nfc)
        *nfc = (weft_normalizer){.kind = WEFT_NORMALIZER_FORM, .form = WEFT_NFC};
    bytes->kind = WEFT_SPLITTER_BYTE_LEVEL;
    bytes->prefix_space = prefix_space;
    cut->kind = WEFT_SPLITTER_SPLIT;
    for (const weft_scan_row *row = weft_scans; row->name; row++)
        if (strcmp(row->name, f->scan) == 0)
            cut->scan = row->scan;
    decoder->kind = WEFT_DECODER_BYTE_LEVEL;
    return WEFT_OK;
}

static weft_status set_special(weft_tokenizer *t, const family *f, bool add_bos)
{
    int32_t end = -1, s = -1, stop = -1, other;
    weft_status status = add_special(t, "<|endoftext|>", false, &end);
    if (status == WEFT_OK)
        status = add_special(t, "<s>", false, &s);
    if (status == WEFT_OK)
        status = add_special(t, "</s>", false, &stop);
    static const char *const others[] = {"<pad>", "<unk>", "<mask>"};
    for (size_t i = 0; i < sizeof others / sizeof *others && status == WEFT_OK; i++)
        status = add_special(t, others[i], i == 2, &other);
    t->special[WEFT_TOKEN_BOS] = f->around ? s : end;
    t->special[WEFT_TOKEN_EOS] = f->around ? stop : end;
    t->special[WEFT_TOKEN_UNK] = f->around ? weft_vocabulary_find(&t->model.vocabulary, "<unk>", 5) : end;
    if (status != WEFT_OK)
        return status;
    if (f->around && s >= 0 && stop >= 0) {
        status = weft_template_spell(&t->processor.single, "C A S", s, stop);
        return status == WEFT_OK ? weft_template_spell(&t->processor.pair, "C A S S B S", s, stop) : status;
    }
    if (!add_bos || end < 0)
        return WEFT_OK;
    status = weft_template_spell(&t->processor.single, "C A", end, end);
    return status == WEFT_OK ? weft_template_spell(&t->processor.pair, "C A C1 B1", end, end) : status;
}

weft_status weft_tokenizer_from_merges(weft_json_value vocab, const char *vocab_name, const char *merges, size_t size,
                                       const char *merges_name, weft_json_value config, weft_tokenizer *t)
{
    bool prefix_space = false, add_bos = false;
    weft_merge *list = NULL;
    size_t count = 0;
    t->model.kind = WEFT_MODEL_BPE;
    t->model.bpe.unknown = -1;
    weft_status status = weft_json_take_bool(config, "tokenizer_config.json", "add_prefix_space", &prefix_space);
    if (status == WEFT_OK)
        status = weft_json_take_bool(config, "tokenizer_config.json", "add_bos_token", &add_bos);
    if (status == WEFT_OK)
        status = read_vocabulary(vocab, vocab_name, &t->model.vocabulary);
    if (status == WEFT_OK)
        status = read_merges(&t->model, merges, size, merges_name, &list, &count);
    const family *f = family_of(config, &t->model.vocabulary);
    if (status == WEFT_OK)
        status = set_byte_level(t, f, prefix_space);
    if (status == WEFT_OK)
        status = weft_bpe_finish(&t->model, list, count, weft_tokenizer_reads_bytes(t));
    free(list);
    if (status == WEFT_OK)
        status = set_special(t, f, add_bos);
    return status == WEFT_OK ? weft_tokenizer_finish(t) : status;
}

/* ---- BERT ---- */

static weft_status read_words(const char *text, size_t size, const char *name, weft_vocabulary *out)
{
    weft_status status = WEFT_OK;
    int64_t id = 0;
    for (const char *at = text, *end = text + size, *next; at < end && status == WEFT_OK; at = next, id++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        if (stop > at && stop[-1] == '\r')
            stop--;
        if (memchr(at, 0, (size_t)(stop - at)) || !weft_utf8_is_valid(at, (size_t)(stop - at)))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: line %lld is not UTF-8 text", name, (long long)id + 1);
        if (stop > at)
            status = weft_vocabulary_add(out, at, (size_t)(stop - at), id);
    }
    if (status == WEFT_OK && out->entries == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: holds no tokens; expected one a line", name);
    return status == WEFT_OK ? status : weft_fail_in(status, "%s: line %lld", name, (long long)id);
}

static weft_status set_bert(weft_tokenizer *t, weft_json_value config)
{
    static const char where[] = "tokenizer_config.json";
    weft_normalizer *n = &t->normalizer;
    weft_splitter *spaces = weft_splitter_step(&t->splitter), *marks = spaces ? weft_splitter_step(&t->splitter) : NULL;
    weft_decoder_step *decoder = weft_decoder_step_new(&t->decoder);
    char *prefix = decoder ? weft_copy_text("##", 2) : NULL;
    if (!marks || !prefix)
        return memory_is_short();
    *decoder = (weft_decoder_step){.kind = WEFT_DECODER_WORD_PIECE, .text = prefix, .length = 2, .cleanup = true};
    t->splitter.steps[0] = (weft_splitter){.kind = WEFT_SPLITTER_SPLIT, .classes = WEFT_IS_SPACE, .behavior = WEFT_SPLIT_REMOVED};
    t->splitter.steps[1] =
        (weft_splitter){.kind = WEFT_SPLITTER_SPLIT, .classes = WEFT_IS_PUNCTUATION, .behavior = WEFT_SPLIT_ISOLATED};
    n->kind = WEFT_NORMALIZER_BERT;
    n->clean_text = n->ideographs = n->lowercase = n->no_unassigned = true;
    weft_status status = weft_json_take_bool(config, where, "do_lower_case", &n->lowercase);
    n->strip_accents = n->lowercase;
    if (status == WEFT_OK)
        status = weft_json_take_bool(config, where, "strip_accents", &n->strip_accents);
    return status == WEFT_OK ? weft_json_take_bool(config, where, "tokenize_chinese_chars", &n->ideographs) : status;
}

weft_status weft_tokenizer_from_word_list(const char *bytes, size_t size, const char *name, weft_json_value config,
                                          weft_tokenizer *t)
{
    static const struct {
        const char *content;
        weft_special_token kind;
    } specials[] = {{"[UNK]", WEFT_TOKEN_UNK},
                    {"[CLS]", WEFT_TOKEN_CLS},
                    {"[SEP]", WEFT_TOKEN_SEP},
                    {"[PAD]", WEFT_TOKEN_PAD},
                    {"[MASK]", WEFT_TOKEN_MASK}};
    int32_t ids[5] = {-1, -1, -1, -1, -1};
    t->model.kind = WEFT_MODEL_WORD_PIECE;
    t->model.word_piece.longest_word = 100;
    weft_status status = read_words(bytes, size, name, &t->model.vocabulary);
    for (int i = 0; i < 5 && status == WEFT_OK; i++) {
        status = add_special(t, specials[i].content, false, &ids[i]);
        t->special[specials[i].kind] = ids[i];
    }
    t->model.word_piece.unknown = ids[0];
    if (status == WEFT_OK)
        status = weft_word_piece_finish(&t->model, "##");
    if (status == WEFT_OK)
        status = set_bert(t, config);
    if (status == WEFT_OK && ids[1] >= 0 && ids[2] >= 0) {
        status = weft_template_spell(&t->processor.single, "C A S", ids[1], ids[2]);
        if (status == WEFT_OK)
            status = weft_template_spell(&t->processor.pair, "C A S B1 S1", ids[1], ids[2]);
    }
    return status == WEFT_OK ? weft_tokenizer_finish(t) : status;
}
