/* The error text of this thread, and the request to stop. */
#include "weft/base.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char error_text[2048];
static volatile sig_atomic_t interrupt_flag;

const char *weft_error(void)
{
    return error_text;
}

weft_status weft_fail(weft_status status, const char *format, ...)
{
    char text[sizeof error_text]; /* the arguments may point into the current text */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(error_text, text, sizeof text);
    return status;
}

weft_status weft_fail_in(weft_status status, const char *format, ...)
{
    char text[sizeof error_text];
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (used >= 0 && (size_t)used + 3 < sizeof text)
        snprintf(text + used, sizeof text - (size_t)used, ": %.*s", (int)(sizeof text - (size_t)used - 3), error_text);
    memcpy(error_text, text, sizeof text);
    return status;
}

void weft_interrupt(void)
{
    interrupt_flag = 1;
}

bool weft_interrupted(void)
{
    return interrupt_flag != 0;
}

void weft_interrupt_clear(void)
{
    interrupt_flag = 0;
}
