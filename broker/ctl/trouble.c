#include "trouble.h"

#include <string.h>

enum trouble trouble_of_worker(const struct json_value *worker)
{
	static const char *const changing[] = { "starting", "held",	"closed",
						"draining", "stopping", "empty" };
	const char *state = json_doc_text(worker, "state");

	for (size_t i = 0; i < ARRAY_SIZE(changing); i++)
		if (!strcmp(changing[i], state))
			return TROUBLE_CHANGE;
	/* Or it is ready, but takes nothing. */
	return !strcmp(state, "back-off") || json_doc_number(worker, "stalled_ms") > 0
		       ? TROUBLE_FAULT
		       : TROUBLE_NONE;
}

/* By the line of the service itself. */
static enum trouble trouble_of_head(const struct json_value *s)
{
	const char *state = json_doc_text(s, "state");
	int64_t ready = json_doc_number(s, "ready"), workers = json_doc_number(s, "workers");

	if (!strcmp(state, "down"))
		return TROUBLE_OUTAGE;
	return *state && (strcmp(state, "serving") != 0 || ready < workers ||
			  json_doc_number(json_doc_member(s, "reload"), "of") > 0)
		       ? TROUBLE_CHANGE
		       : TROUBLE_NONE;
}

static enum trouble trouble_of_row(const struct view_row *row)
{
	int64_t backlog_max = json_doc_number(row->object, "backlog_max");

	switch (row->type) {
	case VIEW_SERVICE:
		return trouble_of_head(row->object);
	case VIEW_LISTENER:
		return backlog_max > 0 && json_doc_number(row->object, "backlog") * 2 > backlog_max
			       ? TROUBLE_FAULT
			       : TROUBLE_NONE;
	case VIEW_WORKER:
		return trouble_of_worker(row->object);
	case VIEW_BROKER:
	case VIEW_PIN:
	case VIEW_TYPES:
		break;
	}
	return TROUBLE_NONE;
}

static int compare(const void *a, const void *b)
{
	const struct view_service *x = a, *y = b;

	if (x->trouble != y->trouble)
		return x->trouble > y->trouble ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

void trouble_rank(struct view *view)
{
	for (size_t i = 0; i < view->n_services; i++) {
		struct view_service *s = &view->services[i];

		/* The worst of what its lines say. */
		s->trouble = TROUBLE_NONE;
		for (size_t row = s->first; row < s->end; row++) {
			enum trouble t = trouble_of_row(&view->rows[row]);

			if (t > s->trouble)
				s->trouble = t;
		}
	}
	if (view->n_services)
		qsort(view->services, view->n_services, sizeof(*view->services), compare);
}

void trouble_add_more(const struct view *view, size_t n, struct strbuf *out)
{
	size_t bad = 0;

	for (size_t i = view->n_services - n; i < view->n_services; i++)
		bad += view->services[i].trouble != TROUBLE_NONE;
	strbuf_addf(out, "%zu more service%s, ", n, n == 1 ? "" : "s");
	if (bad)
		strbuf_addf(out, "%zu of them not as usual", bad);
	else
		strbuf_add(out, "all well");
}
