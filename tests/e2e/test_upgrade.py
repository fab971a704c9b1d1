#!/usr/bin/env python3
"""Another program goes on as the broker: what was under way goes on, and nobody notices."""

import os
import shutil
import signal
import socket
import subprocess
import threading

from harness import *
from lib import control, metrics, proc
from lib.guest import Guest
from lib.inetd import ask_line
from lib.shadow import kill
from lib.steering import answered_by, ask, refusal, service, told, who_answers, workers


by_kill = False  # else by an upgrade


def and_killed(function):
    """The same for a broker that is killed in place of each upgrade."""
    def with_kills():
        global by_kill
        by_kill = True
        try:
            function()
        finally:
            by_kill = False

    add_test(function.__name__.replace("_", " ") + ", killed", with_kills)
    return function


def current(broker):
    """Old workers have the same names, and may end meanwhile."""
    leaving = ("draining", "parked", "stopping")
    return {w["worker"]: w["pid"] for w in workers(broker) if w["state"] not in leaving}


def upgrade(broker, n=1):
    """`n` of them, one after the other. What the last has said."""
    if by_kill:
        refusal(broker, "unpin 203.0.113.1")  # what was before this answer is in the state
    pids = current(broker)
    for _ in range(min(n, 2) if by_kill else n):  # it survives no third one in ten seconds
        said = kill(broker)["message"] if by_kill else told(broker, "upgrade")
        assert "goes on with" in said, said
        # It is the same process, and so are the workers.
        assert broker.process.poll() is None
        assert "of no use" not in said, said
    after = current(broker)
    assert after == pids, (pids, after)
    return said


def ledger(broker):
    return service(broker)["ledger"]


def balanced(broker):
    found = ledger(broker)
    assert found["balanced"], found
    return found


