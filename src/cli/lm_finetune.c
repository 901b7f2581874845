/* weft lm finetune: a model's weights, or a LoRA adapter beside them, trained further. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "cli/lm_training.h"
#include "lm/labels.h"
#include "lm/model.h"
#include "text/regex.h"

static const cli_positional files[] = {{"MODEL", 1, 1, "the model's folder"}, {0}};

static const cli_option options[] = {
    CLI_LM_DATA_OPTIONS,
    {.name = "template",
     .value = "NAME",
     .kind = CLI_CHOICE,
     .choices = "chatml|llama2|llama3|mistral|gemma|zephyr|vicuna|alpaca",
     .help = "chat template in place of the model's",
     .group = "Data"},
    {.name = "prompt",
     .value = "TEMPLATE",
     .kind = CLI_TEXT,
     .help = "the prompt of {instruction, input, output} records, in Jinja2's language with the record's keys; then no chat "
             "template is used for them",
     .group = "Data"},
    {.name = "no-packing",
     .kind = CLI_FLAG,
     .help = "a row a record, filled up, in place of several in one row",
     .group = "Data"},
    {.name = "lora", .kind = CLI_FLAG, .help = "train an adapter of low rank and leave the weights as they are", .group = "LoRA"},
    {.name = "rank",
     .value = "R",
     .kind = CLI_INT,
     .least = 1,
     .most = 4096,
     .otherwise = "8",
     .help = "rank of the adapter's matrices",
     .group = "LoRA"},
    {.name = "alpha",
     .value = "A",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1e6,
     .otherwise = "16",
     .help = "its output is multiplied by alpha / rank",
     .group = "LoRA",
     .traits = CLI_ABOVE_LEAST},
    {.name = "targets",
     .value = "A,B",
     .kind = CLI_LIST,
     .help = "names of the linear layers that it stands beside, as q_proj,v_proj, or all-linear (default: that, all of attention "
             "and MLP)",
     .group = "LoRA"},
    {.name = "target-regex",
     .value = "EXPR",
     .kind = CLI_TEXT,
     .help = "an expression of their whole names in place of --targets, as '.*layers\\.[0-3]\\..*[qv]_proj'",
     .group = "LoRA"},
    {.name = "dropout",
     .value = "P",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1,
     .otherwise = "0",
     .help = "dropout of the adapter's input",
     .group = "LoRA",
     .traits = CLI_BELOW_MOST},
    {.name = "dora",
     .kind = CLI_FLAG,
     .help = "learn the length of each output's weights beside their direction (DoRA)",
     .group = "LoRA"},
    {.name = "rslora", .kind = CLI_FLAG, .help = "alpha / sqrt(rank) in place of alpha / rank", .group = "LoRA"},
    {.name = "dpo",
     .kind = CLI_FLAG,
     .help = "learn preferences from {instruction or prompt, chosen, rejected}; the reference is the model as it is",
     .group = "Preferences"},
    {.name = "dpo-beta",
     .value = "B",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 100,
     .otherwise = "0.1",
     .help = "how strongly to stay with the reference",
     .group = "Preferences",
     .traits = CLI_ABOVE_LEAST},
    {.name = "classify",
     .kind = CLI_FLAG,
     .help = "learn the label of {text, label} or {text, text_pair, label} records; a fresh head where the model has none",
     .group = "Classification"},
    {.name = "problem-type",
     .value = "KIND",
     .kind = CLI_CHOICE,
     .choices = "single_label_classification|multi_label_classification|regression",
     .help = "what a fresh head answers: one of the labels, each label by itself, or numbers (default: what the labels say; "
             "lists, in a .csv cat|rat, are several labels, fractions numbers)",
     .group = "Classification"},
    {.name = "teacher",
     .value = "DIR",
     .kind = CLI_PATH,
     .help = "learn this model's answers beside the labels; it must have the same tokens",
     .group = "Distillation"},
    {.name = "temperature",
     .value = "T",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1000,
     .otherwise = "2",
     .help = "both models' logits are divided by it: above 1, more of what the teacher holds possible is seen",
     .group = "Distillation",
     .traits = CLI_ABOVE_LEAST},
    {.name = "teacher-weight",
     .value = "W",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1,
     .otherwise = "0.5",
     .help = "the teacher's share of the loss; the labels have the rest",
     .group = "Distillation"},
    CLI_LM_TRAINING_OPTIONS,
    {0},
};

/* The linear layers of an encoder's blocks: PEFT's all-linear means the pooler and parts of heads too. */
static const char *encoder_layers(const weft_lm_config *c)
{
    return strcmp(c->family->model_type, "distilbert") == 0 ? ".*\\.layer\\.\\d+\\..*(q_lin|k_lin|v_lin|out_lin|lin1|lin2)"
                                                            : ".*\\.layer\\.\\d+\\..*(query|key|value|dense)";
}

