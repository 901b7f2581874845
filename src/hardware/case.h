/* Cases: a system, a layer and its requests in one JSON file, and the answer in the same form. */
#ifndef WEFT_HARDWARE_CASE_H
#define WEFT_HARDWARE_CASE_H

#include "base/json.h"
#include "weft/hardware.h"

/* {"system": "neupims", "sub_batch": false, "model": {"n_embd": 512, "n_head": 4, "n_tp": 1}, "requests_seq_ch": [[64, 5], …]};
 * a request [512, 3, 128] computes the last 128 tokens of a prompt's 512. Other keys are left alone. */
typedef struct weft_case {
    char name[128]; /* "case", or "" */
    weft_hardware_system system;
    bool sub_batch;
    weft_hardware_shape shape;
    weft_hardware_request *requests; /* [count] */
    int64_t count;
} weft_case;

weft_status weft_case_parse(const char *text, size_t size, const char *name, weft_case *out);
weft_status weft_case_read(const char *path, weft_case *out);
void weft_case_free(weft_case *);

/* Adds `bound` to an open object: an operator's cycles by what they were waited for. */
void weft_case_bounds(const weft_hardware_op *, weft_json_writer *);

/* Adds `total_cycles`, `stages`, `ops`, `stats` and `dram_totals` to an open object. */
void weft_case_answer(const weft_hardware_result *, weft_json_writer *);

#endif
