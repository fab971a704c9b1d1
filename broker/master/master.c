/*
 * Reload: the file is read into a new configuration and checked whole; then what must be
 * opened is opened; only then is anything changed. Until that point every failure leaves
 * the old configuration in force and no worker touched.
 */
#include "master/master.h"

#include "base/units.h"
#include "config/option.h"
#include "service/fill.h"
#include "service/life.h"
#include "service/open.h"
#include "service/roll.h"
#include "sys/config_file.h"
#include "sys/log.h"
#include "worker/clock.h"

/* Only a service that stays. */
static struct service *find_service(const struct master *m, const char *name)
{
	struct service *s = service_find(&m->broker, name);

	return s && !s->dispatch.stopping ? s : NULL;
}

int master_open_services(struct master *m, struct strbuf *error)
{
	_cleanup_opened_ struct opened_list list = { 0 };
	struct opened *opened;
	int r = user_check_services(m->conf, error);

	if (r == 0)
		r = reload_open_all(&m->broker, m->conf, &list, error);
	if (r < 0)
		return r;
	opened = list.v;
	for (size_t i = 0; i < m->conf->n_services; i++) {
		struct service *s = service_new(&m->broker, m->conf->services[i]);

		if (!s)
			return -ENOMEM;
		reload_take_listeners(s, s->conf, opened, 0);
		opened += s->conf->n_listen;
	}
	return 0;
}

/* The last that may fail: a log that was changed cannot be changed back. */
static int change_log(const struct broker_conf *old, const struct broker_conf *bc,
		      struct strbuf *error)
{
	STRBUF(why, PATH_MAX + 256);
	int r;

	if (old->log == bc->log && (bc->log != LOG_TO_FILE || !strcmp(old->log_path, bc->log_path)))
		return 0;
	r = log_open(bc, NULL, &why);
	return r < 0 ? strbuf_fail(error, r, "cannot open the log %s: %s", bc->log_path, why.text)
		     : 0;
}

/* @s goes from what is in force to @sc, whose listeners are @opened. */
static void change_service(struct service *s, struct service_conf *sc, struct opened *opened)
{
	STRBUF(keys, 1024);

	/* All of them are in force once the workers are new. */
	if (option_changes(OPTION_SERVICE, s->conf, sc, APPLY_N, &keys))
		log_event(LEVEL_INFO, "config-changed", LOG_STR("service", sc->name),
			  LOG_STR("keys", keys.text), LOG_MSG("changed: %s", keys.text));
	reload_take_listeners(s, sc, opened, s->rollout_number + 1);
	reload_drop_listeners(s, sc, opened, s->rollout_number + 1);
	service_roll(s, sc);
}

/* Everything is checked and open: nothing below can fail but for memory. */
static void apply(struct master *m, struct conf *conf, struct opened_list *list)
{
	struct conf *old = m->conf;
	struct opened *next = list->v;
	struct service *s;
	bool any_new = false;
	STRBUF(wait, 512);

	/* First: workers that start now are measured, or not, as the new one says. */
	m->part->end(m->part, &conf->broker, true);
	if (option_changes(OPTION_BROKER, &m->conf_start->broker, &conf->broker, APPLY_RESTART,
			   &wait))
		log_event(LEVEL_WARN, "needs-restart", LOG_STR("keys", wait.text),
			  LOG_MSG("[broker] %s: the change takes effect at the next start of the "
				  "broker",
				  wait.text));
	m->conf = conf;
	m->broker.conf = &conf->broker;
	log_configure(&conf->broker, m->verbosity);

	for_each_service (sc, conf) {
		struct opened *opened = next;

		next += sc->n_listen;
		s = find_service(m, sc->name);
		if (s) {
			change_service(s, sc, opened);
			continue;
		}
		any_new = true;
		s = service_new(&m->broker, sc);
		if (!s) {
			log_event(LEVEL_ERROR, "reload-refused", LOG_STR("service", sc->name),
				  LOG_MSG("out of memory: the service is not started"));
			continue;
		}
		reload_take_listeners(s, sc, opened, 0);
		reload_drop_listeners(s, sc, opened, 0);
		service_fill(s);
	}
	list_for_each_safe (struct service, gone, tmp, &m->broker.services, link)
		if (!gone->dispatch.stopping && !conf_find_service(conf, service_name(gone))) {
			log_event(LEVEL_INFO, "service-stop",
				  LOG_STR("service", service_name(gone)),
				  LOG_MSG("its section was removed from the configuration"));
			/* What takes its place may be one of those that start now. */
			if (any_new)
				service_hand_over(gone);
			else
				service_stop(gone, EV_RETIRE);
		}
	if (old != m->conf_start)
		conf_free(old);
	broker_tidy(&m->broker);
}

