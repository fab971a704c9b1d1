"""A server started by itself, with no broker: for tests of the tests, and to compare."""

import signal
import subprocess

from . import proc, tap
from .clients import refused
from .ports import free_port


class Server:
    def __init__(self, command, ports=(), timeout=60):
        """
        `command` as for Broker: {port}, {port2} and {tmp} are filled in. `ports`: those that it
        names itself. Returns when it listens on all of them.
        """
        text = "\0".join(map(str, command))
        self.ports = list(ports)
        for key in ("{port}", "{port2}"):
            if key in text:
                self.ports.append(free_port())
                text = text.replace(key, str(self.ports[-1]))
        self.port = self.ports[0]
        self._before = proc.leftovers(tap.current().mark)
        self.process = subprocess.Popen(
            text.replace("{tmp}", tap.tmp()).split("\0"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            preexec_fn=proc.die_with_parent,
        )
        self.pid = self.process.pid
        tap.current().cleanups.append(self.stop)
        for port in self.ports:
            proc.wait_until(lambda p=port: not refused(p), timeout, "listening of %s" % command)

    def stop(self):
        """Ends it with all that came after it, also what has wandered off and forgotten its name."""
        for sig in (signal.SIGTERM, signal.SIGKILL):
            for pid in proc.leftovers(tap.current().mark):
                if pid not in self._before and proc.alive(pid):
                    try:
                        proc.send_signal(pid, sig)
                    except ProcessLookupError:
                        pass
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                continue
            proc.reap_adopted()
