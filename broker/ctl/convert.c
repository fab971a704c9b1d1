#include "convert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "base/fd.h"
#include "config/conf.h"
#include "ctl/convert_read.h"
#include "ctl/out.h"

#define TEXT_MAX (16 << 20) /* of the result */
#define DEPTH	 8	    /* of files that include each other */

/* Reads what may be any file: what is in one of inetd decides nothing here. */
static void read_one(struct convert *c, const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *text = malloc(CONF_FILE_MAX + 1);
	ssize_t n = fd < 0 ? -errno : text ? fd_read(fd, text, CONF_FILE_MAX + 1) : -ENOMEM;

	n = n > CONF_FILE_MAX ? -EFBIG : n;
	if (n < 0) {
		convert_fail(c, "cannot read %s: %s", path, strerror((int)-n));
		return;
	}
	text[n] = '\0';
	if (strlen(text) != (size_t)n)
		convert_fail(c, "%s is not a text", path);
	else
		convert_read(c, path, text);
}

/* The text of /etc/services, whatever a static libc has of it. Never NULL. */
static const char *read_services(void)
{
	static char text[CONF_FILE_MAX + 1];
	_cleanup_fd_ int fd = open("/etc/services", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : fd_read(fd, text, CONF_FILE_MAX);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

/* xinetd passes over what an editor or a package manager has left beside a file. */
static int is_read(const struct dirent *entry)
{
	return !strpbrk(entry->d_name, ".~");
}

static void include(struct convert *c, const char *path, bool is_directory)
{
	static unsigned depth;
	struct dirent **entries = NULL;
	int n = is_directory ? scandir(path, &entries, is_read, alphasort) : 0;
	char name[PATH_MAX];

	if (depth == DEPTH || n < 0) {
		convert_fail(c, "cannot read %s: %s", path, strerror(n < 0 ? errno : ELOOP));
		return;
	}
	depth++;
	if (!is_directory)
		read_one(c, path);
	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		read_one(c, name);
		free(entries[i]);
	}
	free(entries);
	depth--;
}

enum ctl_exit ctl_convert(struct ctl *ctl)
{
	static struct convert c; /* all zero, and too large for the stack */
	static char *const none[] = { NULL };
	char *const *rest = ctl->request.rest ? ctl->request.rest : none;
	const char *path = ctl->request.arguments[0].text;
	bool good;

	c = (struct convert){
		.include = include,
		.file = "convert",
		.out = BUF_INIT(TEXT_MAX),
		.errors = BUF_INIT(TEXT_MAX),
		.services = read_services(),
	};
	for (; path; path = *rest++)
		read_one(&c, path);
	good = !c.errors.len && !c.out.failed;
	if (!c.n_names)
		buf_add_str(&c.out, "# There is no service in these files.\n");
	out_buf(&c.out);
	buf_add(&c.errors, "", 1);
	for (char *at = c.errors.bytes, *line; at && (line = strsep(&at, "\n")) && *line;)
		out_error("%s", line);
	convert_deinit(&c);
	return good ? CTL_OK : CTL_FAILED;
}
