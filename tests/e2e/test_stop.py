#!/usr/bin/env python3
"""The end: in order, in a hurry, and of the broker itself without a warning."""

import os
import time

from harness import *
from lib import proc, tap
from lib.control import ask
from lib.paths import broker_program
from lib.ports import free_port
from lib.terminal import Terminal

private_namespaces()


def ended_in_order(broker, load):
    """Of the clients that came before the end, each has its answer; later ones are refused."""
    summary = load.stop()
    kinds = {kind for kind, n in summary["errors"].items() if n}
    assert kinds <= {"refused"}, "%s\n%s" % (summary["errors"], load.complaints())
    ledger = broker.wait_stopped()
    assert ledger["refused"] == 0 and ledger["client_gone"] == 0, ledger
    assert ledger["accepted"] == summary["answers"], (ledger, summary)


@test
def sigterm_under_load_answers_everybody_who_was_connected():
    for name in ("srv_poll", "srv_blocking", "srv_fork"):
        broker = Broker(app(name), workers=3)
        load = Load(broker.port, inflight=64)
        load.wait_answers(200)
        broker.signal(signal.SIGTERM)
        broker.wait_exit()
        ended_in_order(broker, load)


@test
def processes_that_cannot_be_seen_are_waited_for_for_their_time_only():
    """What the main process has left is looked up in /proc, for which no descriptor is free."""
    # A sanitizer cannot look for leaks in a process that is traced.
    env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    broker = Broker(app("srv_poll"), workers=2, drain_timeout="200ms", stop_timeout="200ms", env=env)
    with faults.Strace(broker.main_pid, "openat", inject="openat:error=EMFILE:when=1+") as trace:
        broker.signal(signal.SIGTERM)
        broker.wait_exit(20)
        assert trace.lines("INJECTED")
    broker.wait_stopped()


@test
def a_worker_that_the_broker_may_not_signal_is_left_to_itself():
    """As one that has become root by a setuid program, while the broker is not."""
    env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="200ms", stop_timeout="200ms", env=env)
    first = broker.worker_pid("web.0")
    refused = lambda pid: faults.Strace(pid, "kill", inject="kill:error=EPERM:when=1+")
    with refused(broker.pid), refused(broker.main_pid):
        ask(broker, "restart web.0")
        broker.wait_event("worker-exit", worker="web.0", pid=first)
    said = broker.log.find(["worker-failed"])[-1]
    assert "end process %d by hand" % first in said["message"] and said["pid"] == first, said
    # Its end is no surprise to the broker, which is told of it.
    send_signal(first, signal.SIGKILL)
    wait_until(lambda: proc.stat(first)[0] is None)
    second = broker.worker_pid("web.0")
    assert http_get(broker.port).pid == second
    with refused(broker.pid), refused(broker.main_pid):
        send_signal(broker.main_pid, signal.SIGTERM)
        broker.wait_exit(20)
    assert "end process %d by hand" % second in broker.log.find(["worker-failed"])[-1]["message"]
    send_signal(second, signal.SIGKILL)
    broker.wait_stopped()


@test
def the_end_of_very_many_processes_takes_few_looks():
    env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    broker = Broker([*app("srv_holds"), "60", "200"], workers=1, env=env)
    main = broker.worker_pid("web.0")
    wait_until(lambda: len(proc.descendants(main)) == 60)
    for pid in proc.descendants(main):  # so that they live when they are looked for
        send_signal(pid, signal.SIGSTOP)
    with faults.Strace(broker.main_pid, "readlinkat") as trace:
        broker.signal(signal.SIGINT)
        broker.wait_exit(20)
        lines = trace.lines("(")
    broker.wait_stopped()
    looks = sum("readlinkat" in line for line in lines)
    assert looks < 60 * 200 / 2, looks


@test
def sigterm_waits_for_what_is_open_and_no_longer():
    broker = Broker(app("srv_poll"), workers=2)
    held = connect(broker.port)
    send_request(held, close=False)
    read_answer(held)
    mark = broker.mark()
    broker.signal(signal.SIGTERM)
    # The worker that has nothing ends at once; the other one still answers.
    broker.wait_event("worker-exit", since=mark)
    assert refused(broker.port)
    send_request(held, close=True)
    assert read_answer(held).status == 200
    held.close()
    broker.wait_stopped()
    assert len(broker.events("worker-exit")) == 2
    last = broker.log.find(["worker-exit", "broker-stop"])
    assert last[-1]["event"] == "broker-stop"


