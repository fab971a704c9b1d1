#include "help.h"

#include <string.h>
#include "ctl/help_text.h"
#include "ctl/out.h"

#define TEXT_MAX (1 << 20)

void help_print(const struct command *c)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	struct screen screen = out_screen();

	if (c)
		help_command_text(c, &screen, &text);
	else
		help_text(&screen, &text);
	out_buf(&text);
}

/* "reload" shows "reload abort" too. */
static bool is_about(const struct command *c, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(c->name, name, len) && (!c->name[len] || c->name[len] == ' ');
}

enum ctl_exit ctl_help(struct ctl *ctl)
{
	const char *name = ctl->request.arguments[0].text;
	char *const words[] = { (char *)(uintptr_t)name, NULL };
	struct request request;
	STRBUF(error, 512);
	bool any = false;

	if (!name) {
		help_print(NULL);
		return CTL_OK;
	}
	for (size_t i = 0; i < command_count; i++) {
		if (!is_about(&command_table[i], name))
			continue;
		if (any)
			out_text("\n");
		help_print(&command_table[i]);
		any = true;
	}
	if (any)
		return CTL_OK;
	/* This fails, with the same words as for any unknown command, and the nearest name. */
	(void)command_parse(words, 1, &request, &error);
	out_error("%s", error.text);
	return CTL_USAGE;
}