/*
 * The file is read and valid as a whole; but the sections of others stay as they are in force, and
 * wait for a reload of all.
 */
static void apply_one(struct master *m, struct service *s, struct conf *conf,
		      struct opened_list *list)
{
	struct service_conf *sc = conf_find_service(conf, service_name(s));
	STRBUF(own, 1024);

	if (option_changes(OPTION_BROKER, &m->conf->broker, &conf->broker, APPLY_N, &own))
		log_event(LEVEL_INFO, "config-waits", LOG_STR("keys", own.text),
			  LOG_MSG("[broker] differs in the file (%s), and waits for a reload of "
				  "all services",
				  own.text));
	for_each_service (other, conf) {
		const struct service *running = find_service(m, other->name);
		STRBUF(keys, 1024);

		if (other == sc || (running && !option_changes(OPTION_SERVICE, running->conf, other,
							       APPLY_N, &keys)))
			continue;
		log_event(LEVEL_INFO, "config-waits", LOG_STR("service", other->name),
			  LOG_STR("keys", keys.text),
			  LOG_MSG("[service:%s] differs in the file (%s), and waits for a reload "
				  "of all services",
				  other->name, running ? keys.text : "new service"));
	}
	change_service(s, sc, list->v);
	broker_tidy(&m->broker);
}

/* Opens what @conf wants, for @only or (NULL) all. 0; -errno with @error: only @list is open. */
static int open_new(struct master *m, struct service *only, const struct conf *conf,
		    struct opened_list *list, struct strbuf *error)
{
	const struct broker_conf *old = &m->conf->broker, *bc = &conf->broker;
	const struct service_conf *sc = only ? conf_find_service(conf, service_name(only)) : NULL;
	int r;

	if (sc)
		return reload_open_one(&m->broker, only, true, true, sc, list, error);
	if (only)
		return strbuf_fail(
			error, -EINVAL,
			"%s: [service:%s] is gone from the file; a reload of all services "
			"ends it",
			conf->file, service_name(only));
	r = reload_open_all(&m->broker, conf, list, error);
	if (r == 0)
		r = m->part->prepare(m->part, old, bc, error);
	if (r < 0)
		return r;
	r = change_log(old, bc, error);
	if (r < 0)
		m->part->end(m->part, bc, false);
	return r;
}

/* The file, and what may be wrong with a configuration that is right in itself. */
static int load(const struct master *m, struct conf **ret, struct strbuf *error)
{
	int r = config_file_load(m->config_file, !m->trusting, m->names.known, ret, error);

	if (r == 0)
		r = descriptors_check(*ret, error);
	return r < 0 ? r : user_check_services(*ret, error);
}

static int reload_file(struct master *m, struct service *only, struct strbuf *error)
{
	_cleanup_opened_ struct opened_list list = { 0 };
	struct conf *conf = NULL;
	int r = load(m, &conf, error);

	if (r == 0)
		r = open_new(m, only, conf, &list, error);
	if (r == 0 && only)
		apply_one(m, only, conf, &list);
	else if (r == 0)
		apply(m, conf, &list);
	/* After a reload of all it is the one in force. */
	if (r < 0 || only)
		conf_free(conf);
	return r;
}

