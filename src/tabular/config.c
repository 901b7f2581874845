/* config.json of a tabular model: reading, checking, writing. */
#include "tabular/tabr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name; /* as the file spells it */
    weft_numeric_embedding_kind kind;
} embeddings[] = {
    {"LinearEmbeddings", WEFT_NUMERIC_LINEAR},
    {"LREmbeddings", WEFT_NUMERIC_LR},
    {"PLREmbeddings", WEFT_NUMERIC_PLR},
};

static const struct {
    const char *name;
    weft_task task;
} tasks[] = {
    {"regression", WEFT_TASK_REGRESSION},
    {"binclass", WEFT_TASK_BINARY},
    {"binary", WEFT_TASK_BINARY},
    {"multiclass", WEFT_TASK_MULTICLASS},
};

weft_tabular_config weft_tabular_default(void)
{
    return (weft_tabular_config){
        .arch = WEFT_TABULAR_TABR,
        .d_main = 265,
        .d_multiplier = 2,
        .predictor_n_blocks = 1,
        .mixer_normalization = -1,
        .context_size = 96,
        .context_dropout = 0.38920071545944357,
        .dropout0 = 0.38852797479169876,
        .design = -1,
        .n_blocks = 4,
        .d_layer = 512,
        .dropout = 0.1,
        .members = 1,
    };
}

weft_status weft_tabular_config_copy(const weft_tabular_config *from, weft_tabular_config *out)
{
    *out = *from;
    out->cat_cardinalities = calloc((size_t)from->n_cat + 1, sizeof *out->cat_cardinalities);
    if (!out->cat_cardinalities)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a configuration");
    if (from->n_cat)
        memcpy(out->cat_cardinalities, from->cat_cardinalities, (size_t)from->n_cat * sizeof *out->cat_cardinalities);
    return WEFT_OK;
}

void weft_tabular_config_free(weft_tabular_config *c)
{
    free(c->cat_cardinalities);
    c->cat_cardinalities = NULL;
}

static weft_status read_task(weft_json_value root, const char *name, weft_tabular_config *c)
{
    const char *task = NULL;
    weft_status status = weft_json_take_string(root, name, "task", &task);
    if (status != WEFT_OK || !task)
        return status;
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
        if (strcmp(task, tasks[i].name) == 0) {
            c->task = tasks[i].task;
            return WEFT_OK;
        }
    return weft_fail(WEFT_ERROR_FORMAT, "%s: task is \"%s\", expected regression, binclass or multiclass", name, task);
}

static weft_status read_embeddings(weft_json_value root, const char *name, weft_tabular_config *c)
{
    weft_json_value e = weft_json_get(root, "num_embeddings");
    if (!e.node)
        return WEFT_OK;
    if (!weft_json_present(e)) {
        c->num_embeddings = (weft_numeric_embedding){0};
        return WEFT_OK;
    }
    const char *type = NULL;
    bool lite = false;
    weft_status status;
    if (weft_json_kind_of(e) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: num_embeddings is neither null nor an object with a type", name);
    weft_numeric_embedding n = {.kind = WEFT_NUMERIC_NONE, .width = 24, .frequencies = 48, .frequency_scale = 0.01};
    if ((status = weft_json_take_string(e, name, "type", &type)) != WEFT_OK ||
        (status = weft_json_take_integer(e, name, "d_embedding", 1, 65536, &n.width)) != WEFT_OK ||
        (status = weft_json_take_integer(e, name, "n_frequencies", 1, 65536, &n.frequencies)) != WEFT_OK ||
        (status = weft_json_take_number(e, name, "frequency_scale", 0, 1e9, &n.frequency_scale)) != WEFT_OK ||
        (status = weft_json_take_bool(e, name, "lite", &lite)) != WEFT_OK)
        return status;
    for (size_t i = 0; type && i < sizeof embeddings / sizeof embeddings[0]; i++)
        if (strcmp(type, embeddings[i].name) == 0)
            n.kind = embeddings[i].kind;
    if (n.kind == WEFT_NUMERIC_NONE)
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: num_embeddings.type is \"%s\", expected LinearEmbeddings, LREmbeddings or PLREmbeddings", name,
                         type ? type : "");
    if (n.kind == WEFT_NUMERIC_PLR && lite)
        n.kind = WEFT_NUMERIC_PLR_LITE;
    c->num_embeddings = n;
    return WEFT_OK;
}

static weft_status read_cardinalities(weft_json_value root, const char *name, weft_tabular_config *c)
{
    weft_json_value list = weft_json_get(root, "cat_cardinalities");
    if (!list.node)
        return WEFT_OK;
    int64_t n = weft_json_size(list);
    if (weft_json_kind_of(list) != WEFT_JSON_LIST || n > WEFT_TABULAR_MAX_CATEGORIES)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: cat_cardinalities is not a list of at most %d numbers", name,
                         WEFT_TABULAR_MAX_CATEGORIES);
    free(c->cat_cardinalities);
    c->n_cat = 0;
    c->cat_cardinalities = calloc((size_t)n + 1, sizeof *c->cat_cardinalities);
    if (!c->cat_cardinalities)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", name);
    for (int64_t i = 0; i < n; i++) {
        int64_t size = weft_json_integer(weft_json_item(list, i), 0);
        if (size < 1 || size > 1 << 24)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: cat_cardinalities[%lld] is not a number from 1 to %d", name, (long long)i,
                             1 << 24);
        c->cat_cardinalities[i] = size;
    }
    c->n_cat = (int)n;
    return WEFT_OK;
}