def group_session_and_terminal(pid):
    with open("/proc/%d/stat" % pid) as f:
        return [int(field) for field in f.read().rpartition(")")[2].split()[2:5]]


@test
def the_keys_of_a_terminal_reach_the_broker_alone():
    port, ini = free_port(), tap.tmp("broker.ini")
    with open(ini, "w") as f:
        f.write("[broker]\nrun_dir = %s\n[service:web]\nlisten = 127.0.0.1:%d\ncommand = %s %d\n"
                % (tap.tmp("run"), port, app("srv_poll")[0], port))
    terminal = Terminal([broker_program(), "-c", ini], columns=200)
    terminal.wait_for("services are ready")
    workers = [pid for pid in proc.descendants(terminal.pid)
               if "srv_poll" in proc.command_line(pid)]
    assert len(workers) == 2, workers
    for pid in workers:
        # In the broker's session all the same: see leave_terminal().
        assert group_session_and_terminal(pid) == [pid, terminal.pid, 0]
    terminal.type("\x03")
    terminal.wait_for("broker-stopping: SIGINT")
    assert terminal.wait_exit() == 0


def check_end(first, second, word):
    """A worker that ignores everything but SIGKILL, and a client that never leaves."""
    command = ["sh", "-c", "trap '' TERM; {apps}/srv_poll {port}; exit 1"]
    broker = Broker(command, workers=2, drain_timeout="10m", stop_timeout="10m")
    held = connect(broker.port)
    send_request(held, close=False)
    read_answer(held)
    mark = broker.mark()
    broker.signal(first)
    broker.wait_event("broker-stopping", since=mark)
    if second:
        broker.signal_again(second)
    broker.wait_stopped()
    assert {e["how"] for e in broker.events("worker-exit", since=mark)} == {word}
    held.close()


for second in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
    add_test(
        "%s after SIGTERM ends it now" % second.name,
        lambda second=second: check_end(signal.SIGTERM, second, "signal 9"),
    )


def check_fast(sig):
    broker = Broker(app("srv_poll"), workers=2, drain_timeout="10m", stop_timeout="10m")
    held = connect(broker.port)
    send_request(held, close=False)
    read_answer(held)
    broker.stop(sig)
    assert held.recv(1) == b""
    held.close()
    assert not broker.events("worker-draining")


@test
def a_signal_that_comes_twice_at_once_is_one_request():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="10m")
    with connect(broker.port) as held:
        send_request(held, close=False)
        read_answer(held)
        began = time.monotonic()
        broker.signal(signal.SIGTERM)
        broker.wait_event("worker-draining")
        broker.signal(signal.SIGTERM)
        broker.log.wait(["broker-stopping"], count=2)
        send_request(held, close=False)
        assert read_answer(held).status == 200
        broker.signal_again(signal.SIGTERM)
        assert time.monotonic() - began >= 1
    broker.wait_stopped()
    assert broker.wait_event("worker-exit")["how"] == "signal 9"


for sig in (signal.SIGINT, signal.SIGQUIT):
    add_test("%s does not drain" % sig.name, lambda sig=sig: check_fast(sig))


@test
def a_worker_that_leaves_is_told_by_drain_signal_and_finishes_by_itself():
    broker = Broker(
        ["python3", "%s/tests/apps/drains.py" % ROOT, "{port}"], workers=1, drain_signal="USR1",
        drain_timeout="1h",
    )
    old = broker.worker_pid()
    with connect(broker.port) as idle, connect(broker.port) as busy:
        for sock in (idle, busy):
            send_request(sock, close=False)
            assert b"Connection: close" not in sock.recv(4096)
        broker.reload_and_wait()
        assert idle.recv(4096) == b""
    broker.wait_event("worker-exit", pid=old)


def nested():
    """The app below three scripts, none of which passes a signal on, nor executes it."""
    command = "%s {port}; true" % app("srv_poll")[0]
    for name in ("a.sh", "b.sh"):
        command = "sh %s; true" % write_file(name, command.replace("{port}", '"$1"') + "\n")
        command = command.replace("; true", ' "$1"; true')
    return ["sh", "-c", command, "sh", "{port}"]


