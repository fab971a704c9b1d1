#include "scrape.h"

#include "master/master.h"
#include "report/snapshot.h"

static void reset(struct scrape *s)
{
	loop_timer_disarm(&s->step);
	metrics_snapshot_deinit(&s->snapshot);
	strbuf_deinit(&s->text);
	s->family = 0;
	s->running = false;
}

static void finish(struct scrape *s, bool good)
{
	struct scrape_waiter *w;

	while ((w = list_first(&s->waiters, struct scrape_waiter, link))) {
		list_remove(&w->link);
		w->done(w, good ? &s->text : NULL);
	}
	reset(s);
}

static void surveyed(struct survey_waiter *w)
{
	struct scrape *s = container_of(w, struct scrape, waiter);

	if (snapshot_take(s->master, &s->snapshot) < 0)
		finish(s, false);
	else
		loop_timer_arm(&s->master->broker.loop, &s->step, 0);
}

static void step_expired(struct loop_timer *timer)
{
	struct scrape *s = container_of(timer, struct scrape, step);

	if (!metrics_write(&s->text, s->classic, &s->snapshot, s->family++) || s->text.cut)
		finish(s, !s->text.cut);
	else
		loop_timer_arm(&s->master->broker.loop, timer, 0);
}

void scrape_want(struct scrape *s, struct scrape_waiter *w)
{
	list_append(&s->waiters, &w->link);
	if (s->running)
		return;
	s->running = true;
	survey_want(s->survey, &s->waiter);
}

void scrape_init(struct scrape *s, struct master *m, struct survey *survey, bool classic)
{
	*s = (struct scrape){ .master = m,
			      .survey = survey,
			      .classic = classic,
			      .text = STRBUF_GROWS(METRICS_TEXT_MAX) };
	list_init(&s->waiters);
	list_init(&s->waiter.link);
	s->waiter.done = surveyed;
	loop_timer_init(&s->step, step_expired);
}

void scrape_deinit(struct scrape *s)
{
	list_remove(&s->waiter.link);
	reset(s);
}
