/* Templates: running the statements of a parsed template. */
#include "text/template_inner.h"

#include <stdlib.h>
#include <string.h>

typedef enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;

static flow execute(jinja_run *run, const jinja_node *node);

/* ---- Scopes. ---- */

void weft_jinja_assign(jinja_run *run, jinja_scope *scope, const jinja_string *name, jinja_value value)
{
    for (int i = 0; i < scope->count; i++)
        if (scope->names[i]->length == name->length && memcmp(scope->names[i]->bytes, name->bytes, name->length) == 0) {
            scope->values[i] = value;
            return;
        }
    if (scope->count == scope->capacity) {
        int capacity = scope->capacity ? 2 * scope->capacity : 4;
        const jinja_string **names = weft_jinja_get(run, (size_t)capacity, sizeof *names);
        jinja_value *values = weft_jinja_get(run, (size_t)capacity, sizeof *values);
        if (!names || !values)
            return;
        for (int i = 0; i < scope->count; i++) {
            names[i] = scope->names[i];
            values[i] = scope->values[i];
        }
        scope->names = names;
        scope->values = values;
        scope->capacity = capacity;
    }
    scope->names[scope->count] = name;
    scope->values[scope->count++] = value;
}

static jinja_scope *open_scope(jinja_run *run, jinja_scope *outer)
{
    jinja_scope *scope = weft_jinja_get(run, 1, sizeof *scope);
    if (scope)
        scope->outer = outer;
    return scope;
}

static void assign_target(jinja_run *run, const jinja_node *target, jinja_value value)
{
    if (target->kind == NODE_NAME) {
        weft_jinja_assign(run, run->scope, target->name, value);
    } else if (target->kind == NODE_ATTRIBUTE) {
        jinja_value space = weft_jinja_eval(run, target->a);
        if (space.kind != JINJA_NAMESPACE)
            weft_jinja_fail(run, "cannot assign attribute on non-namespace object");
        else
            weft_jinja_dict_set(run, space.as.dict, (jinja_value){JINJA_STRING, {.string = target->name}}, value);
    } else { /* a tuple */
        int64_t count;
        jinja_value *items = weft_jinja_iterate(run, value, &count);
        if (run->status == WEFT_OK && count != target->count)
            weft_jinja_fail(run, "%d names for %lld values", target->count, (long long)count);
        if (!weft_jinja_deeper(run))
            return;
        for (int i = 0; i < target->count && run->status == WEFT_OK; i++)
            assign_target(run, target->items[i], items[i]);
        run->depth--;
    }
}

/* ---- Text kept instead of written. ---- */

static jinja_value capture(jinja_run *run, const jinja_node *body)
{
    weft_text text = {0}, *out = run->out;
    weft_template_result *result = run->result;
    run->out = &text;
    run->result = NULL;
    execute(run, body);
    run->out = out;
    run->result = result;
    return weft_jinja_from_text(run, &text);
}

/* ---- Loops. ---- */

/* The items that pass the loop's condition. */
static jinja_value *chosen(jinja_run *run, const jinja_node *node, jinja_scope *outer, jinja_value *items, int64_t *count)
{
    jinja_value *kept = weft_jinja_get(run, (size_t)*count, sizeof *kept);
    int64_t n = 0;
    for (int64_t i = 0; kept && i < *count && run->status == WEFT_OK; i++) {
        if (!(run->scope = open_scope(run, outer)))
            break;
        assign_target(run, node->a, items[i]);
        if (weft_jinja_truth(weft_jinja_eval(run, node->d)))
            kept[n++] = items[i];
    }
    run->scope = outer;
    *count = n;
    return kept;
}

static flow run_loop(jinja_run *run, const jinja_node *node, jinja_value over, int depth)
{
    static const jinja_string loop_name = {"loop", 4, 4};
    jinja_scope *outer = run->scope;
    int64_t count;
    jinja_value *items = weft_jinja_iterate(run, over, &count);
    if (node->d && run->status == WEFT_OK)
        items = chosen(run, node, outer, items, &count);
    jinja_loop *loop = weft_jinja_get(run, 1, sizeof *loop);
    if (!loop)
        return FLOW_ON;
    *loop = (jinja_loop){.node = node, .scope = outer, .items = items, .count = count, .depth = depth};
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++) {
        loop->index = i;
        if (!(run->scope = open_scope(run, outer)))
            break;
        assign_target(run, node->a, items[i]);
        weft_jinja_assign(run, run->scope, &loop_name, (jinja_value){JINJA_LOOP, {.loop = loop}});
        if (run->status == WEFT_OK && execute(run, node->c) == FLOW_BREAK)
            break;
    }
    run->scope = outer;
    if (count == 0 && node->otherwise && run->status == WEFT_OK && (run->scope = open_scope(run, outer)))
        execute(run, node->otherwise);
    run->scope = outer;
    return FLOW_ON;
}

