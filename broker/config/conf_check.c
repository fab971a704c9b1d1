#include "conf_check.h"

#include "base/address.h"
#include "config/option.h"

void conf_errors_add(struct conf_errors *errors, unsigned line, const char *fmt, ...)
{
	struct conf_error add = { .line = line };
	struct strbuf text;
	size_t at = 0;

	strbuf_init(&text, add.text, sizeof(add.text));
	strbuf_add_arguments(&text, fmt);

	while (at < errors->n && errors->error[at].line <= line) {
		if (errors->error[at].line == line && !strcmp(errors->error[at].text, add.text))
			return;
		at++;
	}
	if (errors->n == ARRAY_SIZE(errors->error)) {
		errors->more = true;
		if (at == errors->n)
			return;
		errors->n--;
	}
	memmove(&errors->error[at + 1], &errors->error[at], (errors->n - at) * sizeof(add));
	errors->error[at] = add;
	errors->n++;
}

void conf_errors_print(const struct conf_errors *errors, const char *file, struct strbuf *out)
{
	for (size_t i = 0; i < errors->n; i++) {
		if (i)
			strbuf_add(out, "\n");
		if (errors->error[i].line)
			strbuf_addf(out, "%s:%u: ", file, errors->error[i].line);
		strbuf_add(out, errors->error[i].text);
	}
	if (errors->more)
		strbuf_addf(out, "\n%s: there are more errors", file);
}

/* The line that set entry @entry of @key, 0: none did. */
static unsigned line_of(const struct service_conf *sc, const char *key, size_t entry)
{
	return option_origin(option_find(OPTION_SERVICE, key), sc, entry).line;
}

/*
 * Adds: "KEY (its value) SENTENCE". Of two options that contradict each other, the later line is to
 * blame.
 */
static void contradict(const struct service_conf *sc, const char *key, const char *other,
		       const char *sentence, struct conf_errors *errors)
{
	unsigned line = line_of(sc, key, 0), other_line = line_of(sc, other, 0);
	STRBUF(value, 32);

	option_format(option_find(OPTION_SERVICE, key), sc, 0, &value);
	conf_errors_add(errors, line > other_line ? line : other_line, "%s (%s) %s", key,
			value.text, sentence);
}

/*
 * One line of `listen`. An activated program is started with one listener for each, and must be
 * able to tell them from each other.
 */
static void check_line(const struct service_conf *sc, size_t at, struct conf_errors *errors)
{
	const struct conf_listen *l = &sc->listen[at];
	bool udp = conf_is_udp(sc) || l->addr.flags & HANDOFF_UDP;
	bool activated = sc->activation != ACTIVATION_NONE;
	uint16_t port = address_app_port(l->app);
	unsigned line = line_of(sc, "listen", at);

	if (udp && sc->n_listen > 1)
		conf_errors_add(
			errors, line,
			"listen: a service with udp has one line: write a section for each");
	else if (udp && !sc->wait)
		conf_errors_add(errors, line, "listen: udp needs mode = inetd and wait = yes");
	if (l->name[0] && !activated)
		conf_errors_add(errors, line,
				"listen: a name (as %s) is for the program that activation = "
				"systemd starts",
				l->name);
	for (size_t i = 0; activated && i < at; i++)
		if (l->app == sc->listen[i].app && l->addr.family == sc->listen[i].addr.family &&
		    !memcmp(l->addr.ip, sc->listen[i].addr.ip, sizeof(l->addr.ip)))
			conf_errors_add(errors, line,
					"listen: the same address for the program as in line %u; "
					"an activated program needs two",
					line_of(sc, "listen", i));
	if (port && conf_is_private(sc, port))
		conf_errors_add(errors, line,
				"listen: port %u of the program is in private_ports (line %u), so "
				"no connection could reach it",
				port, line_of(sc, "private_ports", 0));
}

