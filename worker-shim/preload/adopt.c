#include "adopt.h"

#include "bound.h"
#include "fdinfo.h"
#include "owner.h"
#include "shim.h"
#include "slot.h"

#define OPT_ADDRFORM 1 /* IPV6_ADDRFORM */

/* The slot that serves @channel already: another copy of the same descriptor was seen before. */
static struct slot *find_channel(uint64_t channel)
{
	for (size_t i = 0; i < TABLE_SLOTS; i++) {
		struct slot *slot = &table_slots[i];

		if (atomic_load(&slot->state) == SLOT_LISTENING && slot->channel == channel)
			return slot;
	}
	return NULL;
}

/*
 * Tells the broker that this process listens too and takes a tx of its own. If nobody
 * answers, the descriptor is a channel all the same: what comes through it is served.
 */
static void attach(struct slot *slot)
{
	struct handoff_meeting meeting;
	_cleanup_real_fd_ int shadow = socket(slot->domain, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (slot->app.addr.flags & HANDOFF_V6ONLY)
		(void)real.setsockopt(shadow, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
	(void)slot_hide(slot, HIDDEN_SHADOW, &shadow);
	if (rendezvous_meet(slot, true, -1, &meeting) < 0)
		return;
	(void)slot_hide(slot, HIDDEN_TX, &meeting.tx);
	(void)slot_hide(slot, HIDDEN_RENDEZVOUS, &meeting.rendezvous);
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
	if (!handoff_is_channel(&shim.home, fd, &name))
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

/* Whether @fd is the broker's end of a channel, of which each listener has a copy. */
static bool is_tx(int fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(name);
	struct handoff_name unused;
	_keep_errno_ int saved = errno;

	return real.getpeername(fd, (struct sockaddr *)&name, &len) == 0 &&
	       handoff_is_name(&shim.home, &name, len, &unused);
}

static void drop_launchers(int fd, void *arg)
{
	(void)arg;
	if (!table_mark(fd) && (rendezvous_is_peer(fd) || is_tx(fd)))
		(void)real.close(fd);
}

/* Whether there are channels, and the broker has answered for all of them. */
static bool has_attached(void)
{
	size_t n = 0;

	for (size_t i = 0; i < TABLE_SLOTS; i++) {
		const struct slot *slot = &table_slots[i];

		if (atomic_load(&slot->state) != SLOT_LISTENING)
			continue;
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
