/* The command line as tables: a row a command, a row an option, and one parser that reads them all.
 *
 * Help, man pages, completions and the parser all come from these rows, so an option is spelled once. A command's file holds
 *
 *     static const cli_positional files[] = {{"DATA.csv", 1, 1, "the table to read"}, {0}};
 *     static const cli_option options[] = {
 *         {.name = "epochs", .value = "N", .kind = CLI_INT, .least = 1, .most = CLI_ANY, .otherwise = "100", .help = "…"}, {0}};
 *     const cli_command cli_tabular_train = {.name = "tabular", .action = "train", …, .run = run};
 *
 * and src/cli/commands.c names the row. Inside run: cli_int(arguments, "epochs").
 */
#ifndef WEFT_CLI_OPTIONS_H
#define WEFT_CLI_OPTIONS_H

#include "weft/base.h"

#include <math.h>

typedef struct cli_arguments cli_arguments;

typedef enum cli_kind {
    CLI_FLAG = 0, /* no value: given or not */
    CLI_INT,      /* a whole number in [least, most] */
    CLI_NUMBER,   /* a finite number in [least, most] */
    CLI_TEXT,     /* any text */
    CLI_CHOICE,   /* one of `choices` */
    CLI_LIST,     /* texts: A,B (one with a comma is quoted as in CSV: "a, b"); a repeated option adds to the list */
    CLI_PATH      /* a file or folder; completed as such */
} cli_kind;

/* Traits of an option, added up. */
enum {
    CLI_REQUIRED = 1,    /* the command cannot run without it */
    CLI_WORDS = 2,       /* a list that also takes the words that follow, up to the next option: --tap a b c */
    CLI_ABOVE_LEAST = 4, /* `least` itself is outside: a learning rate is above 0 */
    CLI_BELOW_MOST = 8   /* `most` itself is outside: a dropout is below 1 */
};

#define CLI_ANY HUGE_VAL /* `most` of a number without an upper end, -CLI_ANY as `least` of one without a lower */

typedef struct cli_option {
    const char *name;  /* "epochs"; NULL ends a table */
    const char *value; /* what usage calls its value: "N"; NULL for a flag */
    cli_kind kind;
    double least, most;    /* of CLI_INT and CLI_NUMBER */
    const char *choices;   /* of CLI_CHOICE: "cpu|cuda" */
    const char *otherwise; /* the default, as it would be typed; NULL: none, as for flags and lists */
    const char *help;      /* a phrase without a full stop */
    const char *group;     /* heading in help; NULL: "Options" */
    unsigned traits;
} cli_option;

typedef struct cli_positional {
    const char *name; /* as usage shows it: "DATA.csv"; NULL ends a table */
    int least, most;  /* how many words of this kind; only the last row may have least < most */
    const char *help;
} cli_positional;

#define CLI_MANY 1000000 /* `most` of a positional without an end */

typedef struct cli_command {
    const char *name;                  /* "tabular" */
    const char *action;                /* "train", or NULL */
    const char *summary;               /* a line without a full stop */
    const char *description;           /* paragraphs for help and the man page, parted by empty lines; NULL: none */
    const cli_positional *positionals; /* NULL: none */
    const cli_option *options;         /* beside the common ones; NULL: none */
    const char *example;               /* lines of shell that work, each beginning with "weft "; "#" lines explain */
    bool hidden;                       /* not in help, pages and completions */
    weft_status (*run)(cli_arguments *);
} cli_command;

extern const cli_command *const cli_commands[]; /* ends in NULL */
extern const cli_option cli_common_options[];   /* what every command takes */

/* Reads argv[1…]. Any failure is wrong usage except WEFT_ERROR_MEMORY; the text is one line that names the nearest valid
 * spelling. When help was asked for, neither missing files nor missing options are mistakes. */
weft_status cli_parse(const cli_command *const *commands, int argc, const char *const *argv, cli_arguments **out);
void cli_arguments_free(cli_arguments *);

const cli_command *cli_command_of(const cli_arguments *);
bool cli_help_wanted(const cli_arguments *);

/* Options by name, without dashes. A name that the command's table lacks is a programming error (assert). */
bool cli_given(const cli_arguments *, const char *name); /* typed by the user */
bool cli_flag(const cli_arguments *, const char *name);
int64_t cli_int(const cli_arguments *, const char *name);      /* the default, or 0 without one */
double cli_number(const cli_arguments *, const char *name);    /* the default, or 0 without one */
const char *cli_text(const cli_arguments *, const char *name); /* text, choice, path: the default, or NULL without one */
int cli_list(const cli_arguments *, const char *name, const char *const **items); /* how many; 0 when not given */

/* The words that are no options, in order. */
int cli_positional_count(const cli_arguments *);
const char *cli_positional_at(const cli_arguments *, int i); /* NULL past the end */

/* The whole command line, quoted so that a shell reads it back (for run.json). */
const char *cli_command_line(const cli_arguments *);

/* Wrong usage found by a command itself (options that exclude each other): `return cli_misuse(arguments, "…")`; exit status 2. */
weft_status cli_misuse(cli_arguments *, const char *format, ...) WEFT_PRINTF(2, 3);
bool cli_misused(const cli_arguments *);

/* Fails saying that there is no such command, or no such action of it (NULL: none was given), and names the nearest. */
weft_status cli_unknown(const cli_command *const *commands, const char *name, const char *action);

/* The row of `name` and `action` (NULL: the row without one), or NULL. */
const cli_command *cli_find(const cli_command *const *commands, const char *name, const char *action);

#endif
