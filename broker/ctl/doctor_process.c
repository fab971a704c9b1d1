#include "doctor_process.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/address.h"
#include "base/strlist.h"
#include "sys/proc.h"
#include "sys/sockdiag.h"
#include "sys/user.h"

#define TEXT_MAX    (1 << 20) /* bytes of a file in /proc: a longer environment or map is cut */
#define SOCKETS_MAX 65536     /* listening sockets of the machine: the rest is ignored */

/* --- what the processes of the tree listen on --------------------------------------------- */

/* A listening socket of this machine, and how many processes of the tree have it. */
struct candidate {
	uint64_t inode;
	struct handoff_addr addr;
	unsigned holders;
	pid_t pid; /* the one of them that was looked at last */
};

struct candidates {
	struct candidate *v; /* room for SOCKETS_MAX; untouched pages cost nothing */
	size_t n;
};

static bool add_candidate(void *arg, const struct sockdiag_socket *s)
{
	struct candidates *all = arg;

	if (all->n == SOCKETS_MAX)
		return false;
	all->v[all->n++] = (struct candidate){ .inode = s->inode, .addr = s->local };
	return true;
}

static int compare_inodes(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

struct holder {
	struct candidates *all;
	pid_t pid;
};

static bool count_holder(void *arg, uint64_t inode)
{
	struct holder *h = arg;
	const struct candidate key = { .inode = inode };
	struct candidate *c = bsearch(&key, h->all->v, h->all->n, sizeof(key), compare_inodes);

	/* A process may have several descriptors of one socket. */
	if (c && c->pid != h->pid) {
		c->holders++;
		c->pid = h->pid;
	}
	return true;
}

static void add_listener(struct doctor_process *p, const struct candidate *c)
{
	struct doctor_listener *l = p->listeners;

	while (l < p->listeners + p->n_listeners && !address_equal(&l->addr, &c->addr))
		l++;
	if (l == p->listeners + p->n_listeners) {
		if (p->n_listeners == DOCTOR_LISTENERS)
			return;
		p->n_listeners++;
		*l = (struct doctor_listener){ .addr = c->addr, .pid = c->pid };
		proc_name(c->pid, l->name, sizeof(l->name));
	}
	l->sockets++;
	l->holders += c->holders;
	if (c->pid < l->pid)
		l->pid = c->pid;
}

static int find_listeners(struct doctor_process *p, const struct pid_set *tree)
{
	struct candidates all = { .v = malloc(SOCKETS_MAX * sizeof(*all.v)) };

	if (!all.v)
		return -ENOMEM;
	(void)sockdiag_dump(1u << TCP_LISTEN, 0, add_candidate, &all);
	qsort(all.v, all.n, sizeof(*all.v), compare_inodes);
	/* From the last to the first, so that .pid ends as that of the process asked about. */
	for (size_t i = tree->n; i-- > 0;) {
		struct holder h = { &all, tree->pids[i] };

		p->unreadable += proc_sockets(tree->pids[i], count_holder, &h) == -EACCES;
		p->io_uring = p->io_uring || proc_has_io_uring(tree->pids[i]);
	}
	for (size_t i = 0; i < all.n; i++)
		if (all.v[i].holders)
			add_listener(p, &all.v[i]);
	free(all.v);
	return 0;
}

/* --- what its own files in /proc say -------------------------------------------------------- */

/* /proc has environment and arguments as strings, each with its NUL. NULL: there are no more. */
static const char *next_string(const char *text, size_t len, const char *at)
{
	const char *next = at ? at + strlen(at) + 1 : text;

	return next < text + len ? next : NULL;
}

static const char *value_of(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(entry, name, n) && entry[n] == '=' ? entry + n + 1 : NULL;
}

static void read_environment(struct doctor_process *p, char *text)
{
	ssize_t n = proc_read(p->pid, "environ", text, TEXT_MAX);
	const char *value;

	for (const char *e = NULL; n > 0 && (e = next_string(text, (size_t)n, e));) {
		if ((value = value_of(e, HANDOFF_ENV_WORKER)))
			snprintf(p->worker, sizeof(p->worker), "%s", value);
		if ((value = value_of(e, HANDOFF_ENV_SERVICE)))
			snprintf(p->service, sizeof(p->service), "%s", value);
		p->node_cluster = p->node_cluster || value_of(e, "NODE_UNIQUE_ID");
		p->pm2 = p->pm2 || value_of(e, "pm_id");
		p->listen_fds = p->listen_fds || value_of(e, "LISTEN_FDS");
	}
}

static void read_maps(struct doctor_process *p, char *text)
{
	p->library =
		proc_read(p->pid, "maps", text, TEXT_MAX) > 0 && strstr(text, "/libworker-shim.so");
}

static void read_user(struct doctor_process *p, char *text)
{
	const char *line;
	unsigned uid = 0;

	if (proc_read(p->pid, "status", text, TEXT_MAX) > 0 && (line = strstr(text, "\nUid:")))
		(void)sscanf(line, "\nUid: %u", &uid);
	p->uid = uid;
	p->same_user = uid == geteuid();
	user_name(uid, p->user, sizeof(p->user));
}

static int read_words(pid_t pid, char *text, char ***ret)
{
	ssize_t len = proc_read(pid, "cmdline", text, TEXT_MAX);
	char **words = NULL;
	int r = strlist_init(&words);

	for (const char *w = NULL; r == 0 && len > 0 && (w = next_string(text, (size_t)len, w));)
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

int doctor_look(pid_t pid, struct doctor_process *ret, char ***ret_words)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_pids_ struct pid_set tree = { 0 };
	ssize_t n;
	int r;

	if (!proc_state(pid))
		return -ESRCH;
	text = malloc(TEXT_MAX);
	if (!text)
		return -ENOMEM;
	*ret = (struct doctor_process){ .pid = pid };
	proc_name(pid, ret->name, sizeof(ret->name));
	read_user(ret, text);
	n = proc_read_link(pid, "exe", ret->exe, sizeof(ret->exe));
	if (n < 0)
		return (int)n;
	(void)proc_read_link(pid, "cwd", ret->cwd, sizeof(ret->cwd));
	ret->other_network = !same_namespace(pid, "ns/net");
	ret->other_root = !same_namespace(pid, "ns/mnt");
	read_environment(ret, text);
	read_maps(ret, text);
	r = pid_set_add(&tree, pid);
	if (r == 0)
		r = proc_add_descendants(&tree);
	if (r < 0)
		return r;
	ret->children = (unsigned)tree.n - 1;
	if (!ret->other_network)
		r = find_listeners(ret, &tree);
	return r < 0 ? r : read_words(pid, text, ret_words);
}
