#!/usr/bin/env python3
"""
Workers held by hand and for a debugger, and pins: who steers them is a client of the control
socket, and what is promised is about connections.
"""

import contextlib
import socket

from harness import *
from lib.control import Control, ask, ledger, refusal, status, wait_worker, worker
from lib.steering import answered_by

private_namespaces()

MINE = "127.0.0.2"  # the address of the person who debugs


def connect_from(port, source=MINE):
    sock = socket.create_connection(("127.0.0.1", port), 30, source_address=(source, 0))
    sock.settimeout(30)
    return sock


def pid_for(port, source=MINE):
    with contextlib.closing(connect_from(port, source)) as sock:
        send_request(sock)
        return read_answer(sock).pid


def who_answers(port, n):
    return {http_get(port).pid for _ in range(n)}


def pids(broker, n):
    return [broker.worker_pid("web.%d" % slot) for slot in range(n)]


def check_ledger(broker):
    wait_until(lambda: ledger(broker)["balanced"], 10, lambda: "a ledger that balances: %s" % ledger(broker))


def busy(n, **keys):
    """
    Two workers, a silent client that keeps each busy (the first is web.0's), and n more who wait,
    in turn here and there.
    """
    broker = Broker(app("srv_blocking"), workers=2, stall_timeout="1m", **keys)
    both = pids(broker, 2)
    silent = [connect(broker.port), connect(broker.port)]
    wait_until(lambda: all(proc.held_connections([pid], broker.port) for pid in both))
    waiting = [connect(broker.port) for _ in range(n)]
    for i, sock in enumerate(waiting):
        send_request(sock, "/?id=%d" % i)
    wait_until(lambda: ledger(broker)["waiting"] == n)
    return broker, both, silent, waiting


# --- held ---------------------------------------------------------------------------------------


@test
def held_by_hand_until_released():
    broker = Broker(app("srv_poll"), workers=2)
    first, second = pids(broker, 2)
    load = Load(broker.port)
    load.wait_answers(50)
    ask(broker, "hold web.0")
    wait_worker(broker, "web.0", state="held")
    event = broker.wait_event("worker-held", worker="web.0")
    assert (event["by"], event["service"], event["pid"]) == ("hand", "web", first), event
    assert who_answers(broker.port, 6) == {second}
    ask(broker, "hold web.0")  # is held already: nothing happens
    assert len(broker.events("worker-held")) == 1
    ask(broker, "release web.0")
    wait_worker(broker, "web.0", state="ready")
    broker.wait_event("worker-released", worker="web.0", by="hand")
    answered_by(broker.port, {first, second})
    load.assert_clean()
    check_ledger(broker)


@test
def what_waits_at_a_worker_that_is_held_is_answered_by_others():
    broker, (first, second), silent, waiting = busy(6)
    ask(broker, "hold web.0")
    event = broker.wait_event("taken-back", worker="web.0")
    assert event["count"] == 3 and "held" in event["reason"], event
    for sock in silent:
        send_request(sock)
        read_answer(sock)
        sock.close()
    answers = [read_answer(sock) for sock in waiting]
    assert [a.id for a in answers] == [str(n) for n in range(6)]
    assert {a.pid for a in answers} == {second}
    for sock in waiting:
        sock.close()


@test
def a_pin_to_a_worker_that_is_held_keeps_nobody_else_there():
    broker, (first, second), silent, waiting = busy(6)
    with Control(broker) as session:
        session.ask("debug web.0 --from " + MINE)
        send_signal(first, signal.SIGSTOP)  # before it has had the time to take them
        own = connect_from(broker.port)
        send_request(own)
        event = broker.wait_event("taken-back", worker="web.0")
        assert "held" in event["reason"], event
        wait_until(lambda: worker(broker, "web.0")["waiting"] == 1)
        silent[1].close()  # whose worker is web.1: it has all the others now
        answers = [read_answer(sock) for sock in waiting]
        assert {answer.pid for answer in answers} == {second}, answers
        assert [answer.id for answer in answers] == [str(n) for n in range(6)], answers
        # And the person's own is not sent to and fro.
        assert len(broker.events("taken-back", worker="web.0")) == 1
        send_signal(first, signal.SIGCONT)
        silent[0].close()
        assert read_answer(own).pid == first
    own.close()
    check_ledger(broker)


