"""One test for each app of the table: behind the broker it serves, rolls, crashes and ends well."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from harness import *  # noqa: E402
from table import TABLE  # noqa: E402

WORKERS = 2
INFLIGHT = 32
REQUIRED = os.environ.get("BROKER_APPS_REQUIRED") == "1"


def run(group):
    """Runs all apps of a group as a test program."""
    for row in TABLE:
        if row.group == group:
            add_test(row.name + " behind the broker", lambda row=row: check(row))
    main()


def check(row):
    missing = row.missing()
    if missing:
        assert not REQUIRED, "not installed: " + ", ".join(missing)
        skip("not installed: " + ", ".join(missing))
    directory = tmp("app")
    os.mkdir(directory)
    ports = [free_port() for _ in range(row.ports)]
    broker = Broker(row.command(directory, ports), workers=WORKERS)
    if row.env:
        names = [line.split("=")[0] for line in http_get(ports[0], "/env").body.splitlines()]
        assert {"BROKER_SERVICE", "BROKER_WORKER", "BROKER_GENERATION"} <= set(names), names

    with broker.same_fds():
        old = answers(row, broker, ports)
        new = reload(row, broker, ports, old)
        crash(row, broker, ports, new)
    broker.stop()


def all_workers(row, broker, load):
    """
    Waits until every worker has answered, and nobody else has. On a busy machine a worker may not
    get the processor for some hundred answers of another, so this counts in rounds.
    """
    pids = set()
    for _ in range(200):
        pids |= set(load.wait_pids(100))
        tops = broker.top_pids(pids)
        if len(tops) == WORKERS:
            break
    assert len(tops) == WORKERS, "%d workers answered: %s of %s" % (len(tops), tops, pids)
    for top, processes in tops.items():
        assert len(processes) <= row.processes, "worker %d answered as %s" % (top, processes)
    return tops


def answers(row, broker, ports):
    """All answers are right, on every port, from every worker. Returns who answered."""
    for port in ports:
        load = row.load(port, INFLIGHT, "/")
        workers = all_workers(row, broker, load)
        load.assert_clean()
    return workers


def reload(row, broker, ports, old):
    """Under load, also on connections that stay open, new workers take over without a failure."""
    loads = [row.load(port, INFLIGHT // len(ports), "/") for port in ports]
    if row.keepalive:
        loads.append(Load(ports[0], inflight=4, keepalive=20))
    for load in loads:
        load.wait_answers(50)
    mark = broker.mark()
    broker.reload_and_wait()
    # They go by themselves once the kernel shows no connection in their hands.
    broker.wait_event("worker-exit", since=mark, count=WORKERS, generation=1, timeout=60)
    new = all_workers(row, broker, loads[0])
    assert not set(new) & set(old), "old workers still answer: %s, %s" % (old, new)
    for load in loads:
        load.wait_answers(50)
        load.assert_clean()
    return new


def crash(row, broker, ports, workers):
    """
    A worker is killed with all its processes. Only what it had in its hands at that moment may
    fail; what waited in its channel must not. To know that number, it is stopped first.
    """
    # A little work for each request, so that the worker has something in its hands.
    loads = [row.load(port, INFLIGHT // len(ports), "/slow?ms=2") for port in ports]
    for load in loads:
        load.wait_answers(50)
    victim = sorted(workers)[0]
    mark = broker.mark()
    processes = proc.stop_tree(victim)
    held = sum(proc.held_connections(processes, port) for port in ports)
    for pid in processes:
        try:
            send_signal(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has followed its parent
    broker.wait_event("worker-exit", since=mark)
    broker.wait_event("worker-ready", since=mark, timeout=60)
    after = all_workers(row, broker, loads[0])
    assert victim not in after and len(set(after) - set(workers)) == 1, (workers, after)
    failed = 0
    for load in loads:
        load.wait_answers(50)
        summary = load.stop()
        kinds = {kind for kind, n in summary["errors"].items() if n}
        assert kinds <= {"reset", "closed", "short"}, summary
        failed += summary["failed"]
    assert failed <= held, "%d failed, the killed worker held %d\n%s" % (
        failed, held, "\n".join(load.complaints() for load in loads),
    )
    note("killed with %d connections in its hands, %d of them failed" % (held, failed))
