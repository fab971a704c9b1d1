#!/usr/bin/env python3
"""The workers that a reload has replaced are kept for a while, and put back in one step."""

import socket

from harness import *
from lib.steering import (
    answered_by, ask, hold, ready_workers, refusal, service, told, who_answers, workers,
)


def reloaded(window="1h", n=2, command=None, **keys):
    """A broker after one reload whose old workers are parked; their pids by slot, the new pids."""
    broker = Broker(command or app("srv_poll"), workers=n, rollback_window=window, **keys)
    old = ready_workers(broker)
    broker.reload_and_wait()
    for name, pid in old.items():
        broker.wait_event("worker-parked", worker=name, pid=pid, generation=1)
    new = {e["pid"] for e in broker.events("worker-ready", generation=2)}
    return broker, old, new


@test
def a_rollback_puts_the_old_workers_back_in_one_step():
    broker = Broker(app("srv_poll"), workers=3, rollback_window="1h")
    old = set(ready_workers(broker).values())
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
    assert "or the last reload has already been rolled back" in refusal(broker, "rollback web")
    load.assert_clean()
    # The next reload goes on counting.
    assert broker.reload_and_wait()["generation"] == 3


@test
def the_answer_says_who_is_back_and_who_is_not():
    broker = Broker(
        text="[service:web]\ncommand = {apps}/srv_poll {port}\nrollback_window = 1h\n"
        "[service:api]\ncommand = {apps}/srv_poll {port2}\n"
    )
    assert "web has nothing to go back to: no reload was done yet" in refusal(broker, "rollback")
    broker.reload_and_wait()
    broker.wait_event("worker-parked", count=2)
    text = told(broker, "rollback")
    assert text.startswith("web is back at generation 1: 2 of 2 workers are in the round; api"), text
    assert "rollback_window is 0" in text
    # A worker that was held by hand when it was replaced stays held until it is released.
    ask(broker, "hold web.0")
    assert "was the last" in told(broker, "hold web.1")
    mark = broker.mark()
    broker.reload_and_wait()
    broker.wait_event("worker-parked", since=mark, count=2)
    assert service(broker)["ready"] == 2
    text = told(broker, "rollback web")
    assert "0 of 2 workers are in the round, so clients wait" in text, text
    ask(broker, "release web.1")
    assert http_get(broker.port).pid


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
    old = ready_workers(broker)
    broker.configure(app("srv_poll"), workers=2, rollback_window="1h", environment="V=new")
    broker.reload_and_wait()
    broker.wait_event("worker-parked", count=2)
    send_signal(old["web.1"], signal.SIGKILL)
    event = broker.wait_event("worker-exit", pid=old["web.1"])
    assert (event["level"], event["serving"], event["how"]) == ("warn", False, "signal 9"), event
    assert "kept for a rollback" in event["message"] and "crash" not in event["message"], event
    assert service(broker)["rollback_ms"] > 0
    mark = broker.mark()
    text = told(broker, "rollback web")
    assert text.endswith(": 1 of 2 workers are in the round, 1 starts again"), text
    event = broker.wait_event("rollback", since=mark)
    assert (event["restored"], event["workers"]) == (1, 2), event
    newcomer = broker.wait_event("worker-ready", since=mark, worker="web.1", generation=1)
    assert proc.environment(newcomer["pid"])["V"] == "old"
    answered_by(broker.port, {old["web.0"], newcomer["pid"]})
    # What crashes later is replaced by the old one too.
    send_signal(old["web.0"], signal.SIGKILL)
    again = broker.wait_event("worker-ready", since=mark, worker="web.0", generation=1)
    assert proc.environment(again["pid"])["V"] == "old"


