/* CSV: every cell equals a plain character-by-character reader's, whatever the threads and however quotes fall on the places
 * where the file is cut; numbers are strtod's to the bit; bad files are refused by line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/random.h"
#include "io/csv_inner.h"

static weft_csv *parse(const char *text)
{
    weft_csv *csv;
    if (weft_csv_parse(text, strlen(text), "t.csv", NULL, &csv) != WEFT_OK)
        fail_msg("%s", weft_error());
    return csv;
}

static void assert_cell(weft_csv *csv, int64_t row, int column, const char *expected)
{
    weft_cell cell = weft_csv_cell(csv, row, column);
    if (cell.length != strlen(expected) || memcmp(cell.text, expected, cell.length) != 0)
        fail_msg("cell %d, %d is \"%.*s\", expected \"%s\"", (int)row, column, (int)cell.length, cell.text, expected);
}

static void quotes_lines_and_blanks(void **state)
{
    (void)state;
    weft_csv *csv = parse("\xEF\xBB\xBF\r\n a ,\"b \"\"x\"\"\",c\r\n"
                          "1,\"two\nlines, \"\"quoted\"\"\", x \r\n"
                          "\n\r\n"
                          "\"2.5\",,6\" pipe\n"
                          " 3 ,\"\",\"NA\"");
    assert_int_equal(weft_csv_rows(csv), 3);
    assert_int_equal(weft_csv_columns(csv), 3);
    assert_int_equal(weft_csv_find(csv, "a"), 0);
    assert_int_equal(weft_csv_find(csv, "b \"x\""), 1);
    assert_int_equal(weft_csv_find(csv, " a "), -1);
    for (int twice = 0; twice < 2; twice++) {
        assert_cell(csv, 0, 2, " x ");
        assert_cell(csv, 0, 1, "two\nlines, \"quoted\"");
        assert_cell(csv, 0, 0, "1");
        assert_cell(csv, 1, 0, "2.5");
        assert_cell(csv, 1, 2, "6\" pipe");
        assert_cell(csv, 1, 1, "");
        assert_cell(csv, 2, 2, "NA");
    }
    assert_ptr_equal(weft_csv_cell(csv, 0, 1).text, weft_csv_cell(csv, 0, 1).text); /* kept once */
    assert_int_equal(weft_csv_line(csv, 0), 3);
    assert_int_equal(weft_csv_line(csv, 1), 7);
    assert_int_equal(weft_csv_line(csv, 2), 8);
    weft_csv_column a = weft_csv_column_at(csv, 0), b = weft_csv_column_at(csv, 1), c = weft_csv_column_at(csv, 2);
    assert_int_equal(a.numbers, 3);
    assert_int_equal(a.integers, 2);
    assert_true(a.values[0] == 1 && a.values[1] == 2.5 && a.values[2] == 3);
    assert_int_equal(a.first_text_row, -1);
    assert_int_equal(b.missing, 2);
    assert_int_equal(b.texts, 1);
    assert_int_equal(b.first_text_row, 0);
    assert_int_equal(c.first_text_row, 0);
    assert_int_equal(c.texts, 2);
    assert_int_equal(c.missing, 1);
    assert_true(isnan(b.values[0]) && isnan(c.values[2]));
    weft_csv_free(csv);
}

