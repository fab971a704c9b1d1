#include "view.h"

#include <errno.h>
#include <string.h>

static enum view_type type_of(const char *name)
{
	static const char *const names[] = {
		[VIEW_SERVICE] = "service", [VIEW_LISTENER] = "listener", [VIEW_WORKER] = "worker",
		[VIEW_PIN] = "pin",	    [VIEW_BROKER] = "broker",	  [VIEW_DEBUG] = "debug",
	};
	enum view_type type = VIEW_SERVICE;

	while (type < VIEW_OTHER && strcmp(names[type], name) != 0)
		type++;
	return type;
}

static void free_row(const struct view_row *row)
{
	free(row->text);
	free((void *)(uintptr_t)row->object);
}

int view_add(struct view *view, const char *line, size_t len)
{
	_cleanup_free_ char *text = strndup(line, len);
	struct json_value *values;
	struct json_doc doc;
	enum view_type type;

	if (!text)
		return -ENOMEM;
	if (strlen(text) != len || json_doc_read(text, len, &doc) < 0)
		return -EBADMSG;
	if (!array_grow(view->rows, view->n_rows))
		return -ENOMEM;
	values = malloc(doc.n * sizeof(*values));
	if (!values)
		return -ENOMEM;
	memcpy(values, doc.value, doc.n * sizeof(*values));
	/* In the place of a line that nobody needs any more: the room is there. */
	if (view->n_rows && view->rows[view->n_rows - 1].type == VIEW_OTHER)
		free_row(&view->rows[--view->n_rows]);
	type = type_of(json_doc_text(values, "type"));
	view->rows[view->n_rows++] =
		(struct view_row){ .type = type, .object = values, .text = text };
	text = NULL;
	return 0;
}

void view_deinit(struct view *view)
{
	for (size_t i = 0; i < view->n_rows; i++)
		free_row(&view->rows[i]);
	free(view->rows);
	free(view->services);
	*view = (struct view){ 0 };
}

const struct json_value *view_last(const struct view *view)
{
	return view->n_rows ? view->rows[view->n_rows - 1].object : NULL;
}

const struct view_row *view_next(const struct view *view, const struct view_service *service,
				 enum view_type type, const struct view_row *after)
{
	size_t i = after ? (size_t)(after - view->rows) + 1 : service ? service->first : 0;
	size_t end = service ? service->end : view->n_rows;

	for (; i < end; i++)
		if (view->rows[i].type == type)
			return &view->rows[i];
	return NULL;
}

size_t view_count(const struct view *view, const struct view_service *service, enum view_type type)
{
	const struct view_row *row = NULL;
	size_t n = 0;

	while ((row = view_next(view, service, type, row)))
		n++;
	return n;
}

/* --- what needs a look ------------------------------------------------------------------ */

static enum trouble trouble_of_worker(const struct json_value *worker)
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

static enum trouble trouble_of_service(const struct json_value *s)
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

enum trouble view_trouble(const struct json_value *line)
{
	int64_t backlog_max = json_doc_number(line, "backlog_max");

	switch (type_of(json_doc_text(line, "type"))) {
	case VIEW_SERVICE:
		return trouble_of_service(line);
	case VIEW_LISTENER:
		return backlog_max > 0 && json_doc_number(line, "backlog") * 2 > backlog_max
			       ? TROUBLE_FAULT
			       : TROUBLE_NONE;
	case VIEW_WORKER:
		return trouble_of_worker(line);
	case VIEW_PIN:
	case VIEW_BROKER:
	case VIEW_DEBUG:
	case VIEW_OTHER:
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

bool view_rank(struct view *view)
{
	struct view_service *services = calloc(view->n_rows + 1, sizeof(*services));
	struct view_service *s = NULL;
	const char *name = "";

	free(view->services);
	view->services = services;
	view->n_services = 0;
	for (size_t i = 0; services && i < view->n_rows; i++) {
		const struct view_row *row = &view->rows[i];
		const char *of = json_doc_text(row->object, "service");
		enum trouble trouble = view_trouble(row->object);

		if (row->type >= VIEW_BROKER)
			continue;
		if (!s || row->type == VIEW_SERVICE || strcmp(name, of) != 0) {
			s = &services[view->n_services++];
			s->first = i;
			name = of;
		}
		s->end = i + 1;
		if (trouble > s->trouble)
			s->trouble = trouble;
	}
	if (view->n_services)
		qsort(services, view->n_services, sizeof(*services), compare);
	return services != NULL;
}
