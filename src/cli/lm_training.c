/* Training a language model from the command line. */
#include "cli/lm_training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "lm/model.h"
#include "text/template.h"

weft_status cli_lm_check_words(cli_arguments *a)
{
    if (cli_given(a, "steps") && cli_given(a, "epochs"))
        return cli_misuse(a, "--steps and --epochs exclude each other");
    if (cli_given(a, "steps") && cli_given(a, "warmup") && cli_int(a, "warmup") > cli_int(a, "steps") &&
        strcmp(cli_text(a, "schedule"), "constant") != 0)
        return cli_misuse(a, "--warmup %lld is more than --steps %lld", (long long)cli_int(a, "warmup"),
                          (long long)cli_int(a, "steps"));
    const char *prompt = cli_text(a, "prompt");
    weft_template *parsed = NULL;
    if (prompt && weft_template_parse(prompt, strlen(prompt), "--prompt", &parsed) == WEFT_ERROR_FORMAT)
        return cli_misuse(a, "%s", weft_error());
    weft_template_free(parsed);
    return WEFT_OK;
}

weft_status cli_lm_check_folder(cli_lm_plan *p)
{
    cli_arguments *a = p->arguments;
    bool begun = weft_checkpoint_exists(p->out) && !weft_run_finished(p->out);
    if (cli_flag(a, "resume"))
        return WEFT_OK;
    if (begun && !cli_flag(a, "force"))
        return weft_fail(WEFT_ERROR_FILE, "%s holds an unfinished run; go on with it by --resume, or begin anew with --force",
                         p->out);
    weft_status status = cli_may_write(a, p->out, p->proof);
    return status == WEFT_OK && begun ? weft_run_forget(p->out) : status;
}

/* ---- Data. ---- */

typedef struct training_data {
    weft_tokenizer *tokenizer;
    weft_chat_template *chat;
    weft_lm_text_reader *texts; /* to be classified */
    weft_lm_data train, validation;
    weft_lm_rows rows, validation_rows;
} training_data;

static void free_data(training_data *d)
{
    weft_lm_rows_free(&d->rows);
    weft_lm_rows_free(&d->validation_rows);
    weft_lm_data_free(&d->train);
    weft_lm_data_free(&d->validation);
    weft_chat_template_free(d->chat);
    weft_lm_text_reader_free(d->texts);
    weft_tokenizer_free(d->tokenizer);
}

/* The chat template that was named, else the folder's, else none. */
static weft_status open_chat(cli_lm_plan *p, weft_chat_template **out)
{
    const char *name = cli_text(p->arguments, "template");
    if (name)
        return weft_chat_template_named(name, p->tokenizer, out);
    static const char *const files[] = {"chat_template.jinja", "tokenizer_config.json"};
    weft_status status = WEFT_OK;
    bool there = false;
    *out = NULL;
    for (int i = 0; i < 2 && status == WEFT_OK && !there; i++) {
        char *path = weft_path_join(p->tokenizer, files[i]);
        weft_json *json = NULL;
        if (!path)
            return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
        there = weft_path_exists(path);
        if (there && i == 1 && (status = weft_json_read(path, &json)) == WEFT_OK)
            there = weft_json_present(weft_json_get(weft_json_root(json), "chat_template"));
        weft_json_free(json);
        free(path);
    }
    return status == WEFT_OK && there ? weft_chat_template_open(p->tokenizer, NULL, out) : status;
}

/* Places of a row: as long as asked for, no longer than the longest document needs. */
static int64_t row_length(const weft_lm_data *data, int64_t length)
{
    int64_t longest = 1;
    for (int64_t d = 0; d < data->documents; d++) {
        int64_t places = data->starts[d + 1] - data->starts[d] - !data->in_place;
        longest = places > longest ? places : longest;
    }
    longest = (longest + 7) / 8 * 8;
    return longest < length ? longest : length;
}

static void say_data(cli_lm_plan *p, const training_data *d)
{
    const weft_lm_data *data = &d->train;
    int64_t learned = 0;
    for (int64_t i = 0; i < data->count; i++)
        learned += data->learned[i];
    cli_say(p->arguments, "%lld tokens (%lld learned) in %lld %s, as %lld rows of %lld; validation: %lld rows\n",
            (long long)data->count, (long long)learned, (long long)data->documents, data->documents == 1 ? "text" : "texts",
            (long long)d->rows.count, (long long)d->rows.length, (long long)d->validation_rows.count);
    if (data->cut)
        weft_log(WEFT_LOG_WARNING, "%lld records are longer than a row and were cut off (--length makes rows longer)",
                 (long long)data->cut);
    if (data->left_out)
        weft_log(WEFT_LOG_WARNING, "%lld records have no response token to learn and were left out", (long long)data->left_out);
    cli_json_integer(p->arguments, "tokens", data->count);
    cli_json_integer(p->arguments, "rows", d->rows.count);
}

