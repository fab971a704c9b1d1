#include "completion_text.h"

#include <string.h>

#define FILES	 ":files"
#define PROGRAMS ":programs"

static const char bash_script[] =
	"# bash completion of brokerctl: source <(brokerctl completion bash)\n"
	"_brokerctl() {\n"
	"\tlocal current=${COMP_WORDS[COMP_CWORD]} candidate\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS= read -r candidate; do\n"
	"\t\tcase $candidate in\n"
	"\t\t" FILES ") compopt -o filenames; COMPREPLY+=($(compgen -f -- \"$current\")) ;;\n"
	"\t\t" PROGRAMS ") COMPREPLY+=($(compgen -c -- \"$current\")) ;;\n"
	"\t\t\"$current\"*) COMPREPLY+=(\"${candidate%%$'\\t'*}\") ;;\n"
	"\t\tesac\n"
	"\tdone < <(brokerctl complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
	"}\n"
	"complete -F _brokerctl brokerctl\n";

static const char zsh_script[] =
	"#compdef brokerctl\n"
	"# zsh completion of brokerctl: source <(brokerctl completion zsh), behind compinit\n"
	"_brokerctl() {\n"
	"\tlocal candidate\n"
	"\tlocal -a found\n"
	"\twhile IFS= read -r candidate; do\n"
	"\t\tcase $candidate in\n"
	"\t\t" FILES ") _files ;;\n"
	"\t\t" PROGRAMS ") _command_names -e ;;\n"
	"\t\t*) found+=(\"${candidate%%$'\\t'*}\") ;;\n"
	"\t\tesac\n"
	"\tdone < <(brokerctl complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
	"\tcompadd -a found\n"
	"}\n"
	"compdef _brokerctl brokerctl\n";

static const char fish_script[] =
	"# fish completion of brokerctl: brokerctl completion fish | source\n"
	"function __brokerctl_complete\n"
	"\tset -l words (commandline -opc) (commandline -ct)\n"
	"\tfor candidate in (brokerctl complete -- $words[2..-1] 2>/dev/null)\n"
	"\t\tswitch $candidate\n"
	"\t\t\tcase " FILES "\n"
	"\t\t\t\t__fish_complete_path (commandline -ct)\n"
	"\t\t\tcase " PROGRAMS "\n"
	"\t\t\t\t__fish_complete_command\n"
	"\t\t\tcase '*'\n"
	"\t\t\t\tprintf '%s\\n' $candidate\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"complete -c brokerctl -f -a '(__brokerctl_complete)'\n";

const char *completion_script(const char *shell)
{
	if (!strcmp(shell, "fish"))
		return fish_script;
	return !strcmp(shell, "zsh") ? zsh_script : bash_script;
}

/* --- reading the line ------------------------------------------------------------------- */

/* What follows option @word: its value, or again any word. */
static enum completion_place place_after(struct completion *c, const char *word)
{
	if (!c->has_command && !strcmp(word, "-c"))
		return PLACE_FILE;
	if (!c->has_command && !strcmp(word, "-s"))
		return PLACE_SOCKET;
	if (!c->has_command && !strcmp(word, "--color"))
		return PLACE_COLOR;
	if (!c->command)
		return PLACE_WORD;
	if (!strcmp(word, "--"))
		return c->command->rest ? PLACE_REST : PLACE_WORD;
	for (size_t i = 0; i < COMMAND_OPTIONS && c->command->options[i].name; i++) {
		const struct command_option *o = &c->command->options[i];

		if (o->value != KIND_NONE && !strcmp(o->name, word)) {
			c->kind = o->value;
			return PLACE_VALUE;
		}
	}
	return PLACE_WORD;
}

static void read_command_word(struct completion *c, const char *word)
{
	const struct command *found;
	STRBUF(name, 128);

	/* "abort" behind "reload" makes another command of it. */
	strbuf_addf(&name, "%s%s%s", c->command ? c->command->name : "", c->command ? " " : "",
		    word);
	found = c->has_command && (!c->command || c->n_arguments) ? NULL : command_find(name.text);
	if (c->has_command && !found)
		c->n_arguments++;
	else
		c->command = found && !found->hidden ? found : NULL;
	c->has_command = true;
}

