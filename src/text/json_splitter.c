/* "pre_tokenizer" of tokenizer.json. */
#include "text/json_parts.h"

#include <stdlib.h>

#include "text/unicode.h"

static const char what[] = "pre_tokenizer";

static weft_status memory_is_short(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
}

/* ---- rows ---- */

static weft_status read(weft_json_value part, int depth, weft_splitter *out);

static weft_status read_sequence(weft_json_value part, int depth, weft_splitter *out)
{
    weft_json_value steps = weft_json_get(part, "pretokenizers");
    weft_status status = WEFT_OK;
    if (weft_json_kind_of(steps) != WEFT_JSON_LIST || depth >= WEFT_DEEPEST_SEQUENCE)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a Sequence needs a list \"pretokenizers\", and at most %d lie in each other",
                         what, WEFT_DEEPEST_SEQUENCE);
    for (int64_t i = 0; i < weft_json_size(steps) && status == WEFT_OK; i++) {
        weft_splitter *step = weft_splitter_step(out);
        status = step ? read(weft_json_item(steps, i), depth + 1, step) : memory_is_short();
    }
    return status;
}

static weft_status read_behavior(weft_json_value part, weft_splitter *out)
{
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    weft_json_value value = weft_json_get(part, "behavior");
    const char *name = weft_json_string(value, NULL);
    if (!weft_json_present(value))
        return WEFT_OK;
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) {
            out->behavior = (weft_split_behavior)i;
            return WEFT_OK;
        }
    return weft_fail(WEFT_ERROR_FORMAT,
                     "%s: behavior \"%.40s\"; known are Isolated, Removed, MergedWithPrevious, MergedWithNext, Contiguous", what,
                     name ? name : "?");
}

static weft_status read_split(weft_json_value part, int depth, weft_splitter *out)
{
    (void)depth;
    out->kind = WEFT_SPLITTER_SPLIT;
    weft_status status = weft_part_pattern(part, what, &out->text, &out->text_length, &out->regex, &out->scan);
    if (status == WEFT_OK)
        status = read_behavior(part, out);
    return status == WEFT_OK ? weft_json_take_bool(part, what, "invert", &out->invert) : status;
}

static weft_status read_byte_level(weft_json_value part, int depth, weft_splitter *out)
{
    (void)depth;
    bool pattern = true;
    out->kind = WEFT_SPLITTER_BYTE_LEVEL;
    out->prefix_space = true;
    weft_status status = weft_json_take_bool(part, what, "add_prefix_space", &out->prefix_space);
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "use_regex", &pattern);
    if (status != WEFT_OK || !pattern)
        return status;
    weft_splitter *step = weft_splitter_step(out);
    if (!step)
        return memory_is_short();
    step->kind = WEFT_SPLITTER_SPLIT;
    step->scan = weft_scans[0].scan;
    return WEFT_OK;
}

static weft_status read_metaspace(weft_json_value part, int depth, weft_splitter *out)
{
    (void)depth;
    bool split = true, prefix = true;
    const char *mark = "\xE2\x96\x81", *scheme = NULL;
    weft_status status = weft_json_take_string(part, what, "replacement", &mark);
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "split", &split);
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "add_prefix_space", &prefix);
    if (status == WEFT_OK)
        status = weft_json_take_string(part, what, "prepend_scheme", &scheme);
    if (status != WEFT_OK)
        return status;
    if (scheme && strcmp(scheme, "always") != 0 && strcmp(scheme, "first") != 0 && strcmp(scheme, "never") != 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: prepend_scheme \"%.40s\"; known are always, first, never", what, scheme);
    weft_splitter *mapping = weft_splitter_step(out), *cutting = split && mapping ? weft_splitter_step(out) : NULL;
    if (!mapping || (split && !cutting))
        return memory_is_short();
    for (int i = 0; i < out->step_count; i++) {
        out->steps[i].text = weft_copy_text(mark, strlen(mark));
        out->steps[i].text_length = strlen(mark);
        if (!out->steps[i].text)
            return memory_is_short();
    }
    out->kind = WEFT_SPLITTER_SEQUENCE;
    out->steps[0].kind = WEFT_SPLITTER_METASPACE;
    out->steps[0].scheme = scheme && scheme[0] == 'f'                             ? WEFT_PREPEND_FIRST
                           : (scheme && scheme[0] == 'n') || (!scheme && !prefix) ? WEFT_PREPEND_NEVER
                                                                                  : WEFT_PREPEND_ALWAYS;
    if (split) {
        out->steps[1].kind = WEFT_SPLITTER_SPLIT;
        out->steps[1].behavior = WEFT_SPLIT_MERGED_WITH_NEXT;
    }
    return WEFT_OK;
}

