/*
 * client - finds the broker that is meant and connects to it: requests out, lines in.
 *
 * It does not trust the other end: lines are bounded, and what is not JSON is refused. And it asks
 * nobody but a process of root, of our user, of the owner of the configuration file or of the user
 * that this names, or of the user to whom root has given the directory of the socket: in /tmp,
 * anybody could have made it. Nothing is executed because the other end says so.
 */
#pragma once

#include <sys/socket.h>
#include "ctl/view.h"

#define CLIENT_LINE_MAX	   (1 << 20) /* of an answer, bytes */
#define CLIENT_REQUEST_MAX 4096	     /* the most that a broker takes, with the newline */

struct client {
	int fd;		   /* -1: closed */
	struct ucred peer; /* the broker; .pid 0: in another pid namespace */
	const char *file;  /* the configuration that says where it is; NULL: none does */
	uid_t owner;	   /* of that */
	char user[64];	   /* that it names, or the number; empty: none */
	char *path;	   /* of the socket; NULL: closed */
	struct strbuf in;  /* what has come: first the last line that was given out, as it came */
	size_t line_len;   /* of it, with its newline */
	struct view view;  /* what they say */
};

#define CLIENT_INIT ((struct client){ .fd = -1, .in = STRBUF_GROWS(2 * CLIENT_LINE_MAX) })

struct client_options {
	const char *socket; /* -s */
	const char *file;   /* -c */
};

/*
 * Connects @c, which is closed, to the control socket: that of -s, of the configuration file of -c,
 * of BROKER_CONTROL in the environment, of ./broker.ini, or of the only broker that runs here. The
 * first of these that is given counts. 0, or -errno with @error: what was tried and what to do.
 */
int client_connect(struct client *c, const struct client_options *options, struct strbuf *error);

void client_close(struct client *c);

/*
 * Adds to @error what @r means, as the functions here return it; a rare one with @before and the
 * @path of the socket before it. Returns @r.
 */
int client_explain(const char *before, const char *path, int r, struct strbuf *error);

/*
 * Sends @n words as one request. 0; -EMSGSIZE: it is longer than CLIENT_REQUEST_MAX; -EINVAL: it
 * has a control character, which a request must not have; -errno: the broker is gone.
 */
int client_ask(struct client *c, char *const *words, size_t n);

/*
 * Adds the next line to ->view. 0; -EAGAIN: none has come yet; -EBADMSG: it is no JSON;
 * -EPIPE: the broker has closed the connection; -EPROTO: it is too long; -ENOMEM, -errno.
 */
int client_next(struct client *c);
