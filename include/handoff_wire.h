/*
 * handoff_wire.h - the contract between the broker and its workers.
 *
 * AF_UNIX sockets carry it. The first and the last are SOCK_SEQPACKET, so that one
 * send is one message and a descriptor can never be attached to the wrong bytes:
 *
 *   rendezvous   one connection per listening socket of a worker
 *                worker --> broker   HELLO
 *                broker --> worker   WELCOME + descriptors rx, tx, and perhaps a page
 *                                    (handoff_page.h), in that order
 *                                    REFUSED and close
 *                It then stays open and silent for as long as any process of the
 *                worker holds the listening socket. Its end of file is the
 *                goodbye: the kernel counts the holders, so neither fork nor a
 *                crash can make that wrong.
 *
 *   control      a process that wants to be a guest --> broker   JOIN
 *                broker --> it       JOINED, or REFUSED, and close
 *                (SOCK_STREAM, shared with brokerctl, whose requests are text)
 *
 *   channel      broker --> worker   CONN + exactly one connected socket
 *                                    NUDGE without any
 *                                    MOVE + a socket, into which the worker may send
 *                worker --> relay    OFFER + a connection and what stands in its place
 *                The worker sends nothing here. It reads with recvmsg(2) on rx.
 *
 * Host byte order is fine (both ends share a kernel); host layout is not, since
 * broker and worker may come from different builds. So every field has a fixed
 * width, every struct has its size asserted, and text is always terminated.
 *
 * A receiver uses a message only if handoff_check() accepts it. A message has no
 * pointers and no inner lengths, and no type may be ignored.
 */
#ifndef HANDOFF_WIRE_H
#define HANDOFF_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HANDOFF_VERSION 3

/* Environment of a worker: what the app may read, and what the shim needs. */
#define HANDOFF_ENV_SERVICE    "BROKER_SERVICE"	      /* web */
#define HANDOFF_ENV_SLOT       "BROKER_SLOT"	      /* 0 */
#define HANDOFF_ENV_WORKER     "BROKER_WORKER"	      /* web.0 */
#define HANDOFF_ENV_GENERATION "BROKER_GENERATION"    /* 1 */
#define HANDOFF_ENV_RENDEZVOUS "BROKER_RENDEZVOUS"    /* path of the rendezvous socket */
#define HANDOFF_ENV_TOKEN      "BROKER_TOKEN"	      /* 32 hex digits, one per worker */
#define HANDOFF_ENV_PRIVATE    "BROKER_PRIVATE_PORTS" /* "9229,9400-9409": left to the app */
/* Unix sockets of the service, or what the app may bind itself, as in fnmatch(3); with blanks. */
#define HANDOFF_ENV_SOCKETS "BROKER_SOCKETS"
#define HANDOFF_ENV_UDP	    "BROKER_UDP"     /* 1: sockets for datagrams are shared */
#define HANDOFF_ENV_WRAPPER "BROKER_WRAPPER" /* a program in front of the app: left alone */
#define HANDOFF_ENV_STDERR  "BROKER_STDERR"  /* device and inode of descriptor 2: 1a:2b */

enum handoff_type {
	HANDOFF_HELLO = 1,
	HANDOFF_WELCOME = 2,
	HANDOFF_REFUSED = 3,
	HANDOFF_CONN = 4,
	HANDOFF_NUDGE = 5,
	HANDOFF_JOIN = 6,
	HANDOFF_JOINED = 7,
	HANDOFF_NOTICE = 8,
	HANDOFF_MOVE = 9,
	HANDOFF_OFFER = 10,
};

enum handoff_backend {
	HANDOFF_BACKEND_PRELOAD = 1,
	HANDOFF_BACKEND_NATIVE = 2, /* it speaks the protocol itself */
	HANDOFF_BACKEND_TRAP = 3,   /* the library as signals see it: worker-shim/trap */
	HANDOFF_BACKEND_LOADED = 4, /* the same, in a program that was not executed */
};

/* First in every message. */
struct handoff_header {
	uint16_t version; /* HANDOFF_VERSION */
	uint16_t type;	  /* enum handoff_type */
	uint32_t size;	  /* of the whole message, as the type says */
};

