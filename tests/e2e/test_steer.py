#!/usr/bin/env python3
"""Steering by hand: rollback, abort, scale, stop; and what status says of a rollout and of slots."""

import os
import re
import shutil
import socket

from harness import *
from lib import control


def ask(broker, text):
    return control.ask(broker, text)


def refusal(broker, text, code="refused"):
    answer = control.refusal(broker, text)
    assert answer["code"] == code, answer
    return answer["message"]


def service(broker, name="web"):
    return next(o for o in ask(broker, "status " + name) if o["type"] == "service")


def workers(broker, name="web"):
    return [o for o in ask(broker, "status " + name) if o["type"] == "worker"]


def who_answers(port, n=8):
    return {http_get(port).pid for _ in range(n)}


def answered_by(port, pids):
    return wait_until(lambda: who_answers(port) == pids, 30, lambda: "answers of %s" % pids)


def hold(port):
    """A connection that is open and idle, and the worker that has it."""
    sock = connect(port)
    send_request(sock, close=False)
    return sock, read_answer(sock).pid


def reloaded(window="1h", n=2, command=None, **keys):
    """A broker after one reload whose old workers are parked; their pids by slot, the new pids."""
    broker = Broker(command or app("srv_poll"), workers=n, rollback_window=window, **keys)
    old = {e["worker"]: e["pid"] for e in broker.events("worker-ready")}
    broker.reload_and_wait()
    for name, pid in old.items():
        broker.wait_event("worker-parked", worker=name, pid=pid, generation=1)
    new = {e["pid"] for e in broker.events("worker-ready", generation=2)}
    return broker, old, new


# --- rollback -------------------------------------------------------------------------------------


@test
def a_rollback_puts_the_old_workers_back_in_one_step():
    broker = Broker(app("srv_poll"), workers=3, rollback_window="1h")
    old = {e["pid"] for e in broker.events("worker-ready")}
    assert service(broker)["rollback_ms"] is None
    load = Load(broker.port)
    load.wait_answers(100)
    with broker.same_fds():
        broker.reload_and_wait()
        broker.wait_event("worker-parked", count=3)
        load.wait_answers(100)
        assert not broker.events("worker-stopping")
        assert 0 < service(broker)["rollback_ms"] <= 3600000
        parked = [w for w in workers(broker) if w["state"] == "parked"]
        assert {w["pid"] for w in parked} == old, parked
        assert all("kept for a rollback" in w["why"] for w in parked), parked

        mark = broker.mark()
        ask(broker, "rollback web")
        event = broker.wait_event("rollback", since=mark, service="web")
        assert (event["generation"], event["undoes"], event["restored"]) == (1, 2, 3), event
        # All of the old are in the round before the first of the new is told to leave.
        back = [e["position"] for e in broker.events("worker-released", since=mark)]
        left = [e["position"] for e in broker.events("worker-draining", since=mark)]
        assert len(back) == len(left) == 3 and max(back) < min(left), (back, left)
        load.wait_answers(50)
        answered_by(broker.port, old)
        for _ in range(3):
            broker.wait_event("worker-exit", since=mark, generation=2, count=3)
    assert not broker.events("worker-start", since=mark)
    line = service(broker)
    assert line["generation"] == 1 and line["rollback_ms"] is None, line
    assert "nothing to go back to" in refusal(broker, "rollback web")
    load.assert_clean()
    # The next reload goes on counting.
    assert broker.reload_and_wait()["generation"] == 3


@test
def a_worker_that_still_drains_is_put_back_too():
    broker = Broker(app("srv_poll"), workers=1, rollback_window="1h")
    sock, pid = hold(broker.port)
    broker.reload_and_wait()
    broker.wait_event("worker-draining", pid=pid)
    ask(broker, "rollback")
    answered_by(broker.port, {pid})
    send_request(sock, close=False)
    assert read_answer(sock).pid == pid
    sock.close()
    assert not broker.events("worker-parked")
    broker.wait_event("worker-exit", generation=2)


