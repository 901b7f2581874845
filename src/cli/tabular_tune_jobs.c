/* weft tabular tune --jobs: several processes at one study. */
#include "cli/tabular_tune.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

typedef struct worker {
    pid_t process;
    int pipe; /* where it says why it failed */
} worker;

static void on_child_stop(int signal_number)
{
    (void)signal_number;
    weft_interrupt();
}

/* In the child: its own engine, its own view of the journal. Ends the process. */
static void work(const weft_study_options *options, pid_t parent, int pipe)
{
    struct sigaction stop = {.sa_handler = on_child_stop, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    setpgid(0, 0); /* Ctrl-C reaches the parent, which tells us */
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    weft_engine *engine = NULL;
    weft_study *study = NULL;
    weft_study_options mine = *options;
    mine.epoch = NULL;
    mine.ended = NULL;
    weft_status status = getppid() == parent ? weft_engine_new(&(weft_engine_options){.threads = 1}, &engine)
                                             : weft_fail(WEFT_ERROR_INTERRUPTED, "interrupted");
    mine.engine = engine;
    if (status == WEFT_OK)
        status = weft_study_open(&mine, &study);
    if (status == WEFT_OK)
        status = weft_study_work(study);
    if (status != WEFT_OK) {
        const char *text = weft_error();
        ssize_t written = write(pipe, text, strlen(text));
        (void)written;
    }
    _exit((int)status);
}

static weft_status start_workers(const weft_study_options *options, worker *workers, int64_t jobs)
{
    pid_t parent = getpid();
    fflush(NULL); /* or each child would write it again */
    for (int64_t i = 0; i < jobs; i++) {
        int ends[2];
        if (pipe(ends) != 0)
            return weft_fail(WEFT_ERROR_FILE, "--jobs: cannot make a pipe: %s", strerror(errno));
        workers[i].process = fork();
        if (workers[i].process == 0) {
            close(ends[0]);
            work(options, parent, ends[1]);
        }
        close(ends[1]);
        workers[i].pipe = ends[0];
        if (workers[i].process < 0) {
            workers[i].process = 0;
            return weft_fail(WEFT_ERROR_FILE, "--jobs: cannot start process %lld: %s", (long long)i + 1, strerror(errno));
        }
    }
    return WEFT_OK;
}

static void stop_workers(const worker *workers, int64_t jobs)
{
    for (int64_t i = 0; i < jobs; i++)
        if (workers[i].process > 0)
            kill(workers[i].process, SIGTERM);
}

/* What ended; the first trouble of any is the run's. */
static weft_status reap(worker *w, weft_status before)
{
    int how = 0;
    char text[2048] = "";
    pid_t got = waitpid(w->process, &how, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return before;
    ssize_t size = read(w->pipe, text, sizeof text - 1);
    text[size > 0 ? size : 0] = 0;
    w->process = 0;
    if (before != WEFT_OK)
        return before;
    if (WIFSIGNALED(how))
        return weft_fail(WEFT_ERROR_FILE,
                         "a process of the search was ended by signal %d; go on with the same command and --resume",
                         WTERMSIG(how));
    weft_status status = (weft_status)WEXITSTATUS(how);
    return status == WEFT_OK ? WEFT_OK : weft_fail(status, "%s", text);
}

weft_status cli_tune_together(weft_study *study, const weft_study_options *options, int64_t jobs)
{
    worker workers[CLI_TUNE_MOST_JOBS] = {{0}};
    weft_status status = start_workers(options, workers, jobs);
    bool told = false;
    for (int64_t running = 1; running > 0;) {
        if ((status != WEFT_OK || weft_interrupted()) && !told) {
            told = true;
            stop_workers(workers, jobs);
        }
        running = 0;
        for (int64_t i = 0; i < jobs; i++) {
            if (workers[i].process > 0)
                status = reap(&workers[i], status);
            running += workers[i].process > 0;
        }
        weft_status looked = weft_study_look(study);
        status = status == WEFT_OK ? looked : status;
        if (running)
            nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    for (int64_t i = 0; i < jobs; i++)
        if (workers[i].pipe > 0)
            close(workers[i].pipe);
    return status;
}
