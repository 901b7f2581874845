"""Chat templates beside Jinja2 itself: random templates and values, each rendered by `weft lm chat-template` and by Jinja2 in the
environment that transformers sets up. Needs PyPI's jinja2.

    python3 bench/peers/chat_templates.py build/weft [CASES] [SEED]

Prints each difference, and how many cases agreed. Where Jinja2 raises, Weft must fail or refuse as well.
"""
import copy
import json
import os
import random
import subprocess
import sys
import tempfile

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

weft = sys.argv[1]
cases = int(sys.argv[2]) if len(sys.argv) > 2 else 300
rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 0)

VALUES = {
    "s": "Hello, wörld  ",
    "t": "a-b_c d\ne'f\"",
    "n": 7,
    "m": -3,
    "f": 2.5,
    "yes": True,
    "none_value": None,
    "xs": [3, 1, 2, 2],
    "words": ["beta", "Alpha", "gamma"],
    "d": {"b": 1, "a": {"x": "y"}, "k": [1, None]},
    "rows": [{"r": "u", "v": 2}, {"r": "a", "v": 1}, {"r": "u", "v": 3, "o": {"p": "q"}}],
}
ATOMS = ["s", "t", "n", "m", "f", "yes", "none_value", "xs", "words", "d", "rows", "undefined_name", "'lit'", '"q\\n"', "0", "5", "1.5",
         "[1, 'x']", "{'a': 1}", "(1, 2)", "true", "none", "d.a", "d['b']", "rows[0].r", "xs[1:]", "s[::-1]", "words[-1]", "d.zz", "[]", "''"]
FILTERS = ["upper", "lower", "title", "capitalize", "trim", "length", "first", "last", "list", "string", "join(',')", "join", "tojson",
           "tojson(indent=2)", "default('D')", "default('D', true)", "replace('l', 'L')", "int", "float", "abs", "sort", "unique|list",
           "reverse|list", "map('upper')|list", "map(attribute='r')|list", "selectattr('r')|list", "selectattr('v', 'gt', 1)|list",
           "rejectattr('r', 'equalto', 'u')|list", "select('odd')|list", "items|list", "dictsort", "round", "round(1)", "indent(3)",
           "indent(2, true)", "sum", "min", "max", "batch(2)|list", "slice(2)|list", "wordcount", "center(20)", "truncate(9)", "count",
           "groupby('r')|list", "escape", "sort(reverse=true)", "sort(attribute='v')", "d", "reject('none')|list", "urlencode"]
TESTS = ["defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "integer", "float", "boolean", "true",
         "false", "odd", "even", "divisibleby(2)", "equalto(7)", "in [7, 's']", "lower", "upper", "sameas none", "eq 7", "gt 1"]
METHODS = ["strip()", "lstrip()", "rstrip('d ')", "split()", "split('-')", "split(' ', 1)", "upper()", "title()", "startswith('H')",
           "endswith(' ')", "replace('l', '')", "items()", "keys()", "values()", "get('a')", "get('zz', 4)", "count('l')", "find('w')",
           "rsplit(None, 1)", "partition('-')", "isalpha()", "isdigit()", "zfill(9)", "splitlines()", "swapcase()", "capitalize()",
           "index(2)", "join(['p', 'q'])", "removeprefix('He')", "rfind('l')", "center(9, '*')", "format(1)", "islower()"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or", "**"]


def expression(depth):
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(ATOMS)
    kind = rng.randrange(9)
    e = expression(depth - 1)
    if kind <= 1:
        return f"({e})|{rng.choice(FILTERS)}"
    if kind == 2:
        return f"({e}) is {rng.choice(['', 'not '])}{rng.choice(TESTS)}"
    if kind == 3:
        return f"({e}).{rng.choice(METHODS)}"
    if kind <= 5:
        return f"({e} {rng.choice(OPERATORS)} {expression(depth - 1)})"
    if kind == 6:
        return f"({e} if {expression(depth - 1)} else {expression(depth - 1)})"
    if kind == 7:
        return f"[{e}, {expression(depth - 1)}]"
    return f"not {e}"


def dash():
    return rng.choice(["", "", "", "-"])


def body(depth):
    parts = []
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(8)
        a, b, c, d = dash(), dash(), dash(), dash()
        if depth == 0 or kind <= 2:
            parts.append(f"{{{{{a} {expression(2)} {b}}}}}")
        elif kind == 3:
            parts.append(f"{{%{a} if {expression(2)} {b}%}}{body(depth - 1)}{{% else {c}%}}{body(depth - 1)}{{%{d} endif %}}")
        elif kind == 4:
            parts.append(f"{{%{a} for x in {expression(1)} {b}%}}{{{{ loop.index }}}}{{{{ x }}}}{body(depth - 1)}{{%{c} endfor {d}%}}")
        elif kind == 5:
            parts.append(f"{{%{a} set n = {expression(2)} {b}%}}{{{{ n }}}}")
        elif kind == 6:
            parts.append(f"{{%{a} macro g(p, q=4) {b}%}}{{{{ p }}}},{{{{ q }}}}{{% endmacro %}}{{{{ g({expression(1)}) }}}}")
        else:
            parts.append(f"{{%{a} set z {b}%}}{body(depth - 1)}{{% endset %}}{{{{ z|upper }}}}")
        parts.append(rng.choice(["", "\n", " ", "\n  ", "text\n", "{# note #}\n"]))
    return "".join(parts)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])

    def raise_exception(text):
        raise jinja2.exceptions.TemplateError(text)

    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    env.globals["raise_exception"] = raise_exception
    return env


env = environment()
agreed = raised = differed = 0
with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, "talk.jsonl"), "w") as f:
        f.write(json.dumps({"messages": [], **VALUES}))
    for _ in range(cases):
        source = body(2)
        try:
            want = env.from_string(source).render(messages=[], tools=None, documents=None, add_generation_prompt=False, bos_token="",
                                                  eos_token="", **copy.deepcopy(VALUES))  # `indent` of a list lengthens it
        except Exception as error:  # whatever Python says
            want, why = None, error
        with open(os.path.join(folder, "chat_template.jinja"), "w", newline="") as f:
            f.write(source)
        run = subprocess.run([weft, "lm", "chat-template", folder, "--file", os.path.join(folder, "talk.jsonl"), "--json"],
                             capture_output=True, text=True, timeout=60)
        got = json.loads(run.stdout)["results"][0].get("text") if run.returncode == 0 else None
        if run.returncode not in (0, 1):
            print("CRASH", run.returncode, repr(source))
            differed += 1
        elif got == want:
            agreed += want is not None
            raised += want is None
        elif want is not None and ("<generator" in want or "<filter" in want or "<bound" in want or "<built-in" in want or " at 0x" in want):
            raised += 1  # an address of an object
        else:
            differed += 1
            print(repr(source))
            print("  jinja2:", repr(want) if want is not None else f"{type(why).__name__}: {why}")
            print("  weft:  ", repr(got) if got is not None else run.stderr.strip())
print(f"{agreed} equal, {raised} refused by both, {differed} different")
sys.exit(differed > 0)
