/* What the tuco commands share. */
#include "cli/tuco.h"

#include <stdlib.h>
#include <string.h>

/* \n and \t as typed in a shell become what they stand for. */
static char *unescape(const char *text)
{
    char *copy = text ? strdup(text) : NULL, *to = copy;
    for (const char *from = copy; copy && *from; from++) {
        bool escaped = from[0] == '\\' && (from[1] == 'n' || from[1] == 't' || from[1] == '\\');
        *to++ = !escaped ? *from : from[1] == 'n' ? '\n' : from[1] == 't' ? '\t' : '\\';
        from += escaped;
    }
    if (copy)
        *to = 0;
    return copy;
}

weft_status tuco_job_wrap(cli_arguments *a, tuco_job *job, const char *option)
{
    free(job->wrap);
    job->encoder.wrap = job->wrap = unescape(cli_text(a, option));
    if (job->wrap && !strstr(job->wrap, "{}"))
        return cli_misuse(a, "--%s wants a text with {} in it, where the prompt goes", option);
    return WEFT_OK;
}

weft_status tuco_job_open(cli_arguments *a, bool needs_text, tuco_job *out)
{
    *out = (tuco_job){0};
    const char *base = cli_text(a, "base"), *dtype = cli_text(a, "dtype"), *const * tuned;
    int count = cli_list(a, "tuned", &tuned);
    if (count >= WEFT_TUCO_MODELS)
        return cli_misuse(a, "--tuned wants at most %d folders", WEFT_TUCO_MODELS - 1);
    if (tuco_job_wrap(a, out, "wrap") != WEFT_OK)
        return WEFT_ERROR_ARGUMENT;
    if (cli_given(a, "system") && !cli_given(a, "template"))
        return cli_misuse(a, "--system goes with --template");
    weft_engine *engine = cli_engine(a);
    if (!engine)
        return WEFT_ERROR_MEMORY;
    weft_tuco_options options = {.dtype = strcmp(dtype, "f64") == 0 ? WEFT_F64 : WEFT_F32,
                                 .bf16 = strcmp(dtype, "bf16") == 0,
                                 .base_ends = strcmp(cli_text(a, "ends"), "base") == 0};
    weft_status status = weft_tuco_open(engine, base, tuned, count, &options, &out->pair);
    if (status == WEFT_OK && weft_tuco_mixed_storage(out->pair))
        weft_log(WEFT_LOG_WARNING, "base and tuned weights are stored in different types: TuCo measures the rounding, too");
    if (status == WEFT_OK) {
        status = weft_prompt_encoder_open(tuned[count - 1], base, cli_text(a, "template"), &out->encoder);
        if (status != WEFT_OK && !needs_text)
            status = WEFT_OK;
        out->encoder.wrap = out->wrap;
        out->encoder.system = cli_text(a, "system");
    }
    if (status == WEFT_OK && out->encoder.tokenizer && weft_tokenizer_size(out->encoder.tokenizer) > weft_tuco_vocab(out->pair))
        weft_log(WEFT_LOG_WARNING, "the tokenizer knows %lld tokens, the embedding %lld",
                 (long long)weft_tokenizer_size(out->encoder.tokenizer), (long long)weft_tuco_vocab(out->pair));
    return status;
}

void tuco_job_close(tuco_job *job)
{
    weft_prompt_encoder_close(&job->encoder);
    weft_tuco_free(job->pair);
    free(job->wrap);
}

weft_status tuco_texts_encode(tuco_job *job, tuco_texts *texts)
{
    int64_t count = texts->prompts.count;
    texts->ids = calloc((size_t)count + 1, sizeof *texts->ids);
    texts->n = calloc((size_t)count + 1, sizeof *texts->n);
    weft_status status = texts->ids && texts->n ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "prompts: memory is short");
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        status = weft_prompt_encode(&job->encoder, &texts->prompts.at[i], "", &texts->ids[i], &texts->n[i]);
        if (status == WEFT_OK && texts->n[i] > weft_tuco_positions(job->pair))
            status = weft_fail(WEFT_ERROR_ARGUMENT, "line %lld: prompt has %lld tokens, the model takes %lld",
                               (long long)texts->prompts.at[i].line, (long long)texts->n[i],
                               (long long)weft_tuco_positions(job->pair));
    }
    return status;
}

void tuco_texts_free(tuco_texts *texts)
{
    for (int64_t i = 0; texts->ids && i < texts->prompts.count; i++)
        free(texts->ids[i]);
    free(texts->ids);
    free(texts->n);
    weft_prompts_free(&texts->prompts);
}

const char *tuco_token(const tuco_job *job, int64_t id)
{
    const char *token = job->encoder.tokenizer ? weft_tokenizer_token(job->encoder.tokenizer, id) : NULL;
    return token ? token : "";
}

weft_status tuco_threshold(cli_arguments *a, tuco_job *job, double *out)
{
    *out = cli_given(a, "threshold") ? cli_number(a, "threshold") : -1;
    if (!cli_given(a, "reference"))
        return WEFT_OK;
    tuco_texts texts = {0};
    weft_status status = job->encoder.tokenizer
                             ? weft_prompts_read(cli_text(a, "reference"), cli_text(a, "column"), &texts.prompts)
                             : weft_fail(WEFT_ERROR_ARGUMENT, "--reference: the models have no tokenizer");
    if (status == WEFT_OK)
        status = tuco_texts_encode(job, &texts);
    int64_t count = texts.prompts.count;
    double *tuco = calloc((size_t)count + 2, sizeof *tuco);
    unsigned char *labels = calloc((size_t)count + 2, 1);
    if (status == WEFT_OK && (!tuco || !labels))
        status = weft_fail(WEFT_ERROR_MEMORY, "tuco: memory is short");
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        weft_tuco_reading *r;
        status = weft_tuco_read(job->pair, texts.ids[i], texts.n[i], &(weft_tuco_request){.alpha = cli_number(a, "alpha")}, &r);
        if (status == WEFT_OK) {
            tuco[i] = r->tuco;
            labels[i] = 1;
            weft_tuco_reading_free(r);
        }
    }
    if (status == WEFT_OK) {
        tuco[count] = 2; /* one prompt of the other class, so that a threshold can be chosen */
        weft_tuco_tpr(tuco, labels, count + 1, 0.05, out);
        cli_say(a, "threshold %.4f: 5 %% of %lld reference prompts lie below\n", *out, (long long)count);
        cli_json_number(a, "threshold", *out);
    }
    free(tuco);
    free(labels);
    tuco_texts_free(&texts);
    return status;
}
