/* Numbers as text for reports. A true minus sign is used; NaN is a dash. */
#include "report/page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Writes what is not finite; false when the value is an ordinary number. */
static bool special(double value, char out[WEFT_NUMBER_TEXT])
{
    if (isfinite(value))
        return false;
    snprintf(out, WEFT_NUMBER_TEXT, "%s", isnan(value) ? "–" : value > 0 ? "∞" : "−∞");
    return true;
}

/* Copies printf's spelling: "-" becomes "−", "e+06" becomes "e6", a negative zero loses its sign. */
static char *tidy(const char *text, char out[WEFT_NUMBER_TEXT])
{
    size_t used = 0;
    bool zero = strspn(text, "-0.") == strlen(text);
    for (const char *at = text; *at && used + 5 < WEFT_NUMBER_TEXT; at++) {
        if (*at == '-') {
            if (zero && at == text)
                continue;
            memcpy(out + used, "−", strlen("−"));
            used += strlen("−");
        } else {
            out[used++] = *at;
        }
        if (*at == 'e') {
            if (at[1] == '+')
                at++;
            else if (at[1] == '-') {
                memcpy(out + used, "−", strlen("−"));
                used += strlen("−");
                at++;
            }
            while (at[1] == '0' && at[2])
                at++;
        }
    }
    out[used] = 0;
    return out;
}

char *weft_report_number(double value, int digits, char out[WEFT_NUMBER_TEXT])
{
    if (special(value, out))
        return out;
    digits = digits < 1 ? 4 : digits > 15 ? 15 : digits;
    double size = fabs(value);
    char text[WEFT_NUMBER_TEXT];
    if (size < 1e6 && size >= pow(10, digits)) /* %g would leave the units of 13209 out */
        snprintf(text, sizeof text, "%.0f", value);
    else
        snprintf(text, sizeof text, "%.*g", digits, value);
    return tidy(text, out);
}

char *weft_report_integer(double value, char out[WEFT_NUMBER_TEXT])
{
    if (special(value, out))
        return out;
    if (fabs(value) >= 1e15)
        return weft_report_number(value, 4, out);
    char digits[WEFT_NUMBER_TEXT], text[WEFT_NUMBER_TEXT];
    int length = snprintf(digits, sizeof digits, "%.0f", fabs(value));
    int used = 0;
    if (value < 0)
        text[used++] = '-';
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = 0;
    return tidy(text, out);
}

char *weft_report_fixed(double value, int decimals, char out[WEFT_NUMBER_TEXT])
{
    if (special(value, out))
        return out;
    if (fabs(value) >= 1e15)
        return weft_report_number(value, 4, out);
    char text[WEFT_NUMBER_TEXT];
    snprintf(text, sizeof text, "%.*f", decimals < 0 ? 0 : decimals > 15 ? 15 : decimals, value);
    return tidy(text, out);
}

char *weft_report_seconds(double value, char out[WEFT_NUMBER_TEXT])
{
    if (special(value, out))
        return out;
    char number[WEFT_NUMBER_TEXT];
    double size = fabs(value);
    if (size >= 3600 && size < 1e9)
        snprintf(out, WEFT_NUMBER_TEXT, "%s%.0f h %.0f min", value < 0 ? "−" : "", floor(size / 3600),
                 floor(fmod(size, 3600) / 60));
    else if (size >= 60 && size < 3600)
        snprintf(out, WEFT_NUMBER_TEXT, "%s%.0f min %.0f s", value < 0 ? "−" : "", floor(size / 60), floor(fmod(size, 60)));
    else if (size >= 1 || size == 0)
        snprintf(out, WEFT_NUMBER_TEXT, "%s s", weft_report_number(value, 3, number));
    else if (size >= 1e-3)
        snprintf(out, WEFT_NUMBER_TEXT, "%s ms", weft_report_number(value * 1e3, 3, number));
    else
        snprintf(out, WEFT_NUMBER_TEXT, "%s µs", weft_report_number(value * 1e6, 3, number));
    return out;
}

char *weft_report_bytes(double value, char out[WEFT_NUMBER_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    if (special(value, out))
        return out;
    size_t unit = 0;
    for (; fabs(value) >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        value /= 1024;
    char number[WEFT_NUMBER_TEXT];
    snprintf(out, WEFT_NUMBER_TEXT, "%s %s", weft_report_number(value, unit ? 3 : 4, number), units[unit]);
    return out;
}
