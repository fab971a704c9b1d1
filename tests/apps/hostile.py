#!/usr/bin/env python3
"""
hostile.py DEED PORT SERVER - a worker that means harm. In slot 0 it speaks with the broker by
itself, with the token that it was given, and takes no connection; in other slots it becomes
SERVER PORT. It says "joined" once it has its channel, waits for SIGUSR1, does its DEED and
says "done". None of this needs a server that the shim could help: only sockets of its own.
"""

import array
import os
import resource
import signal
import socket
import struct
import sys

VERSION, HELLO, CONN = 3, 1, 4
HELLO_SIZE, CONN_SIZE = 256, 64


def header(kind, size, version=VERSION):
    return struct.pack("=HHI", version, kind, size)


def address(port):
    return struct.pack("=BBHI16s", 4, 0, port, 0, socket.inet_aton("127.0.0.1"))


def hello(port, token=None, version=VERSION, flags=0, channel=0, pid=None):
    env = os.environ
    return header(HELLO, HELLO_SIZE, version) + address(port) + struct.pack(
        "=IIiIIIQ16s64s112x",
        int(env["BROKER_SLOT"]), int(env["BROKER_GENERATION"]), pid or os.getpid(), 128, 1, flags,
        channel, token or bytes.fromhex(env["BROKER_TOKEN"]), env["BROKER_SERVICE"].encode(),
    )


def conn(number):
    return header(CONN, CONN_SIZE) + struct.pack(
        "=QQII24sQ", number, 0, 1, 0, address(4711), 0
    )


def dial(timeout=10):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(os.environ["BROKER_RENDEZVOUS"])  # waits while the backlog is full
    s.settimeout(timeout)
    return s


def meet(message):
    """Returns (the rendezvous connection, type of the answer, descriptors)."""
    s = dial()
    s.send(message)
    data, control, _, _ = s.recvmsg(512, socket.CMSG_SPACE(8 * 4))
    fds = array.array("i")
    for _, _, payload in control:
        fds.frombytes(payload[: len(payload) // 4 * 4])
    return s, struct.unpack("=HH", data[:4])[1] if data else 0, list(fds)


def expect_refusal(message):
    s, kind, fds = meet(message)
    assert kind != 2 and not fds, "welcome to %r" % message[:16]
    s.close()


def rights(*fds):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]


def stuff(sock, message, control=()):
    """Sends until nothing more fits; how many did."""
    sock.setblocking(False)
    for n in range(100000):
        try:
            sock.sendmsg([message], control)
        except OSError:
            return n
    return n


class Deeds:
    """Each is given the rendezvous connection, both ends of the channel and the port."""

    def nothing(ctl, rx, tx, port):
        pass

    def bad_greetings(ctl, rx, tx, port):
        good = hello(port)
        for n in range(len(good)):
            expect_refusal(good[:n] or b"\0")
        expect_refusal(good + b"\0")
        expect_refusal(b"\xff" * HELLO_SIZE)
        for version in (0, 1, VERSION - 1, VERSION + 1, 0xFFFF):
            expect_refusal(hello(port, version=version))
        for kind in (0, 2, 3, 4, 5, 0xFFFF):
            expect_refusal(header(kind, HELLO_SIZE) + good[8:])
        expect_refusal(hello(port, token=b"\0" * 16))
        expect_refusal(hello(port, token=bytes(16 * [0xFF])))
        expect_refusal(hello(port, flags=0xFFFF))
        expect_refusal(hello(port, flags=1, channel=1 << 60))
        expect_refusal(good[:8] + b"\x09" + good[9:])

    def huge_messages(ctl, rx, tx, port):
        for size in (1000, 65536, 150000):
            expect_refusal(b"\0" * size)
            ctl.send(b"\0" * size)

    def many_connections(ctl, rx, tx, port):
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        kept = [dial() for _ in range(1000)]
        for s in kept:
            s.close()

    def descriptors(ctl, rx, tx, port):
        null = os.open("/dev/null", os.O_RDWR)
        for _ in range(100):
            s = dial()
            try:
                s.sendmsg([hello(port, token=b"\1" * 16)], rights(null, null, null))
            except PermissionError:
                pass  # the broker has told the kernel that it takes none
            s.close()
            for sock in (ctl, rx):
                try:
                    sock.sendmsg([b"x"], rights(null), socket.MSG_DONTWAIT)
                except (PermissionError, BlockingIOError):
                    pass

    def chatter(ctl, rx, tx, port):
        ctl.setblocking(True)
        for _ in range(3000):
            ctl.send(b"hello again")
        ctl.send(hello(port))

    def stuff_messages(ctl, rx, tx, port):
        assert stuff(tx, b"x") > 10

    def stuff_nothing(ctl, rx, tx, port):
        """Empty messages: they take room and show no bytes."""
        assert stuff(tx, b"") > 10

    def stuff_and_shrink(ctl, rx, tx, port):
        """So little room that a single message of the broker does not fit behind its own."""
        tx.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        assert stuff(tx, b"x") > 2

    def stuff_garbage(ctl, rx, tx, port):
        assert stuff(tx, b"\xff" * CONN_SIZE) > 10

    def stuff_forged(ctl, rx, tx, port):
        """Messages as the broker would send them, with descriptors that are no connection."""
        null = os.open("/dev/null", os.O_RDWR)
        n = 0
        tx.setblocking(False)
        while n < 100000:
            try:
                tx.sendmsg([conn(n + 1)], rights(null))
            except OSError:
                break
            n += 1
        assert n > 10

    def flood(ctl, rx, tx, port):
        """Writes faster than anybody reads, from two processes, forever."""
        for _ in range(2):
            if os.fork() == 0:
                tx.setblocking(True)
                while True:
                    try:
                        tx.send(b"\xff" * CONN_SIZE)
                    except OSError:
                        os._exit(0)

    def shut_rx(ctl, rx, tx, port):
        rx.shutdown(socket.SHUT_RDWR)

    def shut_tx(ctl, rx, tx, port):
        tx.shutdown(socket.SHUT_RDWR)

    def many_listeners(ctl, rx, tx, port):
        """As many listening sockets as it gets, all on the one address."""
        for _ in range(200):
            s, kind, fds = meet(hello(port))
            for fd in fds:
                os.close(fd)
            s.close()

    def hidden_listeners(ctl, rx, tx, port):
        """It has many, as far as can be seen, and says so of none."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (10000, 10000))
        for _ in range(600):
            s, kind, fds = meet(hello(port))
            s.close()

    def greetings(ctl, rx, tx, port):
        """Says that it listens, and that it does not, in two processes without end."""
        for _ in range(2):
            if os.fork() == 0:
                while True:
                    s, kind, fds = meet(hello(port))
                    for fd in fds:
                        os.close(fd)
                    s.close()


def main():
    deed, port, server = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if os.environ["BROKER_SLOT"] != "0":
        os.execv(server, [server, str(port)])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    ctl, kind, fds = meet(hello(port))
    assert kind == 2 and len(fds) == 3, (kind, fds)
    rx, tx = (socket.socket(fileno=fd) for fd in fds[:2])
    os.close(fds[2])  # the page, which it does without
    print("joined", flush=True)
    signal.sigwait({signal.SIGUSR1})
    getattr(Deeds, deed)(ctl, rx, tx, port)
    print("done", flush=True)
    while True:
        signal.pause()


main()
