/* Checkpoints. The tensors of a generation go to a file of their own; trainer.json names that file, with its size and checksum,
 * and is what makes it the checkpoint. It is replaced by a rename, so at any moment it names the old generation or the new one,
 * and the file it names is whole: the new one was synced before, the old one is removed after. */
#include "base/files.h"
#include "base/json.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT 1

typedef char file_name[64];

static void tensors_name(int64_t generation, file_name out)
{
    snprintf(out, sizeof(file_name), "trainer-%06lld.safetensors", (long long)generation);
}

/* The generation of a tensor file by its name; −1: it is none. */
static int64_t generation_of(const char *name)
{
    file_name again;
    long long generation;
    if (sscanf(name, "trainer-%lld", &generation) != 1 || generation < 0)
        return -1;
    tensors_name(generation, again);
    return strcmp(name, again) == 0 ? generation : -1;
}

bool weft_is_leftover(const char *name)
{
    const char *end = strrchr(name, '.');
    if (name[0] != '.' || !end || strcmp(end, ".tmp") != 0)
        return false;
    int dashes = 0;
    for (end--; end > name && *end != '.'; end--) {
        if (*end != '-' && (*end < '0' || *end > '9'))
            return false;
        dashes += *end == '-';
    }
    return end > name && dashes == 1;
}

void weft_remove_leftovers(const char *folder)
{
    DIR *list = opendir(folder);
    for (struct dirent *e; list && (e = readdir(list));)
        if (weft_is_leftover(e->d_name))
            (void)!unlinkat(dirfd(list), e->d_name, 0);
    if (list)
        closedir(list);
}

/* The highest generation that has a file, 0 for none; removes what belongs to no generation, or to another than `keep` (−1: keeps
 * all). Best effort: what cannot be removed does no harm. */
static int64_t sweep(const char *folder, int64_t keep)
{
    int64_t highest = 0;
    DIR *list = opendir(folder);
    if (!list)
        return 0;
    for (struct dirent *e; (e = readdir(list));) {
        int64_t generation = generation_of(e->d_name);
        if (generation > highest)
            highest = generation;
        bool left = weft_is_leftover(e->d_name) && strncmp(e->d_name, ".trainer", 8) == 0;
        if (left || (generation >= 0 && keep >= 0 && generation != keep))
            (void)!unlinkat(dirfd(list), e->d_name, 0);
    }
    closedir(list);
    return highest;
}

static weft_status add_prefixed(weft_arrays *to, const char *prefix, const char *name, weft_tensor t)
{
    char *full = weft_prefixed(prefix, name);
    weft_status status = full ? weft_arrays_add(to, full, t) : weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a name");
    free(full);
    return status;
}

static weft_status save_tensors(const char *path, const weft_params *params, const weft_optimizer *optimizer,
                                const weft_arrays *extra)
{
    weft_arrays *all;
    weft_status status = weft_arrays_new(&all);
    for (int64_t i = 0; status == WEFT_OK && i < weft_params_count(params); i++) {
        weft_tensor t;
        const char *name = weft_params_at(params, i, &t);
        status = add_prefixed(all, "param.", name, t);
    }
    if (status == WEFT_OK && optimizer)
        status = weft_optimizer_collect(optimizer, all);
    for (int64_t i = 0; status == WEFT_OK && extra && i < weft_arrays_count(extra); i++) {
        weft_array a = weft_arrays_at(extra, i);
        status = add_prefixed(all, "extra.", a.name, a.tensor);
    }
    if (status == WEFT_OK)
        status = weft_safetensors_save(all, path);
    weft_arrays_free(all);
    return status;
}

static weft_status save_json(const char *folder, int64_t generation, const char *tensors, const weft_train_state *state)
{
    file_name name;
    char number[32];
    uint64_t checksum;
    int64_t bytes;
    weft_json *extra = NULL;
    weft_text text = {0};
    char *path = weft_path_join(folder, "trainer.json");
    weft_status status =
        path ? weft_file_checksum(tensors, &checksum, &bytes) : weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a name");
    if (status == WEFT_OK && state->extra_json)
        status = weft_json_parse(state->extra_json, strlen(state->extra_json), "the run's own state", &extra);
    if (status == WEFT_OK) {
        tensors_name(generation, name);
        weft_json_writer w = weft_json_to(&text, 2);
        weft_json_open_object(&w);
        weft_json_add_key(&w, "format");
        weft_json_add_integer(&w, FORMAT);
        weft_json_add_key(&w, "generation");
        weft_json_add_integer(&w, generation);
        weft_json_add_key(&w, "tensors");
        weft_json_add_string(&w, name);
        weft_json_add_key(&w, "bytes");
        weft_json_add_integer(&w, bytes);
        weft_json_add_key(&w, "xxh64");
        snprintf(number, sizeof number, "%016llx", (unsigned long long)checksum);
        weft_json_add_string(&w, number);
        weft_json_add_key(&w, "step");
        weft_json_add_integer(&w, state->step);
        weft_json_add_key(&w, "epoch");
        weft_json_add_integer(&w, state->epoch);
        weft_json_add_key(&w, "seed"); /* as text: JSON numbers of many readers end at 2^53 */
        snprintf(number, sizeof number, "%llu", (unsigned long long)state->seed);
        weft_json_add_string(&w, number);
        if (extra) {
            weft_json_add_key(&w, "extra");
            weft_json_add_value(&w, weft_json_root(extra));
        }
        weft_json_close_object(&w);
        weft_text_add(&text, "\n");
        status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its text", path)
                             : weft_file_write(path, text.data, text.length);
    }
    weft_json_free(extra);
    weft_text_free(&text);
    free(path);
    return status;
}

