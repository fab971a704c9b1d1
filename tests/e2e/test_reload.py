#!/usr/bin/env python3
"""SIGHUP: the order of a rolling restart, what ends one, and how it looks from outside: not at all."""

import os
import shutil
import socket

from harness import *
from lib import control
from lib.steering import ask


def who_answers(port, n):
    return {http_get(port).pid for _ in range(n)}


def position(broker, word, worker, generation, count=1, since=0):
    return broker.wait_event(word, worker=worker, generation=generation, count=count, since=since)[
        "position"
    ]


@test
def start_first_goes_on_only_when_the_new_worker_listens():
    gate = Gate()
    release = Release()
    broker = Broker(release.command(), workers=3)
    load = Load(broker.port)
    load.wait_answers(100)
    release.deploy("%s\n%s" % (gate, GOOD))
    mark = broker.mark()
    broker.hup()
    for n in range(3):
        broker.wait_event("worker-start", since=mark, count=n + 1)
        load.wait_answers(100)
        # Nothing else has begun meanwhile, and nobody has been sent away.
        assert len(broker.events("worker-start", since=mark)) == n + 1
        assert len(broker.events("worker-draining", since=mark)) == n
        assert wait_until(lambda: len(load.wait_pids(200)) == 3)
        gate.open()
    broker.wait_event("reload-done", since=mark)
    for n in range(3):
        worker = "web.%d" % n
        ready = position(broker, "worker-ready", worker, 2)
        assert ready < position(broker, "worker-draining", worker, 1)
        if n < 2:
            assert ready < position(broker, "worker-start", "web.%d" % (n + 1), 2)
    load.assert_clean()


@test
def stop_first_starts_the_new_worker_when_the_old_one_is_gone():
    release = Release()
    broker = Broker(release.command(), workers=2, strategy="stop-first")
    load = Load(broker.port)
    load.wait_answers(100)
    broker.reload_and_wait()
    load.wait_answers(100)
    load.assert_clean()
    for worker in ("web.0", "web.1"):
        gone = position(broker, "worker-exit", worker, 1)
        assert gone < position(broker, "worker-start", worker, 2)
    first = position(broker, "worker-ready", "web.0", 2)
    assert first < position(broker, "worker-draining", "web.1", 1)


@test
def surge_is_how_many_start_at_a_time():
    for surge, at_once in (("2", 2), ("all", 4)):
        gate = Gate("gate.%s" % surge)
        release = Release(name="app.%s" % surge)
        broker = Broker(release.command(), workers=4, surge=surge)
        release.deploy("%s\n%s" % (gate, GOOD))
        mark = broker.mark()
        broker.hup()
        broker.wait_event("worker-start", since=mark, count=at_once)
        # An answer of a worker is later than whatever the broker had begun with.
        http_get(broker.port)
        assert len(broker.events("worker-start", since=mark)) == at_once
        assert not broker.events("worker-draining", since=mark)
        waits = control.status(broker, "web")[0]["reload"]["waits_for"]
        assert waits.startswith("web.0 to listen (") and ", web.1 to listen (" in waits, waits
        assert waits.count(" to listen (") == min(at_once, 3), waits
        assert waits.endswith("), 1 more") == (at_once == 4), waits
        gate.open(4)
        broker.wait_event("reload-done", since=mark)


def aborts(release, bad, event_text, **service):
    """`bad` is deployed, and changes nothing for the clients; mended, the next SIGHUP works."""
    broker = Broker(release.command(), workers=2, **service)
    old = who_answers(broker.port, 4)
    load = Load(broker.port)
    load.wait_answers(100)
    with broker.same_fds():
        mark = broker.mark()
        bad()
        event = broker.reload_and_wait(want="reload-aborted")
        assert event["service"] == "web" and "web.0" in event["reason"], event
        assert event["replaced"] == 0, event
        failed = broker.wait_event("worker-failed", since=mark)
        text = failed["message"] + failed.get("last_output", "")
        assert event_text in text, (event_text, failed)
        seen = set()
        while seen != old:
            now = set(load.wait_pids(200))
            assert now <= old, (now, old)
            seen |= now
        assert not broker.events("worker-draining", since=mark)
        release.deploy(GOOD)
        broker.reload_and_wait()
        load.wait_answers(100)
        broker.wait_event("worker-exit", since=mark, how="signal 15", count=2)
    assert not old & who_answers(broker.port, 4)
    load.assert_clean()


