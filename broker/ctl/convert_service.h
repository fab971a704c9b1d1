/*
 * convert_service - a service of inetd or xinetd as it is read. Pure.
 *
 * Both are described by the keys of xinetd.conf(5): a line of inetd.conf is read as the same keys.
 * A key that has no counterpart in broker.ini becomes a comment at once, which says what to do
 * instead. The others are kept for convert_section().
 */
#pragma once

#include "base/buf.h"
#include "base/strbuf.h"
#include "config/types.h"

#define CONVERT_TEXT_MAX 1024 /* of one value */
#define CONVERT_KEYS	 64

/* A key of xinetd.conf(5). Without option and remark convert_section() reads it. */
struct convert_row {
	const char *key;    /* NULL: behind the last */
	const char *option; /* of broker.ini, that has the same value */
	const char *remark; /* why there is none, and what to do instead */
};

extern const struct convert_row convert_rows[CONVERT_KEYS];

struct convert_service {
	char name[CONVERT_TEXT_MAX];
	unsigned line;				 /* where it begins */
	char of[CONVERT_KEYS][CONVERT_TEXT_MAX]; /* as in convert_rows; empty: not set */
};

struct convert {
	const char *services; /* the text of /etc/services */
	/* Reads what the file that is being read includes. */
	void (*include)(struct convert *c, const char *path, bool is_directory);
	const char *file; /* that is being read, and the line in it */
	unsigned line;
	struct buf out;
	struct buf errors; /* lines, FILE:LINE: what is wrong; they are comments in .out, too */
	struct convert_service defaults;
	struct convert_service service;
	char (*names)[SERVICE_NAME_MAX + 1]; /* of the sections, array_grow() */
	size_t n_names;
};

void convert_deinit(struct convert *c);

/* Adds a comment about this line; a mistake goes to .errors, too. */
void convert_say(struct convert *c, bool is_mistake, const char *fmt, ...) PRINTF(3, 4);
#define convert_remark(c, ...) convert_say(c, false, __VA_ARGS__)
#define convert_fail(c, ...)   convert_say(c, true, __VA_ARGS__)

/* Forgets .service, and begins the next with the defaults. */
void convert_begin(struct convert *c, const char *name);

/*
 * "=" sets a value of @s, "+=" adds words to it, "-=" removes words. A key without counterpart
 * becomes a comment.
 */
void convert_set(struct convert *c, struct convert_service *s, const char *key, const char *op,
		 const char *text);

/* The value of @key, which must be in convert_rows. */
const char *convert_get(const struct convert_service *s, const char *key);

/* The next word of *@at, a value, into @ret; *@at moves behind it. False: there is none. */
bool convert_next_word(const char **at, char ret[CONVERT_TEXT_MAX]);
bool convert_has_word(const char *text, const char *word); /* in any case of letters */
