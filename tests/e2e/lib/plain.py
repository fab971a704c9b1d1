"""A broker started with exactly the arguments that a user types, its log as it comes."""

import os
import re
import select
import signal as signals
import subprocess

from . import proc, tap
from .broker import clean_environment, kill_both, main_pid
from .eventlog import EventLog
from .paths import broker_program


class Plain:
    """
    Plain("-w", "2", "--", *app("srv_poll", port)), and returns when all services are ready.

    Broker is for configurations; this is for what is around them: the command line, text logs,
    what the broker was started with. `prepare` runs in the child before exec, `keep` are
    descriptors that it inherits. At its end the test stops it, and it must end with 0.
    """

    def __init__(
        self, *arguments, program=None, ready=True, env=None, cwd=None, prepare=None, keep=()
    ):
        log_read, log_write = os.pipe()
        out_read, out_write = os.pipe()
        ready_read, ready_write = os.pipe()

        def in_child():
            proc.die_with_parent()
            if prepare:
                prepare()

        try:
            self.process = subprocess.Popen(
                [program or broker_program(), "--ready-fd", str(ready_write)]
                + [str(a) for a in arguments],
                stdin=subprocess.DEVNULL,
                stdout=out_write,
                stderr=log_write,
                pass_fds=(ready_write,) + tuple(keep),
                env=clean_environment(env),
                cwd=cwd,
                preexec_fn=in_child,
            )
        finally:
            for fd in (log_write, out_write, ready_write):
                os.close(fd)
        self.pid = self.process.pid
        self.log, self.stdout = EventLog(log_read), EventLog(out_read)
        self._ready_fd = ready_read
        context = tap.current()
        context.cleanups.append(self._clean)
        context.finishers.append(self._finish)
        context.diagnostics.append(lambda: "--- the end of its log:\n" + self.log.tail())
        if ready:
            assert self.said(60) == b"ready\n", "not ready"

    main_pid = property(main_pid)

    def said(self, timeout):
        """What came on --ready-fd: b"" at its end, None if nothing has come."""
        readable, _, _ = select.select([self._ready_fd], [], [], timeout)
        return os.read(self._ready_fd, 64) if readable else None

    def signal(self, sig):
        proc.send_signal(self.pid, sig)

    def wait_line(self, pattern, count=1, timeout=30):
        """The `count`-th line of the log that the expression matches, as its match."""
        found = []

        def there():
            found[:] = filter(None, (re.search(pattern, line) for line in self.log.lines()))
            return len(found) >= count

        proc.wait_until(there, timeout, lambda: "line %d of %r" % (count, pattern))
        return found[count - 1]

    def wait_exit(self, timeout=60):
        return self.process.wait(timeout)

    def stop(self, sig=signals.SIGTERM, code=0):
        if self.process.poll() is None:
            self.signal(sig)
            assert self.wait_exit() == code, "ended with %s" % self.process.returncode
            self.log.close()

    def _finish(self):
        if self.process.poll() is None:
            self.stop()

    def _clean(self):
        if self.process.poll() is None:
            kill_both(self)
        os.close(self._ready_fd)
