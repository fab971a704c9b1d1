#include "status.h"

#include <limits.h>
#include <unistd.h>
#include "base/address.h"
#include "base/json.h"
#include "config/option.h"
#include "master/master.h"
#include "report/snapshot.h"
#include "report/workers.h"
#include "service/in_force.h"
#include "sys/log.h"
#include "sys/starter.h"

#define SCHEMA 1

static const char *broker_state(const struct master *m)
{
	return m->broker.stopping ? "stopping" : m->ready ? "running" : "starting";
}

static void write_broker(const struct master *m, struct strbuf *out)
{
	struct timeval now;
	STRBUF(time, 64);

	gettimeofday(&now, NULL);
	log_add_time(&time, &now);
	json_begin(out, "broker");
	json_int(out, "schema", SCHEMA);
	json_str(out, "version", BROKER_VERSION);
	json_int(out, "pid", starter_pid());
	json_int(out, "broker_pid", getpid());
	json_str(out, "state", broker_state(m));
	json_int(out, "uptime_ms", loop_now(&m->broker.loop) - m->started_ms);
	json_str(out, "time", time.text);
	json_uint(out, "longest_turn_ms", m->broker.loop.turns.longest_ns / NSEC_PER_MSEC);
	json_str(out, "config", m->config_file);
	json_str(out, "run_dir", m->rundir.path);
	json_end(out);
}

/* --- a service ----------------------------------------------------------------------- */

static const char *service_state(const struct service *s)
{
	if (s->dispatch.stopping)
		return "stopping";
	if (s->dispatch.paused)
		return service_is_stopped(s) ? "stopped" : "paused";
	if (s->dispatch.asleep)
		return "waiting";
	/* All there, and all held. */
	if (service_is_ready(s))
		return service_has_round(s) ? "serving" : "paused";
	if (service_is_serving(s))
		return "starting";
	return s->backoff.failures ? "down" : "starting";
}

static void write_reload(const struct service *s, struct strbuf *out)
{
	STRBUF(waits, 512);

	if (!s->rollout.active) {
		json_str(out, "reload", NULL);
		return;
	}
	json_object(out, "reload");
	service_rollout_text(s, &waits);
	json_str(out, "kind", roll_kind_name(s->roll_kind));
	json_uint(out, "generation", s->target_generation);
	json_uint(out, "done", s->rollout.done);
	json_uint(out, "of", s->rollout.of);
	json_int(out, "ms", loop_now(service_loop(s)) - s->rollout_began_ms);
	json_str(out, "waits_for", waits.len ? waits.text : NULL);
	json_close(out);
}

static void write_ledger(const struct metrics_service *n, struct strbuf *out)
{
	json_object(out, "ledger");
	json_uint(out, "accepted", n->ledger.accepted);
	json_uint(out, "moved", n->moved);
	json_uint(out, "taken", n->taken_now);
	json_uint(out, "waiting", n->waiting[METRICS_IN_BROKER] + n->waiting[METRICS_IN_CHANNELS]);
	json_uint(out, "client_gone", n->ledger.client_gone);
	json_object(out, "refused");
	json_uint(out, "no-worker", n->refused[METRICS_NO_WORKER]);
	json_uint(out, "no-memory", n->refused[METRICS_NO_MEMORY]);
	json_close(out);
	json_bool(out, "balanced", n->balanced);
	json_uint(out, "taken_back", n->ledger.taken_back);
	json_close(out);
}

static void write_service(const struct service *s, const struct metrics_service *n,
			  struct strbuf *out)
{
	int64_t rollback_ms = service_rollback_left(s);
	STRBUF(balance, 32);

	option_format(option_find(OPTION_SERVICE, "balance"), s->conf, 0, &balance);
	json_begin(out, "service");
	json_str(out, "service", n->kept.name);
	json_uint(out, "generation", n->kept.generation);
	json_uint(out, "workers", n->kept.want);
	json_uint(out, "ready", n->by_state[WORKER_READY]);
	json_str(out, "state", service_state(s));
	json_str(out, "balance", balance.text);
	json_str(out, "directory", s->conf->directory);
	json_str(out, "release", conf_release(s->conf));
	write_reload(s, out);
	json_int_if(out, "rollback_ms", rollback_ms >= 0, rollback_ms);
	write_ledger(n, out);
	json_end(out);
}