/* A classifier's head is trained whole, and with it a pooler that the base lacks. */
static void add_saved(weft_json_writer *w, const cli_lm_plan *p)
{
    const weft_lm_config *c = &p->lm->config;
    weft_tensor t;
    char pooler[96];
    if (!p->classify)
        return;
    snprintf(pooler, sizeof pooler, "%s%spooler.dense.weight", c->base, c->base[0] ? "." : "");
    weft_json_add_key(w, "modules_to_save");
    weft_json_open_list(w);
    weft_json_add_string(w, c->family->encoder ? "classifier" : "score");
    if (strcmp(c->family->model_type, "bert") == 0 && !weft_params_get(p->lm->params, pooler, &t))
        weft_json_add_string(w, "pooler");
    weft_json_close_list(w);
}

/* adapter_config.json as PEFT writes it. */
static weft_status adapter_config(cli_lm_plan *p)
{
    cli_arguments *a = p->arguments;
    const char *const *targets;
    int count = cli_list(a, "targets", &targets);
    const weft_lm_config *c = &p->lm->config;
    const char *task = p->classify ? "SEQ_CLS" : c->family->encoder ? NULL : "CAUSAL_LM";
    weft_json_writer w = weft_json_to(&p->adapter, 2);
    weft_json_open_object(&w);
    const struct {
        const char *key, *value;
    } texts[] = {{"peft_type", "LORA"}, {"task_type", task}, {"base_model_name_or_path", p->source}, {"bias", "none"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!texts[i].value)
            continue;
        weft_json_add_key(&w, texts[i].key);
        weft_json_add_string(&w, texts[i].value);
    }
    weft_json_add_key(&w, "r");
    weft_json_add_integer(&w, cli_int(a, "rank"));
    weft_json_add_key(&w, "lora_alpha");
    weft_json_add_number(&w, cli_number(a, "alpha"));
    weft_json_add_key(&w, "lora_dropout");
    weft_json_add_number(&w, cli_number(a, "dropout"));
    weft_json_add_key(&w, "target_modules");
    if (cli_given(a, "target-regex")) {
        weft_json_add_string(&w, cli_text(a, "target-regex"));
    } else if (count > 1 || (count == 1 && strcmp(targets[0], "all-linear") != 0)) {
        weft_json_open_list(&w);
        for (int i = 0; i < count; i++)
            weft_json_add_string(&w, targets[i]);
        weft_json_close_list(&w);
    } else {
        weft_json_add_string(&w, c->family->encoder ? encoder_layers(c) : "all-linear");
    }
    add_saved(&w, p);
    const struct {
        const char *key;
        bool value;
    } flags[] = {{"fan_in_fan_out", c->family->conv1d},
                 {"use_rslora", cli_flag(a, "rslora")},
                 {"use_dora", cli_flag(a, "dora")},
                 {"inference_mode", true}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        weft_json_add_key(&w, flags[i].key);
        weft_json_add_bool(&w, flags[i].value);
    }
    weft_json_close_object(&w);
    weft_text_add(&p->adapter, "\n");
    return p->adapter.failed ? weft_fail(WEFT_ERROR_MEMORY, "memory is short") : WEFT_OK;
}

static weft_status finish(void *user)
{
    cli_lm_plan *p = user;
    if (!p->lm->adapter)
        return weft_lm_folder_save(p->out, p->source, p->classify ? p->config.data : NULL, p->lm->params);
    weft_status status = weft_lm_adapter_save(p->out, p->adapter.data, p->lm->adapter, &p->lm->config);
    return status == WEFT_OK && p->classify ? weft_lm_classes_save(&p->classes, p->out) : status;
}

static weft_lm_problem wanted_problem(cli_arguments *a)
{
    const char *wanted = cli_text(a, "problem-type");
    weft_lm_problem problem = WEFT_LM_PROBLEM_MULTI_LABEL;
    while (problem != WEFT_LM_PROBLEM_UNSAID && !(wanted && strcmp(wanted, weft_lm_problem_name(problem)) == 0))
        problem--;
    return problem;
}

/* What the model's own head answers: what its configuration says; where it says nothing, transformers' rule in training: a single
 * number is to come near its label, several are what the labels say. */
