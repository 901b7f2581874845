/* Completions for bash and zsh, from the tables. Both scripts hold plain lists and a few lines that choose among them. */
#include "cli/cli.h"

#include <string.h>

static bool first_of_name(const cli_command *const *commands, const cli_command *const *row)
{
    for (; commands < row; commands++)
        if (strcmp((*commands)->name, (*row)->name) == 0)
            return false;
    return true;
}

/* The actions of a command's name, parted by spaces; nothing for a plain command. */
static void add_actions(const cli_command *const *commands, const char *name, weft_text *out)
{
    for (; *commands; commands++)
        if (!(*commands)->hidden && (*commands)->action && strcmp((*commands)->name, name) == 0)
            weft_text_add(out, " %s", (*commands)->action);
}

static void add_choices(const char *choices, weft_text *out)
{
    for (; *choices; choices++)
        weft_text_add(out, "%c", *choices == '|' ? ' ' : *choices);
}

/* Text inside single quotes of a shell. */
static void add_quoted(const char *text, weft_text *out)
{
    for (; *text; text++)
        if (*text == '\'')
            weft_text_add(out, "'\\''");
        else
            weft_text_bytes(out, text, 1);
}

/* case lines "    'tabular train --arch') offers='tabr mlp' ;;" for options with choices, and one that says what takes files */
static void bash_values(const cli_command *command, const cli_option *option, weft_text *out)
{
    for (; option && option->name; option++) {
        if (option->kind == CLI_FLAG)
            continue;
        weft_text_add(out, "    '");
        cli_command_name(command, ' ', out);
        weft_text_add(out, " --%s') ", option->name);
        if (option->choices) {
            weft_text_add(out, "offers='");
            add_choices(option->choices, out);
            weft_text_add(out, "'");
        } else {
            weft_text_add(out, "%s", option->kind == CLI_PATH ? "files=1" : "offers=''");
        }
        weft_text_add(out, "; value=1 ;;\n");
    }
}

void cli_bash_completion(const cli_command *const *commands, weft_text *out)
{
    weft_text_add(
        out,
        "# bash completion of weft, made from its option tables.\n"
        "_weft() {\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} actions='' names=''\n"
        "    local offers='' files='' value=''\n"
        "    COMPREPLY=()\n");
    weft_text_add(out, "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '");
    for (const cli_command *const *row = commands; *row; row++)
        if (!(*row)->hidden && first_of_name(commands, row))
            weft_text_add(out, "%s ", (*row)->name);
    weft_text_add(out, "' -- \"$word\"))\n        return\n    fi\n    case $command in\n");
    for (const cli_command *const *row = commands; *row; row++)
        if (!(*row)->hidden && first_of_name(commands, row)) {
            weft_text actions = {0};
            add_actions(commands, (*row)->name, &actions);
            if (actions.data)
                weft_text_add(out, "    %s) actions='%s' ;;\n", (*row)->name, actions.data + 1);
            weft_text_free(&actions);
        }
    weft_text_add(out, "    esac\n"
                       "    if [ \"$COMP_CWORD\" -eq 2 ] && [ -n \"$actions\" ] && [ \"${word#-}\" = \"$word\" ]; then\n"
                       "        COMPREPLY=($(compgen -W \"$actions\" -- \"$word\"))\n        return\n    fi\n"
                       "    case \" $actions \" in *\" ${COMP_WORDS[2]} \"*) command=\"$command ${COMP_WORDS[2]}\" ;; esac\n"
                       "    case \"$command $last\" in\n");
    for (const cli_command *const *row = commands; *row; row++)
        if (!(*row)->hidden) {
            bash_values(*row, (*row)->options, out);
            bash_values(*row, cli_common_options, out);
        }
    weft_text_add(out, "    esac\n    case $command in\n");
    for (const cli_command *const *row = commands; *row; row++) {
        if ((*row)->hidden)
            continue;
        weft_text_add(out, "    '");
        cli_command_name(*row, ' ', out);
        weft_text_add(out, "') names='");
        for (const cli_option *option = (*row)->options; option && option->name; option++)
            weft_text_add(out, "--%s ", option->name);
        for (const cli_option *option = cli_common_options; option->name; option++)
            weft_text_add(out, "--%s ", option->name);
        weft_text_add(out, "' ;;\n");
    }
    weft_text_add(out, "    esac\n"
                       "    if [ -z \"$value\" ]; then\n"
                       "        case $word in -*) offers=$names ;; *) files=1 ;; esac\n"
                       "    fi\n"
                       "    if [ -n \"$files\" ]; then\n"
                       "        type compopt >/dev/null 2>&1 && compopt -o filenames 2>/dev/null\n"
                       "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
                       "    else\n"
                       "        COMPREPLY=($(compgen -W \"$offers\" -- \"$word\"))\n"
                       "    fi\n"
                       "}\n"
                       "complete -F _weft weft\n");
}