/* After a failure: removes the new tensors, as their room may be what the disk lacks, unless trainer.json may name them. */
static void drop_unnamed(const char *folder, const char *name, const char *tensors)
{
    char message[2048];
    snprintf(message, sizeof message, "%s", weft_error());
    char *path = weft_path_join(folder, "trainer.json");
    weft_json *json = NULL;
    bool unnamed = path && !weft_path_exists(path);
    if (path && !unnamed && weft_json_read(path, &json) == WEFT_OK)
        unnamed = strcmp(weft_json_string(weft_json_get(weft_json_root(json), "tensors"), name), name) != 0;
    if (unnamed)
        (void)!unlink(tensors);
    weft_json_free(json);
    free(path);
    weft_fail(WEFT_OK, "%s", message);
}

weft_status weft_checkpoint_save(const char *folder, const weft_params *params, const weft_optimizer *optimizer,
                                 const weft_train_state *state)
{
    weft_status status = weft_folder_make(folder);
    if (status != WEFT_OK)
        return status;
    int64_t generation = sweep(folder, -1) + 1;
    file_name name;
    tensors_name(generation, name);
    char *tensors = weft_path_join(folder, name);
    if (!tensors)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a name", folder);
    status = save_tensors(tensors, params, optimizer, state->extra);
    if (status == WEFT_OK)
        status = save_json(folder, generation, tensors, state);
    if (status == WEFT_OK)
        sweep(folder, generation);
    else {
        drop_unnamed(folder, name, tensors);
        weft_fail_in(status, "the checkpoint at step %lld was not saved%s", (long long)state->step,
                     weft_checkpoint_exists(folder) ? "; the one before it is kept" : "");
    }
    free(tensors);
    return status;
}

/* ---- loading ---- */

typedef struct opened {
    char *json_path, *tensors_path;
    weft_json *json;
    weft_arrays *arrays;
    int64_t step, epoch;
    uint64_t seed;
    weft_json_value extra;
} opened;

static void opened_free(opened *c)
{
    free(c->json_path);
    free(c->tensors_path);
    weft_json_free(c->json);
    weft_arrays_free(c->arrays);
}

static weft_status open_tensors(opened *c, const char *folder, const char *name, int64_t bytes, const char *checksum)
{
    if (!(c->tensors_path = weft_path_join(folder, name)))
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a name", folder);
    if (!weft_path_exists(c->tensors_path))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: names \"%s\", which is not there", c->json_path, name);
    uint64_t found;
    int64_t size;
    char hex[32];
    weft_status status = weft_file_checksum(c->tensors_path, &found, &size);
    if (status != WEFT_OK)
        return status;
    if (size != bytes)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: has %lld bytes, trainer.json says %lld: truncated, or of another checkpoint",
                         c->tensors_path, (long long)size, (long long)bytes);
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)found);
    if (strcmp(hex, checksum) != 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: its checksum is %s, trainer.json says %.20s: damaged, or of another checkpoint",
                         c->tensors_path, hex, checksum);
    return weft_safetensors_open(c->tensors_path, &c->arrays);
}

static weft_status open_checkpoint(const char *folder, opened *c)
{
    *c = (opened){.json_path = weft_path_join(folder, "trainer.json")};
    if (!c->json_path)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a name", folder);
    if (!weft_path_exists(c->json_path))
        return weft_fail(WEFT_ERROR_FILE, "%s: holds no checkpoint (no trainer.json)", folder);
    weft_status status = weft_json_read(c->json_path, &c->json);
    if (status != WEFT_OK)
        return status;
    weft_json_value root = weft_json_root(c->json);
    int64_t format = 0, generation = -1, bytes = -1;
    const char *name = NULL, *checksum = NULL, *seed = NULL;
    c->step = c->epoch = -1;
    struct {
        const char *key;
        int64_t most, *out;
    } numbers[] = {{"format", INT32_MAX, &format},
                   {"generation", INT64_MAX, &generation},
                   {"bytes", INT64_MAX, &bytes},
                   {"step", INT64_MAX, &c->step},
                   {"epoch", INT64_MAX, &c->epoch}};
    struct {
        const char *key, **out;
    } texts[] = {{"tensors", &name}, {"xxh64", &checksum}, {"seed", &seed}};
    for (size_t i = 0; status == WEFT_OK && i < sizeof numbers / sizeof *numbers; i++)
        status = weft_json_take_integer(root, c->json_path, numbers[i].key, 0, numbers[i].most, numbers[i].out);
    for (size_t i = 0; status == WEFT_OK && i < sizeof texts / sizeof *texts; i++)
        status = weft_json_take_string(root, c->json_path, texts[i].key, texts[i].out);
    if (status != WEFT_OK)
        return status;
    if (format != FORMAT)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: checkpoint format %lld, this build reads %d", c->json_path,
                         (long long)format, FORMAT);
    if (generation < 0 || bytes < 0 || c->step < 0 || c->epoch < 0 || !name || !checksum || !seed)
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: expected \"generation\", \"tensors\", \"bytes\", \"xxh64\", \"step\", \"epoch\" and \"seed\"",
                         c->json_path);
    if (generation_of(name) != generation)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: generation %lld cannot have \"tensors\" \"%.80s\"", c->json_path,
                         (long long)generation, name);
    char *end;
    errno = 0;
    c->seed = strtoull(seed, &end, 10);
    if (*seed < '0' || *seed > '9' || *end || errno)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"seed\" is \"%.40s\", expected a number of 64 bits", c->json_path, seed);
    c->extra = weft_json_get(root, "extra");
    return open_tensors(c, folder, name, bytes, checksum);
}

