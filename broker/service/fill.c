#include "fill.h"

#include <poll.h>
#include <stdio.h>
#include "base/address.h"
#include "dispatch/channel.h"
#include "dispatch/listener.h"
#include "policy/demand.h"
#include "service/listeners.h"
#include "sys/log.h"
#include "sys/tcp.h"
#include "worker/output.h"
#include "worker/start.h"
#include "worker/step.h"
#include "worker/words.h"

/* How often an address is tried that another program has. */
#define ADDRESS_LOOK_MS 500

/* --- failures -------------------------------------------------------------------------- */

/* @doubling: the next start waits, each time twice as long; else it waits little. */
static void back_off(struct service *s, bool doubling)
{
	struct service_conf *sc = s->conf;
	int64_t now = loop_now(service_loop(s)), delay;
	STRBUF(when, 256);

	/* A long quiet time since the last failure ends the series. */
	if (now - s->last_failure_ms > sc->backoff_reset_ms + sc->backoff_max_ms)
		backoff_reset(&s->backoff);
	s->last_failure_ms = now;
	if (!doubling) {
		s->backoff.until_ms = now + sc->backoff_min_ms;
		return;
	}
	delay = backoff_failed(&s->backoff, now, sc->backoff_min_ms, sc->backoff_max_ms);
	if (s->busy.family)
		strbuf_addf(&when, "as soon as this is free: %s", address_text(&s->busy).text);
	else
		strbuf_addf(&when, "in %lld ms", (long long)delay);
	if (!service_is_serving(s))
		strbuf_add(&when, "; clients wait in the backlog until a worker is ready");
	log_event(LEVEL_WARN, "back-off", LOG_SERVICE(s), LOG_INT("delay_ms", delay),
		  LOG_INT("failures", s->backoff.failures),
		  LOG_MSG("failure %u in a row: next start %s", s->backoff.failures, when.text));
}

/* Adds why @w was refused; or what it has written last: the last line, or @all that is kept. */
static void add_output(struct worker *w, bool all, struct strbuf *out)
{
	const struct strbuf *tail = &w->lines.tail;
	size_t end, start;

	worker_output_look(w);
	start = end = tail->len ? tail->len - 1 : 0; /* without its newline */
	while (start > 0 && (all || tail->text[start - 1] != '\n'))
		start--;
	if (w->refusal)
		strbuf_add(out, w->refusal);
	else
		strbuf_add_bytes(out, tail->text + start, end - start);
}

static bool was_healthy(const struct worker *w)
{
	int64_t now = loop_now(worker_loop(w));

	return w->ready_ms && now - w->ready_ms >= w->conf->backoff_reset_ms;
}

/* Counts it. Its words are still to be added. */
static struct slot_trouble *remember_end(struct service *s, unsigned slot, enum worker_end end)
{
	struct slot_trouble *t = &s->troubles[slot];

	s->ends[end]++;
	s->slots[slot].restarts++;
	t->at_ms = loop_now(service_loop(s));
	t->in_a_row++;
	t->words[0] = t->last_output[0] = '\0';
	return t;
}

static void note_end(struct worker *w, bool starting)
{
	const struct worker_end_facts facts = worker_end_facts(w, starting);
	struct slot_trouble *t = &service_of(w)->troubles[w->slot];
	struct strbuf text;

	if (was_healthy(w))
		t->in_a_row = 0;
	(void)remember_end(service_of(w), w->slot, worker_end_of(&facts));
	strbuf_init(&text, t->words, sizeof(t->words));
	worker_end_add_words(&facts, &text);
	strbuf_init(&text, t->last_output, sizeof(t->last_output));
	add_output(w, false, &text);
}

void service_note_failure(struct worker *w, bool starting)
{
	struct service *s = service_of(w);

	note_end(w, starting);
	s->busy = starting ? w->busy : (struct handoff_addr){ 0 };
	if (!starting && was_healthy(w))
		backoff_reset(&s->backoff);
	else
		/* It has served, so the command is not broken: it is replaced soon, every time. */
		back_off(s, starting || taker_taken(&w->taker) == 0);
}

const struct slot_trouble *service_trouble(const struct service *s, unsigned slot)
{
	const struct worker *w = s->slots[slot].current;
	const struct slot_trouble *t = &s->troubles[slot];

	return t->in_a_row && !(w && was_healthy(w)) ? t : NULL;
}

/* --- with wait = yes, when a client comes ------------------------------------------------ */

static bool is_readable(const struct listener *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };

	return !l->bound_only && !l->closing && poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

static bool clients_wait(const struct service *s)
{
	return list_find(const struct endpoint, e, &s->dispatch.endpoints, link, e->n_pending) ||
	       list_find(const struct listener, l, &s->dispatch.listeners, link, is_readable(l));
}

static uint64_t first_datagram(const struct service *s, bool reset)
{
	const struct listener *l = list_find(const struct listener, o, &s->dispatch.listeners, link,
					     (o->addr.flags & HANDOFF_UDP) != 0);

	if (l && reset)
		udp_reset(l->fd);
	return l ? udp_head(l->fd) : 0;
}

