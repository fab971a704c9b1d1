#!/usr/bin/env python3
"""The launcher and the library hand over the listeners that a program is started with."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
from fake_broker import *  # noqa: E402,F401,F403

PUPPET = os.path.join(APPS, "shim_puppet")
ADOPT = 1


def activate(broker, *listen, command=(PUPPET,), word="systemd", more=(), **kwargs):
    options = ["--activation", word, *more]
    for text in listen:
        options += ["--listen", text]
    return broker.start(*command, options=options, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, bufsize=0, **kwargs)


def sockets(pid):
    """The numbers of all its descriptors that are sockets."""
    found = set()
    for fd in os.listdir("/proc/%d/fd" % pid):
        if os.readlink("/proc/%d/fd/%s" % (pid, fd)).startswith("socket:"):
            found.add(int(fd))
    return found


@test
def the_channel_has_a_holder_from_the_launcher_to_the_program(broker):
    p = activate(broker, "a=127.0.0.1:3000", "b=[::]:3001")
    first = []
    for want in (4, "127.0.0.1", 3000), (6, "::", 3001):
        hello = broker.hello()
        eq((hello.family, hello.ip, hello.port), want)
        eq((hello.hello_flags, hello.pid), (0, p.pid))
        first.append((hello, broker.welcome(hello)))
    # The program is being loaded, and the broker takes its time to answer.
    for hello, channel in first:
        adopt = broker.hello()
        eq((adopt.hello_flags, adopt.channel), (ADOPT, channel.number))
        eq([before.held() for before, _ in first], [True, True])
        broker.welcome(adopt, channel)
    for hello, _ in first:
        assert hello.gone(), "what the launcher held stays behind"
    p.stdin.write(b"sockname 3\n")
    eq(p.stdout.readline(), b"0 2 127.0.0.1 3000 16\n")  # main() runs: the library is ready
    # rx twice; hidden: for each tx, the rendezvous connection and the program's own socket.
    eq({fd for fd in sockets(p.pid) if fd < 200}, {3, 4})
    eq(len(sockets(p.pid)), 8)


@test
def without_an_answer_the_launchers_hold_it(broker):
    p = activate(broker, "3000")
    hello = broker.hello()
    channel = broker.welcome(hello)
    adopt = broker.hello()
    broker.refuse(adopt, 2, "no")
    p.stdin.write(b"sockname 3\n")
    eq(p.stdout.readline(), b"0 10 :: 3000 28\n")
    assert hello.held()
    channel.tx.close()
    eq(channel.rx.recv(1, 0x40) if select.select([channel.rx], [], [], 0)[0] else None, None)


@test
def a_refusal_ends_it_with_the_reason(broker):
    p = activate(broker, "127.0.0.1:3000")
    broker.refuse(broker.hello(), 98, "taken by somebody")
    _, err = p.communicate(timeout=TIMEOUT)
    eq((p.returncode, err),
       (126, b"worker-shim: no listener on 127.0.0.1:3000: taken by somebody\n"))


@test
def the_flag_of_ipv6_only_comes_through(broker):
    p = activate(broker, "[::1]:3000", more=["--v6only"])
    hello = broker.hello()
    eq((hello.family, hello.flags), (6, 1))
    channel = broker.welcome(hello)
    broker.welcome(broker.hello(), channel)
    p.stdin.write(b"getopt 3 41 26\n")
    eq(p.stdout.readline(), b"0 1\n")


@test
def what_is_not_understood_is_said(broker):
    cases = [
        (["--activation", "launchd", "--listen", "1"], "--activation launchd: must be systemd, einhorn or server-starter"),
        (["--activation", "systemd", "--activation", "launchd", "--listen", "1"],
         "--activation launchd: must be systemd, einhorn or server-starter"),
        (["--activation", "systemd"], "--activation and --listen need each other"),
        (["--listen", "80"], "--activation and --listen need each other"),
    ]
    for bad in "", "x", "0", "65536", "1.2.3:80", "::1:80", "[::1]", "[::1%x]:80", "a=", ":80", "[]:80", "-1":
        cases.append((["--activation", "systemd", "--listen", bad],
                      "--listen %s: must be [NAME=][ADDRESS:]PORT, /PATH or @NAME" % bad.replace("a=", "")))
    for options, want in cases:
        done = subprocess.run([SHIM, *options, "--", PUPPET], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=broker.env(), timeout=TIMEOUT)
        eq(done.stderr, "worker-shim: %s\n" % want)
    done = subprocess.run([SHIM, "--activation", "systemd", "--listen", "80", "--", PUPPET],
                          stderr=subprocess.PIPE, text=True, env={}, timeout=TIMEOUT)
    eq((done.returncode, done.stderr),
       (126, "worker-shim: --activation: no broker has started this process\n"))


main()
