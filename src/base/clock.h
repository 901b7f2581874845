/* The one clock that durations are measured by. */
#ifndef WEFT_BASE_CLOCK_H
#define WEFT_BASE_CLOCK_H

double weft_clock(void); /* seconds; only goes forward */

#endif
