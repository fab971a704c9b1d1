#include "handoff.h"

#include <sys/mman.h>
#include "handoff_meet.h"
#include "handoff_take.h"

static_assert(HANDOFF_REASON_MAX == HANDOFF_REASON_SIZE, "handoff.h stands alone");

struct handoff {
	struct handoff_meeting m;  /* without its page, which is mapped */
	struct handoff_page *page; /* shared, or .own */
	struct handoff_page own;   /* the broker gave none: nobody reads it */
	struct handoff_room room;
};

/* --- made and closed ----------------------------------------------------------------- */

static int find_place(const char *address, struct handoff_home *ret, struct handoff_place *ret_at,
		      char *reason)
{
	const char *text = address ? address : getenv("PORT");
	bool port_only;
	int r;

	if (!text || !handoff_read_place(text, ret_at, &port_only)) {
		(void)snprintf(reason, HANDOFF_REASON_MAX,
			       text ? "%.200s is no address: write IP:PORT, [IP]:PORT, PORT, /PATH "
				      "or @NAME"
				    : "%.200s no address is given, and PORT is not set",
			       text ? text : "handoff_open:");
		return -EINVAL;
	}
	if (port_only)
		ret_at->addr.family = 4;
	r = handoff_find_home(HANDOFF_BACKEND_NATIVE, ret);
	if (r < 0)
		(void)snprintf(
			reason, HANDOFF_REASON_MAX, "%s",
			r == -ENOENT
				? "no broker has started this program: run it as the command of a "
				  "service, as in: broker -- COMMAND"
				: "BROKER_RENDEZVOUS or BROKER_TOKEN was changed on the way from "
				  "the broker to this program: pass on its environment as it is");
	return r;
}

int handoff_open(const char *address, struct handoff **ret, char *reason)
{
	/* As listen(2) has it; the backlog is the broker's. */
	struct handoff_wish wish = { .backlog = 128, .own = -1 };
	char unread[HANDOFF_REASON_MAX];
	struct handoff_home home;
	struct handoff *h;
	void *map;
	int r;

	reason = reason ? reason : unread;
	r = find_place(address, &home, &wish.at, reason);
	if (r < 0)
		return r;
	h = calloc(1, sizeof(*h));
	if (!h) {
		(void)snprintf(reason, HANDOFF_REASON_MAX, "no memory");
		return -ENOMEM;
	}
	r = handoff_meet_own(&home, &wish, &h->m, reason);
	if (r < 0) {
		free(h);
		return r;
	}
	/* Without a page the rest works: what it would say is then not known. */
	map = mmap(NULL, HANDOFF_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, h->m.page, 0);
	handoff_close_fd(&h->m.page);
	h->page = map == MAP_FAILED ? &h->own : map;
	*ret = h;
	return 0;
}

void handoff_close(struct handoff *h)
{
	if (!h)
		return;
	if (h->page != &h->own)
		(void)munmap(h->page, HANDOFF_PAGE_SIZE);
	handoff_meeting_close(&h->m);
	free(h);
}

int handoff_fd(const struct handoff *h)
{
	return h->m.rx;
}

/* --- connections --------------------------------------------------------------------- */

int handoff_next(struct handoff *h, int flags, struct handoff_client *ret_client)
{
	int recv_flags = MSG_CMSG_CLOEXEC | (flags & HANDOFF_WAIT ? 0 : MSG_DONTWAIT);
	struct handoff_conn conn = { .id = 0 };
	int fd;

	if (flags & ~(HANDOFF_WAIT | SOCK_NONBLOCK))
		return -EINVAL;
	do
		fd = handoff_take(h->m.rx, recv_flags, &h->room, &conn);
	while (fd == -ENOMSG && !(flags & HANDOFF_WAIT));
	if (fd < 0)
		return fd == -ENOMSG || fd == -ECONNABORTED ? -EAGAIN : fd;
	handoff_taken(fd, h->page, &conn, flags & SOCK_NONBLOCK);
	if (ret_client) {
		*ret_client = (struct handoff_client){ .listener = conn.listener,
						       .id = conn.id,
						       .accept_ns = conn.accept_ns };
		if (conn.peer.family)
			ret_client->addr_len = handoff_to_sockaddr(&conn.peer, &ret_client->addr);
	}
	return fd;
}

/* --- what is said without a message -------------------------------------------------- */

int handoff_is_draining(const struct handoff *h)
{
	return __atomic_load_n(&h->page->draining, __ATOMIC_ACQUIRE) != 0;
}

void handoff_set_load(struct handoff *h, uint32_t load)
{
	__atomic_store_n(&h->page->load, load, __ATOMIC_RELAXED);
}

int handoff_leave(struct handoff *h)
{
	struct handoff_notice notice;

	if (h->page == &h->own)
		return -EOPNOTSUPP;
	__atomic_store_n(&h->page->leaving, 1, __ATOMIC_RELEASE);
	/* It looks at pages while connections are under way: this wakes one that is idle. */
	handoff_header_init(&notice.h, HANDOFF_NOTICE);
	(void)handoff_send(h->m.rendezvous, &notice, sizeof(notice), NULL, 0, MSG_DONTWAIT);
	return 0;
}
