/* The nearest valid spelling: Damerau's distance in its restricted form, over rows of one word's length. */
#include "base/spelling.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

enum { LONGEST = 63 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int letter(const char *word, int i)
{
    return tolower((unsigned char)word[i]);
}

int weft_spelling_distance(const char *a, const char *b)
{
    int n = (int)strnlen(a, LONGEST), m = (int)strnlen(b, LONGEST);
    int row[3][LONGEST + 1]; /* rows i - 2, i - 1 and i of the table of distances between beginnings */
    for (int j = 0; j <= m; j++)
        row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int change = last[j - 1] + (letter(a, i - 1) != letter(b, j - 1));
            now[j] = least(change, 1 + least(last[j], now[j - 1]));
            if (i > 1 && j > 1 && letter(a, i - 1) == letter(b, j - 2) && letter(a, i - 2) == letter(b, j - 1))
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return row[n % 3][m];
}

static int price(const char *word, const char *candidate)
{
    size_t n = strlen(word), m = strlen(candidate), shorter = n < m ? n : m, longer = n < m ? m : n;
    if (shorter >= 2 && strncmp(word, candidate, shorter) == 0)
        return least(2, (int)(longer - shorter));
    int distance = weft_spelling_distance(word, candidate);
    return distance <= 1 + (int)longer / 3 && distance < (int)longer ? distance : INT_MAX;
}

void weft_spelling_nearest(const char *word, const char *candidate, const char **best)
{
    int offered = price(word, candidate);
    if (offered != INT_MAX && (!*best || offered < price(word, *best)))
        *best = candidate;
}
