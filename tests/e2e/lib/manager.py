"""
A service manager, as a broker sees one: a socket for its messages, and sockets that it is given. It
is no systemd: tests/e2e/test_systemd.py runs a real one.
"""

import os
import select
import socket
import struct
import sys
import time

from . import tap
from .broker import Broker
from .paths import broker_program


# Moves what it has been given to where the convention says, and becomes the broker.
STARTER = """#!%s
import fcntl, os, sys

def move(fd, to):
    return fcntl.fcntl(fd, fcntl.F_DUPFD, to)

given, names, program = %r, %r, %r
argv = [program] + sys.argv[1:]
ready = argv.index("--ready-fd") + 1
argv[ready] = str(move(int(argv[ready]), 300))
moved = [move(fd, 100) for fd in given]
for i, fd in enumerate(moved):
    os.dup2(fd, 3 + i)
os.closerange(3 + len(given), 300)
own = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(given)), "LISTEN_FDNAMES": names}
os.execve(program, argv, {**own, **os.environ})
"""


class Manager:
    """
        manager = Manager(store=8)
        broker = manager.start(app("srv_poll"), sockets=[sock])
        manager.wait("READY=1")

    .said is what has come so far: a list of (pid of the sender, {key: value}).
    """

    def __init__(self, name=None, store=0, buffer=None):
        self.name = name or tap.tmp("notify")
        self.max = store
        self.store = {}  # FDNAME: descriptor
        self.said = []
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._sock.bind(self.name.replace("@", "\0", 1))
        tap.at_end(self._close)

    def env(self, **more):
        store = {"FDSTORE": str(self.max)} if self.max else {}
        return dict({"NOTIFY_SOCKET": self.name}, **store, **more)

    def _close(self):
        self._sock.close()
        while self.store:
            os.close(self.store.popitem()[1])

    def read(self):
        """All that waits."""
        while select.select([self._sock], [], [], 0)[0]:
            space = socket.CMSG_SPACE(12) + socket.CMSG_SPACE(4 * 8)
            text, control, _, _ = self._sock.recvmsg(4096, space)
            pid, fds = None, []
            for level, kind, data in control:
                if kind == socket.SCM_CREDENTIALS:
                    pid = struct.unpack("3i", data)[0]
                elif kind == socket.SCM_RIGHTS:
                    fds += struct.unpack("%di" % (len(data) // 4), data)
            told = dict(line.split("=", 1) for line in text.decode().split("\n"))
            self.said.append((pid, told))
            self._keep(told, fds)

    def _keep(self, told, fds):
        if "FDSTOREREMOVE" in told and told["FDNAME"] in self.store:
            os.close(self.store.pop(told["FDNAME"]))
        for fd in fds:
            assert told["FDSTORE"] == "1" and told["FDPOLL"] == "0" and ":" not in told["FDNAME"], told
            # As systemd does with one that it has already, or has no room for.
            if told["FDNAME"] in self.store or len(self.store) >= self.max:
                os.close(fd)
            else:
                self.store[told["FDNAME"]] = fd

    def find(self, *lines, since=0):
        """The messages that have all these lines; one without "=" needs the key alone."""
        self.read()
        wanted = [line.split("=", 1) for line in lines]
        return [told for _, told in self.said[since:]
                if all(w[0] in told and told[w[0]] in (w[1:] or told[w[0]]) for w in wanted)]

    def mark(self):
        self.read()
        return len(self.said)

    def wait(self, *lines, since=0, timeout=30, count=1):
        deadline = time.monotonic() + timeout
        while True:
            found = self.find(*lines, since=since)
            if len(found) >= count:
                return found[count - 1]
            left = deadline - time.monotonic()
            assert left > 0, "the manager was not told %s; it was told %s" % (lines, self.said[since:])
            select.select([self._sock], [], [], left)

    # --- sockets that the broker is given ------------------------------------------------------

    def start(self, *arguments, sockets=(), names=None, env=None, **keys):
        """
        A broker that has `sockets` as descriptors 3 and above, of the unit or with these names, and
        behind them what is in the store. All of them stay ours, as they stay systemd's.
        """
        self.read()
        given = list(zip([s.fileno() for s in sockets], names or len(sockets) * ["unit.socket"]))
        given += [(fd, name) for name, fd in self.store.items()]
        program = tap.tmp("starter.%d" % len(os.listdir(tap.tmp())))
        with open(program, "w") as f:
            f.write(STARTER % (sys.executable, [fd for fd, _ in given], ":".join(n for _, n in given),
                               broker_program()))
        os.chmod(program, 0o755)
        return Broker(*arguments, env=dict(self.env(), **env or {}), program=program,
                      pass_fds=[fd for fd, _ in given], **keys)
