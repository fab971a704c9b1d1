#!/usr/bin/env python3
"""
Everything at once: people who hold, release, pin, restart, scale, reload, abort, roll back and
debug at random, while clients come all the time. Nobody notices, and nothing is left over.

STORM_SEED repeats a run, STORM_SECONDS makes it longer.
"""

import contextlib
import os
import random
import time

from harness import *
from lib.control import Control, Refused, ask, ledger, status
from lib.steering import service, workers

private_namespaces()

SECONDS = float(os.environ.get("STORM_SECONDS", "3"))
WORKERS = 4
# A generation that cannot start, while the file is there.
BODY = "[ -e %s ] && { echo told to fail; exit 1; }\n" + GOOD

# How it fails to reach a service that is stopped.
STOPPED = {"refused", "reset", "closed"}

# What a reload, a signal or a hold must not cost: a request that is answered late is none.
PATIENT = dict(drain_timeout="60s", stop_timeout="60s", start_timeout="60s", stall_timeout="100ms")


class Storm:
    def __init__(self, kills=False, stops=False, **options):
        self.seed = int(os.environ.get("STORM_SEED") or random.randrange(1 << 32))
        note("STORM_SEED=%d" % self.seed)
        self.random = random.Random(self.seed)
        self.kills, self.stops = kills, stops
        self.fails = tmp("fails")
        options = dict(dict(PATIENT, queue=4, backoff_min="10ms", backoff_max="50ms"), **options)
        self.options = options
        self.command = Release(BODY % self.fails).command()
        self.broker = Broker(self.command, workers=WORKERS, **options)
        self.sessions, self.visitors = [], []
        self.done, self.refused, self.killed = 0, 0, 0

    # --- one step each ---------------------------------------------------------------------

    def ask(self, text):
        try:
            got = ask(self.broker, text)
            self.done += 1
            return got
        except Refused:
            self.refused += 1
            return []

    def name(self):
        return "web.%d" % self.random.randrange(WORKERS + 2)

    def hold(self):
        self.ask("hold " + self.name())

    def release(self):
        self.ask("release " + self.name())

    def pin(self):
        source = self.random.choice(["127.0.0.1", "127.0.0.0/8", "10.0.0.0/8"])
        lasts = self.random.choice(["", " --for 50ms", " --for 1s"])
        self.ask("pin %s %s%s" % (source, self.name(), lasts))

    def unpin(self):
        self.ask("unpin " + self.random.choice(["all", "127.0.0.1", self.name()]))

    def next(self):
        self.ask("next " + self.name())

    def restart(self):
        self.ask("restart %s --no-wait" % self.name())

    def scale(self):
        self.ask("scale web %d" % self.random.randrange(1, WORKERS + 3))

    def reload(self):
        fails = self.random.random() < 0.2
        if fails:
            write_file("fails", "")
        elif os.path.exists(self.fails):
            os.unlink(self.fails)
        self.broker.configure(
            self.command, workers=self.random.randrange(1, WORKERS + 2), **self.options
        )
        self.ask("reload --no-wait")

    def reload_wrong(self):
        self.broker.configure(self.command, workers=0, **self.options)
        self.ask("reload --no-wait")

    def abort(self):
        self.ask("reload abort web")

    def rollback(self):
        self.ask("rollback web")

    def look(self):
        for line in self.ask(self.random.choice(["status", "pins", "config", "events", "reload --plan"])):
            if line["type"] == "service":
                assert line["ledger"]["balanced"], line

    def stop_one(self):
        self.ask("signal %s STOP" % self.name())

    def continue_all(self):
        """If several processes have one name, any of them may be the stopped one."""
        for pid in proc.descendants(self.broker.pid):
            with contextlib.suppress(OSError):
                if proc.stat(pid)[0] == "T":
                    send_signal(pid, signal.SIGCONT)

    def debug(self):
        session = Control(self.broker)
        session.send("debug %s%s" % (self.name(), self.random.choice(["", " --from 127.0.0.1"])))
        session.answer()
        self.sessions.append(session)

    def end_debug(self):
        if self.sessions:
            self.sessions.pop(self.random.randrange(len(self.sessions))).close()

    def visit(self):
        """A client that waits or follows, and may leave in the middle."""
        visitor = Control(self.broker)
        visitor.send(self.random.choice(
            ["events --follow", "reload", "restart " + self.name(), "status\nstatus\npins"]
        ))
        self.visitors.append(visitor)
        if len(self.visitors) > 4:
            self.visitors.pop(0).close()

    def pause(self):
        if self.random.random() < 0.2:
            self.broker.signal(signal.SIGWINCH)
        else:
            self.ask("pause web")

    def start(self):
        self.ask("start web --no-wait")

    def hang_up(self):
        self.broker.signal(signal.SIGHUP)

    def stop(self):
        if self.stops:
            self.ask("stop web" + self.random.choice(["", " --now", " --no-wait"]))

    def kill_one(self):
        if self.kills:
            self.ask("signal %s KILL" % self.name())
            self.killed += 1

    def workers(self):
        return [line for line in self.ask("status web") if line["type"] == "worker"]

    # --- the whole ---------------------------------------------------------------------------

    STEPS = [
        (hold, 4), (release, 4), (pin, 4), (unpin, 3), (next, 2), (restart, 3), (scale, 2),
        (reload, 3), (reload_wrong, 1), (abort, 2), (rollback, 2), (look, 3), (stop_one, 2),
        (continue_all, 4), (debug, 2), (end_debug, 4), (visit, 2), (kill_one, 1),
        (pause, 2), (start, 6), (hang_up, 1), (stop, 2),
    ]

    def rage(self):
        steps, weights = zip(*self.STEPS)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.random.choices(steps, weights)[0](self)
        note("%d requests were done, %d refused" % (self.done, self.refused))

    def calm(self):
        """Takes back whatever was done by hand, and waits until all is as at first."""
        for connection in self.sessions + self.visitors:
            connection.close()
        self.continue_all()
        if os.path.exists(self.fails):
            os.unlink(self.fails)
        self.ask("reload abort web")
        self.broker.configure(self.command, workers=WORKERS, **self.options)
        self.ask("reload --no-wait")
        self.ask("unpin all")
        for worker in self.workers():
            self.ask("release " + worker["worker"])
        wait_until(self.is_calm, 60, lambda: "the end of it: %s" % status(self.broker, "web"))

    def is_calm(self):
        line, all_workers = service(self.broker), workers(self.broker)
        for worker in all_workers:
            # A worker that was still starting is held as soon as it listens.
            if worker["state"] == "held" and worker["why"].startswith("held by hand"):
                self.ask("release " + worker["worker"])
        return (
            line["state"] == "serving" and not line["reload"] and line["workers"] == WORKERS
            and [w["state"] for w in all_workers if w["state"] != "parked"] == ["ready"] * WORKERS
        )


