/*
 * view - an answer of the broker: its lines, kept, and which services need a look. The keys of
 * their members are in docs/control.md.
 *
 * Pure but for the heap.
 * Texts come from outside and must be escaped when they are shown, as text.h does.
 */
#pragma once

#include "base/json.h"

/*
 * A line of type "broker", "service", "listener", "worker", "pin" or "debug". One of any other type
 * is forgotten when the next line comes.
 */
struct view_row {
	const struct json_value *object; /* with all its values behind it */
	char *text;			 /* the strings in the values point into it */
};

enum trouble {
	TROUBLE_NONE,	/* all is well */
	TROUBLE_CHANGE, /* something is under way, or held by hand: not as usual, but no fault */
	TROUBLE_FAULT,	/* a worker fails, or clients wait */
	TROUBLE_OUTAGE, /* nobody serves */
};

/* The lines of one service: its own, if the broker sent it, and those about it that follow. */
struct view_service {
	size_t first, end; /* rows */
	enum trouble trouble;
};

struct view {
	struct view_row *rows;	       /* as they came */
	struct view_service *services; /* once view_rank() has found them */
	size_t n_rows, n_services;
};

/* An all-zero view is empty. */
void view_deinit(struct view *view);

/* Adds one line of the answer, @len bytes. 0; -EBADMSG: it is not JSON; -ENOMEM. */
int view_add(struct view *view, const char *line, size_t len);

/* The line that came last, of whatever type. NULL: there is none. */
const struct json_value *view_last(const struct view *view);

/*
 * The first row of @type behind @after (NULL: from the beginning) in @service (NULL: in all). NULL:
 * there is none.
 */
const struct view_row *view_next(const struct view *view, const struct view_service *service,
				 const char *type, const struct view_row *after);
size_t view_count(const struct view *view, const struct view_service *service, const char *type);

/*
 * Finds the services and orders them by the worst of what their lines say; equal ones stay as they
 * came. False: out of memory.
 */
bool view_rank(struct view *view);

/* That of one line. */
enum trouble view_trouble(const struct json_value *line);
