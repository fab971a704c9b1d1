"""Clients whose connections are busy, and move: each checks its answers, and counts them."""

import fcntl
import os
import random
import socket
import struct
import termios
import threading

from .broker import Broker
from .clients import connect, send_request
from .paths import ROOT
from .proc import wait_until
from .steering import workers
from .tap import note

PYTHON = ["python3", "%s/tests/apps/py_echo.py" % ROOT, "{port}"]
N = 32


def mover(command=None, **keys):
    keys = dict({"workers": 2, "move": "auto", "drain_timeout": "1h", "drain_idle": "off"}, **keys)
    return Broker(command or PYTHON, **keys)


def arrived(sock):
    """What was sent has come to the other side, and what follows is a segment of its own."""
    wait_until(lambda: struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"....")) == (0,))


class Client(threading.Thread):
    """One connection, used until stop(): each answer is compared with what was asked."""

    def __init__(self, port, i, plain=False, rate=20):
        super().__init__(daemon=True)
        self.random = random.Random(i)
        self.port, self.plain, self.rate = port, plain, rate
        self.sock = connect(port)
        self.file = self.sock.makefile("rb")
        self.answered, self.error, self.stopped, self.pid = 0, None, threading.Event(), 0
        self.own = "%s" % (self.sock.getsockname(),)

    def run(self):
        try:
            while not self.stopped.wait(self.random.expovariate(self.rate)):
                self.ask_plain() if self.plain else self.ask()
                self.answered += 1
        except Exception as e:  # the test's to report
            self.error = "%s after %d answers: %r" % (self.own, self.answered, e)

    def ask_plain(self):
        ident = "%s-%d" % (self.sock.getsockname()[1], self.answered)
        send_request(self.sock, "/slow?ms=%d&id=%s" % (self.random.choice([1, 5, 30]), ident),
                     close=False)
        fields = self.read_head()[1]
        body = self.read_body(fields)
        pid, got = body.split()
        assert got == b"id=" + ident.encode(), body
        self.pid = int(pid[4:])

    def ask(self):
        method = self.random.choice(["GET", "GET", "HEAD", "POST", "POST"])
        how = self.random.choice(["length", "chunked", "none"])
        size = self.random.choice([0, 1, 100, 5000, 1 << 20]) if method == "POST" else 0
        body = os.urandom(size)
        head = "%s /echo?as=%s&ms=%d HTTP/1.1\r\nHost: x\r\n" % (
            method, how, self.random.choice([0, 0, 5, 50]))
        if not size:
            self.sock.sendall((head + "\r\n").encode())
        elif self.random.random() < 0.3:
            self.sock.sendall((head + "Transfer-Encoding: chunked\r\n\r\n").encode())
            for at in range(0, size, 70000):
                piece = body[at : at + 70000]
                self.sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.sock.sendall(b"0\r\n\r\n")
        else:
            data = head.encode() + b"Content-Length: %d\r\n\r\n" % size
            cut = self.random.randrange(len(data))
            self.sock.sendall(data[:cut])
            if self.random.random() < 0.3:
                arrived(self.sock)
            self.sock.sendall(data[cut:] + body)
        status, fields = self.read_head()
        assert status == (204 if how == "none" else 200), status
        if status == 200 and method != "HEAD":
            got = self.read_body(fields)
            assert got == body, "%d bytes came back of %d" % (len(got), len(body))
        self.pid = int(fields["x-pid"])
        own, peer = self.sock.getpeername(), self.sock.getsockname()
        want = "%s %s %d %d %d" % (own, peer, socket.SOCK_STREAM, socket.AF_INET,
                                   socket.IPPROTO_TCP)
        assert fields["x-socket"] == want, fields

    def read_head(self):
        status = int(self.line().split()[1])
        fields = {}
        while True:
            line = self.line()
            if not line:
                return status, fields
            key, value = line.split(": ", 1)
            fields[key.lower()] = value

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("it was closed after %r" % line)
        return line[:-2].decode()

    def read_body(self, fields):
        if "content-length" in fields:
            return self.file.read(int(fields["content-length"]))
        body = b""
        while True:
            size = int(self.line(), 16)
            body += self.file.read(size)
            assert self.file.read(2) == b"\r\n"
            if not size:
                return body

    def stop(self):
        self.stopped.set()
        self.join()
        self.file.close()
        self.sock.close()


class Plain:
    """A connection that is used by hand."""

    def __init__(self, broker, first="GET /echo HTTP/1.1\r\n\r\n", source="127.0.0.1", port=None):
        self.sock = socket.create_connection(("127.0.0.1", port or broker.port), 30, (source, 0))
        self.file = self.sock.makefile("rb")
        self.pid = self.ask(first) if first else None

    def ask(self, request="GET /echo HTTP/1.1\r\n\r\n"):
        self.sock.sendall(request.encode())
        return self.answer()

    def answer(self):
        assert self.file.readline().startswith(b"HTTP/1.1 2"), "it was closed"
        pid, length, self.fields = None, 0, {}
        for line in iter(self.file.readline, b"\r\n"):
            key, value = line.decode().strip().split(": ", 1)
            self.fields[key] = value
            pid = int(value) if key == "X-Pid" else pid
            length = int(value) if key == "Content-Length" else length
        self.body = self.file.read(length)
        return pid

    def moves(self, old):
        """It does, after some requests, and the old worker has it no more."""
        wait_until(lambda: self.ask() not in old)

    def stays(self, old):
        """Though each request but the first would take it along."""
        return all(self.ask() in old for _ in range(5))

    def close(self):
        self.file.close()
        self.sock.close()


def start(broker, n=N, **keys):
    clients = [Client(broker.port, i, **keys) for i in range(n)]
    for client in clients:
        client.start()
    wait_for(clients, 3)
    return clients


def wait_for(clients, answers, timeout=60):
    """So many more for each."""
    want = {c: c.answered + answers for c in clients}
    wait_until(lambda: any(c.error for c in clients)
               or all(c.answered >= n for c, n in want.items()), timeout)
    failed = [c.error for c in clients if c.error]
    assert not failed, "%d of %d clients failed: %s" % (len(failed), len(clients), failed[:3])


def pids(broker):
    return {w["pid"] for w in workers(broker) if w["state"] == "ready"}


def finish(broker, clients):
    wait_for(clients, 1)
    for client in clients:
        client.stop()
    ledger = broker.stop()
    assert ledger["accepted"] == len(clients), ledger
    note("%d answers, %d moves" % (sum(c.answered for c in clients), ledger["moved"]))
    return ledger


def reload(broker):
    """Until no client is left at the old workers."""
    old = pids(broker)
    broker.reload_and_wait()
    for pid in old:
        broker.wait_event("worker-exit", pid=pid)
    return old
