/* The command: parses, runs one row of the table, prints the one line of a failure, and answers 0, 1 or 2. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, MISUSED = 2 };

/* The first request to stop lets the job save its work; the handler is then the system's own, so a second one ends the process.
 */
static void on_stop(int signal_number)
{
    (void)signal_number;
    int kept = errno;
    weft_interrupt();
    if (isatty(STDERR_FILENO)) {
        static const char text[] = "\nweft: stopping at the next safe point; Ctrl-C again stops at once\n";
        ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
        (void)written;
    }
    errno = kept;
}

static void catch_signals(void)
{
    struct sigaction stop = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL); /* writing to a closed pipe is then an error like any other */
    sigaction(SIGXFSZ, &ignore, NULL); /* and so is a file that may not grow */
}

/* A closed standard stream would give its number to the next file opened. Writing to this stand-in for standard output fails. */
static void hold_standard_streams(void)
{
    for (int stream = 0; stream <= 2; stream++)
        if (fcntl(stream, F_GETFD) < 0 && errno == EBADF) {
            int stand_in = open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
            if (stand_in >= 0 && stand_in != stream) {
                dup2(stand_in, stream);
                close(stand_in);
            }
        }
}

static weft_status show_help(cli_arguments *arguments)
{
    weft_text text = {0};
    cli_help_text(cli_command_of(arguments), &text);
    weft_status status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the help") : WEFT_OK;
    if (status == WEFT_OK) {
        cli_say(arguments, "%s", text.data);
        cli_json_string(arguments, "help", text.data);
    }
    weft_text_free(&text);
    return status;
}

static weft_status run(cli_arguments *arguments)
{
    bool quiet = cli_quiet(arguments);
    weft_log_set(cli_log, &quiet);
    weft_status status;
    if (cli_help_wanted(arguments))
        status = show_help(arguments);
    else if (strcmp(cli_text(arguments, "device"), "cuda") == 0)
        status = weft_fail(WEFT_ERROR_UNSUPPORTED, "this build has no CUDA kernels; use --device cpu");
    else
        status = cli_command_of(arguments)->run(arguments);
    weft_log_set(NULL, NULL);
    return status == WEFT_OK ? cli_json_finish(arguments) : status;
}

int main(int argc, char **argv)
{
    hold_standard_streams();
    catch_signals();
    cli_arguments *arguments = NULL;
    int answer = DONE;
    weft_status status = cli_parse(cli_commands, argc, (const char *const *)argv, &arguments);
    if (status != WEFT_OK) {
        answer = status == WEFT_ERROR_MEMORY ? FAILED : MISUSED;
    } else {
        status = run(arguments);
        if (status == WEFT_OK)
            status = cli_out_finish();
        if (status != WEFT_OK)
            answer = cli_misused(arguments) ? MISUSED : FAILED;
    }
    if (answer != DONE)
        cli_line("%s", weft_error()[0]                    ? weft_error()
                       : status == WEFT_ERROR_INTERRUPTED ? "stopped"
                                                          : "the job failed without saying why; please report it");
    cli_output_free();
    cli_arguments_free(arguments);
    return answer;
}
