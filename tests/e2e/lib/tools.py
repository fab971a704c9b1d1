"""Real debuggers, driven as a person would: one line is typed, its answer is awaited."""

import os
import re
import select
import shutil
import signal
import subprocess
import time

from . import proc, tap
from .broker import clean_environment
from .ctl import BROKERCTL, ctl
from .paths import BUILD


# Not debuggers, but what is debugged: for these there is `make check-apps`.
APPS = ("node", "java", "jstack")


def is_required(name):
    return os.environ.get("BROKER_TOOLS_REQUIRED") == "1" and name not in APPS


def need(*names):
    """
    Skips the test if one of these programs is not here, or if nobody may attach to a process. With
    BROKER_TOOLS_REQUIRED=1 in the environment the test fails instead: nothing is left out unseen.
    """
    missing = [name for name in names if not shutil.which(name)]
    why = "needs %s" % ", ".join("%s(1)" % name for name in missing) if missing else _forbidden()
    if not why:
        return
    assert not any(map(is_required, missing or names)), why
    tap.skip(why)


def _forbidden():
    """Yama lets a process be attached to by its ancestors only (1), by root only (2), by nobody (3)."""
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope") as f:
            scope = int(f.read())
    except OSError:
        return None
    if scope == 0 or (scope < 3 and os.geteuid() == 0):
        return None
    return "kernel.yama.ptrace_scope is %d" % scope


def control_of(broker):
    return os.path.join(broker.run_dir, "control")


def brokerctl(broker, *words):
    """Runs it to its end. Has .returncode .stdout .stderr."""
    return ctl("-s", control_of(broker), *words)


def debug(broker, worker, *options):
    """What to type before a debugger that brokerctl shall start."""
    return (BROKERCTL, "-s", control_of(broker), "debug", worker) + options + ("--",)


def join(broker, *options, service="web"):
    """What to type before a program that shall be a guest."""
    shim = os.path.join(BUILD, "worker-shim")
    return (shim, "--join", control_of(broker), "--service", service) + options + ("--",)


class Tool:
    """
    A program at the other end of two pipes:

        gdb = Gdb("-p", str(pid))
        gdb.ask("bt")
        gdb.say("continue")
        gdb.expect("Breakpoint 1")
        gdb.end()
    """

    def __init__(self, *argv):
        self.name = os.path.basename(argv[0])
        self.output = b""  # all that it has written
        self._seen = 0
        self.process = subprocess.Popen(
            [str(a) for a in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment({"TERM": "dumb", "DEBUGINFOD_URLS": ""}),
            preexec_fn=proc.die_with_parent,
        )
        self.pid = self.process.pid
        tap.current().cleanups.append(self._clean)
        tap.current().diagnostics.append(
            lambda: "--- the end of what %s wrote:\n%s" % (self.name, self.text()[-2000:])
        )

    def text(self):
        return self.output.decode("utf-8", "replace")

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def _read(self, deadline):
        """More of its output; False at its end, or when the time is over."""
        fd = self.process.stdout.fileno()
        ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
        part = os.read(fd, 65536) if ready else b""
        self.output += part
        return bool(part)

    def expect(self, pattern, timeout=30):
        """The first match of the expression in what it wrote since the last one that was expected."""
        deadline = time.monotonic() + timeout
        while True:
            text = self.output[self._seen :].decode("utf-8", "replace")
            found = re.search(pattern, text, re.M)
            if found:
                self._seen += len(text[: found.end()].encode())
                return found
            assert self._read(deadline), "%s did not write %r; it wrote:\n%s" % (
                self.name, pattern, self.text()[-2000:],
            )

    def signal(self, sig):
        proc.send_signal(self.pid, sig)

    def end(self, code=0, timeout=30):
        """Nothing more will be typed; it must end with this exit code."""
        self.process.stdin.close()
        deadline = time.monotonic() + timeout
        while self._read(deadline):
            pass
        got = self.process.wait(max(0.1, deadline - time.monotonic()))
        assert got == code, "%s ended with %d, want %d:\n%s" % (
            self.name, got, code, self.text()[-2000:],
        )
        return self.text()

    def _clean(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


PROMPT = r"^\(gdb\) "


class Gdb(Tool):
    """gdb at its prompt. .gdb_pid is gdb itself, also if another program has started it."""

    OPTIONS = ["-q", "-nx", "-ex", "set confirm off", "-ex", "set pagination off"]

    def __init__(self, *arguments, through=()):
        super().__init__(*through, "gdb", *self.OPTIONS, *arguments)
        self.expect(PROMPT, 60)
        below = [p for p in proc.descendants(self.pid) if proc.command_line(p).startswith("gdb ")]
        self.gdb_pid = below[0] if below else self.pid

    def ask(self, line, timeout=30):
        """Types a line, and returns what is written up to the next prompt."""
        before = self._seen
        self.say(line)
        self.expect(PROMPT, timeout)
        return self.output[before : self._seen].decode("utf-8", "replace")

    def wait_breakpoint(self, function, timeout=30):
        """Until it stands at a breakpoint at the begin of `function`, with a prompt."""
        self.expect(r"Breakpoint \d+, (0x\w+ in )?%s " % function, timeout)
        self.expect(PROMPT)

    def interrupt(self):
        """As ^C while the program runs."""
        proc.send_signal(self.gdb_pid, signal.SIGINT)
        self.expect(PROMPT)

    def resume(self):
        """`continue`; returns when the program runs."""
        self.say("continue")
        self.expect(r"^Continuing\.$")

    def quit(self, code=0):
        """Lets go of the program, if it has not yet, and ends."""
        self.say("quit")
        return self.end(code)
