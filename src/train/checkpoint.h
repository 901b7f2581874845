/* What killed writers leave in a run's folder. */
#ifndef WEFT_TRAIN_CHECKPOINT_H
#define WEFT_TRAIN_CHECKPOINT_H

#include "weft/base.h"

/* Whether a file is named as base/files.h names what it has not yet renamed: ".NAME.PROCESS-NUMBER.tmp". */
bool weft_is_leftover(const char *name);
/* Removes such files; only for who holds the folder. */
void weft_remove_leftovers(const char *folder);

#endif
