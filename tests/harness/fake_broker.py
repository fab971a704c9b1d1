"""A broker for tests of the shim: it answers HELLO, sends connections, and does nothing else.

The test plays the broker, so every order of events is the test's own choice. With it come a
program that makes one system call per line (tests/apps/shim_puppet.c), and a TAP runner.
"""

import array
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = os.environ.get("BROKER_BUILD") or os.path.abspath(
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build"))
SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../apps")
SHIM = os.path.join(BUILD, "worker-shim")
APPS = os.path.join(BUILD, "apps")
TIMEOUT = 20  # of a single wait: reached only when something is broken

INET, INET6, UNIX = int(socket.AF_INET), int(socket.AF_INET6), int(socket.AF_UNIX)
STREAM, DGRAM = int(socket.SOCK_STREAM), int(socket.SOCK_DGRAM)
CLOEXEC, NONBLOCK = int(socket.SOCK_CLOEXEC), int(socket.SOCK_NONBLOCK)
SOL = socket.SOL_SOCKET
EPOLLIN, EPOLLET, EPOLLEXCLUSIVE = 1, 1 << 31, 1 << 28


def wire_addr(family, ip, port, flags=0):
    packed = socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, ip)
    return struct.pack("=BBHI16s", family, flags, port, 0, packed)


def read_addr(data):
    family, flags, port, _, ip = struct.unpack("=BBHI16s", data)
    text = socket.inet_ntop(*(
        (socket.AF_INET, ip[:4]) if family == 4 else (socket.AF_INET6, ip)))
    return family, flags, port, text


def send_fds(sock, data, fds):
    sock.sendmsg([data], [(SOL, socket.SCM_RIGHTS, array.array("i", fds))])


class Hello:
    """One connection at the rendezvous and what it said."""

    def __init__(self, conn, data):
        self.conn = conn
        (self.version, self.type, self.size) = struct.unpack_from("=HHI", data)
        assert (self.version, self.type, self.size, len(data)) == (3, 1, 256, 256), data
        self.raw_addr = data[8:32]
        self.family, self.flags, self.port, self.ip = read_addr(self.raw_addr)
        (self.slot, self.generation, self.pid, self.backlog, self.backend, self.hello_flags,
         self.channel) = struct.unpack_from("=IIiIIIQ", data, 32)
        self.token = data[64:80]
        self.service = data[80:144].split(b"\0")[0].decode()
        self.path = data[144:252].split(b"\0")[0].decode()

    def gone(self):
        """True when every process of the worker has let its end go."""
        ready, _, _ = select.select([self.conn], [], [], TIMEOUT)
        return bool(ready) and self.conn.recv(1) == b""

    def held(self):
        return not select.select([self.conn], [], [], 0)[0]


