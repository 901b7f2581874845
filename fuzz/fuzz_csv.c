/* Any bytes as a CSV file: never a crash or a leak, and the same table in one piece or in many. The first byte says how small
 * the pieces are. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/csv_inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(bool equal)
{
    if (!equal)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    weft_csv_options options = {.threads = 1};
    weft_csv *whole, *cut;
    char message[2048] = "";
    weft_status status = weft_csv_parse(data + 1, size - 1, "f", &options, &whole);
    if (status != WEFT_OK)
        strncpy(message, weft_error(), sizeof message - 1);
    same(weft_csv_parse_cut(data + 1, size - 1, "f", &options, (size_t)data[0] + 1, &cut) == status);
    if (status != WEFT_OK) {
        same(strcmp(message, weft_error()) == 0 && !whole && !cut);
        return 0;
    }
    int64_t rows = weft_csv_rows(whole);
    same(weft_csv_rows(cut) == rows && weft_csv_columns(cut) == weft_csv_columns(whole));
    unsigned sum = 0;
    for (int c = 0; c < weft_csv_columns(whole); c++) {
        weft_csv_column a = weft_csv_column_at(whole, c), b = weft_csv_column_at(cut, c);
        same(a.missing + a.numbers + a.infinities + a.texts == rows);
        same(rows == 0 || memcmp(a.values, b.values, (size_t)rows * sizeof *a.values) == 0);
        same(a.missing == b.missing && a.numbers == b.numbers && a.infinities == b.infinities && a.integers == b.integers);
        same(a.first_text_row == b.first_text_row && a.first_infinity_row == b.first_infinity_row && strcmp(a.name, b.name) == 0);
        for (int64_t row = 0; row < rows && rows * weft_csv_columns(whole) < 10000; row++) {
            weft_cell cell = weft_csv_cell(whole, row, c);
            for (size_t i = 0; i < cell.length; i++)
                sum += (unsigned char)cell.text[i];
        }
    }
    same(sum < 1u << 31 && weft_csv_nearest(whole, "name") != NULL);
    weft_csv_free(whole);
    weft_csv_free(cut);
    return 0;
}