@test
def a_new_version_that_exits_aborts_the_reload():
    release = Release()
    aborts(release, lambda: release.deploy("echo no such module >&2; exit 7"), "no such module")


@test
def a_new_version_that_is_killed_aborts_the_reload():
    release = Release()
    aborts(release, lambda: release.deploy("kill -9 $$"), "signal 9")


@test
def a_new_version_that_hangs_aborts_the_reload():
    release = Release()
    event_text = "it listens on no port and no Unix socket"
    # Time enough for those that do start, on a busy machine.
    aborts(release, lambda: release.deploy(HANGS), event_text, start_timeout="4s")


@test
def a_new_version_that_listens_elsewhere_aborts_the_reload():
    release, port = Release(), free_port()
    aborts(
        release,
        lambda: release.deploy('exec %s/srv_odd "$1" elsewhere %d' % (APPS, port)),
        "127.0.0.1:%d" % port,
        listen="127.0.0.1:{port2} for {port}, 127.0.0.1:{port}".split(", "),
        private_ports=port, start_timeout="4s",
    )


@test
def a_missing_program_aborts_the_reload():
    release = Release()
    aborts(release, release.remove, release.path)


@test
def a_program_that_is_no_program_aborts_the_reload():
    release = Release()

    def damage():
        with open(release.path + ".new", "w") as f:
            f.write("\x7fELF and not much more")
        os.chmod(release.path + ".new", 0o755)
        os.rename(release.path + ".new", release.path)

    aborts(release, damage, "damaged")


@test
def what_was_replaced_before_the_abort_stays():
    release = Release("[ $BROKER_GENERATION = 2 ] && [ $BROKER_SLOT = 2 ] && exit 1\n" + GOOD)
    broker = Broker(release.command(), workers=4)
    load = Load(broker.port)
    load.wait_answers(50)
    event = broker.reload_and_wait(want="reload-aborted")
    assert event["replaced"] == 2 and "web.2" in event["reason"], event
    assert wait_until(lambda: len(load.wait_pids(400)) >= 4)
    broker.reload_and_wait()
    load.assert_clean()
    generations = {e["worker"]: e["generation"] for e in broker.events("worker-ready")}
    assert set(generations.values()) == {3} and len(generations) == 4, generations


WRONG_FILES = (
    ("unknown key", "[service:web]\ncommand = {c}\nworker = 2\n", ':3: unknown key "worker"'),
    ("bad value", "[service:web]\ncommand = {c}\nworkers = 0\n", ":3: workers:"),
    ("bad duration", "[service:web]\ncommand = {c}\ndrain_timeout = 60\n", ":3: drain_timeout:"),
    ("no command", "[service:web]\nworkers = 2\n", "command"),
    ("no service", "[broker]\nlog_level = info\n", "service"),
    ("empty", "", "service"),
    ("unknown section", "[service:web]\ncommand = {c}\n[srevice:x]\n", ":3: "),
    ("key twice", "[service:web]\ncommand = {c}\nqueue = 1\nqueue = 2\n", ":4: "),
    ("service twice", "[service:web]\ncommand = {c}\n[service:web]\ncommand = {c}\n", ":3: "),
    ("open quote", "[service:web]\ncommand = 'x\n", ":2: "),
    ("no value", "[service:web]\ncommand\n", ":2: "),
    ("cut off", "[service:web]\ncommand = {c}\n[serv", ":3: "),
    ("bytes", "[service:web]\ncommand = {c}\n\0\n", ":3: "),
    ("user", "[service:web]\ncommand = {c}\nuser = nobody-of-that-name\n", "no user"),
    ("log", "[broker]\nlog = /no/such/place/log\n[service:web]\ncommand = {c}\n", "/no/such/place"),
    ("port taken", "[service:web]\ncommand = {c}\nlisten = 127.0.0.1:{taken}\n", "Address already"),
)


