"""What breaks things on purpose, and what shows the harm: limits, tracers, sockets, time used."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys

from . import proc, sockdiag, tap
from .clients import connect, read_answer, send_request

PTRACE_CONT, PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 7, 17, 0x4206, 0x4207
WALL = 0x40000000  # __WALL

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


# --- connections, as the kernel counts them ------------------------------------------------


def kill_both_while_eight_wait(broker):
    """
    Of a broker with two workers that have a stall_timeout of an hour and know /slow: what waits in
    their channels when both are killed is answered by the next ones.
    """
    busy = [connect(broker.port) for _ in range(2)]
    for sock in busy:
        send_request(sock, "/slow?ms=100000")
    pids = broker.worker_pid("web.0"), broker.worker_pid("web.1")
    assert proc.wait_until(lambda: all(proc.held_connections([p], broker.port) == 1 for p in pids))
    # Both workers are busy now: what comes from here on waits in their channels.
    waiting = [connect(broker.port) for _ in range(8)]
    for n, sock in enumerate(waiting):
        send_request(sock, "/?id=%d" % n)
    proc.wait_until(lambda: proc.held_connections([broker.main_pid], broker.port) == 0)
    for pid in pids:
        proc.send_signal(pid, signal.SIGKILL)
    assert [read_answer(sock).id for sock in waiting] == [str(n) for n in range(8)]
    taken = sum(e["count"] for e in broker.events("taken-back"))
    assert taken >= 8, taken
    for sock in waiting + busy:
        sock.close()


def server_sockets(port):
    """Inodes of the server's side of the connections to `port`; 0: not accepted yet."""
    # CLOSE_WAIT: the client has ended its side
    return [s.inode for s in sockdiag.tcp(port, (sockdiag.ESTABLISHED, sockdiag.CLOSE_WAIT))]


def in_backlog(port):
    """Connections that nobody has accepted yet."""
    return server_sockets(port).count(0)


def on_the_way(port, processes):
    """Connections that the broker accepted and that are in none of `processes`: in a channel."""
    accepted = [inode for inode in server_sockets(port) if inode != 0]
    return len(accepted) - proc.held_connections(processes, port)


def copy_descriptor(pid, fd):
    """A copy of descriptor `fd` of process `pid`; negative: it cannot be had."""
    pidfd = os.pidfd_open(pid)
    try:
        return _libc.syscall(438, pidfd, fd, 0)  # pidfd_getfd(2)
    finally:
        os.close(pidfd)


# --- a kernel that lacks something -----------------------------------------------------------

# Executes a program with a filter of its own: of one call, or of it with one first argument.
FILTERED = """#!%s
import ctypes, os, struct, sys
steps = ((0x20, 0, 0, 0), (0x15, 0, 3, %d), (0x20, 0, 0, 16), (%d, 0, 1, %d), (6, 0, 0, %d), (6, 0, 0, 0x7fff0000))
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
program = struct.pack("HP", len(steps), ctypes.addressof(code))
libc = ctypes.CDLL(None)
if %d == 101 and "ASAN_OPTIONS" in os.environ:  # ptrace(2), with which leaks are looked for
    os.environ["ASAN_OPTIONS"] += ":detect_leaks=0"
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execv("%s", ["broker"] + sys.argv[1:])
"""


def filtered(program, number, action, argument=None):
    """A program that is `program`, but for its call `number`: of that `action` is the result."""
    equals, at_least = 0x15, 0x35  # ... which any is, of 0
    test = (at_least, 0) if argument is None else (equals, argument)
    return tap.write_file("broker", FILTERED % (sys.executable, number, *test, action, number, program), 0o755)


# --- processes -----------------------------------------------------------------------------


