#!/usr/bin/env python3
"""Workers that have lived long enough are replaced, one at a time, and nobody notices."""

import time

from harness import *
from lib.steering import ready_workers, workers


def replaced(broker, old, reason):
    """All of `old` are replaced for that reason, and no two at a time."""
    for name, pid in old.items():
        event = broker.wait_event("recycle", worker=name, pid=pid)
        assert event["reason"] == reason, event
        broker.wait_event("worker-exit", worker=name, pid=pid)
    begun = [e["position"] for e in broker.events("reload-begin")]
    done = [e["position"] for e in broker.events("reload-done")]
    assert begun[0] < done[0] < begun[1] < done[1], (begun, done)


@test
def by_the_number_of_connections():
    broker = Broker(app("srv_poll"), workers=2, max_connections=100)
    old = ready_workers(broker)
    load = Load(broker.port, inflight=8)
    replaced(broker, old, "max_connections")
    load.assert_clean()


@test
def by_age():
    broker = Broker(app("srv_poll"), workers=2, max_age="1s")
    replaced(broker, ready_workers(broker), "max_age")


@test
def by_memory():
    grows = "x = bytearray(64 << 20); import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=%s)"
    broker = Broker(["python3", "-c", grows % "{port}"], workers=2, max_memory="32m")
    replaced(broker, ready_workers(broker), "max_memory")


@test
def memory_is_not_counted_again_at_each_look():
    """python needs about 12 MB: three looks at it, one a second, are not 36."""
    broker = Broker(["python3", "-m", "http.server", "{port}"], workers=1, max_memory="32m", max_age="4s")
    assert broker.wait_event("recycle")["reason"] == "max_age", broker.events("recycle")


@test
def at_a_time_of_day():
    """In a zone where it is six seconds before that now: the broker must have started by then."""
    ahead = int(time.time() + 6) % 86400 - 3 * 3600
    zone = "XYZ%s%02d:%02d:%02d" % ("-" if ahead < 0 else "", abs(ahead) // 3600, abs(ahead) // 60 % 60, abs(ahead) % 60)
    broker = Broker(app("srv_poll"), workers=2, restart_at="03:00", env={"TZ": zone})
    old = ready_workers(broker)
    replaced(broker, old, "restart_at")
    broker.settle()
    assert len(broker.events("recycle")) == 2, "the new ones are left alone"


@test
def a_limit_that_a_reload_sets_is_in_force():
    broker = Broker(app("srv_poll"), workers=1)
    old = ready_workers(broker)
    broker.configure(app("srv_poll"), workers=1, max_age="1s")
    broker.reload_and_wait()
    event = broker.wait_event("recycle", worker="web.0", generation=2)
    assert event["pid"] not in old.values(), event


@test
def a_replacement_that_does_not_start_leaves_the_old_worker():
    release = Release()
    broker = Broker(release.command(), workers=1, max_age="2s")
    old = ready_workers(broker)
    release.deploy("exit 1")
    broker.wait_event("reload-aborted", kind="restart")
    assert {w["worker"]: w["pid"] for w in workers(broker) if w["state"] == "ready"} == old


main()
