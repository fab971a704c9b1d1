/*
 * client - a connection to the control socket of a broker: requests out, lines in.
 *
 * Never trusts the other end: a line is bounded, and what is not a line of JSON is the caller's
 * to refuse.
 */
#ifndef BROKER_CTL_CLIENT_H
#define BROKER_CTL_CLIENT_H

#include "base/strbuf.h"

#define CLIENT_LINE_MAX	   (1 << 20) /* of an answer, bytes */
#define CLIENT_REQUEST_MAX 4096	     /* with its newline: what a broker takes */

struct client {
	int fd;	     /* -1: closed */
	char *path;  /* of the socket; NULL: closed */
	char *bytes; /* what has come; lines before @at were given out already */
	size_t at, len, room;
};

#define CLIENT_INIT                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

void client_close(struct client *c);

/*
 * Sends @n words as one request. 0; -EMSGSIZE: it is longer than CLIENT_REQUEST_MAX; -EINVAL: a
 * control character is in it, which a request cannot have; -errno: the broker is gone.
 */
int client_ask(struct client *c, char *const *words, size_t n);

/*
 * The next line that has come whole, without its newline; good until the next call. False: none
 * is there, see client_read. @*ret_line is terminated.
 */
bool client_line(struct client *c, char **ret_line, size_t *ret_len);

/*
 * Reads what there is, waiting for it if need be. 0: look for a line; -EPIPE: the broker has
 * closed the connection; -EPROTO: a line that never ends; -ENOMEM, -errno.
 */
int client_read(struct client *c);

#endif
