/*
 * app.h - what the small test servers have in common. They are plain programs: nothing here
 * or in them knows of a broker.
 *
 *	GET /?id=ID			200, "pid=PID id=ID"
 *	GET /slow?ms=N&id=ID		the same after N milliseconds of work
 *	GET /env			the environment variables BROKER_*
 *	GET /crash			dies by SIGKILL, without an answer
 *
 * HTTP/1.1 with keep-alive unless the client asks to close. PID is app_pid, the process that
 * a user would call "the server", also where a child of it answers.
 */
#ifndef TESTS_APP_H
#define TESTS_APP_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define APP_CONNS 512

struct app_conn {
	int fd; /* 0: free (descriptor 0 is never a connection here) */
	size_t len;
	char buf[4096];
};

static pid_t app_pid;

static inline void app_die(const char *what)
{
	perror(what);
	exit(1);
}

/* The port: argument @n, or $PORT for the first. */
static inline int app_port(int argc, char **argv, int n)
{
	const char *text = argc > n ? argv[n] : n == 1 ? getenv("PORT") : NULL;

	if (!text || atoi(text) <= 0) {
		fprintf(stderr, "usage: %s PORT...\n", argv[0]);
		exit(2);
	}
	app_pid = getpid();
	return atoi(text);
}

/* A socket bound to the loopback @port, not yet listening. */
static inline int app_bind(int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		app_die("socket");
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0)
		app_die("setsockopt");
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		app_die("bind");
	return fd;
}

/* Waits for a line from the FIFO @path; one line is for one process, so none is read ahead. */
static inline void app_wait(const char *path)
{
	int fd = open(path, O_RDONLY);
	char c = '\0';

	while (fd >= 0 && c != '\n')
		if (read(fd, &c, 1) != 1)
			app_die("gate");
	if (fd < 0)
		app_die(path);
	(void)close(fd);
}

static inline int app_listen(int port)
{
	int fd = app_bind(port);

	if (listen(fd, 128) < 0)
		app_die("listen");
	return fd;
}

/*
 * accept(2) after a poll(2) that said that somebody waits: who is gone by now is no reason to
 * wait for another here, while those who are connected wait too. -1: back to poll.
 */
static inline int app_accept_polled(int fd)
{
	int conn = accept(fd, NULL, NULL);

	if (conn < 0 && errno != EINTR && errno != ECONNABORTED && errno != EAGAIN &&
	    errno != EMFILE)
		app_die("accept");
	return conn;
}

/* accept(2) that survives what a server must survive. -1: nothing there. */
static inline int app_accept(int fd)
{
	int conn;

	do
		conn = accept(fd, NULL, NULL);
	while (conn < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (conn < 0 && errno != EAGAIN && errno != EMFILE)
		app_die("accept");
	return conn;
}

static inline void app_write(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* Copies the value of query parameter @name, "none" if it is not there. */
static inline void app_query(const char *target, const char *name, char *ret_value, size_t size)
{
	size_t n = strlen(name);

	snprintf(ret_value, size, "none");
	for (const char *p = strpbrk(target, "?&"); p; p = strpbrk(p + 1, "?&")) {
		if (strncmp(p + 1, name, n) || p[1 + n] != '=')
			continue;
		snprintf(ret_value, size, "%.*s", (int)strcspn(p + 2 + n, "& "), p + 2 + n);
		return;
	}
}

static inline void app_environment(char *ret_body, size_t size)
{
	extern char **environ;
	size_t used = 0;

	ret_body[0] = '\0';
	for (char **e = environ; *e && used < size; e++)
		if (!strncmp(*e, "BROKER_", 7))
			used += (size_t)snprintf(ret_body + used, size - used, "%s\n", *e);
}

/* Answers one request, whose head is in @request. Returns whether the connection stays open. */
static inline bool app_answer(int fd, const char *request)
{
	char target[512], id[256], ms[16], body[2048], answer[2560];
	bool keep =
		strstr(request, " HTTP/1.1\r\n") && !strcasestr(request, "\r\nconnection: close");

	if (sscanf(request, "GET %511s", target) != 1) {
		app_write(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 47);
		return false;
	}
	if (!strncmp(target, "/crash", 6))
		raise(SIGKILL);
	if (!strncmp(target, "/slow", 5)) {
		app_query(target, "ms", ms, sizeof(ms));
		(void)poll(NULL, 0, atoi(ms));
	}
	app_query(target, "id", id, sizeof(id));
	if (!strncmp(target, "/env", 4))
		app_environment(body, sizeof(body));
	else
		snprintf(body, sizeof(body), "pid=%d id=%s\n", (int)app_pid, id);
	/* In one piece: a body sent on its own would wait for the client's delayed ACK. */
	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n%s",
		 strlen(body), keep ? "" : "Connection: close\r\n", body);
	app_write(fd, answer, strlen(answer));
	return keep;
}

/* Reads once and answers what is complete. False: the connection has ended and is closed. */
static inline bool app_serve_some(struct app_conn *c)
{
	ssize_t n = recv(c->fd, c->buf + c->len, sizeof(c->buf) - 1 - c->len, 0);
	char *end;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0)
		goto gone;
	c->len += (size_t)n;
	c->buf[c->len] = '\0';
	while ((end = strstr(c->buf, "\r\n\r\n"))) {
		end[2] = '\0';
		if (!app_answer(c->fd, c->buf))
			goto gone;
		end += 4;
		c->len -= (size_t)(end - c->buf);
		memmove(c->buf, end, c->len + 1);
	}
	if (c->len < sizeof(c->buf) - 1)
		return true;
gone:
	close(c->fd);
	c->fd = 0;
	c->len = 0;
	return false;
}

/* Serves a connection to its end, blocking. */
static inline void app_serve(int fd)
{
	struct app_conn c = { .fd = fd };

	while (app_serve_some(&c))
		;
}

#endif
