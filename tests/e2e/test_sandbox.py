#!/usr/bin/env python3
"""Which system calls the broker can make, and that this is all that changes."""

import collections
import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

from harness import *
from lib.faults import filtered
from lib.steering import ready_workers, told
from lib.tools import need

PAGE = os.path.join(ROOT, "docs/security.md")
# Harmless calls that the broker has no use for.
GETPRIORITY, SECCOMP, PTRACE = {"x86_64": (140, 317, 101), "aarch64": (141, 277, 117)}.get(os.uname().machine, (0, 0, 0))
LOG, NO_SUCH_CALL = 0x7FFC0000, 0x50000 | errno.ENOSYS


def listing():
    """[(call, what for)] of the program; the test is skipped where that has no filter."""
    said = broker_cli("--print-syscalls").stdout
    if said.startswith("no filter"):
        skip(said.strip())
    *lines, last = said.splitlines()
    assert last.split(None, 2) == ["all", "others", "fail: ENOSYS, as in a kernel without them"], last
    return [tuple(line.split(None, 1)) for line in lines]


def confined(pid):
    with open("/proc/%d/status" % pid) as f:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in f)
    return int(lines["Seccomp"]), int(lines["NoNewPrivs"])


def call(broker, number, *arguments):
    """What system call @number returns in the broker, and errno, as gdb says; None: it ended."""
    need("gdb")
    call = "((long (*)(long, ...))syscall)(%s)" % ", ".join(map(str, (number,) + arguments))
    said = subprocess.run(
        ["gdb", "-nx", "-batch", "-p", str(broker.main_pid), "-ex", "print " + call,
         "-ex", "print *((int *(*)(void))__errno_location)()"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
    ).stdout
    got = [int(n) for n in re.findall(r"^\$\d+ = (-?\d+)", said, re.M)]
    assert len(got) == 2 or "SIGSYS" in said, said
    return got if len(got) == 2 else None


class KernelLog:
    """What the kernel says of filters from now on, to whoever may read it."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)  # NETLINK_AUDIT
        self.sock.bind((0, 1))  # AUDIT_NLGRP_READLOG
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        self.sock.settimeout(5)
        subprocess.run([filtered(shutil.which("nice"), GETPRIORITY, LOG)], stdout=subprocess.DEVNULL, check=True)
        self.wait('comm="nice"', "syscall=%d" % GETPRIORITY)

    def wait(self, *words):
        said = ""
        while not all(word in said for word in words):
            said = self.sock.recv(65536)[16:].decode("utf-8", "replace")


@test
def the_broker_has_a_filter_and_its_workers_have_none():
    listing()
    own = confined(os.getpid())
    broker = Broker(app("srv_poll"), workers=2, no_new_privs="no", check="connect")
    assert confined(broker.main_pid) == (2, 1)
    assert confined(broker.pid) == own, "its parent"
    for pid in ready_workers(broker).values():
        assert confined(pid) == own
    broker.reload_and_wait()
    assert confined(broker.worker_pid()) == own
    for key, want in (("yes", (2, 1)), ("log", (2, 1)), ("no", own)):
        assert confined(Broker(app("srv_poll"), workers=1, broker={"seccomp": key}).main_pid) == want, key


@test
def a_call_that_is_not_in_the_list_fails():
    assert "getpriority" not in dict(listing())
    broker = Broker(app("srv_poll"), workers=1)
    assert call(broker, GETPRIORITY, 0, 0) == [-1, errno.ENOSYS]
    assert http_get(broker.port).status == 200, "it goes on"
    broker = Broker(app("srv_poll"), workers=1, broker={"seccomp": "log"})
    assert call(broker, GETPRIORITY, 0, 0)[0] > 0


@test
def the_kernel_logs_it():
    listing()
    try:
        log = KernelLog()
    except OSError as error:
        skip("this kernel's log cannot be read here: %s" % error)
    for key in ("yes", "log"):
        broker = Broker(app("srv_poll"), workers=1, broker={"seccomp": key})
        call(broker, GETPRIORITY, 0, 0)
        log.wait('exe="%s"' % broker_program(), "syscall=%d" % GETPRIORITY, "pid=%d " % broker.main_pid)


@test
def a_call_of_an_intruder_ends_the_broker():
    listing()
    broker = Broker(app("srv_poll"), workers=1, drain_timeout=0)
    worker = broker.worker_pid()
    assert call(broker, PTRACE, 16, worker, 0, 0) is None
    assert broker.wait_exit() == -signal.SIGSYS
    assert not proc.alive(worker), "its parent has ended it"
    broker.stopped = {}


@test
def the_next_version_goes_on_with_the_filter_of_the_first():
    listing()
    broker = Broker(app("srv_poll"), workers=1)
    for _ in range(3):
        told(broker, "upgrade")
    with open("/proc/%d/status" % broker.main_pid) as f:
        assert "Seccomp_filters:\t1\n" in f.read(), "not another one each time"
    broker = Broker(app("srv_poll"), workers=1, broker={"seccomp": "no"})
    told(broker, "upgrade")
    assert confined(broker.main_pid)[0] == 0


@test
def where_the_kernel_has_no_filter_it_says_so():
    listing()
    program = filtered(broker_program(), SECCOMP, NO_SUCH_CALL)
    broker = Broker(app("srv_poll"), workers=1, program=program)
    said = broker.wait_event("seccomp")["message"]
    assert os.strerror(errno.ENOSYS) in said and "not limited" in said, said
    assert http_get(broker.port).status == 200
    broker = Broker(app("srv_poll"), workers=1, program=program, broker={"seccomp": "yes"}, wait_ready=False)
    assert broker.wait_exit() == 3
    said = broker.wait_event("start-failed")["message"]
    assert os.strerror(errno.ENOSYS) in said and "system calls" in said, said


@test
def the_page_has_the_list_of_the_program():
    if os.uname().machine != "x86_64":
        skip("the page has that of x86-64")
    groups = collections.defaultdict(list)
    for name, use in listing():
        groups[use].append(name)
    with open(PAGE) as f:
        table = re.search(r"^\| for \| system calls \|\n\|---\|---\|\n((?:\|.*\|\n)+)", f.read(), re.M).group(1)
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    page = {use: re.findall(r"`(\w+)`", calls) for use, calls in rows}
    differ = [use for use in page.keys() | groups.keys() if page.get(use) != groups.get(use)]
    assert not differ, "run build/broker --print-syscalls; other there: %s" % differ


main()
