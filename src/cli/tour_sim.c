/* The tour's hardware: one batch of a small model on every system, and what NeuPIMs did in it. */
#include "base/random.h"
#include "cli/sim.h"
#include "cli/tour.h"

#include <stdio.h>

enum { REQUESTS = 32 };

/* Twelve layers of width 1024; 32 requests of 64 to 575 tokens. */
static weft_llm small_model(void)
{
    weft_llm m = *weft_llm_preset_at(0);
    snprintf(m.name, sizeof m.name, "a decoder of 12 layers");
    m.layers = 12;
    m.width = m.embedding_width = 1024;
    m.heads = m.kv_heads = 8;
    m.inner = 4096;
    m.tensor_parallel = 1;
    return m;
}

weft_status tour_sim(cli_arguments *a, const char *folder, weft_report *page, tour_result *out)
{
    (void)a;
    (void)folder;
    weft_platform platform = weft_platform_default();
    weft_load_request requests[REQUESTS];
    weft_random_key key = weft_random_stream(0, "tour requests");
    for (int i = 0; i < REQUESTS; i++)
        requests[i] = (weft_load_request){.length = 64 + (int64_t)weft_random_below(key, 0, (uint64_t)i, 0, 512), .channel = -1};
    weft_trace trace = {.requests = requests, .count = REQUESTS};
    weft_design design = {.platform = &platform,
                          .llm = small_model(),
                          .options = {.mode = WEFT_HARDWARE_EVENT, .fixed = WEFT_QUIRKS_FIXED},
                          .halves = -1,
                          .trace = &trace};
    sim_row rows[SIM_ROWS];
    int n = sim_all_systems(&design, REQUESTS, rows);
    weft_status status = sim_run_rows(rows, n - 1, false);
    if (status == WEFT_OK)
        status = sim_run_rows(rows + n - 1, 1, true); /* with sub-batches: the one whose picture shows both sides at work */
    if (status == WEFT_OK) {
        sim_report_add(page, &platform, rows, n);
        const weft_iteration *npu = &rows[WEFT_SERVE_NPU].iteration, *blocked = &rows[WEFT_SERVE_NPU_PIM].iteration,
                             *dual = &rows[WEFT_SERVE_NEUPIMS].iteration;
        snprintf(out->headline, sizeof out->headline,
                 "%d requests, %.0f tokens/s on NeuPIMs: %.2f times an NPU alone, %.2f times blocked PIM", REQUESTS,
                 dual->tokens_per_second, dual->tokens_per_second / npu->tokens_per_second,
                 dual->tokens_per_second / blocked->tokens_per_second);
    }
    sim_free_rows(rows, n);
    return status;
}