#define HANDOFF_V6ONLY 0x1 /* handoff_addr.flags: IPV6_V6ONLY is set */
#define HANDOFF_UDP    0x2 /* ... it is for datagrams; in no message */

/*
 * handoff_addr.family: a Unix stream socket. The rest is 0, on the wire; its path, where it has
 * one, stands beside it: absolute, or with a leading '@' for an abstract name. It is terminated.
 */
#define HANDOFF_UNIX	  1
#define HANDOFF_PATH_SIZE 108

/* An address as the application names it. */
struct handoff_addr {
	uint8_t family;	   /* 4, 6 or HANDOFF_UNIX; 0: none (a peer that is gone) */
	uint8_t flags;	   /* HANDOFF_V6ONLY */
	uint16_t port;	   /* host byte order */
	uint32_t scope_id; /* IPv6 link-local zone, else 0 */
	uint8_t ip[16];	   /* network order; IPv4 uses the first four, the rest is 0 */
};

#define HANDOFF_TOKEN_SIZE   16
#define HANDOFF_TOKEN_PUBLIC 8 /* at its start, in the names of channels; the rest is secret */
#define HANDOFF_SERVICE_SIZE 64

#define HANDOFF_HELLO_UDP   0x2 /* .addr is for datagrams: the service's socket is wanted */
#define HANDOFF_HELLO_ADOPT 0x1 /* the listening socket was inherited (exec): .channel names it */

/* "The app has called listen() on this address." */
struct handoff_hello {
	struct handoff_header h;
	struct handoff_addr addr; /* what the app bound */
	uint32_t slot;
	uint32_t generation;
	int32_t pid;	  /* for messages only: the broker believes SO_PEERCRED */
	uint32_t backlog; /* as the app gave it */
	uint32_t backend; /* enum handoff_backend */
	uint32_t flags;	  /* HANDOFF_HELLO_* */
	uint64_t channel; /* with ADOPT: from the name of rx, else 0 */
	uint8_t token[HANDOFF_TOKEN_SIZE];
	char service[HANDOFF_SERVICE_SIZE]; /* terminated, rest zero */
	char path[HANDOFF_PATH_SIZE];	    /* of .addr */
	uint32_t reserved;
};

/* Carries rx and tx. The worker puts rx where its listening socket was and keeps tx open. */
struct handoff_welcome {
	struct handoff_header h;
	uint64_t channel;
	struct handoff_addr addr;     /* where clients connect: its first TCP listener */
	char path[HANDOFF_PATH_SIZE]; /* of .addr */
	uint32_t reserved;
};

#define HANDOFF_REASON_SIZE 480

struct handoff_refused {
	struct handoff_header h;
	uint32_t error; /* the errno that listen(2) returns to the app; never 0 */
	uint32_t reserved;
	char reason[HANDOFF_REASON_SIZE]; /* terminated: what was found and what to do */
};

#define HANDOFF_CONN_NONBLOCK 0x1 /* O_NONBLOCK is set on the descriptor */

/* One accepted connection. Always comes with exactly one descriptor. */
struct handoff_conn {
	struct handoff_header h;
	uint64_t id;	    /* unique in the life of a broker, rising */
	uint64_t accept_ns; /* CLOCK_MONOTONIC at accept; 0: nobody measures how long it waits */
	uint32_t listener;  /* the broker's number for the listener; 0: a health check */
	uint32_t flags;	    /* HANDOFF_CONN_* */
	struct handoff_addr peer; /* as accept(2) reported it: IPv4 over a dual stack socket is 4 */
	uint64_t number;	  /* of the message in its channel, from 1: see handoff_page.h */
};

/*
 * "What you saw here was given to somebody else." The broker took back what a draining worker
 * had not taken. An app that polled before that and calls a *blocking* accept(2) after it would
 * wait for a client that never comes, and its other clients with it: so the accept that reads
 * this answers ECONNABORTED. A non-blocking one reads on.
 */
struct handoff_nudge {
	struct handoff_header h;
};

/* On the rendezvous: "look at my table of processes" (handoff_process.h). */
struct handoff_notice {
	struct handoff_header h;
};

#define HANDOFF_MOVE_PORTS 8

