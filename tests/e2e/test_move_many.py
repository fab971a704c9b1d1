#!/usr/bin/env python3
"""More connections than can be moved: those stay, and nobody notices."""

import os
import resource

from harness import *

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


@test
def a_worker_with_too_many_connections_keeps_them_until_some_have_gone():
    with_room(4000)
    broker = Broker(PY_ECHO, workers=1, move="auto", drain_timeout="1h", drain_idle="off")
    old, held = broker.worker_pid(), connected(broker, 2200)
    broker.reload_and_wait()
    ask_all(held[:100], 2)
    assert proc.held_connections({old}, broker.port) == 2200
    for sock in held[200:]:
        sock.close()
    del held[200:]
    wait_until(lambda: proc.held_connections({old}, broker.port) == 0)
    ask_all(held, 3)
    for sock in held:
        sock.close()
    broker.wait_event("worker-exit", pid=old)
    assert broker.stop()["moved"] == 200


main()
