/* Random configurations of every normalizer, pre-tokenizer, model, post-processor and decoder against what Hugging Face's
 * `tokenizers` makes of them (bench/peers/check_tokenizers.py --record; that program compares thousands more). */
#include "text/text_case.h"

static void recorded_configurations(void **state)
{
    (void)state;
    weft_json *golden = golden_json("peer_cases.json");
    weft_json_value rows = weft_json_get(weft_json_root(golden), "rows");
    assert_int_equal(weft_json_size(rows), 40);
    for (int64_t i = 0; i < weft_json_size(rows); i++) {
        weft_json_value row = weft_json_item(rows, i), cases = weft_json_get(row, "cases");
        weft_tokenizer *t = weft_tokenizer_new();
        weft_encoding *e = NULL;
        MUST(weft_tokenizer_from_json(weft_json_get(row, "tokenizer"), "golden", t));
        MUST(weft_encoding_new(t, &e));
        for (int64_t k = 0; k < weft_json_size(cases); k++) {
            weft_json_value one = weft_json_item(cases, k);
            assert_case(e, one, "plain", NULL);
            assert_case(e, one, "ids", &(weft_encode_options){.add_special = true});
            const char *decoded = weft_json_string(weft_json_get(one, "decoded"), NULL);
            weft_text back = {0};
            MUST(weft_decode(t, weft_encoding_ids(e), weft_encoding_count(e), &(weft_decode_options){.skip_special = true},
                             &back));
            if (decoded)
                assert_string_equal(back.data ? back.data : "", decoded);
            weft_text_free(&back);
            /* what offsets cost must not be other ids */
            assert_case(e, one, "ids", &(weft_encode_options){.add_special = true, .offsets = true});
        }
        weft_encoding_free(e);
        weft_tokenizer_free(t);
    }
    weft_json_free(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recorded_configurations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
