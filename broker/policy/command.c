#include "command.h"

#include <string.h>
#include "base/nearest.h"
#include "base/quote.h"
#include "base/units.h"

/* A table is read in columns. */
/* clang-format off */
#define ARG(k, n)      { .kind = (k), .name = (n) }
#define OPTIONAL(k, n) { .kind = (k), .name = (n), .optional = true }

#define NO_WAIT { .name = "--no-wait", .help = "return at once, without waiting" }

const struct command command_table[] = {
	{ COMMAND_STATUS, "status", RIGHT_READ,
	  .arguments = { OPTIONAL(KIND_TARGET, "SERVICE|WORKER") },
	  .help = "show what the broker is doing, and why",
	  .more = "A line for each worker: what it does and for how long, how many connections it "
		  "was given, wait for it and are open in it, and in words why it is not simply "
		  "ready. Then the listeners, the pins, and the ledger of all connections." },
	{ COMMAND_TOP, "top", RIGHT_LOCAL,
	  .arguments = { OPTIONAL(KIND_SERVICE, "SERVICE") },
	  .help = "show the same as a live screen; q quits" },
	{ COMMAND_EVENTS, "events", RIGHT_READ,
	  .arguments = { OPTIONAL(KIND_TARGET, "SERVICE|WORKER") },
	  .options = { { .name = "--follow", .letter = 'f', .help = "keep printing new events" },
		       { .name = "--since", .value = KIND_SINCE, .value_name = "DURATION|ID",
			 .help = "show only events of the last DURATION, or after event ID" } },
	  .help = "show what has happened: starts, exits, reloads, limits",
	  .more = "The broker keeps the latest events, at most a thousand. With --follow alone "
		  "only new ones are shown." },

	{ COMMAND_RELOAD, "reload", RIGHT_STEER,
	  .arguments = { OPTIONAL(KIND_SERVICE, "SERVICE") },
	  .options = { NO_WAIT,
		       { .name = "--plan", .reads_only = true,
			 .help = "show what the changed file would do, and change nothing" },
		       { .name = "--accept-fewer-ports",
			 .help = "the new version gives up a port that the old one listens on" } },
	  .help = "read the configuration again and replace the workers one after another",
	  .more = "Waits until all new workers serve and their probation is over. Exit status 0 "
		  "means that they do; 4 means that a new worker did not start, took no "
		  "connections or ended: the old ones go on serving." },
	{ COMMAND_RELOAD_ABORT, "reload abort", RIGHT_STEER,
	  .arguments = { OPTIONAL(KIND_SERVICE, "SERVICE") },
	  .help = "abort a reload that is under way and bring the old workers back" },
	{ COMMAND_ROLLBACK, "rollback", RIGHT_STEER,
	  .arguments = { OPTIONAL(KIND_SERVICE, "SERVICE") },
	  .help = "bring back the workers that the last reload replaced, within rollback_window" },
	{ COMMAND_SCALE, "scale", RIGHT_STEER,
	  .arguments = { ARG(KIND_SERVICE, "SERVICE"), ARG(KIND_COUNT, "N") },
	  .help = "run N workers until the next reload" },
	{ COMMAND_RESTART, "restart", RIGHT_STEER,
	  .arguments = { ARG(KIND_WORKER, "WORKER") },
	  .options = { NO_WAIT },
	  .help = "replace one worker with a new process" },
	{ COMMAND_HOLD, "hold", RIGHT_STEER,
	  .arguments = { ARG(KIND_WORKER, "WORKER") },
	  .help = "take a worker out of the round; it finishes its connections" },
	{ COMMAND_RELEASE, "release", RIGHT_STEER,
	  .arguments = { ARG(KIND_WORKER, "WORKER") },
	  .help = "put a held worker back into the round" },
	{ COMMAND_STOP, "stop", RIGHT_STEER,
	  .options = { { .name = "--now", .help = "do not wait for open connections" } },
	  .help = "stop the broker and all workers" },
	{ COMMAND_SIGNAL, "signal", RIGHT_STEER,
	  .arguments = { ARG(KIND_WORKER, "WORKER"), ARG(KIND_SIGNAL, "SIGNAL") },
	  .help = "send a signal to the main process of a worker" },

	{ COMMAND_DEBUG, "debug", RIGHT_STEER,
	  .arguments = { ARG(KIND_WORKER, "WORKER") },
	  .options = { { .name = "--from", .value = KIND_SOURCE, .value_name = "CIDR",
			 .help = "send connections from this source to the worker, and no others" } },
	  .rest = "DEBUGGER [ARGUMENT]...",
	  .help = "hold a worker, attach a debugger, and release the worker when the debugger ends",
	  .more = "Without DEBUGGER it is debug_command of the service (gdb). The process id takes "
		  "the place of {pid}, or is put where gdb, lldb, strace, perf and gdbserver want "
		  "it. The others serve meanwhile." },
	{ COMMAND_PIN, "pin", RIGHT_STEER,
	  .arguments = { ARG(KIND_SOURCE, "CIDR"), ARG(KIND_WORKER, "WORKER") },
	  .options = { { .name = "--for", .value = KIND_DURATION, .value_name = "DURATION",
			 .help = "how long; the default is until unpin" } },
	  .help = "send all connections from a source to one worker, even if it is held" },
	{ COMMAND_NEXT, "next", RIGHT_STEER,
	  .arguments = { ARG(KIND_WORKER, "WORKER") },
	  .help = "send the next connection from an unpinned source to this worker" },
	{ COMMAND_UNPIN, "unpin", RIGHT_STEER,
	  .arguments = { ARG(KIND_PINNED, "CIDR|WORKER|all") },
	  .help = "remove a pin" },
	{ COMMAND_PINS, "pins", RIGHT_READ,
	  .help = "show which sources are pinned to which workers" },

	{ COMMAND_CONFIG, "config", RIGHT_READ,
	  .help = "show the configuration in force, and where the file differs" },
	{ COMMAND_DOCTOR, "doctor", RIGHT_LOCAL,
	  .arguments = { ARG(KIND_PROGRAM, "COMMAND|PID") },
	  .rest = "ARGUMENT...",
	  .help = "tell whether a program can be served, how, and what it listens on" },
	{ COMMAND_COMPLETION, "completion", RIGHT_LOCAL,
	  .arguments = { ARG(KIND_SHELL, "bash|zsh|fish") },
	  .help = "print a completion script for a shell" },
	{ COMMAND_COMPLETE, "complete", RIGHT_LOCAL,
	  .rest = "WORD...",
	  .hidden = true,
	  .help = "print candidates for the last WORD: used by shell completion" },
	{ COMMAND_HELP, "help", RIGHT_READ,
	  .arguments = { OPTIONAL(KIND_COMMAND, "COMMAND") },
	  .help = "list the commands, or describe one" },
	{ COMMAND_JOIN, "join", RIGHT_STEER,
	  .arguments = { ARG(KIND_SERVICE, "SERVICE") },
	  .options = { { .name = "--pinned-only", .help = "connections of pinned sources only" } },
	  .hidden = true,
	  .help = "make the requesting process a worker: see --join in worker-shim(1)" },
};
/* clang-format on */

