/* links: worker-shim/preload/table */
#include "preload/table.h"
#include "tap.h"

#include <pthread.h>

TEST(what_was_never_marked_is_nothing)
{
	CHECK_EQ(table_mark(0), 0);
	CHECK_EQ(table_mark(-1), 0);
	CHECK_EQ(table_mark(TABLE_FDS), 0);
	CHECK(table_socket(5) == NULL);
	CHECK_EQ(atomic_load(&table_end), 0);
}

TEST(a_mark_tells_its_kind_and_its_slot)
{
	struct slot *a = table_slot_new(), *b = table_slot_new();

	CHECK(a != b);
	CHECK(table_set(7, mark_make(MARK_SOCKET, b)) == NULL);
	CHECK(table_socket(7) == b);
	CHECK(table_set(8, mark_make(MARK_HIDDEN, b)) == NULL);
	CHECK_EQ(mark_kind(table_mark(8)), MARK_HIDDEN);
	CHECK(mark_slot(table_mark(8)) == b);
	CHECK(table_socket(8) == NULL);
	CHECK_EQ(atomic_load(&table_end), 9);
}

TEST(the_last_mark_gives_the_slot_back_and_only_the_last)
{
	struct slot *slot = table_slot_new();
	uint16_t mark = mark_make(MARK_SOCKET, slot);

	table_set(3, mark);
	table_set(4, mark);
	table_set(5, mark_make(MARK_HIDDEN, slot)); /* not counted */
	CHECK(table_set(3, mark) == NULL);	    /* again: still one mark at 3 */
	CHECK(table_set(3, 0) == NULL);
	CHECK(table_set(3, 0) == NULL);
	CHECK(table_set(5, 0) == NULL);
	CHECK(table_set(4, mark_make(MARK_WANT_V6, NULL)) == slot);
	CHECK(table_set(4, 0) == NULL);
}

TEST(slots_run_out_and_come_back)
{
	struct slot *slots[TABLE_SLOTS];

	for (size_t i = 0; i < TABLE_SLOTS; i++) {
		slots[i] = table_slot_new();
		CHECK(slots[i] != NULL);
		for (size_t role = 0; role < HIDDEN_N; role++)
			CHECK_EQ(atomic_load(&slots[i]->hidden[role].fd), -1);
	}
	CHECK(table_slot_new() == NULL);
	atomic_store(&slots[100]->state, SLOT_FREE);
	CHECK(table_slot_new() == slots[100]);
}

TEST(numbers_out_of_range_are_left_alone)
{
	struct slot *slot = table_slot_new();

	CHECK(table_set(-1, mark_make(MARK_SOCKET, slot)) == NULL);
	CHECK(table_set(TABLE_FDS, mark_make(MARK_SOCKET, slot)) == NULL);
	CHECK_EQ(atomic_load(&slot->refs), 0);
	CHECK_EQ(atomic_load(&table_end), 0);
}

#define ROUNDS 20000

static struct slot *shared;
static _Atomic int orphans;

/* Marks and unmarks a number of its own; the slot must become an orphan exactly once, at the end.
 */
static void *churn(void *arg)
{
	int fd = (int)(long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		if (table_set(fd, mark_make(MARK_SOCKET, shared)))
			atomic_fetch_add(&orphans, 1);
		if (table_set(fd, 0))
			atomic_fetch_add(&orphans, 1);
	}
	return NULL;
}

TEST(threads_do_not_lose_count)
{
	pthread_t threads[4];

	shared = table_slot_new();
	table_set(3, mark_make(MARK_SOCKET, shared));
	for (long i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, churn, (void *)(10 + i)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(atomic_load(&orphans), 0);
	CHECK_EQ(atomic_load(&shared->refs), 1);
	CHECK(table_set(3, 0) == shared);
}

TAP_MAIN()
