/* weft sim sweep: models × hardware × loads × systems × batches, on all cores, with the efficient points told. */
#include "cli/ranks.h"
#include "cli/sim_sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "hardware/sweep.h"

static const cli_option options[] = {
    {.name = "model", .value = "A,B", .kind = CLI_LIST, .traits = CLI_REQUIRED, .help = "config.json files, folders or presets"},
    {.name = "hardware",
     .value = "A,B",
     .kind = CLI_LIST,
     .help = "presets or hardware files, each a machine of its own (default: neupims)"},
    {.name = "system", .value = "A,B", .kind = CLI_LIST, .help = "gpu, npu, npu-pim, neupims, neupims+sub (default: all five)"},
    {.name = "trace", .value = "A,B", .kind = CLI_LIST, .help = "traces of requests"},
    {.name = "length", .value = "A,B", .kind = CLI_LIST, .help = "without traces: contexts of equal requests (default: 512)"},
    {.name = "batch", .value = "A,B", .kind = CLI_LIST, .help = "batch sizes (default: 32,64,128,256,512, or whole traces)"},
    {.name = "out",
     .value = "DIR",
     .kind = CLI_PATH,
     .traits = CLI_REQUIRED,
     .help = "where points.jsonl, points.csv, pareto.csv and report.html go; points that stand there are not computed again"},
    {.name = "check",
     .value = "N",
     .kind = CLI_INT,
     .least = 0,
     .most = 100000,
     .otherwise = "0",
     .help = "with --mode analytic: so many points, evenly spaced, are also run by the event engine, and the error is told"},
    SIM_CHANNELS,
    CLI_SIM_ENGINE_OPTIONS("event", "fixed"),
    SIM_DEVICES,
    {0},
};

enum { MOST_POINTS = 1000000, MOST_TOLD = 60 }; /* of a sweep; lines of efficient ones on the terminal */

/* The axes, owned. */
typedef struct sweep_axes {
    const char *const *models, *const *platforms, *const *loads, *const *systems, *const *batches;
    int model_count, platform_count, load_count, system_count, batch_count;
    weft_llm *llms;
    weft_platform *machines;
    weft_trace *traces;
    bool traced;
} sweep_axes;

static const char *const every_system[] = {"gpu", "npu", "npu-pim", "neupims", "neupims+sub"};
static const char *const usual_batches[] = {"32", "64", "128", "256", "512"};
static const char *const whole[] = {"0"};
static const char *const usual_length[] = {"512"};
static const char *const usual_platform[] = {"neupims"};

static int list_or(cli_arguments *a, const char *name, const char *const *otherwise, int count, const char *const **out)
{
    int given = cli_list(a, name, out);
    if (given)
        return given;
    *out = otherwise;
    return count;
}

static weft_status whole_number(cli_arguments *a, const char *option, const char *text, int64_t *out)
{
    char *end = NULL;
    long long value = strtoll(text, &end, 10);
    if (!*text || *end || value < 1 || value > 1 << 24)
        return cli_misuse(a, "--%s: \"%s\" is not a whole number from 1 to %d", option, text, 1 << 24);
    *out = value;
    return WEFT_OK;
}

static weft_status open_axes(cli_arguments *a, sweep_axes *x)
{
    x->model_count = cli_list(a, "model", &x->models);
    x->platform_count = list_or(a, "hardware", usual_platform, 1, &x->platforms);
    x->system_count = list_or(a, "system", every_system, 5, &x->systems);
    x->traced = cli_given(a, "trace");
    if (x->traced && cli_given(a, "length"))
        return cli_misuse(a, "--length is for requests without a --trace; the traces tell their own lengths");
    x->load_count = x->traced ? cli_list(a, "trace", &x->loads) : list_or(a, "length", usual_length, 1, &x->loads);
    x->batch_count = list_or(a, "batch", x->traced ? whole : usual_batches, x->traced ? 1 : 5, &x->batches);
    x->llms = calloc((size_t)x->model_count + 1, sizeof *x->llms);
    x->machines = calloc((size_t)x->platform_count + 1, sizeof *x->machines);
    x->traces = calloc((size_t)x->load_count + 1, sizeof *x->traces);
    if (!x->llms || !x->machines || !x->traces)
        return weft_fail(WEFT_ERROR_MEMORY, "a sweep: memory is short");
    weft_status status = WEFT_OK;
    for (int i = 0; i < x->model_count && status == WEFT_OK; i++)
        status = weft_llm_open(x->models[i], &x->llms[i]);
    for (int i = 0; i < x->platform_count && status == WEFT_OK; i++) {
        x->machines[i] = weft_platform_default();
        status = weft_platform_load(x->platforms[i], &x->machines[i]);
    }
    for (int i = 0; x->traced && i < x->load_count && status == WEFT_OK; i++)
        status = weft_trace_read(x->loads[i], x->machines[0].machine.memory.channels, 0, &x->traces[i]);
    return status;
}

