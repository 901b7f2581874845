/* What a command may use: its arguments (options.h), the result on standard output, progress on standard error, the engine.
 *
 * A command's run function answers a weft_status: WEFT_OK is exit status 0; any other is 1, and main prints weft_error() once;
 * cli_misuse() makes it 2. It never prints by itself:
 *
 *     cli_say(arguments, "rows: %lld\n", rows);                            people; nothing with --json
 *     weft_json_add_key(cli_json(arguments), "rows");                     the object is open, and closed by main
 *     weft_json_add_integer(cli_json(arguments), rows);
 */
#ifndef WEFT_CLI_CLI_H
#define WEFT_CLI_CLI_H

#include "cli/options.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/progress.h"
#include "weft/graph.h"

/* Text for people, on standard output; nothing with --json. */
void cli_say(cli_arguments *, const char *format, ...) WEFT_PRINTF(2, 3);

/* The same of bytes, which may be any. */
void cli_say_bytes(cli_arguments *, const char *bytes, size_t count);

/* The JSON object of the result, already open: add keys. Written to standard output with --json when the command has succeeded.
 */
weft_json_writer *cli_json(cli_arguments *);

/* Key and value in one. */
void cli_json_number(cli_arguments *, const char *key, double value);
void cli_json_integer(cli_arguments *, const char *key, int64_t value);
void cli_json_string(cli_arguments *, const char *key, const char *value);
void cli_json_text(cli_arguments *, const char *key, const weft_text *value); /* with what zero bytes it has */
void cli_json_bool(cli_arguments *, const char *key, bool value);

bool cli_wants_json(const cli_arguments *);
bool cli_quiet(const cli_arguments *);

/* A weft_progress_function for the library (user: the cli_arguments): a bar on a terminal, a line every ten seconds elsewhere,
 * nothing with --quiet. */
void cli_progress(void *arguments, const weft_progress_report *report);

/* The engine of --threads, made at the first call and freed when the process ends; NULL with the error set. */
weft_engine *cli_engine(cli_arguments *);

/* Refuses to write over `path`, a finished result, unless --force was given (the command's table must have "force").
 * A folder counts as finished when it holds `proof`, e.g. "model.safetensors"; NULL: any file of that name counts. */
weft_status cli_may_write(const cli_arguments *, const char *path, const char *proof);

/* Nothing goes to standard output from now on: another process of the same job says it. */
void cli_mute(void);

/* ---- Between main and the framework's files. */

void cli_out(const char *format, ...) WEFT_PRINTF(1, 2); /* standard output */
void cli_bytes_out(const char *bytes, size_t count);
void cli_out_flush(void);                                 /* what was said is seen now, not only at the end */
weft_status cli_out_finish(void);                         /* flushes and closes it: a full disk or a closed pipe is an error */
void cli_line(const char *format, ...) WEFT_PRINTF(1, 2); /* "weft: …" on standard error, any bar cleared first */
void cli_log(void *quiet, weft_log_level level, const char *line); /* a weft_log_function */
weft_status cli_json_finish(cli_arguments *);                      /* with --json: closes the object and writes it */
void cli_output_free(void);

/* Texts made from the tables. Memory failures are left in out->failed. */
void cli_overview_text(const cli_command *const *commands, weft_text *out);
void cli_room_text(const cli_command *const *commands, const char *room, weft_text *out); /* the actions of one room */
void cli_help_text(const cli_command *command, weft_text *out);
void cli_command_name(const cli_command *command, char separator, weft_text *out); /* "tabular train", "tabular-train" */
void cli_usage_line(const cli_command *command, weft_text *out); /* "weft tabular train DATA.csv --target COL [options]" */
void cli_option_form(const cli_option *option, weft_text *out);  /* "--target COL" */
void cli_option_about(const cli_option *option, weft_text *out); /* help, choices and default: "… (default: 100)" */
void cli_man_overview(const cli_command *const *commands, weft_text *out);
void cli_man_page(const cli_command *command, weft_text *out);
void cli_bash_completion(const cli_command *const *commands, weft_text *out);
void cli_zsh_completion(const cli_command *const *commands, weft_text *out);

/* What a room is for, for the list of commands: "tabular" → "models on tables"; NULL when the name is a plain command. */
const char *cli_room_summary(const char *name);

#endif
