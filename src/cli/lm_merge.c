/* weft lm merge: an adapter worked into the weights it was trained for. */
#include "base/files.h"
#include "cli/cli.h"
#include "lm/classes.h"
#include "lm/folder.h"

#include <stdlib.h>

static const cli_positional files[] = {{"MODEL", 1, 1, "the base model's folder"}, {0}};

static const cli_option options[] = {
    {.name = "adapter",
     .value = "DIR",
     .kind = CLI_PATH,
     .help = "the adapter's folder, in PEFT's layout",
     .traits = CLI_REQUIRED},
    {.name = "out", .value = "DIR2", .kind = CLI_PATH, .help = "the merged model's folder", .traits = CLI_REQUIRED},
    {.name = "force", .kind = CLI_FLAG, .help = "write over a model in DIR2"},
    {0},
};

/* Is the base, with that problem_type, such a classifier as the adapter's head makes? */
static bool is_classifier(const weft_lm *lm, weft_lm_problem problem)
{
    weft_lm_config base = lm->config;
    return weft_lm_config_match_classifier(&base, lm->params) && base.classes == lm->config.classes &&
           problem == lm->config.problem;
}

/* config.json of the merged model: the base's, or, where the adapter makes a classifier of it, that of one. */
static weft_status merged_config(const weft_lm *lm, const char *base, const char *adapter, weft_text *out)
{
    weft_json *config = NULL;
    weft_lm_classes classes = {0};
    char *path = weft_path_join(base, "config.json"), *text = NULL;
    size_t size;
    weft_lm_problem problem = WEFT_LM_PROBLEM_UNSAID;
    weft_status status = path ? weft_json_read(path, &config) : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    if (status == WEFT_OK)
        status = weft_lm_problem_read(weft_json_root(config), path, &problem);
    if (status == WEFT_OK && (!lm->adapter->head_kinds || is_classifier(lm, problem))) {
        status = weft_file_read(path, (size_t)16 << 20, &text, &size);
        if (status == WEFT_OK)
            weft_text_add(out, "%s", text);
    } else if (status == WEFT_OK) {
        status = weft_lm_classes_open(&classes, base, adapter, lm->config.classes);
        classes.problem = lm->config.problem;
        if (status == WEFT_OK)
            status = weft_lm_classes_config(&classes, &lm->config, weft_json_root(config), out);
    }
    weft_lm_classes_free(&classes);
    weft_json_free(config);
    free(text);
    free(path);
    return status == WEFT_OK && out->failed ? weft_fail(WEFT_ERROR_MEMORY, "memory is short") : status;
}

static weft_status merge(cli_arguments *a, weft_engine *engine)
{
    const char *folder = cli_positional_at(a, 0), *out = cli_text(a, "out");
    weft_lm *lm = NULL;
    weft_params *merged = NULL;
    weft_text config = {0};
    weft_status status = cli_may_write(a, out, "model.safetensors");
    if (status == WEFT_OK)
        status = weft_lm_open(engine, folder, &(weft_lm_options){.adapter = cli_text(a, "adapter")}, &lm);
    if (status == WEFT_OK)
        status = merged_config(lm, folder, cli_text(a, "adapter"), &config);
    if (status == WEFT_OK)
        status = weft_lm_merge(lm, &merged);
    if (status == WEFT_OK)
        status = weft_lm_folder_save(out, folder, config.data, merged);
    if (status == WEFT_OK) {
        cli_say(a, "%s with %s worked in is in %s\n", folder, cli_text(a, "adapter"), out);
        cli_json_string(a, "out", out);
        cli_json_integer(a, "tensors", weft_params_count(merged));
    }
    weft_params_free(merged);
    weft_lm_free(lm);
    weft_text_free(&config);
    return status;
}

static weft_status run(cli_arguments *a)
{
    weft_engine *engine = cli_engine(a);
    return engine ? merge(a, engine) : WEFT_ERROR_MEMORY;
}

const cli_command cli_lm_merge = {
    .name = "lm",
    .action = "merge",
    .summary = "work an adapter into its base model",
    .description =
        "W + s B A of each adapted layer, computed in float32 and written in the base's type. DIR2 is a model's folder of "
        "its own, with the base's tokenizer.",
    .positionals = files,
    .options = options,
    .example = "weft lm merge stories260K --adapter tales-lora --out tales",
    .run = run,
};
