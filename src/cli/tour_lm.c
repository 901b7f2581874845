/* The tour's language model: a tokenizer and a small Llama learn sentences that Weft makes, and the model continues one. Then it
 * is fine-tuned to answer in another tone, and the audit tells how much of an answer is owed to that. */
#include "base/files.h"
#include "base/random.h"
#include "cli/tour.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCES = 6000, RECORDS = 600 };

static const char *const things[] = {"the red ball",  "a small dog",  "the old tree", "a green boat",
                                     "the white cat", "a tall house", "the river",    "a blue bird"};
static const char *const deeds[] = {"sees", "finds", "likes", "waits for", "runs to", "looks at"};
static const char *const times[] = {"", " in the morning", " at night"};

static const char *pick(weft_random_key key, uint64_t row, uint64_t column, const char *const *words, uint64_t count)
{
    return words[weft_random_below(key, 0, row, column, count)];
}

static weft_status save(const char *folder, const char *name, weft_text *text, char **path)
{
    *path = weft_path_join(folder, name);
    weft_status status = text->failed || !*path ? weft_fail(WEFT_ERROR_MEMORY, "tour: memory is short")
                                                : weft_file_write(*path, text->data, text->length);
    weft_text_free(text);
    return status;
}

static weft_status make_text(const char *folder, char **path)
{
    weft_random_key key = weft_random_stream(0, "tour sentences");
    weft_text text = {0};
    for (uint64_t i = 0; i < SENTENCES; i++)
        weft_text_add(&text, "%s %s %s%s.\n", pick(key, i, 0, things, 8), pick(key, i, 1, deeds, 6), pick(key, i, 2, things, 8),
                      pick(key, i, 3, times, 3));
    return save(folder, "sentences.txt", &text, path);
}

static weft_status make_records(const char *folder, char **path)
{
    weft_random_key key = weft_random_stream(0, "tour records");
    weft_text text = {0};
    for (uint64_t i = 0; i < RECORDS; i++) {
        const char *who = pick(key, i, 0, things, 8), *deed = pick(key, i, 1, deeds, 6);
        weft_text_add(&text, "{\"prompt\": \"User: %s %s what?\\nAssistant:\", \"completion\": \" %s, sir.\\n\"}\n", who, deed,
                      pick(key, i, 2, things, 8));
    }
    return save(folder, "answers.jsonl", &text, path);
}

weft_status tour_lm(cli_arguments *a, const char *folder, weft_report *page, tour_result *out)
{
    (void)a;
    char *text = NULL, *tokenizer = weft_path_join(folder, "tokenizer"), *model = weft_path_join(folder, "stories");
    weft_json *learnt = NULL, *trained = NULL, *spoken = NULL;
    weft_status status = tokenizer && model ? make_text(folder, &text) : weft_fail(WEFT_ERROR_MEMORY, "tour: memory is short");
    if (status == WEFT_OK)
        status = tour_command(
            folder, (const char *const[]){"lm", "tokenizer", text, "--vocab-size", "400", "--out", tokenizer, "--force", NULL},
            &learnt);
    if (status == WEFT_OK)
        status = tour_command(folder,
                              (const char *const[]){"lm", "train", "--data", text, "--tokenizer", tokenizer, "--arch",
                                                    "llama-260k", "--steps", "400", "--length", "64", "--batch-size", "8",
                                                    "--out", model, "--force", NULL},
                              &trained);
    if (status == WEFT_OK)
        status = tour_command(
            folder, (const char *const[]){"lm", "generate", model, "--prompt", "the white cat", "--tokens", "24", NULL}, &spoken);
    if (status == WEFT_OK) {
        double loss = weft_json_number(weft_json_get(weft_json_root(trained), "val_loss"), -1);
        const char *words = weft_json_string(weft_json_get(weft_json_root(spoken), "text"), "");
        weft_report_paragraph(
            page,
            "A byte-level tokenizer and a Llama of 250 thousand parameters learn %d sentences; after 400 steps the validation "
            "loss is %.3f a token. Asked to go on from \"the white cat\" it says:",
            SENTENCES, loss);
        weft_report_paragraph(page, "%s", words);
        snprintf(out->headline, sizeof out->headline, "validation loss %.3f after 400 steps; \"the white cat%.*s\"", loss,
                 (int)(strcspn(words, "\n") < 100 ? strcspn(words, "\n") : 100), words);
    }
    weft_json_free(learnt);
    weft_json_free(trained);
    weft_json_free(spoken);
    free(text);
    free(tokenizer);
    free(model);
    return status;
}

