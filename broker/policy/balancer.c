#include "balancer.h"

#include "base/hash.h"

static struct balancer_member *member_of(struct list *link)
{
	return container_of(link, struct balancer_member, link);
}

static struct balancer_member *member_by_load(struct heap_node *node)
{
	return container_of(node, struct balancer_member, by_load);
}

static uint32_t load_of(const struct balancer_member *m)
{
	return m->load > m->said ? m->load : m->said;
}

static bool less_loaded(struct heap_node *a, struct heap_node *b)
{
	const struct balancer_member *m = member_by_load(a), *n = member_by_load(b);

	if (load_of(m) != load_of(n))
		return load_of(m) < load_of(n);
	return m->turn != n->turn ? m->turn < n->turn : m->slot < n->slot;
}

/* --- by source ----------------------------------------------------------------------- */

/* Mixes so that each bit of @x moves half of the result's (Mueller's 32-bit finaliser). */
static uint32_t mix(uint32_t x)
{
	x = (x ^ (x >> 16)) * 0x45d9f3bu;
	x = (x ^ (x >> 16)) * 0x45d9f3bu;
	return x ^ (x >> 16);
}

/* Highest random weight: a slot that comes or goes moves only its clients. Of equals, the first. */
static bool is_better_home(uint32_t hash, const struct balancer_member *m,
			   const struct balancer_member *best)
{
	return !best || mix(hash ^ mix(m->slot + 1)) > mix(hash ^ mix(best->slot + 1));
}

/* --- members ------------------------------------------------------------------------- */

void balancer_init(struct balancer *b, enum conf_balance mode)
{
	*b = (struct balancer){ .mode = mode, .by_load = { .before = less_loaded } };
	list_init(&b->ring);
	b->cursor = &b->ring;
}

void balancer_deinit(struct balancer *b)
{
	free(b->homes);
	b->homes = NULL;
}

void balancer_set_mode(struct balancer *b, enum conf_balance mode)
{
	if (mode == b->mode)
		return;
	b->mode = mode;
	b->early = NULL;
	balancer_deinit(b);
	list_for_each (struct balancer_member, m, &b->ring, link) {
		if (mode == BALANCE_LEAST_CONNECTIONS)
			heap_insert(&b->by_load, &m->by_load);
		else
			heap_remove(&b->by_load, &m->by_load);
	}
}

void balancer_add(struct balancer *b, struct balancer_member *m)
{
	struct list *pos = &b->ring;

	/* Mostly, the last to come has the highest. */
	while (pos->prev != &b->ring && member_of(pos->prev)->slot > m->slot)
		pos = pos->prev;
	list_append(pos, &m->link);
	if (b->mode == BALANCE_LEAST_CONNECTIONS)
		heap_insert(&b->by_load, &m->by_load);
	for (uint32_t hash = 0; b->homes && hash < BALANCER_HOMES; hash++)
		if (b->homes[hash] && is_better_home(hash, m, b->homes[hash]))
			b->homes[hash] = m;
}

void balancer_remove(struct balancer *b, struct balancer_member *m)
{
	if (b->cursor == &m->link)
		b->cursor = m->link.next;
	list_remove(&m->link);
	if (b->early == m)
		b->early = NULL;
	heap_remove(&b->by_load, &m->by_load);
	for (uint32_t hash = 0; b->homes && hash < BALANCER_HOMES; hash++)
		if (b->homes[hash] == m)
			b->homes[hash] = NULL;
}

void balancer_set_load(struct balancer *b, struct balancer_member *m, uint32_t load, uint32_t said)
{
	bool linked = heap_linked(&m->by_load);

	if (m->load == load && m->said == said)
		return;
	if (linked)
		heap_remove(&b->by_load, &m->by_load);
	m->load = load;
	m->said = said;
	if (linked)
		heap_insert(&b->by_load, &m->by_load);
}

/* --- the choice ---------------------------------------------------------------------- */

static bool has_room(struct balancer_member *m, balancer_refresh_fn *refresh)
{
	if (m->limit && m->waiting >= m->limit)
		refresh(m);
	return m->waiting < m->limit;
}

static struct list *next_in_turn(const struct balancer *b)
{
	return b->cursor == &b->ring ? b->ring.next : b->cursor;
}

static struct balancer_member *next_in_ring(struct balancer *b, balancer_refresh_fn *refresh)
{
	struct list *start = next_in_turn(b), *at = start;

	if (b->early && has_room(b->early, refresh))
		return b->early;
	do
		if (at != &b->ring && has_room(member_of(at), refresh))
			return member_of(at);
	while ((at = at->next) != start);
	return NULL;
}

static struct balancer_member *least_loaded(struct balancer *b, balancer_refresh_fn *refresh)
{
	struct balancer_member *m = NULL;
	struct heap_node *first, *full = NULL;

	while ((first = b->by_load.root) && !has_room(member_by_load(first), refresh)) {
		heap_remove(&b->by_load, first);
		first->right = full;
		full = first;
	}
	if (first)
		m = member_by_load(first);
	while ((first = full)) {
		full = first->right;
		heap_insert(&b->by_load, first);
	}
	return m;
}

/* @refresh: only among those with room; NULL: among all. */
static struct balancer_member *best_home(struct balancer *b, uint32_t hash,
					 balancer_refresh_fn *refresh)
{
	struct balancer_member *best = NULL;

	list_for_each (struct balancer_member, m, &b->ring, link)
		if (is_better_home(hash, m, best) && (!refresh || has_room(m, refresh)))
			best = m;
	return best;
}

static struct balancer_member *home_of(struct balancer *b, uint32_t source,
				       balancer_refresh_fn *refresh)
{
	uint32_t hash = mix(source) % BALANCER_HOMES;
	struct balancer_member *home;

	if (!b->homes)
		b->homes = calloc(BALANCER_HOMES, sizeof(struct balancer_member *));
	if (!b->homes)
		return best_home(b, hash, refresh);
	if (!b->homes[hash])
		b->homes[hash] = best_home(b, hash, NULL);
	home = b->homes[hash];
	return has_room(home, refresh) ? home : best_home(b, hash, refresh);
}

struct balancer_member *balancer_pick(struct balancer *b, uint32_t source,
				      balancer_refresh_fn *refresh)
{
	if (list_empty(&b->ring))
		return NULL;
	switch (b->mode) {
	case BALANCE_ROUND_ROBIN:
		return next_in_ring(b, refresh);
	case BALANCE_LEAST_CONNECTIONS:
		return least_loaded(b, refresh);
	case BALANCE_SOURCE:
		return home_of(b, source, refresh);
	}
	return NULL;
}

void balancer_given(struct balancer *b, struct balancer_member *m)
{
	/* If it is its turn as well, it is not to be given another one at once. */
	bool out_of_turn = b->early == m && next_in_turn(b) != &m->link;

	m->turn = ++b->turns;
	balancer_given_by_pin(b, m);
	if (b->early == m)
		b->early = NULL;
	if (!out_of_turn)
		b->cursor = m->link.next;
}

void balancer_given_by_pin(struct balancer *b, struct balancer_member *m)
{
	m->waiting++;
	balancer_set_load(b, m, m->load + 1, m->said);
}

uint32_t balancer_source_hash(const struct handoff_conn *conn)
{
	const bool no_address = conn->peer.family == HANDOFF_UNIX;
	const uint8_t *bytes = no_address ? (const uint8_t *)&conn->id : conn->peer.ip;

	return hash_add(HASH_BEGIN, bytes, conn->peer.family == 4 ? 4 : 8);
}
