/* links: broker/policy/event_ring */
#include "policy/event_ring.h"
#include "tap.h"

#include <string.h>

static struct event_ring ring;

static void add(int64_t at_ms, const char *text)
{
	event_ring_add(&ring, at_ms, "word", "web.0", text, strlen(text));
}

TEST(events_come_back_in_order_with_rising_ids)
{
	const struct event *e;

	event_ring_init(&ring);
	CHECK(event_ring_from(&ring, 0) == NULL);
	CHECK_EQ(ring.next, 1);
	add(10, "one");
	event_ring_add(&ring, 20, "word", NULL, "two", 3);
	e = event_ring_from(&ring, 0);
	CHECK_EQ(e->id, 1);
	CHECK_STR(e->name, "web.0");
	CHECK(!memcmp(e->text, "one", 3));
	e = event_ring_from(&ring, e->id + 1);
	CHECK_EQ(e->id, 2);
	CHECK_STR(e->name, "");
	CHECK(event_ring_from(&ring, e->id + 1) == NULL);
	event_ring_deinit(&ring);
}

TEST(the_oldest_makes_room_and_the_gap_shows)
{
	event_ring_init(&ring);
	for (int i = 0; i < EVENT_RING_MAX + 10; i++)
		add(i, "x");
	CHECK_EQ(event_ring_from(&ring, 1)->id, 11);
	CHECK_EQ(ring.next, EVENT_RING_MAX + 11);
	event_ring_deinit(&ring);
}

TEST(bytes_are_bounded_too)
{
	static char big[EVENT_RING_BYTES / 4];
	unsigned n = 0;

	event_ring_init(&ring);
	for (int i = 0; i < 10; i++)
		event_ring_add(&ring, i, "word", "web", big, sizeof(big));
	for (const struct event *e = event_ring_from(&ring, 0); e;
	     e = event_ring_from(&ring, e->id + 1))
		n++;
	CHECK_EQ(n, 4);
	CHECK_EQ(ring.bytes, EVENT_RING_BYTES);
	event_ring_deinit(&ring);
	CHECK_EQ(ring.bytes, 0);
}

TEST(an_event_larger_than_the_ring_is_a_gap_and_no_more)
{
	static char huge[EVENT_RING_BYTES + 1];

	event_ring_init(&ring);
	event_ring_add(&ring, 1, "word", "web", huge, sizeof(huge));
	add(2, "after");
	CHECK_EQ(event_ring_from(&ring, 1)->id, 2);
	event_ring_deinit(&ring);
}

/* How many events have @text. */
static unsigned count(const char *text)
{
	unsigned n = 0;

	for (const struct event *e = event_ring_from(&ring, 0); e;
	     e = event_ring_from(&ring, e->id + 1))
		n += e->len == strlen(text) && !memcmp(e->text, text, e->len);
	return n;
}

TEST(a_flood_of_one_kind_pushes_out_only_its_own)
{
	static char big[EVENT_RING_BYTES / 100];

	event_ring_init(&ring);
	for (int i = 0; i < 20; i++) {
		event_ring_add(&ring, i, "exit", "web.0", "exit", 4);
		event_ring_add(&ring, i, "exit", "web.1", "other", 5);
	}
	event_ring_add(&ring, 30, "reload", NULL, "reload", 6);
	for (int i = 0; i < 100000; i++)
		event_ring_add(&ring, 40, "failed", "web.0", "failed", 6);
	CHECK_EQ(count("exit"), EVENT_RING_KEPT);
	CHECK_EQ(count("other"), EVENT_RING_KEPT);
	CHECK_EQ(count("reload"), 1);
	CHECK_EQ(count("failed"), EVENT_RING_MAX - 2 * EVENT_RING_KEPT - 1);
	CHECK_EQ(event_ring_from(&ring, 0)->at_ms, 20 - EVENT_RING_KEPT);
	for (int i = 0; i < 1000; i++)
		event_ring_add(&ring, 50, "failed", "web.0", big, sizeof(big));
	CHECK_EQ(count("exit") + count("other") + count("reload"), 2 * EVENT_RING_KEPT + 1);
	event_ring_deinit(&ring);
}

TEST(more_kinds_than_there_is_room_for_go_by_age)
{
	char name[16];

	event_ring_init(&ring);
	for (int i = 0; i < 3 * EVENT_RING_MAX; i++) {
		snprintf(name, sizeof(name), "web.%d", i);
		event_ring_add(&ring, i, "word", name, name, strlen(name));
		event_ring_add(&ring, i, "failed", "web.0", "failed", 6);
	}
	CHECK_EQ(count("failed"), 1);
	CHECK_EQ(event_ring_since(&ring, 0), event_ring_from(&ring, 0)->id);
	CHECK_EQ(event_ring_from(&ring, 0)->at_ms, 2 * EVENT_RING_MAX + 1);
	event_ring_deinit(&ring);
}

TEST(since_finds_the_first_of_a_time)
{
	event_ring_init(&ring);
	add(10, "a");
	add(20, "b");
	add(20, "c");
	add(30, "d");
	CHECK_EQ(event_ring_since(&ring, 0), 1);
	CHECK_EQ(event_ring_since(&ring, 11), 2);
	CHECK_EQ(event_ring_since(&ring, 20), 2);
	CHECK_EQ(event_ring_since(&ring, 31), 5);
	event_ring_deinit(&ring);
	CHECK_EQ(event_ring_since(&ring, 0), 5);
}

TEST(names_too_long_are_cut_not_overrun)
{
	char name[300];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	event_ring_init(&ring);
	event_ring_add(&ring, 1, "word", name, "x", 1);
	CHECK_EQ(strlen(event_ring_from(&ring, 0)->name), EVENT_NAME_SIZE - 1);
	event_ring_deinit(&ring);
}

TAP_MAIN()
