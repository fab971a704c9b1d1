/*
 * view - the answer to `status`: its lines, kept and looked up by the keys of docs/control.md.
 *
 * Pure but for the heap. What the broker does not say, or says to be null, is "", -1 or false.
 * Texts come from outside and must be escaped when they are shown, as text.h does.
 */
#ifndef BROKER_CTL_VIEW_H
#define BROKER_CTL_VIEW_H

#include "base/json_doc.h"

/* A JSON object of a line. It may be absent: then so are all its members. */
struct view_object {
	const struct json_value *values; /* of the whole line */
	const struct json_value *object; /* one of them; NULL: absent */
};

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
	struct view_object object;
	char *text; /* the strings in the values point into it */
};

/* The lines of one service: its own, if the broker sent it, and those about it that follow. */
struct view_service {
	size_t first, end; /* rows */
};

struct view {
	struct view_row *rows; /* as they came */
	struct view_service *services;
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

/* Members, as what is expected: "", -1, false or absent if they are not that. */
const char *view_text(struct view_object o, const char *key);
int64_t view_number(struct view_object o, const char *key);
bool view_truth(struct view_object o, const char *key);
struct view_object view_member(struct view_object o, const char *key);

/* The member behind @after (NULL: the first). NULL: there is none. */
const struct json_value *view_next_member(struct view_object o, const struct json_value *after);

#endif