static void cells_are_counted_by_kind(void **state)
{
    (void)state;
    weft_csv *csv =
        parse("x,y\n,a\nNA,b\nN/A,c\nNaN,d\nnan,e\nnull,f\n\" null \",g\nNULL,h\nna,i\n?,j\n1e5,k\n-7,l\n9007199254740991,m\n"
              "9007199254740992,n\n+.5,o\n5.,p\n1e,q\n.,r\n-,s\n0x10,t\n1_000,u\ninf,v\n-Infinity,w\n1e999,x\n1e-999,y\n1 2,z\n");
    weft_csv_column x = weft_csv_column_at(csv, 0), y = weft_csv_column_at(csv, 1);
    assert_int_equal(x.missing, 7);
    assert_int_equal(x.texts, 9); /* NULL na ? 1e . - 0x10 1_000 1 2 */
    assert_int_equal(x.first_text_row, 7);
    assert_int_equal(x.numbers, 7);
    assert_int_equal(x.integers, 2);
    assert_int_equal(x.infinities, 3);
    assert_int_equal(x.first_infinity_row, 21);
    assert_true(x.values[10] == 1e5 && x.values[11] == -7 && x.values[14] == .5 && x.values[15] == 5 && x.values[24] == 0);
    assert_true(x.values[21] == INFINITY && x.values[22] == -INFINITY && x.values[23] == INFINITY);
    assert_true(isnan(x.values[0]) && isnan(x.values[7]) && isnan(x.values[25]));
    assert_int_equal(y.texts, 26);
    assert_true(isnan(y.values[0]) && isnan(y.values[25]));
    weft_csv_free(csv);
}

