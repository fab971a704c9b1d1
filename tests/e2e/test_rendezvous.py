#!/usr/bin/env python3
"""Which processes may be workers: the token alone is not enough."""

import os
import pwd
import re
import socket
import struct
import sys

from harness import *

WELCOME, REFUSED = 2, 3


def hello(path, token, port):
    """HELLO for 127.0.0.1 as docs/protocol.md has it; the type of the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(30)
        s.connect(path)
        head = struct.pack("=HHIBBHI4s12s", 2, 1, 256, 4, 0, port, 0, b"\x7f\0\0\1", b"")
        s.send(head + struct.pack("=IIiIIIQ16s64s112x", 0, 1, 1, 128, 1, 0, 0, token, b"web"))
        return struct.unpack_from("=HHI", s.recv(496))[1]


def hello_as(user, broker):
    """With a token out of the names of sockets, which every user of the machine can read."""
    with open("/proc/net/unix") as f:
        name = re.search("@handoff:([0-9a-f]{32}):[0-9a-f]{16}:4:%04x:" % broker.port, f.read())
    ids = pwd.getpwnam(user)
    pid = os.fork()
    if pid == 0:
        answer = 0
        try:
            os.setgroups([])
            os.setgid(ids.pw_gid)
            os.setuid(ids.pw_uid)
            answer = hello(broker.run_dir + "/rendezvous", bytes.fromhex(name.group(1)), broker.port)
        finally:
            os._exit(answer)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def broker_of_nobody():
    if os.geteuid() != 0:
        skip("needs root, to be several users")
    for user in ("nobody", "daemon"):
        try:
            pwd.getpwnam(user)
        except KeyError:
            skip("no user " + user)
    return Broker(app("srv_blocking"), user="nobody")


@test
def another_user_cannot_be_a_worker_by_a_token_that_it_found():
    broker = broker_of_nobody()
    assert hello_as("daemon", broker) == REFUSED
    broker.wait_event("worker-failed")
    load = Load(broker.port)
    load.wait_answers(100)
    load.assert_clean()


@test
def the_library_of_an_older_build_is_told_so():
    broker = Broker(app("srv_blocking"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(30)
        s.connect(broker.run_dir + "/rendezvous")
        s.send(struct.pack("=HHI136x", 1, 1, 144))  # HELLO of version 1
        answer = s.recv(496)
    assert struct.unpack_from("=HH", answer)[1] == REFUSED, answer
    assert b"are of different builds" in answer, answer


@test
def the_user_of_the_workers_can():
    broker = broker_of_nobody()
    assert hello_as("nobody", broker) == WELCOME


@test
def an_app_that_changes_its_user_by_itself_is_told_what_to_do():
    if os.geteuid() != 0:
        skip("needs root, to change the user")
    app = "import os, socket; s = socket.socket(); os.setuid(65534); s.bind(('127.0.0.1', {port})); s.listen()"
    broker = Broker([sys.executable, "-c", app], wait_ready=False)
    failed = broker.wait_event("worker-failed")
    assert "set user in the service" in failed["last_output"], failed


main()