static weft_status head_problem(cli_lm_plan *p, weft_lm_problem *out)
{
    const weft_lm_config *c = &p->lm->config;
    const weft_lm_problem wanted = wanted_problem(p->arguments);
    *out = c->problem != WEFT_LM_PROBLEM_UNSAID ? c->problem : wanted;
    if (wanted != WEFT_LM_PROBLEM_UNSAID && wanted != *out)
        return weft_fail(WEFT_ERROR_ARGUMENT, "--problem-type %s: the head of %s has the problem_type %s already",
                         weft_lm_problem_name(wanted), p->source, weft_lm_problem_name(*out));
    weft_status status = WEFT_OK;
    if (*out == WEFT_LM_PROBLEM_UNSAID && c->classes == 1)
        *out = WEFT_LM_PROBLEM_REGRESSION;
    else if (*out == WEFT_LM_PROBLEM_UNSAID)
        status = weft_lm_labels_problem(cli_text(p->arguments, "data"), out);
    if (status == WEFT_OK && *out == WEFT_LM_PROBLEM_SINGLE_LABEL && c->classes < 2)
        status = weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: its head has one class, and its problem_type is to choose one of several",
                           p->source);
    return status;
}

/* The classes are those of the model's head, or, for a fresh one, the data's. */
static weft_status make_classifier(cli_lm_plan *p)
{
    weft_lm_config *c = &p->lm->config;
    const bool fresh = !(c->head_kinds & WEFT_LM_CLASSIFIER);
    char *path = weft_path_join(p->source, "config.json");
    weft_json *json = NULL;
    weft_lm_problem problem = WEFT_LM_PROBLEM_UNSAID;
    weft_status status = path ? weft_json_read(path, &json) : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    if (status == WEFT_OK && !fresh)
        status = head_problem(p, &problem);
    if (status == WEFT_OK)
        status = fresh ? weft_lm_labels_collect(&p->classes, cli_text(p->arguments, "data"), wanted_problem(p->arguments))
                       : weft_lm_classes_of_config(&p->classes, weft_json_root(json), c->classes);
    if (!fresh)
        p->classes.problem = problem;
    if (status == WEFT_OK)
        status = weft_lm_classes_config(&p->classes, c, weft_json_root(json), &p->config);
    c->head_kinds = WEFT_LM_CLASSIFIER;
    c->classes = p->classes.count;
    c->problem = p->classes.problem;
    weft_json_free(json);
    free(path);
    return status;
}

/* An encoder is trained by masked words or classes. */
static weft_status check_encoder(cli_lm_plan *p)
{
    static const char *const decoders_only[] = {"dpo", "teacher"};
    const weft_lm_config *c = &p->lm->config;
    for (size_t i = 0; i < sizeof decoders_only / sizeof decoders_only[0]; i++)
        if (cli_given(p->arguments, decoders_only[i]))
            return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: a %s model is an encoder; --%s wants a decoder", p->source,
                             c->family->model_type, decoders_only[i]);
    if (p->classify)
        return make_classifier(p);
    if (c->head_kinds & WEFT_LM_MLM)
        return WEFT_OK;
    return weft_fail(WEFT_ERROR_UNSUPPORTED,
                     "%s: this %s model has no head for masked words; --classify trains it on {text, label} records", p->source,
                     c->family->model_type);
}

static weft_status finetune(cli_lm_plan *p, weft_engine *engine)
{
    cli_arguments *a = p->arguments;
    bool lora = cli_flag(a, "lora");
    weft_status status = cli_lm_check_folder(p);
    if (status == WEFT_OK)
        status = weft_lm_open(engine, p->source, NULL, &p->lm);
    if (status == WEFT_OK && p->lm->config.family->encoder)
        status = check_encoder(p);
    else if (status == WEFT_OK && p->classify)
        status = make_classifier(p);
    else if (status == WEFT_OK && p->lm->config.head_kinds & WEFT_LM_CLASSIFIER)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: this %s model is a classifier: --classify trains it further", p->source,
                           p->lm->config.family->model_type);
    if (status == WEFT_OK && cli_given(a, "teacher"))
        status = weft_lm_open(engine, cli_text(a, "teacher"), NULL, &p->teacher);
    if (status == WEFT_OK && lora)
        status = adapter_config(p);
    if (status == WEFT_OK)
        status = lora ? weft_lm_adapt(p->lm, p->adapter.data, (uint64_t)cli_int(a, "seed"))
                      : weft_lm_own_weights(p->lm, p->classify, (uint64_t)cli_int(a, "seed"));
    if (status != WEFT_OK)
        return status;
    int64_t trained = 0;
    const weft_params *params = lora ? p->lm->adapter->params : p->lm->params;
    for (int64_t i = 0; i < weft_params_count(params); i++) {
        weft_tensor t;
        weft_params_at(params, i, &t);
        trained += weft_dims_count(t.dims);
    }
    cli_json_integer(a, "trained", trained);
    cli_say(a, "%lld of %lld parameters are trained\n", (long long)trained,
            (long long)(lora ? weft_lm_parameters(p->lm) + trained : trained));
    int64_t context = p->lm->config.positions - weft_lm_first_position(&p->lm->config);
    p->length = context < 512 ? context : 512;
    return cli_lm_training(p);
}

