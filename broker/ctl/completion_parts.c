#include "completion_parts.h"

#include <string.h>

const char *completion_kind_name(enum command_kind kind)
{
	switch (kind) {
	case KIND_SERVICE:
		return "service";
	case KIND_WORKER:
		return "worker";
	case KIND_TARGET:
		return "target";
	case KIND_SIGNAL:
		return "signal";
	case KIND_PINNED:
		return "pinned";
	case KIND_COMMAND:
		return "command";
	case KIND_SHELL:
		return "shell";
	case KIND_PROGRAM:
		return "program";
	case KIND_NONE:
	case KIND_COUNT:
	case KIND_DURATION:
	case KIND_SINCE:
	case KIND_SOURCE:
		break;
	}
	return "nothing";
}

void completion_add_commands(struct buf *out)
{
	const char *blank = "";

	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &command_table[i];

		if (c->hidden || strchr(c->name, ' '))
			continue;
		buf_addf(out, "%s%s", blank, c->name);
		blank = " ";
	}
}
