#include "fdinfo.h"

#include "real.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Longer than any line of fdinfo; what does not fit is skipped to the next newline. */
#define LINE_SIZE 256

static bool parse_number(const char **p, const char *end, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;
	const char *start;

	while (*p < end && **p == ' ')
		(*p)++;
	start = *p;
	for (; *p < end; (*p)++) {
		char c = **p;
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else
			break;
		if (digit >= base || value > (UINT64_MAX - digit) / base)
			return false;
		value = value * base + digit;
	}
	*ret = value;
	return *p != start;
}

/* Moves past "@key:" if it comes next, after spaces. */
static bool parse_key(const char **p, const char *end, const char *key)
{
	size_t len = strlen(key);

	while (*p < end && **p == ' ')
		(*p)++;
	if ((size_t)(end - *p) <= len || memcmp(*p, key, len) != 0 || (*p)[len] != ':')
		return false;
	*p += len + 1;
	return true;
}

bool fdinfo_parse_epoll(const char *line, size_t len, struct epoll_item *ret)
{
	const char *p = line, *end = line + len;
	uint64_t tfd, events, pos;

	if (!parse_key(&p, end, "tfd") || !parse_number(&p, end, 10, &tfd) || tfd > INT32_MAX)
		return false;
	if (!parse_key(&p, end, "events") || !parse_number(&p, end, 16, &events) ||
	    events > UINT32_MAX)
		return false;
	if (!parse_key(&p, end, "data") || !parse_number(&p, end, 16, &ret->data))
		return false;
	if (!parse_key(&p, end, "pos") || !parse_number(&p, end, 10, &pos))
		return false;
	if (!parse_key(&p, end, "ino") || !parse_number(&p, end, 16, &ret->ino))
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

int fdinfo_each_fd(fdinfo_fd_fn *fn, void *arg)
{
	_cleanup_real_fd_ int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

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
			if (!parse_number(&p, p + strlen(p), 10, &fd) || fd > INT32_MAX ||
			    (int)fd == dir)
				continue;
			if (!fn((int)fd, arg))
				return 0;
		}
	}
}

/* "/proc/self/fdinfo/N", without printf. */
static void fdinfo_path(int fd, char ret[40])
{
	static const char prefix[] = "/proc/self/fdinfo/";
	char digits[12];
	int n = 0;

	memcpy(ret, prefix, sizeof(prefix) - 1);
	ret += sizeof(prefix) - 1;
	do
		digits[n++] = (char)('0' + fd % 10);
	while ((fd /= 10) != 0);
	while (n > 0)
		*ret++ = digits[--n];
	*ret = '\0';
}

int fdinfo_each_item(int epfd, fdinfo_item_fn *fn, void *arg)
{
	char path[40], chunk[1024], line[LINE_SIZE];
	size_t len = 0;
	_cleanup_real_fd_ int fd = -1;

	fdinfo_path(epfd, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		for (ssize_t i = 0; i < n; i++) {
			struct epoll_item item;

			if (chunk[i] != '\n') {
				if (len < sizeof(line))
					line[len++] = chunk[i];
				continue;
			}
			item.epfd = epfd;
			if (fdinfo_parse_epoll(line, len, &item) && !fn(&item, arg))
				return 0;
			len = 0;
		}
	}
}
