#include "adopt.h"

#include "fdinfo.h"
#include "handoff_name.h"
#include "real.h"
#include "rendezvous.h"
#include "slot.h"

#include <netinet/in.h>

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
	struct meeting meeting;
	_cleanup_real_fd_ int shadow =
		socket(slot->domain, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (shadow >= 0)
		(void)slot_hide(slot, HIDDEN_SHADOW, &shadow);
	if (rendezvous_meet(slot, true, MEET_ADOPT_MS, &meeting) < 0)
		return;
	(void)slot_hide(slot, HIDDEN_TX, &meeting.tx);
	(void)slot_hide(slot, HIDDEN_RENDEZVOUS, &meeting.rendezvous);
	slot_map_page(slot, meeting.page);
	meeting_close(&meeting);
}

bool adopt_fd(int fd)
{
	struct handoff_name name;
	struct slot *slot;

	if (table_socket(fd) || !rendezvous_name_of(fd, &name))
		return false;
	slot = find_channel(name.channel);
	if (slot) {
		slot_mark(fd, mark_make(MARK_SOCKET, slot));
		return true;
	}
	slot = table_slot_new();
	if (!slot)
		return false;
	slot->addr = name.addr;
	slot->domain = name.addr.family == 6 ? AF_INET6 : AF_INET;
	slot->channel = name.channel;
	atomic_store(&slot->ino, slot_socket_ino(fd));
	slot_mark(fd, mark_make(MARK_SOCKET, slot));
	attach(slot);
	atomic_store(&slot->state, SLOT_LISTENING);
	return true;
}

static bool adopt_each(int fd, void *arg)
{
	(void)arg;
	(void)adopt_fd(fd);
	return true;
}

void adopt_inherited(void)
{
	(void)fdinfo_each_fd(adopt_each, NULL);
}
