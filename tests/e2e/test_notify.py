#!/usr/bin/env python3
"""
What the service manager is told, by a socket that takes the place of systemd's: a fake one. A real
systemd is in test_systemd.py.
"""

import os
import re
import signal
import socket
import time

from harness import *
from lib.manager import Manager
from lib.steering import told
from lib.tools import brokerctl


def states(manager, since=0):
    """READY, RELOADING, STOPPING in their order."""
    manager.read()
    return [key for _, told in manager.said[since:] for key in told if key in ("READY", "RELOADING", "STOPPING")]


# --- that it is ready, and ends -------------------------------------------------------------------


@test
def ready_comes_when_all_services_are_and_stopping_when_it_is_told_to_end():
    manager, gate = Manager(), Gate()
    broker = Broker(text="[service:web]\ncommand = {apps}/srv_poll {port}\n"
                    "[service:late]\ncommand = sh -c '%s; exec {apps}/srv_poll {port2}'\nworkers = 1\n" % gate,
                    env=manager.env(), wait_ready=False)
    broker.wait_event("worker-ready", count=2, service="web")
    manager.wait("STATUS=starting; late starting 0/1 ready; web serving 2/2 ready")
    assert states(manager) == [], manager.said
    gate.open()
    ready = manager.wait("READY=1")
    assert ready["MAINPID"] == str(broker.pid), ready
    manager.wait("STATUS=running; web serving 2/2 ready; late serving 1/1 ready")
    broker.stop()
    assert states(manager) == ["READY", "STOPPING"], manager.said
    # systemd believes the main process alone, as long as NotifyAccess is not widened.
    assert {pid for pid, _ in manager.said} == {broker.pid}, (broker.pid, manager.said)


@test
def an_abstract_socket_will_do():
    name = "@broker-test-%d" % time.monotonic_ns()
    manager = Manager(name)
    broker = Broker(app("srv_poll"), workers=1, env=manager.env())
    manager.wait("READY=1")
    broker.stop()
    manager.wait("STOPPING=1")


@test
def a_stop_has_the_time_that_the_configuration_gives_it():
    manager = Manager()
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="70s", stop_timeout="20s", env=manager.env())
    broker.stop()
    got = int(manager.wait("STOPPING=1")["EXTEND_TIMEOUT_USEC"])
    assert got >= (70 + 20) * 1000000, got


@test
def a_socket_that_cannot_be_used_is_said_and_costs_nothing_else():
    for name, words in (("vsock:2:1234", "Address family not supported"), (tmp("nobody"), "No such file"),
                        ("/" + 200 * "x", "File name too long")):
        broker = Broker(app("srv_poll"), workers=1, env={"NOTIFY_SOCKET": name})
        said = broker.wait_event("service-manager")["message"]
        assert "NOTIFY_SOCKET" in said and words in said, said
        assert http_get(broker.port).status == 200
        broker.stop()


# --- reloads --------------------------------------------------------------------------------------


@test
def a_reload_is_told_of_from_the_request_to_its_end():
    manager, gate = Manager(), Gate()
    release = Release()
    broker = Broker(release.command(), workers=1, env=manager.env())
    manager.wait("READY=1")
    for body, end in (("%s; %s" % (gate, GOOD), "reload-done"), ("%s; exit 1" % gate, "reload-aborted")):
        release.deploy(body)
        mark, log, before = manager.mark(), broker.mark(), time.clock_gettime(time.CLOCK_MONOTONIC)
        broker.hup()
        began = int(manager.wait("RELOADING=1", since=mark)["MONOTONIC_USEC"])
        assert before * 1e6 <= began <= time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6, (before, began)
        broker.wait_event("reload-step", since=log, phase="start")
        assert states(manager, mark) == ["RELOADING"], manager.said
        gate.open()
        broker.wait_event(end, since=log)
        manager.wait("READY=1", since=mark)
        assert states(manager, mark) == ["RELOADING", "READY"], manager.said


@test
def the_probation_is_part_of_a_reload():
    manager = Manager()
    broker = Broker(app("srv_poll"), workers=1, probation="1h", env=manager.env())
    manager.wait("READY=1")
    mark, log = manager.mark(), broker.mark()
    broker.hup()
    manager.wait("RELOADING=1", since=mark)
    http_get(broker.port)
    broker.wait_event("reload-step", since=log, phase="retire")
    manager.wait("STATUS=running; web serving 1/1 ready, reload 1 of 1", since=mark)
    assert states(manager, mark) == ["RELOADING"], manager.said
    assert brokerctl(broker, "reload", "abort").returncode == 0
    manager.wait("READY=1", since=mark)


@test
def a_reload_that_is_refused_is_over_at_once():
    manager = Manager()
    broker = Broker(app("srv_poll"), workers=1, env=manager.env())
    manager.wait("READY=1")
    broker.write_file("nonsense")
    for _ in range(3):
        mark = manager.mark()
        broker.reload_and_wait(want="reload-refused")
        manager.wait("READY=1", since=mark)
        assert states(manager, mark) == ["RELOADING", "READY"], manager.said


