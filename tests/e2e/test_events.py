#!/usr/bin/env python3
"""Events alone tell what happened: who, of which generation and process, and in what order."""

import signal

from harness import *
from lib.control import Control, ask, status, wait_worker

# In the order in which they may come. A worker that is told to end at once does not drain.
LIFE = ["worker-start", "worker-ready", "worker-draining", "worker-stopping", "worker-exit"]


def busy():
    """A broker to which everything has been done: two services, of which one is left alone."""
    broker = Broker(text="[service:web]\ncommand = {apps}/srv_poll {port}\nworkers = 2\n"
                         "[service:calm]\ncommand = {apps}/srv_poll {port2}\nworkers = 1\n")
    ask(broker, "hold web.0")
    ask(broker, "release web.0")
    ask(broker, "signal web.0 STOP")
    wait_worker(broker, "web.0", state="held")
    ask(broker, "signal web.0 CONT")
    wait_worker(broker, "web.0", state="ready")
    crashed = wait_worker(broker, "web.1", state="ready")["pid"]
    with Control(broker) as c:
        c.send("events web --follow")
        ask(broker, "signal web.1 KILL")
        c.wait_line(event="worker-exit", pid=crashed)
        c.wait_line(event="worker-ready", worker="web.1")
        ask(broker, "scale web 3")
        c.wait_line(event="worker-ready", worker="web.2")
        ask(broker, "restart web.0")
        c.wait_line(event="worker-exit", worker="web.0")
        ask(broker, "reload web")
        for _ in range(3):
            c.wait_line(event="worker-exit")
    return broker


@test
def each_says_whose_it_is():
    events = ask(busy(), "events")
    of_workers = [e for e in events if "worker" in e]
    words = {e["event"] for e in of_workers}
    assert words >= {*LIFE, "worker-held", "worker-released", "reload-step"}, words
    for e in of_workers:
        assert e["worker"].split(".")[0] == e["service"], e
        assert e["generation"] >= 1, e
        assert e["event"].startswith("reload-") or e["pid"] > 1, e


@test
def those_of_a_service_are_all_of_its_workers_too():
    broker = busy()
    events = ask(broker, "events")
    for name in ("web", "calm"):
        own = [e for e in events if e.get("service") == name]
        assert {"worker-start", "worker-ready"} <= {e["event"] for e in own}, own
        assert ask(broker, "events " + name) == own
        for worker in {e["worker"] for e in own if "worker" in e}:
            assert ask(broker, "events " + worker) == [e for e in own if e.get("worker") == worker]


@test
def the_life_of_each_process_can_be_told_from_them():
    broker = busy()
    lives = {}
    for e in ask(broker, "events"):
        if e["event"] in LIFE:
            lives.setdefault((e["worker"], e["generation"], e["pid"]), []).append(e["event"])
    for life in lives.values():
        assert life[:2] == LIFE[:2] and life == [word for word in LIFE if word in life], lives
    left = {(w["worker"], w["generation"], w["pid"])
            for w in status(broker) if w["type"] == "worker"}
    assert {key for key, life in lives.items() if life == LIFE[:2]} == left, (lives, left)


main()
