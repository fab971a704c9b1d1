#include "config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "config/conf.h"
#include "base/words.h"

static unsigned count_cpus(void)
{
	cpu_set_t set;

	/* Those we may run on: a container has fewer than the machine. */
	if (sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) < 1)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

struct conf_facts config_file_facts(const char *path, char base_dir[PATH_MAX])
{
	if (path && realpath(path, base_dir)) {
		char *slash = strrchr(base_dir, '/');

		slash[slash == base_dir] = '\0';
	} else if (!getcwd(base_dir, PATH_MAX)) {
		strcpy(base_dir, "/");
	}
	return (struct conf_facts){
		.worker_count = getenv("WORKER_COUNT"),
		.cpus = count_cpus(),
		.base_dir = base_dir,
	};
}

static int check(const char *path, const struct stat *st, struct strbuf *error)
{
	if (!S_ISREG(st->st_mode))
		return strbuf_fail(error, -EINVAL, "%s is not a regular file", path);
	/* The file decides which programs run as root: then not everybody may write it. */
	if (geteuid() == 0 && (st->st_mode & S_IWOTH))
		return strbuf_fail(
			error, -EPERM,
			"%s is writable by everybody, and the broker runs as root: chmod o-w %s",
			path, path);
	if (st->st_size > CONF_FILE_MAX)
		return strbuf_fail(error, -EFBIG, "%s is larger than %d bytes", path,
				   CONF_FILE_MAX);
	return 0;
}

/* The bytes of all of it, if there are fewer than @size, then a NUL; -errno with @error. */
static ssize_t read_file(const char *path, char *text, size_t size, struct strbuf *error)
{
	/* Opened once: what is checked is what is read. O_NONBLOCK: a FIFO must not hang us. */
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return strbuf_fail(error, -errno, "cannot read %s: %m", path);
	r = check(path, &st, error);
	if (r < 0)
		return r;
	n = fd_read(fd, text, size);
	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? strbuf_fail(error, (int)n, "cannot read %s: %m", path) : n;
}

/* Where its directory leads, and its file of variables. @text: storage of @size. */
static int look_around(struct service_conf *sc, char *text, size_t size, struct strbuf *error)
{
	ssize_t n;

	if (sc->directory)
		sc->release = realpath(sc->directory, NULL);
	if (!sc->environment_file)
		return 0;
	n = read_file(sc->environment_file, text, size, error);
	return n < 0 ? (int)n
		     : env_file_parse(sc->environment_file, text, (size_t)n, &sc->file_environment,
				      error);
}

int config_file_load(const char *path, struct conf **ret, struct strbuf *error)
{
	const size_t size = CONF_FILE_MAX + 1; /* a larger file is refused by the parser */
	_cleanup_free_ char *text = malloc(size + 1);
	STRBUF(ignored, 1024);
	ssize_t n = text ? read_file(path, text, size, error ? error : &ignored) : -ENOMEM;
	char base_dir[PATH_MAX];
	struct conf *conf = NULL;
	struct conf_facts facts;
	int r;

	if (n < 0)
		return (int)n;
	facts = config_file_facts(path, base_dir);
	r = conf_parse(path, text, (size_t)n, &facts, &conf, error);
	for (size_t i = 0; r == 0 && i < conf->n_services; i++)
		r = look_around(conf->services[i], text, size, error);
	if (r == 0)
		*ret = conf;
	else
		conf_free(conf);
	return r;
}
