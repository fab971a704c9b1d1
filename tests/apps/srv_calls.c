/*
 * Calls on its listening socket what nothing good comes of, while a client waits there, and serves
 * that client with a list of what the kernel, or the broker's library, has said.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "old_libc.h"

static char report[8192] = "HTTP/1.0 200 OK\r\n\r\n";
static size_t used;

static void result(const char *name, long r)
{
	used += (size_t)snprintf(report + used, sizeof(report) - used, "%s %ld %s\n", name, r,
				 r < 0 ? strerrorname_np(errno) : "");
}

#define CALL(...) result(#__VA_ARGS__, (long)(__VA_ARGS__))

/* glibc's own, for programs that are built with _FORTIFY_SOURCE. */
ssize_t __read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *from,
		       socklen_t *len);

static void make_calls(int fd)
{
	char buf[600];
	struct iovec v = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct mmsghdr mm = { .msg_hdr = m };
	int pipes[2], n = 0;
	long size = sizeof(buf);

	if (pipe(pipes) < 0)
		exit(1);
	CALL(read(fd, buf, sizeof(buf)));
	CALL(read(fd, buf, 0));
	CALL(readv(fd, &v, 1));
	CALL(recv(fd, buf, sizeof(buf), 0));
	CALL(recv(fd, buf, 0, 0));
	CALL(recv(fd, buf, 1, MSG_PEEK | MSG_DONTWAIT));
	CALL(recvfrom(fd, buf, sizeof(buf), 0, NULL, NULL));
	CALL(recvmsg(fd, &m, 0));
	CALL(recvmmsg(fd, &mm, 1, 0, NULL));
	CALL(__read_chk(fd, buf, sizeof(buf), sizeof(buf)));
	CALL(__recv_chk(fd, buf, sizeof(buf), sizeof(buf), 0));
	CALL(__recvfrom_chk(fd, buf, sizeof(buf), sizeof(buf), 0, NULL, NULL));
	CALL(splice(fd, NULL, pipes[1], NULL, sizeof(buf), SPLICE_F_NONBLOCK));
	CALL(write(fd, buf, 1));
	CALL(writev(fd, &v, 1));
	CALL(send(fd, buf, 1, 0));
	CALL(send(fd, buf, 1, MSG_NOSIGNAL | MSG_DONTWAIT));
	CALL(sendto(fd, buf, 1, 0, NULL, 0));
	CALL(sendmsg(fd, &m, 0));
	CALL(ioctl(fd, FIONREAD, &n));
	CALL(ioctl(fd, TIOCOUTQ, &n));
	CALL(ioctl(fd, FIONBIO, &(int){ 1 }));
	CALL(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CALL(ioctl(fd, FIONBIO, &(int){ 0 }));
	CALL(syscall(SYS_read, fd, buf, size));
	CALL(syscall(SYS_readv, fd, &v, 1L));
	CALL(syscall(SYS_recvfrom, fd, buf, size, 0L, NULL, NULL));
	CALL(syscall(SYS_recvmsg, fd, &m, 0L));
	CALL(syscall(SYS_recvmmsg, fd, &mm, 1L, 0L, NULL));
	CALL(syscall(SYS_splice, fd, NULL, pipes[1], NULL, size, (long)SPLICE_F_NONBLOCK));
	CALL(syscall(SYS_write, fd, buf, 1L));
	CALL(syscall(SYS_writev, fd, &v, 1L));
	CALL(syscall(SYS_sendto, fd, buf, 1L, 0L, NULL, 0L));
	CALL(syscall(SYS_sendmsg, fd, &m, 0L));
	CALL(syscall(SYS_ioctl, fd, FIONREAD, &n));
	close(pipes[0]);
	close(pipes[1]);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "0")) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	size_t head = strlen(report);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	signal(SIGPIPE, SIG_IGN);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 64) < 0)
		return 1;
	for (;;) {
		char buf[4096];
		int conn;

		if (poll(&p, 1, -1) < 0)
			return 1;
		used = head;
		make_calls(fd);
		conn = accept(fd, NULL, NULL);
		if (conn < 0 || read(conn, buf, sizeof(buf)) < 0 ||
		    write(conn, report, used) != (ssize_t)used)
			return 1;
		close(conn);
	}
}
