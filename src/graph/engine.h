/* The engine's inside: the kernel table of the chosen processor level and the thread team. */
#ifndef WEFT_GRAPH_ENGINE_H
#define WEFT_GRAPH_ENGINE_H

#include "base/threads.h"
#include "kernels/level.h"
#include "weft/graph.h"

struct weft_engine {
    const weft_kernels *kernels;
    weft_team *team;
};

#endif
