#include "syslog_socket.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include "base/fd.h"
#include "sys/starter.h"

static int connect_syslog(int *fd)
{
	static const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

	*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connect(*fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		fd_closep(fd);
	return *fd;
}

bool syslog_send(int *fd, int priority, const struct timeval *now, const struct strbuf *line)
{
	char head[64], when[32];
	struct iovec parts[] = { { head, 0 }, { line->text, line->len } };
	struct msghdr msg = { .msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts) };
	struct tm tm;

	/* RFC 3164, in the C locale, which is ours. */
	(void)strftime(when, sizeof(when), "%b %e %T", localtime_r(&now->tv_sec, &tm));
	parts[0].iov_len =
		(size_t)snprintf(head, sizeof(head), "<%d>%s broker[%d]: ", LOG_DAEMON | priority,
				 when, (int)starter_pid());
	for (int tries = 0; tries < 2; tries++) {
		if (*fd < 0 && connect_syslog(fd) < 0)
			break;
		if (sendmsg(*fd, &msg, MSG_NOSIGNAL) >= 0)
			return true;
		if (errno == EAGAIN || errno == EMSGSIZE)
			break;
		fd_closep(fd);
	}
	return false;
}
