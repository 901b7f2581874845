/* Parameter sets from inside: named tensors, owned or mapped from a file, and a version that counts changes. */
#ifndef WEFT_GRAPH_PARAMS_H
#define WEFT_GRAPH_PARAMS_H

#include "graph/panels.h"

/* Counts weft_params_set and weft_params_touch; sessions repack and rewiden when it moves. */
uint64_t weft_params_version(const weft_params *);

/* The set's packed panels. */
weft_panels **weft_params_panels(weft_params *);

/* Makes tensor `name` writable in place (a mapped one is copied first); the view stays valid until it is replaced. */
weft_status weft_params_edit(weft_params *, const char *name, weft_tensor *out);

/* Drops the pages of mapped files from memory; they are read again when they are looked at. */
void weft_params_release(const weft_params *);
/* The same of tensor `name` alone; nothing happens when it does not lie in a mapped file. */
void weft_params_release_one(const weft_params *, const char *name);

/* Adds tensor `its_name` of `from`, which must outlive this set, under a name of its own; its pages can be released from here. */
weft_status weft_params_lend(weft_params *, const char *name, const weft_params *from, const char *its_name);

/* Every parameter of the graph whose name begins with `prefix` (NULL: every one, and the set must have it) has its shape in the
 * set; else "NAME: file has [11008, 4096], config wants [14336, 4096]". */
weft_status weft_params_check(const weft_params *, const weft_graph *, const char *prefix);

/* How parameter i of weft_graph_params starts. */
weft_init weft_graph_param_init(const weft_graph *, int i);

#endif
