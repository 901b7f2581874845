/* Jinja2 templates, for chats: parsed once, rendered with the members of a JSON object as variables. Layer: base only.
 *
 *     weft_template *t = NULL;
 *     weft_template_parse(source, size, "chat_template.jinja", &t);
 *     weft_template_variable variables[] = {{"messages", messages}, {"bos_token", bos}};
 *     weft_template_result result = {0};
 *     weft_template_render(t, variables, 2, NULL, &result);
 */
#ifndef WEFT_TEXT_TEMPLATE_H
#define WEFT_TEXT_TEMPLATE_H

#include <time.h>

#include "base/json.h"
#include "weft/template.h"

typedef struct weft_template weft_template;

#define WEFT_TEMPLATE_LARGEST (4u << 20) /* bytes of a template */

/* `name` for messages. Mistakes are WEFT_ERROR_FORMAT and say "NAME, line N: …". */
weft_status weft_template_parse(const char *source, size_t size, const char *name, weft_template **out);
void weft_template_free(weft_template *);

typedef struct weft_template_variable {
    const char *name;
    const char *text;      /* its value as a string; NULL: */
    weft_json_value value; /* its value; absent: none */
    int64_t items;         /* of a list `value`: the first items − 1 alone; 0: all */
    bool is_truth, truth;  /* the value is `truth` */
} weft_template_variable;

/* Work, bytes of text and bytes of memory that a rendering may take; what a template asks beyond them is an error. */
typedef struct weft_template_limits {
    int64_t steps;
    size_t output, memory;
} weft_template_limits;
#define WEFT_TEMPLATE_LIMITS ((weft_template_limits){.steps = 20000000, .output = 64u << 20, .memory = 512u << 20})

/* limits NULL: WEFT_TEMPLATE_LIMITS. now: what strftime_now tells; NULL: it fails. The first variable of a name counts. */
weft_status weft_template_render(const weft_template *, const weft_template_variable *, int count, const weft_template_limits *,
                                 const struct tm *now, weft_template_result *out);

#endif
