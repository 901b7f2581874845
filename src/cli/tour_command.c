/* Commands as a person types them, run by the tour: each in a process of its own, its JSON result kept in a file. */
#include "base/files.h"
#include "cli/tour.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The first line that a command that failed wrote. */
static weft_status failure(const char *path, const char *what)
{
    char *text = NULL;
    size_t size;
    weft_status status = weft_file_read(path, 1 << 20, &text, &size);
    if (status == WEFT_OK) {
        text[strcspn(text, "\n")] = 0;
        status = weft_fail(WEFT_ERROR_ARGUMENT, "weft %s: %s", what, strncmp(text, "weft: ", 6) == 0 ? text + 6 : text);
    }
    free(text);
    return status == WEFT_OK ? WEFT_ERROR_ARGUMENT : status;
}

weft_status tour_command(const char *folder, const char *const *words, weft_json **out)
{
    enum { MOST = 40 };
    const char *argv[MOST + 4] = {"weft"};
    int n = 1, rc = 0;
    char what[64] = "";
    for (int i = 0; words[i] && n < MOST; i++)
        argv[n++] = words[i];
    snprintf(what, sizeof what, "%s %s", words[0], words[1] ? words[1] : "");
    argv[n++] = "--json";
    argv[n++] = "--quiet";
    argv[n] = NULL;
    char *result = weft_path_join(folder, "result.json"), *messages = weft_path_join(folder, "messages.txt");
    posix_spawn_file_actions_t actions;
    pid_t child;
    if (!result || !messages || posix_spawn_file_actions_init(&actions) != 0) {
        free(result);
        free(messages);
        return weft_fail(WEFT_ERROR_MEMORY, "tour: memory is short");
    }
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, result, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, messages, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    int error = posix_spawn(&child, "/proc/self/exe", &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    weft_status status = WEFT_OK;
    if (error)
        status = weft_fail(WEFT_ERROR_FILE, "tour: cannot start \"weft %s\": %s", what, strerror(error));
    while (!error && waitpid(child, &rc, 0) < 0 && errno == EINTR)
        ;
    if (status == WEFT_OK && weft_interrupted())
        status = weft_fail(WEFT_ERROR_INTERRUPTED, "interrupted");
    else if (status == WEFT_OK && !(WIFEXITED(rc) && WEXITSTATUS(rc) == 0))
        status = failure(messages, what);
    if (status == WEFT_OK)
        status = weft_json_read(result, out);
    unlink(result);
    unlink(messages);
    free(result);
    free(messages);
    return status;
}
