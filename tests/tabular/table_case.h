/* Small tables written in the test itself, and the shipped ones where they are. */
#ifndef WEFT_TEST_TABLE_CASE_H
#define WEFT_TEST_TABLE_CASE_H

#include "tabular/schema.h"
#include "tabular/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_ok(call) \
    do { \
        if ((call) != WEFT_OK) \
            fail_msg("%s", weft_error()); \
    } while (0)

/* The last error's text must hold each of the given pieces. */
#define assert_error(call, ...) \
    do { \
        static const char *const pieces[] = {__VA_ARGS__}; \
        assert_int_not_equal((call), WEFT_OK); \
        for (size_t piece = 0; piece < sizeof pieces / sizeof *pieces; piece++) \
            if (!strstr(weft_error(), pieces[piece])) \
                fail_msg("\"%s\" lacks \"%s\"", weft_error(), pieces[piece]); \
        assert_null(strchr(weft_error(), '\n')); \
    } while (0)

/* Tables read their text in place, so every text is kept until the program ends. */
enum { most_texts = 200 };
static char *kept_texts[most_texts];
static int kept_count;

static inline void free_texts(void)
{
    while (kept_count > 0)
        free(kept_texts[--kept_count]);
}

static inline weft_csv *csv_of(const char *text)
{
    if (kept_count == 0)
        atexit(free_texts);
    assert_true(kept_count < most_texts);
    char *copy = strdup(text);
    assert_non_null(copy);
    kept_texts[kept_count++] = copy;
    weft_csv *csv = NULL;
    weft_csv_options options = {0};
    assert_ok(weft_csv_parse(copy, strlen(copy), "t.csv", &options, &csv));
    return csv;
}

static inline int64_t *all_rows(int64_t rows)
{
    int64_t *out = calloc((size_t)rows + 1, sizeof *out);
    assert_non_null(out);
    for (int64_t i = 0; i < rows; i++)
        out[i] = i;
    return out;
}

/* The schema of a whole table. */
static inline weft_status infer_all(weft_csv *csv, const weft_schema_options *options, weft_schema **out)
{
    int64_t *rows = all_rows(weft_csv_rows(csv));
    weft_status status = weft_schema_infer(csv, options, rows, weft_csv_rows(csv), out);
    free(rows);
    return status;
}

/* The folder of the shipped tables, or NULL with a visible skip. */
static inline const char *data_folder(void)
{
    const char *folder = getenv("WEFT_DATA");
    static char path[1024];
    snprintf(path, sizeof path, "%s/tabr", folder ? folder : WEFT_SOURCE_DIR "/../shared/data");
    FILE *probe = fopen(strcat(path, "/california.csv"), "rb");
    path[strlen(path) - strlen("/california.csv")] = 0;
    if (probe) {
        fclose(probe);
        return path;
    }
    print_message("no reference tables in %s (set WEFT_DATA): skipped\n", path);
    return NULL;
}

#endif
