/*
 * web - what the broker serves itself: metrics and probes over HTTP, and HAProxy's agent-check.
 *
 * It lives on the broker's own loop and cannot slow it: requests and clients are bounded in
 * size, number and time, a client that does not read is dropped, and nothing here waits. It is open
 * from the start to the very end of the broker, through every reload and while it stops.
 */
#pragma once

#include "report/snapshot.h"
#include "master/master.h"
#include "policy/http.h"
#include "sys/stream.h"

enum web_kind { WEB_METRICS, WEB_AGENT, WEB_N };

struct web_server {
	struct web *web;
	enum web_kind kind;
	struct acceptor acceptor;
	int fd;	    /* owned; -1: off */
	char *path; /* of a Unix socket, removed at the end; else NULL */

	/* A new configuration is prepared, but not in force yet. */
	bool changes;
	int next_fd; /* what it asks for, opened and owned; -1: off from then on */
};

struct web {
	struct reload_part part;
	struct master *master;
	struct web_server servers[WEB_N];
	struct list clients; /* web_client::link, oldest first */
	struct scrape scrapes[HTTP_MEDIA_N];
};

/* It becomes the part of @m that reloads change; nothing is open until that is done. */
void web_init(struct web *web, struct master *m, struct survey *survey);
/* Goes on with the sockets of another program, -1: it has none; those that m->conf asks for. */
int web_adopt(struct web *web, const int fds[WEB_N]); /* 0 or -errno */
void web_restore(struct web *web); /* opens again what another program had closed */
bool web_is_answering(const struct web *web);
void web_deinit(struct web *web);
