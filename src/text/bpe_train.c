/* Learning byte pairs: words are counted once; then each merge changes only the words that have the pair, and the counts of the
 * pairs beside it. */
#include <stdlib.h>

#include "base/utf8.h"
#include "text/bpe_train.h"
#include "text/normalizer.h"

#define MOST_WORDS  (8u << 20)
#define MOST_LENGTH (1u << 20) /* bytes of a word: longer ones (no text of a language has them) are cut */

weft_status weft_bpe_trainer_new(const weft_bpe_options *options, weft_bpe_trainer **out)
{
    *out = NULL;
    const weft_scan_row *row = weft_scans;
    const char *pattern = options->pattern ? options->pattern : row->name;
    while (row->name && strcmp(row->name, pattern) != 0)
        row++;
    if (!row->name)
        return weft_fail(WEFT_ERROR_ARGUMENT, "unknown pattern \"%.40s\"; known are gpt2, llama3, qwen2", pattern);
    int64_t least = 256 + options->special_count;
    if (options->vocabulary < least || options->vocabulary > WEFT_MOST_TOKENS)
        return weft_fail(WEFT_ERROR_ARGUMENT, "a vocabulary of %lld tokens; with %d special tokens it has %lld to %d",
                         (long long)options->vocabulary, options->special_count, (long long)least, WEFT_MOST_TOKENS);
    weft_bpe_trainer *t = calloc(1, sizeof *t);
    if (!t)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    t->options = *options;
    t->scan = row;
    weft_status status = WEFT_OK;
    for (int i = 0; i < options->special_count && status == WEFT_OK; i++) {
        const char *token = options->special[i];
        size_t length = strlen(token);
        if (length == 0 || length > 1000 || !weft_utf8_is_valid(token, length))
            status = weft_fail(WEFT_ERROR_ARGUMENT, "special token %d is empty, too long or not UTF-8", i + 1);
        else if (weft_vocabulary_find(&t->vocabulary, token, length) >= 0)
            status = weft_fail(WEFT_ERROR_ARGUMENT, "special token \"%s\" is given twice", token);
        else
            status = weft_vocabulary_add(&t->vocabulary, token, length, i);
    }
    /* the bytes, in the order of their letters */
    for (uint32_t letter = 0; letter < 0x200 && status == WEFT_OK; letter++) {
        char text[4];
        int byte = weft_byte_of_letter(letter);
        size_t length = weft_utf8_put(letter, text);
        if (byte < 0)
            continue;
        t->bytes[byte] = weft_vocabulary_find(&t->vocabulary, text, length);
        if (t->bytes[byte] < 0) {
            t->bytes[byte] = t->vocabulary.count;
            status = weft_vocabulary_add(&t->vocabulary, text, length, t->bytes[byte]);
        }
    }
    if (status != WEFT_OK) {
        weft_bpe_trainer_free(t);
        return status;
    }
    *out = t;
    return WEFT_OK;
}

void weft_bpe_trainer_free(weft_bpe_trainer *t)
{
    if (!t)
        return;
    weft_vocabulary_free(&t->vocabulary);
    weft_word_table_free(&t->words);
    free(t->merges);
    free(t);
}

weft_status weft_bpe_trainer_add(weft_bpe_trainer *t, const char *text, size_t length)
{
    weft_text repaired = {0};
    if (!weft_utf8_is_valid(text, length)) {
        weft_utf8_repair(text, length, &repaired);
        text = repaired.data;
        length = repaired.length;
    }
    bool fits = !repaired.failed;
    int64_t seen = 0;
    for (const char *at = text, *end = text + length; fits && at < end;) {
        size_t word = t->scan->scan(at, end);
        if (word > MOST_LENGTH)
            for (word = MOST_LENGTH; ((unsigned char)at[word] & 0xC0) == 0x80;)
                word--;
        fits = weft_word_table_add(&t->words, at, word, 1);
        if (fits && t->words.count > MOST_WORDS)
            fits = weft_word_table_prune(&t->words, MOST_WORDS / 2);
        at += word;
        if ((++seen & 0xFFFFF) == 0 && weft_interrupted())
            break;
    }
    weft_text_free(&repaired);
    if (!fits)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for %u different words", t->words.count);
    return weft_interrupted() ? weft_fail(WEFT_ERROR_INTERRUPTED, "stopped") : WEFT_OK;
}

/* ---- learning ---- */

typedef struct learning {
    weft_bpe_trainer *trainer;
    int32_t *symbols; /* of all words */
    size_t *begin;    /* [words] */
    uint32_t *length; /* [words]: shrinks as pairs merge */
    weft_pair_table pairs;
    uint32_t *touched; /* pairs whose counts have grown in this merge */
    size_t touched_count, touched_room;
} learning;

static bool count_words(learning *l)
{
    const weft_word_table *w = &l->trainer->words;
    l->symbols = malloc((w->size + 1) * sizeof *l->symbols);
    l->begin = malloc(((size_t)w->count + 1) * sizeof *l->begin);
    l->length = malloc(((size_t)w->count + 1) * sizeof *l->length);
    bool fits = l->symbols && l->begin && l->length;
    for (uint32_t i = 0; fits && i < w->count; i++) {
        l->begin[i] = w->at[i];
        l->length[i] = (uint32_t)(w->at[i + 1] - w->at[i]);
        for (size_t k = w->at[i]; k < w->at[i + 1]; k++)
            l->symbols[k] = l->trainer->bytes[(uint8_t)w->bytes[k]];
        for (size_t k = w->at[i]; fits && k + 1 < w->at[i + 1]; k++)
            fits = weft_pair_table_count(&l->pairs, l->symbols[k], l->symbols[k + 1], w->counts[i], i);
    }
    for (uint32_t p = 0; fits && p < l->pairs.count; p++)
        fits = weft_pair_table_push(&l->pairs, p);
    return fits;
}

