#!/usr/bin/env python3
"""Steering by hand: abort, scale, restart, one service alone, the plan; and what status says of it."""

import os
import re
import shutil

from harness import *
from lib.control import Control
from lib.steering import (
    answered_by, ask, hold, ready_workers, refusal, service, told, who_answers, workers,
)


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
    # Two are unchanged, and the third is the new worker that already served.
    kept = {e["pid"] for e in broker.events("worker-ready", generation=2)} | old
    wait_until(lambda: len(set(load.wait_pids(200)) & old) == 2)
    assert set(load.wait_pids(200)) <= kept and len(broker.events("worker-draining")) == 1
    assert len(broker.events("reload-begin")) == 1
    assert service(broker)["reload"] is None
    load.assert_clean()


# --- pause ----------------------------------------------------------------------------------------

ENDS = "the service was told to end meanwhile"
PAUSED = "the service was paused or stopped meanwhile"


@test
def who_waits_for_a_reload_hears_of_a_pause():
    gate = Gate()
    release = Release("[ $BROKER_GENERATION = 1 ] || %s\n%s" % (gate, GOOD))
    broker = Broker(release.command(), workers=1)
    for request, generation in (("reload", 2), ("restart web.0", 3)):
        mark = broker.mark()
        with Control(broker) as waiting:
            waiting.send(request)
            pid = broker.wait_event("worker-start", since=mark, generation=generation)["pid"]
            broker.signal(signal.SIGWINCH)
            end = waiting.answer()[-1]
        assert (end.get("code"), end.get("message")) == ("aborted", PAUSED), end
        # What has begun has an end for those who read the events, too.
        (event,) = broker.events("reload-aborted", since=mark)
        assert (event["reason"], event["kind"]) == (PAUSED, request.split()[0]), event
        assert "the others go on" not in event["message"], event
        broker.wait_event("worker-exit", pid=pid)  # it reads nothing that is for the next
        gate.open()
        ask(broker, "reload")
    # A pause and a reload at the same time: the pause ended the first client's reload.
    with Control(broker) as first, Control(broker) as second:
        mark = broker.mark()
        first.send("reload")
        pid = broker.wait_event("worker-start", since=mark)["pid"]
        proc.stop_process(broker.main_pid)
        send_signal(broker.main_pid, signal.SIGWINCH)
        second.send("reload")
        send_signal(broker.main_pid, signal.SIGCONT)
        end = first.answer()[-1]
        assert (end.get("code"), end.get("message")) == ("aborted", PAUSED), end
        broker.wait_event("worker-exit", pid=pid)
        gate.open()
        assert second.answer()[-1]["type"] == "end"


@test
def a_client_that_leaves_does_not_disturb_others_that_wait():
    gate = Gate()
    release = Release("[ $BROKER_GENERATION != 2 ] || %s\n%s" % (gate, GOOD))
    broker = Broker(release.command(), workers=1)
    with Control(broker) as second:
        with Control(broker) as first:
            first.send("reload")
            broker.wait_event("worker-start", generation=2)
            second.send("reload")
            assert second.line()["phase"] == "begin"
        gate.open()
        lines = second.answer()
    assert lines[-1]["type"] == "end", lines[-1]
    assert [l["generation"] for l in lines if l.get("phase") == "done"] == [2, 3], lines


@test
def a_reload_that_the_end_of_the_broker_cuts_short_has_an_end():
    gate = Gate()
    release = Release("[ $BROKER_GENERATION = 1 ] || %s\n%s" % (gate, GOOD))
    broker = Broker(release.command(), workers=1)
    with Control(broker) as waiting:
        waiting.send("reload")
        broker.wait_event("worker-start", generation=2)
        ask(broker, "stop --no-wait")
        end = waiting.answer()[-1]
    assert (end.get("code"), end.get("message")) == ("aborted", ENDS), end
    broker.wait_stopped()
    (event,) = broker.events("reload-aborted")
    assert event["reason"] == ENDS and event["level"] == "warn", event


@test
def who_waits_for_a_new_service_hears_of_a_pause():
    text = "[service:a]\ncommand = {apps}/srv_poll {port}\nworkers = 1\n"
    broker = Broker(text=text)
    broker.configure(text=text + "[service:b]\ncommand = sleep 1000\nworkers = 1\n")
    with Control(broker) as waiting:
        waiting.send("reload a")
        waiting.answer()
        waiting.send("reload")
        broker.wait_event("worker-start", worker="b.0")
        broker.signal(signal.SIGWINCH)
        end = waiting.answer()[-1]
    assert (end.get("code"), end.get("message")) == ("aborted", PAUSED), end


