#include "sockdiag.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include "base/fd.h"
#include "base/paths.h"
#include "handoff_name.h"

/*
 * The kernel's ABI (linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h), spelled out:
 * musl's compiler wrapper sees no kernel headers.
 */
#define NETLINK_SOCK_DIAG      4
#define TCPDIAG_GETSOCK	       18
#define SOCK_DIAG_BY_FAMILY    20
#define NLMSG_ERROR	       2
#define NLMSG_DONE	       3
#define NLM_F_REQUEST	       0x001
#define NLM_F_DUMP	       0x300
#define INET_DIAG_REQ_BYTECODE 1
#define INET_DIAG_BC_JMP       1
#define INET_DIAG_BC_S_GE      2 /* S_LE is the next, and so with D */
#define INET_DIAG_BC_D_GE      4

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
	uint8_t family, src_len, dst_len, ext;
	struct diag_id id;
	uint32_t states, dbs;
};

struct diag_msg {
	uint8_t family, state, timer, retrans;
	struct diag_id id;
	uint32_t expires, rqueue, wqueue, uid, inode;
};

struct diag_op {
	uint8_t code, yes; /* yes: bytes to go on */
	uint16_t no; /* bytes to jump if false, as JMP is; in the second half of a pair: the port */
};

struct port_filter {
	uint16_t attr_len, attr_type;
	struct diag_op ops[14];
};

static_assert(sizeof(struct diag_id) == 48, "kernel ABI");
static_assert(sizeof(struct diag_request) == 60, "kernel ABI");
static_assert(sizeof(struct diag_msg) == 72, "kernel ABI");
static_assert(sizeof(struct port_filter) == 60, "kernel ABI");

/* The kernel's ABI (linux/unix_diag.h). */
struct unix_request {
	uint8_t family, protocol;
	uint16_t pad;
	uint32_t states, inode, show, cookie[2];
};

struct unix_msg {
	uint8_t family, type, state, pad;
	uint32_t inode, cookie[2];
};

struct nl_attr {
	uint16_t len, type;
};

#define UDIAG_SHOW_NAME 1
#define UNIX_DIAG_NAME	0

static_assert(sizeof(struct unix_request) == 24, "kernel ABI");
static_assert(sizeof(struct unix_msg) == 16, "kernel ABI");

/* The kernel puts as many sockets into an answer as fit: a step is to be short. */
#define STEP_BYTES 8192
/*
 * But it goes on until they fill it: past 200,000 of which none is asked for, that takes 14 ms. So
 * some others are asked for, too, to end a step: of the ports that the kernel chooses, one of 28.
 */
#define OTHERS_LOW  40000
#define OTHERS_HIGH 41023
/* Chains of sockets by inode: to sort 100,000 of them at the end would be one long step. */
#define HEADS 16384

/* One of ports @low to @high; a test that is false jumps behind what follows these, or the end. */
static void put_range(struct diag_op at[4], uint8_t ge, uint16_t low, uint16_t high)
{
	at[0] = (struct diag_op){ ge, 8, 20 };
	at[1].no = low;
	at[2] = (struct diag_op){ ge + 1, 8, 12 };
	at[3].no = high;
}

static int send_request(const struct sockdiag_walk *w)
{
	static const struct nl_addr kernel = { .family = AF_NETLINK };
	struct {
		struct nl_header nl;
		union {
			struct {
				struct diag_request req;
				struct port_filter filter;
			};
			struct unix_request unix_req;
		};
	} msg = { .nl.flags = NLM_F_REQUEST | NLM_F_DUMP };

	if (w->family == AF_UNIX) {
		msg.nl.type = SOCK_DIAG_BY_FAMILY;
		msg.nl.len = sizeof(msg.nl) + sizeof(msg.unix_req);
		msg.unix_req = (struct unix_request){ .family = AF_UNIX,
						      .states = 1 << TCP_ESTABLISHED,
						      .show = UDIAG_SHOW_NAME };
	} else {
		/* The older question, since its answer has both families. */
		msg.nl.type = TCPDIAG_GETSOCK;
		msg.nl.len = sizeof(msg);
		msg.req = (struct diag_request){ .states = w->states };
		msg.filter = (struct port_filter){ .attr_len = sizeof(struct port_filter),
						   .attr_type = INET_DIAG_REQ_BYTECODE,
						   .ops[4] = { INET_DIAG_BC_JMP, 4, 40 },
						   .ops[9] = { INET_DIAG_BC_JMP, 4, 20 } };
		put_range(msg.filter.ops, INET_DIAG_BC_S_GE, w->low, w->high);
		put_range(msg.filter.ops + 5, INET_DIAG_BC_S_GE, OTHERS_LOW, OTHERS_HIGH);
		put_range(msg.filter.ops + 10, INET_DIAG_BC_D_GE, OTHERS_LOW, OTHERS_HIGH);
	}
	return sendto(w->fd, &msg, msg.nl.len, 0, (const struct sockaddr *)&kernel,
		      sizeof(kernel)) < 0
		       ? -errno
		       : 0;
}

static bool is_moved(const char *name, size_t len)
{
	return len > HANDOFF_MOVED_PREFIX_SIZE &&
	       !memcmp(name, HANDOFF_MOVED_PREFIX, HANDOFF_MOVED_PREFIX_SIZE);
}