@test
def a_wrong_file_changes_nothing():
    broker = Broker(app("srv_poll"))
    holder = socket.create_server(("127.0.0.1", 0))
    at_end(holder.close)
    with open(broker.file) as f:
        good = f.read()
    command = [line for line in good.splitlines() if line.startswith("command")][0].split(" = ")[1]
    pids = who_answers(broker.port, 4)
    mark = broker.mark()
    with broker.same_fds():
        for what, text, want in WRONG_FILES:
            text = text.replace("{c}", command).replace("{taken}", str(holder.getsockname()[1]))
            broker.write_file(text)
            event = broker.reload_and_wait(want="reload-refused")
            where = broker.file + want if want.startswith(":") else want
            assert where in event["message"], (what, event)
            assert "no worker was changed" in event["message"], event
    os.unlink(broker.file)
    assert "No such file" in broker.reload_and_wait(want="reload-refused")["message"]
    os.mkdir(broker.file)
    assert "not a regular file" in broker.reload_and_wait(want="reload-refused")["message"]
    os.rmdir(broker.file)
    broker.write_file(good)
    os.chmod(broker.file, 0o666)
    if os.geteuid() == 0:
        message = broker.reload_and_wait(want="reload-refused")["message"]
        assert "chmod go-w" in message, message
    os.chmod(broker.file, 0o600)
    assert {e["event"] for e in broker.events("worker-start", since=mark)} == set()
    assert who_answers(broker.port, 4) == pids
    broker.reload_and_wait()
    assert not who_answers(broker.port, 4) & pids