/* NULL: all of them. -ENOENT, -ESHUTDOWN with @error. */
static int find_only(struct master *m, const char *name, struct service **ret, struct strbuf *error)
{
	if (m->broker.stopping)
		return strbuf_fail(error, -ESHUTDOWN, "the broker is stopping");
	*ret = name ? find_service(m, name) : NULL;
	if (!name || *ret)
		return 0;
	return strbuf_fail(error, -ENOENT, "there is no service %s, or it is ending", name);
}

int master_reload(struct master *m, const char *only_service, int named, const char *why,
		  struct strbuf *error)
{
	struct service *only = NULL;
	int r = find_only(m, only_service, &only, error);

	notice(&m->broker, asked);
	if (r == 0 && named < 0)
		r = strbuf_fail(error, named, "%s", why);
	if (r == 0 && m->config_file)
		r = reload_file(m, only, error);
	else if (r == 0)
		/* The command line cannot have changed, the app's code may have. */
		list_for_each (struct service, s, &m->broker.services, link)
			if (!only || s == only)
				service_roll(s, s->conf);
	if (r == 0 || m->broker.stopping)
		return r;
	m->reloads_refused++;
	if (!error->len)
		strbuf_add(error, strerror(-r));
	log_event(LEVEL_ERROR, "reload-refused",
		  LOG_STR("service", only ? service_name(only) : NULL),
		  LOG_STR("error", error->text),
		  LOG_MSG("%s -- the old configuration stays in force, and no worker was "
			  "changed",
			  error->text));
	return r;
}

static void hung_up(struct names_waiter *waiter, int named, const char *why)
{
	struct master *m = container_of(waiter, struct master, hangup);
	bool again = m->hangs_up_again;
	STRBUF(error, CONF_ERROR_BYTES);

	m->hangs_up_again = false;
	(void)master_reload(m, NULL, named, why, &error);
	if (again)
		master_hang_up(m);
}

void master_hang_up(struct master *m)
{
	/* Any number of them while one waits is one reload more. */
	m->hangs_up_again = !list_empty(&m->hangup.link);
	if (!m->hangs_up_again)
		names_want(&m->names, &m->hangup);
}

void master_init(struct master *m)
{
	names_init(&m->names, &m->broker);
	mover_init(&m->mover, &m->broker);
	m->hangup.done = hung_up;
	list_init(&m->hangup.link);
}

/* What conf_plan() cannot know: where links lead, and what was done by hand with workers. */
static void plan_service(const struct service *s, const struct conf *conf, conf_plan_fn *fn,
			 void *arg)
{
	const struct service_conf *next = conf_find_service(conf, service_name(s));
	const char *from = conf_directory(s->conf), *to = next ? conf_directory(next) : NULL;
	STRBUF(section, 128);
	const struct conf_change moves = { .section = section.text,
					   .key = "directory",
					   .from = from,
					   .to = to,
					   .applies = option_apply_names[APPLY_WORKERS] };

	strbuf_addf(&section, "service:%s", service_name(s));
	/* A change of the setting itself has been told. */
	if (from && to && strcmp(from, to) != 0 && !strcmp(s->conf->directory, next->directory))
		fn(arg, &moves);
	list_for_each (const struct worker, w, &s->workers, link) {
		STRBUF(action, 256);
		struct conf_change change = { .section = section.text, .action = action.text };

		if (!next || w->guest || !worker_state_is_current(w->state))
			continue;
		if (worker_is_found_debugged(w))
			strbuf_addf(&action,
				    "%s is being debugged: a new worker takes its place, and it is "
				    "left alone until its debugger lets go",
				    w->name);
		else if (w->held & HELD_BY_HAND)
			strbuf_addf(&action, "%s is held by hand: the new worker will not be",
				    w->name);
		if (action.len)
			fn(arg, &change);
	}
}

