/* Items by attribute, as filters take them: "role", "function.name", "0". */
#ifndef WEFT_TEXT_TEMPLATE_PICK_H
#define WEFT_TEXT_TEMPLATE_PICK_H

#include "text/template_inner.h"

/* item.a.b of "a.b"; a number is an item's place. */
jinja_value weft_jinja_pick(jinja_run *, jinja_value item, jinja_value attribute);
/* What an item is compared by: itself, its attribute, or with `several` a list of its attributes "a,b", be it of one; texts in
 * lower case unless case_sensitive. */
jinja_value weft_jinja_pick_key(jinja_run *, jinja_value item, jinja_value attribute, bool case_sensitive, bool several);

#endif
