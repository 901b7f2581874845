/* Templates: from tokens to statements. */
#include "text/template_inner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

jinja_node *weft_jinja_node(jinja_parser *p, jinja_node_kind kind, int line)
{
    jinja_node *node = weft_arena_get(p->arena, sizeof *node);
    if (!node) {
        if (p->status == WEFT_OK)
            p->status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", p->name);
        return &p->spare;
    }
    node->kind = kind;
    node->line = line;
    node->depth = 1;
    return node;
}

jinja_node *weft_jinja_reject(jinja_parser *p, int line, const char *format, ...)
{
    if (p->status == WEFT_OK) {
        char what[256];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(what, sizeof what, format, arguments);
        va_end(arguments);
        p->status = weft_fail(WEFT_ERROR_FORMAT, "%s, line %d: %s", p->name, line, what);
    }
    return weft_jinja_node(p, NODE_CONSTANT, line);
}

void weft_jinja_adopt(jinja_parser *p, jinja_node *parent, const jinja_node *child)
{
    if (parent == &p->spare || !child || child->depth < parent->depth)
        return;
    parent->depth = child->depth + 1;
    if (parent->depth > JINJA_DEEPEST_TREE)
        weft_jinja_reject(p, parent->line, "the template nests deeper than %d levels", JINJA_DEEPEST_TREE);
}

/* Room for one more in an array of `count` items: arrays double at powers of two, from 4. */
static void *grown(jinja_parser *p, void *items, int count, size_t size)
{
    if (count && (count < 4 || (count & (count - 1)) != 0))
        return items;
    void *more = weft_arena_get(p->arena, (size_t)(count < 4 ? 4 : 2 * count) * size);
    if (!more && p->status == WEFT_OK)
        p->status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", p->name);
    if (more && count)
        memcpy(more, items, (size_t)count * size);
    return more;
}

void weft_jinja_add(jinja_parser *p, jinja_node *parent, jinja_node *child)
{
    if (parent == &p->spare)
        return;
    jinja_node **items = grown(p, parent->items, parent->count, sizeof *items);
    if (!items)
        return;
    items[parent->count++] = child;
    parent->items = items;
    weft_jinja_adopt(p, parent, child);
}

bool weft_jinja_enter(jinja_parser *p)
{
    if (++p->depth > JINJA_DEEPEST_TREE / 2)
        weft_jinja_reject(p, weft_jinja_peek(p)->line, "the template nests deeper than %d levels", JINJA_DEEPEST_TREE / 2);
    return p->status == WEFT_OK;
}

void weft_jinja_leave(jinja_parser *p)
{
    p->depth--;
}

const jinja_token *weft_jinja_peek(const jinja_parser *p)
{
    return &p->tokens[p->at];
}

bool weft_jinja_is(const jinja_parser *p, jinja_token_kind kind, const char *text)
{
    const jinja_token *token = weft_jinja_peek(p);
    return token->kind == kind && (!text || (token->length == strlen(text) && memcmp(token->text, text, token->length) == 0));
}

bool weft_jinja_skip(jinja_parser *p, jinja_token_kind kind, const char *text)
{
    if (!weft_jinja_is(p, kind, text) || kind == TOKEN_END)
        return false;
    p->at++;
    return true;
}

const char *weft_jinja_shown(const jinja_token *token, char out[64])
{
    static const char *const names[] = {
        [TOKEN_DATA] = "text",      [TOKEN_VARIABLE_BEGIN] = "{{", [TOKEN_VARIABLE_END] = "}}",
        [TOKEN_BLOCK_BEGIN] = "{%", [TOKEN_BLOCK_END] = "%}",      [TOKEN_END] = "the template's end"};
    if (names[token->kind])
        return names[token->kind];
    snprintf(out, 64, "\"%.*s\"", (int)(token->length > 40 ? 40 : token->length), token->text);
    return out;
}

