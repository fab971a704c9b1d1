#include "meet.h"

#include <stdio.h>

#define MEET_TIMEOUT_MS 30000

void meet_close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

int meet_broker(const struct handoff_home *home, const struct handoff_addr *addr, const char *path,
		uint32_t backlog, struct handoff_meeting *ret, char reason[HANDOFF_REASON_SIZE])
{
	struct handoff_wish wish = {
		.addr = *addr, .backlog = backlog, .own = -1, .timeout_ms = MEET_TIMEOUT_MS
	};
	int r;

	strcpy(wish.path, path);
	r = handoff_meet(home, &wish, meet_close_fd, ret, reason);
	if (r == -EPROTO && ret->version != HANDOFF_VERSION)
		(void)snprintf(reason, HANDOFF_REASON_SIZE,
			       "the broker speaks version %u of the handoff protocol, and this "
			       "program version %d: build it with the library of the broker that "
			       "runs",
			       ret->version, HANDOFF_VERSION);
	return r;
}