/* The broker itself does not follow a link that leads to another release now. */
static void plan_own_directory(const struct master *m, conf_plan_fn *fn, void *arg)
{
	_cleanup_free_ char *now = m->entered ? realpath(m->entered, NULL) : NULL;
	char here[PATH_MAX];
	STRBUF(action, 2 * PATH_MAX + 256);
	const struct conf_change change = { .section = "broker", .action = action.text };

	if (!now || !getcwd(here, sizeof(here)) || !strcmp(now, here))
		return;
	strbuf_addf(&action,
		    "the broker runs in %s, and stays there; %s leads to %s now: services without "
		    "directory = %s start from the old one",
		    here, m->entered, now, m->entered);
	fn(arg, &change);
}

int master_plan(struct master *m, const char *only_service, conf_plan_fn *fn, void *arg,
		struct strbuf *error)
{
	/* What runs: after an aborted reload or a rollback that is not what was read last. */
	struct service_conf *running[CONF_SERVICES_MAX];
	_cleanup_free_ struct service_conf *scaled = calloc(CONF_SERVICES_MAX, sizeof(*scaled));
	struct conf now = { .broker = m->conf->broker, .services = running };
	/* Without a file a reload changes nothing. */
	struct conf *file = NULL, *next = m->conf;
	struct service *only = NULL;
	int r = find_only(m, only_service, &only, error);

	if (!scaled)
		return -ENOMEM;
	if (r == 0 && m->config_file) {
		r = load(m, &file, error);
		next = file;
	}
	list_for_each (struct service, s, &m->broker.services, link) {
		struct service_conf *copy = &scaled[now.n_services];

		if (s->dispatch.stopping || now.n_services == CONF_SERVICES_MAX)
			continue;
		/* The number that was set by hand is not that of the file either. */
		*copy = *s->conf;
		if (!s->rollout.active)
			copy->workers = s->want;
		running[now.n_services++] = copy;
	}
	if (r == 0) {
		conf_plan(&now, &m->conf_start->broker, next, only_service, fn, arg);
		plan_own_directory(m, fn, arg);
		list_for_each (struct service, s, &m->broker.services, link)
			if (!s->dispatch.stopping && (!only || s == only))
				plan_service(s, next, fn, arg);
	}
	conf_free(file);
	if (r < 0 && !error->len)
		strbuf_add(error, strerror(-r));
	return r;
}

/* --- the end ---------------------------------------------------------------------------- */

/* timeout(1) signals the process, and then its group: one request that comes twice. */
#define SAME_REQUEST_MS 1000

void master_stop(struct master *m, bool drain, int signo)
{
	/* Asked twice, or more urgently: it ends now. */
	enum worker_event how = m->broker.stopping ? EV_KILL : drain ? EV_RETIRE : EV_STOP;
	int64_t now = loop_now(&m->broker.loop);
	STRBUF(by, 32);

	if (signo)
		strbuf_addf(&by, "SIG%s", units_signal(signo).text);
	else
		strbuf_add(&by, "by hand");
	if (m->broker.stopping && signo && now - m->stop_asked_ms < SAME_REQUEST_MS) {
		log_event(LEVEL_INFO, "broker-stopping", LOG_INT("signal", signo),
			  LOG_MSG("%s within a second of the first request: taken for the same",
				  by.text));
		return;
	}
	if (!m->broker.stopping)
		m->stop_asked_ms = now;
	m->broker.stopping = true;
	loop_settle(&m->broker.loop);
	notice(&m->broker, asked);
	log_event(LEVEL_INFO, "broker-stopping", LOG_INT("signal", signo),
		  LOG_MSG("%s: %s", by.text,
			  how == EV_KILL   ? "second request: killing all workers"
			  : how == EV_STOP ? "telling all workers to end"
					   : "serving waiting clients, then draining all workers"));
	names_stop(&m->names);
	list_for_each_safe (struct service, s, tmp, &m->broker.services, link)
		service_stop(s, how);
	broker_tidy(&m->broker);
}
