#include "stop.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From the close of its control socket to the end of its process. */
#define END_MS 10000

int stop_watch(const struct ctl *ctl)
{
	struct ucred broker;
	socklen_t len = sizeof(broker);

	/* In another pid namespace it has no number here. */
	if (getsockopt(ctl->client.fd, SOL_SOCKET, SO_PEERCRED, &broker, &len) < 0 ||
	    broker.pid <= 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, broker.pid, 0);
}

enum ctl_exit stop_wait(struct ask *ask, struct ctl *ctl, int watch)
{
	/* From the stop on: that was just now. */
	char *const words[] = { (char[]){ "events" }, (char[]){ "--follow" }, (char[]){ "--since" },
				(char[]){ "1s" } };
	struct pollfd end = { .fd = watch, .events = POLLIN };
	enum ctl_exit code;

	ask->broker_ends = true;
	ask->patience_ms = -1;
	code = ask_again(ask, ctl, words, ARRAY_SIZE(words));
	/* The next broker must not find this one still running. */
	if (code == CTL_OK && watch >= 0)
		(void)poll(&end, 1, END_MS);
	return code;
}
