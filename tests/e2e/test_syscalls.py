#!/usr/bin/env python3
"""How many system calls an app makes for a connection: behind the broker as many as without it."""

import os

from harness import *
from lib.faults import end_strace
from lib.paths import TESTS
from lib.server import Server
from lib.tools import Tool, need

CONNECTIONS = 100
MORE = 0.5  # of them for each connection, at most
# What the library may call. How often an app waits, or asks for memory, depends on the machine.
CALLS = "accept accept4 recvmsg fcntl getpid epoll_ctl close fstat newfstatat getsockopt ioctl prlimit64".split()


def request(pid, port, broker):
    """The broker has closed its copy before the app can: else the library has to help, in time."""
    with connect(port) as sock:
        wait_until(lambda: proc.held_connections([pid], port))
        if broker:
            wait_until(lambda: not proc.held_connections([broker.main_pid], port))
        send_request(sock)
        read_answer(sock)


def count(pid, port, broker=None):
    """System calls of a process, by name, while it answers."""
    for _ in range(20):
        http_get(port)  # it may still be on its way out of listen()
    summary = tmp("strace.%d" % pid)
    strace = Tool("strace", "-f", "-c", "-e", "trace=" + ",".join(CALLS), "-p", pid, "-o", summary)
    strace.expect("attached")
    for _ in range(CONNECTIONS):
        request(pid, port, broker)
    end_strace(strace.pid)
    strace.process.wait(30)
    calls = {}
    with open(summary) as f:
        for line in f:
            words = line.split()
            if len(words) > 4 and words[3].isdigit() and words[-1] != "total":
                calls[words[-1]] = int(words[3])
    return calls


def compare(command):
    need("strace")
    server = Server(command)
    native = count(server.pid, server.port)
    broker = Broker(command, workers=1)
    ours = count(broker.worker_pid("web.0"), broker.port, broker)
    more = (sum(ours.values()) - sum(native.values())) / CONNECTIONS
    assert ours["recvmsg"] >= CONNECTIONS, ours
    assert more <= MORE, "%.2f more: %s, %s" % (more, ours, native)
    assert not ours.get("getpid", 0) > CONNECTIONS / 10, ours
    return ours


@test
def an_app_that_leaves_its_epoll_set_by_close():
    compare(app("srv_epoll_before_listen"))


@test
def an_app_that_wants_connections_that_do_not_block():
    need("node")
    ours = compare(["node", os.path.join(TESTS, "apps", "app.js"), "{port}"])
    assert ours.get("fcntl", 0) < CONNECTIONS / 10, ours


main()
