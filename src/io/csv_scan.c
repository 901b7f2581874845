/* All rows of a CSV file. The text is cut into pieces by its size alone.
 *
 * 1. Every piece is counted: quotes, line feeds, line feeds that lie outside quotes if the piece begins outside (or inside).
 *    From these, where each piece's first record begins, and its row number, follow by a running sum.
 * 2. Every piece reads the records that begin in it straight into the columns.
 *
 * Step 1 takes every quote for one that opens or closes a field; a quote inside an unquoted field is a letter (an inch sign),
 * and makes it wrong. So a piece must end where the next one began; if not, the pieces are read again, one after another,
 * each from where the one before it ended: the result is the same as that of one thread from front to back, always. */
#include "io/csv_inner.h"

#include <math.h>
#include <stdlib.h>

#include "base/threads.h"

#define PIECE_LEAST ((size_t)1 << 20)
#define FAR_PIECES  4 /* a record that passes this many pieces is left to the reading in order */

typedef struct piece {
    const char *from, *to;
    /* step 1; [0]: when the piece begins outside quotes, [1]: inside */
    bool odd_quotes, ends_in_line_feed;
    int64_t line_feeds[2];
    const char *first_line_feed[2];
    const char *zero_byte;
    /* step 2 */
    const char *first_record; /* may lie beyond `to`: then no record begins here */
    const char *stop;         /* where the record after its last one begins */
    int64_t first_row, rows;
    bool far;
    const char *bad_record; /* NULL: none */
    weft_csv_field bad_field;
    int64_t bad_fields;
    weft_csv_column *counts; /* [columns]; `values` is set once a number was stored here */
} piece;

typedef struct scan {
    weft_csv *csv;
    piece *pieces;
    int64_t count, rows_most;
    size_t piece_size;
    bool in_order;
} scan;

/* Line feeds in 16 bytes at a time; *others: whether a quote or a zero byte is among them. */
static int64_t count_line_feeds(const char *at, const char *end, bool *others)
{
    const __m128i line_feed = _mm_set1_epi8('\n'), quote = _mm_set1_epi8('"'), zero = _mm_setzero_si128();
    __m128i found = zero, total = zero;
    while (end - at >= 16) {
        __m128i sum = zero;
        for (int i = 0; i < 255 && end - at >= 16; i++, at += 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
            sum = _mm_sub_epi8(sum, _mm_cmpeq_epi8(bytes, line_feed));
            found = _mm_or_si128(found, _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, zero)));
        }
        total = _mm_add_epi64(total, _mm_sad_epu8(sum, zero));
    }
    int64_t count = _mm_cvtsi128_si64(total) + _mm_cvtsi128_si64(_mm_unpackhi_epi64(total, total));
    *others = _mm_movemask_epi8(found) != 0;
    for (; at < end; at++) {
        count += *at == '\n';
        *others |= *at == '"' || *at == 0;
    }
    return count;
}

/* Which of 64 bytes equal `byte`: one bit each. */
static uint64_t mask_of(const char *at, char byte)
{
    uint64_t mask = 0;
    for (int i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + 16 * i));
        mask |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte))) << 16 * i;
    }
    return mask;
}

static void add_line_feeds(piece *p, int inside, uint64_t mask, const char *at)
{
    if (mask && p->line_feeds[inside] == 0)
        p->first_line_feed[inside] = at + __builtin_ctzll(mask);
    p->line_feeds[inside] += __builtin_popcountll(mask);
}

static void count_piece(void *argument, int64_t number, int thread)
{
    (void)thread;
    piece *p = &((scan *)argument)->pieces[number];
    bool others;
    p->line_feeds[0] = count_line_feeds(p->from, p->to, &others);
    p->first_line_feed[0] = memchr(p->from, '\n', (size_t)(p->to - p->from));
    p->ends_in_line_feed = p->to[-1] == '\n';
    if (!others)
        return;
    p->line_feeds[0] = 0;
    p->first_line_feed[0] = NULL;
    p->zero_byte = memchr(p->from, 0, (size_t)(p->to - p->from));
    uint64_t inside = 0; /* all ones after an odd number of quotes */
    char rest[64];
    for (const char *at = p->from; at < p->to; at += 64) {
        const char *bytes = at;
        if (p->to - at < 64) {
            memset(rest, 'x', sizeof rest);
            bytes = memcpy(rest, at, (size_t)(p->to - at));
        }
        uint64_t quoted = mask_of(bytes, '"'), line_feeds = mask_of(bytes, '\n');
        for (int shift = 1; shift < 64; shift *= 2) /* every bit: the parity of the quotes up to it */
            quoted ^= quoted << shift;
        quoted ^= inside;
        add_line_feeds(p, 0, line_feeds & ~quoted, at);
        add_line_feeds(p, 1, line_feeds & quoted, at);
        inside = quoted >> 63 ? ~(uint64_t)0 : 0;
    }
    p->odd_quotes = inside != 0;
}