/* The reading's tokens, shaded. */
static weft_status shade(weft_report *page, weft_json_value tokens)
{
    int64_t count = weft_json_size(tokens);
    const char **pieces = calloc((size_t)count + 1, sizeof *pieces);
    double *values = calloc((size_t)count + 1, sizeof *values), most = 0;
    for (int64_t i = 0; pieces && values && i < count; i++) {
        weft_json_value one = weft_json_item(tokens, i);
        pieces[i] = weft_json_string(weft_json_get(one, "token"), "");
        pieces[i] = strcmp(pieces[i], "Ċ") == 0 ? "\n" : pieces[i];
        values[i] = weft_json_number(weft_json_get(one, "tuco"), 0);
        most = i && values[i] > most ? values[i] : most;
    }
    if (pieces && values)
        weft_report_shaded_text(page, &(weft_chart){.title = "TuCo token by token (Ġ is a space)", .y_label = "TuCo"}, pieces,
                                values, (size_t)count, 0, most, (size_t)count);
    weft_status status = pieces && values ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "tour: memory is short");
    free(pieces);
    free(values);
    return status;
}

weft_status tour_audit(cli_arguments *a, const char *folder, weft_report *page, tour_result *out)
{
    (void)a;
    char *records = NULL, *model = weft_path_join(folder, "stories"), *tuned = weft_path_join(folder, "stories-tuned");
    weft_json *trained = NULL, *asked = NULL, *plain = NULL;
    weft_status status = model && tuned ? make_records(folder, &records) : weft_fail(WEFT_ERROR_MEMORY, "tour: memory is short");
    if (status == WEFT_OK)
        status = tour_command(folder,
                              (const char *const[]){"lm", "finetune", model, "--data", records, "--steps", "200", "--length",
                                                    "64", "--batch-size", "8", "--out", tuned, "--force", NULL},
                              &trained);
    if (status == WEFT_OK)
        status = tour_command(folder,
                              (const char *const[]){"tuco", "--base", model, "--tuned", tuned, "--wrap",
                                                    "User: {}\\nAssistant:", "--prompt", "the river finds what?", NULL},
                              &asked);
    if (status == WEFT_OK)
        status = tour_command(
            folder, (const char *const[]){"tuco", "--base", model, "--tuned", tuned, "--prompt", "the river finds a", NULL},
            &plain);
    if (status == WEFT_OK) {
        double question = weft_json_number(weft_json_get(weft_json_root(asked), "tuco"), -1);
        double story = weft_json_number(weft_json_get(weft_json_root(plain), "tuco"), -1);
        weft_report_paragraph(
            page,
            "The model of the job before is fine-tuned to answer questions. Of what its layers add at the end of a question "
            "%.1f %% is fine-tuning's, at the end of a sentence that it knew before %.1f %%.",
            100 * question, 100 * story);
        status = shade(page, weft_json_get(weft_json_root(asked), "tokens"));
        snprintf(out->headline, sizeof out->headline, "TuCo %.3f at the end of a question, %.3f in a story", question, story);
    }
    weft_json_free(trained);
    weft_json_free(asked);
    weft_json_free(plain);
    free(records);
    free(model);
    free(tuned);
    return status;
}
