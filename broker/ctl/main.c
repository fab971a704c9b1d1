/*
 * brokerctl - asks a running broker, and shows what it answers.
 *
 * This file reads the command line and calls the function of the command, or prints its help.
 */
#include <getopt.h>
#include "base/words.h"
#include "ctl/ask.h"

#define TEXT_MAX     (1 << 20)
#define NAME_COLUMNS 28
#define WIDTH_MAX    100 /* longer lines are hard to read, whatever the screen */

/* --- help, from the table of commands ---------------------------------------------------- */

static const char head[] =
	"usage: brokerctl [options] COMMAND [ARGUMENT]...\n"
	"\n"
	"  -c FILE          talk to the broker with this configuration file\n"
	"  -s SOCKET        talk to the broker with this control socket\n"
	"  --json           print the broker's lines of JSON: see docs/control.md\n"
	"  --color=WHEN     use colours: auto (on a terminal), always or never\n"
	"  -V, --version    print the version\n"
	"  -h, --help       print this\n"
	"\n"
	"Without -c and -s: $BROKER_CONTROL, ./broker.ini, or the only broker that runs here.\n"
	"\n";

static const char tail[] = "\n"
			   "brokerctl help COMMAND says more. Exit status: 0 done, 1 refused or "
			   "failed, 2 wrong usage,\n"
			   "3 no broker could be reached, 4 the reload was aborted, 5 the stop cut "
			   "something off,\n6 it goes on after --timeout, 130 Ctrl-C.\n";

static void add_row(struct screen *s, const char *name, const char *text)
{
	struct text_line line = text_begin(s, 2);

	line.width = TEXT_UNLIMITED;
	text_add(&line, TEXT_BOLD, name);
	/* If both do not fit in one line, the text goes below the name. */
	if (line.column + 2 > NAME_COLUMNS || NAME_COLUMNS + text_width(text) > s->columns) {
		text_end(&line);
		text_wrap(s, 8, false, text);
		return;
	}
	text_pad(&line, NAME_COLUMNS);
	text_add(&line, TEXT_PLAIN, text);
	text_end(&line);
}

static void add_all(struct screen *s)
{
	strbuf_add(s->out, head);
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &command_table[i];
		STRBUF(name, 128);

		if (c->hidden)
			continue;
		/* Its arguments, but not its options: those are in its own help. */
		strbuf_add(&name, c->name);
		for (size_t a = 0; a < COMMAND_ARGUMENTS && c->arguments[a].kind; a++)
			strbuf_addf(&name, c->arguments[a].optional ? " [%s]" : " %s",
				    c->arguments[a].name);
		add_row(s, name.text, c->help);
	}
	strbuf_add(s->out, tail);
}

/* The help of @c, or of all commands if it is NULL. */
static void print_help(const struct command *c)
{
	struct strbuf text = STRBUF_GROWS(TEXT_MAX);
	struct screen s = out_screen(&text);
	STRBUF(usage, 512);

	if (s.columns > WIDTH_MAX)
		s.columns = WIDTH_MAX;
	if (!c) {
		add_all(&s);
		out_buf(&text);
		return;
	}
	command_usage(c, &usage);
	strbuf_addf(&text, "usage: brokerctl %s\n\n", usage.text);
	text_wrap(&s, 0, false, c->help);
	text_add_lines(&s, "", c->options[0].name ? "\n" : "");
	for (size_t i = 0; i < COMMAND_OPTIONS && c->options[i].name; i++) {
		const struct command_option *o = &c->options[i];
		STRBUF(name, 128);

		if (o->letter)
			strbuf_addf(&name, "-%c, ", o->letter);
		strbuf_add(&name, o->name);
		if (o->value != KIND_NONE)
			strbuf_addf(&name, " %s", o->value_name);
		add_row(&s, name.text, o->help);
	}
	text_add_lines(&s, "", c->more ? "\n" : "");
	text_wrap(&s, 0, false, c->more ? c->more : "");
	out_buf(&text);
}

static enum ctl_exit help(struct ctl *ctl)
{
	const char *name = ctl->request.arguments[0].text;
	char *const words[] = { (char *)(uintptr_t)name, NULL };
	size_t len = name ? strlen(name) : 0;
	struct request request;
	STRBUF(error, 512);

	if (!name) {
		print_help(NULL);
		return CTL_OK;
	}
	if (!command_find(name)) {
		/* This fails, with the same words as for any unknown command. */
		(void)command_parse(words, 1, &request, &error);
		out_error("%s", error.text);
		return CTL_USAGE;
	}
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &command_table[i];

		/* "reload" shows "reload abort" too. */
		if (strncmp(c->name, name, len) != 0 || (c->name[len] && c->name[len] != ' '))
			continue;
		if (c->name[len])
			out_text("\n");
		print_help(c);
	}
	return CTL_OK;
}

