/*
 * floor - the least a connection handoff can cost: accept4, sendmsg, close, and nothing else.
 *
 *	floor PORT [WORKERS]
 *
 * The master forks the workers (2) and hands them the connections of 127.0.0.1:PORT (0: any) in
 * turn. It supervises nothing, limits nothing, logs nothing and gets nothing back.
 *
 * It blocks in accept4() rather than wait in epoll: three system calls for a connection is the
 * least there is, so no change to the yardstick can make anything that is measured against it look
 * better. (A master that also watches its workers cannot do this. Its epoll_wait() is a cost of
 * having features, and is meant to show.)
 *
 * The wire is the broker's: one 64 byte message with one descriptor over SOCK_SEQPACKET. A worker
 * is the plain loop of `direct` with recvmsg() where accept() was, which is also all that a
 * translated accept() has to do.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include "answer.h"
#include "handoff_wire.h"

#define WORKERS_MAX 1024

union control {
	struct cmsghdr header; /* for its alignment */
	char space[CMSG_SPACE(sizeof(int))];
};

static int die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	return 1;
}

static int receive(int rx)
{
	union control control;
	struct handoff_conn message;
	struct iovec iov = { &message, sizeof(message) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(rx, &msg, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(message))
		return -1;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int work(int rx)
{
	struct answer answer;
	int fd;

	answer_init(&answer);
	while ((fd = receive(rx)) >= 0)
		answer_connection(&answer, fd);
	return 0; /* the master is gone */
}

static int hand_over(int tx, struct handoff_conn *message, int fd)
{
	union control control;
	struct iovec iov = { message, sizeof(*message) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(tx, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int serve(int listener, const int *tx, int workers)
{
	struct handoff_conn message = { .listener = 0 };

	handoff_header_init(&message.h, HANDOFF_CONN);
	for (unsigned turn = 0;; turn++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			return die("accept4");
		}
		message.id++;
		if (hand_over(tx[turn % (unsigned)workers], &message, fd) < 0)
			return die("sendmsg");
		close(fd);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t addr_len = sizeof(addr);
	int workers = argc > 2 ? atoi(argv[2]) : 2;
	int one = 1, listener, tx[WORKERS_MAX];

	if (argc < 2 || workers < 1 || workers > WORKERS_MAX) {
		fprintf(stderr, "usage: floor PORT [WORKERS]\n");
		return 2;
	}
	addr.sin_port = htons((unsigned short)atoi(argv[1]));
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

	for (int i = 0; i < workers; i++) {
		pid_t master = getpid();
		int pair[2];
		pid_t pid;

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
			return die("socketpair");
		pid = fork();
		if (pid < 0)
			return die("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			if (getppid() != master) /* it died before that took effect */
				return 1;
			for (int j = 0; j < i; j++)
				close(tx[j]);
			close(pair[1]);
			return work(pair[0]);
		}
		close(pair[0]);
		tx[i] = pair[1];
	}

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(listener, 1024) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &addr_len) < 0)
		return die("listen");
	printf("listening %d\n", ntohs(addr.sin_port));
	fflush(stdout);
	return serve(listener, tx, workers);
}
