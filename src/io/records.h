/* Records: a file with a JSON value a line (JSON lines), or one JSON list; or a table with a header. Layer: uses base only. */
#ifndef WEFT_IO_RECORDS_H
#define WEFT_IO_RECORDS_H

#include "base/json.h"

/* Called for each record in order; `where` ("F.jsonl line 3", "F.json item 3") for messages. */
typedef weft_status (*weft_record_function)(void *user, weft_json_value record, const char *where);

/* Is it a table by its name, .csv or .tsv? */
bool weft_records_are_table(const char *path);
/* Blank lines are passed over. JSON lines are read one at a time; a list is held in memory (at most 256 MB). A table's row is an
 * object whose keys are the columns' names and whose values are texts. The first record that cannot be read, or a failing call,
 * ends it. *count: records (NULL: not wanted). */
weft_status weft_records_read(const char *path, weft_record_function, void *user, int64_t *count);
/* The same of bytes in memory; `name` for messages. */
weft_status weft_records_parse(const char *bytes, size_t size, const char *name, weft_record_function, void *user,
                               int64_t *count);

#endif
