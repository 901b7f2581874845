/* Values of options: from text with checks, and to the commands by name. */
#include "cli/arguments.h"

#include "base/spelling.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "from 1 up", "from 0 to 1", "above 0 and below 1" …; "" without ends. */
static void range_text(const cli_option *option, char *out, size_t size)
{
    bool low = option->least > -CLI_ANY, high = option->most < CLI_ANY;
    bool above = option->traits & CLI_ABOVE_LEAST, below = option->traits & CLI_BELOW_MOST;
    out[0] = 0;
    if (low && high && !above && !below)
        snprintf(out, size, " from %.15g to %.15g", option->least, option->most);
    else if (low && high)
        snprintf(out, size, " %s %.15g and %s %.15g", above ? "above" : "from", option->least, below ? "below" : "at most",
                 option->most);
    else if (low)
        snprintf(out, size, " %s %.15g%s", above ? "above" : "from", option->least, above ? "" : " up");
    else if (high)
        snprintf(out, size, " %s %.15g", below ? "below" : "at most", option->most);
}

static weft_status wrong_number(const cli_option *option, const char *text)
{
    char range[96];
    range_text(option, range, sizeof range);
    return weft_fail(WEFT_ERROR_ARGUMENT, "--%s takes a %snumber%s, not \"%s\"", option->name,
                     option->kind == CLI_INT ? "whole " : "", range, text);
}

static bool in_range(const cli_option *option, double number)
{
    bool low = option->traits & CLI_ABOVE_LEAST ? number > option->least : number >= option->least;
    bool high = option->traits & CLI_BELOW_MOST ? number < option->most : number <= option->most;
    return low && high;
}

static weft_status read_number(const cli_option *option, const char *text, cli_value *value)
{
    char *end = NULL;
    errno = 0;
    bool begins = isdigit((unsigned char)text[0]) || text[0] == '-' || text[0] == '+' || text[0] == '.';
    if (!begins || strchr(text, 'x') || strchr(text, 'X'))
        return wrong_number(option, text);
    if (option->kind == CLI_INT) {
        value->integer = strtoll(text, &end, 10);
        value->number = (double)value->integer;
    } else {
        value->number = strtod(text, &end);
    }
    bool overflow = errno == ERANGE && (option->kind == CLI_INT || !isfinite(value->number));
    if (end == text || *end || overflow || !isfinite(value->number) || !in_range(option, value->number))
        return wrong_number(option, text);
    return WEFT_OK;
}

static weft_status read_choice(const cli_option *option, const char *text)
{
    weft_text list = {0};
    char best[64] = "";
    for (const char *at = option->choices; *at;) {
        size_t length = strcspn(at, "|");
        bool last = !at[length];
        if (strlen(text) == length && memcmp(at, text, length) == 0) {
            weft_text_free(&list);
            return WEFT_OK;
        }
        weft_text_add(&list, "%s%.*s", !list.length ? "" : last ? " or " : ", ", (int)length, at);
        char choice[64];
        snprintf(choice, sizeof choice, "%.*s", (int)length, at);
        const char *nearest = best[0] ? best : NULL, *before = nearest;
        weft_spelling_nearest(text, choice, &nearest);
        if (nearest != before)
            memcpy(best, choice, sizeof best);
        at += length + !last;
    }
    weft_status status = weft_fail(WEFT_ERROR_ARGUMENT, "--%s takes %s, not \"%s\"%s%s%s", option->name,
                                   list.data && !list.failed ? list.data : option->choices, text,
                                   best[0] ? "; did you mean " : "", best, best[0] ? "?" : "");
    weft_text_free(&list);
    return status;
}

static weft_status add_item(cli_value *value, const char *item)
{
    char **grown = realloc(value->items, ((size_t)value->item_count + 1) * sizeof *grown);
    char *copy = grown ? strdup(item) : NULL;
    if (grown)
        value->items = grown;
    if (!copy)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the command line");
    value->items[value->item_count++] = copy;
    return WEFT_OK;
}

/* A,B: items between commas. An item that holds a comma is quoted as in CSV ("a, b", with "" for a quote); \, stands for a comma
 * too, \\ for a backslash. */
static weft_status read_list(const cli_option *option, const char *text, cli_value *value)
{
    char *item = malloc(strlen(text) + 1);
    if (!item)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the command line");
    weft_status status = WEFT_OK;
    size_t length = 0;
    bool quoted = false, begins = true;
    for (const char *at = text; status == WEFT_OK; at++) {
        if (begins && *at == '"') {
            quoted = true;
            begins = false;
            continue;
        }
        begins = false;
        if (quoted && *at == '"' && at[1] == '"') {
            item[length++] = *at++;
        } else if (quoted && *at == '"' && (at[1] == ',' || !at[1])) {
            quoted = false;
        } else if (quoted && !*at) {
            status = weft_fail(WEFT_ERROR_ARGUMENT, "--%s: a quote is not closed in %s", option->name, text);
        } else if (quoted) {
            item[length++] = *at;
        } else if (*at == '\\' && (at[1] == ',' || at[1] == '\\')) {
            item[length++] = *++at;
        } else if (*at == ',' || !*at) {
            item[length] = 0;
            if (length == 0)
                status = weft_fail(WEFT_ERROR_ARGUMENT, "--%s takes names parted by commas, not \"%s\"", option->name, text);
            else
                status = add_item(value, item);
            length = 0;
            begins = true;
            if (!*at)
                break;
        } else {
            item[length++] = *at;
        }
    }
    free(item);
    return status;
}

