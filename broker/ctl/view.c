#include "view.h"

#include <errno.h>
#include <string.h>

/* The row that came last belongs to the last service, or begins one. */
static bool add_to_service(struct view *view)
{
	const struct view_row *row = &view->rows[view->n_rows - 1], *first = row;

	if (view->n_services)
		first = &view->rows[view->services[view->n_services - 1].first];
	if (!view->n_services || row->type == VIEW_SERVICE ||
	    strcmp(json_doc_text(first->object, "service"),
		   json_doc_text(row->object, "service")) != 0) {
		if (!array_grow(view->services, view->n_services))
			return false;
		view->services[view->n_services++].first = view->n_rows - 1;
	}
	view->services[view->n_services - 1].end = view->n_rows;
	return true;
}

static enum view_type type_of(const char *name)
{
	static const char *const names[] = {
		[VIEW_BROKER] = "broker", [VIEW_SERVICE] = "service", [VIEW_LISTENER] = "listener",
		[VIEW_WORKER] = "worker", [VIEW_PIN] = "pin",
	};
	enum view_type type = VIEW_BROKER;

	while (type < VIEW_TYPES && strcmp(names[type], name) != 0)
		type++;
	return type;
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
		return -EINVAL;
	type = type_of(json_doc_text(doc.value, "type"));
	if (type == VIEW_TYPES)
		return 0;
	if (!array_grow(view->rows, view->n_rows))
		return -ENOMEM;
	values = malloc(doc.n * sizeof(*values));
	if (!values)
		return -ENOMEM;
	memcpy(values, doc.value, doc.n * sizeof(*values));
	view->rows[view->n_rows++] =
		(struct view_row){ .type = type, .object = values, .text = text };
	text = NULL;
	return type == VIEW_BROKER || add_to_service(view) ? 0 : -ENOMEM;
}

void view_deinit(struct view *view)
{
	for (size_t i = 0; i < view->n_rows; i++) {
		free(view->rows[i].text);
		free((void *)(uintptr_t)view->rows[i].object);
	}
	free(view->rows);
	free(view->services);
	*view = (struct view){ 0 };
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
