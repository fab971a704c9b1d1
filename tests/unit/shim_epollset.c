/* links: worker-shim/preload/table */
#include "preload/table.h"
#include "tap.h"

#include <pthread.h>

#define CONN 7
#define SET  4
#define ME   100

static void accepted(int fd)
{
	epollset_accepted(fd, &table_slots[0], 0);
}

TEST(what_was_never_accepted_is_not_remembered)
{
	CHECK_EQ(epollset_of(CONN), EPOLLSET_UNKNOWN);
	epollset_add(CONN, SET, ME);
	CHECK_EQ(epollset_of(CONN), EPOLLSET_UNKNOWN);
	epollset_remove(CONN, SET);
	CHECK_EQ(epollset_of(CONN), EPOLLSET_UNKNOWN);
	epollset_forget(CONN);
	CHECK_EQ(epollset_of(CONN), EPOLLSET_UNKNOWN);
	CHECK_EQ(epollset_take(CONN, ME), -1);
	CHECK_EQ(atomic_load(&table_end), 0);
}

TEST(a_set_is_taken_once)
{
	accepted(CONN);
	CHECK_EQ(epollset_of(CONN), EPOLLSET_NONE);
	epollset_add(CONN, SET, ME);
	CHECK_EQ(epollset_take(CONN, ME), SET);
	CHECK_EQ(epollset_take(CONN, ME), -1);
	CHECK_EQ(epollset_of(CONN), EPOLLSET_UNKNOWN);
}

TEST(one_that_is_in_no_set)
{
	accepted(CONN);
	CHECK_EQ(epollset_take(CONN, ME), -1);
	CHECK_EQ(epollset_take(CONN, 0), -1);
	accepted(CONN);
	epollset_add(CONN, SET, ME);
	epollset_remove(CONN, SET);
	CHECK_EQ(epollset_of(CONN), EPOLLSET_NONE);
	CHECK_EQ(epollset_take(CONN, ME), -1);
}

TEST(only_the_last_set_counts)
{
	accepted(CONN);
	epollset_add(CONN, SET, ME);
	epollset_add(CONN, SET + 1, ME);
	epollset_remove(CONN, SET);
	CHECK_EQ(epollset_take(CONN, ME), SET + 1);
}

TEST(a_set_of_another_process_is_not_for_this_one)
{
	accepted(CONN);
	epollset_add(CONN, SET, ME);
	CHECK_EQ(epollset_take(CONN, ME + 1), -1);
	CHECK_EQ(epollset_of(CONN), EPOLLSET_UNKNOWN);
	/* In the child's copy of the table: its own, in place of its parent's. */
	accepted(CONN);
	epollset_add(CONN, SET, ME);
	epollset_add(CONN, SET, ME + 1);
	CHECK_EQ(epollset_take(CONN, ME + 1), SET);
}

TEST(the_broker_is_done_once_it_has_closed_its_copy)
{
	struct handoff_page page = { .closed = 6 };
	struct slot *slot = &table_slots[TABLE_SLOTS - 1];

	epollset_accepted(CONN, slot, 7);
	CHECK(!epollset_broker_is_done(CONN)); /* it shares no page */
	atomic_store(&slot->page, &page);
	CHECK(!epollset_broker_is_done(CONN));
	page.closed = 7;
	CHECK(epollset_broker_is_done(CONN));
	page.closed = 1000;
	CHECK(epollset_broker_is_done(CONN));
	/* A broker that gives no numbers is never done. */
	epollset_accepted(CONN, slot, 0);
	CHECK(!epollset_broker_is_done(CONN));
	/* Each slot has its own. */
	epollset_accepted(CONN, &table_slots[0], 7);
	CHECK(!epollset_broker_is_done(CONN));
	atomic_store(&slot->page, NULL);
}

TEST(accepting_forgets_what_was_at_the_number)
{
	accepted(CONN);
	epollset_add(CONN, SET, ME);
	accepted(CONN);
	CHECK_EQ(epollset_take(CONN, ME), -1);
}

TEST(the_first_and_the_last_number)
{
	const int numbers[] = { 0, TABLE_FDS - 1 };

	for (size_t i = 0; i < 2; i++) {
		accepted(numbers[i]);
		epollset_add(numbers[i], TABLE_FDS - 1, ME);
		CHECK_EQ(atomic_load(&table_end), numbers[i] + 1);
		CHECK_EQ(epollset_take(numbers[i], ME), TABLE_FDS - 1);
		accepted(numbers[i]);
		epollset_add(numbers[i], 0, ME);
		CHECK_EQ(epollset_take(numbers[i], ME), 0);
	}
}

TEST(numbers_out_of_range_are_left_alone)
{
	const int numbers[] = { -1, TABLE_FDS };

	for (size_t i = 0; i < 2; i++) {
		accepted(numbers[i]);
		epollset_add(numbers[i], SET, ME);
		epollset_remove(numbers[i], SET);
		epollset_forget(numbers[i]);
		CHECK_EQ(epollset_of(numbers[i]), EPOLLSET_UNKNOWN);
		CHECK_EQ(epollset_take(numbers[i], ME), -1);
	}
	CHECK_EQ(atomic_load(&table_end), 0);
}

TEST(a_number_that_is_no_set)
{
	accepted(CONN);
	epollset_add(CONN, -1, ME); /* the kernel refuses it, and the removal later */
	CHECK_EQ(epollset_take(CONN, ME), -1);
}

#define ROUNDS 5

static pthread_barrier_t start;

/* Returns how many it got. */
static void *take_all(void *arg)
{
	intptr_t taken = 0;

	(void)arg;
	pthread_barrier_wait(&start);
	for (int fd = 0; fd < TABLE_FDS; fd++)
		taken += epollset_take(fd, ME) == SET;
	return (void *)taken;
}

TEST(of_two_threads_one_takes_it)
{
	pthread_barrier_init(&start, NULL, 2);
	for (int i = 0; i < ROUNDS; i++) {
		pthread_t other;
		void *theirs;
		intptr_t mine;

		for (int fd = 0; fd < TABLE_FDS; fd++) {
			accepted(fd);
			epollset_add(fd, SET, ME);
		}
		CHECK_EQ(pthread_create(&other, NULL, take_all, NULL), 0);
		mine = (intptr_t)take_all(NULL);
		CHECK_EQ(pthread_join(other, &theirs), 0);
		CHECK_EQ(mine + (intptr_t)theirs, TABLE_FDS);
	}
	pthread_barrier_destroy(&start);
}

TAP_MAIN()
