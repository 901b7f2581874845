/* Templates: from tokens to expressions. Precedence, from loosest: a if b else c; or; and; not; comparisons; + -; ~; * / // %;
 * **; signs; attributes, items, calls; filters and tests. (Jinja2's own: a sign binds closer than **, which groups to the left.)
 */
#include "text/template_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static jinja_node *parse_or(jinja_parser *);
static jinja_node *parse_primary(jinja_parser *);
static jinja_node *parse_postfix(jinja_parser *, jinja_node *);

static jinja_node *two(jinja_parser *p, jinja_node_kind kind, int line, jinja_node *a, jinja_node *b)
{
    jinja_node *node = weft_jinja_node(p, kind, line);
    node->a = a;
    node->b = b;
    weft_jinja_adopt(p, node, a);
    weft_jinja_adopt(p, node, b);
    return node;
}

jinja_node *weft_jinja_expression(jinja_parser *p, bool conditions)
{
    if (!weft_jinja_enter(p)) {
        weft_jinja_leave(p);
        return weft_jinja_node(p, NODE_CONSTANT, 0);
    }
    int line = weft_jinja_peek(p)->line;
    jinja_node *value = parse_or(p);
    while (conditions && p->status == WEFT_OK && weft_jinja_skip(p, TOKEN_NAME, "if")) {
        jinja_node *node = two(p, NODE_CONDITION, line, value, parse_or(p));
        if (weft_jinja_skip(p, TOKEN_NAME, "else")) {
            node->c = weft_jinja_expression(p, true);
            weft_jinja_adopt(p, node, node->c);
        }
        value = node;
    }
    weft_jinja_leave(p);
    return value;
}

static jinja_node *parse_not(jinja_parser *p);

static jinja_node *parse_and(jinja_parser *p)
{
    jinja_node *left = parse_not(p);
    while (p->status == WEFT_OK && weft_jinja_is(p, TOKEN_NAME, "and")) {
        int line = weft_jinja_peek(p)->line;
        p->at++;
        left = two(p, NODE_AND, line, left, parse_not(p));
    }
    return left;
}

static jinja_node *parse_or(jinja_parser *p)
{
    jinja_node *left = parse_and(p);
    while (p->status == WEFT_OK && weft_jinja_is(p, TOKEN_NAME, "or")) {
        int line = weft_jinja_peek(p)->line;
        p->at++;
        left = two(p, NODE_OR, line, left, parse_and(p));
    }
    return left;
}

/* ---- Operators between operands. ---- */

static const struct {
    const char *text;
    jinja_operation operation;
    int level; /* 0: + −, 1: * / // %, 2: ** */
} arithmetic[] = {
    {"+", JINJA_ADD, 0},           {"-", JINJA_SUBTRACT, 0}, {"*", JINJA_MULTIPLY, 1}, {"/", JINJA_DIVIDE, 1},
    {"//", JINJA_FLOOR_DIVIDE, 1}, {"%", JINJA_MODULO, 1},   {"**", JINJA_POWER, 2},
};

static jinja_node *parse_unary(jinja_parser *p, bool filters)
{
    int line = weft_jinja_peek(p)->line;
    if (!weft_jinja_enter(p)) {
        weft_jinja_leave(p);
        return weft_jinja_node(p, NODE_CONSTANT, line);
    }
    jinja_node *node;
    if (weft_jinja_skip(p, TOKEN_OPERATOR, "-"))
        node = two(p, NODE_MINUS, line, parse_unary(p, false), NULL);
    else if (weft_jinja_skip(p, TOKEN_OPERATOR, "+"))
        node = two(p, NODE_PLUS, line, parse_unary(p, false), NULL);
    else
        node = parse_primary(p);
    node = parse_postfix(p, node);
    if (filters)
        node = weft_jinja_filters(p, node, false);
    weft_jinja_leave(p);
    return node;
}

static jinja_node *parse_concat(jinja_parser *p);

