/*
 * hooks_name.c - what a socket says of itself: names and options.
 */
#include <netinet/tcp.h>
#include "hooks.h"
#include "moved.h"
#include "shim.h"
#include "slot.h"

/* Where a libc lacks the name; the value is the same on every 64-bit Linux. */
#define OPT_RCVTIMEO_NEW 66

/* Gives the app a name as the kernel does. */
static int give(const struct sockaddr_storage *name, socklen_t full, struct sockaddr *addr,
		socklen_t *len)
{
	int error = addr_room(addr, len);

	if (error)
		return refuse(error);
	addr_copy_out(name, full, addr, len);
	return 0;
}

/* The family in which the app sees the connection @fd; 0: its own. */
static int shown_domain(int fd)
{
	static const int domains[16] = {
		[MARK_WANT_V6] = AF_INET6,
		[MARK_WANT_V4] = AF_INET,
		[MARK_WANT_UNIX] = AF_UNIX,
	};

	return domains[mark_kind(table_mark(fd))];
}

/* A connection that came by a Unix socket of the broker's, which has a name, to an app of TCP. */
static bool came_by_unix(int fd)
{
	_keep_errno_ int saved = errno;
	int domain = shown_domain(fd);
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	return domain && domain != AF_UNIX &&
	       real.getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
	       own.ss_family == AF_UNIX && len > sizeof(own.ss_family);
}

static bool is_moved(int fd)
{
	return __builtin_expect(mark_kind(table_mark(fd)) == MARK_MOVED, 0);
}

typedef int name_fn(int, struct sockaddr *, socklen_t *);

/* What @fn says. Names of an accepted connection are given in the app's family: see addr.h. */
static int ask_name(name_fn *fn, int fd, struct sockaddr *addr, socklen_t *len)
{
	const struct slot *slot = mark_slot(table_mark(fd));
	bool own = fn == real.getsockname;
	int domain = shown_domain(fd);
	struct sockaddr_storage ss;
	struct handoff_addr parsed;
	socklen_t full = sizeof(ss);

	if (is_moved(fd) && (full = moved_name(fd, !own, &ss)) > 0)
		return give(&ss, full, addr, len);
	full = sizeof(ss);
	if (!domain)
		return fn(fd, addr, len);
	if (fn(fd, (struct sockaddr *)&ss, &full) < 0)
		return -1;
	/* Another kind of socket: the mark is left from one that was closed behind our back. */
	if (ss.ss_family != domain &&
	    handoff_from_sockaddr((struct sockaddr *)&ss, full, &parsed)) {
		full = domain == AF_UNIX && own ? slot_name(slot, &ss)
						: addr_to_sockaddr(&parsed, domain, &ss);
	} else if (ss.ss_family == AF_UNIX && came_by_unix(fd)) {
		parsed = (struct handoff_addr){ .family = HANDOFF_UNIX,
						.port = own ? slot->app.addr.port : 0 };
		full = addr_to_sockaddr(&parsed, domain, &ss);
	}
	return give(&ss, full, addr, len);
}

static int name_of(name_fn *fn, int fd, struct sockaddr *addr, socklen_t *len)
{
	socklen_t room;
	unsigned begun;
	int r;

	if (!len)
		return fn(fd, addr, len); /* the kernel says what it says of that */
	room = *len;
	do {
		*len = room;
		begun = moved_before(fd);
		r = ask_name(fn, fd, addr, len);
	} while (moved_since(begun));
	return r;
}

int hook_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct sockaddr_storage own;
	struct slot *slot;

	real_ready();
	slot = slot_at(fd);
	if (!slot)
		return name_of(real.getsockname, fd, addr, len);
	return give(&own, slot_name(slot, &own), addr, len);
}

int hook_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	real_ready();
	return slot_at(fd) ? refuse(ENOTCONN) : name_of(real.getpeername, fd, addr, len);
}

/* The slot at @fd if a channel stands there; a socket that is only bound answers for itself. */
static struct slot *channel_at(int fd)
{
	struct slot *slot = slot_at(fd);

	return slot && atomic_load(&slot->state) >= SLOT_LISTENING &&
			       slot_hidden(slot, HIDDEN_SHADOW) >= 0
		       ? slot
		       : NULL;
}

/* An option of a connection that the app sees in another family than its own. */
static int shown_option(int fd, int level, int name, void *value, socklen_t *len)
{
	const struct slot *slot = mark_slot(table_mark(fd));
	int domain = shown_domain(fd), saved = errno;
	int now = real_int_option(fd, SOL_SOCKET, SO_DOMAIN);
	int r = real.getsockopt(fd, level, name, value, len);
	bool other = now == AF_UNIX ? came_by_unix(fd) : domain == AF_UNIX && now > 0;

	/* Of TCP or IP: what the listener has, as the connection would have inherited it. */
	if (r < 0 && level != SOL_SOCKET && now == AF_UNIX && other) {
		errno = saved;
		return real.getsockopt(slot_hidden(slot, HIDDEN_SHADOW), level, name, value, len);
	}
	if (r == 0 && level == SOL_SOCKET && other && *len == sizeof(int)) {
		if (name == SO_DOMAIN)
			*(int *)value = domain;
		else if (name == SO_PROTOCOL)
			*(int *)value = domain == AF_UNIX ? 0 : IPPROTO_TCP;
	}
	return r;
}

