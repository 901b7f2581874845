/* Inside the trainer of byte pairs: what learning leaves and saving writes. */
#ifndef WEFT_TEXT_BPE_TRAIN_H
#define WEFT_TEXT_BPE_TRAIN_H

#include "text/bpe_words.h"
#include "text/scan.h"

struct weft_bpe_trainer {
    weft_bpe_options options; /* its texts are borrowed */
    const weft_scan_row *scan;
    weft_word_table words;
    weft_vocabulary vocabulary; /* special tokens, bytes, merges */
    int32_t bytes[256];
    weft_merge *merges;
    size_t merge_count, merge_room;
};

#endif
