#include "systemd.h"

#include <stdio.h>
#include "report/status.h"
#include "sys/given.h"
#include "sys/log.h"
#include "sys/notify.h"
#include "sys/starter.h"

#define STATUS_EACH_MS 1000
#define AGAIN_MS       100 /* the manager did not read */
#define STOP_MARGIN_MS 5000

/* False: it did not go out, and is tried again. */
static bool pay(struct systemd *sd)
{
	if (*sd->owed && !notify_send(sd->owed, -1)) {
		loop_timer_arm(&sd->master->broker.loop, &sd->tick, AGAIN_MS);
		return false;
	}
	*sd->owed = '\0';
	return true;
}

/* Emptying the backlogs may take as long as draining the workers. */
static int64_t longest_stop_ms(const struct broker *b)
{
	int64_t longest = 0, ms;

	list_for_each (const struct service, s, &b->services, link) {
		ms = 2 * s->conf->drain_timeout_ms + s->conf->stop_timeout_ms;
		longest = ms > longest ? ms : longest;
	}
	return longest + STOP_MARGIN_MS;
}

/* A reload is not over before its new services serve, or have failed. */
static bool reloads(const struct broker *b)
{
	list_for_each (const struct service, s, &b->services, link)
		if (s->rollout.active || s->after ||
		    (!s->rollout_number && !service_is_ready(s) && !s->backoff.failures &&
		     !service_leaves(s)))
			return true;
	return false;
}

static void tell_status(struct systemd *sd)
{
	struct loop *loop = &sd->master->broker.loop;
	int64_t rest = sd->status_ms + STATUS_EACH_MS - loop_now(loop);
	STRBUF(line, sizeof(sd->status));
	STRBUF(text, sizeof(sd->status) + 16);

	if (sd->status_ms && rest > 0) {
		loop_timer_arm(loop, &sd->tick, rest);
		return;
	}
	status_add_line(sd->master, &line);
	if (!strcmp(line.text, sd->status))
		return;
	strbuf_addf(&text, "STATUS=%s", line.text);
	sd->status_ms = loop_now(loop);
	if (notify_send(text.text, -1))
		strcpy(sd->status, line.text);
	else
		loop_timer_arm(loop, &sd->tick, STATUS_EACH_MS);
}

static void tick_expired(struct loop_timer *timer)
{
	struct systemd *sd = container_of(timer, struct systemd, tick);
	const struct master *m = sd->master;

	if (!pay(sd))
		return;
	if ((sd->told == TOLD_NOTHING && m->ready) ||
	    (sd->told == TOLD_RELOADING && !reloads(&m->broker))) {
		sd->told = TOLD_READY;
		snprintf(sd->owed, sizeof(sd->owed), "READY=1\nMAINPID=%d", (int)starter_pid());
		if (!pay(sd))
			return;
	}
	tell_status(sd);
}

void systemd_changed(struct systemd *sd)
{
	if (!notify_is_off())
		loop_timer_arm(&sd->master->broker.loop, &sd->tick, 0);
}

static void asked(struct observer *o)
{
	struct systemd *sd = container_of(o, struct systemd, observer);
	const struct broker *b = &sd->master->broker;

	if (notify_is_off() || sd->told == TOLD_STOPPING)
		return;
	if (b->stopping) {
		sd->told = TOLD_STOPPING;
		snprintf(sd->owed, sizeof(sd->owed), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld",
			 1000LL * longest_stop_ms(b));
	} else if (sd->told != TOLD_NOTHING) {
		/* Each request is told of, also during another, and if it is refused at once. */
		sd->told = TOLD_RELOADING;
		snprintf(sd->owed, sizeof(sd->owed), "RELOADING=1\nMONOTONIC_USEC=%llu",
			 (unsigned long long)(loop_clock_ns() / 1000));
	}
	loop_timer_arm(&sd->master->broker.loop, &sd->tick, 0);
	(void)pay(sd);
}

static void log_unused(enum given_by by, const char *address)
{
	if (by == GIVEN_STORE)
		log_event(LEVEL_INFO, "unlisten", LOG_STR("address", address),
			  LOG_MSG("%s was open since the last broker, and nobody asks for it: "
				  "closed",
				  address));
	else
		log_event(LEVEL_WARN, "listen", LOG_STR("address", address),
			  LOG_MSG("the service manager has given the broker %s, which no listen "
				  "line names and no app asks for: it is left alone, and who "
				  "connects waits",
				  address));
}

void systemd_report_unused(bool end)
{
	given_report(end, log_unused);
}

static void watchdog_expired(struct loop_timer *timer)
{
	struct systemd *sd = container_of(timer, struct systemd, watchdog);

	(void)notify_send("WATCHDOG=1", -1);
	loop_timer_arm(timer->loop, timer, sd->watchdog_ms / 2);
}

void systemd_init(struct systemd *sd, struct master *m)
{
	STRBUF(error, 512);

	sd->master = m;
	sd->observer.asked = asked;
	loop_timer_init(&sd->tick, tick_expired);
	loop_timer_init(&sd->watchdog, watchdog_expired);
	list_append(&m->broker.observers, &sd->observer.link);
	if (notify_open(&error) < 0)
		log_event(LEVEL_WARN, "service-manager",
			  LOG_MSG("the service manager is told nothing: %s", error.text));
	sd->watchdog_ms = notify_watchdog_ms(starter_pid());
	if (!notify_is_off() && sd->watchdog_ms > 1)
		loop_timer_arm(&m->broker.loop, &sd->watchdog, sd->watchdog_ms / 2);
	systemd_changed(sd);
}
