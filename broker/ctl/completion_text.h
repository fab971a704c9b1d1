/*
 * completion_text - the candidates for the next word of a command line, from the table of
 * commands. Pure.
 *
 * The shell scripts know no commands. They run `brokerctl complete -- WORD...`, where WORD... are
 * the words of the line up to the cursor, without "brokerctl"; the last one is being typed. The
 * answer has one candidate per line, followed by a tab and a description if there is one. It may
 * also be a mark that lets the shell itself complete file names or programs.
 */
#pragma once

#include "ctl/find.h"
#include "ctl/view.h"
#include "base/buf.h"
#include "policy/command.h"

struct completion {
	const struct command *command; /* before the cursor; NULL: none, or an unknown one */
	bool has_command;
	size_t n_arguments;		     /* of the command, before the cursor */
	const struct command_option *option; /* its value belongs at the cursor; NULL: none */
	bool is_rest;			     /* the cursor is behind "--" */
	bool is_option;			     /* an option belongs there: the word begins with "-" */
	enum command_kind kind;		     /* of the value or argument that belongs there */
	struct find_options find;	     /* the broker that the line names */
};

/* Reads the line as far as it is typed. @n is 0 for an empty line. */
struct completion completion_read(char *const *words, size_t n);

/* Whether it needs the names of services and workers, which only a broker knows. */
bool completion_needs_names(const struct completion *c);

/* All candidates, whatever they begin with. @names: the answer to `status`; may be empty. */
void completion_text(const struct completion *c, const struct view *names, struct buf *out);