static jinja_node *parse_arithmetic(jinja_parser *p, int level)
{
    jinja_node *left = level == 0 ? parse_concat(p) : level == 1 ? parse_arithmetic(p, 2) : parse_unary(p, true);
    for (size_t i = 0; i < sizeof arithmetic / sizeof arithmetic[0] && p->status == WEFT_OK; i++) {
        int line = weft_jinja_peek(p)->line;
        if (arithmetic[i].level != level || !weft_jinja_skip(p, TOKEN_OPERATOR, arithmetic[i].text))
            continue;
        jinja_node *right = level == 0 ? parse_concat(p) : level == 1 ? parse_arithmetic(p, 2) : parse_unary(p, true);
        left = two(p, NODE_BINARY, line, left, right);
        left->operation = arithmetic[i].operation;
        i = (size_t)-1; /* from the first row again */
    }
    return left;
}

static jinja_node *parse_concat(jinja_parser *p)
{
    jinja_node *first = parse_arithmetic(p, 1);
    if (!weft_jinja_is(p, TOKEN_OPERATOR, "~"))
        return first;
    jinja_node *node = weft_jinja_node(p, NODE_CONCAT, weft_jinja_peek(p)->line);
    weft_jinja_add(p, node, first);
    while (p->status == WEFT_OK && weft_jinja_skip(p, TOKEN_OPERATOR, "~"))
        weft_jinja_add(p, node, parse_arithmetic(p, 1));
    return node;
}

