#include "conf_plan.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include "base/address.h"
#include "config/conf.h"
#include "config/option.h"

/* A list of CONF_LIST_MAX long entries is cut: a plan is for reading. */
#define VALUE_BYTES  8192
#define ACTION_BYTES 4096
#define KEY_BYTES    64

struct plan {
	conf_plan_fn *fn;
	void *arg;
	const struct broker_conf *started;
	const char *section;
	struct strbuf key, from, to, action;
};

static void clear(struct strbuf *b)
{
	b->len = 0;
	b->text[0] = '\0';
	b->cut = false;
}

static void add_value(const struct option *opt, const void *conf, struct strbuf *out)
{
	size_t n = option_entries(opt, conf);

	for (size_t i = 0; i < n; i++) {
		strbuf_add(out, i ? ", " : "");
		option_format(opt, conf, i, out);
	}
}

static void add_workers(unsigned n, struct strbuf *out)
{
	strbuf_addf(out, "%u worker%s", n, n == 1 ? "" : "s");
}

static void add_replacing(const struct service_conf *sc, struct strbuf *out)
{
	strbuf_addf(out, "all workers of %s are replaced", sc->name);
	if (sc->surge == 1)
		strbuf_add(out, " one after another");
	else if (sc->surge >= sc->workers)
		strbuf_add(out, " at the same time");
	else
		strbuf_addf(out, ", %u at a time", sc->surge);
}

static bool has_listen(const struct service_conf *sc, const struct conf_listen *l)
{
	for (size_t i = 0; i < sc->n_listen; i++)
		if (address_equal(&sc->listen[i].addr, &l->addr))
			return true;
	return false;
}

/* The port of the program that @sc publishes on the address of @l, 0: it does not. */
static uint16_t app_port_of(const struct service_conf *sc, const struct conf_listen *l)
{
	for (size_t i = 0; i < sc->n_listen; i++)
		if (address_equal(&sc->listen[i].addr, &l->addr))
			return sc->listen[i].app_port;
	return 0;
}

static void add_clause(struct strbuf *out, const struct conf_listen *l, const char *what)
{
	strbuf_add(out, out->len ? "; the listener " : "the listener ");
	address_format(&l->addr, out);
	strbuf_add(out, what);
}

static void add_listeners(const struct service_conf *a, const struct service_conf *b,
			  struct strbuf *out)
{
	for (size_t i = 0; i < b->n_listen; i++) {
		const struct conf_listen *l = &b->listen[i];
		uint16_t before = app_port_of(a, l);

		if (!before) {
			add_clause(out, l, " is opened");
		} else if (before != l->app_port) {
			add_clause(out, l, " stays open");
			strbuf_addf(out, ", for port %u of the program", l->app_port);
		}
	}
	for (size_t i = 0; i < a->n_listen; i++)
		if (!has_listen(b, &a->listen[i]))
			add_clause(out, &a->listen[i], " is emptied and closed");
	/* The same addresses in another order. */
	if (!out->len)
		strbuf_add(out, "nothing is opened or closed");
}

static void add_worker_count(const struct service_conf *a, const struct service_conf *b,
			     struct strbuf *out)
{
	bool more = b->workers > a->workers;
	unsigned n = more ? b->workers - a->workers : a->workers - b->workers;

	add_workers(n, out);
	strbuf_addf(out, more ? " %s started" : " %s drained and ended", n == 1 ? "is" : "are");
}

static bool has_ipv6(const struct service_conf *sc)
{
	for (size_t i = 0; i < sc->n_listen; i++)
		if (sc->listen[i].addr.family == 6)
			return true;
	return false;
}

static void add_service_action(const struct option *opt, const struct service_conf *a,
			       const struct service_conf *b, struct strbuf *out)
{
	if (!strcmp(opt->key, "workers")) {
		add_worker_count(a, b, out);
		return;
	}
	if (!strcmp(opt->key, "listen")) {
		add_listeners(a, b, out);
		return;
	}
	/* The kernel does not let a socket be bound beside itself with the other value. */
	if (!strcmp(opt->key, "v6only") && has_ipv6(a) && has_ipv6(b)) {
		strbuf_add(out, "refused while an IPv6 listener is open: such a change takes a "
				"restart of the broker");
		return;
	}
	switch (opt->apply) {
	case APPLY_LIVE:
		strbuf_add(out, "in force at once, for running workers too");
		return;
	case APPLY_WORKERS:
		add_replacing(b, out);
		return;
	case APPLY_LISTENERS:
		strbuf_add(out, "set on the open listeners, for connections from then on");
		return;
	case APPLY_RESTART:
		strbuf_add(out, "takes effect when the broker is started anew");
		return;
	case APPLY_N:
		break;
	}
	assert(!"an option without a class");
}

static void add_broker_action(const struct option *opt, struct strbuf *out)
{
	strbuf_add(out, opt->apply == APPLY_LIVE ? "in force at once"
						 : "takes effect when the broker is started anew");
}

