#!/usr/bin/env python3
"""Many connections: they move in slices, or some stay, and nobody notices."""

import os
import resource

from harness import *
from lib.paths import BUILD

PY_ECHO = ["python3", "%s/tests/apps/py_echo.py" % ROOT, "{port}"]


def connected(broker, n):
    """So many connections that have been served."""
    held = [connect(broker.port) for _ in range(n)]
    for sock in held:
        served_by(sock)
    return held


def served_by(sock):
    send_request(sock, "/id", close=False)
    return read_answer(sock).body.startswith("pid=")


def ask_all(held, times):
    for _ in range(times):
        for sock in held:
            assert served_by(sock)


def with_room(n):
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, max(n, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))


@test
def a_relay_with_few_descriptors_takes_as_many_as_it_can_serve():
    with_room(4000)
    program = write_file("broker.sh", '#!/bin/sh\nulimit -Sn 1100; ulimit -Hn 1100; exec %s "$@"\n' % broker_program())
    os.chmod(program, 0o755)
    broker = Broker(PY_ECHO, workers=1, move="auto", drain_timeout="1h", drain_idle="off", program=program)
    old, held = broker.worker_pid(), connected(broker, 700)
    broker.reload_and_wait()
    wait_until(lambda: proc.held_connections({old}, broker.port) < 460)
    ask_all(held, 3)
    for sock in held:
        sock.close()
    assert broker.stop()["moved"] > 200


def answered(sock):
    sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    return sock.recv(100).startswith(b"HTTP/1.1 200")


@test
def thousands_move_in_slices_and_with_more_than_that_all_stay():
    with_room(12000)
    broker = Broker([BUILD + "/bench/holder", "{port}"], workers=1, move="auto", drain_timeout="1h", drain_idle="off")
    old, held = broker.worker_pid(), [connect(broker.port) for _ in range(10300)]
    wait_until(lambda: proc.held_connections({old}, broker.port) == 10300)
    broker.reload_and_wait()
    wait_until(lambda: [p for p in proc.descendants(broker.pid) if proc.name(p) == "broker-relay"])
    assert all(answered(sock) for sock in held[:500])
    assert proc.held_connections({old}, broker.port) == 10300
    for sock in held[3000:]:
        sock.close()
    del held[3000:]
    wait_until(lambda: proc.held_connections({old}, broker.port) == 0)
    # After the last that the old app answers.
    for _ in range(4):
        assert all(answered(sock) for sock in held[::10])
    for sock in held:
        sock.close()
    broker.wait_event("worker-exit", pid=old)
    assert broker.stop()["moved"] == 300


main()
