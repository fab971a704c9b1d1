/*
 * The services and workers that a request names; and what is said where there is none.
 */
#include <stdio.h>
#include <string.h>
#include "base/nearest.h"
#include "base/units.h"
#include "control/client.h"
#include "report/status.h"
#include "service/questions.h"

static void add_nearest(const char *name, const char *const *names, size_t n, struct strbuf *out)
{
	const char *near = nearest(name, names, n);

	if (near)
		strbuf_addf(out, "; did you mean %s?", near);
}

struct service *client_find_service(struct client *c, const char *name)
{
	struct service *found = service_find(&c->master->broker, name), *s;
	const char *names[CONF_SERVICES_MAX];
	STRBUF(near, 128);
	size_t n = 0;

	if (found)
		return found;
	list_for_each (s, &c->master->broker.services, link)
		if (n < ARRAY_SIZE(names))
			names[n++] = service_name(s);
	add_nearest(name, names, n, &near);
	client_error(c, "unknown-service", "there is no service %s%s", name, near.text);
	return NULL;
}

/* Cuts "@GENERATION" off. 0: none was given. What is no number stays, and is nobody's name. */
static int64_t cut_generation(char *name)
{
	char *at = strchr(name, '@');
	int64_t generation = 0;

	if (at && units_parse_count(at + 1, &generation) == 0 && generation > 0)
		*at = '\0';
	return generation;
}

/* Of those that share the name of a slot the one that serves; else the newest. */
static bool is_better(const struct worker *w, const struct worker *than)
{
	bool current = worker_state_is_current(w->state);

	if (!than || current != worker_state_is_current(than->state))
		return !than || current;
	if ((w->state == WORKER_STARTING) != (than->state == WORKER_STARTING))
		return than->state == WORKER_STARTING;
	return w->generation >= than->generation;
}

/* The service that has a slot of that name with no worker in it now, or NULL. */
static const struct service *find_empty_slot(const struct client *c, const char *name,
					     unsigned *ret_slot)
{
	const struct service *s;

	list_for_each (s, &c->master->broker.services, link)
		for (unsigned i = 0; !s->dispatch.stopping && i < s->want; i++) {
			char slot[PIN_WORKER_SIZE];

			snprintf(slot, sizeof(slot), "%s.%u", service_name(s), i);
			if (!strcmp(slot, name) && status_slot_is_empty(s, i)) {
				*ret_slot = i;
				return s;
			}
		}
	return NULL;
}

static void refuse_empty_slot(struct client *c, const struct service *s, unsigned slot)
{
	STRBUF(why, 512);

	status_explain_slot(s, slot, &why);
	client_error(c, "refused", "%s.%u has no process now: %s%s%s", service_name(s), slot,
		     why.text, s->backoff.failures ? "; a reload starts it at once: reload " : "",
		     s->backoff.failures ? service_name(s) : "");
}

/* @name is that of nobody: what it may have meant. */
static void refuse_worker(struct client *c, const char *name, const char *const *names, size_t n)
{
	const struct service *s;
	STRBUF(near, 128);
	char slot[128];

	list_for_each (s, &c->master->broker.services, link)
		if (!strcmp(service_name(s), name)) {
			client_error(c, "unknown-worker",
				     "there is no worker %s: that is a service; its workers are "
				     "called %s.0 and so on",
				     name, name);
			return;
		}
	snprintf(slot, sizeof(slot), "%.*s", (int)strcspn(name, "@"), name);
	add_nearest(slot, names, n, &near);
	client_error(c, "unknown-worker", "there is no worker %s%s", name, near.text);
}

struct worker *client_find_worker(struct client *c, const char *name)
{
	struct worker *w, *best = NULL;
	const struct service *empty;
	struct service *s;
	char wanted[128];
	const char **names;
	int64_t generation;
	unsigned slot;
	size_t n = 0, total = 0;

	snprintf(wanted, sizeof(wanted), "%s", name);
	generation = cut_generation(wanted);
	list_for_each (s, &c->master->broker.services, link)
		list_for_each (w, &s->workers, link) {
			total++;
			if (!strcmp(w->name, wanted) &&
			    (!generation || w->generation == generation) && is_better(w, best))
				best = w;
		}
	if (best)
		return best;
	empty = find_empty_slot(c, name, &slot);
	if (empty) {
		refuse_empty_slot(c, empty, slot);
		return NULL;
	}
	names = calloc(total + 1, sizeof(*names));
	list_for_each (s, &c->master->broker.services, link)
		list_for_each (w, &s->workers, link)
			if (names)
				names[n++] = w->name;
	refuse_worker(c, name, names, n);
	free(names);
	return NULL;
}
