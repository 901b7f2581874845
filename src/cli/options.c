/* The parser: argv against the tables of commands and options. */
#include "cli/options.h"

#include "cli/arguments.h"
#include "base/spelling.h"

#include <stdlib.h>
#include <string.h>

const cli_option cli_common_options[] = {
    {.name = "threads",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1024,
     .help = "threads to compute with (default: all cores); results do not depend on it"},
    {.name = "seed",
     .value = "S",
     .kind = CLI_INT,
     .least = 0,
     .most = CLI_ANY,
     .otherwise = "0",
     .help = "fixes every random draw"},
    {.name = "device",
     .value = "NAME",
     .kind = CLI_CHOICE,
     .choices = "cpu|cuda",
     .otherwise = "cpu",
     .help = "where to compute"},
    {.name = "json", .help = "write one JSON object on standard output, and nothing else there"},
    {.name = "quiet", .help = "no progress and no warnings"},
    {.name = "help", .help = "show this help"},
    {0}};

const cli_command *cli_find(const cli_command *const *commands, const char *name, const char *action)
{
    for (; *commands; commands++) {
        const char *its = (*commands)->action;
        if (strcmp((*commands)->name, name) == 0 && (action ? its && strcmp(its, action) == 0 : !its))
            return *commands;
    }
    return NULL;
}

static weft_status unknown_command(const cli_command *const *commands, const char *word)
{
    const char *best = NULL;
    for (; *commands; commands++)
        if (!(*commands)->hidden)
            weft_spelling_nearest(word, (*commands)->name, &best);
    if (best)
        return weft_fail(WEFT_ERROR_ARGUMENT, "unknown command %s; did you mean %s?", word, best);
    return weft_fail(WEFT_ERROR_ARGUMENT, "unknown command %s; weft help lists them", word);
}

weft_status cli_unknown(const cli_command *const *commands, const char *name, const char *word)
{
    const char *best = NULL;
    bool known = false;
    weft_text list = {0};
    for (const cli_command *const *row = commands; *row; row++) {
        bool same = strcmp((*row)->name, name) == 0;
        known = known || same;
        if (same && (*row)->action && !(*row)->hidden) {
            weft_text_add(&list, "%s%s", list.length ? ", " : "", (*row)->action);
            if (word)
                weft_spelling_nearest(word, (*row)->action, &best);
        }
    }
    const char *all = list.data && !list.failed ? list.data : "no action";
    weft_status status;
    if (!known)
        status = unknown_command(commands, name);
    else if (!word)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s needs an action: %s", name, all);
    else if (best)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "unknown action %s %s; did you mean %s %s?", name, word, name, best);
    else
        status = weft_fail(WEFT_ERROR_ARGUMENT, "unknown action %s %s; %s has %s", name, word, name, all);
    weft_text_free(&list);
    return status;
}

/* Finds the row of argv[1] (and argv[2]); *next is the first word after it. A room's name before --help is no row: *room. */
static weft_status choose_command(const cli_command *const *commands, int argc, const char *const *argv, const cli_command **out,
                                  int *next, const char **room)
{
    if (argc < 2)
        return weft_fail(WEFT_ERROR_ARGUMENT, "no command given; weft help lists them");
    const char *name = argv[1], *word = argc > 2 ? argv[2] : NULL;
    *room = NULL;
    *next = 2;
    if (name[0] == '-') {
        const char *stands_for = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ? "help"
                                 : strcmp(name, "--version") == 0                       ? "version"
                                                                                        : NULL;
        if (!stands_for)
            return weft_fail(WEFT_ERROR_ARGUMENT,
                             "%s stands before any command; usage: weft COMMAND [ACTION] [FILES] [--options]", name);
        *out = cli_find(commands, stands_for, NULL);
        return *out ? WEFT_OK : unknown_command(commands, stands_for);
    }
    const cli_command *plain = cli_find(commands, name, NULL), *acting = word ? cli_find(commands, name, word) : NULL;
    *out = acting ? acting : plain;
    if (acting)
        *next = 3;
    if (*out)
        return WEFT_OK;
    if (word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0))
        for (const cli_command *const *row = commands; *row; row++)
            if (strcmp((*row)->name, name) == 0) {
                *room = (*row)->name;
                return WEFT_OK;
            }
    return cli_unknown(commands, name, word && word[0] != '-' ? word : NULL);
}

/* The row of option `name` (`length` bytes), in the command's table or among the common ones; its slot in *slot. */
static const cli_option *find_option(const cli_arguments *arguments, const char *name, size_t length, int *slot)
{
    for (int i = 0; i < arguments->option_count; i++) {
        const cli_option *option = arguments->options[i];
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0) {
            *slot = i;
            return option;
        }
    }
    return NULL;
}

