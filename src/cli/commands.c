/* The commands, in the order in which help lists them. To add one: write its file with `const cli_command cli_NAME = {…};`
 * and add a line ROW(NAME) here. */
#include "cli/cli.h"

#include <string.h>

#define ROWS(ROW) \
    ROW(tabular_schema) \
    ROW(tabular_train) \
    ROW(tabular_tune) \
    ROW(tabular_predict) \
    ROW(tabular_eval) \
    ROW(tabular_extend) \
    ROW(tabular_forget) \
    ROW(tabular_explain) \
    ROW(tabular_suspicious) \
    ROW(tabular_calibrate) \
    ROW(tabular_threshold) \
    ROW(lm_check) \
    ROW(lm_generate) \
    ROW(lm_perplexity) \
    ROW(lm_classify) \
    ROW(lm_embed) \
    ROW(lm_tokenize) \
    ROW(lm_tokenizer_learn) \
    ROW(lm_chat_template) \
    ROW(lm_sample) \
    ROW(tuco) \
    ROW(tuco_compare) \
    ROW(tuco_sweep) \
    ROW(sim) \
    ROW(sim_case) \
    ROW(sim_replay) \
    ROW(sim_hardware) \
    ROW(sim_trace) \
    ROW(sim_balance) \
    ROW(sim_serve) \
    ROW(sim_sweep) \
    ROW(lm_train) \
    ROW(lm_finetune) \
    ROW(lm_merge) \
    ROW(lm_convert) \
    ROW(info) \
    ROW(run) \
    ROW(bench) \
    ROW(tour) \
    ROW(help) \
    ROW(version) \
    ROW(generate_man) \
    ROW(generate_bash) \
    ROW(generate_zsh)

#define DECLARE(name) extern const cli_command cli_##name;
ROWS(DECLARE)

#define ENTRY(name) &cli_##name,
const cli_command *const cli_commands[] = {ROWS(ENTRY) NULL};

/* Rooms: commands that have actions. */
static const struct {
    const char *name, *summary;
} rooms[] = {
    {"tabular", "models on tables: retrieval-augmented (TabR) and plain networks"},
    {"lm", "language models: run, generate, train, tokenizers, chat templates"},
    {"tuco", "what fine-tuning contributes to a response"},
    {"sim", "cycles, energy and latency of batched inference on NPUs, PIM and GPUs"},
};

const char *cli_room_summary(const char *name)
{
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
        if (strcmp(rooms[i].name, name) == 0)
            return rooms[i].summary;
    return NULL;
}
