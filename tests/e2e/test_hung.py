#!/usr/bin/env python3
"""
Workers that take no connections although some wait: they are said to be stalled, are not counted as
ready, and when they are hung they are replaced, held, or just said to be.

srv_blocking hangs as long as one silent client holds it.
"""

import shutil
import time

from harness import *
from lib import control
from lib.control import ledger, wait_worker, worker
from lib.metrics import Page, agent
from lib.steering import ready_workers

QUICK = dict(stall_timeout="100ms", stall_action_after="400ms", drain_timeout="200ms", stop_timeout="5s")


def hang(broker, n=1):
    """Hangs so many workers. Returns the clients that do it; closing one frees its worker."""
    want = ledger(broker)["taken"] + n
    silent = [connect(broker.port) for _ in range(n)]
    wait_until(lambda: ledger(broker)["taken"] == want)
    return silent


def ask(broker):
    sock = connect(broker.port)
    send_request(sock)
    return sock


def answered(sock):
    assert read_answer(sock).status == 200


@test
def a_hung_worker_alone_is_replaced_and_its_clients_are_answered():
    broker = Broker(app("srv_blocking"), workers=1, stall_action="replace", **QUICK)
    old = ready_workers(broker)["web.0"]
    silent = hang(broker)
    client = ask(broker)
    stalled = broker.wait_event("stalled", worker="web.0", pid=old)
    assert "while some wait" in stalled["message"], stalled
    assert broker.wait_event("hung", worker="web.0", pid=old)["ms"] >= 400
    assert broker.wait_event("recycle", worker="web.0", pid=old)["reason"] == "stalled"
    answered(client)
    broker.wait_event("worker-exit", worker="web.0", pid=old)
    new = broker.wait_event("worker-ready", worker="web.0", count=2)
    exited = broker.wait_event("worker-exit", pid=old)
    assert new["position"] < exited["position"], "the new one has to be ready before"
    for sock in silent:
        sock.close()


@test
def hung_workers_are_replaced_one_at_a_time():
    broker = Broker(app("srv_blocking"), workers=2, stall_action="replace", proof_wait="20ms", **QUICK)
    old = ready_workers(broker)
    silent = hang(broker, 2)
    load = Load(broker.port, inflight=4)
    for name, pid in old.items():
        assert broker.wait_event("recycle", worker=name, pid=pid)["reason"] == "stalled"
        broker.wait_event("worker-exit", worker=name, pid=pid)
    begun = [e["position"] for e in broker.events("reload-begin")]
    done = [e["position"] for e in broker.events("reload-done")]
    assert begun[0] < done[0] < begun[1] < done[1], (begun, done)
    load.assert_clean()
    assert len(silent) == 2


@test
def where_others_have_room_three_are_tried():
    broker = Broker(app("srv_blocking"), workers=2, stall_action="replace", proof_wait="20ms", **QUICK)
    old = ready_workers(broker)
    silent = hang(broker)
    load = Load(broker.port, inflight=2)
    recycled = broker.wait_event("recycle")
    assert recycled["pid"] in old.values() and recycled["reason"] == "stalled", recycled
    broker.wait_event("worker-exit", pid=recycled["pid"])
    load.assert_clean()
    assert silent


@test
def the_log_says_it_and_no_more_is_done():
    broker = Broker(app("srv_blocking"), workers=1, **QUICK)
    old = ready_workers(broker)["web.0"]
    silent = hang(broker)
    client = ask(broker)
    broker.wait_event("hung", worker="web.0", pid=old)
    assert "has taken no connection for" in worker(broker, "web.0")["why"]
    silent.pop().close()
    answered(client)
    broker.wait_event("worker-released", worker="web.0", pid=old)
    assert not broker.events("recycle") and worker(broker, "web.0")["why"] == ""


@test
def where_all_are_busy_not_every_long_request_is_worth_a_line():
    broker = Broker(app("srv_blocking"), workers=1, stall_timeout="50ms")
    ready_workers(broker)
    for n in range(3):
        silent, client = hang(broker), ask(broker)
        wait_until(lambda: "though 1 waits" in worker(broker, "web.0")["why"])
        silent.pop().close()
        answered(client)
        wait_worker(broker, "web.0", why="")
    broker.settle()
    assert len(broker.events("stalled")) == len(broker.events("worker-released")) == 1


@test
def a_worker_that_takes_again_is_not_replaced():
    broker = Broker(app("srv_blocking"), workers=1, stall_action="replace",
                    stall_command="sh -c 'echo begun; sleep 1'", **QUICK)
    old = ready_workers(broker)["web.0"]
    silent = hang(broker)
    client = ask(broker)
    broker.wait_event("output", text="begun")
    silent.pop().close()
    answered(client)
    broker.wait_event("stall-command", worker="web.0")
    broker.settle()
    assert not broker.events("recycle") and broker.worker_pid() == old


@test
def the_command_runs_once_before_the_replacement():
    broker = Broker(app("srv_blocking"), workers=1, stall_action="replace",
                    stall_command="sh -c 'echo ran; cat /proc/{pid}/comm; readlink /proc/{pid}/cwd; exit 3'", **QUICK)
    old = ready_workers(broker)["web.0"]
    silent = hang(broker)
    client = ask(broker)
    said = broker.wait_event("stall-command", worker="web.0", pid=old)
    assert said["output"].startswith("ran\nsrv_blocking\n/"), said
    recycled = broker.wait_event("recycle", worker="web.0", pid=old)
    assert said["position"] < recycled["position"]
    answered(client)
    broker.wait_event("worker-exit", worker="web.0", pid=old)
    assert [e["text"] for e in broker.events("output")].count("ran") == 1
    assert silent