@test
def a_file_cut_off_anywhere_never_stops_the_service():
    broker = Broker(app("srv_poll"), drain_timeout="1s")
    with open(broker.file) as f:
        good = f.read()
    load = Load(broker.port)
    load.wait_answers(50)
    for n in range(len(good) // 2, len(good), 7):
        broker.write_file(good[:n])
        broker.reload_and_wait(want=None)
    broker.write_file(good)
    broker.reload_and_wait()
    load.wait_answers(100)
    load.assert_clean()


@test
def a_storm_of_sighups_is_a_few_reloads():
    broker = Broker(app("srv_poll"), workers=2)
    load = Load(broker.port)
    load.wait_answers(100)
    with broker.same_fds():
        for n in range(1000):
            broker.hup()
            if n % 100 == 0:
                load.wait_answers(20)
        mark = broker.mark()
        done = broker.reload_and_wait()
        # One under way when the last SIGHUP came is followed by one more, and by no third.
        if broker.events("reload-begin", since=done["position"]):
            broker.wait_event("reload-done", since=done["position"] + 1)
        assert len(broker.events("reload-done", since=mark)) <= 3
        load.wait_answers(100)
        ready = len(broker.events("worker-ready"))
        broker.wait_event("worker-exit", count=ready - 2)
    # A reload of two workers takes some milliseconds, and so did the storm.
    generation = broker.events("reload-done")[-1]["generation"]
    assert generation < 250, generation
    assert wait_until(lambda: len(load.wait_pids(100)) == 2)
    load.assert_clean()


@test
def a_reload_during_a_reload_is_one_more_afterwards():
    gate = Gate()
    release = Release("[ $BROKER_GENERATION = 1 ] || %s\n%s" % (gate, GOOD))
    broker = Broker(release.command(), workers=2)
    broker.hup()
    broker.wait_event("worker-start", generation=2)
    for n in range(20):
        broker.configure(release.command(), workers=2, queue=n + 1)
        broker.hup()
        broker.settle()  # each is seen before the next comes: the kernel coalesces none
    assert not broker.events("reload-done")
    gate.open(4)
    assert broker.wait_event("reload-done", count=2)["generation"] == 3
    assert [e["generation"] for e in broker.events("reload-begin")] == [2, 3]
    assert {e["generation"] for e in broker.events("worker-ready")} == {1, 2, 3}


@test
def a_reload_frees_those_who_wait_for_a_full_worker():
    broker = Broker(app("srv_poll"), workers=1, queue=1, drain_timeout="100ms")
    busy = connect(broker.port)
    send_request(busy, "/slow?ms=100000")
    pid = broker.worker_pid("web.0")
    assert wait_until(lambda: proc.held_connections([pid], broker.port) == 1)
    waiting = [connect(broker.port) for _ in range(10)]
    for n, sock in enumerate(waiting):
        send_request(sock, "/?id=%d" % n)
    broker.reload_and_wait()
    assert [read_answer(sock).id for sock in waiting] == list("0123456789")
    for sock in waiting + [busy]:
        sock.close()


@test
def twenty_reloads_under_load():
    broker = Broker(app("srv_poll"), workers=2)
    load = Load(broker.port, inflight=32)
    keep = Load(broker.port, inflight=8, keepalive=30)
    load.wait_answers(100)
    with broker.same_fds():
        for n in range(20):
            event = broker.reload_and_wait()
            assert event["generation"] == n + 2, event
            load.wait_answers(50)
        broker.wait_event("worker-exit", count=40)
    keep.wait_answers(50)
    load.assert_clean()
    # A keep-alive connection stays with its worker, which goes when the connection has ended.
    keep.assert_clean()


@test
def workers_grow_and_shrink_by_the_file():
    broker = Broker(app("srv_poll"), workers=2)
    load = Load(broker.port)
    load.wait_answers(50)
    for n in (5, 1, 3):
        broker.configure(app("srv_poll"), workers=n)
        broker.reload_and_wait()
        assert wait_until(lambda n=n: len(load.wait_pids(200)) == n)
    load.assert_clean()
    ready = len(broker.events("worker-ready"))
    broker.wait_event("worker-exit", count=ready - 3)
    assert not broker.events("worker-failed")


@test
def workers_grow_and_shrink_by_signals():
    broker = Broker(app("srv_poll"), workers=1)
    load = Load(broker.port)
    load.wait_answers(50)
    for n in range(2, 5):
        broker.signal(signal.SIGTTIN)
        broker.wait_event("worker-ready", worker="web.%d" % (n - 1))
        assert wait_until(lambda n=n: len(load.wait_pids(200)) == n)
    for n in (3, 2, 1):
        mark = broker.mark()
        broker.signal(signal.SIGTTOU)
        broker.wait_event("worker-exit", worker="web.%d" % n, since=mark)
        assert wait_until(lambda n=n: len(load.wait_pids(200)) == n)
    # The last one stays.
    mark = broker.mark()
    broker.signal(signal.SIGTTOU)
    assert broker.wait_event("scale", since=mark)["workers"] == 1
    load.wait_answers(50)
    load.assert_clean()
    assert not broker.events("worker-draining", since=mark)


TWO = "[service:a]\ncommand = {apps}/srv_poll {port}\n[service:b]\ncommand = {apps}/srv_poll {port2}\n"


@test
def services_come_go_and_change_their_names():
    broker = Broker(text=TWO.split("[service:b]")[0])
    load = Load(broker.port)
    load.wait_answers(50)
    broker.configure(text=TWO)
    broker.reload_and_wait(service="a")
    broker.wait_event("worker-ready", worker="b.1")
    other = Load(broker.port2)
    other.wait_answers(100)
    other.assert_clean()

    # Its name alone is new: the listening socket is not closed for a moment.
    mark = broker.mark()
    broker.configure(text=TWO.replace("[service:a]", "[service:c]"))
    broker.hup()
    broker.wait_event("worker-ready", worker="c.1", since=mark)
    broker.wait_event("worker-exit", worker="a.1", since=mark)
    load.wait_answers(100)

    mark = broker.mark()
    broker.configure(text=TWO.replace("[service:a]", "[service:c]").split("[service:b]")[0])
    broker.hup()
    broker.wait_event("worker-exit", worker="b.0", since=mark)
    broker.wait_event("worker-exit", worker="b.1", since=mark)
    wait_until(lambda: refused(broker.port2))
    load.wait_answers(100)
    load.assert_clean()


@test
def renaming_a_service_with_a_listen_line_keeps_its_socket():
    text = "[service:%s]\nlisten = 127.0.0.1:{port2} for {port}\ncommand = {apps}/srv_poll {port}\n"
    broker = Broker(text=text % "old")
    load = Load(broker.port2)
    load.wait_answers(50)
    mark = broker.mark()
    broker.configure(text=text % "new")
    broker.hup()
    broker.wait_event("worker-exit", worker="old.0", since=mark)
    broker.wait_event("worker-exit", worker="old.1", since=mark)
    load.wait_answers(100)
    load.assert_clean()
    assert not broker.events("listen", since=mark) and not broker.events("unlisten", since=mark)


@test
def listen_lines_come_and_go_without_losing_a_connection():
    one, two = "127.0.0.1:{port2} for {port}", "127.0.0.1:{port3} for {port}"
    broker = Broker(app("srv_poll"), listen=one)
    port2 = broker.port2
    load = Load(port2)
    load.wait_answers(50)
    with broker.same_fds():
        broker.configure(app("srv_poll"), listen=[one, two])
        broker.reload_and_wait()
        other = Load(broker.port3)
        other.wait_answers(100)
        # It goes while clients are at it: those that were connected are answered, all others
        # are refused or, in the moment between, not heard (and their kernel asks again).
        broker.configure(app("srv_poll"), listen=one)
        broker.reload_and_wait()
        wait_until(lambda: refused(broker.port3))
        errors = {k: n for k, n in other.wait_end()["errors"].items() if n}
        assert set(errors) <= {"refused"}, errors
        load.wait_answers(100)
        broker.wait_event("worker-exit", count=4)
    load.assert_clean()


@test
def a_listen_line_that_only_says_what_the_app_asks_for_goes_without_a_gap():
    broker = Broker(app("srv_poll"), listen="127.0.0.1:{port}")
    load = Load(broker.port)
    load.wait_answers(50)
    mark = broker.mark()
    broker.configure(app("srv_poll"))
    broker.reload_and_wait()
    load.wait_answers(100)
    load.assert_clean()
    assert not broker.events("unlisten", since=mark) and not broker.events("listen", since=mark)
    # It is the app's now: when that does not ask for it any more, it is closed.
    port = broker.port
    broker.configure(app("srv_poll")[:1] + ["{port2}"])
    broker.reload_and_wait()
    assert len(who_answers(broker.port2, 4)) == 2
    wait_until(lambda: refused(port))


@test
def an_app_takes_over_a_listener_that_is_about_to_go():
    broker = Broker(app("srv_poll"), workers=1, queue=1, listen="127.0.0.1:{port2} for {port}")
    port = broker.port2
    busy = connect(port)
    send_request(busy, "/slow?ms=100000")
    # One waits in the channel, the others in the backlog: it is not empty for as long as we like.
    waiting = [connect(port) for _ in range(5)]
    for n, sock in enumerate(waiting):
        send_request(sock, "/?id=%d" % n)
    wait_until(lambda: faults.in_backlog(port) == 4)
    mark = broker.mark()
    broker.configure(app("srv_poll")[:1] + ["{port2}"], workers=1)
    done = broker.reload_and_wait()
    assert done["generation"] == 2, done
    assert not broker.events("unlisten", since=mark) and not broker.events("listen", since=mark)
    (new,) = {e["pid"] for e in broker.events("worker-ready", generation=2)}
    assert http_get(port).pid == new
    for sock in waiting[1:]:
        assert read_answer(sock).pid == new
    for sock in waiting + [busy]:
        sock.close()
    broker.stop(signal.SIGINT)


@test
def an_app_that_moves_to_another_port_is_followed():
    release = Release()
    port = free_port()
    broker = Broker(release.command())
    release.deploy('exec %s/srv_poll %d' % (APPS, port))
    ask(broker, "reload web --accept-fewer-ports")
    assert wait_until(lambda: len(who_answers(port, 4)) == 2)
    wait_until(lambda: refused(broker.port))


def hold(port):
    """A connection that is open and idle, and the worker that has it."""
    sock = connect(port)
    send_request(sock, close=False)
    return sock, read_answer(sock).pid


@test
def idle_connections_do_not_hold_up_the_next_slot():
    broker = Broker(app("srv_poll"), workers=3)
    held = [hold(broker.port) for _ in range(6)]
    assert len({pid for _, pid in held}) == 3
    mark = broker.mark()
    broker.reload_and_wait(timeout=20)
    assert not broker.events("worker-exit", since=mark)
    # They are answered by whom they have, until they end.
    for sock, pid in held:
        send_request(sock, close=False)
        assert read_answer(sock).pid == pid
    for sock, pid in held:
        sock.close()
    broker.wait_event("worker-exit", since=mark, count=3)


@test
def the_end_of_a_worker_of_an_earlier_reload_is_no_news_to_this_one():
    gate = Gate()
    release = Release("[ $BROKER_GENERATION = 3 ] && %s\n%s" % (gate, GOOD))
    broker = Broker(release.command(), workers=1)
    sock, pid = hold(broker.port)
    broker.reload_and_wait()
    broker.hup()
    broker.wait_event("worker-start", generation=3)
    sock.close()
    broker.wait_event("worker-exit", pid=pid)
    gate.open()
    broker.wait_event("reload-done", generation=3)
    broker.wait_event("worker-exit", generation=2)


@test
def a_worker_that_does_not_finish_is_told_to_end_after_drain_timeout():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="300ms", drain_idle="off")
    sock, pid = hold(broker.port)
    broker.reload_and_wait()
    draining = broker.wait_event("worker-draining", pid=pid)
    assert "time is up" in broker.wait_event("worker-stopping", pid=pid)["message"]
    assert broker.wait_event("worker-exit", pid=pid)["position"] > draining["position"]
    sock.close()


