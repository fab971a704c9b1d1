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
#include "sys/unix_listener.h"

#define CONTROL_NAME "control"
#define DEFAULT_FILE "broker.ini"
#define ENTRIES_MAX  1000 /* of a directory of run directories */

static int explain(const char *path, int r, struct strbuf *error)
{
	switch (-r) {
	case ENOENT:
		strbuf_addf(error, "no broker runs: there is no %s", path);
		break;
	case ECONNREFUSED:
		strbuf_addf(error, "no broker runs: nobody listens on %s", path);
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
		strbuf_addf(error, "the broker at %s takes no more connections now", path);
		break;
	default:
		strbuf_addf(error, "cannot connect to %s: %s", path, strerror(-r));
		break;
	}
	return r;
}

static int connect_to(const char *path, int *ret_fd, char **ret_path, struct strbuf *error)
{
	_cleanup_fd_ int fd = -1;
	char *copy;
	struct stat st;
	int r = unix_connect(path, &fd);

	/* connect(2) has the same word for a regular file as for a socket that nobody serves. */
	if (r == -ECONNREFUSED && stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		r = -ENOTSOCK;
	if (r < 0)
		return explain(path, r, error);
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	*ret_fd = fd_take(&fd);
	*ret_path = copy;
	return 0;
}

static bool is_directory_of(const char *dir, uid_t uid)
{
	struct stat st;

	return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid;
}

/*
 * Root is led to the broker of whoever owns @file (sudo brokerctl): that user could have written
 * anything into it, a path to ask at as well. @name: of its run directory, with a slash before it.
 */
static int connect_as_owner(const char *file, const char *name, int *ret_fd, char **ret_path)
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
		    connect_to(path, ret_fd, ret_path, &ignored) == 0)
			return 0;
	}
	return -ENOENT;
}

/*
 * The run directory that a broker with @file chose by itself: as our user would, and if nobody is
 * there, as root would, since its control_group may ask too; for root as the owner of @file would.
 */
static int connect_by_name(const char *file, int *ret_fd, char **ret_path, struct strbuf *error)
{
	_cleanup_free_ char *own = rundir_default(file), *path = NULL, *of_root = NULL;
	int r;

	if (!own || asprintf(&path, "%s/" CONTROL_NAME, own) < 0 ||
	    asprintf(&of_root, "/run/broker%s/" CONTROL_NAME, strrchr(own, '/')) < 0)
		return -ENOMEM;
	/* One that we may not look into is root's, and to be told of. */
	if (strcmp(path, of_root) != 0 && access(path, F_OK) < 0 &&
	    (access(of_root, F_OK) == 0 || errno == EACCES))
		return connect_to(of_root, ret_fd, ret_path, error);
	r = connect_to(path, ret_fd, ret_path, error);
	if (r == 0 || connect_as_owner(file, strrchr(own, '/'), ret_fd, ret_path) == 0)
		return 0;
	if (geteuid() == 0)
		strbuf_add(error, "; one that another user has started is named with -s");
	return r;
}

static int connect_by_conf(const char *file, const struct broker_conf *bc, int *ret_fd,
			   char **ret_path, struct strbuf *error)
{
	_cleanup_free_ char *path = NULL;

	switch (bc->control) {
	case CONTROL_OFF:
		strbuf_addf(error, "%s says control = off: this broker cannot be asked", file);
		return -ENOENT;
	case CONTROL_PATH:
		return connect_to(bc->control_path, ret_fd, ret_path, error);
	case CONTROL_AUTO:
		break;
	}
	if (!bc->run_dir)
		return connect_by_name(file, ret_fd, ret_path, error);
	if (asprintf(&path, "%s/" CONTROL_NAME, bc->run_dir) < 0)
		return -ENOMEM;
	return connect_to(path, ret_fd, ret_path, error);
}

