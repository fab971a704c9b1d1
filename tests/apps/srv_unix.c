/*
 * srv_unix PATH [HOW]: a server on a Unix socket, with all that such programs do to its file. Says
 * in each answer what it sees. HOW: "exec", after listen(2), or "exec-bound", before it: becomes
 * another image of itself; "fork": two children accept.
 *
 *	GET /			200, "pid=PID id=none", and what the sockets say of themselves
 *	anything with "crash"	dies by SIGKILL
 */
#include "app.h"

#include <stddef.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static const char *path;
static int listener;

static void end(int signal)
{
	(void)signal;
	(void)close(listener);
	(void)unlink(path);
	_exit(0);
}

static socklen_t make_name(struct sockaddr_un *ret)
{
	size_t n = strlen(path);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, n);
	if (*path != '@')
		return sizeof(*ret);
	ret->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static int bind_it(void)
{
	struct sockaddr_un name;
	socklen_t len = make_name(&name);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int));
	if (*path != '@' && unlink(path) < 0 && errno != ENOENT)
		app_die("unlink");
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, len) < 0)
		app_die("bind");
	if (*path != '@' && (chmod(path, 0600) < 0 || chown(path, geteuid(), getegid()) < 0 ||
			     fchmodat(AT_FDCWD, path, 0600, 0) < 0 || lchown(path, 0, 0) < 0))
		app_die("chmod or chown");
	return fd;
}

typedef int name_fn(int, struct sockaddr *, socklen_t *);

/* FAMILY:NAME/LENGTH, with @ for a zero byte. */
static const char *text_of(const struct sockaddr_storage *ss, socklen_t len)
{
	const struct sockaddr_un *sun = (const struct sockaddr_un *)ss;
	static char texts[4][160];
	static int next;
	char *text = texts[next++ % 4];
	int n = len > 2 && ss->ss_family == AF_UNIX ? (int)len - 2 : 0;

	snprintf(text, 160, "%d:%s%.*s/%u", ss->ss_family, n && !sun->sun_path[0] ? "@" : "", n,
		 sun->sun_path + (n && !sun->sun_path[0]), len);
	return text;
}

static const char *name_of(name_fn *fn, int fd)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);

	return fn(fd, (struct sockaddr *)&ss, &len) < 0 ? strerror(errno) : text_of(&ss, len);
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -errno : value;
}

static void serve(int fd, const char *peer)
{
	struct ucred cred = { .pid = -1 };
	socklen_t len = sizeof(cred);
	char request[4096] = "", body[1024], head[128];
	size_t n = 0;
	ssize_t got;

	while (!strstr(request, "\r\n\r\n") && n < sizeof(request) - 1 &&
	       (got = read(fd, request + n, sizeof(request) - 1 - n)) > 0)
		n += (size_t)got;
	if (strstr(request, "crash"))
		raise(SIGKILL);
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	snprintf(body, sizeof(body),
		 "pid=%d id=none accept=%s peer=%s own=%s cred=%d domain=%d protocol=%d "
		 "listener=%s accepting=%d type=%d listener_domain=%d passcred=%d\n",
		 (int)app_pid, peer, name_of(getpeername, fd), name_of(getsockname, fd),
		 (int)cred.pid, option(fd, SO_DOMAIN), option(fd, SO_PROTOCOL),
		 name_of(getsockname, listener), option(listener, SO_ACCEPTCONN),
		 option(listener, SO_TYPE), option(listener, SO_DOMAIN), option(fd, SO_PASSCRED));
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
		 strlen(body));
	if (n) {
		app_write(fd, head, strlen(head));
		app_write(fd, body, strlen(body));
	}
	(void)close(fd);
}

static void go_on(char **argv)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", listener);
	setenv("SRV_UNIX_FD", text, 1);
	execv("/proc/self/exe", argv);
	app_die("exec");
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "", *inherited = getenv("SRV_UNIX_FD");

	if (argc < 2)
		return 2;
	path = argv[1];
	app_pid = getpid();
	listener = inherited ? atoi(inherited) : bind_it();
	if (!strcmp(how, "exec-bound") && !inherited)
		go_on(argv);
	if ((strcmp(how, "exec") != 0 || !inherited) && listen(listener, 128) < 0)
		app_die("listen");
	if (!strcmp(how, "exec") && !inherited)
		go_on(argv);
	/* Once more, when it is live: as redis does. */
	if (*path != '@' && chmod(path, 0600) < 0)
		app_die("chmod");
	signal(SIGTERM, end);
	if (!strcmp(how, "fork") && (fork() == 0 || fork() == 0))
		signal(SIGTERM, SIG_DFL);
	else if (!strcmp(how, "fork"))
		for (;;)
			pause();
	for (;;) {
		struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(ss);
		int fd = accept(listener, (struct sockaddr *)&ss, &len);

		if (fd >= 0)
			serve(fd, text_of(&ss, len));
		else if (errno != EINTR && errno != ECONNABORTED)
			app_die("accept");
	}
}
