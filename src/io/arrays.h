/* The inside of weft_arrays, for the readers of this layer: who owns the bytes that tensors point to. */
#ifndef WEFT_IO_ARRAYS_H
#define WEFT_IO_ARRAYS_H

#include "base/files.h"
#include "io/io.h"

/* Takes over the map; it is closed with the set. A set holds one map at most. */
void weft_arrays_keep_map(weft_arrays *, weft_map map);
/* Takes over a block from malloc; it is freed with the set, and at once when this fails. */
weft_status weft_arrays_keep_block(weft_arrays *, void *block);
/* Adds a tensor whose data was allocated with malloc (or is NULL when empty) and is freed with the set; also on failure. */
weft_status weft_arrays_add_owned(weft_arrays *, const char *name, weft_tensor);
/* An array of `size` bytes at `bytes`, in the file's byte order and C order: used where it is, or copied when misaligned. */
weft_status weft_arrays_add_bytes(weft_arrays *, const char *name, weft_dtype, weft_dims, const void *bytes);
/* True when the first `length` bytes are valid UTF-8 without zero bytes. */
bool weft_text_is_utf8(const char *text, size_t length);
/* Puts a name of a file's own into a message: cut at 80 bytes, control characters as "?". Returns `out`. */
#define WEFT_SHOWN_NAME 96
char *weft_shown_name(const char *name, char out[WEFT_SHOWN_NAME]);

#endif