static int connect_by_file(const char *file, int *ret_fd, char **ret_path, struct strbuf *error)
{
	STRBUF(faults, CONF_ERROR_BYTES);
	STRBUF(ignored, 1024);
	struct conf *conf;
	int r = config_file_load(file, &conf, &faults), found;

	if (r == 0) {
		r = connect_by_conf(file, &conf->broker, ret_fd, ret_path, error);
		conf_free(conf);
		return r;
	}
	/*
	 * The file may be wrong while a broker runs with what it was. Where that is asked it mostly
	 * says all the same; and where it is out of our reach, or does not say, one that chose its
	 * own directory is still found.
	 */
	if (config_file_load_broker(file, &conf) == 0) {
		found = connect_by_conf(file, &conf->broker, ret_fd, ret_path, &ignored);
		conf_free(conf);
		if (found == 0)
			return 0;
	}
	if (access(file, F_OK) == 0 && connect_by_name(file, ret_fd, ret_path, &ignored) == 0)
		return 0;
	strbuf_addf(error, "%s", faults.len ? faults.text : strerror(-r));
	if (access(file, F_OK) == 0)
		strbuf_add(error, "\nwhere its broker listens is not known then; name the socket "
				  "with -s");
	return r;
}

/* --- the only one that runs ------------------------------------------------------------- */

struct found {
	int fd; /* of the first one */
	char *path;
	unsigned n, denied;
	struct strbuf *list; /* a line for each */
};

/* In /tmp anybody could have made it, to be asked in the place of a broker. */
static bool is_trusted(const char *dir)
{
	return is_directory_of(dir, 0) || is_directory_of(dir, geteuid());
}

/* How it was started says which one it is, also of one that is stopped and would not answer. */
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

static void try_directory(const char *dir, struct found *found)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int fd = -1;
	int r;

	if (asprintf(&path, "%s/" CONTROL_NAME, dir) < 0)
		return;
	r = unix_connect(path, &fd);
	if (r == -EACCES) {
		found->denied++;
		strbuf_addf(found->list, "\n  %s (permission denied)", path);
	}
	if (r < 0)
		return;
	strbuf_addf(found->list, "\n  %s", path);
	add_process(fd, found->list);
	if (found->n++ == 0) {
		found->fd = fd_take(&fd);
		found->path = path;
		path = NULL;
	}
}

static void search(const char *base, struct found *found)
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
			try_directory(path, found);
	}
	closedir(dir);
}

static int connect_to_the_only_one(int *ret_fd, char **ret_path, struct strbuf *error)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	STRBUF(list, 8192);
	struct found found = { .fd = -1, .list = &list };
	_cleanup_free_ char *of_session = NULL, *in_tmp = NULL;
	int r = -ENOENT;

	search("/run/broker", &found);
	if (runtime && *runtime == '/' && asprintf(&of_session, "%s/broker", runtime) >= 0)
		search(of_session, &found);
	if (asprintf(&in_tmp, "/tmp/broker-%u", (unsigned)geteuid()) >= 0)
		search(in_tmp, &found);
	if (found.n == 1) {
		*ret_fd = found.fd;
		*ret_path = found.path;
		r = 0;
	} else if (found.n > 1) {
		strbuf_addf(error, "%u brokers run here; say which with -s, or with -c FILE:%s",
			    found.n, list.text);
	} else if (found.denied > 0) {
		strbuf_addf(error,
			    "permission denied: ask as the broker's user or as root (sudo):%s",
			    list.text);
		r = -EACCES;
	} else {
		strbuf_addf(error,
			    "no broker runs: none was found in /run/broker%s%s and %s, and there "
			    "is no ./" DEFAULT_FILE "; name one with -c FILE or -s SOCKET",
			    of_session ? ", " : "", of_session ? of_session : "",
			    in_tmp ? in_tmp : "/tmp");
	}
	if (r < 0) {
		fd_closep(&found.fd);
		free(found.path);
	}
	return r;
}

int find_broker(const struct find_options *options, int *ret_fd, char **ret_path,
		struct strbuf *error)
{
	const char *environment = getenv("BROKER_CONTROL");

	if (options->socket)
		return connect_to(options->socket, ret_fd, ret_path, error);
	if (options->file)
		return connect_by_file(options->file, ret_fd, ret_path, error);
	if (environment && *environment)
		return connect_to(environment, ret_fd, ret_path, error);
	if (access(DEFAULT_FILE, F_OK) == 0)
		return connect_by_file(DEFAULT_FILE, ret_fd, ret_path, error);
	return connect_to_the_only_one(ret_fd, ret_path, error);
}
