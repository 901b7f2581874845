/* Parameter counts of the eleven TabR-S defaults and of the 22 tuned models that the authors published (specification section 3),
 * from column counts alone. */
#include "golden.h"
#include "weft/model.h"

/* Columns of the authors' tables (section 5): d_in = numbers + binary + one-hot width. */
typedef struct columns {
    const char *name, *task;
    int classes, numbers, binary, one_hot, inputs;
    int64_t parameters; /* of the TabR-S default */
} columns;

static const columns tables[] = {
    {"CH", "binclass", 2, 7, 3, 3, 13, 639181},      {"CA", "regression", 0, 8, 0, 0, 8, 637856},
    {"HO", "regression", 0, 16, 0, 0, 16, 639976},   {"AD", "binclass", 2, 6, 1, 100, 107, 664091},
    {"DI", "regression", 0, 6, 0, 20, 26, 642626},   {"OT", "multiclass", 9, 93, 0, 0, 93, 664364},
    {"HI", "binclass", 2, 28, 0, 0, 28, 643156},     {"BL", "regression", 0, 4, 1, 17, 22, 641566},
    {"WE", "regression", 0, 118, 1, 0, 119, 667271}, {"CO", "multiclass", 7, 10, 44, 0, 54, 652967},
    {"MI", "regression", 0, 131, 5, 0, 136, 671776},
};

/* Tuned models in pairs: TabR-S, then TabR. k, e: PLR(lite)'s frequencies and width, or LR's width where k is 0. */
typedef struct tuned {
    int d_main, encoder, predictor, k, e;
    int64_t parameters;
} tuned;

static const tuned models[] = {
    {315, 0, 1, 0, 0, 901531},  {160, 0, 1, 18, 28, 266123},  {303, 0, 1, 0, 0, 832948},  {122, 0, 2, 96, 64, 271395},
    {132, 0, 1, 0, 0, 160777},  {145, 1, 2, 73, 60, 510094},  {368, 0, 1, 0, 0, 1263345}, {295, 1, 1, 80, 51, 1265687},
    {237, 0, 1, 0, 0, 515002},  {277, 0, 2, 51, 31, 1063302}, {259, 0, 1, 0, 0, 635336},  {251, 1, 1, 51, 18, 1254327},
    {276, 0, 1, 0, 0, 697177},  {380, 0, 2, 75, 45, 2372116}, {359, 0, 1, 0, 0, 1172854}, {310, 0, 1, 30, 54, 945195},
    {133, 0, 1, 0, 0, 176891},  {306, 1, 2, 0, 44, 3198599},  {244, 0, 1, 0, 0, 555107},  {130, 1, 1, 0, 36, 276847},
    {366, 0, 1, 0, 0, 1260505}, {166, 0, 1, 0, 27, 845375},
};

enum { TABLES = sizeof tables / sizeof *tables, MODELS = sizeof models / sizeof *models };

static int64_t count(const char *config)
{
    weft_model *model = NULL;
    weft_cost cost;
    MUST(weft_model_parse(config, strlen(config), "config.json", &model));
    MUST(weft_model_count(model, &cost));
    weft_model_free(model);
    return cost.parameters;
}

/* The keys of a table; `joined`: all that is no number as binary columns, which is the same width. */
static void add_columns(weft_text *text, const columns *t, bool joined)
{
    weft_text_add(text, "{\"model_type\": \"tabr\", \"task\": \"%s\", \"n_classes\": %d, \"n_num_features\": %d", t->task,
                  t->classes, t->numbers);
    if (joined || t->one_hot == 0)
        weft_text_add(text, ", \"n_bin_features\": %d", t->inputs - t->numbers);
    else
        weft_text_add(text, ", \"n_bin_features\": %d, \"cat_cardinalities\": [2, %d]", t->binary, t->one_hot - 2);
}

static void tabr_s_defaults(void **state)
{
    (void)state;
    for (int i = 0; i < TABLES; i++) {
        const columns *t = &tables[i];
        assert_int_equal(t->numbers + t->binary + t->one_hot, t->inputs);
        for (int joined = 0; joined < 2; joined++) {
            weft_text text = {0};
            add_columns(&text, t, joined);
            weft_text_add(&text, "}");
            if (count(text.data) != t->parameters)
                fail_msg("%s: %lld parameters, published %lld", t->name, (long long)count(text.data), (long long)t->parameters);
            weft_text_free(&text);
        }
        /* d_in is enough: any kinds of column with that sum */
        weft_text text = {0};
        weft_text_add(&text, "{\"model_type\": \"tabr\", \"task\": \"%s\", \"n_classes\": %d, \"n_num_features\": %d}", t->task,
                      t->classes, t->inputs);
        assert_int_equal(count(text.data), t->parameters);
        weft_text_free(&text);
    }
}

static void tuned_models(void **state)
{
    (void)state;
    assert_int_equal(MODELS, 2 * TABLES);
    for (int i = 0; i < MODELS; i++) {
        const tuned *m = &models[i];
        weft_text text = {0};
        add_columns(&text, &tables[i / 2], true);
        weft_text_add(&text, ", \"d_main\": %d, \"encoder_n_blocks\": %d, \"predictor_n_blocks\": %d", m->d_main, m->encoder,
                      m->predictor);
        if (m->k)
            weft_text_add(&text,
                          ", \"num_embeddings\": {\"type\": \"PLREmbeddings\", \"n_frequencies\": %d, \"d_embedding\": %d, "
                          "\"frequency_scale\": 0.1, \"lite\": true}",
                          m->k, m->e);
        else if (m->e)
            weft_text_add(&text, ", \"num_embeddings\": {\"type\": \"LREmbeddings\", \"d_embedding\": %d}", m->e);
        weft_text_add(&text, "}");
        if (count(text.data) != m->parameters)
            fail_msg("%s %s: %lld parameters, published %lld", tables[i / 2].name, i % 2 ? "TabR" : "TabR-S",
                     (long long)count(text.data), (long long)m->parameters);
        weft_text_free(&text);
    }
}

/* The other embeddings by the formula of section 3: PLR has a matrix a feature, Linear the size of LR. */
static void other_embeddings(void **state)
{
    (void)state;
    static const char head[] = "{\"model_type\": \"tabr\", \"task\": \"regression\", \"n_num_features\": 8, \"num_embeddings\": ";
    char text[512];
    const int64_t F = 8, k = 5, e = 6, d = 265, none = 637856, wider = F * e * d - F * d;
    snprintf(text, sizeof text, "%s{\"type\": \"PLREmbeddings\", \"n_frequencies\": 5, \"d_embedding\": 6, \"lite\": false}}",
             head);
    assert_int_equal(count(text), none + wider + F * k + F * (2 * k + 1) * e);
    snprintf(text, sizeof text, "%s{\"type\": \"LinearEmbeddings\", \"d_embedding\": 6}}", head);
    assert_int_equal(count(text), none + wider + 2 * F * e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tabr_s_defaults),
        cmocka_unit_test(tuned_models),
        cmocka_unit_test(other_embeddings),
    };
    return cmocka_run_group_tests_name("tabr_counts", tests, NULL, NULL);
}