jinja_value weft_jinja_call_loop(jinja_run *run, const jinja_loop *loop, const jinja_arguments *arguments)
{
    if (!loop->node->recursive || arguments->count != 1)
        return weft_jinja_fail(run, "loop(items) wants {%% for … recursive %%} and the items");
    weft_text text = {0}, *out = run->out;
    weft_template_result *result = run->result;
    jinja_scope *scope = run->scope;
    run->out = &text;
    run->result = NULL;
    run->scope = loop->scope;
    run_loop(run, loop->node, arguments->items[0], loop->depth + 1);
    run->out = out;
    run->result = result;
    run->scope = scope;
    return weft_jinja_from_text(run, &text);
}

/* ---- Macros. ---- */

static bool is_parameter(const jinja_node *node, const jinja_string *name)
{
    for (int i = 0; i < node->argument_count; i++)
        if (node->arguments[i].name->length == name->length &&
            memcmp(node->arguments[i].name->bytes, name->bytes, name->length) == 0)
            return true;
    return false;
}

/* What was given beyond a macro's parameters: varargs and kwargs, and `caller` of a call block. */
static void bind_rest(jinja_run *run, const jinja_node *node, const jinja_arguments *given)
{
    static const jinja_string varargs = {"varargs", 7, 7}, kwargs = {"kwargs", 6, 6};
    int64_t more = given->count > node->argument_count ? given->count - node->argument_count : 0;
    jinja_value rest = weft_jinja_sequence(run, JINJA_TUPLE, more), named = weft_jinja_dict(run, 0);
    for (int64_t i = 0; i < more && run->status == WEFT_OK; i++)
        rest.as.sequence->items[i] = given->items[node->argument_count + i];
    for (int64_t k = 0; k < given->named_count && run->status == WEFT_OK; k++) {
        if (weft_jinja_same(given->names[k], "caller"))
            weft_jinja_assign(run, run->scope, given->names[k], given->named[k]);
        else if (!is_parameter(node, given->names[k]))
            weft_jinja_dict_set(run, named.as.dict, (jinja_value){JINJA_STRING, {.string = given->names[k]}}, given->named[k]);
    }
    weft_jinja_assign(run, run->scope, &varargs, rest);
    weft_jinja_assign(run, run->scope, &kwargs, named);
}

static void bind_parameters(jinja_run *run, const jinja_node *node, const jinja_arguments *given)
{
    for (int i = 0; i < node->argument_count && run->status == WEFT_OK; i++) {
        const jinja_argument *parameter = &node->arguments[i];
        jinja_value value = weft_jinja_undefined;
        bool set = i < given->count;
        if (set)
            value = given->items[i];
        for (int64_t k = 0; k < given->named_count; k++)
            if (given->names[k]->length == parameter->name->length &&
                memcmp(given->names[k]->bytes, parameter->name->bytes, parameter->name->length) == 0) {
                if (set)
                    weft_jinja_fail(run, "two values for %.60s", parameter->name->bytes);
                value = given->named[k];
                set = true;
            }
        if (!set && parameter->value)
            value = weft_jinja_eval(run, parameter->value);
        else if (!set)
            value = weft_jinja_missing(run, "parameter '%.*s' was not provided", (int)parameter->name->length,
                                       parameter->name->bytes);
        weft_jinja_assign(run, run->scope, parameter->name, value);
    }
}

