/* Bench jobs on tokenizers: a text in one call, on one thread. Tokenizers and texts are files of the user's (--text). */
#include "cli/bench.h"

#include <stdlib.h>

#include "base/files.h"
#include "weft/text.h"

/* By size[0]: the tokenizer in the folder, "" for the folder itself (encoder.json and vocab.bpe). */
static const char *const tokenizers[] = {"", "llama2-tokenizer.model", "bert-base-uncased-vocab.txt"};

enum { MOST_TEXT = 256 << 20 };

typedef struct text_run {
    weft_tokenizer *tokenizer;
    weft_encoding *encoding;
    char *text;
    size_t size;
} text_run;

static void close_text(void *self)
{
    text_run *r = self;
    weft_encoding_free(r->encoding);
    weft_tokenizer_free(r->tokenizer);
    free(r->text);
    free(r);
}

static weft_status open_text(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    text_run *r = calloc(1, sizeof *r);
    char *tokenizer = weft_path_join(c->text, tokenizers[job->size[0]]), *text = weft_path_join(c->text, "tinyshakespeare.txt");
    *self = r;
    weft_status status = r && tokenizer && text ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
    if (status == WEFT_OK)
        status = weft_tokenizer_open(tokenizer, &r->tokenizer);
    if (status == WEFT_OK)
        status = weft_encoding_new(r->tokenizer, &r->encoding);
    if (status == WEFT_OK)
        status = weft_file_read(text, MOST_TEXT, &r->text, &r->size);
    if (status == WEFT_OK)
        out->bytes = (double)r->size;
    free(tokenizer);
    free(text);
    return status;
}

static weft_status call_text(void *self)
{
    text_run *r = self;
    return weft_encode(r->encoding, r->text, r->size, NULL);
}

const bench_job bench_text[] = {
    {"tokenize_gpt2", {0}, open_text, call_text, close_text},
    {"tokenize_llama2", {1}, open_text, call_text, close_text},
    {"tokenize_bert", {2}, open_text, call_text, close_text},
    {0},
};
