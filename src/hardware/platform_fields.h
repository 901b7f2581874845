/* Inside the platform: the table of everything that a hardware file may set, read and written by the same rows. */
#ifndef WEFT_HARDWARE_PLATFORM_FIELDS_H
#define WEFT_HARDWARE_PLATFORM_FIELDS_H

#include "base/json.h"
#include "hardware/platform.h"
#include "hardware/units.h"

typedef enum weft_field_kind { WEFT_FIELD_INT = 0, WEFT_FIELD_INT64, WEFT_FIELD_DOUBLE } weft_field_kind;

typedef struct weft_platform_field {
    const char *section, *key;
    weft_dimension dimension;
    weft_field_kind kind;
    size_t offset;      /* in weft_platform */
    double unit;        /* stored = base units / unit */
    double least, most; /* of the stored number */
} weft_platform_field;

extern const weft_platform_field weft_platform_fields[]; /* ends in key NULL */

/* Checks the range and stores; `where` and `key` for messages, `shown` what the file says. */
weft_status weft_field_store(const weft_platform_field *, double base_units, const char *where, const char *key, weft_platform *);
double weft_field_value(const weft_platform_field *, const weft_platform *); /* in base units */

/* One section of Weft's layout. */
weft_status weft_fields_read(weft_json_value section_object, const char *where, const char *section, weft_platform *);

/* DRAMsim3's settings as they stand in a JSON object of objects. */
weft_status weft_settings_from_json(weft_json_value object, const char *name, weft_settings *out);

#endif
