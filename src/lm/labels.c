/* Forms of labels. That fractions are numbers to come near and lists several labels is the rule of transformers' examples and of
 * its heads' own losses. */
#include "lm/labels.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/records.h"

weft_json_value weft_lm_label_of(weft_json_value record)
{
    weft_json_value label = weft_json_get(record, "label");
    return weft_json_present(label) ? label : weft_json_get(record, "labels");
}

/* ---- What a label asks for. ---- */

/* A number, or the text of one as a table's cells are. */
static bool number_of(weft_json_value v, double *out)
{
    const char *text = weft_json_string(v, NULL);
    char *end = NULL;
    errno = 0;
    *out = text ? strtod(text, &end) : weft_json_number(v, NAN);
    return isfinite(*out) && fabs(*out) <= 3e38 && (!text || (end != text && *end == 0 && !errno));
}

/* Truths [count] of a list with a number a class. */
static bool numbers_of(weft_json_value list, int64_t count, double *truth)
{
    bool fits = weft_json_kind_of(list) == WEFT_JSON_LIST && weft_json_size(list) == count;
    for (int64_t k = 0; k < count && fits; k++)
        fits = weft_json_kind_of(weft_json_item(list, k)) != WEFT_JSON_STRING && number_of(weft_json_item(list, k), &truth[k]);
    return fits;
}

/* Integers of a list are names where the classes are called so. */
static bool are_names(const weft_lm_classes *c, weft_json_value list)
{
    bool names = weft_lm_is_integer(c->names[0]);
    for (int64_t i = 0; i < weft_json_size(list) && names; i++)
        names = weft_json_kind_of(weft_json_item(list, i)) == WEFT_JSON_INTEGER;
    return names;
}

static weft_status unknown(const weft_lm_classes *c, const char *where, const char *label, size_t length)
{
    return weft_fail(WEFT_ERROR_FORMAT,
                     "%s: label \"%.*s\" is none of the classifier's %lld, \"%.40s\" to \"%.40s\"; expected names of them, as "
                     "[\"%.40s\"], or a list of %lld numbers from 0 to 1",
                     where, (int)(length < 80 ? length : 80), label, (long long)c->count, c->names[0], c->names[c->count - 1],
                     c->names[0], (long long)c->count);
}

static weft_status mark(const weft_lm_classes *c, int64_t k, const char *where, double *truth)
{
    if (truth[k] != 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: label \"%.80s\" is there twice", where, c->names[k]);
    truth[k] = 1;
    return WEFT_OK;
}

/* "A|B" as a table has it. */
static weft_status names_in_text(const weft_lm_classes *c, const char *text, const char *where, double *truth)
{
    const int64_t whole = weft_lm_classes_position(c, text);
    weft_status status = WEFT_OK;
    if (whole >= 0)
        return mark(c, whole, where, truth);
    for (const char *at = *text ? text : NULL, *stop; at && status == WEFT_OK; at = stop ? stop + 1 : NULL) {
        stop = strchr(at, '|');
        const size_t length = stop ? (size_t)(stop - at) : strlen(at);
        int64_t k = 0;
        while (k < c->count && (strlen(c->names[k]) != length || strncmp(c->names[k], at, length) != 0))
            k++;
        status = k < c->count ? mark(c, k, where, truth) : unknown(c, where, at, length);
    }
    return status;
}

static weft_status names_in_list(const weft_lm_classes *c, weft_json_value list, const char *where, double *truth)
{
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_json_size(list) && status == WEFT_OK; i++) {
        char room[32];
        const weft_json_value item = weft_json_item(list, i);
        const char *text = weft_lm_label_text(item, room);
        const int64_t k = weft_lm_classes_index(c, item);
        text = text ? text : "neither text nor integer";
        status = k >= 0 ? mark(c, k, where, truth) : unknown(c, where, text, strlen(text));
    }
    return status;
}

