/* A schema as a text for people. */
#include "io/arrays.h"
#include "tabular/schema.h"

#include <stdio.h>
#include <string.h>

enum { most_shown_levels = 6, widest_name = 32 };

static void add_level(const weft_levels *levels, int k, weft_text *out)
{
    char shown[WEFT_SHOWN_NAME];
    weft_text_add(out, "%s", levels->text[k][0] ? weft_shown_name(levels->text[k], shown) : "(missing)");
}

static void add_levels(const weft_levels *levels, weft_text *out)
{
    for (int k = 0; k < levels->count && k < most_shown_levels; k++) {
        weft_text_add(out, "%s", k ? ", " : "");
        add_level(levels, k, out);
    }
    if (levels->count > most_shown_levels)
        weft_text_add(out, ", …");
}

/* What a column becomes: "4 levels: a, b, c, d", "year, month, day", … */
static void add_result(const weft_schema *s, const weft_column *column, weft_text *out)
{
    switch (column->kind) {
    case WEFT_COLUMN_NUMERICAL:
        weft_text_add(out, "median %.6g", column->median[0]);
        break;
    case WEFT_COLUMN_BINARY:
        if (column->levels.count == 2) {
            weft_text_add(out, "0 = ");
            add_level(&column->levels, 0, out);
            weft_text_add(out, ", 1 = ");
            add_level(&column->levels, 1, out);
        }
        break;
    case WEFT_COLUMN_CATEGORICAL:
        weft_text_add(out, "%d level%s: ", column->levels.count, column->levels.count == 1 ? "" : "s");
        add_levels(&column->levels, out);
        break;
    case WEFT_COLUMN_DATE:
        for (int p = 0; p < column->parts; p++)
            weft_text_add(out, "%s%s", p ? ", " : "", weft_date_part_names[column->part[p]]);
        break;
    case WEFT_COLUMN_TARGET:
        if (s->task == WEFT_TASK_REGRESSION) {
            weft_text_add(out, "regression: mean %.6g, sd %.6g", s->target_mean, s->target_sd);
        } else {
            weft_text_add(out, "%s, %d classes: ", weft_task_names[s->task], s->classes);
            add_levels(&column->levels, out);
        }
        break;
    default:
        weft_text_add(out, "left out");
    }
    if (column->indicator)
        weft_text_add(out, "; and whether it is missing");
}

/* Columns of a text in UTF-8: bytes that do not continue a character. */
static int characters(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void add_padded(weft_text *out, const char *text, int width)
{
    weft_text_add(out, "%s%*s", text, width > characters(text) ? width - characters(text) : 0, "");
}

void weft_schema_print(const weft_schema *s, weft_text *out)
{
    int width = 6;
    for (int c = 0; c < s->n_columns; c++) {
        int name = characters(s->columns[c].name);
        width = name > width && name <= widest_name ? name : width;
    }
    weft_text_add(out, "%s: %lld rows, %lld for training\n", s->file, (long long)s->file_rows, (long long)s->train_rows);
    for (int c = 0; c < s->n_columns; c++) {
        const weft_column *column = s->columns + c;
        size_t from = out->length;
        weft_text_add(out, "  ");
        add_padded(out, column->name, width);
        weft_text_add(out, "  %-11s  ", weft_column_kind_names[column->kind]);
        add_result(s, column, out);
        weft_text_add(out, " (%s)", column->reason ? column->reason : "");
        for (size_t i = from; i < out->length; i++) /* names and levels may hold line breaks and worse: a column is one line */
            if ((unsigned char)out->data[i] < 0x20 || out->data[i] == 0x7f)
                out->data[i] = ' ';
        weft_text_add(out, "\n");
    }
    weft_text_add(out, "%d numerical (scaling: %s), %d binary, %d categorical columns; %lld inputs of the model\n", s->n_num,
                  weft_scaling_names[s->scaler->scaling], s->n_bin, s->n_cat, (long long)weft_schema_inputs(s));
}
