/*
 * completion_text - what may stand where in a command line, out of the table of commands. Pure.
 *
 * The script of a shell knows nothing: it asks `brokerctl complete -- WORD...`, where WORD... are
 * the words of the line up to the cursor, without "brokerctl". The last one is what is being typed.
 * The answer has one candidate a line, with a tab and its description if there is one. It may also
 * be a mark: the shell itself completes file names and programs.
 */
#ifndef BROKER_CTL_COMPLETION_TEXT_H
#define BROKER_CTL_COMPLETION_TEXT_H

#include "ctl/find.h"
#include "ctl/view.h"
#include "base/buf.h"
#include "policy/command.h"

/* The script for @shell, which is bash, zsh or fish. */
const char *completion_script(const char *shell);

/* What belongs at the cursor. */
enum completion_place {
	PLACE_WORD,   /* a command, one of its arguments, or an option */
	PLACE_FILE,   /* the value of -c */
	PLACE_SOCKET, /* the value of -s */
	PLACE_COLOR,  /* the value of --color */
	PLACE_VALUE,  /* the value of an option of the command */
	PLACE_REST,   /* behind "--" */
};

struct completion {
	enum completion_place place;
	bool is_option;		       /* a WORD that begins with "-" */
	bool has_command;	       /* it stands before the cursor, known or not */
	const struct command *command; /* NULL: not known */
	size_t n_arguments;	       /* before the cursor */
	enum command_kind kind;	       /* of the value or argument that belongs at the cursor */
	struct find_options find;      /* the broker that the line names */
};

/* Reads the line as far as it is typed. @n is 0 for an empty line. */
struct completion completion_read(char *const *words, size_t n);

/* Whether it takes the names of services and workers, which only a broker knows. */
bool completion_needs_names(const struct completion *c);

/* All candidates, whatever they begin with. @names: the answer to `status`; may be empty. */
void completion_text(const struct completion *c, const struct view *names, struct buf *out);

#endif
