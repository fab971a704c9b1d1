#!/usr/bin/env python3
"""The preload library: what goes from one program to another, and what a program must not lose."""

import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
from fake_broker import *  # noqa: E402,F401,F403

PRIVATE = "127.66.82.75"  # HANDOFF_BOUND_IP


def bound(p, ip="0.0.0.0", port=3000, family=INET):
    fd = p.num("socket %d %d" % (family, STREAM))
    eq(p("bind %d %s %d" % (fd, ip, port)), "0")
    return fd


def listens(p, broker, fd):
    """`p` listens on what was bound elsewhere, and serves: the HELLO of it."""
    p.say("listen %d" % fd)
    hello = broker.hello()
    eq(hello.hello_flags, 0)
    channel = broker.welcome(hello)
    eq(p.answer(), "0")
    check_serves(p, broker, channel, fd)
    return hello


# --- bound here, listened on there --------------------------------------------------------------


@test
def a_program_listens_on_what_the_one_before_it_bound(broker):
    p = broker.puppet()
    fd = bound(p)
    p.say("exec")
    eq(p("sockname %d" % fd), "0 2 0.0.0.0 3000 16")
    hello = listens(p, broker, fd)
    eq((hello.family, hello.ip, hello.port), (4, "0.0.0.0", 3000))
    eq(p("sockname %d" % fd), "0 2 0.0.0.0 3000 16")


@test
def the_record_of_a_bind_knows_both_kinds_of_ipv6(broker):
    for v6only in 0, 1:
        p = broker.puppet()
        fd = p.num("socket %d %d" % (INET6, STREAM))
        eq(p("setopt %d 41 26 %d" % (fd, v6only)), "0")
        eq(p("bind %d :: 3000" % fd), "0")
        eq(p("getopt %d 41 26" % fd), "0 %d" % v6only)
        p.say("exec")
        eq(p("sockname %d" % fd), "0 10 :: 3000 28")
        hello = listens(p, broker, fd)
        eq((hello.family, hello.flags, hello.ip, hello.port), (6, v6only, "::", 3000))


@test
def a_supervisor_starts_one_server_after_the_other_with_its_socket(broker):
    p = broker.puppet()
    fd = bound(p)
    for _ in range(2):
        p.say("exec spawn")
        hello = listens(p, broker, fd)
        p.say("exit")
        eq(p.answer(), "0")
        assert hello.gone()
    eq(p("sockname %d" % fd), "0 2 0.0.0.0 3000 16")


@test
def a_bound_socket_is_recognised_when_it_arrives(broker):
    p = broker.puppet()
    fd = bound(p, "127.0.0.1", 3000, INET)
    us, them = p("socketpair").split()
    eq(p("sendfd %s %d" % (us, fd)), "1")
    eq(p("close %d" % fd), "0")
    p.say("exec")
    got = p.num("recvfd %s" % them)
    eq(p("sockname %d" % got), "0 2 127.0.0.1 3000 16")
    listens(p, broker, got)


@test
def a_program_without_the_library_cannot_be_reached_on_what_was_bound(broker):
    for family, ip in (INET, "0.0.0.0"), (INET6, "::"):
        p = broker.puppet()
        fd = bound(p, ip, 3000, family)
        p.say("exec execve without")
        eq(p("listen %d" % fd), "0")
        where = p("sockname %d" % fd).split()
        assert where[2].endswith(PRIVATE), where
        client = socket.socket()
        client.settimeout(0.2)
        try:
            client.connect((PRIVATE, int(where[3])))
        except socket.timeout:
            client.close()
        else:
            raise AssertionError("connected")
        assert broker.no_hello()


@test
def a_client_with_a_port_of_its_own_may_execute_before_it_connects(broker):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as server:
        p = broker.puppet()
        fd = bound(p, "127.0.0.1", port)
        p.say("exec")
        eq(p("connect %d 127.0.0.1 %d" % (fd, server.getsockname()[1])), "0")
        conn, peer = server.accept()
        eq(peer, ("127.0.0.1", port))
        eq(p("write %d hello" % fd), "5")
        eq(conn.recv(5), b"hello")
        conn.close()


# --- an environment that was cleaned ------------------------------------------------------------

EXECS = ("execve execv execvp execvpe execl execlp execle execveat fexecve syscall vfork "
         "spawn spawnp").split()


@test
def a_cleaned_environment_does_not_lose_the_listener(broker):
    for how in EXECS:
        p = broker.puppet()
        fd, _, channel = p.listen()
        p.say("exec %s clean" % how)
        adopt = broker.hello()
        eq((how, adopt.hello_flags, adopt.channel), (how, 1, channel.number))
        eq((adopt.slot, adopt.generation, adopt.service), (3, 7, "web"))
        broker.welcome(adopt, channel)
        check_serves(p, broker, channel, fd)
        p.say("exit")


@test
def a_program_that_sets_its_own_preload_keeps_the_library(broker):
    for how in "execve", "execvp", "spawn":
        p = broker.puppet()
        p.say("exec %s preload" % how)
        p.listen()
        with open("/proc/%d/maps" % p.num("pid")) as maps:
            text = maps.read()
        assert re.search("/libm[.-]", text) and "libworker-shim" in text
        p.say("exit")


@test
def an_empty_token_does_without_the_library(broker):
    p = broker.puppet()
    fd, hello, _ = p.listen()
    p.say("exec execve without")
    assert hello.gone()
    eq(p("accept %d 0" % fd), "-1 EINVAL")
    with open("/proc/%d/environ" % p.num("pid")) as f:
        eq(f.read(), "PATH=/bin\0BROKER_TOKEN=\0")


if __name__ == "__main__":
    sys.exit(main())
