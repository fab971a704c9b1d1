#include "sockdiag.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "sys/tcp_info.h"

/*
 * The kernel's ABI (linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h), spelled out:
 * musl's compiler wrapper sees no kernel headers.
 */
#ifndef AF_NETLINK
#define AF_NETLINK 16
#endif
#define NETLINK_SOCK_DIAG      4
#define SOCK_DIAG_BY_FAMILY    20
#define NLMSG_ERROR	       2
#define NLMSG_DONE	       3
#define NLM_F_REQUEST	       0x001
#define NLM_F_DUMP	       0x300
#define INET_DIAG_REQ_BYTECODE 1
#define INET_DIAG_BC_S_GE      2
#define INET_DIAG_BC_S_LE      3
#define INET_DIAG_INFO	       2

struct nl_header {
	uint32_t len;
	uint16_t type, flags;
	uint32_t seq, pid;
};

struct nl_attr {
	uint16_t len, type;
};

struct nl_addr {
	uint16_t family, pad;
	uint32_t pid, groups;
};

struct diag_id {
	uint16_t sport, dport; /* network order */
	uint32_t src[4], dst[4];
	uint32_t interface;
	uint32_t cookie[2];
};

struct diag_request {
	uint8_t family, protocol, ext, pad;
	uint32_t states;
	struct diag_id id;
};

struct diag_msg {
	uint8_t family, state, timer, retrans;
	struct diag_id id;
	uint32_t expires, rqueue, wqueue, uid, inode;
};

struct diag_op {
	uint8_t code, yes; /* yes: bytes to go on */
	uint16_t no;	   /* bytes to jump if false; in the second half of a pair: the port */
};

struct port_filter {
	uint16_t attr_len, attr_type;
	struct diag_op ops[4];
};

static_assert(sizeof(struct diag_id) == 48, "kernel ABI");
static_assert(sizeof(struct diag_request) == 56, "kernel ABI");
static_assert(sizeof(struct diag_msg) == 72, "kernel ABI");
static_assert(sizeof(struct port_filter) == 20, "kernel ABI");

