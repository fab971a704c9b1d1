#!/usr/bin/env python3
"""The process that people know as the broker, and the broker, which is its child."""

import os
import signal

from harness import *
from lib.control import ask

KEPT = dict(drain_timeout="20s", stop_timeout="20s")


def parent_fds(broker):
    if not os.access("/proc/%d/fd" % broker.pid, os.R_OK):
        skip("needs CAP_SYS_PTRACE, to see the descriptors of a broker of root")
    return proc.fd_kinds(broker.pid)


def children(broker, state):
    return [p for p, of in proc.parents().items() if of == broker.pid and proc.stat(p)[0] == state]


@test
def ps_tells_them_apart_and_status_names_both():
    pid_file = tmp("broker.pid")
    broker = Broker(app("srv_poll"), broker={"pid_file": pid_file})
    assert (proc.name(broker.pid), proc.name(broker.main_pid)) == ("broker", "broker-main")
    assert proc.stat(broker.main_pid)[1] == broker.pid
    status = ask(broker, "status")[0]
    assert (status["pid"], status["broker_pid"]) == (broker.pid, broker.main_pid)
    started = broker.events("broker-start")[0]
    assert (started["pid"], started["broker_pid"]) == (broker.pid, broker.main_pid)
    with open(pid_file) as f:
        assert int(f.read()) == broker.pid


@test
def workers_are_its_children_and_in_its_session():
    broker = Broker(app("srv_poll"), workers=2)
    for pid in broker.worker_pid("web.0"), broker.worker_pid("web.1"), broker.main_pid:
        assert proc.stat(pid)[1] == broker.pid
        assert os.getsid(pid) == os.getsid(broker.pid)
        assert os.getpgid(pid) == pid


@test
def a_signal_that_is_sent_at_once_is_not_lost():
    """Before the broker has a handler for it: then it ends it, and its parent with it."""
    broker = Broker(app("srv_poll"), wait_ready=False)
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() in (0, -signal.SIGTERM)
    broker.stopped = {}


@test
def a_watchdog_ends_a_broker_that_is_stopped():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="0")
    worker = broker.worker_pid()
    proc.stop_process(broker.main_pid)
    broker.signal(signal.SIGABRT)
    assert broker.wait_exit() == -signal.SIGABRT
    assert not proc.alive(broker.main_pid) and not proc.alive(worker)
    broker.stopped = {}


@test
def an_exit_code_is_that_of_the_broker():
    for code, arguments in ((0, ["-V"]), (2, ["--nothing"]), (2, ["-c", "/nowhere"]), (3, ["-t", "--", "/no/program"])):
        assert broker_cli(*arguments).returncode == code, arguments


@test
def it_opens_no_file():
    # A sanitizer cannot look for leaks in a process that is traced.
    env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    broker = Broker(app("srv_poll"), workers=2, env=env)
    with faults.Strace(broker.pid, "open,openat,openat2,read,sendmsg") as trace:
        broker.reload_and_wait()
        mark = broker.mark()
        send_signal(broker.worker_pid(), signal.SIGKILL)
        broker.wait_event("worker-ready", since=mark)
        broker.stop()
        assert trace.lines("sendmsg"), "it has told nothing"
        assert not trace.lines("open"), trace.lines("open")


@test
def its_descriptors_do_not_grow():
    broker = Broker(app("srv_poll"), workers=2)
    pids = [broker.worker_pid("web.0"), broker.worker_pid("web.1")]
    # It is given the output of each, for the next broker, a moment after the worker is ready.
    wait_until(lambda: {proc.fds(pid)[1] for pid in pids} <= set(proc.fds(broker.pid).values()))
    before = parent_fds(broker)
    for _ in range(5):
        broker.reload_and_wait()
        old = set(broker.below()) - {broker.worker_pid("web.0"), broker.worker_pid("web.1")}
        wait_until(lambda: not [pid for pid in old if proc.alive(pid)])
    wait_until(lambda: parent_fds(broker) == before, 10, lambda: "%s as %s" % (parent_fds(broker), before))


@test
def the_broker_serves_while_it_is_stopped():
    broker = Broker(app("srv_poll"), workers=2, backoff_min="50ms")
    mark = broker.mark()
    with broker.same_fds():
        proc.stop_process(broker.pid)
        at_end(lambda: proc.alive(broker.pid) and send_signal(broker.pid, signal.SIGCONT))
        load = Load(broker.port)
        load.wait_answers(500)
        # What is to be started is told why it was not, and nobody waits for it twice.
        ask(broker, "restart web.0 --no-wait")
        said = broker.log.wait(["worker-failed"], mark)["message"]
        assert "the broker's parent process %d does not answer: is it stopped?" % broker.pid in said, said
        load.wait_answers(500)
        send_signal(broker.pid, signal.SIGCONT)
        load.wait_answers(500)
        load.assert_clean()
        load.stop()
    old = broker.worker_pid("web.0")
    broker.reload_and_wait()
    wait_until(lambda: not proc.alive(old))