static weft_status check_ids(const weft_lm *lm, const weft_lm_data *data, const char *path)
{
    for (int64_t i = 0; i < data->count; i++)
        if (data->ids[i] >= lm->config.vocab)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: token %d of this tokenizer is past the model's vocabulary of %lld", path,
                             data->ids[i], (long long)lm->config.vocab);
    return WEFT_OK;
}

/* How an encoder, or a classifier, reads its data. */
static weft_status in_place(const cli_lm_plan *p, const weft_tokenizer *t, int64_t first, int64_t length, weft_lm_data_options *o)
{
    int64_t begin = weft_tokenizer_special(t, WEFT_TOKEN_CLS), end = weft_tokenizer_special(t, WEFT_TOKEN_SEP);
    o->bos = begin >= 0 ? begin : o->bos;
    o->eos = end >= 0 ? end : o->eos;
    o->longest = length;
    o->in_place = true;
    o->first_position = first;
    o->mask_id = weft_tokenizer_special(t, WEFT_TOKEN_MASK);
    if (p->classify) {
        o->classes = &p->classes;
        return WEFT_OK;
    }
    if (o->mask_id >= 0 && o->mask_id < p->lm->config.vocab)
        return WEFT_OK;
    return weft_fail(WEFT_ERROR_FORMAT, "%s: the tokenizer has no mask token; an encoder learns by masked words", p->tokenizer);
}

static weft_status read_data(cli_lm_plan *p, training_data *d)
{
    cli_arguments *a = p->arguments;
    const char *path = cli_text(a, "data"), *val = cli_text(a, "val");
    int64_t length = cli_given(a, "length") ? cli_int(a, "length") : p->length;
    int64_t first = weft_lm_first_position(&p->lm->config);
    if (length > p->lm->config.positions - first)
        return weft_fail(WEFT_ERROR_ARGUMENT, "--length %lld: the model's context is %lld tokens", (long long)length,
                         (long long)(p->lm->config.positions - first));
    weft_status status = weft_tokenizer_open(p->tokenizer, &d->tokenizer);
    if (status == WEFT_OK)
        status = open_chat(p, &d->chat);
    if (status != WEFT_OK)
        return status;
    weft_lm_data_options o = {.chat = d->chat,
                              .prompt = cli_text(a, "prompt"),
                              .longest = length + 1,
                              .bos = weft_tokenizer_special(d->tokenizer, WEFT_TOKEN_BOS),
                              .eos = weft_tokenizer_special(d->tokenizer, WEFT_TOKEN_EOS),
                              .pairs = p->dpo};
    if ((p->lm->config.family->encoder || p->classify) && (status = in_place(p, d->tokenizer, first, length, &o)) != WEFT_OK)
        return status;
    if (p->classify && (status = weft_lm_text_reader_new(d->tokenizer, &p->lm->config, length, &d->texts)) != WEFT_OK)
        return status;
    o.texts = d->texts;
    status = weft_lm_data_read(&d->train, d->tokenizer, path, &o);
    if (status == WEFT_OK && val)
        status = weft_lm_data_read(&d->validation, d->tokenizer, val, &o);
    else if (status == WEFT_OK)
        status = weft_lm_data_split(&d->train, cli_number(a, "val-share"), &d->validation);
    if (status == WEFT_OK)
        status = check_ids(p->lm, &d->train, path);
    if (status == WEFT_OK)
        status = check_ids(p->lm, &d->validation, val ? val : path);
    bool packed = !p->dpo && !p->classify && !cli_flag(a, "no-packing");
    int64_t rows[2] = {row_length(&d->train, length), row_length(&d->validation, length)};
    if (p->dpo) /* one pass scores both */
        rows[0] = rows[1] = rows[0] > rows[1] ? rows[0] : rows[1];
    if (status == WEFT_OK)
        status = weft_lm_rows_make(&d->train, rows[0], packed, &d->rows);
    if (status == WEFT_OK)
        status = weft_lm_rows_make(&d->validation, rows[1], packed, &d->validation_rows);
    if (status == WEFT_OK && d->rows.count == 0)
        status = d->train.left_out
                     ? weft_fail(WEFT_ERROR_FORMAT,
                                 "%s: no record has a response token to learn within %lld tokens (--length makes rows longer)",
                                 path, (long long)length)
                     : weft_fail(WEFT_ERROR_FORMAT, "%s: nothing to learn in it", path);
    if (status == WEFT_OK)
        say_data(p, d);
    return status;
}

/* ---- While it trains. ---- */

