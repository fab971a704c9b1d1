#include "client.h"

#include <ctype.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "base/words.h"
#include "sys/config_file.h"
#include "sys/name_service.h"
#include "sys/proc.h"
#include "sys/rundir.h"
#include "sys/safe_path.h"
#include "sys/unix_socket.h"

#define READ_SIZE    65536
#define CONTROL_NAME "control"
#define DEFAULT_FILE "broker.ini"
#define ENTRIES_MAX  1000 /* more in a directory of run directories are ignored */

/* --- finding the broker ------------------------------------------------------------------ */

int client_explain(const char *before, const char *path, int r, struct strbuf *error)
{
	static const struct {
		int error;
		const char *words;
	} known[] = {
		{ ENOENT, "no broker is running: there is no {path}" },
		{ ECONNREFUSED, "no broker is running: nothing listens on {path}" },
		{ EACCES, "permission denied: {path} belongs to another user; ask as that user or "
			  "as root (sudo), or be in control_group, which may look but not steer" },
		{ ENOTSOCK, "{path} is not the control socket of a broker" },
		{ EAGAIN, "the broker at {path} accepts no more connections at the moment" },
		/* When it is asked. */
		{ EMSGSIZE, "a request may have at most 4096 bytes" },
		{ EINVAL, "a request cannot contain control characters" },
		{ EPIPE, "the broker has ended, or has closed the connection" },
		{ ETIMEDOUT, "the broker does not answer: is its process stopped? ({path})" },
		{ EPROTO, "the program that answers at {path} is not a broker" },
		{ EBADMSG, "the program that answers at {path} is not a broker" },
	};

	int e = r == -EPERM ? EACCES : r == -EPROTOTYPE ? ENOTSOCK : -r;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].error == e) {
			strbuf_add_filled(error, known[i].words, "{path}", path);
			return r;
		}
	return strbuf_fail(error, r, "%s%s: %m", before, path);
}

/* Whether a directory above @path is @uid's, and only root or we could have put it there. */
static bool is_given(const char *path, uid_t uid)
{
	for (const char *end = path; (end = strchr(end + 1, '/'));) {
		_cleanup_free_ char *dir = strndup(path, (size_t)(end - path));
		_cleanup_fd_ int fd = -1;
		STRBUF(ignored, 512);
		struct stat st, above;

		if (!dir || stat(dir, &st) < 0)
			return false;
		if (st.st_uid == uid)
			return safe_path_make_dir(dir, &fd, &ignored) == 0 && fstat(fd, &st) == 0 &&
			       fstatat(fd, "..", &above, 0) == 0 && st.st_uid == uid &&
			       safe_path_is_ours(&above);
	}
	return false;
}

/* Whether the user that answers at @path may; its name goes to @ret_name, of @size, if not. */
static bool is_expected(const struct client *c, const char *path, char *ret_name, size_t size)
{
	_cleanup_free_ char *here = *path == '/' ? NULL : getcwd(NULL, 0);
	STRBUF(full, 2 * PATH_MAX);
	uid_t uid = c->peer.uid;
	char number[16];

	if (uid == 0 || uid == geteuid() || uid == c->owner)
		return true;
	name_service_name(uid, ret_name, size);
	snprintf(number, sizeof(number), "%u", (unsigned)uid);
	if (!strcmp(c->user, ret_name) || !strcmp(c->user, number))
		return true;
	/* As it was named: links on the way may be anybody's. An abstract name is nobody's. */
	strbuf_addf(&full, "%s%s%s", here ? here : "", here ? "/" : "", path);
	return *path != '@' && is_given(full.text, uid);
}

static int connect_to(const char *path, struct client *ret, struct strbuf *error)
{
	_cleanup_fd_ int fd = -1;
	socklen_t len = sizeof(ret->peer);
	char name[sizeof(ret->user)];
	struct stat st;
	int r = unix_connect(path, SOCK_STREAM, &fd);

	/* connect(2) fails alike for a regular file and for a socket that nobody listens on. */
	if (r == -ECONNREFUSED && stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		r = -ENOTSOCK;
	if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ret->peer, &len) < 0)
		r = -errno;
	if (r < 0)
		return client_explain("cannot connect to ", path, r, error);
	if (!is_expected(ret, path, name, sizeof(name)))
		return strbuf_fail(error, -EPERM,
				   "a process of user %s answers at %s, where anybody could have "
				   "put it: that user is neither root, nor you, nor the owner of a "
				   "configuration file that you named, nor has root given the "
				   "directory to that user. If it is the broker that you mean, ask "
				   "as that user, or name its file with -c",
				   name, path);
	ret->path = strdup(path);
	if (!ret->path)
		return -ENOMEM;
	ret->fd = fd_take(&fd);
	return 0;
}

static bool is_directory_of(const char *dir, uid_t uid)
{
	struct stat st;

	return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid;
}

