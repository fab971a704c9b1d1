/*
 * Reload: the file is read into a new configuration and checked whole; then what must be
 * opened is opened; only then is anything changed. Until that point every failure leaves
 * the old configuration in force and no worker touched.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "sys/config_file.h"
#include "core/master.h"
#include "core/reload.h"
#include "core/start.h"
#include "policy/address.h"
#include "policy/conf_diff.h"
#include "sys/listener.h"
#include "sys/log.h"
#include "sys/user.h"

struct opened {
	int fd; /* -1: taken, or never needed */
	struct handoff_addr addr;
};

/* One entry for each `listen` line of a configuration, in its order. */
struct opened_list {
	struct opened *v;
	size_t n;
};

static struct listener *find_listener(struct master *m, const struct handoff_addr *addr)
{
	struct service *s;
	struct listener *l;

	list_for_each (s, &m->services, link)
		list_for_each (l, &s->listeners, link)
			if (address_equal(&l->addr, addr))
				return l;
	return NULL;
}

/* The kernel does not let both be bound at once, and the one there is must not lose a client. */
static void explain_overlap(const struct listener *l, const struct handoff_addr *addr,
			    struct strbuf *error)
{
	strbuf_add(error, "listen = ");
	address_format(addr, error);
	strbuf_add(error, " cannot be bound beside ");
	address_format(&l->addr, error);
	strbuf_add(error, ", on which the broker listens now; such a change takes a restart of the "
			  "broker");
}

/* [::]:80 for a bare port, or 0.0.0.0:80 where the kernel has no IPv6. */
static int open_one(const struct conf_listen *cl, const struct service_conf *sc, struct opened *ret)
{
	struct handoff_addr v4 = { .family = 4, .port = cl->addr.port };
	int r;

	ret->addr = cl->addr;
	r = listener_open(&ret->addr, sc, &ret->fd);
	if ((r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) && cl->port_only && !sc->v6only) {
		ret->addr = v4;
		r = listener_open(&ret->addr, sc, &ret->fd);
	}
	return r;
}

static void close_all(struct opened_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].fd >= 0)
			(void)close(list->v[i].fd);
	free(list->v);
	*list = (struct opened_list){ 0 };
}

/* Opens every listener of @conf that is not there yet. */
static int open_all(struct master *m, const struct conf *conf, struct opened_list *ret,
		    struct strbuf *error)
{
	size_t total = 0;
	int r;

	for (size_t i = 0; i < conf->n_services; i++)
		total += conf->services[i]->n_listen;
	ret->n = 0;
	ret->v = calloc(total + 1, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct service_conf *sc = conf->services[i];

		for (size_t k = 0; k < sc->n_listen; k++) {
			struct opened *o = &ret->v[ret->n++];

			*o = (struct opened){ .fd = -1, .addr = sc->listen[k].addr };
			if (find_listener(m, &o->addr))
				continue;
			r = open_one(&sc->listen[k], sc, o);
			if (r < 0) {
				strbuf_addf(error, "[service:%s]: ", sc->name);
				if (r == -EADDRINUSE && listener_find_overlap(m, &o->addr))
					explain_overlap(listener_find_overlap(m, &o->addr),
							&o->addr, error);
				else
					listener_explain_bind(&sc->listen[k].addr, r, error);
				close_all(ret);
				return r;
			}
		}
	}
	return 0;
}

static int check_users(const struct conf *conf, struct strbuf *error)
{
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct service_conf *sc = conf->services[i];
		struct user_info user;
		int r;

		strbuf_addf(error, "[service:%s]: ", sc->name);
		r = user_lookup(sc->user, sc->group, &user, error);
		if (r < 0)
			return r;
		error->text[error->len = 0] = '\0';
	}
	return 0;
}

static struct service *find_service(struct master *m, const char *name)
{
	struct service *s;

	list_for_each (s, &m->services, link)
		if (!s->stopping && !strcmp(service_name(s), name))
			return s;
	return NULL;
}

/* Gives @s the listeners of @sc: those it has, those of others, and the new ones. */
static void take_listeners(struct service *s, const struct service_conf *sc, struct opened *opened)
{
	assert(opened || sc->n_listen == 0);
	for (size_t k = 0; k < sc->n_listen; k++) {
		struct opened *o = &opened[k];
		struct listener *l = o->fd < 0 ? find_listener(s->master, &o->addr) : NULL;
		int fd = o->fd;

		if (l) {
			/* It goes on as it is, under whatever service and port of the app. */
			if (l->closing)
				listener_remove_filter(l->fd);
			l->closing = false;
			l->automatic = false;
			if (l->service != s || l->app_port != sc->listen[k].app_port) {
				listener_move(l, s);
				l->app_port = sc->listen[k].app_port;
			}
			continue;
		}
		o->fd = -1;
		if (service_add_listener(s, &o->addr, sc->listen[k].app_port, false, fd) < 0) {
			log_event(LEVEL_ERROR, "listen", LOG_STR("service", sc->name),
				  LOG_MSG("out of memory: a listener is missing"));
			(void)close(fd);
		}
	}
	service_attach_listeners(s);
}

static bool is_wanted(const struct listener *l, const struct service_conf *sc,
		      const struct opened *opened)
{
	assert(opened || sc->n_listen == 0);
	for (size_t k = 0; k < sc->n_listen; k++)
		if (address_equal(&l->addr, &opened[k].addr) ||
		    address_equal(&l->addr, &sc->listen[k].addr))
			return true;
	return false;
}

/* Which keys changed, for who reads the log: all of them are in force once the workers are new. */
static void say_what_changes(const struct service *s, const struct service_conf *sc)
{
	STRBUF(keys, 1024);

	if (service_conf_diff(s->conf, sc, CONF_DIFF_ALL, &keys))
		log_event(LEVEL_INFO, "config-changed", LOG_STR("service", sc->name),
			  LOG_STR("keys", keys.text), LOG_MSG("changed: %s", keys.text));
}

