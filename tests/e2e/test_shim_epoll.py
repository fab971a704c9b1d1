#!/usr/bin/env python3
"""
The preload library: an accepted connection leaves the app's epoll sets with the app's close(), also
while the broker still holds its copy.

In every test it does: the broker was stopped between its sendmsg() and its close().
"""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
from fake_broker import *  # noqa: E402,F401,F403

COOKIE = 0xfeed
SEEN = "1 0x1 %#x" % COOKIE
NOTHING = "0 0 0"


class App:
    """A puppet with a listener and an epoll set."""

    def __init__(self, broker):
        self.broker = broker
        self.puppet = broker.puppet()
        self.listener, _, self.channel = self.puppet.listen()
        self.set = self.puppet.num("epoll")
        self.held = []

    def __call__(self, command, want="0"):
        eq(self.puppet(command), want)

    def accept(self):
        """A client and the number of its connection, in no set."""
        client = self.channel.send(self.broker, held=self.held)
        return client, self.puppet.num("accept %d 0" % self.listener)

    def add(self, conn, add="epolladd", epoll=None):
        self("%s %d %d %d %#x" % (add, epoll or self.set, conn, EPOLLIN, COOKIE))

    def accept_and_add(self):
        client, conn = self.accept()
        self.add(conn)
        return client, conn

    def reports(self, client, epoll=None):
        """The connection is in the set: what the client says is reported."""
        self.reports_nothing(epoll)
        client.send(b"x")
        self("epollwait %d %d" % (epoll or self.set, TIMEOUT * 1000), SEEN)

    def reports_nothing(self, epoll=None):
        self("epollwait %d 0" % (epoll or self.set), NOTHING)

    def is_out(self, client, epoll=None):
        """What the client does is not reported any more, although somebody holds the connection."""
        client.send(b"x")
        client.close()
        self.reports_nothing(epoll)
        assert self.held


@test
def without_the_broker_s_copy_the_kernel_does_it(broker):
    app = App(broker)
    client, conn = app.accept_and_add()
    app.reports(client)
    app.held.pop().close()
    app("hiddenclose %d" % conn)
    app.reports_nothing()


@test
def close_takes_it_out(broker):
    app = App(broker)
    client, conn = app.accept_and_add()
    app.reports(client)
    app("close %d" % conn)
    app.is_out(client)


@test
def so_do_the_others_that_close(broker):
    app = App(broker)
    for close, want in (
        ("rawclose %d", "0"),
        ("dup2 0 %d", None),
        ("closerange %d 0xffffffff 0", "0"),
        ("closefrom %d", "0"),
    ):
        client, conn = app.accept_and_add()
        app.reports(client)
        app(close % conn, want or str(conn))
        app.is_out(client)
        app.puppet("close %d" % conn)  # what dup2 has put there


@test
def also_what_was_added_by_syscall(broker):
    app = App(broker)
    client, conn = app.accept()
    app.add(conn, "rawepolladd")
    app.reports(client)
    app("close %d" % conn)
    app.is_out(client)


@test
def the_set_that_it_was_moved_to_counts(broker):
    app = App(broker)
    other = app.puppet.num("epoll")
    client, conn = app.accept_and_add()
    app("epolldel %d %d" % (app.set, conn))
    app("epolldel %d %d" % (app.set, conn), "-1 ENOENT")
    app.add(conn, epoll=other)
    app("epolldel %d %d" % (app.set, conn), "-1 ENOENT")  # not there: that says nothing
    app.reports(client, other)
    app("close %d" % conn)
    app.is_out(client, other)


@test
def the_next_connection_of_that_number_is_reported(broker):
    app = App(broker)
    first, conn = app.accept_and_add()
    app("close %d" % conn)
    second, again = app.accept_and_add()
    eq(again, conn)
    first.close()
    app.reports(second)
    app("close %d" % again)
    app.is_out(second)


@test
def a_call_that_fails_or_closes_nothing_leaves_it(broker):
    app = App(broker)
    client, conn = app.accept_and_add()
    app("dup2 900 %d" % conn, "-1 EBADF")
    app("dup3 0 %d 1" % conn, "-1 EINVAL")
    app("dup3 %d %d 0" % (conn, conn), "-1 EINVAL")
    app("dup2 %d %d" % (conn, conn), str(conn))
    app("closerange %d %d 0x80" % (conn, conn), "-1 EINVAL")
    app("closerange %d %d 0" % (conn, conn - 1), "-1 EINVAL")
    app("closerange %d %d 4" % (conn, conn))  # CLOSE_RANGE_CLOEXEC
    app("closerange %d %d 0" % (conn + 1, conn + 9))
    app("epolladd %d %d 1 1" % (app.set, conn), "-1 EEXIST")
    app.reports(client)
    app("close %d" % conn)
    app.is_out(client)


