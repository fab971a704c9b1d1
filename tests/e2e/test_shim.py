#!/usr/bin/env python3
"""The preload library: bind, listen, accept, and what is left alone."""

import errno
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
from fake_broker import *  # noqa: E402,F401,F403


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
    eq(got[1:], ["2", "127.0.0.0", str(client.getsockname()[1]), "16"])
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
    eq(p.answer(), "signal")  # while listen() waits for the answer
    channel = broker.welcome(hello)
    eq(p.answer(), "0")
    eq(p("interrupt 1"), "0")
    p.say("accept %d 0" % fd)
    eq(p.answer(), "signal")
    eq(p.answer(), "-1 EINTR")
    check_serves(p, broker, channel, fd)


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
def a_client_at_descriptor_2_gets_no_message_of_ours(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    client = channel.send(broker)
    conn = p.num("accept %d 0" % fd)
    eq(p("dup2 %d 2" % conn), "2")
    for _ in range(2):  # a program that it executes knows no more of standard error than that
        other = p.num("socket %d %d" % (INET, STREAM))
        eq(p("bind %d 0.0.0.0 3001" % other), "0")
        p.say("listen %d" % other)
        broker.refuse(broker.hello(), errno.EADDRINUSE, "port 3001 is taken by pid 1: free it")
        eq(p.answer(), "-1 EADDRINUSE")
        eq(p("close %d" % other), "0")
        p.say("exec")
        broker.welcome(broker.hello(), channel)
    eq(p("write %d hello" % conn), "5")
    eq(client.recv(100), b"hello")


@test
def a_broker_that_is_gone_is_said_so(broker):
    p = broker.puppet(BROKER_RENDEZVOUS="/nonexistent/rendezvous")
    fd = p.num("socket %d %d" % (INET6, STREAM))
    eq(p("bind %d ::1 3000" % fd), "0")
    eq(p("listen %d" % fd), "-1 EADDRNOTAVAIL")
    said = p.stderr_line()
    assert said.startswith("worker-shim: listen on [::1]:3000: the broker is not there, or"), said


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
def udp_and_unix_sockets_that_no_line_names_are_the_apps_own(broker):
    p = broker.puppet(BROKER_SOCKETS="@app " + broker.dir + "/app2")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        fd = p.num("socket %d %d" % (INET, DGRAM))
        eq(p("bind %d 127.0.0.1 %d" % (fd, port)), "-1 EADDRINUSE")
    for kind in DGRAM, socket.SOCK_SEQPACKET:
        fd, path = p.num("socket %d %d" % (UNIX, kind)), os.path.join(broker.dir, "other%d" % kind)
        eq(p("bindunix %d %s" % (fd, path)), "0")
        assert os.path.exists(path)
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
def other_registrations_are_not_touched(broker):
    p = broker.puppet()
    ep = p.num("epoll")
    other = p.num("socket %d %d" % (INET, STREAM))
    eq(p("epolladd %d %d %#x 1" % (ep, other, EPOLLIN | EPOLLET)), "0")
    eq(p("epollwait %d 0" % ep), "1 0x10 0x1")  # hung up, told once
    fd, _, _ = p.listen(before=["epolladd %d %%d 1 2" % ep])
    eq(p("epollwait %d 0" % ep), "0 0 0")  # added again, it would be reported again
    eq(p("close %d" % fd), "0")


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


if __name__ == "__main__":
    sys.exit(main())
