/*
 * command - the one table of all commands to a running broker.
 *
 * The control socket, brokerctl, its usage and help texts, the shell completions and the
 * check of the manual page all walk this table: a row added here is a command everywhere,
 * and commands are defined nowhere else.
 *
 * A request is a list of words: `pin 10.0.0.0/8 web.1 --for 10m`. Options may stand
 * anywhere after the command's name; a value follows as the next word or after "=".
 */
#pragma once

#include "base/strbuf.h"

enum command_id {
	COMMAND_STATUS,
	COMMAND_TOP,
	COMMAND_EVENTS,
	COMMAND_RELOAD,
	COMMAND_RELOAD_ABORT,
	COMMAND_ROLLBACK,
	COMMAND_SCALE,
	COMMAND_RESTART,
	COMMAND_HOLD,
	COMMAND_RELEASE,
	COMMAND_PAUSE,
	COMMAND_START,
	COMMAND_STOP,
	COMMAND_SIGNAL,
	COMMAND_DEBUG,
	COMMAND_PIN,
	COMMAND_NEXT,
	COMMAND_UNPIN,
	COMMAND_PINS,
	COMMAND_CONFIG,
	COMMAND_DOCTOR,
	COMMAND_CONVERT,
	COMMAND_COMPLETION,
	COMMAND_COMPLETE,
	COMMAND_HELP,
	COMMAND_JOIN,
	COMMAND_UPGRADE,
};

/* The right that a command takes. */
enum command_right {
	RIGHT_READ,  /* members of control_group too */
	RIGHT_STEER, /* root and the broker's user */
	RIGHT_LOCAL, /* brokerctl does it alone: the broker does not know it */
};

/* What an argument or the value of an option is. The broker checks those that name something. */
enum command_kind {
	KIND_NONE,
	KIND_SERVICE,  /* a name of a service */
	KIND_WORKER,   /* web.0 */
	KIND_TARGET,   /* one or the other */
	KIND_COUNT,    /* .number: 0 or more */
	KIND_SIGNAL,   /* .number: of the signal */
	KIND_DURATION, /* .number: milliseconds */
	KIND_SINCE,    /* a duration as above, or .is_id and .number the id of an event */
	KIND_SOURCE,   /* an address, or a network in CIDR form */
	KIND_PINNED,   /* a source, a worker, or "all" */
	KIND_COMMAND,  /* a name out of this table */
	KIND_SHELL,    /* bash, zsh, fish */
	KIND_PROGRAM,  /* a command to run, or a process id */
	KIND_FILE,     /* a path */
	KIND_PATH,     /* a path, of a file on the side of the broker */
	KIND_COLOR,    /* of brokerctl's own options: auto, always, never */
};

struct command_argument {
	enum command_kind kind;
	const char *name; /* SERVICE|WORKER */
	bool optional;
};

struct command_option {
	const char *name; /* --since; NULL ends the list */
	char letter;	  /* -f; 0: none */
	enum command_kind value;
	const char *value_name;
	bool reads_only; /* with it the command needs RIGHT_READ only */
	const char *help;
};

#define COMMAND_ARGUMENTS 2
#define COMMAND_OPTIONS	  3

struct command {
	enum command_id id;
	const char *name; /* one word, or two: "reload abort" */
	enum command_right right;
	struct command_argument arguments[COMMAND_ARGUMENTS]; /* ended by KIND_NONE */
	struct command_option options[COMMAND_OPTIONS];
	const char *rest; /* name of free words behind "--", which brokerctl keeps; NULL: none */
	bool hidden;	  /* for programs: not in help and completion */
	const char *help; /* one line, no full stop */
	const char *more; /* a paragraph, or NULL */
};

extern const struct command command_table[];
extern const size_t command_count;

struct request_value {
	const char *text; /* NULL: not given */
	int64_t number;
	bool is_id; /* see KIND_SINCE */
};

struct request {
	const struct command *command;
	struct request_value arguments[COMMAND_ARGUMENTS];
	struct request_value options[COMMAND_OPTIONS];
	char *const *rest; /* behind "--", NULL-terminated; NULL: none */
};

enum command_result {
	COMMAND_OK,
	COMMAND_UNKNOWN, /* no such command */
	COMMAND_BAD,	 /* it has no such form */
};

/* Reads @n words and a NULL. COMMAND_OK: *@ret points into them; else @error, with the usage. */
enum command_result command_parse(char *const *words, size_t n, struct request *ret,
				  struct strbuf *error);

/* Whether option @name of its command was given, and what with. The name must be in the table. */
bool request_has(const struct request *r, const char *name);
const struct request_value *request_option(const struct request *r, const char *name);

enum command_right request_right(const struct request *r);

const struct command *command_find(const char *name); /* NULL: none of that name */

/* Its argument is a program or a file: the words behind that are free, with "--" or without. */
static inline bool command_takes_rest(const struct command *c)
{
	return c->arguments[0].kind == KIND_PROGRAM || c->arguments[0].kind == KIND_FILE;
}

/* "reload abort" for @word "abort" behind "reload". NULL: there is none, or @c is NULL. */
const struct command *command_find_longer(const struct command *c, const char *word);

/* "reload [SERVICE] [--no-wait]", without "brokerctl". */
void command_usage(const struct command *c, struct strbuf *out);