@test
def a_new_drain_timeout_is_for_running_workers_too():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="1h")
    sock, pid = hold(broker.port)
    broker.configure(app("srv_poll"), workers=1, drain_timeout="100ms")
    broker.reload_and_wait()
    broker.wait_event("worker-exit", pid=pid)
    sock.close()


@test
def a_new_drain_timeout_is_for_workers_that_drain_already():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="1h", drain_idle="off")
    sock, pid = hold(broker.port)
    broker.reload_and_wait()
    broker.wait_event("worker-draining", pid=pid)
    broker.configure(app("srv_poll"), workers=1, drain_timeout="100ms", drain_idle="off")
    broker.reload_and_wait()
    assert "time is up" in broker.wait_event("worker-stopping", pid=pid)["message"]
    broker.wait_event("worker-exit", pid=pid)
    sock.close()


@test
def the_time_that_it_has_drained_counts():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="1h")
    sock, pid = hold(broker.port)
    broker.reload_and_wait()
    broker.wait_event("worker-draining", pid=pid)

    def drained_for():
        lines = control.status(broker, "web")
        return next(o["state_ms"] for o in lines if o["type"] == "worker" and o["pid"] == pid)

    wait_until(lambda: drained_for() > 1000)
    broker.configure(app("srv_poll"), workers=1, drain_timeout="1s")
    done = broker.reload_and_wait()
    # At once: not a second after the reload, nor with its end.
    assert broker.wait_event("worker-stopping", pid=pid)["position"] < done["position"]
    broker.wait_event("worker-exit", pid=pid)
    sock.close()


