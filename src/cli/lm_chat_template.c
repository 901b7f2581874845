/* weft lm chat-template: conversations as the text that a model reads. */
#include "cli/lm_texts.h"
#include "text/chat_template.h"

#include <string.h>
#include <time.h>

static const cli_positional files[] = {{"DIR", 1, 1, "a model's folder, or one with its tokenizer's files"}, {0}};

static const cli_option options[] = {
    {.name = "file",
     .value = "F.jsonl",
     .kind = CLI_PATH,
     .help = "conversations, a line of JSON each, - for standard input: {\"messages\": [{\"role\": …, \"content\": …}, …], "
             "\"add_generation_prompt\": "
             "true}",
     .traits = CLI_REQUIRED},
    {.name = "template",
     .value = "NAME",
     .kind = CLI_CHOICE,
     .choices = "chatml|llama2|llama3|mistral|gemma|zephyr|vicuna|alpaca",
     .help = "a well-known template in place of the folder's"},
    {.name = "variant", .value = "NAME", .kind = CLI_TEXT, .help = "the template of that name, where the folder has several"},
    {0},
};

typedef struct job {
    cli_arguments *arguments;
    weft_chat_template *chat;
    weft_template_result result;
    struct tm now;
} job;

static weft_status render(void *user, weft_json_value conversation, const char *where)
{
    job *j = user;
    weft_status status = weft_chat_render(j->chat, conversation, -1, false, &j->now, &j->result);
    if (status != WEFT_OK)
        return weft_fail_in(status, "%s", where);
    weft_json_writer *w = cli_json(j->arguments);
    weft_json_open_object(w);
    cli_json_text(j->arguments, j->result.raised ? "error" : "text", &j->result.text);
    weft_json_close_object(w);
    if (j->result.raised)
        cli_say(j->arguments, "%s: the template refuses: ", where);
    cli_say_bytes(j->arguments, j->result.text.data, j->result.text.length);
    cli_say(j->arguments, "\n");
    return WEFT_OK;
}

static weft_status run(cli_arguments *a)
{
    job j = {.arguments = a};
    time_t now = time(NULL);
    localtime_r(&now, &j.now);
    if (cli_given(a, "template") && cli_given(a, "variant"))
        return cli_misuse(a, "--variant names one of the folder's templates; --template takes another in their place");
    weft_status status = cli_given(a, "template")
                             ? weft_chat_template_named(cli_text(a, "template"), cli_positional_at(a, 0), &j.chat)
                             : weft_chat_template_open(cli_positional_at(a, 0), cli_text(a, "variant"), &j.chat);
    if (status == WEFT_OK) {
        weft_json_add_key(cli_json(a), "results");
        weft_json_open_list(cli_json(a));
        status = cli_read_records(cli_text(a, "file"), render, &j);
        weft_json_close_list(cli_json(a));
    }
    weft_template_result_free(&j.result);
    weft_chat_template_free(j.chat);
    return status;
}

const cli_command cli_lm_chat_template = {
    .name = "lm",
    .action = "chat-template",
    .summary = "write conversations as the text that a model reads",
    .description = "The template is the folder's: chat_template.jinja, or chat_template in tokenizer_config.json; a folder "
                   "without one takes "
                   "--template. What a line of F.jsonl holds beside messages (add_generation_prompt, tools, documents, "
                   "date_string …) are the "
                   "template's other variables. A conversation that the template refuses (raise_exception) is a result as well.",
    .positionals = files,
    .options = options,
    .example = "weft lm chat-template . --template chatml --file talk.jsonl\n"
               "# talk.jsonl: {\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"add_generation_prompt\": true}",
    .run = run,
};