static weft_status run(cli_arguments *a)
{
    static const char *const lora_only[] = {"rank", "alpha", "targets", "target-regex", "dropout", "dora", "rslora"};
    static const char *const not_classes[] = {"dpo", "teacher"};
    static const char *const teacher_only[] = {"temperature", "teacher-weight"};
    weft_engine *engine = cli_engine(a);
    bool lora = cli_flag(a, "lora"), dpo = cli_flag(a, "dpo");
    for (size_t i = 0; i < sizeof lora_only / sizeof lora_only[0]; i++)
        if (cli_given(a, lora_only[i]) && !lora)
            return cli_misuse(a, "--%s says how an adapter is made: it wants --lora beside it", lora_only[i]);
    if (cli_given(a, "targets") && cli_given(a, "target-regex"))
        return cli_misuse(a, "--targets and --target-regex exclude each other");
    const char *expression = cli_text(a, "target-regex");
    weft_regex *compiled = NULL;
    if (expression && weft_regex_new(expression, strlen(expression), &compiled) == WEFT_ERROR_FORMAT)
        return cli_misuse(a, "--target-regex: %s", weft_error());
    weft_regex_free(compiled);
    if (cli_given(a, "problem-type") && !cli_flag(a, "classify"))
        return cli_misuse(a, "--problem-type says what a classifier answers: it wants --classify beside it");
    if (cli_given(a, "dpo-beta") && !dpo)
        return cli_misuse(a, "--dpo-beta wants --dpo beside it");
    for (size_t i = 0; i < sizeof teacher_only / sizeof teacher_only[0]; i++)
        if (cli_given(a, teacher_only[i]) && !cli_given(a, "teacher"))
            return cli_misuse(a, "--%s says how a teacher is listened to: it wants --teacher beside it", teacher_only[i]);
    for (size_t i = 0; i < sizeof not_classes / sizeof not_classes[0]; i++)
        if (cli_flag(a, "classify") && cli_given(a, not_classes[i]))
            return cli_misuse(a, "--classify and --%s exclude each other", not_classes[i]);
    if (dpo && cli_given(a, "teacher"))
        return cli_misuse(a, "--dpo and --teacher exclude each other");
    cli_lm_plan p = {.arguments = a,
                     .out = cli_text(a, "out"),
                     .source = cli_positional_at(a, 0),
                     .tokenizer = cli_positional_at(a, 0),
                     .proof = lora ? "adapter_model.safetensors" : "model.safetensors",
                     .lr = dpo    ? (lora ? 5e-5 : 1e-6)
                           : lora ? 2e-4
                                  : 2e-5,
                     .warmup_share = 0.03,
                     .dpo = dpo,
                     .classify = cli_flag(a, "classify"),
                     .finish = finish};
    weft_status status = cli_lm_check_words(a);
    if (status == WEFT_OK)
        status = engine ? finetune(&p, engine) : WEFT_ERROR_MEMORY;
    weft_lm_free(p.lm);
    weft_lm_free(p.teacher);
    weft_lm_classes_free(&p.classes);
    weft_text_free(&p.config);
    weft_text_free(&p.adapter);
    return status;
}

const cli_command cli_lm_finetune = {
    .name = "lm",
    .action = "finetune",
    .summary = "train a language model further: all of it, or a LoRA adapter",
    .description =
        "Records hold messages; prompt and completion; instruction, input and output; or text. The loss counts response tokens "
        "alone "
        "(of a text all). They go through the model's chat template where it has one, else through Alpaca's prompt, or the one "
        "of "
        "--prompt. Several records share a row, each seeing itself alone.\n\n"
        "An encoder learns from texts alone, by masked words: of 15 % of the tokens, 80 % are masked, 10 % replaced; or with "
        "--classify "
        "the labels of {text, label} records: a word or an integer is one of several classes, a list (in a .csv cat|rat) several "
        "labels at once, a fraction a number to come near. With --lora too an adapter holds the head, as PEFT's "
        "modules_to_save.\n\n"
        "With --teacher the loss is (1 - W) times that of the labels plus W T^2 times the divergence of the model's answers from "
        "the "
        "teacher's, both softened by T; validation is of the labels alone.\n\n"
        "The default rates are 2e-5, with --lora 2e-4, with --dpo 1e-6 and 5e-5. With --lora DIR gets adapter_config.json and "
        "adapter_model.safetensors in PEFT's layout, for --adapter of other commands and for weft lm merge.",
    .positionals = files,
    .options = options,
    .example =
        "weft lm finetune stories260K --data records.json --lora --out tales-lora\n"
        "weft lm finetune bert-base-uncased --classify --data reviews.jsonl --length 128 --out reviews-bert\n"
        "weft lm finetune stories260K --data records.json --prompt 'User: {{ instruction }}{{ \"\\n\" }}Assistant:' --out tales",
    .run = run,
};
