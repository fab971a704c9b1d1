"""A guest: a worker that the test has started by hand, and that the broker must leave alone."""

import os
import signal as signals
import subprocess

from . import proc, tap
from .broker import clean_environment
from .paths import BUILD


class Guest:
    """
    worker-shim --join ... -- COMMAND. Returns once the broker says that it has joined, or with
    `ready` that it listens; .name is its name, .pid its process. Ended at the end of the test.
    """

    def __init__(self, broker, command, *options, service="web", ready=True, env=None):
        self.broker = broker
        mark = broker.mark()
        # A file: what outlives the guest would keep a pipe open.
        self._output = open(tap.tmp("guest.%d.out" % id(self)), "w+b")
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "worker-shim"), "--join", os.path.join(broker.run_dir, "control"),
             "--service", service, *options, "--", *map(str, command)],
            stdin=subprocess.PIPE, stdout=self._output, stderr=subprocess.STDOUT,
            env=clean_environment(env), preexec_fn=proc.die_with_parent,
        )
        self.pid = self.process.pid
        tap.current().finishers.append(self.end)
        tap.current().cleanups.append(self.end)
        try:
            event = broker.wait_event("guest-join", since=mark, pid=self.pid)
        except AssertionError as error:
            self.end()
            raise AssertionError("%s; it says %r" % (error, self.output)) from None
        self.name = event["worker"]
        if ready:
            broker.wait_event("worker-ready", since=mark, worker=self.name)

    def alive(self):
        return self.process.poll() is None

    def signal(self, sig):
        proc.send_signal(self.pid, sig)

    def wait(self, timeout=30):
        """Its exit code, as the test and nobody else collects it."""
        return self.process.wait(timeout)

    def end(self, sig=signals.SIGKILL):
        if self.alive():
            self.signal(sig)
        self.process.wait(30)
        if not self._output.closed:
            self._output.seek(0)
            self.output = self._output.read().decode("utf-8", "replace")
            self._output.close()
            self.process.stdin.close()
        return self.process.returncode