/*
 * "You drain: the connections that you have can go on with others." Comes with a descriptor, into
 * which OFFERs go. It is for those whose local port is one of .ports.
 */
struct handoff_move {
	struct handoff_header h;
	uint32_t n_ports;
	uint16_t ports[HANDOFF_MOVE_PORTS];
	uint32_t passed; /* by so many processes of the worker, which had nothing to give */
};

/*
 * A connection, and one end of a pair of AF_UNIX stream sockets, of which the app has the other in
 * the place of the connection: two descriptors.
 */
struct handoff_offer {
	struct handoff_header h;
};

#define HANDOFF_JOIN_PINNED_ONLY 0x1 /* connections of pinned sources alone */

/* "Make me a worker of this service": the process that asks is the guest, by SO_PEERCRED. */
struct handoff_join {
	struct handoff_header h;
	uint32_t flags; /* HANDOFF_JOIN_* */
	uint32_t reserved;
	char service[HANDOFF_SERVICE_SIZE]; /* terminated, rest zero */
};

#define HANDOFF_WORKER_SIZE 84
#define HANDOFF_PORTS_MAX   47

/* What the broker gives its own workers by their environment. */
struct handoff_joined {
	struct handoff_header h;
	uint32_t generation;
	uint16_t n_ports;
	uint16_t ports[HANDOFF_PORTS_MAX]; /* of the service, ascending; all others are private */
	uint32_t reserved;
	uint8_t token[HANDOFF_TOKEN_SIZE];
	char service[HANDOFF_SERVICE_SIZE]; /* texts are terminated */
	char worker[HANDOFF_WORKER_SIZE];
	char rendezvous[HANDOFF_PATH_SIZE]; /* an absolute path */
	char path[HANDOFF_PATH_SIZE];	    /* a Unix socket of the service; empty: it has none */
	uint32_t reserved2;
};

static_assert(sizeof(struct handoff_header) == 8, "wire layout");
static_assert(sizeof(struct handoff_addr) == 24, "wire layout");
static_assert(sizeof(struct handoff_hello) == 256, "wire layout");
static_assert(sizeof(struct handoff_welcome) == 152, "wire layout");
static_assert(sizeof(struct handoff_refused) == 496, "wire layout");
static_assert(sizeof(struct handoff_conn) == 64, "wire layout");
static_assert(sizeof(struct handoff_join) == 80, "wire layout");
static_assert(sizeof(struct handoff_joined) == 496, "wire layout");
static_assert(sizeof(struct handoff_move) == 32, "wire layout");
static_assert(sizeof(struct handoff_nudge) < sizeof(struct handoff_conn) &&
		      sizeof(struct handoff_move) < sizeof(struct handoff_conn),
	      "bytes in a channel, divided by the size of CONN, are the connections that wait");

/* Of the largest message: a receive buffer of this size never truncates. */
#define HANDOFF_MAX_SIZE 496

/* What a worker receives. */
union handoff_message {
	struct handoff_header h;
	struct handoff_welcome welcome;
	struct handoff_refused refused;
	struct handoff_conn conn;
	struct handoff_move move;
	unsigned char bytes[HANDOFF_MAX_SIZE];
};

/* 0: there is no such type. */
static inline size_t handoff_size(unsigned type)
{
	static const uint16_t sizes[] = {
		[0] = 0, /* C++ wants all of them, in order */
		[HANDOFF_HELLO] = sizeof(struct handoff_hello),
		[HANDOFF_WELCOME] = sizeof(struct handoff_welcome),
		[HANDOFF_REFUSED] = sizeof(struct handoff_refused),
		[HANDOFF_CONN] = sizeof(struct handoff_conn),
		[HANDOFF_NUDGE] = sizeof(struct handoff_nudge),
		[HANDOFF_JOIN] = sizeof(struct handoff_join),
		[HANDOFF_JOINED] = sizeof(struct handoff_joined),
		[HANDOFF_NOTICE] = sizeof(struct handoff_notice),
		[HANDOFF_MOVE] = sizeof(struct handoff_move),
		[HANDOFF_OFFER] = sizeof(struct handoff_offer),
	};

	return type < sizeof(sizes) / sizeof(sizes[0]) ? sizes[type] : 0;
}

