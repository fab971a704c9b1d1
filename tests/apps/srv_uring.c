/*
 * Accepts through io_uring alone, with raw system calls as liburing does it.
 *
 *	srv_uring PORT
 *
 * When the kernel refuses the accept it says so and waits for better times, as a server with a
 * retry loop would. Says "no io_uring here" and exits with 77 where the kernel has none.
 */
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/io_uring.h>
#include "app.h"

static long raw_syscall(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

struct ring {
	int fd;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
};

static void *map(const struct ring *r, size_t size, off_t offset)
{
	void *at =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, offset);

	if (at == MAP_FAILED)
		app_die("mmap");
	return at;
}

static unsigned *word(char *base, unsigned offset)
{
	return (unsigned *)(void *)(base + offset);
}

static void ring_open(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = (int)raw_syscall(SYS_io_uring_setup, 4, (long)&r->p, 0, 0, 0, 0);
	if (r->fd < 0) {
		puts("no io_uring here");
		exit(77);
	}
	r->sq = map(r, r->p.sq_off.array + r->p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	r->cq = map(r, r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe),
		    IORING_OFF_CQ_RING);
	r->sqes = map(r, r->p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
}

/* One accept, submitted and waited for. */
static int ring_accept(struct ring *r, int listener)
{
	unsigned tail = *word(r->sq, r->p.sq_off.tail), mask = *word(r->sq, r->p.sq_off.ring_mask);
	unsigned head = *word(r->cq, r->p.cq_off.head);
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(void *)(r->cq + r->p.cq_off.cqes);
	struct io_uring_sqe *sqe = &r->sqes[tail & mask];
	int result;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_ACCEPT;
	sqe->fd = listener;
	word(r->sq, r->p.sq_off.array)[tail & mask] = tail & mask;
	__atomic_store_n(word(r->sq, r->p.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	if (raw_syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) < 0)
		return -1;
	result = cqes[head & *word(r->cq, r->p.cq_off.ring_mask)].res;
	__atomic_store_n(word(r->cq, r->p.cq_off.head), head + 1, __ATOMIC_RELEASE);
	return result;
}

int main(int argc, char **argv)
{
	int listener = app_listen(app_port(argc, argv, 1));
	struct ring ring;

	ring_open(&ring);
	for (;;) {
		int conn = ring_accept(&ring, listener);

		if (conn >= 0) {
			app_serve(conn);
			continue;
		}
		printf("accept through io_uring: %s\n", strerror(-conn));
		fflush(stdout);
		pause();
	}
}
