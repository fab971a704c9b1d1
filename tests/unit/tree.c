/* links: broker/sys/tree broker/sys/proc broker/sys/dir broker/sys/sockdiag */
/* links: broker/base/paths broker/base/strbuf */
/* links: broker/sys/pid_set */
#include "sys/tree.h"
#include "tap.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child with a child of its own; both have what we have, and wait until told to end. */
struct family {
	pid_t child;
	int alive; /* closed: they end */
};

static void wait_for_end(int fd)
{
	char byte;

	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		continue;
}

static struct family family_start(void)
{
	int alive[2], told[2];
	struct family f;
	char byte = 0;

	CHECK_EQ(pipe(alive), 0);
	CHECK_EQ(pipe(told), 0);
	f.child = fork();
	if (f.child == 0) {
		pid_t pid;

		close(alive[1]);
		pid = fork();
		if (pid == 0) {
			CHECK_EQ(write(told[1], &byte, 1), 1);
			wait_for_end(alive[0]);
			_exit(0);
		}
		wait_for_end(alive[0]);
		_exit(waitpid(pid, NULL, 0) == pid ? 0 : 1);
	}
	CHECK_EQ(read(told[0], &byte, 1), 1);
	close(told[0]);
	close(told[1]);
	close(alive[0]);
	f.alive = alive[1];
	return f;
}

static void family_end(const struct family *f)
{
	int status;

	close(f->alive);
	CHECK_EQ(waitpid(f->child, &status, 0), f->child);
	CHECK_EQ(status, 0);
}

enum { N = 40 };

/* Connections to ourselves, whose accepted ends the kernel's list has. */
struct connections {
	int client[N], conn[N];
	struct sockdiag_list list;
};

static void connections_open(struct connections *c)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *sa = (struct sockaddr *)&in;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(in);

	CHECK_EQ(bind(listener, sa, len), 0);
	CHECK_EQ(listen(listener, N), 0);
	CHECK_EQ(getsockname(listener, sa, &len), 0);
	for (int i = 0; i < N; i++) {
		c->client[i] = socket(AF_INET, SOCK_STREAM, 0);
		CHECK_EQ(connect(c->client[i], sa, len), 0);
		c->conn[i] = accept(listener, NULL, NULL);
	}
	close(listener);
	CHECK_EQ(sockdiag_find(SOCKDIAG_OPEN, ntohs(in.sin_port), &c->list), 0);
}

static void connections_close(struct connections *c)
{
	for (int i = 0; i < N; i++) {
		close(c->client[i]);
		close(c->conn[i]);
	}
	sockdiag_list_deinit(&c->list);
}

TEST(a_connection_that_several_processes_have_counts_once)
{
	_cleanup_tree_ struct tree_walk w = { .figures = true };
	static struct connections c;
	struct family f;

	connections_open(&c);
	f = family_start();
	for (int round = 0; round < 2; round++) {
		w.connections = &c.list;
		CHECK_EQ(pid_set_add(&w.pids, f.child), 0);
		CHECK_EQ(tree_steps(&w, SIZE_MAX), 0);
		CHECK_EQ(w.open, N);
		CHECK_EQ(w.pids.n, 2);
		CHECK(proc_fd_is(&w.last));
		tree_end(&w);
	}
	family_end(&f);
	connections_close(&c);
}

/* However many there are, a step is one of them. */
TEST(a_step_is_one_descriptor)
{
	_cleanup_tree_ struct tree_walk w = { 0 };
	static struct connections c;
	int before = 0, steps = 0;
	struct family f;

	connections_open(&c);
	f = family_start();
	w.connections = &c.list;
	CHECK_EQ(pid_set_add(&w.pids, f.child), 0);
	while (tree_steps(&w, 1) > 0) {
		CHECK(w.open <= before + 1);
		before = w.open;
		steps++;
	}
	CHECK_EQ(w.open, N);
	/* Of two processes, and those that are no connections of the list are steps, too. */
	CHECK(steps > 2 * 2 * N);
	family_end(&f);
	connections_close(&c);
}

TEST(figures_of_all)
{
	_cleanup_tree_ struct tree_walk w = { .figures = true };
	struct family f = family_start();

	CHECK_EQ(pid_set_add(&w.pids, f.child), 0);
	CHECK_EQ(tree_steps(&w, SIZE_MAX), 0);
	CHECK(w.rss_bytes > proc_stat(f.child).rss_bytes);
	CHECK_EQ(w.tracer, 0);
	family_end(&f);
}

TEST(what_was_seen_is_seen_to_be_gone)
{
	_cleanup_tree_ struct tree_walk w = { 0 };
	static struct connections c;

	connections_open(&c);
	w.connections = &c.list;
	CHECK_EQ(pid_set_add(&w.pids, getpid()), 0);
	CHECK_EQ(tree_steps(&w, SIZE_MAX), 0);
	CHECK(proc_fd_is(&w.last));
	close(w.last.fd);
	CHECK(!proc_fd_is(&w.last));
	connections_close(&c);
}

TEST(one_that_has_ended_has_nothing)
{
	_cleanup_tree_ struct tree_walk w = { .figures = true };
	_cleanup_sockets_ struct sockdiag_list none = { 0 };
	struct family f = family_start();

	family_end(&f);
	w.connections = &none;
	CHECK_EQ(pid_set_add(&w.pids, f.child), 0);
	CHECK_EQ(tree_steps(&w, SIZE_MAX), 0);
	CHECK_EQ(w.open, 0);
	CHECK_EQ(w.rss_bytes, 0);
}

TAP_MAIN()