static void tell(struct plan *p, const struct option *opt)
{
	const struct conf_change change = {
		.section = p->section,
		.key = opt ? p->key.text : NULL,
		.from = opt ? p->from.text : NULL,
		.to = opt ? p->to.text : NULL,
		.applies = opt ? option_apply_name(opt->apply) : NULL,
		.action = p->action.text,
	};

	p->fn(p->arg, &change);
	clear(&p->key);
	clear(&p->from);
	clear(&p->to);
	clear(&p->action);
}

/* What .from and .to have is told, unless it is the same. */
static void tell_values(struct plan *p, const struct option *opt, const void *a, const void *b)
{
	/* v6only shows in the addresses, but not in their texts: it has a row of its own. */
	if (!p->from.cut && !strcmp(p->from.text, p->to.text)) {
		clear(&p->key);
		clear(&p->from);
		clear(&p->to);
		return;
	}
	if (opt->section == OPTION_BROKER)
		add_broker_action(opt, &p->action);
	else
		add_service_action(opt, a, b, &p->action);
	tell(p, opt);
}

/* Each number is a key of its own. */
static void plan_numbered(struct plan *p, const struct option *opt, const void *a, const void *b)
{
	size_t n_a = option_entries(opt, a), n_b = option_entries(opt, b);

	for (size_t i = 0; i < n_a; i++) {
		size_t same = option_find_same(opt, a, i, b);

		option_add_key(opt, a, i, &p->key);
		option_format(opt, a, i, &p->from);
		if (same < n_b)
			option_format(opt, b, same, &p->to);
		tell_values(p, opt, a, b);
	}
	for (size_t i = 0; i < n_b; i++) {
		if (option_find_same(opt, b, i, a) < n_a)
			continue;
		option_add_key(opt, b, i, &p->key);
		option_format(opt, b, i, &p->to);
		tell_values(p, opt, a, b);
	}
}

static void plan_keys(struct plan *p, enum option_section section, const void *a, const void *b)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];
		bool fixed = section == OPTION_BROKER && opt->apply == APPLY_RESTART;
		const void *now = fixed ? p->started : a;

		if (opt->section != section || option_equal(opt, now, b))
			continue;
		if (option_is_numbered(opt)) {
			plan_numbered(p, opt, now, b);
			continue;
		}
		strbuf_add(&p->key, opt->key);
		add_value(opt, now, &p->from);
		add_value(opt, b, &p->to);
		tell_values(p, opt, a, b);
	}
}

static void plan_service(struct plan *p, const struct service_conf *before,
			 const struct service_conf *after)
{
	char section[sizeof("service:") + HANDOFF_SERVICE_SIZE];
	const struct service_conf *named = after ? after : before;
	struct strbuf name;

	assert(named);
	strbuf_init(&name, section, sizeof(section));
	strbuf_addf(&name, "service:%s", named->name);
	p->section = section;
	if (before && after) {
		plan_keys(p, OPTION_SERVICE, before, after);
		/* The program's code on disk may have changed: no difference is needed for this. */
		add_replacing(after, &p->action);
	} else if (after) {
		strbuf_add(&p->action, "the service is new: ");
		add_workers(after->workers, &p->action);
		strbuf_addf(&p->action, " %s started", after->workers == 1 ? "is" : "are");
	} else {
		strbuf_add(&p->action, "its section is gone: its workers are drained and ended");
	}
	tell(p, NULL);
}

static bool is_asked_for(const char *only, const struct service_conf *sc)
{
	return !only || !strcmp(only, sc->name);
}

int conf_plan(const struct conf *from, const struct broker_conf *started, const struct conf *to,
	      const char *only, conf_plan_fn *fn, void *arg)
{
	_cleanup_free_ char *text = malloc(2 * VALUE_BYTES + ACTION_BYTES + KEY_BYTES);
	struct plan p = { .fn = fn, .arg = arg, .started = started, .section = "broker" };

	if (!text)
		return -ENOMEM;
	strbuf_init(&p.from, text, VALUE_BYTES);
	strbuf_init(&p.to, text + VALUE_BYTES, VALUE_BYTES);
	strbuf_init(&p.action, text + 2 * VALUE_BYTES, ACTION_BYTES);
	strbuf_init(&p.key, text + 2 * VALUE_BYTES + ACTION_BYTES, KEY_BYTES);
	if (!only)
		plan_keys(&p, OPTION_BROKER, &from->broker, &to->broker);
	for (size_t i = 0; i < to->n_services; i++)
		if (is_asked_for(only, to->services[i]))
			plan_service(&p, conf_find_service(from, to->services[i]->name),
				     to->services[i]);
	for (size_t i = 0; i < from->n_services; i++)
		if (is_asked_for(only, from->services[i]) &&
		    !conf_find_service(to, from->services[i]->name))
			plan_service(&p, from->services[i], NULL);
	return 0;
}
