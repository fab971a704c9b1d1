/*
 * snapshot - all numbers of the broker, of one moment: status and metrics are two ways to write it;
 * and the text of all metrics in one of the two formats, made on demand.
 *
 * Formatting takes one turn of the loop per family, so that many workers do not delay accepting.
 * Clients that ask meanwhile get the same text, so a hundred scrapers cost one scrape.
 */
#pragma once

#include "policy/metrics.h"
#include "service/survey.h"

struct master;

/*
 * Services and their listeners are in the order of their lists. 0, and metrics_snapshot_deinit()
 * is due; or -ENOMEM: it is due, too.
 */
int snapshot_take(const struct master *m, struct metrics_snapshot *ret);

/* A waiting client. Embedded in its owner, which gives up with list_remove(&w->link). */
struct scrape_waiter {
	struct list link;
	/* Called from the loop, once. @text NULL: there was no memory. */
	void (*done)(struct scrape_waiter *w, const struct strbuf *text);
};

struct scrape {
	struct master *master;
	struct survey *survey;
	struct list waiters; /* scrape_waiter::link */
	struct survey_waiter waiter;
	struct loop_timer step;
	struct metrics_snapshot snapshot;
	struct strbuf text;
	size_t family; /* that is written next */
	bool running, classic;
};

/* @classic: in the older format; see metrics.h. */
void scrape_init(struct scrape *s, struct master *m, struct survey *survey, bool classic);
void scrape_deinit(struct scrape *s); /* nobody waits any more */

void scrape_want(struct scrape *s, struct scrape_waiter *w);