static weft_status several(const weft_lm_classes *c, weft_json_value label, const char *where, double *truth)
{
    const char *text = weft_json_string(label, NULL);
    const bool list = weft_json_kind_of(label) == WEFT_JSON_LIST;
    if ((list && !are_names(c, label) && numbers_of(label, c->count, truth)) ||
        (!list && c->count == 1 && number_of(label, truth))) {
        for (int64_t k = 0; k < c->count; k++)
            if (truth[k] < 0 || truth[k] > 1)
                return weft_fail(WEFT_ERROR_FORMAT, "%s: a label of %g; expected from 0 to 1", where, truth[k]);
        return WEFT_OK;
    }
    memset(truth, 0, (size_t)c->count * sizeof *truth);
    if (text)
        return names_in_text(c, text, where, truth);
    if (list)
        return names_in_list(c, label, where, truth);
    const int64_t k = weft_lm_classes_index(c, label);
    char room[32];
    text = weft_lm_label_text(label, room);
    text = text ? text : "neither text nor integer";
    return k >= 0 ? mark(c, k, where, truth) : unknown(c, where, text, strlen(text));
}

weft_status weft_lm_label_truth(const weft_lm_classes *c, weft_json_value label, const char *where, double *truth)
{
    if (c->problem == WEFT_LM_PROBLEM_MULTI_LABEL)
        return several(c, label, where, truth);
    if (numbers_of(label, c->count, truth) || (c->count == 1 && number_of(label, truth)))
        return WEFT_OK;
    return c->count == 1
               ? weft_fail(WEFT_ERROR_FORMAT, "%s: label: expected a number", where)
               : weft_fail(WEFT_ERROR_FORMAT, "%s: label: expected a list of numbers, %lld of them", where, (long long)c->count);
}

/* ---- What a file's labels want. ---- */

typedef enum form { WORD, WHOLE, FRACTION, LIST, EMPTY, FORMS } form;
static const char *const form_names[] = {"a word", "an integer", "a fraction", "a list", "empty"};

typedef struct survey {
    weft_lm_classes *classes; /* NULL: names are not wanted */
    weft_lm_problem given;
    bool table;
    char *first[FORMS]; /* where each form stands first */
    int64_t records, marks;
    /* of lists: a number from 0 to 1 in each place, as many in each; some number is no integer; all are none; which list is not
     * of numbers first, and the length of the first */
    bool dense, fractions, all_fractions;
    int64_t length;
} survey;

static form form_of(const survey *s, weft_json_value label)
{
    const char *text = weft_json_string(label, NULL);
    double number;
    if (weft_json_kind_of(label) == WEFT_JSON_LIST)
        return LIST;
    if (!text)
        return weft_json_kind_of(label) == WEFT_JSON_INTEGER ? WHOLE : FRACTION;
    if (!s->table)
        return WORD;
    return !*text                      ? EMPTY
           : strchr(text, '|')         ? LIST
           : weft_lm_is_integer(text)  ? WHOLE
           : number_of(label, &number) ? FRACTION
                                       : WORD;
}

static weft_status add_name(survey *s, const char *text, size_t length, const char *where)
{
    char name[256];
    if (length >= sizeof name)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a label of %zu bytes, expected at most %zu", where, length, sizeof name - 1);
    memcpy(name, text, length);
    name[length] = 0;
    s->marks++;
    if (weft_lm_classes_position(s->classes, name) >= 0)
        return WEFT_OK;
    if (s->classes->count == WEFT_LM_MOST_CLASSES)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: this is different label number %d, at most %d can be told apart", where,
                         WEFT_LM_MOST_CLASSES + 1, WEFT_LM_MOST_CLASSES);
    return weft_lm_classes_add(s->classes, name);
}

