#include "options.h"

#include "adopt.h"
#include "real.h"
#include "slot.h"

/*
 * Numbers where a libc may lack the name. The inherited ones were tried on Linux 6.18: each is
 * inherited, and each can be set again by an unprivileged process. Not here: SO_PRIORITY, which is
 * not inherited; TCP_QUICKACK, which is not permanent; TCP_MAXSEG, which the handshake has settled.
 */
static const struct socket_option table[] = {
	{ SOL_SOCKET, SO_KEEPALIVE, OPTION_INHERITED, NULL },
	{ SOL_SOCKET, SO_LINGER, OPTION_INHERITED, NULL },
	{ SOL_SOCKET, SO_OOBINLINE, OPTION_INHERITED, NULL },
	{ SOL_SOCKET, SO_RCVLOWAT, OPTION_INHERITED, NULL },
	{ SOL_SOCKET, SO_SNDBUF, OPTION_INHERITED, NULL },
	{ SOL_SOCKET, SO_RCVBUF, OPTION_INHERITED, NULL },
	{ SOL_SOCKET, SO_RCVTIMEO, OPTION_INHERITED, NULL },
	{ SOL_SOCKET, SO_SNDTIMEO, OPTION_INHERITED, NULL },
	{ SOL_SOCKET, SO_PASSCRED, OPTION_INHERITED, NULL },
	{ IPPROTO_TCP, 1 /* TCP_NODELAY */, OPTION_INHERITED, NULL },
	{ IPPROTO_TCP, 3 /* TCP_CORK */, OPTION_INHERITED, NULL },
	{ IPPROTO_TCP, 4 /* TCP_KEEPIDLE */, OPTION_INHERITED, NULL },
	{ IPPROTO_TCP, 5 /* TCP_KEEPINTVL */, OPTION_INHERITED, NULL },
	{ IPPROTO_TCP, 6 /* TCP_KEEPCNT */, OPTION_INHERITED, NULL },
	{ IPPROTO_TCP, 8 /* TCP_LINGER2 */, OPTION_INHERITED, NULL },
	{ IPPROTO_TCP, 13 /* TCP_CONGESTION */, OPTION_INHERITED, NULL },
	{ IPPROTO_TCP, 18 /* TCP_USER_TIMEOUT */, OPTION_INHERITED, NULL },
	{ IPPROTO_TCP, 25 /* TCP_NOTSENT_LOWAT */, OPTION_INHERITED, NULL },
	{ IPPROTO_IP, 1 /* IP_TOS */, OPTION_INHERITED, NULL },
	{ IPPROTO_IP, 2 /* IP_TTL */, OPTION_INHERITED, NULL },
	{ IPPROTO_IPV6, 16 /* IPV6_UNICAST_HOPS */, OPTION_INHERITED, NULL },
	{ IPPROTO_IPV6, 67 /* IPV6_TCLASS */, OPTION_INHERITED, NULL },

	{ SOL_SOCKET, SO_BROADCAST, OPTION_DATAGRAM, NULL },
	{ SOL_SOCKET, SO_PRIORITY, OPTION_DATAGRAM, NULL },
	{ SOL_SOCKET, SO_TIMESTAMP, OPTION_DATAGRAM, NULL },
	{ SOL_SOCKET, SO_TIMESTAMPNS, OPTION_DATAGRAM, NULL },
	{ SOL_SOCKET, SO_RXQ_OVFL, OPTION_DATAGRAM, NULL },
	{ IPPROTO_IP, IP_PKTINFO, OPTION_DATAGRAM, NULL },
	{ IPPROTO_IP, IP_RECVTOS, OPTION_DATAGRAM, NULL },
	{ IPPROTO_IP, IP_RECVTTL, OPTION_DATAGRAM, NULL },
	{ IPPROTO_IP, IP_MTU_DISCOVER, OPTION_DATAGRAM, NULL },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, OPTION_DATAGRAM, NULL },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, OPTION_DATAGRAM, NULL },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, OPTION_DATAGRAM, NULL },

	{ SOL_SOCKET, SO_BINDTODEVICE, OPTION_KEPT, NULL },
	{ SOL_SOCKET, 62 /* SO_BINDTOIFINDEX */, OPTION_KEPT, NULL },
	{ SOL_SOCKET, 36 /* SO_MARK */, OPTION_KEPT, NULL },
	{ SOL_SOCKET, 49 /* SO_INCOMING_CPU */, OPTION_KEPT, NULL },
	{ IPPROTO_IP, 19 /* IP_TRANSPARENT */, OPTION_KEPT, NULL },
	{ IPPROTO_IP, 21 /* IP_MINTTL */, OPTION_KEPT, NULL },
	{ IPPROTO_IPV6, 73 /* IPV6_MINHOPCOUNT */, OPTION_KEPT, NULL },
	{ IPPROTO_IPV6, 75 /* IPV6_TRANSPARENT */, OPTION_KEPT, NULL },
	{ IPPROTO_TCP, 9 /* TCP_DEFER_ACCEPT */, OPTION_KEPT, NULL },
	{ IPPROTO_TCP, 23 /* TCP_FASTOPEN */, OPTION_KEPT, NULL },

	{ SOL_SOCKET, SO_GET_FILTER, OPTION_UNKEPT, "SO_ATTACH_FILTER" },
	{ SOL_SOCKET, SO_ATTACH_BPF, OPTION_UNKEPT, "SO_ATTACH_BPF" },
	{ SOL_SOCKET, 51, OPTION_UNKEPT, "SO_ATTACH_REUSEPORT_CBPF" },
	{ SOL_SOCKET, 52, OPTION_UNKEPT, "SO_ATTACH_REUSEPORT_EBPF" },
	{ IPPROTO_TCP, 14, OPTION_UNKEPT, "TCP_MD5SIG" },
	{ IPPROTO_TCP, 32, OPTION_UNKEPT, "TCP_MD5SIG_EXT" },
	{ IPPROTO_TCP, 38, OPTION_UNKEPT, "TCP_AO_ADD_KEY" },
	{ IPPROTO_IP, 16, OPTION_UNKEPT, "IP_IPSEC_POLICY" },
	{ IPPROTO_IP, 17, OPTION_UNKEPT, "IP_XFRM_POLICY" },
	{ IPPROTO_IPV6, 34, OPTION_UNKEPT, "IPV6_IPSEC_POLICY" },
	{ IPPROTO_IPV6, 35, OPTION_UNKEPT, "IPV6_XFRM_POLICY" },
};