static bool take_comparison(jinja_parser *p, jinja_operation *out)
{
    static const struct {
        const char *text;
        jinja_operation operation;
    } rows[] = {{"==", JINJA_EQUAL},         {"!=", JINJA_UNEQUAL}, {"<=", JINJA_LESS_EQUAL},
                {">=", JINJA_GREATER_EQUAL}, {"<", JINJA_LESS},     {">", JINJA_GREATER}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (weft_jinja_skip(p, TOKEN_OPERATOR, rows[i].text)) {
            *out = rows[i].operation;
            return true;
        }
    if (weft_jinja_skip(p, TOKEN_NAME, "in")) {
        *out = JINJA_IN;
        return true;
    }
    if (weft_jinja_is(p, TOKEN_NAME, "not") && p->tokens[p->at + 1].kind == TOKEN_NAME && p->tokens[p->at + 1].length == 2 &&
        memcmp(p->tokens[p->at + 1].text, "in", 2) == 0) {
        p->at += 2;
        *out = JINJA_NOT_IN;
        return true;
    }
    return false;
}

static jinja_node *parse_compare(jinja_parser *p)
{
    int line = weft_jinja_peek(p)->line;
    jinja_node *first = parse_arithmetic(p, 0), *node = NULL;
    jinja_operation operation;
    while (p->status == WEFT_OK && take_comparison(p, &operation)) {
        if (!node)
            node = two(p, NODE_COMPARE, line, first, NULL);
        weft_jinja_add(p, node, parse_arithmetic(p, 0));
        jinja_operation *operations = weft_arena_get(p->arena, (size_t)(node->count + 1) * sizeof *operations);
        if (!operations)
            return weft_jinja_reject(p, line, "memory is short");
        if (node->count > 1)
            memcpy(operations, node->operations, (size_t)(node->count - 1) * sizeof *operations);
        operations[node->count ? node->count - 1 : 0] = operation;
        node->operations = operations;
        if (node->count > 64)
            return weft_jinja_reject(p, line, "more than 64 comparisons in a row");
    }
    return node ? node : first;
}

static jinja_node *parse_not(jinja_parser *p)
{
    int line = weft_jinja_peek(p)->line;
    if (!weft_jinja_skip(p, TOKEN_NAME, "not"))
        return parse_compare(p);
    if (!weft_jinja_enter(p)) {
        weft_jinja_leave(p);
        return weft_jinja_node(p, NODE_CONSTANT, line);
    }
    jinja_node *node = two(p, NODE_NOT, line, parse_not(p), NULL);
    weft_jinja_leave(p);
    return node;
}

/* ---- Operands. ---- */

static jinja_node *constant(jinja_parser *p, int line, jinja_value value)
{
    jinja_node *node = weft_jinja_node(p, NODE_CONSTANT, line);
    node->constant = value;
    return node;
}

/* "a" "b" is one string. */
static jinja_node *parse_string(jinja_parser *p)
{
    int line = weft_jinja_peek(p)->line;
    const jinja_string *whole = NULL;
    while (p->status == WEFT_OK && weft_jinja_is(p, TOKEN_STRING, NULL)) {
        const jinja_string *part;
        p->status = weft_jinja_unescape(p->arena, weft_jinja_peek(p), p->name, &part);
        if (p->status != WEFT_OK)
            break;
        p->at++;
        if (!whole) {
            whole = part;
            continue;
        }
        char *bytes = weft_arena_get(p->arena, whole->length + part->length + 1);
        jinja_string *both = weft_arena_get(p->arena, sizeof *both);
        if (!bytes || !both)
            return weft_jinja_reject(p, line, "memory is short");
        memcpy(bytes, whole->bytes, whole->length);
        memcpy(bytes + whole->length, part->bytes, part->length);
        *both = (jinja_string){bytes, whole->length + part->length, -1};
        whole = both;
        if (whole->length > WEFT_TEMPLATE_LARGEST / 16) /* joining piece by piece takes memory with the square of the pieces */
            return weft_jinja_reject(p, line, "strings side by side are too long");
    }
    return constant(p, line, (jinja_value){JINJA_STRING, {.string = whole}});
}

static jinja_node *parse_number(jinja_parser *p)
{
    const jinja_token *token = weft_jinja_peek(p);
    char digits[512];
    size_t length = 0;
    for (size_t i = 0; i < token->length; i++) {
        if (token->text[i] == '_')
            continue;
        if (length == sizeof digits - 1)
            return weft_jinja_reject(p, token->line, "a number of more than %zu digits", sizeof digits - 1);
        digits[length++] = token->text[i];
    }
    digits[length] = 0;
    p->at++;
    if (token->kind == TOKEN_FLOAT)
        return constant(p, token->line, (jinja_value){JINJA_FLOAT, {.number = strtod(digits, NULL)}});
    bool prefixed = length > 1 && digits[0] == '0' && strchr("xXoObB", digits[1]);
    int base = !prefixed ? 10 : (digits[1] | 32) == 'x' ? 16 : (digits[1] | 32) == 'o' ? 8 : 2;
    errno = 0;
    long long number = strtoll(digits + (prefixed ? 2 : 0), NULL, base);
    if (errno)
        return weft_jinja_reject(p, token->line, "%s does not fit in 64 bits", digits);
    return constant(p, token->line, (jinja_value){JINJA_INTEGER, {.integer = number}});
}

/* A tuple, or the single expression before an end without a comma; `parenthesised`: may be empty. */
static jinja_node *parse_tuple(jinja_parser *p, bool conditions, bool parenthesised)
{
    int line = weft_jinja_peek(p)->line;
    jinja_node *tuple = weft_jinja_node(p, NODE_TUPLE, line), *last = NULL;
    bool comma = false;
    while (p->status == WEFT_OK) {
        if (weft_jinja_is(p, TOKEN_VARIABLE_END, NULL) || weft_jinja_is(p, TOKEN_BLOCK_END, NULL) ||
            weft_jinja_is(p, TOKEN_OPERATOR, ")") || weft_jinja_is(p, TOKEN_NAME, "recursive"))
            break;
        last = weft_jinja_expression(p, conditions);
        weft_jinja_add(p, tuple, last);
        if (!weft_jinja_skip(p, TOKEN_OPERATOR, ","))
            break;
        comma = true;
    }
    if (last && !comma)
        return last;
    char shown[64];
    if (!last && !parenthesised)
        return weft_jinja_reject(p, line, "an expression was expected, not %s", weft_jinja_shown(weft_jinja_peek(p), shown));
    return tuple;
}

jinja_node *weft_jinja_tuple(jinja_parser *p, bool conditions)
{
    return parse_tuple(p, conditions, false);
}

/* "[a, b]" or "{a: b}", behind its opening. */
static jinja_node *parse_display(jinja_parser *p, int line, jinja_node_kind kind, const char *close)
{
    jinja_node *node = weft_jinja_node(p, kind, line);
    while (p->status == WEFT_OK && !weft_jinja_is(p, TOKEN_OPERATOR, close)) {
        if (node->count)
            weft_jinja_expect(p, TOKEN_OPERATOR, ",");
        if (weft_jinja_is(p, TOKEN_OPERATOR, close))
            break;
        weft_jinja_add(p, node, weft_jinja_expression(p, true));
        if (kind == NODE_DICT) {
            weft_jinja_expect(p, TOKEN_OPERATOR, ":");
            weft_jinja_add(p, node, weft_jinja_expression(p, true));
        }
    }
    weft_jinja_expect(p, TOKEN_OPERATOR, close);
    return node;
}

static jinja_node *parse_primary(jinja_parser *p)
{
    static const struct {
        const char *name;
        jinja_value value;
    } constants[] = {
        {"true", {JINJA_BOOL, {.truth = true}}},
        {"True", {JINJA_BOOL, {.truth = true}}},
        {"false", {JINJA_BOOL, {.truth = false}}},
        {"False", {JINJA_BOOL, {.truth = false}}},
        {"none", {JINJA_NONE, {0}}},
        {"None", {JINJA_NONE, {0}}},
    };
    const jinja_token *token = weft_jinja_peek(p);
    char shown[64];
    switch (token->kind) {
    case TOKEN_NAME:
        for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++)
            if (weft_jinja_skip(p, TOKEN_NAME, constants[i].name))
                return constant(p, token->line, constants[i].value);
        jinja_node *name = weft_jinja_node(p, NODE_NAME, token->line);
        name->name = weft_jinja_take_name(p);
        p->uses |= weft_jinja_use(name->name);
        return name;
    case TOKEN_STRING:
        return parse_string(p);
    case TOKEN_INTEGER:
    case TOKEN_FLOAT:
        return parse_number(p);
    default:
        break;
    }
    if (weft_jinja_skip(p, TOKEN_OPERATOR, "(")) {
        jinja_node *inner = parse_tuple(p, true, true);
        weft_jinja_expect(p, TOKEN_OPERATOR, ")");
        return inner;
    }
    if (weft_jinja_skip(p, TOKEN_OPERATOR, "["))
        return parse_display(p, token->line, NODE_LIST, "]");
    if (weft_jinja_skip(p, TOKEN_OPERATOR, "{"))
        return parse_display(p, token->line, NODE_DICT, "}");
    return weft_jinja_reject(p, token->line, "an expression was expected, not %s", weft_jinja_shown(token, shown));
}

