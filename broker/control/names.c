#include "names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/nearest.h"
#include "base/units.h"
#include "control/client.h"
#include "report/status.h"

static void add_nearest(const char *name, const char *const *names, size_t n, struct strbuf *out)
{
	const char *near = nearest(name, names, n);

	if (near)
		strbuf_addf(out, "; did you mean %s?", near);
}

struct service *client_find_service(struct client *c, const char *name)
{
	struct service *found = service_find(client_broker(c), name), *s;
	const char *names[CONF_SERVICES_MAX];
	STRBUF(near, 128);
	size_t n = 0;

	if (found)
		return found;
	list_for_each (s, &client_broker(c)->services, link)
		if (n < ARRAY_SIZE(names))
			names[n++] = service_name(s);
	add_nearest(name, names, n, &near);
	client_error(c, "unknown-service", "there is no service %s%s", name, near.text);
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
	char service[HANDOFF_SERVICE_SIZE], rest;
	const char *dot = strrchr(name, '.');
	size_t n = dot ? (size_t)(dot - name) : 0;
	struct service *s;

	if (!dot || n >= sizeof(service) || sscanf(dot + 1, "%u%c", ret_slot, &rest) != 1)
		return NULL;
	memcpy(service, name, n);
	service[n] = '\0';
	s = service_find(client_broker(c), service);
	return s && *ret_slot < s->want ? s : NULL;
}

static void refuse_empty_slot(struct client *c, const struct service *s, unsigned slot)
{
	STRBUF(why, 512);

	status_explain_slot(s, slot, &why);
	client_error(c, "refused", "%s.%u has no process now: %s%s%s", service_name(s), slot,
		     why.text, s->backoff.failures ? "; a reload starts it at once: reload " : "",
		     s->backoff.failures ? service_name(s) : "");
}

/* No worker has the name: says which one may have been meant. */
static void refuse_worker(struct client *c, const char *name)
{
	_cleanup_free_ const char **names = NULL;
	const struct broker *b = client_broker(c);
	const struct service *s;
	const struct worker *w;
	STRBUF(near, 128);
	char slot[128];
	size_t n = 0;

	if (service_find(b, name)) {
		client_error(c, "unknown-worker",
			     "there is no worker %s: that is a service; its workers are called "
			     "%s.0 and so on",
			     name, name);
		return;
	}
	list_for_each (s, &b->services, link)
		n += list_count(&s->workers);
	names = calloc(n + 1, sizeof(*names));
	n = 0;
	list_for_each (s, &b->services, link)
		list_for_each (w, &s->workers, link)
			if (names)
				names[n++] = w->name;
	snprintf(slot, sizeof(slot), "%.*s", (int)strcspn(name, "@"), name);
	add_nearest(slot, names, n, &near);
	client_error(c, "unknown-worker", "there is no worker %s%s", name, near.text);
}

struct worker *client_find_worker(struct client *c, const char *name)
{
	struct worker *w, *best = NULL;
	struct service *s;
	char wanted[128];
	int64_t generation;
	unsigned slot;

	snprintf(wanted, sizeof(wanted), "%s", name);
	generation = cut_generation(wanted);
	list_for_each (s, &client_broker(c)->services, link)
		list_for_each (w, &s->workers, link)
			if (!strcmp(w->name, wanted) &&
			    (!generation || w->generation == generation) && is_better(w, best))
				best = w;
	if (best)
		return best;
	s = client_find_slot(c, name, &slot);
	if (s && !s->stopping && status_slot_is_empty(s, slot))
		refuse_empty_slot(c, s, slot);
	else
		refuse_worker(c, name);
	return NULL;
}
