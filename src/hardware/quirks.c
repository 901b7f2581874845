/* Where the published simulator and the paper differ: a row each. */
#include "weft/hardware.h"

static const weft_hardware_quirk_row rows[] = {
    {WEFT_QUIRK_MATMUL_STORES, "matmul-stores",
     "a product stores a block of as many rows as features are left, and the other way round: far less than its output",
     "a product stores its whole output"},
    {WEFT_QUIRK_BIAS_LENGTH, "bias-length", "the bias is loaded once a block of rows, with its length taken from the row",
     "the bias is loaded once a block of features"},
    {WEFT_QUIRK_VECTOR_LENGTHS, "vector-lengths",
     "LayerNorm, addition and activation take the time of 0 elements, softmax and the addition of partial results that of their "
     "bytes",
     "vector operations take the time of their elements"},
    {WEFT_QUIRK_STREAM_ALIGNMENT, "stream-alignment", "the address stream begins at byte 2, so that a load touches one line more",
     "each load begins on a line"},
    {WEFT_QUIRK_ACCUMULATOR_RACE, "accumulator-race", "a store may leave between two accumulations into its entry",
     "a store waits for all of them"},
    {WEFT_QUIRK_PIPELINE_START, "pipeline-start", "a block may start in the past when the one before has long started",
     "a block starts when it is issued, or later"},
    {WEFT_QUIRK_HEADER_ROW, "header-row", "a logit's header keeps 32 bits of its address: its row is cut to 12 bits",
     "headers carry their row"},
    {WEFT_QUIRK_COMPUTE_HOLDS_ROW, "compute-holds-row",
     "a PIM row may close 5 cycles after multiplies begin, and their result comes after 16 cycles however many there are",
     "the row stays open, and the result comes, until the multiplies are done"},
    {WEFT_QUIRK_ATTEND_STORES, "attend-stores",
     "a head's output is stored once for each 32 of its dimensions, and not at all up to 512 tokens",
     "each head's output is stored once"},
    {WEFT_QUIRK_KV_ROWS, "kv-rows",
     "a rank holds rows for all heads' keys and values, and one head's value rows serve every head",
     "a rank holds rows for its own heads, each head its own"},
    {WEFT_QUIRK_SPLIT_REQUESTS, "split-requests", "a request that no longer fits into a PIM tile is computed in two of them",
     "it is computed in the next tile alone"},
    {WEFT_QUIRK_VECTOR_OCCUPANCY, "vector-occupancy", "a vector unit starts an operation when it is issued, whatever it is at",
     "a vector unit does one operation after the other"},
    {WEFT_QUIRK_KV_APPEND, "kv-append", "new keys and values never reach their cache",
     "new keys and values are written to their cache's rows in the memory that computes"},
    {WEFT_QUIRK_ALL_REDUCE, "all-reduce", "devices that share a layer exchange nothing",
     "after attention and after the feed-forward network they add up their outputs over their links, where the hardware has any"},
    {WEFT_QUIRK_REQUEST_LIMIT, "request-limit", "at most 1,024 requests", "as many as their rows fit"},
};

const weft_hardware_quirk_row *weft_hardware_quirk_at(int i)
{
    return i >= 0 && i < (int)(sizeof rows / sizeof rows[0]) ? &rows[i] : NULL;
}
