#include "adopt.h"

#include "fdinfo.h"
#include "shim.h"
#include "slot.h"

/* --- the record of a bind() -------------------------------------------------------------- */

/* The kernel's ABI (linux/filter.h), spelled out: musl's compiler wrapper sees no kernel headers.
 */
#define LOAD_NUMBER 0x00 /* BPF_LD | BPF_IMM */
#define RETURN	    0x06 /* BPF_RET | BPF_K; 0: the packet is dropped */

#define OPT_ATTACH_FILTER	 26 /* read, it is SO_GET_FILTER */
#define OPT_DETACH_FILTER	 27
#define OPT_BIND_ADDRESS_NO_PORT 24

#define MAGIC 0x62726b72u /* "rkrb" */
#define WORDS (sizeof(struct handoff_place) / sizeof(uint32_t))

struct instruction {
	uint16_t code;
	uint8_t yes, no;
	uint32_t number;
};

/* MAGIC and the words of the address are loaded, and nothing is done with them. */
#define N_INSTRUCTIONS (1 + WORDS + 1)

static_assert(sizeof(struct instruction) == 8, "kernel ABI");
static_assert(sizeof(struct handoff_place) % sizeof(uint32_t) == 0, "whole words");

/* How many instructions the filter of @fd has; 0: none. Negative: more than ours, or no socket. */
static int read_filter(int fd, struct instruction ret[N_INSTRUCTIONS])
{
	socklen_t n = N_INSTRUCTIONS; /* counted so, not in bytes */

	return real.getsockopt(fd, SOL_SOCKET, OPT_ATTACH_FILTER, ret, &n) < 0 ? -1 : (int)n;
}

static void attach_filter(int fd, const struct handoff_place *app)
{
	struct instruction filter[N_INSTRUCTIONS] = { { .code = LOAD_NUMBER, .number = MAGIC } };
	const struct {
		unsigned short n;
		struct instruction *at;
	} program = { N_INSTRUCTIONS, filter };
	const uint32_t *words = (const uint32_t *)app;

	for (size_t i = 0; i < WORDS; i++)
		filter[1 + i] = (struct instruction){ .code = LOAD_NUMBER, .number = words[i] };
	filter[1 + WORDS].code = RETURN;
	(void)real.setsockopt(fd, SOL_SOCKET, OPT_ATTACH_FILTER, &program, sizeof(program));
}

static void set_option(int fd, int level, int name, int value)
{
	(void)real.setsockopt(fd, level, name, &value, sizeof(value));
}

/*
 * IPv6 sockets are bound to the mapped address, which a socket with IPV6_V6ONLY refuses. The port
 * is not chosen before listen(2), so none is used up, and the socket can still be bound again.
 */
static void bind_privately(int fd, int domain)
{
	const struct handoff_addr addr = { .family = 4, .ip = HANDOFF_BOUND_IP };
	struct sockaddr_storage own;
	socklen_t len = addr_to_sockaddr(&addr, domain, &own);
	int v6only = domain == AF_INET6 ? real_int_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) : 0;

	if (v6only == 1)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	set_option(fd, IPPROTO_IP, OPT_BIND_ADDRESS_NO_PORT, 1);
	(void)real.bind(fd, (struct sockaddr *)&own, len);
	set_option(fd, IPPROTO_IP, OPT_BIND_ADDRESS_NO_PORT, 0);
	if (v6only == 1)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
}

void bound_mark(int fd, const struct handoff_place *app)
{
	_keep_errno_ int saved = errno;
	struct instruction before[N_INSTRUCTIONS];

	if (read_filter(fd, before) == 0)
		attach_filter(fd, app);
	if (app->addr.family != HANDOFF_UNIX)
		bind_privately(fd, addr_domain(&app->addr));
}

bool bound_read(int fd, struct handoff_place *ret)
{
	_keep_errno_ int saved = errno;
	uint32_t *words = (uint32_t *)ret;
	/* Initialised for valgrind, which takes the length for one in bytes. */
	struct instruction filter[N_INSTRUCTIONS] = { { 0 } };

	if (read_filter(fd, filter) != N_INSTRUCTIONS || filter[0].number != MAGIC)
		return false;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = filter[1 + i].number;
	return handoff_place_ok(&ret->addr, ret->path) && (ret->addr.port || *ret->path);
}