def memory(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


@test
def two_hundred_upgrades_under_load_lose_nobody():
    broker = Broker(app("srv_poll"), workers=3)
    load = Load(broker.port)
    load.wait_answers(100)
    before = ledger(broker)
    for _ in range(20):
        upgrade(broker, 10)
        load.wait_answers(50)
    after = balanced(broker)
    assert after["accepted"] > before["accepted"]
    load.assert_clean()
    final = balanced(broker)
    assert final["accepted"] == load.summary["connections"], (final, load.summary)
    assert not broker.events("worker-exit")


@test
def signal_usr2_does_the_same_and_keeps_counters_and_ids():
    broker = Broker(app("srv_poll"), workers=2)
    for _ in range(10):
        http_get(broker.port)
    before = {w["worker"]: (w["pid"], w["given"]) for w in workers(broker)}
    events = [e for e in ask(broker, "events") if e["type"] == "event"]
    mark = broker.mark()
    broker.signal(signal.SIGUSR2)
    broker.wait_event("upgrade", since=mark, count=2)
    assert {w["worker"]: (w["pid"], w["given"]) for w in workers(broker)} == before
    later = [e for e in ask(broker, "events") if e["type"] == "event"]
    assert later[: len(events)] == events
    ids = [e["id"] for e in later]
    assert ids == list(range(ids[0], ids[0] + len(ids))), ids
    assert len(who_answers(broker.port)) == 2


@test
def neither_descriptors_nor_memory_grow():
    broker = Broker(app("srv_poll"), workers=4)
    http_get(broker.port)
    upgrade(broker, 5)
    before = memory(broker.main_pid)
    with broker.same_fds():
        upgrade(broker, 50)
    # None of them would go to a worker.
    for fd in proc.fds(broker.main_pid):
        with open("/proc/%d/fdinfo/%s" % (broker.main_pid, fd)) as f:
            flags = next(int(line.split()[1], 8) for line in f if line.startswith("flags:"))
        assert int(fd) <= 2 or flags & os.O_CLOEXEC, (fd, os.readlink("/proc/%d/fd/%s" % (broker.main_pid, fd)))
    after = memory(broker.main_pid)
    assert after < before + 512, (before, after)


@test
def the_round_goes_on_where_it_was():
    broker = Broker(app("srv_poll"), workers=3)
    seen = []
    for _ in range(9):
        seen.append(http_get(broker.port).pid)
        upgrade(broker)
    assert sorted(seen.count(pid) for pid in set(seen)) == [3, 3, 3], seen


@test
@and_killed
def workers_that_crash_are_replaced_and_reloads_work():
    release = Release()
    broker = Broker(release.command(), workers=2)
    load = Load(broker.port)
    load.wait_answers(50)
    upgrade(broker)
    first = broker.worker_pid("web.0")
    send_signal(first, signal.SIGKILL)
    broker.wait_event("worker-exit", pid=first)
    broker.wait_event("worker-ready", worker="web.0", count=2)
    load.stop()
    broker.reload_and_wait()
    generation = service(broker)["generation"]
    assert generation == 2
    upgrade(broker)
    assert service(broker)["generation"] == 2
    broker.reload_and_wait()
    assert service(broker)["generation"] == 3
    balanced(broker)


@test
@and_killed
def what_waits_at_a_worker_is_still_taken_back():
    broker = Broker(app("srv_poll"), workers=2, stall_timeout="300ms")
    pids = who_answers(broker.port)
    stopped = broker.worker_pid("web.0")
    send_signal(stopped, signal.SIGSTOP)
    clients = [connect(broker.port) for _ in range(4)]
    for c in clients:
        send_request(c)
    upgrade(broker)
    assert {read_answer(c).pid for c in clients} == pids - {stopped}
    send_signal(stopped, signal.SIGCONT)
    answered_by(broker.port, pids)
    balanced(broker)


@test
@and_killed
def clients_in_the_backlog_and_at_workers_wait_on():
    gate = Gate()
    release = Release("%s\n%s" % (gate, GOOD))
    broker = Broker(release.command(), workers=1, wait_ready=False, listen="{port}")
    broker.wait_event("worker-start")
    clients = [connect(broker.port) for _ in range(5)]
    for c in clients:
        send_request(c)
    upgrade(broker)
    gate.open()
    for c in clients:
        assert read_answer(c).pid
    broker.wait_ready()
    balanced(broker)


@test
@and_killed
def a_worker_that_drains_finishes_and_ends():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="20s")
    held = connect(broker.port)
    send_request(held, path="/slow?ms=1500")
    wait_until(lambda: workers(broker)[0]["given"] == 1, 10, "a request that lasts")
    old = broker.worker_pid()
    broker.reload_and_wait()
    upgrade(broker)
    assert read_answer(held).pid == old
    broker.wait_event("worker-exit", pid=old)
    balanced(broker)


@test
@and_killed
def deadlines_run_on():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="1s", stop_timeout="1s")
    held = connect(broker.port)
    send_request(held, path="/slow?ms=60000")
    wait_until(lambda: workers(broker)[0]["given"] == 1, 10, "a request that lasts")
    old = broker.worker_pid()
    broker.reload_and_wait()
    upgrade(broker)
    broker.wait_event("worker-stopping", pid=old)
    upgrade(broker)
    broker.wait_event("worker-exit", pid=old)


@test
def the_parent_still_knows_all_workers():
    broker = Broker(app("srv_poll"), workers=2, drain_timeout="0", stop_timeout="1s")
    upgrade(broker, 2)
    broker.reload_and_wait()
    pids = who_answers(broker.port)
    upgrade(broker)
    broker.kill()
    wait_until(lambda: not any(map(proc.alive, pids)), 20, "the end of the workers")


@test
@and_killed
def a_reload_that_is_under_way_goes_on_and_its_client_hears_of_its_end():
    gate = Gate()
    release = Release()
    broker = Broker(release.command(), workers=2)
    load = Load(broker.port)
    release.deploy("%s\n%s" % (gate, GOOD))
    with control.Control(broker) as waiting:
        waiting.send("reload")
        broker.wait_event("worker-start", count=3)
        upgrade(broker)
        gate.open()
        broker.wait_event("worker-start", count=4)
        upgrade(broker)
        gate.open()
        end = waiting.answer()
    assert end[-1]["type"] == "end", end[-1]
    assert [o["phase"] for o in end if o["type"] == "progress"][-1] == "done"
    load.wait_answers(50)
    load.assert_clean()
    assert {w["generation"] for w in workers(broker) if w["state"] == "ready"} == {2}


