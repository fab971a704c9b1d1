#include "names.h"

#include <fcntl.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "base/words.h"
#include "sys/config_file.h"
#include "sys/log.h"
#include "sys/name_service.h"
#include "sys/starter.h"
#include "sys/user.h"
#include "worker/command.h"

#define LIMIT_MS 20000 /* of one answer: several modules may each wait for a server */
#define SLOW_MS	 1000

#define SIZE sizeof(((struct conf_names *)NULL)->of[0])

/* --- the questions ---------------------------------------------------------------------------- */

/* Adds one, unless it is there; a name that nobody can have is unknown without being asked for. */
static int ask(struct conf_names **names, bool is_group, const char *name)
{
	const size_t n = *names ? (*names)->n : 0;
	struct conf_names *grown;

	if (!name || strlen(name) >= CONF_NAME_SIZE)
		return 0;
	for (size_t i = 0; i < n; i++)
		if ((*names)->of[i].is_group == is_group && !strcmp((*names)->of[i].asked, name))
			return 0;
	/* There is always a NUL behind what has come. */
	grown = realloc(*names, sizeof(**names) + (n + 1) * SIZE + 1);
	if (!grown)
		return -ENOMEM;
	grown->of[n] = (struct conf_name){ .is_group = is_group };
	strcpy(grown->of[n].asked, name);
	grown->n = n + 1;
	*names = grown;
	return 0;
}

/* As in user_lookup(), a number is all there is to know of a group, or of a user with one. */
static int ask_both(struct conf_names **names, const char *user, const char *group)
{
	unsigned id;
	bool number = group && user_parse_id(group, &id);
	int r = number && user && user_parse_id(user, &id) ? 0 : ask(names, false, user);

	return r < 0 || number ? r : ask(names, true, group);
}

static int ask_all(const struct conf *conf, struct conf_names **names)
{
	int r = ask_both(names, conf->broker.user, conf->broker.group);

	if (r == 0)
		r = ask_both(names, NULL, conf->broker.control_group);
	for (size_t i = 0; r == 0 && i < conf->n_services; i++) {
		const struct service_conf *sc = conf->services[i];

		r = ask_both(names, sc->user, sc->group);
		if (r == 0)
			r = ask_both(names, sc->socket_user, sc->socket_group);
	}
	return r;
}

/*
 * Asks for all that is in the file, as far as it can be read, and waits for the answers:
 * *@ret_status is how the process has ended. NULL: the loop hears of them. 0, also if there is
 * nothing to ask; -errno, with @error or without.
 */
static int begin(struct names *n, int *ret_status, struct strbuf *error)
{
	STRBUF(ignored, CONF_ERROR_BYTES); /* whoever reads it for use says what is wrong */
	struct spawn_request req = { .socket_fd = -1 };
	struct conf *conf = NULL;
	char **words = NULL;
	int r = 0;

	if (n->file && config_file_parse(n->file, &conf, &ignored) == 0)
		r = ask_all(conf, &n->answers);
	conf_free(conf);
	if (r < 0 || !n->answers)
		return r;
	n->got = 0;
	r = strlist_append(&words, "broker") | strlist_append(&words, LOOK_UP_OPTION);
	for (size_t i = 0; r == 0 && i < n->answers->n; i++) {
		const struct conf_name *name = &n->answers->of[i];
		char question[CONF_NAME_SIZE + 1] = { name->is_group ? LOOK_UP_GROUP
								     : LOOK_UP_USER };

		r = strlist_append(&words, strcat(question, name->asked));
	}
	if (r == 0)
		r = spawn_self(words, &req); /* both ends have one layout */
	if (r == 0)
		r = ret_status ? starter_ask(&req, LIMIT_MS, (char *)n->answers->of,
					     n->answers->n * SIZE + 1, ret_status, error)
			       : helper_spawn(&n->asker, &req, LIMIT_MS, error);
	strlist_free(words);
	fd_closep(&req.socket_fd);
	return r;
}

/* --- the answers ------------------------------------------------------------------------------ */

/* @name has no answer: nothing came for LIMIT_MS, or the process has ended. */
static int fail(const struct conf_name *name, bool late, struct strbuf *error)
{
	strbuf_addf(error, "%s \"%s\": ", name->is_group ? "group" : "user", name->asked);
	if (late)
		strbuf_addf(error, "the name service has not answered for %d s",
			    LIMIT_MS / MSEC_PER_SEC);
	else
		strbuf_add(error, "the process that asks the name service has ended");
	strbuf_addf(error,
		    "; see getent %s %s. Mend it, give it a cache (nscd, sssd), or use numbers for "
		    "both user and group, which are not looked up",
		    name->is_group ? "group" : "passwd", name->asked);
	return late ? -ETIMEDOUT : -EIO;
}

