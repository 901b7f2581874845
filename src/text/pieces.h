/* SentencePiece models, whatever file they come from: a list of pieces and settings, made into a tokenizer. */
#ifndef WEFT_TEXT_PIECES_H
#define WEFT_TEXT_PIECES_H

#include "text/tokenizer.h"

/* SentencePiece's numbers. */
typedef enum weft_piece_type {
    WEFT_PIECE_NORMAL = 1,
    WEFT_PIECE_UNKNOWN = 2,
    WEFT_PIECE_CONTROL = 3,
    WEFT_PIECE_USER_DEFINED = 4,
    WEFT_PIECE_UNUSED = 5,
    WEFT_PIECE_BYTE = 6
} weft_piece_type;

typedef struct weft_piece {
    const char *text; /* not ended by a zero byte */
    size_t length;
    float score;
    weft_piece_type type;
} weft_piece;

typedef struct weft_piece_list {
    weft_piece *pieces; /* a piece's place is its id */
    size_t count, room;
    bool unigram; /* else byte pairs */
    bool byte_fallback, add_dummy_prefix, remove_extra_spaces, escape_spaces;
    const void *charsmap; /* precompiled; NULL: none */
    size_t charsmap_size;
    int64_t unknown, bos, eos, pad; /* ids; -1: none */
    bool add_bos, add_eos;          /* around every text */
} weft_piece_list;

weft_status weft_piece_add(weft_piece_list *, weft_piece);

/* `name` is the file's, for messages. Finishes the tokenizer. */
weft_status weft_tokenizer_from_pieces(const weft_piece_list *, const char *name, weft_tokenizer *);

/* tokenizer.model: a protobuf. `config`: tokenizer_config.json, or absent. */
weft_status weft_tokenizer_from_sentencepiece(const void *bytes, size_t size, const char *name, weft_json_value config,
                                              weft_tokenizer *);
/* tokenizer.bin of llama2.c: the longest piece's bytes, then of each piece its score, bytes and text, little-endian. */
weft_status weft_tokenizer_from_llama2c(const void *bytes, size_t size, const char *name, weft_tokenizer *);

#endif
