/*
 * workers_table - the rows of workers, as `status` and `top` show them. Pure.
 */
#ifndef BROKER_CTL_WORKERS_TABLE_H
#define BROKER_CTL_WORKERS_TABLE_H

#include "ctl/table.h"
#include "ctl/view.h"

/* Of `status`: the rows are an array of struct view_worker. */
struct table workers_table(const struct view_worker *workers, size_t n);

/* The cells and columns that `top` has too; @w as its own cells find it. */
void workers_cell_pid(const struct view_worker *w, struct strbuf *out);
void workers_cell_state(const struct view_worker *w, struct strbuf *out, enum text_style *style);

/* How a state looks: green serves, yellow is held, red does not come up. */
enum text_style workers_state_style(const char *state);

/* Why, with what else a row must not hide: a tracer, that only pins lead to it. */
void workers_add_why(const struct view_worker *w, struct strbuf *out);

#endif