static jinja_node *parse_subscript(jinja_parser *p, int line, jinja_node *whole)
{
    jinja_node *bounds[3] = {NULL, NULL, NULL};
    int parts = 0;
    bool slice = false;
    while (p->status == WEFT_OK && !weft_jinja_is(p, TOKEN_OPERATOR, "]") && !weft_jinja_is(p, TOKEN_OPERATOR, ",")) {
        if (weft_jinja_skip(p, TOKEN_OPERATOR, ":")) {
            slice = true;
            if (++parts == 3)
                return weft_jinja_reject(p, line, "a slice has at most three parts");
        } else if (bounds[parts]) {
            break;
        } else {
            bounds[parts] = weft_jinja_expression(p, true);
        }
    }
    if (!slice) {
        if (!bounds[0])
            return weft_jinja_reject(p, line, "[] wants an item's number or name");
        if (weft_jinja_is(p, TOKEN_OPERATOR, ",")) {
            jinja_node *tuple = weft_jinja_node(p, NODE_TUPLE, line);
            weft_jinja_add(p, tuple, bounds[0]);
            while (p->status == WEFT_OK && weft_jinja_skip(p, TOKEN_OPERATOR, ","))
                weft_jinja_add(p, tuple, weft_jinja_expression(p, true));
            bounds[0] = tuple;
        }
        weft_jinja_expect(p, TOKEN_OPERATOR, "]");
        return two(p, NODE_ITEM, line, whole, bounds[0]);
    }
    weft_jinja_expect(p, TOKEN_OPERATOR, "]");
    jinja_node *node = two(p, NODE_SLICE, line, whole, NULL);
    for (int i = 0; i < 3; i++)
        weft_jinja_add(p, node, bounds[i]);
    return node;
}

static jinja_argument *add_argument(jinja_parser *p, jinja_node *node)
{
    jinja_argument *more = weft_arena_get(p->arena, (size_t)(node->argument_count + 1) * sizeof *more);
    if (!more || node->argument_count == 64) {
        weft_jinja_reject(p, node->line, more ? "more than 64 arguments" : "memory is short");
        return NULL;
    }
    if (node->argument_count)
        memcpy(more, node->arguments, (size_t)node->argument_count * sizeof *more);
    node->arguments = more;
    return &more[node->argument_count++];
}