/*
 * For `sudo brokerctl`: connects root to the broker of the user who owns @file. That is safe, as
 * this user could have written any socket into @file. @name: of the run directory, with a slash
 * before it.
 */
static bool connect_as_owner(const char *file, const char *name, struct client *ret)
{
	struct stat st;

	if (geteuid() != 0 || stat(file, &st) < 0 || st.st_uid == 0)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		STRBUF(path, PATH_MAX);
		STRBUF(ignored, 1024);

		strbuf_addf(&path, i == 0 ? "/run/user/%u/broker" : "/tmp/broker-%u",
			    (unsigned)st.st_uid);
		if (!is_directory_of(path.text, st.st_uid))
			continue;
		strbuf_addf(&path, "%s/" CONTROL_NAME, name);
		if (connect_to(path.text, ret, &ignored) == 0)
			return true;
	}
	return false;
}

/*
 * Tries the run directory that a broker with @file chooses by itself: that of our user; then that
 * of root, as we may be in its control_group; and for root that of the owner of @file.
 */
static int connect_by_name(const char *file, struct client *ret, struct strbuf *error)
{
	_cleanup_free_ char *own = rundir_default(file);
	const char *name = own ? strrchr(own, '/') : NULL;
	STRBUF(path, PATH_MAX);
	STRBUF(of_root, PATH_MAX);
	int r;

	if (!own)
		return -ENOMEM;
	strbuf_addf(&path, "%s/" CONTROL_NAME, own);
	strbuf_addf(&of_root, "/run/broker%s/" CONTROL_NAME, name);
	/* A directory that we may not look into is root's: connecting fails, and says so. */
	if (access(path.text, F_OK) < 0 && (access(of_root.text, F_OK) == 0 || errno == EACCES))
		return connect_to(of_root.text, ret, error);
	r = connect_to(path.text, ret, error);
	if (r == 0 || connect_as_owner(file, name, ret))
		return 0;
	if (geteuid() == 0)
		strbuf_add(error, "; name the broker of another user with -s");
	return r;
}

static int connect_by_conf(const char *file, const struct broker_conf *bc, struct client *ret,
			   struct strbuf *error)
{
	STRBUF(path, PATH_MAX);

	if (bc->control == CONTROL_OFF)
		return strbuf_fail(error, -ENOENT,
				   "%s has control = off: this broker has no control socket", file);
	if (bc->control == CONTROL_PATH)
		return connect_to(bc->control_path, ret, error);
	if (!bc->run_dir)
		return connect_by_name(file, ret, error);
	strbuf_addf(&path, "%s/" CONTROL_NAME, bc->run_dir);
	return connect_to(path.text, ret, error);
}

/*
 * The file may have changed since the broker was started, and be faulty. Mostly its [broker]
 * section still says where to ask. If not, a broker that chose its own run directory is still
 * found.
 */
static int connect_by_file(const char *file, struct client *ret, struct strbuf *error)
{
	STRBUF(ignored, 1024);
	struct conf *conf;
	struct stat st;
	int r = config_file_load(file, false, NULL, &conf, error);
	bool whole = r == 0, placed = false;
	int found = 0;

	ret->file = file;
	ret->owner = stat(file, &st) == 0 ? st.st_uid : 0;
	if (whole || config_file_load(file, false, NULL, &conf, NULL) == 0) {
		if (conf->broker.user)
			snprintf(ret->user, sizeof(ret->user), "%s", conf->broker.user);
		found = connect_by_conf(file, &conf->broker, ret, whole ? error : &ignored);
		placed = conf->broker.run_dir || conf->broker.control == CONTROL_PATH;
		conf_free(conf);
		if (found == 0 || (whole && found != -ENOENT && found != -ECONNREFUSED))
			return found;
	}
	if (access(file, F_OK) < 0)
		return r;
	if (connect_by_name(file, ret, &ignored) == 0)
		return 0;
	if (whole && placed)
		strbuf_add(error, "; if it was started while the file had another run_dir or "
				  "control, name the socket with -s");
	if (whole)
		return found;
	strbuf_addf(error,
		    "%s\nwhere its broker listens is not known then; name the socket with -s",
		    error->len ? "" : strerror(-r));
	return r;
}

/* --- the only one that runs ------------------------------------------------------------- */

struct search {
	struct client *first;
	unsigned n, denied;
	struct strbuf *list; /* a line for each */
};

/* Its command line tells which broker it is, even if it is stopped and would not answer. */
static void add_process(pid_t pid, struct strbuf *out)
{
	char command[200];
	ssize_t n;

	if (pid <= 1)
		return;
	strbuf_addf(out, "  pid %d", (int)pid);
	n = proc_read(pid, "cmdline", command, sizeof(command));
	if (n <= 1)
		return;
	/* Its words end with a NUL each. */
	for (ssize_t i = 0; i < n - 1; i++)
		if (!command[i])
			command[i] = ' ';
	strbuf_add(out, ": ");
	strbuf_add_escaped(out, command, strlen(command));
}

