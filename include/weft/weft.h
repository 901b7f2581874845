/* Weft: all public headers, from the ground up. Each is the manual of its layer. */
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

#include "weft/base.h"
#include "weft/graph.h"
#include "weft/lm.h"
#include "weft/hardware.h"
#include "weft/model.h"
#include "weft/nn.h"
#include "weft/text.h"
#include "weft/template.h"
#include "weft/train.h"

#endif
