/* Which requests of a batch are computed on the NPU while the others are in memory. */
#ifndef WEFT_HARDWARE_SUB_BATCH_H
#define WEFT_HARDWARE_SUB_BATCH_H

#include "hardware/engines.h"

/* second [count]: of the job's requests. Those that decode are parted in each channel, by count or, as the options say, by
 * estimated cycles; chunks of prompts, largest first, go to the half with fewer tokens. Fails when a half is empty. */
weft_status weft_sub_batches(const weft_hardware_job *, bool *second);

#endif
