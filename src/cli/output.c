/* What reaches the user: the result on standard output, lines and progress on standard error. */
#include "cli/cli.h"

#include "base/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A process has one standard output, so its state is the process's. */
static weft_text json_text;
static weft_json_writer json_writer;
static bool json_open, bar_shown, muted;
static int out_error; /* errno of the first write that failed */

void cli_bytes_out(const char *bytes, size_t count)
{
    if (out_error || muted || count == 0)
        return;
    errno = 0;
    if (fwrite(bytes, 1, count, stdout) != count)
        out_error = errno ? errno : EIO;
}

static void print_out(const char *format, va_list list)
{
    weft_text text = {0};
    weft_text_addv(&text, format, list);
    if (text.failed)
        out_error = ENOMEM;
    else
        cli_bytes_out(text.data, text.length);
    weft_text_free(&text);
}

void cli_mute(void)
{
    muted = true;
}

void cli_out_flush(void)
{
    if (!out_error && fflush(stdout) != 0)
        out_error = errno ? errno : EIO;
}

void cli_out(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_out(format, list);
    va_end(list);
}

void cli_say(cli_arguments *arguments, const char *format, ...)
{
    if (cli_wants_json(arguments))
        return;
    va_list list;
    va_start(list, format);
    print_out(format, list);
    va_end(list);
}

void cli_say_bytes(cli_arguments *arguments, const char *bytes, size_t count)
{
    if (!cli_wants_json(arguments))
        cli_bytes_out(bytes, count);
}

weft_status cli_out_finish(void)
{
    errno = 0;
    if (!out_error && fflush(stdout) != 0)
        out_error = errno ? errno : EIO;
    if (!out_error && close(STDOUT_FILENO) != 0 && errno != EBADF)
        out_error = errno; /* a network folder may tell of a full disk only now */
    if (out_error)
        return weft_fail(WEFT_ERROR_FILE, "cannot write to standard output: %s", strerror(out_error));
    return WEFT_OK;
}

weft_json_writer *cli_json(cli_arguments *arguments)
{
    (void)arguments;
    if (!json_open) {
        json_writer = weft_json_to(&json_text, 0);
        weft_json_open_object(&json_writer);
        json_open = true;
    }
    return &json_writer;
}

weft_status cli_json_finish(cli_arguments *arguments)
{
    if (!cli_wants_json(arguments))
        return WEFT_OK;
    weft_json_close_object(cli_json(arguments));
    if (json_text.failed)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the result");
    cli_bytes_out(json_text.data, json_text.length);
    cli_out("\n");
    return WEFT_OK;
}

void cli_output_free(void)
{
    weft_text_free(&json_text);
    json_open = false;
}

void cli_json_number(cli_arguments *arguments, const char *key, double value)
{
    weft_json_add_key(cli_json(arguments), key);
    weft_json_add_number(&json_writer, value);
}

void cli_json_integer(cli_arguments *arguments, const char *key, int64_t value)
{
    weft_json_add_key(cli_json(arguments), key);
    weft_json_add_integer(&json_writer, value);
}

void cli_json_string(cli_arguments *arguments, const char *key, const char *value)
{
    weft_json_add_key(cli_json(arguments), key);
    weft_json_add_string(&json_writer, value);
}

void cli_json_text(cli_arguments *arguments, const char *key, const weft_text *value)
{
    weft_json_add_key(cli_json(arguments), key);
    weft_json_add_bytes(&json_writer, value->data ? value->data : "", value->length);
}

void cli_json_bool(cli_arguments *arguments, const char *key, bool value)
{
    weft_json_add_key(cli_json(arguments), key);
    weft_json_add_bool(&json_writer, value);
}

bool cli_wants_json(const cli_arguments *arguments)
{
    return cli_flag(arguments, "json");
}

bool cli_quiet(const cli_arguments *arguments)
{
    return cli_flag(arguments, "quiet");
}

static void clear_bar(void)
{
    if (bar_shown)
        fputs("\r\033[K", stderr);
    bar_shown = false;
}

