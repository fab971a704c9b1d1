/* links: broker/policy/balancer broker/base/heap */
#include "policy/balancer.h"
#include "tap.h"

#define MAX 64

static struct balancer b;
static struct balancer_member m[MAX];
static unsigned n_refresh;

/* What the kernel would say; by default nothing was taken. */
static uint32_t in_kernel[MAX];

static void refresh(struct balancer_member *member)
{
	n_refresh++;
	member->waiting = in_kernel[member - m];
}

static void never(struct balancer_member *member)
{
	tap_fail(__FILE__, __LINE__, "slot %u: the kernel was asked without need", member->slot);
}

static void member_init(struct balancer_member *member, unsigned slot, uint32_t limit)
{
	*member = (struct balancer_member){ .slot = slot, .limit = limit };
	list_init(&member->link);
}

static void make_ring(enum conf_balance mode, unsigned n, uint32_t limit)
{
	balancer_deinit(&b);
	balancer_init(&b, mode);
	for (unsigned i = 0; i < n; i++) {
		member_init(&m[i], i, limit);
		in_kernel[i] = limit;
		balancer_add(&b, &m[i]);
	}
	n_refresh = 0;
}

/* One connection: picked and given. Returns the slot, -1 if nobody has room. */
static int one(uint32_t source, balancer_refresh_fn *fn)
{
	struct balancer_member *to = balancer_pick(&b, source, fn);

	if (!to)
		return -1;
	balancer_given(&b, to);
	return (int)to->slot;
}

static void check_even(const unsigned *counts, unsigned n)
{
	unsigned low = UINT32_MAX, high = 0;

	for (unsigned i = 0; i < n; i++) {
		low = counts[i] < low ? counts[i] : low;
		high = counts[i] > high ? counts[i] : high;
	}
	if (high - low > 1)
		tap_fail(__FILE__, __LINE__, "of %u slots one got %u, another %u", n, low, high);
}

TEST(counts_differ_by_at_most_one)
{
	for (unsigned n = 1; n <= MAX; n++) {
		unsigned counts[MAX] = { 0 };

		make_ring(BALANCE_ROUND_ROBIN, n, UINT32_MAX);
		for (unsigned i = 0; i < 5 * n + 3; i++) {
			counts[one(0, never)]++;
			check_even(counts, n);
		}
	}
}

TEST(the_ring_is_in_the_order_of_slots_however_they_came)
{
	static const unsigned order[] = { 3, 0, 4, 1, 2 };

	balancer_init(&b, BALANCE_ROUND_ROBIN);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		member_init(&m[i], order[i], 100);
		balancer_add(&b, &m[i]);
	}
	for (int i = 0; i < 12; i++)
		CHECK_EQ(one(0, never), i % 5);
}

TEST(an_empty_ring_has_nobody)
{
	static const enum conf_balance modes[] = { BALANCE_ROUND_ROBIN, BALANCE_LEAST_CONNECTIONS,
						   BALANCE_SOURCE };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		make_ring(modes[i], 1, 10);
		CHECK_EQ(one(1, never), 0);
		balancer_remove(&b, &m[0]);
		CHECK(!balancer_pick(&b, 1, never));
		balancer_add(&b, &m[0]);
		CHECK_EQ(one(1, never), 0);
	}
}

TEST(to_ask_costs_nobody_a_turn)
{
	make_ring(BALANCE_ROUND_ROBIN, 3, 100);
	for (int i = 0; i < 10; i++)
		CHECK(balancer_pick(&b, 0, never) == &m[0]);
	CHECK_EQ(one(0, never), 0);
	for (int i = 0; i < 10; i++)
		CHECK(balancer_pick(&b, 0, never) == &m[1]);
}

TEST(a_full_member_is_passed_over_for_this_connection_only)
{
	make_ring(BALANCE_ROUND_ROBIN, 3, 2);
	m[1].waiting = in_kernel[1] = 2;
	CHECK_EQ(one(0, refresh), 0);
	CHECK_EQ(one(0, refresh), 2);
	CHECK_EQ(one(0, refresh), 0);
	/* It has taken one: its turn comes at once, as it is next in the ring. */
	in_kernel[1] = 1;
	CHECK_EQ(one(0, refresh), 1);
	CHECK_EQ(one(0, refresh), 2);
	/* All at their limits, and the kernel confirms it. */
	in_kernel[0] = in_kernel[1] = in_kernel[2] = 2;
	CHECK_EQ(one(0, refresh), -1);
	in_kernel[2] = 0;
	CHECK_EQ(one(0, refresh), 2);
}