void weft_jinja_arguments(jinja_parser *p, jinja_node *call)
{
    bool named = false;
    for (bool first = true; p->status == WEFT_OK && !weft_jinja_skip(p, TOKEN_OPERATOR, ")"); first = false) {
        if (!first) {
            weft_jinja_expect(p, TOKEN_OPERATOR, ",");
            if (weft_jinja_skip(p, TOKEN_OPERATOR, ")"))
                break;
        }
        jinja_argument *argument = add_argument(p, call);
        if (!argument)
            return;
        const jinja_token *next = &p->tokens[p->at + (weft_jinja_is(p, TOKEN_END, NULL) ? 0 : 1)];
        if (weft_jinja_skip(p, TOKEN_OPERATOR, "**"))
            argument->stars = 2;
        else if (weft_jinja_skip(p, TOKEN_OPERATOR, "*"))
            argument->stars = 1;
        else if (weft_jinja_is(p, TOKEN_NAME, NULL) && next->kind == TOKEN_OPERATOR && next->length == 1 && *next->text == '=') {
            argument->name = weft_jinja_take_name(p);
            p->at++;
        } else if (named) {
            weft_jinja_reject(p, call->line, "an argument by place follows one by name");
        }
        named = named || argument->name || argument->stars == 2;
        jinja_node *value = weft_jinja_expression(p, true);
        call->arguments[call->argument_count - 1].value = value;
        weft_jinja_adopt(p, call, value);
    }
}

void weft_jinja_parameters(jinja_parser *p, jinja_node *macro)
{
    bool defaults = false;
    for (bool first = true; p->status == WEFT_OK && !weft_jinja_skip(p, TOKEN_OPERATOR, ")"); first = false) {
        if (!first)
            weft_jinja_expect(p, TOKEN_OPERATOR, ",");
        jinja_argument *parameter = add_argument(p, macro);
        if (!parameter)
            return;
        parameter->name = weft_jinja_take_name(p);
        if (weft_jinja_skip(p, TOKEN_OPERATOR, "=")) {
            defaults = true;
            jinja_node *value = weft_jinja_expression(p, true);
            macro->arguments[macro->argument_count - 1].value = value;
            weft_jinja_adopt(p, macro, value);
        } else if (defaults) {
            weft_jinja_reject(p, macro->line, "a parameter without a default follows one with a default");
        }
    }
}

static jinja_node *parse_postfix(jinja_parser *p, jinja_node *node)
{
    while (p->status == WEFT_OK) {
        int line = weft_jinja_peek(p)->line;
        if (weft_jinja_skip(p, TOKEN_OPERATOR, ".")) {
            if (weft_jinja_is(p, TOKEN_INTEGER, NULL)) {
                node = two(p, NODE_ITEM, line, node, parse_number(p));
            } else {
                node = two(p, NODE_ATTRIBUTE, line, node, NULL);
                node->name = weft_jinja_take_name(p);
            }
        } else if (weft_jinja_skip(p, TOKEN_OPERATOR, "[")) {
            node = parse_subscript(p, line, node);
        } else if (weft_jinja_skip(p, TOKEN_OPERATOR, "(")) {
            node = two(p, NODE_CALL, line, node, NULL);
            weft_jinja_arguments(p, node);
        } else {
            break;
        }
    }
    return node;
}

/* A test's argument may follow without brackets: "is divisibleby 3". */
static bool test_argument_follows(const jinja_parser *p)
{
    static const char *const openings[] = {"(", "[", "{"};
    const jinja_token_kind kind = weft_jinja_peek(p)->kind;
    if (kind == TOKEN_NAME)
        return !weft_jinja_is(p, TOKEN_NAME, "else") && !weft_jinja_is(p, TOKEN_NAME, "or") &&
               !weft_jinja_is(p, TOKEN_NAME, "and") && !weft_jinja_is(p, TOKEN_NAME, "is");
    for (size_t i = 0; i < 3; i++)
        if (weft_jinja_is(p, TOKEN_OPERATOR, openings[i]))
            return true;
    return kind == TOKEN_STRING || kind == TOKEN_INTEGER || kind == TOKEN_FLOAT;
}

