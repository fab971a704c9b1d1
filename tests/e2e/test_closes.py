#!/usr/bin/env python3
"""An app may close its listening socket: as a probe, for a while, or for good."""

import datetime

from harness import *
from lib.steering import ready_workers, workers


CLOSED = "closed its listening socket again: waiting for it to listen"


# The two ends of an app.
LISTEN = """
import os, socket, subprocess, sys
def listen(address="127.0.0.1"):
    s = socket.socket()
    s.bind((address, int(sys.argv[1])))
    s.listen(64)
    return s
"""
SERVE = """
while True:
    c = s.accept()[0]
    if c.recv(4096):
        c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 10\\r\\n\\r\\npid=%06d" % os.getpid())
    c.close()
"""


def states(broker):
    return {w["worker"]: w["state"] for w in workers(broker)}


def published(broker):
    broker.settle()
    open_now = set()
    for e in broker.log.find(["listen", "unlisten"]):
        if "address" in e:
            (open_now.add if e["event"] == "listen" else open_now.discard)(e["address"])
    return open_now


@test
def a_probe_publishes_nothing():
    broker = Broker(app("srv_probe"), workers=2)
    # Until both have looked, their clients meet what they would without a broker.
    broker.wait_event("channel", address="127.0.0.1:%d" % broker.port, count=2)
    assert http_get(broker.port).status == 200
    assert published(broker) == {"127.0.0.1:%d" % broker.port}
    assert refused(broker.port, "127.0.0.2")


class Prober:
    """Two workers that look whether their port is free; each goes on where the test lets it."""

    def __init__(self):
        script = write_file("probe.py", LISTEN + """
def gate(which):
    subprocess.call(sys.argv[2 + 2 * int(os.environ["BROKER_SLOT"]) + which], shell=True)
gate(0)
s = listen("0.0.0.0")
gate(1)
s.close()
s = listen("127.0.0.1")
""" + SERVE)
        self.gates = [Gate("gate%d" % i) for i in range(4)]
        self.broker = Broker(["python3", script, "{port}"] + [str(g) for g in self.gates], workers=2,
                             wait_ready=False)

    def probes(self, slot):
        self.gates[2 * slot].open()
        self.broker.wait_event("channel", worker="web.%d" % slot)

    def serves(self, slot):
        self.gates[2 * slot + 1].open()
        self.broker.wait_event("channel", worker="web.%d" % slot, count=2)

    def check(self):
        assert published(self.broker) == {"127.0.0.1:%d" % self.broker.port}
        assert refused(self.broker.port, "127.0.0.2")


@test
def a_probe_takes_nothing_from_a_worker_that_is_farther():
    prober = Prober()
    prober.probes(0)
    prober.serves(0)
    prober.probes(1)
    prober.check()
    prober.serves(1)
    prober.check()
    assert not [e for e in prober.broker.events("listen") if e["level"] == "warn"]
    assert http_get(prober.broker.port).status == 200


@test
def a_worker_that_is_farther_ends_the_probe_of_all():
    prober = Prober()
    for slot in range(2):
        prober.probes(slot)
    prober.serves(0)
    prober.check()
    assert http_get(prober.broker.port).status == 200
    prober.serves(1)
    prober.check()


def gets_answers_after_a_pause(broker, gate):
    """Clients come while the app has closed what it had; None: it came back too late."""
    broker.wait_event("worker-start", message=CLOSED)
    try:
        clients = [connect(broker.port) for _ in range(8)]
        for client in clients:
            send_request(client)
        gate.open()
        answers = [read_answer(client).status for client in clients]
    except ConnectionError:
        gate.open()
        broker.wait_event("unlisten")
        return None
    assert not broker.events("unlisten")
    return answers


def time_of(event):
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))


@test
def clients_wait_for_an_app_that_listens_again_at_its_start():
    """As hitch does: it listens to see that it can, and its children listen once more."""
    script = write_file("again.py", LISTEN + """
listen().close()
subprocess.call(sys.argv[2], shell=True)
s = listen()
""" + SERVE)
    for i in range(10):
        gate = Gate("gate%d" % i)
        broker = Broker(["python3", script, "{port}", str(gate)], workers=1, wait_ready=False)
        answers = gets_answers_after_a_pause(broker, gate)
        if answers:
            assert answers == [200] * 8, answers
            break
        broker.stop()  # the machine is so busy that a second has passed
    else:
        raise AssertionError("ten times, a second was not enough")
    # That second is given.
    broker = Broker(["python3", script, "{port}", str(Gate("shut"))], workers=1, wait_ready=False)
    closed = broker.wait_event("unlisten")
    left = broker.wait_event("worker-start", message=CLOSED)
    assert time_of(closed) - time_of(left) >= datetime.timedelta(seconds=0.99), (left, closed)


@test
def a_worker_that_has_enough_clients_is_out_of_the_round_until_it_listens_again():
    broker = Broker(app("srv_limit"), workers=1)
    old = ready_workers(broker)
    full = [connect(broker.port) for _ in range(2)]
    for sock in full:
        send_request(sock, close=False)
        read_answer(sock)
    broker.wait_event("worker-closed", worker="web.0")
    assert states(broker) == {"web.0": "closed"}
    waiting = connect(broker.port)
    send_request(waiting)
    full[0].close()
    assert read_answer(waiting).pid == old["web.0"]
    broker.wait_event("worker-released", worker="web.0")
    assert len(broker.events("worker-start")) == 1


@test
def nobody_is_lost_at_a_limit_and_no_worker_is_replaced():
    broker = Broker(app("srv_limit"), workers=2)
    load = Load(broker.port, inflight=16)
    load.wait_answers(2000)
    load.assert_clean()
    assert len(broker.events("worker-start")) == 2


@test
def a_worker_that_does_not_listen_again_in_time_is_replaced():
    broker = Broker(app("srv_limit"), workers=1, relisten_timeout="300ms")
    old = ready_workers(broker)
    full = [connect(broker.port) for _ in range(2)]
    for sock in full:
        send_request(sock, close=False)
        read_answer(sock)
    broker.wait_event("worker-draining", worker="web.0", pid=old["web.0"])
    # Its clients are served to their end by it; new ones by another.
    assert http_get(broker.port).pid != old["web.0"]
    for sock in full:
        send_request(sock)
        assert read_answer(sock).pid == old["web.0"]


main()