class Channel:
    """Both ends, as the broker keeps them."""

    def __init__(self, broker, hello, number, named=True):
        self.number = number
        self.rx, self.tx = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.family = hello.family
        kind = "7" if hello.flags & 1 else str(hello.family)
        name = "\0handoff:%s:%016x:%s:%04x:%s" % (
            broker.token[:16] + os.urandom(8).hex(), number, kind, hello.port, hello.raw_addr[8:24].hex())
        if named:
            self.rx.bind(name)
        self.ids = 0

    def message(self, family, ip, port, listener=1):
        self.ids += 1
        return struct.pack("=HHIQQII", 3, 4, 64, self.ids, time.monotonic_ns(), listener, 0) + (
            wire_addr(family, ip, port)) + bytes(8)

    def send(self, broker, kind="4", listener=None, options=(), held=None):
        """
        Connects a client over @kind ("4", "6", "dual") and passes its connection on. With a list
        @held, the broker's own copy goes there: it has not come to close it yet.
        """
        client, conn = broker.connect(kind)
        peer = conn.getpeername()
        ip = peer[0]
        family = 4 if ":" not in ip or ip.startswith("::ffff:") else 6
        ip = ip.replace("::ffff:", "")
        for option in options:
            conn.setsockopt(*option)
        number = {"4": 1, "6": 2, "dual": 3}[kind] if listener is None else listener
        send_fds(self.tx, self.message(family, ip, peer[1], number), [conn.fileno()])
        if held is None:
            conn.close()
        else:
            held.append(conn)
            broker.open.append(conn)
        return client

    def take_back(self):
        """What the broker can still receive from its own copy of rx."""
        n = 0
        while True:
            try:
                data, anc, _, _ = self.rx.recvmsg(600, 64, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return n
            if not data:
                return n
            for _, _, raw in anc:
                for fd in array.array("i", raw):
                    os.close(fd)
            n += 1

    def close(self):
        self.rx.close()
        self.tx.close()


class Broker:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="shim-test-")
        self.path = os.path.join(self.dir, "rendezvous")
        self.token = os.urandom(16).hex()
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.bind(self.path)
        self.sock.listen(64)
        self.channels = 100
        self.listeners = {}
        self.open = []
        self.procs = []

    def env(self, **more):
        env = {k: v for k, v in os.environ.items() if not k.startswith("BROKER_")}
        env.update(BROKER_RENDEZVOUS=self.path, BROKER_TOKEN=self.token, BROKER_SERVICE="web",
                   BROKER_SLOT="3", BROKER_GENERATION="7", BROKER_WORKER="web.3")
        env.update(more)
        return env

    def start(self, *command, env=None, options=(), **kwargs):
        proc = subprocess.Popen([SHIM, *options, "--", *command], env=self.env(**(env or {})),
                                start_new_session=True, **kwargs)
        self.procs.append(proc)
        return proc

    def puppet(self, preexec_fn=None, **env):
        return Puppet(self, env, preexec_fn)

    def hello(self):
        ready, _, _ = select.select([self.sock], [], [], TIMEOUT)
        assert ready, "no HELLO came"
        conn, _ = self.sock.accept()
        self.open.append(conn)
        conn.settimeout(TIMEOUT)
        hello = Hello(conn, conn.recv(600))
        assert hello.token.hex() == self.token, "the token is the worker's"
        return hello

    def no_hello(self):
        return not select.select([self.sock], [], [], 0)[0]

    def welcome(self, hello, channel=None, named=True, page=None):
        if channel is None:
            self.channels += 1
            channel = Channel(self, hello, self.channels, named)
            self.open.append(channel)
        send_fds(hello.conn, struct.pack("=HHIQ", 3, 2, 152, channel.number) + hello.raw_addr + hello.path.encode().ljust(112, b"\0"),
                 [channel.rx.fileno(), channel.tx.fileno()] + ([page] if page else []))
        return channel

    def refuse(self, hello, error, reason):
        hello.conn.send(struct.pack("=HHIII480s", 3, 3, 496, error, 0, reason.encode()))

    def connect(self, kind):
        if kind not in self.listeners:
            family = socket.AF_INET if kind == "4" else socket.AF_INET6
            sock = socket.socket(family, socket.SOCK_STREAM)
            if kind != "4":
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, kind == "6")
            sock.bind({"4": ("127.0.0.1", 0), "6": ("::1", 0), "dual": ("::", 0)}[kind])
            sock.listen(64)
            self.listeners[kind] = sock
        sock = self.listeners[kind]
        to = "::1" if kind == "6" else "127.0.0.1"
        client = socket.create_connection((to, sock.getsockname()[1]))
        client.settimeout(TIMEOUT)
        conn, _ = sock.accept()
        self.open.append(client)
        return client, conn

    def close(self):
        for proc in self.procs:
            assert proc.pid > 1
            try:
                os.killpg(proc.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            proc.wait()
            for pipe in (proc.stdin, proc.stdout, proc.stderr):
                if pipe:
                    pipe.close()
        for thing in self.open + list(self.listeners.values()) + [self.sock]:
            thing.close()
        shutil.rmtree(self.dir)


class Puppet:
    """tests/apps/shim_puppet.c: one call per line."""

    def __init__(self, broker, env, preexec_fn):
        self.broker = broker
        self.proc = broker.start(os.path.join(APPS, "shim_puppet"), env=env,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, bufsize=0, preexec_fn=preexec_fn)
        self.buf = b""

    def say(self, command):
        self.proc.stdin.write(command.encode() + b"\n")

    def answer(self):
        deadline = time.monotonic() + TIMEOUT
        while b"\n" not in self.buf:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.proc.stdout], [], [], max(0, left))
            assert ready, "the app does not answer"
            data = os.read(self.proc.stdout.fileno(), 4096)
            assert data, "the app is gone: " + self.proc.stderr.read(4096).decode()
            self.buf += data
        line, self.buf = self.buf.split(b"\n", 1)
        return line.decode()

    def __call__(self, command):
        self.say(command)
        return self.answer()

    def num(self, command):
        return int(self(command).split()[0])

    def stderr_line(self):
        ready, _, _ = select.select([self.proc.stderr], [], [], TIMEOUT)
        assert ready, "nothing was said on standard error"
        return self.proc.stderr.readline().decode()

    def listen(self, ip="0.0.0.0", port=3000, flags=0, before=(), page=None):
        """socket, bind and listen, welcomed. Returns descriptor, hello, channel."""
        fd = self.num("socket %d %d" % (INET6 if ":" in ip else INET, STREAM | flags))
        eq(self("bind %d %s %d" % (fd, ip, port)), "0")
        for command in before:
            eq(self(command % fd).split()[0], "0")
        self.say("listen %d" % fd)
        hello = self.broker.hello()
        channel = self.broker.welcome(hello, page=page)
        eq(self.answer(), "0")
        return fd, hello, channel

    def ends(self):
        self.say("exit")
        eq(self.proc.wait(TIMEOUT), 0)


def eq(got, want):
    assert got == want, "got %r, want %r" % (got, want)


def check_serves(puppet, broker, channel, fd, flags=0):
    """A connection goes through and can be written to. Returns the descriptor's number."""
    client = channel.send(broker)
    got = puppet("accept %d %d" % (fd, flags)).split()
    assert int(got[0]) >= 0, got
    eq(puppet("write %s hello" % got[0]), "5")
    eq(client.recv(5), b"hello")
    eq(puppet("close %s" % got[0]), "0")
    eq(client.recv(5), b"")
    return int(got[0])


def write_file(broker, name, data, mode=0o755):
    path = os.path.join(broker.dir, name)
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)
    return path


tests = []


def test(fn):
    tests.append(fn)
    return fn


class Skip(Exception):
    pass


def main():
    only = sys.argv[1:]
    chosen = [t for t in tests if not only or t.__name__ in only]
    print("1..%d" % len(chosen), flush=True)
    failed = 0
    for number, fn in enumerate(chosen, 1):
        broker = Broker()
        line = "ok"
        note = ""
        try:
            try:
                fn(broker)
            finally:
                broker.close()
        except Skip as e:
            note = " # SKIP " + str(e)
        except Exception:
            line = "not ok"
            failed = 1
            for text in traceback.format_exc().splitlines():
                print("# " + text)
        print("%s %d - %s%s" % (line, number, fn.__name__, note), flush=True)
    return failed
