/*
 * progress - how far a rollout is, in words.
 */
#pragma once

#include "service/types.h"

/*
 * Adds what the rollout under way waits for now: "web.1 to listen (2 s, 28 s left)"; a service that
 * never had one waits for all that start. Nothing is added if there is none, or it waits for
 * nothing.
 */
void service_rollout_text(const struct service *s, struct strbuf *out);
