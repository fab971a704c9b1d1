#!/usr/bin/env python3
"""
Under load, with at least 32 connections in flight, workers are replaced, killed, stopped, added
and taken away. Every client gets exactly one right answer; only what a killed worker had in its
hands may fail, and each server of these tests has one connection at most in its hands.
"""

import random

from harness import *

private_namespaces()

INFLIGHT = 48
QUICK = dict(backoff_min="10ms", backoff_max="100ms", stall_timeout="200ms")


def rng():
    seed = random.randrange(1 << 32)
    note("seed %d" % seed)
    return random.Random(seed)


def current(broker):
    """{slot name: pid} of the workers that serve, as the log says."""
    pids = {}
    words = ["worker-ready", "worker-draining", "worker-exit", "worker-stopping"]
    for event in broker.log.find(words):
        if event["event"] == "worker-ready":
            pids[event["worker"]] = event["pid"]
        elif pids.get(event["worker"]) == event["pid"]:
            del pids[event["worker"]]
    return pids


def check(broker, load, kills=0):
    """The load's end: at most one failure for each kill; the books agree with what clients saw."""
    summary = load.stop()
    assert summary["failed"] <= kills, "%d failed, %d killed: %s\n%s" % (
        summary["failed"], kills, summary["errors"], load.complaints(),
    )
    wrong = {k for k, n in summary["errors"].items() if n} - {"reset", "closed", "short"}
    assert not wrong, "%s\n%s" % (summary["errors"], load.complaints())
    assert summary["answers"] > 0
    return summary


def finish(broker, summary):
    ledger = broker.stop()
    assert ledger["accepted"] == summary["connections"], (ledger, summary)
    stop = broker.events("broker-stop")[-1]
    assert stop["taken"] == ledger["sent"] - ledger["taken_back"], stop
    assert stop["accepted"] == stop["taken"] + stop["client_gone"] + stop["refused"], stop
    assert stop["refused"] == 0, stop
    note("%d connections, %d failed, %d taken back" % (
        summary["connections"], summary["failed"], ledger["taken_back"]))
    return ledger


@test
def twenty_reloads():
    broker = Broker(app("srv_poll"), workers=4, **QUICK)
    with broker.same_fds():
        load = Load(broker.port, inflight=INFLIGHT)
        load.wait_answers(100)
        mark = broker.mark()
        for n in range(20):
            broker.reload_and_wait()
            load.wait_answers(20)
        summary = check(broker, load)
        broker.wait_event("worker-exit", since=mark, count=80)
    assert broker.events("reload-done")[-1]["generation"] == 21
    assert finish(broker, summary)


@test
def twenty_reloads_with_connections_that_stay():
    broker = Broker(app("srv_threads"), workers=2, **QUICK)
    load = Load(broker.port, inflight=INFLIGHT, keepalive=20)
    load.wait_answers(100)
    for n in range(20):
        broker.reload_and_wait()
        load.wait_answers(20)
    load.assert_clean()
    broker.stop()


@test
def workers_killed_at_random():
    broker = Broker(app("srv_blocking"), workers=4, **QUICK)
    r, kills = rng(), 0
    with broker.same_fds():
        load = Load(broker.port, inflight=INFLIGHT, path="/slow?ms=1")
        load.wait_answers(100)
        for _ in range(40):
            pids = wait_until(lambda: current(broker))
            mark = broker.mark()
            victim = pids[r.choice(sorted(pids))]
            send_signal(victim, signal.SIGKILL)
            kills += 1
            broker.wait_event("worker-exit", since=mark, pid=victim)
            load.wait_answers(r.randrange(1, 30))
        summary = check(broker, load, kills)
        wait_until(lambda: len(current(broker)) == 4)
    ledger = finish(broker, summary)
    # They did have others waiting, or this test shows nothing.
    assert ledger["taken_back"] >= kills, ledger


@test
def all_workers_killed_at_once():
    broker = Broker(app("srv_blocking"), workers=4, **QUICK)
    kills = 0
    load = Load(broker.port, inflight=INFLIGHT, path="/slow?ms=1")
    for _ in range(8):
        load.wait_answers(50)
        pids = wait_until(lambda: len(current(broker)) == 4 and current(broker))
        mark = broker.mark()
        for pid in pids.values():
            send_signal(pid, signal.SIGKILL)
            kills += 1
        broker.wait_event("worker-exit", since=mark, count=4)
    load.wait_answers(50)
    assert finish(broker, check(broker, load, kills))["taken_back"] > kills


@test
def workers_stopped_and_continued_at_random():
    broker = Broker(app("srv_blocking"), workers=4, **QUICK)
    r = rng()
    pids = sorted(wait_until(lambda: len(current(broker)) == 4 and current(broker)).values())
    stopped = set()
    with broker.same_fds():
        load = Load(broker.port, inflight=INFLIGHT)
        for _ in range(300):
            pid = r.choice(pids)
            if pid in stopped:
                send_signal(pid, signal.SIGCONT)
                stopped.remove(pid)
            elif len(stopped) < len(pids) - 1:
                send_signal(pid, signal.SIGSTOP)
                stopped.add(pid)
            # A stopped one may have a few in its hands; nobody else is kept.
            load.wait_answers(r.randrange(1, 20))
        for pid in stopped:
            send_signal(pid, signal.SIGCONT)
        summary = check(broker, load)
    assert not broker.events("worker-exit")
    finish(broker, summary)


@test
def everything_at_once():
    broker = Broker(
        app("srv_blocking"), workers=4, drain_timeout="20s", stop_timeout="5s", **QUICK
    )
    r, kills, stopped = rng(), 0, []
    load = Load(broker.port, inflight=INFLIGHT, path="/slow?ms=1")
    load.wait_answers(100)
    for step in range(60):
        what = r.choice(["kill", "kill", "stop", "cont", "cont", "hup", "ttin", "ttou"])
        pids = current(broker)
        if what == "kill" and pids:
            kills += 1
            signal_if_alive(pids[r.choice(sorted(pids))], signal.SIGKILL)
        elif what == "stop" and len(pids) > 2 and len(stopped) < 2:
            pid = pids[r.choice(sorted(pids))]
            stopped.append(pid)
            signal_if_alive(pid, signal.SIGSTOP)
        elif what == "cont" and stopped:
            signal_if_alive(stopped.pop(0), signal.SIGCONT)
        elif what == "hup":
            broker.hup()
        elif what in ("ttin", "ttou"):
            broker.signal(signal.SIGTTIN if what == "ttin" else signal.SIGTTOU)
        load.wait_answers(r.randrange(1, 30))
    for pid in stopped:
        signal_if_alive(pid, signal.SIGCONT)
    load.wait_answers(50)
    summary = check(broker, load, kills)
    mark = broker.mark()
    broker.hup()
    broker.wait_event("reload-done", since=mark)
    finish(broker, summary)


def signal_if_alive(pid, sig):
    # Children of the broker are reaped at once, but their numbers come round only after 32768.
    try:
        send_signal(pid, sig)
    except ProcessLookupError:
        pass


@test
def a_storm_of_reloads():
    broker = Broker(app("srv_poll"), workers=2, **QUICK)
    load = Load(broker.port, inflight=INFLIGHT)
    load.wait_answers(100)
    for _ in range(1000):
        broker.hup()
    broker.wait_event("reload-done")
    # At most one more pass follows the pass under way.
    load.wait_answers(200)
    broker.reload_and_wait()
    load.assert_clean()
    begun = len(broker.events("reload-begin"))
    assert begun <= 1000
    broker.stop()
    note("1000 signals, %d passes" % begun)


main()