@test
def a_longer_drain_timeout_is_too():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="3s")
    sock, pid = hold(broker.port)
    broker.reload_and_wait()
    draining = broker.wait_event("worker-draining", pid=pid)
    broker.configure(app("srv_poll"), workers=1, drain_timeout="1h")
    broker.reload_and_wait()
    last, last_pid = hold(broker.port)
    assert last_pid != pid
    # A worker that began to drain later, with the old time, would be over after the first.
    another = Broker(app("srv_poll"), workers=1, drain_timeout="3s", name="other")
    other, other_pid = hold(another.port)
    another.reload_and_wait()
    another.wait_event("worker-exit", pid=other_pid)
    assert draining and not broker.events("worker-stopping", pid=pid)
    for one in (sock, last, other):
        one.close()


@test
def a_new_stop_signal_is_for_running_workers_too():
    broker = Broker(app("srv_poll"), workers=1)
    broker.configure(app("srv_poll"), workers=1, stop_signal="INT")
    broker.reload_and_wait()
    assert broker.wait_event("worker-exit", generation=1)["how"] == "signal 2"


@test
def a_worker_that_ignores_the_signal_is_killed():
    release = Release("trap '' TERM\n" + GOOD)
    broker = Broker(release.command(), workers=2, stop_timeout="1h")
    broker.configure(release.command(), workers=2, stop_timeout="200ms")
    broker.reload_and_wait()
    for worker in ("web.0", "web.1"):
        broker.wait_event("worker-kill", worker=worker, generation=1)
        event = broker.wait_event("worker-exit", worker=worker, generation=1)
        assert event["how"] == "signal 9", event