void weft_jinja_expect(jinja_parser *p, jinja_token_kind kind, const char *text)
{
    char shown[64];
    if (!weft_jinja_skip(p, kind, text))
        weft_jinja_reject(p, weft_jinja_peek(p)->line, "%s where \"%s\" was expected",
                          weft_jinja_shown(weft_jinja_peek(p), shown),
                          text                         ? text
                          : kind == TOKEN_BLOCK_END    ? "%}"
                          : kind == TOKEN_VARIABLE_END ? "}}"
                                                       : "a name");
}

const jinja_string *weft_jinja_take_name(jinja_parser *p)
{
    const jinja_token *token = weft_jinja_peek(p);
    jinja_string *name = weft_arena_get(p->arena, sizeof *name);
    weft_jinja_expect(p, TOKEN_NAME, NULL);
    if (!name && p->status == WEFT_OK)
        p->status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", p->name);
    if (name)
        *name = (jinja_string){token->text, token->length, -1};
    return name;
}

/* ---- Statements. The parser stands behind the tag's name. ---- */

/* Statements up to a tag with one of the names `ends` ("elif else endif"), which comes next then, behind its "{%". */
static jinja_node *parse_body(jinja_parser *p, const char *opener, int line, const char *ends);

static bool named_in(const jinja_token *token, const char *names)
{
    for (const char *at = names; *at; at += *at == ' ') {
        size_t length = strcspn(at, " ");
        if (token->kind == TOKEN_NAME && token->length == length && memcmp(token->text, at, length) == 0)
            return true;
        at += length;
    }
    return false;
}

/* "%}", the body, and "{% end" — with its "%}". */
static jinja_node *parse_block(jinja_parser *p, const char *opener, int line, const char *end)
{
    weft_jinja_expect(p, TOKEN_BLOCK_END, NULL);
    jinja_node *body = parse_body(p, opener, line, end);
    weft_jinja_expect(p, TOKEN_NAME, end);
    weft_jinja_expect(p, TOKEN_BLOCK_END, NULL);
    return body;
}

static jinja_node *parse_if(jinja_parser *p, int line)
{
    jinja_node *node = weft_jinja_node(p, NODE_IF, line);
    do {
        weft_jinja_add(p, node, weft_jinja_tuple(p, false));
        weft_jinja_expect(p, TOKEN_BLOCK_END, NULL);
        weft_jinja_add(p, node, parse_body(p, "if", line, "elif else endif"));
    } while (weft_jinja_skip(p, TOKEN_NAME, "elif") && p->status == WEFT_OK);
    if (weft_jinja_skip(p, TOKEN_NAME, "else")) {
        node->c = parse_block(p, "if", line, "endif");
        weft_jinja_adopt(p, node, node->c);
    } else {
        weft_jinja_expect(p, TOKEN_NAME, "endif");
        weft_jinja_expect(p, TOKEN_BLOCK_END, NULL);
    }
    return node;
}

static jinja_node *parse_for(jinja_parser *p, int line)
{
    jinja_node *node = weft_jinja_node(p, NODE_FOR, line);
    node->a = weft_jinja_target(p, false);
    weft_jinja_expect(p, TOKEN_NAME, "in");
    node->b = weft_jinja_tuple(p, false);
    if (weft_jinja_skip(p, TOKEN_NAME, "if"))
        node->d = weft_jinja_expression(p, true);
    node->recursive = weft_jinja_skip(p, TOKEN_NAME, "recursive");
    weft_jinja_expect(p, TOKEN_BLOCK_END, NULL);
    p->loops++;
    node->c = parse_body(p, "for", line, "else endfor");
    p->loops--;
    if (weft_jinja_skip(p, TOKEN_NAME, "else")) {
        node->otherwise = parse_block(p, "for", line, "endfor");
        weft_jinja_adopt(p, node, node->otherwise);
    } else {
        weft_jinja_expect(p, TOKEN_NAME, "endfor");
        weft_jinja_expect(p, TOKEN_BLOCK_END, NULL);
    }
    weft_jinja_adopt(p, node, node->b);
    weft_jinja_adopt(p, node, node->c);
    weft_jinja_adopt(p, node, node->d);
    return node;
}