@test
def a_service_that_is_new_is_waited_for_worker_by_worker():
    text = "[service:a]\ncommand = {apps}/srv_poll {port}\nworkers = 1\n"
    gate = Gate()
    release = Release("[ $BROKER_SLOT = 0 ] || %s\n%s" % (gate, GOOD))
    broker = Broker(text=text)
    broker.configure(text=text + "[service:b]\ncommand = %s {port2}\nworkers = 2\n" % release.path)
    with Control(broker) as waiting:
        waiting.send("reload")
        broker.wait_event("worker-ready", worker="b.0")
        gate.open()
        lines = waiting.answer()
    assert lines[-1]["type"] == "end", lines
    steps = [o for o in lines[:-1] if o["service"] == "b" and o["phase"] != "wait"]
    assert [(o["phase"], o["worker"], o["done"], o["of"], o["generation"]) for o in steps] == [
        ("begin", None, 0, 2, 1), ("ready", "b.0", 1, 2, 1), ("ready", "b.1", 2, 2, 1), ("done", None, 2, 2, 1),
    ], steps
    assert steps[0]["message"] == "the service is new: 2 workers start", steps
    assert re.fullmatch(r"b\.1 to listen \(\d+ s, \d+ s left\)", steps[1]["waits_for"]), steps


@test
def who_waits_for_a_new_service_hears_that_a_worker_does_not_start():
    text = "[service:a]\ncommand = {apps}/srv_poll {port}\nworkers = 1\n"
    none = Release("echo no; exit 3")
    broker = Broker(text=text)
    broker.configure(text=text + "[service:b]\ncommand = %s\nworkers = 2\n" % none.path)
    with Control(broker) as waiting:
        waiting.send("reload")
        end = waiting.answer()[-1]
    assert end.get("code") == "aborted" and end["output"] == ["no"], end
    assert end["message"].startswith("the new service b does not start: exit 3; "), end
    # One serves, and the other does not: that would be waited for without an end.
    gate = Gate()
    one = Release("[ $BROKER_SLOT = 0 ] || { %s; echo no; exit 3; }\n%s" % (gate, GOOD), name="one")
    broker.configure(text=text + "[service:c]\ncommand = %s {port2}\nworkers = 2\n" % one.path)
    with Control(broker) as waiting:
        waiting.send("reload")
        broker.wait_event("worker-ready", worker="c.0")
        gate.open()
        end = waiting.answer()[-1]
    assert end.get("code") == "aborted" and end["output"] == ["no"], end
    assert end["message"].startswith("a worker of the new service c does not start: exit 3; "), end


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
def it_is_said_when_only_held_workers_are_left():
    broker = Broker(app("srv_poll"), workers=2)
    ask(broker, "hold web.0")
    text = told(broker, "scale web 1")
    assert text.startswith("web is to have 1 worker ") and "clients wait" in text, text
    assert told(broker, "scale web 2").endswith("its clients wait")
    broker.wait_event("worker-ready", worker="web.1", count=2)
    assert told(broker, "scale web 3") is None


@test
def a_number_of_workers_that_cannot_be_is_refused():
    gate = Gate()
    release = Release("[ $BROKER_GENERATION = 1 ] || %s\n%s" % (gate, GOOD))
    broker = Broker(release.command(), workers=2)
    for n in (0, 1025, 2**32 + 1):
        assert "1 to 1024 workers" in refusal(broker, "scale web %d" % n, code="bad-request")
    with faults.descriptor_limit(broker.main_pid, 400):
        assert "the limit is 400" in refusal(broker, "scale web 500")
        # Fewer need no more, and the signals go the same way.
        ask(broker, "scale web 1")
    with faults.descriptor_limit(broker.main_pid, 100):
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


# --- stop -----------------------------------------------------------------------------------------


@test
def who_asks_for_the_end_again_is_told_what_that_does():
    broker = Broker(app("srv_poll"), workers=1)
    sock, _ = hold(broker.port)
    assert told(broker, "stop --no-wait") is None
    broker.wait_event("worker-draining")
    assert "now kills all workers" in told(broker, "stop --no-wait")
    broker.wait_stopped()
    sock.close()


# --- restart of one worker ------------------------------------------------------------------------


