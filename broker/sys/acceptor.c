#include "acceptor.h"

#include <sys/socket.h>
#include "base/fd.h"

#define SHORTAGE_MS 100

static void acceptor_ready(struct loop_source *source, uint32_t events)
{
	struct acceptor *a = container_of(source, struct acceptor, source);

	(void)events;
	for (unsigned i = 0; i < a->batch; i++) {
		int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			a->accepted(a, fd);
			continue;
		}
		if (errno_is_shortage(errno)) {
			loop_modify(a->loop, source, 0);
			loop_timer_arm(a->loop, &a->retry, SHORTAGE_MS);
		}
		return;
	}
}

static void retry_expired(struct loop_timer *timer)
{
	struct acceptor *a = container_of(timer, struct acceptor, retry);

	loop_modify(a->loop, &a->source, EPOLLIN);
}

int acceptor_start(struct acceptor *a, struct loop *loop, int fd, unsigned batch,
		   void (*accepted)(struct acceptor *a, int fd))
{
	*a = (struct acceptor){ .loop = loop,
				.source = { .fd = -1, .ready = acceptor_ready },
				.batch = batch,
				.accepted = accepted };
	loop_timer_init(&a->retry, retry_expired);
	return loop_add(loop, &a->source, fd, EPOLLIN);
}

void acceptor_stop(struct acceptor *a)
{
	if (!a->loop)
		return;
	loop_timer_disarm(&a->retry);
	loop_remove(a->loop, &a->source);
}
