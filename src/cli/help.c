/* weft help, and the texts that --help answers: made from the tables. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 100, COLUMN = 28 };

static int text_width(const char *text, size_t bytes)
{
    int width = 0;
    for (size_t i = 0; i < bytes; i++)
        width += ((unsigned char)text[i] & 0xc0) != 0x80; /* every byte that begins a character */
    return width;
}

/* Adds `text` from column `at`, words wrapped at WIDTH, later lines indented; ends the line. Empty lines part paragraphs. */
static void add_wrapped(weft_text *out, const char *text, int at, int indent)
{
    bool space = false; /* before the next word of this line */
    while (*text) {
        if (*text == '\n') {
            weft_text_add(out, "\n%s%*s", text[1] == '\n' ? "\n" : "", indent, "");
            text += text[1] == '\n' ? 2 : 1;
            at = indent;
            continue;
        }
        size_t bytes = strcspn(text, " \n");
        int width = text_width(text, bytes);
        if (space && at + 1 + width > WIDTH) {
            weft_text_add(out, "\n%*s", indent, "");
            at = indent;
            space = false;
        }
        weft_text_add(out, "%s%.*s", space ? " " : "", (int)bytes, text);
        at += width + space;
        text += bytes;
        space = *text == ' ';
        text += space;
    }
    weft_text_add(out, "\n");
}

/* "  LEFT          ABOUT", wrapped. */
static void add_row(weft_text *out, const char *left, const char *about)
{
    weft_text_add(out, "  %s", left);
    int width = 2 + text_width(left, strlen(left));
    if (width + 2 > COLUMN)
        weft_text_add(out, "\n%*s", COLUMN, "");
    else
        weft_text_add(out, "%*s", COLUMN - width, "");
    add_wrapped(out, about, COLUMN, COLUMN);
}

void cli_command_name(const cli_command *command, char separator, weft_text *out)
{
    weft_text_add(out, "%s", command->name);
    if (command->action)
        weft_text_add(out, "%c%s", separator, command->action);
}

void cli_option_form(const cli_option *option, weft_text *out)
{
    weft_text_add(out, "--%s", option->name);
    if (option->value)
        weft_text_add(out, " %s%s", option->value, option->traits & CLI_WORDS ? "..." : "");
}

void cli_option_about(const cli_option *option, weft_text *out)
{
    weft_text_add(out, "%s", option->help);
    if (option->choices) {
        weft_text_add(out, ": ");
        for (const char *at = option->choices; *at; at++) {
            if (*at == '|')
                weft_text_add(out, "%s", strchr(at + 1, '|') ? ", " : " or ");
            else
                weft_text_add(out, "%c", *at);
        }
    }
    if (option->traits & CLI_REQUIRED)
        weft_text_add(out, " (required)");
    else if (option->otherwise)
        weft_text_add(out, " (default: %s)", option->otherwise);
}

void cli_usage_line(const cli_command *command, weft_text *out)
{
    weft_text_add(out, "weft ");
    cli_command_name(command, ' ', out);
    for (const cli_positional *row = command->positionals; row && row->name; row++)
        weft_text_add(out, row->least ? " %s%s" : " [%s%s]", row->name, row->most > 1 ? "..." : "");
    for (const cli_option *option = command->options; option && option->name; option++)
        if (option->traits & CLI_REQUIRED) {
            weft_text_add(out, " ");
            cli_option_form(option, out);
        }
    weft_text_add(out, " [options]");
}

static const char *group_of(const cli_option *option)
{
    return option->group ? option->group : "Options";
}

/* The rows of one group, or all of them (NULL), under a heading. */
static void add_options(weft_text *out, const char *heading, const cli_option *options, const char *group)
{
    weft_text_add(out, "\n%s:\n", heading);
    for (; options->name; options++) {
        if (group && strcmp(group_of(options), group) != 0)
            continue;
        weft_text form = {0}, about = {0};
        cli_option_form(options, &form);
        cli_option_about(options, &about);
        if (form.failed || about.failed)
            out->failed = true;
        else
            add_row(out, form.data, about.data);
        weft_text_free(&form);
        weft_text_free(&about);
    }
}

