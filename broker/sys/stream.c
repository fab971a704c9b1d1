#include "stream.h"

#include "base/fd.h"
#include "sys/retire.h"

#define READ_SIZE 4096

static void watch(struct stream *s)
{
	uint32_t events = 0;

	if (s->out.len)
		events = EPOLLOUT;
	else if (!s->eof && s->in.len < s->in.max)
		events = EPOLLIN;
	if (events != s->source.events)
		loop_modify(s->loop, &s->source, events);
}

static void arm_timer(struct stream *s)
{
	int64_t at = s->stall_at_ms;

	if (s->limit_at_ms && (!at || s->limit_at_ms < at))
		at = s->limit_at_ms;
	if (at)
		loop_timer_arm(s->loop, &s->timer, at - loop_now(s->loop));
	else
		loop_timer_disarm(&s->timer);
}

void stream_close(struct stream *s)
{
	if (!stream_is_open(s))
		return;
	loop_remove(s->loop, &s->source);
	retire_fd(&s->fd);
	/* The owner hears of it from the loop: our caller may still use it. */
	loop_timer_arm(s->loop, &s->timer, 0);
}

void stream_deinit(struct stream *s)
{
	if (stream_is_open(s))
		loop_remove(s->loop, &s->source);
	retire_fd(&s->fd);
	loop_timer_disarm(&s->timer);
	strbuf_deinit(&s->in);
	strbuf_deinit(&s->out);
}

static void expired(struct loop_timer *timer)
{
	struct stream *s = container_of(timer, struct stream, timer);

	stream_deinit(s);
	s->closed(s);
}

static void write_some(struct stream *s)
{
	ssize_t n = send(s->fd, s->out.text, s->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			stream_close(s);
		return;
	}
	strbuf_consume(&s->out, (size_t)n);
	s->stall_at_ms = s->out.len ? loop_now(s->loop) + s->stall_ms : 0;
}

static void after_write(struct stream *s)
{
	if (!stream_is_open(s))
		return;
	if (s->out.len == 0 && s->finishing) {
		stream_close(s);
		return;
	}
	watch(s);
	arm_timer(s);
}

void stream_flush(struct stream *s)
{
	if (!stream_is_open(s))
		return;
	if (s->out.cut) {
		stream_close(s);
		return;
	}
	/* A stream that is stalled already is not written to by every new line for it. */
	if (s->out.len && !s->stall_at_ms) {
		s->stall_at_ms = loop_now(s->loop) + s->stall_ms;
		write_some(s);
	}
	after_write(s);
}

void stream_limit(struct stream *s, int64_t ms)
{
	s->limit_at_ms = ms ? loop_now(s->loop) + ms : 0;
	if (stream_is_open(s))
		arm_timer(s);
}

static void read_some(struct stream *s)
{
	char bytes[READ_SIZE];
	size_t room = s->in.max - s->in.len;
	ssize_t n;

	if (room == 0)
		return;
	n = recv(s->fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes), MSG_DONTWAIT);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			stream_close(s);
		return;
	}
	if (n == 0)
		s->eof = true;
	strbuf_add_bytes(&s->in, bytes, (size_t)n);
	if (s->in.cut)
		stream_close(s);
	else
		s->received(s);
}

static void stream_ready(struct loop_source *source, uint32_t events)
{
	struct stream *s = container_of(source, struct stream, source);

	/* Nobody reads any more. What it sent before may still be worth reading. */
	if ((events & (EPOLLHUP | EPOLLERR)) && (!(events & EPOLLIN) || s->eof)) {
		stream_close(s);
		return;
	}
	if (events & EPOLLOUT) {
		write_some(s);
		after_write(s);
		if (stream_is_open(s) && s->out.len == 0 && s->drained)
			s->drained(s);
	} else if (events & EPOLLIN) {
		read_some(s);
	}
	if (stream_is_open(s))
		watch(s);
}

int stream_open(struct stream *s, struct loop *loop, int fd, size_t in_max, size_t out_max)
{
	int r;

	s->loop = loop;
	s->in = STRBUF_GROWS(in_max);
	s->out = STRBUF_GROWS(out_max);
	s->source = (struct loop_source){ .fd = -1, .ready = stream_ready };
	if (!s->stall_ms)
		s->stall_ms = STREAM_STALL_MS;
	loop_timer_init(&s->timer, expired);
	s->fd = -1;
	r = loop_add(loop, &s->source, fd, EPOLLIN);
	if (r == 0)
		s->fd = fd;
	return r;
}

/* --- the acceptor -------------------------------------------------------------------- */

#define SHORTAGE_MS 100

void acceptor_rest(struct acceptor *a, int64_t ms)
{
	loop_modify(a->loop, &a->source, 0);
	loop_timer_arm(a->loop, &a->retry, ms);
}

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
		/* EACCES: a security module forbids it, and the connection stays, too. */
		if (errno_is_shortage(errno) || errno == EACCES)
			acceptor_rest(a, SHORTAGE_MS);
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
				.source = { .fd = -1, .quiet = true, .ready = acceptor_ready },
				.batch = batch,
				.accepted = accepted };
	loop_timer_init(&a->retry, retry_expired);
	a->retry.quiet = true; /* what is accepted makes itself known */
	return loop_add(loop, &a->source, fd, EPOLLIN);
}

int acceptor_move(struct acceptor *a, int fd)
{
	int client;

	while ((client = accept4(a->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		a->accepted(a, client);
	acceptor_stop(a);
	return acceptor_start(a, a->loop, fd, a->batch, a->accepted);
}

void acceptor_stop(struct acceptor *a)
{
	if (!a->loop)
		return;
	loop_timer_disarm(&a->retry);
	loop_remove(a->loop, &a->source);
}
