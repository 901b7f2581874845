/* The pages of TuCo: a prompt's tokens and layers, or how groups of prompts differ. */
#include "cli/tuco.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/report.h"

static weft_status short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "a report: memory is short");
}

/* Tokens as they read: what the tokenizer writes for a space is one, broken bytes are left to the page. */
static char *readable(const char *token)
{
    static const struct {
        const char *mark, *text;
    } marks[] = {{"▁", " "}, {"Ġ", " "}, {"Ċ", "\n"}, {"<0x0A>", "\n"}};
    weft_text out = {0};
    weft_text_bytes(&out, "", 0);
    while (*token) {
        size_t i = 0, count = sizeof marks / sizeof marks[0];
        while (i < count && strncmp(token, marks[i].mark, strlen(marks[i].mark)) != 0)
            i++;
        if (i < count) {
            weft_text_add(&out, "%s", marks[i].text);
            token += strlen(marks[i].mark);
        } else
            weft_text_bytes(&out, token++, 1);
    }
    return out.data;
}

/* x[l, :] for l < L as a map of layers and tokens. */
static void map(weft_report *page, const char *title, const double *values, const weft_tuco_reading *r, const char *const *tokens)
{
    weft_report_heatmap(page, &(weft_chart){.title = title, .x_label = "token", .y_label = "layer"}, NULL, tokens, values,
                        (size_t)r->layers, (size_t)r->tokens);
}

static void summary(weft_report *page, const weft_tuco_reading *r, const char *base, const char *tuned, const tuco_job *job)
{
    char tuco[32], outputco[32], equal[64];
    int64_t all, same = weft_tuco_equal_tensors(job->pair, &all);
    snprintf(tuco, sizeof tuco, "%.4f", r->tuco);
    snprintf(outputco, sizeof outputco, isnan(r->outputco) ? "not read" : "%.4f", r->outputco);
    snprintf(equal, sizeof equal, "%lld of %lld", (long long)same, (long long)all);
    weft_report_pair pairs[] = {
        {"Base", base}, {"Tuned", tuned}, {"TuCo of the prompt", tuco}, {"OutputCo", outputco}, {"Unchanged tensors", equal}};
    weft_report_pairs(page, "The pair", pairs, sizeof pairs / sizeof pairs[0]);
    weft_report_paragraph(page, "TuCo is fine-tuning's share of all that the layers add to the residual stream at a token, by L1 "
                                "norms: 0 where both models are equal, towards 1 where fine-tuning does everything.");
}

static void layers_chart(weft_report *page, const weft_tuco_reading *r, double *ptc, double *ftc, double *beta, double *index)
{
    int64_t n = r->tokens, last = n - 1;
    for (int64_t l = 0; l < r->layers; l++) {
        index[l] = (double)l;
        ptc[l] = r->ptc_l1[l * n + last];
        ftc[l] = r->ftc_l1[l * n + last];
        beta[l] = r->beta_pos[(l + 1) * n + last];
    }
    weft_series parts[] = {{"base", index, ptc, (size_t)r->layers}, {"fine-tuning", index, ftc, (size_t)r->layers}};
    weft_report_lines(page,
                      &(weft_chart){.title = "What each layer adds at the last token", .x_label = "layer", .y_label = "L1 norm"},
                      parts, 2, NAN, NULL);
    weft_series share[] = {{"share", index, beta, (size_t)r->layers}};
    weft_report_lines(page, &(weft_chart){.title = "Fine-tuning's share up to each layer", .x_label = "layer", .y_label = "beta"},
                      share, 1, NAN, NULL);
}