@test
def the_slot_of_an_old_worker_that_died_is_started_anew_with_the_old_configuration():
    broker = Broker(app("srv_poll"), workers=2, rollback_window="1h", environment="V=old")
    old = {e["worker"]: e["pid"] for e in broker.events("worker-ready")}
    broker.configure(app("srv_poll"), workers=2, rollback_window="1h", environment="V=new")
    broker.reload_and_wait()
    broker.wait_event("worker-parked", count=2)
    send_signal(old["web.1"], signal.SIGKILL)
    broker.wait_event("worker-exit", pid=old["web.1"])
    mark = broker.mark()
    ask(broker, "rollback web")
    event = broker.wait_event("rollback", since=mark)
    assert (event["restored"], event["workers"]) == (1, 2), event
    anew = broker.wait_event("worker-ready", since=mark, worker="web.1", generation=1)
    assert proc.environment(anew["pid"])["V"] == "old"
    answered_by(broker.port, {old["web.0"], anew["pid"]})
    # What crashes later is replaced by the old one too.
    send_signal(old["web.0"], signal.SIGKILL)
    again = broker.wait_event("worker-ready", since=mark, worker="web.0", generation=1)
    assert proc.environment(again["pid"])["V"] == "old"


@test
def without_any_old_worker_a_rollback_is_refused():
    broker, old, new = reloaded()
    for pid in old.values():
        send_signal(pid, signal.SIGKILL)
        broker.wait_event("worker-exit", pid=pid)
    assert "no worker of generation 1 of web is left" in refusal(broker, "rollback web")
    assert service(broker)["rollback_ms"] is None
    answered_by(broker.port, new)
    assert not broker.events("rollback")


@test
def when_the_window_is_over_the_old_workers_end():
    broker, old, new = reloaded(window="400ms")
    for pid in old.values():
        event = broker.wait_event("worker-stopping", pid=pid)
        assert "rollback" in event["message"], event
        broker.wait_event("worker-exit", pid=pid)
    assert "window is over" in refusal(broker, "rollback web")
    answered_by(broker.port, new)


@test
def without_a_window_nothing_is_kept():
    broker = Broker(app("srv_poll"))
    broker.reload_and_wait()
    broker.wait_event("worker-exit", generation=1, count=2)
    assert not broker.events("worker-parked")
    assert "rollback_window is 0" in refusal(broker, "rollback web")


@test
def only_one_generation_is_kept():
    broker, old, _ = reloaded()
    broker.reload_and_wait()
    for pid in old.values():
        broker.wait_event("worker-exit", pid=pid)
    broker.wait_event("worker-parked", generation=2, count=2)
    second = {e["pid"] for e in broker.events("worker-ready", generation=2)}
    ask(broker, "rollback web")
    answered_by(broker.port, second)
    assert service(broker)["generation"] == 2


@test
def the_end_of_the_broker_does_not_wait_for_parked_workers():
    broker, old, _ = reloaded()
    sock, pid = hold(broker.port)
    broker.signal(signal.SIGTERM)
    for parked in old.values():
        broker.wait_event("worker-exit", pid=parked)
    assert not broker.events("worker-exit", pid=pid)
    sock.close()
    broker.wait_stopped()


@test
def one_that_does_not_finish_within_drain_timeout_is_told_to_end_all_the_same():
    broker = Broker(app("srv_poll"), workers=1, rollback_window="1h", drain_timeout="300ms")
    sock, pid = hold(broker.port)
    broker.reload_and_wait()
    assert "time is up" in broker.wait_event("worker-stopping", pid=pid)["message"]
    broker.wait_event("worker-exit", pid=pid)
    assert "is left" in refusal(broker, "rollback web")
    sock.close()


@test
def what_was_replaced_before_an_abort_can_be_put_back():
    release = Release("[ $BROKER_GENERATION = 2 ] && [ $BROKER_SLOT = 2 ] && exit 1\n" + GOOD)
    broker = Broker(release.command(), workers=3, rollback_window="1h")
    old = {e["pid"] for e in broker.events("worker-ready")}
    assert broker.reload_and_wait(want="reload-aborted")["replaced"] == 2
    broker.wait_event("worker-parked", count=2)
    assert len(who_answers(broker.port) & old) == 1
    mark = broker.mark()
    ask(broker, "rollback web")
    answered_by(broker.port, old)
    broker.wait_event("worker-exit", since=mark, generation=2, count=2)
    assert not broker.events("worker-start", since=mark)


@test
def the_number_of_workers_goes_back_too():
    for before, after in ((3, 1), (1, 3)):
        broker = Broker(app("srv_poll"), workers=before, rollback_window="1h")
        old = {e["pid"] for e in broker.events("worker-ready")}
        broker.configure(app("srv_poll"), workers=after, rollback_window="1h")
        broker.reload_and_wait()
        broker.wait_event("worker-parked", count=before)
        ask(broker, "rollback web")
        assert service(broker)["workers"] == before
        answered_by(broker.port, old)
        broker.wait_event("worker-exit", generation=2, count=after)


