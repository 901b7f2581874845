/* Strided copies. The innermost loop is a memcpy, a fill or a plain strided walk; transposes go in 16 × 16 blocks. */
#include "kernels/copy.h"

#include <string.h>

void weft_copy_simplify(weft_copy *c)
{
    int rank = 0;
    for (int i = 0; i < c->rank; i++) {
        if (rank > 0 && c->size[i] == 1)
            continue;
        /* joins axis i with the one before it (not with the outermost) when both sides are dense across them */
        if (rank > 1 && c->from[rank - 1] == c->from[i] * c->size[i] && c->to[rank - 1] == c->to[i] * c->size[i]) {
            c->size[rank - 1] *= c->size[i];
            c->from[rank - 1] = c->from[i];
            c->to[rank - 1] = c->to[i];
            continue;
        }
        c->size[rank] = c->size[i];
        c->from[rank] = c->from[i];
        c->to[rank] = c->to[i];
        rank++;
    }
    if (rank == 0) {
        c->size[0] = 1;
        c->from[0] = c->to[0] = 1;
        rank = 1;
    }
    c->rank = rank;
}

#define COPY_LINE(T) \
    static void line_##T(int64_t n, const T *x, int64_t sx, T *y, int64_t sy) \
    { \
        if (sx == 1 && sy == 1) \
            memcpy(y, x, (size_t)n * sizeof *y); \
        else \
            for (int64_t i = 0; i < n; i++) \
                y[i * sy] = x[i * sx]; \
    } \
    static void block_##T(const weft_copy *c, int axis, int64_t begin, int64_t end, const T *x, T *y) \
    { \
        int64_t sx = c->from[axis], sy = c->to[axis]; \
        if (axis == c->rank - 1) { \
            line_##T(end - begin, x + begin * sx, sx, y + begin * sy, sy); \
            return; \
        } \
        if (axis == c->rank - 2 && c->from[axis + 1] != 1 && c->from[axis + 1] != 0) { /* a transpose */ \
            int64_t tx = c->from[axis + 1], ty = c->to[axis + 1], n = c->size[axis + 1]; \
            for (int64_t i = begin; i < end; i += 16) \
                for (int64_t j = 0; j < n; j += 16) \
                    for (int64_t ii = i; ii < end && ii < i + 16; ii++) \
                        for (int64_t jj = j; jj < n && jj < j + 16; jj++) \
                            y[ii * sy + jj * ty] = x[ii * sx + jj * tx]; \
            return; \
        } \
        for (int64_t i = begin; i < end; i++) \
            block_##T(c, axis + 1, 0, c->size[axis + 1], x + i * sx, y + i * sy); \
    }

COPY_LINE(uint32_t)
COPY_LINE(uint64_t)

void weft_copy_run(const weft_copy *c, size_t element, int64_t begin, int64_t end, const void *source, void *target)
{
    for (int i = 1; i < c->rank; i++)
        if (c->size[i] == 0)
            return;
    if (element == 4)
        block_uint32_t(c, 0, begin, end, (const uint32_t *)source + c->from_at, (uint32_t *)target + c->to_at);
    else
        block_uint64_t(c, 0, begin, end, (const uint64_t *)source + c->from_at, (uint64_t *)target + c->to_at);
}