@test
@and_killed
def a_reload_that_fails_after_an_upgrade_is_undone():
    gate = Gate()
    release = Release()
    broker = Broker(release.command(), workers=2)
    pids = who_answers(broker.port)
    release.deploy("%s\necho no such module >&2; exit 3" % gate)
    broker.hup()
    broker.wait_event("worker-start", count=3)
    upgrade(broker)
    gate.open()
    event = broker.wait_event("reload-aborted")
    assert "exit 3" in event["reason"], event
    answered_by(broker.port, pids)


@test
@and_killed
def within_the_rollback_window_the_old_workers_come_back():
    broker = Broker(app("srv_poll"), workers=2, rollback_window="60s")
    old = who_answers(broker.port)
    broker.reload_and_wait()
    broker.wait_event("worker-parked", count=2)
    upgrade(broker)
    assert not old & who_answers(broker.port)
    assert "back" in (told(broker, "rollback") or "back")
    answered_by(broker.port, old)


@test
@and_killed
def the_rollback_window_ends_in_its_time():
    broker = Broker(app("srv_poll"), workers=1, rollback_window="1s")
    old = broker.worker_pid()
    broker.reload_and_wait()
    upgrade(broker)
    broker.wait_event("worker-exit", pid=old)


@test
@and_killed
def a_paused_service_stays_paused():
    broker = Broker(app("srv_poll"), workers=1, listen="{port}")
    ask(broker, "pause web")
    broker.wait_event("worker-exit")
    c = connect(broker.port)
    send_request(c)
    upgrade(broker)
    assert service(broker)["state"] == "paused" or service(broker).get("paused"), service(broker)
    ask(broker, "start web")
    assert read_answer(c).pid
    balanced(broker)


@test
@and_killed
def a_stopped_service_stays_stopped():
    broker = Broker(app("srv_poll"), workers=1, listen="{port}")
    ask(broker, "stop web")
    broker.wait_event("worker-exit")
    upgrade(broker)
    assert refused(broker.port)
    ask(broker, "start web")
    assert http_get(broker.port).pid


@test
@and_killed
def a_held_worker_stays_held_and_pins_lead_where_they_did():
    broker = Broker(app("srv_poll"), workers=2)
    ask(broker, "hold web.0")
    ask(broker, "pin 127.0.0.1 web.0")
    pid = broker.worker_pid("web.0")
    upgrade(broker)
    assert workers(broker)[0]["state"] == "held"
    assert who_answers(broker.port) == {pid}
    ask(broker, "unpin all")
    assert who_answers(broker.port) == {broker.worker_pid("web.1")}
    ask(broker, "release web.0")
    assert len(who_answers(broker.port)) == 2


@test
@and_killed
def the_back_off_of_a_service_goes_on():
    release = Release("exit 1")
    broker = Broker(
        release.command(), workers=1, wait_ready=False, listen="{port}", backoff_min="3s",
        backoff_max="3s",
    )
    broker.wait_event("back-off")
    mark = broker.mark()
    upgrade(broker)
    assert not broker.events("worker-start", since=mark)
    release.deploy(GOOD)
    broker.wait_event("worker-start", since=mark)
    broker.wait_ready()
    assert http_get(broker.port).pid


@test
@and_killed
def a_file_that_has_changed_is_not_in_force_by_an_upgrade():
    broker = Broker(app("srv_poll"), workers=1, environment="A=1")
    broker.configure(app("srv_poll"), workers=3, environment="A=2")
    before = ask(broker, "config")
    upgrade(broker)
    # With the origin of each value, and what the file has now.
    for was, now in zip(before, ask(broker, "config")):
        assert was == now, (was, now)
    assert len(workers(broker)) == 1
    broker.reload_and_wait()
    upgrade(broker)
    wait_until(lambda: len(workers(broker)) == 3, 10, "three workers")