@test
def a_new_service_is_waited_for_until_it_serves_or_has_failed():
    manager, gate = Manager(), Gate()
    broker = Broker(app("srv_poll"), workers=1, env=manager.env())
    manager.wait("READY=1")
    for body, word in ((GOOD, "worker-ready"), ("exit 1", "worker-failed")):
        mark, log = manager.mark(), broker.mark()
        broker.configure(text="[service:web]\ncommand = {apps}/srv_poll {port}\nworkers = 1\n[service:%s]\n"
                         "command = sh -c '%s; %s' app {port2}\nworkers = 1\n" % (word, gate, body.replace('"$@"', "{port2}")))
        broker.hup()
        broker.wait_event("reload-done", since=log, service="web")
        assert states(manager, mark) == ["RELOADING"], manager.said
        gate.open()
        broker.wait_event(word, since=log, service=word)
        manager.wait("READY=1", since=mark)


# --- how it is ------------------------------------------------------------------------------------


@test
def the_status_is_that_of_brokerctl_and_changes_once_a_second_at_most():
    manager = Manager()
    broker = Broker(app("srv_poll"), workers=2, backoff_min="10ms", env=manager.env())
    manager.wait("STATUS=running; web serving 2/2 ready")
    said = brokerctl(broker, "status").stdout
    assert "running" in said and re.search(r"web +serving +2/2 ready", said), said
    mark, began, changes = manager.mark(), time.monotonic(), 0
    while time.monotonic() < began + 3:
        told(broker, "hold web.0")
        told(broker, "release web.0")
        changes += 2
    took = time.monotonic() - began
    got = manager.find("STATUS", since=mark)
    assert 1 <= len(got) <= took + 1 < changes, (changes, took, got)
    assert brokerctl(broker, "pause", "web").returncode == 0
    manager.wait("STATUS=running; web paused 0/2 ready", since=mark)


# --- the watchdog ---------------------------------------------------------------------------------


@test
def the_watchdog_is_fed_at_half_of_its_time_as_long_as_the_loop_turns():
    manager = Manager()
    broker = Broker(app("srv_poll"), workers=1, env=manager.env(WATCHDOG_USEC="1000000"))
    manager.wait("READY=1")
    mark, began = manager.mark(), time.monotonic()
    manager.wait("WATCHDOG=1", since=mark, count=7)
    took = time.monotonic() - began
    assert 6 * 0.5 - 0.01 < took < 6, took
    proc.stop_process(broker.main_pid)
    mark = manager.mark()
    time.sleep(1)  # nothing is to come, so there is no event to wait for
    assert not manager.find("WATCHDOG=1", since=mark)
    send_signal(broker.main_pid, signal.SIGCONT)
    manager.wait("WATCHDOG=1", since=mark)


@test
def the_watchdog_of_another_process_is_not_fed():
    manager = Manager()
    broker = Broker(app("srv_poll"), workers=1, env=manager.env(WATCHDOG_USEC="2000", WATCHDOG_PID="1"))
    manager.wait("READY=1")
    for _ in range(10):
        broker.settle()
    assert not manager.find("WATCHDOG=1"), manager.said


# --- a manager that does not read -----------------------------------------------------------------


@test
def a_full_socket_stops_nobody_and_what_matters_is_sent_again():
    manager = Manager()
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.setblocking(False)
    filler.connect(manager.name)
    broker = Broker(app("srv_poll"), workers=1, env=manager.env(), wait_ready=False)

    def fill():
        try:
            while True:
                filler.send(b"FILLER=1")
        except BlockingIOError:
            pass

    fill()
    broker.wait_ready()
    with connect(broker.port) as held:
        assert http_get(broker.port).status == 200
        manager.wait("READY=1")
        fill()
        broker.signal(signal.SIGTERM)
        broker.wait_event("broker-stopping")
        manager.wait("STOPPING=1")
        send_request(held)
        assert read_answer(held).status == 200
    broker.wait_stopped()
    filler.close()
    late = [e["ms"] for e in broker.log.find(["loop-late"])]
    assert max(late, default=0) < 2000, "it waited for the manager: %s" % late


# --- nobody else speaks to it ---------------------------------------------------------------------


@test
def workers_have_neither_the_socket_nor_its_variables():
    manager = Manager()
    with socket.create_server(("127.0.0.1", 0)) as given:
        port = given.getsockname()[1]
        broker = manager.start(app("srv_poll", port), workers=1, listen="127.0.0.1:%d" % port, sockets=[given],
                               env={"WATCHDOG_USEC": "10000000", "FDSTORE": "4"})
        pid = broker.worker_pid()
        with open("/proc/%d/environ" % pid) as f:
            names = [entry.split("=")[0] for entry in f.read().split("\0")]
        bad = [n for n in names if re.match("NOTIFY_|WATCHDOG_|LISTEN_|FDSTORE", n)]
        assert not bad, bad
        # Nor by number.
        inode = os.fstat(given.fileno()).st_ino
        assert "socket:[%d]" % inode not in proc.fds(pid).values(), proc.fds(pid)


main()
