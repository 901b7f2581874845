/* Weft, model folders: config.json + model.safetensors, opened by their model_type through one registry.
 *
 *     weft_model *m = NULL;
 *     weft_model_open("houses", &m);
 *     weft_cost cost;
 *     weft_model_count(m, &cost);
 *     weft_model_free(m);
 */
#ifndef WEFT_MODEL_H
#define WEFT_MODEL_H

#include "weft/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_model weft_model;

/* Reads config.json alone; weights are opened when they are needed. An unknown model_type is an error that lists the known ones.
 */
WEFT_API weft_status weft_model_open(const char *folder, weft_model **out);
/* The same from the text of a config.json; `name` for messages. */
WEFT_API weft_status weft_model_parse(const char *json, size_t size, const char *name, weft_model **out);
WEFT_API void weft_model_free(weft_model *);
WEFT_API const char *weft_model_type_name(const weft_model *);
/* Parameters, multiply-accumulates of one row without caches, bytes. */
WEFT_API weft_status weft_model_count(const weft_model *, weft_cost *out);
/* The graph of one row, for reading: inputs, parameters, named values. */
WEFT_API weft_status weft_model_build(const weft_model *, weft_graph *);
/* What `weft run` takes and writes, a line each. */
WEFT_API void weft_model_list(const weft_model *, weft_text *out);

#ifdef __cplusplus
}
#endif
#endif
