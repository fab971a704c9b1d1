#!/usr/bin/env python3
"""Busy connections move on from programs whose calls are trapped, too: Go, and static ones."""

import resource
import signal

from harness import *
from lib import proc
from lib.busy import N, Plain, finish, mover, pids, reload, start, wait_for
from lib.paths import BUILD
from lib.steering import workers
from lib.trapped import HOW, go_program, static


def move_often(broker, backend, **keys):
    clients = start(broker, **keys)
    assert {w["backend"] for w in workers(broker)} == {backend}
    for _ in range(3):
        old = reload(broker)
        wait_for(clients, 2)
        assert not old & {c.pid for c in clients}
    assert finish(broker, clients)["moved"] == 3 * N


def add_static(how, options):
    """Which would end at an event for a connection that it has closed."""
    add_test("busy_clients_of_a_static_program_notice_no_reload_%s" % how, lambda: move_often(
        mover([static("srv_epoll_before_listen"), "{port}"], **options()), "loaded" if options() else "trap", plain=True))


def add_go(mode, how, options):
    add_test("busy_clients_of_a_go_program_%s_notice_no_reload_%s" % (mode, how), lambda: move_often(
        mover([go_program(mode, "echo/echo.go"), "127.0.0.1:{port}"], **options()), "loaded" if options() else "trap"))


for mode in ("exe", "pie", "cgo"):
    add_go(mode, "under_load", dict)
add_go("exe", "untraced", HOW["untraced"])
for how, options in HOW.items():
    add_static(how, options)


GET = "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"


@test
def what_the_program_has_twice_stays():
    """The library has not seen that it was copied: nothing of that is trapped before the first move."""
    broker = mover([go_program("exe", "echo/echo.go"), "127.0.0.1:{port}"])
    copied = Plain(broker, GET.replace("echo", "echo?copy=1"))
    other = Plain(broker, GET)
    old = pids(broker)
    broker.reload_and_wait()
    wait_until(lambda: other.ask(GET) not in old)
    for _ in range(5):
        assert copied.ask(GET) == copied.pid
    # And it goes on as before, although much more of what it does is trapped now.
    assert copied.ask(GET.replace("echo", "echo?run=1")) == copied.pid
    assert copied.fields["X-Run"] == "exit status 7", copied.fields
    copied.close()
    other.close()
    proc.send_signal(copied.pid, signal.SIGKILL)  # which has its copy for ever


@test
def what_was_closed_before_the_first_move_is_no_connection():
    """More than are moved at all: the library has not seen the end of most of them."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (12000, max(12000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    broker = mover([BUILD + "/bench/static/holder", "{port}"], workers=1)
    old, held = broker.worker_pid(), [connect(broker.port) for _ in range(10300)]
    wait_until(lambda: proc.held_connections({old}, broker.port) == 10300)
    for sock in held[300:]:
        sock.close()
    wait_until(lambda: proc.held_connections({old}, broker.port) == 300)
    broker.reload_and_wait()
    wait_until(lambda: proc.held_connections({old}, broker.port) == 0)
    for sock in held[:300]:
        sock.close()
    broker.wait_event("worker-exit", pid=old)


main()
