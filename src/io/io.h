/* Readers and writers of files that are not trusted. (Arrays here, text tables in io/csv.h.) Layer: uses base only. */
#ifndef WEFT_IO_IO_H
#define WEFT_IO_IO_H

#include "weft/base.h"

/* A set of named arrays and text metadata, read from or to be written to one file. Names are unique. */
typedef struct weft_arrays weft_arrays;

typedef struct weft_array {
    const char *name;
    weft_tensor tensor;
} weft_array;

weft_status weft_arrays_new(weft_arrays **out);
void weft_arrays_free(weft_arrays *);
/* Gives the pages of a mapped file back to the system; they are read again when they are looked at. */
void weft_arrays_release(const weft_arrays *);
int64_t weft_arrays_count(const weft_arrays *);
weft_array weft_arrays_at(const weft_arrays *, int64_t i); /* in file order / order of adding */
bool weft_arrays_find(const weft_arrays *, const char *name, weft_tensor *out);
weft_status weft_arrays_add(weft_arrays *, const char *name, weft_tensor);      /* borrows the data */
weft_status weft_arrays_add_copy(weft_arrays *, const char *name, weft_tensor); /* owns a copy */
const char *weft_arrays_metadata(const weft_arrays *, const char *key);         /* NULL when absent */
weft_status weft_arrays_set_metadata(weft_arrays *, const char *key, const char *value);
int64_t weft_arrays_metadata_count(const weft_arrays *);
void weft_arrays_metadata_at(const weft_arrays *, int64_t i, const char **key, const char **value);

/* safetensors: memory-mapped (data stays in the file's pages, read only, until free), fully validated before anything is
 * handed out: header length, JSON, dtypes, shapes, offsets, overlaps, holes, alignment (a misaligned tensor is copied). */
weft_status weft_safetensors_open(const char *path, weft_arrays **out);
/* Atomic: temporary name, written, synced, renamed. Tensors sorted by dtype size (largest first), then name; 8-byte aligned. */
weft_status weft_safetensors_save(const weft_arrays *, const char *path);
/* The same parser on bytes in memory (fuzzing, embedded files); `bytes` must outlive the set. `name` for messages. */
weft_status weft_safetensors_parse(const void *bytes, size_t size, const char *name, weft_arrays **out);

/* NPY: one array, named "array". NPZ: stored or deflated members, named without ".npy". C or Fortran order, little or big
 * endian, versions 1.0–3.0, bool, integers 8–64 bits, f2 f4 f8; anything else refused by name. Unsigned 16 bits become I32,
 * unsigned 32 and 64 bits I64 (2^63 and more refused). */
weft_status weft_npy_open(const char *path, weft_arrays **out);
weft_status weft_npy_parse(const void *bytes, size_t size, const char *name, weft_arrays **out);
weft_status weft_npz_open(const char *path, weft_arrays **out);
weft_status weft_npz_parse(const void *bytes, size_t size, const char *name, weft_arrays **out);
weft_status weft_npy_save(weft_tensor, const char *path);
weft_status weft_npz_save(const weft_arrays *, const char *path); /* stored, not deflated */

#endif
