/* Manual pages in man(7), from the tables: weft.1, and a page a command. */
#include "cli/cli.h"

#include <string.h>

/* The pages are the same bytes whenever they are made, so the date is the release's. */
#define PAGE_DATE "2026-11-24"

/* Text as roff shows it: no line of it is a request, hyphens stay plain when copied, backslashes are themselves. */
static void add_escaped(weft_text *out, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if ((c == '.' || c == '\'') && (i == 0 || text[i - 1] == '\n'))
            weft_text_add(out, "\\&");
        if (c == '\\')
            weft_text_add(out, "\\e");
        else if (c == '-')
            weft_text_add(out, "\\-");
        else
            weft_text_bytes(out, &c, 1);
    }
}

static void add_text(weft_text *out, const char *text)
{
    add_escaped(out, text, strlen(text));
}

/* Paragraphs parted by empty lines. */
static void add_paragraphs(weft_text *out, const char *text)
{
    for (const char *gap; (gap = strstr(text, "\n\n")); text = gap + 2) {
        add_escaped(out, text, (size_t)(gap - text));
        weft_text_add(out, "\n.PP\n");
    }
    add_text(out, text);
    weft_text_add(out, "\n");
}

static void add_item(weft_text *out, const char *term, const char *about)
{
    weft_text_add(out, ".TP\n\\fB");
    add_text(out, term);
    weft_text_add(out, "\\fR\n");
    add_text(out, about);
    weft_text_add(out, "\n");
}

static void add_option_items(weft_text *out, const cli_option *option)
{
    for (; option && option->name; option++) {
        weft_text form = {0}, about = {0};
        cli_option_form(option, &form);
        cli_option_about(option, &about);
        if (form.failed || about.failed)
            out->failed = true;
        else
            add_item(out, form.data, about.data);
        weft_text_free(&form);
        weft_text_free(&about);
    }
}

/* Title and NAME section: "weft-tabular-train". */
static void add_head(weft_text *out, const char *page, const char *summary)
{
    weft_text_add(out, ".TH ");
    for (const char *c = page; *c; c++)
        weft_text_add(out, *c == '-' ? "\\-" : "%c", *c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    weft_text_add(out, " 1 %s \"weft %s\"\n.SH NAME\n", PAGE_DATE, WEFT_VERSION);
    add_text(out, page);
    weft_text_add(out, " \\- ");
    add_text(out, summary);
    weft_text_add(out, "\n");
}

static void add_exit_status(weft_text *out)
{
    weft_text_add(out, ".SH EXIT STATUS\n"
                       "0 when the job is done; 1 when it failed, with one line on standard error; 2 for wrong usage.\n");
}

void cli_man_page(const cli_command *command, weft_text *out)
{
    weft_text name = {0}, usage = {0};
    weft_text_add(&name, "weft-");
    cli_command_name(command, '-', &name);
    cli_usage_line(command, &usage);
    if (name.failed || usage.failed) {
        out->failed = true;
    } else {
        add_head(out, name.data, command->summary);
        weft_text_add(out, ".SH SYNOPSIS\n");
        add_text(out, usage.data);
        weft_text_add(out, "\n");
    }
    weft_text_free(&name);
    weft_text_free(&usage);
    if (command->description) {
        weft_text_add(out, ".SH DESCRIPTION\n");
        add_paragraphs(out, command->description);
    }
    weft_text_add(out, ".SH OPTIONS\n");
    for (const cli_positional *row = command->positionals; row && row->name; row++)
        add_item(out, row->name, row->help);
    add_option_items(out, command->options);
    add_option_items(out, cli_common_options);
    if (command->example) {
        weft_text_add(out, ".SH EXAMPLES\n.EX\n");
        add_text(out, command->example);
        weft_text_add(out, "\n.EE\n");
    }
    add_exit_status(out);
    weft_text_add(out, ".SH SEE ALSO\n.BR weft (1)\n");
}

void cli_man_overview(const cli_command *const *commands, weft_text *out)
{
    add_head(out, "weft", "train, run and study transformer-like models");
    weft_text_add(out, ".SH SYNOPSIS\nweft COMMAND [ACTION] [FILES] [options]\n.SH DESCRIPTION\n"
                       "One command for the working life of a transformer.\n"
                       "Each command has a page of its own, named weft\\-COMMAND or weft\\-COMMAND\\-ACTION.\n.SH COMMANDS\n");
    for (const cli_command *const *row = commands; *row; row++) {
        if ((*row)->hidden)
            continue;
        weft_text name = {0};
        cli_command_name(*row, ' ', &name);
        if (name.failed)
            out->failed = true;
        else
            add_item(out, name.data, (*row)->summary);
        weft_text_free(&name);
    }
    weft_text_add(out, ".SH OPTIONS\n");
    add_option_items(out, cli_common_options);
    add_exit_status(out);
}
