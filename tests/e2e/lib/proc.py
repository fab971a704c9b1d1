"""Processes as the kernel shows them: trees, descriptors, states, signals. Nothing here waits long."""

import collections
import ctypes
import os
import re
import signal
import threading
import time

from . import sockdiag

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MARK = "TAP_TEST_ID"  # in the environment of everything that a test starts

_libc = ctypes.CDLL(None, use_errno=True)
_never = threading.Event()


def become_subreaper():
    """Orphans of a test become our children, so that none can hide from the check at its end."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent():
    """For preexec_fn: a test program that is killed takes what it started with it."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def wait_until(condition, timeout=30, what=None):
    """
    For states that have no event to wait for (/proc, mostly). Returns the first true value of
    condition(); raises AssertionError when `timeout` seconds have passed.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            what = what() if callable(what) else what
            raise AssertionError("not within %g s: %s" % (timeout, what or condition.__name__))
        _never.wait(0.01)


def send_signal(pid, sig):
    # kill(-1) and kill(0) reach everything we may signal: no test may ever get there by accident.
    assert isinstance(pid, int) and pid > 1 and pid != os.getpid(), "refusing to signal %r" % (pid,)
    os.kill(pid, sig)


def _read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def stat(pid):
    """(state, parent) of a process; (None, 0) when it is gone."""
    text = _read("/proc/%d/stat" % pid)
    if not text:
        return None, 0
    fields = text[text.rindex(b")") + 2 :].split()
    return fields[0].decode(), int(fields[1])


def alive(pid):
    return stat(pid)[0] not in (None, "Z", "X")


def command_line(pid):
    text = _read("/proc/%d/cmdline" % pid).replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return text or _read("/proc/%d/comm" % pid).decode("utf-8", "replace").strip()


def name(pid):
    return _read("/proc/%d/comm" % pid).decode("utf-8", "replace").rstrip("\n")


def child_named(parent, word):
    """The child of `parent` that has this name now, or None."""
    return next((pid for pid, of in parents().items() if of == parent and name(pid) == word), None)


def environment(pid):
    pairs = _read("/proc/%d/environ" % pid).decode("utf-8", "replace").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def parents():
    """One snapshot {pid: parent} of all processes."""
    return {pid: stat(pid)[1] for pid in pids()}


def descendants(root, snapshot=None):
    """All processes below `root`, without itself, parents before children."""
    children = collections.defaultdict(list)
    for pid, parent in (snapshot or parents()).items():
        children[parent].append(pid)
    found, todo = [], list(children[root])
    while todo:
        pid = todo.pop(0)
        found.append(pid)
        todo += children[pid]
    return found


def top_below(ancestor, pid, snapshot=None):
    """The child of `ancestor` in whose tree `pid` is, or None."""
    snapshot = snapshot or parents()
    for _ in range(len(snapshot)):
        parent = snapshot.get(pid, 0)
        if parent == ancestor:
            return pid
        if parent <= 1:
            return None
        pid = parent
    return None


def marked(mark):
    """Processes that carry `mark`, however far they have wandered; zombies have no environment."""
    want = ("%s=%s" % (MARK, mark)).encode()
    return [
        pid
        for pid in pids()
        if pid != os.getpid() and want in _read("/proc/%d/environ" % pid).split(b"\0")
    ]


def leftovers(mark):
    return sorted(set(pid for pid in descendants(os.getpid()) + marked(mark) if pid > 1))


def reap_adopted():
    """Collects orphans that came to us and have ended. Only when nobody waits for a child by pid."""
    for pid in descendants(os.getpid()):
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


def describe(pid):
    state, parent = stat(pid)
    return "pid %d (state %s, parent %d): %s" % (pid, state, parent, command_line(pid)[:150])


def fds(pid):
    """{descriptor: what it is}, inode numbers removed: "socket", "pipe", "anon_inode:[eventpoll]"."""
    found = {}
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            target = os.readlink("/proc/%d/fd/%s" % (pid, name))
        except OSError:
            continue
        found[int(name)] = re.sub(r"^(socket|pipe):\[\d+\]$", r"\1", target)
    return found


def fd_kinds(pid):
    return collections.Counter(fds(pid).values())


def socket_inodes(pid):
    found = set()
    try:
        for name in os.listdir("/proc/%d/fd" % pid):
            target = os.readlink("/proc/%d/fd/%s" % (pid, name))
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    except OSError:
        pass
    return found


def unix_connections(path):
    """The inodes of the accepted sockets of a Unix socket: these have its path."""
    lines = [line.split(None, 7) for line in _read("/proc/net/unix").decode().splitlines()[1:]]
    return {int(line[6]) for line in lines if line[7:] == [path] and line[5] == "03"}


def held_connections(processes, port):
    """How many TCP connections of local `port`, or of a Unix path, these processes hold among them."""
    if isinstance(port, str):
        connections = unix_connections(port)
    else:
        connections = {s.inode for s in sockdiag.tcp(port, sockdiag.CONNECTED)}
    held = set()
    for pid in processes:
        held |= socket_inodes(pid) & connections
    return len(held)


def listens(pid, port):
    """Whether the process really has a listening TCP socket of its own on `port`."""
    return bool(socket_inodes(pid) & {s.inode for s in sockdiag.tcp(port, [sockdiag.LISTEN])})


def _stopped(pid):
    try:
        tasks = os.listdir("/proc/%d/task" % pid)
    except OSError:
        return True
    for task in tasks:
        text = _read("/proc/%d/task/%s/stat" % (pid, task))
        if text and text[text.rindex(b")") + 2 : text.rindex(b")") + 3] not in b"TtZX":
            return False
    return True


def stop_process(pid):
    """SIGSTOP, returning when every thread has stopped."""
    send_signal(pid, signal.SIGSTOP)
    wait_until(lambda: _stopped(pid), 10, lambda: "stop of " + describe(pid))


def stop_tree(pid):
    """
    Stops `pid` and everything below it, parents first, and returns all of them. A process that is
    forked meanwhile is found by looking again until nothing new appears.
    """
    stopped = []
    for _ in range(100):
        new = [p for p in [pid] + descendants(pid) if p not in stopped and alive(p)]
        if not new:
            return stopped
        for p in new:
            try:
                stop_process(p)
                stopped.append(p)
            except ProcessLookupError:
                pass
    raise AssertionError("the tree of pid %d grows faster than it can be stopped" % pid)


def kill_all(mark, timeout=10):
    """Ends whatever a failed test has left. Bounded; returns what would not die."""

    def gone():
        for pid in leftovers(mark):
            if alive(pid):
                try:
                    send_signal(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        reap_adopted()
        return not [pid for pid in leftovers(mark) if alive(pid)]

    try:
        wait_until(gone, timeout)
    except AssertionError:
        pass
    return [pid for pid in leftovers(mark) if alive(pid)]