const size_t command_count = ARRAY_SIZE(command_table);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_count; i++)
		if (!strcmp(command_table[i].name, name))
			return &command_table[i];
	return NULL;
}

static void add_option_usage(const struct command_option *o, struct strbuf *out)
{
	if (o->letter)
		strbuf_addf(out, " [-%c|%s", o->letter, o->name);
	else
		strbuf_addf(out, " [%s", o->name);
	if (o->value != KIND_NONE)
		strbuf_addf(out, " %s", o->value_name);
	strbuf_add(out, "]");
}

void command_usage(const struct command *c, struct strbuf *out)
{
	strbuf_add(out, c->name);
	for (size_t i = 0; i < COMMAND_ARGUMENTS && c->arguments[i].kind != KIND_NONE; i++)
		strbuf_addf(out, c->arguments[i].optional ? " [%s]" : " %s", c->arguments[i].name);
	for (size_t i = 0; i < COMMAND_OPTIONS && c->options[i].name; i++)
		add_option_usage(&c->options[i], out);
	if (c->rest)
		strbuf_addf(out, " [-- %s]", c->rest);
}

/* --- reading a request --------------------------------------------------------------- */

/* The command that the words begin with, the longest name first. */
static const struct command *match(char *const *words, size_t n, size_t *ret_used)
{
	const struct command *found = NULL;

	for (size_t i = 0; i < command_count; i++) {
		const char *name = command_table[i].name, *space = strchr(name, ' ');
		size_t len = space ? (size_t)(space - name) : strlen(name);

		if (n < 1 || strlen(words[0]) != len || strncmp(words[0], name, len) != 0)
			continue;
		if (space && n > 1 && !strcmp(words[1], space + 1)) {
			*ret_used = 2;
			return &command_table[i];
		}
		if (!space) {
			*ret_used = 1;
			found = &command_table[i];
		}
	}
	return found;
}

