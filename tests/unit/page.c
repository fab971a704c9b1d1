/* links: broker/sys/pair */
#include "sys/pair.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct handoff_page *map_as_worker(const struct page *p)
{
	void *map = mmap(NULL, HANDOFF_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);

	CHECK(map != MAP_FAILED);
	return map;
}

TEST(what_any_process_of_the_worker_counts_is_read)
{
	struct page p = PAGE_INIT;
	struct handoff_page *worker, now;
	uint64_t n = 0;

	CHECK_EQ(page_open(&p, 0), 0);
	worker = map_as_worker(&p);
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			for (unsigned k = 0; k < 10000; k++)
				handoff_page_add(worker, k * 1000);
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++)
		CHECK(wait(NULL) > 0);
	page_read(&p, &now);
	for (size_t i = 0; i < HANDOFF_PAGE_BUCKETS; i++)
		n += now.count[i];
	CHECK_EQ(n, 40000);
	CHECK_EQ(now.sum_ns, 4 * 9999ull * 10000 / 2 * 1000);
	CHECK_EQ(now.count[0], 4 * 2);
	page_close(&p);
	page_close(&p);
	CHECK_EQ(p.fd, -1);
}

TEST(nobody_can_change_its_size)
{
	struct page p = PAGE_INIT;

	CHECK_EQ(page_open(&p, 0), 0);
	CHECK(ftruncate(p.fd, 0) < 0 && errno == EPERM);
	CHECK(ftruncate(p.fd, 2 * HANDOFF_PAGE_SIZE) < 0 && errno == EPERM);
	CHECK(fcntl(p.fd, F_ADD_SEALS, F_SEAL_WRITE) < 0 && errno == EPERM);
	CHECK(fcntl(p.fd, F_GETFD) & FD_CLOEXEC);
	page_close(&p);
}

TEST(each_side_tells_the_other)
{
	struct page p = PAGE_INIT;
	struct handoff_page *worker;

	CHECK_EQ(page_open(&p, 0), 0);
	worker = map_as_worker(&p);
	CHECK(!p.map->wants_nonblock);
	handoff_page_want_nonblock(worker, true);
	CHECK(p.map->wants_nonblock);
	handoff_page_want_nonblock(worker, false);
	CHECK(!p.map->wants_nonblock);
	p.map->closed = 12;
	CHECK_EQ(worker->closed, 12);
	CHECK_EQ(p.map->load, 0);
	CHECK(!p.map->leaving);
	worker->load = 7;
	worker->leaving = 1;
	CHECK_EQ(p.map->load, 7);
	CHECK(p.map->leaving);
	p.map->draining = true;
	CHECK_EQ(worker->draining, 1);
	p.map->draining = false;
	CHECK_EQ(worker->draining, 0);
	page_close(&p);
	/* Without a page: nothing. */
	p.map->closed = 13;
	p.map->draining = true;
	CHECK_EQ(p.map->load, 0);
	CHECK(!p.map->leaving);
	CHECK(!p.map->wants_nonblock);
}

TEST(without_a_page_there_is_nothing_to_read)
{
	struct page p = PAGE_INIT;
	struct handoff_page now = { .sum_ns = 7 };

	page_read(&p, &now);
	CHECK_EQ(now.sum_ns, 0);
	page_close(&p);
}

TAP_MAIN()
