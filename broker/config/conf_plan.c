#include "conf_plan.h"

#include "base/address.h"
#include "config/conf.h"
#include "config/option.h"

/* A list of CONF_LIST_MAX long entries is cut: a plan is for reading. */
#define VALUE_BYTES  8192
#define ACTION_BYTES 4096

/* What becomes of a change, where that does not depend on the values. */
static const char *const actions[APPLY_N] = {
	[APPLY_LIVE] = "in force at once",
	[APPLY_LISTENERS] = "set on the open listeners, for new connections",
	[APPLY_RESTART] = "takes effect when the broker restarts",
};

struct plan {
	conf_plan_fn *fn;
	void *arg;
	const struct broker_conf *started;
	const char *section;
};

/* "2 workers are started" */
static void add_workers(unsigned n, const char *done, struct strbuf *out)
{
	strbuf_addf(out, n == 1 ? "%u worker is %s" : "%u workers are %s", n, done);
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

static void add_clause(struct strbuf *out, const struct conf_listen *l, const char *what)
{
	strbuf_addf(out, "%sthe listener %s%s", out->len ? "; " : "", address_text(&l->addr).text,
		    what);
}

static void add_listeners(const struct service_conf *a, const struct service_conf *b,
			  struct strbuf *out)
{
	for (size_t i = 0; i < b->n_listen; i++) {
		const struct conf_listen *l = &b->listen[i];
		const struct conf_listen *before = conf_find_listen(a, &l->addr, address_equal);

		if (!before) {
			add_clause(out, l, " is opened");
		} else if (before->app != l->app) {
			add_clause(out, l, " stays open");
			strbuf_addf(out, ", for %s of the program", address_app_words(l->app).text);
		}
	}
	for (size_t i = 0; i < a->n_listen; i++)
		if (!conf_find_listen(b, &a->listen[i].addr, address_equal))
			add_clause(out, &a->listen[i], " is emptied and closed");
	/* The same addresses in another order. */
	if (!out->len)
		strbuf_add(out, "nothing is opened or closed");
}

static bool has_ipv6(const struct service_conf *sc)
{
	for (size_t i = 0; i < sc->n_listen; i++)
		if (sc->listen[i].addr.family == 6)
			return true;
	return false;
}

/* @a and @b: struct service_conf. */
static void add_service_action(const struct option *opt, const struct service_conf *a,
			       const struct service_conf *b, struct strbuf *out)
{
	if (!strcmp(opt->key, "workers") && b->workers > a->workers)
		add_workers(b->workers - a->workers, "started", out);
	else if (!strcmp(opt->key, "workers"))
		add_workers(a->workers - b->workers, "drained and ended", out);
	else if (!strcmp(opt->key, "listen"))
		add_listeners(a, b, out);
	/* The kernel does not let a socket be bound beside itself with the other value. */
	else if (!strcmp(opt->key, "v6only") && has_ipv6(a) && has_ipv6(b))
		strbuf_add(out, "refused while an IPv6 listener is open: this change needs a "
				"restart of the broker");
	else if (opt->apply == APPLY_WORKERS)
		add_replacing(b, out);
	else if (opt->apply == APPLY_LIVE)
		strbuf_add(out, "in force at once, for running workers too");
}

/* The key of entry @i of @a and entry @j of @b; one of them may be missing. */
static void tell_change(const struct plan *p, const struct option *opt, const void *a, size_t i,
			const void *b, size_t j)
{
	bool in_a = i < option_entries(opt, a);
	STRBUF(key, 64);
	STRBUF(from, VALUE_BYTES);
	STRBUF(to, VALUE_BYTES);
	STRBUF(action, ACTION_BYTES);
	const struct conf_change change = {
		.section = p->section,
		.key = key.text,
		.from = from.text,
		.to = to.text,
		.applies = option_apply_names[opt->apply],
		.action = action.text,
	};

	option_add_key(opt, in_a ? a : b, in_a ? i : j, &key);
	option_format_key(opt, a, i, false, &from);
	option_format_key(opt, b, j, false, &to);
	/* v6only shows in the addresses, but not in their texts: it has a row of its own. */
	if (!from.cut && !strcmp(from.text, to.text))
		return;
	if (opt->section == OPTION_SERVICE)
		add_service_action(opt, a, b, &action);
	if (!action.len)
		strbuf_add(&action, actions[opt->apply]);
	p->fn(p->arg, &change);
}

static void plan_keys(const struct plan *p, enum option_section section, const void *a,
		      const void *b)
{
	size_t i, j;

	for_each_option (opt, section) {
		bool fixed = section == OPTION_BROKER && opt->apply == APPLY_RESTART;
		const void *now = fixed ? p->started : a;

		if (option_equal(opt, now, b))
			continue;
		for (size_t n = 0; option_pair(opt, now, b, n, &i, &j); n++)
			tell_change(p, opt, now, i, b, j);
	}
}

/* Of the service @name: @before NULL, it is new; @after NULL, its section is gone. */
static void plan_service(const struct plan *p, const char *name, const struct service_conf *before,
			 const struct service_conf *after)
{
	STRBUF(section, sizeof("service:") + HANDOFF_SERVICE_SIZE);
	STRBUF(action, 256);
	struct plan own = *p;

	strbuf_addf(&section, "service:%s", name);
	own.section = section.text;
	if (before && after) {
		plan_keys(&own, OPTION_SERVICE, before, after);
		/* The program's code on disk may have changed: no difference is needed for this. */
		add_replacing(after, &action);
	} else if (after) {
		strbuf_add(&action, "the service is new: ");
		add_workers(after->workers, "started", &action);
	} else {
		strbuf_add(&action, "its section is gone: its workers are drained and ended");
	}
	p->fn(p->arg, &(struct conf_change){ .section = section.text, .action = action.text });
}

void conf_plan(const struct conf *from, const struct broker_conf *started, const struct conf *to,
	       const char *only, conf_plan_fn *fn, void *arg)
{
	const struct plan p = { .fn = fn, .arg = arg, .started = started, .section = "broker" };

	if (!only)
		plan_keys(&p, OPTION_BROKER, &from->broker, &to->broker);
	for_each_service (sc, to)
		if (!only || !strcmp(only, sc->name))
			plan_service(&p, sc->name, conf_find_service(from, sc->name), sc);
	for_each_service (sc, from)
		if ((!only || !strcmp(only, sc->name)) && !conf_find_service(to, sc->name))
			plan_service(&p, sc->name, sc, NULL);
}
