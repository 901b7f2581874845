/* Reading and writing traces of requests. */
#include "hardware/trace.h"

#include "base/files.h"
#include "io/csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The columns that a trace may have, by place. */
enum { SEQ_LEN, CHANNEL, ARRIVAL, PROMPT, OUTPUT, TOKENS, COLUMNS };

static const struct {
    const char *names[3];
    double least, most;
    bool whole;
    const char *expected;
} columns[COLUMNS] = {
    [SEQ_LEN] = {{"seq_len", "length"}, 1, WEFT_TRACE_MOST_TOKENS, true, "a whole number of tokens, 1 or more"},
    [CHANNEL] = {{"ch_idx", "channel"}, -1e9, 1e9, true, "a channel's number"},
    [ARRIVAL] = {{"arrival_s", "arrival"}, 0, 1e9, false, "seconds, 0 or more"},
    [PROMPT] =
        {{"prompt", "input_toks", "prompt_tokens"}, 1, WEFT_TRACE_MOST_TOKENS, true, "a whole number of tokens, 1 or more"},
    [OUTPUT] =
        {{"output", "output_toks", "output_tokens"}, 1, WEFT_TRACE_MOST_TOKENS, true, "a whole number of tokens, 1 or more"},
    [TOKENS] = {{"tokens", "chunk"}, 1, WEFT_TRACE_MOST_TOKENS, true, "a whole number of tokens, 1 or more"},
};

static weft_status refuse(weft_csv *csv, int64_t row, int column, const char *expected)
{
    weft_cell cell = weft_csv_cell(csv, row, column);
    return weft_fail(WEFT_ERROR_FORMAT, "%s, line %lld: \"%s\" is \"%.*s\", expected %s", weft_csv_path(csv),
                     (long long)weft_csv_line(csv, row), weft_csv_column_at(csv, column).name,
                     (int)(cell.length < 40 ? cell.length : 40), cell.text, expected);
}

