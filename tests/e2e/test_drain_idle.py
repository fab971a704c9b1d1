#!/usr/bin/env python3
"""Connections of a worker that drains are ended between two requests, and only there."""

import os
import select
import shutil
import socket
import threading
import time

from harness import *
from lib.keepalive import KeepAlive
from lib.metrics import Page
from lib.steering import workers


def python(name="py_threading", **keys):
    return Broker(["python3", "%s/tests/apps/%s.py" % (ROOT, name), "{port}"],
                  **dict({"workers": 1, "drain_timeout": "1h"}, **keys))


def hold(port):
    """As in lib.steering, but the answer takes longer than a jiffy: who spoke last is plain."""
    sock = connect(port)
    send_request(sock, "/slow?ms=20", close=False)
    return sock, read_answer(sock).pid


def ended(sock, timeout=0):
    return bool(select.select([sock], [], [], timeout)[0]) and sock.recv(1) == b""


@test
def busy_connections_are_ended_and_no_request_is_cut():
    n = 32
    broker = python(drain_idle="200ms", broker={"metrics": "127.0.0.1:{port2}"})
    clients = KeepAlive(broker.port, n, path="/slow?ms=300")
    clients.wait_answers(2 * n)
    old = broker.worker_pid()
    with broker.same_fds():
        broker.reload_and_wait()
        stopping = broker.wait_event("worker-stopping", pid=old)
        broker.wait_event("worker-exit", pid=old)
    clients.wait_answers(n)
    counts = clients.stop()
    note("%s" % counts)
    # A request that is sent in the very moment of the end is the one loss that is allowed.
    assert counts["cut"] == 0 and counts["repeated"] <= n // 16, counts
    assert stopping["ended_idle"] >= n - counts["repeated"], stopping
    assert "ended between two requests" in stopping["message"], stopping
    total = Page(broker.port2).scrape().value("broker_connections_ended_idle_total", service="web")
    assert total == stopping["ended_idle"]


@test
def a_request_is_never_ended_however_long_it_takes():
    broker = python(drain_idle="0")
    idle, old = hold(broker.port)
    slow, half, fresh = connect(broker.port), connect(broker.port), connect(broker.port)
    send_request(slow, "/slow?ms=2500", close=False)
    half.sendall(b"GET / HTTP/1.1\r\nHost:")
    wait_until(lambda: proc.held_connections([old], broker.port) == 4)
    broker.reload_and_wait()
    # Of what was never used the first request may come, but need not.
    assert ended(idle, 30) and ended(fresh, 30)
    row = next(w for w in workers(broker) if w["pid"] == old)
    assert row["ended_idle"] == 2 and "2 ended while idle" in row["why"], row
    assert read_answer(slow).pid == old
    assert ended(slow, 30) and not ended(half)
    half.sendall(b" test\r\n\r\n")
    assert read_answer(half).pid == old
    assert ended(half, 30)
    assert broker.wait_event("worker-exit", pid=old)["how"] == "signal 15"


@test
def by_default_it_is_the_last_quarter():
    broker = python(drain_timeout="4s")
    sock, old = hold(broker.port)
    broker.hup()
    broker.wait_event("worker-draining", pid=old)
    began = time.monotonic()
    assert ended(sock, 30)
    assert time.monotonic() - began > 2
    stopping = broker.wait_event("worker-stopping", pid=old)
    assert stopping["ended_idle"] == 1 and "no connection is left" in stopping["message"], stopping


@test
def it_may_be_off():
    broker = python(drain_idle="off", drain_timeout="500ms")
    sock, old = hold(broker.port)
    broker.reload_and_wait()
    stopping = broker.wait_event("worker-stopping", pid=old)
    assert stopping["ended_idle"] == 0 and "time is up" in stopping["message"], stopping
    sock.close()


@test
def connections_of_the_app_to_others_are_left_alone():
    # It says what it sees of its connection to a database; so it is the last that spoke there.
    source = """
import socket, sys
sys.path.insert(0, %r)
import http.server, py_handler
db = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
db.sendall(b"hello")
db.recv(2)
db.sendall(b"again")
class Handler(py_handler.Handler):
    def send_response(self, status):
        try:
            open_still = db.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except BlockingIOError:
            open_still = True
        super().send_response(status if open_still else 500)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
""" % os.path.join(ROOT, "tests/apps")
    with Database() as database:
        broker = Broker(["python3", write_file("app.py", source), "{port}", database.port],
                        workers=1, drain_timeout="1h", drain_idle="0")
        idle, old = hold(broker.port)
        slow = connect(broker.port)
        send_request(slow, "/slow?ms=1000", close=False)
        wait_until(lambda: proc.held_connections([old], broker.port) == 2)
        broker.reload_and_wait()
        assert ended(idle, 30)
        answer = read_answer(slow)
        assert answer.pid == old and answer.status == 200, answer.status
        slow.close()


class Database:
    """A server that answers once; not through the broker."""

    def __enter__(self):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def _serve(self):
        self._connections = []
        while True:
            try:
                sock = self._server.accept()[0]
            except OSError:
                return
            self._connections.append(sock)
            sock.recv(5)
            sock.sendall(b"ok")

    def __exit__(self, *_):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for sock in self._connections:
            sock.close()


@test
def where_it_is_not_allowed_the_log_says_so_once():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        skip("needs root, and setpriv, to take away the right to trace")
    script = write_file("broker.sh", "#!/bin/sh\nexec setpriv --bounding-set=-sys_ptrace %s \"$@\"\n"
                        % broker_program())
    os.chmod(script, 0o755)
    source = """
import ctypes, sys
sys.path.insert(0, %r)
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
import py_threading
""" % os.path.join(ROOT, "tests/apps")
    broker = Broker(["python3", write_file("secret.py", source), "{port}"], program=script,
                    workers=2, drain_timeout="300ms", drain_idle="0")
    sock, old = hold(broker.port)
    broker.reload_and_wait()
    said = broker.wait_event("drain-idle")
    assert "CAP_SYS_PTRACE" in said["message"] and "drain_idle = off" in said["message"], said
    # What cannot be seen is not taken for none.
    stopping = broker.wait_event("worker-stopping", pid=old)
    assert stopping["ended_idle"] == 0 and "time is up" in stopping["message"], stopping
    broker.reload_and_wait()
    assert len(broker.events("drain-idle")) == 1
    sock.close()


main()