/* A connection has the name of the listener that it came by; its client's end has none. */
static bool is_ours(const char *at, size_t left)
{
	struct unix_msg m;
	struct nl_attr a;

	if (left < sizeof(m) + sizeof(a))
		return false;
	memcpy(&m, at, sizeof(m));
	memcpy(&a, at + sizeof(m), sizeof(a));
	return m.type == SOCK_STREAM && a.type == UNIX_DIAG_NAME && a.len >= sizeof(a) &&
	       a.len <= left - sizeof(m) &&
	       (paths_find(at + sizeof(m) + sizeof(a), a.len - sizeof(a)) ||
		is_moved(at + sizeof(m) + sizeof(a), a.len - sizeof(a)));
}

/* @at: what the kernel says of one socket. */
static int add_socket(const char *at, size_t left, struct sockdiag_walk *w)
{
	struct sockdiag_list *ret = &w->found;
	struct sockdiag_socket s = { .local.family = HANDOFF_UNIX };
	struct diag_msg m;
	uint32_t *head;

	if (left > 0 && *at == AF_UNIX) {
		if (!is_ours(at, left))
			return 0;
		memcpy(&m.inode, at + offsetof(struct unix_msg, inode), sizeof(m.inode));
	} else if (left >= sizeof(m)) {
		memcpy(&m, at, sizeof(m));
		s.local.family = m.family == AF_INET ? 4 : 6;
		s.local.port = ntohs(m.id.sport);
		if (s.local.port < w->low || s.local.port > w->high)
			return 0;
		memcpy(s.local.ip, m.id.src, s.local.family == 4 ? 4 : 16);
	} else {
		return 0;
	}
	s.inode = m.inode;
	if (!ret->first)
		ret->first = calloc(HEADS, sizeof(*ret->first));
	if (!ret->first || !array_grow(ret->v, ret->n))
		return -ENOMEM;
	head = &ret->first[s.inode % HEADS];
	s.next = *head;
	ret->v[ret->n++] = s;
	*head = (uint32_t)ret->n;
	return 0;
}

/* 0; 1: that was the end of the list; -errno. */
static int add_messages(const char *at, size_t left, struct sockdiag_walk *w)
{
	while (left >= sizeof(struct nl_header)) {
		const struct nl_header *h = (const struct nl_header *)(const void *)at;
		size_t step = (h->len + 3u) & ~3u;
		int error = 0;

		if (h->len < sizeof(*h) || h->len > left)
			return -EBADMSG;
		if (h->type == NLMSG_DONE)
			return 1;
		if (h->type == NLMSG_ERROR) {
			if (h->len >= sizeof(*h) + sizeof(error))
				memcpy(&error, at + sizeof(*h), sizeof(error));
			return error ? error : -EIO; /* already negative */
		}
		error = add_socket(at + sizeof(*h), h->len - sizeof(*h), w);
		if (error < 0)
			return error;
		if (step >= left)
			break;
		at += step;
		left -= step;
	}
	return 0;
}

int sockdiag_begin(struct sockdiag_walk *w)
{
	int r;

	sockdiag_end(w);
	w->family = AF_UNSPEC;
	w->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	r = w->fd < 0 ? -errno : send_request(w);
	if (r < 0)
		sockdiag_end(w);
	return r;
}

int sockdiag_step(struct sockdiag_walk *w)
{
	_Alignas(struct nl_header) char buf[STEP_BYTES];
	ssize_t n = recv(w->fd, buf, sizeof(buf), 0);
	int r = n > 0 ? add_messages(buf, (size_t)n, w) : n == 0 ? -EIO : -errno;

	if (r == 0 || r == -EINTR)
		return 1;
	if (r > 0 && w->family != AF_UNIX && w->states == SOCKDIAG_OPEN &&
	    (paths_count() || w->moved)) {
		w->family = AF_UNIX;
		r = send_request(w);
		if (r == 0)
			return 1;
	}
	if (r < 0) {
		sockdiag_end(w);
		return r;
	}
	fd_closep(&w->fd);
	return 0;
}

void sockdiag_end(struct sockdiag_walk *w)
{
	fd_closep(&w->fd);
	sockdiag_list_deinit(&w->found);
}

int sockdiag_run(struct sockdiag_walk *w)
{
	int r = sockdiag_begin(w);

	if (r == 0)
		do
			r = sockdiag_step(w);
		while (r > 0);
	return r;
}

int sockdiag_find(enum sockdiag_states states, uint16_t port, struct sockdiag_list *ret)
{
	struct sockdiag_walk w =
		SOCKDIAG_WALK(.states = states, .low = port, .high = port ? port : UINT16_MAX);
	int r = sockdiag_run(&w);

	*ret = w.found;
	return r;
}

int sockdiag_handshakes(uint16_t port)
{
	_cleanup_sockets_ struct sockdiag_list all = { 0 };
	int r = sockdiag_find(SOCKDIAG_HANDSHAKE, port, &all);

	return r < 0 ? r : (int)all.n;
}

void sockdiag_list_deinit(struct sockdiag_list *list)
{
	free(list->v);
	free(list->first);
	*list = (struct sockdiag_list){ 0 };
}

struct sockdiag_socket *sockdiag_get(const struct sockdiag_list *list, uint64_t inode)
{
	uint32_t at = list->first ? list->first[inode % HEADS] : 0;

	while (at && list->v[at - 1].inode != inode)
		at = list->v[at - 1].next;
	return at ? &list->v[at - 1] : NULL;
}