@test
def a_set_that_is_gone_harms_nothing(broker):
    app = App(broker)
    for other in ("", "epoll", "socket %d %d" % (UNIX, STREAM)):
        client, conn = app.accept()
        gone = app.puppet.num("epoll")
        app.add(conn, epoll=gone)
        app("close %d" % gone)
        if other:
            eq(app.puppet.num(other), gone)
        app("close %d" % conn)
        client.close()
        if other:
            app("close %d" % gone)


# --- who else has it ----------------------------------------------------------------------------


@test
def a_copy_that_the_app_made_keeps_it_in_the_set(broker):
    """As epoll(7) says in its question 6: some app may count on that."""
    app = App(broker)
    for copy in ("dup %d", "dupfd %d 20", "dup2 %d 30"):
        client, conn = app.accept_and_add()
        number = app.puppet.num(copy % conn)
        app("close %d" % conn)
        app.reports(client)
        app("close %d" % number)
        app.held.pop().close()  # now nobody has it
        app.reports_nothing()


@test
def a_fork_child_that_closes_it_leaves_it_to_the_parent(broker):
    app = App(broker)
    client, conn = app.accept_and_add()
    app("forkclose %d" % conn)
    app.reports(client)
    app("close %d" % conn)
    app.is_out(client)


@test
def a_thread_that_closes_it_in_its_own_table_leaves_it_to_the_others(broker):
    app = App(broker)
    client, conn = app.accept_and_add()
    app("unshare")
    app.reports(client)


@test
def a_vfork_child_that_closes_it_leaves_it_to_the_parent(broker):
    app = App(broker)
    client, conn = app.accept_and_add()
    app("vfork %d" % conn)
    app.reports(client)
    app("close %d" % conn)
    app.is_out(client)


@test
def a_fork_child_with_a_set_of_its_own(broker):
    app = App(broker)
    client, conn = app.accept_and_add()
    app("fork")  # the child goes on from here
    app("close %d" % app.set)
    app.set = app.puppet.num("epoll")
    app.add(conn)
    app.reports(client)
    app("close %d" % conn)
    app.is_out(client)
    client, conn = app.accept_and_add()
    app("close %d" % conn)
    app.is_out(client)


@test
def what_is_no_connection_of_the_broker_s_is_left_alone(broker):
    app = App(broker)
    client, number = app.accept()
    app.add(number)
    path = os.path.join(broker.dir, "fds")
    door = app.puppet.num("socket %d %d" % (UNIX, STREAM))
    app("bindunix %d %s" % (door, path))
    app("listen %d" % door)
    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(path)
        guest = app.puppet.num("accept %d 0" % door)
        # At the number of a connection that was in the set, and of one that was in no set.
        for add_first in (True, False):
            app("close %d" % number)
            near, far = socket.socketpair()
            with near, far:
                send_fds(ours, b"x", [near.fileno()])
                eq(app.puppet.num("recvfd %d" % guest), number)
                app.add(number)
                app("close %d" % number)
                far.send(b"x")
                app("epollwait %d %d" % (app.set, TIMEOUT * 1000), SEEN)
            app.reports_nothing()
            if add_first:
                _, again = app.accept()
                eq(again, number)


@test
def a_number_that_was_closed_behind_our_back_is_not_the_connection(broker):
    app = App(broker)
    other = app.puppet.num("socket %d %d" % (INET, DGRAM))
    app("bind %d 127.0.0.1 0" % other)
    port = int(app.puppet("sockname %d" % other).split()[3])
    _, conn = app.accept_and_add()
    app("hiddenclose %d" % conn)
    app.held.pop().close()
    eq(app.puppet.num("dup %d" % other), conn)
    app.add(conn)
    app("close %d" % conn)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.sendto(b"x", ("127.0.0.1", port))
    app("epollwait %d %d" % (app.set, TIMEOUT * 1000), SEEN)  # the other number keeps it there


if __name__ == "__main__":
    sys.exit(main())
