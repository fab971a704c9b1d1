#include "questions.h"

#include <errno.h>
#include <string.h>

struct service *service_find(const struct broker *b, const char *name)
{
	struct service *s, *leaving = NULL;

	list_for_each (s, &b->services, link) {
		if (strcmp(service_name(s), name) != 0)
			continue;
		/* A section may come back while the old service of its name still drains. */
		if (!s->dispatch.stopping)
			return s;
		leaving = s;
	}
	return leaving;
}

/* --- questions ----------------------------------------------------------------------- */

bool service_is_serving(const struct service *s)
{
	for (size_t i = 0; i < ROLLOUT_MAX; i++)
		if (s->slots[i].current && s->slots[i].current->state == WORKER_READY)
			return true;
	return false;
}

bool service_has_round(const struct service *s)
{
	const struct worker *w;

	list_for_each (w, &s->workers, link)
		if (w->state == WORKER_READY && !w->pinned_only)
			return true;
	return false;
}

bool service_is_ready(const struct service *s)
{
	for (size_t i = 0; i < s->want; i++)
		if (!s->slots[i].current || s->slots[i].current->state == WORKER_STARTING)
			return false;
	return true;
}

/* --- the right number of workers ----------------------------------------------------- */

bool service_slot_has_process(const struct service *s, unsigned slot)
{
	const struct worker *w;

	list_for_each (w, &s->workers, link)
		if (w->slot == slot)
			return true;
	return false;
}

bool service_rollout_owns(const struct service *s, size_t slot)
{
	return s->rollout.active && slot < s->rollout.n &&
	       s->rollout.slots[slot].phase != ROLLOUT_DONE;
}

const char *roll_kind_name(enum roll_kind kind)
{
	switch (kind) {
	case ROLL_RELOAD:
		return "reload";
	case ROLL_RESTART:
		return "restart";
	}
	return "?";
}

int service_check_steering(const struct service *s, struct strbuf *error)
{
	if (service_leaves(s))
		return strbuf_fail(error, -ESHUTDOWN, "%s is %s", service_name(s),
				   s->dispatch.stopping ? "ending" : "paused");
	if (s->rollout.active)
		return strbuf_fail(error, -EBUSY,
				   "a %s of %s is under way: wait until it ends, or abort it",
				   roll_kind_name(s->roll_kind), service_name(s));
	return 0;
}

const char *service_end_text(const struct service *s)
{
	if (s && s->dispatch.paused && !s->dispatch.stopping)
		return "the service was paused meanwhile; the next reload brings it back";
	return "the service was told to end meanwhile";
}