/* No endpoint that is served takes a client now. */
static bool is_full(const struct service *s)
{
	return list_find(const struct endpoint, e, &s->dispatch.endpoints, link, e->n_channels) &&
	       !list_find(const struct endpoint, e, &s->dispatch.endpoints, link,
			  e->n_channels && !e->paused);
}

static void set_asleep(struct dispatch *d, bool asleep)
{
	d->asleep = asleep;
	list_for_each (struct listener, l, &d->listeners, link)
		listener_arm(l);
}

void service_wanted(struct dispatch *d)
{
	if (d->asleep)
		set_asleep(d, false);
	service_settle_soon(service_of_dispatch(d));
}

/* One that is to end has the socket of UDP until it does; not if a reload has left the address. */
static bool keeps_socket(const struct service *s, const struct worker *w)
{
	return conf_is_udp(w->conf) && w->pid && s->conf->n_listen &&
	       address_equal(&w->conf->listen[0].addr, &s->conf->listen[0].addr);
}

static enum demand_answer ask(const struct service *s)
{
	struct demand demand = { .wanted = s->want };

	list_for_each (const struct worker, w, &s->workers, link) {
		bool current = worker_state_is_current(w->state);

		demand.starting += w->state == WORKER_STARTING;
		demand.running += (current && w->state != WORKER_STARTING) ||
				  (!current && keeps_socket(s, w));
	}
	demand.clients = clients_wait(s);
	demand.full = is_full(s);
	return demand_answer(&demand);
}

/* Whether one more worker is to be started now. If not, the next client may be waited for. */
static bool wants_worker(struct service *s)
{
	enum demand_answer answer = ask(s);

	if (answer != DEMAND_NOTHING && conf_is_udp(s->conf))
		s->first_datagram = first_datagram(s, true);
	set_asleep(&s->dispatch, answer == DEMAND_SLEEP);
	broker_tidy(s->broker); /* the service may be ready by that */
	if (answer == DEMAND_START)
		log_event(LEVEL_INFO, "demand", LOG_SERVICE(s),
			  LOG_MSG("a client waits: a worker is started"));
	return answer == DEMAND_START;
}

bool service_ended_well(const struct worker *w)
{
	const struct service *s = service_of(w);
	bool taken = conf_is_udp(w->conf) ? first_datagram(s, false) != s->first_datagram
					  : taker_taken(&w->taker) > 0;

	return worker_ended_well(w) && demand_ended_well(taken, clients_wait(s));
}

/* --- what is missing is started -------------------------------------------------------- */

/* Of all services if not @only of one: a machine that boots should not start a hundred runtimes. */
static unsigned count_starting(const struct broker *b, const struct service *only)
{
	unsigned n = 0;

	list_for_each (const struct service, s, &b->services, link)
		list_for_each (const struct worker, w, &s->workers, link)
			n += w->state == WORKER_STARTING && !w->guest && (!only || s == only);
	return n;
}

/* In a slot that a reload has replaced already, the new version starts, even before its end. */
static struct worker *start_for(struct service *s, unsigned slot)
{
	bool is_new = s->roll_kind == ROLL_RELOAD && rollout_has(&s->rollout, slot);

	return is_new ? worker_start(&s->terms, s->target, slot, s->target_generation)
		      : worker_start(&s->terms, s->conf, slot, s->generation);
}

/*
 * The app of the last start wanted an address that another program has. It would only fail again,
 * and say so at length: the broker looks itself whether the address is free.
 */
static bool waits_for_address(struct service *s)
{
	const struct listener *ours;

	if (!s->busy.family)
		return false;
	/* Another slot may have got it meanwhile, and so the service. */
	ours = listener_find(s->broker, &s->busy, address_equal);
	if (service_named_for(s->broker, &s->busy, s) ||
	    (!(ours && ours->dispatch == &s->dispatch) &&
	     tcp_try(&s->busy, s->conf) == -EADDRINUSE)) {
		s->backoff.until_ms = loop_now(service_loop(s)) + ADDRESS_LOOK_MS;
		return true;
	}
	log_event(LEVEL_INFO, "back-off", LOG_SERVICE(s),
		  LOG_MSG("%s is free now", address_text(&s->busy).text));
	s->busy.family = 0;
	return false;
}

/* Whether the back-off lasts; then it goes on when that is over. */
static bool backs_off(struct service *s)
{
	int64_t now = loop_now(service_loop(s)), wait = backoff_wait(&s->backoff, now);

	if (wait <= 0 && waits_for_address(s))
		wait = ADDRESS_LOOK_MS;
	if (wait > 0)
		service_settle_within(s, wait);
	return wait > 0;
}