static jinja_node *parse_set(jinja_parser *p, int line)
{
    jinja_node *target = weft_jinja_target(p, true);
    jinja_node *node = weft_jinja_node(p, weft_jinja_skip(p, TOKEN_OPERATOR, "=") ? NODE_SET : NODE_SET_BLOCK, line);
    node->a = target;
    if (node->kind == NODE_SET) {
        node->b = weft_jinja_tuple(p, true);
        weft_jinja_adopt(p, node, node->b);
        weft_jinja_expect(p, TOKEN_BLOCK_END, NULL);
        return node;
    }
    if (target->kind == NODE_TUPLE)
        return weft_jinja_reject(p, line, "{%% set %%} of several names wants \"=\"");
    node->b = weft_jinja_filters(p, NULL, false);
    node->c = parse_block(p, "set", line, "endset");
    weft_jinja_adopt(p, node, node->b);
    weft_jinja_adopt(p, node, node->c);
    return node;
}

/* What stands in a macro or call block is no part of the loop around it. */
static void parse_own_body(jinja_parser *p, jinja_node *macro, const char *opener, const char *end)
{
    int loops = p->loops, uses = p->uses;
    p->loops = p->uses = 0;
    macro->c = parse_block(p, opener, macro->line, end);
    macro->uses = p->uses;
    p->loops = loops;
    p->uses |= uses;
    weft_jinja_adopt(p, macro, macro->c);
}

static jinja_node *parse_macro(jinja_parser *p, int line)
{
    jinja_node *node = weft_jinja_node(p, NODE_MACRO, line);
    node->name = weft_jinja_take_name(p);
    weft_jinja_expect(p, TOKEN_OPERATOR, "(");
    weft_jinja_parameters(p, node);
    parse_own_body(p, node, "macro", "endmacro");
    return node;
}

static jinja_node *parse_call(jinja_parser *p, int line)
{
    jinja_node *node = weft_jinja_node(p, NODE_CALL_BLOCK, line);
    if (weft_jinja_skip(p, TOKEN_OPERATOR, "("))
        weft_jinja_parameters(p, node);
    node->b = weft_jinja_expression(p, true);
    if (node->b->kind != NODE_CALL && p->status == WEFT_OK)
        return weft_jinja_reject(p, line, "{%% call %%} wants a call");
    parse_own_body(p, node, "call", "endcall");
    weft_jinja_adopt(p, node, node->b);
    return node;
}

static jinja_node *parse_filter_block(jinja_parser *p, int line)
{
    jinja_node *node = weft_jinja_node(p, NODE_FILTER_BLOCK, line);
    node->b = weft_jinja_filters(p, NULL, true);
    node->c = parse_block(p, "filter", line, "endfilter");
    weft_jinja_adopt(p, node, node->b);
    weft_jinja_adopt(p, node, node->c);
    return node;
}

static jinja_node *parse_with(jinja_parser *p, int line)
{
    jinja_node *node = weft_jinja_node(p, NODE_WITH, line);
    while (!weft_jinja_is(p, TOKEN_BLOCK_END, NULL) && p->status == WEFT_OK) {
        if (node->count)
            weft_jinja_expect(p, TOKEN_OPERATOR, ",");
        weft_jinja_add(p, node, weft_jinja_target(p, false));
        weft_jinja_expect(p, TOKEN_OPERATOR, "=");
        weft_jinja_add(p, node, weft_jinja_expression(p, true));
    }
    node->c = parse_block(p, "with", line, "endwith");
    weft_jinja_adopt(p, node, node->c);
    return node;
}

static jinja_node *parse_generation(jinja_parser *p, int line)
{
    jinja_node *node = weft_jinja_node(p, NODE_GENERATION, line);
    node->c = parse_block(p, "generation", line, "endgeneration");
    weft_jinja_adopt(p, node, node->c);
    return node;
}

static jinja_node *parse_jump(jinja_parser *p, int line, jinja_node_kind kind, const char *word)
{
    if (!p->loops)
        return weft_jinja_reject(p, line, "{%% %s %%} stands outside a loop", word);
    jinja_node *node = weft_jinja_node(p, kind, line);
    weft_jinja_expect(p, TOKEN_BLOCK_END, NULL);
    return node;
}

