#include "shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "state.h"
#include "base/fd.h"
#include "sys/log.h"
#include "sys/retire.h"
#include "sys/spawn.h"
#include "sys/starter.h"

/*
 * Its words: another program is executed; it could not be; the broker has ended (PR_SET_PDEATHSIG).
 * Of two that wait, the one with the lower number comes first.
 */
#define SIGNAL_UPGRADE SIGUSR1
#define SIGNAL_STAYS   SIGUSR2
#define SIGNAL_ENDED   SIGALRM
#define UPGRADE_S      5
#define CRASHES_NS     (10 * (uint64_t)MSEC_PER_SEC * NSEC_PER_MSEC)
#define NEXT_MIN_MS    100
#define NEXT_MAX_MS    (60 * MSEC_PER_SEC)
/* A state that takes longer than this is not written all the time, but after a rest of so often it.
 */
#define CHEAP_NS  250000
#define REST	  4
#define STEADY_MS (10 * MSEC_PER_SEC) /* it has lived so long: no failure before counts */

/* --- the page ------------------------------------------------------------------------------ */

static int map_hand(struct shadow *s)
{
	void *map = mmap(NULL, sizeof(*s->hand), PROT_READ | PROT_WRITE, MAP_SHARED, s->hand_fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	s->hand = map;
	s->run->master.broker.hand = map;
	return 0;
}

static int make_hand(struct shadow *s)
{
	int r = 0;

	s->hand_fd = memfd_create("broker-hand", MFD_CLOEXEC);
	if (s->hand_fd < 0 || ftruncate(s->hand_fd, sizeof(*s->hand)) < 0)
		r = -errno;
	if (r == 0)
		r = map_hand(s);
	if (r == 0)
		s->hand->fd = -1;
	return r;
}

/* --- the shadow: what it does when the broker has ended -------------------------------------- */

/* The newest state that is whole, in a memfd; -errno: there is none. */
static int newest_state(const struct shadow *s, struct kept_run *ret)
{
	struct twin state; /* the broker has written on since we were made */

	if (twin_adopt(&state, s->state.fds) < 0)
		return -ENODATA;
	for (int before = 0; before < 2; before++) {
		_cleanup_free_ void *bytes = NULL;
		_cleanup_fd_ int fd = -1;
		struct kept_reader r;
		enum kept_kind kind;
		const void *record;
		STRBUF(unsaid, 64);
		size_t len;

		if (twin_read(&state, before, &bytes, &len) < 0 ||
		    kept_open(&r, bytes, len, &unsaid) < 0)
			continue;
		while ((record = kept_next(&r, &kind)) && kind != KEPT_RUN)
			;
		fd = memfd_create("broker-state", MFD_CLOEXEC);
		if (!record || fd < 0 || write(fd, bytes, len) != (ssize_t)len)
			continue;
		memcpy(ret, record, sizeof(*ret));
		return fd_take(&fd);
	}
	return -ENODATA;
}

static bool crashes_too_often(struct kept_hand *hand, uint64_t now)
{
	uint64_t *slot = &hand->crashes_ns[hand->n_crashes++ % ARRAY_SIZE(hand->crashes_ns)];
	uint64_t third = hand->crashes_ns[(hand->n_crashes) % ARRAY_SIZE(hand->crashes_ns)];

	*slot = now;
	return third && now - third < CRASHES_NS;
}

/* Returns if it is not the next broker: then it ends, and leaves the rest to the parent. */
static void take_over(const struct shadow *s, bool resumes)
{
	uint64_t now = loop_clock_ns();
	int64_t long_ago = loop_clock_ms() - (1 << 30); /* as the low bits of it can say */
	bool closed = s->hand->fd >= 0 && fcntl(s->hand->fd, F_GETFD) < 0; /* of all numbers now */
	struct kept_run kept;
	int fd = newest_state(s, &kept);

	s->hand->given = closed ? s->hand->number : 0;
	s->hand->crashed_ns = now;
	log_set_sink(NULL, NULL); /* whoever follows events is the broker's */
	if (fd < 0 || crashes_too_often(s->hand, now)) {
		log_event(LEVEL_ERROR, "shadow",
			  LOG_MSG("the broker was killed, and nobody goes on in its place: %s; the "
				  "workers finish what they have",
				  fd < 0 ? "its state is not whole"
					 : "it is the third time within ten seconds"));
		return;
	}
	if (kept.heard_ms && kept.heard_ms < long_ago)
		kept.heard_ms = long_ago;
	if (starter_succeed(&kept, resumes) < 0)
		return; /* the broker was to end */
	(void)state_execute(s->run, "/proc/self/exe", fd, true);
	log_event(LEVEL_ERROR, "shadow",
		  LOG_MSG("the broker was killed, and its program cannot be executed: the workers "
			  "finish what they have"));
	(void)spawn_kill(getpid(), SIGKILL); /* as the broker, for the parent */
}

static void sleep_on(void *data)
{
	const struct shadow *s = data;
	pid_t broker = s->broker;
	const struct timespec limit = { .tv_sec = UPGRADE_S }, none = { 0 };
	bool awaits = false, ended = false;
	sigset_t all, given;
	int sig = 0;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &given);
	(void)prctl(PR_SET_NAME, "broker-shadow");
	(void)prctl(PR_SET_PDEATHSIG, SIGNAL_ENDED);
	/* What it said before its end counts. */
	while (!ended || sig >= 0) {
		ended = getppid() != broker;
		sig = sigtimedwait(&all, NULL, ended ? &none : awaits ? &limit : NULL);
		if (sig == SIGNAL_UPGRADE || sig == SIGNAL_STAYS)
			awaits = sig == SIGNAL_UPGRADE;
		else if (sig < 0 && errno == EAGAIN && !ended && getppid() == broker)
			(void)spawn_kill(broker, SIGKILL); /* it hangs: the old program goes on */
	}
	(void)sigprocmask(SIG_SETMASK, &given, NULL);
	take_over(s, awaits);
}