static const char *listener_state(const struct listener *l)
{
	if (l->closing)
		return "closing";
	if (l->bound_only)
		return "bound";
	if (l->dispatch->asleep || l->addr.flags & HANDOFF_UDP)
		return "open"; /* whoever reads datagrams asks the broker for nothing */
	if (!l->endpoint)
		return "unused";
	return l->endpoint->paused ? "paused" : "open";
}

static void write_listener(const struct listener *l, const struct metrics_listener *n,
			   struct strbuf *out)
{
	json_begin(out, "listener");
	json_str(out, "service", l->dispatch->service);
	json_str(out, "address", address_text(&l->addr).text);
	json_uint(out, "app_port", address_app_port(l->app));
	json_str(out, "app_path", address_app_port(l->app) ? "" : address_app_text(l->app).text);
	json_bool(out, "automatic", l->automatic);
	json_str(out, "state", listener_state(l));
	json_int_if(out, "backlog", n->asked, (long long)n->backlog);
	json_int_if(out, "backlog_max", n->asked, (long long)n->backlog_limit);
	json_int_if(out, "overflows", n->asked, (long long)n->overflows);
	json_uint(out, "accepted", n->accepted);
	json_end(out);
}

void status_write_pins(const struct service *s, struct strbuf *out)
{
	int64_t now = loop_now(service_loop(s));

	for (size_t i = 0; i < s->dispatch.pins.n; i++) {
		const struct pin *p = &s->dispatch.pins.pin[i];

		json_begin(out, "pin");
		json_str(out, "service", service_name(s));
		json_str(out, "source", p->source.family ? pin_source_text(&p->source).text : NULL);
		json_str(out, "worker", p->worker);
		json_str(out, "kind", pin_kind_names[p->kind]);
		json_int_if(out, "expires_ms", p->expires_ms != 0, p->expires_ms - now);
		json_end(out);
	}
}

/* --- all of it ----------------------------------------------------------------------- */

/* The lines of @s, whose numbers are @n and from @listeners on. */
static int write_all(const struct service *s, const struct metrics_service *n,
		     const struct metrics_listener *listeners, struct strbuf *out)
{
	int r;

	write_service(s, n, out);
	list_for_each (const struct listener, l, &s->dispatch.listeners, link)
		write_listener(l, listeners++, out);
	r = workers_write(s, 0, UINT_MAX, out);
	status_write_pins(s, out);
	return r;
}

int status_write(const struct master *m, const struct service *only, struct strbuf *out)
{
	struct metrics_snapshot numbers = { 0 };
	int r = snapshot_take(m, &numbers);
	const struct metrics_service *n = numbers.services;
	const struct metrics_listener *listeners = numbers.listeners;

	if (r == 0 && !only)
		write_broker(m, out);
	list_for_each (const struct service, s, &m->broker.services, link) {
		if (r == 0 && (!only || s == only))
			r = write_all(s, n, listeners, out);
		n++;
		listeners += list_count(&s->dispatch.listeners);
	}
	metrics_snapshot_deinit(&numbers);
	return r;
}

void status_add_line(const struct master *m, struct strbuf *out)
{
	strbuf_add(out, broker_state(m));
	for (int last = 0; last < 2; last++)
		list_for_each (const struct service, s, &m->broker.services, link) {
			const char *state = service_state(s);
			bool serves = strcmp(state, "serving") == 0;
			unsigned ready = 0;

			if (serves != last)
				continue;
			list_for_each (const struct worker, w, &s->workers, link)
				ready += w->state == WORKER_READY;
			strbuf_addf(out, "; %s %s %u/%u ready", service_name(s), state, ready,
				    s->want);
			if (s->rollout.active)
				strbuf_addf(out, ", %s %zu of %zu", roll_kind_name(s->roll_kind),
					    s->rollout.done, s->rollout.of);
		}
}
