#!/usr/bin/env python3
"""
A worker that means harm (tests/apps/hostile.py), in slot 0 of three. Whatever it does costs that
worker and nobody else: the others serve, and the broker holds no more descriptors than before.
"""

import os
import time

from harness import *
from lib import faults
from lib.paths import TESTS

private_namespaces()


class Hostile:
    def __init__(self, deed, **options):
        program = os.path.join(TESTS, "apps", "hostile.py")
        # Its connections come back soon; nothing here may wait for a clock of minutes.
        options = dict(dict(stall_timeout="50ms", stop_timeout="1s", drain_timeout="1s"), **options)
        self.broker = Broker(
            ["python3", program, deed, "{port}", "{apps}/srv_poll"], workers=3, **options
        )
        self.port = self.broker.port
        self.broker.wait_event("output", text="joined")
        self.pid = self.broker.wait_event("worker-ready", worker="web.0")["pid"]
        good = [self.broker.wait_event("worker-ready", worker="web.%d" % n) for n in (1, 2)]
        self.good = {event["pid"] for event in good}

    def do(self):
        self.mark = self.broker.mark()
        send_signal(self.pid, signal.SIGUSR1)
        self.broker.wait_event("output", since=self.mark, text="done")

    def others_serve(self, n=500):
        """Both of them; one that a busy machine has kept from it is out of the round for a while."""
        seen = set()
        for _ in range(20):
            load = Load(self.port, inflight=16, total=n)
            load.wait_end()
            load.assert_clean()
            seen |= set(load.summary["pids"])
            if self.good <= seen:
                return load.summary
        raise AssertionError("%s of %s have served" % (seen & self.good, self.good))

    def unharmed(self):
        """The good ones are still the same, and nothing was killed."""
        for worker in ("web.1", "web.2"):
            assert not self.broker.events("worker-exit", worker=worker)


def check_same_fds(deed):
    h = Hostile(deed)
    with h.broker.same_fds():
        h.do()
        h.others_serve()
    h.unharmed()
    assert h.broker.worker_pid("web.0") == h.pid, "the worker was replaced"
    h.broker.stop()


for word in "nothing bad_greetings huge_messages many_connections descriptors chatter".split():
    add_test("same descriptors after " + word, lambda word=word: check_same_fds(word))


def check_stuffed(deed):
    """Its channel is full of what the broker never sent: it gets nothing, the others all."""
    h = Hostile(deed)
    h.do()
    mark = h.broker.mark()
    summary = h.others_serve(2000)
    assert set(summary["pids"]) == h.good, summary
    # And it can be replaced.
    h.broker.reload_and_wait()
    h.broker.wait_event("worker-exit", since=mark, pid=h.pid)
    load = Load(h.port, inflight=16, total=300)
    load.wait_end()
    load.assert_clean()
    h.broker.stop()


for word in "stuff_messages stuff_nothing stuff_and_shrink stuff_garbage stuff_forged flood".split():
    add_test("others serve after " + word, lambda word=word: check_stuffed(word))


def check_shut(deed):
    """Who shuts his channel down does not listen any more: if it stays so, he is replaced."""
    h = Hostile(deed, start_timeout="4s")
    h.do()
    h.others_serve()
    h.broker.wait_event("worker-exit", since=h.mark, pid=h.pid)
    h.broker.wait_event("worker-ready", since=h.mark, worker="web.0")
    h.others_serve()
    h.unharmed()
    h.broker.stop()


for word in ("shut_rx", "shut_tx"):
    add_test("ended and replaced after " + word, lambda word=word: check_shut(word))


@test
def connections_that_are_never_taken_come_back():
    h = Hostile("nothing")
    clients = [connect(h.port) for _ in range(12)]
    for n, sock in enumerate(clients):
        send_request(sock, "/?id=%d" % n)
    for n, sock in enumerate(clients):
        answer = read_answer(sock)
        assert answer.id == str(n) and answer.pid in h.good, vars(answer)
        sock.close()
    assert h.broker.wait_event("stalled", worker="web.0")
    assert sum(e["count"] for e in h.broker.events("taken-back", worker="web.0")) >= 4


@test
def many_listeners_of_one_worker_end_with_their_connections():
    h = Hostile("many_listeners")
    with h.broker.same_fds():
        h.do()
        h.others_serve()
    h.unharmed()


def check_cost(deed):
    """After the burst that it is allowed: of a processor, whatever it asks for."""
    h = Hostile(deed)
    send_signal(h.pid, signal.SIGUSR1)
    time.sleep(3)  # not for something to happen: it goes on and on
    before = faults.cpu_ticks(h.broker.main_pid)
    time.sleep(3)
    cost = (faults.cpu_ticks(h.broker.main_pid) - before) / os.sysconf("SC_CLK_TCK") / 3
    note("%s: %.0f %% of a processor" % (deed, cost * 100))
    # A twentieth for what it says, one for looks at what it has, and what all of it costs besides.
    assert cost < 0.15, cost
    # A worker that is new is heard meanwhile.
    mark = h.broker.mark()
    send_signal(min(h.good), signal.SIGKILL)
    h.broker.wait_event("worker-ready", since=mark)
    Load(h.port, inflight=16, total=500).wait_end()


add_test("a worker that greets without end has its share", lambda: check_cost("greetings"))
add_test("and so has one of whose listeners nobody says so", lambda: check_cost("hidden_listeners"))


@test
def a_silent_crowd_at_the_rendezvous_does_not_keep_workers_out():
    h = Hostile("many_connections")
    mark = h.broker.mark()
    send_signal(h.pid, signal.SIGUSR1)
    # While they come, workers are replaced all the same.
    for pid in h.good:
        send_signal(pid, signal.SIGKILL)
    h.broker.wait_event("worker-ready", since=mark, count=2)
    h.broker.wait_event("output", since=mark, text="done")


main()