static void on_progress(void *user, const char *phase, int64_t done, int64_t total, const char *note)
{
    cli_lm_plan *p = user;
    if (strcmp(phase, "training") != 0)
        return;
    if (!p->progress)
        p->progress = weft_progress_new(cli_progress, p->arguments, "training", total, "steps");
    weft_progress_update(p->progress, done, "%s", note ? note : "");
}

static void on_epoch(void *user, int64_t step, double train_loss, double validation_loss, bool best)
{
    cli_lm_plan *p = user;
    p->train_loss = train_loss;
    if (best || isnan(validation_loss))
        p->validation_loss = validation_loss;
    p->evaluations++;
    if (cli_quiet(p->arguments))
        return;
    if (isnan(validation_loss))
        cli_say(p->arguments, "step %6lld  train loss %.4f\n", (long long)step, train_loss);
    else
        cli_say(p->arguments, "step %6lld  train loss %.4f  validation loss %.4f%s\n", (long long)step, train_loss,
                validation_loss, best ? "  *" : "");
}

static weft_status on_finish(void *user)
{
    cli_lm_plan *p = user;
    return p->finish(p);
}

/* ---- The run. ---- */

static weft_lm_fit_options options_of(cli_lm_plan *p, const training_data *d)
{
    cli_arguments *a = p->arguments;
    static const char *const kinds[] = {"constant", "linear", "cosine"};
    weft_lm_fit_options o = {.batch = cli_int(a, "batch-size"),
                             .accumulate = cli_int(a, "accumulate"),
                             .evaluated = cli_int(a, "val-rows"),
                             .patience = cli_given(a, "patience") ? cli_int(a, "patience") : -1,
                             .beta1 = cli_number(a, "beta1"),
                             .beta2 = cli_number(a, "beta2"),
                             .eps = 1e-8,
                             .clip = cli_number(a, "clip"),
                             .weight_decay = cli_given(a, "weight-decay") ? cli_number(a, "weight-decay") : p->weight_decay,
                             .bf16 = strcmp(cli_text(a, "dtype"), "bf16") == 0,
                             .bf16_moments = strcmp(cli_text(a, "moments"), "bf16") == 0,
                             .recompute = cli_flag(a, "recompute"),
                             .dpo = p->dpo,
                             .teacher = p->teacher,
                             .seed = (uint64_t)cli_int(a, "seed"),
                             .folder = p->out,
                             .resume = cli_flag(a, "resume"),
                             .checkpoint_steps = cli_int(a, "checkpoint-every"),
                             .user = p,
                             .finish = on_finish,
                             .epoch = on_epoch,
                             .progress = on_progress};
    int64_t each = o.batch * o.accumulate, examples = p->dpo ? d->rows.count / 2 : d->rows.count;
    o.steps = cli_int(a, "steps");
    if (!cli_given(a, "steps"))
        o.steps = (int64_t)ceil(cli_number(a, "epochs") * (double)examples / (double)each);
    o.steps = o.steps > 0 ? o.steps : 1;
    o.interval = cli_given(a, "eval-every") ? cli_int(a, "eval-every") : (o.steps + 9) / 10;
    o.interval = o.interval < o.steps ? o.interval : o.steps;
    o.steps = (o.steps + o.interval - 1) / o.interval * o.interval;
    double peak = cli_given(a, "lr") ? cli_number(a, "lr") : p->lr;
    int64_t warmup = cli_given(a, "warmup") ? cli_int(a, "warmup") : (int64_t)(p->warmup_share * (double)o.steps);
    o.schedule = (weft_schedule){.peak = peak, .floor = peak * cli_number(a, "min-lr"), .warmup = warmup, .steps = o.steps};
    for (int i = 0; i < WEFT_SCHEDULE_COUNT; i++)
        if (strcmp(cli_text(a, "schedule"), kinds[i]) == 0)
            o.schedule.kind = (weft_schedule_kind)i;
    return o;
}