static void close_axes(sweep_axes *x)
{
    for (int i = 0; x->traces && i < x->load_count; i++)
        weft_trace_free(&x->traces[i]);
    free(x->llms);
    free(x->machines);
    free(x->traces);
}

/* The file's name, or its path where another load's file has the same name. */
static const char *load_name(const sweep_axes *x, int64_t load)
{
    const char *path = x->loads[load], *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (int i = 0; i < x->load_count; i++) {
        const char *other = strrchr(x->loads[i], '/');
        if (i != load && strcmp(other ? other + 1 : x->loads[i], name) == 0)
            return path;
    }
    return name;
}

/* The point at place k of the grid; batches turn fastest. */
static weft_status make_point(cli_arguments *a, const sweep_axes *x, const sim_setup *s, int64_t k, weft_sweep_point *p)
{
    int64_t batch = k % x->batch_count, system = k / x->batch_count % x->system_count,
            load = k / x->batch_count / x->system_count % x->load_count;
    int64_t platform = k / x->batch_count / x->system_count / x->load_count % x->platform_count,
            model = k / x->batch_count / x->system_count / x->load_count / x->platform_count;
    char name[32];
    const char *word = x->systems[system], *plus = strchr(word, '+');
    *p = (weft_sweep_point){.model = x->llms[model].name, .hardware = x->machines[platform].name, .load = load_name(x, load)};
    weft_design *d = &p->design;
    d->platform = &x->machines[platform];
    d->llm = x->llms[model];
    d->options = s->options;
    d->halves = plus ? 1 : 0;
    d->placement = weft_placement_of(cli_text(a, "channels"));
    d->replace_channels = cli_given(a, "channels");
    d->seed = (uint64_t)cli_int(a, "seed");
    snprintf(name, sizeof name, "%.*s", plus ? (int)(plus - word) : 31, word);
    if (!weft_serving_parse(name, &d->options.system) ||
        (plus && (strcmp(plus, "+sub") != 0 || d->options.system != WEFT_SERVE_NEUPIMS)))
        return cli_misuse(a, "--system: \"%s\" is not one of gpu, npu, npu-pim, neupims, neupims+sub", word);
    weft_status status = WEFT_OK;
    if (strcmp(x->batches[batch], "0") != 0 || cli_given(a, "batch"))
        status = whole_number(a, "batch", x->batches[batch], &d->batch);
    if (x->traced)
        d->trace = &x->traces[load];
    else if (status == WEFT_OK)
        status = whole_number(a, "length", x->loads[load], &d->length);
    sim_setup one = *s;
    one.llm = d->llm;
    sim_apply_devices(a, &one);
    d->llm = one.llm;
    d->choose_devices = !one.tensor_given;
    if (status == WEFT_OK)
        status = weft_llm_check(&d->llm, x->models[model]);
    snprintf(p->name, sizeof p->name, "%.80s %.60s %.60s %s batch %lld", p->model, p->hardware, p->load, word,
             (long long)d->batch);
    return status;
}

