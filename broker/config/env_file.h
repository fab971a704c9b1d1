/*
 * env_file - files of variables, as systemd's EnvironmentFile= reads them.
 *
 *	# a comment, as is a line with ;
 *	NAME=value
 *	OTHER="a value with blanks,	# and more lines: up to the other quote
 *	and \"escapes\""
 *	LONG=goes on \
 *		in the next line
 *
 * Nothing is expanded. But for that, what systemd passes over with a warning is refused here.
 */
#pragma once

#include "base/strbuf.h"

/*
 * Appends each NAME=value of @text, @len bytes and a NUL, the whole file called @file in messages,
 * to @list, see words.h. 0; -ENOMEM; -EINVAL with @error: "FILE:LINE: what is wrong".
 */
int env_file_parse(const char *file, const char *text, size_t len, char ***list,
		   struct strbuf *error);
