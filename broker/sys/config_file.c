#include "config_file.h"

#include <fcntl.h>
#include <sched.h>
#include "base/fd.h"
#include "base/words.h"
#include "sys/safe_path.h"

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

/* What is read, and why root should not trust it. */
struct reading {
	bool strict;
	bool itself; /* the configuration's own file: nor what it says of that */
	struct strbuf *doubt;
	char text[CONF_FILE_MAX + 2]; /* of the last file, and a NUL; a larger one is refused */
};

/* Opened once: what is checked is what is read. @sc: that it belongs to, or NULL. */
static int open_file(const char *path, const struct service_conf *sc, struct reading *reading,
		     int *ret_fd, struct strbuf *error)
{
	struct user_info user;
	STRBUF(why, PATH_MAX + 256);
	struct stat st;
	int r = -EPERM;

	if (reading->strict)
		r = safe_path_open(path, O_RDONLY, 0, NULL, ret_fd, &why);
	if (r == -EPERM && reading->strict && sc && (sc->user || sc->group)) {
		r = user_lookup(sc->names, sc->user, sc->group, &user, error);
		if (r == 0)
			r = safe_path_open(path, O_RDONLY, 0, &user.ids, ret_fd, &why);
	}
	if (r != -EPERM)
		return r < 0 ? strbuf_fail(error, r, "cannot read %s: %s", path, why.text) : 0;
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (*ret_fd < 0)
		return strbuf_fail(error, -errno, "cannot read %s: %m", path);
	if (reading->strict && !reading->doubt->len) {
		reading->itself = !sc && fstat(*ret_fd, &st) == 0 && !safe_path_is_ours(&st);
		strbuf_addf(reading->doubt, "%s: %s. The broker runs as root: %s allows it", path,
			    why.text,
			    reading->itself ? "--no-strict-modes"
					    : "strict_modes = no in [broker]");
	}
	return 0;
}

/* Its bytes are in .text. Their number, or -errno with @error. */
static ssize_t read_file(const char *path, const struct service_conf *sc, struct reading *reading,
			 struct strbuf *error)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;
	ssize_t n;
	int r = open_file(path, sc, reading, &fd, error);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return strbuf_fail(error, -EINVAL, "%s is not a regular file", path);
	if (st.st_size > CONF_FILE_MAX)
		return strbuf_fail(error, -EFBIG, "%s is larger than %d bytes", path,
				   CONF_FILE_MAX);
	n = fd_read(fd, reading->text, sizeof(reading->text) - 1);
	reading->text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? strbuf_fail(error, (int)n, "cannot read %s: %m", path) : n;
}

/* Where its directory leads, and its file of variables. */
static int look_around(struct service_conf *sc, struct reading *reading, struct strbuf *error)
{
	ssize_t n;

	if (sc->directory)
		sc->release = realpath(sc->directory, NULL);
	if (!sc->environment_file)
		return 0;
	n = read_file(sc->environment_file, sc, reading, error);
	return n < 0 ? (int)n
		     : env_file_parse(sc->environment_file, reading->text, (size_t)n,
				      &sc->file_environment, error);
}

static int parse(const char *path, struct reading *reading, struct conf **ret, struct strbuf *error)
{
	STRBUF(ignored, 1024);
	ssize_t n = read_file(path, NULL, reading, error ? error : &ignored);
	char base_dir[PATH_MAX];
	struct conf_facts facts;

	if (n < 0)
		return (int)n;
	facts = config_file_facts(path, base_dir);
	return conf_parse(path, reading->text, (size_t)n, &facts, ret, error);
}

int config_file_parse(const char *path, struct conf **ret, struct strbuf *error)
{
	_cleanup_free_ struct reading *reading = calloc(1, sizeof(*reading));

	return reading ? parse(path, reading, ret, error) : -ENOMEM;
}

int config_file_load(const char *path, bool strict, struct conf_names *names, struct conf **ret,
		     struct strbuf *error)
{
	STRBUF(doubt, 2 * PATH_MAX);
	_cleanup_free_ struct reading *reading = calloc(1, sizeof(*reading));
	struct conf *conf = NULL;
	int r;

	if (!reading)
		return -ENOMEM;
	reading->strict = strict && geteuid() == 0;
	reading->doubt = &doubt;
	r = parse(path, reading, &conf, error);
	if (r == 0)
		conf_set_names(conf, names);
	for (size_t i = 0; r == 0 && i < conf->n_services; i++)
		r = look_around(conf->services[i], reading, error);
	if (r == 0 && doubt.len && (conf->broker.strict_modes || reading->itself))
		r = strbuf_fail(error, -EPERM, "%s", doubt.text);
	if (r == 0)
		*ret = conf;
	else
		conf_free(conf);
	return r;
}
