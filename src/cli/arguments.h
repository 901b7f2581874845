/* Inside the parser: what a parsed command line holds, and how the text of a value is read. Commands see options.h alone. */
#ifndef WEFT_CLI_ARGUMENTS_H
#define WEFT_CLI_ARGUMENTS_H

#include "cli/options.h"

/* What was given for one option. Texts are borrowed from argv, except a list's items. */
typedef struct cli_value {
    bool given;
    const char *text; /* the last one given; NULL: none */
    int64_t integer;
    double number;
    char **items; /* of a list, owned */
    int item_count;
} cli_value;

struct cli_arguments {
    const cli_command *command;
    const cli_option **options; /* the command's and the common ones [option_count], each with its value */
    cli_value *values;
    int option_count;
    const char **words; /* the positionals */
    int word_count;
    bool misuse;
    weft_text line;
};

/* Makes the slots of the command's and the common options, holding the defaults. */
weft_status cli_arguments_slots(cli_arguments *);

weft_status cli_arguments_keep_line(cli_arguments *, int argc, const char *const *argv);

/* Reads `text` as a value of `option`; a list's items are added. The text of a failure says what the option takes. */
weft_status cli_value_read(const cli_option *option, const char *text, cli_value *value);

#endif
