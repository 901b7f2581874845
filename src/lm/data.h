/* Texts and records as tokens to learn from: documents, which of their tokens count, and rows of a batch made of them. */
#ifndef WEFT_LM_DATA_H
#define WEFT_LM_DATA_H

#include "lm/classes.h"
#include "lm/texts.h"
#include "text/template.h"
#include "weft/text.h"

/* Tokens of all documents, one after the other. Document d is [starts[d], starts[d + 1]). */
typedef struct weft_lm_data {
    int32_t *ids;
    unsigned char *learned; /* 1: the loss counts this token as a target */
    unsigned char *types;   /* token_type_ids: 1 in the second text of a pair */
    int64_t count, capacity;
    int64_t *starts;
    int64_t documents, document_capacity;
    int64_t cut;      /* documents cut at the longest length */
    int64_t left_out; /* records with nothing to learn */
    bool in_place;    /* for encoders: a place of a row is asked for its own token, masked (lm/masking.h) */
    int64_t mask_id, first_position;
    bool paired;          /* documents 2i and 2i + 1 are one example */
    bool classed;         /* a row, which is a document, is asked for its class */
    int32_t *classes;     /* of each document */
    float *targets;       /* [documents, target_count]: in place of classes */
    int64_t target_count; /* numbers that a head is asked for; 0: a class */
} weft_lm_data;

typedef struct weft_lm_data_options {
    const weft_chat_template *chat;  /* for messages, and for the others too where `prompt` is NULL; NULL: none */
    const char *prompt;              /* a template for {instruction, input, …}, its keys being variables; NULL: alpaca's */
    int64_t longest;                 /* tokens a document; 0: any */
    int64_t bos, eos;                /* put around prompt and response; −1: none */
    bool pairs;                      /* {chosen, rejected}: two documents a record */
    bool in_place;                   /* texts alone, in windows of `longest` tokens, bos and eos around each */
    int64_t mask_id, first_position; /* of windows: what masks a token, where positions begin */
    const weft_lm_classes *classes;  /* in place: of {text, text_pair, label} records; NULL: no classification */
    weft_lm_text_reader *texts;      /* what reads those */
} weft_lm_data_options;

/* A text file as one document, all of it learned. */
weft_status weft_lm_data_text(weft_lm_data *, const weft_tokenizer *, const char *path, const weft_lm_data_options *);
/* JSON lines or a list of {text}, {messages}, {prompt, completion}, {instruction, input, output}; responses alone are learned
 * (of {text} all). */
weft_status weft_lm_data_records(weft_lm_data *, const weft_tokenizer *, const char *path, const weft_lm_data_options *);
/* By the file's name: .json, .jsonl, .csv and .tsv are records, all else is text. */
weft_status weft_lm_data_read(weft_lm_data *, const weft_tokenizer *, const char *path, const weft_lm_data_options *);
void weft_lm_data_free(weft_lm_data *);
/* Cuts off the last `share` of the data: of one document its end, of several the last ones, pairs whole. */
weft_status weft_lm_data_split(weft_lm_data *, double share, weft_lm_data *tail);
/* Adds a document. */
weft_status weft_lm_data_add(weft_lm_data *, const int64_t *ids, const unsigned char *learned, int64_t count);

/* ---- Rows. A piece of n tokens is n − 1 places of a row: each sees its token and is asked for the next; or, in place, n, each
 * asked for its own. ---- */

typedef struct weft_lm_piece {
    int64_t from, count;
} weft_lm_piece;

typedef struct weft_lm_rows {
    int64_t length, count; /* places a row, rows */
    weft_lm_piece *pieces; /* of row r: [first[r], first[r + 1]) */
    int64_t *first;        /* [count + 1] */
    bool packed;           /* some row has several pieces, or, in place, what fills it up behind: each must see itself alone */
} weft_lm_rows;

/* Documents of `length` + 1 tokens and more are cut into windows, one behind the other, the rest of each a shorter one. `packed`:
 * short ones share rows (best fit, longest first); else each has a row, filled up with nothing. */
weft_status weft_lm_rows_make(const weft_lm_data *, int64_t length, bool packed, weft_lm_rows *out);
void weft_lm_rows_free(weft_lm_rows *);

/* A batch's inputs, [batch, length] each. */
typedef struct weft_lm_batch {
    int64_t *ids, *labels, *positions, *segments; /* labels of classes: [batch] */
    int64_t *types;                               /* token_type_ids; NULL: not wanted */
    float *targets;   /* of numbers [batch, target_count]; labels are then 0, or none in an empty row */
    int64_t labelled; /* how many labels count */
} weft_lm_batch;
/* Rows which[0 … batch): −1 is an empty one. Positions and segments (from 0, what is empty its own) begin anew in each piece. */
void weft_lm_rows_fill(const weft_lm_rows *, const weft_lm_data *, const int64_t *which, int64_t batch, weft_lm_batch *out);

#endif