/*
 * There was nothing to ask; or the process has ended with @status; or @r says that it was late, or
 * why it was not started, which @error may say already.
 */
static int finish(struct names *n, int r, int status, struct strbuf *error)
{
	struct conf_names *answers = n->answers;
	const size_t asked = answers ? answers->n : 0;
	size_t i = 0;

	n->answers = NULL;
	while (i < asked && answers->of[i].state != NAME_UNANSWERED)
		i++;
	if (asked && i == asked) {
		conf_names_unref(n->known);
		n->known = answers;
		n->known->refs = 1;
		return 0;
	}
	if (r < 0 && r != -ETIMEDOUT && !error->len)
		(void)strbuf_fail(error, r, "cannot look up users and groups: %m");
	else if (asked && !error->len && WIFEXITED(status) &&
		 WEXITSTATUS(status) == SPAWN_EXIT_FAILED)
		r = strbuf_fail(error, -EIO, "%.200s", (const char *)answers->of);
	else if (asked && !error->len)
		r = fail(&answers->of[i], r < 0, error);
	free(answers);
	return r;
}

int names_look_up(struct names *n, struct strbuf *error)
{
	int status = 0, r = begin(n, &status, error);

	return finish(n, r, status, error);
}

/* --- while clients are served ----------------------------------------------------------------- */

/* They may come back, for a later round, or end others of them. */
static void tell(struct names *n, int r, const char *why)
{
	const unsigned round = n->round;
	struct names_waiter *w;

	while ((w = list_first(&n->waiters, struct names_waiter, link)) && w->round <= round) {
		list_remove(&w->link);
		w->done(w, r, why);
	}
}

static void go_on(struct names *n)
{
	while (!n->asker.pid && !list_empty(&n->waiters)) {
		STRBUF(error, 1024);
		int r = n->asker.broker->stopping ? 0 : begin(n, NULL, &error);

		n->round++;
		if (n->asker.pid) {
			loop_timer_arm(&n->asker.broker->loop, &n->slow, SLOW_MS);
			return;
		}
		r = finish(n, r, 0, &error);
		tell(n, r, error.text);
	}
}

static void slow_expired(struct loop_timer *timer)
{
	const struct names *n = container_of(timer, struct names, slow);
	const size_t at = n->got / SIZE;
	const char *kind, *name;

	if (at >= n->answers->n)
		return; /* all are there, and it is about to end */
	kind = n->answers->of[at].is_group ? "group" : "user";
	name = n->answers->of[at].asked;
	log_event(LEVEL_WARN, "look-up", LOG_STR("kind", kind), LOG_STR("name", name),
		  LOG_MSG("%s \"%s\" is looked up, and the name service has not answered for %d s: "
			  "the reload waits for it, at most %d s",
			  kind, name, SLOW_MS / MSEC_PER_SEC, LIMIT_MS / MSEC_PER_SEC));
}

static void answered(struct helper *h, const char *bytes, size_t size)
{
	struct names *n = container_of(h, struct names, asker);
	const size_t room = n->answers->n * SIZE - n->got, before = n->got / SIZE;
	char *to = (char *)n->answers->of + n->got;

	size = size < room ? size : room;
	memcpy(to, bytes, size);
	to[size] = '\0';
	n->got += size;
	/* The limit is that of one answer. */
	if (n->got / SIZE > before) {
		loop_timer_arm(&h->broker->loop, &h->limit, LIMIT_MS);
		loop_timer_arm(&h->broker->loop, &n->slow, SLOW_MS);
	}
}

static void ended(struct helper *h, int status)
{
	struct names *n = container_of(h, struct names, asker);
	STRBUF(error, 1024);
	int r;

	loop_timer_disarm(&n->slow);
	r = finish(n, status == HELPER_KILLED ? -ETIMEDOUT : 0, status, &error);

	tell(n, r, error.text);
	go_on(n);
}

void names_init(struct names *n, struct broker *b)
{
	list_init(&n->waiters);
	helper_init(&n->asker, b, NULL);
	loop_timer_init(&n->slow, slow_expired);
	n->asker.wrote = answered;
	n->asker.ended = ended;
}

void names_want(struct names *n, struct names_waiter *waiter)
{
	waiter->round = n->round + 1;
	list_append(&n->waiters, &waiter->link);
	go_on(n);
}

void names_stop(struct names *n)
{
	helper_kill(&n->asker);
	loop_timer_disarm(&n->slow);
	free(n->answers);
	n->answers = NULL;
	go_on(n);
}
