#!/usr/bin/env python3
"""The preload library: addresses and options as the app sees them."""

import errno
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
from fake_broker import *  # noqa: E402,F401,F403


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
def a_connection_has_the_family_of_the_app_wherever_it_goes(broker):
    for how in ("exec execve", "exec syscall", "exec execvpe", "exec fexecve", "exec execveat",
                "exec spawn", "exec spawnp", "exec vfork", "dup %d", "dup2 %d 77", "sendfd %s %%d"):
        p = broker.puppet()
        fd, _, channel = p.listen("0.0.0.0", 3000)
        held = []
        client = channel.send(broker, "dual", held=held)
        conn = p.num("accept %d 0" % fd)
        eq(p("close %d" % fd), "0")
        eq(held[0].getsockopt(SOL, socket.SO_DOMAIN), INET6)
        if "%s" in how:
            how %= p("socketpair").split()[0]
        command = how % conn if "%d" in how else how
        p.say(command)
        if not how.startswith("exec"):
            assert int(p.answer()) >= 0, how
        # The kernel's word, which holds for programs without the library, too; and the library's.
        eq(p("peername %d" % conn), "0 2 127.0.0.1 %d 16" % client.getsockname()[1])
        eq((how, held[0].getsockopt(SOL, socket.SO_DOMAIN)), (how, INET))


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
                        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT)):
        eq(p("setopt %d %d %d 1" % (fd, level, name)), "0")
        eq(p("getopt %d %d %d" % (fd, level, name)), "0 1")
    eq(p("setopt %d %d 12345 1" % (fd, SOL)), "-1 ENOPROTOOPT")


@test
def what_decides_about_clients_is_for_the_broker_to_know(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    defer = (fd, socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT)
    p.say("setopt %d %d %d 1" % defer)
    hello = broker.hello()
    eq((hello.hello_flags, hello.channel), (1, channel.number))
    broker.welcome(hello, channel)
    eq(p.answer(), "0")
    assert hello.gone()
    p.say("setopt %d %d %d 7" % defer)
    broker.refuse(broker.hello(), errno.EPERM, "it may not")
    eq(p.answer(), "-1 EPERM")
    eq(p.stderr_line(), "worker-shim: listen on 0.0.0.0:3000: it may not\n")
    check_serves(p, broker, channel, fd)


INHERITED = [
    (SOL, socket.SO_KEEPALIVE, 1), (SOL, socket.SO_OOBINLINE, 1),
    (SOL, socket.SO_RCVLOWAT, 5), (SOL, socket.SO_SNDBUF, 65536), (SOL, socket.SO_RCVBUF, 65536),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.IPPROTO_TCP, socket.TCP_CORK, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 7), (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
    (socket.IPPROTO_TCP, socket.TCP_LINGER2, 9), (socket.IPPROTO_TCP, 18, 4321),
    (socket.IPPROTO_TCP, 25, 4096), (socket.IPPROTO_IP, socket.IP_TOS, 0x10),
    (socket.IPPROTO_IP, socket.IP_TTL, 33),
]


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


if __name__ == "__main__":
    sys.exit(main())
