/* Calls to LAPACK, with one thread: its own pool would compete with our team, and results would depend on it. */
#include "kernels/lapack.h"

#include <lapacke.h>
#include <stdlib.h>

extern void openblas_set_num_threads(int) __attribute__((weak));

weft_status weft_qr(int64_t rows, int64_t columns, double *a, double *r)
{
    if (openblas_set_num_threads)
        openblas_set_num_threads(1);
    double *tau = malloc((size_t)(columns ? columns : 1) * sizeof *tau);
    if (!tau)
        return weft_fail(WEFT_ERROR_MEMORY, "QR of %lld × %lld: memory is short", (long long)rows, (long long)columns);
    int info = LAPACKE_dgeqrf(LAPACK_ROW_MAJOR, (lapack_int)rows, (lapack_int)columns, a, (lapack_int)columns, tau);
    free(tau);
    if (info != 0)
        return weft_fail(WEFT_ERROR_NUMERIC, "QR of %lld × %lld failed (LAPACK says %d)", (long long)rows, (long long)columns,
                         info);
    for (int64_t i = 0; i < columns; i++)
        for (int64_t j = 0; j < columns; j++)
            r[i * columns + j] = j >= i && i < rows ? a[i * columns + j] : 0;
    return WEFT_OK;
}