@test
def a_storm_of_ends_that_the_broker_does_not_hear_of():
    """More than their socket holds: the rest stays until the broker listens again."""
    gate = Gate()
    storm = "i=0; while [ $i -lt 600 ]; do (true &); i=$((i+1)); done"
    release = Release("(%s; %s) &\n%s" % (gate, storm, GOOD))
    broker = Broker(release.command(), workers=1)
    before = parent_fds(broker)
    proc.stop_process(broker.main_pid)
    at_end(lambda: proc.alive(broker.main_pid) and send_signal(broker.main_pid, signal.SIGCONT))
    gate.open()
    wait_until(lambda: len(children(broker, "Z")) > 50, 30, "zombies that nobody heard of")
    wait_until(lambda: proc.stat(broker.pid)[0] == "S", 10, "the rest of the parent")
    send_signal(broker.main_pid, signal.SIGCONT)
    wait_until(lambda: not children(broker, "Z"), 30, "the end of all zombies")
    assert http_get(broker.port).status == 200
    assert parent_fds(broker) == before
    broker.reload_and_wait()


@test
def sigkill_of_it_ends_the_broker_in_order():
    broker = Broker(app("srv_blocking"), workers=2, **KEPT)
    held = [connect(broker.port) for _ in range(2)]
    workers = [broker.worker_pid("web.%d" % n) for n in range(2)]
    wait_until(lambda: proc.held_connections(workers, broker.port) == 2)
    waiting = [connect(broker.port) for _ in range(4)]
    for sock in waiting:
        send_request(sock)
    main = broker.main_pid
    broker.stopped = {}
    send_signal(broker.pid, signal.SIGKILL)
    broker.process.wait(10)
    assert broker.log.wait(["parent"])["pid"] == broker.pid
    broker.log.wait(["broker-stopping"])
    assert [pid for pid in workers if proc.alive(pid)] == workers
    for sock in held:
        send_request(sock)
        assert read_answer(sock).status == 200
    assert all(read_answer(sock).pid in workers for sock in waiting)
    broker.log.wait(["broker-stop"])
    wait_until(lambda: proc.reap_adopted() or not [p for p in workers + [main] if proc.alive(p)])
    assert not os.path.exists(broker.run_dir)
    # Each was seen to end, and none had to be killed.
    ends = broker.log.find(["worker-exit"])
    assert len(ends) == 2 and not broker.log.find(["worker-kill"]), ends


@test
def a_term_hurries_what_a_killed_broker_has_left():
    broker = Broker(app("srv_poll"), workers=2, drain_timeout="10m")
    below = broker.below()
    broker.kill()
    assert [pid for pid in below if proc.alive(pid)] == below
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() == -signal.SIGKILL, "the signal that the broker got"
    assert not [pid for pid in below if proc.alive(pid)]


@test
def a_term_that_waits_while_the_broker_is_killed_hurries_all_the_same():
    broker = Broker(app("srv_poll"), workers=2, drain_timeout="10m")
    below = broker.below()
    proc.stop_process(broker.pid)
    at_end(lambda: broker.process.poll() is None and broker.signal(signal.SIGCONT))
    broker.signal(signal.SIGTERM)
    broker.kill()
    broker.signal(signal.SIGCONT)
    assert broker.wait_exit() == -signal.SIGKILL
    assert not [pid for pid in below if proc.alive(pid)]


@test
def a_helper_ends_with_a_killed_broker():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="10m", check="command sleep 1000", check_timeout="1h", wait_ready=False,
                    check_interval="10ms")
    sleeps = lambda: [p for p in broker.below() if proc.command_line(p) == "sleep 1000"]
    wait_until(sleeps)
    broker.kill()
    wait_until(lambda: not sleeps())
    broker.signal(signal.SIGTERM)


@test
def a_daemon_has_its_time_when_the_broker_is_killed():
    """Its main process was not started by anybody, but has become a child."""
    broker = Broker(app("srv_daemon", "{port}"), workers=1, drain_timeout="10m")
    daemon = http_get(broker.port).pid
    broker.wait_event("worker-daemonised", pid=daemon)
    broker.kill()
    assert proc.alive(daemon)
    broker.signal(signal.SIGTERM)
    broker.wait_exit()
    wait_until(lambda: not proc.alive(daemon))


main()
