/* Trainings that are parts of a larger run, each in a folder of its own: FOLDER/KIND/K, where KIND is "members", "scales" or
 * "trials". */
#ifndef WEFT_TABULAR_SUBRUNS_H
#define WEFT_TABULAR_SUBRUNS_H

#include "weft/base.h"

/* FOLDER/KIND, or FOLDER/KIND/K for K ≥ 0; and NAME in it, or, of a NAME that begins with a dot, that ending. malloc'd; NULL with
 * the error set. */
char *weft_subrun_path(const char *folder, const char *kind, int64_t k, const char *name);

/* Whether the folder holds those of a run that is not finished. */
bool weft_subruns_begun(const char *folder, const char *kind);

/* Removes K = 0, 1, … as far as they are there, their settings.json, and FOLDER/KIND when nothing else is in it. */
weft_status weft_subruns_forget(const char *folder, const char *kind);

#endif
