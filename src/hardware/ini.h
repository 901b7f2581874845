/* DRAMsim3's configuration files: [section] lines, "key = value" lines, comments after ; or #. What they say of a memory is
 * read from these settings by hardware/memory_file.h; the same settings may stand in a JSON object of objects. */
#ifndef WEFT_HARDWARE_INI_H
#define WEFT_HARDWARE_INI_H

#include "weft/base.h"

typedef struct weft_setting {
    char *section, *key, *value; /* owned by the list; trimmed */
    int line;                    /* in the file, first is 1; 0: from JSON */
} weft_setting;

typedef struct weft_settings {
    char *name; /* the file, for messages */
    weft_setting *rows;
    int count, capacity;
} weft_settings;

enum { WEFT_INI_BYTES = 1 << 20, WEFT_INI_ROWS = 4096 };

/* Parses at most WEFT_INI_BYTES bytes. Errors name the line: no "=", a key twice in a section, a section without its bracket. */
weft_status weft_ini_parse(const char *text, size_t size, const char *name, weft_settings *out);
weft_status weft_ini_read(const char *path, weft_settings *out);
void weft_settings_free(weft_settings *);

weft_status weft_settings_add(weft_settings *, const char *section, const char *key, const char *value, int line);
/* NULL when absent; sections and keys are compared as they are written. */
const weft_setting *weft_settings_find(const weft_settings *, const char *section, const char *key);

#endif