static weft_status unknown_option(const cli_arguments *arguments, const char *word)
{
    size_t dashes = strspn(word, "-"), length = strcspn(word, "=");
    const char *best = NULL;
    char typed[64] = "";
    size_t bytes = length > dashes ? length - dashes : 0;
    memcpy(typed, word + dashes, bytes < sizeof typed ? bytes : sizeof typed - 1);
    for (int i = 0; i < arguments->option_count; i++)
        weft_spelling_nearest(typed, arguments->options[i]->name, &best);
    if (best)
        return weft_fail(WEFT_ERROR_ARGUMENT, "unknown option %.*s; did you mean --%s?", (int)length, word, best);
    const cli_command *command = arguments->command;
    return weft_fail(WEFT_ERROR_ARGUMENT, "unknown option %.*s; weft help %s%s%s lists them", (int)length, word, command->name,
                     command->action ? " " : "", command->action ? command->action : "");
}

static weft_status add_word(cli_arguments *arguments, const char *word)
{
    const char **grown = realloc(arguments->words, ((size_t)arguments->word_count + 1) * sizeof *grown);
    if (!grown)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the command line");
    arguments->words = grown;
    arguments->words[arguments->word_count++] = word;
    return WEFT_OK;
}

/* Reads the option at argv[*at]; leaves *at on the last word it took. */
static weft_status read_option(cli_arguments *arguments, int argc, const char *const *argv, int *at)
{
    const char *word = argv[*at];
    if (strcmp(word, "-h") == 0)
        word = "--help";
    if (word[1] != '-')
        return unknown_option(arguments, word);
    const char *name = word + 2, *equals = strchr(name, '=');
    int slot = 0;
    const cli_option *option = find_option(arguments, name, equals ? (size_t)(equals - name) : strlen(name), &slot);
    if (!option)
        return unknown_option(arguments, word);
    cli_value *value = &arguments->values[slot];
    value->given = true;
    if (option->kind == CLI_FLAG)
        return equals ? weft_fail(WEFT_ERROR_ARGUMENT, "--%s takes no value; write --%s alone", option->name, option->name)
                      : WEFT_OK;
    const char *text = equals ? equals + 1 : *at + 1 < argc ? argv[*at + 1] : NULL;
    if (!text || (!equals && strncmp(text, "--", 2) == 0))
        return weft_fail(WEFT_ERROR_ARGUMENT, "--%s needs a value: --%s %s", option->name, option->name, option->value);
    *at += equals ? 0 : 1;
    weft_status status = cli_value_read(option, text, value);
    if (option->traits & CLI_WORDS)
        while (status == WEFT_OK && *at + 1 < argc && argv[*at + 1][0] != '-')
            status = cli_value_read(option, argv[++*at], value);
    return status;
}

static weft_status check_words(const cli_arguments *arguments)
{
    const cli_command *command = arguments->command;
    const char *action = command->action ? command->action : "", *space = command->action ? " " : "";
    int at = 0, count = arguments->word_count;
    for (const cli_positional *row = command->positionals; row && row->name; row++) {
        int left = count - at;
        if (left < row->least)
            return weft_fail(WEFT_ERROR_ARGUMENT, "%s%s%s needs %s (%s); weft help %s%s%s shows an example", command->name, space,
                             action, row->name, row->help, command->name, space, action);
        at += left < row->most ? left : row->most;
    }
    if (at < count)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "%s%s%s does not know what to do with \"%s\": one word too many; weft help %s%s%s shows an example",
                         command->name, space, action, arguments->words[at], command->name, space, action);
    for (int i = 0; i < arguments->option_count; i++) {
        const cli_option *option = arguments->options[i];
        if ((option->traits & CLI_REQUIRED) && !arguments->values[i].given)
            return weft_fail(WEFT_ERROR_ARGUMENT, "%s%s%s needs --%s %s (%s)", command->name, space, action, option->name,
                             option->value, option->help);
    }
    return WEFT_OK;
}

static weft_status fill(cli_arguments *arguments, const cli_command *const *commands, int argc, const char *const *argv)
{
    int at = 0;
    const char *room = NULL;
    weft_status status = cli_arguments_keep_line(arguments, argc, argv);
    if (status == WEFT_OK)
        status = choose_command(commands, argc, argv, &arguments->command, &at, &room);
    if (status == WEFT_OK && room) {
        /* weft tabular --help: what weft help tabular answers */
        arguments->command = cli_find(commands, "help", NULL);
        status = arguments->command ? cli_arguments_slots(arguments) : weft_fail(WEFT_ERROR_ARGUMENT, "there is no help");
        return status == WEFT_OK ? add_word(arguments, room) : status;
    }
    if (status == WEFT_OK)
        status = cli_arguments_slots(arguments);
    for (bool only_words = false; status == WEFT_OK && at < argc; at++) {
        if (!only_words && strcmp(argv[at], "--") == 0)
            only_words = true;
        else if (!only_words && argv[at][0] == '-' && argv[at][1])
            status = read_option(arguments, argc, argv, &at);
        else
            status = add_word(arguments, argv[at]);
    }
    if (status == WEFT_OK && !cli_help_wanted(arguments))
        status = check_words(arguments);
    return status;
}

weft_status cli_parse(const cli_command *const *commands, int argc, const char *const *argv, cli_arguments **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the command line");
    weft_status status = fill(*out, commands, argc, argv);
    if (status != WEFT_OK) {
        cli_arguments_free(*out);
        *out = NULL;
    }
    return status;
}
