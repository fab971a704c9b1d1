#!/usr/bin/env python3
"""Workers that end, fail, hang and leave: what is done about it, and what the log says."""

import os

from harness import *
from lib.faults import kill_both_while_eight_wait


def who_answers(port, n):
    return {http_get(port).pid for _ in range(n)}


@test
def a_worker_that_crashes_is_replaced():
    broker = Broker(app("srv_poll"), workers=2)
    load = Load(broker.port)
    victim = broker.worker_pid("web.1")
    load.wait_answers(50)
    with broker.same_fds():
        mark = broker.mark()
        send_signal(victim, signal.SIGKILL)
        event = broker.wait_event("worker-exit", pid=victim)
        assert event["how"] == "signal 9" and event["serving"] is True, event
        assert event["level"] == "error" and "last_output" in event, event
        ready = broker.wait_event("worker-ready", worker="web.1", since=mark)
        # The slot and the generation stay, the process is another.
        assert ready["generation"] == 1 and ready["pid"] != victim, ready
        assert wait_until(lambda: len(load.wait_pids(200)) == 2)
    summary = load.stop()
    wrong = {k for k, n in summary["errors"].items() if n}
    assert wrong <= {"reset", "closed", "short"} and summary["failed"] <= 32, summary


@test
def what_waits_at_a_worker_that_is_killed_is_answered_by_others():
    broker = Broker(app("srv_poll"), workers=2, stall_timeout="1h")
    kill_both_while_eight_wait(broker)


@test
def a_stopped_worker_keeps_nobody_waiting():
    broker = Broker(app("srv_poll"), workers=2)
    stopped = broker.worker_pid("web.0")
    proc.stop_process(stopped)
    broker.wait_event("worker-held", pid=stopped)
    assert stopped not in who_answers(broker.port, 20)
    send_signal(stopped, signal.SIGCONT)
    broker.wait_event("worker-released", pid=stopped)
    assert stopped in who_answers(broker.port, 2)


@test
def a_crash_loop_backs_off_and_ends_by_itself_when_the_app_is_mended():
    release = Release()
    broker = Broker(
        release.command(), workers=2, backoff_min="20ms", backoff_max="320ms", backoff_reset="1h"
    )
    release.deploy("echo cannot find module >&2; exit 3")
    mark = broker.mark()
    for worker in ("web.0", "web.1"):
        send_signal(broker.worker_pid(worker), signal.SIGKILL)
    waiting = connect(broker.port)
    send_request(waiting, "/?id=patient")
    event = broker.wait_event("back-off", since=mark, delay_ms=320)
    delays = [e["delay_ms"] for e in broker.events("back-off", since=mark)]
    assert delays[-5:] == [20, 40, 80, 160, 320], delays
    assert "clients wait in the backlog" in event["message"], event
    # Doubling it took a start for each failure, not for each slot and failure.
    assert len(broker.events("worker-start", since=mark)) <= len(delays) + 2
    failed = broker.events("worker-failed", since=mark)[-1]
    assert failed["how"] == "exit 3" and "cannot find module" in failed["last_output"], failed
    release.deploy(GOOD)
    assert read_answer(waiting).id == "patient"
    waiting.close()
    for worker in ("web.0", "web.1"):
        broker.wait_event("worker-ready", worker=worker, since=mark)
    assert wait_until(lambda: len(who_answers(broker.port, 4)) == 2)


@test
def clients_of_a_service_that_is_broken_from_the_start_wait_for_it():
    release = Release("echo broken >&2; exit 1")
    broker = Broker(
        release.command(), listen="127.0.0.1:{port2} for {port}", backoff_max="200ms",
        wait_ready=False,
    )
    broker.wait_event("back-off", delay_ms=200)
    waiting = [connect(broker.port2) for _ in range(5)]
    for n, sock in enumerate(waiting):
        send_request(sock, "/?id=%d" % n)
    release.deploy(GOOD)
    assert [read_answer(sock).id for sock in waiting] == list("01234")
    for sock in waiting:
        sock.close()
    broker.wait_ready()


@test
def sighup_ends_a_back_off_at_once():
    release = Release("exit 1")
    broker = Broker(release.command(), backoff_min="1h", backoff_max="1h", wait_ready=False)
    broker.wait_event("back-off")
    release.deploy(GOOD)
    broker.reload_and_wait()
    broker.wait_ready()


def fails_to_listen(command, **service):
    broker = Broker(
        command, workers=1, start_timeout="1s", backoff_max="100ms", wait_ready=False, **service
    )
    broker.wait_event("worker-start", count=2)
    failed = broker.events("worker-failed")[0]
    assert "did not listen within start_timeout (1000 ms)" in failed["message"], failed
    broker.stop()
    return failed["message"]