static void check_surplus(jinja_run *run, const jinja_node *node, const jinja_arguments *given)
{
    int shown = node->name ? (int)node->name->length : 6;
    const char *name = node->name ? node->name->bytes : "caller";
    if (given->count > node->argument_count && !(node->uses & JINJA_USES_VARARGS))
        weft_jinja_fail(run, "macro '%.*s' takes not more than %d argument(s)", shown, name, node->argument_count);
    for (int64_t k = 0; k < given->named_count && run->status == WEFT_OK; k++)
        if (!is_parameter(node, given->names[k]) &&
            !(node->uses & (weft_jinja_same(given->names[k], "caller") ? JINJA_USES_CALLER : JINJA_USES_KWARGS)))
            weft_jinja_fail(run, "macro '%.*s' takes no keyword argument '%.*s'", shown, name, (int)given->names[k]->length,
                            given->names[k]->bytes);
}

jinja_value weft_jinja_call_macro(jinja_run *run, const jinja_macro *macro, const jinja_arguments *given)
{
    jinja_scope *scope = run->scope;
    jinja_value text = weft_jinja_undefined;
    check_surplus(run, macro->node, given);
    if (run->status == WEFT_OK && (run->scope = open_scope(run, macro->scope))) {
        bind_parameters(run, macro->node, given);
        bind_rest(run, macro->node, given);
        if (run->status == WEFT_OK)
            text = capture(run, macro->node->c);
    }
    run->scope = scope;
    return text;
}

static jinja_value make_macro(jinja_run *run, const jinja_node *node)
{
    jinja_macro *macro = weft_jinja_get(run, 1, sizeof *macro);
    if (!macro)
        return weft_jinja_undefined;
    *macro = (jinja_macro){node, run->scope};
    return (jinja_value){JINJA_MACRO, {.macro = macro}};
}

static void run_call_block(jinja_run *run, const jinja_node *node)
{
    static const jinja_string caller = {"caller", 6, 6};
    /* the call of the tree, with one argument more */
    jinja_node call = *node->b, constant = {.kind = NODE_CONSTANT, .constant = make_macro(run, node)};
    call.arguments = weft_jinja_get(run, (size_t)call.argument_count + 1, sizeof *call.arguments);
    if (!call.arguments)
        return;
    if (call.argument_count)
        memcpy(call.arguments, node->b->arguments, (size_t)call.argument_count * sizeof *call.arguments);
    call.arguments[call.argument_count++] = (jinja_argument){.name = &caller, .value = &constant};
    weft_jinja_str(run, weft_jinja_eval(run, &call), run->out);
}

/* ---- Statements. ---- */

static flow run_if(jinja_run *run, const jinja_node *node)
{
    for (int i = 0; i + 1 < node->count; i += 2)
        if (weft_jinja_truth(weft_jinja_eval(run, node->items[i])))
            return execute(run, node->items[i + 1]);
    return node->c && run->status == WEFT_OK ? execute(run, node->c) : FLOW_ON;
}

static flow run_with(jinja_run *run, const jinja_node *node)
{
    jinja_scope *outer = run->scope, *scope = open_scope(run, outer);
    for (int i = 0; scope && i + 1 < node->count && run->status == WEFT_OK; i += 2) {
        jinja_value value = weft_jinja_eval(run, node->items[i + 1]); /* does not see the names beside it */
        run->scope = scope;
        assign_target(run, node->items[i], value);
        run->scope = outer;
    }
    flow next = FLOW_ON;
    if (run->status == WEFT_OK) {
        run->scope = scope;
        next = execute(run, node->c);
    }
    run->scope = outer;
    return next;
}

static flow run_generation(jinja_run *run, const jinja_node *node)
{
    size_t begin = run->out->length;
    flow next = execute(run, node->c);
    weft_template_result *result = run->result;
    if (!result || run->out->length == begin)
        return next;
    if (result->span_count == result->span_capacity) {
        int64_t capacity = result->span_capacity ? 2 * result->span_capacity : 8;
        weft_template_span *spans = realloc(result->spans, (size_t)capacity * sizeof *spans);
        if (!spans) {
            if (run->status == WEFT_OK)
                run->status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", run->name);
            return next;
        }
        result->spans = spans;
        result->span_capacity = capacity;
    }
    result->spans[result->span_count++] = (weft_template_span){begin, run->out->length};
    return next;
}

