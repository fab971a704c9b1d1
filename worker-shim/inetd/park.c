#include "park.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "handoff_addr.h"
#include "handoff_process.h"
#include "handoff_take.h"

/* --- what the environment says --------------------------------------------------------- */

/* Room for any value. */
#define ROOM "##############################################"

enum what { REMOTE_IP, REMOTE_PORT, LOCAL_IP, LOCAL_PORT, PROTO, N_WHAT };

static const struct variable {
	const char *name;
	enum what what;
} variables[] = {
	{ "TCPREMOTEIP", REMOTE_IP },	{ "TCPREMOTEPORT", REMOTE_PORT },
	{ "TCPLOCALIP", LOCAL_IP },	{ "TCPLOCALPORT", LOCAL_PORT },
	{ "REMOTE_ADDR", REMOTE_IP },	{ "REMOTE_HOST", REMOTE_IP },
	{ "REMOTE_PORT", REMOTE_PORT }, { "SERVER_ADDR", LOCAL_IP },
	{ "SERVER_PORT", LOCAL_PORT },	{ "PROTO", PROTO },
};

bool variables_prepare(void)
{
	bool good = true;

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		good &= setenv(variables[i].name, ROOM, 1) == 0;
	return good;
}

/* An IPv4 address however it is written. */
static void put(const struct handoff_addr *addr, char ip[INET6_ADDRSTRLEN], char port_text[8])
{
	(void)inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->ip, ip, INET6_ADDRSTRLEN);
	(void)snprintf(port_text, 8, "%u", addr->port);
	if (!strncmp(ip, "::ffff:", 7) && strchr(ip, '.'))
		memmove(ip, ip + 7, strlen(ip + 7) + 1);
}

/* Of the connection @fd of @peer. One that is gone stays so; a Unix socket's are empty. */
static void variables_set(int fd, const struct handoff_addr *peer)
{
	char ip[2][INET6_ADDRSTRLEN] = { 0 }, port[2][8] = { 0 };
	const char *value[N_WHAT] = { ip[0], port[0], ip[1], port[1], "UNIX" };
	struct handoff_addr local = { 0 };
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	(void)getsockname(fd, (struct sockaddr *)&ss, &len);
	if (peer->family != HANDOFF_UNIX) {
		value[PROTO] = "TCP";
		put(peer, ip[0], port[0]);
		(void)handoff_from_sockaddr((struct sockaddr *)&ss, len, &local);
		put(&local, ip[1], port[1]);
	}
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *text = value[variables[i].what];
		char *place = getenv(variables[i].name);

		if (place && !strncmp(place, ROOM, strlen(text)))
			strcpy(place, text);
	}
}

const char *variables_name(size_t i)
{
	return i < sizeof(variables) / sizeof(variables[0]) ? variables[i].name : NULL;
}

/* --- processes --------------------------------------------------------------------------- */

struct zygote {
	struct park *park;
	struct handoff_page *page;
	struct handoff_processes *table;
	size_t size;   /* of both */
	int signals;   /* SIGCHLD */
	int refill;    /* a child has seen that few are left */
	uint32_t next; /* entry to be looked at first */
	sigset_t mask; /* of the program */
	bool nonblock; /* the program has set it for descriptor 0 before it was parked */
	bool ends;     /* a child has seen the end of the channel, behind all that was in it */
};

static void set_state(struct handoff_process *e, enum handoff_process_state state)
{
	__atomic_store_n(&e->state, (uint32_t)state, __ATOMIC_RELEASE);
}

static enum handoff_process_state state_of(const struct handoff_process *e)
{
	return (enum handoff_process_state)__atomic_load_n(&e->state, __ATOMIC_ACQUIRE);
}

/* --- a child --------------------------------------------------------------------------- */

/* Waits for a connection. There is none any more, or it cannot be taken: this child is of no use.
 */
