/* The NPY format's header, shared by the readers of single arrays and of NPZ members.
 * Format: NumPy Enhancement Proposal 1, versions 1.0, 2.0 and 3.0. */
#ifndef WEFT_IO_NPY_H
#define WEFT_IO_NPY_H

#include "io/arrays.h"

typedef struct weft_npy_header {
    size_t length; /* bytes before the data */
    char kind;     /* 'b' bool, 'i', 'u', 'f' */
    int width;     /* bytes an element in the file */
    bool swapped;  /* big-endian */
    bool fortran;  /* innermost dimension first */
    weft_dims dims;
    size_t data; /* bytes of data */
} weft_npy_header;

/* Reads the header of `size` bytes, of which the first `there` (all, or WEFT_NPY_HEADER_MOST) are at `bytes`, and checks that
 * the data fills the rest exactly. `name` for messages. */
#define WEFT_NPY_HEADER_MOST 65536
weft_status weft_npy_read_header(const void *bytes, size_t there, uint64_t size, const char *name, weft_npy_header *out);

/* Adds the array: in place when its layout is ours, else as a copy. `bytes` is the whole file or member. */
weft_status weft_npy_add(weft_arrays *, const char *array, const void *bytes, const weft_npy_header *, const char *name);

/* The header for a tensor; fails for BF16, which NumPy does not have. */
weft_status weft_npy_write_header(weft_tensor, const char *name, weft_text *out);

#endif
