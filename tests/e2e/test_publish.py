#!/usr/bin/env python3
"""What a reload does to listening sockets: new ones open when a worker is proven, an abort leaves all as they were."""

import errno
import os

from harness import *
from lib.faults import filtered
from lib.steering import ask, who_answers, workers


def listeners(broker):
    """{address: state}"""
    return {o["address"]: o["state"] for o in ask(broker, "status web") if o["type"] == "listener"}


def gated(gate):
    return Release("[ $BROKER_GENERATION = 1 ] || %s\n%s" % (gate, GOOD))


@test
def a_wrong_listen_line_is_taken_back_and_the_right_one_needs_no_restart():
    broker = Broker(app("srv_poll"), workers=2, listen="127.0.0.1:{port}")
    before, old = listeners(broker), who_answers(broker.port)
    load = Load(broker.port)
    # For a port on which the app does not listen: no worker ever becomes ready.
    broker.configure(app("srv_poll"), workers=2, listen="0.0.0.0:{port2}", start_timeout="500ms")
    event = broker.reload_and_wait(want="reload-aborted")
    assert event["replaced"] == 0, event
    wait_until(lambda: listeners(broker) == before)
    assert refused(broker.port2)
    load.wait_answers(50)
    assert who_answers(broker.port) <= old
    # Also where the two overlap: a loopback service was open to all, and stayed so.
    broker.configure(["/bin/false"], workers=2, listen="0.0.0.0:{port}", start_timeout="500ms")
    broker.reload_and_wait(want="reload-aborted")
    wait_until(lambda: listeners(broker) == before)
    assert refused(broker.port, "127.0.0.2")
    broker.configure(app("srv_poll"), workers=2, listen="127.0.0.1:{port}")
    broker.reload_and_wait()
    assert not who_answers(broker.port) & old
    load.assert_clean()


@test
def a_new_address_opens_with_the_first_worker_that_is_proven():
    gate = Gate()
    command = gated(gate).command()
    broker = Broker(command, workers=2, listen="127.0.0.1:{port}")
    mark = broker.mark()
    broker.configure(command, workers=2, listen=["127.0.0.1:{port}", "127.0.0.1:{port2} for {port}"])
    broker.hup()
    broker.wait_event("worker-start", since=mark, generation=2)
    assert listeners(broker)["127.0.0.1:%d" % broker.port2] == "bound"
    assert refused(broker.port2)
    gate.open()
    broker.wait_event("reload-step", since=mark, phase="retire")
    assert listeners(broker)["127.0.0.1:%d" % broker.port2] == "open"
    gate.open()
    broker.wait_event("reload-done", since=mark)
    assert listeners(broker)["127.0.0.1:%d" % broker.port2] == "open"
    assert http_get(broker.port2).pid in {w["pid"] for w in workers(broker)}


@test
def an_address_that_goes_serves_until_the_reload_is_done():
    gate = Gate()
    command = gated(gate).command()
    broker = Broker(command, workers=1, listen=["127.0.0.1:{port}", "127.0.0.1:{port2} for {port}"])
    mark = broker.mark()
    broker.configure(command, workers=1, listen="127.0.0.1:{port}")
    broker.hup()
    broker.wait_event("worker-start", since=mark, generation=2)
    assert http_get(broker.port2).pid
    ask(broker, "reload abort web")
    broker.wait_event("reload-aborted", since=mark)
    assert http_get(broker.port2).pid
    # The worker that ends still waits at the gate, and must not take what is for the next.
    broker.wait_event("worker-exit", since=mark, generation=2)
    gate.open()
    broker.reload_and_wait()
    wait_until(lambda: refused(broker.port2))


