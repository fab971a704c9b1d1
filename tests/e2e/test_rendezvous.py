#!/usr/bin/env python3
"""Which processes may be workers: the token alone is not enough."""

import mmap
import os
import pwd
import re
import resource
import signal
import socket
import struct
import sys

from harness import *
from lib import proc

WELCOME, REFUSED = 2, 3


def hello(path, token, port):
    """HELLO for 127.0.0.1 as docs/protocol.md has it; the type of the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(30)
        s.connect(path)
        head = struct.pack("=HHIBBHI4s12s", 3, 1, 256, 4, 0, port, 0, b"\x7f\0\0\1", b"")
        s.send(head + struct.pack("=IIiIIIQ16s64s112x", 0, 1, 1, 128, 1, 0, 0, token, b"web"))
        return struct.unpack_from("=HHI", s.recv(496))[1]


def token_of(broker):
    """As its worker has it, and nobody else but root can read."""
    with open("/proc/%d/environ" % broker.worker_pid()) as f:
        return re.search("BROKER_TOKEN=([0-9a-f]{32})\\0", f.read()).group(1)


def names(port):
    """Of all channels for that port, as every user of the machine can read them."""
    with open("/proc/net/unix") as f:
        return re.findall("@(handoff:[0-9a-f]{32}:[0-9a-f]{16}:4:%04x:[0-9a-f]*)" % port, f.read())


def run_as(user, deed):
    """In a process of @user, which ends with what it returns. Its pid."""
    ids = pwd.getpwnam(user)
    pid = os.fork()
    if pid == 0:
        answer = 0
        try:
            proc.die_with_parent()
            os.setgroups([])
            os.setgid(ids.pw_gid)
            os.setuid(ids.pw_uid)
            answer = deed()
        finally:
            os._exit(answer)
    return pid


def hello_as(user, broker, token=None, times=1):
    token = bytes.fromhex(token or token_of(broker))
    greet = lambda: [hello(broker.run_dir + "/rendezvous", token, broker.port) for _ in range(times)][-1]
    return os.waitstatus_to_exitcode(os.waitpid(run_as(user, greet), 0)[1])


def broker_of_nobody():
    if os.geteuid() != 0:
        skip("needs root, to be several users")
    for user in ("nobody", "daemon"):
        try:
            pwd.getpwnam(user)
        except KeyError:
            skip("no user " + user)
    return Broker(app("srv_blocking"), workers=1, user="nobody")


@test
def what_everybody_can_read_makes_nobody_a_worker():
    broker = broker_of_nobody()
    (name,) = names(broker.port)
    token, found = token_of(broker), name.split(":")[1]
    assert token[16:] not in name
    # Of the token's own user: what is missing is the secret half.
    for guess in (found, found[:16] + 16 * "0"):
        assert hello_as("nobody", broker, guess) == REFUSED
    assert hello_as("nobody", broker, token) == WELCOME


@test
def names_that_are_taken_in_advance_stop_nobody():
    """As the names of a worker's next channels could be told from that of its first."""
    go_on = tmp("go-on")
    app = write_file("two.py", """
import os, socket, sys, time
sockets = []
for port in sys.argv[1:]:
    sockets.append(socket.socket())
    sockets[-1].bind(("127.0.0.1", int(port)))
    sockets[-1].listen()
    while not os.path.exists("%s"):
        time.sleep(0.01)
while True:
    sockets[0].accept()[0].close()
""" % go_on)
    broker = Broker([sys.executable, app, "{port}", "{port2}"], workers=1, wait_ready=False,
                    listen=["127.0.0.1:{port}", "127.0.0.1:{port2}"])
    (name,) = wait_until(lambda: names(broker.port))
    part = name.split(":")
    squatters = []
    for n in range(1, 20):
        part[2], part[4] = "%016x" % (int(name.split(":")[2], 16) + n), "%04x" % broker.port2
        squatters.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        squatters[-1].bind("\0" + ":".join(part))
    write_file("go-on", "")
    broker.wait_ready()
    assert not broker.events("worker-failed")
    for squatter in squatters:
        squatter.close()


