/* Token models: from a piece of text to ids (`model` of tokenizer.json). Read only once made; what a call writes while it works
 * stands in weft_model_work, one a thread. */
#ifndef WEFT_TEXT_MODEL_H
#define WEFT_TEXT_MODEL_H

#include "text/spelling.h"
#include "text/trie.h"
#include "text/vocabulary.h"

/* Ids as they come, and, where traced, the bytes of the original text that each stands for. */
typedef struct weft_tokens {
    int64_t *ids;
    weft_range *ranges; /* NULL when not traced */
    size_t count, capacity;
    bool traced, failed;
} weft_tokens;

void weft_tokens_free(weft_tokens *);
bool weft_tokens_reserve(weft_tokens *, size_t more);

static inline void weft_tokens_add(weft_tokens *t, int32_t id, weft_span span, size_t begin, size_t end)
{
    if (t->count == t->capacity && !weft_tokens_reserve(t, 1))
        return;
    if (t->traced)
        t->ranges[t->count] = weft_span_range(span, begin, end);
    t->ids[t->count++] = id;
}

/* ---- byte pairs ---- */

typedef struct weft_merge {
    int32_t left, right; /* symbols */
    int32_t result;
    uint32_t rank; /* the lowest goes first; of equal ones the leftmost */
} weft_merge;

/* Characters that stand side by side in the result of some merge. Between two that do not, no merge ever reaches: a long piece
 * may be cut there, and its parts encoded one by one. */
enum { WEFT_NEAR = 129 }; /* ASCII, and ▁ as the last: their pairs have a table */
typedef struct weft_bpe_neighbours {
    bool near[WEFT_NEAR][WEFT_NEAR];
    uint64_t *far; /* hash table of the other pairs; 0: an empty slot */
    uint64_t mask;
    bool anywhere; /* characters without a symbol become bytes, so that pieces may be cut beside them, too */
} weft_bpe_neighbours;

bool weft_bpe_may_join(const weft_bpe_neighbours *, uint32_t left, uint32_t right);
void weft_bpe_neighbours_free(weft_bpe_neighbours *);

typedef struct weft_bpe {
    weft_merge *merges; /* hash table by (left, right); result -1: an empty slot */
    uint64_t mask;
    int32_t bytes[256]; /* the symbol that a byte begins as, for pieces of bytes; -1: none */
    int32_t ascii[128]; /* the same for characters */
    struct weft_bpe_letter {
        uint32_t code; /* 0: an empty slot */
        int32_t symbol;
    } * letters; /* hash table of the other characters */
    uint32_t letter_mask;
    int32_t symbols; /* ids of the vocabulary, and above them characters that are only part of tokens */
    int32_t token_count;
    int32_t fallback[256]; /* byte_fallback: the tokens <0xHH>; -1: none */
    int32_t unknown;       /* -1: unknown characters are dropped */
    bool byte_fallback, fuse_unknown, whole_pieces /* ignore_merges */, reads_bytes;
    char *prefix, *suffix;                  /* continuing_subword_prefix, end_of_word_suffix; NULL: none */
    struct weft_bpe_neighbours *neighbours; /* which characters stand side by side in a token; NULL: pieces are not cut */
} weft_bpe;

/* ---- the others ---- */

typedef struct weft_unigram {
    weft_trie pieces;
    double *scores; /* [token count] */
    double unknown_score;
    int32_t unknown; /* -1: none */
    bool byte_fallback;
    bool float_sums; /* sums of scores are float32, as in the sentencepiece library; tokenizers' are float64 */
    int32_t fallback[256];
} weft_unigram;

typedef struct weft_word_piece {
    weft_trie first, rest; /* tokens, and tokens without their continuing prefix */
    int32_t unknown;
    int64_t longest_word; /* characters */
} weft_word_piece;

typedef enum weft_model_kind { WEFT_MODEL_BPE, WEFT_MODEL_UNIGRAM, WEFT_MODEL_WORD_PIECE, WEFT_MODEL_WORD_LEVEL } weft_model_kind;

typedef struct weft_token_model {
    weft_model_kind kind;
    weft_vocabulary vocabulary;
    union {
        weft_bpe bpe;
        weft_unigram unigram;
        weft_word_piece word_piece;
        int32_t unknown; /* WORD_LEVEL */
    };
} weft_token_model;

void weft_token_model_free(weft_token_model *);

/* ---- working ---- */

enum { WEFT_CACHED_BYTES = 22, WEFT_CACHED_IDS = 10, WEFT_CACHE_ENTRIES = 1 << 14 };

/* A short piece and its ids, in one line of the processor's cache. */
typedef struct weft_cache_entry {
    uint8_t length, count; /* length 0: empty */
    char text[WEFT_CACHED_BYTES];
    int32_t ids[WEFT_CACHED_IDS];
} weft_cache_entry;

typedef struct weft_symbol {
    int32_t id, result; /* itself; what it and the next become */
    uint32_t begin;     /* byte in the piece */
    uint32_t rank;      /* of the pair with the next; UINT32_MAX: none */
    uint32_t before, next;
} weft_symbol;

typedef struct weft_model_work {
    weft_cache_entry *cache; /* [WEFT_CACHE_ENTRIES] */
    weft_symbol *symbols;
    uint64_t *heap;
    size_t symbol_room, heap_room, heap_count;
    struct weft_lattice_node *nodes;
    size_t node_room;
    uint32_t *path;
    size_t path_room;
} weft_model_work; /* zero-initialise; belongs to one model */

void weft_model_work_free(weft_model_work *);

/* `items`, which has room for *room of `size` bytes, or a larger block in its place; NULL, and items as they were, when memory
 * is short. */
void *weft_work_room(void *items, size_t *room, size_t count, size_t size);

/* The ids of a piece, which is valid UTF-8 (byte pairs that read bytes take any bytes). */
weft_status weft_model_encode(const weft_token_model *, weft_model_work *, weft_span piece, weft_tokens *out);
weft_status weft_bpe_encode(const weft_token_model *, weft_model_work *, weft_span piece, weft_tokens *out);
weft_status weft_unigram_encode(const weft_token_model *, weft_model_work *, weft_span piece, weft_tokens *out);
weft_status weft_word_piece_encode(const weft_token_model *, weft_span piece, weft_tokens *out);

/* ---- making: the vocabulary is filled already ---- */

/* Fills fallback[256] with the tokens <0x00> … <0xFF>. */
void weft_find_byte_tokens(const weft_vocabulary *, int32_t fallback[256]);

/* `merges` [count] are pairs of ids in order of rank. `bpe` holds the settings; takes what stands in it. */
weft_status weft_bpe_finish(weft_token_model *, const weft_merge *merges, size_t count, bool letters_are_bytes);
/* The merges that SentencePiece's scores mean: two pieces merge when their joined text is a piece, the highest score first.
 * `joins` [token count]: whether a token takes part. */
weft_status weft_bpe_finish_scores(weft_token_model *, const float *scores, const bool *joins);
/* Called by both: fills neighbours, unless merges reach where the text of tokens does not tell it. */
weft_status weft_bpe_find_neighbours(weft_token_model *, const weft_merge *merges, size_t count);
weft_status weft_unigram_finish(weft_token_model *, const bool *joins);
weft_status weft_word_piece_finish(weft_token_model *, const char *prefix);

#endif