@test
def addresses_go_back_with_the_workers():
    one, two = "127.0.0.1:{port2} for {port}", "127.0.0.1:{port3} for {port}"
    broker = Broker(app("srv_poll"), listen=[one], rollback_window="1h")
    old = {e["pid"] for e in broker.events("worker-ready")}
    load = Load(broker.port2)
    load.wait_answers(20)
    load.assert_clean()
    broker.configure(app("srv_poll"), listen=[two], rollback_window="1h")
    broker.reload_and_wait()
    broker.wait_event("worker-parked", count=2)
    wait_until(lambda: refused(broker.port2))
    ask(broker, "rollback web")
    answered_by(broker.port2, old)
    wait_until(lambda: refused(broker.port3))


@test
def an_app_that_had_moved_is_back_where_it_was():
    release, port = Release(), free_port()
    broker = Broker(release.command(), rollback_window="1h")
    old = {e["pid"] for e in broker.events("worker-ready")}
    release.deploy("exec %s/srv_poll %d" % (APPS, port))
    broker.reload_and_wait()
    broker.wait_event("worker-parked", count=2)
    # Nobody serves there: clients are told so, and do not wait for a rollback.
    assert refused(broker.port) and len(who_answers(port)) == 2
    ask(broker, "rollback web")
    answered_by(broker.port, old)
    wait_until(lambda: refused(port))


@test
def an_address_that_somebody_else_has_taken_refuses_the_rollback():
    release, port = Release(), free_port()
    broker = Broker(release.command(), rollback_window="1h")
    release.deploy("exec %s/srv_poll %d" % (APPS, port))
    broker.reload_and_wait()
    broker.wait_event("worker-parked", count=2)
    new = who_answers(port)
    with broker.same_fds():
        with socket.create_server(("127.0.0.1", broker.port)):
            assert "cannot listen on" in refusal(broker, "rollback web")
        answered_by(port, new)
    assert service(broker)["generation"] == 2
    # That one is gone: now it works.
    ask(broker, "rollback web")
    assert len(who_answers(broker.port)) == 2


@test
def a_parked_worker_that_is_debugged_is_left_alone():
    broker, old, _ = reloaded(window="300ms", n=1)
    pid = old["web.0"]
    with faults.traced(pid):
        wait_until(lambda: service(broker)["rollback_ms"] is None)
        assert not broker.events("worker-stopping", pid=pid)
    broker.wait_event("worker-exit", pid=pid)


@test
def a_parked_worker_that_is_stopped_is_held_when_it_comes_back():
    broker, old, _ = reloaded()
    proc.stop_process(old["web.0"])
    mark = broker.mark()
    ask(broker, "rollback web")
    broker.wait_event("worker-held", since=mark, pid=old["web.0"])
    answered_by(broker.port, {old["web.1"]})
    send_signal(old["web.0"], signal.SIGCONT)
    answered_by(broker.port, set(old.values()))


@test
def a_rollback_waits_for_nothing_and_is_refused_during_a_reload():
    broker, _, _ = reloaded()
    gate = Gate()
    release = Release("%s\n%s" % (gate, GOOD))
    broker.configure(release.command(), workers=2, rollback_window="1h")
    broker.hup()
    broker.wait_event("worker-start", generation=3)
    assert "reload of web is under way" in refusal(broker, "rollback web")
    assert service(broker)["rollback_ms"] is None
    gate.open(2)
    broker.wait_event("reload-done", generation=3)


# --- abort ----------------------------------------------------------------------------------------


