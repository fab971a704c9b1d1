#include "balancer.h"

void balancer_init(struct balancer *b, enum conf_balance mode)
{
	list_init(&b->ring);
	b->cursor = &b->ring;
	b->mode = mode;
}

static struct balancer_member *member_of(struct list *link)
{
	return container_of(link, struct balancer_member, link);
}

void balancer_add(struct balancer *b, struct balancer_member *m)
{
	struct list *pos = b->ring.next;

	while (pos != &b->ring && member_of(pos)->slot <= m->slot)
		pos = pos->next;
	list_add_before(pos, &m->link);
}

void balancer_remove(struct balancer *b, struct balancer_member *m)
{
	if (b->cursor == &m->link)
		b->cursor = m->link.next;
	list_remove(&m->link);
}

static bool has_room(struct balancer_member *m, balancer_refresh_fn *refresh)
{
	if (m->waiting < m->limit)
		return true;
	if (m->limit == 0)
		return false;
	refresh(m);
	return m->waiting < m->limit;
}

/* Mixes so that each bit of @x moves half of the result's (Mueller's 32-bit finaliser). */
static uint32_t mix(uint32_t x)
{
	x = (x ^ (x >> 16)) * 0x45d9f3bu;
	x = (x ^ (x >> 16)) * 0x45d9f3bu;
	return x ^ (x >> 16);
}

/*
 * True if @m should be preferred to @best, both having room, @m coming later in the ring
 * from the cursor on. Source: highest random weight, so that a slot that comes or goes
 * moves only the clients of that slot.
 */
static bool better(const struct balancer *b, uint32_t source, const struct balancer_member *m,
		   const struct balancer_member *best)
{
	switch (b->mode) {
	case BALANCE_ROUND_ROBIN:
		return false;
	case BALANCE_LEAST_CONNECTIONS:
		return m->load < best->load;
	case BALANCE_SOURCE:
		return mix(source ^ mix(m->slot + 1)) > mix(source ^ mix(best->slot + 1));
	}
	return false;
}

struct balancer_member *balancer_pick(struct balancer *b, uint32_t source,
				      balancer_refresh_fn *refresh)
{
	struct balancer_member *best = NULL;
	struct list *start = b->cursor == &b->ring ? b->ring.next : b->cursor;
	struct list *at = start;

	if (list_empty(&b->ring))
		return NULL;
	do {
		if (at == &b->ring)
			continue;
		struct balancer_member *m = member_of(at);

		if (best && !better(b, source, m, best))
			continue;
		if (!has_room(m, refresh))
			continue;
		best = m;
		if (b->mode == BALANCE_ROUND_ROBIN)
			break;
	} while ((at = at->next) != start);
	return best;
}

void balancer_given(struct balancer *b, struct balancer_member *m)
{
	balancer_given_by_pin(m);
	b->cursor = m->link.next;
}

void balancer_given_by_pin(struct balancer_member *m)
{
	m->waiting++;
	m->load++;
}

uint32_t balancer_source_hash(const struct handoff_addr *peer)
{
	size_t n = peer->family == 4 ? 4 : 8;
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ peer->ip[i]) * 16777619u;
	return h;
}
