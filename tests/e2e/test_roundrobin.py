#!/usr/bin/env python3
"""Who gets the next connection. Requests come strictly one after another: every worker has room."""

import collections
import socket

from harness import *

private_namespaces()


def ask(port, n, path="/"):
    """{pid: answers} of n requests, one at a time."""
    return collections.Counter(http_get(port, path).pid for _ in range(n))


def assert_even(counts, workers):
    assert len(counts) == workers, "%d workers, answers came from %s" % (workers, counts)
    assert max(counts.values()) - min(counts.values()) <= 1, counts


def pids(broker, workers):
    """Of freshly started workers, in the order of their slots."""
    return [broker.wait_event("worker-ready", worker="web.%d" % n)["pid"] for n in range(workers)]


def check_even(workers):
    # What waits is not taken back from a worker that does not get the processor for a while.
    broker = Broker(app("srv_poll"), workers=workers, proof_wait="1m", stall_timeout="1m")
    # A number of requests that no number of workers divides, from wherever the round stands.
    for n in (workers, 5 * workers + 1, 3 * workers - 1):
        if n:
            counts = ask(broker.port, n)
            assert set(counts) <= set(pids(broker, workers)), (counts, pids(broker, workers))
            assert len(counts) == min(n, workers), (n, counts)
            assert max(counts.values()) - min(counts.values()) <= 1, (n, counts)
    if workers > 7:
        return
    broker.reload_and_wait()
    assert_even(ask(broker.port, 4 * workers + 1), workers)


for number in (1, 2, 3, 7, 16):
    add_test(
        "%d workers are asked in turn, and after a reload too" % number,
        lambda number=number: check_even(number),
    )


@test
def during_a_reload_the_round_goes_on():
    """At any moment of the reload, of two neighbouring rounds none asks a serving worker twice."""
    workers = 3
    broker = Broker(app("srv_poll"), workers=workers)
    for _ in range(3):
        mark = broker.mark()
        broker.hup()
        order = []
        while not broker.events("reload-done", since=mark):
            order.append(http_get(broker.port).pid)
        order += [http_get(broker.port).pid for _ in range(2 * workers)]
        for first, second in zip(order, order[1:]):
            assert first != second, "the same worker twice in a row: %s" % order
        assert_even(collections.Counter(order[-2 * workers :]), workers)


@test
def the_answers_come_in_the_order_of_the_slots():
    workers = 5
    broker = Broker(app("srv_poll"), workers=workers)
    order = [http_get(broker.port).pid for _ in range(3 * workers)]
    assert order[:workers] == order[workers : 2 * workers] == order[2 * workers :], order
    slots = pids(broker, workers)
    first = slots.index(order[0])
    assert order[:workers] == slots[first:] + slots[:first], (order, slots)


@test
def a_replaced_worker_takes_its_place_in_the_round():
    workers = 3
    broker = Broker(app("srv_poll"), workers=workers)
    victim = pids(broker, workers)[1]
    mark = broker.mark()
    send_signal(victim, signal.SIGKILL)
    broker.wait_event("worker-ready", since=mark, worker="web.1")
    counts = ask(broker.port, 4 * workers)
    assert victim not in counts
    assert_even(counts, workers)


@test
def one_more_and_one_fewer_worker_shares_evenly():
    broker = Broker(app("srv_poll"), workers=2)
    mark = broker.mark()
    broker.signal(signal.SIGTTIN)
    broker.wait_event("worker-ready", since=mark, worker="web.2")
    assert_even(ask(broker.port, 10), 3)
    mark = broker.mark()
    broker.signal(signal.SIGTTOU)
    broker.wait_event("worker-draining", since=mark, worker="web.2")
    assert_even(ask(broker.port, 9), 2)


@test
def a_worker_that_is_busy_is_left_out_only_once_its_queue_is_full():
    """One thread, one connection at a time: a silent client keeps the first worker busy."""
    broker = Broker(app("srv_blocking"), workers=2, queue=3, stall_timeout="1m")
    workers = pids(broker, 2)
    busy = connect(broker.port)
    wait_until(lambda: proc.held_connections(workers, broker.port) == 1)
    held = [pid for pid in workers if proc.held_connections([pid], broker.port)]
    clients = []
    # In turn: the other one answers every second; those for the busy one wait in its queue.
    for _ in range(7):
        clients.append(connect(broker.port))
        send_request(clients[-1])
    for client in clients[0:7:2]:
        assert read_answer(client).pid != held[0]
        client.close()
    wait_until(lambda: faults.on_the_way(broker.port, workers) == 3)
    for _ in range(5):
        assert http_get(broker.port).pid != held[0]
    # The last answer may be here before its connection is closed there.
    wait_until(lambda: faults.on_the_way(broker.port, workers) == 3)
    busy.close()
    for client in clients[1:7:2]:
        assert read_answer(client).pid == held[0]
        client.close()


@test
def least_connections_goes_to_the_one_with_the_fewest():
    broker = Broker(app("srv_poll"), workers=3, balance="least-connections")
    workers = pids(broker, 3)
    held = [connect(broker.port) for _ in range(9)]

    def spread():
        return sorted(proc.held_connections([pid], broker.port) for pid in workers)

    wait_until(lambda: spread() == [3, 3, 3], 10, lambda: "even spread: %s" % spread())
    # One worker's clients leave; the next ones must all go there.
    owner = {}
    for sock in held:
        send_request(sock, close=False)
        owner.setdefault(read_answer(sock).pid, []).append(sock)
    empty = sorted(owner)[0]
    for sock in owner[empty]:
        sock.close()
    wait_until(lambda: spread() == [0, 3, 3])

    def three_more():
        """Three at once that all go to the empty one: the broker counts a few times a second."""
        new = [connect(broker.port) for _ in range(3)]
        for sock in new:
            send_request(sock, close=False)
        if [read_answer(sock).pid for sock in new] == [empty] * 3:
            return new
        for sock in new:
            sock.close()

    held += wait_until(three_more)
    wait_until(lambda: spread() == [3, 3, 3], 10, lambda: "even spread: %s" % spread())
    for sock in held:
        sock.close()


def connect_from(address, port):
    sock = socket.socket()
    sock.bind((address, 0))
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port))
    return sock


def ask_from(address, port):
    with connect_from(address, port) as sock:
        send_request(sock)
        return read_answer(sock).pid


@test
def source_sends_a_client_always_to_the_same_slot():
    broker = Broker(app("srv_poll"), workers=4, balance="source")
    clients = ["127.0.1.%d" % n for n in range(1, 41)]

    def slots():
        slot_of = {broker.worker_pid("web.%d" % slot): slot for slot in range(4)}
        return {client: slot_of[ask_from(client, broker.port)] for client in clients}

    pids(broker, 4)
    first = slots()
    assert len(set(first.values())) == 4, "40 clients, not all of 4 workers: %s" % first
    assert slots() == first
    broker.reload_and_wait()
    assert slots() == first, "a reload moved clients"
    # A slot that goes moves its own clients only.
    mark = broker.mark()
    broker.signal(signal.SIGTTOU)
    broker.wait_event("worker-draining", since=mark, worker="web.3")
    after = slots()
    moved = [client for client in clients if after[client] != first[client]]
    assert moved == [client for client in clients if first[client] == 3], (moved, first, after)


main()
