#include "view.h"

#include "base/words.h"

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
	if (view->n_rows && !words_have("broker service listener worker pin debug",
					json_doc_text(view_last(view), "type")))
		free_row(&view->rows[--view->n_rows]);
	view->rows[view->n_rows++] = (struct view_row){ .object = values, .text = text };
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
				 const char *type, const struct view_row *after)
{
	size_t i = after ? (size_t)(after - view->rows) + 1 : service ? service->first : 0;
	size_t end = service ? service->end : view->n_rows;

	for (; i < end; i++)
		if (json_doc_is(view->rows[i].object, "type", type))
			return &view->rows[i];
	return NULL;
}

size_t view_count(const struct view *view, const struct view_service *service, const char *type)
{
	const struct view_row *row = NULL;
	size_t n = 0;

	while ((row = view_next(view, service, type, row)))
		n++;
	return n;
}

/* --- what needs a look ------------------------------------------------------------------ */

enum trouble view_trouble(const struct json_value *line)
{
	const char *state = json_doc_text(line, "state");
	int64_t backlog_max = json_doc_number(line, "backlog_max");
	bool fails = false, changes = false;

	if (json_doc_is(line, "type", "service")) {
		if (!strcmp(state, "down"))
			return TROUBLE_OUTAGE;
		changes = *state && strcmp(state, "waiting") != 0 &&
			  (strcmp(state, "serving") != 0 ||
			   json_doc_number(line, "ready") < json_doc_number(line, "workers") ||
			   json_doc_number(json_doc_member(line, "reload"), "of") > 0);
	} else if (json_doc_is(line, "type", "listener")) {
		fails = backlog_max > 0 && json_doc_number(line, "backlog") * 2 > backlog_max;
	} else if (json_doc_is(line, "type", "worker")) {
		changes = words_have("starting held closed draining stopping empty", state);
		/* Or it is ready, but takes nothing. */
		fails = !changes &&
			(!strcmp(state, "back-off") || json_doc_number(line, "stalled_ms") > 0);
	}
	return fails ? TROUBLE_FAULT : changes ? TROUBLE_CHANGE : TROUBLE_NONE;
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
		const struct json_value *line = view->rows[i].object;
		const char *of = json_doc_text(line, "service");
		enum trouble trouble = view_trouble(line);

		if (!*of)
			continue;
		if (!s || json_doc_is(line, "type", "service") || strcmp(name, of) != 0) {
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
