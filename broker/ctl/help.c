#include "help.h"

#include <string.h>
#include "ctl/out.h"

#define TEXT_MAX     (1 << 20)
#define NAME_COLUMNS 28
#define WIDTH_MAX    100 /* longer lines are hard to read, whatever the screen */

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
			   "3 no broker could be reached, 4 the reload was aborted, 130 Ctrl-C.\n";

static void add_row(struct screen *s, const char *name, const char *text)
{
	struct text_line line;

	(void)text_begin(&line, s, 2);
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
	buf_add_str(s->out, head);
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
	buf_add_str(s->out, tail);
}

static void add_command(const struct command *c, struct screen *s)
{
	STRBUF(usage, 512);

	command_usage(c, &usage);
	buf_addf(s->out, "usage: brokerctl %s\n\n", usage.text);
	text_wrap(s, 0, false, c->help);
	if (c->options[0].name)
		buf_add_str(s->out, "\n");
	for (size_t i = 0; i < COMMAND_OPTIONS && c->options[i].name; i++) {
		const struct command_option *o = &c->options[i];
		STRBUF(name, 128);

		if (o->letter)
			strbuf_addf(&name, "-%c, ", o->letter);
		strbuf_add(&name, o->name);
		if (o->value != KIND_NONE)
			strbuf_addf(&name, " %s", o->value_name);
		add_row(s, name.text, o->help);
	}
	if (c->more) {
		buf_add_str(s->out, "\n");
		text_wrap(s, 0, false, c->more);
	}
}

void help_print(const struct command *c)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	struct screen screen = out_screen(&text);

	if (screen.columns > WIDTH_MAX)
		screen.columns = WIDTH_MAX;
	if (c)
		add_command(c, &screen);
	else
		add_all(&screen);
	out_buf(&text);
}

enum ctl_exit ctl_help(struct ctl *ctl)
{
	const char *name = ctl->request.arguments[0].text;
	char *const words[] = { (char *)(uintptr_t)name, NULL };
	size_t len = name ? strlen(name) : 0;
	struct request request;
	STRBUF(error, 512);

	if (!name) {
		help_print(NULL);
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
		help_print(c);
	}
	return CTL_OK;
}
