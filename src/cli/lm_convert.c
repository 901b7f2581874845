/* weft lm convert: a model of another program's as a folder. */
#include "cli/cli.h"
#include "lm/folder.h"
#include "lm/llama2c.h"
#include "weft/text.h"

static const cli_positional files[] = {{"MODEL.bin", 1, 1, "a model file of llama2.c's, in its first format"}, {0}};

static const cli_option options[] = {
    {.name = "tokenizer",
     .value = "PATH",
     .kind = CLI_PATH,
     .help = "the model's tokenizer: a folder, or a file such as tokenizer.bin",
     .traits = CLI_REQUIRED},
    {.name = "out", .value = "DIR", .kind = CLI_PATH, .help = "the folder to write", .traits = CLI_REQUIRED},
    {.name = "force", .kind = CLI_FLAG, .help = "write over a model in DIR"},
    {0},
};

/* A token that the model has no row for could be read, but never embedded. */
static weft_status check_tokenizer(const char *path, const weft_params *params)
{
    weft_tokenizer *tokenizer = NULL;
    weft_tensor table = {0};
    weft_status status = weft_tokenizer_open(path, &tokenizer);
    if (status != WEFT_OK)
        return status;
    weft_params_get(params, "model.embed_tokens.weight", &table);
    const int64_t size = (int64_t)weft_tokenizer_size(tokenizer);
    weft_tokenizer_free(tokenizer);
    return size <= table.dims.size[0]
               ? WEFT_OK
               : weft_fail(WEFT_ERROR_FORMAT, "%s: a vocabulary of %lld tokens, the model has rows for %lld", path,
                           (long long)size, (long long)table.dims.size[0]);
}

static weft_status run(cli_arguments *a)
{
    const char *path = cli_positional_at(a, 0), *out = cli_text(a, "out"), *tokenizer = cli_text(a, "tokenizer");
    weft_text config = {0};
    weft_params *params = NULL;
    weft_status status = cli_may_write(a, out, "model.safetensors");
    if (status == WEFT_OK)
        status = weft_llama2c_open(path, &config, &params);
    if (status == WEFT_OK)
        status = check_tokenizer(tokenizer, params);
    if (status == WEFT_OK)
        status = weft_lm_folder_save(out, tokenizer, config.data, params);
    if (status == WEFT_OK) {
        cli_say(a, "%s is in %s, %lld tensors\n", path, out, (long long)weft_params_count(params));
        cli_json_string(a, "out", out);
        cli_json_integer(a, "tensors", weft_params_count(params));
    }
    weft_params_free(params);
    weft_text_free(&config);
    return status;
}

const cli_command cli_lm_convert = {
    .name = "lm",
    .action = "convert",
    .summary = "make a folder of a model of llama2.c's",
    .description = "Reads model.bin as llama2.c's export writes it with --version 0, and writes config.json, model.safetensors "
                   "(F32) and the tokenizer's files in Hugging Face's layout.",
    .positionals = files,
    .options = options,
    .example = "weft lm convert stories260K.bin --tokenizer tok512.bin --out stories260K",
    .run = run,
};
