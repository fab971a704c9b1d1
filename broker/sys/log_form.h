/*
 * log_form - an entry of the log as a line of text, and as a JSON object:
 *
 *	2026-11-22 15:37:44.123 info  web.0 worker-ready: listens on port 3000 (pid=812)
 *	{"time":"2026-11-22T15:37:44.123Z","level":"info","event":"worker-ready","worker":"web.0",...}
 *
 * Text from outside is escaped, so that no worker or peer can forge or break a line.
 */
#pragma once

#include <sys/time.h>
#include "config/conf.h"

#define LOG_LINE_SIZE 8192

struct log_field {
	const char *key; /* NULL ends the list */
	enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_BOOL, LOG_FIELD_MSG } kind;
	const char *str;
	long long num;
};

/* A moment as RFC 3339 writes it: 2026-11-22T15:37:44.123Z. */
void log_form_time(struct strbuf *b, const struct timeval *when);

/* The field @key of an entry, or NULL. */
const struct log_field *log_find_field(const struct log_field *fields, const char *key);

/* Adds the entry, without a newline; text that is too long is cut. */
void log_form_text(struct strbuf *b, const struct timeval *now, enum conf_log_level level,
		   const char *event, const struct log_field *fields);

/* A complete JSON object: an entry that does not fit is replaced by one that says so. */
void log_form_json(struct strbuf *line, const struct timeval *now, enum conf_log_level level,
		   const char *event, const struct log_field *fields);