static enum command_result unknown(const char *word, struct strbuf *error)
{
	const char *names[ARRAY_SIZE(command_table)], *near;
	size_t n = 0;

	for (size_t i = 0; i < command_count; i++)
		if (!command_table[i].hidden)
			names[n++] = command_table[i].name;
	near = nearest(word, names, n);
	strbuf_add(error, "there is no command ");
	quote_add(error, word);
	if (near)
		strbuf_addf(error, "; did you mean %s?", near);
	else
		strbuf_add(error, "; help shows all");
	return COMMAND_UNKNOWN;
}

static enum command_result wrong_form(const struct command *c, struct strbuf *error)
{
	strbuf_add(error, "; usage: ");
	command_usage(c, error);
	return COMMAND_BAD;
}

static void add_nearest_signal(struct strbuf *error, const char *text)
{
	const char *names[64], *near;
	size_t n = 0;

	while (n < ARRAY_SIZE(names) && (names[n] = units_signal_name(n)))
		n++;
	near = nearest(strncmp(text, "SIG", 3) == 0 ? text + 3 : text, names, n);
	if (near)
		strbuf_addf(error, "; did you mean %s?", near);
}

/* The form of what stands for itself. Names are looked up by the broker. */
static enum command_result read_value(enum command_kind kind, const char *text,
				      struct request_value *ret, struct strbuf *error)
{
	struct request_value value = { .text = text };
	const char *wrong = NULL;
	int signal = 0;

	switch (kind) {
	case KIND_COUNT:
		if (units_parse_count(text, &value.number) != 0)
			wrong = " is not a number";
		break;
	case KIND_DURATION:
		if (units_parse_duration(text, &value.number) != 0 || value.number <= 0)
			wrong = " is not a duration such as 30s or 10m";
		break;
	case KIND_SINCE:
		value.is_id = units_parse_count(text, &value.number) == 0;
		if (!value.is_id && units_parse_duration(text, &value.number) != 0)
			wrong = " is neither a duration such as 10m nor the id of an event";
		break;
	case KIND_SIGNAL:
		if (units_parse_signal(text, &signal) != 0)
			wrong = " is not a signal";
		value.number = signal;
		break;
	case KIND_SHELL:
		if (strcmp(text, "bash") != 0 && strcmp(text, "zsh") != 0 &&
		    strcmp(text, "fish") != 0)
			wrong = " is not one of bash, zsh and fish";
		break;
	case KIND_NONE:
	case KIND_SERVICE:
	case KIND_WORKER:
	case KIND_TARGET:
	case KIND_SOURCE:
	case KIND_PINNED:
	case KIND_COMMAND:
	case KIND_PROGRAM:
	case KIND_FILE:
	case KIND_COLOR:
		break;
	}
	if (!wrong) {
		*ret = value;
		return COMMAND_OK;
	}
	quote_add(error, text);
	strbuf_add(error, wrong);
	if (kind == KIND_SIGNAL)
		add_nearest_signal(error, text);
	return COMMAND_BAD;
}

/* The second word of a command's name, as in `help reload abort`. */
static bool read_second_word(struct request_value *value, const char *text)
{
	char *const words[] = { (char *)(uintptr_t)value->text, (char *)(uintptr_t)text };
	const struct command *named;
	size_t used = 0;

	named = match(words, ARRAY_SIZE(words), &used);
	if (used == ARRAY_SIZE(words))
		value->text = named->name;
	return used == ARRAY_SIZE(words);
}

static enum command_result read_argument(struct request *r, const char *text, struct strbuf *error)
{
	const struct command *c = r->command;

	for (size_t i = 0; i < COMMAND_ARGUMENTS && c->arguments[i].kind != KIND_NONE; i++) {
		if (r->arguments[i].text && c->arguments[i].kind == KIND_COMMAND &&
		    read_second_word(&r->arguments[i], text))
			return COMMAND_OK;
		if (r->arguments[i].text)
			continue;
		if (read_value(c->arguments[i].kind, text, &r->arguments[i], error) == COMMAND_OK)
			return COMMAND_OK;
		return wrong_form(c, error);
	}
	quote_add(error, text);
	strbuf_addf(error, " is one argument too many for %s", c->name);
	return wrong_form(c, error);
}

