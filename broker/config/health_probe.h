/*
 * health_probe - what a health check sends to a worker, and what it expects:
 *
 *	connect					it takes the connection
 *	GET /healthz [HOST]			a status line of HTTP
 *	[send "PING\r\n"] expect "+PONG"	an answer that begins with these bytes
 *	command /usr/bin/check --quick		a program that exits with 0
 *
 * In the bytes \r \n \t \0 \\ and \xNN have their usual meaning.
 */
#pragma once

#include "base/strbuf.h"

#define HEALTH_TEXT_MAX 256 /* bytes that are sent, or expected */

enum health_kind { HEALTH_CONNECT, HEALTH_HTTP, HEALTH_TALK, HEALTH_COMMAND };

struct health_probe {
	enum health_kind kind;
	char *const *command; /* as service_conf.command */
	char send[1024];      /* of HTTP the whole request, RFC 9112 */
	char expect[HEALTH_TEXT_MAX];
	size_t n_send, n_expect;
};

/*
 * Reads the words of `check`, which *@ret refers to then. 0; -EINVAL: @why says what is wrong with
 * them.
 */
int health_parse(char *const *word, struct health_probe *ret, struct strbuf *why);
