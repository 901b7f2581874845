/* The template engine from inside: values, the syntax tree, and what one rendering carries along.
 *
 * The language is Jinja2's (https://jinja.palletsprojects.com/en/3.1.x/templates/) as chat templates use it, in the environment
 * that Hugging Face's transformers set up: trim_blocks, lstrip_blocks, loop controls, no HTML escaping, and values that a
 * template cannot change (only a namespace's attributes can be set). A rendering never fails halfway through a function: after
 * the first mistake run->status is set, functions answer undefined, and every loop looks at run->status.
 */
#ifndef WEFT_TEXT_TEMPLATE_INNER_H
#define WEFT_TEXT_TEMPLATE_INNER_H

#include <time.h>

#include "base/arena.h"
#include "text/template.h"

typedef enum jinja_kind {
    JINJA_UNDEFINED,
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INTEGER,
    JINJA_FLOAT,
    JINJA_STRING,
    JINJA_LIST,
    JINJA_TUPLE,
    JINJA_RANGE,     /* a sequence with a length, printed as it was made */
    JINJA_VIEW,      /* dict.items() and the like: a length, but no item by number */
    JINJA_GENERATOR, /* what map, select … answer: always true, without a length, empty after one reading */
    JINJA_DICT,
    JINJA_NAMESPACE,
    JINJA_LOOP,
    JINJA_MACRO,
    JINJA_FUNCTION, /* a global, or a method bound to `self` */
    JINJA_CYCLER,
    JINJA_JOINER
} jinja_kind;

typedef struct jinja_value jinja_value;
typedef struct jinja_node jinja_node;
typedef struct jinja_run jinja_run;

typedef struct jinja_string {
    const char *bytes; /* UTF-8 */
    size_t length;
    int64_t points; /* code points; −1: not counted yet */
} jinja_string;

typedef struct jinja_sequence {
    jinja_value *items;
    int64_t count;
    const char *shown; /* range: its own text; view: what stands around the list; tuple: not NULL for one of groupby's */
    bool read;         /* a generator that was read */
} jinja_sequence;

typedef struct jinja_dict {
    jinja_value *keys, *values;
    int64_t count, capacity;
    uint32_t *slots; /* item numbers + 1 by the key's hash, made when a large dict is first searched */
    uint32_t mask;
} jinja_dict;

typedef struct jinja_function jinja_function; /* a row of a table of functions, see below */

typedef struct jinja_bound {
    const jinja_function *function;
    jinja_value *self; /* NULL: a global */
} jinja_bound;

/* cycler and joiner */
typedef struct jinja_cycle {
    jinja_value *items;
    int64_t count, at;
} jinja_cycle;

struct jinja_value {
    jinja_kind kind;
    union {
        bool truth;
        int64_t integer;
        double number;
        const jinja_string *string; /* undefined: what is said when it is used, NULL for the plain text */
        jinja_sequence *sequence;
        jinja_dict *dict;
        struct jinja_loop *loop;
        struct jinja_macro *macro;
        jinja_bound *bound;
        jinja_cycle *cycle;
    } as;
};

/* ---- The syntax tree. ---- */

typedef enum jinja_node_kind {
    /* expressions */
    NODE_CONSTANT,  /* constant */
    NODE_NAME,      /* name */
    NODE_LIST,      /* items */
    NODE_TUPLE,     /* items */
    NODE_DICT,      /* items: key, value, key, value … */
    NODE_ATTRIBUTE, /* a.name */
    NODE_ITEM,      /* a[b] */
    NODE_SLICE,     /* a[items[0]:items[1]:items[2]], NULL where left out */
    NODE_CALL,      /* a(arguments) */
    NODE_FILTER,    /* a | name(arguments); a NULL: a filter block's or set block's text */
    NODE_TEST,      /* a is name(arguments) */
    NODE_NOT,
    NODE_MINUS,
    NODE_PLUS,
    NODE_AND,
    NODE_OR,
    NODE_BINARY,    /* a operation b */
    NODE_CONCAT,    /* items joined by ~ */
    NODE_COMPARE,   /* a operations[0] items[0] operations[1] items[1] … */
    NODE_CONDITION, /* a if b else c (c NULL: undefined) */
    /* statements */
    NODE_BODY,         /* items */
    NODE_TEXT,         /* constant */
    NODE_PRINT,        /* items */
    NODE_IF,           /* items: condition, body, condition, body …; c: else */
    NODE_FOR,          /* target a in b [if d]: body c; otherwise: else; recursive */
    NODE_SET,          /* a = b */
    NODE_SET_BLOCK,    /* a = the text of c, through filters b */
    NODE_MACRO,        /* name, parameters: body c */
    NODE_CALL_BLOCK,   /* call b with the macro (parameters, body c) as caller */
    NODE_FILTER_BLOCK, /* the text of c through filters b */
    NODE_WITH,         /* items: target, value …; body c */
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_GENERATION /* body c: what the model is to say (the {% generation %} tag) */
} jinja_node_kind;