@test
def another_user_cannot_be_a_worker_by_a_token_that_leaked():
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


@test
def refusals_beyond_some_are_counted_and_not_said():
    broker = Broker(app("srv_blocking"), workers=1)
    mark = broker.mark()
    for _ in range(200):
        assert hello(broker.run_dir + "/rendezvous", bytes(16), broker.port) == REFUSED
    # A worker's own refusals have lines of their own.
    token = bytes.fromhex(token_of(broker))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(broker.run_dir + "/rendezvous")
        s.send(struct.pack("=HHIBBHI4s12s", 3, 1, 256, 4, 0, broker.port, 0, b"\x7f\0\0\1", b"") +
               struct.pack("=IIiIIIQ16s64s112x", 0, 1, 1, 128, 1, 1, 77, token, b"web"))
        assert struct.unpack_from("=HHI", s.recv(496))[1] == REFUSED
    broker.wait_event("worker-failed", since=mark, worker="web.0")
    assert len(broker.log.find(["worker-failed"], mark)) == 10 + 1


def states_written(broker):
    """As both files say that it writes in turn: sys/twin.c."""
    found = []
    for number, name in proc.fds(broker.main_pid).items():
        if "broker-state" in name:
            with open("/proc/%d/fd/%s" % (broker.main_pid, number), "rb") as f:
                found.append(struct.unpack("=Q", f.read(8))[0])
    return max(found)


@test
def of_what_is_no_worker_no_state_is_written():
    broker = Broker(app("srv_blocking"), workers=1)
    if not broker.shows_fds():
        skip("cannot look at the broker's descriptors")
    before = states_written(broker)
    for _ in range(300):
        assert hello(broker.run_dir + "/rendezvous", bytes(16), broker.port) == REFUSED
    assert states_written(broker) - before < 100


@test
def who_greets_without_end_keeps_no_other_user_waiting():
    broker = broker_of_nobody()
    counts = memoryview(mmap.mmap(-1, 4 * 8)).cast("Q")  # shared with those who count

    def greet_without_end(n):
        while True:
            hello(broker.run_dir + "/rendezvous", bytes(16), broker.port)
            counts[n] += 1

    def others_pass():
        """Of 100 greetings one after another, none waits for four that are there at any time."""
        before = sum(counts)
        assert hello_as("nobody", broker, 32 * "0", 100) == REFUSED
        return sum(counts) - before < 100

    crowd = [run_as("daemon", lambda n=n: greet_without_end(n)) for n in range(4)]
    wait_until(others_pass)  # once these have had what they may have at once
    for pid in crowd:
        send_signal(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@test
def a_worker_gets_its_share_of_the_brokers_descriptors():
    hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 20000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    broker = Broker(app("srv_blocking"), workers=2)
    token, held = bytes.fromhex(token_of(broker)), []
    with broker.same_fds():
        while len(held) < hard:
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.settimeout(30)
            s.connect(broker.run_dir + "/rendezvous")
            held.append(s)
            s.send(struct.pack("=HHIBBHI4s12s", 3, 1, 256, 4, 0, broker.port, 0, b"\x7f\0\0\1", b"") +
                   struct.pack("=IIiIIIQ16s64s112x", 0, 1, 1, 128, 1, 0, 0, token, b"web"))
            if struct.unpack_from("=HHI", s.recv(496))[1] == REFUSED:
                break
        # Three for the channel, and the connection; of half the limit for both workers.
        assert hard // 16 - 20 <= len(held) <= hard // 16 + 1, len(held)
        assert "leaves for each worker" in broker.wait_event("worker-failed", worker="web.0")["message"]
        assert http_get(broker.port).status == 200
        for s in held:
            s.close()


main()
