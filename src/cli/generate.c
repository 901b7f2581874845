/* weft generate man | bash | zsh: files for `make install`, made by the command that they describe. Hidden: users never need it.
 */
#include "cli/cli.h"

#include "base/files.h"

#include <stdlib.h>

static weft_status write_text(const char *path, weft_text *text)
{
    if (text->failed)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate %s", path);
    return weft_file_write(path, text->data, text->length);
}

static weft_status write_page(const char *folder, const cli_command *command)
{
    weft_text path = {0}, page = {0};
    weft_text_add(&path, "%s/weft", folder);
    if (command) {
        weft_text_add(&path, "-");
        cli_command_name(command, '-', &path);
        cli_man_page(command, &page);
    } else {
        cli_man_overview(cli_commands, &page);
    }
    weft_text_add(&path, ".1");
    weft_status status = path.failed ? weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a path") : write_text(path.data, &page);
    weft_text_free(&path);
    weft_text_free(&page);
    return status;
}

static weft_status run_man(cli_arguments *arguments)
{
    const char *folder = cli_positional_at(arguments, 0);
    weft_status status = weft_folder_make(folder);
    if (status == WEFT_OK)
        status = write_page(folder, NULL);
    for (const cli_command *const *row = cli_commands; *row && status == WEFT_OK; row++)
        if (!(*row)->hidden)
            status = write_page(folder, *row);
    return status;
}

static weft_status write_completion(cli_arguments *arguments, void (*make)(const cli_command *const *, weft_text *))
{
    weft_text text = {0};
    make(cli_commands, &text);
    weft_status status = write_text(cli_positional_at(arguments, 0), &text);
    weft_text_free(&text);
    return status;
}

static weft_status run_bash(cli_arguments *arguments)
{
    return write_completion(arguments, cli_bash_completion);
}

static weft_status run_zsh(cli_arguments *arguments)
{
    return write_completion(arguments, cli_zsh_completion);
}

static const cli_positional folder_word[] = {{"DIR", 1, 1, "the folder for the pages"}, {0}};
static const cli_positional file_word[] = {{"FILE", 1, 1, "the file to write"}, {0}};

const cli_command cli_generate_man = {.name = "generate",
                                      .action = "man",
                                      .summary = "write the manual pages into a folder",
                                      .positionals = folder_word,
                                      .hidden = true,
                                      .run = run_man};
const cli_command cli_generate_bash = {.name = "generate",
                                       .action = "bash",
                                       .summary = "write the completion for bash",
                                       .positionals = file_word,
                                       .hidden = true,
                                       .run = run_bash};
const cli_command cli_generate_zsh = {.name = "generate",
                                      .action = "zsh",
                                      .summary = "write the completion for zsh",
                                      .positionals = file_word,
                                      .hidden = true,
                                      .run = run_zsh};
