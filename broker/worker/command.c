#include "command.h"

#include <fcntl.h>
#include "base/fd.h"
#include "base/words.h"
#include "config/option.h"
#include "sys/confine.h"
#include "sys/program.h"
#include "sys/retire.h"
#include "sys/rights.h"
#include "sys/starter.h"
#include "worker/environment.h"
#include "worker/output.h"

/* The launcher looks at a command for at most so long. */
#define CHECK_MS 10000

/* As little in a turn of the loop as of a worker: see worker/output.c. */
#define HELPER_TURN 512
#define PIPE_BYTES  (64 << 10)

/* A process that is to be started for a service. */
struct start {
	const struct service_conf *conf;
	const struct worker *worker; /* that it is of, or NULL */
	struct user_info user;
	char **argv; /* of the launcher */
	char **envp;
	int r; /* the first failure: -errno */
	struct spawn_request req;
};

static void start_deinit(struct start *s)
{
	strlist_free(s->argv);
	strlist_free(s->envp);
}
#define _cleanup_start_ __attribute__((cleanup(start_deinit)))

/* --- started ------------------------------------------------------------------------------- */

/* .r: whether all went well so far; @error: of a user. A helper comes without a launcher. */
static void begin(struct start *s, const struct broker *b, const struct service_conf *sc,
		  bool is_helper, struct strbuf *error)
{
	s->conf = sc;
	s->req.directory = conf_directory(sc);
	s->req.output_fd = -1;
	s->req.ids = &s->user.ids;
	s->req.nofile = b->launch.nofile;
	s->req.gain = sc->gain;
	s->req.output_to_status = is_helper;
	if (!is_helper)
		s->req.process = sc->process;
	if (!s->req.process.oom_score_adj && *given_oom_score)
		s->req.process.oom_score_adj = given_oom_score;
	s->r = user_lookup(sc->names, sc->user, sc->group, &s->user, error);
	if (s->r == 0)
		s->r = environment_make(sc, &s->user, s->worker, is_helper, &s->envp);
	s->req.envp = s->envp;
}

static void add(struct start *s, const char *word)
{
	if (s->r == 0)
		s->r = strlist_append(&s->argv, word);
}

static void add_command(struct start *s, char *const *words)
{
	if (words)
		s->req.commands[s->req.commands[0] ? 1 : 0] = *words;
	for (; words && *words; words++)
		add(s, *words);
}

static void add_option(struct start *s, const char *name, const char *value)
{
	add(s, name);
	add(s, value);
}

/* How a program of MODE_INETD is stopped until a connection comes. */
static void add_inetd(struct start *s)
{
	static const char *const parks[] = {
		[PARK_MAIN] = "main", [PARK_FIRST_READ] = "first-read", [PARK_EXEC] = "exec"
	};
	const struct service_conf *sc = s->conf;
	STRBUF(pool, 16);

	if (!conf_forks(sc))
		return;
	strbuf_addf(&pool, "%u", INETD_POOL);
	add_option(s, "--inetd", parks[sc->park]);
	add_option(s, "--inetd-listen", address_app_text(sc->listen[0].app).text);
	add_option(s, "--pool", pool.text);
	if (sc->standard_error == STDERR_CONNECTION)
		add(s, "--own-stderr");
}

static const char *backend_word(const struct service_conf *sc)
{
	if (sc->mode == MODE_NATIVE || conf_is_udp(sc)) /* what is received is nothing of ours */
		return "native";
	return sc->backend == BACKEND_PRELOAD ? "preload"
	       : sc->backend == BACKEND_TRAP  ? "trap"
					      : "auto";
}