/* The names in a list, and whether it may be one of a number a class. */
static weft_status add_list(survey *s, weft_json_value list, const char *where)
{
    weft_status status = WEFT_OK;
    const int64_t n = weft_json_size(list);
    s->length = s->first[LIST] ? s->length : n;
    s->dense = s->dense && n == s->length;
    for (int64_t i = 0; i < n && status == WEFT_OK; i++) {
        const weft_json_value item = weft_json_item(list, i);
        const weft_json_kind kind = weft_json_kind_of(item);
        char room[32];
        const char *text = weft_lm_label_text(item, room);
        const double number = weft_json_number(item, NAN);
        if (!text && kind != WEFT_JSON_NUMBER)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: item %lld of the label is neither text nor a number", where, (long long)i);
        s->dense = s->dense && number >= 0 && number <= 1;
        s->fractions = s->fractions || !text;
        s->all_fractions = s->all_fractions && kind == WEFT_JSON_NUMBER;
        if (text && s->given != WEFT_LM_PROBLEM_REGRESSION && !(s->dense && s->fractions))
            status = add_name(s, text, strlen(text), where);
    }
    return status;
}

static weft_status add_names(survey *s, form f, weft_json_value label, const char *where)
{
    char room[32];
    const char *text = weft_lm_label_text(label, room), *stop;
    weft_status status = WEFT_OK;
    if (weft_json_kind_of(label) == WEFT_JSON_LIST)
        return add_list(s, label, where);
    if (!text || f == EMPTY || s->given == WEFT_LM_PROBLEM_REGRESSION || (f == FRACTION && s->given == WEFT_LM_PROBLEM_UNSAID))
        return WEFT_OK;
    for (const char *at = text; at && status == WEFT_OK; at = stop ? stop + 1 : NULL) {
        stop = s->given == WEFT_LM_PROBLEM_SINGLE_LABEL || !s->table ? NULL : strchr(at, '|');
        status = add_name(s, at, stop ? (size_t)(stop - at) : strlen(at), where);
    }
    return status;
}

static weft_status look(void *user, weft_json_value record, const char *where)
{
    survey *s = user;
    const weft_json_value label = weft_lm_label_of(record);
    const weft_json_kind kind = weft_json_kind_of(label);
    if (kind != WEFT_JSON_STRING && kind != WEFT_JSON_INTEGER && kind != WEFT_JSON_NUMBER && kind != WEFT_JSON_LIST)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected {text, label}, the label a string, a number or a list of labels",
                         where);
    const form f = form_of(s, label);
    weft_status status = s->classes ? add_names(s, f, label, where) : WEFT_OK;
    s->records++;
    if (status == WEFT_OK && !s->first[f]) {
        if (!(s->first[f] = malloc(strlen(where) + 1)))
            return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
        strcpy(s->first[f], where);
    }
    return status;
}

static weft_status mixed(const survey *s, form a, form b, weft_lm_problem way_out)
{
    return weft_fail(WEFT_ERROR_FORMAT, "%s: the label is %s, at %s it is %s; expected one kind in all records%s%s", s->first[b],
                     form_names[b], s->first[a], form_names[a], way_out ? ", or --problem-type " : "",
                     way_out ? weft_lm_problem_name(way_out) : "");
}

