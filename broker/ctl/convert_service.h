/*
 * convert_service - a service of inetd or xinetd, and its section of broker.ini. Pure.
 *
 * Both are described by the keys of xinetd.conf(5): a line of inetd.conf is read as the same keys.
 * A key that has no counterpart becomes a comment that says what to do instead. A service that
 * cannot be served, or is disabled, is written in comments, with the reason.
 */
#pragma once

#include "base/strbuf.h"

#define CONVERT_TEXT_MAX 1024 /* of one value */
#define CONVERT_KEYS	 64

struct convert_service {
	char name[CONVERT_TEXT_MAX];
	unsigned line;				 /* where it begins */
	char of[CONVERT_KEYS][CONVERT_TEXT_MAX]; /* values of the keys; empty: not set */
};

struct convert {
	const char *services; /* the text of /etc/services */
	/* Reads what the file that is being read includes. */
	void (*include)(struct convert *c, const char *path, bool is_directory);
	const char *file; /* that is being read, and the line in it */
	unsigned line;
	struct strbuf out;
	struct strbuf errors; /* lines, FILE:LINE: what is wrong; they are comments in .out, too */
	struct convert_service defaults;
	struct convert_service service;
	/* Its section, while it is written. */
	struct strbuf why;   /* it is in comments; empty: it is not */
	struct strbuf lines; /* below mode */
	bool udp, wait;
};

/* Adds a comment about this line; a mistake goes to .errors, too. */
void convert_say(struct convert *c, bool is_mistake, const char *fmt, ...) PRINTF(3, 4);
#define convert_remark(c, ...) convert_say(c, false, __VA_ARGS__)
#define convert_fail(c, ...)   convert_say(c, true, __VA_ARGS__)

/* Forgets .service, and begins the next with the defaults. */
void convert_begin(struct convert *c, const char *name);

/* "=" sets the value of @key in @s, "+=" adds words to it, "-=" removes words. */
void convert_set(struct convert *c, struct convert_service *s, const char *key, const char *op,
		 const char *text);

/* Writes the section of .service. */
void convert_end(struct convert *c);