typedef enum jinja_operation {
    JINJA_ADD,
    JINJA_SUBTRACT,
    JINJA_MULTIPLY,
    JINJA_DIVIDE,
    JINJA_FLOOR_DIVIDE,
    JINJA_MODULO,
    JINJA_POWER,
    JINJA_EQUAL,
    JINJA_UNEQUAL,
    JINJA_LESS,
    JINJA_LESS_EQUAL,
    JINJA_GREATER,
    JINJA_GREATER_EQUAL,
    JINJA_IN,
    JINJA_NOT_IN
} jinja_operation;

/* An argument of a call, or a parameter of a macro (value: its default, NULL for none). */
typedef struct jinja_argument {
    const jinja_string *name; /* NULL: by place */
    int stars;                /* 1: *value, 2: **value */
    jinja_node *value;
} jinja_argument;

/* What a call gives beyond a macro's parameters is bound to these names, and refused where the body does not name them. */
enum { JINJA_USES_VARARGS = 1, JINJA_USES_KWARGS = 2, JINJA_USES_CALLER = 4 };

struct jinja_node {
    jinja_node_kind kind;
    int line;
    int depth; /* levels of the tree below and with this node */
    jinja_operation operation;
    bool recursive;
    int uses; /* macro, call block: which of JINJA_USES_… its body names */
    const jinja_string *name;
    jinja_node *a, *b, *c, *d, *otherwise;
    jinja_node **items;
    jinja_operation *operations;
    jinja_argument *arguments;
    int count, argument_count;
    jinja_value constant;
};

#define JINJA_DEEPEST_TREE 400  /* levels of expressions and statements in one another */
#define JINJA_DEEPEST_RUN  1000 /* the same while running, macros and loops inside one another included */

struct weft_template {
    weft_arena arena;
    char *name; /* for messages */
    jinja_node *body;
};

/* ---- Tokens. ---- */

typedef enum jinja_token_kind {
    TOKEN_DATA,
    TOKEN_VARIABLE_BEGIN,
    TOKEN_VARIABLE_END,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_INTEGER,
    TOKEN_FLOAT,
    TOKEN_OPERATOR,
    TOKEN_END
} jinja_token_kind;

typedef struct jinja_token {
    jinja_token_kind kind;
    int line;
    const char *text; /* in the source; a string's without its quotes */
    size_t length;
} jinja_token;

/* The tokens of a template, the last one TOKEN_END, in the arena. `name` for messages. */
weft_status weft_jinja_scan(weft_arena *, const char *source, size_t size, const char *name, jinja_token **out, int64_t *count);
/* What a string token stands for: Python's escapes. */
weft_status weft_jinja_unescape(weft_arena *, const jinja_token *, const char *name, const jinja_string **out);

/* ---- Parsing: statements (template_parse.c) over expressions (template_expression.c). ---- */

typedef struct jinja_parser {
    weft_arena *arena;
    const char *name;
    jinja_token *tokens; /* ends in TOKEN_END */
    int64_t at;
    int depth;
    int loops; /* for blocks around: break and continue need one */
    int uses;  /* of the macro being read */
    weft_status status;
    jinja_node spare; /* what a parser that has failed, or is short of memory, goes on with; nobody reads it */
} jinja_parser;

jinja_node *weft_jinja_node(jinja_parser *, jinja_node_kind, int line); /* never NULL: the spare one when memory is short */
void weft_jinja_adopt(jinja_parser *, jinja_node *parent, const jinja_node *child); /* keeps parent->depth right */
void weft_jinja_add(jinja_parser *, jinja_node *parent, jinja_node *child);         /* to its items; child may be NULL */
jinja_node *weft_jinja_reject(jinja_parser *, int line, const char *format, ...) WEFT_PRINTF(3, 4);
bool weft_jinja_enter(jinja_parser *); /* one level deeper; false: too deep */
void weft_jinja_leave(jinja_parser *);
const jinja_token *weft_jinja_peek(const jinja_parser *);
bool weft_jinja_is(const jinja_parser *, jinja_token_kind, const char *text); /* text NULL: any */
bool weft_jinja_skip(jinja_parser *, jinja_token_kind, const char *text);     /* takes the token when it is that */
void weft_jinja_expect(jinja_parser *, jinja_token_kind, const char *text);
const jinja_string *weft_jinja_take_name(jinja_parser *);
const char *weft_jinja_shown(const jinja_token *, char out[64]); /* for messages */