static weft_status find_columns(weft_csv *csv, int place[COLUMNS])
{
    for (int c = 0; c < COLUMNS; c++) {
        place[c] = -1;
        for (int n = 0; n < 3 && columns[c].names[n] && place[c] < 0; n++)
            place[c] = weft_csv_find(csv, columns[c].names[n]);
    }
    for (int i = 0; i < weft_csv_columns(csv); i++) {
        bool known = false;
        for (int c = 0; c < COLUMNS; c++)
            known = known || place[c] == i;
        if (!known)
            return weft_fail(WEFT_ERROR_FORMAT,
                             "%s: column \"%s\" is not known; a trace has seq_len, ch_idx, tokens, arrival_s, prompt, output",
                             weft_csv_path(csv), weft_csv_column_at(csv, i).name);
    }
    if (place[SEQ_LEN] < 0 && (place[PROMPT] < 0 || place[OUTPUT] < 0))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: no column seq_len (or prompt and output)", weft_csv_path(csv));
    if (place[ARRIVAL] >= 0 && place[OUTPUT] < 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: arrival_s needs a column output: tokens to generate", weft_csv_path(csv));
    return WEFT_OK;
}

static weft_status check_cells(weft_csv *csv, const int place[COLUMNS])
{
    for (int c = 0; c < COLUMNS; c++) {
        if (place[c] < 0)
            continue;
        weft_csv_column column = weft_csv_column_at(csv, place[c]);
        for (int64_t row = 0; row < weft_csv_rows(csv); row++) {
            double v = column.values[row]; /* NaN where the cell is no number */
            if (!(v >= columns[c].least && v <= columns[c].most) || (columns[c].whole && v != floor(v)))
                return refuse(csv, row, place[c], columns[c].expected);
        }
    }
    return WEFT_OK;
}

static weft_status take_rows(weft_csv *csv, const int place[COLUMNS], int channels, int64_t context, weft_trace *out)
{
    const double *value[COLUMNS] = {0};
    for (int c = 0; c < COLUMNS; c++)
        value[c] = place[c] < 0 ? NULL : weft_csv_column_at(csv, place[c]).values;
    double before = 0;
    for (int64_t row = 0; row < weft_csv_rows(csv); row++) {
        weft_load_request r = {.channel = -1};
        r.prompt = value[PROMPT] ? (int64_t)value[PROMPT][row] : 0;
        r.output = value[OUTPUT] ? (int64_t)value[OUTPUT][row] : 0;
        r.length = value[SEQ_LEN] ? (int64_t)value[SEQ_LEN][row] : r.prompt;
        r.prompt = r.output && !r.prompt ? r.length : r.prompt;
        r.tokens = value[TOKENS] ? (int64_t)value[TOKENS][row] : 1;
        if (r.tokens > r.length)
            return refuse(csv, row, place[TOKENS], "at most seq_len, which counts them too");
        r.arrival = value[ARRIVAL] ? value[ARRIVAL][row] : 0;
        if (value[CHANNEL]) {
            if (value[CHANNEL][row] >= channels) {
                char expected[96];
                snprintf(expected, sizeof expected, "a channel from 0 to %d", channels - 1);
                return refuse(csv, row, place[CHANNEL], expected);
            }
            if (value[CHANNEL][row] < 0) {
                out->skipped++;
                continue;
            }
            r.channel = (int32_t)value[CHANNEL][row];
        }
        if (r.arrival < before)
            return refuse(csv, row, place[ARRIVAL], "arrivals in order, each at the time of the one before or later");
        before = r.arrival;
        int64_t longest = r.length > r.prompt + r.output ? r.length : r.prompt + r.output;
        if (context && longest > context)
            return weft_fail(WEFT_ERROR_FORMAT, "%s, line %lld: %lld tokens, but the model's context is %lld", weft_csv_path(csv),
                             (long long)weft_csv_line(csv, row), (long long)longest, (long long)context);
        out->requests[out->count++] = r;
    }
    if (!out->count)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: no request is left: every row has a negative ch_idx", weft_csv_path(csv));
    return WEFT_OK;
}

static weft_status from_csv(weft_csv *csv, int channels, int64_t context, weft_trace *out)
{
    int place[COLUMNS];
    *out = (weft_trace){0};
    weft_status status = find_columns(csv, place);
    if (status == WEFT_OK && weft_csv_rows(csv) == 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: the trace is empty: a header and no requests", weft_csv_path(csv));
    if (status == WEFT_OK)
        status = check_cells(csv, place);
    if (status == WEFT_OK) {
        out->requests = calloc((size_t)weft_csv_rows(csv), sizeof *out->requests);
        out->channels = place[CHANNEL] >= 0;
        out->timed = place[OUTPUT] >= 0;
        status = out->requests ? take_rows(csv, place, channels, context, out)
                               : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", weft_csv_path(csv));
    }
    if (status == WEFT_OK && out->skipped)
        weft_log(WEFT_LOG_WARNING, "%s: %lld request%s with a negative ch_idx left out", weft_csv_path(csv),
                 (long long)out->skipped, out->skipped == 1 ? "" : "s");
    if (status != WEFT_OK)
        weft_trace_free(out);
    return status;
}

weft_status weft_trace_parse(const void *bytes, size_t size, const char *name, int channels, int64_t context, weft_trace *out)
{
    weft_csv *csv = NULL;
    *out = (weft_trace){0};
    weft_status status = weft_csv_parse(bytes, size, name, &(weft_csv_options){.threads = 1}, &csv);
    if (status == WEFT_OK)
        status = from_csv(csv, channels, context, out);
    weft_csv_free(csv);
    return status;
}

weft_status weft_trace_read(const char *path, int channels, int64_t context, weft_trace *out)
{
    weft_csv *csv = NULL;
    *out = (weft_trace){0};
    weft_status status = weft_csv_read(path, &(weft_csv_options){.threads = 1}, &csv);
    if (status == WEFT_OK)
        status = from_csv(csv, channels, context, out);
    weft_csv_free(csv);
    return status;
}

void weft_trace_free(weft_trace *trace)
{
    free(trace->requests);
    *trace = (weft_trace){0};
}

weft_status weft_trace_write(const weft_trace *trace, const char *path)
{
    weft_text text = {0};
    weft_text_add(&text, "seq_len%s%s\n", trace->channels ? ",ch_idx" : "", trace->timed ? ",arrival_s,prompt,output" : "");
    for (int64_t i = 0; i < trace->count; i++) {
        const weft_load_request *r = &trace->requests[i];
        weft_text_add(&text, "%lld", (long long)r->length);
        if (trace->channels)
            weft_text_add(&text, ",%d", r->channel);
        if (trace->timed)
            weft_text_add(&text, ",%.6f,%lld,%lld", r->arrival, (long long)r->prompt, (long long)r->output);
        weft_text_add(&text, "\n");
    }
    weft_status status =
        text.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path) : weft_file_write(path, text.data, text.length);
    weft_text_free(&text);
    return status;
}
