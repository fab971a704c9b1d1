#include "explain.h"

#include <elf.h>
#include <stdio.h>
#include <sys/stat.h>
#include "dispatch/channel.h"
#include "policy/escape.h"
#include "sys/log.h"
#include "worker/processes.h"

#define LIBRARY "libworker-shim.so"

/* Of one file in /proc; what is beyond that is not looked at. */
#define FILE_MAX (1024 * 1024)

static bool is_privileged(pid_t pid)
{
	unsigned long vector[2 * 64];
	ssize_t n = proc_read(pid, "auxv", (char *)vector, sizeof(vector));

	for (size_t i = 0; n > 0 && i + 1 < (size_t)n / sizeof(vector[0]); i += 2)
		if (vector[i] == AT_SECURE)
			return vector[i + 1] != 0;
	return false;
}

/* What /proc shows of @pid, which ought to have the library; nothing of any socket. */
static void look(const struct worker *w, pid_t pid, struct escape_facts *ret)
{
	_cleanup_free_ char *text = malloc(FILE_MAX);
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";
	char dir[32], root[40];
	struct stat st, own, its;
	ssize_t n;

	*ret = (struct escape_facts){ 0 };
	if (!text || proc_read(pid, "maps", text, FILE_MAX) <= 0)
		return;
	ret->library = strstr(text, "/" LIBRARY) || strstr(text, "/worker-shim"); /* the blob */
	ret->dynamic = strstr(text, ".so");
	n = proc_read(pid, "environ", text, FILE_MAX);
	ret->readable = n >= 0;
	/* Where else would it be but in LD_PRELOAD? */
	ret->preload = n > 0 && memmem(text, (size_t)n, LIBRARY, strlen(LIBRARY));
	handoff_hex_put(token, w->token, HANDOFF_TOKEN_SIZE);
	ret->token = proc_environ_has(pid, HANDOFF_ENV_TOKEN, token) == PROC_YES;
	ret->no_token = proc_environ_has(pid, HANDOFF_ENV_TOKEN, "") == PROC_YES;
	ret->privileged = is_privileged(pid);
	snprintf(dir, sizeof(dir), "/proc/%d", (int)pid);
	ret->other_user = stat(dir, &st) < 0 || st.st_uid != w->uid;
	snprintf(root, sizeof(root), "%s/root", dir);
	ret->other_root = stat("/", &own) == 0 && stat(root, &its) == 0 &&
			  (own.st_dev != its.st_dev || own.st_ino != its.st_ino);
}

static void add_process(pid_t pid, struct strbuf *out)
{
	strbuf_addf(out, "(%s, pid %d)", proc_name(pid).text, (int)pid);
}

void worker_add_missing(const struct worker *w, const char *before, struct strbuf *out)
{
	for (size_t i = 0; i < w->conf->n_listen; i++) {
		if (taker_listens_on(&w->taker, w->conf->listen[i].app))
			continue;
		strbuf_addf(out, "%s%s", before, address_app_words(w->conf->listen[i].app).text);
		before = ", ";
	}
}

void worker_add_addresses(const struct worker *w, const char *before, struct strbuf *out)
{
	list_for_each (const struct channel, c, &w->taker.channels, link) {
		strbuf_addf(out, "%s%s", before, address_text(&c->endpoint->app_addr).text);
		before = ", ";
	}
}

/* --- what it listens on instead -------------------------------------------------------- */

/* Bound by a program with the library, and then listened on: see worker-shim/preload/adopt.h. */
static bool was_bound(const struct handoff_addr *addr)
{
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff }, ip[] = HANDOFF_BOUND_IP;

	return addr->family == 4
		       ? !memcmp(addr->ip, ip, sizeof(ip))
		       : !memcmp(addr->ip, mapped, 12) && !memcmp(addr->ip + 12, ip, sizeof(ip));
}

/* Whether the kernel may choose @port for a socket that is bound to port 0. */
static bool may_be_chosen(uint16_t port)
{
	char text[32] = "";
	unsigned from, to;

	return proc_read(0, "sys/net/ipv4/ip_local_port_range", text, sizeof(text)) > 0 &&
	       sscanf(text, "%u %u", &from, &to) == 2 && port >= from && port <= to;
}

static void add_own(const struct worker *w, pid_t pid, const struct handoff_addr *addr,
		    struct strbuf *out)
{
	struct escape_facts facts;

	look(w, pid, &facts);
	facts.native = w->conf->mode == MODE_NATIVE;
	facts.private_port = conf_is_private(w->conf, addr->port);
	facts.any_port = !was_bound(addr) && may_be_chosen(addr->port);
	strbuf_addf(out, "%s%s ", out->len ? "; and on " : "",
		    was_bound(addr) ? "a socket that was bound before its program was executed"
				    : address_text(addr).text);
	add_process(pid, out);
	strbuf_addf(out, ": %s", escape_text(&facts));
}

static void list_own(const struct worker *w, const struct pid_set *processes, struct strbuf *out)
{
	_cleanup_sockets_ struct sockdiag_list all = { 0 };

	(void)sockdiag_find(SOCKDIAG_LISTENS, 0, &all);
	for (const struct sockdiag_socket *s = all.v; s < all.v + all.n; s++) {
		size_t i = 0;

		while (i < processes->n &&
		       proc_holds_socket(processes->pids[i], s->inode) != PROC_YES)
			i++;
		if (i < processes->n)
			add_own(w, processes->pids[i], &s->local, out);
	}
}