/* The problem that these labels are, unless it was given. */
static weft_status decide(const survey *s, weft_lm_problem *out)
{
    *out = s->given;
    if (s->given != WEFT_LM_PROBLEM_UNSAID)
        return WEFT_OK;
    *out = s->first[LIST]       ? WEFT_LM_PROBLEM_MULTI_LABEL
           : s->first[FRACTION] ? WEFT_LM_PROBLEM_REGRESSION
                                : WEFT_LM_PROBLEM_SINGLE_LABEL;
    for (form f = s->table ? FRACTION : WORD; s->first[LIST] && f <= FRACTION; f++)
        if (s->first[f])
            return mixed(s, LIST, f, s->table ? WEFT_LM_PROBLEM_MULTI_LABEL : WEFT_LM_PROBLEM_UNSAID);
    if (s->first[LIST])
        return WEFT_OK;
    if (s->first[EMPTY])
        return weft_fail(WEFT_ERROR_FORMAT, "%s: the label is empty", s->first[EMPTY]);
    if (s->first[FRACTION] && s->first[WORD])
        return mixed(s, FRACTION, WORD, s->table ? WEFT_LM_PROBLEM_SINGLE_LABEL : WEFT_LM_PROBLEM_UNSAID);
    return WEFT_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_number(const void *a, const void *b)
{
    long long x = strtoll(*(char *const *)a, NULL, 10), y = strtoll(*(char *const *)b, NULL, 10);
    return x != y ? (x > y) - (x < y) : by_bytes(a, b);
}

static weft_status name_by_number(weft_lm_classes *c, int64_t count, const char *path)
{
    const weft_lm_problem problem = c->problem;
    weft_status status = WEFT_OK;
    weft_lm_classes_free(c);
    c->problem = problem;
    if (count < 1 || count > WEFT_LM_MOST_CLASSES)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: labels are lists of %lld numbers, expected from 1 to %d", path, (long long)count,
                         WEFT_LM_MOST_CLASSES);
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "LABEL_%lld", (long long)i);
        status = weft_lm_classes_add(c, name);
    }
    return status;
}

/* Sorts the names, or names the numbers. */
static weft_status settle(survey *s, const char *path)
{
    weft_lm_classes *c = s->classes;
    const bool several_labels = c->problem == WEFT_LM_PROBLEM_MULTI_LABEL;
    bool integers = true;
    if (s->records == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: there are no labels; a classifier needs at least two different ones", path);
    if (c->problem == WEFT_LM_PROBLEM_REGRESSION)
        return name_by_number(c, s->first[LIST] && !s->table ? s->length : 1, path);
    const bool lists_alone = s->first[LIST] && !s->first[WORD] && !s->first[WHOLE] && !s->first[FRACTION] && !s->table;
    if (several_labels && lists_alone && s->dense && s->length > 0 && (s->length > 1 || s->all_fractions))
        return name_by_number(c, s->length, path);
    if (several_labels && s->fractions)
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: labels are lists of numbers; expected one from 0 to 1 for each class, as many in each list, or "
                         "--problem-type regression",
                         path);
    if (several_labels ? c->count < 1 || (c->count == 1 && s->marks == s->records) : c->count < 2)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %s; a classifier needs at least two different ones", path,
                         c->count ? "all records have one label" : "there are no labels");
    for (int64_t i = 0; i < c->count; i++)
        integers = integers && weft_lm_is_integer(c->names[i]);
    qsort(c->names, (size_t)c->count, sizeof *c->names, integers ? by_number : by_bytes);
    return WEFT_OK;
}

/* What stands in `bytes`, or, where they are NULL, in the file. */
static weft_status survey_records(survey *s, const char *name, const char *bytes, size_t size, weft_lm_problem *problem)
{
    s->table = !bytes && weft_records_are_table(name);
    s->dense = s->all_fractions = true;
    weft_status status = bytes ? weft_records_parse(bytes, size, name, look, s, NULL) : weft_records_read(name, look, s, NULL);
    if (status == WEFT_OK)
        status = decide(s, problem);
    if (status == WEFT_OK && s->classes)
        status = settle(s, name);
    for (int f = 0; f < FORMS; f++)
        free(s->first[f]);
    return status;
}

weft_status weft_lm_labels_collect(weft_lm_classes *c, const char *path, weft_lm_problem problem)
{
    survey s = {.classes = c, .given = problem};
    *c = (weft_lm_classes){0};
    return survey_records(&s, path, NULL, 0, &c->problem);
}

weft_status weft_lm_labels_parse(weft_lm_classes *c, const char *bytes, size_t size, const char *name, weft_lm_problem problem)
{
    survey s = {.classes = c, .given = problem};
    *c = (weft_lm_classes){0};
    return survey_records(&s, name, bytes, size, &c->problem);
}

weft_status weft_lm_labels_problem(const char *path, weft_lm_problem *out)
{
    survey s = {0};
    return survey_records(&s, path, NULL, 0, out);
}
