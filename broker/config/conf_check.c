#include "conf_check.h"

#include "base/address.h"
#include "config/conf.h"
#include "config/option.h"
#include "config/origin.h"

#include <string.h>

static unsigned line_of(const struct service_conf *sc, const char *key)
{
	return origin_line(option_find(OPTION_SERVICE, key), sc, 0);
}

/* Of two options that contradict each other, the later line is to blame. */
static unsigned later_line(const struct service_conf *sc, const char *a, const char *b)
{
	unsigned a_line = line_of(sc, a), b_line = line_of(sc, b);

	return a_line > b_line ? a_line : b_line;
}

static void add_value(const struct service_conf *sc, const char *key, struct strbuf *out)
{
	option_format(option_find(OPTION_SERVICE, key), sc, 0, out);
}

static void check_backoff(const struct service_conf *sc, struct conf_errors *errors)
{
	STRBUF(min, 32);
	STRBUF(max, 32);

	if (sc->backoff_min_ms <= sc->backoff_max_ms)
		return;
	add_value(sc, "backoff_min", &min);
	add_value(sc, "backoff_max", &max);
	conf_errors_add(errors, later_line(sc, "backoff_min", "backoff_max"),
			"backoff_min (%s) is above backoff_max (%s)", min.text, max.text);
}

static void check_rollback(const struct service_conf *sc, struct conf_errors *errors)
{
	STRBUF(window, 32);

	if (sc->rollback_window_ms == 0 || sc->strategy != STRATEGY_STOP_FIRST)
		return;
	add_value(sc, "rollback_window", &window);
	conf_errors_add(errors, later_line(sc, "rollback_window", "strategy"),
			"rollback_window (%s) needs strategy = start-first: with stop-first the "
			"old worker ends before the new one starts, so no old worker is left for "
			"a rollback",
			window.text);
}

static void check_private_ports(const struct service_conf *sc, struct conf_errors *errors)
{
	for (size_t i = 0; i < sc->n_listen; i++) {
		const struct conf_listen *l = &sc->listen[i];

		if (conf_port_is_private(sc, l->app_port))
			conf_errors_add(errors, l->line,
					"listen: port %u of the program is in private_ports (line "
					"%u), so no connection could reach it",
					l->app_port, line_of(sc, "private_ports"));
	}
}

/* Counted from 1, the last would never run. [defaults] may be for services with more workers. */
static void check_wraps(const struct service_conf *sc, struct conf_errors *errors)
{
	const struct option *option = option_find(OPTION_SERVICE, "wrap");

	for (size_t i = 0; i < sc->n_wraps; i++) {
		const struct conf_origin *from = origin_find(option, sc, i);

		if (sc->wraps[i].slot >= sc->workers && from->kind == ORIGIN_FILE)
			conf_errors_add(errors, from->line,
					"wrap.%u: there is no such slot: with workers = %u they "
					"are 0 to %u",
					sc->wraps[i].slot, sc->workers, sc->workers - 1);
	}
}

void conf_check_service(const struct service_conf *sc, struct conf_errors *errors)
{
	check_wraps(sc, errors);
	check_backoff(sc, errors);
	check_rollback(sc, errors);
	check_private_ports(sc, errors);
}

/* "port 80 of [service:web]"; on a command line there is but one service. */
static void add_listen(const struct conf *conf, const struct service_conf *sc,
		       const struct conf_listen *l, struct strbuf *out)
{
	if (l->port_only)
		strbuf_addf(out, "port %u", l->addr.port);
	else
		strbuf_add(out, address_text(&l->addr).text);
	if (conf->file)
		strbuf_addf(out, " of [service:%s]", sc->name);
}

/* Compares listener @at of @sc with all that stand before it. */
static void check_listener(const struct conf *conf, const struct service_conf *sc, size_t at,
			   struct conf_errors *errors)
{
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct service_conf *other = conf->services[i];

		for (size_t j = 0; j < other->n_listen; j++) {
			const struct conf_listen *l = &sc->listen[at], *first = &other->listen[j];
			STRBUF(text, 300);

			if (l == first)
				return;
			if (!address_overlap(&l->addr, &first->addr))
				continue;
			add_listen(conf, sc, l, &text);
			strbuf_add(&text, " cannot be bound beside ");
			add_listen(conf, other, first, &text);
			if (first->line)
				strbuf_addf(&text, " in line %u", first->line);
			conf_errors_add(errors, l->line, "listen: %s", text.text);
			return;
		}
	}
}

static bool same_place(const struct conf_serve *a, const struct conf_serve *b)
{
	if (a->path && b->path)
		return !strcmp(a->path, b->path);
	return a->addr.family && b->addr.family && address_overlap(&a->addr, &b->addr);
}

/* What the broker serves itself, against all `listen` lines: one a service is enough to say. */
static void check_own(const struct conf *conf, const char *key, const struct conf_serve *own,
		      unsigned line, struct conf_errors *errors)
{
	if (!own->addr.family)
		return;
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct service_conf *sc = conf->services[i];

		for (size_t j = 0; j < sc->n_listen; j++) {
			STRBUF(theirs, 100);

			if (!address_overlap(&own->addr, &sc->listen[j].addr))
				continue;
			add_listen(conf, sc, &sc->listen[j], &theirs);
			conf_errors_add(errors, line,
					"%s: %s cannot be bound beside %s in line %u; choose "
					"another port",
					key, address_text(&own->addr).text, theirs.text,
					sc->listen[j].line);
			break;
		}
	}
}

static void check_own_all(const struct conf *conf, struct conf_errors *errors)
{
	const struct broker_conf *bc = &conf->broker;
	unsigned metrics_line = origin_line(option_find(OPTION_BROKER, "metrics"), bc, 0);
	unsigned agent_line = origin_line(option_find(OPTION_BROKER, "agent_check"), bc, 0);

	if (same_place(&bc->metrics, &bc->agent_check))
		conf_errors_add(errors, agent_line,
				"agent_check: needs an address of its own, not that of metrics in "
				"line %u",
				metrics_line);
	check_own(conf, "metrics", &bc->metrics, metrics_line, errors);
	check_own(conf, "agent_check", &bc->agent_check, agent_line, errors);
}

void conf_check_listeners(const struct conf *conf, struct conf_errors *errors)
{
	size_t n = 0;

	check_own_all(conf, errors);
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct service_conf *sc = conf->services[i];

		n += sc->n_listen;
		if (n > CONF_LISTEN_MAX) {
			conf_errors_add(errors, sc->line,
					"listen: more than %d addresses in all services",
					CONF_LISTEN_MAX);
			return;
		}
		for (size_t j = 0; j < sc->n_listen; j++)
			check_listener(conf, sc, j, errors);
	}
}
