#include "tcp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include "base/address.h"
#include "base/fd.h"
#include "base/hash.h"
#include "handoff_addr.h"
#include "sys/pair.h"
#include "sys/proc.h"
#include "sys/sockdiag.h"

static const struct asked nothing;

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/*
 * An IPv4 address that a dual stack socket shows as ::ffff:a.b.c.d becomes the IPv4
 * address that it is. A Unix socket gives no name: clients rarely have one. Another family than
 * these gives family 0.
 */
static void get_address(const union address *a, socklen_t len, struct handoff_addr *ret)
{
	*ret = (struct handoff_addr){ 0 };
	if (handoff_from_sockaddr(&a->sa, len, ret)) {
		if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
			return;
		*ret = (struct handoff_addr){ .family = 4, .port = ret->port };
		memcpy(ret->ip, &a->in6.sin6_addr.s6_addr[12], 4);
	} else if (a->sa.sa_family == AF_UNIX) {
		ret->family = HANDOFF_UNIX;
	}
}

static int set_int(int fd, int level, int name, long long value)
{
	int v = (int)value;

	return setsockopt(fd, level, name, &v, sizeof(v)) < 0 ? -errno : 0;
}

struct option_value {
	int level, name;
	long long value; /* 0: the kernel's own, or off */
	bool kept;	 /* 0 does not set it back: the last one is kept until the next start */
};

static int set_options(int fd, const struct service_conf *sc, bool udp)
{
	const struct option_value options[] = {
		{ SOL_SOCKET, SO_RCVBUF, sc->so_rcvbuf, true },
		{ SOL_SOCKET, SO_SNDBUF, sc->so_sndbuf, true },
		/* Of connections alone: */
		{ IPPROTO_TCP, TCP_NODELAY, sc->tcp_nodelay, false },
		{ SOL_SOCKET, SO_KEEPALIVE, sc->so_keepalive, false },
		{ IPPROTO_TCP, TCP_KEEPIDLE, sc->tcp_keepidle_s, true },
		{ IPPROTO_TCP, TCP_KEEPINTVL, sc->tcp_keepintvl_s, true },
		{ IPPROTO_TCP, TCP_KEEPCNT, sc->tcp_keepcnt, true },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, sc->tcp_user_timeout_ms, false },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < (udp ? 2 : ARRAY_SIZE(options)); i++) {
		const struct option_value *o = &options[i];

		if (o->value || !o->kept)
			r = set_int(fd, o->level, o->name, o->value);
	}
	return r;
}

int tcp_share(int fd)
{
	return set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

/* The kernel passes over a listener that is bound to another interface than the client came by. */
int tcp_hide(int fd)
{
	return set_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX, ASKED_NO_INTERFACE);
}

int tcp_listen(int fd, const struct service_conf *sc)
{
	/* A socket for datagrams gets them from the bind on. */
	return listen(fd, (int)sc->backlog) < 0 && errno != EOPNOTSUPP ? -errno : 0;
}

void udp_reset(int fd)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int error;

	/* The errors of what it has sent go, too. */
	(void)set_int(fd, IPPROTO_IP, IP_RECVERR, 0);
	(void)set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 0);
	(void)connect(fd, &nobody, sizeof(nobody));
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) });
	(void)fcntl(fd, F_SETFL, 0);
}

