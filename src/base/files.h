/* Files: whole reads with a limit, maps, atomic writes, folders. Messages name the path and the system's reason. */
#ifndef WEFT_BASE_FILES_H
#define WEFT_BASE_FILES_H

#include "weft/base.h"

typedef struct weft_map {
    const void *data; /* page aligned, read only; NULL when size is 0 */
    size_t size;
} weft_map;

weft_status weft_map_open(const char *path, weft_map *out); /* refuses folders and pipes by name */
void weft_map_close(weft_map *);
void weft_map_release(const weft_map *); /* drops its pages from memory; they are read again when they are looked at */
/* The same of the pages that lie wholly in `bytes` bytes at `data`, which must be inside an open map. */
void weft_map_release_part(const void *data, size_t bytes);

/* The whole file, zero terminated (the zero is not counted); refused when larger than `limit` bytes. */
weft_status weft_file_read(const char *path, size_t limit, char **out, size_t *size);
/* The same of an open file or pipe up to its end; it stays open. `name` for messages. */
weft_status weft_stream_read(int file, const char *name, size_t limit, char **out, size_t *size);

/* An atomic write: bytes go to a temporary file beside `path`; commit syncs it and the folder, and renames; abandon removes it.
 * A failed write (disk full) is reported at once or at commit, the old file untouched, the temporary file gone. */
typedef struct weft_output weft_output;
weft_status weft_output_open(const char *path, weft_output **out);
/* An open file or pipe instead, written as it comes: nothing is atomic about it; it stays open. `name` for messages. */
weft_status weft_output_stream(int file, const char *name, weft_output **out);
weft_status weft_output_write(weft_output *, const void *bytes, size_t size);  /* buffered */
weft_status weft_output_commit(weft_output *);                                 /* frees, also on failure */
void weft_output_abandon(weft_output *);                                       /* frees; NULL is fine */
weft_status weft_file_write(const char *path, const void *bytes, size_t size); /* the three in one */

weft_status weft_file_remove(const char *path); /* fine when it is not there */

bool weft_path_exists(const char *path);
bool weft_path_is_folder(const char *path);
weft_status weft_folder_make(const char *path);             /* with parents; fine when it is there */
char *weft_path_join(const char *folder, const char *name); /* malloc'd; NULL when memory is short */

#endif