@test
def one_that_is_pinned_finds_room_at_a_worker_that_was_full_when_it_was_held():
    broker, (first, second), silent, waiting = busy(8, queue=4)
    with Control(broker) as session:
        # In the backlog, until there is a pin.
        own = [connect_from(broker.port) for _ in range(3)]
        for n, sock in enumerate(own):
            send_request(sock, "/?id=%d" % n)
        session.ask("debug web.0 --from " + MINE)
        wait_until(lambda: worker(broker, "web.0")["waiting"] == 3)
        for sock in silent:
            sock.close()
        assert [read_answer(sock).pid for sock in own] == [first] * 3
        assert {read_answer(sock).pid for sock in waiting} == {second}
    assert not broker.events("pin-missed")
    assert broker.events("taken-back", reason="room for one that is pinned")
    check_ledger(broker)


@test
def held_before_it_listens_it_is_never_in_the_round():
    gate = tmp("gate")
    command = ["sh", "-c", "while ! test -e %s; do sleep 0.02; done; exec {apps}/srv_poll {port}" % gate]
    broker = Broker(command, workers=1, listen="127.0.0.1:{port}", wait_ready=False)
    pid = broker.wait_event("worker-start")["pid"]
    ask(broker, "hold web.0")
    assert worker(broker, "web.0")["state"] == "starting"
    early = connect(broker.port)
    send_request(early)
    write_file("gate", "")
    wait_worker(broker, "web.0", state="held")
    broker.wait_ready()
    assert worker(broker, "web.0")["given"] == 0 and worker(broker, "web.0")["waiting"] == 0
    ask(broker, "release web.0")
    assert read_answer(early).pid == pid
    early.close()


@test
def one_that_is_stopped_too_stays_held_when_it_runs_again():
    broker = Broker(app("srv_poll"), workers=2)
    first, second = pids(broker, 2)
    ask(broker, "hold web.0")
    proc.stop_process(first)
    broker.wait_event("worker-held", worker="web.0", by="stop")
    mark = broker.mark()
    send_signal(first, signal.SIGCONT)
    event = broker.wait_event("worker-held", since=mark, worker="web.0")
    assert event["by"] == "hand" and "runs again" in event["message"], event
    assert worker(broker, "web.0")["state"] == "held"
    assert who_answers(broker.port, 6) == {second}
    # And the other way round: released, but it is stopped.
    proc.stop_process(first)
    broker.wait_event("worker-held", since=mark, worker="web.0", by="stop")
    mark = broker.mark()
    ask(broker, "release web.0")
    assert broker.wait_event("worker-held", since=mark)["by"] == "stop"
    assert worker(broker, "web.0")["state"] == "held"
    send_signal(first, signal.SIGCONT)
    broker.wait_event("worker-released", since=mark, worker="web.0")
    assert first in who_answers(broker.port, 4)


@test
def one_that_is_found_stopped_while_it_is_held_comes_back_by_itself():
    broker = Broker(app("srv_poll"), workers=2)
    first, _ = pids(broker, 2)
    with Control(broker) as session:
        session.ask("debug web.0")
        with faults.traced(first):
            # Nobody connects: it is seen by whoever asks.
            wait_until(lambda: "stopped" in worker(broker, "web.0")["why"])
    broker.wait_event("worker-released", worker="web.0")


@test
def a_reload_replaces_a_held_worker():
    broker = Broker(app("srv_poll"), workers=2)
    first = broker.worker_pid("web.0")
    ask(broker, "hold web.0")
    mark = broker.mark()
    broker.reload_and_wait()
    broker.wait_event("worker-exit", since=mark, pid=first)
    assert worker(broker, "web.0")["state"] == "ready"
    assert refusal(broker, "release web.0")["code"] == "refused"


# --- pins ---------------------------------------------------------------------------------------


