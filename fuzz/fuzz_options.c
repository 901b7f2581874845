/* Fuzz target: any words as a command line, against a table with every kind of option and against the real one. */
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const cli_option options[] = {
    {.name = "int", .value = "N", .kind = CLI_INT, .least = -5, .most = 1e6, .help = "x"},
    {.name = "number",
     .value = "X",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1,
     .help = "x",
     .traits = CLI_ABOVE_LEAST | CLI_BELOW_MOST},
    {.name = "choice", .value = "C", .kind = CLI_CHOICE, .choices = "one|two|twelve", .otherwise = "two", .help = "x"},
    {.name = "list", .value = "A,B", .kind = CLI_LIST, .help = "x"},
    {.name = "words", .value = "A", .kind = CLI_LIST, .help = "x", .traits = CLI_WORDS},
    {.name = "path", .value = "F", .kind = CLI_PATH, .help = "x"},
    {0}};
static const cli_positional files[] = {{"A", 1, 1, "x"}, {"B", 0, CLI_MANY, "x"}, {0}};
static const cli_command job = {.name = "job", .summary = "x", .positionals = files, .options = options};
static const cli_command room = {.name = "room", .action = "act", .summary = "x"};
static const cli_command *const rows[] = {&job, &room, NULL};

/* Input: words parted by zero bytes; the first byte chooses the table. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4096)
        return 0;
    char *text = malloc(size + 1);
    const char **words = malloc((size + 3) * sizeof *words);
    if (text && words) {
        memcpy(text, data + 1, size - 1);
        text[size - 1] = 0;
        int count = 0;
        words[count++] = "weft";
        for (size_t at = 0; at < size; at += strlen(text + at) + 1)
            words[count++] = text + at;
        cli_arguments *arguments = NULL;
        if (cli_parse(data[0] & 1 ? rows : cli_commands, count, words, &arguments) == WEFT_OK) {
            const char *const *items;
            if (cli_command_of(arguments) == &job)
                cli_list(arguments, "list", &items);
            cli_arguments_free(arguments);
        } else if (!weft_error()[0]) {
            abort(); /* a failure without a text */
        }
    }
    free(words);
    free(text);
    return 0;
}
