/* A conversation with a model, line by line: `weft lm generate` in a terminal. */
#include "cli/lm_generate.h"
#include "lm/generate.h"
#include "lm/stopping.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Tokens of a conversation at most, where the model's context is longer: its cache must fit in memory. */
enum { LONGEST = 8192 };

weft_status cli_lm_chat_open(cli_arguments *a, weft_chat_template **out)
{
    const char *folder = cli_positional_at(a, 0);
    return cli_given(a, "template") ? weft_chat_template_named(cli_text(a, "template"), folder, out)
                                    : weft_chat_template_open(folder, NULL, out);
}

weft_status cli_lm_chat_tokens(cli_arguments *a, const weft_chat_template *chat, const weft_tokenizer *tokenizer,
                               const weft_chat_message *messages, int count, int64_t **out, int64_t *out_count)
{
    const char *told = cli_text(a, "system");
    time_t seconds = time(NULL);
    struct tm now;
    localtime_r(&seconds, &now);
    if (!told)
        return weft_chat_tokens(chat, tokenizer, messages, count, &now, out, out_count);
    weft_chat_message *all = malloc((size_t)(count + 1) * sizeof *all);
    if (!all)
        return weft_fail(WEFT_ERROR_MEMORY, "the conversation: memory is short");
    all[0] = (weft_chat_message){"system", told};
    memcpy(all + 1, messages, (size_t)count * sizeof *all);
    weft_status status = weft_chat_tokens(chat, tokenizer, all, count + 1, &now, out, out_count);
    free(all);
    return status;
}

typedef struct talk {
    cli_arguments *arguments;
    weft_lm *lm;
    const weft_generation_config *config;
    weft_sampler_settings sampler;
    unsigned char *never; /* sampler.never */
    weft_tokenizer *tokenizer;
    weft_chat_template *chat; /* NULL: each line is continued */
    weft_lm_decoder *decoder; /* keeps the conversation so far */
    weft_decoding *decoding;
    weft_stopper *stopper;
    weft_chat_message *messages; /* their contents are owned */
    int count;
    weft_text answer;
} talk;

static void forget(talk *t)
{
    for (int i = 0; i < t->count; i++)
        free((void *)(uintptr_t)t->messages[i].content);
    t->count = 0;
}

static weft_status remember(talk *t, const char *role, const char *content)
{
    weft_chat_message *grown = realloc(t->messages, (size_t)(t->count + 1) * sizeof *grown);
    char *copy = grown ? strdup(content) : NULL;
    if (grown)
        t->messages = grown;
    if (!copy)
        return weft_fail(WEFT_ERROR_MEMORY, "the conversation: memory is short");
    t->messages[t->count++] = (weft_chat_message){role, copy};
    return WEFT_OK;
}

static weft_status on_token(void *user, int64_t stream, int64_t id, bool *stop)
{
    talk *t = user;
    weft_text piece = {0};
    size_t from = t->answer.length;
    (void)stream;
    weft_status status = weft_decoding_push(t->decoding, id, &piece);
    if (status == WEFT_OK)
        status = weft_stopper_add(t->stopper, piece.data, piece.length, &t->answer, stop);
    weft_text_free(&piece);
    if (status == WEFT_OK && t->answer.length > from) {
        cli_say_bytes(t->arguments, t->answer.data + from, t->answer.length - from);
        cli_out_flush();
    }
    *stop |= weft_interrupted();
    return status;
}

/* A decoder that has seen the prompt, so that what follows has its spaces right. */
static weft_status start_decoding(talk *t, const int64_t *prompt, int64_t count)
{
    weft_text before = {0};
    weft_decoding_free(t->decoding);
    t->decoding = NULL;
    weft_status status = weft_decoding_new(t->tokenizer, &(weft_decode_options){.skip_special = true}, &t->decoding);
    for (int64_t i = t->chat ? count : 0; i < count && status == WEFT_OK; i++)
        status = weft_decoding_push(t->decoding, prompt[i], &before);
    weft_text_free(&before);
    weft_stopper_reset(t->stopper);
    t->answer.length = 0;
    return status;
}

