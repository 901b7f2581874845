/* Dates: parsing and calendar arithmetic (proleptic Gregorian). */
#include "tabular/dates.h"

#include <string.h>

const char *const weft_date_part_names[WEFT_DATE_PARTS] = {"year", "month", "day", "weekday", "hour", "days"};

typedef struct cursor {
    const char *at, *end;
} cursor;

/* An unsigned number of `least` to `most` digits; false (and the cursor stays) when there is none. */
static bool take_digits(cursor *c, int least, int most, int *value, int *digits)
{
    int sum = 0, count = 0;
    while (c->at + count < c->end && c->at[count] >= '0' && c->at[count] <= '9') {
        if (++count > most)
            return false;
        sum = sum * 10 + (c->at[count - 1] - '0');
    }
    if (count < least)
        return false;
    c->at += count;
    *value = sum;
    if (digits)
        *digits = count;
    return true;
}

static bool take(cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static cursor trimmed(const char *text, size_t length)
{
    cursor c = {text, text + length};
    while (c.at < c.end && (*c.at == ' ' || *c.at == '\t'))
        c.at++;
    while (c.end > c.at && (c.end[-1] == ' ' || c.end[-1] == '\t'))
        c.end--;
    return c;
}

static int days_in_month(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01: the year is counted from March, so that the leap day comes last. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t century_days = y * 365 + y / 4 - y / 100 + y / 400;
    return century_days + day_of_year - 719468;
}

/* hour:minute[:second[.fraction]] [AM|PM|Z|±hh[:mm]], to the end of the text. */
static bool take_time(cursor *c, double *hours)
{
    int hour, minute, second = 0, ignored;
    if (!take_digits(c, 1, 2, &hour, NULL) || !take(c, ':') || !take_digits(c, 2, 2, &minute, NULL))
        return false;
    if (take(c, ':')) {
        if (!take_digits(c, 2, 2, &second, NULL))
            return false;
        if (take(c, '.') && !take_digits(c, 1, 9, &ignored, NULL))
            return false;
    }
    cursor rest = trimmed(c->at, (size_t)(c->end - c->at));
    if (rest.end - rest.at == 2 && (rest.at[1] | 32) == 'm' && ((rest.at[0] | 32) == 'a' || (rest.at[0] | 32) == 'p')) {
        if (hour < 1 || hour > 12)
            return false;
        hour = hour % 12 + ((rest.at[0] | 32) == 'p' ? 12 : 0);
    } else if (rest.at < rest.end && !take(&rest, 'Z')) {
        if (!take(&rest, '+') && !take(&rest, '-'))
            return false;
        if (!take_digits(&rest, 2, 4, &ignored, NULL) || (take(&rest, ':') && !take_digits(&rest, 2, 2, &ignored, NULL)))
            return false;
        if (rest.at != rest.end)
            return false;
    } else if (rest.at != rest.end) {
        return false;
    }
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    *hours = hour + minute / 60.0;
    return true;
}

bool weft_date_parse(const char *text, size_t length, weft_date *out)
{
    cursor c = trimmed(text, length);
    int a, b, d, digits;
    if (!take_digits(&c, 1, 4, &a, &digits))
        return false;
    char separator = c.at < c.end ? *c.at : 0;
    if ((separator != '-' && separator != '/') || (digits != 4 && (separator != '/' || digits > 2)))
        return false;
    c.at++;
    if (!take_digits(&c, 1, 2, &b, NULL) || !take(&c, separator))
        return false;
    int year, month, day;
    if (digits == 4) {
        if (!take_digits(&c, 1, 2, &d, NULL))
            return false;
        year = a, month = b, day = d;
    } else {
        if (!take_digits(&c, 4, 4, &d, NULL))
            return false;
        year = d, month = a, day = b;
    }
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    double hours = 0;
    bool has_time = c.at < c.end;
    if (has_time) {
        if (!take(&c, 'T') && !take(&c, ' '))
            return false;
        if (!take_time(&c, &hours))
            return false;
    }
    int64_t days = days_since_1970(year, month, day);
    *out = (weft_date){.has_time = has_time};
    out->part[WEFT_DATE_YEAR] = year;
    out->part[WEFT_DATE_MONTH] = month;
    out->part[WEFT_DATE_DAY] = day;
    out->part[WEFT_DATE_WEEKDAY] = (double)(((days + 3) % 7 + 7) % 7);
    out->part[WEFT_DATE_HOUR] = hours;
    out->part[WEFT_DATE_DAYS] = (double)days;
    return true;
}

bool weft_date_shaped(const char *text, size_t length)
{
    cursor c = trimmed(text, length);
    int number;
    if (!take_digits(&c, 1, 4, &number, NULL) || c.at == c.end || !strchr("-/.", *c.at))
        return false;
    char separator = *c.at++;
    if (!take_digits(&c, 1, 2, &number, NULL) || !take(&c, separator) || !take_digits(&c, 1, 4, &number, NULL))
        return false;
    return c.at == c.end || *c.at == ' ' || *c.at == 'T';
}