@test
def a_worker_that_never_listens_is_told_what_it_does_instead():
    message = fails_to_listen(Release(HANGS).command())
    assert "it listens on no port and no Unix socket" in message and "start_timeout" in message, message

    port, private = free_port(), free_port()
    message = fails_to_listen(
        app("srv_odd", port, "elsewhere", private), listen="127.0.0.1:%d" % port,
        private_ports=private,
    )
    assert "port %d" % port in message and "past the broker, on 127.0.0.1:%d (srv_odd" % private in message

    other = free_port()
    message = fails_to_listen(app("srv_poll", other), listen="127.0.0.1:%d" % port)
    assert "expected, because of `listen`: port %d" % port in message, message
    assert "through the broker on 127.0.0.1:%d" % other in message, message


@test
def last_words_are_the_last():
    release = Release("seq 1000; echo the reason >&2; exit 4")
    broker = Broker(release.command(), workers=1, wait_ready=False)
    failed = broker.wait_event("worker-failed")
    lines = failed["last_output"].split("\n")
    assert lines[-3:] == ["999", "1000", "the reason"] and len(lines) < 500, lines
    assert failed["how"] == "exit 4"
    silent = Broker(Release("exit 5", name="silent").command(), workers=1, wait_ready=False)
    assert "it wrote nothing" in silent.wait_event("worker-failed")["message"]


@test
def a_program_that_reads_its_input_and_ends_is_told_about_mode_inetd():
    broker = Broker(["/bin/cat"], workers=1, wait_ready=False)
    assert "it needs mode = inetd" in broker.wait_event("worker-failed")["message"]
    failing = Broker(Release("exit 5", name="failing").command(), workers=1, wait_ready=False)
    assert "inetd" not in failing.wait_event("worker-failed")["message"]


@test
def a_daemon_is_followed():
    for extra in ([], ["listen-first"]):
        broker = Broker(app("srv_daemon", "{port}", *extra), workers=2)
        pids = who_answers(broker.port, 4)
        assert len(pids) == 2
        daemon = sorted(pids)[0]
        broker.wait_event("worker-daemonised", pid=daemon)
        mark = broker.mark()
        send_signal(daemon, signal.SIGKILL)
        broker.wait_event("worker-exit", since=mark)
        broker.wait_event("worker-daemonised", since=mark)
        broker.wait_event("worker-ready", since=mark)
        assert wait_until(lambda: len(who_answers(broker.port, 4)) == 2)
        broker.reload_and_wait()
        assert not pids & who_answers(broker.port, 4)


@test
def a_daemon_that_is_in_the_middle_of_execve_is_followed():
    """It has neither command line nor environment then, and must not be taken for nobody."""
    gate = Gate()
    broker = Broker(app("srv_daemon", "{port}", "exec", gate.path), workers=1, wait_ready=False)
    main = broker.wait_event("worker-start")["pid"]
    wait_until(lambda: not os.path.exists("/proc/%d" % main))
    gate.open()
    daemon = broker.wait_event("worker-daemonised")["pid"]
    broker.wait_ready()
    assert http_get(broker.port).pid == daemon
    assert len(broker.events("worker-start")) == 1 and not broker.events("worker-failed")


@test
def an_app_that_ends_after_so_many_connections_is_replaced_every_time():
    broker = Broker(app("srv_odd", "{port}", "count", 25), workers=2, backoff_min="1ms")
    load = Load(broker.port, inflight=8, total=500)
    load.wait_end()
    load.assert_clean()
    # It has served: that is no failure of the command, and the delay does not double.
    exits = broker.events("worker-exit", how="exit 0")
    assert len(exits) >= 15, len(exits)
    assert all(e["delay_ms"] < 10 for e in broker.events("back-off")), broker.events("back-off")


@test
def an_app_behind_a_shell_is_one_worker():
    # The semicolon keeps the shell in memory: it is the main process, the server its child.
    broker = Broker(["sh", "-c", '%s/srv_poll "$0"; exit 7' % APPS, "{port}"], workers=2)
    pids = who_answers(broker.port, 4)
    tops = broker.top_pids(pids)
    assert len(tops) == 2 and not set(tops) & pids, tops
    with broker.same_fds():
        mark = broker.mark()
        send_signal(sorted(pids)[0], signal.SIGKILL)
        event = broker.wait_event("worker-exit", since=mark)
        assert event["how"] == "exit 7", event
        broker.wait_event("worker-ready", since=mark)
    # A shell that is told to end leaves its child: that is told too.
    broker.reload_and_wait()
    left = [pid for pid in pids if proc.alive(pid)]
    wait_until(lambda: not [pid for pid in left if proc.alive(pid)])
    assert wait_until(lambda: len(who_answers(broker.port, 4)) == 2)


