#include "explain.h"

#include <netinet/tcp.h>
#include <string.h>
#include "base/address.h"
#include "config/conf.h"
#include "dispatch/taker.h"
#include "handoff_name.h"
#include "sys/escape_look.h"
#include "sys/log.h"
#include "sys/sockdiag.h"
#include "worker/processes.h"

static void look(const struct worker *w, pid_t pid, struct escape_facts *ret)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";

	handoff_hex_put(token, w->token, HANDOFF_TOKEN_SIZE);
	escape_look(pid, w->uid, token, ret);
}

static void add_process(pid_t pid, struct strbuf *out)
{
	strbuf_addf(out, "(%s, pid %d)", proc_name(pid).text, (int)pid);
}

/* --- what it listens on instead -------------------------------------------------------- */

/* Bound by a program with the library, and then listened on: see worker-shim/preload/bound.h. */
static bool was_bound(const struct handoff_addr *addr)
{
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff }, ip[] = HANDOFF_BOUND_IP;

	return addr->family == 4
		       ? !memcmp(addr->ip, ip, sizeof(ip))
		       : !memcmp(addr->ip, mapped, 12) && !memcmp(addr->ip + 12, ip, sizeof(ip));
}

static void add_own(const struct worker *w, pid_t pid, const struct handoff_addr *addr,
		    struct strbuf *out)
{
	struct escape_facts facts;

	look(w, pid, &facts);
	facts.private_port = conf_port_is_private(w->conf, addr->port);
	facts.any_port = !was_bound(addr) && escape_port_is_any(addr->port);
	strbuf_addf(out, "%s%s ", out->len ? "; and on " : "",
		    was_bound(addr) ? "a socket that was bound before its program was executed"
				    : address_text(addr).text);
	add_process(pid, out);
	strbuf_addf(out, ": %s", escape_texts[escape_of(&facts)]);
}

static void list_own(const struct worker *w, const struct pid_set *processes, struct strbuf *out)
{
	_cleanup_sockets_ struct sockdiag_list all = { 0 };

	(void)sockdiag_add(1u << TCP_LISTEN, 0, &all);
	for (const struct sockdiag_socket *s = all.v; s < all.v + all.n; s++) {
		size_t i = 0;

		while (i < processes->n && !proc_holds_socket(processes->pids[i], s->inode))
			i++;
		if (i < processes->n)
			add_own(w, processes->pids[i], &s->local, out);
	}
}

/* The ports that the configuration expects the app to listen on and that it does not. */
static void list_missing(const struct worker *w, struct strbuf *out)
{
	for (size_t i = 0; i < w->conf->n_listen; i++)
		if (!taker_listens_on(&w->taker, w->conf->listen[i].app_port))
			strbuf_addf(out, "%s%u", out->len ? ", " : "", w->conf->listen[i].app_port);
}

/* As far as apps go on when a port is taken. */
#define NEXT_PORTS 20

static bool looks_like_next(const struct worker *w, uint16_t port)
{
	for (size_t i = 0; i < w->conf->n_listen; i++) {
		uint16_t expected = w->conf->listen[i].app_port;

		if (!taker_listens_on(&w->taker, expected) && port > expected &&
		    port - expected <= NEXT_PORTS)
			return true;
	}
	return false;
}

static void list_brokered(const struct worker *w, struct strbuf *out)
{
	const struct channel *c;
	bool next = false;

	strbuf_add(out, "; it listens through the broker on ");
	list_for_each (c, &w->taker.channels, link) {
		strbuf_addf(out, "%s%s", c->link.prev != &w->taker.channels ? ", " : "",
			    address_text(&c->endpoint->app_addr).text);
		next = next || looks_like_next(w, c->endpoint->app_addr.port);
	}
	if (next)
		strbuf_add(out, ": if it looks for a free port, it has found the expected one "
				"taken, and must be told to use that alone");
}

/* It listens on no TCP port. */
static void add_none(const struct worker *w, const struct pid_set *processes, struct strbuf *out)
{
	struct escape_facts facts;

	for (size_t i = 0; i < processes->n; i++) {
		pid_t pid = processes->pids[i];
		STRBUF(socket, 128);

		look(w, pid, &facts);
		if (escape_add_unix_socket(pid, &socket))
			strbuf_addf(out, "; it listens on the Unix socket %s ", socket.text);
		else if (!facts.readable)
			strbuf_addf(out, "; %s: ", escape_texts[ESCAPE_UNREADABLE]);
		else if (facts.library && facts.other_root)
			strbuf_add(out, "; its root directory was changed (chroot), and the "
					"broker's socket is not there: let the app change it after "
					"it listens ");
		else
			continue;
		add_process(pid, out);
		if (socket.len)
			strbuf_add(out, ": the broker serves TCP ports only");
		return;
	}
	strbuf_add(out, "; it listens on no TCP port at all: does it need longer (start_timeout), "
			"or an argument?");
}

void worker_explain_timeout(const struct worker *w)
{
	STRBUF(text, 2048);
	STRBUF(missing, 256);
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
	list_missing(w, &missing);

	strbuf_addf(&text, "did not listen within start_timeout (%lld ms)",
		    (long long)w->conf->start_timeout_ms);
	if (missing.len)
		strbuf_addf(&text, "; expected, because of `listen`: port %s", missing.text);
	if (!list_empty(&w->taker.channels))
		list_brokered(w, &text);
	if (listens.len)
		strbuf_addf(&text, "; it listens by itself, past the broker, on %s", listens.text);
	else if (list_empty(&w->taker.channels))
		add_none(w, &processes, &text);
	log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER(w), LOG_MSG("%s", text.text));
}

/* --- a listening socket without the library -------------------------------------------- */

static bool has_said_hello(const struct channel *c, pid_t pid)
{
	const struct channel_holder *h;

	return list_find(h, &c->holders, link, h->pid == pid);
}

enum worker_lost worker_lost_library(const struct worker *w, const struct channel *c,
				     struct strbuf *ret_why)
{
	_cleanup_pids_ struct pid_set all = { 0 };
	size_t with = 0, without = 0;

	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++) {
		pid_t pid = all.pids[i];
		struct escape_facts facts;

		if (!proc_holds_socket(pid, c->rx_inode) || proc_is_in_exec(pid))
			continue;
		look(w, pid, &facts);
		if (facts.library || !facts.readable || has_said_hello(c, pid)) {
			with++;
			continue;
		}
		if (without++)
			continue;
		strbuf_addf(ret_why,
			    "its listening socket for %s is in a process without the library ",
			    address_text(&c->endpoint->app_addr).text);
		add_process(pid, ret_why);
		strbuf_addf(ret_why, ", which cannot accept: %s", escape_texts[escape_of(&facts)]);
	}
	return !without ? LOST_NONE : with ? LOST_SOME : LOST_ALL;
}
