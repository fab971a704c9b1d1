#include "options.h"

#include "real.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>

struct inherited {
	int level, name;
	bool doubled; /* getsockopt reports twice what setsockopt was given: socket(7) */
};

/*
 * Numbers where a libc may lack the name. Tried on Linux 6.18: each is inherited, and each can be
 * set again by an unprivileged process. Not here: SO_PRIORITY, which is not inherited;
 * TCP_QUICKACK, which is not permanent; SO_MARK, which needs a capability; TCP_MAXSEG, which the
 * handshake has settled.
 */
static const struct inherited inherited[] = {
	{ SOL_SOCKET, SO_KEEPALIVE, false },
	{ SOL_SOCKET, SO_LINGER, false },
	{ SOL_SOCKET, SO_OOBINLINE, false },
	{ SOL_SOCKET, SO_RCVLOWAT, false },
	{ SOL_SOCKET, SO_SNDBUF, true },
	{ SOL_SOCKET, SO_RCVBUF, true },
	{ SOL_SOCKET, SO_RCVTIMEO, false },
	{ SOL_SOCKET, SO_SNDTIMEO, false },
	{ IPPROTO_TCP, 1 /* TCP_NODELAY */, false },
	{ IPPROTO_TCP, 3 /* TCP_CORK */, false },
	{ IPPROTO_TCP, 4 /* TCP_KEEPIDLE */, false },
	{ IPPROTO_TCP, 5 /* TCP_KEEPINTVL */, false },
	{ IPPROTO_TCP, 6 /* TCP_KEEPCNT */, false },
	{ IPPROTO_TCP, 8 /* TCP_LINGER2 */, false },
	{ IPPROTO_TCP, 13 /* TCP_CONGESTION */, false },
	{ IPPROTO_TCP, 18 /* TCP_USER_TIMEOUT */, false },
	{ IPPROTO_TCP, 25 /* TCP_NOTSENT_LOWAT */, false },
	{ IPPROTO_IP, 1 /* IP_TOS */, false },
	{ IPPROTO_IP, 2 /* IP_TTL */, false },
	{ IPPROTO_IPV6, 16 /* IPV6_UNICAST_HOPS */, false },
	{ IPPROTO_IPV6, 67 /* IPV6_TCLASS */, false },
};

#define N_INHERITED (sizeof(inherited) / sizeof(inherited[0]))
static_assert(N_INHERITED <= OPTIONS_MAX && N_INHERITED <= 32, "one bit and one value each");

/* Returns the size of the value in @ret, or 0 if the socket does not have the option. */
static socklen_t read_option(int sock, size_t i, unsigned char ret[OPTIONS_VALUE_SIZE])
{
	socklen_t len = OPTIONS_VALUE_SIZE;

	memset(ret, 0, OPTIONS_VALUE_SIZE);
	if (real.getsockopt(sock, inherited[i].level, inherited[i].name, ret, &len) < 0)
		return 0;
	if (inherited[i].doubled) {
		int value;

		memcpy(&value, ret, sizeof(value));
		value /= 2;
		memcpy(ret, &value, sizeof(value));
	}
	return len;
}

/* Notes option @i of @sock, unless it is as @fresh has it (-1: in any case). */
static void note(struct options *options, size_t i, int sock, int fresh)
{
	unsigned char now[OPTIONS_VALUE_SIZE], before[OPTIONS_VALUE_SIZE];
	socklen_t len = read_option(sock, i, now);

	if (!len)
		return;
	if (fresh >= 0 && (read_option(fresh, i, before) != len || memcmp(now, before, len) == 0))
		return;
	memcpy(options->values[i], now, sizeof(now));
	options->sizes[i] = (uint8_t)len;
	atomic_fetch_or_explicit(&options->changed, 1u << i, memory_order_release);
}

void options_collect(struct options *options, int sock, int domain)
{
	_cleanup_real_fd_ int fresh = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	for (size_t i = 0; fresh >= 0 && i < N_INHERITED; i++)
		note(options, i, sock, fresh);
}

void options_update(struct options *options, int sock, int level, int name)
{
	for (size_t i = 0; i < N_INHERITED; i++)
		if (inherited[i].level == level && inherited[i].name == name)
			note(options, i, sock, -1);
}

void options_apply(const struct options *options, int conn)
{
	uint32_t changed = atomic_load_explicit(&options->changed, memory_order_acquire);

	for (; changed; changed &= changed - 1) {
		int i = __builtin_ctz(changed);

		(void)real.setsockopt(conn, inherited[i].level, inherited[i].name,
				      options->values[i], options->sizes[i]);
	}
}