/* What a resumed run must have been begun with. */
static void write_settings(const weft_lm_fit_options *o, const training_data *d, weft_lm_problem problem, const char *config,
                           const char *teacher, weft_text *out)
{
    weft_json_writer w = weft_json_to(out, 0);
    const struct {
        const char *key;
        double value;
    } rows[] = {{"batch", (double)o->batch},
                {"accumulate", (double)o->accumulate},
                {"steps", (double)o->steps},
                {"interval", (double)o->interval},
                {"length", (double)d->rows.length},
                {"rows", (double)d->rows.count},
                {"lr", o->schedule.peak},
                {"min_lr", o->schedule.floor},
                {"warmup", (double)o->schedule.warmup},
                {"schedule", o->schedule.kind},
                {"weight_decay", o->weight_decay},
                {"beta1", o->beta1},
                {"beta2", o->beta2},
                {"clip", o->clip},
                {"bf16", o->bf16},
                {"bf16_moments", o->bf16_moments},
                {"dpo_beta", o->dpo ? o->beta : 0},
                {"dropout", o->adapter_dropout},
                {"temperature", o->temperature},
                {"teacher_weight", o->teacher_weight},
                {"problem", problem}};
    weft_json_open_object(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weft_json_add_key(&w, rows[i].key);
        weft_json_add_number(&w, rows[i].value);
    }
    weft_json_add_key(&w, "model");
    weft_text sum = {0};
    weft_text_add(&sum, "%016llx", (unsigned long long)weft_checksum(config, strlen(config)));
    weft_json_add_string(&w, sum.data);
    weft_text_free(&sum);
    if (teacher) {
        weft_json_add_key(&w, "teacher");
        weft_json_add_string(&w, teacher);
    }
    weft_json_close_object(&w);
}

/* How right a classifier is on all its validation records; without any its figures are null. */
static void tell_scores(cli_lm_plan *p, const weft_lm_scores *scores)
{
    cli_arguments *a = p->arguments;
    const char *name;
    double value;
    cli_json_integer(a, "classes", p->classes.count);
    cli_json_string(a, "problem_type", weft_lm_problem_name(p->classes.problem));
    weft_lm_scores_write(scores, "val_", cli_json(a));
    for (int i = 0; scores->rows && (name = weft_lm_scores_at(scores, i, &value)); i++)
        cli_say(a, "%s%s %.4g", i ? ", " : "validation: ", name, value);
    if (scores->rows)
        cli_say(a, " (%lld records)\n", (long long)scores->rows);
}

static void tell(cli_lm_plan *p, const weft_train_result *result, const weft_lm_scores *scores, double seconds)
{
    cli_arguments *a = p->arguments;
    if (p->classify)
        tell_scores(p, scores);
    cli_json_integer(a, "steps", result->steps);
    cli_json_integer(a, "evaluations", result->epochs);
    cli_json_number(a, "train_loss", p->train_loss);
    cli_json_number(a, "val_loss", p->validation_loss);
    cli_json_number(a, "seconds", seconds);
    cli_json_string(a, "out", p->out);
    cli_say(a, "%lld steps in %.1f s; the result is in %s\n", (long long)result->steps, seconds, p->out);
}

static weft_status fit(cli_lm_plan *p, const training_data *d)
{
    cli_arguments *a = p->arguments;
    weft_engine *engine = cli_engine(a);
    const char *command[] = {cli_command_line(a)}, *data[] = {cli_text(a, "data"), cli_text(a, "val")};
    weft_run_info info = {.command = command,
                          .command_count = 1,
                          .data = data,
                          .data_count = data[1] ? 2 : 1,
                          .threads = weft_engine_threads(engine),
                          .level = weft_engine_level(engine)};
    weft_lm_fit_options o = options_of(p, d);
    o.run = &info;
    if (p->lm->adapter)
        o.adapter_dropout = p->lm->adapter->dropout;
    if (p->dpo)
        o.beta = cli_number(a, "dpo-beta");
    if (p->teacher) {
        o.temperature = cli_number(a, "temperature");
        o.teacher_weight = cli_number(a, "teacher-weight");
    }
    weft_text settings = {0};
    const char *model = p->adapter.data ? p->adapter.data : p->config.data;
    write_settings(&o, d, p->classes.problem, model ? model : "", p->teacher ? cli_text(a, "teacher") : NULL, &settings);
    o.settings = settings.data;
    weft_train_result result;
    double begin = weft_clock();
    p->train_loss = p->validation_loss = NAN;
    weft_status status = settings.failed
                             ? weft_fail(WEFT_ERROR_MEMORY, "training: memory is short")
                             : weft_lm_fit(p->lm, &d->train, &d->rows, &d->validation, &d->validation_rows, &o, &result);
    weft_progress_free(p->progress);
    p->progress = NULL;
    const double seconds = weft_clock() - begin;
    weft_lm_scores scores = {.problem = p->classes.problem};
    double loss;
    if (status == WEFT_OK && p->classify && d->validation_rows.count)
        status = weft_lm_class_scores(p->lm, &d->validation, &d->validation_rows, d->validation_rows.count, o.batch, o.bf16,
                                      &loss, &scores);
    if (status == WEFT_OK)
        tell(p, &result, &scores, seconds);
    weft_lm_scores_free(&scores);
    weft_text_free(&settings);
    return status;
}

weft_status cli_lm_training(cli_lm_plan *p)
{
    training_data d = {0};
    weft_status status = read_data(p, &d);
    if (status == WEFT_OK)
        status = fit(p, &d);
    free_data(&d);
    return status;
}
