/*
 * web - what the broker serves itself: metrics and probes over HTTP, and HAProxy's agent-check.
 *
 * It lives on the broker's own loop and cannot slow it: requests and clients are bounded in
 * size, number and time, a client that does not read is dropped, and nothing here waits. It is open
 * from the start to the very end of the broker, through every reload and while it stops.
 */
#ifndef BROKER_WEB_WEB_H
#define BROKER_WEB_WEB_H

#include "report/scrape.h"
#include "config/conf.h"
#include "sys/acceptor.h"

enum web_kind { WEB_METRICS, WEB_AGENT, WEB_N };

#define WEB_CLIENTS_MAX 64
/* Clients, one that is just accepted, and for each kind the old and the new listening socket. */
#define WEB_DESCRIPTORS (WEB_CLIENTS_MAX + 1 + 2 * WEB_N)

struct web_server {
	struct web *web;
	enum web_kind kind;
	struct acceptor acceptor;
	int fd;	    /* owned; -1: off */
	char *path; /* of a Unix socket, removed at the end; else NULL */
};

struct web {
	struct master *master;
	struct web_server servers[WEB_N];
	struct list clients; /* web_client::link, oldest first */
	size_t n_clients;
	struct scrape scrape;
};

/* What a new configuration asks for, opened, but not in force yet. */
struct web_change {
	bool changed[WEB_N];
	int fds[WEB_N]; /* owned; -1: off from now on */
};

#define WEB_NO_CHANGE                                                                              \
	{                                                                                          \
		.fds = { -1, -1 }                                                                  \
	}

void web_init(struct web *web, struct master *m);
void web_deinit(struct web *web);

/*
 * Opens what @bc wants and @old (NULL: nothing) does not have. 0: web_apply() or web_discard()
 * comes next. -errno with @error: nothing was left open.
 */
int web_prepare(struct web *web, const struct broker_conf *old, const struct broker_conf *bc,
		struct web_change *ret, struct strbuf *error);

/* In force from now on; clients of an address that is given up are answered still. */
void web_apply(struct web *web, const struct broker_conf *bc, struct web_change *change);
void web_discard(const struct broker_conf *bc, struct web_change *change); /* applied: nothing */

/* Gives Unix sockets to @uid before the broker drops its privileges. 0 or -errno. */
int web_chown(struct web *web, uid_t uid);

/* The server whose address a listener on @addr would collide with: its option, or NULL. */
const char *web_find_overlap(const struct broker_conf *bc, const struct handoff_addr *addr);

#endif