/* dropout1 may be the text "dropout0", mixer_normalization the text "auto" */
static weft_status read_special(weft_json_value root, const char *name, weft_tabular_config *c)
{
    weft_json_value d1 = weft_json_get(root, "dropout1"), mix = weft_json_get(root, "mixer_normalization");
    if (weft_json_kind_of(d1) == WEFT_JSON_STRING && strcmp(weft_json_string(d1, ""), "dropout0") == 0) {
        c->dropout1 = c->dropout0;
    } else {
        weft_status status = weft_json_take_number(root, name, "dropout1", 0, 1, &c->dropout1);
        if (status != WEFT_OK)
            return status;
    }
    if (!weft_json_present(mix))
        return WEFT_OK;
    if (weft_json_kind_of(mix) == WEFT_JSON_BOOL)
        c->mixer_normalization = weft_json_bool(mix, false);
    else if (strcmp(weft_json_string(mix, ""), "auto") == 0)
        c->mixer_normalization = -1;
    else
        return weft_fail(WEFT_ERROR_FORMAT, "%s: mixer_normalization is neither true, false nor \"auto\"", name);
    return WEFT_OK;
}

static weft_status read_design(weft_json_value root, const char *name, weft_tabular_config *c)
{
    const char *design = NULL;
    weft_status status = weft_json_take_string(root, name, "design", &design);
    if (status != WEFT_OK || !design)
        return status;
    for (int i = 0; i < 4; i++)
        if (strncmp(design, "step", 4) == 0 && design[4] == '0' + i && !design[5]) {
            c->design = i;
            return WEFT_OK;
        }
    return weft_fail(WEFT_ERROR_FORMAT, "%s: design is \"%s\", expected step0, step1, step2 or step3", name, design);
}

weft_status weft_tabular_config_read(weft_json_value root, const char *name, weft_tabular_config *c)
{
    const char *type = NULL;
    if (weft_json_kind_of(root) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: holds no JSON object", name);
    weft_status status = weft_json_take_string(root, name, "model_type", &type);
    if (status != WEFT_OK)
        return status;
    if (type && strcmp(type, "mlp") == 0)
        c->arch = WEFT_TABULAR_MLP;
    else if (type && strcmp(type, "tabr") == 0)
        c->arch = WEFT_TABULAR_TABR;
    else if (type)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: model_type is \"%s\", expected tabr or mlp", name, type);
    struct {
        const char *key;
        int64_t least, most, *out;
    } integers[] = {
        {"n_classes", 0, 1 << 20, &c->n_classes},
        {"n_num_features", 0, 1 << 20, &c->n_num_features},
        {"n_bin_features", 0, 1 << 20, &c->n_bin_features},
        {"d_main", 1, 1 << 16, &c->d_main},
        {"encoder_n_blocks", 0, 64, &c->encoder_n_blocks},
        {"predictor_n_blocks", 0, 64, &c->predictor_n_blocks},
        {"context_size", 1, 1 << 16, &c->context_size},
        {"n_blocks", 1, 256, &c->n_blocks},
        {"d_layer", 1, 1 << 16, &c->d_layer},
        {"members", 1, WEFT_TABULAR_MAX_MEMBERS, &c->members},
    };
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++)
        if (weft_json_present(weft_json_get(root, integers[i].key)) &&
            (status = weft_json_take_integer(root, name, integers[i].key, integers[i].least, integers[i].most,
                                             integers[i].out)) != WEFT_OK)
            return status;
    struct {
        const char *key;
        double least, most, *out;
    } numbers[] = {
        {"d_multiplier", 0.001, 64, &c->d_multiplier},
        {"context_dropout", 0, 1, &c->context_dropout},
        {"dropout0", 0, 1, &c->dropout0},
        {"dropout", 0, 1, &c->dropout},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if ((status = weft_json_take_number(root, name, numbers[i].key, numbers[i].least, numbers[i].most, numbers[i].out)) !=
            WEFT_OK)
            return status;
    if ((status = read_task(root, name, c)) != WEFT_OK || (status = read_embeddings(root, name, c)) != WEFT_OK ||
        (status = read_cardinalities(root, name, c)) != WEFT_OK || (status = read_special(root, name, c)) != WEFT_OK ||
        (status = read_design(root, name, c)) != WEFT_OK)
        return status;
    if (c->task == WEFT_TASK_BINARY && c->n_classes == 0)
        c->n_classes = 2;
    return weft_tabular_config_check(c, name);
}

