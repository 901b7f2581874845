/* What the commands of the hardware room share: their options, and a simulation made ready from them. */
#ifndef WEFT_CLI_SIM_H
#define WEFT_CLI_SIM_H

#include "cli/cli.h"
#include "cli/sim_engine.h"
#include "hardware/design.h"
#include "hardware/timeline.h"
#include "report/report.h"

/* Rows of the option tables. */
#define SIM_MODEL \
    { \
        .name = "model", .value = "CONFIG", .kind = CLI_PATH, .traits = CLI_REQUIRED, \
        .help = "a Hugging Face config.json, its folder, or GPT3-7B, GPT3-13B, GPT3-30B, GPT3-175B" \
    }
#define SIM_HARDWARE \
    { \
        .name = "hardware", .value = "H.json", .kind = CLI_LIST, \
        .help = \
            "a hardware file, a DRAMsim3 .ini, or a preset (weft sim hardware lists them); several add up (default: neupims)" \
    }
#define SIM_CHANNELS \
    { \
        .name = "channels", .value = "POLICY", .kind = CLI_CHOICE, .choices = WEFT_PLACEMENT_NAMES, .otherwise = "greedy", \
        .help = "how requests are placed on memory channels where a trace does not say (or in its place, when given)" \
    }
#define SIM_TENSOR_PARALLEL \
    { \
        .name = "tensor-parallel", .value = "N", .kind = CLI_INT, .least = 1, .most = 4096, \
        .help = "devices that share each layer (default: the model file's n_tp, else as few as hold the model)", \
        .group = "Model" \
    }
#define SIM_DEVICES \
    SIM_TENSOR_PARALLEL, \
        {.name = "pipeline-parallel", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 1, \
         .most = 4096, \
         .help = "stages that share the layers (default: the model file's n_pp, else 1)", \
         .group = "Model"}, \
        {.name = "weights", \
         .value = "TYPE", \
         .kind = CLI_CHOICE, \
         .choices = "fp16|fp8|int8|int4", \
         .help = "storage of the weights (default: as the model file says)", \
         .group = "Model"}, \
        {.name = "kv", \
         .value = "TYPE", \
         .kind = CLI_CHOICE, \
         .choices = "fp16|fp8|int8|int4", \
         .help = "storage of keys and values (default: fp16)", \
         .group = "Model"}, \
        {.name = "links", \
         .value = "WHERE", \
         .kind = CLI_CHOICE, \
         .choices = "beside|inside", \
         .otherwise = "beside", \
         .help = "all-reduces told beside the layers' time, as the published evaluation leaves them out, or inside it", \
         .group = "Model"}, \
    { \
        .name = "collective", .value = "KIND", .kind = CLI_CHOICE, .choices = "ring|tree", .otherwise = "ring", \
        .help = "how devices add up a layer's halves", .group = "Model" \
    }

/* A simulation made ready. */
typedef struct sim_setup {
    weft_platform platform;
    weft_llm llm;
    weft_iteration_options options; /* system is the caller's */
    bool tensor_given;              /* by an option or the model file */
    int sub_batch;                  /* 1 on, 0 off, -1: as the batch decides */
} sim_setup;

/* The files of --hardware and --model. */
weft_status sim_load(cli_arguments *, weft_platform *platform, weft_llm *llm);

/* Reads the engine's options alone; sim_prepare reads --model, --hardware and the devices' options too. */
weft_status sim_prepare_engine(cli_arguments *, sim_setup *out);
weft_status sim_prepare(cli_arguments *, sim_setup *out);

/* --tensor-parallel, --pipeline-parallel, --weights and --kv on the model of the setup. */
void sim_apply_devices(cli_arguments *, sim_setup *);

/* The design point that the options describe, with the requests of --trace (freed by the caller) or --batch and --length. */
weft_status sim_design(cli_arguments *, const sim_setup *, weft_trace *trace, weft_design *out);

/* The system that the hardware files describe: by their run_mode, else by their memory's kind. */
weft_serving_system sim_system_of(const weft_platform *);

/* A system and what came out of it. */
typedef struct sim_row {
    weft_design design;
    weft_iteration iteration;
    weft_timeline *timeline; /* NULL: not watched */
    char *error;             /* why there is no iteration; owned; NULL: there is one */
} sim_row;

enum { SIM_ROWS = WEFT_SERVE_SYSTEMS + 1 };

/* Every system of a comparison, those with sub-batches as rows of their own; the number of rows. */
int sim_all_systems(const weft_design *, int64_t requests, sim_row out[SIM_ROWS]);
void sim_row_name(const sim_row *, char *out, size_t room); /* "neupims + sub-batches" */

/* Runs the rows; with `watch` each keeps a timeline of its first kind of layer. Of several rows those that their system cannot
 * run keep its reason, while others can. */
weft_status sim_run_rows(sim_row *, int n, bool watch);
void sim_free_rows(sim_row *, int n);

/* Keys of one row's iteration into the open JSON object. */
void sim_row_json(weft_json_writer *, const sim_row *);

/* Keys of how well channels are balanced, into the open JSON object. */
void sim_balance_json(weft_json_writer *, const weft_balance *);

/* Keys that describe the model: sizes, multiply-accumulates, bytes. */
void sim_model_json(weft_json_writer *, const weft_llm *);
void sim_model_say(cli_arguments *, const weft_platform *, const weft_llm *);

/* Tables and pictures of the rows. */
void sim_report_add(weft_report *, const weft_platform *, const sim_row *, int n);

#endif
