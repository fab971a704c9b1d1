/*
 * recycle - workers that have lived long enough (max_connections, max_age, max_memory), or that
 * somebody asks to replace, are replaced: one at a time, each new one ready before its old one
 * leaves.
 */
#pragma once

#include "policy/recycle.h"
#include "service/types.h"

/*
 * @w is to be replaced, for @reason, as soon as it is its turn; RECYCLE_NOT takes that back. Until
 * then the caller sees to what it gets. A worker that is held by hand, stopped or debugged waits
 * for the end of that. After a replacement that did not start the next try comes a minute later.
 */
void recycle_ask(struct worker *w, enum recycle_reason reason);

void service_recycle_expired(struct loop_timer *timer); /* service::recycle */
