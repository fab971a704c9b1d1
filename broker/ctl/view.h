/*
 * view - the answer to `status`: its lines, kept. The keys of their members are in docs/control.md.
 *
 * Pure but for the heap.
 * Texts come from outside and must be escaped when they are shown, as text.h does.
 */
#pragma once

#include "base/json_doc.h"

enum view_type {
	VIEW_BROKER,
	VIEW_SERVICE,
	VIEW_LISTENER,
	VIEW_WORKER,
	VIEW_PIN,
	VIEW_TYPES,
};

struct view_row {
	enum view_type type;
	const struct json_value *object; /* with all its values behind it */
	char *text;			 /* the strings in the values point into it */
};

/* The lines of one service: its own, if the broker sent it, and those about it that follow. */
struct view_service {
	size_t first, end; /* rows */
	unsigned trouble;  /* enum trouble, once trouble_rank() has set it */
};

struct view {
	struct view_row *rows;	       /* as they came */
	struct view_service *services; /* as they came, or the worst first: trouble_rank() */
	size_t n_rows, n_services;
};

/* An all-zero view is empty. */
void view_deinit(struct view *view);

/*
 * Adds one line of the answer, @len bytes. 0; -EINVAL: it is not JSON; -ENOMEM. Lines of other
 * types, such as the end, add nothing.
 */
int view_add(struct view *view, const char *line, size_t len);

/*
 * The first row of @type behind @after (NULL: from the beginning) in @service (NULL: in all). NULL:
 * there is none.
 */
const struct view_row *view_next(const struct view *view, const struct view_service *service,
				 enum view_type type, const struct view_row *after);
size_t view_count(const struct view *view, const struct view_service *service, enum view_type type);