uint64_t udp_head(int fd)
{
	struct {
		union address from;
		unsigned char bytes[64];
	} head = { 0 };
	struct iovec iov = { head.bytes, sizeof(head.bytes) };
	struct msghdr msg = { .msg_name = &head.from,
			      .msg_namelen = sizeof(head.from),
			      .msg_iov = &iov,
			      .msg_iovlen = 1 };
	ssize_t n = recvmsg(fd, &msg, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	return n < 0 ? 0 : (uint64_t)n << 32 | hash_add(HASH_BEGIN, &head, sizeof(head));
}

int tcp_bind(const struct handoff_addr *addr, const struct service_conf *sc,
	     const struct asked *asked, bool shared, struct strbuf *error, int *ret_fd)
{
	union address address = { 0 };
	socklen_t len = handoff_to_sockaddr(addr, &address);
	bool udp = addr->flags & HANDOFF_UDP;
	_cleanup_fd_ int fd = -1;
	int r = 0;

	fd = socket(address.sa.sa_family,
		    (udp ? SOCK_DGRAM : SOCK_STREAM | SOCK_NONBLOCK) | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/*
	 * A broker that starts again must not wait for the TIME_WAIT of its former life. With UDP
	 * it would let others have the port, too.
	 */
	if (!udp)
		r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (r == 0 && addr->family == 6)
		r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !!(addr->flags & HANDOFF_V6ONLY));
	if (r == 0 && sc->ip_freebind)
		r = set_int(fd, IPPROTO_IP, IP_FREEBIND, 1);
	if (r == 0)
		r = set_options(fd, sc, udp);
	if (r == 0 && shared)
		r = tcp_share(fd);
	if (r == 0 && !udp)
		r = asked_apply(fd, asked, sc, error);
	if (r < 0)
		return r;
	if (bind(fd, &address.sa, len) < 0)
		return -errno;
	*ret_fd = fd_take(&fd);
	return 0;
}

int tcp_try(const struct handoff_addr *addr, const struct service_conf *sc)
{
	_cleanup_fd_ int fd = -1;
	STRBUF(error, 512);

	return tcp_bind(addr, sc, &nothing, false, &error, &fd);
}

static void add_user_of(const struct handoff_addr *addr, struct strbuf *out)
{
	_cleanup_sockets_ struct sockdiag_list listening = { 0 };
	pid_t pid = 0;

	(void)sockdiag_find(SOCKDIAG_LISTENS, addr->port, &listening);
	for (size_t i = 0; !pid && i < listening.n; i++)
		if (address_overlap(&listening.v[i].local, addr))
			pid = proc_find_socket_owner(listening.v[i].inode);
	if (pid)
		strbuf_addf(out, " by %s (pid %d)", proc_name(pid).text, (int)pid);
}

int tcp_explain(const struct handoff_addr *addr, int r, struct strbuf *error)
{
	(void)strbuf_fail(error, r, "cannot listen on %s: %m", address_text(addr).text);
	if (r == -EADDRINUSE) {
		if (!(addr->flags & HANDOFF_UDP))
			add_user_of(addr, error);
		strbuf_add(error, "; stop the program that uses it, or choose another port");
	} else if (r == -EACCES) {
		strbuf_add(error, "; ports below 1024 need root or CAP_NET_BIND_SERVICE");
	} else if (r == -EADDRNOTAVAIL) {
		strbuf_add(error,
			   "; this machine has no such address (ip_freebind = yes allows it)");
	}
	return r;
}

int tcp_configure(int fd, const struct service_conf *sc, const struct asked *asked,
		  struct strbuf *error)
{
	bool udp = pair_option_is(fd, SO_TYPE, SOCK_DGRAM);
	int r = set_options(fd, sc, udp);

	if (r == 0 && udp)
		return 0;
	if (r < 0)
		return strbuf_fail(error, r, "cannot change the socket options: %m");
	r = asked_apply(fd, asked, sc, error);

	/* A second listen(2) changes the backlog and nothing else. */
	if (r == 0 && listen(fd, (int)sc->backlog) < 0)
		r = strbuf_fail(error, -errno, "cannot change the backlog: %m");
	return r;
}

typedef int name_fn(int fd, struct sockaddr *ret, socklen_t *len);

static int ask_name(name_fn *fn, int fd, struct handoff_addr *ret)
{
	union address address = { 0 };
	socklen_t len = sizeof(address);

	if (fn(fd, &address.sa, &len) < 0)
		return -errno;
	get_address(&address, len, ret);
	return 0;
}

int tcp_own_address(int fd, struct handoff_addr *ret)
{
	return ask_name(getsockname, fd, ret);
}

int tcp_peer_address(int fd, struct handoff_addr *ret)
{
	return ask_name(getpeername, fd, ret);
}

int tcp_connect_to_self(uint8_t family, int *ret_listener, int *ret_client,
			struct handoff_addr *ret_peer)
{
	static const struct service_conf plain = { .backlog = 16 };
	struct handoff_addr addr = { .family = family == 6 ? 6 : 4 };
	STRBUF(error, 512);
	_cleanup_fd_ int listener = -1, client = -1;
	union address to = { 0 };
	socklen_t len;
	int r;

	if (addr.family == 4)
		memcpy(addr.ip, (const uint8_t[]){ 127, 0, 0, 1 }, 4);
	else
		addr.ip[15] = 1;
	r = tcp_bind(&addr, &plain, &nothing, false, &error, &listener);
	if (r == 0)
		r = tcp_listen(listener, &plain);
	if (r < 0 && family == 6)
		return tcp_connect_to_self(4, ret_listener, ret_client, ret_peer);
	if (r == 0)
		r = tcp_own_address(listener, &addr);
	if (r < 0)
		return r;
	len = handoff_to_sockaddr(&addr, &to);
	client = socket(to.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client < 0 || (connect(client, &to.sa, len) < 0 && errno != EINPROGRESS))
		return -errno;
	r = tcp_own_address(client, ret_peer);
	if (r < 0)
		return r;
	*ret_listener = fd_take(&listener);
	*ret_client = fd_take(&client);
	return 0;
}

enum accept_result tcp_accept(int fd, int flags, int *ret_fd, struct handoff_addr *ret_peer,
			      int *ret_errno)
{
	union address address = { 0 };
	socklen_t len = sizeof(address);
	int conn = accept4(fd, &address.sa, &len, SOCK_CLOEXEC | flags);

	if (conn >= 0) {
		get_address(&address, len, ret_peer);
		*ret_fd = conn;
		return ACCEPT_DONE;
	}
	*ret_errno = errno;
	if (errno_is_shortage(errno))
		return ACCEPT_EXHAUSTED;
	switch (errno) {
	case EAGAIN:
		return ACCEPT_NONE;
	case EACCES:
	case EBADF:
	case EFAULT:
	case EINVAL:
	case ENOTSOCK:
		return ACCEPT_FAILED;
	}
	/*
	 * accept(2): "Linux accept() passes already-pending network errors on the new socket
	 * as an error code from accept()"; ECONNABORTED and EPERM (a firewall) belong here too.
	 */
	return ACCEPT_RETRY;
}

/* Classic BPF as linux/filter.h has it; spelled out so that no kernel header is needed. */
struct bpf_insn {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

struct bpf_prog {
	uint16_t len;
	const struct bpf_insn *insns;
};

#define BPF_LOAD_BYTE 0x30 /* BPF_LD | BPF_B | BPF_ABS */
#define BPF_AND	      0x54 /* BPF_ALU | BPF_AND | BPF_K */
#define BPF_JEQ	      0x15 /* BPF_JMP | BPF_JEQ | BPF_K */
#define BPF_RETURN    0x06 /* BPF_RET | BPF_K */

#define TCP_FLAGS_OFFSET 13
#define TCP_FLAG_SYN	 0x02
#define TCP_FLAG_ACK	 0x10

int tcp_stop_syns(int fd)
{
	static const struct bpf_insn insns[] = {
		{ BPF_LOAD_BYTE, 0, 0, TCP_FLAGS_OFFSET },
		{ BPF_AND, 0, 0, TCP_FLAG_SYN | TCP_FLAG_ACK },
		{ BPF_JEQ, 0, 1, TCP_FLAG_SYN },
		{ BPF_RETURN, 0, 0, 0 },	  /* drop */
		{ BPF_RETURN, 0, 0, UINT32_MAX }, /* keep the whole packet */
	};
	const struct bpf_prog prog = { ARRAY_SIZE(insns), insns };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

void tcp_remove_filter(int fd)
{
	/* ENOENT: accepted before the filter was there. */
	(void)set_int(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
}

/* Of linux/sock_diag.h, which not every libc comes with. */
#define MEMINFO_DROPS 8
#define MEMINFO_VARS  9

void tcp_count(int fd, struct metrics_listener *ret)
{
	uint32_t meminfo[MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(meminfo);
	struct tcp_info info;
	socklen_t info_len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_MEMINFO, meminfo, &len) < 0)
		return;
	ret->asked = true;
	ret->backlog = info.tcpi_unacked;
	ret->backlog_limit = info.tcpi_sacked;
	/* A listening socket drops nothing but connections (tcp_listendrop() of the kernel). */
	ret->overflows = meminfo[MEMINFO_DROPS];
}

uint16_t tcp_local_port(int fd)
{
	struct handoff_addr addr = { 0 };

	(void)tcp_own_address(fd, &addr);
	return addr.port;
}

/* The head of struct tcp_info of linux/tcp.h, of which not every libc knows so much. */
struct long_tcp_info {
	uint8_t state, other[7];
	uint32_t before_times[9], last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
	uint32_t before_rates[11];
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
};

static_assert(offsetof(struct long_tcp_info, last_data_sent) == 44, "kernel ABI");
static_assert(offsetof(struct long_tcp_info, bytes_acked) == 120, "kernel ABI");
static_assert(sizeof(struct long_tcp_info) == 160, "kernel ABI");

uint64_t tcp_written(int fd)
{
	uint64_t acked = UINT64_MAX;
	int unacked = 0;

	/* Until both are of the same time. */
	for (;;) {
		struct long_tcp_info info = { .bytes_acked = 0 };
		socklen_t n = sizeof(info);

		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
			return 0;
		if (info.bytes_acked == acked)
			return acked + (unsigned)unacked;
		acked = info.bytes_acked;
		if (ioctl(fd, TIOCOUTQ, &unacked) < 0)
			return 0;
	}
}

int tcp_sample(int fd, struct idle_sample *ret)
{
	struct long_tcp_info info;
	socklen_t len = sizeof(info);
	int unread, unacked;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -errno;
	if (info.state != TCP_ESTABLISHED)
		return -ENOTCONN;
	if (len < sizeof(info))
		return -ENOSYS;
	/* tcp(7) calls them SIOCINQ and SIOCOUTQ. */
	if (ioctl(fd, FIONREAD, &unread) < 0 || ioctl(fd, TIOCOUTQ, &unacked) < 0)
		return -errno;
	*ret = (struct idle_sample){
		.received = info.bytes_received,
		.written = info.bytes_acked + (unsigned)unacked,
		.requests = info.data_segs_in,
		.acks = info.segs_out - info.data_segs_out,
		.unread = (unsigned)unread,
		.unacked = (unsigned)unacked,
		.received_ms = info.last_data_recv,
		.sent_ms = info.last_data_sent,
		.acked_ms = info.last_ack_recv,
	};
	return 0;
}