@test
def a_reload_is_aborted_by_hand():
    gate = Gate()
    release = Release("[ $BROKER_GENERATION = 1 ] || %s\n%s" % (gate, GOOD))
    broker = Broker(release.command(), workers=3)
    old = who_answers(broker.port)
    assert "no reload of web is under way" in refusal(broker, "reload abort web")
    load = Load(broker.port)
    load.wait_answers(50)
    broker.hup()
    broker.wait_event("worker-start", generation=2)
    gate.open()
    broker.wait_event("worker-start", generation=2, count=2)
    # One more is wanted behind it: that is dropped as well.
    broker.hup()
    broker.settle()
    line = service(broker)["reload"]
    assert (line["done"], line["of"], line["generation"]) == (1, 3, 2), line
    assert re.fullmatch(r"web\.1 to listen \(\d+ s, \d+ s left\)", line["waits_for"]), line
    ask(broker, "reload abort web")
    event = broker.wait_event("reload-aborted")
    assert event["reason"] == "aborted by hand" and event["replaced"] == 1, event
    broker.wait_event("worker-exit", worker="web.1", generation=2)
    # Two are as they were, and the third is the new one that served already.
    kept = {e["pid"] for e in broker.events("worker-ready", generation=2)} | old
    wait_until(lambda: len(set(load.wait_pids(200)) & old) == 2)
    assert set(load.wait_pids(200)) <= kept and len(broker.events("worker-draining")) == 1
    assert len(broker.events("reload-begin")) == 1
    assert service(broker)["reload"] is None
    load.assert_clean()


# --- scale ----------------------------------------------------------------------------------------


@test
def workers_come_and_go_by_hand():
    broker = Broker(app("srv_poll"), workers=1)
    load = Load(broker.port)
    load.wait_answers(50)
    for n in (4, 2, 3, 1):
        ask(broker, "scale web %d" % n)
        assert broker.wait_event("scale", workers=n)["level"] == "info"
        assert wait_until(lambda n=n: len(load.wait_pids(200)) == n)
        assert service(broker)["workers"] == n
    load.assert_clean()


@test
def a_number_of_workers_that_cannot_be_is_refused():
    gate = Gate()
    release = Release("[ $BROKER_GENERATION = 1 ] || %s\n%s" % (gate, GOOD))
    broker = Broker(release.command(), workers=2)
    for n in (0, 1025, 2**32 + 1):
        assert "1 to 1024 workers" in refusal(broker, "scale web %d" % n, code="bad-request")
    with faults.descriptor_limit(broker.pid, 400):
        assert "the limit is 400" in refusal(broker, "scale web 500")
        # Fewer need no more, and the signals go the same way.
        ask(broker, "scale web 1")
    with faults.descriptor_limit(broker.pid, 100):
        mark = broker.mark()
        broker.signal(signal.SIGTTIN)
        event = broker.wait_event("scale", since=mark)
        assert event["level"] == "warn" and "the limit is 100" in event["message"], event
    broker.hup()
    broker.wait_event("worker-start", generation=2)
    assert "reload of web is under way" in refusal(broker, "scale web 3")
    gate.open(2)
    broker.wait_event("reload-done")
    # The file says 2 again.
    assert service(broker)["workers"] == 2


@test
def an_abort_leaves_the_number_that_was_set_by_hand():
    broker = Broker(Release("[ $BROKER_GENERATION = 2 ] && exit 1\n" + GOOD).command(), workers=1)
    ask(broker, "scale web 3")
    broker.wait_event("worker-ready", count=3)
    broker.reload_and_wait(want="reload-aborted")
    assert service(broker)["workers"] == 3
    assert wait_until(lambda: len(who_answers(broker.port, 12)) == 3)


# --- one worker anew ------------------------------------------------------------------------------


@test
def one_worker_is_replaced_and_no_other():
    for strategy in ("start-first", "stop-first"):
        broker = Broker(app("srv_poll"), workers=3, strategy=strategy)
        old = {e["worker"]: e["pid"] for e in broker.events("worker-ready")}
        load = Load(broker.port)
        load.wait_answers(50)
        mark = broker.mark()
        ask(broker, "restart web.1")
        done = broker.wait_event("reload-done", since=mark, kind="restart")
        assert (done["generation"], done["done"], done["of"]) == (1, 1, 1), done
        new = broker.wait_event("worker-ready", since=mark, worker="web.1", generation=1)
        gone = broker.wait_event("worker-exit", since=mark, pid=old["web.1"])
        draining = broker.wait_event("worker-draining", since=mark, pid=old["web.1"])
        if strategy == "start-first":
            assert new["position"] < draining["position"]
        else:
            assert gone["position"] < new["position"]
        answered_by(broker.port, {old["web.0"], new["pid"], old["web.2"]})
        assert len(broker.events("worker-start", since=mark)) == 1
        assert service(broker)["generation"] == 1
        load.assert_clean()


