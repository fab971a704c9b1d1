"""A broker under test."""

import contextlib
import os
import select
import shlex
import signal as signals
import subprocess
import time

from . import proc, tap
from .eventlog import EventLog
from .paths import APPS, broker_program
from .ports import free_port

LEDGER = ("accepted", "sent", "taken_back", "moved", "client_gone", "refused")


def clean_environment(extra=None):
    """Ours, without what would configure a broker by accident."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("BROKER_")}
    env.pop("WORKER_COUNT", None)
    env.update(extra or {})
    return env


def broker_cli(*arguments, timeout=30, cwd=None, env=None):
    """Runs the broker to its end; for messages and exit codes. Has .returncode .stdout .stderr."""
    return subprocess.run(
        [broker_program()] + [str(a) for a in arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=timeout,
        cwd=cwd,
        env=clean_environment(env),
        text=True,
        preexec_fn=proc.die_with_parent,
    )


def main_pid(broker):
    """
    The process that serves: .pid, its parent, starts processes and passes signals on. 0 once both
    have ended, if it was not asked for before.
    """
    found = broker.__dict__.get("_main_pid")
    if not found or (not proc.alive(found) and proc.alive(broker.pid)):
        here = lambda: proc.child_named(broker.pid, "broker-main")
        found = proc.wait_until(lambda: here() or broker.process.poll() is not None, 10, "the broker")
        broker._main_pid = found = 0 if found is True else found
    return found


def kill_main(broker):
    """The broker and its shadow. Which there were."""
    main = proc.child_named(broker.pid, "broker-main")
    if main:
        proc.send_signal(main, signals.SIGSTOP)  # it makes no other shadow
    # A shadow that has just begun has no name of its own yet.
    own = proc.descendants(main) if main else []
    killed = own or [pid for pid in [proc.child_named(broker.pid, "broker-shadow")] if pid]
    killed += [main] if main else []
    for pid in killed:
        proc.send_signal(pid, signals.SIGKILL)
    return killed


def kill_both(broker):
    """Whatever is left of it. The parent of one that was killed ends the workers, and then itself."""
    killed = kill_main(broker)
    broker.process.send_signal(signals.SIGKILL if killed else signals.SIGTERM)
    try:
        broker.process.wait(10)
    except subprocess.TimeoutExpired:
        broker.process.kill()
        broker.process.wait(10)


class Broker:
    """
    Writes a configuration, starts a broker with it and returns when all services are ready.

        Broker(["node", "app.js", "{port}"], workers=4, drain_timeout="2s")
        Broker(text="[service:web]\\ncommand = node app.js {port}\\n[service:api]...")

    Keywords are keys of the one service (a list repeats the key); `broker` is a dict of keys of
    the [broker] section. In both forms {port}, {port2}... are free ports (.port, .port2), {apps}
    is where our servers are and {tmp} the directory of the test.

    A test need not stop its broker: at the end of a test that passed, stop() checks that it ends
    as it should. wait_ready=False returns as soon as the process runs.
    """

    takeovers = 0  # so often it may end in the middle, and its shadow goes on

    def __init__(
        self, command=None, text=None, name="web", broker=None, wait_ready=True, env=None, cwd=None,
        arguments=(), timeout=60, program=None, pass_fds=(), **service
    ):
        self.program = program or broker_program()
        self.dir = tap.tmp("broker.%d" % id(self))
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o755)
        self.run_dir = os.path.join(self.dir, "run")
        self.file = os.path.join(self.dir, "broker.ini")
        self._ports = {}
        self.stopped = None  # the ledger, once stop() has returned it
        self.configure(command, text, name, broker, **service)
        self._start(list(arguments), env, cwd, pass_fds)
        if wait_ready:
            self.wait_ready(timeout)
            # Its first words are read, so that settle() knows that it logs to us.
            if "log" not in (broker or {}):
                self.log.wait(["broker-start"])

    # --- configuration -----------------------------------------------------------------------

    def configure(self, command=None, text=None, name="web", broker=None, **service):
        """(Re)writes the file; hup() or reload_and_wait() makes the broker read it."""
        if text is None:
            service = dict(service, command=" ".join(shlex.quote(str(a)) for a in command))
            text = "[service:%s]\n%s" % (name, _keys(service))
        own = {"log_format": "json", "log_level": "debug", "run_dir": self.run_dir}
        if "[broker]" in text:
            text = text.replace("[broker]\n", "[broker]\n" + _keys(dict(own, **broker or {})), 1)
        else:
            text = "[broker]\n%s\n%s" % (_keys(dict(own, **broker or {})), text)
        # Most tests wait for the end of a reload, and would all wait for the probation, too.
        if "probation" not in text and "[defaults]" in text:
            text = text.replace("[defaults]\n", "[defaults]\nprobation = 0\n", 1)
        elif "probation" not in text:
            text += "\n[defaults]\nprobation = 0\n"
        self.write_file(self._fill_in(text))

    def write_file(self, text):
        """The file exactly as given, wrong or not. Replaced in one step, as an editor would."""
        with open(self.file + ".new", "w") as f:
            f.write(text)
        os.rename(self.file + ".new", self.file)

    def _fill_in(self, text):
        text = text.replace("{apps}", APPS).replace("{tmp}", tap.tmp())
        for n in range(1, 10):
            key = "port" if n == 1 else "port%d" % n
            if "{%s}" % key in text:
                if key not in self._ports:
                    self._ports[key] = free_port()
                text = text.replace("{%s}" % key, str(self._ports[key]))
        return text

    def __getattr__(self, key):
        ports = self.__dict__.get("_ports", {})
        if key in ports:
            return ports[key]
        raise AttributeError(key)

    # --- the process -------------------------------------------------------------------------

    def _start(self, arguments, env, cwd, pass_fds=()):
        context = tap.current()
        log_read, log_write = os.pipe()
        self._ready_fd, ready_write = os.pipe()
        try:
            self.process = subprocess.Popen(
                [self.program, "-c", self.file, "--ready-fd", str(ready_write)] + arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log_write,
                pass_fds=(ready_write, *pass_fds),
                env=clean_environment(env),
                cwd=cwd,
                preexec_fn=proc.die_with_parent,
            )
        except BaseException:
            os.close(log_read)
            os.close(self._ready_fd)
            raise
        finally:
            os.close(log_write)
            os.close(ready_write)
        self.pid = self.process.pid
        self.log = EventLog(log_read)
        self.stdout = EventLog(os.dup(self.process.stdout.fileno()))
        context.finishers.append(self._finish)
        context.cleanups.append(self._clean)
        context.diagnostics.append(
            lambda: "--- the end of the broker's log (pid %d):\n%s" % (self.pid, self.log.tail())
        )

    main_pid = property(main_pid)

    def below(self):
        """Its workers, and all that is below them."""
        main = proc.child_named(self.pid, "broker-main")
        own = [main, *proc.descendants(main)] if main else []
        return [pid for pid in proc.descendants(self.pid) if pid not in own]

    def wait_ready(self, timeout=60):
        """By the descriptor: "ready" when all services are, and then its end."""
        deadline, said = time.monotonic() + timeout, b""
        while True:
            left = max(0, deadline - time.monotonic())
            readable, _, _ = select.select([self._ready_fd], [], [], left)
            assert readable, "no end of --ready-fd in %g s; it said %r" % (timeout, said)
            part = os.read(self._ready_fd, 64)
            if not part:
                break
            said += part
        assert said == b"ready\n", "the broker is not ready, it said %r on --ready-fd" % said

    def wait_exit(self, timeout=60):
        """The exit code (negative: the signal). After a start that failed, all that was said is read."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("the broker still runs after %g s" % timeout) from None
        if code > 0:
            self.log.close()
        return code

    def signal(self, sig):
        assert self.process.poll() is None, "the broker has ended: %s" % self.process.returncode
        proc.send_signal(self.pid, sig)

    def signal_again(self, sig):
        """A second request to end: repeated until it is not taken for the first any more."""
        mark = self.mark()

        def counts():
            if self.process.poll() is None:
                self.signal(sig)
            said = self.log.find(["broker-stopping"], mark)
            return [e for e in said if "second request" in e["message"]]

        proc.wait_until(counts, 10, "a second request")

    def stop(self, sig=signals.SIGTERM, code=0, timeout=60):
        """
        Ends the broker in order and returns its ledger. Checks the exit code, that the ledger
        balances, that nothing is left of its run directory and that no process is left below us.
        """
        if self.stopped is not None:
            return self.stopped
        self.signal(sig)
        return self.wait_stopped(code, timeout)

    def wait_stopped(self, code=0, timeout=60):
        """stop() for a broker that was told to end already."""
        got = self.wait_exit(timeout)
        self.log.close()
        assert got == code, "the broker ended with %s, want %s" % (got, code)
        assert not os.path.exists(self.run_dir), "left in the run directory: %s" % (
            os.listdir(self.run_dir),
        )
        last = self.log.find(["broker-stop"])
        assert len(last) == 1, "%d events broker-stop" % len(last)
        ledger = {key: last[0][key] for key in LEDGER}
        kept = ledger["sent"] - ledger["taken_back"]
        assert ledger["accepted"] + ledger["moved"] == kept + ledger["client_gone"] + ledger["refused"], (
            "the ledger does not balance: %s" % ledger
        )
        self.stopped = ledger
        return ledger

    def kill(self):
        """SIGKILL, and nobody goes on in its place. Its parent ends when the workers have."""
        killed = kill_main(self)
        proc.wait_until(lambda: not any(proc.alive(pid) for pid in killed), 10, "the end of the broker")
        self.stopped = {}

    def _finish(self):
        if self.stopped is None and self.process.poll() is None:
            self.stop()
        got = len(self.log.find(["taken-over"]))
        assert got == self.takeovers, "the broker ended in the middle %d times, want %d" % (
            got, self.takeovers)

    def _clean(self):
        if self.process.poll() is None:
            kill_both(self)
        self.process.stdout.close()
        if self._ready_fd >= 0:
            os.close(self._ready_fd)
            self._ready_fd = -1

    # --- events ------------------------------------------------------------------------------

    def settle(self):
        """
        Waits until we have read all that it has logged so far: it may be ahead of us. A broker
        that is stopped, or logs elsewhere, is left alone.
        """
        if self.log.mark() and proc.alive(self.main_pid) and proc.stat(self.main_pid)[0] not in "Tt":
            before = len(self.log.find(["log-reopened"]))
            self.signal(signals.SIGUSR1)
            self.log.wait(["log-reopened"], count=before + 1)

    def mark(self):
        """Now, as a position in the log: wait_event(..., since=mark) sees only what follows."""
        self.settle()
        return self.log.mark()

    def wait_event(self, word, since=0, timeout=30, count=1, **fields):
        """The first (`count`-th) event of that word with those fields, from position `since`."""
        return self.log.wait([word], since, timeout, count, **fields)

    def events(self, word, since=0, **fields):
        """All such events up to now."""
        self.settle()
        return self.log.find([word], since, fields)

    # --- doing things to it ------------------------------------------------------------------

    def hup(self):
        self.signal(signals.SIGHUP)

    def reload_and_wait(self, timeout=60, want="reload-done", **fields):
        """
        SIGHUP, then the event that ends it: reload-done, reload-aborted or reload-refused. It
        must be `want` (None: any); fields may name the service.
        """
        mark = self.mark()
        self.hup()
        words = ["reload-done", "reload-aborted", "reload-refused"]
        event = self.log.wait(words, mark, timeout, **fields)
        assert want in (None, event["event"]), "the reload ended with %s" % event
        return event

    def worker_pid(self, worker="web.0"):
        """The newest ready worker of that slot, as the log says."""
        self.wait_event("worker-ready", worker=worker)  # the log may be behind the answers
        return self.events("worker-ready", worker=worker)[-1]["pid"]

    def top_pids(self, pids):
        """
        Which workers the processes `pids` belong to: {child of the parent: [pids]}. Processes
        that have ended meanwhile are left out.
        """
        snapshot, found = proc.parents(), {}
        for pid in pids:
            top = proc.top_below(self.pid, pid, snapshot)
            if top:
                found.setdefault(top, []).append(pid)
        return found

    # --- what it holds -----------------------------------------------------------------------

    def shows_fds(self):
        """Whether we may see them: those of a broker of root only with CAP_SYS_PTRACE."""
        return os.access("/proc/%d/fd" % self.main_pid, os.R_OK) and bool(proc.fds(self.main_pid))

    def fds(self):
        """Counter of its descriptors by kind."""
        if proc.alive(self.main_pid) and not self.shows_fds():
            tap.skip("needs CAP_SYS_PTRACE, to see the descriptors of a broker of root")
        return proc.fd_kinds(self.main_pid)

    def fds_at_rest(self):
        """fds(), once it has stayed the same for a while: nothing is just passing through."""
        seen = []

        def steady():
            seen.append(self.fds())
            return seen[-1] if len(seen) > 10 and seen[-10:] == [seen[-1]] * 10 else None

        return proc.wait_until(steady, 20, lambda: "rest of the descriptors: %s" % seen[-3:])

    @contextlib.contextmanager
    def same_fds(self, timeout=10):
        """What is done inside leaves no descriptor over in the broker, nor takes one away."""
        if not self.shows_fds():
            tap.note("NO CAP_SYS_PTRACE: the descriptors of the broker were not compared")
            yield
            return
        before = self.fds_at_rest()
        yield
        proc.wait_until(
            lambda: self.fds() == before,
            timeout,
            lambda: "descriptors as before: too many %s, missing %s"
            % (dict(self.fds() - before), dict(before - self.fds())),
        )


def _keys(settings):
    lines = []
    for key, value in settings.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            lines.append("%s = %s\n" % (key, one))
    return "".join(lines)