/* --- the broker: its shadow ------------------------------------------------------------------ */

static void start_next_later(struct shadow *s, const char *what, const char *why)
{
	struct loop *loop = &s->run->master.broker.loop;
	int64_t now = loop_now(loop), delay;

	if (now - s->began_ms >= STEADY_MS)
		backoff_reset(&s->backoff);
	delay = backoff_failed(&s->backoff, now, NEXT_MIN_MS, NEXT_MAX_MS);
	loop_timer_arm(loop, &s->next, delay);
	log_event(
		LEVEL_WARN, "shadow", LOG_INT("delay_ms", delay),
		LOG_MSG("the shadow %s (%s): the next one is started in %lld ms; if the broker is "
			"killed before that, nobody goes on in its place",
			what, why, (long long)delay));
}

static void start(struct shadow *s)
{
	int r;

	s->broker = getpid();
	s->began_ms = loop_now(&s->run->master.broker.loop);
	r = spawn_shadow(sleep_on, s, &s->pid);
	if (r < 0)
		start_next_later(s, "cannot be started", strerror(-r));
}

static void next_due(struct loop_timer *timer)
{
	start(container_of(timer, struct shadow, next));
}

static void end_of(pid_t pid)
{
	/* The parent lets it not go on for a broker that ends by itself, if it lives. */
	while (spawn_kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int shadow_adopt(struct run *run, const struct kept_run *k)
{
	struct shadow *s = &run->shadow;
	int r;

	s->run = run;
	if (k->hand_fd <= STDERR_FILENO) /* of a program without a shadow */
		return 0;
	s->hand_fd = k->hand_fd;
	r = twin_adopt(&s->state, k->twin_fd);
	s->pid = k->shadow;
	if (r == 0)
		r = map_hand(s);
	if (r == 0 && s->hand->crashed_ns)
		s->hand->cpu_before_ns += s->hand->cpu_ns;
	return r;
}

static void state_settled(struct shadow *s)
{
	retire_settled();
	s->hand->asked = false;
}

/* False: there is no memory. */
static bool write_once(struct shadow *s)
{
	struct strbuf bytes;
	size_t need = 1, size;
	char *room;

	do {
		if (twin_begin(&s->state, need, &room, &size) < 0)
			return false;
		strbuf_init(&bytes, room, size);
		state_add(s->run, &bytes, false);
		need = 2 * size;
	} while (bytes.len == size - 1 && need <= STATE_MAX);
	if (!bytes.cut)
		twin_end(&s->state, bytes.len);
	return !bytes.cut;
}

static void write_state(struct shadow *s)
{
	struct loop *loop = &s->run->master.broker.loop;
	uint64_t begin = loop_clock_ns(), end;

	loop->touched = false;
	s->hand->cpu_ns = loop_cpu_ns();
	if (write_once(s))
		state_settled(s);
	else
		loop->touched = true; /* in the next turn there may be memory again */
	end = loop_clock_ns();
	s->rest_until_ns = end - begin > CHEAP_NS ? end + REST * (end - begin) : 0;
}

bool shadow_turn(struct run *run)
{
	struct shadow *s = &run->shadow;
	struct loop *loop = &run->master.broker.loop;
	uint64_t now;

	if (!s->hand || !loop->touched)
		return true;
	now = s->rest_until_ns ? loop_clock_ns() : 0;
	if (now >= s->rest_until_ns) {
		write_state(s);
		return true;
	}
	if (!loop_timer_armed(&s->rested))
		loop_timer_arm(loop, &s->rested,
			       1 + (int64_t)((s->rest_until_ns - now) / NSEC_PER_MSEC));
	return false;
}

/* Then this turn ends with a state. */
static void rested(struct loop_timer *timer)
{
	(void)timer;
}

static void settle(struct loop *loop)
{
	struct run *run = container_of(loop, struct run, master.broker.loop);

	if (run->shadow.hand)
		write_state(&run->shadow);
}

int shadow_begin(struct run *run)
{
	struct shadow *s = &run->shadow;
	int r = 0;

	loop_timer_init(&s->next, next_due);
	loop_timer_init(&s->rested, rested);
	/* After an upgrade it is still there; after a crash it is who we are. */
	if (s->pid && s->pid != getpid())
		end_of(s->pid);
	if (!s->hand) {
		s->run = run;
		r = twin_make(&s->state);
		if (r == 0)
			r = make_hand(s);
	}
	if (r < 0)
		return r;
	start(s);
	run->master.broker.loop.settle = settle;
	retire_begin(s->hand_fd, &s->hand->retired);
	loop_settle(&run->master.broker.loop);
	return 0;
}

void shadow_reap(struct run *run)
{
	struct shadow *s = &run->shadow;
	STRBUF(why, 64);
	int status;

	if (!s->pid || waitpid(s->pid, &status, WNOHANG) != s->pid)
		return;
	s->pid = 0;
	if (WIFSIGNALED(status))
		strbuf_addf(&why, "signal %d", WTERMSIG(status));
	else
		strbuf_addf(&why, "exit %d", WEXITSTATUS(status));
	start_next_later(s, "has ended", why.text);
}

void shadow_expect_upgrade(struct run *run, bool begins)
{
	if (run->shadow.pid)
		(void)spawn_kill(run->shadow.pid, begins ? SIGNAL_UPGRADE : SIGNAL_STAYS);
}

void shadow_end(struct run *run)
{
	struct shadow *s = &run->shadow;

	if (!s->run)
		return;
	run->master.broker.loop.settle = NULL;
	loop_timer_disarm(&s->next);
	loop_timer_disarm(&s->rested);
	if (s->pid)
		end_of(s->pid);
	s->pid = 0;
	twin_close(&s->state);
	retire_end();
	fd_closep(&s->hand_fd);
}
