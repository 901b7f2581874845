/* weft info: what a model is and what it costs, from its config.json alone. */
#include "cli/cli.h"
#include "lm/presets.h"
#include "registry/registry.h"
#include "tabular/presets.h"

#include <stdio.h>
#include <string.h>

static const cli_positional files[] = {{"MODEL_DIR", 0, 1, "a model's folder; config.json is enough"}, {0}};

static const cli_option options[] = {
    {.name = "arch",
     .value = "NAME",
     .kind = CLI_CHOICE,
     .choices = WEFT_TABULAR_PRESETS "|" WEFT_LM_PRESETS,
     .help = "a preset in place of a folder"},
    {.name = "inputs",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1 << 20,
     .otherwise = "8",
     .help = "with --arch: inputs of the network"},
    {.name = "input", .value = "SHAPE", .kind = CLI_TEXT, .help = "with --arch: the same as a shape, 1x8"},
    {.name = "task",
     .value = "TASK",
     .kind = CLI_CHOICE,
     .choices = "regression|binary|multiclass",
     .otherwise = "regression",
     .help = "with --arch"},
    {.name = "classes",
     .value = "N",
     .kind = CLI_INT,
     .least = 2,
     .most = 1 << 20,
     .otherwise = "2",
     .help = "with --arch and classes: how many"},
    {0},
};

static int64_t inputs_of(cli_arguments *a)
{
    const char *shape = cli_text(a, "input"), *last = shape ? strrchr(shape, 'x') : NULL;
    long long n = 0;
    if (shape && sscanf(last ? last + 1 : shape, "%lld", &n) == 1 && n > 0)
        return n;
    return cli_int(a, "inputs");
}

static weft_status open_preset(cli_arguments *a, weft_model **out)
{
    const char *arch = cli_text(a, "arch"), *task = cli_text(a, "task");
    const char *lm = weft_lm_preset(arch);
    if (lm)
        return weft_model_parse(lm, strlen(lm), arch, out);
    weft_tabular_config c = weft_tabular_default();
    weft_fit_options unused = weft_fit_default(1);
    for (int i = 0; i < WEFT_TASKS; i++)
        if (strcmp(task, weft_task_names[i]) == 0)
            c.task = (weft_task)i;
    c.n_classes = c.task == WEFT_TASK_REGRESSION ? 0 : c.task == WEFT_TASK_BINARY ? 2 : cli_int(a, "classes");
    if (c.task == WEFT_TASK_MULTICLASS && c.n_classes < 3)
        return cli_misuse(a, "--task multiclass needs --classes of at least 3");
    c.n_num_features = inputs_of(a);
    weft_tabular_preset(arch, true, &c, &unused);
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 0);
    weft_json_open_object(&w);
    weft_tabular_config_write(&c, &w);
    weft_json_close_object(&w);
    weft_status status =
        text.failed ? weft_fail(WEFT_ERROR_MEMORY, "memory is short") : weft_model_parse(text.data, text.length, arch, out);
    weft_text_free(&text);
    return status;
}

static void show_layers(cli_arguments *a, const weft_graph *g)
{
    int n = weft_graph_params(g, -1, NULL, NULL);
    weft_json_writer *w = cli_json(a);
    weft_json_add_key(w, "tensors");
    weft_json_open_list(w);
    for (int i = 0; i < n; i++) {
        const char *name = NULL;
        weft_value v;
        char dims[WEFT_DIMS_TEXT];
        weft_graph_params(g, i, &name, &v);
        weft_dims d = weft_shape(g, v);
        cli_say(a, "  %-36s %-20s %12lld\n", name, weft_dims_text(d, dims), (long long)weft_dims_count(d));
        weft_json_open_object(w);
        weft_json_add_key(w, "name");
        weft_json_add_string(w, name);
        weft_json_add_key(w, "shape");
        weft_json_open_list(w);
        for (int k = 0; k < d.rank; k++)
            weft_json_add_integer(w, d.size[k]);
        weft_json_close_list(w);
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
}

static weft_status show(cli_arguments *a, const weft_model *model)
{
    weft_cost cost;
    weft_text list = {0};
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_status status = g ? weft_model_build(model, g) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK)
        status = weft_model_count(model, &cost);
    if (status == WEFT_OK) {
        cli_say(a, "%s\n", weft_model_type_name(model));
        show_layers(a, g);
        cli_say(a, "\nparameters             %lld\nmultiply-accumulates   %lld a row\nbytes of parameters    %lld (F32)\n\n",
                (long long)cost.parameters, (long long)cost.macs, (long long)cost.parameters * 4);
        weft_model_list(model, &list);
        cli_say(a, "%s", list.data ? list.data : "");
        cli_json_string(a, "model_type", weft_model_type_name(model));
        cli_json_integer(a, "parameters", cost.parameters);
        cli_json_integer(a, "macs", cost.macs);
        cli_json_integer(a, "bytes", cost.parameters * 4);
    }
    weft_text_free(&list);
    weft_graph_free(g);
    return status;
}

static weft_status run(cli_arguments *a)
{
    bool folder = cli_positional_count(a) > 0, preset = cli_given(a, "arch");
    if (folder == preset)
        return cli_misuse(a, "give a model's folder or --arch NAME");
    weft_model *model = NULL;
    weft_status status = folder ? weft_model_open(cli_positional_at(a, 0), &model) : open_preset(a, &model);
    if (status == WEFT_OK)
        status = weft_model_match(model);
    if (status == WEFT_OK)
        status = show(a, model);
    weft_model_free(model);
    return status;
}

const cli_command cli_info = {
    .name = "info",
    .summary = "layers, parameters, cost, inputs and outputs of a model",
    .description =
        "A folder with only config.json is counted from it alone. Multiply-accumulates are those of one row without caches.",
    .positionals = files,
    .options = options,
    .example = "weft info houses\nweft info --arch tabr-s --inputs 8 --task regression\nweft info --arch llama-110m",
    .run = run,
};