jinja_node *weft_jinja_expression(jinja_parser *, bool conditions); /* conditions: a if b else c may stand there */
/* Expressions with commas between: a tuple, or the one expression. */
jinja_node *weft_jinja_tuple(jinja_parser *, bool conditions);
jinja_node *weft_jinja_filters(jinja_parser *, jinja_node *operand, bool started); /* started: a filter's name comes next */
jinja_node *weft_jinja_target(jinja_parser *, bool namespaces);                    /* what set, for and with assign to */
void weft_jinja_arguments(jinja_parser *, jinja_node *call);                       /* after "(" */
void weft_jinja_parameters(jinja_parser *, jinja_node *macro);                     /* after "(" */

/* ---- Running. ---- */

typedef struct jinja_scope {
    struct jinja_scope *outer;
    const jinja_string **names;
    jinja_value *values;
    int count, capacity;
} jinja_scope;

typedef struct jinja_loop {
    const jinja_node *node;
    jinja_scope *scope; /* outside the loop: recursive calls start there */
    jinja_value *items;
    int64_t count, index;
    int depth;
    jinja_value changed; /* what loop.changed saw last */
    bool seen;
} jinja_loop;

typedef struct jinja_macro {
    const jinja_node *node;
    jinja_scope *scope; /* where it was defined */
} jinja_macro;

struct jinja_run {
    weft_arena arena; /* all values; freed with the run */
    size_t memory;    /* bytes taken from it */
    int64_t steps;
    int depth;
    weft_status status;
    bool raised; /* by raise_exception: its text is the whole message */
    int line;
    const char *name; /* of the template */
    const weft_template_limits *limits;
    const struct tm *now;
    weft_text *out;               /* where text goes */
    weft_text *result_text;       /* the whole text, and where an exception's words go */
    weft_template_result *result; /* NULL inside captured text: spans are of the whole */
    jinja_scope *scope;
};

/* What a call was given. */
typedef struct jinja_arguments {
    jinja_value *items;
    int64_t count;
    const jinja_string **names; /* of named[i] */
    jinja_value *named;
    int64_t named_count;
} jinja_arguments;

/* A function: a filter, test, method or global. Arguments are bound to `parameters`, a list of names ("old new count"), before
 * the call: arguments[i] is undefined where none was given. `required` of them must be given. parameters "*": handed on as they
 * come. self: what stands before the bar, "is" or the dot. */
struct jinja_function {
    const char *name;
    const char *parameters;
    int required;
    jinja_value (*call)(jinja_run *, const jinja_function *, jinja_value self, const jinja_arguments *);
    int which; /* for families that share a function */
};

/* The first mistake of a run; answers undefined. */
jinja_value weft_jinja_fail(jinja_run *, const char *format, ...) WEFT_PRINTF(2, 3);
/* Counts work; false when the run is over, also by its limits. */
bool weft_jinja_work(jinja_run *, size_t steps);
void *weft_jinja_get(jinja_run *, size_t count, size_t size); /* from the run's arena, within its limit; NULL fails the run */
bool weft_jinja_deeper(jinja_run *); /* one level of recursion; false fails the run. Then: run->depth-- */

