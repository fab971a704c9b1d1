/*
 * questions - what others ask of a service.
 */
#pragma once

#include "service/types.h"

/* The service of that name; an ending one only if no other service has the name. NULL: none. */
struct service *service_find(const struct broker *b, const char *name);

/* With `wait = yes`: a client that comes gets a worker, whether one runs now or not. */
static inline bool service_awaits_client(const struct service *s)
{
	return s->conf->wait && !s->backoff.failures;
}

unsigned service_count_started(const struct service *s); /* of the slots that are wanted */

static inline bool service_is_ready(const struct service *s)
{
	return service_awaits_client(s) || service_count_started(s) == s->want;
}

/* Slots whose worker is ready, takes connections as far as is known, and passes its check. */
unsigned service_count_well(const struct service *s);

static inline bool service_is_serving(const struct service *s)
{
	return service_awaits_client(s) || service_count_well(s) > 0;
}

/* Whether anybody gets connections that are pinned to nobody: a guest may, too. */
bool service_has_round(const struct service *s);

bool service_slot_has_process(const struct service *s, unsigned slot);

/* Whether a rollout under way decides what happens in @slot. */
bool service_rollout_owns(const struct service *s, size_t slot);

/* 0: it may be steered by hand. -ESHUTDOWN: it ends or is paused; -EBUSY: a rollout has to end. */
int service_check_steering(const struct service *s, struct strbuf *error);

/* What a reload is told that did not come to its end. NULL is a service that is gone. */
const char *service_end_text(const struct service *s);

/*
 * Adds what the rollout under way waits for now, if for anything: "web.1 to listen (2 s, 28 s
 * left)". A service that never had one waits for all that start.
 */
void service_rollout_text(const struct service *s, struct strbuf *out);