static bool same_letters(const char *text, size_t length, const char *lower)
{
    size_t i = 0;
    for (; i < length && lower[i]; i++)
        if ((text[i] | 0x20) != lower[i])
            return false;
    return i == length && !lower[i];
}

static bool is_infinity(const char *text, size_t length)
{
    size_t sign = length > 0 && (*text == '-' || *text == '+');
    return same_letters(text + sign, length - sign, "inf") || same_letters(text + sign, length - sign, "infinity");
}

static void store(weft_csv *csv, piece *p, int column, int64_t row, double value)
{
    weft_csv_column *counts = &p->counts[column];
    double *values = csv->values[column];
    if (!counts->values) { /* memory of columns, or pieces of them, without numbers is not touched */
        for (int64_t i = p->first_row; i < row; i++)
            values[i] = NAN;
        counts->values = values;
    }
    values[row] = value;
}

static void store_none(weft_csv *csv, piece *p, int column, int64_t row)
{
    if (p->counts[column].values)
        csv->values[column][row] = NAN;
}

static void store_number(weft_csv *csv, piece *p, int column, int64_t row, double value, bool integer)
{
    weft_csv_column *counts = &p->counts[column];
    if (fabs(value) <= 0x1.fffffffffffffp1023) {
        counts->numbers++;
        counts->integers += integer;
    } else if (counts->infinities++ == 0) {
        counts->first_infinity_row = row;
    }
    store(csv, p, column, row, value);
}

/* A field that is not plainly a number: blanks around it, quotes, a missing cell, an infinity or text. */
static void store_field(weft_csv *csv, piece *p, int column, int64_t row, const weft_csv_field *field)
{
    weft_csv_column *counts = &p->counts[column];
    const char *text = field->text, *end = text + field->length;
    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    double value;
    bool integer;
    if (weft_csv_is_missing((weft_cell){text, (size_t)(end - text)})) {
        counts->missing++;
        store_none(csv, p, column, row);
    } else if (!field->doubled && weft_csv_read_number(text, end, &value, &integer) == end) {
        store_number(csv, p, column, row, value, integer);
    } else if (is_infinity(text, (size_t)(end - text))) {
        store_number(csv, p, column, row, *text == '-' ? -INFINITY : INFINITY, false);
    } else {
        if (counts->texts++ == 0)
            counts->first_text_row = row;
        store_none(csv, p, column, row);
    }
}

/* Reads the records that begin in [p->first_record, p->to). */
static void read_piece(void *argument, int64_t number, int thread)
{
    (void)thread;
    const scan *s = argument;
    weft_csv *csv = s->csv;
    piece *p = &s->pieces[number];
    const char delimiter = csv->delimiter;
    const char *end = csv->end, *at = p->first_record;
    if (!s->in_order && (size_t)(end - p->to) > FAR_PIECES * s->piece_size)
        end = p->to + FAR_PIECES * s->piece_size;
    memset(p->counts, 0, (size_t)csv->columns * sizeof *p->counts);
    int64_t row = p->first_row, rows_end = s->in_order || number + 1 == s->count ? s->rows_most : p[1].first_row;
    while ((at = weft_csv_skip_blank(at, end)) < p->to) {
        const char *record = at;
        weft_csv_field field;
        int64_t column = 0;
        p->far = row == rows_end; /* only a wrong guess gets there */
        if (p->far)
            break;
        do {
            double value;
            bool integer;
            const char *stop = weft_csv_read_number(at, end, &value, &integer);
            if (stop && weft_csv_end_field(stop, end, delimiter, &field)) {
                if (column < csv->columns)
                    store_number(csv, p, (int)column, row, value, integer);
            } else {
                field = weft_csv_read_field(at, end, delimiter);
                if (field.ending >= FIELD_UNTERMINATED)
                    break;
                if (column < csv->columns)
                    store_field(csv, p, (int)column, row, &field);
            }
            column++;
            at = field.next;
        } while (field.ending == FIELD_MORE);
        p->far = end < csv->end && field.next == end;
        if (p->far)
            break;
        if (column != csv->columns || field.ending != FIELD_LAST) {
            p->bad_record = record;
            p->bad_field = field;
            p->bad_fields = column;
            break;
        }
        csv->offsets[row++] = (uint64_t)(record - csv->from);
    }
    p->stop = at;
    p->rows = row - p->first_row;
}

