
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/address.h"
#include "base/json.h"
#include "dispatch/channel.h"
#include "master/master.h"
#include "report/status.h"
#include "service/in_force.h"
#include "service/questions.h"
#include "sys/tcp.h"
#include "sys/log_form.h"

#define SCHEMA 1

static int64_t now_of(const struct service *s)
{
	return loop_now(&s->broker->loop);
}

static void add_time(struct buf *out)
{
	struct timeval now;
	STRBUF(text, 64);

	gettimeofday(&now, NULL);
	log_form_time(&text, &now);
	json_str(out, "time", text.text);
}

void status_write_broker(const struct master *m, struct buf *out)
{
	json_begin(out);
	json_str(out, "type", "broker");
	json_int(out, "schema", SCHEMA);
	json_str(out, "version", BROKER_VERSION);
	json_int(out, "pid", getpid());
	json_str(out, "state", m->broker.stopping ? "stopping" : m->ready ? "running" : "starting");
	json_int(out, "uptime_ms", loop_now(&m->broker.loop) - m->started_ms);
	add_time(out);
	json_str(out, "config", m->config_file);
	json_str(out, "run_dir", m->rundir.path);
	json_end(out);
}

/* --- a service ----------------------------------------------------------------------- */

/* Of the ledger, added up in one moment, and counted from the other side than accepted. */
struct ledger_sums {
	uint64_t taken;	  /* by workers, also those that have ended */
	uint64_t waiting; /* in channels and in the broker */
	bool balanced;	  /* accepted = taken + waiting + client gone + refused */
};

static struct ledger_sums add_up(const struct service *s)
{
	struct ledger_sums sums = { .taken = s->served_by_gone };
	const struct ledger *l = &s->dispatch.ledger;
	const struct endpoint *e;
	const struct worker *w;
	const struct channel *c;

	list_for_each (w, &s->workers, link) {
		sums.taken += w->served;
		list_for_each (c, &w->taker.channels, link) {
			/* Asked once: a worker takes some between two questions. */
			unsigned waiting = channel_backlog(c);

			sums.taken += c->sent - c->taken_back - waiting;
			sums.waiting += waiting;
		}
	}
	list_for_each (e, &s->dispatch.endpoints, link)
		sums.waiting += e->n_pending;
	sums.balanced = l->accepted == sums.taken + sums.waiting + l->client_gone + l->refused;
	return sums;
}

static const char *service_state(const struct service *s)
{
	if (s->dispatch.stopping)
		return "stopping";
	if (s->dispatch.paused)
		return "paused";
	/* All there, and all held. */
	if (service_is_ready(s))
		return service_has_round(s) ? "serving" : "paused";
	if (service_is_serving(s))
		return "starting";
	return s->backoff.failures ? "down" : "starting";
}

static const char *balance_name(enum conf_balance balance)
{
	switch (balance) {
	case BALANCE_ROUND_ROBIN:
		return "round-robin";
	case BALANCE_LEAST_CONNECTIONS:
		return "least-connections";
	case BALANCE_SOURCE:
		return "source";
	}
	return "?";
}

static unsigned count_ready(const struct service *s)
{
	const struct worker *w;
	unsigned n = 0;

	list_for_each (w, &s->workers, link)
		n += w->state == WORKER_READY && !w->guest;
	return n;
}

static void write_reload(const struct service *s, struct buf *out)
{
	STRBUF(waits, 512);

	if (!s->rollout.active) {
		json_null(out, "reload");
		return;
	}
	json_object(out, "reload");
	service_rollout_text(s, &waits);
	json_str(out, "kind", roll_kind_name(s->roll_kind));
	json_uint(out, "generation", s->target_generation);
	json_uint(out, "done", s->rollout.done);
	json_uint(out, "of", s->rollout.of);
	json_int(out, "ms", now_of(s) - s->rollout_began_ms);
	json_str(out, "waits_for", waits.len ? waits.text : NULL);
	json_close(out);
}

static void write_ledger(const struct service *s, struct buf *out)
{
	const struct ledger *l = &s->dispatch.ledger;
	struct ledger_sums sums = add_up(s);

	json_object(out, "ledger");
	json_uint(out, "accepted", l->accepted);
	json_uint(out, "taken", sums.taken);
	json_uint(out, "waiting", sums.waiting);
	json_uint(out, "client_gone", l->client_gone);
	json_object(out, "refused");
	json_uint(out, "no-worker", l->refused - l->no_memory);
	json_uint(out, "no-memory", l->no_memory);
	json_close(out);
	json_bool(out, "balanced", sums.balanced);
	json_uint(out, "taken_back", l->taken_back);
	json_close(out);
}

static void write_service_line(const struct service *s, struct buf *out)
{
	json_begin(out);
	json_str(out, "type", "service");
	json_str(out, "service", service_name(s));
	json_uint(out, "generation", s->generation);
	json_uint(out, "workers", s->want);
	json_uint(out, "ready", count_ready(s));
	json_str(out, "state", service_state(s));
	json_str(out, "balance", balance_name(s->conf->balance));
	write_reload(s, out);
	if (service_rollback_left(s) >= 0)
		json_int(out, "rollback_ms", service_rollback_left(s));
	else
		json_null(out, "rollback_ms");
	write_ledger(s, out);
	json_end(out);
}

static const char *listener_state(const struct listener *l)
{
	if (l->closing)
		return "closing";
	if (!l->endpoint)
		return "unused";
	return l->endpoint->paused ? "paused" : "open";
}

static void write_listener(const struct listener *l, struct buf *out)
{
	struct tcp_counts counts;
	STRBUF(text, 80);

	address_format(&l->addr, &text);
	json_begin(out);
	json_str(out, "type", "listener");
	json_str(out, "service", l->dispatch->service);
	json_str(out, "address", text.text);
	json_uint(out, "app_port", l->app_port);
	json_bool(out, "automatic", l->automatic);
	json_str(out, "state", listener_state(l));
	if (tcp_count(l->fd, &counts) == 0) {
		json_uint(out, "backlog", counts.backlog);
		json_uint(out, "backlog_max", counts.backlog_max);
		json_uint(out, "overflows", counts.overflows);
	} else {
		json_null(out, "backlog");
		json_null(out, "backlog_max");
		json_null(out, "overflows");
	}
	json_uint(out, "accepted", l->accepted);
	json_end(out);
}

/* --- pins, and the head of a service --------------------------------------------------- */

void status_write_pins(const struct service *s, struct buf *out)
{
	for (size_t i = 0; i < s->dispatch.pins.n; i++) {
		const struct pin *p = &s->dispatch.pins.pin[i];
		STRBUF(source, 80);

		pin_source_format(&p->source, &source);
		json_begin(out);
		json_str(out, "type", "pin");
		json_str(out, "service", service_name(s));
		json_str(out, "source", p->source.family ? source.text : NULL);
		json_str(out, "worker", p->worker);
		json_str(out, "kind", pin_kind_names[p->kind]);
		if (p->expires_ms)
			json_int(out, "expires_ms", p->expires_ms - now_of(s));
		else
			json_null(out, "expires_ms");
		json_end(out);
	}
}

void status_write_head(const struct service *s, struct buf *out)
{
	const struct listener *l;

	write_service_line(s, out);
	list_for_each (l, &s->dispatch.listeners, link)
		write_listener(l, out);
}