@test
def children_that_outlive_the_app_finish_what_they_have():
    # With exit code 0 the child may be a daemon, with 1 it is what a crash left.
    for code in (0, 1):
        broker = Broker(app("srv_odd", "{port}", "leave", 1, code), workers=1, stop_timeout="1s")
        held = connect(broker.port)
        send_request(held, "/slow?ms=200&id=child", close=False)
        assert who_is_next(broker)
        assert read_answer(held).id == "child"
        held.close()
        broker.stop(timeout=20)


def who_is_next(broker):
    """The slot has another worker as soon as the app has ended, child or not."""
    return broker.wait_event("worker-ready", count=2, timeout=10)


@test
def a_child_that_keeps_the_listening_socket_serves_on():
    broker = Broker(app("srv_odd", "{port}", "both", 3), workers=1)
    for n in range(20):
        assert http_get(broker.port, "/?id=%d" % n).id == str(n)
    broker.wait_event("worker-daemonised")
    assert not broker.events("worker-exit")
    broker.reload_and_wait()
    broker.wait_event("worker-exit", generation=1)


@test
def who_is_left_of_a_worker_is_not_guessed_while_it_cannot_be_read():
    gate = Gate()
    release = Release('%s/srv_poll "$@" &\n%s\nexit 0' % (APPS, gate))
    broker = Broker(release.command(), workers=1)
    main, server = broker.worker_pid(), http_get(broker.port).pid
    # It asks for the children of its parent in this way, and for nothing else.
    with faults.Strace(broker.main_pid, "pread64", inject="pread64:error=EIO") as trace:
        gate.open()
        wait_until(lambda: not os.path.exists("/proc/%d" % main))
        wait_until(lambda: trace.lines("INJECTED"))
        # It was reaped, and nobody knows whether anybody is left: that is not "nobody".
        assert not broker.events("worker-exit") and not broker.events("worker-daemonised")
    assert broker.wait_event("worker-daemonised")["pid"] == server
    assert http_get(broker.port).pid == server
    assert len(broker.events("worker-start")) == 1


@test
def a_worker_that_closes_its_listening_socket_for_good_is_replaced():
    broker = Broker(
        app("srv_odd", "{port}", "close", 1), workers=1, start_timeout="1h", relisten_timeout="300ms"
    )
    held = connect(broker.port)
    send_request(held, "/?id=last", close=False)
    assert read_answer(held).id == "last"
    old = broker.worker_pid()
    broker.wait_event("worker-ready", count=2)
    draining = broker.wait_event("worker-draining", pid=old)
    assert "closed its listening socket" in draining["message"], draining
    # What it has it may finish.
    send_request(held, "/?id=more", close=False)
    assert read_answer(held).id == "more"
    held.close()
    broker.wait_event("worker-exit", pid=old)


@test
def a_worker_that_ends_while_it_drains_is_no_crash():
    broker = Broker(app("srv_poll"), workers=1)
    held = connect(broker.port)
    send_request(held, close=False)
    old = read_answer(held).pid
    broker.reload_and_wait()
    mark = broker.mark()
    send_signal(old, signal.SIGKILL)
    event = broker.wait_event("worker-exit", pid=old)
    assert event["level"] == "info" and event["serving"] is False, event
    http_get(broker.port)
    assert not broker.events("worker-start", since=mark) and not broker.events("back-off")
    held.close()


@test
def sigwinch_drains_all_and_sighup_brings_them_back():
    broker = Broker(app("srv_poll"), workers=2)
    mark = broker.mark()
    broker.signal(signal.SIGWINCH)
    broker.wait_event("worker-exit", since=mark, count=2)
    # The listener is there: clients wait.
    waiting = connect(broker.port)
    send_request(waiting, "/?id=later")
    assert not broker.events("worker-start", since=mark)
    broker.reload_and_wait()
    assert read_answer(waiting).id == "later"
    waiting.close()


@test
def crashes_at_random_under_load_cost_what_was_in_hand_and_no_more():
    broker = Broker(app("srv_poll"), workers=4, backoff_min="1ms")
    load = Load(broker.port, inflight=32)
    load.wait_answers(100)
    lost = 0
    with broker.same_fds():
        for n in range(12):
            mark = broker.mark()
            victim = broker.worker_pid("web.%d" % (n % 4))
            proc.stop_process(victim)
            lost += proc.held_connections([victim], broker.port)
            send_signal(victim, signal.SIGKILL)
            broker.wait_event("worker-ready", worker="web.%d" % (n % 4), since=mark)
            load.wait_answers(50)
    summary = load.stop()
    wrong = {k for k, n in summary["errors"].items() if n}
    assert wrong <= {"reset", "closed", "short"}, summary
    assert summary["failed"] <= lost, (summary, lost)


main()