static const char *after(const char *name, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(name, prefix, length) == 0 ? name + length : NULL;
}

/* Each parameter of the set must be in the file, in the same shape and type. */
static weft_status check_params(const opened *c, const weft_params *params)
{
    for (int64_t i = 0; i < weft_params_count(params); i++) {
        weft_tensor mine, theirs;
        char have[WEFT_DIMS_TEXT], want[WEFT_DIMS_TEXT];
        const char *name = weft_params_at(params, i, &mine);
        char *full = weft_prefixed("param.", name);
        if (!full)
            return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a name");
        bool found = weft_arrays_find(c->arrays, full, &theirs);
        free(full);
        if (!found)
            return weft_fail(WEFT_ERROR_ARGUMENT, "%s: holds no parameter \"%s\"", c->tensors_path, name);
        if (mine.dtype != theirs.dtype || !weft_dims_equal(mine.dims, theirs.dims))
            return weft_fail(WEFT_ERROR_ARGUMENT, "%s: parameter \"%s\" is %s %s, the model wants %s %s", c->tensors_path, name,
                             weft_dtype_name(theirs.dtype), weft_dims_text(theirs.dims, have), weft_dtype_name(mine.dtype),
                             weft_dims_text(mine.dims, want));
    }
    return WEFT_OK;
}

static weft_status take_extra(const opened *c, weft_train_state *out)
{
    weft_text text = {0};
    if (weft_json_present(c->extra)) {
        weft_json_writer w = weft_json_to(&text, 0);
        weft_json_add_value(&w, c->extra);
        if (text.failed) {
            weft_text_free(&text);
            return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its text", c->json_path);
        }
    }
    out->extra_json = text.data;
    weft_status status = weft_arrays_new(&out->extra);
    for (int64_t i = 0; status == WEFT_OK && i < weft_arrays_count(c->arrays); i++) {
        weft_array a = weft_arrays_at(c->arrays, i);
        const char *name = after(a.name, "extra.");
        if (name)
            status = weft_arrays_add_copy(out->extra, name, a.tensor);
    }
    return status;
}

weft_status weft_checkpoint_load(const char *folder, weft_params *params, weft_optimizer *optimizer, weft_train_state *state)
{
    *state = (weft_train_state){0};
    opened c;
    weft_status status = open_checkpoint(folder, &c);
    if (status == WEFT_OK)
        status = check_params(&c, params);
    if (status == WEFT_OK)
        status = take_extra(&c, state);
    if (status == WEFT_OK && optimizer)
        status = weft_optimizer_restore(optimizer, c.arrays, c.tensors_path);
    for (int64_t i = 0; status == WEFT_OK && i < weft_arrays_count(c.arrays); i++) {
        weft_array a = weft_arrays_at(c.arrays, i);
        const char *name = after(a.name, "param.");
        if (name)
            status = weft_params_set(params, name, a.tensor);
    }
    if (status == WEFT_OK) {
        state->step = c.step;
        state->epoch = c.epoch;
        state->seed = c.seed;
    } else {
        weft_train_state_free(state);
    }
    opened_free(&c);
    return status;
}

void weft_train_state_free(weft_train_state *state)
{
    free((void *)(uintptr_t)state->extra_json);
    weft_arrays_free(state->extra);
    *state = (weft_train_state){0};
}

bool weft_checkpoint_exists(const char *folder)
{
    char *path = weft_path_join(folder, "trainer.json");
    bool there = path && weft_path_exists(path);
    free(path);
    return there;
}

weft_status weft_checkpoint_remove(const char *folder)
{
    char *path = weft_path_join(folder, "trainer.json");
    if (!path)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a name", folder);
    weft_status status = weft_file_remove(path);
    if (status == WEFT_OK)
        sweep(folder, INT64_MAX); /* no file has it */
    free(path);
    return status;
}