static void read_word(struct completion *c, const char *word)
{
	switch (c->place) {
	case PLACE_WORD:
		if (word[0] == '-')
			c->place = place_after(c, word);
		else
			read_command_word(c, word);
		return;
	case PLACE_FILE:
		c->find.file = word;
		break;
	case PLACE_SOCKET:
		c->find.socket = word;
		break;
	case PLACE_COLOR:
	case PLACE_VALUE:
		break;
	case PLACE_REST:
		return;
	}
	c->place = PLACE_WORD;
}

struct completion completion_read(char *const *words, size_t n)
{
	struct completion c = { .place = PLACE_WORD };

	for (size_t i = 0; i + 1 < n; i++)
		read_word(&c, words[i]);
	if (c.place == PLACE_REST)
		c.kind = KIND_PROGRAM;
	if (c.place != PLACE_WORD)
		return c;
	c.is_option = n > 0 && words[n - 1][0] == '-';
	c.kind = KIND_NONE;
	if (!c.has_command)
		c.kind = KIND_COMMAND;
	else if (c.command && c.n_arguments < COMMAND_ARGUMENTS)
		c.kind = c.command->arguments[c.n_arguments].kind;
	return c;
}

bool completion_needs_names(const struct completion *c)
{
	return !c->is_option && (c->kind == KIND_SERVICE || c->kind == KIND_WORKER ||
				 c->kind == KIND_TARGET || c->kind == KIND_PINNED);
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

static void add_options(const struct command *c, struct buf *out)
{
	for (size_t i = 0; c && i < COMMAND_OPTIONS && c->options[i].name; i++) {
		const char letter[] = { '-', c->options[i].letter, '\0' };

		if (letter[1])
			add(out, letter, c->options[i].help);
		add(out, c->options[i].name, c->options[i].help);
	}
	add_words(out, "--json --help");
}

static void add_services(const struct view *names, struct buf *out)
{
	for (size_t i = 0; i < names->n_services; i++)
		add(out, names->services[i].name, "");
}

/* Each name once: in a reload two generations have it. */
static void add_workers(const struct view *names, struct buf *out)
{
	for (size_t i = 0; i < names->n_workers; i++) {
		size_t before = 0;

		while (strcmp(names->workers[before].name, names->workers[i].name) != 0)
			before++;
		if (before == i)
			add(out, names->workers[i].name, "");
	}
}

static void add_values(enum command_kind kind, const struct view *names, struct buf *out)
{
	switch (kind) {
	case KIND_TARGET:
		add_services(names, out);
		add_workers(names, out);
		break;
	case KIND_SERVICE:
		add_services(names, out);
		break;
	case KIND_PINNED:
		add_words(out, "all");
		add_workers(names, out);
		break;
	case KIND_WORKER:
		add_workers(names, out);
		break;
	case KIND_SIGNAL:
		add_words(out, "HUP INT QUIT USR1 USR2 TERM STOP CONT KILL WINCH");
		break;
	case KIND_COMMAND:
		add_commands(out, "");
		break;
	case KIND_SHELL:
		add_words(out, "bash zsh fish");
		break;
	case KIND_PROGRAM:
		add(out, PROGRAMS, "");
		break;
	case KIND_NONE:
	case KIND_COUNT:
	case KIND_DURATION:
	case KIND_SINCE:
	case KIND_SOURCE:
		break;
	}
}

void completion_text(const struct completion *c, const struct view *names, struct buf *out)
{
	switch (c->place) {
	case PLACE_FILE:
	case PLACE_SOCKET:
		add(out, FILES, "");
		return;
	case PLACE_COLOR:
		add_words(out, "auto always never");
		return;
	case PLACE_VALUE:
	case PLACE_REST:
		break;
	case PLACE_WORD:
		if (c->is_option && !c->has_command)
			add_words(out, "-c -s --json --color --version --help");
		else if (c->is_option)
			add_options(c->command, out);
		else if (c->command && !c->n_arguments)
			add_commands(out, c->command->name);
		if (c->is_option)
			return;
	}
	add_values(c->kind, names, out);
}