static int send_request(int fd, const struct sockdiag_query *q)
{
	struct {
		struct nl_header nl;
		struct diag_request req;
		struct port_filter filter;
	} msg = {
		.nl = { .type = SOCK_DIAG_BY_FAMILY, .flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .family = q->family == 4 ? AF_INET : AF_INET6,
			 .protocol = IPPROTO_TCP,
			 .ext = q->sample ? 1 << (INET_DIAG_INFO - 1) : 0,
			 .states = q->states },
		/* port <= sport && sport <= port; a false test jumps behind the end: no match. */
		.filter = { .attr_len = sizeof(struct port_filter),
			    .attr_type = INET_DIAG_REQ_BYTECODE,
			    .ops = { { INET_DIAG_BC_S_GE, 8, 20 },
				     { 0, 0, q->port },
				     { INET_DIAG_BC_S_LE, 8, 12 },
				     { 0, 0, q->port } } },
	};
	size_t len = q->port ? sizeof(msg) : offsetof(__typeof__(msg), filter);
	struct nl_addr kernel = { .family = AF_NETLINK };

	msg.nl.len = (uint32_t)len;
	return sendto(fd, &msg, len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0 ? -errno
											: 0;
}

int sockdiag_open(const struct sockdiag_query *query, int *ret_fd)
{
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int r = fd < 0 ? -errno : send_request(fd, query);

	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

/* @at: the attributes behind a struct diag_msg, @left bytes of them. */
static void add_sample(const struct diag_msg *m, const char *at, size_t left,
		       struct sockdiag_socket *ret)
{
	struct nl_attr a;

	for (; left >= sizeof(a); at += (a.len + 3u) & ~3u, left -= (a.len + 3u) & ~3u) {
		memcpy(&a, at, sizeof(a));
		if (a.len < sizeof(a) || ((a.len + 3u) & ~3u) > left)
			return;
		if (a.type != INET_DIAG_INFO ||
		    !tcp_info_read(at + sizeof(a), a.len - sizeof(a), &ret->sample))
			continue;
		ret->sample.unread = m->rqueue;
		ret->sample.unacked = m->wqueue;
		ret->sample.written += m->wqueue;
	}
}

static struct sockdiag_socket to_socket(const char *at, size_t len)
{
	struct sockdiag_socket s = { 0 };
	struct diag_msg m;

	memcpy(&m, at, sizeof(m));
	s.inode = m.inode;
	s.local.family = m.family == AF_INET ? 4 : 6;
	s.local.port = ntohs(m.id.sport);
	memcpy(s.local.ip, m.id.src, s.local.family == 4 ? 4 : 16);
	add_sample(&m, at + sizeof(m), len - sizeof(m), &s);
	return s;
}

int sockdiag_read(int fd, bool (*seen)(void *arg, const struct sockdiag_socket *s), void *arg)
{
	_Alignas(struct nl_header) char buf[32768];
	const char *at = buf;
	ssize_t n;
	size_t left;

	do
		n = recv(fd, buf, sizeof(buf), 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	left = (size_t)n;
	while (left >= sizeof(struct nl_header)) {
		const struct nl_header *h = (const struct nl_header *)(const void *)at;
		size_t step = (h->len + 3u) & ~3u;

		if (h->len < sizeof(*h) || h->len > left)
			return -EBADMSG;
		if (h->type == NLMSG_DONE)
			return 0;
		if (h->type == NLMSG_ERROR) {
			int error = 0;

			if (h->len >= sizeof(*h) + sizeof(error))
				memcpy(&error, at + sizeof(*h), sizeof(error));
			return error ? error : -EIO; /* already negative */
		}
		if (h->len >= sizeof(*h) + sizeof(struct diag_msg)) {
			struct sockdiag_socket s = to_socket(at + sizeof(*h), h->len - sizeof(*h));

			if (!seen(arg, &s))
				return -ECANCELED;
		}
		if (step >= left)
			break;
		at += step;
		left -= step;
	}
	return 1;
}

static int dump(const struct sockdiag_query *query,
		bool (*seen)(void *arg, const struct sockdiag_socket *s), void *arg)
{
	_cleanup_fd_ int fd = -1;
	int r = sockdiag_open(query, &fd);

	for (r = r < 0 ? r : 1; r > 0;)
		r = sockdiag_read(fd, seen, arg);
	return r;
}

int sockdiag_dump(unsigned states, uint16_t port,
		  bool (*seen)(void *arg, const struct sockdiag_socket *s), void *arg)
{
	struct sockdiag_query query = { .family = 4, .port = port, .states = states };
	int r = dump(&query, seen, arg);

	query.family = 6;
	if (r == 0)
		r = dump(&query, seen, arg);
	return r == -ECANCELED ? 0 : r;
}

void inode_set_deinit(struct inode_set *set)
{
	free(set->inodes);
	*set = (struct inode_set){ 0 };
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void inode_set_sort(struct inode_set *set)
{
	if (set->n)
		qsort(set->inodes, set->n, sizeof(*set->inodes), compare);
}

bool inode_set_has(const struct inode_set *set, uint64_t inode)
{
	return set->n && bsearch(&inode, set->inodes, set->n, sizeof(*set->inodes), compare);
}

static bool add_inode(void *arg, const struct sockdiag_socket *s)
{
	struct inode_set *set = arg;
	uint64_t *inodes;

	if (s->inode == 0)
		return true;
	inodes = array_grow(set->inodes, set->n, sizeof(*inodes));
	if (!inodes)
		return false;
	set->inodes = inodes;
	inodes[set->n++] = s->inode;
	return true;
}

int sockdiag_add_connections(uint16_t port, struct inode_set *ret)
{
	/* Every state in which a process may still read or write. */
	unsigned states = 1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2 |
			  1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK | 1u << TCP_CLOSING;

	return sockdiag_dump(states, port, add_inode, ret);
}

static bool count(void *arg, const struct sockdiag_socket *s)
{
	(void)s;
	++*(int *)arg;
	return true;
}

int sockdiag_handshakes(uint16_t port)
{
	int n = 0, r = sockdiag_dump(1u << TCP_SYN_RECV, port, count, &n);

	return r < 0 ? r : n;
}