static jinja_node *parse_break(jinja_parser *p, int line)
{
    return parse_jump(p, line, NODE_BREAK, "break");
}

static jinja_node *parse_continue(jinja_parser *p, int line)
{
    return parse_jump(p, line, NODE_CONTINUE, "continue");
}

static const struct {
    const char *name;
    jinja_node *(*parse)(jinja_parser *, int line);
} statements[] = {
    {"if", parse_if},       {"for", parse_for},
    {"set", parse_set},     {"macro", parse_macro},
    {"call", parse_call},   {"filter", parse_filter_block},
    {"with", parse_with},   {"generation", parse_generation},
    {"break", parse_break}, {"continue", parse_continue},
};

static jinja_node *parse_statement(jinja_parser *p)
{
    const jinja_token *token = weft_jinja_peek(p);
    char shown[64];
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        if (weft_jinja_skip(p, TOKEN_NAME, statements[i].name))
            return statements[i].parse(p, token->line);
    return weft_jinja_reject(p, token->line,
                             "unknown tag %s (known: if, for, set, macro, call, filter, with, generation, raw, break, continue)",
                             weft_jinja_shown(token, shown));
}

static jinja_node *parse_print(jinja_parser *p, int line)
{
    jinja_node *node = weft_jinja_node(p, NODE_PRINT, line);
    weft_jinja_add(p, node, weft_jinja_tuple(p, true));
    weft_jinja_expect(p, TOKEN_VARIABLE_END, NULL);
    return node;
}

static jinja_node *parse_body(jinja_parser *p, const char *opener, int line, const char *ends)
{
    jinja_node *body = weft_jinja_node(p, NODE_BODY, line);
    if (!weft_jinja_enter(p))
        return body;
    while (p->status == WEFT_OK) {
        const jinja_token *token = weft_jinja_peek(p);
        if (token->kind == TOKEN_END) {
            if (ends)
                weft_jinja_reject(p, token->line, "{%% %s %%} of line %d is not closed", opener, line);
            break;
        }
        p->at++;
        if (token->kind == TOKEN_DATA) {
            jinja_node *text = weft_jinja_node(p, NODE_TEXT, token->line);
            jinja_string *string = weft_arena_get(p->arena, sizeof *string);
            if (!string)
                weft_jinja_reject(p, token->line, "memory is short");
            else
                *string = (jinja_string){token->text, token->length, -1};
            text->constant = (jinja_value){JINJA_STRING, {.string = string}};
            weft_jinja_add(p, body, text);
        } else if (token->kind == TOKEN_VARIABLE_BEGIN) {
            weft_jinja_add(p, body, parse_print(p, token->line));
        } else { /* TOKEN_BLOCK_BEGIN */
            if (ends && named_in(weft_jinja_peek(p), ends))
                break;
            weft_jinja_add(p, body, parse_statement(p));
        }
    }
    weft_jinja_leave(p);
    return body;
}

weft_status weft_template_parse(const char *source, size_t size, const char *name, weft_template **out)
{
    *out = NULL;
    if (size > WEFT_TEMPLATE_LARGEST)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a template of %zu bytes; at most %u", name, size, WEFT_TEMPLATE_LARGEST);
    weft_template *template = calloc(1, sizeof *template);
    if (!template)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", name);
    jinja_parser parser = {.arena = &template->arena};
    template->name = weft_arena_copy(&template->arena, name);
    parser.name = template->name;
    int64_t count;
    weft_status status = template->name ? weft_jinja_scan(&template->arena, source, size, template->name, &parser.tokens, &count)
                                        : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", name);
    if (status == WEFT_OK) {
        template->body = parse_body(&parser, NULL, 1, NULL);
        status = parser.status;
    }
    if (status == WEFT_OK)
        *out = template;
    else
        weft_template_free(template);
    return status;
}

void weft_template_free(weft_template *template)
{
    if (!template)
        return;
    weft_arena_free(&template->arena);
    free(template);
}
