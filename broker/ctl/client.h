/*
 * client - a connection to the control socket of a broker: requests out, lines in.
 *
 * It does not trust the other end: lines are bounded, and the caller refuses what is not JSON.
 */
#pragma once

#include "base/buf.h"

#define CLIENT_LINE_MAX	   (1 << 20) /* of an answer, bytes */
#define CLIENT_REQUEST_MAX 4096	     /* the most that a broker takes, with the newline */

struct client {
	int fd;	       /* -1: closed */
	char *path;    /* of the socket; NULL: closed */
	struct buf in; /* what has come */
	size_t at;     /* the lines in it before this were given out */
};

#define CLIENT_INIT ((struct client){ .fd = -1, .in = BUF_INIT(2 * CLIENT_LINE_MAX) })

void client_close(struct client *c);

/*
 * Sends @n words as one request. 0; -EMSGSIZE: it is longer than CLIENT_REQUEST_MAX; -EINVAL: it
 * has a control character, which a request must not have; -errno: the broker is gone.
 */
int client_ask(struct client *c, char *const *words, size_t n);

/*
 * The next complete line, without its newline, terminated, valid until the next call. False: there
 * is none yet; see client_read().
 */
bool client_line(struct client *c, char **ret_line, size_t *ret_len);

/*
 * Reads what has come, or waits for it. 0: look for a line; -EPIPE: the broker has closed the
 * connection; -EPROTO: a line is longer than CLIENT_LINE_MAX; -ENOMEM, -errno.
 */
int client_read(struct client *c);
