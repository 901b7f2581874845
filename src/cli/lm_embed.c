/* weft lm embed: a vector for each text. */
#include "base/files.h"
#include "cli/lm_examples.h"
#include "io/io.h"

#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {{"MODEL", 1, 1, "a model's folder"}, {0}};

static const cli_option options[] = {
    CLI_LM_EXAMPLE_OPTIONS,
    {.name = "out", .value = "V", .kind = CLI_PATH, .help = "the vectors: V.npy, V.safetensors, V.csv or V.jsonl"},
    {.name = "pooling",
     .value = "KIND",
     .kind = CLI_CHOICE,
     .choices = "mean|cls|last|max|pooler",
     .help = "how tokens become a text: their mean, the first, the last, the largest of each number, or BERT's pooler (default: "
             "what 1_Pooling/config.json says, else mean)"},
    {.name = "normalize",
     .value = "ON",
     .kind = CLI_CHOICE,
     .choices = "yes|no",
     .help = "to length 1 (default: what modules.json says, else yes)"},
    {.name = "prefix", .value = "TEXT", .kind = CLI_TEXT, .help = "put in front of each text, as \"query: \" for some models"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over V"},
    CLI_LM_MODEL_OPTIONS,
    {0},
};

/* Texts that go through the model together. */
enum { TEXTS_AT_ONCE = 1024 };

typedef enum format { NPY, SAFETENSORS, CSV, JSONL, FORMATS } format;
static const char *const endings[FORMATS] = {".npy", ".safetensors", ".csv", ".jsonl"};

/* As --pooling spells them. */
static const char *const poolings[] = {[WEFT_LM_POOL_MEAN] = "mean",
                                       [WEFT_LM_POOL_FIRST] = "cls",
                                       [WEFT_LM_POOL_LAST] = "last",
                                       [WEFT_LM_POOL_MAX] = "max",
                                       [WEFT_LM_POOL_POOLER] = "pooler"};
enum { POOLINGS = sizeof poolings / sizeof poolings[0] };

typedef struct job {
    cli_arguments *arguments;
    cli_lm_examples examples;
    int64_t width, rows, capacity;
    double *numbers; /* [TEXTS_AT_ONCE, width] */
    float *vectors;  /* [rows, width] */
} job;

static weft_status short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "embed: memory is short");
}

static format format_of(const char *path)
{
    const size_t length = strlen(path);
    int f = 0;
    while (f < FORMATS && (length <= strlen(endings[f]) || strcmp(path + length - strlen(endings[f]), endings[f]) != 0))
        f++;
    return (format)f;
}

/* Adds the vectors of the texts at hand. */
static weft_status flush(job *j)
{
    const int64_t count = weft_lm_reader_count(j->examples.reader), n = j->width;
    if (count == 0)
        return WEFT_OK;
    if (j->rows + count > j->capacity) {
        const int64_t capacity = 2 * j->capacity + count;
        float *vectors = realloc(j->vectors, (size_t)capacity * (size_t)n * sizeof *vectors);
        if (!vectors)
            return short_of_memory();
        j->vectors = vectors;
        j->capacity = capacity;
    }
    const weft_status status = cli_lm_examples_run(&j->examples, j->numbers);
    for (int64_t i = 0; i < count * n && status == WEFT_OK; i++)
        j->vectors[j->rows * n + i] = (float)j->numbers[i];
    j->rows += count;
    return status;
}

static weft_status add(void *user, weft_json_value record, const char *where)
{
    job *j = user;
    weft_status status = cli_lm_examples_add(&j->examples, record, cli_text(j->arguments, "prefix"), where);
    return status == WEFT_OK && weft_lm_reader_count(j->examples.reader) == TEXTS_AT_ONCE ? flush(j) : status;
}

/* ---- the result ---- */

static void add_vector(const job *j, int64_t row, weft_json_writer *w)
{
    weft_json_open_list(w);
    for (int64_t k = 0; k < j->width; k++)
        weft_json_add_float(w, j->vectors[row * j->width + k]);
    weft_json_close_list(w);
}

static void add_line(const job *j, int64_t row, format f, weft_text *line)
{
    weft_json_writer w = weft_json_to(line, 0);
    if (f == JSONL) {
        weft_json_open_object(&w);
        weft_json_add_key(&w, "embedding");
        add_vector(j, row, &w);
        weft_json_close_object(&w);
    }
    for (int64_t k = 0; f == CSV && k < j->width; k++) {
        weft_text_add(line, "%s", k ? "," : "");
        w = weft_json_to(line, 0);
        weft_json_add_float(&w, j->vectors[row * j->width + k]);
    }
    weft_text_add(line, "\n");
}

static weft_status write_lines(const job *j, const char *path, format f)
{
    weft_output *file;
    weft_text line = {0};
    weft_status status = weft_output_open(path, &file);
    if (status != WEFT_OK)
        return status;
    for (int64_t k = 0; f == CSV && k < j->width; k++)
        weft_text_add(&line, "%se%lld%s", k ? "," : "", (long long)k, k + 1 == j->width ? "\n" : "");
    for (int64_t i = -(f == CSV); i < j->rows && status == WEFT_OK; i++) { /* row -1 is the header */
        if (i >= 0) {
            line.length = 0;
            add_line(j, i, f, &line);
        }
        status = line.failed ? short_of_memory() : weft_output_write(file, line.data, line.length);
    }
    weft_text_free(&line);
    if (status == WEFT_OK)
        return weft_output_commit(file);
    weft_output_abandon(file);
    return status;
}