void cli_line(const char *format, ...)
{
    weft_text text = {0};
    va_list list;
    va_start(list, format);
    weft_text_addv(&text, format, list);
    va_end(list);
    clear_bar();
    if (text.failed) {
        fputs("weft: memory is short\n", stderr);
    } else {
        /* names come from the user and from files: one line stays one line, and the terminal is not told what to do */
        for (size_t i = 0; i < text.length; i++)
            if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
                text.data[i] = ' ';
        fprintf(stderr, "weft: %s\n", text.data ? text.data : "");
    }
    weft_text_free(&text);
}

void cli_log(void *quiet, weft_log_level level, const char *line)
{
    if (*(const bool *)quiet || level == WEFT_LOG_DEBUG || (level == WEFT_LOG_INFO && !isatty(STDERR_FILENO)))
        return;
    cli_line("%s", line);
}

/* "1:02:03", "2:03" */
static void time_text(double seconds, char *out, size_t size)
{
    long long whole = seconds < 1e9 ? (long long)(seconds + 0.5) : 1000000000;
    if (whole >= 3600)
        snprintf(out, size, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(out, size, "%lld:%02lld", whole / 60, whole % 60);
}

static void report_text(const weft_progress_report *report, bool bar, char *out, size_t size)
{
    char cells[24] = "", amount[64], rate[64] = "", left[32] = "", clock[24];
    if (report->total > 0) {
        double part = (double)report->done / (double)report->total;
        part = part < 0 ? 0 : part > 1 ? 1 : part;
        if (bar) {
            int full = (int)(part * 20);
            memset(cells, ' ', 22);
            cells[0] = '[';
            memset(cells + 1, '#', (size_t)full);
            cells[21] = ']';
        }
        snprintf(amount, sizeof amount, "%3.0f%% %lld/%lld %.16s", 100 * part, (long long)report->done, (long long)report->total,
                 report->unit);
    } else {
        snprintf(amount, sizeof amount, "%lld %.16s", (long long)report->done, report->unit);
    }
    if (report->rate > 0)
        snprintf(rate, sizeof rate, ", %.*f/s", report->rate < 10 ? 2 : 0, report->rate);
    if (report->left >= 0 && !report->finished) {
        time_text(report->left, clock, sizeof clock);
        snprintf(left, sizeof left, ", %s left", clock);
    }
    snprintf(out, size, "%s %s%s%s%s%s%s", report->what, cells, cells[0] ? " " : "", amount, rate, left,
             report->note[0] ? ", " : "");
    size_t used = strlen(out);
    snprintf(out + used, size - used, "%s", report->note);
}

void cli_progress(void *user, const weft_progress_report *report)
{
    static double told; /* seconds of the job at the last plain line */
    if (cli_quiet(user))
        return;
    char text[400];
    if (isatty(STDERR_FILENO)) {
        report_text(report, true, text, sizeof text);
        clear_bar();
        if (!report->finished) {
            struct winsize size;
            int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
            fprintf(stderr, "%.*s", width, text); /* a longer line would wrap, and could not be cleared */
            fflush(stderr);
            bar_shown = true;
        }
        return;
    }
    if (report->seconds < told) /* another job has begun */
        told = 0;
    if (!report->finished && report->seconds - told >= 10) {
        told = report->seconds;
        report_text(report, false, text, sizeof text);
        fprintf(stderr, "%s\n", text);
    }
    if (report->finished)
        told = 0;
}

weft_status cli_may_write(const cli_arguments *arguments, const char *path, const char *proof)
{
    if (proof && weft_path_exists(path) && !weft_path_is_folder(path))
        return weft_fail(WEFT_ERROR_FILE, "%s is a file, expected a folder or a name that is free", path);
    if (cli_flag(arguments, "force"))
        return WEFT_OK;
    char *inside = proof ? weft_path_join(path, proof) : strdup(path);
    if (!inside)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a path");
    bool there = weft_path_exists(inside);
    free(inside);
    if (there)
        return weft_fail(WEFT_ERROR_FILE, "%s already holds a finished result; give --force to replace it, or another --out",
                         path);
    return WEFT_OK;
}