static flow run_statement(jinja_run *run, const jinja_node *node)
{
    switch (node->kind) {
    case NODE_BODY:
        for (int i = 0; i < node->count && run->status == WEFT_OK; i++) {
            flow next = execute(run, node->items[i]);
            if (next != FLOW_ON)
                return next;
        }
        return FLOW_ON;
    case NODE_TEXT:
        weft_jinja_str(run, node->constant, run->out);
        return FLOW_ON;
    case NODE_PRINT:
        for (int i = 0; i < node->count && run->status == WEFT_OK; i++)
            weft_jinja_str(run, weft_jinja_eval(run, node->items[i]), run->out);
        return FLOW_ON;
    case NODE_IF:
        return run_if(run, node);
    case NODE_FOR:
        return run_loop(run, node, weft_jinja_eval(run, node->b), 0);
    case NODE_SET:
        assign_target(run, node->a, weft_jinja_eval(run, node->b));
        return FLOW_ON;
    case NODE_SET_BLOCK: {
        jinja_scope *outer = run->scope; /* what the block sets stays in it */
        jinja_value text = weft_jinja_undefined;
        if ((run->scope = open_scope(run, outer)))
            text = weft_jinja_filter_text(run, node->b, capture(run, node->c));
        run->scope = outer;
        assign_target(run, node->a, text);
        return FLOW_ON;
    }
    case NODE_MACRO:
        weft_jinja_assign(run, run->scope, node->name, make_macro(run, node));
        return FLOW_ON;
    case NODE_CALL_BLOCK:
        run_call_block(run, node);
        return FLOW_ON;
    case NODE_FILTER_BLOCK: {
        jinja_scope *outer = run->scope;
        if ((run->scope = open_scope(run, outer)))
            weft_jinja_str(run, weft_jinja_filter_text(run, node->b, capture(run, node->c)), run->out);
        run->scope = outer;
        return FLOW_ON;
    }
    case NODE_WITH:
        return run_with(run, node);
    case NODE_GENERATION:
        return run_generation(run, node);
    case NODE_BREAK:
        return FLOW_BREAK;
    case NODE_CONTINUE:
        return FLOW_CONTINUE;
    default:
        return FLOW_ON;
    }
}

static flow execute(jinja_run *run, const jinja_node *node)
{
    if (!weft_jinja_work(run, 1) || !weft_jinja_deeper(run))
        return FLOW_ON;
    if (node->line)
        run->line = node->line;
    flow next = run_statement(run, node);
    run->depth--;
    return next;
}

weft_status weft_template_render(const weft_template *template, const weft_template_variable *variables, int count,
                                 const weft_template_limits *limits, const struct tm *now, weft_template_result *out)
{
    const weft_template_limits usual = WEFT_TEMPLATE_LIMITS;
    jinja_run run = {.limits = limits ? limits : &usual,
                     .now = now,
                     .out = &out->text,
                     .result_text = &out->text,
                     .result = out,
                     .name = template->name};
    jinja_scope scope = {0};
    out->text.length = 0;
    out->span_count = 0;
    out->raised = false;
    weft_text_add(&out->text, "%s", ""); /* an empty text is "", not NULL */
    run.scope = &scope;
    for (int i = 0; i < count && run.status == WEFT_OK; i++) {
        jinja_value name = weft_jinja_text(&run, variables[i].name), ignored;
        if (run.status != WEFT_OK || weft_jinja_lookup(&run, name.as.string, &ignored))
            continue;
        const weft_template_variable *v = &variables[i];
        jinja_value value = v->is_truth ? weft_jinja_bool(v->truth)
                            : v->text   ? weft_jinja_text(&run, v->text)
                                        : weft_jinja_from_json(&run, v->value);
        if (v->items && value.kind == JINJA_LIST && v->items - 1 < value.as.sequence->count)
            value.as.sequence->count = v->items - 1;
        weft_jinja_assign(&run, &scope, name.as.string, value);
    }
    if (run.status == WEFT_OK)
        execute(&run, template->body);
    if (run.status == WEFT_OK && out->text.failed)
        run.status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", template->name);
    if (run.raised) {
        out->raised = true;
        out->span_count = 0;
        run.status = WEFT_OK;
    }
    weft_arena_free(&run.arena);
    return run.status;
}

void weft_template_result_free(weft_template_result *result)
{
    weft_text_free(&result->text);
    free(result->spans);
    *result = (weft_template_result){0};
}