@test
def a_restart_that_fails_leaves_the_old_worker():
    release = Release()
    broker = Broker(release.command(), workers=2)
    old = who_answers(broker.port)
    release.deploy("echo no such module >&2; exit 7")
    why = refusal(broker, "restart web.0", code="aborted")
    event = broker.wait_event("reload-aborted", kind="restart")
    assert event["reason"] == why
    assert event["reason"] == "web.0 of generation 1 did not start: exit 7", event
    assert event["output"] == "no such module", event
    answered_by(broker.port, old)


@test
def a_restart_is_refused_while_a_rollout_runs():
    gate = Gate()
    release = Release()
    broker = Broker(release.command(), workers=2, rollback_window="1h")
    release.deploy("%s\n%s" % (gate, GOOD))
    ask(broker, "restart web.0 --no-wait")
    broker.wait_event("worker-start", count=3)
    assert "restart of web is under way" in refusal(broker, "restart web.1")
    # A reload comes after it.
    broker.hup()
    broker.settle()
    gate.open(3)
    broker.wait_event("reload-done", kind="restart")
    broker.wait_event("reload-done", kind="reload", generation=2)


@test
def a_restart_that_fails_at_once_is_not_said_to_have_worked():
    place = tmp("output")
    os.mkdir(place)
    broker = Broker(app("srv_poll"), workers=1, output=os.path.join(place, "web.log"))
    pid = broker.worker_pid()
    shutil.rmtree(place)
    # Not even the process can be started: the rollout is over before anybody could wait for it.
    for command in ("restart web.0", "reload", "restart web.0"):
        assert "could not be started" in refusal(broker, command, code="aborted"), command
    answered_by(broker.port, {pid})


# --- one service, and the plan ------------------------------------------------------------------------

TWO = """[service:a]
command = {apps}/srv_poll {port}
workers = 1
queue = %d
[service:b]
command = {apps}/srv_poll {port2}
workers = %d
"""


@test
def one_service_alone_is_reloaded():
    broker = Broker(text=TWO % (1, 1))
    b = http_get(broker.port2).pid
    broker.configure(text=TWO % (2, 2))
    mark = broker.mark()
    ask(broker, "reload a")
    assert [e["service"] for e in broker.events("reload-done", since=mark)] == ["a"]
    waits = broker.events("config-waits", since=mark)
    assert [(e["service"], e["keys"]) for e in waits] == [("b", "workers")], waits
    changed = broker.events("config-changed", since=mark)
    assert [(e["service"], e["keys"]) for e in changed] == [("a", "queue")], changed
    assert who_answers(broker.port2, 4) == {b} and service(broker, "b")["generation"] == 1
    # What has waited comes with the next reload of all.
    ask(broker, "reload")
    assert service(broker, "b")["workers"] == 2 and service(broker, "b")["generation"] == 2
    assert len(who_answers(broker.port2)) == 2


@test
def one_service_alone_needs_a_file_that_is_right_as_a_whole():
    broker = Broker(text=TWO % (1, 1))
    pids = who_answers(broker.port, 2) | who_answers(broker.port2, 2)
    with broker.same_fds():
        broker.configure(text=TWO % (2, 0))
        assert "workers: " in refusal(broker, "reload a")
        broker.configure(text=(TWO % (2, 2)).split("[service:b]")[0])
        assert "[service:b] is gone from the file" in refusal(broker, "reload b")
    assert who_answers(broker.port, 2) | who_answers(broker.port2, 2) == pids
    assert not broker.events("reload-begin") and len(broker.events("reload-refused")) >= 2
    refusal(broker, "reload c")


@test
def an_address_does_not_move_between_services_unless_all_are_reloaded():
    lines = TWO + "listen = 127.0.0.1:{port3} for {port2}\n"
    broker = Broker(text=lines % (1, 1))
    moved = TWO.replace("queue", "listen = 127.0.0.1:{port3} for {port}\nqueue")
    broker.configure(text=moved % (1, 1))
    assert "belongs to [service:b] now" in refusal(broker, "reload a")
    assert http_get(broker.port3).pid == broker.worker_pid("b.0")
    ask(broker, "reload")
    assert http_get(broker.port3).pid == broker.worker_pid("a.0")


