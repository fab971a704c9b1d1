/*
 * ini - the lines of a configuration file.
 *
 *	# a comment, ; too
 *	[section]
 *	key = value		# value: raw, see words.h for comment and quotes
 *
 * One line is one item; a line cannot be continued. Blanks around names, "="
 * and values do not count. Lines end with LF or CRLF; a byte order mark at the
 * start is skipped. A bad line costs that line only: reading goes on after it.
 *
 * Owns nothing: values point into the text of the caller.
 */
#pragma once

#include "base/strbuf.h"

#define INI_LINE_MAX 65536 /* bytes */
#define INI_NAME_MAX 127   /* bytes: a longer name is cut. It is none of ours, and only shown */

enum ini_kind {
	INI_END,
	INI_SECTION,	 /* name */
	INI_SETTING,	 /* name, value */
	INI_BAD,	 /* the reason is in @ret_error */
	INI_BAD_SECTION, /* the same, and it was meant to be a section */
};

struct ini {
	const char *at, *end;
	unsigned line; /* of the item last returned; the first line is 1 */
};

struct ini_item {
	char name[INI_NAME_MAX + 1];
	const char *value;
	size_t value_len;
};

void ini_init(struct ini *ini, const char *text, size_t len);

/* The next item; *@ret is set for INI_SECTION and INI_SETTING only. */
enum ini_kind ini_next(struct ini *ini, struct ini_item *ret, struct strbuf *ret_error);