@test
def one_that_is_kept_and_loses_its_main_process_ends_for_that_reason():
    # A shell that waits for the server, which outlives it.
    command = ["sh", "-c", "{apps}/srv_poll {port}; exit 1"]
    broker = Broker(command, workers=1, rollback_window="1h")
    (pid,) = ready_workers(broker).values()
    broker.reload_and_wait()
    broker.wait_event("worker-parked", pid=pid)
    mark = broker.mark()
    send_signal(pid, signal.SIGKILL)
    broker.wait_event("worker-exit", since=mark, pid=pid, level="warn", serving=False)
    (event,) = broker.events("worker-stopping", since=mark)
    assert "main process has ended" in event["message"], event
    assert "no worker of generation 1 of web is left" in refusal(broker, "rollback web")


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
    broker, old, new = reloaded(window="5s")
    for pid in old.values():
        event = broker.wait_event("worker-stopping", pid=pid)
        assert "rollback" in event["message"], event
        broker.wait_event("worker-exit", pid=pid)
    assert "window is over" in refusal(broker, "rollback web")
    answered_by(broker.port, new)


@test
def workers_that_were_added_after_a_reload_leave_with_the_rollback():
    broker = Broker(app("srv_poll"), workers=2, rollback_window="1h")
    old = set(ready_workers(broker).values())
    broker.reload_and_wait()
    ask(broker, "scale web 4")
    added = broker.wait_event("worker-ready", worker="web.3")["pid"]
    ask(broker, "rollback web")
    broker.wait_event("worker-exit", pid=added)
    assert service(broker)["workers"] == 2
    answered_by(broker.port, old)
    broker.wait_event("worker-exit", worker="web.2")
    refusal(broker, "restart web.3", code="unknown-worker")


@test
def one_that_was_stopped_while_it_was_parked_ends_too():
    broker, old, new = reloaded(window="1h", stop_timeout="1h")
    for pid in old.values():
        send_signal(pid, signal.SIGSTOP)
        wait_until(lambda pid=pid: proc.stat(pid)[0] == "T")
    broker.reload_and_wait()
    for pid in old.values():
        assert broker.wait_event("worker-exit", pid=pid)["how"] == "signal 15"


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
def a_reload_that_keeps_nobody_forgets_the_one_before():
    broker, old, _ = reloaded()
    gate = Gate()
    broker.configure(Release("%s\n%s" % (gate, GOOD)).command(), workers=2)
    broker.hup()
    # With its begin: two generations beside the new one would be too many.
    for pid in old.values():
        broker.wait_event("worker-exit", pid=pid)
    assert not broker.events("reload-done", generation=3)
    gate.open(2)
    broker.wait_event("reload-done", generation=3)
    assert "rollback_window is 0" in refusal(broker, "rollback web")
    assert service(broker)["generation"] == 3


@test
def the_end_of_the_broker_does_not_wait_for_parked_workers():
    broker, old, _ = reloaded(n=1, queue=1)
    # Its backlog is not empty for as long as the one worker is busy: nobody drains yet.
    busy = connect(broker.port)
    send_request(busy, "/slow?ms=100000")
    waiting = [connect(broker.port) for _ in range(3)]
    wait_until(lambda: faults.in_backlog(broker.port) == 2)
    broker.signal(signal.SIGTERM)
    broker.wait_event("worker-exit", pid=old["web.0"])
    assert not broker.events("worker-draining", generation=2)
    broker.signal_again(signal.SIGTERM)
    broker.wait_stopped()
    for sock in waiting + [busy]:
        sock.close()


@test
def one_that_does_not_finish_within_drain_timeout_is_told_to_end_all_the_same():
    broker = Broker(app("srv_poll"), workers=1, rollback_window="1h", drain_timeout="300ms", drain_idle="off")
    sock, pid = hold(broker.port)
    broker.reload_and_wait()
    assert "time is up" in broker.wait_event("worker-stopping", pid=pid)["message"]
    broker.wait_event("worker-exit", pid=pid)
    assert "is left" in refusal(broker, "rollback web")
    sock.close()