/* The groups in the order in which they first appear, each once. */
static void add_groups(weft_text *out, const cli_option *options)
{
    for (const cli_option *option = options; option && option->name; option++) {
        bool seen = false;
        for (const cli_option *before = options; before < option && !seen; before++)
            seen = strcmp(group_of(before), group_of(option)) == 0;
        if (!seen)
            add_options(out, group_of(option), options, group_of(option));
    }
}

static void add_example(weft_text *out, const char *example)
{
    weft_text_add(out, "\nExample:\n");
    for (const char *line = example; *line;) {
        size_t length = strcspn(line, "\n");
        weft_text_add(out, "  %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

void cli_help_text(const cli_command *command, weft_text *out)
{
    weft_text_add(out, "usage: ");
    cli_usage_line(command, out);
    weft_text_add(out, "\n\n  ");
    add_wrapped(out, command->summary, 2, 2);
    if (command->description) {
        weft_text_add(out, "\n  ");
        add_wrapped(out, command->description, 2, 2);
    }
    if (command->positionals && command->positionals->name) {
        weft_text_add(out, "\nFiles and words:\n");
        for (const cli_positional *row = command->positionals; row->name; row++)
            add_row(out, row->name, row->help);
    }
    add_groups(out, command->options);
    add_options(out, "Options of every command", cli_common_options, NULL);
    if (command->example)
        add_example(out, command->example);
}

void cli_room_text(const cli_command *const *commands, const char *room, weft_text *out)
{
    const char *summary = cli_room_summary(room);
    weft_text_add(out, "usage: weft %s ACTION [FILES] [options]\n\n  %s\n\nActions:\n", room, summary ? summary : room);
    for (; *commands; commands++)
        if (strcmp((*commands)->name, room) == 0 && !(*commands)->hidden)
            add_row(out, (*commands)->action ? (*commands)->action : "(none)", (*commands)->summary);
    weft_text_add(out, "\nweft help %s ACTION tells the options of one.\n", room);
}

void cli_overview_text(const cli_command *const *commands, weft_text *out)
{
    weft_text_add(out, "usage: weft COMMAND [ACTION] [FILES] [options]\n\n"
                       "  Weft trains, runs and studies transformer-like models.\n\nCommands:\n");
    for (; *commands; commands++) {
        if ((*commands)->hidden)
            continue;
        weft_text name = {0};
        cli_command_name(*commands, ' ', &name);
        if (name.failed)
            out->failed = true;
        else
            add_row(out, name.data, (*commands)->summary);
        weft_text_free(&name);
    }
    weft_text_add(out, "\nweft help COMMAND [ACTION] tells the options of one, with an example.\n");
}

/* The text for the words after "weft help". */
static weft_status find_text(cli_arguments *arguments, weft_text *out)
{
    const char *name = cli_positional_at(arguments, 0), *action = cli_positional_at(arguments, 1);
    if (!name) {
        cli_overview_text(cli_commands, out);
        return WEFT_OK;
    }
    const cli_command *row = cli_find(cli_commands, name, action);
    if (row) {
        cli_help_text(row, out);
        return WEFT_OK;
    }
    if (!action)
        for (const cli_command *const *each = cli_commands; *each; each++)
            if (strcmp((*each)->name, name) == 0) {
                cli_room_text(cli_commands, name, out);
                return WEFT_OK;
            }
    cli_unknown(cli_commands, name, action);
    return cli_misuse(arguments, "%s", weft_error());
}

static weft_status run(cli_arguments *arguments)
{
    weft_text text = {0};
    weft_status status = find_text(arguments, &text);
    if (status == WEFT_OK && text.failed)
        status = weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the help");
    if (status == WEFT_OK) {
        cli_say(arguments, "%s", text.data);
        cli_json_string(arguments, "help", text.data);
    }
    weft_text_free(&text);
    return status;
}

static const cli_positional words[] = {
    {"COMMAND", 0, 1, "a command, or a room such as tabular"},
    {"ACTION", 0, 1, "an action of it"},
    {0},
};

const cli_command cli_help = {
    .name = "help",
    .summary = "what a command does, its options, and an example",
    .positionals = words,
    .example = "weft help version",
    .run = run,
};