static void say_points(cli_arguments *a, const weft_sweep_point *points, int64_t count)
{
    cli_say(a, "\n%-52s %12s %12s %12s %9s\n", "efficient points", "tokens/s", "ms a token", "J a token", "mm2");
    weft_json_writer *w = cli_json(a);
    weft_json_add_key(w, "pareto");
    weft_json_open_list(w);
    int64_t told = 0;
    for (int64_t i = 0; i < count; i++) {
        const weft_sweep_point *p = &points[i];
        if (!p->efficient)
            continue;
        if (told++ < MOST_TOLD)
            cli_say(a, "%-52s %12.1f %12.3f %12.4g %9.0f\n", p->name, p->tokens_per_second, p->seconds_per_token * 1e3,
                    p->joules_per_token, p->area * 1e6);
        weft_json_open_object(w);
        weft_json_add_key(w, "name");
        weft_json_add_string(w, p->name);
        const struct {
            const char *key;
            double value;
        } numbers[] = {{"cycles", p->cycles},
                       {"tokens_per_second", p->tokens_per_second},
                       {"seconds_per_token", p->seconds_per_token},
                       {"utilization", p->utilization},
                       {"joules_per_token", p->joules_per_token},
                       {"energy_joules", p->joules_per_token * (double)p->batch},
                       {"area_mm2", p->area * 1e6}};
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
            weft_json_add_key(w, numbers[k].key);
            weft_json_add_number(w, numbers[k].value);
        }
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
    if (told > MOST_TOLD)
        cli_say(a, "and %lld more in pareto.csv\n", (long long)(told - MOST_TOLD));
}

/* Some analytic points again with the event engine. */
static weft_status check_points(cli_arguments *a, const weft_sweep_point *points, int64_t count)
{
    int64_t wanted = cli_int(a, "check"), checked = 0;
    double sum = 0, worst = 0;
    if (!wanted || strcmp(cli_text(a, "mode"), "analytic") != 0)
        return WEFT_OK;
    wanted = wanted < count ? wanted : count;
    for (int64_t k = 0; k < wanted; k++) {
        const weft_sweep_point *p = &points[k * count / wanted];
        weft_design d = p->design;
        weft_iteration it;
        if (p->failed || d.options.system == WEFT_SERVE_GPU)
            continue;
        d.options.mode = WEFT_HARDWARE_EVENT;
        weft_status status = weft_design_run(&d, &it);
        if (status != WEFT_OK)
            return status;
        double error = fabs(p->cycles / it.cycles - 1);
        weft_iteration_free(&it);
        sum += error;
        worst = error > worst ? error : worst;
        checked++;
    }
    if (checked)
        cli_say(a, "\nAgainst the event engine on %lld points: %.2f %% error on average, %.2f %% at worst\n", (long long)checked,
                100 * sum / (double)checked, 100 * worst);
    cli_json_integer(a, "checked", checked);
    cli_json_number(a, "mean_error", checked ? sum / (double)checked : NAN);
    cli_json_number(a, "worst_error", checked ? worst : NAN);
    return WEFT_OK;
}

static weft_status write_tables(const weft_sweep_point *points, int64_t count, const char *folder)
{
    static const char *const names[] = {"points.csv", "pareto.csv", "report.html"};
    weft_status status = WEFT_OK;
    for (int i = 0; i < 3 && status == WEFT_OK; i++) {
        char *path = weft_path_join(folder, names[i]);
        if (!path)
            return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
        status = i < 2 ? weft_sweep_table(points, count, i == 1, path) : sim_sweep_report(points, count, path);
        free(path);
    }
    return status;
}