TEST(the_kernel_is_asked_only_when_the_bound_is_reached)
{
	make_ring(BALANCE_ROUND_ROBIN, 2, 3);
	in_kernel[0] = in_kernel[1] = 0;
	for (int i = 0; i < 6; i++)
		(void)one(0, never);
	CHECK_EQ(one(0, refresh), 0);
	CHECK_EQ(n_refresh, 1);
	CHECK_EQ(m[0].waiting, 1);
	CHECK_EQ(m[1].waiting, 3);
}

TEST(a_member_with_limit_0_gets_nothing_and_is_not_asked)
{
	make_ring(BALANCE_ROUND_ROBIN, 3, 5);
	m[1].limit = 0;
	CHECK_EQ(one(0, never), 0);
	CHECK_EQ(one(0, never), 2);
	CHECK_EQ(one(0, never), 0);
	m[0].limit = m[2].limit = 0;
	CHECK_EQ(one(0, never), -1);
}

TEST(to_remove_twice_or_who_is_not_there_does_nothing)
{
	struct balancer_member stranger;

	make_ring(BALANCE_ROUND_ROBIN, 3, 100);
	member_init(&stranger, 1, 100);
	balancer_remove(&b, &stranger);
	balancer_remove(&b, &m[1]);
	balancer_remove(&b, &m[1]);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(one(0, never), i % 2 ? 2 : 0);
}

TEST(the_turn_of_who_leaves_goes_to_the_next)
{
	make_ring(BALANCE_ROUND_ROBIN, 4, 100);
	CHECK_EQ(one(0, never), 0);
	balancer_remove(&b, &m[1]);
	CHECK_EQ(one(0, never), 2);
	CHECK_EQ(one(0, never), 3);
	/* The last one leaves when it is its turn: the first is next. */
	CHECK_EQ(one(0, never), 0);
	CHECK_EQ(one(0, never), 2);
	balancer_remove(&b, &m[3]);
	CHECK_EQ(one(0, never), 0);
	/* One remains, whoever had the turn. */
	balancer_remove(&b, &m[0]);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(one(0, never), 2);
}

TEST(who_is_hurried_gets_one_before_its_turn_and_nobody_loses_his)
{
	make_ring(BALANCE_ROUND_ROBIN, 4, 100);
	CHECK_EQ(one(0, never), 0);
	b.early = &m[3];
	CHECK_EQ(one(0, never), 3);
	for (int i = 1; i < 8; i++)
		CHECK_EQ(one(0, never), i % 4);
	/* Nor is it given two in a row, if it is its turn as well. */
	b.early = &m[0];
	for (int i = 0; i < 8; i++)
		CHECK_EQ(one(0, never), i % 4);
	/* Without room, or gone: as if nothing had been said. */
	m[2].limit = 0;
	b.early = &m[2];
	CHECK_EQ(one(0, never), 0);
	balancer_remove(&b, &m[2]);
	CHECK_EQ(one(0, never), 1);
	CHECK_EQ(one(0, never), 3);
	/* Clients whose home is elsewhere do not come here. */
	balancer_set_mode(&b, BALANCE_SOURCE);
	b.early = &m[0];
	CHECK(balancer_pick(&b, 1, never) != &m[0] || balancer_pick(&b, 2, never) != &m[0] ||
	      balancer_pick(&b, 3, never) != &m[0] || balancer_pick(&b, 4, never) != &m[0]);
}

TEST(a_replacement_takes_over_the_turn_of_its_slot)
{
	struct balancer_member fresh;

	for (unsigned slot = 0; slot < 4; slot++)
		for (unsigned turn = 0; turn < 4; turn++) {
			make_ring(BALANCE_ROUND_ROBIN, 4, 100);
			for (unsigned i = 0; i < turn; i++)
				(void)one(0, never);
			member_init(&fresh, slot, 100);
			balancer_add(&b, &fresh);
			balancer_remove(&b, &m[slot]);
			for (unsigned i = 0; i < 9; i++)
				CHECK_EQ(one(0, never), (turn + i) % 4);
			CHECK_EQ(m[slot].waiting, slot < turn);
			balancer_remove(&b, &fresh);
		}
}

