#include "blocked.h"

#include "addr.h"
#include "fdinfo.h"
#include "real.h"
#include "table.h"

/* "7 0x3 0x7ffc...": the number of the call, and its arguments; or "running". */
static void look_at_thread(int tid, void *arg)
{
	struct blocked *b = arg;
	char path[64], text[64];
	const char *p;
	uint64_t number;
	_cleanup_real_fd_ int fd = -1;
	ssize_t n;

	strcpy(number_write(stpcpy(path, "/proc/self/task/"), (unsigned)tid, 10), "/syscall");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0 && errno == ESRCH)
		return;
	if (n < 0 || b->n == BLOCKED_THREADS) {
		b->unknown = true;
		return;
	}
	text[n] = '\0';
	p = text;
	if (handoff_read_digits(&p, 10, INT32_MAX, &number) && !strncmp(p, " 0x", 3)) {
		p += 3;
		if (handoff_read_digits(&p, 16, UINT64_MAX, &number) && number < TABLE_FDS)
			b->fds[b->n++] = (int)number;
	}
}

bool blocked_look(struct blocked *ret)
{
	ret->n = 0;
	ret->unknown = false;
	return fdinfo_each_thread(look_at_thread, ret) >= 0 && !ret->unknown;
}

bool blocked_on(const struct blocked *b, int fd)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->fds[i] == fd)
			return true;
	return false;
}
