/* weft run: any model of the registry on tensors from a file. */
#include "cli/cli.h"
#include "registry/registry.h"

#include <stdio.h>
#include <string.h>

static const cli_positional files[] = {
    {"MODEL_DIR", 1, 1, "a model's folder"}, {"INPUTS.safetensors", 1, 1, "the model's inputs by name"}, {0}};

static const cli_option options[] = {
    {.name = "out", .value = "OUT.safetensors", .kind = CLI_PATH, .help = "where the outputs go", .traits = CLI_REQUIRED},
    {.name = "tap", .value = "NAME", .kind = CLI_LIST, .help = "also keep these intermediates", .traits = CLI_WORDS},
    {.name = "grad",
     .value = "NAME",
     .kind = CLI_LIST,
     .help = "also the gradient of the sum over NAME's elements, by every parameter and floating-point input",
     .traits = CLI_WORDS},
    {.name = "train", .kind = CLI_FLAG, .help = "batch norms use the batch's statistics"},
    {.name = "adapter", .value = "DIR", .kind = CLI_PATH, .help = "an adapter applied unmerged (language models)"},
    {.name = "dtype",
     .value = "TYPE",
     .kind = CLI_CHOICE,
     .choices = "f32|f64|bf16",
     .otherwise = "f32",
     .help = "type of the computation"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over OUT"},
    {0},
};

static weft_status report(cli_arguments *a, const weft_arrays *out, const char *path)
{
    weft_json_writer *w = cli_json(a);
    weft_json_add_key(w, "outputs");
    weft_json_open_list(w);
    for (int64_t i = 0; i < weft_arrays_count(out); i++) {
        weft_array one = weft_arrays_at(out, i);
        char dims[WEFT_DIMS_TEXT];
        cli_say(a, "%-32s %-5s %s\n", one.name, weft_dtype_name(one.tensor.dtype), weft_dims_text(one.tensor.dims, dims));
        weft_json_open_object(w);
        weft_json_add_key(w, "name");
        weft_json_add_string(w, one.name);
        weft_json_add_key(w, "shape");
        weft_json_open_list(w);
        for (int k = 0; k < one.tensor.dims.rank; k++)
            weft_json_add_integer(w, one.tensor.dims.size[k]);
        weft_json_close_list(w);
        weft_json_add_key(w, "dtype");
        weft_json_add_string(w, weft_dtype_name(one.tensor.dtype));
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
    return weft_safetensors_save(out, path);
}

static weft_status run(cli_arguments *a)
{
    const char *path = cli_text(a, "out"), *dtype = cli_text(a, "dtype");
    weft_model *model = NULL;
    weft_arrays *inputs = NULL, *out = NULL;
    weft_engine *engine = cli_engine(a);
    weft_status status = engine ? cli_may_write(a, path, NULL) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK)
        status = weft_model_open(cli_positional_at(a, 0), &model);
    if (status == WEFT_OK && cli_text(a, "adapter") && !weft_model_takes_adapter(model))
        status = weft_fail(WEFT_ERROR_UNSUPPORTED, "--adapter: a %s model takes no adapter", weft_model_type_name(model));
    if (status == WEFT_OK)
        status = weft_safetensors_open(cli_positional_at(a, 1), &inputs);
    if (status == WEFT_OK)
        status = weft_arrays_new(&out);
    if (status == WEFT_OK) {
        weft_run_request request = {.inputs = inputs,
                                    .adapter = cli_text(a, "adapter"),
                                    .train = cli_flag(a, "train"),
                                    .bf16 = strcmp(dtype, "bf16") == 0,
                                    .dtype = strcmp(dtype, "f64") == 0 ? WEFT_F64 : WEFT_F32};
        request.tap_count = cli_list(a, "tap", &request.taps);
        request.grad_count = cli_list(a, "grad", &request.grads);
        status = weft_model_run(model, engine, &request, out);
    }
    if (status == WEFT_OK)
        status = report(a, out, path);
    weft_arrays_free(out);
    weft_arrays_free(inputs);
    weft_model_free(model);
    return status;
}

const cli_command cli_run = {
    .name = "run",
    .summary = "evaluate a model on tensors from a file",
    .description =
        "Inputs are tensors of the INPUTS file, named as \"weft info MODEL_DIR\" lists them. The model's outputs are always "
        "written. "
        "With --grad NAME, OUT also holds grad.PARAMETER and grad.INPUT: the gradient of the sum over NAME's elements, weighted "
        "by the input cotangent.NAME where there is one; several add up.",
    .positionals = files,
    .options = options,
    .example = "weft run houses inputs.safetensors --out outputs.safetensors --tap keys probs --grad loss --dtype f64",
    .run = run,
};
