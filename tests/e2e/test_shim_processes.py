#!/usr/bin/env python3
"""The preload library: processes, threads, and the death of the broker."""

import ctypes
import errno
import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
from fake_broker import *  # noqa: E402,F401,F403


# --- processes --------------------------------------------------------------------------------


@test
def a_child_listens_on_after_its_parent(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    eq(p("fork"), "0")
    check_serves(p, broker, channel, fd)
    eq(p("close %d" % fd), "0")
    assert hello.held()  # the parent has it still
    p.ends()
    assert hello.gone()


@test
def a_daemon_that_closes_everything_else_serves(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    eq(p("fork away"), "0")
    eq(p("setsid"), "0")
    eq(p("fork away"), "0")
    pid = p.num("pid")
    assert pid > 1 and pid != p.proc.pid
    for number in list(range(3, fd)) + list(range(fd + 1, 2048)):
        if os.path.exists("/proc/%d/fd/%d" % (pid, number)):
            eq(p("close %d" % number), "-1 EBADF")
    check_serves(p, broker, channel, fd)
    assert hello.held()
    eq(p("closeall"), "0")
    assert hello.gone()
    p.say("exit")


@test
def a_daemon_that_closes_all_first_and_listens_then_serves(broker):
    p = broker.puppet()
    eq(p("fork away"), "0")
    eq(p("setsid"), "0")
    eq(p("fork away"), "0")
    eq(p("closeall"), "0")
    fd, hello, channel = p.listen()
    eq(hello.pid, p.num("pid"))
    check_serves(p, broker, channel, fd)
    p.say("exit")
    assert hello.gone()


@test
def a_vfork_child_does_not_touch_its_parents_table(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen("::", 3000)
    channel.send(broker, "4")
    conn = p.num("accept %d 0" % fd)
    eq(p("vfork %d" % fd), "0")
    assert hello.held()
    assert p("peername %d" % conn).startswith("0 10 ::ffff:127.0.0.1 ")
    client = channel.send(broker)
    assert p.num("accept %d 0" % fd) >= 0
    client.close()
    # The same in a fork child that has not touched the table yet.
    eq(p("fork"), "0")
    eq(p("vfork %d" % fd), "0")
    assert p("sockname %d" % fd).startswith("0 10 ")
    channel.send(broker)
    assert p.num("accept %d 0" % fd) >= 0


@test
def exec_keeps_the_listener(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    p.say("exec")
    adopt = broker.hello()
    eq((adopt.hello_flags, adopt.channel, adopt.port), (1, channel.number, 3000))
    assert hello.gone()  # that one was of the program before
    broker.welcome(adopt, channel)
    eq(p("sockname %d" % fd), "0 2 0.0.0.0 3000 16")
    check_serves(p, broker, channel, fd)
    eq(p("getopt %d %d %d" % (fd, SOL, socket.SO_PROTOCOL)), "0 6")
    assert adopt.held()
    eq(p("close %d" % fd), "0")
    assert adopt.gone()


@test
def exec_keeps_the_listener_when_the_broker_refuses(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    p.say("exec")
    broker.refuse(broker.hello(), errno.EPERM, "no")
    check_serves(p, broker, channel, fd)


@test
def a_close_on_exec_listener_is_gone_after_exec(broker):
    p = broker.puppet()
    _, hello, _ = p.listen(flags=CLOEXEC)
    p.say("exec")
    assert hello.gone()
    eq(p("pid"), str(p.proc.pid))
    assert broker.no_hello()


@test
def a_listener_that_came_over_a_socket_is_recognised(broker):
    p = broker.puppet()
    _, _, channel = p.listen()
    path = os.path.join(broker.dir, "fds")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        ours = socket.socket(socket.AF_UNIX)
        fd = p.num("socket %d %d" % (UNIX, STREAM))
        eq(p("bindunix %d %s2" % (fd, path)), "0")
        eq(p("listen %d" % fd), "0")
        ours.connect(path + "2")
    conn = p.num("accept %d 0" % fd)
    send_fds(ours, b"x", [channel.rx.fileno()])
    got = p.num("recvfd %d" % conn)
    ours.close()
    check_serves(p, broker, channel, got)
    assert broker.no_hello()  # the same channel: one goodbye for both


@test
def a_listener_from_another_process_says_hello_when_it_arrives(broker):
    p = broker.puppet()
    _, _, channel = p.listen()
    q = broker.puppet()
    path = os.path.join(broker.dir, "fds")
    fd = q.num("socket %d %d" % (UNIX, STREAM))
    eq(q("bindunix %d %s" % (fd, path)), "0")
    eq(q("listen %d" % fd), "0")
    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(path)
        conn = q.num("accept %d 0" % fd)
        send_fds(ours, b"x", [channel.rx.fileno()])
        q.say("recvfd %d" % conn)
        adopt = broker.hello()
        eq((adopt.hello_flags, adopt.channel, adopt.pid), (1, channel.number, q.proc.pid))
        broker.welcome(adopt, channel)
        got = int(q.answer())
    # What a runtime asks before it uses it.
    eq(q("sockname %d" % got), "0 2 0.0.0.0 3000 16")
    eq(q("getopt %d %d %d" % (got, SOL, socket.SO_TYPE)), "0 %d" % STREAM)
    eq(q("getopt %d %d %d" % (got, SOL, socket.SO_DOMAIN)), "0 %d" % INET)
    check_serves(q, broker, channel, got)


# --- the broker dies ----------------------------------------------------------------------------


def cpu_ticks(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@test
def a_dead_broker_leaves_the_queue_and_no_spinning(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen(flags=NONBLOCK)
    clients = [channel.send(broker) for _ in range(3)]
    channel.close()
    hello.conn.close()
    for client in clients:
        conn = p.num("accept %d 0" % fd)
        eq(p("write %d hello" % conn), "5")
        eq(client.recv(5), b"hello")
    eq(p("accept %d 0" % fd), "-1 EAGAIN")
    eq(p("poll %d 0" % fd), "0 0")  # nothing to wake up for: no event loop spins


@test
def what_was_sent_before_the_end_is_served_and_then_accept_fails(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    p.say("exec")  # leaves this process without a tx of its own
    broker.refuse(broker.hello(), errno.EPERM, "no")
    channel.rx.send(b"x")  # what nobody reads: the kernel then says ECONNRESET first
    clients = [channel.send(broker) for _ in range(2)]
    channel.close()
    for client in clients:
        conn = p.num("accept %d 0" % fd)
        eq(p("write %d hello" % conn), "5")
        eq(client.recv(5), b"hello")
    eq(p("accept %d 0" % fd), "-1 EINVAL")


def die_with_parent():
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG


@test
def the_app_outlives_the_broker_though_the_launcher_did_not(broker):
    p = broker.puppet(preexec_fn=die_with_parent)
    eq(p("deathsig"), "0")


# --- several acceptors at once ------------------------------------------------------------------


def many(broker, mode, n=40):
    proc = broker.start(os.path.join(APPS, "shim_serve"), mode, "3000")
    hello = broker.hello()
    channel = broker.welcome(hello)
    clients = [channel.send(broker) for _ in range(n)]
    answers = [client.makefile("rb").readline() for client in clients]
    for client in clients:
        client.close()
    assert all(re.fullmatch(rb"\d+ \d+\n", a) for a in answers), answers
    return proc, hello, channel, answers


@test
def four_threads_accept_each_connection_once(broker):
    proc, hello, channel, answers = many(broker, "threads")
    eq({int(a.split()[0]) for a in answers}, {proc.pid})
    eq(channel.take_back(), 0)
    assert hello.held()


@test
def four_children_share_one_listener(broker):
    proc, hello, channel, answers = many(broker, "prefork")
    assert proc.pid not in {int(a.split()[0]) for a in answers}
    eq(channel.take_back(), 0)
    assert hello.held()  # although the parent has closed its copy
    proc.kill()
    assert hello.gone()


@test
def one_child_per_connection(broker):
    _, hello, channel, answers = many(broker, "forkeach", 10)
    eq(len({a.split()[0] for a in answers}), 10)
    assert hello.held()  # the children's close(listener) was theirs alone


if __name__ == "__main__":
    sys.exit(main())
