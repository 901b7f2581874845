/* The parser: values and their ranges, lists, wrong usage and the nearest spelling; and the rows of the real table. */
#include "cli/cli.h"
#include "base/spelling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static weft_status nothing(cli_arguments *arguments)
{
    (void)arguments;
    return WEFT_OK;
}

static const cli_option train_options[] = {
    {.name = "target", .value = "COL", .kind = CLI_TEXT, .help = "the column to predict", .traits = CLI_REQUIRED},
    {.name = "epochs",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 100000,
     .otherwise = "100",
     .help = "passes over the data"},
    {.name = "lr",
     .value = "X",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = CLI_ANY,
     .otherwise = "1e-3",
     .help = "x",
     .traits = CLI_ABOVE_LEAST},
    {.name = "dropout", .value = "P", .kind = CLI_NUMBER, .least = 0, .most = 1, .help = "x", .traits = CLI_BELOW_MOST},
    {.name = "shift", .value = "N", .kind = CLI_INT, .least = -CLI_ANY, .most = CLI_ANY, .help = "x"},
    {.name = "arch", .value = "NAME", .kind = CLI_CHOICE, .choices = "tabr-s|tabr|mlp", .otherwise = "tabr-s", .help = "x"},
    {.name = "categorical", .value = "A,B", .kind = CLI_LIST, .help = "x"},
    {.name = "tap", .value = "NAME", .kind = CLI_LIST, .help = "x", .traits = CLI_WORDS},
    {.name = "out", .value = "DIR", .kind = CLI_PATH, .help = "x"},
    {.name = "force", .help = "x"},
    {0}};
static const cli_positional one_file[] = {{"DATA.csv", 1, 1, "the table"}, {0}};
static const cli_positional many_files[] = {{"MODEL", 1, 1, "the model"}, {"IMAGE", 0, CLI_MANY, "pictures"}, {0}};
static const cli_command train = {
    .name = "tabular", .action = "train", .summary = "x", .positionals = one_file, .options = train_options, .run = nothing};
static const cli_command predict = {
    .name = "tabular", .action = "predict", .summary = "x", .positionals = many_files, .run = nothing};
static const cli_command info = {.name = "info", .summary = "x", .run = nothing};
static const cli_command sim = {.name = "sim", .summary = "x", .run = nothing};
static const cli_command sweep = {.name = "sim", .action = "sweep", .summary = "x", .run = nothing};
extern const cli_command cli_help;
static const cli_command *const rows[] = {&cli_help, &train, &predict, &info, &sim, &sweep, NULL};

/* Parses a line of words parted by spaces. The words live until the next call. */
static weft_status parse(const char *line, cli_arguments **out)
{
    static char text[512];
    static const char *words[64];
    int count = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        words[count++] = word;
    words[count] = NULL;
    return cli_parse(rows, count, words, out);
}

static cli_arguments *good(const char *line)
{
    cli_arguments *arguments = NULL;
    if (parse(line, &arguments) != WEFT_OK)
        fail_msg("%s: %s", line, weft_error());
    return arguments;
}

static void bad(const char *line, const char *message)
{
    cli_arguments *arguments = NULL;
    assert_int_equal(parse(line, &arguments), WEFT_ERROR_ARGUMENT);
    assert_null(arguments);
    assert_string_equal(weft_error(), message);
}

static void values_are_read(void **state)
{
    (void)state;
    cli_arguments *a =
        good("weft tabular train d.csv --target=y --epochs 7 --lr=.5 --shift -3 --arch mlp --out o --force --threads 2");
    assert_ptr_equal(cli_command_of(a), &train);
    assert_string_equal(cli_text(a, "target"), "y");
    assert_int_equal(cli_int(a, "epochs"), 7);
    assert_true(cli_number(a, "lr") == 0.5);
    assert_int_equal(cli_int(a, "shift"), -3);
    assert_string_equal(cli_text(a, "arch"), "mlp");
    assert_string_equal(cli_text(a, "out"), "o");
    assert_true(cli_flag(a, "force"));
    assert_int_equal(cli_int(a, "threads"), 2);
    assert_false(cli_flag(a, "json"));
    assert_int_equal(cli_positional_count(a), 1);
    assert_string_equal(cli_positional_at(a, 0), "d.csv");
    assert_null(cli_positional_at(a, 1));
    assert_false(cli_given(a, "seed"));
    cli_arguments_free(a);
}

