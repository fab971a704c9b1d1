#include "commands.h"

#include <unistd.h>
#include "control/client.h"
#include "control/config.h"
#include "control/debug.h"
#include "control/events.h"
#include "control/help.h"
#include "control/hold.h"
#include "control/join.h"
#include "control/pins.h"
#include "control/roll.h"
#include "control/status.h"
#include "control/steer.h"
#include "control/undo.h"
#include "sys/log.h"

typedef void command_fn(struct client *c);

/* NULL: brokerctl does it alone. */
static command_fn *const functions[] = {
	[COMMAND_STATUS] = control_status,
	[COMMAND_TOP] = NULL,
	[COMMAND_EVENTS] = control_events,
	[COMMAND_RELOAD] = control_reload,
	[COMMAND_RELOAD_ABORT] = control_reload_abort,
	[COMMAND_ROLLBACK] = control_rollback,
	[COMMAND_SCALE] = control_scale,
	[COMMAND_RESTART] = control_restart,
	[COMMAND_HOLD] = control_hold,
	[COMMAND_RELEASE] = control_release,
	[COMMAND_STOP] = control_stop_broker,
	[COMMAND_SIGNAL] = control_signal,
	[COMMAND_DEBUG] = control_debug,
	[COMMAND_PIN] = control_pin,
	[COMMAND_NEXT] = control_next,
	[COMMAND_UNPIN] = control_unpin,
	[COMMAND_PINS] = control_pins,
	[COMMAND_CONFIG] = control_config,
	[COMMAND_DOCTOR] = NULL,
	[COMMAND_COMPLETION] = NULL,
	[COMMAND_HELP] = control_help,
	[COMMAND_JOIN] = control_join,
};

void commands_answer(struct client *c, const char *line)
{
	const struct request *request = client_request(c);
	const struct command *command = request->command;
	const struct ucred *peer = client_peer(c);

	assert((size_t)command->id < ARRAY_SIZE(functions));
	if (!functions[command->id]) {
		client_error(c, "bad-request", "%s is done by brokerctl, not by the broker",
			     command->name);
		return;
	}
	if (request_right(request) == RIGHT_STEER) {
		if (!client_may_steer(c)) {
			client_error(c, "not-allowed",
				     "%s takes root or the user of the broker (%u); control_group "
				     "may only look",
				     command->name, (unsigned)geteuid());
			return;
		}
		log_event(LEVEL_INFO, "control", LOG_INT("uid", peer->uid),
			  LOG_INT("client", peer->pid), LOG_STR("request", line),
			  LOG_MSG("asked by process %d of user %u: %s", (int)peer->pid,
				  (unsigned)peer->uid, line));
	}
	functions[command->id](c);
}