void bound_unmark(int fd)
{
	_keep_errno_ int saved = errno;
	struct handoff_place unused;

	if (bound_read(fd, &unused))
		set_option(fd, SOL_SOCKET, OPT_DETACH_FILTER, 0);
}

/* --- what comes and goes ------------------------------------------------------------------ */

#define OPT_ADDRFORM 1 /* IPV6_ADDRFORM */

/* The slot that serves @channel already: another copy of the same descriptor was seen before. */
static struct slot *find_channel(uint64_t channel)
{
	table_each_listening (slot)
		if (slot->channel == channel)
			return slot;
	return NULL;
}

/* Says ADOPT, and takes a tx of its own. Unanswered, what comes through the channel is served. */
static void attach(struct slot *slot)
{
	struct handoff_meeting meeting;
	_cleanup_real_fd_ int shadow = socket(slot->domain, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (slot->app.addr.flags & HANDOFF_V6ONLY)
		(void)real.setsockopt(shadow, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
	(void)slot_hide(slot, HIDDEN_SHADOW, shadow);
	if (rendezvous_meet(slot, true, -1, &meeting) < 0)
		return;
	(void)slot_hide(slot, HIDDEN_TX, meeting.tx);
	(void)slot_hide(slot, HIDDEN_RENDEZVOUS, meeting.rendezvous);
	slot_map_page(slot, meeting.page);
	if (slot->domain == AF_UNIX)
		strcpy(slot->app.path, meeting.path);
	handoff_meeting_close(&meeting);
}

bool adopt_fd(int fd)
{
	struct handoff_place app = { 0 };
	struct handoff_name name;
	struct slot *slot;

	if (slot_at(fd))
		return true;
	if (!handoff_is_channel(&shim.home, fd, false, &name))
		return bound_read(fd, &app) && slot_bind(fd, addr_domain(&app.addr), &app);
	slot = find_channel(name.channel);
	if (slot) {
		slot_mark(fd, mark_make(MARK_SOCKET, slot));
		return true;
	}
	app.addr = name.addr;
	slot = slot_bind(fd, addr_domain(&app.addr), &app);
	if (!slot)
		return false;
	slot->channel = name.channel;
	attach(slot);
	atomic_store(&slot->state, SLOT_LISTENING);
	return true;
}

static void adopt_each(int fd, void *arg)
{
	(void)arg;
	(void)adopt_fd(fd);
}

/* The connections that it said HELLO with, and the broker's ends of the channels. */
static void drop_launchers(int fd, void *arg)
{
	struct handoff_name unused;

	(void)arg;
	if (!table_mark(fd) &&
	    (rendezvous_is_peer(fd) || handoff_is_channel(&shim.home, fd, true, &unused)))
		(void)real.close(fd);
}

/* Whether there are channels, and the broker has answered for all of them. */
static bool has_attached(void)
{
	size_t n = 0;

	table_each_listening (slot) {
		if (slot_hidden(slot, HIDDEN_TX) < 0 || slot_hidden(slot, HIDDEN_RENDEZVOUS) < 0)
			return false;
		n++;
	}
	return n > 0;
}

void adopt_inherited(void)
{
	(void)fdinfo_each_fd(adopt_each, NULL);
	if (has_attached())
		(void)fdinfo_each_fd(drop_launchers, NULL);
}

void adopt_settle(int fd)
{
	_keep_errno_ int saved = errno;
	const int family = AF_INET;

	if (mark_kind(table_mark(fd)) == MARK_WANT_V4 &&
	    real.setsockopt(fd, IPPROTO_IPV6, OPT_ADDRFORM, &family, sizeof(family)) == 0 &&
	    owner_is_me())
		slot_mark(fd, 0);
}

void adopt_settle_all(void)
{
	int end = atomic_load(&table_end);

	for (int fd = 0; fd < end; fd++)
		adopt_settle(fd);
}