@test
def a_pinned_source_goes_to_its_worker_and_takes_nobodys_turn():
    broker = Broker(app("srv_poll"), workers=3)
    workers = pids(broker, 3)
    ask(broker, "pin %s/31 web.1" % MINE)
    event = broker.wait_event("pin")
    assert (event["source"], event["worker"], event["ms"]) == (MINE + "/31", "web.1", 0), event
    others = []
    for _ in range(9):
        assert pid_for(broker.port) == workers[1]
        assert pid_for(broker.port, "127.0.0.3") == workers[1]
        others.append(http_get(broker.port).pid)
    assert others[:3] * 3 == others and sorted(others[:3]) == sorted(workers), others
    assert {pid_for(broker.port, "127.0.0.4") for _ in range(3)} == set(workers)
    (line,) = ask(broker, "pins")
    assert (line["source"], line["worker"], line["kind"]) == (MINE + "/31", "web.1", "pin"), line
    ask(broker, "unpin %s/31" % MINE)
    broker.wait_event("unpin", source=MINE + "/31")
    assert {pid_for(broker.port) for _ in range(3)} == set(workers)
    check_ledger(broker)


@test
def a_pin_ends_by_itself():
    broker = Broker(app("srv_poll"), workers=2)
    workers = pids(broker, 2)
    ask(broker, "pin %s web.0 --for 300ms" % MINE)
    assert broker.wait_event("pin")["ms"] == 300
    event = broker.wait_event("unpin")
    assert "time is over" in event["reason"], event
    assert {pid_for(broker.port) for _ in range(2)} == set(workers)
    assert not ask(broker, "pins")


def waits_at_a_stopped_worker(broker, pin):
    """A client with a pin; the pid of the worker."""
    pid = broker.worker_pid("web.0")
    send_signal(pid, signal.SIGSTOP)
    ask(broker, pin)
    sock = connect(broker.port)
    send_request(sock)
    wait_worker(broker, "web.0", waiting=1, state="held")
    return sock, pid


@test
def who_waits_for_a_pin_goes_round_when_it_is_taken_off():
    for pin, off in [
        ("pin 127.0.0.1 web.0", "unpin all"),
        ("pin 127.0.0.0/8 web.0", "unpin web.0"),
        ("pin 127.0.0.1 web.0", "pin 127.0.0.1 web.1"),
        ("pin 127.0.0.1 web.0 --for 3s", None),
    ]:
        broker = Broker(app("srv_poll"), workers=2)
        sock, pid = waits_at_a_stopped_worker(broker, pin)
        if off:
            ask(broker, off)
        assert read_answer(sock).pid == broker.worker_pid("web.1"), pin
        check_ledger(broker)
        send_signal(pid, signal.SIGCONT)
        broker.stop()


@test
def next_is_for_one_connection():
    broker = Broker(app("srv_poll"), workers=3)
    workers = pids(broker, 3)
    for worker_name, pid in zip(("web.2", "web.0", "web.0"), (workers[2], workers[0], workers[0])):
        mark = broker.mark()
        ask(broker, "next " + worker_name)
        assert http_get(broker.port).pid == pid
        event = broker.wait_event("unpin", since=mark, kind="next", worker=worker_name)
        assert event["message"] == "the next connection has gone to " + worker_name, event
    assert {http_get(broker.port).pid for _ in range(3)} == set(workers)
    mark = broker.mark()
    ask(broker, "next web.1")
    ask(broker, "unpin web.1")
    event = broker.wait_event("unpin", since=mark)
    assert event["message"] == "the next connection goes round as any other: taken off", event
    # To a worker that is held: that one, and no other.
    ask(broker, "hold web.1")
    ask(broker, "next web.1")
    assert http_get(broker.port).pid == workers[1]
    assert workers[1] not in who_answers(broker.port, 6)


@test
def a_worker_that_is_gone_is_passed_over_and_its_successor_is_meant():
    broker = Broker(app("srv_poll"), workers=2, backoff_min="1s")
    first, second = pids(broker, 2)
    ask(broker, "pin %s web.0" % MINE)
    assert pid_for(broker.port) == first
    mark = broker.mark()
    send_signal(first, signal.SIGKILL)
    broker.wait_event("worker-exit", pid=first)
    assert pid_for(broker.port) == second
    assert broker.wait_event("pin-missed", since=mark)["worker"] == "web.0"
    broker.wait_event("worker-ready", since=mark, worker="web.0")
    third = broker.worker_pid("web.0")
    assert {pid_for(broker.port) for _ in range(4)} == {third}
    broker.reload_and_wait()
    assert {pid_for(broker.port) for _ in range(4)} == {broker.worker_pid("web.0")}
    assert len(broker.events("pin-missed")) == 1


