/* Weft, base layer: status codes, the error text, tensors as views, text buffers and the log.
 *
 * Every fallible call returns a weft_status (or NULL for a pointer); the text of the last failure on this
 * thread is weft_error(). Whoever makes a handle frees it; freeing NULL is fine.
 *
 *     weft_params *p = NULL;
 *     if (weft_params_open("model.safetensors", &p) != WEFT_OK)
 *         fprintf(stderr, "weft: %s\n", weft_error());
 */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WEFT_API                 __attribute__((visibility("default")))
#define WEFT_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define WEFT_API
#define WEFT_PRINTF(text, first)
#endif

#define WEFT_VERSION "0.1.0"

typedef enum weft_status {
    WEFT_OK = 0,
    WEFT_ERROR_ARGUMENT,    /* a value given by the caller does not fit */
    WEFT_ERROR_FILE,        /* the system refused: missing, not readable, disk full */
    WEFT_ERROR_FORMAT,      /* a file's content is broken or not what was expected */
    WEFT_ERROR_MEMORY,      /* an allocation failed or a limit would be passed */
    WEFT_ERROR_NUMERIC,     /* NaN or Inf where a number was needed */
    WEFT_ERROR_INTERRUPTED, /* the user asked to stop */
    WEFT_ERROR_UNSUPPORTED  /* well formed, but this build cannot do it */
} weft_status;

/* Text of the last failure on this thread; "" when there was none. Valid until the next failure. */
WEFT_API const char *weft_error(void);

/* Sets this thread's error text and returns `status`, so that a call can end with `return weft_fail(…)`. */
WEFT_API weft_status weft_fail(weft_status status, const char *format, ...) WEFT_PRINTF(2, 3);

/* Puts "context: " before the current error text and returns `status`. */
WEFT_API weft_status weft_fail_in(weft_status status, const char *format, ...) WEFT_PRINTF(2, 3);

/* Element types. Compute types are F32 and F64; BF16 and F16 are storage; the rest hold indices and masks. */
typedef enum weft_dtype {
    WEFT_F32 = 0,
    WEFT_F64,
    WEFT_BF16,
    WEFT_F16,
    WEFT_I64,
    WEFT_I32,
    WEFT_I16,
    WEFT_I8,
    WEFT_U8,
    WEFT_BOOL,
    WEFT_DTYPE_COUNT
} weft_dtype;

WEFT_API size_t weft_dtype_size(weft_dtype dtype);      /* bytes an element */
WEFT_API const char *weft_dtype_name(weft_dtype dtype); /* "F32", "BF16", … as safetensors spells them */
WEFT_API bool weft_dtype_parse(const char *name, weft_dtype *out);

#define WEFT_MAX_RANK 8

/* Sizes, outermost first. Rank 0 is a scalar: one element. */
typedef struct weft_dims {
    int rank;
    int64_t size[WEFT_MAX_RANK];
} weft_dims;

#define WEFT_COUNT_ARGUMENTS_(a, b, c, d, e, f, g, h, n, ...) n
#define DIMS(...)                                             ((weft_dims){WEFT_COUNT_ARGUMENTS_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0), {__VA_ARGS__}})
#define SCALAR                                                ((weft_dims){0, {0}})

WEFT_API int64_t weft_dims_count(weft_dims dims); /* product of sizes; -1 when it does not fit in 63 bits */
WEFT_API bool weft_dims_equal(weft_dims a, weft_dims b);

/* "[8, 96]" into `out` (at least 8 * 22 + 4 bytes is always enough); returns `out`. */
#define WEFT_DIMS_TEXT 184
WEFT_API char *weft_dims_text(weft_dims dims, char out[WEFT_DIMS_TEXT]);

/* A view of dense memory, outermost dimension first; it owns nothing. */
typedef struct weft_tensor {
    void *data;
    weft_dtype dtype;
    weft_dims dims;
} weft_tensor;

WEFT_API size_t weft_tensor_bytes(weft_tensor tensor);

/* A growing text. Zero-initialise; after a failed allocation `failed` stays set and later calls do nothing. */
typedef struct weft_text {
    char *data; /* always ends in a zero byte once something was added; NULL before */
    size_t length;
    size_t capacity;
    bool failed;
} weft_text;

WEFT_API void weft_text_add(weft_text *text, const char *format, ...) WEFT_PRINTF(2, 3);
WEFT_API void weft_text_addv(weft_text *text, const char *format, va_list arguments);
WEFT_API void weft_text_bytes(weft_text *text, const void *bytes, size_t count);
WEFT_API void weft_text_free(weft_text *text);

/* The log: the library never prints; it hands lines to this function (default: none). */
typedef enum weft_log_level { WEFT_LOG_WARNING = 0, WEFT_LOG_INFO, WEFT_LOG_DEBUG } weft_log_level;
typedef void (*weft_log_function)(void *user, weft_log_level level, const char *line);
WEFT_API void weft_log_set(weft_log_function function, void *user);
WEFT_API void weft_log(weft_log_level level, const char *format, ...) WEFT_PRINTF(2, 3);

/* Asks the running job to stop at its next safe point (set by a signal handler; async-signal-safe). */
WEFT_API void weft_interrupt(void);
WEFT_API bool weft_interrupted(void);
WEFT_API void weft_interrupt_clear(void);

#ifdef __cplusplus
}
#endif
#endif
