#include "ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/address.h"
#include "base/words.h"
#include "base/units.h"
#include "ctl/doctor_text.h"
#include "sys/name_service.h"
#include "sys/proc.h"
#include "sys/program.h"
#include "sys/sockdiag.h"
#include "sys/starter.h"

#define REPORT_MS     10000
#define ANSWER_MAX    (1 << 20)
#define TEXT_MAX      (1 << 20) /* of a file in /proc: a longer environment or map is cut */
#define SOCKETS_MAX   65536	/* listening sockets of the machine: the rest is ignored */
#define LISTENS	      0x10000	/* among the flags of a socket in net/unix */
#define ADDRESSES_MAX 64	/* of the answer, which json_doc must be able to read */

/* A listening socket of this machine, and how many processes of the tree have it. */
struct listener {
	uint64_t inode;
	struct handoff_addr addr;
	const char *path; /* of a Unix socket; NULL: TCP */
	unsigned holders;
	pid_t pid; /* the one of them that was looked at last */
};

/* What is found out. */
struct doctor {
	struct doctor_facts facts;
	pid_t pid;	    /* that the question is about; 0: it is about a command */
	char exe[PATH_MAX]; /* of this process */
	char **command;	    /* of it, or what the question is about */
	struct listener listeners[SOCKETS_MAX]; /* sorted by inode */
	size_t n_listeners;
	struct pid_set tree; /* the process and its descendants */
	bool other_network;
	unsigned unreadable; /* processes of the tree whose sockets this user may not see */
	bool io_uring;
	char unix_text[TEXT_MAX]; /* /proc/PID/net/unix, which .path of listeners points into */
	char text[TEXT_MAX];	  /* a file in /proc, or the launcher's report */
};

/* --- the launcher ------------------------------------------------------------------------- */

/*
 * Begins the facts with what the launcher says of @program. It looks at no argument of a command.
 * 0; -errno with @error.
 */
static int ask_launcher(struct doctor *d, const char *program, struct strbuf *error)
{
	_cleanup_free_ char *launcher = program_find_ours("worker-shim", X_OK);
	char *const words[] = {
		launcher,	  (char[]){ "--check" },      (char[]){ "--report" },
		(char[]){ "--" }, (char *)(uintptr_t)program, NULL
	};
	struct spawn_request req = {
		.program = launcher,
		.argv = words,
		.output_fd = -1,
		.output_to_status = true,
		/* As this process may. A worker that may not is not what is asked for. */
		.gain = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? GAIN_NO : GAIN_YES,
	};
	int r = getrlimit(RLIMIT_NOFILE, &req.nofile) < 0 ? -errno : 0, status;

	if (!launcher)
		return strbuf_fail(error, -ENOENT,
				   "worker-shim is missing: put it beside brokerctl, or "
				   "into " BROKER_LIBEXECDIR);
	if (r == 0)
		r = starter_ask(&req, REPORT_MS, d->text, sizeof(d->text), &status, error);
	if (r == 0 && !doctor_begin_facts(d->text, &d->facts))
		r = -EPROTO;
	return r < 0 ? strbuf_fail(error, r, "worker-shim does not answer: %m") : 0;
}

/* --- what the processes of the tree listen on --------------------------------------------- */

/* Where what is read of its file @name into ->text ends. */
static const char *read_file(struct doctor *d, const char *name)
{
	ssize_t n = proc_read(d->pid, name, d->text, TEXT_MAX);

	return d->text + (n > 0 ? n : 0);
}