@test
def without_its_only_line_an_app_has_what_it_asks_for():
    """The line published another address. The new workers have none, and the old ones keep it."""
    gate = Gate()
    command = gated(gate).command()
    broker = Broker(command, workers=2, listen="127.0.0.1:{port2} for {port}")
    load = Load(broker.port2, inflight=4)
    broker.configure(command, workers=2)
    mark = broker.mark()
    broker.hup()
    gate.open()
    broker.wait_event("reload-step", since=mark, phase="retire")
    assert http_get(broker.port2).pid and http_get(broker.port).pid
    ask(broker, "reload abort web")
    broker.wait_event("reload-aborted", since=mark)
    wait_until(lambda: refused(broker.port))
    load.wait_answers(20)
    load.assert_clean()
    # The worker that ends still waits at the gate, and must not take what is for the next.
    broker.wait_event("worker-exit", since=mark, generation=2)
    gate.open(2)
    broker.reload_and_wait()
    assert http_get(broker.port).pid
    wait_until(lambda: refused(broker.port2))


@test
def a_port_that_a_failed_version_opened_is_closed_again():
    """It listens elsewhere, and then not on all that is expected."""
    broker = Broker(app("srv_poll"), workers=1)
    broker.configure(app("srv_poll")[:1] + ["{port2}"], workers=1, probation="1h")
    broker.hup()
    broker.wait_event("reload-step", phase="probation")
    assert http_get(broker.port2).pid
    # It serves, but is not to stay.
    ask(broker, "reload abort web")
    wait_until(lambda: refused(broker.port2))
    assert http_get(broker.port).pid
    assert set(listeners(broker)) == {"127.0.0.1:%d" % broker.port}, listeners(broker)


@test
def a_listen_line_moves_to_an_address_that_overlaps_with_clients_all_the_time():
    all_v4, loopback, dual = "0.0.0.0:{port}", "127.0.0.1:{port}", "[::]:{port}"
    broker = Broker(app("srv_poll"), workers=2, listen=loopback)
    load = Load(broker.port)
    load.wait_answers(50)
    for line in (all_v4, loopback, dual, all_v4, dual, loopback):
        broker.configure(app("srv_poll"), workers=2, listen=line)
        broker.reload_and_wait()
        load.wait_answers(50)
        want = {line.format(port=broker.port)}
        wait_until(lambda: set(listeners(broker)) == want, 20, lambda: "%s: %s" % (want, listeners(broker)))
        assert refused(broker.port, "127.0.0.2") == (line == loopback), line
        # And back, when the new version is no good.
        other = all_v4 if line == loopback else loopback
        broker.configure(["/bin/false"], workers=2, listen=other)
        broker.reload_and_wait(want="reload-aborted")
        wait_until(lambda: set(listeners(broker)) == want)
        load.wait_answers(20)
    load.assert_clean()


SOCKET, AF_INET6 = {"x86_64": 41, "aarch64": 198}.get(os.uname().machine, 0), 10


@test
def a_port_alone_is_one_listener_where_the_kernel_has_no_ipv6():
    program = filtered(broker_program(), SOCKET, 0x50000 | errno.EAFNOSUPPORT, AF_INET6)
    broker = Broker(app("srv_poll"), workers=2, listen="{port}", program=program)
    one = [{"address": "0.0.0.0:%d" % broker.port, "state": "open"}]
    found = lambda: [{key: o[key] for key in ("address", "state")}
                     for o in ask(broker, "status web") if o["type"] == "listener"]
    load = Load(broker.port)
    load.wait_answers(50)
    assert found() == one, found()
    # What the line says of the app is set back, too.
    for command, line, want in (
        (["/bin/false"], "{port}", "reload-aborted"), (app("srv_poll"), "{port}", "reload-done"),
        (["/bin/false"], "0.0.0.0:{port} for {port2}", "reload-aborted"),
        (["/bin/false"], "{port} for {port2}", "reload-aborted"),
    ):
        broker.configure(command, workers=2, listen=line)
        broker.reload_and_wait(want=want)
        wait_until(lambda: found() == one, 10, found)
        load.wait_answers(50)
    load.assert_clean()


main()
