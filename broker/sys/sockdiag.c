#include "sockdiag.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"

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

struct nl_header {
	uint32_t len;
	uint16_t type, flags;
	uint32_t seq, pid;
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

static int send_request(int fd, uint8_t family, unsigned states, uint16_t port)
{
	struct {
		struct nl_header nl;
		struct diag_request req;
		struct port_filter filter;
	} msg = {
		.nl = { .type = SOCK_DIAG_BY_FAMILY, .flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .family = family, .protocol = IPPROTO_TCP, .states = states },
		/* port <= sport && sport <= port; a false test jumps behind the end: no match. */
		.filter = { .attr_len = sizeof(struct port_filter),
			    .attr_type = INET_DIAG_REQ_BYTECODE,
			    .ops = { { INET_DIAG_BC_S_GE, 8, 20 },
				     { 0, 0, port },
				     { INET_DIAG_BC_S_LE, 8, 12 },
				     { 0, 0, port } } },
	};
	size_t len = port ? sizeof(msg) : offsetof(__typeof__(msg), filter);
	struct nl_addr kernel = { .family = AF_NETLINK };

	msg.nl.len = (uint32_t)len;
	return sendto(fd, &msg, len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0 ? -errno
											: 0;
}

static struct sockdiag_socket to_socket(const struct diag_msg *m)
{
	struct sockdiag_socket s = { .inode = m->inode };

	s.local.family = m->family == AF_INET ? 4 : 6;
	s.local.port = ntohs(m->id.sport);
	memcpy(s.local.ip, m->id.src, s.local.family == 4 ? 4 : 16);
	return s;
}

static int dump_family(int fd, uint8_t family, unsigned states, uint16_t port,
		       bool (*seen)(void *arg, const struct sockdiag_socket *s), void *arg)
{
	_Alignas(struct nl_header) char buf[32768];
	bool more = true;
	int r = send_request(fd, family, states, port);

	if (r < 0)
		return r;
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		size_t left;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		left = (size_t)n;
		for (char *at = buf; left >= sizeof(struct nl_header);) {
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
			if (more && h->len >= sizeof(*h) + sizeof(struct diag_msg)) {
				struct diag_msg m;
				struct sockdiag_socket s;

				memcpy(&m, at + sizeof(*h), sizeof(m));
				s = to_socket(&m);
				/* The rest is read all the same: the socket must end up empty. */
				more = seen(arg, &s);
			}
			if (step >= left)
				break;
			at += step;
			left -= step;
		}
	}
}

int sockdiag_dump(unsigned states, uint16_t port,
		  bool (*seen)(void *arg, const struct sockdiag_socket *s), void *arg)
{
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int r;

	if (fd < 0)
		return -errno;
	r = dump_family(fd, AF_INET, states, port, seen, arg);
	if (r == 0)
		r = dump_family(fd, AF_INET6, states, port, seen, arg);
	return r;
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
