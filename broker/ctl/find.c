#include "find.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "sys/config_file.h"
#include "sys/proc.h"
#include "sys/rundir.h"
#include "sys/unix_socket.h"

#define CONTROL_NAME "control"
#define DEFAULT_FILE "broker.ini"
#define ENTRIES_MAX  1000 /* more in a directory of run directories are ignored */

static int explain(const char *path, int r, struct strbuf *error)
{
	switch (-r) {
	case ENOENT:
		strbuf_addf(error, "no broker is running: there is no %s", path);
		break;
	case ECONNREFUSED:
		strbuf_addf(error, "no broker is running: nothing listens on %s", path);
		break;
	case EACCES:
	case EPERM:
		strbuf_addf(error,
			    "permission denied: %s belongs to another user; ask as that user or as "
			    "root (sudo), or be in control_group, which may look but not steer",
			    path);
		break;
	case ENOTSOCK:
	case EPROTOTYPE:
		strbuf_addf(error, "%s is not the control socket of a broker", path);
		break;
	case EAGAIN:
		strbuf_addf(error, "the broker at %s accepts no more connections at the moment",
			    path);
		break;
	default:
		strbuf_addf(error, "cannot connect to %s: %s", path, strerror(-r));
		break;
	}
	return r;
}

static int connect_to(const char *path, struct client *ret, struct strbuf *error)
{
	_cleanup_fd_ int fd = -1;
	char *copy;
	struct stat st;
	int r = unix_connect(path, &fd);

	/* connect(2) fails alike for a regular file and for a socket that nobody listens on. */
	if (r == -ECONNREFUSED && stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		r = -ENOTSOCK;
	if (r < 0)
		return explain(path, r, error);
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	ret->fd = fd_take(&fd);
	ret->path = copy;
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
static int connect_as_owner(const char *file, const char *name, struct client *ret)
{
	_cleanup_free_ char *of_session = NULL, *in_tmp = NULL;
	struct stat st;

	if (geteuid() != 0 || stat(file, &st) < 0 || st.st_uid == 0)
		return -ENOENT;
	if (asprintf(&of_session, "/run/user/%u/broker", (unsigned)st.st_uid) < 0 ||
	    asprintf(&in_tmp, "/tmp/broker-%u", (unsigned)st.st_uid) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < 2; i++) {
		const char *base = i == 0 ? of_session : in_tmp;
		_cleanup_free_ char *path = NULL;
		STRBUF(ignored, 1024);

		if (is_directory_of(base, st.st_uid) &&
		    asprintf(&path, "%s%s/" CONTROL_NAME, base, name) >= 0 &&
		    connect_to(path, ret, &ignored) == 0)
			return 0;
	}
	return -ENOENT;
}

/*
 * Tries the run directory that a broker with @file chooses by itself: that of our user; then that
 * of root, as we may be in its control_group; and for root that of the owner of @file.
 */
static int connect_by_name(const char *file, struct client *ret, struct strbuf *error)
{
	_cleanup_free_ char *own = rundir_default(file), *path = NULL, *of_root = NULL;
	int r;

	if (!own || asprintf(&path, "%s/" CONTROL_NAME, own) < 0 ||
	    asprintf(&of_root, "/run/broker%s/" CONTROL_NAME, strrchr(own, '/')) < 0)
		return -ENOMEM;
	/* A directory that we may not look into is root's: connecting fails, and says so. */
	if (strcmp(path, of_root) != 0 && access(path, F_OK) < 0 &&
	    (access(of_root, F_OK) == 0 || errno == EACCES))
		return connect_to(of_root, ret, error);
	r = connect_to(path, ret, error);
	if (r == 0 || connect_as_owner(file, strrchr(own, '/'), ret) == 0)
		return 0;
	if (geteuid() == 0)
		strbuf_add(error, "; name the broker of another user with -s");
	return r;
}

static int connect_by_conf(const char *file, const struct broker_conf *bc, struct client *ret,
			   struct strbuf *error)
{
	_cleanup_free_ char *path = NULL;

	switch (bc->control) {
	case CONTROL_OFF:
		return strbuf_fail(error, -ENOENT,
				   "%s has control = off: this broker has no control socket", file);
	case CONTROL_PATH:
		return connect_to(bc->control_path, ret, error);
	case CONTROL_AUTO:
		break;
	}
	if (!bc->run_dir)
		return connect_by_name(file, ret, error);
	if (asprintf(&path, "%s/" CONTROL_NAME, bc->run_dir) < 0)
		return -ENOMEM;
	return connect_to(path, ret, error);
}

static int connect_by_file(const char *file, struct client *ret, struct strbuf *error)
{
	STRBUF(faults, CONF_ERROR_BYTES);
	STRBUF(ignored, 1024);
	struct conf *conf;
	int r = config_file_load(file, &conf, &faults), found;

	if (r == 0) {
		r = connect_by_conf(file, &conf->broker, ret, error);
		conf_free(conf);
		return r;
	}
	/*
	 * The file may be faulty while a broker runs with its earlier content. Mostly its [broker]
	 * section is still good and says where to ask. If not, a broker that chose its own run
	 * directory is still found.
	 */
	if (config_file_load_broker(file, &conf) == 0) {
		found = connect_by_conf(file, &conf->broker, ret, &ignored);
		conf_free(conf);
		if (found == 0)
			return 0;
	}
	if (access(file, F_OK) == 0 && connect_by_name(file, ret, &ignored) == 0)
		return 0;
	strbuf_addf(error, "%s", faults.len ? faults.text : strerror(-r));
	if (access(file, F_OK) == 0)
		strbuf_add(error, "\nwhere its broker listens is not known then; name the socket "
				  "with -s");
	return r;
}

/* --- the only one that runs ------------------------------------------------------------- */

struct search {
	struct client *first;
	unsigned n, denied;
	struct strbuf *list; /* a line for each */
};

/* In /tmp anybody could have made the directory, to pose as a broker. */
static bool is_trusted(const char *dir)
{
	return is_directory_of(dir, 0) || is_directory_of(dir, geteuid());
}

/* Its command line tells which broker it is, even if it is stopped and would not answer. */
static void add_process(int fd, struct strbuf *out)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	char command[200];
	ssize_t n;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.pid <= 1)
		return;
	strbuf_addf(out, "  pid %d", (int)peer.pid);
	n = proc_read(peer.pid, "cmdline", command, sizeof(command));
	if (n <= 1)
		return;
	/* Its words end with a NUL each. */
	for (ssize_t i = 0; i < n - 1; i++)
		if (!command[i])
			command[i] = ' ';
	strbuf_add(out, ": ");
	strbuf_add_escaped(out, command, strlen(command));
}

