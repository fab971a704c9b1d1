#!/usr/bin/env python3
"""The broker is a batch process while connections come fast; what it starts never is."""

import os
import signal

from harness import *
from lib import proc, tap
from lib.paths import broker_program
from lib.steering import ready_workers


def policy(pid):
    return os.sched_getscheduler(pid)


def is_batch(broker):
    return policy(broker.main_pid) == os.SCHED_BATCH


def new_worker(broker):
    """web.0 is killed; the pid of the one after it."""
    old = ready_workers(broker)["web.0"]
    os.kill(old, signal.SIGKILL)
    return wait_until(lambda: {pid for pid in [ready_workers(broker)["web.0"]] if pid != old}).pop()


@test
def batch_while_connections_come_fast_and_ordinary_again_after_them():
    broker = Broker(app("srv_poll"), workers=2)
    assert policy(broker.main_pid) == os.SCHED_OTHER
    load = Load(broker.port, inflight=64)
    wait_until(lambda: is_batch(broker))
    load.assert_clean()
    wait_until(lambda: not is_batch(broker), what="an ordinary process again")


@test
def what_it_starts_is_an_ordinary_process():
    broker = Broker(app("srv_poll"), workers=2, broker={"scheduling": "batch"})
    http_get(broker.port)
    wait_until(lambda: is_batch(broker))
    worker = new_worker(broker)
    assert policy(worker) == os.SCHED_OTHER, policy(worker)


@test
def off_is_off_and_a_reload_changes_it():
    broker = Broker(app("srv_poll"), workers=2, broker={"scheduling": "batch"})
    http_get(broker.port)
    wait_until(lambda: is_batch(broker))
    broker.configure(app("srv_poll"), workers=2, broker={"scheduling": "other"})
    broker.reload_and_wait()
    http_get(broker.port)
    wait_until(lambda: not is_batch(broker))


@test
def a_policy_that_it_was_started_with_stays():
    wrapper = tap.tmp("idle-broker")
    with open(wrapper, "w") as f:
        f.write("#!/bin/sh\nexec chrt -i 0 %s \"$@\"\n" % broker_program())
    os.chmod(wrapper, 0o755)
    broker = Broker(app("srv_poll"), workers=2, broker={"scheduling": "batch"}, program=wrapper)
    http_get(broker.port)
    message = broker.wait_event("limit")["message"]
    assert "scheduling = batch" in message and "started with a policy of its own" in message, message
    assert policy(broker.main_pid) == os.SCHED_IDLE
    # It has shown it. On a busy machine an idle process would take minutes to end.
    for pid in [broker.pid] + proc.descendants(broker.pid):
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))


main()