static void the_delimiter_is_sniffed(void **state)
{
    (void)state;
    static const char *const files[][3] = {{"a,b\n1,2\n", "a", "2"},
                                           {"a;b\n1,5;2,5\n", "a", "2,5"},
                                           {"a\tb, c\n1\t2\n", "a", "2"},
                                           {"a|b\n1|2\n", "a", "2"},
                                           {"\"a,x\";b\n1;2\n", "a,x", "2"},
                                           {"a;b,c\n1;2,3\n4;5,6\n", "a;b", "3"},
                                           {"a b, c;d\n1;2\n3;4\n", "a b, c", "2"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        weft_csv *csv = parse(files[i][0]);
        assert_int_equal(weft_csv_columns(csv), 2);
        assert_string_equal(weft_csv_column_at(csv, 0).name, files[i][1]);
        assert_cell(csv, 0, 1, files[i][2]);
        weft_csv_free(csv);
    }
    weft_csv *csv = parse("only\n1\n2\n\n3");
    assert_int_equal(weft_csv_columns(csv), 1);
    assert_int_equal(weft_csv_rows(csv), 3);
    weft_csv_free(csv);
    weft_csv_options options = {.delimiter = ';'};
    assert_int_equal(weft_csv_parse("a,b;c\n1;2\n", 10, "t.csv", &options, &csv), WEFT_OK);
    assert_string_equal(weft_csv_column_at(csv, 0).name, "a,b");
    weft_csv_free(csv);
    options.delimiter = '"';
    assert_int_equal(weft_csv_parse("a,b;c\n1;2\n", 10, "t.csv", &options, &csv), WEFT_ERROR_ARGUMENT);
}

static void refused(const char *text, size_t size, const char *message)
{
    for (int threads = 1; threads <= 3; threads += 2) {
        weft_csv_options options = {.threads = threads};
        weft_csv *csv;
        assert_int_equal(weft_csv_parse(text, size, "table.csv", &options, &csv), WEFT_ERROR_FORMAT);
        assert_null(csv);
        if (strcmp(weft_error(), message) != 0)
            fail_msg("error is \"%s\", expected \"%s\"", weft_error(), message);
    }
}

static void bad_files_are_refused_by_line(void **state)
{
    (void)state;
#define REFUSED(text, message) refused(text, sizeof text - 1, "table.csv" message)
    REFUSED("", ": is empty, expected a header line");
    REFUSED("\xEF\xBB\xBF\n\r\n", ": is empty, expected a header line");
    REFUSED("a,b\n1,2\n1\n", " line 3: 1 field, the header has 2");
    REFUSED("a,b\n\n\"1\n\",2\n1,2,3\n", " line 5: 3 fields, the header has 2");
    REFUSED("a,b\n1,\"2\n3,4\n", " line 2: the quote that column 2 opens is never closed");
    REFUSED("a,b\n1,2\n1,\"2\"x\n", " line 3: text after the closing quote of column 2 (a quote inside quotes is written twice)");
    REFUSED("a,\"b\n1,2\n", " line 1: a quote in the header is not closed, or not followed by a delimiter");
    REFUSED("a,b,a\n1,2,3\n", ": columns 1 and 3 are both named \"a\"");
    REFUSED("b,c,a,c,a, a ,c\n", ": columns 2 and 4 are both named \"c\"");
    REFUSED(",b\n1,2\n",
            ": column 1 of 2 has no name; give it one in the header line (an index that pandas wrote: to_csv(index=False))");
    REFUSED("a,,c\n1,2,3\n", ": column 2 of 3 has no name; give it one in the header line");
    REFUSED("a,b,\n1,2,3\n", ": column 3 of 3 has no name; give it one in the header line");
    REFUSED("a,\xFF\n1,2\n", ": the name of column 2 is not UTF-8");
    REFUSED("a,b\0\n1,2\n", ": the name of column 2 is not UTF-8");
    REFUSED("a,b\n1,2\n3,\0\n", " line 3: a zero byte, expected UTF-8 text");
    REFUSED("\xFF\xFE"
            "a\0",
            ": is UTF-16, expected UTF-8");
    REFUSED("a,b\r1,2\r", ": column 2: a carriage return in its name; lines must end in LF or CRLF");
    weft_csv *csv = parse("a,b"); /* a header alone is a table without rows */
    assert_int_equal(weft_csv_rows(csv), 0);
    assert_non_null(weft_csv_column_at(csv, 1).values);
    weft_csv_free(csv);
    csv = parse("a\n\xFF\n"); /* cells may be in any encoding */
    assert_cell(csv, 0, 0, "\xFF");
    assert_int_equal(weft_csv_cell(csv, 1, 0).length, 0);
    weft_csv_free(csv);

    weft_text text = {0}; /* far into a long file */
    weft_text_add(&text, "a,b,c,d,e,f,g,h,i\n");
    for (int i = 2; i < 900002; i++)
        weft_text_add(&text, "%s", i % 1000 ? "1,2,3,4,5,6,7,8,9\n" : "1,\"2\n\",3,4,5,6,7,8,9\n");
    size_t length = text.length;
    weft_text_add(&text, "1,2,3\n1,\"2");
    refused(text.data, text.length, "table.csv line 900902: 3 fields, the header has 9");
    text.length = length;
    weft_text_add(&text, "1,\"2,3\n1,2,3,4,5,6,7,8,9\n");
    refused(text.data, text.length, "table.csv line 900902: the quote that column 2 opens is never closed");
    weft_text_free(&text);
}

/* A plain reader, one character at a time. cells: offset and length in `out` of each cell. */
typedef struct plain {
    weft_text bytes;
    size_t *at; /* [cells + 1] */
    size_t cells;
} plain;

static void read_plainly(const char *text, size_t size, plain *out)
{
    *out = (plain){0};
    size_t capacity = 0;
    size_t i = 0;
    while (i < size) {
        if (text[i] == '\n' || (text[i] == '\r' && (i + 1 == size || text[i + 1] == '\n'))) {
            i++;
            continue;
        }
        for (bool more = true; more;) {
            if (out->cells + 2 > capacity)
                out->at = realloc(out->at, (capacity = 2 * capacity + 1024) * sizeof *out->at);
            out->at[out->cells++] = out->bytes.length;
            weft_text_bytes(&out->bytes, "", 0);
            if (i < size && text[i] == '"') {
                for (i++; i < size && (text[i] != '"' || (i + 1 < size && text[i + 1] == '"')); i++) {
                    weft_text_bytes(&out->bytes, text + i, 1);
                    i += text[i] == '"';
                }
                i++;
            } else {
                while (i < size && text[i] != ',' && text[i] != '\n')
                    weft_text_bytes(&out->bytes, text + i++, 1);
                if ((i == size || text[i] == '\n') && out->bytes.length > out->at[out->cells - 1] &&
                    out->bytes.data[out->bytes.length - 1] == '\r')
                    out->bytes.length--;
            }
            if (i < size && text[i] == '\r')
                i++;
            more = i < size && text[i] == ',';
            i++;
        }
    }
    out->at[out->cells] = out->bytes.length;
}

static bool plain_number(const char *text, size_t length, double *value)
{
    char copy[400];
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = 0;
    char *end;
    *value = strtod(copy, &end);
    return end != copy && *end == 0 && strspn(copy, " +-.0123456789eE") == length;
}

/* Random tables of a few pieces, dense in quotes, blank lines, stray quotes, long cells. */
static void random_tables_equal_a_plain_reader(void **state)
{
    (void)state;
    weft_random_key key = weft_random_stream(7, "csv");
    for (uint64_t round = 0; round < 10; round++) {
        weft_text text = {0};
        int columns = 1 + (int)(round * 3) % 5;
        for (int c = 0; c < columns; c++)
            weft_text_add(&text, "%sc%d", c ? "," : "", c);
        weft_text_add(&text, "\n");
        uint64_t kinds = round < 2 ? 4 : round < 6 ? 10 : 12; /* numbers only; quotes; stray quotes and blank lines too */
        size_t size = round == 9 ? 9u << 20 : 1300000;
        for (uint64_t row = 0; text.length < size; row++) {
            for (int c = 0; c < columns; c++) {
                uint64_t word = (uint64_t)weft_random_word(key, round, row, 2 * (uint64_t)c) << 32 |
                                weft_random_word(key, round, row, 2 * (uint64_t)c + 1);
                double number = (double)(int64_t)word / (double)((uint64_t)1 << (word & 63));
                switch ((word >> 8) % kinds) {
                case 0:
                    weft_text_add(&text, "%lld", (long long)(int64_t)word >> (word & 63));
                    break;
                case 1:
                    weft_text_add(&text, "%.17g", number);
                    break;
                case 2:
                    weft_text_add(&text, "%.*f", (int)(word & 15), number);
                    break;
                case 3:
                    weft_text_add(&text, "%s", c == 0 && columns == 1 ? "NA" : "");
                    break;
                case 4:
                    weft_text_add(&text, "text %llx", (unsigned long long)word);
                    break;
                case 5:
                    weft_text_add(&text, "\"%g\"", number);
                    break;
                case 6:
                    weft_text_add(&text, "\"a, \"\"b\"\"\n\nc%llu\"", (unsigned long long)word & 7);
                    break;
                case 7:
                    weft_text_add(&text, "\"\"");
                    break;
                case 8:
                    weft_text_add(&text, "\"\"\"\n%*s\"\"\"", (int)(word >> 40 & 127), "");
                    break;
                case 9:
                    weft_text_add(&text, "na%*s", (int)(word >> 40 & 31), "x");
                    break;
                case 10:
                    weft_text_add(&text, row % 5000 ? "plain" : "6\" pipe");
                    break;
                default:
                    weft_text_add(&text, "%s", round == 9 && row % 30000 == 77 ? "\"long" : "\"x");
                    for (int i = 0; round == 9 && row % 30000 == 77 && i < 100000; i++)
                        weft_text_add(&text, "long,\n%d \"\"cell\"\" ", i);
                    weft_text_add(&text, "\"");
                    break;
                }
                weft_text_add(&text, c + 1 < columns ? "," : row & 1 ? "\r\n" : "\n");
            }
            if (kinds == 12 && row % 7 == 0)
                weft_text_add(&text, "\r\n\n");
        }
        plain truth;
        read_plainly(text.data, text.length, &truth);
        assert_int_equal(truth.cells % (size_t)columns, 0);
        for (int threads = 1; threads <= 3; threads += 2) {
            weft_csv_options options = {.delimiter = ',', .threads = threads};
            weft_csv *csv;
            if (weft_csv_parse(text.data, text.length, "t.csv", &options, &csv) != WEFT_OK)
                fail_msg("%s", weft_error());
            assert_int_equal(weft_csv_rows(csv), (int64_t)truth.cells / columns - 1);
            for (int c = 0; c < columns; c++) {
                weft_csv_column column = weft_csv_column_at(csv, c);
                int64_t numbers = 0, missing = 0, first_text = -1;
                for (int64_t row = 0; row < weft_csv_rows(csv); row++) {
                    size_t k = (size_t)((row + 1) * columns + c);
                    const char *expected = truth.bytes.data + truth.at[k];
                    size_t length = truth.at[k + 1] - truth.at[k];
                    weft_cell cell = weft_csv_cell(csv, row, c);
                    if (cell.length != length || memcmp(cell.text, expected, length) != 0)
                        fail_msg("cell %d, %d is \"%.*s\", expected \"%.*s\"", (int)row, c, (int)cell.length, cell.text,
                                 (int)length, expected);
                    double value = NAN;
                    bool number = plain_number(expected, length, &value);
                    numbers += number;
                    missing += weft_csv_is_missing((weft_cell){expected, length});
                    if (!number && first_text < 0 && !weft_csv_is_missing(cell))
                        first_text = row;
                    if (number ? memcmp(&value, &column.values[row], sizeof value) != 0 : !isnan(column.values[row]))
                        fail_msg("value %d, %d is %.17g, the cell \"%.*s\"", (int)row, c, column.values[row], (int)length,
                                 expected);
                }
                assert_int_equal(column.numbers, numbers);
                assert_int_equal(column.missing, missing);
                assert_int_equal(column.texts, weft_csv_rows(csv) - numbers - missing);
                assert_int_equal(column.first_text_row, first_text);
            }
            weft_csv_free(csv);
        }
        weft_text_free(&truth.bytes);
        free(truth.at);
        weft_text_free(&text);
    }
}

/* A small file cut into pieces of every size: the same rows, the same message. */
static void every_cut_gives_the_same_table(void **state)
{
    (void)state;
    static const char *const files[] = {"a,b\n1,2\n3,x\n,5\n\"6\",\"7\n8\"\n9,10",
                                        "a,b\n\n\r\n1,\"\"\"\n\"\"\"\r\n\n\n\n2,3\n\n",
                                        "a,b\n6\" x,1\n7\",\"8\n\"\n\n9,\"\"\n10,11\n12,1\"3\n",
                                        "a,b\nx,y\nz,w\n1,2\n,\nNA,inf\n\"u\",v\n3,4\n5,6\n7,8\n",
                                        "a,b\n1,2\n3,4\n5,6,7\n8,9\n1\n",
                                        "a,b\n1,2\n3,\"4\n5,6\n7,8\n9,10\n11,12\n",
                                        "a,b\n1\",2\n3,4\n5,\"6\"x\n7,8\n9,10\n",
                                        "a,b\n1,2\n3,4\n5,6\"\n7\n8,9\n"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        size_t size = strlen(files[f]);
        weft_csv_options options = {.threads = 1};
        weft_csv *whole, *cut;
        char message[512] = "";
        weft_status status = weft_csv_parse(files[f], size, "t", &options, &whole);
        if (status != WEFT_OK)
            snprintf(message, sizeof message, "%s", weft_error());
        assert_int_equal(status, f < 4 ? WEFT_OK : WEFT_ERROR_FORMAT);
        for (size_t piece = 1; piece <= size; piece++) {
            options.threads = piece % 8 == 0 ? 2 : 1;
            assert_int_equal(weft_csv_parse_cut(files[f], size, "t", &options, piece, &cut), status);
            if (status != WEFT_OK) {
                assert_string_equal(weft_error(), message);
                continue;
            }
            int64_t rows = weft_csv_rows(whole);
            assert_int_equal(weft_csv_rows(cut), rows);
            for (int c = 0; c < 2; c++) {
                weft_csv_column a = weft_csv_column_at(whole, c), b = weft_csv_column_at(cut, c);
                assert_memory_equal(a.values, b.values, (size_t)rows * sizeof *a.values);
                assert_memory_equal(&a.missing, &b.missing,
                                    offsetof(weft_csv_column, values) - offsetof(weft_csv_column, missing));
                for (int64_t row = 0; row < rows; row++) {
                    weft_cell x = weft_csv_cell(whole, row, c), y = weft_csv_cell(cut, row, c);
                    assert_int_equal(x.length, y.length);
                    assert_memory_equal(x.text, y.text, x.length);
                }
            }
            weft_csv_free(cut);
        }
        weft_csv_free(whole);
    }
}

static void numbers_are_strtods(void **state)
{
    (void)state;
    static const char *const hard[] = {"9007199254740993",
                                       "9007199254740992.999999999999999999999",
                                       "9007199254740993.0000000000000000000000000000000000001",
                                       "1.7976931348623157e308",
                                       "1.7976931348623158e308",
                                       "4.9e-324",
                                       "2.4703282292062327e-324",
                                       "2.4703282292062328e-324",
                                       "2.2250738585072011e-308",
                                       "2.2250738585072014e-308",
                                       "0.1",
                                       "0.30000000000000004",
                                       "123456789012345678901234567890",
                                       "0.000000000000000000000000000000000000000000000000000000000000000000012345",
                                       "18446744073709551615",
                                       "18446744073709551616",
                                       "9999999999999999999",
                                       "1e22",
                                       "1e23",
                                       "8.5e22",
                                       "1e-22",
                                       "1e-23",
                                       "6.02214076e23",
                                       "1e55",
                                       "1e56",
                                       "1e-55",
                                       "1e-56",
                                       "00000000000000000000000000000001.5",
                                       "1e0000000000000000000000000000000000001",
                                       "0e99999999999999999999",
                                       "-0",
                                       "-0.0e5",
                                       "1.00000000000000011102230246251565404236316680908203125",
                                       "1.00000000000000011102230246251565404236316680908203124",
                                       "36028797018963970e-1",
                                       "1.00000000000000011102230246251565404236316680908203126",
                                       "7.2057594037927933e16",
                                       "5e-20",
                                       "0.5",
                                       "4503599627370496.5",
                                       "4503599627370497.5"};
    weft_text text = {0};
    weft_text_add(&text, "x\n");
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++)
        weft_text_add(&text, "%s\n", hard[i]);
    weft_text_add(&text, "0.");
    for (int i = 0; i < 900; i++) /* longer than any two doubles are apart */
        weft_text_add(&text, "%d", i < 20 ? 0 : (i * i) % 10);
    weft_text_add(&text, "e19\n1");
    for (int i = 0; i < 1000; i++)
        weft_text_add(&text, "0");
    weft_text_add(&text, "1e-900\n");
    weft_random_key key = weft_random_stream(8, "numbers");
    for (uint64_t i = 0; i < 30000; i++) {
        uint64_t word = (uint64_t)weft_random_word(key, 0, i, 0) << 32 | weft_random_word(key, 0, i, 1);
        double any;
        memcpy(&any, &word, sizeof any);
        double near = (double)(int64_t)word * ldexp(1, -(int)(word & 127));
        uint64_t next;
        memcpy(&next, &near, sizeof next);
        next++;
        double after;
        memcpy(&after, &next, sizeof after);
        if (isfinite(any))
            weft_text_add(&text, "%.*g\n", 1 + (int)(word >> 60), any);
        weft_text_add(&text, "%.17g\n%.*g\n", near, 12 + (int)(word >> 61), near);
        weft_text_add(&text, "%llue%d\n", (unsigned long long)word, (int)(word >> 32) % 60);
        if (i % 4 == 0)
            weft_text_add(&text, "%.40Lf\n%.19Lg\n", ((long double)near + (long double)after) / 2,
                          ((long double)near + (long double)after) / 2); /* ties */
    }
    weft_csv *csv = parse(text.data);
    weft_csv_column x = weft_csv_column_at(csv, 0);
    assert_int_equal(x.numbers + x.infinities, weft_csv_rows(csv));
    const char *line = strchr(text.data, '\n') + 1;
    for (int64_t row = 0; row < weft_csv_rows(csv); row++, line = strchr(line, '\n') + 1) {
        double expected = strtod(line, NULL);
        if (memcmp(&expected, &x.values[row], sizeof expected) != 0)
            fail_msg("%.60s is read as %.17g", line, x.values[row]);
    }
    weft_csv_free(csv);
    weft_text_free(&text);
}