weft_status cli_value_read(const cli_option *option, const char *text, cli_value *value)
{
    value->text = text;
    switch (option->kind) {
    case CLI_INT:
    case CLI_NUMBER:
        return read_number(option, text, value);
    case CLI_CHOICE:
        return read_choice(option, text);
    case CLI_LIST:
        return read_list(option, text, value);
    case CLI_PATH:
        return text[0] ? WEFT_OK
                       : weft_fail(WEFT_ERROR_ARGUMENT, "--%s needs a path: --%s %s", option->name, option->name, option->value);
    case CLI_FLAG:
    case CLI_TEXT:
        break;
    }
    return WEFT_OK;
}

static int count_options(const cli_option *table)
{
    int count = 0;
    while (table && table[count].name)
        count++;
    return count;
}

weft_status cli_arguments_slots(cli_arguments *arguments)
{
    const cli_option *tables[2] = {arguments->command->options, cli_common_options};
    int most = count_options(tables[0]) + count_options(tables[1]);
    arguments->options = calloc((size_t)most, sizeof *arguments->options);
    arguments->values = calloc((size_t)most, sizeof *arguments->values);
    if (!arguments->options || !arguments->values)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the command line");
    weft_status status = WEFT_OK;
    for (int t = 0; t < 2; t++)
        for (const cli_option *option = tables[t]; option && option->name && status == WEFT_OK; option++) {
            cli_value *value = &arguments->values[arguments->option_count];
            arguments->options[arguments->option_count++] = option;
            if (option->otherwise)
                status = cli_value_read(option, option->otherwise, value);
        }
    return status;
}

weft_status cli_arguments_keep_line(cli_arguments *arguments, int argc, const char *const *argv)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./,:@%";
    weft_text_add(&arguments->line, "weft");
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (*word && !word[strspn(word, plain)]) {
            weft_text_add(&arguments->line, " %s", word);
            continue;
        }
        weft_text_add(&arguments->line, " '");
        for (; *word; word++)
            weft_text_add(&arguments->line, *word == '\'' ? "'\\''" : "%c", *word);
        weft_text_add(&arguments->line, "'");
    }
    return arguments->line.failed ? weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the command line") : WEFT_OK;
}

void cli_arguments_free(cli_arguments *arguments)
{
    if (!arguments)
        return;
    for (int i = 0; arguments->values && i < arguments->option_count; i++) {
        for (int j = 0; j < arguments->values[i].item_count; j++)
            free(arguments->values[i].items[j]);
        free(arguments->values[i].items);
    }
    free(arguments->values);
    free(arguments->options);
    free(arguments->words);
    weft_text_free(&arguments->line);
    free(arguments);
}

static const cli_value *value_of(const cli_arguments *arguments, const char *name)
{
    for (int i = 0; i < arguments->option_count; i++)
        if (strcmp(arguments->options[i]->name, name) == 0)
            return &arguments->values[i];
    assert(!"a command asks for an option that its table lacks");
    static const cli_value none;
    return &none;
}

bool cli_given(const cli_arguments *arguments, const char *name)
{
    return value_of(arguments, name)->given;
}

bool cli_flag(const cli_arguments *arguments, const char *name)
{
    return value_of(arguments, name)->given;
}

int64_t cli_int(const cli_arguments *arguments, const char *name)
{
    return value_of(arguments, name)->integer;
}

double cli_number(const cli_arguments *arguments, const char *name)
{
    return value_of(arguments, name)->number;
}

const char *cli_text(const cli_arguments *arguments, const char *name)
{
    return value_of(arguments, name)->text;
}

int cli_list(const cli_arguments *arguments, const char *name, const char *const **items)
{
    const cli_value *value = value_of(arguments, name);
    *items = (const char *const *)value->items;
    return value->item_count;
}

int cli_positional_count(const cli_arguments *arguments)
{
    return arguments->word_count;
}

const char *cli_positional_at(const cli_arguments *arguments, int i)
{
    return i >= 0 && i < arguments->word_count ? arguments->words[i] : NULL;
}

const cli_command *cli_command_of(const cli_arguments *arguments)
{
    return arguments->command;
}

bool cli_help_wanted(const cli_arguments *arguments)
{
    return arguments->values && cli_flag(arguments, "help");
}

const char *cli_command_line(const cli_arguments *arguments)
{
    return arguments->line.data;
}

weft_status cli_misuse(cli_arguments *arguments, const char *format, ...)
{
    weft_text text = {0};
    va_list list;
    va_start(list, format);
    weft_text_addv(&text, format, list);
    va_end(list);
    arguments->misuse = true;
    weft_status status = weft_fail(WEFT_ERROR_ARGUMENT, "%s", text.data && !text.failed ? text.data : format);
    weft_text_free(&text);
    return status;
}

bool cli_misused(const cli_arguments *arguments)
{
    return arguments->misuse;
}