static weft_status answer(talk *t, const char *line)
{
    cli_arguments *a = t->arguments;
    int64_t *prompt = NULL, count = 0;
    weft_lm_generated made = {0};
    weft_status status = t->chat ? remember(t, "user", line) : WEFT_OK;
    if (status == WEFT_OK)
        status = t->chat ? cli_lm_chat_tokens(a, t->chat, t->tokenizer, t->messages, t->count, &prompt, &count)
                         : cli_lm_encode(t->tokenizer, line, strlen(line), cli_flag(a, "no-special"), &prompt, &count);
    const int64_t context = weft_lm_decoder_capacity(t->decoder);
    if (status == WEFT_OK && count >= context) { /* the line is taken back, what was said before it stays */
        weft_log(WEFT_LOG_WARNING, "with this line there are %lld tokens, the model's context holds %lld: %s", (long long)count,
                 (long long)context, t->chat ? "a shorter one, or /reset to begin anew" : "a shorter one");
        if (t->chat)
            free((void *)(uintptr_t)t->messages[--t->count].content);
        free(prompt);
        return WEFT_OK;
    }
    if (status == WEFT_OK)
        status = start_decoding(t, prompt, count);
    weft_lm_tokens tokens = {prompt, count};
    weft_lm_generate_options o = {.tokens = cli_int(a, "tokens"),
                                  .settings = &t->sampler,
                                  .seed = (uint64_t)cli_int(a, "seed") + (uint64_t)t->count,
                                  .decoder = t->decoder,
                                  .eos = t->config->eos,
                                  .eos_count = cli_flag(a, "ignore-eos") ? 0 : t->config->eos_count,
                                  .token = on_token,
                                  .user = t};
    if (status == WEFT_OK)
        status = weft_lm_generate(t->lm, &tokens, 1, &o, &made);
    if (status == WEFT_ERROR_INTERRUPTED) /* Ctrl-C ends an answer, not the conversation */
        status = WEFT_OK;
    if (status == WEFT_OK) {
        cli_say(a, "\n");
        if (made.end == WEFT_LM_END_LENGTH)
            weft_log(WEFT_LOG_WARNING, "cut at %lld new tokens (%s)", (long long)made.count,
                     made.count < cli_int(a, "tokens") ? "the model's context is full: /reset begins anew" : "--tokens");
        if (t->chat)
            status = remember(t, "assistant", t->answer.data ? t->answer.data : "");
    }
    weft_interrupt_clear();
    weft_lm_generated_free(&made);
    free(prompt);
    return status;
}

/* Ctrl-C ends an answer and the talk goes on; a second one before it has ended ends the process. */
static void on_interrupt(int signal_number)
{
    if (weft_interrupted()) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
    }
    weft_interrupt();
}

static void catch_interrupts(int flags)
{
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_interrupt, .sa_flags = flags}, NULL);
}

/* A line of the user's; false: there are no more. Ctrl-C here takes back what was typed. */
static bool read_line(talk *t, bool terminal, char **line, size_t *room, ssize_t *length)
{
    for (;;) {
        if (terminal) {
            cli_say(t->arguments, "> ");
            cli_out_flush();
        }
        catch_interrupts(0);
        errno = 0;
        *length = getline(line, room, stdin);
        const bool interrupted = *length < 0 && errno == EINTR;
        catch_interrupts((int)SA_RESTART);
        weft_interrupt_clear();
        if (!interrupted)
            return *length >= 0;
        clearerr(stdin);
        cli_say(t->arguments, "\n(Ctrl-D or /exit ends the conversation)\n");
    }
}

static weft_status converse(talk *t)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length = 0;
    weft_status status = WEFT_OK;
    bool terminal = isatty(STDIN_FILENO);
    while (status == WEFT_OK && read_line(t, terminal, &line, &room, &length)) {
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            line[--length] = 0;
        if (strcmp(line, "/exit") == 0)
            break;
        if (strcmp(line, "/reset") == 0)
            forget(t);
        else if (length > 0)
            status = answer(t, line);
    }
    if (terminal)
        cli_say(t->arguments, "\n");
    free(line);
    return status;
}

weft_status cli_lm_talk(cli_arguments *a, weft_lm *lm, const weft_generation_config *config)
{
    const char *folder = cli_positional_at(a, 0);
    const char *const *stops;
    int stop_count = cli_list(a, "stop", &stops);
    int64_t capacity = weft_lm_context(lm) < LONGEST ? weft_lm_context(lm) : LONGEST;
    talk t = {.arguments = a, .lm = lm, .config = config, .sampler = config->sampler};
    weft_status status = cli_lm_tokenizer(folder, lm, "a conversation", &t.tokenizer);
    if (status == WEFT_OK && cli_lm_chat_open(a, &t.chat) != WEFT_OK) {
        bool asked = cli_flag(a, "chat") || cli_given(a, "template") || cli_given(a, "system");
        status = asked ? WEFT_ERROR_FORMAT : WEFT_OK;
        if (!asked)
            weft_log(WEFT_LOG_WARNING, "%s: no chat template (--template names one): each line is continued by itself", folder);
    }
    if (status == WEFT_OK)
        status = cli_lm_rows_without_token(t.tokenizer, weft_lm_vocabulary(lm), &t.never);
    t.sampler.never = t.never;
    if (status == WEFT_OK)
        status = weft_stopper_new(stops, stop_count, &t.stopper);
    if (status == WEFT_OK)
        status = weft_lm_decoder_new(lm, 1, capacity, &t.decoder);
    if (status == WEFT_OK)
        status = converse(&t);
    forget(&t);
    free(t.messages);
    free(t.never);
    weft_text_free(&t.answer);
    weft_stopper_free(t.stopper);
    weft_decoding_free(t.decoding);
    weft_lm_decoder_free(t.decoder);
    weft_chat_template_free(t.chat);
    weft_tokenizer_free(t.tokenizer);
    return status;
}
