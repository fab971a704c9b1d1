#!/usr/bin/env python3
"""What status and refusals say in words is true: of empty slots, held workers, what was before."""

import os
import re
import signal

from harness import *
from lib.control import Control, Refused, ask, refusal, status, wait_worker, worker
from lib.steering import service

CRASHES = "echo cannot open the database >&2; exit 7"


def failing(**options):
    """A broker whose two slots, of which one has failed, wait for an hour."""
    broker = Broker(Release(CRASHES).command(), workers=1, wait_ready=False, backoff_min="1h",
                    backoff_max="1h", **options)
    broker.wait_event("back-off")
    ask(broker, "scale web 2")
    return broker


# --- slots without a process ------------------------------------------------------------------------


@test
def a_slot_that_waits_for_its_process_can_be_asked_for():
    broker = failing()
    listed = [o for o in status(broker) if o["type"] == "worker"]
    assert [w["worker"] for w in listed] == ["web.0", "web.1"], listed
    for w in listed:
        assert (w["state"], w["pid"]) == ("back-off", None), w
        again = worker(broker, w["worker"])
        assert again["worker"] == w["worker"] and again["state"] == "back-off", again
    assert re.fullmatch(r"back-off (59|60) min after exit 7: cannot open the database",
                        listed[0]["why"]), listed
    assert listed[1]["why"].endswith(" min, as another worker has failed"), listed
    # For how long: since the failure, not since now.
    wait_until(lambda: worker(broker, "web.0")["state_ms"] > 5)
    assert worker(broker, "web.1")["state_ms"] > 5


@test
def a_slot_whose_process_has_ended_with_the_broker_says_so():
    broker = Broker(app("srv_poll"), workers=2)
    with connect(broker.port) as client:
        send_request(client, close=False)
        pid = read_answer(client).pid
        (gone,) = [w for w in ("web.0", "web.1") if broker.worker_pid(w) != pid]
        ask(broker, "stop --no-wait")
        broker.wait_event("worker-exit", worker=gone)
        line = worker(broker, gone)
        assert (line["state"], line["pid"]) == ("empty", None), line
        assert line["why"] == "no worker: the service is stopping", line
        wait_until(lambda: worker(broker, gone)["state_ms"] > 5)
    broker.wait_stopped()


@test
def what_takes_a_process_is_refused_with_the_reason():
    broker = failing()
    for command in ("hold web.0", "release web.0", "restart web.0", "signal web.0 HUP",
                    "debug web.0", "pin 10.0.0.0/8 web.0", "next web.0"):
        got = refusal(broker, command)
        assert got["code"] == "refused", got
        assert re.fullmatch(r"web\.0 has no process now: back-off \d+ min after exit 7: cannot open "
                            "the database; a reload starts it at once: reload web",
                            got["message"]), got
    assert refusal(broker, "hold web.2")["message"] == "there is no worker web.2"


@test
def a_reload_starts_at_once_what_waits_as_the_refusal_says():
    release = Release(CRASHES)
    broker = Broker(release.command(), workers=2, wait_ready=False, backoff_min="1h",
                    backoff_max="1h")
    broker.wait_event("back-off")
    release.deploy(GOOD)
    ask(broker, "reload web")
    # What they were replaced for is another generation's.
    for name in ("web.0", "web.1"):
        now = wait_worker(broker, name, state="ready")
        assert now["generation"] == 2 and now["why"] == "", now


@test
def the_next_start_tells_how_the_last_ones_ended():
    gate = Gate()
    release = Release(CRASHES)
    broker = Broker(release.command(), workers=1, wait_ready=False, backoff_min="1ms",
                    backoff_max="1ms")
    broker.wait_event("worker-failed", count=2)
    release.deploy("%s\n%s" % (gate, GOOD))
    line = wait_until(lambda: next(
        (w for w in status(broker, "web") if w["type"] == "worker" and w["state"] == "starting"),
        None))
    assert re.fullmatch(r"starting .*: does not listen yet, \d+ s left; before: exit 7, \d+ times",
                        line["why"]), line
    gate.open()
    wait_worker(broker, "web.0", state="ready")


@test
def a_service_is_no_worker():
    broker = Broker(app("srv_poll"), workers=1)
    for command in ("hold web", "restart web", "signal web HUP", "debug web"):
        got = refusal(broker, command)
        assert got["code"] == "unknown-worker", got
        more = "; all are replaced by: reload web" if command == "restart web" else ""
        assert got["message"] == ("there is no worker web: that is a service; its workers are "
                                  "called web.0 and so on" + more), got


# --- held workers -----------------------------------------------------------------------------------


def said(broker, command):
    """The message of the end of the answer, or None."""
    with Control(broker) as c:
        c.send(command)
        return c.answer()[-1].get("message")


@test
def who_takes_the_last_worker_out_is_told():
    broker = Broker(app("srv_poll"), workers=2)
    assert said(broker, "hold web.0") is None
    assert service(broker)["state"] == "serving"
    assert said(broker, "hold web.1") == ("web.1 is held, and was the last in the round: clients of "
                                          "web wait until a worker is released")
    assert service(broker)["state"] == "paused"
    assert said(broker, "release web.1") is None
    assert service(broker)["state"] == "serving"


@test
def a_stopped_worker_that_is_released_is_not_said_to_serve():
    broker = Broker(app("srv_poll"), workers=2)
    ask(broker, "hold web.0")
    ask(broker, "signal web.0 STOP")
    wait_until(lambda: "stopped" in worker(broker, "web.0")["why"])
    assert worker(broker, "web.0")["why"] == "stopped by a signal, until SIGCONT; held by hand"
    assert said(broker, "release web.0") == ("web.0 is no longer held by hand, but its process is "
                                             "stopped")
    ask(broker, "signal web.0 CONT")
    wait_worker(broker, "web.0", state="ready", why="")


