"""A program on a terminal of its own, and what its screen shows."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from . import proc, tap
from .screen import Screen

FRAME_END = "\x1b[J"


class Terminal:
    """
    Terminal([program, argument...], columns=80, rows=24), then wait_for(...), type("q").

    The program has a controlling terminal, so that Ctrl-C (type("\\x03")) is a signal to it.
    `frames`: it draws the whole screen again and again, each time ending with `erase to the end`;
    then no condition ever sees half of one frame and half of the next.
    """

    def __init__(self, command, columns=80, rows=24, env=None, cwd=None, frames=False):
        self.screen = Screen(columns, rows)
        self._frames, self._waiting = frames, ""
        self.master, slave = pty.openpty()
        self._set_size()
        self.modes = termios.tcgetattr(slave)
        self._slave = slave

        def in_child():
            proc.die_with_parent()
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=cwd, preexec_fn=in_child,
            env={**{k: v for k, v in os.environ.items() if k != "NO_COLOR"},
                 "TERM": "xterm", **(env or {})},
        )
        self.pid = self.process.pid
        tap.current().cleanups.append(self._clean)
        tap.current().diagnostics.append(lambda: "--- the screen:\n" + self.screen.text())

    def _set_size(self):
        size = struct.pack("HHHH", self.screen.rows, self.screen.columns, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def resize(self, columns, rows):
        self.screen.resize(columns, rows)
        self._set_size()  # and the kernel sends SIGWINCH

    def type(self, keys):
        os.write(self.master, keys.encode())

    def _read(self, timeout):
        readable, _, _ = select.select([self.master], [], [], timeout)
        if readable:
            self._waiting += os.read(self.master, 65536).decode("utf-8", "replace")
        return bool(readable)

    def _draw(self, all=False):
        """Feeds the next frame, or all there is. False: there is none."""
        end = len(self._waiting)
        if self._frames and not all:
            end = self._waiting.find(FRAME_END) + len(FRAME_END)
            if end < len(FRAME_END):
                return False
        part, self._waiting = self._waiting[:end], self._waiting[end:]
        self.screen.feed(part)
        return bool(part)

    def wait_for(self, condition, timeout=20):
        """Reads what is drawn until condition(screen) holds; a text must be somewhere on it."""
        if isinstance(condition, str):
            wanted = condition
            condition = lambda screen: wanted in screen.text()
        deadline = time.monotonic() + timeout
        while not condition(self.screen):
            if self._draw():
                continue
            left = deadline - time.monotonic()
            assert left > 0, "not shown within %d s" % timeout
            self._read(left)

    def wait_exit(self, timeout=20):
        """The exit status, with all that was drawn read."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "still runs after %d s" % timeout
            self._read(0.02)
        while self._read(0):
            pass
        self._draw(all=True)
        return self.process.returncode

    def restored(self):
        """Whether the terminal's modes are what they were."""
        return termios.tcgetattr(self._slave) == self.modes

    def _clean(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self.master)
        os.close(self._slave)