static jinja_node *parse_test(jinja_parser *p, int line, jinja_node *operand)
{
    bool negated = weft_jinja_skip(p, TOKEN_NAME, "not");
    jinja_node *node = two(p, NODE_TEST, line, operand, NULL);
    node->name = weft_jinja_take_name(p);
    if (p->status == WEFT_OK && !weft_jinja_test(node->name->bytes, node->name->length))
        weft_jinja_reject(p, line, "no test is called \"%.*s\"", (int)(node->name->length > 60 ? 60 : node->name->length),
                          node->name->bytes);
    if (weft_jinja_skip(p, TOKEN_OPERATOR, "(")) {
        weft_jinja_arguments(p, node);
    } else if (p->status == WEFT_OK && test_argument_follows(p)) {
        jinja_argument *argument = add_argument(p, node);
        if (argument) {
            jinja_node *value = parse_postfix(p, parse_primary(p));
            node->arguments[0].value = value;
            weft_jinja_adopt(p, node, value);
        }
    }
    return negated ? two(p, NODE_NOT, line, node, NULL) : node;
}

jinja_node *weft_jinja_filters(jinja_parser *p, jinja_node *operand, bool started)
{
    jinja_node *node = operand;
    while (p->status == WEFT_OK) {
        int line = weft_jinja_peek(p)->line;
        if (started || weft_jinja_skip(p, TOKEN_OPERATOR, "|")) {
            started = false;
            node = two(p, NODE_FILTER, line, node, NULL);
            node->name = weft_jinja_take_name(p);
            if (p->status == WEFT_OK && !weft_jinja_filter(node->name->bytes, node->name->length))
                weft_jinja_reject(p, line, "no filter is called \"%.*s\"",
                                  (int)(node->name->length > 60 ? 60 : node->name->length), node->name->bytes);
            if (weft_jinja_skip(p, TOKEN_OPERATOR, "("))
                weft_jinja_arguments(p, node);
        } else if (operand && weft_jinja_skip(p, TOKEN_NAME, "is")) {
            node = parse_test(p, line, node);
        } else if (operand && weft_jinja_skip(p, TOKEN_OPERATOR, "(")) {
            node = two(p, NODE_CALL, line, node, NULL);
            weft_jinja_arguments(p, node);
        } else {
            break;
        }
    }
    return node;
}

/* What set, for and with assign to: a name, names with commas (in brackets or not), or with set an attribute of a namespace. */
static jinja_node *parse_target_item(jinja_parser *p, bool namespaces)
{
    int line = weft_jinja_peek(p)->line;
    if (weft_jinja_skip(p, TOKEN_OPERATOR, "(")) {
        if (!weft_jinja_enter(p)) {
            weft_jinja_leave(p);
            return weft_jinja_node(p, NODE_NAME, line);
        }
        jinja_node *inner = weft_jinja_target(p, false);
        weft_jinja_expect(p, TOKEN_OPERATOR, ")");
        weft_jinja_leave(p);
        return inner;
    }
    static const char *const reserved[] = {"true", "True", "false", "False", "none", "None"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (weft_jinja_is(p, TOKEN_NAME, reserved[i]))
            return weft_jinja_reject(p, line, "%s cannot be assigned to", reserved[i]);
    jinja_node *node = weft_jinja_node(p, NODE_NAME, line);
    node->name = weft_jinja_take_name(p);
    if (namespaces && weft_jinja_skip(p, TOKEN_OPERATOR, ".")) {
        node = two(p, NODE_ATTRIBUTE, line, node, NULL);
        node->name = weft_jinja_take_name(p);
    }
    return node;
}

jinja_node *weft_jinja_target(jinja_parser *p, bool namespaces)
{
    int line = weft_jinja_peek(p)->line;
    jinja_node *first = parse_target_item(p, namespaces);
    if (!weft_jinja_is(p, TOKEN_OPERATOR, ","))
        return first;
    jinja_node *tuple = weft_jinja_node(p, NODE_TUPLE, line);
    weft_jinja_add(p, tuple, first);
    while (p->status == WEFT_OK && weft_jinja_skip(p, TOKEN_OPERATOR, ",")) {
        if (weft_jinja_is(p, TOKEN_OPERATOR, ")") || weft_jinja_is(p, TOKEN_NAME, "in") || weft_jinja_is(p, TOKEN_OPERATOR, "="))
            break;
        weft_jinja_add(p, tuple, parse_target_item(p, namespaces));
    }
    return tuple;
}
