/* weft lm tokenizer: a tokenizer learnt from text. */
#include "base/files.h"
#include "cli/lm_texts.h"
#include "weft/text.h"

#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {
    {"FILE", 1, CLI_MANY, "text to learn from; of F.jsonl the texts of {\"text\": \"…\"} a line"}, {0}};

static const cli_option options[] = {
    {.name = "vocab-size",
     .value = "N",
     .kind = CLI_INT,
     .least = 257,
     .most = 1 << 24,
     .help = "tokens in all: the 256 bytes and the special ones are among them",
     .traits = CLI_REQUIRED},
    {.name = "out", .value = "DIR", .kind = CLI_PATH, .help = "the folder that gets tokenizer.json", .traits = CLI_REQUIRED},
    {.name = "special",
     .value = "A,B",
     .kind = CLI_LIST,
     .help =
         "special tokens, which get the first ids (default: <|endoftext|>). [CLS], [SEP], [MASK] and [PAD], or <s>, </s>, <mask> "
         "and <pad>, are what they are called; else the first one ends texts"},
    {.name = "pattern",
     .value = "NAME",
     .kind = CLI_CHOICE,
     .choices = "gpt2|llama3|qwen2",
     .otherwise = "gpt2",
     .help = "how text is cut into words before pairs are counted"},
    {.name = "min-count",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1e15,
     .otherwise = "2",
     .help = "pairs that occur less often do not become tokens"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over the tokenizer in DIR"},
    {0},
};

typedef struct job {
    cli_arguments *arguments;
    weft_bpe_trainer *trainer;
    weft_progress *progress;
    int64_t bytes, texts;
} job;

static weft_status count(void *user, const char *text, size_t length, const char *where)
{
    job *j = user;
    weft_status status = weft_bpe_trainer_add(j->trainer, text, length);
    j->bytes += (int64_t)length;
    j->texts++;
    return status == WEFT_OK ? status : weft_fail_in(status, "%s", where);
}

static void tell(void *user, int64_t done, int64_t total)
{
    (void)total;
    weft_progress_update(((job *)user)->progress, done, "%s", "");
}

/* Each special token's part by its name; the first one without a part ends texts. */
static void name_parts(weft_bpe_options *o)
{
    const struct {
        const char *name;
        const char **parts[2];
    } names[] = {{"[CLS]", {&o->cls}}, {"[SEP]", {&o->sep}}, {"[MASK]", {&o->mask}},      {"<mask>", {&o->mask}},
                 {"[PAD]", {&o->pad}}, {"<pad>", {&o->pad}}, {"<s>", {&o->bos, &o->cls}}, {"</s>", {&o->eos, &o->sep}}};
    bool masked = false, first = true;
    for (int i = 0; i < o->special_count; i++)
        masked = masked || strcmp(o->special[i], "<mask>") == 0;
    for (int i = 0; i < o->special_count; i++) {
        const char *token = o->special[i];
        size_t k = 0;
        while (k < sizeof names / sizeof names[0] && strcmp(names[k].name, token) != 0)
            k++;
        if (k < sizeof names / sizeof names[0]) {
            *names[k].parts[0] = token;
            if (names[k].parts[1] && masked) /* as RoBERTa has them; elsewhere they begin and end texts alone */
                *names[k].parts[1] = token;
        } else if (first && strcmp(token, "[UNK]") != 0 && strcmp(token, "<unk>") != 0) {
            o->bos = o->bos ? o->bos : token;
            o->eos = o->eos ? o->eos : token;
            first = false;
        }
    }
}

static weft_status learn(job *j)
{
    cli_arguments *a = j->arguments;
    static const char *const ending[] = {"<|endoftext|>"};
    const char *const *special = ending, *out = cli_text(a, "out");
    int specials = cli_given(a, "special") ? cli_list(a, "special", &special) : 1;
    weft_bpe_options o = {.vocabulary = cli_int(a, "vocab-size"),
                          .least_count = cli_int(a, "min-count"),
                          .pattern = cli_text(a, "pattern"),
                          .special = special,
                          .special_count = specials,
                          .progress = tell,
                          .user = j};
    name_parts(&o);
    if (o.vocabulary < 256 + specials)
        return cli_misuse(a, "--vocab-size %lld: 256 bytes and %d special tokens are %d already", (long long)o.vocabulary,
                          specials, 256 + specials);
    weft_status status = cli_may_write(a, out, "tokenizer.json");
    if (status == WEFT_OK)
        status = weft_bpe_trainer_new(&o, &j->trainer);
    for (int i = 0; i < cli_positional_count(a) && status == WEFT_OK; i++)
        status = cli_read_texts(cli_positional_at(a, i), count, j);
    if (status != WEFT_OK)
        return status;
    j->progress = weft_progress_new(cli_progress, a, "learning", o.vocabulary, "tokens");
    status = weft_bpe_trainer_learn(j->trainer);
    weft_progress_free(j->progress);
    return status == WEFT_OK ? weft_bpe_trainer_save(j->trainer, out) : status;
}

static weft_status run(cli_arguments *a)
{
    job j = {.arguments = a};
    double begin = weft_clock();
    weft_status status = learn(&j);
    if (status == WEFT_OK) {
        int64_t size = weft_bpe_trainer_size(j.trainer), words = weft_bpe_trainer_words(j.trainer);
        if (size < cli_int(a, "vocab-size"))
            weft_log(WEFT_LOG_WARNING, "the text gives %lld tokens; no other pair occurs %lld times", (long long)size,
                     (long long)cli_int(a, "min-count"));
        cli_say(a, "%lld tokens from %lld bytes of text, %lld different words, in %.1f seconds: %s\n", (long long)size,
                (long long)j.bytes, (long long)words, weft_clock() - begin, cli_text(a, "out"));
        cli_json_integer(a, "vocabulary", size);
        cli_json_integer(a, "bytes", j.bytes);
        cli_json_integer(a, "words", words);
        cli_json_number(a, "seconds", weft_clock() - begin);
    }
    weft_bpe_trainer_free(j.trainer);
    return status;
}

const cli_command cli_lm_tokenizer_learn = {
    .name = "lm",
    .action = "tokenizer",
    .summary = "learn a tokenizer from text",
    .description =
        "A byte-level BPE, as GPT-2, Llama 3 and Qwen2 have: every text can be spelled, as the 256 bytes are tokens; "
        "again and again "
        "the pair of neighbours that occurs most often becomes a token. The same text gives the same tokenizer.\n\n"
        "DIR gets tokenizer.json and tokenizer_config.json, which Hugging Face's tokenizers and transformers read. For an "
        "encoder name [CLS], [SEP], [MASK] and [PAD] as special tokens: the first two then stand around every text.",
    .positionals = files,
    .options = options,
    .example = "weft lm tokenizer stories.txt more.jsonl --vocab-size 4096 --out stories\n"
               "weft lm tokenize stories --text \"Once upon a time\"\n"
               "weft lm tokenizer stories.txt --vocab-size 8000 --special '[PAD],[CLS],[SEP],[MASK]' --out words",
    .run = run,
};