static void try_socket(const char *path, struct search *s)
{
	struct client c = CLIENT_INIT;
	STRBUF(ignored, 1024);
	int r = connect_to(path, &c, &ignored);

	if (r == 0 || r == -EACCES)
		strbuf_addf(s->list, "\n  %s", path);
	if (r == -EACCES) {
		s->denied++;
		strbuf_add(s->list, " (permission denied)");
	} else if (r == 0) {
		add_process(c.peer.pid, s->list);
		if (s->n++ == 0)
			*s->first = c;
		else
			client_close(&c);
	}
}

/* In /tmp anybody could have made @base, to pose as a broker. */
static void search_below(const char *base, struct search *s)
{
	bool trusted = is_directory_of(base, 0) || is_directory_of(base, geteuid());
	_cleanup_dir_ struct dir *dir = trusted ? dir_open(base) : NULL;
	const char *entry;

	for (unsigned i = 0; dir && i < ENTRIES_MAX && (entry = dir_next(dir)); i++) {
		STRBUF(path, PATH_MAX);

		strbuf_addf(&path, "%s/%s/" CONTROL_NAME, base, entry);
		if (entry[0] != '.')
			try_socket(path.text, s);
	}
}

static int connect_to_the_only_one(struct client *ret, struct strbuf *error)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	STRBUF(of_session, PATH_MAX);
	STRBUF(in_tmp, 64);
	STRBUF(list, 8192);
	struct search found = { .first = ret, .list = &list };

	if (runtime && *runtime == '/')
		strbuf_addf(&of_session, "%s/broker", runtime);
	strbuf_addf(&in_tmp, "/tmp/broker-%u", (unsigned)geteuid());
	search_below("/run/broker", &found);
	search_below(of_session.text, &found);
	search_below(in_tmp.text, &found);
	if (found.n == 1)
		return 0;
	client_close(ret);
	if (found.n > 1)
		return strbuf_fail(
			error, -ENOENT,
			"%u brokers are running; choose one with -s SOCKET or -c FILE:%s", found.n,
			list.text);
	if (found.denied > 0)
		return strbuf_fail(
			error, -EACCES,
			"permission denied: run as the broker's user or as root (sudo):%s",
			list.text);
	return strbuf_fail(
		error, -ENOENT,
		"no broker is running: none was found in /run/broker%s%s and %s, and there is no "
		"./" DEFAULT_FILE "; name one with -c FILE or -s SOCKET",
		of_session.len ? ", " : "", of_session.text, in_tmp.text);
}

int client_connect(struct client *ret, const struct client_options *options, struct strbuf *error)
{
	const char *environment = getenv("BROKER_CONTROL");

	if (options->socket)
		return connect_to(options->socket, ret, error);
	if (options->file)
		return connect_by_file(options->file, ret, error);
	if (environment && *environment)
		return connect_to(environment, ret, error);
	if (access(DEFAULT_FILE, F_OK) == 0)
		return connect_by_file(DEFAULT_FILE, ret, error);
	return connect_to_the_only_one(ret, error);
}

/* --- requests and lines ------------------------------------------------------------------- */

void client_close(struct client *c)
{
	fd_closep(&c->fd);
	strbuf_deinit(&c->in);
	view_deinit(&c->view);
	free(c->path);
	*c = CLIENT_INIT;
}

int client_ask(struct client *c, char *const *words, size_t n)
{
	STRBUF(line, CLIENT_REQUEST_MAX + 1);
	size_t sent = 0;

	for (size_t i = 0; i < n; i++) {
		for (const char *at = words[i]; *at; at++)
			if (iscntrl((unsigned char)*at))
				return -EINVAL;
		if (i > 0)
			strbuf_add(&line, " ");
		words_add_quoted(&line, words[i]);
	}
	strbuf_add(&line, "\n");
	if (line.cut)
		return -EMSGSIZE;
	while (sent < line.len) {
		ssize_t r = send(c->fd, line.text + sent, line.len - sent, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		sent += (size_t)r;
	}
	return 0;
}

int client_next(struct client *c)
{
	char bytes[READ_SIZE];
	const char *end;
	ssize_t n;

	strbuf_consume(&c->in, c->line_len);
	c->line_len = 0;
	while (!(end = c->in.len ? memchr(c->in.text, '\n', c->in.len) : NULL)) {
		if (c->in.len > CLIENT_LINE_MAX)
			return -EPROTO;
		n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return -EPIPE;
		if (n < 0 && errno != EINTR)
			return -errno;
		strbuf_add_bytes(&c->in, bytes, n > 0 ? (size_t)n : 0);
		if (c->in.cut)
			return -ENOMEM;
	}
	c->line_len = (size_t)(end - c->in.text) + 1;
	return view_add(&c->view, c->in.text, c->line_len - 1);
}