static weft_status sweep(cli_arguments *a, const sweep_axes *x, const sim_setup *s, weft_sweep_point *points, int64_t count)
{
    const char *folder = cli_text(a, "out");
    weft_sweep_summary summary = {0};
    cli_ranks ranks = cli_ranks_of_job();
    weft_status status = WEFT_OK;
    if (ranks.rank > 0) /* each process ends with all points; one tells them */
        cli_mute();
    for (int64_t k = 0; k < count && status == WEFT_OK; k++)
        status = make_point(a, x, s, k, &points[k]);
    if (status == WEFT_OK)
        status = weft_folder_make(folder);
    char *journal = status == WEFT_OK ? weft_path_join(folder, "points.jsonl") : NULL;
    if (status == WEFT_OK && !journal)
        status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    weft_sweep_options o = {.journal = journal, .progress = ranks.rank > 0 ? NULL : cli_progress, .user = a};
    o.threads = cli_given(a, "threads") ? (int)cli_int(a, "threads") : cli_ranks_threads(&ranks);
    if (status == WEFT_OK)
        status = weft_sweep_run(points, count, &o, &summary);
    free(journal);
    if (status != WEFT_OK || ranks.rank > 0)
        return status;
    status = weft_sweep_mark(points, count);
    cli_json_integer(a, "points", count);
    cli_json_integer(a, "computed", summary.computed);
    cli_json_integer(a, "reused", summary.reused);
    cli_json_integer(a, "elsewhere", summary.elsewhere);
    cli_json_integer(a, "failed", summary.failed);
    cli_json_number(a, "seconds", summary.seconds);
    cli_json_number(a, "points_per_second", summary.seconds > 0 ? (double)summary.computed / summary.seconds : 0);
    cli_say(a, "%lld points: %lld computed in %.2f s, %lld from the journal, %lld that no system can run\n", (long long)count,
            (long long)summary.computed, summary.seconds, (long long)summary.reused, (long long)summary.failed);
    if (summary.elsewhere)
        cli_say(a, "%lld of them came from other processes meanwhile\n", (long long)summary.elsewhere);
    for (int64_t i = 0; i < count && summary.failed == count; i++)
        return weft_fail(WEFT_ERROR_ARGUMENT, "no point can be run; %s: %s", points[i].name,
                         points[i].error ? points[i].error : "");
    if (status == WEFT_OK)
        say_points(a, points, count);
    if (status == WEFT_OK)
        status = check_points(a, points, count);
    if (status == WEFT_OK)
        status = write_tables(points, count, folder);
    if (status == WEFT_OK)
        cli_say(a, "\n%s: points.csv, pareto.csv, report.html\n", folder);
    return status;
}

static weft_status run(cli_arguments *a)
{
    sweep_axes x = {0};
    sim_setup s;
    weft_status status = sim_prepare_engine(a, &s);
    if (status == WEFT_OK)
        status = open_axes(a, &x);
    double wanted = (double)x.model_count * x.platform_count * x.load_count * x.system_count * x.batch_count;
    if (status == WEFT_OK && wanted > MOST_POINTS)
        status = cli_misuse(a, "%.0f points; a sweep has at most %d", wanted, MOST_POINTS);
    int64_t count = status == WEFT_OK ? (int64_t)wanted : 0;
    weft_sweep_point *points = calloc((size_t)count + 1, sizeof *points);
    if (status == WEFT_OK && !points)
        status = weft_fail(WEFT_ERROR_MEMORY, "a sweep: memory is short");
    if (status == WEFT_OK)
        status = sweep(a, &x, &s, points, count);
    if (points)
        weft_sweep_free(points, count);
    free(points);
    close_axes(&x);
    return status;
}

const cli_command cli_sim_sweep = {
    .name = "sim",
    .action = "sweep",
    .summary = "evaluate many design points on all cores, and tell the efficient ones",
    .description =
        "Every combination of the lists is a point. Points are written down as they are done: the same command after an "
        "interruption goes on where it was, and more values in a list compute only what is new.\n\n"
        "The same command started several times divides the points: by mpirun or srun, on one machine or on many that share DIR, "
        "or by hand. Numbers are the same; a process that dies leaves its points to the others, or to the next start.\n\n"
        "A point is efficient when no other of its model is as good in all of tokens a second, time a token, energy a token "
        "and area, and better in one.",
    .options = options,
    .example = "weft sim sweep --model GPT3-7B,GPT3-13B --batch 64,256 --length 512,1024 --mode analytic --out sweep\n"
               "mpirun -n 16 weft sim sweep --model GPT3-175B --trace requests.csv --batch 64,128,256 --out sweep",
    .run = run,
};