/* Counted from 1, the last would never run. [defaults] may be for services with more workers. */
static void check_wraps(const struct service_conf *sc, struct conf_errors *errors)
{
	const struct option *option = option_find(OPTION_SERVICE, "wrap");

	for (size_t i = 0; i < sc->n_wraps; i++) {
		struct conf_origin from = option_origin(option, sc, i);

		if (sc->wraps[i].slot >= sc->workers && from.kind == ORIGIN_FILE)
			conf_errors_add(errors, from.line,
					"wrap.%u: there is no such slot: with workers = %u they "
					"are 0 to %u",
					sc->wraps[i].slot, sc->workers, sc->workers - 1);
	}
}

/*
 * What means something in one mode alone, or nothing for a program that a client starts, and that
 * ends by itself.
 */
static void check_mode(const struct service_conf *sc, struct conf_errors *errors)
{
	enum { OF_INETD = 7, WITHOUT_WAIT = 2 }; /* so many at the start; from this place on */
	static const char *const keys[] = {
		"wait",		  "stderr",	     "park",
		"processes",	  "log_connections", "zygote_connections",
		"zygote_age",	  "check",	     "max_connections",
		"max_memory",	  "max_age",	     "restart_at",
		"rollback_window"
	};
	bool inetd = sc->mode == MODE_INETD;
	size_t end = !inetd ? OF_INETD : sc->wait ? ARRAY_SIZE(keys) : 0;

	if (inetd && !sc->n_listen)
		conf_errors_add(errors, line_of(sc, "mode", 0),
				"mode = inetd: where do clients connect? Write listen = PORT");
	for (size_t i = inetd ? WITHOUT_WAIT : 0; i < end; i++) {
		const struct option *option = option_find(OPTION_SERVICE, keys[i]);
		struct conf_origin from = option_origin(option, sc, 0);
		STRBUF(value, 32);

		option_format(option, sc, 0, &value);
		if (from.kind == ORIGIN_FILE &&
		    (inetd || strcmp(value.text, option->fallback) != 0))
			conf_errors_add(
				errors, from.line,
				inetd ? "%s: means nothing with wait = yes: a client starts "
					"the program, which serves until it ends by itself"
				      : "%s: means nothing without mode = inetd",
				keys[i]);
	}
}

/* One socket, which a program that waits gets as it is. */
static void check_udp(const struct service_conf *sc, struct conf_errors *errors)
{
	static const char *const of_connections[] = {
		"backlog",	    "queue",	    "balance",
		"tcp_nodelay",	    "so_keepalive", "tcp_keepidle",
		"tcp_keepintvl",    "tcp_keepcnt",  "tcp_user_timeout",
		"tcp_defer_accept", "tcp_fastopen", "stall_timeout",
	};

	if (sc->udp && sc->mode != MODE_LISTEN)
		contradict(sc, "udp", "mode", "needs mode = listen: the program binds its sockets",
			   errors);
	if (!conf_is_udp(sc))
		return;
	if (sc->workers > 1)
		contradict(sc, "workers", "listen",
			   "must be 1 with listen = udp: one process at a time has the socket",
			   errors);
	for (size_t i = 0; i < ARRAY_SIZE(of_connections); i++)
		if (option_origin(option_find(OPTION_SERVICE, of_connections[i]), sc, 0).kind ==
		    ORIGIN_FILE)
			contradict(sc, of_connections[i], "listen",
				   "is about connections, and listen = udp has none", errors);
}