static void defaults_stand_in(void **state)
{
    (void)state;
    cli_arguments *a = good("weft tabular train d.csv --target y");
    assert_int_equal(cli_int(a, "epochs"), 100);
    assert_true(cli_number(a, "lr") == 1e-3);
    assert_string_equal(cli_text(a, "arch"), "tabr-s");
    assert_null(cli_text(a, "out"));
    assert_int_equal(cli_int(a, "seed"), 0);
    assert_string_equal(cli_text(a, "device"), "cpu");
    const char *const *items;
    assert_int_equal(cli_list(a, "categorical", &items), 0);
    assert_false(cli_given(a, "epochs"));
    cli_arguments_free(a);
}

static void lists_add_up(void **state)
{
    (void)state;
    cli_arguments *a =
        good("weft tabular train --tap h.0 h.1 --target y --categorical a,b\\,c --tap logits --categorical=d -- d.csv");
    const char *const *items;
    assert_int_equal(cli_list(a, "categorical", &items), 3);
    assert_string_equal(items[0], "a");
    assert_string_equal(items[1], "b,c");
    assert_string_equal(items[2], "d");
    assert_int_equal(cli_list(a, "tap", &items), 3);
    assert_string_equal(items[0], "h.0");
    assert_string_equal(items[2], "logits");
    assert_string_equal(cli_positional_at(a, 0), "d.csv");
    cli_arguments_free(a);
    a = good("weft tabular train d.csv --target y --categorical \"b,c\",d,\"e\"\"f\"");
    assert_int_equal(cli_list(a, "categorical", &items), 3);
    assert_string_equal(items[0], "b,c");
    assert_string_equal(items[1], "d");
    assert_string_equal(items[2], "e\"f");
    cli_arguments_free(a);
    bad("weft tabular train d.csv --target y --categorical \"b,c", "--categorical: a quote is not closed in \"b,c");
    bad("weft tabular train d.csv --target y --categorical a,,b", "--categorical takes names parted by commas, not \"a,,b\"");
}

static void the_last_one_given_counts(void **state)
{
    (void)state;
    cli_arguments *a = good("weft info --seed 1 --seed 2");
    assert_int_equal(cli_int(a, "seed"), 2);
    cli_arguments_free(a);
}

static void numbers_keep_their_range(void **state)
{
    (void)state;
    static const struct {
        const char *words, *message;
    } wrong[] = {
        {"--epochs 0", "--epochs takes a whole number from 1 to 100000, not \"0\""},
        {"--epochs 1.5", "--epochs takes a whole number from 1 to 100000, not \"1.5\""},
        {"--epochs 5x", "--epochs takes a whole number from 1 to 100000, not \"5x\""},
        {"--epochs 99999999999999999999", "--epochs takes a whole number from 1 to 100000, not \"99999999999999999999\""},
        {"--epochs=", "--epochs takes a whole number from 1 to 100000, not \"\""},
        {"--lr 0", "--lr takes a number above 0, not \"0\""},
        {"--lr nan", "--lr takes a number above 0, not \"nan\""},
        {"--lr inf", "--lr takes a number above 0, not \"inf\""},
        {"--lr 1e999", "--lr takes a number above 0, not \"1e999\""},
        {"--lr 0x10", "--lr takes a number above 0, not \"0x10\""},
        {"--dropout 1", "--dropout takes a number from 0 and below 1, not \"1\""},
        {"--shift x", "--shift takes a whole number, not \"x\""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "weft tabular train d.csv --target y %s", wrong[i].words);
        bad(line, wrong[i].message);
    }
    cli_arguments *a = good("weft tabular train d.csv --target y --dropout 0 --lr 1e-300 --seed 9223372036854775807");
    assert_true(cli_int(a, "seed") == INT64_MAX);
    cli_arguments_free(a);
}

