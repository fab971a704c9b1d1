#include "doctor_process.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/address.h"
#include "base/json.h"
#include "base/strlist.h"
#include "sys/proc.h"
#include "sys/sockdiag.h"
#include "sys/user.h"

#define TEXT_MAX    (1 << 20) /* bytes of a file in /proc: a longer environment or map is cut */
#define SOCKETS_MAX 65536     /* listening sockets of the machine: the rest is ignored */

#define ADDRESSES_MAX 64 /* of the answer, which json_doc must be able to read */

/* --- what the processes of the tree listen on --------------------------------------------- */

/* A listening socket of this machine, and how many processes of the tree have it. */
struct listener {
	uint64_t inode;
	struct handoff_addr addr;
	unsigned holders;
	pid_t pid; /* the one of them that was looked at last */
};

struct listeners {
	struct listener *v; /* room for SOCKETS_MAX; untouched pages cost nothing */
	size_t n;
	pid_t looked_at;
	unsigned unreadable; /* processes of the tree whose sockets this user may not see */
	bool io_uring;
};

static bool add_listener(void *arg, const struct sockdiag_socket *s)
{
	struct listeners *all = arg;

	if (all->n == SOCKETS_MAX)
		return false;
	all->v[all->n++] = (struct listener){ .inode = s->inode, .addr = s->local };
	return true;
}