@test
def a_kill_of_what_the_main_process_left_names_that():
    release = Release("trap 'exit 0' TERM\n(trap '' TERM; %s) &\nwait\n" % GOOD)
    broker = Broker(release.command(), workers=1, stop_timeout="200ms")
    pid = broker.wait_event("worker-ready")["pid"]
    broker.reload_and_wait()
    assert broker.wait_event("worker-kill", generation=1)["pid"] == pid


@test
def sigterm_answers_everybody_who_is_connected():
    broker = Broker(app("srv_threads"), workers=2, queue=1)
    slow = [connect(broker.port) for _ in range(30)]
    for n, sock in enumerate(slow):
        send_request(sock, "/slow?ms=20&id=%d" % n)
    broker.signal(signal.SIGTERM)
    assert [read_answer(sock).id for sock in slow] == [str(n) for n in range(30)]
    for sock in slow:
        sock.close()
    ledger = broker.wait_stopped(timeout=20)
    assert ledger["refused"] == 0 and ledger["accepted"] == 30, ledger
    assert refused(broker.port)


@test
def sigint_does_not_wait_for_connections():
    for sig in (signal.SIGINT, signal.SIGQUIT):
        broker = Broker(app("srv_poll"), workers=2)
        sock, _ = hold(broker.port)
        broker.stop(sig, timeout=10)
        assert not broker.events("worker-draining")
        sock.close()


@test
def a_second_sigterm_ends_it_now():
    broker = Broker(Release("trap '' TERM\n" + GOOD).command(), workers=2)
    sock, pid = hold(broker.port)
    broker.signal(signal.SIGTERM)
    broker.wait_event("worker-draining", pid=pid)
    broker.signal_again(signal.SIGTERM)
    broker.wait_stopped(timeout=10)
    assert broker.wait_event("worker-exit", pid=pid)["how"] == "signal 9"
    sock.close()


