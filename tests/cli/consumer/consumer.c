/* A program outside the project: it sees the installed headers and libraries, nothing else. */
#include <weft/weft.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    weft_fail(WEFT_ERROR_ARGUMENT, "%d of %s", 3, weft_dtype_name(WEFT_BF16));
    if (strcmp(weft_error(), "3 of BF16") != 0)
        return 1;
    puts(WEFT_VERSION);
    return 0;
}
