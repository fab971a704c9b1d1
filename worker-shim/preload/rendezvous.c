#include "rendezvous.h"

#include "shim.h"

#include <string.h>

bool rendezvous_is_peer(int fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNSPEC };
	const char *path = shim.home.rendezvous.sun_path;
	socklen_t len = sizeof(name);

	return real.getpeername(fd, (struct sockaddr *)&name, &len) == 0 &&
	       name.sun_family == AF_UNIX && !strncmp(name.sun_path, path, sizeof(name.sun_path));
}

int rendezvous_meet(const struct slot *slot, bool adopt, int own, struct handoff_meeting *ret)
{
	struct handoff_wish wish = {
		.at = slot->app,
		.backlog = slot->backlog,
		.flags = adopt ? HANDOFF_HELLO_ADOPT : 0,
		.channel = adopt ? slot->channel : 0,
		.own = own,
	};
	char reason[HANDOFF_REASON_SIZE];
	int r;

	r = handoff_meet(&shim.home, &wish, ret, reason);
	if (r < 0 && own >= 0)
		say(&slot->app, reason, NULL);
	/* What an app may expect of listen(2). */
	return r < 0 && r != -EMFILE && r != -ENFILE && !ret->refused ? -EADDRNOTAVAIL : r;
}