weft_status tuco_page_prompt(const tuco_job *job, const weft_tuco_reading *r, const tuco_page_tokens *t, const char *base,
                             const char *tuned, const char *path)
{
    weft_report *page = weft_report_new("Tuning contribution of one prompt");
    char **pieces = calloc((size_t)t->count + 1, sizeof *pieces);
    double *scratch = calloc((size_t)(4 * r->layers) + 1, sizeof *scratch), most = 0;
    weft_status status = page && pieces && scratch ? WEFT_OK : short_of_memory();
    for (int64_t i = 0; i < t->count && status == WEFT_OK; i++) {
        pieces[i] = readable(tuco_token(job, t->ids[i]));
        status = pieces[i] ? WEFT_OK : short_of_memory();
        most = i ? fmax(most, t->tuco[i]) : most; /* the first position draws all attention: its norms are no measure */
    }
    if (status == WEFT_OK) {
        const char *const *words = (const char *const *)pieces;
        summary(page, r, base, tuned, job);
        weft_report_heading(page, 2, "Tokens");
        weft_report_shaded_text(
            page,
            &(weft_chart){.title = "TuCo token by token",
                          .y_label = "TuCo",
                          .note = "Underlined: generated, shaded by the position that chose the token. The first position is no "
                                  "measure: all attention gathers there."},
            words, t->tuco, (size_t)t->count, 0, most, (size_t)t->prompt);
        weft_report_heading(page, 2, "Layers");
        layers_chart(page, r, scratch, scratch + r->layers, scratch + 2 * r->layers, scratch + 3 * r->layers);
        map(page, "Share up to each layer, by token", r->beta_pos + r->tokens, r, words);
        map(page, "What fine-tuning adds, by layer and token", r->ftc_l1, r, words);
        map(page, "Of it, the attention's half", r->attn_l1 + r->layers * r->tokens, r, words);
        map(page, "Of it, the MLP's half", r->mlp_l1 + r->layers * r->tokens, r, words);
        if (r->heads)
            weft_report_heatmap(page,
                                &(weft_chart){.title = "Fine-tuning's part of each attention head, last token",
                                              .x_label = "head",
                                              .y_label = "layer"},
                                NULL, NULL, r->heads_l1, (size_t)r->layers, (size_t)r->heads);
        status = weft_report_save(page, path);
    }
    for (int64_t i = 0; pieces && i < t->count; i++)
        free(pieces[i]);
    free(pieces);
    free(scratch);
    weft_report_free(page);
    return status;
}

weft_status tuco_page_groups(const char *title, const tuco_group *groups, int count, double auc, double low, double high,
                             const char *path)
{
    weft_report *page = weft_report_new(title);
    if (!page)
        return short_of_memory();
    weft_report_paragraph(
        page, "TuCo is fine-tuning's share of all that the layers add to the residual stream at the last token of a prompt.");
    if (!isnan(auc))
        weft_report_paragraph(
            page,
            "AUC %.4f, 95 %% interval %.4f to %.4f: the chance that a prompt of the group that should be higher is. 0.5 is none.",
            auc, low, high);
    weft_report_column columns[] = {{"group", WEFT_COLUMN_TEXT, 0},
                                    {"prompts", WEFT_COLUMN_INTEGER, 0},
                                    {"mean TuCo", WEFT_COLUMN_NUMBER, 4},
                                    {"least", WEFT_COLUMN_NUMBER, 4},
                                    {"most", WEFT_COLUMN_NUMBER, 4}};
    weft_report_cell cells[2][5];
    for (int k = 0; k < count; k++) {
        double sum = 0, least = INFINITY, most = -INFINITY;
        for (int64_t i = 0; i < groups[k].count; i++) {
            sum += groups[k].tuco[i];
            least = fmin(least, groups[k].tuco[i]);
            most = fmax(most, groups[k].tuco[i]);
        }
        weft_report_cell row[5] = {{groups[k].name, 0},
                                   {NULL, (double)groups[k].count},
                                   {NULL, sum / (double)groups[k].count},
                                   {NULL, least},
                                   {NULL, most}};
        memcpy(cells[k], row, sizeof row);
    }
    weft_report_table(page, "Groups", columns, 5, &cells[0][0], (size_t)count);
    for (int k = 0; k < count; k++)
        weft_report_histogram(page, &(weft_chart){.title = groups[k].name, .x_label = "TuCo", .y_label = "prompts"},
                              groups[k].tuco, (size_t)groups[k].count, 0);
    weft_status status = weft_report_save(page, path);
    weft_report_free(page);
    return status;
}
