/* Panels of parameter sets: found, made, shared, freed with their last holder. */
#include "graph/panels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER, pack_lock = PTHREAD_MUTEX_INITIALIZER;

static weft_panels *find(weft_panels *list, const weft_panels_key *key)
{
    while (list && memcmp(&list->key, key, sizeof *key) != 0)
        list = list->next;
    return list;
}

static weft_panels *make(weft_panels **list, const weft_panels_key *key)
{
    const size_t page = (size_t)2 << 20, align = (size_t)key->bytes >= 4 * page ? page : 64;
    weft_panels *p = calloc(1, sizeof *p);
    void *data = aligned_alloc(align, ((size_t)key->bytes / align + 1) * align);
    if (!p || !data) {
        free(p);
        free(data);
        return NULL;
    }
    p->key = *key;
    p->data = data;
    p->next = *list;
    return *list = p;
}

weft_panels *weft_panels_take(weft_panels **list, const weft_panels_key *key)
{
    pthread_mutex_lock(&list_lock);
    weft_panels *p = find(*list, key);
    if (!p)
        p = make(list, key);
    if (p)
        p->holders++;
    pthread_mutex_unlock(&list_lock);
    return p;
}

void weft_panels_drop(weft_panels **list, weft_panels *panels)
{
    if (!panels)
        return;
    pthread_mutex_lock(&list_lock);
    if (--panels->holders == 0) {
        for (weft_panels **p = list; !panels->orphan && *p; p = &(*p)->next)
            if (*p == panels) {
                *p = panels->next;
                break;
            }
        free(panels->data);
        free(panels);
    }
    pthread_mutex_unlock(&list_lock);
}

void weft_panels_abandon(weft_panels **list)
{
    pthread_mutex_lock(&list_lock);
    for (weft_panels *p = *list; p; p = p->next)
        p->orphan = true;
    *list = NULL;
    pthread_mutex_unlock(&list_lock);
}

void weft_panels_lock(void)
{
    pthread_mutex_lock(&pack_lock);
}

void weft_panels_unlock(void)
{
    pthread_mutex_unlock(&pack_lock);
}