@test
def a_worker_that_leaves_while_it_is_debugged_has_no_deadline():
    broker = Broker(app("srv_poll"), workers=1)
    with Control(broker) as session:
        session.ask("debug web.0")
        ask(broker, "reload")
        line = worker(broker, "web.0@1")
        assert line["state"] == "draining", line
        assert line["why"].endswith(" open; held for a debugger: no deadline runs"), line
    broker.wait_event("worker-exit", generation=1)


# --- what a reload does to it -----------------------------------------------------------------------


def actions(broker, command="reload --plan"):
    return [o["action"] for o in ask(broker, command) if o["type"] == "change"]


@test
def the_plan_tells_what_becomes_of_held_and_debugged_workers():
    broker = Broker(app("srv_poll"), workers=2, rollback_window="1h")
    ask(broker, "hold web.0")
    old = worker(broker, "web.0")["pid"]
    with Control(broker) as session:
        session.ask("debug web.1")
        pid = worker(broker, "web.1")["pid"]
        assert actions(broker) == [
            "all workers of web are replaced one after another",
            "web.0 is held by hand: the new worker will not be",
            "web.1 is being debugged: a new worker takes its place, and it is left alone until its "
            "debugger lets go"]
        # And so it comes.
        ask(broker, "reload")
        for name in ("web.0", "web.1"):
            assert worker(broker, name)["state"] == "ready"
        event = broker.wait_event("worker-draining", worker="web.0")
        assert event["message"].endswith("it is held by hand, its replacement is not"), event
        assert worker(broker, "web.1@1")["pid"] == pid
        assert actions(broker) == ["all workers of web are replaced one after another"]
    wait_worker(broker, "web.1@1", state="parked")
    # A worker comes back as it left.
    ask(broker, "rollback")
    assert wait_worker(broker, "web.0", pid=old)["why"] == "held by hand"
    assert worker(broker, "web.1@1")["state"] == "ready"


@test
def a_plan_waits_for_the_look_at_all_workers_and_nobody_for_the_plan():
    broker = Broker(app("srv_poll"), workers=2)
    with Control(broker) as first, Control(broker) as second:
        second.ask("pins")
        first.ask("pins")  # may still be the first in the broker's list of the ready
        proc.stop_process(broker.main_pid)
        first.send("reload --plan")
        second.send("hold web.0")
        send_signal(broker.main_pid, signal.SIGCONT)
        plan = [line["action"] for line in first.answer()[:-1]]
    # What came after it was done before it.
    assert plan[1:] == ["web.0 is held by hand: the new worker will not be"], plan


@test
def the_plan_and_the_configuration_know_what_was_scaled_by_hand():
    broker = Broker(app("srv_poll"), workers=2)
    ask(broker, "scale web 4")
    change = ask(broker, "reload --plan")[0]
    assert (change["key"], change["from"], change["to"]) == ("workers", "4", "2"), change
    assert change["action"] == "2 workers are drained and ended", change
    option = next(o for o in ask(broker, "config") if o["key"] == "workers")
    assert (option["value"], option["origin"], option["file"]) == ("4", "by hand", "2"), option
    ask(broker, "reload")
    assert service(broker)["workers"] == 2
    assert actions(broker) == ["all workers of web are replaced one after another"]
    option = next(o for o in ask(broker, "config") if o["key"] == "workers")
    assert (option["value"], option["file"]) == ("2", None), option


@test
def what_takes_a_restart_is_shown_until_there_is_one():
    broker = Broker(app("srv_poll"), workers=1)

    def shown():
        option = next(o for o in ask(broker, "config") if o["key"] == "pid_file")
        plan = [o for o in ask(broker, "reload --plan") if o.get("key") == "pid_file"]
        return option["value"], option["origin"], option["file"], [c["to"] for c in plan]

    assert shown() == ("", "default", None, [])
    path = tmp("broker.pid")
    broker.configure(app("srv_poll"), workers=1, broker={"pid_file": path})
    for _ in range(2):
        assert shown() == ("", "default", path, [path])
        mark = broker.mark()
        with Control(broker) as c:
            c.send("reload")
            assert c.answer()[-1]["message"].startswith("[broker] pid_file: the change takes effect at")
        assert broker.wait_event("needs-restart", since=mark)["keys"] == "pid_file"
    assert not os.path.exists(path)
    # Nothing waits any more once the file is as it was.
    broker.configure(app("srv_poll"), workers=1)
    mark = broker.mark()
    with Control(broker) as c:
        c.send("reload")
        assert c.answer()[-1] == {"type": "end", "ok": True}
    broker.settle()
    assert shown() == ("", "default", None, []) and not broker.events("needs-restart", since=mark)


# --- what was before --------------------------------------------------------------------------------


@test
def what_a_rollout_has_started_replaces_nobody_who_failed():
    broker = Broker(app("srv_poll"), workers=1)
    pid = broker.worker_pid()
    send_signal(pid, signal.SIGKILL)
    broker.wait_event("worker-ready", count=2)
    assert worker(broker, "web.0")["why"].startswith("replaced after signal 9 (SIGKILL), ")
    ask(broker, "reload")
    line = worker(broker, "web.0")
    assert (line["why"], line["restarts"]) == ("", 1), line


main()
