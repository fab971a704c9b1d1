#include "command.h"

#include "base/words.h"
#include "base/units.h"

/* A table is read in columns. */
/* clang-format off */
#define ARG(k, n)      { .kind = (k), .name = (n) }
#define OPTIONAL(k, n) { .kind = (k), .name = (n), .optional = true }

#define NO_WAIT { .name = "--no-wait", .help = "return at once, without waiting" }

const struct command command_table[] = {
	{ COMMAND_STATUS, "status", RIGHT_READ, { OPTIONAL(KIND_TARGET, "SERVICE|WORKER") },
	  .help = "show what the broker is doing, and why",
	  .more = "A line for each worker: what it does and for how long, how many connections it "
		  "was given, wait for it and are open in it, and in words why it is not simply "
		  "ready. Then the listeners, the pins, and the ledger of all connections." },
	{ COMMAND_TOP, "top", RIGHT_LOCAL, { OPTIONAL(KIND_SERVICE, "SERVICE") },
	  .help = "show the same as a live screen; q quits" },
	{ COMMAND_EVENTS, "events", RIGHT_READ, { OPTIONAL(KIND_TARGET, "SERVICE|WORKER") },
	  .options = { { .name = "--follow", .letter = 'f', .help = "keep printing new events" },
		       { .name = "--since", .value = KIND_SINCE, .value_name = "DURATION|ID",
			 .help = "show only events of the last DURATION, or after event ID" } },
	  .help = "show what has happened: starts, exits, reloads, limits",
	  .more = "The broker keeps the latest events, at most a thousand. With --follow alone "
		  "only new ones are shown." },

	{ COMMAND_RELOAD, "reload", RIGHT_STEER, { OPTIONAL(KIND_SERVICE, "SERVICE") },
	  .options = { NO_WAIT,
		       { .name = "--plan", .reads_only = true,
			 .help = "show what the changed file would do, and change nothing" },
		       { .name = "--accept-fewer-ports",
			 .help = "the new version gives up a port that the old one listens on" } },
	  .help = "read the configuration again and replace the workers one after another",
	  .more = "Waits until all new workers serve and their probation is over. Exit status 0 "
		  "means that they do; 4 means that a new worker did not start, took no "
		  "connections or ended: the old ones go on serving." },
	{ COMMAND_RELOAD_ABORT, "reload abort", RIGHT_STEER, { OPTIONAL(KIND_SERVICE, "SERVICE") },
	  .help = "abort a reload that is under way and bring the old workers back" },
	{ COMMAND_ROLLBACK, "rollback", RIGHT_STEER, { OPTIONAL(KIND_SERVICE, "SERVICE") },
	  .help = "bring back the workers that the last reload replaced, within rollback_window" },
	{ COMMAND_SCALE, "scale", RIGHT_STEER, { ARG(KIND_SERVICE, "SERVICE"), ARG(KIND_COUNT, "N") },
	  .help = "run N workers until the next reload" },
	{ COMMAND_RESTART, "restart", RIGHT_STEER, { ARG(KIND_WORKER, "WORKER") },
	  .options = { NO_WAIT },
	  .help = "replace one worker with a new process" },
	{ COMMAND_HOLD, "hold", RIGHT_STEER, { ARG(KIND_WORKER, "WORKER") },
	  .options = { { .name = "--move", .help = "its connections go on with others" } },
	  .help = "take a worker out of the round; it finishes its connections" },
	{ COMMAND_RELEASE, "release", RIGHT_STEER, { ARG(KIND_WORKER, "WORKER") },
	  .help = "put a held worker back into the round" },
	{ COMMAND_PAUSE, "pause", RIGHT_STEER, { ARG(KIND_SERVICE, "SERVICE") },
	  .help = "drain all workers of a service; new clients wait until it is started" },
	{ COMMAND_START, "start", RIGHT_STEER, { ARG(KIND_SERVICE, "SERVICE") },
	  .options = { NO_WAIT },
	  .help = "start a service that was paused or stopped" },
	{ COMMAND_STOP, "stop", RIGHT_STEER, { OPTIONAL(KIND_SERVICE, "SERVICE") },
	  .options = { { .name = "--now", .help = "do not wait for open connections" },
		       NO_WAIT,
		       { .name = "--timeout", .value = KIND_DURATION, .value_name = "DURATION",
			 .help = "wait no longer for the end of the broker" } },
	  .help = "stop a service, or the broker with all workers",
	  .more = "A service that is stopped refuses clients until it is started, or a reload. "
		  "Without SERVICE, waits until the broker has ended. Exit status 0 means that it "
		  "has ended in order; 5, that something was cut off; 6, that it goes on stopping "
		  "after --timeout." },
	{ COMMAND_UPGRADE, "upgrade", RIGHT_STEER, { OPTIONAL(KIND_PATH, "PROGRAM") },
	  .help = "let another program go on as the broker, with all workers and connections",
	  .more = "PROGRAM is an absolute path; without it, the file that the broker was started "
		  "from. It is tried first: if it would not do, the broker goes on as it is." },
	{ COMMAND_SIGNAL, "signal", RIGHT_STEER, { ARG(KIND_WORKER, "WORKER"), ARG(KIND_SIGNAL, "SIGNAL") },
	  .help = "send a signal to the main process of a worker" },

	{ COMMAND_DEBUG, "debug", RIGHT_STEER, { ARG(KIND_WORKER, "WORKER") },
	  .options = { { .name = "--from", .value = KIND_SOURCE, .value_name = "CIDR",
			 .help = "send connections from this source to the worker, and no others" } },
	  .rest = "DEBUGGER [ARGUMENT]...",
	  .help = "hold a worker, attach a debugger, and release the worker when the debugger ends",
	  .more = "Without DEBUGGER it is debug_command of the service (gdb). The process id takes "
		  "the place of {pid}, or is put where gdb, lldb, strace, perf and gdbserver want "
		  "it. The others serve meanwhile. With mode = inetd it waits for the next "
		  "connection, and debugs the process that has it." },
	{ COMMAND_PIN, "pin", RIGHT_STEER, { ARG(KIND_SOURCE, "CIDR"), ARG(KIND_WORKER, "WORKER") },
	  .options = { { .name = "--for", .value = KIND_DURATION, .value_name = "DURATION",
			 .help = "how long; the default is until unpin" } },
	  .help = "send all connections from a source to one worker, even if it is held" },
	{ COMMAND_NEXT, "next", RIGHT_STEER, { ARG(KIND_WORKER, "WORKER") },
	  .help = "send the next connection from an unpinned source to this worker" },
	{ COMMAND_UNPIN, "unpin", RIGHT_STEER, { ARG(KIND_PINNED, "CIDR|WORKER|all") },
	  .help = "remove a pin" },
	{ COMMAND_PINS, "pins", RIGHT_READ,
	  .help = "show which sources are pinned to which workers" },

	{ COMMAND_CONFIG, "config", RIGHT_READ,
	  .help = "show the configuration in force, and where the file differs" },
	{ COMMAND_DOCTOR, "doctor", RIGHT_LOCAL, { ARG(KIND_PROGRAM, "COMMAND|PID") },
	  .rest = "ARGUMENT...",
	  .help = "tell whether a program can be served, how, and what it listens on" },
	{ COMMAND_CONVERT, "convert", RIGHT_LOCAL, { ARG(KIND_FILE, "FILE") },
	  .rest = "FILE...",
	  .help = "print a broker.ini for inetd.conf, or files of xinetd",
	  .more = "What has no counterpart is a comment that says what to do instead. Mistakes in "
		  "the files go to standard error, too." },
	{ COMMAND_COMPLETION, "completion", RIGHT_LOCAL, { ARG(KIND_SHELL, "bash|zsh|fish") },
	  .help = "print a completion script for a shell" },
	{ COMMAND_COMPLETE, "complete", RIGHT_LOCAL,
	  .rest = "WORD...",
	  .hidden = true,
	  .help = "print candidates for the last WORD: used by shell completion" },
	{ COMMAND_HELP, "help", RIGHT_READ, { OPTIONAL(KIND_COMMAND, "COMMAND") },
	  .help = "list the commands, or describe one" },
	{ COMMAND_JOIN, "join", RIGHT_STEER, { ARG(KIND_SERVICE, "SERVICE") },
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

void command_usage(const struct command *c, struct strbuf *out)
{
	strbuf_add(out, c->name);
	for (size_t i = 0; i < COMMAND_ARGUMENTS && c->arguments[i].kind != KIND_NONE; i++)
		strbuf_addf(out, c->arguments[i].optional ? " [%s]" : " %s", c->arguments[i].name);
	for (size_t i = 0; i < COMMAND_OPTIONS && c->options[i].name; i++) {
		const struct command_option *o = &c->options[i];
		const char letter[] = { '-', o->letter, '|', '\0' };

		strbuf_addf(out, " [%s%s%s%s]", o->letter ? letter : "", o->name,
			    o->value_name ? " " : "", o->value_name ? o->value_name : "");
	}
	if (c->rest)
		strbuf_addf(out, command_takes_rest(c) ? " [%s]" : " [-- %s]", c->rest);
}

const struct command *command_find_longer(const struct command *c, const char *word)
{
	STRBUF(name, 128);

	strbuf_addf(&name, "%s %s", c ? c->name : "", word);
	return command_find(name.text);
}

/* What people type to whom systemctl, nginx or PM2 has been at hand. */
static const struct synonym elsewhere[] = {
	{ "ps", "status" },	      { "list", "status" },
	{ "ls", "status" },	      { "show", "status" },
	{ "info", "status" },	      { "describe", "status" },
	{ "monit", "top" },	      { "logs", "events --follow" },
	{ "log", "events --follow" }, { "resume", "start" },
	{ "kill", "signal" },	      { "quit", "stop" },
	{ "exit", "stop" },	      { "undo", "rollback" },
	{ "env", "config" },	      { 0 },
};

static void add_unknown(const char *word, struct strbuf *error)
{
	const char *names[ARRAY_SIZE(command_table)], *near;
	size_t n = 0;

	for (size_t i = 0; i < command_count; i++)
		if (!command_table[i].hidden)
			names[n++] = command_table[i].name;
	near = synonym_find(elsewhere, word);
	if (!near)
		near = nearest(word, names, n);
	strbuf_addf(error, "there is no command %s", strbuf_quote(word).text);
	if (near)
		strbuf_addf(error, "; did you mean %s?", near);
	else
		strbuf_add(error, "; help shows all");
}

/* Names are looked up by the broker. 0; here and below -EINVAL with @error, without the usage. */
static int read_value(enum command_kind kind, const char *text, struct request_value *ret,
		      struct strbuf *error)
{
	const char *near;
	int signal;

	ret->text = text;
	if (kind == KIND_COUNT && units_parse_count(text, &ret->number) != 0)
		return strbuf_refuse(error, text, "is not a number");
	if (kind == KIND_DURATION &&
	    (units_parse(units_durations, text, &ret->number) != 0 || ret->number <= 0))
		return strbuf_refuse(error, text, "is not a duration such as 30s or 10m");
	if (kind == KIND_SINCE) {
		ret->is_id = units_parse_count(text, &ret->number) == 0;
		if (!ret->is_id && units_parse(units_durations, text, &ret->number) != 0)
			return strbuf_refuse(error, text,
					     "is neither a duration such as 10m nor the id of an "
					     "event");
	}
	if (kind == KIND_SIGNAL) {
		if (units_parse_signal(text, &signal) != 0) {
			near = nearest_signal(text);
			return strbuf_refuse(error, text, "is not a signal%s%s%s",
					     near ? "; did you mean " : "", near ? near : "",
					     near ? "?" : "");
		}
		ret->number = signal;
	}
	if (kind == KIND_SHELL && strcmp(text, "bash") != 0 && strcmp(text, "zsh") != 0 &&
	    strcmp(text, "fish") != 0)
		return strbuf_refuse(error, text, "is not one of bash, zsh and fish");
	return 0;
}

static int read_argument(struct request *r, const char *text, struct strbuf *error)
{
	const struct command_argument *arguments = r->command->arguments;

	for (size_t i = 0; i < COMMAND_ARGUMENTS && arguments[i].kind != KIND_NONE; i++) {
		struct request_value *value = &r->arguments[i];
		const struct command *named;

		if (!value->text)
			return read_value(arguments[i].kind, text, value, error);
		if (arguments[i].kind != KIND_COMMAND)
			continue;
		/* The second word of a name, as in `help reload abort`. */
		named = command_find_longer(command_find(value->text), text);
		if (named) {
			value->text = named->name;
			return 0;
		}
	}
	return strbuf_refuse(error, text, "is one argument too many for %s", r->command->name);
}

/* The place of the option that @word names, as -f or --since=10m do. COMMAND_OPTIONS: of none. */
static size_t find_option(const struct command *c, const char *word)
{
	for (size_t i = 0; i < COMMAND_OPTIONS && c->options[i].name; i++) {
		const struct command_option *o = &c->options[i];
		size_t len = strlen(o->name);

		if ((o->letter && word[1] == o->letter && !word[2]) ||
		    (!strncmp(word, o->name, len) && (!word[len] || word[len] == '=')))
			return i;
	}
	return COMMAND_OPTIONS;
}

static int unknown_option(const struct command *c, const char *word, struct strbuf *error)
{
	const char *names[COMMAND_OPTIONS], *near;
	size_t n = 0;

	for (; n < COMMAND_OPTIONS && c->options[n].name; n++)
		names[n] = c->options[n].name;
	near = nearest(word, names, n);
	strbuf_addf(error, "%s has no option %s", c->name, strbuf_quote(word).text);
	if (near)
		strbuf_addf(error, " (did you mean %s?)", near);
	return -EINVAL;
}

/* @words[0] begins with "-". 0: *@ret_used words are read. */
static int read_option(struct request *r, char *const *words, size_t n, size_t *ret_used,
		       struct strbuf *error)
{
	const char *equals = strchr(words[0], '=');
	size_t i = find_option(r->command, words[0]);
	const struct command_option *o = &r->command->options[i];

	if (i == COMMAND_OPTIONS)
		return unknown_option(r->command, words[0], error);
	if (o->value == KIND_NONE && equals)
		return strbuf_fail(error, -EINVAL, "%s takes no value", o->name);
	*ret_used = o->value == KIND_NONE || equals ? 1 : 2;
	if (*ret_used > n)
		return strbuf_fail(error, -EINVAL, "%s needs %s", o->name, o->value_name);
	return read_value(o->value, equals ? equals + 1 : words[*ret_used - 1], &r->options[i],
			  error);
}

static int read_words(struct request *r, char *const *words, size_t n, struct strbuf *error)
{
	const struct command *c = r->command;

	for (size_t at = 0, used = 1; at < n; at += used, used = 1) {
		bool option = words[at][0] == '-' && words[at][1];
		bool ends = !strcmp(words[at], "--");

		if (c->rest && (ends || (command_takes_rest(c) && r->arguments[0].text))) {
			r->rest = words + at + ends;
			break;
		}
		if ((option ? read_option(r, words + at, n - at, &used, error)
			    : read_argument(r, words[at], error)) < 0)
			return -EINVAL;
	}
	for (size_t i = 0; i < COMMAND_ARGUMENTS && c->arguments[i].kind != KIND_NONE; i++)
		if (!c->arguments[i].optional && !r->arguments[i].text)
			return strbuf_fail(error, -EINVAL, "%s needs %s", c->name,
					   c->arguments[i].name);
	return 0;
}

enum command_result command_parse(char *const *words, size_t n, struct request *ret,
				  struct strbuf *error)
{
	const struct command *longer;
	struct request r = { 0 };
	size_t used = 1;

	if (n == 0) {
		strbuf_add(error, "no command was given; help shows all");
		return COMMAND_BAD;
	}
	r.command = command_find(words[0]);
	/* A name of two words comes as two. */
	if (!r.command || strchr(words[0], ' ')) {
		add_unknown(words[0], error);
		return COMMAND_UNKNOWN;
	}
	longer = n > 1 ? command_find_longer(r.command, words[1]) : NULL;
	if (longer) {
		r.command = longer;
		used = 2;
	}
	if (read_words(&r, words + used, n - used, error) < 0) {
		strbuf_add(error, "; usage: ");
		command_usage(r.command, error);
		return COMMAND_BAD;
	}
	*ret = r;
	return COMMAND_OK;
}

const struct request_value *request_option(const struct request *r, const char *name)
{
	size_t i = find_option(r->command, name);

	assert(i < COMMAND_OPTIONS);
	return &r->options[i];
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