static void many_columns_take_no_time(void **state)
{
    (void)state;
    weft_text text = {0};
    for (int i = 0; i < 200000; i++)
        weft_text_add(&text, "%sn%d", i ? "," : "", i * 7);
    for (int row = 0; row < 2; row++)
        for (int i = 0; i < 200000; i++)
            weft_text_add(&text, "%s%d", i ? "," : "\n", i);
    for (int i = 0; i < 1000000; i++)
        weft_text_add(&text, "\n"); /* blank lines must not become rows to allocate */
    weft_csv *csv = parse(text.data);
    assert_int_equal(weft_csv_columns(csv), 200000);
    assert_int_equal(weft_csv_rows(csv), 2);
    assert_int_equal(weft_csv_find(csv, "n700000"), 100000);
    assert_true(weft_csv_column_at(csv, 199999).values[1] == 199999);
    weft_csv_free(csv);
    weft_text_free(&text);
}

static void the_nearest_name_is_suggested(void **state)
{
    (void)state;
    weft_csv *csv = parse("MedInc,HouseAge,price,Latitude\n");
    assert_string_equal(weft_csv_nearest(csv, "medinc"), "MedInc");
    assert_string_equal(weft_csv_nearest(csv, "latitud"), "Latitude");
    assert_string_equal(weft_csv_nearest(csv, "prise"), "price");
    char large[5000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    assert_non_null(weft_csv_nearest(csv, large));
    weft_csv_free(csv);
}

static void written_fields_read_back(void **state)
{
    (void)state;
    static const char *const fields[] = {"plain", "a,b", "a;b", "\"", "\"\"x\"", "line\nbreak", "cr\r", "", " blank "};
    weft_text text = {0};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        weft_text_add(&text, "%sh%d", i ? "," : "", (int)i);
    weft_text_add(&text, "\n");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        weft_text_add(&text, "%s", i ? "," : "");
        weft_csv_add_field(&text, fields[i], strlen(fields[i]));
    }
    weft_csv *csv = parse(text.data);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        assert_cell(csv, 0, (int)i, fields[i]);
    weft_csv_free(csv);
    weft_text_free(&text);
}