/* As far as apps go on when a port is taken. */
#define NEXT_PORTS 20

static bool looks_like_next(const struct worker *w, uint16_t port)
{
	for (size_t i = 0; i < w->conf->n_listen; i++) {
		uint16_t expected = address_app_port(w->conf->listen[i].app);

		if (expected && !taker_listens_on(&w->taker, expected) && port > expected &&
		    port - expected <= NEXT_PORTS)
			return true;
	}
	return false;
}

static void list_brokered(const struct worker *w, struct strbuf *out)
{
	bool next = false;

	worker_add_addresses(w, "; it listens through the broker on ", out);
	list_for_each (const struct channel, c, &w->taker.channels, link)
		next = next || looks_like_next(w, c->endpoint->app_addr.port);
	if (next)
		strbuf_add(out, ": if it looks for a free port, it has found the expected one "
				"taken, and must be told to use that alone");
}

#define UNIX_LISTENS 0x10000ul /* __SO_ACCEPTCON */

/* Adds the name of a Unix socket on which @pid listens. False: there is none. */
static bool add_unix_socket(pid_t pid, struct strbuf *out)
{
	_cleanup_free_ char *text = malloc(FILE_MAX);
	char *rest = text, *line;

	if (!text || proc_read(pid, "net/unix", text, FILE_MAX) <= 0)
		return false;
	while ((line = strsep(&rest, "\n"))) {
		unsigned long long inode;
		unsigned long flags;
		char name[109] = "";

		if (sscanf(line, "%*s %*s %*s %lx %*s %*s %llu %108s", &flags, &inode, name) < 2 ||
		    !(flags & UNIX_LISTENS) || proc_holds_socket(pid, inode) != PROC_YES)
			continue;
		strbuf_add(out, name);
		return true;
	}
	return false;
}

static void add_own_unix(const struct worker *w, pid_t pid, const char *name,
			 struct escape_facts *facts, struct strbuf *out)
{
	facts->native = w->conf->mode == MODE_NATIVE;
	/* A relative one cannot be compared. */
	facts->unlisted = strchr("/@", *name) && !paths_find(name, strlen(name));
	strbuf_addf(out, "; it listens by itself, past the broker, on the Unix socket %s ", name);
	add_process(pid, out);
	strbuf_addf(out, ": %s", escape_text(facts));
}

/* It listens on no TCP port. */
static void add_none(const struct worker *w, const struct pid_set *processes, struct strbuf *out)
{
	struct escape_facts facts;

	for (size_t i = 0; i < processes->n; i++) {
		pid_t pid = processes->pids[i];
		STRBUF(socket, 128);

		look(w, pid, &facts);
		if (add_unix_socket(pid, &socket)) {
			add_own_unix(w, pid, socket.text, &facts, out);
			return;
		}
		if (!facts.readable)
			strbuf_addf(out, "; %s: ", escape_text(&facts));
		else if (facts.library && facts.other_root)
			strbuf_add(out, "; its root directory was changed (chroot), and the "
					"broker's socket is not there: let the app change it after "
					"it listens ");
		else
			continue;
		add_process(pid, out);
		return;
	}
	strbuf_add(
		out,
		"; it listens on no port and no Unix socket: does it need longer (start_timeout), "
		"or an argument?");
}

void worker_explain_timeout(const struct worker *w)
{
	STRBUF(text, 2048);
	STRBUF(listens, 1024);
	_cleanup_pids_ struct pid_set processes = { 0 };

	if (w->check.awaited) {
		log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER(w),
			  LOG_MSG("listens, but its check has not passed within start_timeout "
				  "(%lld ms): %s",
				  (long long)w->conf->start_timeout_ms, w->check.why));
		return;
	}
	(void)worker_processes(w, &processes);
	list_own(w, &processes, &listens);
	strbuf_addf(&text, "did not listen within start_timeout (%lld ms)",
		    (long long)w->conf->start_timeout_ms);
	worker_add_missing(w, "; expected, because of `listen`: ", &text);
	list_brokered(w, &text);
	if (listens.len)
		strbuf_addf(&text, "; it listens by itself, past the broker, on %s", listens.text);
	else if (list_empty(&w->taker.channels))
		add_none(w, &processes, &text);
	log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER(w), LOG_MSG("%s", text.text));
}

/* --- a listening socket without the library -------------------------------------------- */

enum worker_lost worker_lost_library(const struct worker *w, const struct channel *c,
				     struct strbuf *ret_why)
{
	_cleanup_pids_ struct pid_set all = { 0 };
	size_t with = 0, without = 0;

	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++) {
		pid_t pid = all.pids[i];
		struct escape_facts facts;

		if (proc_holds_socket(pid, c->rx_inode) != PROC_YES || proc_is_in_exec(pid))
			continue;
		look(w, pid, &facts);
		if (facts.library || !facts.readable ||
		    list_find(const struct channel_holder, h, &c->holders, link, h->pid == pid)) {
			with++;
			continue;
		}
		if (without++)
			continue;
		strbuf_addf(ret_why,
			    "its listening socket for %s is in a process without the library ",
			    address_text(&c->endpoint->app_addr).text);
		add_process(pid, ret_why);
		strbuf_addf(ret_why, ", which cannot accept: %s", escape_text(&facts));
	}
	return !without ? LOST_NONE : with ? LOST_SOME : LOST_ALL;
}
