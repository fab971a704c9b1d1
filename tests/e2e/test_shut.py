#!/usr/bin/env python3
"""
A listening socket that is shut down without a word to the broker: a child of the app does it, and
the app lives on. The broker learns of it in the middle of sending a connection, wherever it stands.
"""

import os

from harness import *
from lib.steering import ask

# Shuts its socket down on SIGUSR1, by a child; the broker would see a process do it that has said
# HELLO. It ends by SIGTERM alone.
SHUTS = """
import os, signal, socket, sys
sys.path.insert(0, %r)
import py_handler, http.server
s = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), py_handler.Handler)
def shut(*_):
    pid = os.fork()
    if pid == 0:
        s.socket.shutdown(socket.SHUT_RDWR)
        os._exit(0)
    os.waitpid(pid, 0)
    print("shut", flush=True)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    while True:
        signal.pause()
signal.signal(signal.SIGUSR1, shut)
s.serve_forever()
"""


def shuts():
    path = tmp("shuts.py")
    if not os.path.exists(path):
        write_file(path, SHUTS % os.path.join(ROOT, "tests", "apps"))
    return ["python3", path, "{port}"]


def shut(broker, pid):
    mark = broker.mark()
    send_signal(pid, signal.SIGUSR1)
    broker.wait_event("output", since=mark, text="shut")


def waits(broker):
    """A client that nobody serves now."""
    sock = connect(broker.port)
    send_request(sock)
    return sock


@test
def released_while_a_client_waits():
    broker = Broker(shuts(), workers=1)
    pid = http_get(broker.port).pid
    ask(broker, "hold web.0")
    client = waits(broker)
    shut(broker, pid)
    ask(broker, "release web.0")
    # It has served, so this was no probe: it drains, and the slot gets a new worker.
    assert read_answer(client).pid != pid
    broker.wait_event("worker-exit", pid=pid)
    broker.stop()


@test
def put_back_by_a_rollback_while_a_client_waits():
    broker = Broker(shuts(), workers=1, rollback_window="1m")
    old = http_get(broker.port).pid
    broker.reload_and_wait()
    broker.wait_event("worker-parked", pid=old)
    new = http_get(broker.port).pid
    shut(broker, old)
    ask(broker, "hold web.0")
    client = waits(broker)
    ask(broker, "rollback web")
    assert read_answer(client).pid not in (old, new)
    broker.stop()


@test
def reached_by_a_pin_while_it_is_held():
    broker = Broker(shuts(), workers=2)
    pids = {http_get(broker.port).pid for _ in range(4)}
    ask(broker, "pin 127.0.0.1 web.0")
    pid = http_get(broker.port).pid
    shut(broker, pid)
    with broker.same_fds():
        ask(broker, "hold web.0")
        assert {http_get(broker.port).pid} == pids - {pid}
        broker.wait_event("worker-exit", pid=pid)
        broker.wait_event("worker-ready", count=3)
    broker.stop()


main()