static void files_are_read(void **state)
{
    (void)state;
    char path[] = "/tmp/weft-csv-XXXXXX";
    close(mkstemp(path));
    weft_csv *csv;
    assert_int_equal(weft_csv_read(path, NULL, &csv), WEFT_ERROR_FORMAT);
    assert_int_equal(weft_file_write(path, "a\tb\n1\tx", 7), WEFT_OK);
    assert_int_equal(weft_csv_read(path, NULL, &csv), WEFT_OK);
    assert_string_equal(weft_csv_path(csv), path);
    assert_cell(csv, 0, 1, "x");
    weft_csv_free(csv);
    char page[4096]; /* the file ends where its page ends: nothing beyond may be read */
    memset(page, '7', sizeof page);
    memcpy(page, "a\n", 2);
    assert_int_equal(weft_file_write(path, page, sizeof page), WEFT_OK);
    assert_int_equal(weft_csv_read(path, NULL, &csv), WEFT_OK);
    assert_int_equal(weft_csv_column_at(csv, 0).infinities, 1);
    weft_csv_free(csv);
    unlink(path);
    assert_int_equal(weft_csv_read(path, NULL, &csv), WEFT_ERROR_FILE);
    assert_null(csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_lines_and_blanks),
        cmocka_unit_test(cells_are_counted_by_kind),
        cmocka_unit_test(the_delimiter_is_sniffed),
        cmocka_unit_test(bad_files_are_refused_by_line),
        cmocka_unit_test(random_tables_equal_a_plain_reader),
        cmocka_unit_test(every_cut_gives_the_same_table),
        cmocka_unit_test(numbers_are_strtods),
        cmocka_unit_test(many_columns_take_no_time),
        cmocka_unit_test(the_nearest_name_is_suggested),
        cmocka_unit_test(written_fields_read_back),
        cmocka_unit_test(files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