static weft_status fail_record(const weft_csv *csv, const piece *p)
{
    long long line = weft_csv_line_of(csv, p->bad_record);
    if (p->bad_field.ending == FIELD_UNTERMINATED)
        return weft_fail(WEFT_ERROR_FORMAT, "%s line %lld: the quote that column %lld opens is never closed", csv->path,
                         (long long)weft_csv_line_of(csv, p->bad_field.text - 1), (long long)p->bad_fields + 1);
    if (p->bad_field.ending == FIELD_JUNK)
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s line %lld: text after the closing quote of column %lld (a quote inside quotes is written twice)",
                         csv->path, (long long)weft_csv_line_of(csv, p->bad_field.next), (long long)p->bad_fields + 1);
    return weft_fail(WEFT_ERROR_FORMAT, "%s line %lld: %lld field%s, the header has %d", csv->path, line,
                     (long long)p->bad_fields, p->bad_fields == 1 ? "" : "s", csv->columns);
}

/* Places every piece from the counts of step 1; false when blank lines or quotes make more rows than can be. */
static bool guess_pieces(scan *s)
{
    bool inside = false, after_line_feed = true; /* the header's */
    int64_t row = 0;
    bool fits = true;
    for (int64_t i = 0; i < s->count; i++) {
        piece *p = &s->pieces[i];
        p->first_row = row;
        p->first_record = after_line_feed ? p->from : p->first_line_feed[inside] ? p->first_line_feed[inside] + 1 : NULL;
        bool ends = p->ends_in_line_feed && inside == p->odd_quotes;
        row += p->line_feeds[inside] + after_line_feed - ends;
        fits = fits && row <= s->rows_most;
        inside ^= p->odd_quotes;
        after_line_feed = ends;
    }
    for (int64_t i = s->count - 1; i >= 0; i--)
        if (!s->pieces[i].first_record)
            s->pieces[i].first_record = i + 1 < s->count ? s->pieces[i + 1].first_record : s->csv->end;
    return fits;
}

/* How many pieces are right: each began where the one before it stopped, up to the first bad record. -1: the guess was wrong. */
static int64_t check_pieces(const scan *s)
{
    const char *expected = s->csv->rows_from;
    for (int64_t i = 0; i < s->count; i++) {
        const piece *p = &s->pieces[i];
        /* blank lines may lie between */
        if (weft_csv_skip_blank(p->first_record, s->csv->end) != weft_csv_skip_blank(expected, s->csv->end) || p->far)
            return -1;
        if (p->bad_record)
            return i;
        expected = p->stop;
    }
    return s->count;
}

static void read_in_order(scan *s)
{
    s->in_order = true;
    const char *at = s->csv->rows_from;
    int64_t row = 0;
    for (int64_t i = 0; i < s->count; i++) {
        piece *p = &s->pieces[i];
        p->first_record = at;
        p->first_row = row;
        p->far = false;
        p->bad_record = NULL;
        read_piece(s, i, 0);
        if (p->bad_record)
            return;
        at = p->stop;
        row += p->rows;
    }
}

/* Closes the gaps that blank lines left, fills parts without numbers, and adds the counts up. */
static void join_pieces(scan *s)
{
    weft_csv *csv = s->csv;
    int64_t row = 0;
    for (int c = 0; c < csv->columns; c++)
        csv->column[c] = (weft_csv_column){.name = csv->names[c], .first_text_row = -1, .first_infinity_row = -1};
    for (int64_t i = 0; i < s->count; i++) {
        piece *p = &s->pieces[i];
        int64_t shift = p->first_row - row;
        if (shift)
            memmove(csv->offsets + row, csv->offsets + p->first_row, (size_t)p->rows * sizeof *csv->offsets);
        for (int c = 0; c < csv->columns; c++) {
            weft_csv_column *sum = &csv->column[c], *part = &p->counts[c];
            if (sum->first_text_row < 0 && part->texts)
                sum->first_text_row = part->first_text_row - shift;
            if (sum->first_infinity_row < 0 && part->infinities)
                sum->first_infinity_row = part->first_infinity_row - shift;
            sum->missing += part->missing;
            sum->numbers += part->numbers;
            sum->infinities += part->infinities;
            sum->texts += part->texts;
            sum->integers += part->integers;
            if (part->values && shift)
                memmove(csv->values[c] + row, csv->values[c] + p->first_row, (size_t)p->rows * sizeof(double));
        }
        p->first_row = row;
        row += p->rows;
    }
    csv->rows = row;
    for (int c = 0; c < csv->columns; c++) {
        bool numbers = csv->column[c].numbers + csv->column[c].infinities > 0;
        for (int64_t i = 0; i < s->count && numbers; i++)
            for (int64_t r = 0; !s->pieces[i].counts[c].values && r < s->pieces[i].rows; r++)
                csv->values[c][s->pieces[i].first_row + r] = NAN;
        if (!numbers) {
            free(csv->values[c]);
            csv->values[c] = NULL;
        }
    }
}

