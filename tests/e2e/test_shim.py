#!/usr/bin/env python3
"""The preload library and the launcher, with a broker that is this test.

The test plays the broker: it answers HELLO, sends connections, and looks at what comes out
of programs that know nothing of it. So every order of events is the test's own choice.
"""

import array
import errno
import os
import re
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

BUILD = os.environ.get("BROKER_BUILD") or os.path.join(os.path.dirname(__file__), "../../build")
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
        assert (self.version, self.type, self.size, len(data)) == (1, 1, 144, 144), data
        self.raw_addr = data[8:32]
        self.family, self.flags, self.port, self.ip = read_addr(self.raw_addr)
        (self.slot, self.generation, self.pid, self.backlog, self.backend, self.hello_flags,
         self.channel) = struct.unpack_from("=IIiIIIQ", data, 32)
        self.token = data[64:80]
        self.service = data[80:144].split(b"\0")[0].decode()

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
            broker.token, number, kind, hello.port, hello.raw_addr[8:24].hex())
        if named:
            self.rx.bind(name)
        self.ids = 0

    def message(self, family, ip, port, listener=1):
        self.ids += 1
        return struct.pack("=HHIQQII", 1, 4, 64, self.ids, time.monotonic_ns(), listener, 0) + (
            wire_addr(family, ip, port)) + bytes(8)

    def send(self, broker, kind="4", listener=None, options=()):
        """Connects a client over @kind ("4", "6", "dual") and passes its connection on."""
        client, conn = broker.connect(kind)
        peer = conn.getpeername()
        ip = peer[0]
        family = 4 if ":" not in ip or ip.startswith("::ffff:") else 6
        ip = ip.replace("::ffff:", "")
        for option in options:
            conn.setsockopt(*option)
        number = {"4": 1, "6": 2, "dual": 3}[kind] if listener is None else listener
        send_fds(self.tx, self.message(family, ip, peer[1], number), [conn.fileno()])
        conn.close()
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

    def start(self, *command, env=None, **kwargs):
        proc = subprocess.Popen([SHIM, "--", *command], env=self.env(**(env or {})),
                                start_new_session=True, **kwargs)
        self.procs.append(proc)
        return proc

    def puppet(self, **env):
        return Puppet(self, env)

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

    def welcome(self, hello, channel=None, named=True):
        if channel is None:
            self.channels += 1
            channel = Channel(self, hello, self.channels, named)
            self.open.append(channel)
        send_fds(hello.conn, struct.pack("=HHIQ", 1, 2, 40, channel.number) + hello.raw_addr,
                 [channel.rx.fileno(), channel.tx.fileno()])
        return channel

    def refuse(self, hello, error, reason):
        hello.conn.send(struct.pack("=HHIII480s", 1, 3, 496, error, 0, reason.encode()))

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

    def __init__(self, broker, env):
        self.broker = broker
        self.proc = broker.start(os.path.join(APPS, "shim_puppet"), env=env,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, bufsize=0)
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
        return self.proc.stderr.readline().decode()

    def listen(self, ip="0.0.0.0", port=3000, flags=0, before=()):
        """socket, bind and listen, welcomed. Returns descriptor, hello, channel."""
        fd = self.num("socket %d %d" % (INET6 if ":" in ip else INET, STREAM | flags))
        eq(self("bind %d %s %d" % (fd, ip, port)), "0")
        for command in before:
            eq(self(command % fd).split()[0], "0")
        self.say("listen %d" % fd)
        hello = self.broker.hello()
        channel = self.broker.welcome(hello)
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


tests = []


def test(fn):
    tests.append(fn)
    return fn


class Skip(Exception):
    pass


# --- bind, listen, accept -------------------------------------------------------------------


@test
def hello_says_what_the_app_bound(broker):
    p = broker.puppet()
    fd, hello, _ = p.listen("127.0.0.1", 3000)
    eq((hello.family, hello.ip, hello.port), (4, "127.0.0.1", 3000))
    eq((hello.service, hello.slot, hello.generation, hello.backlog), ("web", 3, 7, 128))
    eq((hello.pid, hello.backend, hello.hello_flags), (p.proc.pid, 1, 0))
    eq(p("listen %d" % fd), "0")  # nginx does
    assert broker.no_hello()


@test
def the_port_is_never_bound_by_the_app(broker):
    p = broker.puppet()
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    fd, _, channel = p.listen("127.0.0.1", port)  # taken, and yet it works
    check_serves(p, broker, channel, fd)
    probe.close()


