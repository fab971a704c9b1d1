#include "completion_text.h"

#include <string.h>

/* The shell completes these itself. */
#define FILES	 ":files"
#define PROGRAMS ":programs"

/* Of brokerctl itself. Those before OWN_ANYWHERE must stand before the command. */
static const struct command_option own_options[] = {
	{ .name = "-c", .value = KIND_FILE },
	{ .name = "-s", .value = KIND_FILE },
	{ .name = "--color", .value = KIND_COLOR },
	{ .name = "--version" },
	{ .name = "--json" },
	{ .name = "--help" },
};
#define OWN_ANYWHERE 4

/* --- reading the line ---------------------------------------------------------------------- */

/* Option @word, if its value is the word after it; else NULL. */
static const struct command_option *option_of(const struct completion *c, const char *word)
{
	const struct command_option *options = c->command ? c->command->options : own_options;
	size_t n = c->command ? COMMAND_OPTIONS : ARRAY_SIZE(own_options);

	if (c->has_command && !c->command)
		return NULL;
	for (size_t i = 0; i < n && options[i].name; i++)
		if (options[i].value != KIND_NONE && !strcmp(options[i].name, word))
			return &options[i];
	return NULL;
}

static void read_value(struct completion *c, const char *word)
{
	if (!strcmp(c->option->name, "-c"))
		c->find.file = word;
	else if (!strcmp(c->option->name, "-s"))
		c->find.socket = word;
	c->option = NULL;
}

static void read_plain_word(struct completion *c, const char *word)
{
	const struct command *longer = NULL;
	STRBUF(name, 128);

	if (!c->has_command) {
		c->has_command = true;
		c->command = command_find(word);
		return;
	}
	/* "abort" after "reload" makes another command of it. */
	if (c->command && c->n_arguments == 0) {
		strbuf_addf(&name, "%s %s", c->command->name, word);
		longer = command_find(name.text);
	}
	if (longer)
		c->command = longer;
	else
		c->n_arguments++;
}

static void read_word(struct completion *c, const char *word)
{
	if (c->is_rest)
		return;
	if (c->option)
		read_value(c, word);
	else if (!strcmp(word, "--") && c->command && c->command->rest)
		c->is_rest = true;
	else if (word[0] == '-')
		c->option = option_of(c, word);
	else
		read_plain_word(c, word);
}

static enum command_kind kind_of(const struct completion *c)
{
	if (c->is_rest)
		return KIND_PROGRAM;
	if (c->option)
		return c->option->value;
	if (!c->has_command)
		return KIND_COMMAND;
	if (c->command && c->n_arguments < COMMAND_ARGUMENTS)
		return c->command->arguments[c->n_arguments].kind;
	return KIND_NONE;
}

struct completion completion_read(char *const *words, size_t n)
{
	struct completion c = { .option = NULL };

	for (size_t i = 0; i + 1 < n; i++)
		read_word(&c, words[i]);
	c.is_option = n > 0 && words[n - 1][0] == '-' && !c.is_rest && !c.option;
	c.kind = c.is_option ? KIND_NONE : kind_of(&c);
	return c;
}

bool completion_needs_names(const struct completion *c)
{
	return c->kind == KIND_SERVICE || c->kind == KIND_WORKER || c->kind == KIND_TARGET ||
	       c->kind == KIND_PINNED;
}

/* --- the candidates ---------------------------------------------------------------------- */

static void add(struct buf *out, const char *candidate, const char *description)
{
	buf_addf(out, "%s%s%s\n", candidate, *description ? "\t" : "", description);
}

/* @words: separated by blanks. */
static void add_words(struct buf *out, const char *words)
{
	for (; *words; words += strspn(words, " ")) {
		size_t len = strcspn(words, " ");

		buf_addf(out, "%.*s\n", (int)len, words);
		words += len;
	}
}

/* What may follow the words @first, which may be empty, in the names of commands. */
static void add_commands(struct buf *out, const char *first)
{
	size_t len = strlen(first);

	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &command_table[i];
		const char *rest = c->name + len + (len > 0);

		if (!c->hidden && !strncmp(c->name, first, len) && (!len || c->name[len] == ' ') &&
		    !strchr(rest, ' '))
			add(out, rest, c->help);
	}
}

static void add_options(const struct command_option *options, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n && options[i].name; i++) {
		const char letter[] = { '-', options[i].letter, '\0' };
		const char *help = options[i].help ? options[i].help : "";

		if (letter[1])
			add(out, letter, help);
		add(out, options[i].name, help);
	}
}

static void add_services(const struct view *names, struct buf *out)
{
	const struct view_row *row = NULL;

	while ((row = view_next(names, NULL, VIEW_SERVICE, row)))
		add(out, json_doc_text(row->object, "service"), "");
}

/* Each name once: in a reload two generations have it. */
static void add_workers(const struct view *names, struct buf *out)
{
	const struct view_row *row = NULL;

	while ((row = view_next(names, NULL, VIEW_WORKER, row))) {
		const char *name = json_doc_text(row->object, "worker");
		const struct view_row *first = NULL;

		do
			first = view_next(names, NULL, VIEW_WORKER, first);
		while (strcmp(json_doc_text(first->object, "worker"), name) != 0);
		if (first == row)
			add(out, name, "");
	}
}

static void add_values(enum command_kind kind, const struct view *names, struct buf *out)
{
	static const char *const fixed[] = {
		[KIND_SIGNAL] = "HUP INT QUIT USR1 USR2 TERM STOP CONT KILL WINCH",
		[KIND_PINNED] = "all",
		[KIND_SHELL] = "bash zsh fish",
		[KIND_PROGRAM] = PROGRAMS,
		[KIND_FILE] = FILES,
		[KIND_COLOR] = "auto always never",
	};

	if (kind < ARRAY_SIZE(fixed) && fixed[kind])
		add_words(out, fixed[kind]);
	if (kind == KIND_COMMAND)
		add_commands(out, "");
	if (kind == KIND_SERVICE || kind == KIND_TARGET)
		add_services(names, out);
	if (kind == KIND_WORKER || kind == KIND_TARGET || kind == KIND_PINNED)
		add_workers(names, out);
}

void completion_text(const struct completion *c, const struct view *names, struct buf *out)
{
	size_t from = c->has_command ? OWN_ANYWHERE : 0;

	if (c->is_option) {
		if (c->command)
			add_options(c->command->options, COMMAND_OPTIONS, out);
		add_options(own_options + from, ARRAY_SIZE(own_options) - from, out);
		return;
	}
	/* The second word of a command may stand where its first argument may. */
	if (c->command && c->n_arguments == 0 && !c->option && !c->is_rest)
		add_commands(out, c->command->name);
	add_values(c->kind, names, out);
}