@test
def followers_of_events_miss_none():
    broker = Broker(app("srv_poll"), workers=1)
    with control.Control(broker) as follower:
        follower.send("events --follow")
        ask(broker, "hold web.0")
        upgrade(broker)
        ask(broker, "release web.0")
        ids = []
        while True:
            line = follower.line()
            ids.append(line["id"])
            if line["event"] == "worker-released":
                break
    assert ids == list(range(ids[0], ids[0] + len(ids))), ids


@test
@and_killed
def a_debugging_session_goes_on():
    broker = Broker(app("srv_poll"), workers=2)
    pid = broker.worker_pid("web.0")
    with control.Control(broker) as session:
        session.send("debug web.0")
        assert session.answer()[-1]["type"] == "end"
        upgrade(broker)
        assert workers(broker)[0]["state"] == "held"
        assert who_answers(broker.port) == {broker.worker_pid("web.1")}
    broker.wait_event("worker-released", worker="web.0")
    assert pid in who_answers(broker.port)


@test
@and_killed
def metrics_go_on():
    broker = Broker(app("srv_poll"), workers=2, broker={"metrics": "127.0.0.1:{port2}"})
    for _ in range(20):
        http_get(broker.port)
    page = metrics.Page(broker.port2)
    before = page.scrape()
    upgrade(broker)
    after = page.scrape()
    metrics.check_grown(before, after)
    start = "process_start_time_seconds"
    assert after.sum(start) == before.sum(start)


# --- workers of all kinds ----------------------------------------------------------------------


@test
@and_killed
def processes_of_inetd_services_go_on_and_are_counted():
    broker = Broker(
        ["{apps}/inetd_line", "word"], mode="inetd", listen="127.0.0.1:{port}", processes=4,
        log_connections="yes",
    )
    text, held = ask_line(broker.port, "hello")
    upgrade(broker, 3)
    answers = [ask_line(broker.port, "line %d" % n) for n in range(6)]
    for _, client in answers:
        client.close()
    held.close()
    wait_until(lambda: balanced(broker)["taken"] == 7, 20, "seven that were taken")
    ended = broker.wait_event("connection-end", count=7) and broker.events("connection-end")
    assert sorted(e["connection"] for e in ended) == list(range(1, 8)), ended
    assert "hello" in text


@test
def a_program_that_a_client_starts_is_started_by_the_next_program_too():
    broker = Broker(
        ["{apps}/wait_server", "60000"], mode="inetd", wait="yes", listen="127.0.0.1:{port}",
        workers=1,
    )
    upgrade(broker)
    text, client = ask_line(broker.port, "hello")
    client.close()
    upgrade(broker)
    again, client = ask_line(broker.port, "hello")
    client.close()
    assert again == text


def datagram(port, text):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        s.sendto(text.encode(), ("127.0.0.1", port))
        return s.recv(1000).decode()


@test
def a_server_of_datagrams_keeps_its_socket():
    broker = Broker(
        ["{apps}/wait_server", "60000"], mode="inetd", wait="yes", listen="udp 127.0.0.1:{port}",
        workers=1,
    )
    upgrade(broker)
    first = datagram(broker.port, "hello")
    upgrade(broker)
    assert datagram(broker.port, "hello") == first
    send_signal(workers(broker)[0]["pid"], signal.SIGKILL)
    broker.wait_event("worker-exit")
    upgrade(broker)
    assert datagram(broker.port, "hello") != first


@test
@and_killed
def unix_sockets_stay_open_and_are_removed_at_the_end():
    path = tmp("web.sock")
    broker = Broker(app("srv_poll", "{port}"), workers=2, listen=[path + " for {port}", "{port}"])
    upgrade(broker)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        send_request(s)
        assert read_answer(s).pid
    broker.reload_and_wait()
    upgrade(broker)
    assert http_get(broker.port).pid
    broker.stop()
    assert not os.path.exists(path)