@test
def what_was_replaced_before_an_abort_is_put_back():
    release = Release("[ $BROKER_GENERATION = 2 ] && [ $BROKER_SLOT = 2 ] && exit 1\n" + GOOD)
    broker = Broker(release.command(), workers=3, rollback_window="1h")
    old = set(ready_workers(broker).values())
    aborted = broker.reload_and_wait(want="reload-aborted")
    assert aborted["replaced"] == aborted["restored"] == 2, aborted
    answered_by(broker.port, old)
    broker.wait_event("worker-exit", generation=2, count=2)
    assert not broker.events("worker-start", since=aborted["position"])
    assert "or the last reload has already been rolled back" in refusal(broker, "rollback web")


@test
def an_aborted_reload_that_replaced_nobody_leaves_nothing_to_go_back_to():
    release = Release()
    broker = Broker(release.command(), workers=2, rollback_window="1h")
    release.deploy("exit 1")
    assert broker.reload_and_wait(want="reload-aborted")["replaced"] == 0
    assert "aborted, and had replaced no worker" in refusal(broker, "rollback web")


@test
def the_number_of_workers_goes_back_too():
    for before, after in ((3, 1), (1, 3)):
        broker = Broker(app("srv_poll"), workers=before, rollback_window="1h")
        old = set(ready_workers(broker).values())
        broker.configure(app("srv_poll"), workers=after, rollback_window="1h")
        broker.reload_and_wait()
        broker.wait_event("worker-parked", count=before)
        ask(broker, "rollback web")
        assert service(broker)["workers"] == before
        answered_by(broker.port, old)
        broker.wait_event("worker-exit", generation=2, count=after)


@test
def a_number_that_was_set_by_hand_goes_back_and_that_is_said():
    broker, old, _ = reloaded()
    ask(broker, "scale web 4")
    broker.wait_event("worker-ready", worker="web.3")
    text = told(broker, "rollback web")
    assert text == (
        "web is back at generation 1: 2 of 2 workers are in the round; the number of workers is back "
        "to 2, from 4"
    ), text
    event = broker.wait_event("rollback", workers=2)
    assert event["message"].endswith("2 of 2 workers were put back; 4 were wanted before"), event
    assert service(broker)["workers"] == 2
    answered_by(broker.port, set(old.values()))
    # It goes back to a number that was set before the reload: nothing to report.
    ask(broker, "scale web 3")
    broker.wait_event("worker-ready", worker="web.2", generation=1)
    mark = broker.mark()
    broker.configure(app("srv_poll"), workers=3, rollback_window="1h")
    broker.reload_and_wait()
    broker.wait_event("worker-parked", since=mark, count=3)
    assert told(broker, "rollback web").endswith("3 of 3 workers are in the round")


@test
def addresses_go_back_with_the_workers():
    one, two = "127.0.0.1:{port2} for {port}", "127.0.0.1:{port3} for {port}"
    broker = Broker(app("srv_poll"), listen=[one], rollback_window="1h")
    old = set(ready_workers(broker).values())
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
    old = set(ready_workers(broker).values())
    release.deploy("exec %s/srv_poll %d" % (APPS, port))
    ask(broker, "reload web --accept-fewer-ports")
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
    ask(broker, "reload web --accept-fewer-ports")
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
def the_window_begins_when_the_reload_is_done():
    gate = Gate()
    release = Release()
    broker = Broker(release.command(), workers=2, rollback_window="100ms")
    release.deploy("[ $BROKER_SLOT = 0 ] || %s\n%s" % (gate, GOOD))
    broker.hup()
    pid = broker.wait_event("worker-parked", worker="web.0", generation=1)["pid"]

    def parked_for():
        (ms,) = [w["state_ms"] for w in workers(broker) if w["state"] == "parked"]
        return ms

    # Three times as long: had it begun with the first that was parked, that would have ended.
    wait_until(lambda: parked_for() > 300)
    assert not broker.events("worker-stopping", pid=pid)
    gate.open()
    done = broker.wait_event("reload-done")
    assert broker.wait_event("worker-exit", pid=pid)["position"] > done["position"]


@test
def a_parked_worker_that_is_debugged_is_left_alone():
    broker, old, _ = reloaded(window="3s", n=1)
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


main()
