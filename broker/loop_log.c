#include "loop_log.h"

#include "sys/log.h"

static void log_ready(struct loop_source *source, uint32_t events)
{
	(void)source;
	(void)events;
	log_flush();
}

/* What waits for a slow reader of the log goes out as soon as it reads, not with the next entry. */
static void watch_log(struct loop *loop)
{
	struct run *run = container_of(loop, struct run, master.broker.loop);
	int fd = log_pending_fd();

	if (fd == run->log_source.fd)
		return;
	loop_remove(loop, &run->log_source);
	/* A regular file cannot be watched (EPERM), and does not keep anybody waiting. */
	if (fd >= 0)
		(void)loop_add(loop, &run->log_source, fd, EPOLLOUT);
}

/* Nobody was served meanwhile. */
static void turn_late(struct loop *loop, uint64_t ns, const struct loop_noted *noted)
{
	const char *what = noted->longest_ns > ns / 2 ? noted->longest : NULL;
	unsigned long long ms = ns / NSEC_PER_MSEC;

	log_event(LEVEL_WARN, "loop-late", LOG_INT("ms", ms), LOG_STR("what", what),
		  LOG_MSG("the broker looked at no connection for %llu ms: %s%s", ms,
			  what ? "most of that went into one thing, " : "",
			  what ? what : "it was stopped, had no processor, or had much to do"));
	watch_log(loop); /* this turn's look is over */
}

void loop_log_begin(struct run *run)
{
	run->log_source = (struct loop_source){ .fd = -1, .ready = log_ready };
	run->master.broker.loop.turn = watch_log;
	run->master.broker.loop.late = turn_late;
}
