#include "notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "handoff_rights.h"
#include "sys/unix_socket.h"

static int sock = -1;

int notify_open(struct strbuf *error)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int r;

	if (!name || !*name)
		return 0;
	r = *name == '/' || *name == '@' ? unix_connect(name, SOCK_DGRAM, &sock) : -EAFNOSUPPORT;
	return r < 0 ? strbuf_fail(error, r, "NOTIFY_SOCKET=%s: %m", strbuf_quote(name).text) : 0;
}

bool notify_send(const char *text, int fd)
{
	return sock >= 0 && handoff_send(sock, text, strlen(text), &fd, fd >= 0, MSG_DONTWAIT) == 0;
}

bool notify_is_off(void)
{
	return sock < 0;
}

int64_t notify_watchdog_ms(pid_t pid)
{
	const char *usec = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");

	if (!usec || (whose && strtol(whose, NULL, 10) != pid))
		return 0;
	return strtoll(usec, NULL, 10) / 1000;
}