@test
def pins_and_holds_in_any_order_cost_no_connection():
    broker = Broker(app("srv_poll"), workers=3, queue=4)
    load = Load(broker.port, inflight=64)
    mine = Load(broker.port, inflight=8)
    load.wait_answers(100)
    with Control(broker) as control:
        for n in range(60):
            name, other = "web.%d" % (n % 3), "web.%d" % ((n + 1) % 3)
            control.ask("pin 127.0.0.0/%d %s" % (8 + n % 24, name))
            control.ask("hold " + name)
            control.ask("next " + other)
            load.wait_answers(10)
            if n % 2:
                control.ask("unpin all")
            control.ask("release " + name)
            load.wait_answers(10)
        control.ask("unpin all")
    load.wait_answers(50)
    mine.wait_answers(50)
    load.assert_clean()
    mine.assert_clean()
    check_ledger(broker)


# --- a debugging session ------------------------------------------------------------------------


@test
def ones_own_request_waits_for_the_breakpoint_while_production_goes_on():
    broker = Broker(app("srv_poll"), workers=2)
    first, second = pids(broker, 2)
    load = Load(broker.port)
    load.wait_answers(50)
    with Control(broker) as session:
        (line,) = session.ask("debug web.0 --from " + MINE)
        assert (line["pid"], line["worker"]) == (first, "web.0") and first in line["pids"], line
        broker.wait_event("worker-held", worker="web.0", by="debug")
        with faults.traced(first):
            # With the other one as busy as can be, those who came by the round are there first.
            wait_until(lambda: worker(broker, "web.0")["waiting"] == 0)
            own = connect_from(broker.port)
            send_request(own)
            wait_until(
                lambda: worker(broker, "web.0")["waiting"] == 1,
                what=lambda: "one's own, alone, waits: %s" % worker(broker, "web.0"),
            )
            load.wait_answers(200)
            assert who_answers(broker.port, 6) == {second}
            # It stays where it is, however long the breakpoint lasts.
            assert worker(broker, "web.0")["waiting"] == 1
            assert not broker.events("taken-back", worker="web.0", reason="the worker takes none")
            # Nor does it seem to run whenever its debugger, which is this test, does.
            assert len(broker.events("worker-held", worker="web.0", by="stop")) <= 1
        assert read_answer(own).pid == first
        own.close()
        assert {pid_for(broker.port) for _ in range(4)} == {first}
        assert worker(broker, "web.0")["state"] == "held"
    # The connection is the session. (That the process runs again may be seen before or after.)
    broker.wait_event("worker-released", worker="web.0")
    broker.wait_event("unpin", kind="debug")
    wait_worker(broker, "web.0", state="ready")
    load.wait_answers(50)
    load.assert_clean()
    check_ledger(broker)


@test
def with_the_only_worker_in_a_session_a_bounded_number_waits_in_the_broker():
    broker = Broker(app("srv_poll"), workers=1)
    (first,) = pids(broker, 1)
    with Control(broker) as session:
        session.ask("debug web.0 --from " + MINE)
        assert pid_for(broker.port) == first
        waiting = [connect(broker.port) for _ in range(100)]
        for n, sock in enumerate(waiting):
            send_request(sock, "/?id=%d" % n)
        wait_until(lambda: ledger(broker)["waiting"] == 64 and faults.in_backlog(broker.port) == 36)
        own = connect_from(broker.port)  # behind all of those: that is the bound's price
        send_request(own)
        assert worker(broker, "web.0")["given"] == 1
        check_ledger(broker)
    answers = [read_answer(sock) for sock in waiting + [own]]
    assert [a.id for a in answers[:100]] == [str(n) for n in range(100)]
    assert {a.pid for a in answers} == {first}
    for sock in waiting + [own]:
        sock.close()
    check_ledger(broker)


@test
def ones_own_get_through_in_order_with_nobody_in_the_round():
    broker = Broker(app("srv_blocking"), workers=1, queue=4)
    (first,) = pids(broker, 1)
    with Control(broker) as session:
        session.ask("debug web.0 --from " + MINE)
        others = [connect(broker.port) for _ in range(10)]
        for sock in others:
            send_request(sock)
        wait_until(lambda: ledger(broker)["waiting"] == 10)
        own = [connect_from(broker.port) for _ in range(12)]  # thrice what its queue takes
        for n, sock in enumerate(own):
            send_request(sock, "/?id=%d" % n)
            answer = read_answer(sock)
            assert (answer.pid, answer.id) == (first, str(n)), vars(answer)
            sock.close()
        assert ledger(broker)["waiting"] == 10
    for sock in others:
        assert read_answer(sock).pid == first
        sock.close()
    check_ledger(broker)