/* What the program is to be started with: an address for each `listen` line, in their order. */
static void add_activation(struct start *s)
{
	const struct service_conf *sc = s->conf;
	STRBUF(word, 32);

	if ((sc->activation == ACTIVATION_NONE && !sc->wait) || conf_is_udp(sc))
		return;
	if (sc->wait)
		strbuf_add(&word, sc->standard_error == STDERR_LOG ? "inetd" : "inetd-stderr");
	else
		option_format(option_find(OPTION_SERVICE, "activation"), sc, 0, &word);
	add_option(s, "--activation", word.text);
	for (size_t i = 0; i < (sc->wait ? 1 : sc->n_listen); i++) {
		struct handoff_addr addr = sc->listen[i].addr;
		uint32_t app = sc->listen[i].app;
		STRBUF(text, 256);

		strbuf_addf(&text, "%s=", sc->listen[i].name[0] ? sc->listen[i].name : sc->name);
		addr.port = address_app_port(app);
		if (sc->listen[i].port_only || !addr.port || address_unix(&addr))
			strbuf_add(&text, address_app_text(app).text);
		else
			strbuf_add(&text, address_text(&addr).text);
		add_option(s, "--listen", text.text);
	}
	if (sc->v6only)
		add(s, "--v6only");
}

/* The launcher, told to execute or only to @check what is added next. */
static void add_launcher(struct start *s, const struct broker *b, bool check)
{
	STRBUF(status_fd, 16);

	strbuf_addf(&status_fd, "%d", SPAWN_STATUS_FD);
	add(s, b->launch.shim);
	add_option(s, "--library", b->launch.library);
	add_option(s, "--status-fd", status_fd.text);
	add_option(s, "--backend", backend_word(s->conf));
	add_inetd(s);
	if (check)
		add(s, "--check");
	else
		add_activation(s);
	add(s, "--");
	s->req.program = b->launch.shim;
}

/* The socket of UDP is the program's until it ends. */
static void add_udp_socket(struct start *s, const struct dispatch *d)
{
	const struct listener *l = list_find(const struct listener, o, &d->listeners, link,
					     (o->addr.flags & HANDOFF_UDP) && !o->leaves_with);

	if (!conf_is_udp(s->conf))
		return;
	if (!l) {
		s->r = -ENOTCONN;
		return;
	}
	s->req.socket_fd = l->fd;
	s->req.socket_fds = s->conf->standard_error == STDERR_CONNECTION ? 3 : 2;
}

int launch_worker(struct worker *w, struct strbuf *error)
{
	const struct broker *b = w->terms->broker;
	_cleanup_start_ struct start s = { .worker = w };
	_cleanup_fd_ int output_fd = -1;

	begin(&s, b, w->conf, false, error);
	add_launcher(&s, b, false);
	add_command(&s, conf_find_wrap(w->conf, w->slot));
	add_command(&s, w->conf->command);
	add_udp_socket(&s, w->terms->dispatch);
	if (s.r == 0)
		s.r = worker_output_open(w, &s.user.ids, &output_fd, error);
	w->uid = s.user.ids.uid;
	s.req.slot = w->slot;
	s.req.output_fd = output_fd;
	s.req.argv = s.argv;
	return s.r < 0 ? s.r : starter_start(&s.req, &w->pid, &w->status_fd, error);
}

/* --- can it be a worker? ------------------------------------------------------------------- */

static int check(const struct broker *b, const struct service_conf *sc, char *const *words,
		 struct strbuf *error)
{
	_cleanup_fd_ int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	_cleanup_start_ struct start s = { 0 };
	int status = -1, r;
	char text[512] = "";

	begin(&s, b, sc, false, error);
	if (s.r < 0)
		return s.r;
	add_launcher(&s, b, true);
	add_command(&s, words);
	s.req.output_fd = null_fd;
	s.req.argv = s.argv;
	r = s.r < 0 ? s.r : starter_ask(&s.req, CHECK_MS, text, sizeof(text), &status, error);
	if (r < 0 && r != -ETIMEDOUT)
		return r;
	strbuf_add_bytes(error, text, strcspn(text, "\n"));
	if (r < 0)
		strbuf_add(error, "the launcher did not answer");
	else if (status == 0)
		return 0;
	if (!error->len)
		strbuf_add(error, "the launcher failed without a message");
	return -EINVAL;
}

/* Each program by itself: a wrapper is executed as an app is, and then executes the app. */
int launch_check(const struct broker *b, const struct service_conf *sc, struct strbuf *error)
{
	STRBUF(reason, 512);
	int r = check(b, sc, sc->command, &reason);

	if (r < 0)
		strbuf_addf(error, "command: %s", reason.text);
	for (size_t i = 0; r == 0 && i < sc->n_wraps; i++) {
		r = check(b, sc, sc->wraps[i].words, &reason);
		if (r < 0)
			strbuf_addf(error, "wrap.%u: %s", sc->wraps[i].slot, reason.text);
	}
	return r;
}

