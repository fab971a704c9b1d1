#include "twin.h"

#include <sys/mman.h>
#include "base/fd.h"

/* What stands before the bytes. It is written after them: until then they are the ones before. */
struct head {
	uint64_t number, len;
};

int twin_make(struct twin *t)
{
	*t = (struct twin){ .fds = { -1, -1 } };
	for (int i = 0; i < 2; i++) {
		t->fds[i] = memfd_create("broker-state", MFD_CLOEXEC);
		if (t->fds[i] >= 0)
			continue;
		twin_close(t);
		return -errno;
	}
	return 0;
}

static struct head head_of(int fd)
{
	struct head h = { 0, 0 };

	if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		h.number = 0; /* nothing was written yet */
	return h;
}

int twin_adopt(struct twin *t, const int fds[2])
{
	struct head a = head_of(fds[0]), b = head_of(fds[1]);

	*t = (struct twin){ .fds = { fds[0], fds[1] },
			    .number = a.number > b.number ? a.number : b.number };
	return t->number ? 0 : -ENODATA;
}

static void unmap(struct twin *t, unsigned which)
{
	if (t->maps[which].at)
		(void)munmap(t->maps[which].at, t->maps[which].size);
	t->maps[which].at = NULL;
}

void twin_close(struct twin *t)
{
	unmap(t, 0);
	unmap(t, 1);
	fd_closep(&t->fds[0]);
	fd_closep(&t->fds[1]);
}

#define FIRST_SIZE 65536

int twin_begin(struct twin *t, size_t need, char **ret, size_t *ret_size)
{
	unsigned which = (t->number + 1) % 2;
	size_t size = t->maps[which].size ? t->maps[which].size : FIRST_SIZE;
	void *map;

	while (size - sizeof(struct head) < need)
		size *= 2;
	if (size != t->maps[which].size) {
		if (ftruncate(t->fds[which], (off_t)size) < 0)
			return -errno;
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, t->fds[which], 0);
		if (map == MAP_FAILED)
			return -errno;
		unmap(t, which);
		t->maps[which].at = map;
		t->maps[which].size = size;
	}
	*ret = t->maps[which].at + sizeof(struct head);
	*ret_size = size - sizeof(struct head);
	return 0;
}

void twin_end(struct twin *t, size_t len)
{
	struct head *h = (struct head *)t->maps[++t->number % 2].at;

	__atomic_signal_fence(__ATOMIC_RELEASE);
	*h = (struct head){ t->number, len };
}

int twin_read(const struct twin *t, bool before, void **ret, size_t *ret_len)
{
	uint64_t number = t->number - before;
	int fd = t->fds[number % 2];
	const struct head h = head_of(fd);
	_cleanup_free_ char *bytes = NULL;
	ssize_t n;

	if (!number || h.number != number)
		return -ENODATA;
	bytes = malloc(h.len ? h.len : 1);
	if (!bytes)
		return -ENOMEM;
	n = pread(fd, bytes, h.len, sizeof(h));
	if (n != (ssize_t)h.len)
		return n < 0 ? -errno : -ENODATA;
	*ret_len = h.len;
	*ret = bytes;
	bytes = NULL;
	return 0;
}
