#include "help.h"

#include <string.h>
#include "control/client.h"

void control_help(struct client *c)
{
	const char *only = client_argument(c);

	if (only && !command_find(only)) {
		client_error(c, "unknown-command", "there is no command %s; help shows all", only);
		return;
	}
	for (size_t i = 0; i < command_count; i++) {
		const struct command *cmd = &command_table[i];
		STRBUF(usage, 256);
		struct buf *out;

		if (cmd->right == RIGHT_LOCAL ||
		    (only ? strcmp(only, cmd->name) != 0 : cmd->hidden))
			continue;
		command_usage(cmd, &usage);
		out = client_line(c, "command");
		json_str(out, "command", cmd->name);
		json_str(out, "usage", usage.text);
		json_str(out, "help", cmd->help);
		json_end(out);
	}
	client_end(c);
}
