"""
How a real app is asked: what is sent, which answer is right, and who gave it.

A Talk is a conversation on one connection: (send, expect), (send, expect)... `send` is bytes, or None
where the server speaks first. `expect` is a regular expression that must match somewhere in what
comes; it is waited for. None stands for the end of the connection, which ends the conversation. A group "pid" in it tells which process answered, and
@ID@ in both stands for a token that no other request has.
"""

import contextlib
import itertools
import re
import socket
import ssl
import threading
import time
import uuid

from harness import at_end


class Wrong(Exception):
    """An answer that is not the expected one."""


class Talk:
    def __init__(self, *steps, tls=False, address="127.0.0.1"):
        self.steps, self.tls, self.address = steps, tls, address

    def ask(self, port, token):
        """The pid in the answer, or 0. Raises OSError, EOFError or Wrong. A port may be a path."""
        with self._connect(port) as sock:
            if self.tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                sock = context.wrap_socket(sock)
            try:
                return self._talk(sock, token.encode())
            finally:
                sock.close()

    def _connect(self, port):
        if isinstance(port, str):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(30)
            sock.connect(port)
            return sock
        sock = socket.create_connection((self.address, port), timeout=30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _talk(self, sock, token):
        pid, rest = 0, b""
        for send, expect in self.steps:
            if send:
                sock.sendall(send.replace(b"@ID@", token))
            if expect is None:
                with contextlib.suppress(ConnectionResetError):
                    while sock.recv(65536):
                        pass
                break
            match = self._receive(sock, rest, expect.replace(b"@ID@", token))
            rest = match.string[match.end() :]
            pid = match.groupdict().get("pid", pid)
        return int(pid)

    def _receive(self, sock, received, expect):
        while True:
            match = re.search(expect, received, re.S)
            if match:
                return match
            part = sock.recv(65536)
            if not part and re.match(rb"HTTP/1\.. [45]", received):
                raise Wrong("%r, want %r" % (received[:300], expect))
            if not part:
                raise EOFError("after %d bytes: %r, want %r" % (len(received), received[:300], expect))
            received += part


def http(expect, path="/", status=200, headers="", **more):
    """GET; the answer must have that status, and `expect` somewhere behind its first line."""
    request = "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n" % (path, headers)
    want = rb"^HTTP/1\.[01] %d .*%s" % (status, expect)
    return Talk((request.encode(), want), **more)


def echo_http(path="/?id=@ID@", **more):
    """GET of one of our own little apps: they say their pid and the token."""
    return http(rb"pid=(?P<pid>\d+) id=@ID@", path, **more)


class Asking:
    """Many threads that ask: the interface and the promise of Load."""

    KINDS = (
        (ConnectionRefusedError, "refused"), (ConnectionError, "reset"), (TimeoutError, "timeout"),
        (EOFError, "closed"), (ssl.SSLEOFError, "closed"), (Wrong, "wrong"), (OSError, "other"),
    )

    def __init__(self, talk, port, inflight):
        self._talk, self._port = talk, port
        self._name = uuid.uuid4().hex
        self._changed = threading.Condition()
        self._keys = itertools.count()
        self._pids, self._errors, self._told = {}, {}, []
        self._stopping = False
        self._threads = [threading.Thread(target=self._run) for _ in range(inflight)]
        for thread in self._threads:
            thread.start()
        at_end(self.stop)

    def _run(self):
        while True:
            kind, pid = None, 0
            try:
                pid = self._talk.ask(self._port, "%s-%d" % (self._name, next(self._keys)))
            except (OSError, EOFError, Wrong) as error:
                kind = next(word for classes, word in self.KINDS if isinstance(error, classes))
                told = "%s: %s" % (kind, error)
            with self._changed:
                if kind:
                    self._errors[kind] = self._errors.get(kind, 0) + 1
                    self._told.append(told)
                else:
                    self._pids[pid] = self._pids.get(pid, 0) + 1
                self._changed.notify_all()
                if self._stopping or len(self._told) >= 1000:
                    return

    def status(self):
        with self._changed:
            return self._status()

    def _status(self):
        return {
            "answers": sum(self._pids.values()),
            "failed": sum(self._errors.values()),
            "errors": dict(self._errors),
            "pids": dict(self._pids),
        }

    def complaints(self):
        return "\n".join(self._told[:5])

    def wait_answers(self, n, timeout=60):
        deadline = time.monotonic() + timeout
        with self._changed:
            want = self._status()["answers"] + n
            while self._status()["answers"] < want:
                left = deadline - time.monotonic()
                assert left > 0, "no %d answers in %g s; %s" % (n, timeout, self._told[:5])
                assert any(thread.is_alive() for thread in self._threads), self._told[:5]
                self._changed.wait(min(left, 1))
            return self._status()

    def wait_pids(self, n=100):
        before = self.status()["pids"]
        after = self.wait_answers(n)["pids"]
        return {pid: m - before.get(pid, 0) for pid, m in after.items() if m > before.get(pid, 0)}

    def stop(self):
        self._stopping = True
        for thread in self._threads:
            thread.join(60)
        return self.status()

    def assert_clean(self):
        summary = self.stop()
        assert not summary["failed"], "%s\n%s" % (summary["errors"], self.complaints())
        assert summary["answers"] > 0, "the load got no answer at all"