static bool is_option(const struct command_option *o, const char *word)
{
	size_t len = strlen(o->name);

	if (o->letter && word[1] == o->letter && !word[2])
		return true;
	return !strncmp(word, o->name, len) && (!word[len] || word[len] == '=');
}

static enum command_result unknown_option(const struct command *c, const char *word,
					  struct strbuf *error)
{
	const char *names[COMMAND_OPTIONS], *near;
	size_t n = 0;

	for (; n < COMMAND_OPTIONS && c->options[n].name; n++)
		names[n] = c->options[n].name;
	near = nearest(word, names, n);
	strbuf_addf(error, "%s has no option ", c->name);
	quote_add(error, word);
	if (near)
		strbuf_addf(error, " (did you mean %s?)", near);
	return wrong_form(c, error);
}

/* @words[0] begins with "-". COMMAND_OK: *@ret_used words are read. */
static enum command_result read_option(struct request *r, char *const *words, size_t n,
				       size_t *ret_used, struct strbuf *error)
{
	const struct command *c = r->command;
	const char *equals = strchr(words[0], '='), *value;

	for (size_t i = 0; i < COMMAND_OPTIONS && c->options[i].name; i++) {
		const struct command_option *o = &c->options[i];

		if (!is_option(o, words[0]))
			continue;
		*ret_used = 1;
		if (o->value == KIND_NONE) {
			if (equals) {
				strbuf_addf(error, "%s takes no value", o->name);
				return wrong_form(c, error);
			}
			r->options[i].text = words[0];
			return COMMAND_OK;
		}
		if (!equals && n < 2) {
			strbuf_addf(error, "%s needs %s", o->name, o->value_name);
			return wrong_form(c, error);
		}
		value = equals ? equals + 1 : words[1];
		*ret_used = equals ? 1 : 2;
		if (read_value(o->value, value, &r->options[i], error) == COMMAND_OK)
			return COMMAND_OK;
		return wrong_form(c, error);
	}
	return unknown_option(c, words[0], error);
}

static enum command_result check_complete(const struct request *r, struct strbuf *error)
{
	const struct command *c = r->command;

	for (size_t i = 0; i < COMMAND_ARGUMENTS && c->arguments[i].kind != KIND_NONE; i++)
		if (!c->arguments[i].optional && !r->arguments[i].text) {
			strbuf_addf(error, "%s needs %s", c->name, c->arguments[i].name);
			return wrong_form(c, error);
		}
	return COMMAND_OK;
}

enum command_result command_parse(char *const *words, size_t n, struct request *ret,
				  struct strbuf *error)
{
	enum command_result result = COMMAND_OK;
	struct request r = { 0 };
	size_t at = 0, used;

	if (n == 0) {
		strbuf_add(error, "no command was given; help shows all");
		return COMMAND_BAD;
	}
	r.command = match(words, n, &at);
	if (!r.command)
		return unknown(words[0], error);
	for (; at < n && result == COMMAND_OK; at += used) {
		used = 1;
		if (!strcmp(words[at], "--") && r.command->rest) {
			r.rest = words + at + 1;
			break;
		}
		if (words[at][0] == '-' && words[at][1])
			result = read_option(&r, words + at, n - at, &used, error);
		else
			result = read_argument(&r, words[at], error);
	}
	if (result == COMMAND_OK)
		result = check_complete(&r, error);
	if (result == COMMAND_OK)
		*ret = r;
	return result;
}

/* --- asking a request ---------------------------------------------------------------- */

const struct request_value *request_option(const struct request *r, const char *name)
{
	for (size_t i = 0; i < COMMAND_OPTIONS && r->command->options[i].name; i++)
		if (!strcmp(r->command->options[i].name, name))
			return &r->options[i];
	assert(!"an option that is not in the table");
	return NULL;
}

bool request_has(const struct request *r, const char *name)
{
	return request_option(r, name)->text != NULL;
}

enum command_right request_right(const struct request *r)
{
	for (size_t i = 0; i < COMMAND_OPTIONS && r->command->options[i].name; i++)
		if (r->options[i].text && r->command->options[i].reads_only)
			return RIGHT_READ;
	return r->command->right;
}
