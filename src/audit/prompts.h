/* Prompts and questions from files, and their token ids: the tuned model's tokenizer and template for both models. */
#ifndef WEFT_AUDIT_PROMPTS_H
#define WEFT_AUDIT_PROMPTS_H

#include "base/json.h"
#include "weft/text.h"

enum { WEFT_NO_LABEL = -1 };

typedef struct weft_prompt {
    char *text; /* or a JSON list of messages, where `messages` */
    bool messages;
    int label;      /* 0, 1, or WEFT_NO_LABEL */
    int64_t line;   /* in its file, first 1 */
    char **choices; /* of a question; NULL: none */
    int choice_count, answer;
} weft_prompt;

typedef struct weft_prompts {
    weft_prompt *at;
    int64_t count, capacity;
} weft_prompts;

/* By the file's ending: .jsonl is a line of JSON a prompt ({"prompt": …} or {"messages": […]}, with "label": 0 or 1 where there
 * are labels); .csv has a header, the prompts in `column` (NULL: "prompt") and labels in "label" where there is one; any other
 * file has a prompt a line, empty lines left out. Errors name the line. */
weft_status weft_prompts_read(const char *path, const char *column, weft_prompts *out);
/* Multiple-choice questions, a line of JSON each: {"prompt": …, "choices": [" A", " B"], "answer": 1} (an index or one of the
 * choices), or Model-Written Evaluations' {"question", "answer_matching_behavior", "answer_not_matching_behavior"}. */
weft_status weft_questions_read(const char *path, weft_prompts *out);
/* The lines of such files from memory; messages call it `name`. */
typedef enum weft_prompt_lines { WEFT_LINES_TEXT, WEFT_LINES_JSON, WEFT_LINES_QUESTIONS } weft_prompt_lines;
weft_status weft_prompts_parse(const char *text, size_t size, weft_prompt_lines kind, const char *name, weft_prompts *out);
void weft_prompts_free(weft_prompts *);

/* From prompts to ids. */
typedef struct weft_prompt_encoder {
    weft_tokenizer *tokenizer;
    weft_encoding *encoding;
    const char *wrap;                /* the prompt stands in place of {}; NULL: as it is */
    const char *system;              /* a system message in front, with a chat template; NULL: none */
    struct weft_chat_template *chat; /* NULL: prompts are text; messages need one */
} weft_prompt_encoder;

/* The tokenizer of `folder`, or where it has none of `otherwise`. template: NULL: none; "auto": the folder's own; else one by
 * name. */
weft_status weft_prompt_encoder_open(const char *folder, const char *otherwise, const char *template_name,
                                     weft_prompt_encoder *out);
void weft_prompt_encoder_close(weft_prompt_encoder *);
/* Ids of a prompt with `more` behind its text ("" for none); *ids is malloc'd. */
weft_status weft_prompt_encode(weft_prompt_encoder *, const weft_prompt *, const char *more, int64_t **ids, int64_t *n);

#endif
