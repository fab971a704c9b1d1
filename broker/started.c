#include "started.h"

#include "base/fd.h"
#include "sys/spawn.h"

#define STOP_MS 10000

struct started *started_find(const struct started_all *all, pid_t pid)
{
	return list_find(struct started, s, &all->list, link, s->pid == pid);
}

void started_forget(struct started *s)
{
	loop_remove(s->all->loop, &s->output);
	loop_timer_disarm(&s->due);
	fd_closep(&s->output_fd);
	list_remove(&s->link);
	free(s);
}

static void drop_output(struct loop_source *source, uint32_t events)
{
	struct started *s = container_of(source, struct started, output);
	char buf[16384];
	ssize_t n = read(s->output_fd, buf, sizeof(buf));

	(void)events;
	/* Non-blocking, as the broker had made it. */
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	loop_remove(s->all->loop, source);
	fd_closep(&s->output_fd);
}

static void signal_due(struct loop_timer *timer)
{
	struct started *s = container_of(timer, struct started, due);
	struct started_all *all = s->all;

	if (spawn_kill(s->pid, s->told ? SIGKILL : s->sig) == -EPERM && s->told) {
		/* It has become another user: there is nothing that we could wait for. */
		started_forget(s);
		all->gone(all);
		return;
	}
	/* A stopped process would get it only when it is continued. */
	(void)spawn_kill(s->pid, SIGCONT);
	s->told = true;
	loop_timer_arm(all->loop, &s->due, s->stop_ms);
}

struct started *started_add(struct started_all *all, pid_t pid)
{
	struct started *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct started){ .all = all, .pid = pid, .sig = SIGTERM, .stop_ms = STOP_MS };
	s->output_fd = s->output.fd = -1;
	s->output.ready = drop_output;
	loop_timer_init(&s->due, signal_due);
	list_append(&all->list, &s->link);
	return s;
}

void started_kill_since(struct started_all *all, uint32_t last)
{
	list_for_each (struct started, s, &all->list, link)
		if ((int32_t)(s->request - last) > 0)
			(void)spawn_kill_group(s->pid, SIGKILL);
}

void started_end(struct started_all *all, bool now)
{
	list_for_each (struct started, s, &all->list, link) {
		loop_timer_arm(all->loop, &s->due, now ? 0 : s->drain_ms);
		if (s->output_fd >= 0 && s->output.fd < 0)
			(void)loop_add(all->loop, &s->output, s->output_fd, EPOLLIN);
	}
}