/* start-first, any surge: the new one of a slot joins, the old one leaves, connections between. */
TEST(slots_stay_even_through_reloads)
{
	unsigned long long rnd = tap_seed();

	for (int run = 0; run < 300; run++) {
		static struct balancer_member pool[2][MAX];
		unsigned n = 1 + tap_random(&rnd, MAX), side[MAX] = { 0 }, counts[MAX] = { 0 };

		balancer_init(&b, BALANCE_ROUND_ROBIN);
		for (unsigned i = 0; i < n; i++) {
			member_init(&pool[0][i], i, UINT32_MAX);
			balancer_add(&b, &pool[0][i]);
		}
		for (int step = 0; step < 400; step++) {
			if (tap_random(&rnd, 4) == 0) {
				unsigned i = tap_random(&rnd, n);
				struct balancer_member *old = &pool[side[i]][i];

				side[i] ^= 1;
				member_init(&pool[side[i]][i], i, UINT32_MAX);
				balancer_add(&b, &pool[side[i]][i]);
				balancer_remove(&b, old);
			} else {
				counts[one(0, never)]++;
				check_even(counts, n);
			}
		}
	}
}

/* Whoever comes and goes: never a stranger, never somebody full, never nobody while there is room.
 */
TEST(random_members_random_room)
{
	static const enum conf_balance modes[] = { BALANCE_ROUND_ROBIN, BALANCE_LEAST_CONNECTIONS,
						   BALANCE_SOURCE };
	unsigned long long rnd = tap_seed();
	bool in[MAX] = { false };

	make_ring(BALANCE_ROUND_ROBIN, 0, 0);
	for (unsigned i = 0; i < MAX; i++)
		member_init(&m[i], i / 2, 0);
	for (int step = 0; step < 100000; step++) {
		unsigned i = tap_random(&rnd, MAX);
		struct balancer_member *to;
		bool room = false;

		switch (tap_random(&rnd, 6)) {
		case 0:
			if (in[i])
				balancer_remove(&b, &m[i]);
			else
				balancer_add(&b, &m[i]);
			in[i] = !in[i];
			continue;
		case 1:
			m[i].limit = tap_random(&rnd, 4);
			continue;
		case 2: /* the worker takes one */
			in_kernel[i] -= in_kernel[i] > 0;
			continue;
		case 3:
			balancer_set_mode(&b, modes[tap_random(&rnd, 3)]);
			continue;
		}
		for (unsigned k = 0; k < MAX; k++)
			room |= in[k] && in_kernel[k] < m[k].limit;
		to = balancer_pick(&b, step * 2654435761u, refresh);
		CHECK_EQ(!!to, room);
		if (!to)
			continue;
		CHECK(in[to - m]);
		CHECK(to->waiting < to->limit);
		CHECK(in_kernel[to - m] <= to->waiting);
		in_kernel[to - m]++;
		balancer_given(&b, to);
	}
}

TEST(least_connections_takes_the_least_and_ties_go_round)
{
	make_ring(BALANCE_LEAST_CONNECTIONS, 4, 100);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(one(0, never), i % 4);
	balancer_set_load(&b, &m[0], 5, 0);
	balancer_set_load(&b, &m[1], 1, 0);
	balancer_set_load(&b, &m[2], 7, 0);
	balancer_set_load(&b, &m[3], 1, 0);
	CHECK_EQ(one(0, never), 1);
	CHECK_EQ(one(0, never), 3);
	CHECK_EQ(one(0, never), 1);
	m[1].limit = 0;
	CHECK_EQ(one(0, never), 3);
	CHECK_EQ(one(0, never), 3);
}

static void set_said(struct balancer_member *member, uint32_t said)
{
	balancer_set_load(&b, member, member->load, said);
}

/* It can say that it is busier than it looks, and never that it is less busy. */
TEST(what_a_member_says_only_adds_to_its_load)
{
	make_ring(BALANCE_LEAST_CONNECTIONS, 2, 100);
	set_said(&m[0], 3);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(one(0, never), 1);
	CHECK_EQ(one(0, never), 0);
	CHECK_EQ(one(0, never), 1); /* 3 and 3, and the other had the last one */
	balancer_set_load(&b, &m[0], 9, 0);
	balancer_set_load(&b, &m[1], 8, 0);
	set_said(&m[0], 1);
	CHECK_EQ(one(0, never), 1);
	set_said(&m[0], 0);
	balancer_set_load(&b, &m[0], 1, 0);
	CHECK_EQ(one(0, never), 0);
	/* Out of the ring it is remembered. */
	balancer_remove(&b, &m[0]);
	set_said(&m[0], 50);
	balancer_add(&b, &m[0]);
	CHECK_EQ(one(0, never), 1);
}

