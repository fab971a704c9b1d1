#!/usr/bin/env python3
"""
What a worker has, however much it is, costs others nothing: the broker looks at it in small parts,
rests between them, and asks no more than it has to. Counted in system calls, not in time; the times
are in docs/performance.md, from tests/bench/scale.
"""

import resource

from harness import *
from lib.steering import ready_workers, workers

MANY = 6000
LOOKS = "readlink,readlinkat,recvfrom,epoll_wait"
IN_A_TURN = 400  # a slice is of 200 us


def room_for_many():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 2 * MANY:
        skip("needs %d descriptors for a process" % (2 * MANY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def hold(broker, n):
    held = [connect(broker.port) for _ in range(n)]
    pids = list(ready_workers(broker).values())
    wait_until(lambda: proc.held_connections(pids, broker.port) == n, 60)
    return held


def looks(trace):
    return [line for line in trace.lines() if line.startswith(("readlink", "recvfrom"))]


def longest_turn(trace):
    """System calls of looks between two waits."""
    longest = n = 0
    for line in trace.lines():
        n = 0 if line.startswith("epoll_wait") else n + 1
        longest = max(longest, n)
    return longest


def watch(broker, turns):
    """What the broker calls in so many turns of its loop."""
    with faults.Strace(broker.main_pid, LOOKS) as trace:
        wait_until(lambda: len(trace.lines("epoll_wait(")) >= turns, 60)
    return trace


def is_quiet(calls):
    """The kernel was not asked for connections, nor was it looked who has them."""
    return len(calls) < 100 and not any(line.startswith("recvfrom") for line in calls)


@test
def idle_connections_of_workers_that_drain_are_not_looked_at_again_and_again():
    room_for_many()
    broker = Broker(app("srv_holds"), workers=2, drain_timeout="10m", drain_idle="off")
    held = hold(broker, MANY)
    old = ready_workers(broker)
    send_signal(broker.pid, signal.SIGHUP)
    for name, pid in old.items():
        broker.wait_event("worker-draining", worker=name, pid=pid)
    trace = watch(broker, 100)
    assert longest_turn(trace) < IN_A_TURN, longest_turn(trace)
    # In these two seconds all would be looked at ten times.
    assert len(looks(trace)) < MANY, len(looks(trace))
    # Most of the time it is known that they have some.
    wait_until(lambda: is_quiet(looks(watch(broker, 40))), 60)
    assert http_get(broker.port).pid not in old.values()
    assert not broker.events("worker-exit")
    for sock in held:
        sock.close()
    for name, pid in old.items():
        broker.wait_event("worker-exit", worker=name, pid=pid)


@test
def counting_connections_takes_short_turns():
    room_for_many()
    broker = Broker(app("srv_holds"), workers=2, balance="least-connections")
    held = hold(broker, MANY)
    trace = watch(broker, 100)
    assert looks(trace)
    assert longest_turn(trace) < IN_A_TURN, longest_turn(trace)
    for sock in held:
        sock.close()


@test
def the_tree_of_a_worker_is_looked_at_in_parts():
    broker = Broker(app("srv_holds", "{port}", 200, 100), workers=1, drain_timeout="10m", drain_idle="off")
    held = hold(broker, 1)
    pid = broker.worker_pid("web.0")
    send_signal(broker.pid, signal.SIGHUP)
    broker.wait_event("worker-draining", pid=pid)
    trace = watch(broker, 100)
    assert longest_turn(trace) < IN_A_TURN, longest_turn(trace)
    with faults.Strace(broker.main_pid, LOOKS) as trace:
        assert len(workers(broker)) == 2
    assert len(looks(trace)) > 200 * 100
    assert longest_turn(trace) < IN_A_TURN, longest_turn(trace)
    for sock in held:
        sock.close()
    # The end of 20,000 descriptors is looked for in as many parts.
    broker.wait_event("worker-exit", pid=pid, timeout=120)


main()