static bool grow_pair(learning *l, int32_t left, int32_t right, int64_t more, uint32_t word)
{
    if (!weft_pair_table_count(&l->pairs, left, right, more, word))
        return false;
    uint32_t *touched = weft_work_room(l->touched, &l->touched_room, l->touched_count + 1, sizeof *touched);
    if (!touched)
        return false;
    l->touched = touched;
    uint32_t place = weft_pair_table_place(&l->pairs, left, right);
    if (l->touched_count == 0 || touched[l->touched_count - 1] != place)
        touched[l->touched_count++] = place;
    return true;
}

/* Every (left, right) of a word becomes `result`, from left to right. */
static bool merge_word(learning *l, uint32_t word, int32_t left, int32_t right, int32_t result)
{
    int32_t *s = l->symbols + l->begin[word];
    uint32_t length = l->length[word], kept = 0;
    int64_t count = l->trainer->words.counts[word];
    bool fits = true;
    for (uint32_t i = 0; i < length && fits; i++) {
        if (i + 1 == length || s[i] != left || s[i + 1] != right) {
            s[kept++] = s[i];
            continue;
        }
        if (kept > 0)
            fits = weft_pair_table_count(&l->pairs, s[kept - 1], left, -count, word) &&
                   grow_pair(l, s[kept - 1], result, count, word);
        if (fits && i + 2 < length)
            fits = weft_pair_table_count(&l->pairs, right, s[i + 2], -count, word) && grow_pair(l, result, s[i + 2], count, word);
        s[kept++] = result;
        i++;
    }
    l->length[word] = kept;
    return fits;
}

/* The token that a pair becomes: a new one, or one that is spelled the same. */
static weft_status join(weft_bpe_trainer *t, int32_t left, int32_t right, int32_t *result)
{
    weft_text text = {0};
    const int32_t ids[] = {left, right};
    for (int i = 0; i < 2; i++) {
        size_t length;
        const char *token = weft_vocabulary_token(&t->vocabulary, ids[i], &length);
        weft_text_bytes(&text, token, length);
    }
    weft_status status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "memory is short") : WEFT_OK;
    if (status == WEFT_OK) {
        *result = weft_vocabulary_find(&t->vocabulary, text.data, text.length);
        if (*result < 0) {
            *result = t->vocabulary.count;
            status = weft_vocabulary_add(&t->vocabulary, text.data, text.length, *result);
        }
    }
    weft_text_free(&text);
    return status;
}

static weft_status merge_pair(learning *l, uint32_t place)
{
    weft_bpe_trainer *t = l->trainer;
    uint64_t key = l->pairs.pairs[place].key;
    int32_t left = (int32_t)(key >> 32), right = (int32_t)(uint32_t)key, result;
    weft_status status = join(t, left, right, &result);
    weft_merge *merges = status == WEFT_OK ? weft_work_room(t->merges, &t->merge_room, t->merge_count + 1, sizeof *merges) : NULL;
    if (!merges)
        return status == WEFT_OK ? weft_fail(WEFT_ERROR_MEMORY, "memory is short") : status;
    t->merges = merges;
    merges[t->merge_count++] = (weft_merge){left, right, result, (uint32_t)t->merge_count};
    uint32_t *words = l->pairs.pairs[place].words, count = l->pairs.pairs[place].word_count;
    l->pairs.pairs[place].words = NULL; /* the table may move while words are merged */
    l->pairs.pairs[place].word_count = l->pairs.pairs[place].word_room = 0;
    bool fits = true;
    l->touched_count = 0;
    for (uint32_t i = 0; i < count && fits; i++)
        fits = merge_word(l, words[i], left, right, result);
    free(words);
    l->pairs.pairs[place].count = 0;
    for (size_t i = 0; i < l->touched_count && fits; i++)
        if (l->pairs.pairs[l->touched[i]].count > 0)
            fits = weft_pair_table_push(&l->pairs, l->touched[i]);
    return fits ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short for %u pairs", l->pairs.count);
}

weft_status weft_bpe_trainer_learn(weft_bpe_trainer *t)
{
    learning l = {.trainer = t};
    int64_t least = t->options.least_count > 0 ? t->options.least_count : 2;
    weft_status status = WEFT_OK;
    if (t->words.forgotten)
        weft_log(WEFT_LOG_WARNING, "words that occur up to %lld times may have been left out: there are too many different ones",
                 (long long)t->words.forgotten);
    if (!count_words(&l))
        status = weft_fail(WEFT_ERROR_MEMORY, "memory is short for %u different words", t->words.count);
    uint32_t place;
    while (status == WEFT_OK && t->vocabulary.count < t->options.vocabulary && weft_pair_table_pop(&l.pairs, &place)) {
        if (l.pairs.pairs[place].count < least)
            break;
        status = merge_pair(&l, place);
        if (status == WEFT_OK && weft_interrupted())
            status = weft_fail(WEFT_ERROR_INTERRUPTED, "stopped");
        if (t->options.progress)
            t->options.progress(t->options.user, t->vocabulary.count, t->options.vocabulary);
    }
    weft_pair_table_free(&l.pairs);
    free(l.symbols);
    free(l.begin);
    free(l.length);
    free(l.touched);
    return status;
}

int64_t weft_bpe_trainer_size(const weft_bpe_trainer *t)
{
    return t->vocabulary.count;
}

int64_t weft_bpe_trainer_words(const weft_bpe_trainer *t)
{
    return t->words.count;
}