weft_status weft_tabular_config_check(const weft_tabular_config *c, const char *name)
{
    const struct {
        const char *key;
        double value;
    } rates[] = {
        {"context_dropout", c->context_dropout}, {"dropout0", c->dropout0}, {"dropout1", c->dropout1}, {"dropout", c->dropout}};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        if (!(rates[i].value >= 0 && rates[i].value < 1))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: %s is %g, expected a rate of at least 0 and less than 1", name, rates[i].key,
                             rates[i].value);
    if (c->task == WEFT_TASK_REGRESSION ? c->n_classes != 0 : c->task == WEFT_TASK_BINARY ? c->n_classes != 2 : c->n_classes < 3)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: n_classes is %lld for a task of %s", name, (long long)c->n_classes,
                         weft_task_names[c->task]);
    if (c->n_num_features + c->n_bin_features + weft_tabular_one_hot_width(c) == 0)
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: no input features: n_num_features, n_bin_features and cat_cardinalities are all empty", name);
    if (c->n_num_features == 0 && c->num_embeddings.kind != WEFT_NUMERIC_NONE)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: num_embeddings without numerical features", name);
    if (c->arch == WEFT_TABULAR_TABR && weft_tabr_hidden(c) < 1)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: d_main %lld times d_multiplier %g is less than 1", name, (long long)c->d_main,
                         c->d_multiplier);
    if (c->mixer_normalization > 0 && c->encoder_n_blocks == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: mixer_normalization needs an encoder block, encoder_n_blocks is 0", name);
    return WEFT_OK;
}

static void write_embeddings(const weft_numeric_embedding *e, weft_json_writer *w)
{
    weft_json_add_key(w, "num_embeddings");
    if (e->kind == WEFT_NUMERIC_NONE) {
        weft_json_add_null(w);
        return;
    }
    bool periodic = e->kind == WEFT_NUMERIC_PLR || e->kind == WEFT_NUMERIC_PLR_LITE;
    weft_json_open_object(w);
    weft_json_add_key(w, "type");
    weft_json_add_string(w, periodic ? "PLREmbeddings" : e->kind == WEFT_NUMERIC_LR ? "LREmbeddings" : "LinearEmbeddings");
    weft_json_add_key(w, "d_embedding");
    weft_json_add_integer(w, e->width);
    if (periodic) {
        weft_json_add_key(w, "n_frequencies");
        weft_json_add_integer(w, e->frequencies);
        weft_json_add_key(w, "frequency_scale");
        weft_json_add_number(w, e->frequency_scale);
        weft_json_add_key(w, "lite");
        weft_json_add_bool(w, e->kind == WEFT_NUMERIC_PLR_LITE);
    }
    weft_json_close_object(w);
}

static void write_integer(weft_json_writer *w, const char *key, int64_t value)
{
    weft_json_add_key(w, key);
    weft_json_add_integer(w, value);
}

static void write_number(weft_json_writer *w, const char *key, double value)
{
    weft_json_add_key(w, key);
    weft_json_add_number(w, value);
}

void weft_tabular_config_write(const weft_tabular_config *c, weft_json_writer *w)
{
    static const char *const names[] = {"regression", "binclass", "multiclass"};
    weft_json_add_key(w, "model_type");
    weft_json_add_string(w, c->arch == WEFT_TABULAR_TABR ? "tabr" : "mlp");
    weft_json_add_key(w, "task");
    weft_json_add_string(w, names[c->task]);
    write_integer(w, "n_classes", c->n_classes);
    write_integer(w, "n_num_features", c->n_num_features);
    write_integer(w, "n_bin_features", c->n_bin_features);
    weft_json_add_key(w, "cat_cardinalities");
    weft_json_open_list(w);
    for (int i = 0; i < c->n_cat; i++)
        weft_json_add_integer(w, c->cat_cardinalities[i]);
    weft_json_close_list(w);
    write_embeddings(&c->num_embeddings, w);
    if (c->members > 1)
        write_integer(w, "members", c->members);
    if (c->arch == WEFT_TABULAR_MLP) {
        write_integer(w, "n_blocks", c->n_blocks);
        write_integer(w, "d_layer", c->d_layer);
        write_number(w, "dropout", c->dropout);
        return;
    }
    write_integer(w, "d_main", c->d_main);
    write_number(w, "d_multiplier", c->d_multiplier);
    write_integer(w, "encoder_n_blocks", c->encoder_n_blocks);
    write_integer(w, "predictor_n_blocks", c->predictor_n_blocks);
    weft_json_add_key(w, "mixer_normalization");
    if (c->mixer_normalization < 0)
        weft_json_add_string(w, "auto");
    else
        weft_json_add_bool(w, c->mixer_normalization > 0);
    write_integer(w, "context_size", c->context_size);
    write_number(w, "context_dropout", c->context_dropout);
    write_number(w, "dropout0", c->dropout0);
    write_number(w, "dropout1", c->dropout1);
    if (c->design >= 0) {
        char design[] = "step0";
        design[4] = (char)('0' + c->design);
        weft_json_add_key(w, "design");
        weft_json_add_string(w, design);
    }
}
