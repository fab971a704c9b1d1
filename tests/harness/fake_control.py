"""
A control socket without a broker: it answers requests with lines that the test has written, so that
every answer, order and end is the test's own choice.

    fake = FakeControl(path, {"status": [broker_line(), service_line()], "hold web.0": []})
    fake.request()              # the next request that came, as text

An answer is a list of objects (or raw text), to which the end is added unless its last one is an
error; or a function, called with the connection's Session, which says all itself. A request that
has no answer gets an error.
"""

import json
import os
import queue
import socket
import threading

TIMEOUT = 20  # of a single wait: reached only when something is broken


def end(**members):
    return dict({"type": "end", "ok": True}, **members)


def error(code, message, **members):
    return dict({"type": "error", "code": code, "message": message}, **members)


def broker_line(**members):
    return dict({
        "type": "broker", "schema": 1, "version": "0.1.0", "pid": 4711, "state": "running",
        "uptime_ms": 60000, "time": "2026-11-22T15:37:44.123Z", "config": "/etc/broker.ini",
        "run_dir": "/run/broker/1"}, **members)


def service_line(service="web", accepted=10, **members):
    return dict({
        "type": "service", "service": service, "generation": 3, "workers": 2, "ready": 2,
        "state": "serving", "balance": "round-robin", "reload": None, "rollback_ms": None,
        "ledger": {"accepted": accepted, "taken": accepted, "waiting": 0, "client_gone": 0,
                   "refused": {"no-worker": 0}, "balanced": True, "taken_back": 0}}, **members)


def worker_line(worker="web.0", **members):
    service, _, slot = worker.partition(".")
    return dict({
        "type": "worker", "service": service, "worker": worker, "slot": int(slot), "guest": False,
        "pid": 812 + int(slot), "generation": 3, "state": "ready", "state_ms": 91000, "given": 5,
        "waiting": 0, "open": 1, "rss_bytes": 1048576, "cpu_ms": 1200, "restarts": 0,
        "tracer": None, "pinned_only": False, "why": ""}, **members)


class Session:
    """One connection."""

    def __init__(self, fake, conn):
        self.fake, self.conn = fake, conn
        self.gone = threading.Event()  # the other end has closed it

    def send(self, *lines):
        for line in lines:
            text = line if isinstance(line, str) else json.dumps(line, separators=(",", ":"))
            self.conn.sendall(text.encode("utf-8", "surrogateescape") + b"\n")

    def close(self):
        self.conn.shutdown(socket.SHUT_RDWR)

    def run(self):
        try:
            with self.conn, self.conn.makefile("rb") as requests:
                for request in requests:
                    self._answer(request.decode().rstrip("\n"))
        except OSError:
            pass
        self.gone.set()

    def _answer(self, request):
        self.fake.requests.put(request)
        answer = self.fake.answers.get(request)
        if answer is None:
            answer = [error("unknown-command", "the test has no answer to " + request)]
        if callable(answer):
            answer(self)
            return
        self.send(*answer)
        if not (answer and isinstance(answer[-1], dict) and answer[-1]["type"] in ("error", "end")):
            self.send(end())


class FakeControl:
    def __init__(self, path, answers=None, mode=0o600):
        self.path, self.answers = path, answers or {}
        self.requests = queue.Queue()
        self.sessions = queue.Queue()
        self._all = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        os.chmod(path, mode)
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            session = Session(self, conn)
            self._all.append(session)
            self.sessions.put(session)
            threading.Thread(target=session.run, daemon=True).start()

    def request(self):
        """The next request that came; waits for it."""
        return self.requests.get(timeout=TIMEOUT)

    def session(self):
        """The next connection; waits for it."""
        return self.sessions.get(timeout=TIMEOUT)

    def stop(self):
        """As a broker that ends: nobody listens any more, every connection is closed."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            return
        self._listener.close()
        self._thread.join(TIMEOUT)
        os.unlink(self.path)
        for session in self._all:
            try:
                session.close()
            except OSError:
                pass