@test
def the_plan_says_what_will_be_and_changes_nothing():
    broker = Broker(text=TWO % (1, 1))
    broker.configure(text=TWO % (1, 3))
    mark = broker.mark()
    with broker.same_fds():
        changes = ask(broker, "reload --plan")
    whole = "all workers of %s are replaced one after another"
    assert [(c["section"], c["key"], c["from"], c["to"], c["applies"], c["action"]) for c in changes] == [
        ("service:a", None, None, None, None, whole % "a"),
        ("service:b", "workers", "1", "3", "at once", "2 workers are started"),
        ("service:b", None, None, None, None, whole % "b"),
    ], changes
    assert {e["event"] for e in broker.log.find(["reload-begin", "worker-start"], mark)} == set()
    broker.configure(text=TWO % (1, 0))
    assert "workers:" in refusal(broker, "reload --plan")


@test
def after_a_rollback_the_plan_is_the_way_forward_again():
    broker = Broker(app("srv_poll"), workers=1, rollback_window="1h")
    broker.configure(app("srv_poll"), workers=1, rollback_window="1h", queue=3)
    ask(broker, "reload")
    assert [c["key"] for c in ask(broker, "reload --plan")] == [None]
    ask(broker, "rollback web")
    changes = ask(broker, "reload --plan")
    assert [(c["key"], c["from"], c["to"]) for c in changes][0] == ("queue", "16", "3"), changes


# --- what is told -----------------------------------------------------------------------------------


@test
def each_step_of_a_reload_is_an_event():
    broker = Broker(app("srv_poll"), workers=2)
    mark = broker.mark()
    broker.reload_and_wait()
    steps = [
        (e["event"], e.get("phase"), e.get("worker"), e["done"], e["of"], e["level"])
        for e in broker.log.find(["reload-begin", "reload-step", "reload-done"], mark)
    ]
    assert steps == [
        ("reload-begin", None, None, 0, 2, "info"),
        ("reload-step", "start", "web.0", 0, 2, "info"),
        ("reload-step", "ready", "web.0", 1, 2, "info"),
        ("reload-step", "retire", "web.0", 1, 2, "info"),
        ("reload-step", "start", "web.1", 1, 2, "info"),
        ("reload-step", "ready", "web.1", 2, 2, "info"),
        ("reload-step", "retire", "web.1", 2, 2, "info"),
        ("reload-done", None, None, 2, 2, "info"),
    ], steps


@test
def an_abort_says_why_and_what_the_worker_wrote_last():
    release = Release()
    broker = Broker(release.command(), workers=1)
    release.deploy("echo first; echo 'no such module' >&2; exit 7")
    event = broker.reload_and_wait(want="reload-aborted")
    assert event["reason"] == "web.0 of generation 2 did not start: exit 7", event
    assert event["output"] == "first\nno such module", event
    release.deploy("kill -SEGV $$")
    event = broker.reload_and_wait(want="reload-aborted")
    assert event["reason"].endswith("did not start: signal 11 (SIGSEGV)"), event


@test
def a_slot_tells_how_its_workers_ended():
    release = Release()
    broker = Broker(release.command(), workers=2, backoff_min="200ms", backoff_max="1h")
    assert [w["restarts"] for w in workers(broker)] == [0, 0]
    victim = broker.worker_pid("web.1")
    release.deploy("echo first; echo it broke; exit 7")
    proc.send_signal(victim, signal.SIGSEGV)

    def told(words):
        def look():
            (line,) = [w for w in workers(broker) if w["slot"] == 1][-1:]
            return line if line["state"] == "back-off" and words in line["why"] else None

        return wait_until(look, 30, lambda: "%r in %s" % (words, workers(broker)))

    assert told("after signal 11 (SIGSEGV)")["restarts"] == 1
    line = told("after exit 7, 3rd time: it broke")
    assert line["restarts"] == 3, line
    assert workers(broker)[0]["restarts"] == 0
    release.deploy(GOOD)
    broker.configure(release.command(), workers=2, backoff_reset="100ms")
    broker.reload_and_wait()
    # It is said until the new one has served for backoff_reset; the number stays.
    wait_until(lambda: workers(broker)[-1]["why"] == "")
    assert workers(broker)[-1]["restarts"] == 3


@test
def stop_ends_the_broker_with_and_without_a_drain():
    broker = Broker(app("srv_poll"), workers=1)
    sock, pid = hold(broker.port)
    ask(broker, "stop")
    broker.wait_event("worker-draining", pid=pid)
    sock.close()
    broker.wait_stopped()
    assert broker.events("broker-stopping")[0]["signal"] == 0
    broker = Broker(app("srv_poll"), workers=1)
    sock, pid = hold(broker.port)
    ask(broker, "stop --now")
    broker.wait_stopped()
    assert not broker.events("worker-draining")
    sock.close()


main()