def cpu_ticks(pid):
    """User and system time of a process, in 1/100 s."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def resident_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


@contextlib.contextmanager
def descriptor_limit(pid, soft):
    """The soft limit of open descriptors of a running process, for a while."""
    before = _nofile(pid)
    _set_nofile(pid, "%d:%s" % (soft, before[1]))
    try:
        yield
    finally:
        _set_nofile(pid, ":".join(before))


def _nofile(pid):
    with open("/proc/%d/limits" % pid) as f:
        line = next(line for line in f if line.startswith("Max open files"))
    return line.split()[3:5]


def _set_nofile(pid, limits):
    # As the owner of the process: root without CAP_SYS_RESOURCE may not do it for another.
    with open("/proc/%d/status" % pid) as f:
        ids = {line.split()[0]: int(line.split()[1]) for line in f if line[:4] in ("Uid:", "Gid:")}
    as_owner = {}
    if ids["Uid:"] != os.geteuid():
        as_owner = dict(user=ids["Uid:"], group=ids["Gid:"], extra_groups=[])
    subprocess.run(["prlimit", "--pid", str(pid), "--nofile=" + limits], check=True, **as_owner)


def open_descriptors(pid):
    """Their numbers."""
    return sorted(int(name) for name in os.listdir("/proc/%d/fd" % pid))


# --- a debugger ----------------------------------------------------------------------------


def _ptrace(request, pid):
    if _libc.ptrace(request, pid, None, None) < 0:
        error = ctypes.get_errno()
        raise OSError(error, "ptrace(%#x): %s" % (request, os.strerror(error)))


@contextlib.contextmanager
def traced(pid):
    """The process stands at a debugger's prompt: state "t" with a tracer, which is us."""
    _ptrace(PTRACE_SEIZE, pid)
    _ptrace(PTRACE_INTERRUPT, pid)
    got, status = os.waitpid(pid, WALL)
    assert got == pid and os.WIFSTOPPED(status), (got, status)
    assert proc.stat(pid)[0] == "t", proc.stat(pid)
    try:
        yield
    finally:
        if proc.alive(pid):
            _ptrace(PTRACE_DETACH, pid)


@contextlib.contextmanager
def watched(pid):
    """A tracer has the process, which is us, and lets it run: as after gdb's `continue`."""
    _ptrace(PTRACE_SEIZE, pid)
    try:
        yield
    finally:
        if proc.alive(pid):
            _ptrace(PTRACE_INTERRUPT, pid)
            os.waitpid(pid, WALL)
            if proc.alive(pid):
                _ptrace(PTRACE_DETACH, pid)


# --- system calls that fail ----------------------------------------------------------------


def end_strace(pid):
    """By SIGINT; it misses one that comes just before its wait4(2), and gets another one."""

    def ended():
        if proc.alive(pid):
            proc.send_signal(pid, signal.SIGINT)
        return not proc.alive(pid)

    proc.wait_until(ended, 10, "the end of strace %d" % pid)


class Strace:
    """
    strace(1) attached to a running process, itself and not its children, unless `follow`:

        with Strace(broker.main_pid, "accept4", inject="accept4:error=EMFILE:when=1..20") as s:
            ...
        s.lines("EMFILE")
    """

    def __init__(self, pid, calls, inject=None, follow=False):
        if not shutil.which("strace"):
            tap.skip("needs strace(1)")
        with open(shutil.which("strace"), "rb") as f:
            if "delay" in str(inject) and b"(DELAYED)" not in f.read():
                tap.skip("needs a strace(1) that says what it delays")
        self._file = tap.tmp("strace.%d" % id(self))
        argv = ["strace", "-p", str(pid), "-o", self._file, "-e", "trace=" + calls]
        argv += ["-f"] if follow else []
        for one in [inject] if isinstance(inject, str) else inject or []:
            argv += ["-e", "inject=" + one]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=proc.die_with_parent
        )
        tap.current().cleanups.append(self.detach)
        said = self._process.stderr.readline().decode()
        assert "attached" in said, "strace says: " + said

    def detach(self):
        end_strace(self._process.pid)
        self._process.wait(10)
        self._process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.detach()

    def lines(self, *words):
        """What it has written so far, of lines with all these words."""
        try:
            with open(self._file) as f:
                return [line for line in f if all(word in line for word in words)]
        except OSError:
            return []
