#include "ask.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include "base/fd.h"
#include "config/conf.h"
#include "ctl/convert_read.h"

#define TEXT_MAX (16 << 20) /* of the result */
#define DEPTH	 8	    /* of files that include each other */

/* The text of what may be any file: it decides nothing. NULL: errno says why. */
static char *load(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = calloc(1, CONF_FILE_MAX + 1);
	ssize_t n = fd < 0 ? -errno : text ? fd_read(fd, text, CONF_FILE_MAX + 1) : -ENOMEM;

	if (n >= 0 && n <= CONF_FILE_MAX)
		return text;
	free(text);
	errno = n < 0 ? (int)-n : EFBIG;
	return NULL;
}

static void read_one(struct convert *c, const char *path)
{
	_cleanup_free_ char *text = load(path);

	if (text)
		convert_read(c, path, text);
	else
		convert_fail(c, "cannot read %s: %m", path);
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
	char *const *rest = ctl->request.rest;
	_cleanup_free_ char *services = load("/etc/services");
	bool good;

	c.include = include;
	c.file = "convert";
	c.services = services ? services : "";
	c.out = c.errors = STRBUF_GROWS(TEXT_MAX);
	read_one(&c, ctl->request.arguments[0].text);
	while (rest && *rest)
		read_one(&c, *rest++);
	good = !c.errors.len && !c.out.cut;
	if (!c.service.line)
		strbuf_add(&c.out, "# There is no service in these files.\n");
	out_buf(&c.out);
	strbuf_add_bytes(&c.errors, "", 1);
	for (char *at = c.errors.text, *line; at && (line = strsep(&at, "\n")) && *line;)
		out_error("%s", line);
	strbuf_deinit(&c.errors);
	return good ? CTL_OK : CTL_FAILED;
}
