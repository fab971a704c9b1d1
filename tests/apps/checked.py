"""Clients that keep their connections busy, and compare each answer with what they have sent."""

import os
import random
import select
import socket
import threading
import time

from harness import at_end

RANDOM = os.urandom(3 << 20)
SIZES = [0, 1, 200, 5000, 20000]
LARGE = 1 << 20
# What a server may be asked for; /echo?as= says how the body comes back.
EVERYTHING = frozenset(("length", "chunked", "none", "HEAD", "POST", "chunks", "expect", "pieces"))


class Repeatable(Exception):
    """The connection has ended, and no byte of an answer has come."""


class Checked:
    """
    `n` connections with `rate` requests a second on each, until stop(). Some clients are slow, in what they
    send and in what they read. A connection that was closed is opened again.

        can         of EVERYTHING; chunks: in requests; pieces: of a head

        .counts     answered    requests
                    repeated    that were sent and not answered: into a connection that was closing
                    closed      connections that were seen to be closed before the next request
                    told        ... that the answer before had said would be
        .errors     wrong answers and half ones, described
    """

    def __init__(self, port, n=64, rate=5, can=EVERYTHING):
        self.port, self.rate, self.can = port, rate, can
        self.counts = dict.fromkeys(("answered", "repeated", "closed", "told"), 0)
        self.errors, self._lock, self.stopped = [], threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=_Client(self, i).run, daemon=True) for i in range(n)]
        at_end(self.stop)
        for thread in self._threads:
            thread.start()

    def count(self, what):
        with self._lock:
            self.counts[what] += 1

    def stop(self):
        self.stopped.set()
        for thread in self._threads:
            thread.join()
        return self.counts

    def check(self):
        assert not self.errors, "%d errors: %s" % (len(self.errors), self.errors[:3])

    def wait_answers(self, n, timeout=60):
        """`n` more of them."""
        want, deadline = self.counts["answered"] + n, time.monotonic() + timeout
        while self.counts["answered"] < want:
            self.check()
            assert time.monotonic() < deadline, self.counts
            time.sleep(0.01)


class _Client:
    def __init__(self, all_, i):
        self._all, self._random, self._slow = all_, random.Random(i), i % 4 == 0
        self._sock = self._file = None

    def _connect(self):
        self._sock = socket.socket()
        self._sock.settimeout(30)
        if self._slow:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self._sock.connect(("127.0.0.1", self._all.port))
        self._file = self._sock.makefile("rb", 1024)

    def _close(self, why=None):
        self._file.close()
        self._sock.close()
        self._sock = None
        if why:
            self._all.count(why)

    def run(self):
        while not self._all.stopped.wait(self._random.expovariate(self._all.rate)):
            what = "connecting"
            try:
                if self._sock and select.select([self._sock], [], [], 0)[0]:
                    assert not self._sock.recv(1), "it has said something unasked"
                    self._close("closed")
                if not self._sock:
                    self._connect()
                what = self._choose()
                if not self._ask(*what):
                    self._close("told")
                self._all.count("answered")
            except Repeatable:
                self._close("repeated")
            except Exception as e:  # the test's to report
                self._all.errors.append("%.200r: %.200r" % (what, e))
                if self._sock:
                    self._close()
        if self._sock:
            self._close()

    def _choose(self):
        """The method, the path, the fields, the body, and what comes back."""
        rnd, can = self._random, self._all.can
        how = rnd.choice([h for h in ("length", "length", "chunked", "chunked", "none") if h in can])
        method = rnd.choice(["GET", "GET"] + [m for m in ("HEAD", "POST", "POST", "POST") if m in can])
        if method != "POST":
            return method, "/echo?as=" + how, "", b"", 204 if how == "none" else 200, b""
        size = LARGE if not rnd.randrange(40) else rnd.choice(SIZES)
        at = rnd.randrange(len(RANDOM) - size)
        body, fields = RANDOM[at : at + size], "Content-Type: application/octet-stream\r\n"
        if "chunks" in can and rnd.randrange(3) == 0:
            fields += "Transfer-Encoding: chunked\r\n"
        else:
            fields += "Content-Length: %d\r\n" % size
        if "expect" in can and size and not rnd.randrange(10):
            fields += "Expect: 100-continue\r\n"
        return method, "/echo?as=" + how, fields, body, 204 if how == "none" else 200, body

    def _ask(self, method, path, fields, body, status, want):
        """Whether the connection stays."""
        head = ("%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (method, path, fields)).encode()
        expects = "Expect" in fields
        if "chunked" in fields:
            body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in _pieces(body, 70000)) + b"0\r\n\r\n"
        try:
            self._send(head if expects else head + body)
            line = self._file.readline()
        except OSError as e:
            if isinstance(e, socket.timeout):
                raise
            raise Repeatable() from e
        if not line:
            raise Repeatable()
        if expects:
            assert line.startswith(b"HTTP/1.1 100 "), line
            self._send(body)
        while line.startswith(b"HTTP/1.1 1"):  # the JDK's says it twice
            while self._line():
                pass
            line = self._file.readline()
        assert line.startswith(b"HTTP/1.1 %d" % status), line
        fields = dict(f.lower().split(": ", 1) for f in iter(self._line, ""))
        if status != 204 and method != "HEAD":
            got = self._read_body(fields)
            assert got == want, "%d bytes came back of %d" % (len(got), len(want))
        return fields.get("connection") != "close"

    def _send(self, data):
        if self._slow and "pieces" in self._all.can and self._random.random() < 0.5:
            for _ in range(3):
                at = self._random.randrange(1, 100)
                self._sock.sendall(data[:at])
                data = data[at:]
                time.sleep(0.01)
        self._sock.sendall(data)

    def _line(self):
        line = self._file.readline()
        assert line.endswith(b"\r\n"), "it was closed after %r" % line
        return line[:-2].decode()

    def _read(self, n):
        if not self._slow:
            return self._file.read(n)
        body = b""
        while len(body) < n:
            piece = self._file.read(min(n - len(body), 50000))
            if not piece:
                break
            body += piece
            time.sleep(0.002)
        return body

    def _read_body(self, fields):
        if "content-length" in fields:
            return self._read(int(fields["content-length"]))
        if fields.get("transfer-encoding") != "chunked":
            assert fields.get("connection") == "close", fields
            return self._file.read()
        body = b""
        while True:
            size = int(self._line(), 16)
            body += self._read(size)
            assert self._line() == ""
            if not size:
                return body


def _pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]
