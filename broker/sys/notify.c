#include "notify.h"

#include "base/fd.h"
#include "sys/starter.h"
#include "sys/unix_socket.h"

static bool is_on; /* our parent has the socket */

int notify_open(struct strbuf *error)
{
	const char *name = getenv("NOTIFY_SOCKET");
	_cleanup_fd_ int sock = -1;
	int r;

	if (!name || !*name)
		return 0;
	r = *name == '/' || *name == '@' ? unix_connect(name, SOCK_DGRAM, &sock) : -EAFNOSUPPORT;
	if (r == 0)
		r = starter_notify(NULL, sock);
	r = r == -EEXIST ? 0 : r; /* of the broker before us */
	is_on = r == 0;
	return r < 0 ? strbuf_fail(error, r, "NOTIFY_SOCKET=%s: %m", strbuf_quote(name).text) : 0;
}

bool notify_send(const char *text, int fd)
{
	return is_on && starter_notify(text, fd) == 0;
}

bool notify_is_off(void)
{
	return !is_on;
}

int64_t notify_watchdog_ms(pid_t pid)
{
	const char *usec = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");

	if (!usec || (whose && strtol(whose, NULL, 10) != pid))
		return 0;
	return strtoll(usec, NULL, 10) / 1000;
}