@test
def there_is_one_session_at_a_worker():
    broker = Broker(app("srv_poll"), workers=2)
    with Control(broker) as session:
        session.ask("debug web.0")
        answer = refusal(broker, "debug web.0")
        assert "already being debugged" in answer["message"], answer
        assert refusal(broker, "release web.0")["code"] == "refused"
    broker.wait_event("worker-released", by="debug")
    with Control(broker) as session:
        session.ask("debug web.0")


@test
def nobody_takes_the_pin_of_a_session_away():
    broker = Broker(app("srv_poll"), workers=2)
    first, _ = pids(broker, 2)
    stays = "the pin of %s to web.0 stays until its debugging session ends" % MINE
    with Control(broker) as session, Control(broker) as other:
        session.ask("debug web.0 --from " + MINE)
        for what in ("all", "web.0", MINE):
            answer = refusal(broker, "unpin " + what)
            assert (answer["code"], answer["message"]) == ("refused", stays), answer
            other.ask("pin %s web.0" % MINE)
            other.send("unpin " + what)
            *_, last = other.answer()
            assert last["message"] == "unpinned: %s; but %s" % (what, stays), last
            assert [pin["kind"] for pin in other.ask("pins")] == ["debug"]
        other.ask("pin 127.0.0.9 web.1")
        other.send("unpin 127.0.0.9")
        assert "message" not in other.answer()[-1]
        assert pid_for(broker.port) == first
    broker.wait_event("unpin", kind="debug")
    assert not ask(broker, "pins")


@test
def a_reload_leaves_the_process_of_a_session_to_the_person():
    """Although nothing traces it: perf(1) does not."""
    broker = Broker(app("srv_poll"), workers=2, drain_timeout="100ms", stop_timeout="100ms")
    first, second = pids(broker, 2)
    with Control(broker) as session:
        session.ask("debug web.0 --from " + MINE)
        mark = broker.mark()
        broker.reload_and_wait()
        broker.wait_event("worker-exit", since=mark, pid=second)
        broker.wait_event("worker-traced", since=mark, pid=first)
        assert proc.alive(first)
        assert first not in who_answers(broker.port, 4)
        assert not broker.events("worker-stopping", mark, pid=first)
    broker.wait_event("worker-exit", since=mark, pid=first)
    check_ledger(broker)


@test
def a_worker_that_ends_ends_its_session():
    broker = Broker(app("srv_poll"), workers=2)
    first = broker.worker_pid("web.0")
    with Control(broker) as session:
        session.ask("debug web.0 --from " + MINE)
        mark = broker.mark()
        send_signal(first, signal.SIGKILL)
        event = broker.wait_event("unpin", since=mark)
        assert "ended" in event["reason"], event
        broker.wait_event("worker-ready", since=mark, worker="web.0")
        assert worker(broker, "web.0")["state"] == "ready"
        assert not ask(broker, "pins")
    # Its successor has nothing to do with it.
    assert worker(broker, "web.0")["state"] == "ready"


@test
def a_pin_that_there_is_not_is_refused_with_the_nearest():
    broker = Broker(app("srv_poll"), workers=2)
    ask(broker, "pin 127.0.0.1 web.1")
    for what, rest in (("wbe.1", "did you mean web.1?"), ("web.0", "`pins` shows all"),
                       ("shop", "`pins` shows all"), ("127.0.0.9", "`pins` shows all")):
        answer = refusal(broker, "unpin " + what)
        assert answer["message"] == "there is no pin of %s; %s" % (what, rest), answer
    assert ask(broker, "pins")


@test
def the_name_of_a_worker_may_begin_like_an_address():
    broker = Broker(app("srv_poll"), name="3d", workers=1)
    ask(broker, "pin 127.0.0.1 3d.0")
    ask(broker, "unpin 3d.0")
    assert not ask(broker, "pins")
    assert "no pin of 3d.0" in refusal(broker, "unpin 3d.0")["message"]
    assert refusal(broker, "unpin 10.1.2")["code"] == "bad-request"


main()
