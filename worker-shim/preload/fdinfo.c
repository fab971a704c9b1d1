#include "fdinfo.h"

#include <sys/syscall.h>
#include "addr.h"
#include "real.h"

/* Reads "key: NUMBER" at *@p, with spaces before both, and moves past it. */
static bool read_field(const char **p, const char *key, unsigned base, uint64_t max, uint64_t *ret)
{
	size_t len = strlen(key);

	*p += strspn(*p, " ");
	if (strncmp(*p, key, len) != 0 || (*p)[len] != ':')
		return false;
	*p += len + 1;
	*p += strspn(*p, " ");
	return handoff_read_digits(p, base, max, ret);
}

bool fdinfo_parse_epoll(const char *line, struct epoll_item *ret)
{
	uint64_t tfd, events, pos;

	if (!read_field(&line, "tfd", 10, INT32_MAX, &tfd) ||
	    !read_field(&line, "events", 16, UINT32_MAX, &events) ||
	    !read_field(&line, "data", 16, UINT64_MAX, &ret->data) ||
	    !read_field(&line, "pos", 10, UINT64_MAX, &pos) ||
	    !read_field(&line, "ino", 16, UINT64_MAX, &ret->ino))
		return false;
	ret->tfd = (int)tfd;
	ret->events = (uint32_t)events;
	return true;
}

/* The kernel's struct linux_dirent64. */
struct dirent64_head {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static int each_number(const char *path, fdinfo_fd_fn *fn, void *arg)
{
	_cleanup_real_fd_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	for (;;) {
		char buf[2048] __attribute__((aligned(8)));
		long n = real.syscall(SYS_getdents64, dir, buf, sizeof(buf));

		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		for (long at = 0; at < n;) {
			const struct dirent64_head *entry = (const void *)(buf + at);
			const char *p = entry->name;
			uint64_t fd;

			at += entry->reclen;
			if (handoff_read_digits(&p, 10, INT32_MAX, &fd) && (int)fd != dir)
				fn((int)fd, arg);
		}
	}
}

int fdinfo_each_fd(fdinfo_fd_fn *fn, void *arg)
{
	return each_number("/proc/self/fd", fn, arg);
}

int fdinfo_end(void)
{
	static const char key[] = "\nFDSize:\t";
	_cleanup_real_fd_ int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	char text[1024];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at;
	uint64_t end;

	if (n < 0)
		return -errno;
	text[n] = '\0';
	at = strstr(text, key);
	at = at ? at + sizeof(key) - 1 : text;
	return handoff_read_digits(&at, 10, INT32_MAX, &end) ? (int)end : -EINVAL;
}

int fdinfo_each_thread(fdinfo_fd_fn *fn, void *arg)
{
	return each_number("/proc/self/task", fn, arg);
}

int fdinfo_open_items(int epfd)
{
	char path[40];

	number_write(stpcpy(path, "/proc/self/fdinfo/"), (unsigned)epfd, 10);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Reads only what is @wanted: of most lines, the number alone. */
static void read_line(const char *line, const struct fdinfo_look *look)
{
	struct epoll_item item = { .epfd = look->epfd };
	const char *at = line;
	uint64_t tfd;

	if (read_field(&at, "tfd", 10, INT32_MAX, &tfd) &&
	    (!look->wants || look->wants((int)tfd)) && fdinfo_parse_epoll(line, &item))
		look->fn(&item, look->arg);
}

void fdinfo_each_item(int file, const struct fdinfo_look *look)
{
	/* A line is longer than any of fdinfo; what does not fit is skipped to the next newline. */
	char chunk[4096], line[256];
	size_t len = 0;

	for (;;) {
		ssize_t n = read(file, chunk, sizeof(chunk));
		const char *at = chunk, *end = chunk + n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		while (at < end) {
			const char *eol = memchr(at, '\n', (size_t)(end - at));
			size_t some = (size_t)((eol ? eol : end) - at);

			if (some > sizeof(line) - 1 - len)
				some = sizeof(line) - 1 - len;
			memcpy(line + len, at, some);
			len += some;
			at = eol ? eol + 1 : end;
			line[len] = '\0';
			if (eol)
				read_line(line, look);
			if (eol)
				len = 0;
		}
	}
}