@test
def one_worker_is_replaced_and_no_other():
    for strategy in ("start-first", "stop-first"):
        broker = Broker(app("srv_poll"), workers=3, strategy=strategy)
        old = ready_workers(broker)
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
def one_service_alone_leaves_the_broker_as_it_is():
    broker = Broker(text=TWO % (1, 1))
    broker.configure(text=TWO % (1, 1), broker={"log_level": "error"})
    ask(broker, "reload a")
    waits = broker.wait_event("config-waits")
    assert waits["keys"] == "log_level" and waits["message"].startswith("[broker] differs"), waits


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
    refusal(broker, "reload c", code="unknown-service")


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
        ("reload-step", "ready", "web.0", 0, 2, "info"),
        ("reload-step", "retire", "web.0", 1, 2, "info"),
        ("reload-step", "start", "web.1", 1, 2, "info"),
        ("reload-step", "ready", "web.1", 1, 2, "info"),
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
    broker = Broker(release.command(), workers=2, backoff_min="500ms", backoff_max="1h")
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
    ask(broker, "stop --no-wait")
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


@test
def a_service_is_paused_and_started():
    broker = Broker(app("srv_poll"), workers=2)
    sock, pid = hold(broker.port)
    ask(broker, "pause web")
    broker.wait_event("worker-draining", pid=pid)
    assert service(broker)["state"] == "paused"
    waiting = connect(broker.port)
    waiting.sendall(b"GET / HTTP/1.0\r\n\r\n")
    sock.close()
    wait_until(lambda: all(w["state"] == "empty" for w in workers(broker)))
    assert "brokerctl start web" in workers(broker)[0]["why"]
    ask(broker, "start web")
    assert waiting.recv(4096)
    waiting.close()
    assert told(broker, "start web") == "web was running already"


@test
def a_stopped_service_refuses_clients_until_it_is_started():
    """With a listen line and without; what its workers and its backlog have is served first."""
    for listen in (None, "{port}"):
        broker = Broker(app("srv_poll"), workers=2, **({"listen": listen} if listen else {}))
        sock, pid = hold(broker.port)
        ask(broker, "stop web")
        broker.wait_event("worker-draining", pid=pid)
        wait_until(lambda: service(broker)["state"] == "stopped")
        assert refused(broker.port)
        assert proc.alive(pid)
        sock.close()
        wait_until(lambda: all(w["state"] == "empty" for w in workers(broker)))
        # A reload of another thing: nothing but a start, or a reload, brings it back.
        ask(broker, "start web")
        assert http_get(broker.port).pid != pid
        ask(broker, "stop web --now")
        wait_until(lambda: service(broker)["state"] == "stopped")
        ask(broker, "reload")
        assert http_get(broker.port).pid
        broker.stop()


@test
def a_service_that_is_started_while_it_stops_serves_on():
    broker = Broker(app("srv_poll"), workers=1, listen="{port}")
    sock, pid = hold(broker.port)
    # In one write: the second comes before the loop turns.
    with Control(broker) as c:
        c.socket.sendall(b"stop web\nstart web\n")
        wait_until(lambda: c.line()["type"] == "end")
        wait_until(lambda: c.line()["type"] == "end")
    assert service(broker)["state"] == "serving"
    assert http_get(broker.port).pid
    sock.close()


@test
def a_worker_that_still_drains_gets_nothing_when_its_service_starts_again():
    for leave, state in (("stop", "stopped"), ("pause", "paused")):
        broker = Broker(app("srv_poll"), workers=2, listen="{port}")
        sock, pid = hold(broker.port)
        old = {w["pid"] for w in workers(broker)}
        ask(broker, leave + " web")
        broker.wait_event("worker-draining", pid=pid)
        wait_until(lambda: service(broker)["state"] == state)
        ask(broker, "start web")
        assert proc.alive(pid)
        assert not old & who_answers(broker.port, 12), (leave, pid)
        sock.close()
        broker.stop()


@test
def a_reload_that_brings_a_service_back_is_waited_for():
    section = "[service:%%s]\nworkers = 1\ncommand = %s\n" % " ".join(app("srv_poll", "{port%s}"))
    both = section % ("web", "") + section % ("api", "2")
    broker = Broker(text=both)
    sock, pid = hold(broker.port)
    broker.configure(text=section % ("api", "2"))
    broker.reload_and_wait(service="api")
    broker.wait_event("worker-draining", worker="web.0", pid=pid)
    # The old worker of that name still drains, and is not the one that is meant.
    broker.configure(text=both)
    assert {line["service"] for line in ask(broker, "reload")} == {"web", "api"}
    assert broker.worker_pid("web.0") != pid
    sock.close()


main()