/* Values (template_value.c). */
extern const jinja_value weft_jinja_none, weft_jinja_undefined;
jinja_value weft_jinja_bool(bool);
jinja_value weft_jinja_integer(int64_t);
jinja_value weft_jinja_float(double);
jinja_value weft_jinja_bytes(jinja_run *, const char *bytes, size_t length);            /* a string; copies */
jinja_value weft_jinja_text(jinja_run *, const char *text);                             /* the same of a C string */
jinja_value weft_jinja_from_text(jinja_run *, weft_text *);                             /* the same, and frees the text */
jinja_value weft_jinja_missing(jinja_run *, const char *format, ...) WEFT_PRINTF(2, 3); /* undefined, with its text */
jinja_value weft_jinja_sequence(jinja_run *, jinja_kind, int64_t count);                /* its items to be filled */
jinja_value weft_jinja_dict(jinja_run *, int64_t capacity);
void weft_jinja_dict_set(jinja_run *, jinja_dict *, jinja_value key, jinja_value value);
bool weft_jinja_dict_get(jinja_run *, jinja_dict *, jinja_value key, jinja_value *out);
jinja_value weft_jinja_from_json(jinja_run *, weft_json_value);
bool weft_jinja_truth(jinja_value);
bool weft_jinja_is_sequence(jinja_value);         /* has items by number: list, tuple, range */
bool weft_jinja_number(jinja_value, double *out); /* integer, float or bool */
bool weft_jinja_whole(jinja_value, int64_t *out); /* integer or bool */
const char *weft_jinja_type(jinja_value);         /* Python's name: "str", "dict", … */
int64_t weft_jinja_points(const jinja_string *);  /* code points */
bool weft_jinja_equal(jinja_run *, jinja_value, jinja_value);
int weft_jinja_order(jinja_run *, jinja_value, jinja_value, const char *operation); /* < 0, 0, > 0; fails where Python would */
bool weft_jinja_contains(jinja_run *, jinja_value container, jinja_value item);
/* The items that a for loop would see: an array of *count; fails on what is not iterable. Reads a generator. */
jinja_value *weft_jinja_iterate(jinja_run *, jinja_value, int64_t *count);
int64_t weft_jinja_length(jinja_run *, jinja_value);

/* Texts of values (template_show.c). */
void weft_jinja_str(jinja_run *, jinja_value, weft_text *out);  /* as printed */
void weft_jinja_repr(jinja_run *, jinja_value, weft_text *out); /* as inside a printed list */
jinja_value weft_jinja_string(jinja_run *, jinja_value);        /* str(value); a string is itself */
void weft_jinja_float_text(double, weft_text *out);
typedef struct jinja_json_style {
    int indent; /* < 0: one line */
    const char *item, *key;
    bool sort_keys, ascii;
} jinja_json_style;
void weft_jinja_json(jinja_run *, jinja_value, const jinja_json_style *, weft_text *out);

/* Evaluation. */
jinja_value weft_jinja_eval(jinja_run *, const jinja_node *);
jinja_value weft_jinja_filter_text(jinja_run *, const jinja_node *filters,
                                   jinja_value text); /* through a chain without operand */
jinja_value weft_jinja_binary(jinja_run *, jinja_operation, jinja_value, jinja_value);
bool weft_jinja_compare(jinja_run *, jinja_operation, jinja_value, jinja_value);
jinja_value weft_jinja_attribute(jinja_run *, jinja_value, const jinja_string *name); /* value.name */
jinja_value weft_jinja_item(jinja_run *, jinja_value, jinja_value key);               /* value[key] */
jinja_value weft_jinja_slice(jinja_run *, jinja_value, const jinja_value bounds[3]);  /* none where left out */
jinja_value weft_jinja_call(jinja_run *, jinja_value callee, const jinja_arguments *);
jinja_value weft_jinja_call_macro(jinja_run *, const jinja_macro *, const jinja_arguments *);
jinja_value weft_jinja_call_loop(jinja_run *, const jinja_loop *, const jinja_arguments *);
jinja_value weft_jinja_percent(jinja_run *, const jinja_string *format, jinja_value arguments); /* format % arguments */
jinja_value weft_jinja_format(jinja_run *, const jinja_function *, jinja_value self, const jinja_arguments *); /* str.format */
void weft_jinja_assign(jinja_run *, jinja_scope *, const jinja_string *name, jinja_value);
bool weft_jinja_lookup(const jinja_run *, const jinja_string *name, jinja_value *out);
/* Calls a row with its parameters bound; `what` ("filter", …) for messages. */
jinja_value weft_jinja_apply(jinja_run *, const jinja_function *, const char *what, jinja_value self, const jinja_arguments *);

/* Tables; NULL when there is no such name. */
const jinja_function *weft_jinja_filter(const char *name, size_t length);
const jinja_function *weft_jinja_test(const char *name, size_t length);
const jinja_function *weft_jinja_method(jinja_value self, const char *name, size_t length);
const jinja_function *weft_jinja_global(const char *name, size_t length);
const jinja_function *weft_jinja_find(const jinja_function *rows, const char *name,
                                      size_t length); /* a row without name ends it */
extern const jinja_function weft_jinja_text_filters[], weft_jinja_list_filters[], weft_jinja_pick_filters[];
extern const jinja_function weft_jinja_string_methods[];

bool weft_jinja_same(const jinja_string *, const char *text);
int weft_jinja_use(const jinja_string *name); /* which of JINJA_USES_… it is; 0: none */

#endif
