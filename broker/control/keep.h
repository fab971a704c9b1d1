/*
 * keep - the clients of the control socket as records, and made of those of another program: what
 * they wait for, they get.
 */
#pragma once

#include "control/control.h"

/* A client is answered just now, with what ends soon by itself. */
bool control_is_answering(const struct control *ctl);

void control_keep(const struct control *ctl, struct strbuf *out);
int control_adopt(struct control *ctl, enum kept_kind kind, const void *record, size_t size);
/* All of them. @asked: the broker that was killed may have heard more than they say. */
void control_adopted(struct control *ctl, bool asked);