static void wrong_usage_names_the_nearest(void **state)
{
    (void)state;
    bad("weft tabular train d.csv --epoch 3", "unknown option --epoch; did you mean --epochs?");
    bad("weft tabular train d.csv --epcohs=3", "unknown option --epcohs; did you mean --epochs?");
    bad("weft tabular train d.csv -epochs 3", "unknown option -epochs; did you mean --epochs?");
    bad("weft tabular train d.csv --Target y", "unknown option --Target; did you mean --target?");
    bad("weft tabular train d.csv --zzzzzzzz", "unknown option --zzzzzzzz; weft help tabular train lists them");
    bad("weft tabular train d.csv --arch tabrs", "--arch takes tabr-s, tabr or mlp, not \"tabrs\"; did you mean tabr-s?");
    bad("weft tabular train d.csv --arch quux", "--arch takes tabr-s, tabr or mlp, not \"quux\"");
    bad("weft tabluar train", "unknown command tabluar; did you mean tabular?");
    bad("weft xylophone", "unknown command xylophone; weft help lists them");
    bad("weft tabular trian", "unknown action tabular trian; did you mean tabular train?");
    bad("weft tabular zzz", "unknown action tabular zzz; tabular has train, predict");
    bad("weft tabular", "tabular needs an action: train, predict");
    bad("weft", "no command given; weft help lists them");
}

static void what_is_missing_or_too_much_is_named(void **state)
{
    (void)state;
    bad("weft tabular train --target y", "tabular train needs DATA.csv (the table); weft help tabular train shows an example");
    bad("weft tabular train d.csv", "tabular train needs --target COL (the column to predict)");
    bad("weft tabular train d.csv e.csv --target y",
        "tabular train does not know what to do with \"e.csv\": one word too many; weft help tabular train shows an example");
    bad("weft tabular train d.csv --target", "--target needs a value: --target COL");
    bad("weft tabular train d.csv --target --force", "--target needs a value: --target COL");
    bad("weft tabular train d.csv --force=1", "--force takes no value; write --force alone");
    cli_arguments *a = good("weft tabular predict m a b c");
    assert_int_equal(cli_positional_count(a), 4);
    cli_arguments_free(a);
}

static void an_action_is_chosen_or_left_out(void **state)
{
    (void)state;
    cli_arguments *a = good("weft sim sweep");
    assert_ptr_equal(cli_command_of(a), &sweep);
    cli_arguments_free(a);
    a = good("weft sim --seed 3");
    assert_ptr_equal(cli_command_of(a), &sim);
    cli_arguments_free(a);
}

static void help_excuses_what_is_missing(void **state)
{
    (void)state;
    cli_arguments *a = good("weft tabular train --help");
    assert_true(cli_help_wanted(a));
    assert_ptr_equal(cli_command_of(a), &train);
    cli_arguments_free(a);
    a = good("weft tabular --help");
    assert_ptr_equal(cli_command_of(a), &cli_help);
    assert_string_equal(cli_positional_at(a, 0), "tabular");
    cli_arguments_free(a);
}

static void the_line_reads_back(void **state)
{
    (void)state;
    const char *words[] = {"weft", "info", "--seed", "1", "it's $HOME", "", NULL};
    cli_arguments *a = NULL;
    assert_int_equal(cli_parse(rows, 4, words, &a), WEFT_OK);
    assert_string_equal(cli_command_line(a), "weft info --seed 1");
    cli_arguments_free(a);
    words[1] = "sim";
    words[2] = "--device=cpu";
    words[3] = "--";
    assert_int_equal(cli_parse(rows, 6, words, &a), WEFT_ERROR_ARGUMENT); /* sim takes no words */
    static const cli_command takes_all = {.name = "sim", .summary = "x", .positionals = many_files, .run = nothing};
    static const cli_command *const table[] = {&takes_all, NULL};
    assert_int_equal(cli_parse(table, 6, words, &a), WEFT_OK);
    assert_string_equal(cli_command_line(a), "weft sim --device=cpu -- 'it'\\''s $HOME' ''");
    cli_arguments_free(a);
}

static void a_command_can_find_misuse(void **state)
{
    (void)state;
    cli_arguments *a = good("weft info");
    assert_false(cli_misused(a));
    assert_int_not_equal(cli_misuse(a, "--val needs %s", "--test"), WEFT_OK);
    assert_true(cli_misused(a));
    assert_string_equal(weft_error(), "--val needs --test");
    cli_arguments_free(a);
}

