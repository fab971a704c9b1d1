/*
 * trouble - what of an answer to `status` needs a look, so that it is shown first. Pure.
 */
#pragma once

#include "base/strbuf.h"
#include "ctl/view.h"

enum trouble {
	TROUBLE_NONE,	/* all is well */
	TROUBLE_CHANGE, /* something is under way, or held by hand: not as usual, but no fault */
	TROUBLE_FAULT,	/* a worker fails, or clients wait */
	TROUBLE_OUTAGE, /* nobody serves */
};

enum trouble trouble_of_worker(const struct json_value *worker);

/* Orders the services of @view, the worst first; equal ones stay as they are. */
void trouble_rank(struct view *view);

/* Adds "12 more services, all well" for the last @n of @view, or how many of them are not. */
void trouble_add_more(const struct view *view, size_t n, struct strbuf *out);