static void try_directory(const char *dir, struct search *s)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int fd = -1;
	int r;

	if (asprintf(&path, "%s/" CONTROL_NAME, dir) < 0)
		return;
	r = unix_connect(path, &fd);
	if (r == -EACCES) {
		s->denied++;
		strbuf_addf(s->list, "\n  %s (permission denied)", path);
	}
	if (r < 0)
		return;
	strbuf_addf(s->list, "\n  %s", path);
	add_process(fd, s->list);
	if (s->n++ == 0) {
		s->first->fd = fd_take(&fd);
		s->first->path = path;
		path = NULL;
	}
}

static void search_below(const char *base, struct search *s)
{
	const struct dirent *entry;
	DIR *dir;

	if (!is_trusted(base))
		return;
	dir = opendir(base);
	if (!dir)
		return;
	for (unsigned i = 0; i < ENTRIES_MAX && (entry = readdir(dir)); i++) {
		_cleanup_free_ char *path = NULL;

		if (entry->d_name[0] != '.' && asprintf(&path, "%s/%s", base, entry->d_name) >= 0)
			try_directory(path, s);
	}
	closedir(dir);
}

static int connect_to_the_only_one(struct client *ret, struct strbuf *error)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	STRBUF(list, 8192);
	struct search found = { .first = ret, .list = &list };
	_cleanup_free_ char *of_session = NULL, *in_tmp = NULL;

	search_below("/run/broker", &found);
	if (runtime && *runtime == '/' && asprintf(&of_session, "%s/broker", runtime) >= 0)
		search_below(of_session, &found);
	if (asprintf(&in_tmp, "/tmp/broker-%u", (unsigned)geteuid()) >= 0)
		search_below(in_tmp, &found);
	if (found.n == 1)
		return 0;
	client_close(ret);
	if (found.n > 1) {
		strbuf_addf(error,
			    "%u brokers are running; choose one with -s SOCKET or -c FILE:%s",
			    found.n, list.text);
	} else if (found.denied > 0) {
		strbuf_addf(error,
			    "permission denied: run as the broker's user or as root (sudo):%s",
			    list.text);
		return -EACCES;
	} else {
		strbuf_addf(
			error,
			"no broker is running: none was found in /run/broker%s%s and %s, and there "
			"is no ./" DEFAULT_FILE "; name one with -c FILE or -s SOCKET",
			of_session ? ", " : "", of_session ? of_session : "",
			in_tmp ? in_tmp : "/tmp");
	}
	return -ENOENT;
}

int find_broker(const struct find_options *options, struct client *ret, struct strbuf *error)
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
