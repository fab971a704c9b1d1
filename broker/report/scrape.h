/*
 * scrape - the text of all metrics, made on demand.
 *
 * What it says comes from one moment: a snapshot that is taken in one turn of the loop, after the
 * kernel was asked about every worker. Writing it down takes a turn for each family, so that
 * many workers do not hold up accepting. Whoever asks meanwhile gets the same text, so a
 * hundred scrapers cost one scrape.
 */
#ifndef BROKER_REPORT_SCRAPE_H
#define BROKER_REPORT_SCRAPE_H

#include "service/survey.h"
#include "policy/metrics.h"
#include "sys/loop.h"

struct master;

/* One that waits. Embedded in its owner, who gives up with list_remove(&w->link). */
struct scrape_waiter {
	struct list link;
	/* Called from the loop, once. @text NULL: there was no memory. */
	void (*done)(struct scrape_waiter *w, const struct buf *text);
};

struct scrape {
	struct master *master;
	struct survey *survey;
	struct list waiters; /* scrape_waiter::link */
	struct survey_waiter waiter;
	struct loop_timer step;
	struct metrics_snapshot snapshot;
	struct buf text;
	size_t family;	     /* that is written next */
	bool running, taken; /* .taken: the snapshot was */
};

void scrape_init(struct scrape *s, struct master *m, struct survey *survey);
void scrape_deinit(struct scrape *s); /* who still waits is forgotten */

void scrape_want(struct scrape *s, struct scrape_waiter *w);

#endif