@test
def flags_of_accept_are_kept(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    for flags in (0, CLOEXEC, NONBLOCK, CLOEXEC | NONBLOCK):
        channel.send(broker)
        conn = p.num("accept %d %d" % (fd, flags))
        eq(p.num("getfl %d" % conn) & os.O_NONBLOCK, os.O_NONBLOCK if flags & NONBLOCK else 0)
        eq(p.num("getfd %d" % conn), 1 if flags & CLOEXEC else 0)
    eq(p("accept %d 1" % fd), "-1 EINVAL")


@test
def the_raw_accept_is_the_same(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    channel.send(broker)
    got = p("rawaccept %d %d" % (fd, NONBLOCK)).split()
    eq(got[1:3], ["2", "127.0.0.1"])
    eq(p("rawclose %s" % got[0]), "0")
    eq(p("uring"), "-1 ENOSYS")


@test
def the_address_is_cut_as_the_kernel_does(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    client = channel.send(broker)
    got = p("accept %d 0 6" % fd).split()
    eq(got[1:], ["2", "0.0.0.0", str(client.getsockname()[1]), "16"])
    channel.send(broker)
    assert p.num("accept %d 0 0" % fd) >= 0


@test
def a_listener_keeps_its_flags(broker):
    p = broker.puppet()
    fd, _, _ = p.listen(flags=NONBLOCK | CLOEXEC)
    assert p.num("getfl %d" % fd) & os.O_NONBLOCK
    eq(p("getfd %d" % fd), "1")
    eq(p("accept %d 0" % fd), "-1 EAGAIN")
    other, _, _ = p.listen(port=3001)
    eq(p.num("getfl %d" % other) & os.O_NONBLOCK, 0)
    eq(p("getfd %d" % other), "0")


@test
def a_receive_timeout_bounds_accept(broker):
    p = broker.puppet()
    fd, _, _ = p.listen(before=["setopt %%d %d %d 1" % (SOL, socket.SO_RCVTIMEO)])
    eq(p("accept %d 0" % fd), "-1 EAGAIN")


@test
def a_signal_interrupts_accept_but_not_listen(broker):
    p = broker.puppet()
    fd = p.num("socket %d %d" % (INET, STREAM))
    eq(p("bind %d 0.0.0.0 3000" % fd), "0")
    eq(p("interrupt 1"), "0")
    p.say("listen %d" % fd)
    hello = broker.hello()
    with open("/proc/%d/status" % p.proc.pid) as f:
        assert "SigCgt" in f.read()
    # The alarm goes off while listen() waits: its remaining time can be asked for.
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline and not alarm_fired(p.proc.pid):
        select.select([], [], [], 0.05)
    channel = broker.welcome(hello)
    eq(p.answer(), "0")
    eq(p("interrupt 1"), "0")
    eq(p("accept %d 0" % fd), "-1 EINTR")
    check_serves(p, broker, channel, fd)


def alarm_fired(pid, since=[None]):
    """One second of a process's life beyond its alarm, by the clock that the alarm uses."""
    if since[0] is None:
        since[0] = time.monotonic()
    return time.monotonic() - since[0] > 1.2


@test
def binding_twice_is_an_error(broker):
    p = broker.puppet()
    fd = p.num("socket %d %d" % (INET, STREAM))
    eq(p("bind %d 0.0.0.0 3000" % fd), "0")
    eq(p("bind %d 0.0.0.0 3001" % fd), "-1 EINVAL")
    eq(p("sockname %d" % fd), "0 2 0.0.0.0 3000 16")
    other = p.num("socket %d %d" % (INET, STREAM))
    eq(p("bind %d 0.0.0.0 3001 7" % other), "-1 EINVAL")
    eq(p("bind %d ::1 3001" % other), "-1 EAFNOSUPPORT")


@test
def an_address_that_listens_already_is_in_use(broker):
    p = broker.puppet()
    p.listen()
    other = p.num("socket %d %d" % (INET, STREAM))
    eq(p("bind %d 0.0.0.0 3000" % other), "-1 EADDRINUSE")
    eq(p("bind %d 0.0.0.0 3001" % other), "0")


@test
def a_refusal_is_the_apps_error_and_one_line(broker):
    p = broker.puppet()
    fd = p.num("socket %d %d" % (INET, STREAM))
    eq(p("bind %d 0.0.0.0 3000" % fd), "0")
    p.say("listen %d" % fd)
    broker.refuse(broker.hello(), errno.EADDRINUSE, "port 3000 is taken by pid 1: free it")
    eq(p.answer(), "-1 EADDRINUSE")
    eq(p.stderr_line(),
       "worker-shim: listen on 0.0.0.0:3000: port 3000 is taken by pid 1: free it\n")
    eq(p("getopt %d %d %d" % (fd, SOL, socket.SO_DOMAIN)), "0 2")
    p.say("listen %d" % fd)  # the app may try again
    channel = broker.welcome(broker.hello())
    eq(p.answer(), "0")
    check_serves(p, broker, channel, fd)


@test
def a_broker_that_is_gone_is_said_so(broker):
    p = broker.puppet(BROKER_RENDEZVOUS="/nonexistent/rendezvous")
    fd = p.num("socket %d %d" % (INET6, STREAM))
    eq(p("bind %d ::1 3000" % fd), "0")
    eq(p("listen %d" % fd), "-1 EADDRNOTAVAIL")
    eq(p.stderr_line(), "worker-shim: listen on [::1]:3000: the broker is not there\n")


@test
def a_channel_without_its_name_is_not_taken(broker):
    p = broker.puppet()
    fd = p.num("socket %d %d" % (INET, STREAM))
    eq(p("bind %d 0.0.0.0 3000" % fd), "0")
    p.say("listen %d" % fd)
    broker.welcome(broker.hello(), named=False)
    eq(p.answer(), "-1 EADDRNOTAVAIL")
    assert "without its name" in p.stderr_line()


@test
def without_a_broker_nothing_changes(broker):
    p = broker.puppet(BROKER_RENDEZVOUS="")
    fd = p.num("socket %d %d" % (INET, STREAM))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        eq(p("bind %d 127.0.0.1 %d" % (fd, probe.getsockname()[1])), "-1 EADDRINUSE")
    eq(p("bind %d 127.0.0.1 0" % fd), "0")
    eq(p("listen %d" % fd), "0")
    port = int(p("sockname %d" % fd).split()[3])
    with socket.create_connection(("127.0.0.1", port)):
        assert p.num("accept %d 0" % fd) >= 0


# --- what is left alone -----------------------------------------------------------------------


@test
def port_0_and_private_ports_are_the_apps_own(broker):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        private = probe.getsockname()[1]
    p = broker.puppet(BROKER_PRIVATE_PORTS="9229,%d-%d" % (private, private))
    for port in (0, private):
        fd = p.num("socket %d %d" % (INET, STREAM))
        eq(p("setopt %d %d %d 1" % (fd, SOL, socket.SO_REUSEADDR)), "0")
        eq(p("bind %d 127.0.0.1 %d" % (fd, port)), "0")
        eq(p("listen %d" % fd), "0")
        real = int(p("sockname %d" % fd).split()[3])
        with socket.create_connection(("127.0.0.1", real)):
            assert p.num("accept %d 0" % fd) >= 0
    fd = p.num("socket %d %d" % (INET, STREAM))
    eq(p("listen %d" % fd), "0")  # without bind(): a port of the kernel's choice
    assert broker.no_hello()


@test
def udp_and_unix_sockets_are_the_apps_own(broker):
    p = broker.puppet()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        fd = p.num("socket %d %d" % (INET, DGRAM))
        eq(p("bind %d 127.0.0.1 %d" % (fd, port)), "-1 EADDRINUSE")
    fd = p.num("socket %d %d" % (UNIX, STREAM))
    path = os.path.join(broker.dir, "app")
    eq(p("bindunix %d %s" % (fd, path)), "0")
    eq(p("listen %d" % fd), "0")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        assert p.num("accept %d 0" % fd) >= 0
    assert broker.no_hello()


@test
def a_client_with_a_port_of_its_own_gets_it(broker):
    p = broker.puppet()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        fd = p.num("socket %d %d" % (INET, STREAM))
        eq(p("bind %d 127.0.0.1 %d" % (fd, port)), "0")
        eq(p("connect %d 127.0.0.1 %d" % (fd, server.getsockname()[1])), "0")
        conn, peer = server.accept()
        conn.close()
        eq(peer, ("127.0.0.1", port))
        eq(p("sockname %d" % fd), "0 2 127.0.0.1 %d 16" % port)


# --- waiting ----------------------------------------------------------------------------------


@test
def poll_and_select_wait_for_a_connection(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    eq(p("poll %d 0" % fd), "0 0")
    p.say("poll %d %d" % (fd, TIMEOUT * 1000))
    channel.send(broker)
    eq(p.answer(), "1 0x1")
    p.num("accept %d 0" % fd)
    p.say("select %d %d" % (fd, TIMEOUT))
    channel.send(broker)
    eq(p.answer(), "1")
    p.num("accept %d 0" % fd)
    eq(p("poll %d 0" % fd), "0 0")


@test
def epoll_registered_before_listen_moves_along(broker):
    p = broker.puppet()
    ep = p.num("epoll")
    other = p.num("epoll")
    fd, _, channel = p.listen(flags=NONBLOCK, before=[
        "epolladd %d %%d %#x 0xabcdef0123" % (ep, EPOLLIN | EPOLLET),
        "epolladd %d %%d %#x 7" % (other, EPOLLIN | EPOLLEXCLUSIVE)])
    eq(p("epollwait %d 0" % ep), "0 0 0")
    client = channel.send(broker)
    eq(p("epollwait %d %d" % (ep, TIMEOUT * 1000)), "1 0x1 0xabcdef0123")
    eq(p("epollwait %d 0" % ep), "0 0 0")  # edge-triggered still
    eq(p("epollwait %d 0" % other), "1 0x1 0x7")
    assert p.num("accept %d 0" % fd) >= 0
    eq(p("epollwait %d 0" % other), "0 0 0")
    eq(p("epolldel %d %d" % (ep, fd)), "0")  # the app's own number: it can take it out again
    eq(p("epolladd %d %d 1 5" % (ep, fd)), "0")
    client.close()


@test
def copies_made_before_listen_listen_too(broker):
    p = broker.puppet()
    fd = p.num("socket %d %d" % (INET, STREAM))
    eq(p("bind %d 0.0.0.0 3000" % fd), "0")
    copy = p.num("dup %d" % fd)
    ep = p.num("epoll")
    eq(p("epolladd %d %d 1 9" % (ep, copy)), "0")
    p.say("listen %d" % fd)
    hello = broker.hello()
    channel = broker.welcome(hello)
    eq(p.answer(), "0")
    channel.send(broker)
    eq(p("epollwait %d %d" % (ep, TIMEOUT * 1000)), "1 0x1 0x9")
    assert p.num("accept %d 0" % copy) >= 0
    eq(p("close %d" % fd), "0")
    assert hello.held()
    check_serves(p, broker, channel, copy)
    eq(p("close %d" % copy), "0")
    assert hello.gone()


# --- no descriptor free -----------------------------------------------------------------------


@test
def a_full_table_costs_no_connection(broker):
    p = broker.puppet()
    eq(p("nofile 64"), "0")
    fd, _, channel = p.listen()
    clients = [channel.send(broker) for _ in range(3)]
    first = p.num("accept %d 0" % fd)
    # Up to half the limit the library does not look; a table in real use gets there step by step.
    while p.num("dup 0") < 40:
        pass
    second = p.num("accept %d 0" % fd)
    assert p.num("fill") > 0
    for _ in range(3):
        eq(p("accept %d 0" % fd), "-1 EMFILE")
        eq(p("poll %d 0" % fd), "1 0x1")
    eq(p("close %d" % first), "0")
    third = p.num("accept %d 0" % fd)
    eq(third, first)
    for number, client in ((second, clients[1]), (third, clients[2])):
        eq(p("write %d hello" % number), "5")
        eq(client.recv(5), b"hello")
    eq(p("accept %d 0" % fd) if p("setfl %d %d" % (fd, os.O_NONBLOCK)) else "", "-1 EAGAIN")


@test
def no_descriptor_for_listen_is_emfile(broker):
    p = broker.puppet()
    eq(p("nofile 32"), "0")
    fd = p.num("socket %d %d" % (INET, STREAM))
    eq(p("bind %d 0.0.0.0 3000" % fd), "0")
    assert p.num("fill") > 0
    eq(p("listen %d" % fd), "-1 EMFILE")
    eq(p("close 10"), "0")
    for n in range(11, 20):
        eq(p("close %d" % n), "0")
    p.say("listen %d" % fd)
    channel = broker.welcome(broker.hello())
    eq(p.answer(), "0")
    check_serves(p, broker, channel, fd)


# --- bad messages -----------------------------------------------------------------------------


@test
def broken_messages_are_dropped_with_their_descriptors(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    before = sorted(os.listdir("/proc/%d/fd" % p.proc.pid))
    null = os.open("/dev/null", os.O_RDONLY)
    good = channel.message(4, "127.0.0.1", 5)
    channel.tx.send(good)  # no descriptor
    send_fds(channel.tx, good[:63], [null])
    send_fds(channel.tx, good + b"x", [null])
    send_fds(channel.tx, b"\xff" * 64, [null])
    send_fds(channel.tx, b"x" * 600, [null, null, null])
    client = channel.send(broker)
    got = p("accept %d 0" % fd).split()
    eq(p("write %s hello" % got[0]), "5")
    eq(client.recv(5), b"hello")
    eq(p("close %s" % got[0]), "0")
    eq(sorted(os.listdir("/proc/%d/fd" % p.proc.pid)), before)
    client2, conn = broker.connect("4")
    send_fds(channel.tx, good, [conn.fileno(), null, null])  # one is kept, the others closed
    conn.close()
    got = p("accept %d 0" % fd).split()
    eq(p("close %s" % got[0]), "0")
    eq(client2.recv(1), b"")
    eq(sorted(os.listdir("/proc/%d/fd" % p.proc.pid)), before)
    os.close(null)


# --- addresses --------------------------------------------------------------------------------


@test
def each_app_sees_its_own_family(broker):
    p = broker.puppet()
    v4, _, channel4 = p.listen("0.0.0.0", 3000)
    v6, hello6, channel6 = p.listen("::", 3001)
    eq((hello6.family, hello6.ip, hello6.flags), (6, "::", 0))
    want = {
        (v4, "4"): "2 127.0.0.1", (v4, "dual"): "2 127.0.0.1", (v4, "6"): "2 127.0.0.1",
        (v6, "4"): "10 ::ffff:127.0.0.1", (v6, "dual"): "10 ::ffff:127.0.0.1", (v6, "6"): "10 ::1",
    }
    # Twice: the second time the family of the broker's listener is remembered.
    for (fd, kind), addr in list(want.items()) * 2:
        client = (channel4 if fd == v4 else channel6).send(broker, kind)
        port, served = client.getsockname()[1], client.getpeername()[1]
        size = 16 if addr.startswith("2 ") else 28
        got = p("accept %d 0" % fd).split()
        eq(" ".join(got[1:]), "%s %d %d" % (addr, port, size))
        eq(p("peername %s" % got[0]), "0 %s %d %d" % (addr, port, size))
        eq(p("sockname %s" % got[0]), "0 %s %d %d" % (addr, served, size))
        copy = p.num("dup %s" % got[0])
        eq(p("peername %d" % copy), "0 %s %d %d" % (addr, port, size))
        eq(p("close %s" % got[0]), "0")
        eq(p("close %d" % copy), "0")


@test
def a_mark_does_not_outlive_its_connection(broker):
    p = broker.puppet()
    v6, _, channel = p.listen("::", 3001)
    channel.send(broker, "4")
    conn = p.num("accept %d 0" % v6)
    assert p("sockname %d" % conn).startswith("0 10 ")
    eq(p("close %d" % conn), "0")
    eq(p.num("socket %d %d" % (INET, STREAM)), conn)
    eq(p("sockname %d" % conn), "0 2 0.0.0.0 0 16")


@test
def the_listener_tells_the_recorded_address(broker):
    p = broker.puppet()
    fd, hello, _ = p.listen("::ffff:127.0.0.1", 3000, before=[
        "setopt %%d %d %d 0" % (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)])
    eq((hello.family, hello.ip), (6, "::ffff:127.0.0.1"))
    eq(p("sockname %d" % fd), "0 10 ::ffff:127.0.0.1 3000 28")
    eq(p("peername %d" % fd), "-1 ENOTCONN")
    _, hello, _ = p.listen("::", 3001, before=[
        "setopt %%d %d %d 1" % (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)])
    eq(hello.flags, 1)


# --- options ----------------------------------------------------------------------------------


@test
def options_of_the_listener_answer_as_a_tcp_socket(broker):
    p = broker.puppet()
    fd, _, _ = p.listen(before=["setopt %%d %d %d 1" % (SOL, socket.SO_REUSEADDR)])
    for name, value in ((socket.SO_ACCEPTCONN, 1), (socket.SO_TYPE, STREAM),
                        (socket.SO_DOMAIN, INET), (socket.SO_PROTOCOL, 6), (socket.SO_ERROR, 0),
                        (socket.SO_REUSEADDR, 1), (socket.SO_REUSEPORT, 0)):
        eq(p("getopt %d %d %d" % (fd, SOL, name)), "0 %d" % value)
    for level, name in ((SOL, socket.SO_REUSEPORT), (socket.IPPROTO_TCP, socket.TCP_NODELAY),
                        (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT)):
        eq(p("setopt %d %d %d 1" % (fd, level, name)), "0")
        eq(p("getopt %d %d %d" % (fd, level, name)), "0 1")
    eq(p("setopt %d %d 12345 1" % (fd, SOL)), "-1 ENOPROTOOPT")


INHERITED = [
    (SOL, socket.SO_KEEPALIVE, 1), (SOL, socket.SO_OOBINLINE, 1), (SOL, socket.SO_PRIORITY, 3),
    (SOL, socket.SO_RCVLOWAT, 5), (SOL, socket.SO_SNDBUF, 65536), (SOL, socket.SO_RCVBUF, 65536),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 7), (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
    (socket.IPPROTO_TCP, socket.TCP_LINGER2, 9), (socket.IPPROTO_TCP, 18, 4321),
    (socket.IPPROTO_TCP, 25, 4096), (socket.IPPROTO_IP, socket.IP_TOS, 0x10),
    (socket.IPPROTO_IP, socket.IP_TTL, 33),
]


def option_values(listener, accept):
    values = []
    conn = accept(listener)
    for level, name, _ in INHERITED:
        values.append(conn.getsockopt(level, name))
    conn.close()
    return values


@test
def connections_inherit_what_linux_lets_them_inherit(broker):
    # The kernel itself says what is right: the same options on a listener without a broker.
    with socket.socket() as plain:
        for level, name, value in INHERITED:
            plain.setsockopt(level, name, value)
        plain.bind(("127.0.0.1", 0))
        plain.listen()
        client = socket.create_connection(plain.getsockname())
        conn, _ = plain.accept()
        want = [conn.getsockopt(level, name) for level, name, _ in INHERITED]
        conn.close()
        client.close()
    p = broker.puppet()
    half = len(INHERITED) // 2
    fd, _, channel = p.listen(before=[
        "setopt %%d %d %d %d" % option for option in INHERITED[:half]])
    for option in INHERITED[half:]:
        eq(p("setopt %d %d %d %d" % (fd, *option)), "0")
    channel.send(broker)
    conn = p.num("accept %d 0" % fd)
    got = [int(p("getopt %d %d %d" % (conn, level, name)).split()[1])
           for level, name, _ in INHERITED]
    eq(dict(zip(INHERITED, got)), dict(zip(INHERITED, want)))


@test
def connections_of_an_app_that_set_nothing_are_left_as_they_are(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    channel.send(broker, options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)])
    conn = p.num("accept %d 0" % fd)
    eq(p("getopt %d %d %d" % (conn, socket.IPPROTO_TCP, socket.TCP_NODELAY)), "0 1")


# --- descriptors ------------------------------------------------------------------------------


def hidden_fds(pid, fd):
    """The sockets that the library keeps for itself: those above the app's own."""
    found = []
    for name in os.listdir("/proc/%d/fd" % pid):
        if int(name) >= 1000:
            found.append(int(name))
    return sorted(found)


@test
def the_apps_closes_do_not_reach_our_descriptors(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    hidden = hidden_fds(p.proc.pid, fd)
    eq(len(hidden), 3)
    for number in hidden:
        eq(p("close %d" % number), "-1 EBADF")
        eq(p("rawclose %d" % number), "-1 EBADF")
        eq(p("dup %d" % number), "-1 EBADF")
        eq(p("dup2 0 %d" % number), str(number))  # the number is the app's: ours moves on
        eq(p("close %d" % number), "0")
    eq(len(hidden_fds(p.proc.pid, fd)), 3)
    eq(p("closerange %d %d 0" % (fd + 1, 0xffffffff)), "0")
    assert hello.held()
    check_serves(p, broker, channel, fd)
    eq(p("closerange 3 %d 0" % 0xffffffff), "0")
    assert hello.gone()
    eq(hidden_fds(p.proc.pid, fd), [])


@test
def copies_listen_and_the_last_close_is_the_goodbye(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    copies = [p.num("dup %d" % fd), p.num("dupfd %d 20" % fd), p.num("dup2 %d 30" % fd)]
    for copy in copies:
        check_serves(p, broker, channel, copy)
        eq(p("sockname %d" % copy), "0 2 0.0.0.0 3000 16")
    eq(p("close %d" % fd), "0")
    eq(p("dup2 0 %d" % copies[0]), str(copies[0]))  # replaced: no listener any more
    eq(p("close %d" % copies[1]), "0")
    assert hello.held()
    check_serves(p, broker, channel, copies[2])
    eq(p("close %d" % copies[2]), "0")
    assert hello.gone()
    # And the address is free again.
    p.listen()


@test
def a_number_that_was_reused_behind_our_back_is_not_the_listener(broker):
    if not shutil.which("perl"):
        raise Skip("no perl")
    p = broker.puppet()
    fd, _, _ = p.listen()
    # exec keeps the number but not the table: the new program finds a file where a stale
    # mark would have been. The same without exec needs a raw system call instruction.
    eq(p("dup2 0 %d" % fd), str(fd))
    assert p("accept %d 0" % fd) in ("-1 ENOTSOCK",)
    eq(p("sockname %d" % fd), "-1 ENOTSOCK")


@test
def two_listeners_do_not_mix(broker):
    p = broker.puppet()
    a, hello_a, channel_a = p.listen(port=3000)
    b, hello_b, channel_b = p.listen(port=3001)
    check_serves(p, broker, channel_b, b)
    check_serves(p, broker, channel_a, a)
    eq(p("close %d" % a), "0")
    assert hello_a.gone() and hello_b.held()
    check_serves(p, broker, channel_b, b)


# --- shutdown and close while another thread waits ----------------------------------------------


def wait_for_sleeping_thread(pid):
    """Until a second thread of @pid sleeps in recvmsg (47 on x86-64, 212 elsewhere)."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        for tid in os.listdir("/proc/%d/task" % pid):
            if int(tid) == pid:
                continue
            try:
                with open("/proc/%d/task/%s/syscall" % (pid, tid)) as f:
                    if f.read().split()[0] in ("47", "212"):
                        return
            except (OSError, IndexError):
                pass
        os.sched_yield()
    raise AssertionError("no thread waits in accept()")


@test
def shutdown_wakes_a_thread_in_accept(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    p.say("threadaccept %d" % fd)
    wait_for_sleeping_thread(p.proc.pid)
    p.say("shutdown %d %d" % (fd, socket.SHUT_RDWR))
    eq(sorted([p.answer(), p.answer()]), ["-1 EINVAL", "0"])
    eq(p("accept %d 0" % fd), "-1 EINVAL")
    eq(p("getopt %d %d %d" % (fd, SOL, socket.SO_ACCEPTCONN)), "0 0")
    assert hello.gone()
    try:
        channel.send(broker)
        raise AssertionError("the broker must be told")
    except BrokenPipeError:
        pass
    p.say("listen %d" % fd)
    channel = broker.welcome(broker.hello())
    eq(p.answer(), "0")
    check_serves(p, broker, channel, fd)


@test
def shutdown_leaves_what_waits_to_the_broker(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    for _ in range(3):
        channel.send(broker)
    eq(p("shutdown %d %d" % (fd, socket.SHUT_RD)), "0")
    assert hello.gone()
    eq(channel.take_back(), 3)


@test
def close_under_a_thread_in_accept_says_goodbye(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    p.say("threadaccept %d" % fd)
    wait_for_sleeping_thread(p.proc.pid)
    eq(p("close %d" % fd), "0")
    assert hello.gone()
    client = channel.send(broker)  # as with TCP: who waits already still gets one
    assert p.answer().endswith("from the thread")
    client.close()


# --- processes --------------------------------------------------------------------------------


@test
def a_child_listens_on_after_its_parent(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    eq(p("fork"), "0")
    check_serves(p, broker, channel, fd)
    eq(p("close %d" % fd), "0")
    assert hello.held()  # the parent has it still
    p.ends()
    assert hello.gone()


@test
def a_daemon_that_closes_everything_else_serves(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    eq(p("fork away"), "0")
    eq(p("setsid"), "0")
    eq(p("fork away"), "0")
    pid = p.num("pid")
    assert pid > 1 and pid != p.proc.pid
    for number in list(range(3, fd)) + list(range(fd + 1, 2048)):
        if os.path.exists("/proc/%d/fd/%d" % (pid, number)):
            eq(p("close %d" % number), "-1 EBADF")
    check_serves(p, broker, channel, fd)
    assert hello.held()
    eq(p("closeall"), "0")
    assert hello.gone()
    p.say("exit")


@test
def a_daemon_that_closes_all_first_and_listens_then_serves(broker):
    p = broker.puppet()
    eq(p("fork away"), "0")
    eq(p("setsid"), "0")
    eq(p("fork away"), "0")
    eq(p("closeall"), "0")
    fd, hello, channel = p.listen()
    eq(hello.pid, p.num("pid"))
    check_serves(p, broker, channel, fd)
    p.say("exit")
    assert hello.gone()


@test
def a_vfork_child_does_not_touch_its_parents_table(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen("::", 3000)
    channel.send(broker, "4")
    conn = p.num("accept %d 0" % fd)
    eq(p("vfork %d" % fd), "0")
    assert hello.held()
    assert p("peername %d" % conn).startswith("0 10 ::ffff:127.0.0.1 ")
    client = channel.send(broker)
    assert p.num("accept %d 0" % fd) >= 0
    client.close()
    # The same in a fork child that has not touched the table yet.
    eq(p("fork"), "0")
    eq(p("vfork %d" % fd), "0")
    assert p("sockname %d" % fd).startswith("0 10 ")
    channel.send(broker)
    assert p.num("accept %d 0" % fd) >= 0


@test
def exec_keeps_the_listener(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    p.say("exec")
    adopt = broker.hello()
    eq((adopt.hello_flags, adopt.channel, adopt.port), (1, channel.number, 3000))
    assert hello.gone()  # that one was of the program before
    broker.welcome(adopt, channel)
    eq(p("sockname %d" % fd), "0 2 0.0.0.0 3000 16")
    check_serves(p, broker, channel, fd)
    eq(p("getopt %d %d %d" % (fd, SOL, socket.SO_PROTOCOL)), "0 6")
    assert adopt.held()
    eq(p("close %d" % fd), "0")
    assert adopt.gone()


@test
def exec_keeps_the_listener_when_the_broker_refuses(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    p.say("exec")
    broker.refuse(broker.hello(), errno.EPERM, "no")
    check_serves(p, broker, channel, fd)


@test
def a_close_on_exec_listener_is_gone_after_exec(broker):
    p = broker.puppet()
    _, hello, _ = p.listen(flags=CLOEXEC)
    p.say("exec")
    assert hello.gone()
    eq(p("pid"), str(p.proc.pid))
    assert broker.no_hello()


@test
def a_listener_that_came_over_a_socket_is_recognised(broker):
    p = broker.puppet()
    _, _, channel = p.listen()
    path = os.path.join(broker.dir, "fds")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        ours = socket.socket(socket.AF_UNIX)
        fd = p.num("socket %d %d" % (UNIX, STREAM))
        eq(p("bindunix %d %s2" % (fd, path)), "0")
        eq(p("listen %d" % fd), "0")
        ours.connect(path + "2")
    conn = p.num("accept %d 0" % fd)
    send_fds(ours, b"x", [channel.rx.fileno()])
    got = p.num("recvfd %d" % conn)
    ours.close()
    check_serves(p, broker, channel, got)
    assert broker.no_hello()  # the same channel: one goodbye for both


@test
def a_listener_from_another_process_says_hello_when_used(broker):
    p = broker.puppet()
    _, _, channel = p.listen()
    q = broker.puppet()
    path = os.path.join(broker.dir, "fds")
    fd = q.num("socket %d %d" % (UNIX, STREAM))
    eq(q("bindunix %d %s" % (fd, path)), "0")
    eq(q("listen %d" % fd), "0")
    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(path)
        conn = q.num("accept %d 0" % fd)
        send_fds(ours, b"x", [channel.rx.fileno()])
        got = q.num("recvfd %d" % conn)
    client = channel.send(broker)
    q.say("accept %d 0" % got)
    adopt = broker.hello()
    eq((adopt.hello_flags, adopt.channel, adopt.pid), (1, channel.number, q.proc.pid))
    broker.welcome(adopt, channel)
    assert int(q.answer().split()[0]) >= 0
    client.close()


# --- the broker dies ----------------------------------------------------------------------------


def cpu_ticks(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@test
def a_dead_broker_leaves_the_queue_and_no_spinning(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen(flags=NONBLOCK)
    clients = [channel.send(broker) for _ in range(3)]
    channel.close()
    hello.conn.close()
    for client in clients:
        conn = p.num("accept %d 0" % fd)
        eq(p("write %d hello" % conn), "5")
        eq(client.recv(5), b"hello")
    eq(p("accept %d 0" % fd), "-1 EAGAIN")
    eq(p("poll %d 0" % fd), "0 0")  # nothing to wake up for: no event loop spins


# --- several acceptors at once ------------------------------------------------------------------


def many(broker, mode, n=40):
    proc = broker.start(os.path.join(APPS, "shim_serve"), mode, "3000")
    hello = broker.hello()
    channel = broker.welcome(hello)
    clients = [channel.send(broker) for _ in range(n)]
    answers = [client.makefile("rb").readline() for client in clients]
    for client in clients:
        client.close()
    assert all(re.fullmatch(rb"\d+ \d+\n", a) for a in answers), answers
    return proc, hello, channel, answers


@test
def four_threads_accept_each_connection_once(broker):
    proc, hello, channel, answers = many(broker, "threads")
    eq({int(a.split()[0]) for a in answers}, {proc.pid})
    eq(channel.take_back(), 0)
    assert hello.held()


@test
def four_children_share_one_listener(broker):
    proc, hello, channel, answers = many(broker, "prefork")
    assert proc.pid not in {int(a.split()[0]) for a in answers}
    eq(channel.take_back(), 0)
    assert hello.held()  # although the parent has closed its copy
    proc.kill()
    assert hello.gone()


@test
def one_child_per_connection(broker):
    _, hello, channel, answers = many(broker, "forkeach", 10)
    eq(len({a.split()[0] for a in answers}), 10)
    assert hello.held()  # the children's close(listener) was theirs alone


# --- runtimes -----------------------------------------------------------------------------------


def http(channel, broker, kind="4"):
    client = channel.send(broker, kind)
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    data = b""
    while True:
        more = client.recv(4096)
        if not more:
            return data
        data += more


def serves_http(broker, *command, kinds=("4",), want=b" 200 "):
    if not shutil.which(command[0]):
        raise Skip("no " + command[0])
    broker.start(*command, cwd=broker.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    channel = broker.welcome(broker.hello())
    for kind in kinds:
        for _ in range(3):
            answer = http(channel, broker, kind)
            assert want in answer, answer


@test
def node_serves(broker):
    serves_http(broker, "node", "-e",
                "require('http').createServer((q, r) => r.end('from ' + "
                "q.socket.remoteAddress)).listen(3000)",
                kinds=("4", "dual"), want=b"from ::ffff:127.0.0.1")


@test
def node_cluster_children_serve_what_the_primary_accepts(broker):
    serves_http(broker, "node", "-e",
                "const c = require('cluster'); if (c.isPrimary || c.isMaster) { c.fork(); c.fork() } "
                "else require('http').createServer((q, r) => r.end('child')).listen(3000)",
                want=b"child")


@test
def python_serves(broker):
    serves_http(broker, "python3", "-m", "http.server", "3000", kinds=("4", "dual"))


@test
def python_asyncio_serves(broker):
    serves_http(broker, "python3", "-c", """
import asyncio
async def serve(r, w):
    await r.readuntil(b"\\r\\n\\r\\n")
    w.write(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + repr(w.get_extra_info("peername")).encode())
    w.close()
async def main():
    await (await asyncio.start_server(serve, "0.0.0.0", 3000)).serve_forever()
asyncio.run(main())
""")


@test
def python_threads_and_subprocesses_serve(broker):
    serves_http(broker, "python3", "-c", """
import http.server, subprocess
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        out = subprocess.run(["/bin/echo", "from", "echo"], stdout=subprocess.PIPE).stdout
        self.send_response(200); self.end_headers(); self.wfile.write(out)
http.server.ThreadingHTTPServer(("", 3000), H).serve_forever()
""", want=b"from echo")


@test
def perl_serves(broker):
    serves_http(broker, "perl", "-MIO::Socket::INET", "-e", """
my $l = IO::Socket::INET->new(LocalPort => 3000, Listen => 5, ReuseAddr => 1) or die "$!";
while (my $c = $l->accept) {
    my $from = $c->peerhost; while (<$c>) { last if /^\\r?$/ }
    print $c "HTTP/1.0 200 OK\\r\\n\\r\\n$from"; close $c;
}
""", kinds=("4", "dual", "6"), want=b"127.0.0.1")


@test
def java_serves(broker):
    if not shutil.which("java") or not shutil.which("javac"):
        raise Skip("no JDK")
    with open(os.path.join(broker.dir, "Main.java"), "w") as f:
        f.write("""
import com.sun.net.httpserver.*;
public class Main {
    public static void main(String[] a) throws Exception {
        HttpServer s = HttpServer.create(new java.net.InetSocketAddress(3000), 0);
        s.createContext("/", x -> {
            byte[] b = x.getRemoteAddress().toString().getBytes();
            x.sendResponseHeaders(200, b.length); x.getResponseBody().write(b); x.close();
        });
        s.start();
    }
}
""")
    serves_http(broker, "java", os.path.join(broker.dir, "Main.java"), kinds=("4", "dual"))


@test
def a_shell_in_front_changes_nothing(broker):
    serves_http(broker, "sh", "-c", "python3 -m http.server 3000; true")


@test
def a_musl_program_is_served(broker):
    if not shutil.which("musl-gcc"):
        raise Skip("no musl-gcc")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../apps/shim_serve.c")
    binary = os.path.join(broker.dir, "serve")
    subprocess.run(["musl-gcc", "-D_GNU_SOURCE", "-pthread", "-o", binary, source], check=True)
    broker.start(binary, "threads", "3000")
    hello = broker.hello()
    channel = broker.welcome(hello)
    for _ in range(4):
        client = channel.send(broker)
        assert re.fullmatch(rb"\d+ \d\n", client.makefile("rb").readline())
    broker.start(binary, "prefork", "3000")
    channel = broker.welcome(broker.hello())
    client = channel.send(broker)
    assert re.fullmatch(rb"\d+ \d\n", client.makefile("rb").readline())


# --- the launcher -------------------------------------------------------------------------------


def run_shim(*args, env=None, **kwargs):
    done = subprocess.run([SHIM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=env, timeout=TIMEOUT, **kwargs)
    return done.returncode, done.stdout, done.stderr


def write_file(broker, name, data, mode=0o755):
    path = os.path.join(broker.dir, name)
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)
    return path


@test
def check_names_the_file_that_really_runs(broker):
    perl = shutil.which("perl") or "/bin/sh"
    name = os.path.basename(perl)
    one = write_file(broker, "one", b"#!/usr/bin/env %s\n" % name.encode())
    two = write_file(broker, "two", b"#!%s -x\n" % one.encode())
    three = write_file(broker, "three", b"#!/usr/bin/env -S A=1 %s -w\n" % name.encode())
    for script in (one, two, three):
        code, out, err = run_shim("--check", "--", script)
        eq((code, err), (0, ""))
        assert re.fullmatch(r"%s: dynamic, interpreter /\S+: backend preload\n" % re.escape(perl),
                            out), out


@test
def refusals_say_what_was_found_and_what_to_do(broker):
    puppet = open(os.path.join(APPS, "shim_puppet"), "rb").read()
    other_class = bytearray(puppet)
    other_class[4] = 1
    other_machine = bytearray(puppet)
    other_machine[18:20] = struct.pack("<H", 183 if puppet[18] != 183 else 62)
    no_loader = puppet.replace(b"/lib64/ld-linux", b"/nolib/ld-linux")
    loop = os.path.join(broker.dir, "loop")
    cases = [
        (write_file(broker, "empty", b""), 126, "is empty"),
        (write_file(broker, "text", b"hello\n"), 126, "neither a program"),
        (write_file(broker, "plain", b"#!/bin/sh\n", 0o644), 126, "is not executable"),
        (write_file(broker, "nosuch", b"#!/nonexistent/sh\n"), 127, "/nonexistent/sh: no such file"),
        (write_file(broker, "noenv", b"#!/usr/bin/env nosuchprogram\n"), 127, "no such program in PATH"),
        (write_file(broker, "loop", b"#!%s\n" % loop.encode()), 126, "more than 5 deep"),
        (write_file(broker, "cut", puppet[:200]), 126, "damaged or incomplete"),
        (write_file(broker, "class", bytes(other_class)), 126, "32-bit program"),
        (write_file(broker, "machine", bytes(other_machine)), 126, "use a build of the program"),
        (write_file(broker, "loader", no_loader), 126, "needs the dynamic linker"),
        ("/nonexistent/app", 127, "/nonexistent/app: no such file"),
        ("no-such-command", 127, "no such program in PATH"),
        (broker.dir, 126, "is a directory"),
    ]
    for command, want_code, want_text in cases:
        code, out, err = run_shim("--", command)
        eq((command, code, out), (command, want_code, ""))
        assert err.startswith("worker-shim: ") and err.count("\n") == 1, err
        assert want_text in err, "%s: %s" % (command, err)


@test
def static_and_go_programs_are_refused(broker):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise Skip("no compiler")
    source = os.path.join(broker.dir, "a.c")
    with open(source, "w") as f:
        f.write('__attribute__((section(".go.buildinfo"), used)) static int x = 1;\n'
                "int main(void) { return !x; }\n")
    binary = os.path.join(broker.dir, "a")
    subprocess.run([compiler, "-o", binary, source], check=True)
    code, _, err = run_shim("--", binary)
    eq(code, 126)
    assert "is a Go program" in err, err
    with open(source, "w") as f:
        f.write("int main(void) { return 0; }\n")
    subprocess.run([compiler, "-static", "-o", binary, source], check=True)
    code, _, err = run_shim("--", binary)
    eq(code, 126)
    assert "is statically linked" in err, err


@test
def setuid_programs_are_refused(broker):
    if os.getuid() != 0:
        raise Skip("needs root to make a program setuid")
    data = open(os.path.join(APPS, "shim_puppet"), "rb").read()
    path = write_file(broker, "suid", data)
    os.chown(path, 65534, 65534)
    for mode, word in ((0o4755, "is setuid"), (0o2755, "is setgid")):
        os.chmod(path, mode)
        code, _, err = run_shim("--", path)
        eq(code, 126)
        assert word in err, err
    os.chmod(path, 0o755)
    eq(run_shim("--check", "--", path)[0], 0)


@test
def the_status_descriptor_gets_the_reason_or_the_end(broker):
    for command, code, text in ((["/nonexistent/app"], 127, b"/nonexistent/app: no such file\n"),
                                (["/bin/true"], 0, b"")):
        r, w = os.pipe()
        proc = subprocess.Popen([SHIM, "--status-fd", str(w), "--", *command], pass_fds=[w],
                                stderr=subprocess.PIPE)
        os.close(w)
        got = b""
        while True:
            more = os.read(r, 4096)
            if not more:
                break
            got += more
        os.close(r)
        eq((proc.wait(TIMEOUT), got, proc.stderr.read()), (code, text, b""))
        proc.stderr.close()


@test
def the_library_is_found_and_checked(broker):
    code, _, err = run_shim("--library", "/nonexistent.so", "--", "/bin/true")
    eq(code, 126)
    assert "install it, or name it with --library" in err, err
    text = write_file(broker, "lib.so", b"text")
    code, _, err = run_shim("--library", text, "--", "/bin/true")
    eq(code, 126)
    assert "is not a shared library" in err, err
    code, out, _ = run_shim("--", "/bin/sh", "-c", "echo $LD_PRELOAD",
                            env=dict(os.environ, LD_PRELOAD="/lib/other.so"))
    eq(code, 0)
    eq(out, os.path.realpath(os.path.join(BUILD, "libworker-shim.so")) + ":/lib/other.so\n")


@test
def a_sanitizers_runtime_goes_first(broker):
    compiler = shutil.which("gcc")
    source = os.path.join(APPS, "../../tests/apps/shim_serve.c")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../apps/shim_serve.c")
    binary = os.path.join(broker.dir, "serve")
    if not compiler or subprocess.run(
            [compiler, "-D_GNU_SOURCE", "-fsanitize=address", "-pthread", "-o", binary, source],
            stderr=subprocess.DEVNULL).returncode:
        raise Skip("no compiler with AddressSanitizer")
    broker.start(binary, "threads", "3000")
    channel = broker.welcome(broker.hello())
    client = channel.send(broker)
    assert re.fullmatch(rb"\d+ \d\n", client.makefile("rb").readline())


@test
def usage_errors_exit_2(broker):
    for args in ([], ["--backend", "seccomp", "--", "true"], ["--status-fd", "99", "--", "true"],
                 ["--nonsense"]):
        eq(run_shim(*args)[0], 2)
    eq(run_shim("-h")[0], 0)
    assert run_shim("-V")[1].startswith("worker-shim ")


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


if __name__ == "__main__":
    sys.exit(main())
