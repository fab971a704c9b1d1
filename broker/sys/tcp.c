#include "tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include "base/address.h"
#include "base/fd.h"
#include "sys/proc.h"
#include "sys/sockdiag.h"

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Returns the length to give to bind(2). @addr->family must be 4 or 6. */
static socklen_t put_address(const struct handoff_addr *addr, union address *ret)
{
	if (addr->family == 4) {
		ret->in = (struct sockaddr_in){ .sin_family = AF_INET,
						.sin_port = htons(addr->port) };
		memcpy(&ret->in.sin_addr, addr->ip, 4);
		return sizeof(ret->in);
	}
	assert(addr->family == 6);
	ret->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
					  .sin6_port = htons(addr->port),
					  .sin6_scope_id = addr->scope_id };
	memcpy(&ret->in6.sin6_addr, addr->ip, 16);
	return sizeof(ret->in6);
}

/*
 * An IPv4 address that a dual stack socket shows as ::ffff:a.b.c.d becomes the IPv4
 * address that it is. A family other than AF_INET and AF_INET6 gives family 0.
 */
static void get_address(const union address *a, struct handoff_addr *ret)
{
	*ret = (struct handoff_addr){ 0 };
	if (a->sa.sa_family == AF_INET) {
		ret->family = 4;
		ret->port = ntohs(a->in.sin_port);
		memcpy(ret->ip, &a->in.sin_addr, 4);
	} else if (a->sa.sa_family == AF_INET6) {
		bool mapped = IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr);

		ret->family = mapped ? 4 : 6;
		ret->port = ntohs(a->in6.sin6_port);
		ret->scope_id = mapped ? 0 : a->in6.sin6_scope_id;
		memcpy(ret->ip, &a->in6.sin6_addr.s6_addr[mapped ? 12 : 0], mapped ? 4 : 16);
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
	bool can_reset;	 /* 0 sets it back; what cannot be set back is kept until the next start */
};

static int set_options(int fd, const struct service_conf *sc, bool reset)
{
	const struct option_value options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, sc->tcp_nodelay, true },
		{ SOL_SOCKET, SO_KEEPALIVE, sc->so_keepalive, true },
		{ IPPROTO_TCP, TCP_KEEPIDLE, sc->tcp_keepidle_s, false },
		{ IPPROTO_TCP, TCP_KEEPINTVL, sc->tcp_keepintvl_s, false },
		{ IPPROTO_TCP, TCP_KEEPCNT, sc->tcp_keepcnt, false },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, sc->tcp_user_timeout_ms, true },
		{ SOL_SOCKET, SO_RCVBUF, sc->so_rcvbuf, false },
		{ SOL_SOCKET, SO_SNDBUF, sc->so_sndbuf, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option_value *o = &options[i];
		int r = 0;

		if (o->value || (reset && o->can_reset))
			r = set_int(fd, o->level, o->name, o->value);
		if (r < 0)
			return r;
	}
	return 0;
}

int tcp_open(const struct handoff_addr *addr, const struct service_conf *sc,
	     const struct asked *asked, struct strbuf *error, int *ret_fd)
{
	union address address;
	socklen_t len = put_address(addr, &address);
	_cleanup_fd_ int fd = -1;
	int r;

	fd = socket(address.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* A broker that starts again must not wait for the TIME_WAIT of its former life. */
	r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (r == 0 && addr->family == 6)
		r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !!(addr->flags & HANDOFF_V6ONLY));
	if (r == 0 && sc->ip_freebind)
		r = set_int(fd, IPPROTO_IP, IP_FREEBIND, 1);
	if (r == 0)
		r = set_options(fd, sc, false);
	if (r == 0)
		r = asked_apply(fd, asked, sc, error);
	if (r < 0)
		return r;
	if (bind(fd, &address.sa, len) < 0 || listen(fd, (int)sc->backlog) < 0)
		return -errno;
	*ret_fd = fd_take(&fd);
	return 0;
}

struct port_user {
	const struct handoff_addr *addr;
	uint64_t inode;
};

static bool uses_port(void *arg, const struct sockdiag_socket *s)
{
	struct port_user *user = arg;

	if (address_overlap(&s->local, user->addr))
		user->inode = s->inode;
	return !user->inode;
}

static void add_user_of(const struct handoff_addr *addr, struct strbuf *out)
{
	struct port_user user = { .addr = addr };
	char name[32];
	pid_t pid;

	(void)sockdiag_dump(1u << TCP_LISTEN, addr->port, uses_port, &user);
	pid = user.inode ? proc_find_socket_owner(user.inode) : 0;
	if (!pid)
		return;
	proc_name(pid, name, sizeof(name));
	strbuf_addf(out, " by %s (pid %d)", name, (int)pid);
}

int tcp_explain(const struct handoff_addr *addr, int r, struct strbuf *error)
{
	(void)strbuf_fail(error, r, "cannot listen on %s: %m", address_text(addr).text);
	if (r == -EADDRINUSE) {
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
	int r = set_options(fd, sc, true);

	if (r < 0)
		return strbuf_fail(error, r, "cannot change the socket options: %m");
	r = asked_apply(fd, asked, sc, error);

	/* A second listen(2) changes the backlog and nothing else. */
	if (r == 0 && listen(fd, (int)sc->backlog) < 0)
		r = strbuf_fail(error, -errno, "cannot change the backlog: %m");
	return r;
}

enum accept_result tcp_accept(int fd, int *ret_fd, struct handoff_addr *ret_peer, int *ret_errno)
{
	union address address = { 0 };
	socklen_t len = sizeof(address);
	int conn = accept4(fd, &address.sa, &len, SOCK_CLOEXEC);

	if (conn >= 0) {
		get_address(&address, ret_peer);
		*ret_fd = conn;
		return ACCEPT_DONE;
	}
	*ret_errno = errno;
	if (errno_is_shortage(errno))
		return ACCEPT_EXHAUSTED;
	switch (errno) {
	case EAGAIN:
		return ACCEPT_NONE;
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
#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

int tcp_count(int fd, struct tcp_counts *ret)
{
	uint32_t meminfo[MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(meminfo);
	struct tcp_info info;
	socklen_t info_len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_len) < 0)
		return -errno;
	/* A listening socket drops nothing but connections (tcp_listendrop() of the kernel). */
	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, meminfo, &len) < 0)
		return -errno;
	*ret = (struct tcp_counts){
		.backlog = info.tcpi_unacked,
		.backlog_max = info.tcpi_sacked,
		.overflows = meminfo[MEMINFO_DROPS],
	};
	return 0;
}