/* As if each were asked: the least load, and of those the one whose last turn is longest ago. */
TEST(least_connections_of_many)
{
	unsigned long long rnd = tap_seed();

	make_ring(BALANCE_LEAST_CONNECTIONS, MAX, UINT32_MAX);
	for (int step = 0; step < 20000; step++) {
		struct balancer_member *want = &m[0];
		unsigned i = tap_random(&rnd, MAX);

		if (tap_random(&rnd, 2))
			balancer_set_load(&b, &m[i], tap_random(&rnd, 20), 0);
		else
			m[i].limit = tap_random(&rnd, 2) ? UINT32_MAX : 0;
		for (i = 1; i < MAX; i++)
			if (m[i].limit && (!want->limit || m[i].load < want->load ||
					   (m[i].load == want->load && m[i].turn < want->turn)))
				want = &m[i];
		CHECK_EQ(one(0, never), want->limit ? (int)want->slot : -1);
	}
}

static int slot_of(uint32_t source)
{
	struct balancer_member *to = balancer_pick(&b, source, refresh);

	return to ? (int)to->slot : -1;
}

static uint32_t hash(const struct handoff_addr *peer)
{
	const struct handoff_conn conn = { .peer = *peer };

	return balancer_source_hash(&conn);
}

static uint32_t client(unsigned i)
{
	struct handoff_addr a = { .family = 4,
				  .port = (uint16_t)i,
				  .ip = { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };

	return hash(&a);
}

TEST(source_keeps_a_client_at_its_slot_while_there_is_room)
{
	make_ring(BALANCE_SOURCE, 5, 1000);
	for (unsigned i = 0; i < 50; i++) {
		int home = slot_of(client(i));

		for (int again = 0; again < 5; again++)
			CHECK_EQ(one(client(i), never), home);
		in_kernel[home] = m[home].waiting = m[home].limit;
		CHECK(slot_of(client(i)) != home);
		m[home].waiting = 0;
		CHECK_EQ(slot_of(client(i)), home);
	}
}

TEST(source_moves_only_the_clients_of_the_slot_that_leaves)
{
	enum { CLIENTS = 2000, SLOTS = 8 };
	static int home[CLIENTS];
	struct balancer_member fresh;
	unsigned counts[SLOTS] = { 0 };

	make_ring(BALANCE_SOURCE, SLOTS, 1000000);
	for (unsigned i = 0; i < CLIENTS; i++)
		counts[home[i] = slot_of(client(i))]++;
	for (unsigned i = 0; i < SLOTS; i++)
		CHECK(counts[i] > CLIENTS / SLOTS / 2 && counts[i] < CLIENTS / SLOTS * 2);

	balancer_remove(&b, &m[3]);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (home[i] == 3)
			CHECK(slot_of(client(i)) != 3);
		else
			CHECK_EQ(slot_of(client(i)), home[i]);
	}
	/* The slot is what counts, not the process in it. */
	member_init(&fresh, 3, 1000000);
	balancer_add(&b, &fresh);
	for (unsigned i = 0; i < CLIENTS; i++)
		CHECK_EQ(slot_of(client(i)), home[i]);
}

TEST(an_address_counts_without_its_port_and_ipv6_by_its_64)
{
	struct handoff_addr a = { .family = 6,
				  .port = 1,
				  .ip = { 0x20, 1, 0xd, 0xb8, 1, 2, 3, 4 } };
	struct handoff_addr c = a;

	c.port = 2;
	memset(c.ip + 8, 0xff, 8);
	CHECK_EQ(hash(&a), hash(&c));
	c.ip[7]++;
	CHECK(hash(&a) != hash(&c));
	a = c = (struct handoff_addr){ .family = 4, .ip = { 127, 0, 0, 1 } };
	c.port = 9;
	CHECK_EQ(hash(&a), hash(&c));
	for (int i = 0; i < 4; i++) {
		c = a;
		c.ip[i] ^= 1;
		CHECK(hash(&a) != hash(&c));
	}
}

TEST(a_client_without_an_address_is_a_source_of_its_own)
{
	struct handoff_conn a = { .id = 1, .peer.family = HANDOFF_UNIX }, c = a;

	CHECK_EQ(balancer_source_hash(&a), balancer_source_hash(&c));
	c.id++;
	CHECK(balancer_source_hash(&a) != balancer_source_hash(&c));
}

TAP_MAIN()