static weft_status split_at_classes(weft_splitter *out, unsigned classes, weft_split_behavior behavior)
{
    out->kind = WEFT_SPLITTER_SPLIT;
    out->classes = classes;
    out->behavior = behavior;
    return WEFT_OK;
}

static weft_status read_whitespace(weft_json_value part, int depth, weft_splitter *out)
{
    (void)part;
    (void)depth;
    /* \w+|[^\w\s]+ of another library, whose \w has decimal digits only, and the joiners */
    static const char words[] = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}]+|"
                                "[^\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}\\s]+";
    out->kind = WEFT_SPLITTER_SPLIT;
    out->behavior = WEFT_SPLIT_REMOVED;
    out->invert = true;
    return weft_regex_new(words, strlen(words), &out->regex);
}

static weft_status read_whitespace_split(weft_json_value part, int depth, weft_splitter *out)
{
    (void)part;
    (void)depth;
    return split_at_classes(out, WEFT_IS_SPACE, WEFT_SPLIT_REMOVED);
}

static weft_status read_bert(weft_json_value part, int depth, weft_splitter *out)
{
    (void)part;
    (void)depth;
    if (!weft_splitter_step(out) || !weft_splitter_step(out))
        return memory_is_short();
    split_at_classes(&out->steps[0], WEFT_IS_SPACE, WEFT_SPLIT_REMOVED);
    return split_at_classes(&out->steps[1], WEFT_IS_PUNCTUATION, WEFT_SPLIT_ISOLATED);
}

static weft_status read_digits(weft_json_value part, int depth, weft_splitter *out)
{
    (void)depth;
    bool each = false;
    weft_status status = weft_json_take_bool(part, what, "individual_digits", &each);
    split_at_classes(out, WEFT_IS_NUMBER, each ? WEFT_SPLIT_ISOLATED : WEFT_SPLIT_CONTIGUOUS);
    return status;
}

static weft_status read_punctuation(weft_json_value part, int depth, weft_splitter *out)
{
    (void)depth;
    split_at_classes(out, WEFT_IS_PUNCTUATION, WEFT_SPLIT_ISOLATED);
    return read_behavior(part, out);
}

static weft_status read_delimiter(weft_json_value part, int depth, weft_splitter *out)
{
    (void)depth;
    out->kind = WEFT_SPLITTER_SPLIT;
    out->behavior = WEFT_SPLIT_REMOVED;
    weft_status status = weft_part_text(part, what, "delimiter", &out->text, &out->text_length);
    if (status == WEFT_OK && out->text_length == 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: CharDelimiterSplit needs a character as \"delimiter\"", what);
    return status;
}

static const char *const names[] = {
    "Sequence",         "Split",  "ByteLevel",   "Metaspace",          "Whitespace", "WhitespaceSplit",
    "BertPreTokenizer", "Digits", "Punctuation", "CharDelimiterSplit", NULL};

static weft_status (*const readers[])(weft_json_value, int, weft_splitter *) = {
    read_sequence,         read_split, read_byte_level, read_metaspace,   read_whitespace,
    read_whitespace_split, read_bert,  read_digits,     read_punctuation, read_delimiter};

static weft_status read(weft_json_value part, int depth, weft_splitter *out)
{
    int row = 0;
    weft_status status = weft_part_type(part, what, names, &row);
    return status == WEFT_OK ? readers[row](part, depth, out) : status;
}

weft_status weft_json_splitter(weft_json_value part, weft_splitter *out)
{
    return weft_json_present(part) ? read(part, 0, out) : WEFT_OK;
}
