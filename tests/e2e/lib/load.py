"""The load client (tests/apps/load.c) as an object."""

import contextlib
import json
import os
import select
import subprocess
import time

from . import proc, tap
from .paths import BUILD


class Load:
    """
    Keeps `inflight` connections going against `port` until stop() or `total` answers.

        load = Load(port, inflight=32)
        load.wait_answers(200)
        load.stop()
        load.assert_clean()

    keepalive: requests per connection (0: one). path: may be "/slow?ms=5". Errors are counted, not
    raised: assert_clean() or the summary of stop() says what they were.
    """

    def __init__(
        self, port, inflight=32, mode="http", keepalive=0, total=None, path="/", address="127.0.0.1",
        request_timeout=30,
    ):
        program = os.path.join(BUILD, "apps", "load")
        argv = [program, "-a", address, "-c", str(inflight), "-m", mode, "-q", path]
        argv += ["-t", str(int(request_timeout * 1000)), "-T", str(tap.LIMIT_SECONDS)]
        argv += ["-k", str(keepalive)] if keepalive else []
        argv += ["-n", str(total)] if total else []
        self.inflight = inflight
        self.summary = None
        self._complaints = open(tap.tmp("load.%d.err" % id(self)), "w+b")
        self._unread = b""
        self._process = subprocess.Popen(
            argv + [str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            preexec_fn=proc.die_with_parent,
        )
        tap.current().cleanups.append(self._end)

    def _say(self, command):
        try:
            self._process.stdin.write(command.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended by itself: the summary waits to be read

    def _hear(self, timeout):
        deadline = time.monotonic() + timeout
        fd = self._process.stdout.fileno()
        while b"\n" not in self._unread:
            ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
            part = os.read(fd, 65536) if ready else b""
            if not part:
                why = "has ended" if ready else "is silent for %g s" % timeout
                raise AssertionError("the load client %s\n%s" % (why, self.complaints()))
            self._unread += part
        line, self._unread = self._unread.split(b"\n", 1)
        status = json.loads(line)
        status["pids"] = {int(pid): n for pid, n in status["pids"].items()}
        if status["event"] == "done":
            self.summary = status
        return status

    def complaints(self):
        self._complaints.seek(0)
        return self._complaints.read().decode("utf-8", "replace").strip()

    def status(self):
        if self.summary:
            return self.summary
        self._say("status")
        return self._hear(10)

    def wait_answers(self, n, timeout=60):
        """Returns the status once at least `n` more right answers have come."""
        before = self.status()
        if not self.summary:
            self._say("more %d" % n)
            status = self._hear(timeout)
            if status["answers"] >= before["answers"] + n:
                return status
        raise AssertionError(
            "the load ended after %d answers and %d failures while %d more were awaited\n%s"
            % (self.summary["answers"], self.summary["failed"], n, self.complaints())
        )

    def wait_pids(self, n=100):
        """{pid: answers} of the next `n` answers and those on the way with them."""
        before = self.status()["pids"]
        after = self.wait_answers(n)["pids"]
        return {pid: m - before.get(pid, 0) for pid, m in after.items() if m > before.get(pid, 0)}

    def stop(self, timeout=60):
        """Lets what is in flight finish and returns the summary."""
        if not self.summary:
            self._say("stop")
            while not self.summary:
                self._hear(timeout)
            self._process.wait(10)
        return self.summary

    def wait_end(self, timeout=60):
        """For a run with `total`: returns the summary."""
        while not self.summary:
            self._hear(timeout)
        self._process.wait(10)
        return self.summary

    def assert_clean(self):
        """Every connection got exactly one right answer."""
        summary = self.stop()
        errors = {kind: n for kind, n in summary["errors"].items() if n}
        assert not errors, "of %d connections failed %s\n%s" % (
            summary["connections"], errors, self.complaints(),
        )
        assert summary["answers"] > 0, "the load got no answer at all"

    def _end(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # it may have ended before it read its last command
        self._process.stdout.close()
        self._complaints.close()