static void drop_listeners(struct service *s, const struct service_conf *sc,
			   const struct opened *opened)
{
	struct listener *l;

	list_for_each (l, &s->listeners, link) {
		int r;

		if (l->closing)
			continue;
		if (!l->automatic && !is_wanted(l, sc, opened)) {
			service_close_listener(l);
			continue;
		}
		r = listener_configure(l->fd, sc);
		if (r < 0)
			log_event(LEVEL_WARN, "listen", LOG_STR("service", sc->name),
				  LOG_INT("port", l->addr.port),
				  LOG_MSG("cannot set the socket options anew: %s", strerror(-r)));
	}
}

static const struct opened *opened_of(const struct opened_list *list, const struct conf *conf,
				      size_t service)
{
	size_t at = 0;

	for (size_t i = 0; i < service; i++)
		at += conf->services[i]->n_listen;
	return list->v + at;
}

int master_open_services(struct master *m, struct strbuf *error)
{
	struct opened_list list = { 0 };
	int r = check_users(m->conf, error);

	if (r == 0)
		r = open_all(m, m->conf, &list, error);
	if (r < 0)
		return r;
	for (size_t i = 0; i < m->conf->n_services; i++) {
		struct service *s = service_new(m, m->conf->services[i]);

		if (!s) {
			r = -ENOMEM;
			break;
		}
		take_listeners(s, s->conf, list.v + (opened_of(&list, m->conf, i) - list.v));
	}
	close_all(&list);
	return r;
}

static void say_what_waits(const struct broker_conf *a, const struct broker_conf *b)
{
	STRBUF(keys, 512);

	if (broker_conf_diff(a, b, CONF_DIFF_RESTART, &keys) & CONF_DIFF_RESTART)
		log_event(LEVEL_WARN, "needs-restart", LOG_STR("keys", keys.text),
			  LOG_MSG("[broker] %s: the change takes effect when the broker is started "
				  "anew",
				  keys.text));
}

/* The last that may fail: a log that was changed cannot be changed back. */
static int change_log(const struct broker_conf *old, const struct broker_conf *bc,
		      struct strbuf *error)
{
	int r;

	if (old->log == bc->log && (bc->log != LOG_TO_FILE || !strcmp(old->log_path, bc->log_path)))
		return 0;
	r = log_open(bc);
	if (r < 0)
		strbuf_addf(error, "cannot open the log %s: %s", bc->log_path, strerror(-r));
	return r;
}

/* Everything is checked and open: nothing below can fail but for memory. */
static void apply(struct master *m, struct conf *conf, struct opened_list *list)
{
	struct conf *old = m->conf;
	struct service *s, *tmp;
	bool any_new = false;

	say_what_waits(&old->broker, &conf->broker);
	m->conf = conf;
	log_configure(&conf->broker, m->options.verbosity);

	for (size_t i = 0; i < conf->n_services; i++) {
		struct service_conf *sc = conf->services[i];
		struct opened *opened = list->v + (opened_of(list, conf, i) - list->v);
		bool is_new;

		s = find_service(m, sc->name);
		is_new = !s;
		any_new = any_new || is_new;
		if (is_new)
			s = service_new(m, sc);
		if (!s) {
			log_event(LEVEL_ERROR, "reload-refused", LOG_STR("service", sc->name),
				  LOG_MSG("out of memory: the service is not started"));
			continue;
		}
		if (!is_new)
			say_what_changes(s, sc);
		take_listeners(s, sc, opened);
		drop_listeners(s, sc, opened);
		if (is_new)
			service_fill(s);
		else
			service_roll(s, sc);
	}
	list_for_each_safe (s, tmp, &m->services, link)
		if (!s->stopping && !conf_find_service(conf, service_name(s))) {
			log_event(LEVEL_INFO, "service-stop", LOG_STR("service", service_name(s)),
				  LOG_MSG("its section is gone from the configuration"));
			/* What takes its place may be one of those that start now. */
			if (any_new)
				service_hand_over(s);
			else
				service_stop(s, true);
		}
	conf_free(old);
	master_check_gone(m);
}

void master_reload(struct master *m)
{
	struct conf *conf = NULL;
	struct opened_list list = { 0 };
	struct web_change web;
	STRBUF(error, CONF_ERROR_BYTES);
	struct service *s;
	int r;

	if (!m->options.config_file) {
		/* The command line cannot have changed, the app's code may have. */
		list_for_each (s, &m->services, link)
			service_roll(s, s->conf);
		return;
	}
	r = config_file_load(m->options.config_file, &conf, &error);
	if (r == 0)
		r = start_check_descriptors(conf, &error);
	if (r == 0)
		r = check_users(conf, &error);
	if (r == 0)
		r = open_all(m, conf, &list, &error);
	if (r == 0)
		r = web_prepare(&m->web, &m->conf->broker, &conf->broker, &web, &error);
	if (r == 0) {
		r = change_log(&m->conf->broker, &conf->broker, &error);
		if (r < 0)
			web_discard(&conf->broker, &web);
	}
	if (r < 0) {
		m->reloads_refused++;
		close_all(&list);
		log_event(LEVEL_ERROR, "reload-refused", LOG_STR("error", error.text),
			  LOG_MSG("%s -- the configuration in force stays, no worker was touched",
				  error.len ? error.text : strerror(-r)));
		conf_free(conf);
		return;
	}
	/* First: workers that start now are measured, or not, as the new configuration says. */
	web_apply(&m->web, &conf->broker, &web);
	apply(m, conf, &list);
	close_all(&list);
}
