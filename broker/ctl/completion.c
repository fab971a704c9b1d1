#include "ask.h"

#define TEXT_MAX (16 << 20)

/*
 * The files completion.bash, completion.zsh and completion.fish, which the Makefile makes C strings
 * of.
 */
extern const char completion_bash[], completion_zsh[], completion_fish[];

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

enum ctl_exit ctl_completion(struct ctl *ctl)
{
	const char *shell = ctl->request.arguments[0].text;

	out_text(!strcmp(shell, "fish")	 ? completion_fish
		 : !strcmp(shell, "zsh") ? completion_zsh
					 : completion_bash);
	return CTL_OK;
}

/* --- reading the line ---------------------------------------------------------------------- */

struct line {
	const struct command *command;	     /* before the cursor; NULL: none yet */
	size_t n_arguments;		     /* of the command, before the cursor */
	const struct command_option *option; /* its value belongs at the cursor; NULL: none */
	bool is_rest;			     /* the cursor is behind "--", or a program */
	struct client_options find;	     /* the broker that the line names */
};

static const struct command unknown = { .name = "?" };

/* Option @word, if its value is the word after it; else NULL. */
static const struct command_option *option_of(const struct line *l, const char *word)
{
	const struct command_option *options = l->command ? l->command->options : own_options;
	size_t n = l->command ? COMMAND_OPTIONS : ARRAY_SIZE(own_options);

	for (size_t i = 0; i < n && options[i].name; i++)
		if (options[i].value != KIND_NONE && !strcmp(options[i].name, word))
			return &options[i];
	return NULL;
}

static void read_word(struct line *l, const char *word)
{
	const struct command *longer = NULL;

	/* "abort" after "reload" makes another command of it. */
	if (l->n_arguments == 0)
		longer = command_find_longer(l->command, word);
	if (l->option) {
		if (!strcmp(l->option->name, "-c"))
			l->find.file = word;
		else if (!strcmp(l->option->name, "-s"))
			l->find.socket = word;
		l->option = NULL;
	} else if (!strcmp(word, "--") && l->command && l->command->rest) {
		l->is_rest = true;
	} else if (word[0] == '-') {
		l->option = option_of(l, word);
	} else if (!l->command) {
		l->command = command_find(word);
		if (!l->command)
			l->command = &unknown;
	} else if (longer) {
		l->command = longer;
	} else {
		l->n_arguments++;
		l->is_rest = command_takes_rest(l->command);
	}
}

/* What belongs at the cursor, if no option does. */
static enum command_kind kind_of(const struct line *l)
{
	if (l->is_rest)
		return l->command->arguments[0].kind == KIND_FILE ? KIND_FILE : KIND_PROGRAM;
	if (l->option)
		return l->option->value;
	if (!l->command)
		return KIND_COMMAND;
	if (l->n_arguments < COMMAND_ARGUMENTS)
		return l->command->arguments[l->n_arguments].kind;
	return KIND_NONE;
}

/* --- the candidates ---------------------------------------------------------------------- */

static void add(struct strbuf *out, const char *candidate, const char *description)
{
	strbuf_addf(out, "%s%s%s\n", candidate, description ? "\t" : "",
		    description ? description : "");
}

/* What may follow the words @first, which may be empty, in the names of commands. */
static void add_commands(struct strbuf *out, const char *first)
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

static void add_options(const struct command_option *options, size_t n, struct strbuf *out)
{
	for (size_t i = 0; i < n && options[i].name; i++) {
		const char letter[] = { '-', options[i].letter, '\0' };

		if (letter[1])
			add(out, letter, options[i].help);
		add(out, options[i].name, options[i].help);
	}
}

/* The services, or the workers. Each name once: in a reload two generations have a worker. */
static void add_names(const struct view *names, const char *type, struct strbuf *out)
{
	const struct view_row *row = NULL, *first;

	while ((row = view_next(names, NULL, type, row))) {
		const char *name = json_doc_text(row->object, type);

		first = view_next(names, NULL, type, NULL);
		while (!json_doc_is(first->object, type, name))
			first = view_next(names, NULL, type, first);
		if (first == row)
			add(out, name, NULL);
	}
}

static void add_values(struct ctl *ctl, enum command_kind kind, struct strbuf *out)
{
	static const char *const fixed[] = {
		[KIND_SIGNAL] = "HUP\nINT\nQUIT\nUSR1\nUSR2\nTERM\nSTOP\nCONT\nKILL\nWINCH\n",
		[KIND_PINNED] = "all\n",
		[KIND_SHELL] = "bash\nzsh\nfish\n",
		[KIND_PROGRAM] = ":programs\n",
		[KIND_FILE] = ":files\n",
		[KIND_PATH] = ":files\n",
		[KIND_COLOR] = "auto\nalways\nnever\n",
	};
	struct ask ask = { .line = NULL };
	bool services = kind == KIND_SERVICE || kind == KIND_TARGET;
	bool workers = kind == KIND_WORKER || kind == KIND_TARGET || kind == KIND_PINNED;

	if (kind < ARRAY_SIZE(fixed) && fixed[kind])
		strbuf_add(out, fixed[kind]);
	if (kind == KIND_COMMAND)
		add_commands(out, "");
	/* Without a broker there are no names; all else is completed all the same. */
	ctl->words = (char *const[]){ (char[]){ "status" } };
	ctl->n_words = 1;
	if (services || workers)
		(void)ask_run(&ask, ctl);
	if (services)
		add_names(&ctl->client.view, "service", out);
	if (workers)
		add_names(&ctl->client.view, "worker", out);
}

enum ctl_exit ctl_complete(struct ctl *ctl)
{
	char *const *words = ctl->request.rest;
	struct strbuf text = STRBUF_GROWS(TEXT_MAX);
	struct line l = { .option = NULL };
	size_t own;

	while (words && words[0] && words[1] && !l.is_rest)
		read_word(&l, *words++);
	ctl->find = l.find;
	own = l.command ? OWN_ANYWHERE : 0;
	if (words && *words && **words == '-' && !l.is_rest && !l.option) {
		if (l.command)
			add_options(l.command->options, COMMAND_OPTIONS, &text);
		add_options(own_options + own, ARRAY_SIZE(own_options) - own, &text);
	} else {
		/* The second word of a command may stand where its first argument may. */
		if (l.command && l.n_arguments == 0 && !l.option && !l.is_rest)
			add_commands(&text, l.command->name);
		add_values(ctl, kind_of(&l), &text);
	}
	out_buf(&text);
	return CTL_OK;
}