static weft_status share_no_numbers(weft_csv *csv)
{
    for (int c = 0; c < csv->columns; c++) {
        if (!csv->values[c] && !csv->no_numbers) {
            csv->no_numbers = malloc((size_t)(csv->rows + 1) * sizeof(double));
            if (!csv->no_numbers)
                return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %lld rows", csv->path, (long long)csv->rows);
            for (int64_t r = 0; r < csv->rows; r++)
                csv->no_numbers[r] = NAN;
        }
        csv->column[c].values = csv->values[c] ? csv->values[c] : csv->no_numbers;
    }
    return WEFT_OK;
}

static weft_status allocate_pieces(scan *s)
{
    weft_csv *csv = s->csv;
    size_t size = (size_t)(csv->end - csv->rows_from), header = (size_t)(csv->rows_from - csv->from);
    /* the counts of all pieces together stay below the file's size: a column takes a byte of the header or more */
    s->piece_size = csv->piece_size ? csv->piece_size : header > PIECE_LEAST / 256 ? 256 * header : PIECE_LEAST;
    s->count = size ? (int64_t)((size - 1) / s->piece_size + 1) : 0;
    s->pieces = calloc((size_t)s->count + 1, sizeof *s->pieces);
    if (!s->pieces)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %lld pieces", csv->path, (long long)s->count);
    for (int64_t i = 0; i < s->count; i++) {
        s->pieces[i].from = csv->rows_from + (size_t)i * s->piece_size;
        s->pieces[i].to = i + 1 < s->count ? s->pieces[i].from + s->piece_size : csv->end;
        s->pieces[i].counts = malloc((size_t)csv->columns * sizeof *s->pieces[i].counts);
        if (!s->pieces[i].counts)
            return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate counts of %d columns", csv->path, csv->columns);
    }
    return WEFT_OK;
}

static weft_status allocate_columns(scan *s)
{
    weft_csv *csv = s->csv;
    int64_t lines = 1;
    for (int64_t i = 0; i < s->count; i++)
        lines += s->pieces[i].line_feeds[0] + s->pieces[i].line_feeds[1];
    /* a row takes a byte for each of its columns' delimiters and its line end */
    int64_t most = (csv->end - csv->rows_from) / csv->columns + 1;
    s->rows_most = lines < most ? lines : most;
    csv->offsets = malloc((size_t)s->rows_most * sizeof *csv->offsets);
    bool good = csv->offsets != NULL;
    for (int c = 0; c < csv->columns && good; c++)
        good = (csv->values[c] = malloc((size_t)s->rows_most * sizeof(double))) != NULL;
    return good ? WEFT_OK
                : weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %lld rows of %d columns", csv->path, (long long)s->rows_most,
                            csv->columns);
}

static weft_status read_rows(scan *s, weft_team *team)
{
    weft_csv *csv = s->csv;
    weft_team_pieces(team, s->count, count_piece, s);
    for (int64_t i = 0; i < s->count; i++)
        if (s->pieces[i].zero_byte)
            return weft_fail(WEFT_ERROR_FORMAT, "%s line %lld: a zero byte, expected UTF-8 text", csv->path,
                             (long long)weft_csv_line_of(csv, s->pieces[i].zero_byte));
    weft_status status = allocate_columns(s);
    if (status != WEFT_OK)
        return status;
    int64_t right = -1;
    if (guess_pieces(s)) {
        weft_team_pieces(team, s->count, read_piece, s);
        right = check_pieces(s);
    }
    if (right < 0) {
        read_in_order(s);
        for (right = 0; right < s->count && !s->pieces[right].bad_record;)
            right++;
    }
    if (right < s->count)
        return fail_record(csv, &s->pieces[right]);
    join_pieces(s);
    return share_no_numbers(csv);
}

weft_status weft_csv_scan(weft_csv *csv, int threads)
{
    scan s = {.csv = csv};
    weft_team *team = NULL;
    weft_status status = weft_team_new(threads, &team);
    if (status == WEFT_OK)
        status = allocate_pieces(&s);
    if (status == WEFT_OK)
        status = read_rows(&s, team);
    for (int64_t i = 0; i < s.count && s.pieces; i++)
        free(s.pieces[i].counts);
    free(s.pieces);
    weft_team_free(team);
    return status;
}
