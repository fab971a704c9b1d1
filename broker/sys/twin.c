#include "twin.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
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

	*t = (struct twin){ { fds[0], fds[1] }, a.number > b.number ? a.number : b.number };
	return t->number ? 0 : -ENODATA;
}

void twin_close(struct twin *t)
{
	fd_closep(&t->fds[0]);
	fd_closep(&t->fds[1]);
}

static int write_at(int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t n = pwrite(fd, bytes, len, at);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -ENOSPC;
}

int twin_write(struct twin *t, const void *bytes, size_t len)
{
	const struct head h = { t->number + 1, len };
	int fd = t->fds[h.number % 2];
	int r = write_at(fd, bytes, len, sizeof(h));

	if (r == 0)
		r = write_at(fd, &h, sizeof(h), 0);
	if (r == 0)
		t->number = h.number;
	return r;
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
