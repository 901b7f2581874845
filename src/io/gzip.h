/* Files packed by gzip (RFC 1952), unpacked whole. */
#ifndef WEFT_IO_GZIP_H
#define WEFT_IO_GZIP_H

#include "weft/base.h"

bool weft_is_gzip(const void *bytes, size_t size); /* by its first two bytes */

/* All members, zero terminated (the zero is not counted); refused when larger than `limit` bytes. `name` for messages. */
weft_status weft_gzip_unpack(const void *bytes, size_t size, const char *name, size_t limit, char **out, size_t *out_size);

#endif