@test
@and_killed
def a_guest_goes_on_and_its_end_is_seen():
    broker = Broker(app("srv_poll"), workers=1)
    guest = Guest(broker, [os.path.join(APPS, "srv_poll"), broker.port])
    upgrade(broker, 2)
    assert guest.pid in who_answers(broker.port)
    guest.end()
    broker.wait_event("guest-left", worker=guest.name)
    assert guest.pid not in who_answers(broker.port)


@test
def checks_go_on_and_make_a_worker_ill():
    where = tmp("patient")
    os.mkdir(where)
    broker = Broker(
        ["python3", os.path.join(ROOT, "tests/apps/py_health.py"), "{port}", where], workers=1,
        check="GET /healthz", check_interval="50ms", check_timeout="20s",
    )
    for _ in range(5):
        upgrade(broker, 4)
    assert not broker.events("worker-check-failed")
    open(os.path.join(where, "ill"), "w").close()
    upgrade(broker)
    broker.wait_event("worker-check-failed")
    balanced(broker)


@test
def half_a_line_of_output_is_completed():
    gate = Gate()
    broker = Broker(
        Release("printf begun; %s; echo ' and done'\n%s" % (gate, GOOD)).command(), workers=1,
        wait_ready=False, listen="{port}",
    )
    broker.wait_event("worker-start")
    wait_until(lambda: proc.stat(workers(broker)[0]["pid"]), 10)
    upgrade(broker)
    gate.open()
    broker.wait_ready()
    assert [e["text"] for e in broker.events("output")] == ["begun and done"]


@test
@and_killed
def a_broker_with_a_user_of_its_own_keeps_the_right_to_low_ports():
    if os.geteuid() != 0:
        skip("root only")
    broker = Broker(app("srv_poll"), workers=1, broker={"user": "nobody"})
    def rights():
        with open("/proc/%d/status" % broker.main_pid) as f:
            return [l for l in f if l.startswith(("Uid", "Gid", "Groups", "Cap", "NoNew"))]
    before = rights()
    os.chmod(broker.dir, 0o755)
    upgrade(broker, 2)
    assert rights() == before, (before, rights())
    assert http_get(broker.port).pid
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() == 0
    broker.stopped = {}


@test
def a_thousand_workers_are_adopted_in_time():
    broker = Broker(
        ["{apps}/srv_poll", "{port}"], workers=1000, start_timeout="120s", timeout=200,
        broker={"log_level": "info"},
    )
    upgrade(broker)
    took = [e["us"] for e in broker.events("upgrade") if e.get("workers")]
    note("from the writing of the state to its use: %s us" % took)
    assert len(workers(broker)) == 1000
    assert http_get(broker.port).pid


# --- programs that would not do ----------------------------------------------------------------

# Tried with a state that says to be of an older version; and it says to have found one listener less.
OLDER = """#!%s
import os, sys
state = bytearray(os.pread(0, 1 << 26, 0))
state[-12] -= 1
fd = os.memfd_create("older")
os.write(fd, state)
os.dup2(fd, 0)
os.execv(%r, sys.argv)
"""
LOSES = """#!%s
import subprocess, sys
words = subprocess.run([%r] + sys.argv[1:], stdout=subprocess.PIPE, text=True).stdout.split()
words[1 + 8] = "0"
print(*words)
"""


def program(name, content):
    path = tmp(name)
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    os.chmod(path, 0o755)
    return path


def refused_upgrade(broker, path, *words):
    mark = broker.mark()
    message = refusal(broker, "upgrade " + path)
    for word in words:
        assert word in message, message
    assert broker.wait_event("upgrade-refused", since=mark)["message"] == message
    return message