static inline bool handoff_addr_ok(const struct handoff_addr *a)
{
	size_t used = a->family == 4 ? 4 : 0;

	if (a->family == 6 || a->family == 0)
		return !(a->flags & ~HANDOFF_V6ONLY);
	for (size_t i = used; i < sizeof(a->ip); i++)
		if (a->ip[i])
			return false;
	return (a->family == 4 || (a->family == HANDOFF_UNIX && a->port == 0)) &&
	       a->scope_id == 0 && a->flags == 0;
}

static inline bool handoff_text_ok(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* An address with what stands beside it. */
static inline bool handoff_place_ok(const struct handoff_addr *a, const char *path)
{
	if (!handoff_addr_ok(a) || !handoff_text_ok(path, HANDOFF_PATH_SIZE))
		return false;
	return a->family == HANDOFF_UNIX ? !*path || *path == '/' || (*path == '@' && path[1])
					 : !*path;
}

/*
 * The one check of a received message: @buf holds @len bytes as one recvmsg()
 * gave them, aligned for uint64_t. True only if this is a whole, well-formed
 * message of type @want. Pure: reads nothing but @buf.
 */
static inline bool handoff_check(const void *buf, size_t len, enum handoff_type want)
{
	const struct handoff_header *h = (const struct handoff_header *)buf;
	const struct handoff_hello *hello = (const struct handoff_hello *)buf;
	const struct handoff_welcome *welcome = (const struct handoff_welcome *)buf;
	const struct handoff_refused *refused = (const struct handoff_refused *)buf;
	const struct handoff_conn *conn = (const struct handoff_conn *)buf;
	const struct handoff_join *join = (const struct handoff_join *)buf;
	const struct handoff_joined *joined = (const struct handoff_joined *)buf;
	const struct handoff_move *move = (const struct handoff_move *)buf;

	if (len < sizeof(*h) || h->version != HANDOFF_VERSION || h->type != (uint16_t)want ||
	    h->size != len || len != handoff_size(want))
		return false;
	switch (want) {
	case HANDOFF_HELLO:
		/* What is adopted is known by its number: the name of rx has no room for a path. */
		return handoff_place_ok(&hello->addr, hello->path) && hello->addr.family &&
		       (hello->addr.port || *hello->path ||
			(hello->addr.family == HANDOFF_UNIX && hello->flags)) &&
		       (!(hello->flags & ~(uint32_t)HANDOFF_HELLO_ADOPT) ||
			(hello->flags == HANDOFF_HELLO_UDP &&
			 hello->addr.family != HANDOFF_UNIX)) &&
		       handoff_text_ok(hello->service, sizeof(hello->service));
	case HANDOFF_WELCOME:
		return handoff_place_ok(&welcome->addr, welcome->path);
	case HANDOFF_REFUSED:
		return refused->error && handoff_text_ok(refused->reason, sizeof(refused->reason));
	case HANDOFF_CONN:
		return handoff_addr_ok(&conn->peer) &&
		       !(conn->flags & ~(uint32_t)HANDOFF_CONN_NONBLOCK);
	case HANDOFF_NUDGE:
	case HANDOFF_NOTICE:
	case HANDOFF_OFFER:
		return true;
	case HANDOFF_MOVE:
		return move->n_ports <= HANDOFF_MOVE_PORTS;
	case HANDOFF_JOIN:
		return !(join->flags & ~(uint32_t)HANDOFF_JOIN_PINNED_ONLY) &&
		       handoff_text_ok(join->service, sizeof(join->service));
	case HANDOFF_JOINED:
		return joined->n_ports <= HANDOFF_PORTS_MAX && *joined->rendezvous == '/' &&
		       handoff_text_ok(joined->service, sizeof(joined->service)) &&
		       handoff_text_ok(joined->worker, sizeof(joined->worker)) &&
		       handoff_text_ok(joined->rendezvous, sizeof(joined->rendezvous)) &&
		       handoff_text_ok(joined->path, sizeof(joined->path));
	}
	return false;
}

static inline void handoff_header_init(struct handoff_header *h, enum handoff_type type)
{
	h->version = HANDOFF_VERSION;
	h->type = (uint16_t)type;
	h->size = (uint32_t)handoff_size(type);
}

#endif