#define N_TABLE (sizeof(table) / sizeof(table[0]))
static_assert(N_TABLE <= OPTIONS_MAX && N_TABLE <= 64, "one bit and one value each");

const struct socket_option *option_find(int level, int name)
{
	static const struct socket_option other = { .kind = OPTION_OTHER };

	for (size_t i = 0; i < N_TABLE; i++)
		if (table[i].level == level && table[i].name == name)
			return &table[i];
	return &other;
}

/* --- what cannot be kept ------------------------------------------------------------------ */

/* What the kernel does not tell later: inodes of sockets, shifted, with an index of table[]. */
#define NOTES 64
static _Atomic uint64_t notes[NOTES];
static _Atomic unsigned n_notes;

void option_note(int fd, const struct socket_option *option)
{
	_keep_errno_ int saved = errno;

	/* A filter can be detached again, and read. */
	if (option->kind == OPTION_UNKEPT && option->name != SO_GET_FILTER &&
	    option->name != SO_ATTACH_BPF)
		atomic_store(&notes[atomic_fetch_add(&n_notes, 1) % NOTES],
			     slot_socket_ino(fd) << 8 | (uint64_t)(option - table));
}

/* The option that attached a filter of the app's, as that of adopt.h is ours; 0: there is none. */
static int filter_option(int fd)
{
	struct handoff_place unused;
	socklen_t n = 0;

	/* What is no classic filter cannot be read. */
	if (real.getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n) < 0)
		return errno == EACCES ? SO_ATTACH_BPF : 0;
	return n > 0 && !bound_read(fd, &unused) ? SO_GET_FILTER : 0;
}

const char *option_unkept(int fd)
{
	_keep_errno_ int saved = errno;
	uint64_t ino = slot_socket_ino(fd);
	int filter = filter_option(fd);

	if (filter)
		return option_find(SOL_SOCKET, filter)->text;
	for (size_t i = 0; i < NOTES; i++) {
		uint64_t note = atomic_load(&notes[i]);

		if (note && note >> 8 == ino)
			return table[note & 0xff].text;
	}
	return NULL;
}

/* --- what is inherited -------------------------------------------------------------------- */

/* Returns the size of the value in @ret, or 0 if @sock does not have it. */
static socklen_t read_option(int sock, const struct socket_option *option, union option_value *ret)
{
	socklen_t len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	if (real.getsockopt(sock, option->level, option->name, ret, &len) < 0)
		return 0;
	/* It reports twice what was set: socket(7). */
	if (option->level == SOL_SOCKET && (option->name == SO_SNDBUF || option->name == SO_RCVBUF))
		ret->number /= 2;
	return len;
}

void options_note(struct options *options, const struct socket_option *option, int sock, int fresh)
{
	union option_value now, before;
	socklen_t len = read_option(sock, option, &now);
	size_t i = (size_t)(option - table);

	if (!len)
		return;
	if (fresh >= 0 &&
	    (read_option(fresh, option, &before) != len || memcmp(&now, &before, len) == 0))
		return;
	options->values[i] = now;
	options->sizes[i] = (uint8_t)len;
	atomic_fetch_or_explicit(&options->changed, 1ull << i, memory_order_release);
}

void options_collect(struct options *options, int sock, int domain, int type)
{
	_cleanup_real_fd_ int fresh = socket(domain, type | SOCK_CLOEXEC, 0);

	for (size_t i = 0; fresh >= 0 && i < N_TABLE; i++)
		if (table[i].kind == OPTION_INHERITED ||
		    (table[i].kind == OPTION_DATAGRAM && type == SOCK_DGRAM))
			options_note(options, &table[i], sock, fresh);
}

void options_apply(const struct options *options, int conn)
{
	uint64_t changed = atomic_load_explicit(&options->changed, memory_order_acquire);

	for (; changed; changed &= changed - 1) {
		int i = __builtin_ctzll(changed);

		(void)real.setsockopt(conn, table[i].level, table[i].name, &options->values[i],
				      options->sizes[i]);
	}
}
