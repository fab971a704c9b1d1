#include "control.h"

#include <stdio.h>
#include "base/units.h"
#include "report/workers.h"

const char *names_nearer(const char *name, const char *best, const char *other)
{
	const char *both[] = { best ? best : other, other };

	return nearest(name, both, ARRAY_SIZE(both));
}

/* @near: what may have been meant instead, or NULL. */
static void refuse_name(struct client *c, const char *code, const char *what, const char *name,
			const char *near)
{
	client_error(c, code, "there is no %s %s%s%s%s", what, name, near ? "; did you mean " : "",
		     near ? near : "", near ? "?" : "");
}

struct service *client_find_service(struct client *c, const char *name)
{
	struct service *found = service_find(client_broker(c), name);
	const char *near = NULL;

	if (found)
		return found;
	list_for_each (struct service, s, &client_broker(c)->services, link)
		near = names_nearer(name, near, service_name(s));
	refuse_name(c, "unknown-service", "service", name, near);
	return NULL;
}

/* Cuts "@GENERATION" off. 0: none was given. What is no number stays: no worker has such a name. */
static int64_t cut_generation(char *name)
{
	char *at = strchr(name, '@');
	int64_t generation = 0;

	if (at && units_parse_count(at + 1, &generation) == 0 && generation > 0)
		*at = '\0';
	return generation;
}

/* Of the workers that share the name of a slot, the one that serves; else the newest. */
static bool is_better(const struct worker *w, const struct worker *than)
{
	bool current = worker_state_is_current(w->state);

	if (!than || current != worker_state_is_current(than->state))
		return !than || current;
	if ((w->state == WORKER_STARTING) != (than->state == WORKER_STARTING))
		return than->state == WORKER_STARTING;
	return w->generation >= than->generation;
}

struct service *client_find_slot(const struct client *c, const char *name, unsigned *ret_slot)
{
	STRBUF(service, HANDOFF_SERVICE_SIZE);
	char rest;
	const char *dot = strrchr(name, '.');
	struct service *s;

	if (!dot || sscanf(dot + 1, "%u%c", ret_slot, &rest) != 1)
		return NULL;
	strbuf_add_bytes(&service, name, (size_t)(dot - name));
	s = service.cut ? NULL : service_find(client_broker(c), service.text);
	return s && *ret_slot < s->want ? s : NULL;
}

static void refuse_worker(struct client *c, const char *name)
{
	const struct broker *b = client_broker(c);
	const char *near = NULL;
	STRBUF(slot, 128);

	if (service_find(b, name)) {
		bool restart = c->request.command->id == COMMAND_RESTART;

		client_error(c, "unknown-worker",
			     "there is no worker %s: that is a service; its workers are called "
			     "%s.0 and so on%s%s",
			     name, name, restart ? "; all are replaced by: reload " : "",
			     restart ? name : "");
		return;
	}
	strbuf_add_bytes(&slot, name, strcspn(name, "@"));
	list_for_each (const struct service, s, &b->services, link)
		list_for_each (const struct worker, w, &s->workers, link)
			near = names_nearer(slot.text, near, w->name);
	refuse_name(c, "unknown-worker", "worker", name, near);
}

struct worker *client_find_worker(struct client *c, const char *name)
{
	struct worker *best = NULL;
	struct service *s;
	STRBUF(why, 512);
	char wanted[128];
	int64_t generation;
	unsigned slot;

	snprintf(wanted, sizeof(wanted), "%s", name);
	generation = cut_generation(wanted);
	list_for_each (struct service, of, &client_broker(c)->services, link)
		list_for_each (struct worker, w, &of->workers, link)
			if (!strcmp(w->name, wanted) &&
			    (!generation || w->generation == generation) && is_better(w, best))
				best = w;
	if (best)
		return best;
	s = client_find_slot(c, name, &slot);
	if (!s || s->dispatch.stopping || !slot_is_empty(s, slot)) {
		refuse_worker(c, name);
		return NULL;
	}
	slot_explain(s, slot, &why);
	client_error(c, "refused", "%s.%u has no process now: %s%s%s", service_name(s), slot,
		     why.text, s->backoff.failures ? "; a reload starts it at once: reload " : "",
		     s->backoff.failures ? service_name(s) : "");
	return NULL;
}