@test
def a_new_log_file_is_used_at_once():
    first, second = tmp("first.log"), tmp("second.log")
    broker = Broker(app("srv_poll"), broker={"log": first})
    broker.configure(app("srv_poll"), broker={"log": second})
    broker.hup()

    def done():
        with open(second) as f:
            return "reload-done" in f.read()

    wait_until(lambda: os.path.exists(second) and done())
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() == 0
    with open(first) as f:
        assert "broker-stop" not in f.read()
    with open(second) as f:
        assert "broker-stop" in f.read()
    broker.stopped = {}


@test
def log_level_changes_at_once():
    broker = Broker(app("srv_poll"), broker={"log_level": "info"})
    assert not broker.events("channel")
    broker.configure(app("srv_poll"), broker={"log_level": "debug"})
    mark = broker.mark()
    broker.reload_and_wait()
    assert broker.events("channel", since=mark)


@test
def as_the_runner_for_node_did_it():
    """WORKER_COUNT workers, replaced one after another; a grace for each; ends when all have."""
    if not shutil.which("node"):
        skip("node is not installed")
    shutil.copy(os.path.join(ROOT, "tests", "apps", "app.js"), tmp("app.js"))
    port = free_port()
    path = tmp("broker.ini")
    write_file("broker.ini", "[broker]\nlog_format = json\n[service:web]\ncommand = node app.js %d\n"
               "directory = .\nprobation = 0\nmove = off\n" % port)
    broker = Plain("-c", path, env={"WORKER_COUNT": "3"})
    first = who_answers(port, 9)
    assert len(first) == 3, first

    send_signal(sorted(first)[0], signal.SIGKILL)
    broker.log.wait(["worker-ready"], count=4)
    assert wait_until(lambda: len(who_answers(port, 9)) == 3)

    held, pid = hold(port)
    broker.signal(signal.SIGHUP)
    broker.log.wait(["reload-done"])
    ready = broker.log.find(["worker-ready"], fields={"generation": 2})
    drained = broker.log.find(["worker-draining"])
    assert len(ready) == len(drained) == 3
    places = [e["position"] for pair in zip(ready, drained) for e in pair]
    assert places == sorted(places), places
    send_request(held, close=False)
    assert read_answer(held).pid == pid
    held.close()
    broker.log.wait(["worker-exit"], pid=pid)

    held, pid = hold(port)
    mark = broker.log.mark()
    broker.signal(signal.SIGTERM)
    broker.log.wait(["worker-draining"], mark, count=3)
    broker.log.wait(["worker-exit"], mark, count=2)
    assert refused(port)
    assert broker.process.poll() is None and not broker.log.find(["worker-stopping"], mark, {"pid": pid})
    held.close()
    # The grace is 60 s; it ends when the last connection has.
    assert broker.wait_exit(timeout=10) == 0


@test
def more_workers_than_descriptors_are_refused_and_nothing_is_touched():
    broker = Broker(app("srv_poll"), workers=1)
    pid = broker.worker_pid()
    broker.configure(app("srv_poll"), workers=500)
    with faults.descriptor_limit(broker.main_pid, 1000):
        refused = broker.reload_and_wait(want="reload-refused")
        assert "the limit is 1000" in refused["message"], refused
    assert http_get(broker.port).pid == pid
    assert len(broker.events("worker-start")) == 1


@test
def a_new_name_loses_nothing_however_long_its_workers_take_to_start():
    gate = Gate()
    release = Release("[ $BROKER_SERVICE = old ] || %s\n%s" % (gate, GOOD))
    section = "[service:%%s]\nworkers = 1\ncommand = %s {port}\n" % release.path
    broker = Broker(text=section % "old")
    load = Load(broker.port)
    load.wait_answers(50)
    mark = broker.mark()
    broker.configure(text=section % "new")
    broker.hup()
    broker.wait_event("service-stop", since=mark, service="old")
    load.wait_answers(100)
    assert not broker.events("worker-draining", since=mark)
    gate.open()
    broker.wait_event("worker-ready", since=mark, worker="new.0")
    broker.wait_event("worker-exit", since=mark, worker="old.0")
    load.wait_answers(100)
    load.assert_clean()


main()