static int compare_inodes(const void *a, const void *b)
{
	const struct listener *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static void look_at_sockets(struct doctor *d, pid_t pid)
{
	_cleanup_dir_ struct dir *dir = proc_fds_open(pid);
	struct listener key = { 0 }, *l;
	int fd, r;

	while ((r = proc_fds_next(dir, &fd, &key.inode)) > 0) {
		l = bsearch(&key, d->listeners, d->n_listeners, sizeof(key), compare_inodes);
		/* A process may have several descriptors of one socket. */
		if (l && l->pid != pid) {
			l->holders++;
			l->pid = pid;
		}
	}
	d->unreadable += r == -EACCES;
	d->io_uring = d->io_uring || proc_has_io_uring(pid);
}

/* Unix stream sockets that listen: a line for each socket in net/unix, as proc(5) says. */
static void find_unix_listeners(struct doctor *d)
{
	char *at = d->unix_text, *line;

	(void)proc_read(d->pid, "net/unix", d->unix_text, TEXT_MAX);
	while ((line = strsep(&at, "\n")) && d->n_listeners < SOCKETS_MAX) {
		unsigned flags = 0, type = 0;
		uint64_t inode = 0;
		int path = 0;

		(void)sscanf(line, "%*s %*x %*x %x %x %*x %" SCNu64 " %n", &flags, &type, &inode,
			     &path);
		if (path && (flags & LISTENS) && type == SOCK_STREAM)
			d->listeners[d->n_listeners++] =
				(struct listener){ .inode = inode, .path = line + path };
	}
}

static void find_listeners(struct doctor *d)
{
	_cleanup_sockets_ struct sockdiag_list all = { 0 };

	(void)sockdiag_find(SOCKDIAG_LISTENS, 0, &all);
	for (size_t i = 0; i < all.n && i < SOCKETS_MAX; i++)
		d->listeners[d->n_listeners++] =
			(struct listener){ .inode = all.v[i].inode, .addr = all.v[i].local };
	find_unix_listeners(d);
	qsort(d->listeners, d->n_listeners, sizeof(*d->listeners), compare_inodes);
	/* From the last to the first, so that .pid ends as that of the process asked about. */
	for (size_t i = d->tree.n; i-- > 0;)
		look_at_sockets(d, d->tree.pids[i]);
}

/* Adds those with a path, or those without; *@n is counted up to ADDRESSES_MAX. */
static void add_listeners(struct doctor *d, const char *key, bool with_path, unsigned *n)
{
	const struct listener *end = d->listeners + d->n_listeners;
	struct strbuf *out = &d->facts.json;

	json_array(out, key);
	for (struct listener *first = d->listeners; first < end && *n < ADDRESSES_MAX; first++) {
		unsigned sockets = 0, holders = 0;
		pid_t lowest = first->pid;

		if (!first->holders || !first->path == with_path)
			continue;
		++*n;
		/* Others of the tree may have the same address: those are done with it. */
		for (struct listener *l = first; l < end && !with_path; l++) {
			if (!l->holders || l->path || !address_equal(&l->addr, &first->addr))
				continue;
			sockets++;
			holders += l->holders;
			lowest = l->pid < lowest ? l->pid : lowest;
			l->holders = 0;
		}
		json_object(out, NULL);
		if (with_path) {
			json_str(out, "path", first->path);
		} else {
			json_str(out, "address", address_text(&first->addr).text);
			json_uint(out, "port", first->addr.port);
			json_uint(out, "sockets", sockets); /* more than one: SO_REUSEPORT */
			json_uint(out, "holders", holders); /* processes that have one of them */
		}
		json_int(out, "pid", lowest);
		json_str(out, "name", proc_name(first->pid).text);
		json_close(out);
	}
	json_close_array(out);
}

/* --- what /proc says of the process itself -------------------------------------------------- */

static bool same_namespace(pid_t pid, const char *name)
{
	char ours[64], theirs[64];

	return proc_read_link(getpid(), name, ours, sizeof(ours)) < 0 ||
	       proc_read_link(pid, name, theirs, sizeof(theirs)) < 0 || !strcmp(ours, theirs);
}

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

static int explain(int pid, int r, struct strbuf *error)
{
	if (r == -EACCES || r == -EPERM)
		return strbuf_fail(error, r,
				   "process %d may not be looked at by this user: ask as its own "
				   "user, or as root",
				   pid);
	return strbuf_fail(
		error, r,
		r == -ESRCH    ? "there is no process %d"
		: r == -ENOENT ? "process %d runs no program: it has exited, or is a kernel thread"
			       : "cannot inspect process %d: %m",
		pid);
}

/*
 * Finds what the process runs: the file, and the words of its command; and what it and those below
 * it listen on. 0; -errno with @error.
 */
static int look_at_process(struct doctor *d, char ret_image[PATH_MAX], struct strbuf *error)
{
	const struct proc_stat stat = proc_stat(d->pid);
	int r = stat.state ? 0 : stat.ending ? -ESRCH : -EACCES;
	const char *end;

	if (r == 0)
		r = (int)proc_read_link(d->pid, "exe", d->exe, sizeof(d->exe));
	if (r >= 0)
		r = pid_set_add(&d->tree, d->pid);
	if (r == 0)
		r = proc_add_descendants(&d->tree);
	if (r < 0)
		return explain(d->pid, r, error);
	d->other_network = !same_namespace(d->pid, "ns/net");
	if (!d->other_network)
		find_listeners(d);
	name_image(d->pid, d->exe, ret_image);
	end = read_file(d, "cmdline");
	for (const char *w = NULL; r == 0 && (w = doctor_next(d->text, end, w));)
		r = strlist_append(&d->command, w);
	return r;
}

static void add_name(struct strbuf *out, const char *key, const char *value)
{
	if (value && *value)
		json_bytes(out, key, value, strnlen(value, NAME_MAX));
	else
		json_str(out, key, NULL);
}

static void add_hints(struct doctor *d)
{
	struct strbuf *out = &d->facts.json;
	const char *end;
	bool library;

	(void)read_file(d, "maps");
	library = strstr(d->text, "/libworker-shim.so") || strstr(d->text, "/worker-shim");
	end = read_file(d, "environ");
	add_name(out, "service", doctor_value(d->text, end, HANDOFF_ENV_SERVICE));
	add_name(out, "worker", doctor_value(d->text, end, HANDOFF_ENV_WORKER));
	json_bool(out, "library", library);
	json_bool(out, "io_uring", d->io_uring);
	json_bool(out, "node_cluster", doctor_value(d->text, end, "NODE_UNIQUE_ID"));
	json_bool(out, "pm2", doctor_value(d->text, end, "pm_id"));
	json_bool(out, "listen_fds", doctor_value(d->text, end, "LISTEN_FDS"));
}

/* Adds the member "process". */
static void add_process(struct doctor *d)
{
	char *cwd = d->facts.directory, user[64];
	struct strbuf *out = &d->facts.json;
	unsigned uid = 0, n = 0;
	const char *line;

	(void)read_file(d, "status");
	line = strstr(d->text, "\nUid:");
	if (line)
		(void)sscanf(line, "\nUid: %u", &uid);
	name_service_name(uid, user, sizeof(user));
	json_object(out, "process");
	json_int(out, "pid", d->pid);
	json_str(out, "name", proc_name(d->pid).text);
	json_str(out, "exe", d->exe);
	json_uint(out, "uid", uid);
	json_str(out, "user", user);
	json_str(out, "directory", proc_read_link(d->pid, "cwd", cwd, PATH_MAX) > 0 ? cwd : NULL);
	json_uint(out, "children", d->tree.n - 1);
	json_uint(out, "unreadable", d->unreadable);
	add_hints(d);
	json_bool(out, "other_network", d->other_network);
	json_bool(out, "other_root", !same_namespace(d->pid, "ns/mnt"));
	add_listeners(d, "listens", false, &n);
	add_listeners(d, "unix", true, &n);
	json_close(out);
}

/* --- the command ----------------------------------------------------------------------------- */

static int find_facts(struct doctor *d, const struct request *request, struct strbuf *error)
{
	static char *const none[] = { NULL };
	const char *program = request->arguments[0].text;
	char *const *rest = request->rest ? request->rest : none;
	int64_t pid = 0;
	/* What is a number, and has no arguments, is no command but the id of a process. */
	bool is_pid = !*rest && units_parse_count(program, &pid) == 0;
	char image[PATH_MAX];
	int r;

	if (is_pid) {
		d->pid = pid <= INT32_MAX ? (pid_t)pid : 0;
		r = look_at_process(d, image, error);
		program = image;
	} else {
		r = strlist_append(&d->command, program);
		for (; r == 0 && *rest; rest++)
			r = strlist_append(&d->command, *rest);
	}
	/* NULL: its words cannot be read. */
	d->facts.command = (const char *const *)(d->command ? d->command : none);
	d->facts.is_process = is_pid;
	d->facts.is_inetd = !is_pid && doctor_is_for_inetd(d->facts.command);
	if (r == 0)
		r = ask_launcher(d, program, error);
	if (r < 0)
		return r;
	if (is_pid)
		add_process(d);
	else
		json_str(&d->facts.json, "process", NULL);
	json_close(&d->facts.json);
	return 0;
}

enum ctl_exit ctl_doctor(struct ctl *ctl)
{
	static struct doctor d; /* all zero, and untouched pages cost nothing */
	struct strbuf text = STRBUF_GROWS(ANSWER_MAX);
	STRBUF(error, 1024);
	bool served;

	d.facts = (struct doctor_facts){ .own_uid = geteuid(), .json = STRBUF_GROWS(ANSWER_MAX) };
	if (find_facts(&d, &ctl->request, &error) < 0) {
		out_error("%s", error.len ? error.text : "out of memory");
		return CTL_FAILED;
	}
	served = doctor_text(&d.facts, ctl->json, &text);
	out_buf(&text);
	return served ? CTL_OK : CTL_FAILED;
}