static int compare_inodes(const void *a, const void *b)
{
	const struct listener *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static bool count_holder(void *arg, uint64_t inode)
{
	struct listeners *all = arg;
	const struct listener key = { .inode = inode };
	struct listener *l = bsearch(&key, all->v, all->n, sizeof(key), compare_inodes);

	/* A process may have several descriptors of one socket. */
	if (l && l->pid != all->looked_at) {
		l->holders++;
		l->pid = all->looked_at;
	}
	return true;
}

static void find_listeners(const struct pid_set *tree, struct listeners *all)
{
	(void)sockdiag_dump(1u << TCP_LISTEN, 0, add_listener, all);
	qsort(all->v, all->n, sizeof(*all->v), compare_inodes);
	/* From the last to the first, so that .pid ends as that of the process asked about. */
	for (size_t i = tree->n; i-- > 0;) {
		all->looked_at = tree->pids[i];
		all->unreadable += proc_sockets(tree->pids[i], count_holder, all) == -EACCES;
		all->io_uring = all->io_uring || proc_has_io_uring(tree->pids[i]);
	}
}

/* The address of @first, which other sockets of the tree may have too: those are marked as done. */
static void add_address(const struct listeners *all, struct listener *first, struct buf *out)
{
	const struct handoff_addr addr = first->addr;
	unsigned sockets = 0, holders = 0;
	pid_t lowest = first->pid;
	STRBUF(text, 80);
	char name[32];

	proc_name(first->pid, name, sizeof(name));
	for (struct listener *l = first; l < all->v + all->n; l++) {
		if (!l->holders || !address_equal(&l->addr, &addr))
			continue;
		sockets++;
		holders += l->holders;
		lowest = l->pid < lowest ? l->pid : lowest;
		l->holders = 0;
	}
	address_format(&addr, &text);
	json_object(out, NULL);
	json_str(out, "address", text.text);
	json_uint(out, "port", addr.port);
	json_uint(out, "sockets", sockets); /* more than one: SO_REUSEPORT */
	json_uint(out, "holders", holders); /* processes that have one of them */
	json_int(out, "pid", lowest);
	json_str(out, "name", name);
	json_close(out);
}

static void add_listeners(const struct listeners *all, struct buf *out)
{
	json_array(out, "listens");
	for (size_t i = 0, n = 0; i < all->n && n < ADDRESSES_MAX; i++) {
		if (all->v[i].holders) {
			add_address(all, &all->v[i], out);
			n++;
		}
	}
	json_close_array(out);
}

/* --- what its own files in /proc say -------------------------------------------------------- */

/* Of environment or arguments, strings that each have their NUL. NULL: there are no more. */
static const char *next_string(const char *text, ssize_t len, const char *at)
{
	const char *next = at ? at + strlen(at) + 1 : text;

	return next - text < len ? next : NULL;
}

static const char *variable(const char *environment, ssize_t len, const char *name)
{
	size_t n = strlen(name);

	for (const char *e = NULL; (e = next_string(environment, len, e));)
		if (!strncmp(e, name, n) && e[n] == '=')
			return e + n + 1;
	return NULL;
}

static int read_words(pid_t pid, char *text, char ***ret)
{
	ssize_t len = proc_read(pid, "cmdline", text, TEXT_MAX);
	char **words = NULL;
	int r = strlist_init(&words);

	for (const char *w = NULL; r == 0 && (w = next_string(text, len, w));)
		r = strlist_append(&words, w);
	if (r < 0)
		strlist_free(words);
	else
		*ret = words;
	return r;
}

static bool same_namespace(pid_t pid, const char *name)
{
	char ours[64], theirs[64];

	return proc_read_link(getpid(), name, ours, sizeof(ours)) < 0 ||
	       proc_read_link(pid, name, theirs, sizeof(theirs)) < 0 || !strcmp(ours, theirs);
}

static void add_user(pid_t pid, char *text, struct buf *out)
{
	const char *line;
	unsigned uid = 0;
	char name[64];

	if (proc_read(pid, "status", text, TEXT_MAX) > 0 && (line = strstr(text, "\nUid:")))
		(void)sscanf(line, "\nUid: %u", &uid);
	user_name(uid, name, sizeof(name));
	json_uint(out, "uid", uid);
	json_str(out, "user", name);
}

static void add_name(struct buf *out, const char *key, const char *value)
{
	if (value && *value)
		json_bytes(out, key, value, strnlen(value, NAME_MAX));
	else
		json_null(out, key);
}

static void add_files(pid_t pid, const struct listeners *listeners, char *text, struct buf *out)
{
	bool library =
		proc_read(pid, "maps", text, TEXT_MAX) > 0 && strstr(text, "/libworker-shim.so");
	ssize_t n = proc_read(pid, "environ", text, TEXT_MAX);

	add_name(out, "service", variable(text, n, HANDOFF_ENV_SERVICE));
	add_name(out, "worker", variable(text, n, HANDOFF_ENV_WORKER));
	json_bool(out, "library", library);
	json_bool(out, "io_uring", listeners->io_uring);
	json_bool(out, "node_cluster", variable(text, n, "NODE_UNIQUE_ID"));
	json_bool(out, "pm2", variable(text, n, "pm_id"));
	json_bool(out, "listen_fds", variable(text, n, "LISTEN_FDS"));
}

int doctor_add_process(pid_t pid, struct buf *out, struct strbuf *error)
{
	_cleanup_free_ char *text = malloc(TEXT_MAX);
	bool other_network = !same_namespace(pid, "ns/net");
	struct listeners listeners = { .v = malloc(SOCKETS_MAX * sizeof(*listeners.v)) };
	char path[PATH_MAX] = "?", name[32];
	struct pid_set tree = { 0 };
	int r = text && listeners.v ? pid_set_add(&tree, pid) : -ENOMEM;

	if (r == 0)
		r = proc_add_descendants(&tree);
	if (r < 0) {
		(void)strbuf_fail(error, r, "cannot inspect process %d: %m", (int)pid);
		goto out;
	}
	if (!other_network)
		find_listeners(&tree, &listeners);
	proc_name(pid, name, sizeof(name));
	(void)proc_read_link(pid, "exe", path, sizeof(path));
	json_object(out, "process");
	json_int(out, "pid", pid);
	json_str(out, "name", name);
	json_str(out, "exe", path);
	add_user(pid, text, out);
	json_str(out, "directory",
		 proc_read_link(pid, "cwd", path, sizeof(path)) > 0 ? path : NULL);
	json_uint(out, "children", tree.n - 1);
	json_uint(out, "unreadable", listeners.unreadable);
	add_files(pid, &listeners, text, out);
	json_bool(out, "other_network", other_network);
	json_bool(out, "other_root", !same_namespace(pid, "ns/mnt"));
	add_listeners(&listeners, out);
	json_close(out);
out:
	pid_set_deinit(&tree);
	free(listeners.v);
	return r;
}

/* --- what it runs ------------------------------------------------------------------------------
 */

/*
 * The path of the program. If the file was replaced or deleted, or has another name here, it is the
 * running image in /proc.
 */
static void name_image(pid_t pid, const char *exe, char ret[PATH_MAX])
{
	struct stat running, file;

	snprintf(ret, PATH_MAX, "/proc/%d/exe", (int)pid);
	if (same_namespace(pid, "ns/mnt") && stat(exe, &file) == 0 && stat(ret, &running) == 0 &&
	    file.st_dev == running.st_dev && file.st_ino == running.st_ino)
		strcpy(ret, exe);
}

int doctor_find_process(pid_t pid, char ret_image[PATH_MAX], char ***ret_words,
			struct strbuf *error)
{
	_cleanup_free_ char *text = malloc(TEXT_MAX);
	char exe[PATH_MAX];
	int r = !text ? -ENOMEM : proc_state(pid) ? 0 : -ESRCH;

	if (r == 0)
		r = (int)proc_read_link(pid, "exe", exe, sizeof(exe));
	if (r >= 0)
		r = read_words(pid, text, ret_words);
	switch (-r) {
	case 0:
		name_image(pid, exe, ret_image);
		return 0;
	case ESRCH:
		return strbuf_fail(error, r, "there is no process %d", (int)pid);
	case EACCES:
	case EPERM:
		return strbuf_fail(error, r,
				   "process %d may not be looked at by this user: ask as its own "
				   "user, or as root",
				   (int)pid);
	case ENOENT:
		return strbuf_fail(
			error, r,
			"process %d runs no program: it has exited, or is a kernel thread",
			(int)pid);
	}
	return strbuf_fail(error, r, "cannot inspect process %d: %m", (int)pid);
}