bool launch_may_gain(const struct service_conf *sc)
{
	const char *path = environment_path(sc), *directory = conf_directory(sc);
	bool gain = rights_are_given_by(sc->command[0], path, directory);

	for (size_t i = 0; i < sc->n_wraps; i++)
		gain |= rights_are_given_by(sc->wraps[i].words[0], path, directory);
	return sc->gain == GAIN_YES || (sc->gain == GAIN_AUTO && gain);
}

/* --- helpers ------------------------------------------------------------------------------- */

static bool read_output(struct helper *h)
{
	char buf[HELPER_TURN];
	ssize_t n = read(h->fd, buf, sizeof(buf));

	if (n > 0)
		h->wrote(h, buf, (size_t)n);
	return n > 0;
}

/* Its end is told by its exit. */
static void output_ready(struct loop_source *source, uint32_t events)
{
	struct helper *h = container_of(source, struct helper, source);

	if (!read_output(h) && (events & (EPOLLHUP | EPOLLERR)))
		loop_remove(&h->broker->loop, source);
}

static void forget(struct helper *h)
{
	loop_remove(&h->broker->loop, &h->source);
	loop_timer_disarm(&h->limit);
	retire_fd(&h->fd);
	pid_set_remove(&h->broker->started, h->pid);
	h->pid = 0;
}

void helper_kill(struct helper *h)
{
	if (!h->pid)
		return;
	(void)starter_kill(h->pid, true, SIGKILL);
	forget(h);
}

bool helper_reaped(struct helper *h, pid_t pid, int status)
{
	if (h->pid != pid)
		return false;
	/* All that a pipe holds, and no more: what it has started may go on writing into it. */
	for (int i = 0; i < PIPE_BYTES / HELPER_TURN && read_output(h); i++)
		;
	forget(h);
	h->ended(h, status);
	return true;
}

static void limit_expired(struct loop_timer *timer)
{
	struct helper *h = container_of(timer, struct helper, limit);

	helper_kill(h);
	h->ended(h, HELPER_KILLED);
}

void helper_init(struct helper *h, struct broker *b, struct worker *w)
{
	h->broker = b;
	h->worker = w;
	h->fd = -1;
	h->source = (struct loop_source){ .fd = -1, .ready = output_ready };
	loop_timer_init(&h->limit, limit_expired);
}

int helper_spawn(struct helper *h, const struct spawn_request *req, int64_t limit_ms,
		 struct strbuf *error)
{
	struct broker *b = h->broker;
	int r = starter_start(req, &h->pid, &h->fd, error);

	if (r < 0)
		return r;
	(void)pid_set_add(&b->started, h->pid);
	r = loop_add(&b->loop, &h->source, h->fd, EPOLLIN);
	if (r < 0) {
		helper_kill(h);
		return strbuf_fail(error, r, "%m");
	}
	h->started_ms = loop_now(&b->loop);
	loop_timer_arm(&b->loop, &h->limit, limit_ms);
	return 0;
}

int helper_adopt(struct helper *h, const struct kept_helper *k)
{
	h->kept = *k;
	if (!h->pid)
		return 0;
	loop_timer_resume(&h->broker->loop, &h->limit, k->limit_at_ms);
	if (pid_set_add(&h->broker->started, h->pid) < 0)
		return -ENOMEM;
	return loop_add(&h->broker->loop, &h->source, h->fd, EPOLLIN);
}

int helper_start(struct helper *h, char *const *words, int64_t limit_ms, struct strbuf *error)
{
	struct worker *w = h->worker;
	_cleanup_start_ struct start s = { .worker = w };
	char program[PATH_MAX];
	int r;

	begin(&s, h->broker, w->conf, true, error);
	if (s.r < 0)
		return s.r;
	r = program_find(words[0], environment_path(w->conf), conf_directory(w->conf), program);
	s.req.program = program;
	s.req.argv = words;
	s.req.commands[0] = words[0];
	if (r < 0)
		return strbuf_fail(error, r, "cannot execute %s: %m", words[0]);
	return helper_spawn(h, &s.req, limit_ms, error);
}