static weft_status save(const job *j, const char *path)
{
    const format f = format_of(path);
    const weft_tensor vectors = {j->vectors, WEFT_F32, DIMS(j->rows, j->width)};
    weft_arrays *set = NULL;
    if (f == CSV || f == JSONL)
        return write_lines(j, path, f);
    if (f == NPY)
        return weft_npy_save(vectors, path);
    weft_status status = weft_arrays_new(&set);
    if (status == WEFT_OK)
        status = weft_arrays_add(set, "embeddings", vectors);
    if (status == WEFT_OK)
        status = weft_safetensors_save(set, path);
    weft_arrays_free(set);
    return status;
}

static void tell(job *j, const char *out)
{
    cli_arguments *a = j->arguments;
    const char *pooling = poolings[weft_lm_reader_pooling(j->examples.reader)];
    const bool unit = weft_lm_reader_is_unit(j->examples.reader);
    cli_json_integer(a, "rows", j->rows);
    cli_json_integer(a, "width", j->width);
    cli_json_string(a, "pooling", pooling);
    cli_json_bool(a, "normalized", unit);
    if (out) {
        cli_say(a, "%lld vectors of %lld numbers in %s (pooling: %s%s)\n", (long long)j->rows, (long long)j->width, out, pooling,
                unit ? ", length 1" : "");
        return;
    }
    weft_json_add_key(cli_json(a), "results");
    weft_json_open_list(cli_json(a));
    for (int64_t i = 0; i < j->rows; i++) {
        weft_json_open_object(cli_json(a));
        weft_json_add_key(cli_json(a), "embedding");
        add_vector(j, i, cli_json(a));
        weft_json_close_object(cli_json(a));
    }
    weft_json_close_list(cli_json(a));
}

static weft_status open_model(job *j)
{
    cli_arguments *a = j->arguments;
    const char *wanted = cli_text(a, "pooling"), *normalize = cli_text(a, "normalize");
    weft_lm_reader_options said = {.unit = normalize && strcmp(normalize, "yes") == 0,
                                   .raw = normalize && strcmp(normalize, "no") == 0};
    for (int i = WEFT_LM_POOL_MEAN; wanted && i < POOLINGS; i++)
        if (strcmp(wanted, poolings[i]) == 0)
            said.pooling = (weft_lm_pooling)i;
    weft_status status = cli_lm_examples_open(a, weft_lm_embedder_open, said, &j->examples);
    j->width = status == WEFT_OK ? weft_lm_reader_size(j->examples.reader) : 0;
    if (status == WEFT_OK && !(j->numbers = malloc((size_t)(TEXTS_AT_ONCE * j->width) * sizeof *j->numbers)))
        status = short_of_memory();
    return status;
}

static weft_status embed(job *j)
{
    cli_arguments *a = j->arguments;
    const char *out = cli_text(a, "out");
    weft_status status = out ? cli_may_write(a, out, NULL) : WEFT_OK;
    if (status == WEFT_OK)
        status = open_model(j);
    if (status == WEFT_OK)
        status = cli_lm_examples_read(a, add, j);
    if (status == WEFT_OK)
        status = flush(j);
    if (status == WEFT_OK)
        status = cli_lm_examples_finish(&j->examples);
    if (status == WEFT_OK && out)
        status = save(j, out);
    if (status == WEFT_OK)
        tell(j, out);
    return status;
}

static weft_status run(cli_arguments *a)
{
    job j = {.arguments = a};
    const char *out = cli_text(a, "out");
    weft_status status = cli_lm_examples_check(a);
    if (status == WEFT_OK && !out && !cli_wants_json(a))
        status = cli_misuse(a, "say where the vectors go: --out V.npy, or --json");
    if (status == WEFT_OK && out && format_of(out) == FORMATS)
        status = cli_misuse(a, "--out %s: expected a name that ends in .npy, .safetensors, .csv or .jsonl", out);
    if (status == WEFT_OK)
        status = embed(&j);
    cli_lm_examples_close(&j.examples);
    free(j.numbers);
    free(j.vectors);
    return status;
}

const cli_command cli_lm_embed = {
    .name = "lm",
    .action = "embed",
    .summary = "turn texts into vectors",
    .description = "A text's vector is made of the last layer's vectors of its tokens (of a decoder behind the final norm): "
                   "their mean unless the "
                   "folder or --pooling says otherwise, and of length 1, so that a product of two is their cosine. Folders of "
                   "sentence-transformers are followed: modules.json, 1_Pooling/config.json and the longest text of "
                   "sentence_bert_config.json.\n\n"
                   "Texts are records {text}, pairs {text, text_pair}, or lines. V.npy is an array [texts, width] of F32, "
                   "V.safetensors has it as "
                   "embeddings, V.csv has a column a number, V.jsonl a line {\"embedding\": […]} a text.\n\n"
                   "Neither --batch-size nor the texts beside it change a text's vector.",
    .positionals = files,
    .options = options,
    .example = "weft lm embed all-MiniLM-L6-v2 --data sentences.txt --out vectors.npy\n"
               "weft lm embed e5-small --data questions.jsonl --prefix \"query: \" --out questions.safetensors\n"
               "weft lm embed bert-base-uncased --text \"Once upon a time\" --pooling cls --json",
    .run = run,
};
