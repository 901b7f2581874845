/* Element types, sizes and their spelling. */
#include "weft/base.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[WEFT_DTYPE_COUNT] = {
    [WEFT_F32] = {"F32", 4}, [WEFT_F64] = {"F64", 8},   [WEFT_BF16] = {"BF16", 2}, [WEFT_F16] = {"F16", 2},
    [WEFT_I64] = {"I64", 8}, [WEFT_I32] = {"I32", 4},   [WEFT_I16] = {"I16", 2},   [WEFT_I8] = {"I8", 1},
    [WEFT_U8] = {"U8", 1},   [WEFT_BOOL] = {"BOOL", 1},
};

size_t weft_dtype_size(weft_dtype dtype)
{
    return (unsigned)dtype < WEFT_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

const char *weft_dtype_name(weft_dtype dtype)
{
    return (unsigned)dtype < WEFT_DTYPE_COUNT ? dtypes[dtype].name : "?";
}

bool weft_dtype_parse(const char *name, weft_dtype *out)
{
    for (int i = 0; i < WEFT_DTYPE_COUNT; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            *out = (weft_dtype)i;
            return true;
        }
    return false;
}

int64_t weft_dims_count(weft_dims dims)
{
    int64_t count = 1;
    bool empty = false;
    for (int i = 0; i < dims.rank; i++) {
        if (dims.size[i] < 0)
            return -1;
        if (dims.size[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(count, dims.size[i], &count))
            return -1;
    }
    return empty ? 0 : count;
}

bool weft_dims_equal(weft_dims a, weft_dims b)
{
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++)
        if (a.size[i] != b.size[i])
            return false;
    return true;
}

char *weft_dims_text(weft_dims dims, char out[WEFT_DIMS_TEXT])
{
    size_t used = (size_t)snprintf(out, WEFT_DIMS_TEXT, "[");
    for (int i = 0; i < dims.rank && i < WEFT_MAX_RANK; i++)
        used += (size_t)snprintf(out + used, WEFT_DIMS_TEXT - used, "%s%lld", i ? ", " : "", (long long)dims.size[i]);
    snprintf(out + used, WEFT_DIMS_TEXT - used, "]");
    return out;
}

size_t weft_tensor_bytes(weft_tensor tensor)
{
    int64_t count = weft_dims_count(tensor.dims);
    return count < 0 ? 0 : (size_t)count * weft_dtype_size(tensor.dtype);
}