def storm(kills=False, stops=False, **options):
    s = Storm(kills, stops, **options)
    load = Load(s.broker.port, inflight=16, request_timeout=60)
    load.wait_answers(100)
    before = s.broker.fds_at_rest()
    s.rage()
    s.calm()
    if stops:
        # Who comes while there is no listener is refused; with --now, the backlog is reset.
        errors = load.stop()["errors"]
        assert not [kind for kind, n in errors.items() if n and kind not in STOPPED], load.summary
        load = Load(s.broker.port, inflight=16, request_timeout=60)
    load.wait_answers(500)
    if kills:
        failed = load.stop()["failed"]
        assert failed <= s.killed * 16, load.summary
    else:
        load.assert_clean()
    books = ledger(s.broker)
    assert books["balanced"] and books["waiting"] == 0, books
    wait_until(
        lambda: all(w["state"] == "ready" for w in workers(s.broker)), 30,
        lambda: "the end of those who are parked: %s" % workers(s.broker),
    )
    wait_until(
        lambda: s.broker.fds() == before, 20,
        lambda: "descriptors as before: too many %s, missing %s"
        % (dict(s.broker.fds() - before), dict(before - s.broker.fds())),
    )
    s.broker.stop()


@test
def steered_at_random_with_start_first():
    storm(rollback_window="300ms", surge=2)


@test
def steered_at_random_with_stop_first():
    storm(strategy="stop-first")


@test
def steered_at_random_while_workers_are_killed():
    storm(kills=True, rollback_window="300ms")


@test
def steered_at_random_while_it_is_stopped_and_started():
    storm(stops=True, rollback_window="300ms")


main()
