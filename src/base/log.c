/* The log: lines go to the function that the program has set. */
#include "weft/base.h"

static weft_log_function log_function;
static void *log_user;

void weft_log_set(weft_log_function function, void *user)
{
    log_function = function;
    log_user = user;
}

void weft_log(weft_log_level level, const char *format, ...)
{
    if (!log_function)
        return;
    weft_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    weft_text_addv(&text, format, arguments);
    va_end(arguments);
    if (!text.failed && text.data)
        log_function(log_user, level, text.data);
    weft_text_free(&text);
}