@test
def what_a_debugger_says_of_it_is_kept():
    """gdb stops the worker for that: it is not taken for one that a person debugs."""
    if not shutil.which("gdb"):
        skip("gdb is not installed")
    broker = Broker(app("srv_blocking"), workers=1, stall_action="replace",
                    stall_command="gdb -p {pid} -batch -ex 'thread apply all bt'", **QUICK)
    old = ready_workers(broker)["web.0"]
    silent = hang(broker)
    client = ask(broker)
    said = broker.wait_event("stall-command", worker="web.0", pid=old)
    assert "app_serve" in said["output"], said
    broker.wait_event("recycle", worker="web.0", pid=old)
    answered(client)
    assert not broker.events("worker-held")
    assert silent


@test
def what_the_command_writes_is_kept_where_the_output_is_a_file():
    broker = Broker(app("srv_blocking"), workers=1, output=tmp() + "/out", stall_command="echo seen {pid}", **QUICK)
    old = ready_workers(broker)["web.0"]
    silent = hang(broker)
    client = ask(broker)
    said = broker.wait_event("stall-command", worker="web.0", pid=old)
    assert said["output"] == "seen %d\n" % old, said
    silent.pop().close()
    answered(client)


@test
def a_command_that_cannot_run_is_said_and_the_action_follows():
    broker = Broker(app("srv_blocking"), workers=1, stall_action="replace", stall_command="/no/such {pid}", **QUICK)
    old = ready_workers(broker)["web.0"]
    silent = hang(broker)
    client = ask(broker)
    said = broker.wait_event("stall-command", worker="web.0", pid=old)
    assert said["message"] == "cannot be run: cannot execute /no/such: No such file or directory", said
    broker.wait_event("recycle", worker="web.0", pid=old)
    answered(client)
    assert silent


@test
def held_for_a_person_but_never_the_last():
    broker = Broker(app("srv_blocking"), workers=2, stall_action="hold", proof_wait="20ms", **QUICK)
    ready_workers(broker)
    silent = hang(broker)
    load = Load(broker.port, inflight=2)
    held = broker.wait_event("worker-held", by="hung")["worker"]
    load.assert_clean()
    assert worker(broker, held)["why"] == "held, as it took no connections"
    silent += hang(broker)
    client = ask(broker)
    other = broker.wait_event("hung", count=2)["worker"]
    assert other != held
    said = broker.wait_event("worker-held", worker=other)
    assert "stays in the round" in said["message"], said
    control.ask(broker, "release " + held)
    for sock in silent:
        sock.close()
    answered(client)
    wait_worker(broker, held, state="ready")


@test
def a_stalled_worker_is_not_ready():
    broker = Broker(app("srv_blocking"), workers=2, stall_action="hold",
                    broker=dict(metrics="127.0.0.1:{port2}", agent_check="127.0.0.1:{port3}"),
                    stall_timeout="100ms")
    page = Page(broker.port2)
    ready_workers(broker)
    silent = hang(broker)
    clients = [ask(broker) for _ in range(2)]
    stalled = broker.wait_event("stalled")["worker"]
    assert page.scrape().sum("broker_worker_stalled") == 1
    assert page.scrape().value("broker_worker_stalled", worker=stalled) == 1
    assert agent(broker.port3) == "ready up 50%\n", agent(broker.port3)
    assert page.get("/readyz").status == 200
    answered(clients.pop(0))
    silent += hang(broker)
    clients.append(ask(broker))
    broker.wait_event("stalled", count=2)
    answer = page.get("/readyz")
    assert (answer.status, answer.body) == (503, "web: no ready worker takes connections (of 2)\n"), vars(answer)
    assert agent(broker.port3) == "down\n"
    assert page.scrape().value("broker_service_serving", service="web") == 0
    for sock in silent:
        sock.close()
    for sock in clients:
        answered(sock)
    wait_until(lambda: page.get("/readyz").status == 200)


@test
def a_broker_that_was_stopped_takes_it_out_on_no_worker():
    """It was stopped for longer than its workers may take to start; they started meanwhile."""
    go = tmp("go")
    script = write_file("starts.sh", "#!/bin/sh\nuntil [ -e %s ]; do sleep 0.02; done\nexec \"$@\"\n" % go)
    broker = Broker(["sh", script, *app("srv_poll")], workers=2, start_timeout="1s", wait_ready=False)
    pids = [broker.wait_event("worker-start", worker="web.%d" % n)["pid"] for n in range(2)]
    send_signal(broker.main_pid, signal.SIGSTOP)
    stopped = time.monotonic()
    write_file("go", "")
    for pid in pids:  # it waits for the broker's answer
        wait_until(lambda: proc.name(pid) == "srv_poll" and proc.stat(pid)[0] == "S")
    wait_until(lambda: time.monotonic() - stopped > 1.5)
    send_signal(broker.main_pid, signal.SIGCONT)
    broker.wait_ready()
    assert not broker.events("worker-failed") and set(ready_workers(broker).values()) == set(pids)


main()