void conf_check_service(const struct service_conf *sc, struct conf_errors *errors)
{
	STRBUF(sentence, 64);

	check_mode(sc, errors);
	check_udp(sc, errors);
	if (sc->backoff_min_ms > sc->backoff_max_ms) {
		strbuf_add(&sentence, "is above backoff_max (");
		option_format(option_find(OPTION_SERVICE, "backoff_max"), sc, 0, &sentence);
		strbuf_add(&sentence, ")");
		contradict(sc, "backoff_min", "backoff_max", sentence.text, errors);
	}
	if (sc->rollback_window_ms > 0 && sc->strategy == STRATEGY_STOP_FIRST)
		contradict(sc, "rollback_window", "strategy",
			   "needs strategy = start-first: with stop-first the old worker ends "
			   "before the new one starts, so no old worker is left for a rollback",
			   errors);
	if (sc->mode == MODE_NATIVE && sc->backend != BACKEND_AUTO)
		contradict(sc, "backend", "mode",
			   "loads a library into the program, which mode = native does without: "
			   "leave one of them out",
			   errors);
	if (sc->mode == MODE_NATIVE && sc->n_private_ports)
		contradict(sc, "private_ports", "mode",
			   "means nothing with mode = native: only what the program says to the "
			   "broker is brokered",
			   errors);
	check_wraps(sc, errors);
	/* It cannot ask for a listener. */
	if (sc->activation != ACTIVATION_NONE && sc->mode != MODE_LISTEN)
		contradict(sc, "activation", "mode", "needs mode = listen", errors);
	if (sc->activation != ACTIVATION_NONE && !sc->n_listen)
		contradict(sc, "activation", "listen",
			   "needs a listen line for each socket that the program expects, as in: "
			   "listen = 8080",
			   errors);
	for (size_t i = 0; i < sc->n_listen; i++)
		check_line(sc, i, errors);
}

/* "port 80 of [service:web]"; on a command line there is but one service. */
static void add_listen(const struct conf *conf, const struct service_conf *sc,
		       const struct conf_listen *l, struct strbuf *out)
{
	if (l->port_only)
		strbuf_addf(out, "%sport %u", l->addr.flags & HANDOFF_UDP ? "udp " : "",
			    l->addr.port);
	else
		strbuf_add(out, address_text(&l->addr).text);
	if (conf->file)
		strbuf_addf(out, " of [service:%s]", sc->name);
}

/* Compares listener @at of @sc with all that stand before it. */
static void check_listener(const struct conf *conf, const struct service_conf *sc, size_t at,
			   struct conf_errors *errors)
{
	const struct conf_listen *l = &sc->listen[at];

	assert(l);
	for_each_service (other, conf) {
		const struct conf_listen *first =
			conf_find_listen(other, &l->addr, address_overlap);
		unsigned line;
		STRBUF(text, 300);

		if (first == l) /* it overlaps itself */
			return;
		if (!first)
			continue;
		line = line_of(other, "listen", (size_t)(first - other->listen));
		add_listen(conf, sc, l, &text);
		strbuf_add(&text, " cannot be bound beside ");
		add_listen(conf, other, first, &text);
		if (line)
			strbuf_addf(&text, " in line %u", line);
		conf_errors_add(errors, line_of(sc, "listen", at), "listen: %s", text.text);
		return;
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
	for_each_service (sc, conf) {
		const struct conf_listen *l = conf_find_listen(sc, &own->addr, address_overlap);
		STRBUF(theirs, 100);

		if (!l || !own->addr.family)
			continue;
		add_listen(conf, sc, l, &theirs);
		conf_errors_add(errors, line,
				"%s: %s cannot be bound beside %s in line %u; choose another port",
				key, address_text(&own->addr).text, theirs.text,
				line_of(sc, "listen", (size_t)(l - sc->listen)));
	}
}

void conf_check_listeners(const struct conf *conf, struct conf_errors *errors)
{
	const struct broker_conf *bc = &conf->broker;
	unsigned metrics_line = option_origin(option_find(OPTION_BROKER, "metrics"), bc, 0).line;
	unsigned agent_line = option_origin(option_find(OPTION_BROKER, "agent_check"), bc, 0).line;
	size_t n = 0;

	if (same_place(&bc->metrics, &bc->agent_check))
		conf_errors_add(errors, agent_line,
				"agent_check: needs an address of its own, not that of metrics in "
				"line %u",
				metrics_line);
	check_own(conf, "metrics", &bc->metrics, metrics_line, errors);
	check_own(conf, "agent_check", &bc->agent_check, agent_line, errors);
	for_each_service (sc, conf) {
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