static int take(int rx, struct handoff_conn *ret)
{
	struct handoff_room room = { 0 };
	int fd;

	do
		fd = handoff_take(rx, 0, &room, ret);
	while (fd == -EINTR || fd == -ENOMSG || fd == -ECONNABORTED);
	if (fd < 0)
		_exit(fd == -EINVAL ? 0 : 1);
	return fd;
}

static bool is_traced(void)
{
	char text[1024] = "";
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	const char *tracer;

	(void)!read(fd, text, sizeof(text) - 1);
	handoff_close_fd(&fd);
	tracer = strstr(text, "TracerPid:");
	return tracer && strtol(tracer + strlen("TracerPid:"), NULL, 10);
}

/* If it is this process that somebody wants to debug: the program has not seen its connection. */
static void wait_for_debugger(int32_t *debug)
{
	const struct timespec tick = { .tv_nsec = 10 * 1000 * 1000 };
	int32_t next = HANDOFF_DEBUG_NEXT, own = (int32_t)getpid();

	if (!__atomic_compare_exchange_n(debug, &next, own, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	for (int ms = 0; ms < HANDOFF_DEBUG_MS && !is_traced(); ms += 10) {
		if (__atomic_load_n(debug, __ATOMIC_SEQ_CST) != own)
			return;
		(void)nanosleep(&tick, NULL);
	}
	(void)__atomic_compare_exchange_n(debug, &own, 0, false, __ATOMIC_SEQ_CST,
					  __ATOMIC_SEQ_CST);
}

/* Becomes a process that serves one connection, and knows nothing of where it came from. */
static void serve(struct zygote *z, struct handoff_process *e)
{
	struct park *p = z->park;
	const uint64_t one = 1;
	struct handoff_conn conn;
	int fd;

	handoff_close_fd(&z->signals);
	handoff_close_fd(&p->rendezvous);
	handoff_close_fd(&p->page);
	fd = take(p->rx, &conn);
	e->pid = (int32_t)getpid();
	e->conn = conn.listener ? conn.id : 0;
	e->peer = conn.peer;
	e->taken_ns = handoff_now_ns();
	set_state(e, HANDOFF_PROCESS_TAKEN);
	if (conn.accept_ns && conn.listener)
		handoff_page_add(z->page, e->taken_ns - conn.accept_ns);
	if (__atomic_sub_fetch(&z->table->idle, 1, __ATOMIC_RELAXED) == p->pool / 2)
		(void)!write(z->refill, &one, sizeof(one));
	handoff_close_fd(&z->refill);
	handoff_close_fd(&p->rx);
	variables_set(fd, &conn.peer);
	if (z->nonblock)
		(void)fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	for (int to = 0; to < (p->own_stderr ? 3 : 2); to++)
		if (to != fd)
			(void)dup2(fd, to);
	if (fd > 2)
		(void)close(fd);
	if (conn.listener && z->table->debug)
		wait_for_debugger(&z->table->debug);
	(void)munmap(z->page, z->size);
	(void)sigprocmask(SIG_SETMASK, &z->mask, NULL);
}

/* --- the zygote ------------------------------------------------------------------------ */

/* @pid 0: a free entry, the one longest unused: the broker may still be asked what it was. */
static struct handoff_process *find(struct zygote *z, pid_t pid)
{
	struct handoff_processes *t = z->table;

	for (uint32_t i = 0; i < t->n; i++) {
		struct handoff_process *e = &t->of[(z->next + i) % t->n];
		enum handoff_process_state state = state_of(e);

		if (pid ? e->pid == pid && (state == HANDOFF_PROCESS_IDLE ||
					    state == HANDOFF_PROCESS_TAKEN)
			: state == HANDOFF_PROCESS_FREE) {
			z->next += pid ? 0 : i + 1;
			return e;
		}
	}
	return NULL;
}

/* True in a child. */
static bool fill(struct zygote *z)
{
	struct handoff_processes *t = z->table;

	while (!z->ends && __atomic_load_n(&t->idle, __ATOMIC_RELAXED) < z->park->pool) {
		struct handoff_process *e = find(z, 0);
		pid_t pid;

		if (!e)
			break; /* the broker will free some */
		*e = (struct handoff_process){ .state = HANDOFF_PROCESS_FREE };
		set_state(e, HANDOFF_PROCESS_IDLE);
		(void)__atomic_add_fetch(&t->idle, 1, __ATOMIC_RELAXED);
		pid = fork();
		if (pid == 0) {
			serve(z, e);
			return true;
		}
		if (pid < 0) {
			(void)__atomic_sub_fetch(&t->idle, 1, __ATOMIC_RELAXED);
			set_state(e, HANDOFF_PROCESS_FREE);
			break; /* tried again at the next end, or soon */
		}
		e->pid = (int32_t)pid;
	}
	return false;
}

static void tell(struct zygote *z)
{
	struct handoff_notice notice;

	if (__atomic_exchange_n(&z->table->told, 1, __ATOMIC_ACQ_REL))
		return;
	handoff_header_init(&notice.h, HANDOFF_NOTICE);
	if (handoff_send(z->park->rendezvous, &notice, sizeof(notice), NULL, 0, MSG_DONTWAIT) < 0)
		__atomic_store_n(&z->table->told, 0, __ATOMIC_RELEASE);
}

static uint64_t microseconds(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000u + (uint64_t)tv->tv_usec;
}

/* False: it has no child any more. */
static bool reap(struct zygote *z)
{
	struct rusage used;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
		struct handoff_process *e = find(z, pid);

		if (!e)
			continue; /* the program's own, from before it was parked */
		if (state_of(e) != HANDOFF_PROCESS_TAKEN) {
			(void)__atomic_sub_fetch(&z->table->idle, 1, __ATOMIC_RELAXED);
			z->ends |= status == 0;
			e->pid = 0;
			set_state(e, HANDOFF_PROCESS_FREE);
			continue;
		}
		e->status = status;
		e->ended_ns = handoff_now_ns();
		e->cpu_us = microseconds(&used.ru_utime) + microseconds(&used.ru_stime);
		set_state(e, HANDOFF_PROCESS_ENDED);
		tell(z);
	}
	return pid == 0;
}

/* True in a child. */
static bool keep_ready(struct zygote *z)
{
	struct pollfd polled[] = {
		{ .fd = z->signals, .events = POLLIN },
		{ .fd = z->refill, .events = POLLIN },
		{ .fd = z->park->rendezvous, .events = POLLIN },
	};
	unsigned char unused[sizeof(struct signalfd_siginfo)];
	bool any = true;

	while (!z->ends || any) {
		if (fill(z))
			return true;
		/* A fork that failed, or a full table, is tried again. */
		(void)poll(polled, z->ends ? 1 : 3, 1000);
		(void)!read(z->signals, unused, sizeof(unused));
		(void)!read(z->refill, unused, sizeof(uint64_t));
		any = reap(z);
		/* The broker is gone, or has done with this channel; what is in it is served still.
		 */
		if (polled[2].revents) {
			polled[2].fd = -1;
			z->table->debug = 0;
		}
	}
	_exit(0);
}

bool park(struct park *p)
{
	struct zygote z = { .park = p, .signals = -1, .refill = -1 };
	int flags = fcntl(STDIN_FILENO, F_GETFL);
	sigset_t children;
	struct stat st;

	if (fstat(p->page, &st) < 0)
		return false;
	z.size = (size_t)st.st_size;
	if (z.size < handoff_processes_size(1)) {
		errno = EPROTO;
		return false;
	}
	z.page = mmap(NULL, z.size, PROT_READ | PROT_WRITE, MAP_SHARED, p->page, 0);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	if (z.page == MAP_FAILED || sigprocmask(SIG_BLOCK, &children, &z.mask) < 0)
		return false;
	z.table = handoff_processes_of(z.page);
	z.signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	z.nonblock = flags >= 0 && flags & O_NONBLOCK;
	z.refill = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return z.signals >= 0 && z.refill >= 0 && keep_ready(&z);
}
