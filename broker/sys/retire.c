#include "retire.h"

#include <fcntl.h>
#include <sys/stat.h>
#include "base/util.h"
#include "base/fd.h"

/* There is one table of descriptors for the whole process, so this stands in one place, too. */
static struct {
	int placeholder;
	uint64_t *said;
	int *kept; /* owned */
	size_t n_kept;
} retired = { .placeholder = -1 };

void retire_begin(int placeholder, uint64_t *said)
{
	retired.placeholder = placeholder;
	retired.said = said;
}

void retire_fd(int *fd)
{
	int saved = errno, number = *fd;

	if (number >= 0 && retired.said)
		*retired.said = 1;
	fd_closep(fd);
	/* Nobody opens anything meanwhile. */
	if (number >= 0 && retired.placeholder >= 0 && array_grow(retired.kept, retired.n_kept) &&
	    fcntl(retired.placeholder, F_DUPFD_CLOEXEC, number) == number)
		retired.kept[retired.n_kept++] = number;
	errno = saved;
}

void retire_settled(void)
{
	while (retired.n_kept)
		(void)close(retired.kept[--retired.n_kept]);
	if (retired.said)
		*retired.said = 0;
}

bool retire_was(int fd, int placeholder)
{
	struct stat a, b;

	return fd != placeholder && fstat(fd, &a) == 0 && fstat(placeholder, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

void retire_end(void)
{
	retire_settled();
	free(retired.kept);
	retired.kept = NULL;
	retired.placeholder = -1;
	retired.said = NULL;
}