@test
def bad_programs_are_refused_with_a_reason_and_lose_nobody():
    broker = Broker(app("srv_poll"), workers=2, listen="{port}")
    load = Load(broker.port)
    load.wait_answers(50)
    with open(broker_program(), "rb") as f:
        good = f.read()
    machine = bytearray(good)
    machine[18] ^= 0x55
    library = good.replace(b"\0libc.", b"\0libX.")
    refused_upgrade(broker, tmp("missing"), "No such file")
    refused_upgrade(broker, program("truncated", good[:5000]), "goes on as it is")
    refused_upgrade(broker, program("machine", bytes(machine)), "Exec format error")
    if library != good:
        refused_upgrade(broker, program("library", library), "libX.")
    refused_upgrade(broker, program("crash", "#!/bin/sh\nkill -SEGV $$\n"), "crashed", "signal 11")
    refused_upgrade(broker, program("exits", "#!/bin/sh\necho so what >&2; exit 7\n"), "status 7",
                    "so what")
    refused_upgrade(broker, program("hangs", "#!/bin/sh\nexec sleep 1000\n"), "within 5 s")
    me = shutil.which("python3")
    refused_upgrade(broker, program("older", OLDER % (me, broker_program())), "version 3",
                    "version 4")
    refused_upgrade(broker, program("loses", LOSES % (me, broker_program())), "lose a listener")
    load.wait_answers(50)
    load.assert_clean()
    balanced(broker)
    upgrade(broker)


@test
def only_a_program_that_nobody_else_can_write_is_executed():
    broker = Broker(app("srv_poll"), workers=1)
    with open(broker_program(), "rb") as f:
        path = program("open", f.read())
    os.chmod(path, 0o777)
    refused_upgrade(broker, path, path)
    assert "absolute" in refusal(broker, "upgrade build/broker")
    assert "under way" in both_at_once(broker)


def both_at_once(broker):
    slow = program("slow", "#!/bin/sh\nexec sleep 1000\n")
    with control.Control(broker) as first:
        first.send("upgrade " + slow)
        broker.wait_event("upgrade")
        message = refusal(broker, "upgrade")
        # The trial ends, and with it the wait: nothing is left over.
        assert first.answer()[-1]["code"] == "refused"
    return message


def beside_its_libraries(program, name):
    """A copy in a directory of its own."""
    build = os.path.dirname(broker_program())
    os.mkdir(tmp(name))
    for file in ("worker-shim", "libworker-shim.so", "libworker-inetd.so"):
        shutil.copy(os.path.join(build, file), tmp(name))
    return shutil.copy(os.path.join(build, program), tmp(name, "broker"))


def serving(broker):
    return [(w["worker"], w["pid"], w["moved"]) for w in workers(broker) if w["generation"] == 1]


@test
def neighbouring_versions_go_on_as_each_other():
    """As tests/harness/neighbour.c says; back and forth, under load, and with a reload under way."""
    for name in ("older", "newer"):
        gate, release = Gate(name + ".gate"), Release()
        broker = Broker(release.command(), workers=2, listen="{port}")
        ask(broker, "pin 203.0.113.1 web.1")
        release.deploy("%s\n%s" % (gate, GOOD))
        load = Load(broker.port)
        load.wait_answers(50)
        before, pins = serving(broker), ask(broker, "pins")
        programs = [beside_its_libraries("neighbour", name), broker_program()]
        broker.hup()
        broker.wait_event("worker-start", count=3)
        for program in 5 * programs:
            said = told(broker, "upgrade " + program)
            assert "goes on with" in said and "of no use" not in said, said
            assert os.readlink("/proc/%d/exe" % broker.main_pid) == os.path.realpath(program)
            assert serving(broker) == before and ask(broker, "pins") == pins
            load.wait_answers(50)
        gate.open(2)
        broker.wait_event("reload-done")
        load.assert_clean()
        assert balanced(broker)["accepted"] == load.summary["connections"], (name, load.summary)
        broker.stop()


@test
def another_file_goes_on_from_where_it_is():
    broker = Broker(app("srv_poll"), workers=1)
    next_program = beside_its_libraries("broker", "next")
    said = told(broker, "upgrade " + next_program)
    assert "goes on" in said, said
    assert os.readlink("/proc/%d/exe" % broker.main_pid) == os.path.realpath(next_program)
    # It was replaced meanwhile, as a package does it.
    shutil.copy(next_program, next_program + ".new")
    os.rename(next_program + ".new", next_program)
    upgrade(broker)
    assert "deleted" not in os.readlink("/proc/%d/exe" % broker.main_pid)
    broker.reload_and_wait()
    assert http_get(broker.port).pid


main()