/* --- the command line -------------------------------------------------------------------- */

/*
 * Takes our own options out of the words of the command, up to a NULL: people write `status
 * --json`. What follows "--" is not ours, nor are the words behind a program and its first
 * argument. False: what is wrong was printed.
 */
static bool take_own_options(char **words, struct ctl *ctl)
{
	const struct command *c = *words ? command_find(*words) : NULL;
	size_t kept = 0;
	bool ours = true;

	ctl->words = words;
	for (char **next = words, *word; (word = *next); next++) {
		if (!strcmp(word, "--") || (kept > 2 && c && command_takes_rest(c)))
			ours = false;
		if (ours && !strcmp(word, "--json"))
			ctl->json = true;
		else if (ours && (!strcmp(word, "--help") || !strcmp(word, "-h")))
			ctl->help = true;
		else if (!ours || strncmp(word, "--color=", 8) != 0)
			words[kept++] = word;
		else if (!out_init(word + 8))
			return false;
	}
	words[kept] = NULL;
	ctl->n_words = kept;
	return true;
}

static const struct option longs[] = {
	{ "json", no_argument, NULL, 'J' }, /* this and C are long only */
	{ "color", required_argument, NULL, 'C' }, { "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },	   { NULL, 0, NULL, 0 },
};

static void say_unknown_option(const char *word)
{
	const char *names[ARRAY_SIZE(longs)], *near = NULL;
	STRBUF(name, 64);
	size_t n = 0;

	for (; longs[n].name; n++)
		names[n] = longs[n].name;
	if (!strncmp(word, "--", 2)) {
		strbuf_add_bytes(&name, word + 2, strcspn(word + 2, "="));
		near = nearest(name.text, names, n);
	}
	if (near)
		out_error("there is no option %s; did you mean --%s?", word, near);
	else
		out_error("there is no option %s; see brokerctl --help", word);
}

/* False: what is wrong was printed. */
static bool parse_options(int argc, char **argv, struct ctl *ctl)
{
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:c:s:Vh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			ctl->find.file = optarg;
			break;
		case 's':
			ctl->find.socket = optarg;
			break;
		case 'J':
			ctl->json = true;
			break;
		case 'C':
			if (!out_init(optarg))
				return false;
			break;
		case 'V':
			ctl->version = true;
			break;
		case 'h':
			ctl->help = true;
			break;
		case ':':
			out_error("%s needs a value; see brokerctl --help", argv[optind - 1]);
			return false;
		default:
			say_unknown_option(argv[optind - 1]);
			return false;
		}
	}
	if (ctl->find.file && ctl->find.socket) {
		out_error("-c and -s both name a broker: use only one of them");
		return false;
	}
	return true;
}

/* All others are asked of the broker, and what it answers is shown. */
static enum ctl_exit (*const commands[])(struct ctl *ctl) = {
	[COMMAND_TOP] = ctl_top,	   [COMMAND_STOP] = ctl_stop,
	[COMMAND_DEBUG] = ctl_debug,	   [COMMAND_DOCTOR] = ctl_doctor,
	[COMMAND_CONVERT] = ctl_convert,   [COMMAND_COMPLETION] = ctl_completion,
	[COMMAND_COMPLETE] = ctl_complete, [COMMAND_HELP] = help,
};

static enum ctl_exit run(struct ctl *ctl)
{
	enum command_id id;
	STRBUF(error, 1024);

	if (ctl->version) {
		out_text("brokerctl " BROKER_VERSION "\n");
		return CTL_OK;
	}
	if (ctl->help) {
		print_help(ctl->n_words ? command_find(ctl->words[0]) : NULL);
		return CTL_OK;
	}
	if (command_parse(ctl->words, ctl->n_words, &ctl->request, &error) != COMMAND_OK) {
		out_error("%s", error.text);
		return CTL_USAGE;
	}
	/* The broker does not get "--" and the words after it. */
	if (ctl->request.rest)
		ctl->n_words = (size_t)(ctl->request.rest - ctl->words) - 1;
	id = ctl->request.command->id;
	return (id < ARRAY_SIZE(commands) && commands[id] ? commands[id] : ctl_show)(ctl);
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .client = CLIENT_INIT };
	enum ctl_exit code = CTL_USAGE;
	int r;

	(void)out_init("auto");
	if (parse_options(argc, argv, &ctl) && take_own_options(argv + optind, &ctl))
		code = run(&ctl);
	client_close(&ctl.client);
	r = out_flush();
	if (r == 0)
		return code;
	out_error("cannot write: %s", strerror(-r));
	return code == CTL_OK ? CTL_FAILED : code;
}
