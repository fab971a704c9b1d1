#include "dispatch.h"

enum ctl_exit dispatch_run(struct ctl *ctl)
{
	switch (ctl->request.command->id) {
	case COMMAND_STATUS:
		return ctl_status(ctl);
	case COMMAND_TOP:
		return ctl_top(ctl);
	case COMMAND_EVENTS:
		return ctl_events(ctl);
	case COMMAND_RELOAD:
	case COMMAND_RESTART:
	case COMMAND_ROLLBACK:
		return ctl_reload(ctl);
	case COMMAND_DEBUG:
		return ctl_debug(ctl);
	case COMMAND_RELOAD_ABORT:
	case COMMAND_SCALE:
	case COMMAND_HOLD:
	case COMMAND_RELEASE:
	case COMMAND_STOP:
	case COMMAND_SIGNAL:
	case COMMAND_PIN:
	case COMMAND_NEXT:
	case COMMAND_UNPIN:
	case COMMAND_PINS:
	case COMMAND_CONFIG:
	case COMMAND_JOIN:
		return ctl_simple(ctl);
	case COMMAND_COMPLETION:
		return ctl_completion(ctl);
	case COMMAND_HELP:
		return ctl_help(ctl);
	case COMMAND_DOCTOR:
		return ctl_doctor(ctl);
	}
	assert(!"a command that is not in the table");
	return CTL_FAILED;
}