/* One specification of _arguments a line: '--arch[help]:NAME:(tabr mlp)'. */
static void zsh_options(const cli_option *option, weft_text *out)
{
    for (; option && option->name; option++) {
        weft_text_add(out, " \\\n            '%s--%s%s[", option->kind == CLI_LIST ? "*" : "", option->name,
                      option->kind == CLI_FLAG ? "" : "=");
        for (const char *c = option->help; *c; c++)
            if (*c == '\'')
                weft_text_add(out, "'\\''");
            else
                weft_text_add(out, strchr("[]:\\", *c) ? "\\%c" : "%c", *c);
        weft_text_add(out, "]");
        if (option->kind != CLI_FLAG)
            weft_text_add(out, ":%s:", option->value);
        if (option->choices) {
            weft_text_add(out, "(");
            add_choices(option->choices, out);
            weft_text_add(out, ")");
        } else if (option->kind == CLI_PATH) {
            weft_text_add(out, "_files");
        }
        weft_text_add(out, "'");
    }
}

void cli_zsh_completion(const cli_command *const *commands, weft_text *out)
{
    weft_text_add(out, "#compdef weft\n# zsh completion of weft, made from its option tables.\n"
                       "_weft() {\n    local command=$words[2]\n"
                       "    if (( CURRENT == 2 )); then\n        local -a names=(\n");
    for (const cli_command *const *row = commands; *row; row++)
        if (!(*row)->hidden && first_of_name(commands, row)) {
            const char *room = cli_room_summary((*row)->name);
            weft_text_add(out, "            '%s:", (*row)->name);
            add_quoted(room ? room : (*row)->summary, out);
            weft_text_add(out, "'\n");
        }
    weft_text_add(
        out, "        )\n        _describe command names\n        return\n    fi\n    local actions=''\n    case $command in\n");
    for (const cli_command *const *row = commands; *row; row++)
        if (!(*row)->hidden && first_of_name(commands, row)) {
            weft_text actions = {0};
            add_actions(commands, (*row)->name, &actions);
            if (actions.data)
                weft_text_add(out, "    %s) actions='%s' ;;\n", (*row)->name, actions.data + 1);
            weft_text_free(&actions);
        }
    weft_text_add(out, "    esac\n"
                       "    if [[ -n $actions ]] && (( CURRENT == 3 )); then\n"
                       "        _values action ${=actions}\n        return\n    fi\n"
                       "    if [[ \" $actions \" == *\" $words[3] \"* ]]; then\n"
                       "        command=\"$command $words[3]\"\n        shift words\n        (( CURRENT-- ))\n    fi\n"
                       "    shift words\n    (( CURRENT-- ))\n    case $command in\n");
    for (const cli_command *const *row = commands; *row; row++) {
        if ((*row)->hidden)
            continue;
        weft_text_add(out, "    '");
        cli_command_name(*row, ' ', out);
        weft_text_add(out, "')\n        _arguments");
        zsh_options((*row)->options, out);
        zsh_options(cli_common_options, out);
        weft_text_add(out, " \\\n            '*:file:_files' ;;\n");
    }
    weft_text_add(out, "    esac\n}\n_weft \"$@\"\n");
}