void service_fill(struct service *s)
{
	unsigned own = count_starting(s->broker, s), all = count_starting(s->broker, NULL);

	if (service_leaves(s) ||
	    (s->conf->wait && (s->rollout.active || backs_off(s) || !wants_worker(s))))
		return;
	for (unsigned i = 0; i < s->want; i++) {
		struct slot *slot = &s->slots[i];

		if (slot->current || slot->next || service_rollout_owns(s, i))
			continue;
		/* An app that cannot run twice waits for the old one to be gone. */
		if (s->conf->strategy == STRATEGY_STOP_FIRST && service_slot_has_process(s, i))
			continue;
		if (backs_off(s))
			return;
		/* After a failure one worker tries for all. */
		if (all >= s->broker->max_starting || (s->backoff.failures && own))
			return;
		slot->current = start_for(s, i);
		if (!slot->current) {
			strcpy(remember_end(s, i, WORKER_END_START_FAILED)->words,
			       "could not be started");
			back_off(s, true);
			(void)backs_off(s);
			return;
		}
		list_append(&s->workers, &slot->current->link);
		if (conf_is_udp(s->conf)) /* it has its socket, and says nothing */
			worker_event(slot->current, EV_LISTEN);
		if (s->conf->wait)
			return;
		own++;
		all++;
	}
}

/* --- as many as are wanted ------------------------------------------------------------- */

static uint64_t descriptors_of_broker(const struct broker_conf *bc)
{
	bool serves = bc->metrics.addr.family || bc->metrics.path || bc->agent_check.addr.family ||
		      bc->agent_check.path;

	return 64 + CONTROL_CLIENTS_MAX + (serves ? WEB_DESCRIPTORS : 0);
}

/*
 * What @workers of @sc can need at the same time, generously: a reload doubles them, and with
 * a probation or a rollback_window those of the reload before it may still be there.
 */
static uint64_t descriptors_of(const struct service_conf *sc, unsigned workers)
{
	/* tx, rx, the rendezvous connection, and the page that is shared. */
	const uint64_t of_channel = 4;
	uint64_t channels = sc->n_listen ? sc->n_listen : 1;
	uint64_t generations = sc->rollback_window_ms || sc->probation_ms ? 3 : 2;
	uint64_t of_check = sc->check || sc->activation ? 3 : 0;

	/* idle_end.h takes three. */
	return generations * workers * (2 + of_channel * channels + of_check) + channels +
	       sc->queue + 3;
}

static int check_limit(uint64_t need, struct strbuf *error)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return strbuf_fail(error, -errno, "cannot read the limit of open files: %m");
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= need)
		return 0;
	return strbuf_fail(
		error, -EMFILE,
		"the configured workers may need %llu descriptors, but the limit is %llu: "
		"raise it (ulimit -Hn, LimitNOFILE=), or configure fewer workers",
		(unsigned long long)need, (unsigned long long)limit.rlim_cur);
}

int descriptors_check(const struct conf *conf, struct strbuf *error)
{
	uint64_t need = descriptors_of_broker(&conf->broker);

	for_each_service (sc, conf)
		need += descriptors_of(sc, sc->workers);
	return check_limit(need, error);
}

/* Whether it is enough for @workers of @s, and all the others as they run now. */
static int descriptors_check_workers(const struct service *s, unsigned workers,
				     struct strbuf *error)
{
	const struct broker_conf *bc = s->broker->conf;
	uint64_t need = descriptors_of_broker(bc);

	list_for_each (const struct service, other, &s->broker->services, link)
		need += descriptors_of(other->conf, other == s ? workers : other->want);
	return check_limit(need, error);
}

int service_set_workers(struct service *s, unsigned n, struct strbuf *error)
{
	int r = 0;

	if (n < 1 || n > ROLLOUT_MAX)
		return strbuf_fail(error, -EINVAL, "%s can have 1 to %d workers, not %u", s->name,
				   ROLLOUT_MAX, n);
	if (n > 1 && conf_is_udp(s->conf))
		return strbuf_fail(error, -EINVAL,
				   "%s has 1 worker: one process at a time has its socket",
				   s->name);
	r = service_check_steering(s, error);
	if (r == 0 && n > s->want)
		r = descriptors_check_workers(s, n, error);
	if (r < 0)
		return r;
	s->want = n;
	log_event(LEVEL_INFO, "scale", LOG_SERVICE(s), LOG_INT("workers", n),
		  LOG_MSG("%u worker%s from now on", n, n == 1 ? "" : "s"));
	for (unsigned i = n; i < ROLLOUT_MAX; i++)
		if (s->slots[i].current)
			worker_retire(s->slots[i].current, EV_RETIRE);
	service_fill(s);
	return 0;
}

void service_fail_rollout(struct worker *w, const char *how)
{
	struct service *s = service_of(w);
	struct strbuf output;

	snprintf(s->abort_reason, sizeof(s->abort_reason), "%s of generation %u %s", w->name,
		 w->generation, how);
	strbuf_init(&output, s->abort_output, sizeof(s->abort_output));
	add_output(w, true, &output);
	if (!output.len && worker_output_elsewhere(w))
		strbuf_addf(&output, "(its output goes to %s)", worker_output_elsewhere(w));
	rollout_new_failed(&s->rollout, w->slot);
}
