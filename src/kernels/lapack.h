/* Dense linear algebra that LAPACK does for us, in double. */
#ifndef WEFT_KERNELS_LAPACK_H
#define WEFT_KERNELS_LAPACK_H

#include "weft/base.h"

/* R of a = QR: a [rows, columns] row-major, overwritten; r [columns, columns] upper triangular (rows beyond `rows` are zero). */
weft_status weft_qr(int64_t rows, int64_t columns, double *a, double *r);

#endif