static void distances(void **state)
{
    (void)state;
    assert_int_equal(weft_spelling_distance("", ""), 0);
    assert_int_equal(weft_spelling_distance("", "abc"), 3);
    assert_int_equal(weft_spelling_distance("kitten", "sitting"), 3);
    assert_int_equal(weft_spelling_distance("trian", "train"), 1);
    assert_int_equal(weft_spelling_distance("Epochs", "epochs"), 0);
    char a[200], b[200];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    a[199] = b[199] = 0;
    assert_int_equal(weft_spelling_distance(a, b), 63);
}

/* Every row of the real table is whole: names once, ranges that hold their defaults, help without a full stop, an example. */
static void the_rows_are_sound(void **state)
{
    (void)state;
    for (const cli_command *const *row = cli_commands; *row; row++) {
        const cli_command *command = *row;
        char name[128];
        snprintf(name, sizeof name, "%s %s", command->name, command->action ? command->action : "");
        if (!command->run || !command->summary || !command->summary[0])
            fail_msg("%s: no run function or no summary", name);
        if (command->action && !command->hidden && !cli_room_summary(command->name))
            fail_msg("%s: its room has no summary in commands.c", name);
        if (!command->hidden && (!command->example || (strncmp(command->example, "weft ", 5) != 0 && command->example[0] != '#')))
            fail_msg("%s: no example that begins with \"weft \"", name);
        for (const cli_command *const *other = cli_commands; other < row; other++)
            if (strcmp((*other)->name, command->name) == 0 &&
                strcmp((*other)->action ? (*other)->action : "", command->action ? command->action : "") == 0)
                fail_msg("%s: stands twice in the table", name);
        for (const cli_option *option = command->options; option && option->name; option++) {
            bool numeric = option->kind == CLI_INT || option->kind == CLI_NUMBER;
            if (!option->help || !option->help[0] || option->help[strlen(option->help) - 1] == '.')
                fail_msg("%s --%s: help is a phrase without a full stop", name, option->name);
            if ((option->kind == CLI_FLAG) != !option->value)
                fail_msg("%s --%s: a flag has no value name, everything else has one", name, option->name);
            if (numeric && !(option->least < option->most))
                fail_msg("%s --%s: an empty range", name, option->name);
            if ((option->kind == CLI_CHOICE) != (option->choices != NULL))
                fail_msg("%s --%s: choices belong to CLI_CHOICE", name, option->name);
            if (option->otherwise && (option->kind == CLI_LIST || option->kind == CLI_FLAG))
                fail_msg("%s --%s: lists and flags have no default", name, option->name);
            if ((option->traits & CLI_WORDS) && option->kind != CLI_LIST)
                fail_msg("%s --%s: only a list takes several words", name, option->name);
            for (const cli_option *other = command->options; other < option; other++)
                if (strcmp(other->name, option->name) == 0)
                    fail_msg("%s --%s: stands twice", name, option->name);
            for (const cli_option *common = cli_common_options; common->name; common++)
                if (strcmp(common->name, option->name) == 0)
                    fail_msg("%s --%s: is a common option already", name, option->name);
        }
        /* the defaults are read as the user's own words are: --help reaches the slots whatever else is missing */
        const char *words[] = {"weft", command->name, command->action, "--help", NULL};
        if (!command->action)
            words[2] = "--help";
        cli_arguments *arguments = NULL;
        if (cli_parse(cli_commands, command->action ? 4 : 3, words, &arguments) != WEFT_OK)
            fail_msg("%s: %s", name, weft_error());
        cli_arguments_free(arguments);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(defaults_stand_in),
        cmocka_unit_test(lists_add_up),
        cmocka_unit_test(the_last_one_given_counts),
        cmocka_unit_test(numbers_keep_their_range),
        cmocka_unit_test(wrong_usage_names_the_nearest),
        cmocka_unit_test(what_is_missing_or_too_much_is_named),
        cmocka_unit_test(an_action_is_chosen_or_left_out),
        cmocka_unit_test(help_excuses_what_is_missing),
        cmocka_unit_test(the_line_reads_back),
        cmocka_unit_test(a_command_can_find_misuse),
        cmocka_unit_test(distances),
        cmocka_unit_test(the_rows_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