/* An option of what was a connection of TCP: of what the kernel says no more, nothing is set. */
static int moved_option(int fd, int level, int name, void *value, socklen_t *len)
{
	int saved = errno, r = real.getsockopt(fd, level, name, value, len);
	struct sockaddr_storage own;

	if (!moved_name(fd, false, &own))
		return r;
	if (r == 0 && level == SOL_SOCKET && *len == sizeof(int)) {
		if (name == SO_DOMAIN)
			*(int *)value = own.ss_family;
		else if (name == SO_PROTOCOL)
			*(int *)value = IPPROTO_TCP;
	}
	if (r == 0 || level == SOL_SOCKET || !value || !len)
		return r;
	errno = saved;
	memset(value, 0, *len);
	if (level == IPPROTO_TCP && name == TCP_INFO && *len > 0)
		*(unsigned char *)value = TCP_ESTABLISHED; /* tcpi_state */
	return 0;
}

/* Of what is no channel. */
static int option_of(int fd, int level, int name, void *value, socklen_t *len)
{
	socklen_t room;
	unsigned begun;
	int r;

	if (!len)
		return real.getsockopt(fd, level, name, value, len);
	room = *len;
	do {
		*len = room;
		begun = moved_before(fd);
		if (is_moved(fd))
			r = moved_option(fd, level, name, value, len);
		else if (__builtin_expect(!shown_domain(fd), 1))
			r = real.getsockopt(fd, level, name, value, len);
		else
			r = shown_option(fd, level, name, value, len);
	} while (moved_since(begun));
	return r;
}

int hook_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct slot *slot;
	int r;

	real_ready();
	slot = channel_at(fd);
	if (!slot)
		return option_of(fd, level, name, value, len);
	r = real.getsockopt(slot_hidden(slot, HIDDEN_SHADOW), level, name, value, len);
	if (r < 0)
		return r;
	if (level == SOL_SOCKET && name == SO_ACCEPTCONN) {
		int listening = atomic_load(&slot->state) == SLOT_LISTENING;

		memcpy(value, &listening, *len < sizeof(int) ? *len : sizeof(int));
	}
	if (level == IPPROTO_TCP && name == TCP_INFO && *len > 0)
		*(unsigned char *)value = TCP_LISTEN; /* tcpi_state */
	return r;
}

/* In what is no channel. */
static int set_option(int fd, int level, int name, const void *value, socklen_t len)
{
	int r, saved = errno;
	unsigned begun;

	do {
		begun = moved_before(fd);
		r = real.setsockopt(fd, level, name, value, len);
	} while (moved_since(begun));
	/* Of TCP or IP, and the app did not ask for a Unix socket: nothing to do there. */
	if (r < 0 && level != SOL_SOCKET && (is_moved(fd) || came_by_unix(fd))) {
		errno = saved;
		return 0;
	}
	if (r == 0 && shim.active)
		option_note(fd, option_find(level, name));
	return r;
}

/* The app's own socket takes it: the kernel says what is allowed, and remembers it. */
int hook_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	const struct socket_option *option;
	int shadow, r, saved = errno;
	struct handoff_meeting meeting;
	struct slot *slot;

	real_ready();
	slot = channel_at(fd);
	if (!slot)
		return set_option(fd, level, name, value, len);
	option = option_find(level, name);
	if (option->kind == OPTION_UNKEPT) {
		say(&slot->app, option->text, OPTION_REFUSAL);
		return refuse(EPERM);
	}
	shadow = slot_hidden(slot, HIDDEN_SHADOW);
	if (real.setsockopt(shadow, level, name, value, len) < 0)
		return -1;
	/* accept() itself obeys it: the channel must have it, too. */
	if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == OPT_RCVTIMEO_NEW))
		(void)real.setsockopt(fd, level, name, value, len);
	if (option->kind == OPTION_INHERITED)
		options_note(&slot->options, option, shadow, -1);
	/* The broker's listeners get it, too. */
	if (option->kind == OPTION_KEPT && owner_is_me() &&
	    atomic_load(&slot->state) == SLOT_LISTENING) {
		r = rendezvous_meet(slot, true, shadow, &meeting);
		if (r < 0)
			return refuse(-r);
		handoff_meeting_close(&meeting);
	}
	errno = saved;
	return 0;
}
