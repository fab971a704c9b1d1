/*
 * pin - the pins of a service: made, taken off, expired, with a word in the log each. Where they
 * lead is dispatch/route.h's.
 */
#pragma once

#include "service/types.h"

/*
 * Makes @pin, of which a copy is taken; expires_ms is on the clock of loop_now(). One of the same
 * kind and source is replaced. 0; -ENOSPC with @error in words: the table is full.
 */
int service_pin(struct service *s, const struct pin *pin, struct strbuf *error);

/* Takes off those that @which means, and says @reason; how many that was. */
unsigned service_unpin(struct service *s, const struct pin_filter *which, const char *reason);

void service_pin_expired(struct loop_timer *timer); /* service::pin_timer */
