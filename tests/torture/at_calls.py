"""
The broker is killed when it is about to make some system call: any of those that it makes in a scene,
any time of it. Between two calls nothing happens that others see, so these are all its moments.
"""

import collections
import contextlib
import math
import random
import re
import shutil
import signal
import traceback

import scenes
from lib import faults, proc, shadow, tap
from lib.control import Control, status
from lib.load import Load

INFLIGHT = 8
# The kernel starts it again for whoever waits in it; and what is no call of a broker that serves.
NEVER = {"restart_syscall", "rt_sigreturn", "exit_group", "execve"}
# Ends of connections that a worker has taken with it.
WITH_A_WORKER = {"reset", "closed", "short"}


# --- more scenes --------------------------------------------------------------------------------


def vanish(broker, clients):
    """The run directory is removed, and made again at the reload."""
    shutil.rmtree(broker.run_dir)
    scenes.reload(broker, clients)


def steer(broker, clients):
    clients.ask(broker, "hold web.1", "release web.1", "restart web.0", "pause web", "start web")


def upgrade(broker, clients):
    clients.ask(broker, "upgrade")


def spawn(broker, clients):
    """A worker more, and one less; who sees an end asks again."""
    mark = broker.log.mark()
    clients.ask(broker, "scale web 3", "scale web 3")
    scenes.wait_said(broker, clients, ["worker-ready"], mark, service="web")
    clients.ask(broker, "scale web 2", "scale web 2")


def stop(broker, clients):
    broker.signal(signal.SIGTERM)
    broker.wait_exit(scenes.PATIENCE)


SCENES = dict(scenes.SCENES, spawn=spawn, vanish=vanish, steer=steer, upgrade=upgrade, stop=stop)
# Who asks, and not who is served, may see an end instead of an answer.
ASKS = {"control", "scale", "spawn", "metrics", "steer", "upgrade"}


# --- one broker ---------------------------------------------------------------------------------


class Case:
    def __init__(self, dice, calls_of, words):
        self.dice, self.calls_of = dice, calls_of
        self.name, self.call, self.nth = words or (dice.choice(sorted(SCENES)), None, 0)
        self.nth = int(self.nth)

    def __str__(self):
        return "%s:%s:%d" % (self.name, self.call, self.nth)

    def choose(self):
        if self.call:
            return
        if self.name not in self.calls_of:
            self.calls_of[self.name] = self.profile()
        found = self.calls_of[self.name]
        self.call = self.dice.choice(sorted(found))
        # The first ones are more often the only ones of their kind.
        self.nth = int(math.exp(self.dice.random() * math.log(found[self.call] + 1)))

    def run(self, result):
        self.broker = scenes.start()
        self.loads = {port: Load(port, inflight=INFLIGHT) for port in (self.broker.port, self.broker.port2)}
        for load in self.loads.values():
            load.wait_answers(20)
        shadow.wait_shadow(self.broker)
        self.choose()
        pid, clients = self.broker.main_pid, scenes.Clients()
        inject = "%s:signal=KILL:when=%d" % (self.call, self.nth)
        trace = faults.Strace(pid, self.call, inject=inject)
        try:
            SCENES[self.name](self.broker, clients)
        finally:
            if proc.alive(pid):
                trace.detach()
        killed = not proc.alive(pid) and self.broker.main_pid != pid
        if self.name == "stop":
            self.check_end(result)
            return
        if killed:
            event = shadow.taken_over(self.broker)
            result["us"].append(event["us"])
            result["rescued"] += event["rescued"]
        result["kills"] += killed
        assert not clients.lost or self.name in ASKS, "%d clients got no answer" % clients.lost
        self.check(result)

    def profile(self):
        """{call: how often it is made} in the scene."""
        with faults.Strace(self.broker.main_pid, "all") as trace:
            if self.name != "stop":  # as a broker that is asked to can make them all
                SCENES[self.name](self.broker, scenes.Clients())
            else:
                self.broker.signal(signal.SIGHUP)
                self.broker.wait_event("reload-done", service="calm")
        found = collections.Counter(re.findall(r"^(\w+)\(", "".join(trace.lines()), re.M))
        scenes.undo(self.broker)
        return {call: n for call, n in found.items() if call not in NEVER}

    def check_end(self, result):
        for load in self.loads.values():
            load._end()  # from some moment on they are refused
        took = self.broker.log.find(["taken-over"])
        result["kills"] += len(took)
        self.broker.takeovers = len(took)
        self.broker.wait_stopped()

    def check(self, result):
        broker = self.broker
        scenes.undo(broker)
        scenes.Clients().ask(broker, "start web", "release web.1")
        for load in self.loads.values():
            load.wait_answers(30)
        mark = broker.mark()
        broker.hup()
        for name in scenes.WORKERS:
            broker.wait_event("reload-done", since=mark, service=name)
        for port, load in self.loads.items():
            summary = load.stop()
            bad = {kind: n for kind, n in summary["errors"].items() if n}
            if self.name == "crash" and port == broker.port:
                bad = {kind: n for kind, n in bad.items() if kind not in WITH_A_WORKER}
            assert not bad, "%s\n%s" % (bad, load.complaints())
            result["connections"] += summary["connections"]
            result["failed"] += sum(bad.values())
        self.check_rest()
        broker.stop()

    def check_rest(self):
        def whole():
            with contextlib.suppress(OSError, AssertionError):
                lines = status(self.broker)
                ready = {o["service"]: o["ready"] for o in lines if o["type"] == "service"}
                all_of = collections.Counter(o["service"] for o in lines if o["type"] == "worker")
                return ready == scenes.WORKERS and all_of == scenes.WORKERS

        proc.wait_until(whole, 20, lambda: "all workers: %s" % status(self.broker))
        for found in status(self.broker):
            if found["type"] == "service":
                ledger = found["ledger"]
                assert ledger["balanced"], ledger
                assert not ledger["waiting"], ledger
        ticks = faults.cpu_ticks(self.broker.main_pid)
        self.fds = self.broker.fds_at_rest()
        assert faults.cpu_ticks(self.broker.main_pid) - ticks < 20, "its loop spins"


def run(kills, result, only=None, log=None):
    """So many; or so often the one case that is named. All that fails is said at the end."""
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    tap.note("seed %d" % seed)
    for key in ("kills", "connections", "failed", "rescued"):
        result.setdefault(key, 0)
    kills += result["kills"]
    result.setdefault("us", [])
    calls_of, bad, n = result.setdefault("calls", {}), [], 0
    while result["kills"] < kills and n < 3 * kills:
        case = Case(dice, calls_of, only and only.split(":"))
        n += 1
        try:
            case.run(result)
            tap.note("%d: %s" % (n, case))
        except (AssertionError, OSError) as error:
            bad.append("%s: %r" % (case, error))
            tap.note("FAILED %d: %s" % (n, bad[-1][:600]))
            if log:
                with open("%s.%d.log" % (log, n), "w") as f:
                    f.write("\n".join([bad[-1], traceback.format_exc(), *case.broker.log.lines()]))
            case.broker.stopped = {}
        for load in case.loads.values():
            load._end()
        case.broker._clean()
        case.broker.takeovers = len(case.broker.log.find(["taken-over"]))
    assert not bad, "%d of %d\n%s" % (len(bad), n, "\n".join(bad))
