/* help: from the table, without a broker. */
#include <string.h>
#include "ctl/ctl.h"
#include "ctl/help_text.h"
#include "ctl/out.h"

#define TEXT_MAX (1 << 20)

/* "reload" shows "reload abort" too. */
static bool is_about(const struct command *c, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(c->name, name, len) && (!c->name[len] || c->name[len] == ' ');
}

enum ctl_exit ctl_help(struct ctl *ctl)
{
	const char *name = ctl->request.arguments[0].text;
	struct buf text = BUF_INIT(TEXT_MAX);
	struct screen screen = out_screen();
	bool any = false;

	if (!name)
		help_text(&screen, &text);
	for (size_t i = 0; name && i < command_count; i++) {
		if (!is_about(&command_table[i], name))
			continue;
		if (any)
			buf_add_str(&text, "\n");
		help_command_text(&command_table[i], &screen, &text);
		any = true;
	}
	if (name && !any) {
		char *const words[] = { (char *)(uintptr_t)name, NULL };
		struct request request;
		STRBUF(error, 512);

		/* Its words for what is no command, with the nearest. */
		(void)command_parse(words, 1, &request, &error);
		out_error("%s", error.text);
		return CTL_USAGE;
	}
	out_buf(&text);
	return CTL_OK;
}
