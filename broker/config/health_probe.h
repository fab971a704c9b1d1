/*
 * health_probe - what a health check sends to a worker, and what it expects:
 *
 *	connect				that the worker takes the connection
 *	GET /healthz			a status line of HTTP
 *	send "PING\r\n" expect "+PONG"	an answer that begins with these bytes
 *
 * In the bytes \r \n \t \0 \\ and \xNN have their usual meaning.
 */
#pragma once

#include "base/strbuf.h"

#define HEALTH_TEXT_MAX 256 /* bytes that are sent, or expected */

enum health_kind { HEALTH_OFF, HEALTH_CONNECT, HEALTH_HTTP, HEALTH_TALK };

/* All zero: off. */
struct health_probe {
	enum health_kind kind;
	char send[HEALTH_TEXT_MAX + 1]; /* of HTTP the path, with a zero behind it */
	char expect[HEALTH_TEXT_MAX];
	size_t n_send, n_expect;
};

/*
 * Reads a probe from the words of an option; @word ends with NULL. 0; -EINVAL: @why says what is
 * wrong with it.
 */
int health_parse(char *const *word, struct health_probe *ret, struct strbuf *why);

/* So that health_parse() reads it again. */
void health_format(const struct health_probe *p, struct strbuf *out);
