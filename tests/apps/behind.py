"""
One test for each app of a table: with two workers behind the broker it serves, is reloaded, is
not harmed by a broken deploy, survives the SIGKILL of a worker, and ends well.
"""

import contextlib
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from harness import *  # noqa: E402
from lib import control  # noqa: E402

WORKERS = 2
INFLIGHT = 32


class Steps:
    """A line for each thing that an app has been seen to do, and the seconds that it took."""

    def __init__(self):
        self._n, self._since = 0, time.monotonic()

    def done(self, what):
        now = time.monotonic()
        self._n += 1
        print("    ok %d - %s (%.1f s)" % (self._n, what, now - self._since), flush=True)
        self._since = now


def check(app):
    """
    app.settings    keys of the service, `command` among them, for Broker
    app.broken      the same with a command that does not start
    app.ports       where it listens
    app.processes   of one worker that may answer
    app.env         answers GET /env
    app.same_fds    the broker's descriptors are as many at the end as after the first answers
    app.tells_pid   its answers say which process gave them
    app.break_files, app.mend_files     make it and its present files useless, and good again
    app.load()      a Load, or something like it: function of port and path
    app.more_loads  further ones, for the reload
    """
    steps = Steps()
    broker = Broker(workers=WORKERS, timeout=45, **app.settings)
    steps.done("two workers are ready")
    if app.env:
        names = [line.split("=")[0] for line in http_get(app.ports[0], "/env").body.splitlines()]
        assert {"BROKER_SERVICE", "BROKER_WORKER", "BROKER_GENERATION"} <= set(names), names
    old = answers(app, broker)
    steps.done("both answer")
    with broker.same_fds() if app.same_fds else contextlib.nullcontext():
        new = reload(app, broker, old)
        steps.done("a reload under load, no request failed")
        broken_deploy(app, broker, new)
        steps.done("a broken deploy is aborted, no request failed")
        told = crash(app, broker, new)
        steps.done("one is killed under load and replaced; " + told)
    mark = broker.mark()
    broker.stop()
    assert not broker.log.find(["worker-kill"], mark), "it ignored its stop signal"
    steps.done("stopped, nothing is left")


def ready_workers(broker):
    """{pid: connections given} of the workers in the round."""
    return {
        line["pid"]: line["given"] - line["waiting"]
        for line in control.status(broker)
        if line["type"] == "worker" and line["state"] == "ready"
    }


def all_workers(app, broker, load):
    """
    Waits until every worker has answered, and nobody else has. Returns the pids of the workers. A
    fast worker may give ten thousand answers before another, that has just listened, gives its first.
    """
    if not app.tells_pid:
        return all_took(broker, load)
    pids, tops, deadline = set(), {}, time.monotonic() + 30
    while len(tops) < WORKERS and time.monotonic() < deadline:
        pids |= set(load.wait_pids(100))
        tops = broker.top_pids(pids)
    assert len(tops) == WORKERS, "%d workers answered: %s of %s" % (len(tops), tops, pids)
    for top, processes in tops.items():
        assert len(processes) <= app.processes, "worker %d answered as %s" % (top, processes)
    return set(tops)


def all_took(broker, load):
    """The same for an app whose answers are all alike: the broker knows what each has taken."""
    before = {}

    # Some apps listen once more after a first try, and are not ready in between.
    def all_ready():
        before.clear()
        before.update(ready_workers(broker))
        return len(before) == WORKERS

    wait_until(all_ready, 30, lambda: before)
    load.wait_answers(20)
    wait_until(
        lambda: all(n > before.get(pid, n) for pid, n in ready_workers(broker).items()),
        30, lambda: "connections for all: %s, then %s" % (before, ready_workers(broker)),
    )
    load.wait_answers(20)
    return set(before)


def answers(app, broker):
    """All answers are right, on every port, from every worker. Returns who answered."""
    for port in app.ports:
        load = app.load(port, "/")
        workers = all_workers(app, broker, load)
        load.assert_clean()
    return workers


def reload(app, broker, old):
    """Under load, also on connections that stay open, new workers take over without a failure."""
    loads = [app.load(port, "/") for port in app.ports] + app.more_loads()
    for load in loads:
        load.wait_answers(50)
    mark = broker.mark()
    broker.reload_and_wait(timeout=300)
    # They go by themselves once the kernel shows no connection in their hands.
    broker.wait_event("worker-exit", since=mark, count=WORKERS, generation=1, timeout=120)
    new = all_workers(app, broker, loads[0])
    assert not new & old, "old workers still answer: %s, %s" % (old, new)
    for load in loads:
        load.wait_answers(50)
        load.assert_clean()
    return new


def broken_deploy(app, broker, workers):
    """A version that does not start ends the reload; the workers in place stay, and answer."""
    load = app.load(app.ports[0], "/")
    load.wait_answers(20)
    app.break_files()
    broker.configure(**app.broken)
    broker.reload_and_wait(timeout=300, want="reload-aborted")
    app.mend_files()
    broker.configure(**app.settings)
    assert all_workers(app, broker, load) == workers
    load.assert_clean()


def crash(app, broker, workers):
    """
    A worker is killed with all its processes. Only what it had in its hands at that moment may
    fail; what waited in its channel must not. To know that number, it is stopped first.
    """
    # A little work for each request, so that the worker has something in its hands.
    loads = [app.load(port, "/slow?ms=2") for port in app.ports]
    for load in loads:
        load.wait_answers(50)
    victim = sorted(workers)[0]
    mark = broker.mark()
    processes = proc.stop_tree(victim)
    held = sum(proc.held_connections(processes, port) for port in app.ports)
    for pid in processes:
        try:
            send_signal(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has followed its parent
    broker.wait_event("worker-exit", since=mark)
    broker.wait_event("worker-ready", since=mark, timeout=60)
    after = all_workers(app, broker, loads[0])
    assert victim not in after and len(after - workers) == 1, (workers, after)
    failed = 0
    for load in loads:
        load.wait_answers(50)
        summary = load.stop()
        kinds = {kind for kind, n in summary["errors"].items() if n}
        assert kinds <= {"reset", "closed", "short"}, "%s\n%s" % (summary, load.complaints())
        failed += summary["failed"]
    assert failed <= held, "%d failed, the killed worker held %d\n%s" % (
        failed, held, "\n".join(load.complaints() for load in loads),
    )
    return "it held %d connections, %d of them failed" % (held, failed)


def check_alone(app):
    """The app without the broker: what fails here too is not the broker's fault."""
    keys = app.settings
    user = ["runuser", "-u", keys["user"], "--"] if "user" in keys else []
    Server(["env", "-C", keys["directory"]] + keys["environment"] + user + keys["command"], ports=app.ports)
    loads = [app.load(port, "/") for port in app.ports] + app.more_loads()
    for load in loads:
        load.wait_answers(300)
        load.assert_clean()