@test
def an_app_below_scripts_is_told_to_end():
    broker = Broker(nested(), workers=1, stop_timeout="20s")
    below = proc.descendants(broker.worker_pid())
    broker.reload_and_wait()
    broker.wait_event("worker-exit")
    assert not [pid for pid in below if proc.alive(pid)]
    broker.stop()
    assert not broker.log.find(["worker-kill"])


@test
def so_it_is_when_the_first_script_was_killed():
    broker = Broker(nested(), workers=1, stop_timeout="20s", backoff_min="1h", backoff_max="1h")
    send_signal(broker.worker_pid(), signal.SIGKILL)
    broker.wait_event("worker-exit")
    broker.stop()
    assert not broker.log.find(["worker-kill"])


@test
def an_app_that_wakes_its_acceptors_by_connecting_to_itself_ends():
    broker = Broker(app("srv_selfwake"), workers=2, stop_timeout="20s")
    assert http_get(broker.port).status == 200
    broker.reload_and_wait()
    for n in (1, 2):
        event = broker.wait_event("worker-exit", count=n)
        assert event["how"] == "exit 0", event
    ledger = broker.stop()
    assert not broker.log.find(["worker-kill"])
    exits = broker.log.find(["worker-exit"])
    assert len(exits) == 4 and {e["how"] for e in exits} == {"exit 0"}, exits
    # The connections of the apps to their port are clients; those of the broker are not.
    assert sum(e["served"] for e in exits) == ledger["accepted"], (exits, ledger)
    assert ledger["accepted"] <= 1 + 4, ledger


@test
def drain_timeout_ends_a_worker_whose_client_stays():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="100ms")
    held = connect(broker.port)
    send_request(held, close=False)
    read_answer(held)
    broker.stop()
    assert held.recv(1) == b""
    held.close()


@test
def sigkill_of_the_broker_leaves_what_waits_to_the_workers():
    broker = Broker(
        app("srv_blocking"), workers=2, stall_timeout="1m", drain_timeout="1s", stop_timeout="1s"
    )
    workers = [broker.wait_event("worker-ready", worker="web.%d" % n)["pid"] for n in (0, 1)]
    busy = [connect(broker.port) for _ in workers]
    wait_until(lambda: proc.held_connections(workers, broker.port) == 2)
    waiting = [connect(broker.port) for _ in range(8)]
    for n, sock in enumerate(waiting):
        send_request(sock, "/?id=%d" % n)
    wait_until(lambda: faults.on_the_way(broker.port, workers) == 8)
    below = broker.below()
    broker.kill()
    for sock in busy:
        sock.close()
    for n, sock in enumerate(waiting):
        answer = read_answer(sock)
        assert answer.id == str(n) and answer.pid in workers
        sock.close()
    ticks = [faults.cpu_ticks(pid) for pid in workers]

    def ended():
        proc.reap_adopted()
        nonlocal ticks
        ticks = [faults.cpu_ticks(p) if proc.alive(p) else t for p, t in zip(workers, ticks)]
        return not [pid for pid in below if proc.alive(pid)]

    before = list(ticks)
    wait_until(ended, 20)
    # Without the broker the listening descriptor must not keep reporting an end of file.
    assert max(t - b for t, b in zip(ticks, before)) < 20, (before, ticks)


@test
def a_killed_broker_is_started_again_on_the_same_port():
    text = "[service:web]\ncommand = {apps}/srv_poll {port}\ndrain_timeout = 1s\n"
    broker = Broker(text=text)
    load = Load(broker.port, inflight=32)
    load.wait_answers(100)
    below = broker.below()
    broker.kill()
    load.stop()
    # The same file, so the same run directory and port, while the old workers still live.
    assert [pid for pid in below if proc.alive(pid)]
    again = Broker.__new__(Broker)
    again.__dict__.update(dir=broker.dir, run_dir=broker.run_dir, file=broker.file,
                          _ports=broker._ports, stopped=None, program=broker.program)
    again._start([], None, None)
    again.wait_ready()
    assert http_get(again.port).pid not in below
    load = Load(again.port, inflight=32, total=500)
    load.wait_end()
    load.assert_clean()
    again.stop()
    wait_until(lambda: proc.reap_adopted() or not [p for p in below if proc.alive(p)], 20)


main()
