#!/usr/bin/env python3
"""activation = ...: programs that are started with their listening sockets."""

import socket
import sys

from harness import *
from lib.faults import kill_both_while_eight_wait
from lib.guest import Guest
from lib.steering import workers


def activated(convention="systemd", *more):
    return app("srv_activated", convention)[:1] + [convention, *map(str, more)]


def start(command=None, activation="systemd", **keys):
    keys.setdefault("listen", "127.0.0.1:{port}")
    return Broker(command or activated(activation), activation=activation, **keys)


def sockets(port):
    """What the program says of its listeners: [NAME, ADDRESS, PORT, ...] each."""
    return [line.split() for line in http_get(port, "/sockets").body.splitlines()]


def script(text, name="app"):
    return write_file(tmp(name), "#!/bin/sh\n" + text + "\n", 0o755)


# --- what the program sees ----------------------------------------------------------------------


@test
def systemd_two_lines_with_and_without_a_name():
    broker = start(listen=["127.0.0.1:{port} as first", "[::]:{port2}"], v6only="yes")
    same = ["domain=1", "protocol=1"]
    want = [["first", "127.0.0.1", str(broker.port), *same, "v6only=0"],
            ["web", "::", str(broker.port2), *same, "v6only=1"]]
    for _ in range(4):
        assert sockets(broker.port) == want, sockets(broker.port)


@test
def a_port_alone_is_every_address_and_for_is_what_the_program_sees():
    broker = start(listen="{port} for 4242 as a")
    assert sockets(broker.port)[0][:3] == ["a", "::", "4242"], sockets(broker.port)


@test
def two_addresses_with_one_port_are_two_listeners():
    broker = start(listen=["127.0.0.1:{port} as one", "127.0.0.2:{port} as two", "[::1]:{port} as six"])
    assert [line[:2] for line in sockets(broker.port)] == [
        ["one", "127.0.0.1"], ["two", "127.0.0.2"], ["six", "::1"]]
    # Each is served from its own: the address that the connection has is asked of the kernel.
    program = script("exec %s -c '%s'" % (sys.executable, """
import os, select, socket
named = {socket.socket(fileno=3 + i): name for i, name in enumerate(os.environ["LISTEN_FDNAMES"].split(":"))}
while True:
    for sock in select.select(list(named), [], [])[0]:
        conn, _ = sock.accept()
        conn.recv(4096)
        body = named[sock].encode()
        conn.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
        conn.close()
"""))
    broker.configure([program], activation="systemd", workers=2, listen=[
        "127.0.0.1:{port} as one", "127.0.0.2:{port} as two", "[::1]:{port} as six"])
    broker.reload_and_wait()
    for _ in range(3):
        for host, name in ("127.0.0.1", "one"), ("127.0.0.2", "two"), ("::1", "six"):
            with socket.create_connection((host, broker.port), timeout=30) as sock:
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: sock.recv(4096), b"")).decode()
            assert answer.endswith("\r\n\r\n" + name), (host, answer)


@test
def einhorn():
    broker = start(activation="einhorn", listen=["127.0.0.1:{port}", "[::1]:{port2}"])
    assert [line[:3] for line in sockets(broker.port)] == [
        ["AF_INET", "127.0.0.1", str(broker.port)], ["AF_INET6", "::1", str(broker.port2)]]


@test
def server_starter():
    broker = start(activation="server-starter", listen=["127.0.0.1:{port}", "{port2}"])
    assert [line[:2] for line in sockets(broker.port)] == [
        ["127.0.0.1:%d" % broker.port, "127.0.0.1"], [str(broker.port2), "::"]]


@test
def python():
    broker = start([sys.executable, "%s/tests/apps/py_activated.py" % ROOT])
    assert {http_get(broker.port).pid for _ in range(6)} == {
        broker.worker_pid("web.0"), broker.worker_pid("web.1")}


@test
def what_the_broker_itself_was_started_with_never_reaches_it():
    names = ["LISTEN_FDS", "EINHORN_FD_COUNT", "EINHORN_MASTER_PID", "SERVER_STARTER_PORT"]
    broker = start(env=dict.fromkeys(names, "7"))
    environ = proc.environment(broker.worker_pid())
    assert environ["LISTEN_FDS"] == "1" and not {*names[1:]} & set(environ), environ


# --- what stands around it ----------------------------------------------------------------------


@test
def through_a_shell_that_executes_it():
    broker = start([script("cd / && exec sh -c 'exec %s'" % " ".join(activated()))])
    assert len(sockets(broker.port)) == 1


@test
def under_a_wrapper_that_forks():
    broker = start(**{"wrap.1": app("tracer")[0]})
    pids = {http_get(broker.port).pid for _ in range(4)}
    assert broker.worker_pid("web.0") in pids and len(pids) == 2, pids


@test
def a_program_that_forks_workers_after_activation():
    broker = start(activated("systemd", "fork"), workers=2)
    load = Load(broker.port, inflight=16)
    load.wait_answers(300)
    broker.reload_and_wait()
    load.wait_answers(300)
    load.stop()
    load.assert_clean()


@test
def a_program_that_executes_itself_with_an_empty_environment():
    """Its child finds the listener at 3 by its number, and has no variable at all."""
    program = script("exec %s -c '%s'" % (sys.executable, """
import os, socket, sys
os.set_inheritable(3, True)
os.execve(sys.executable, [sys.executable, "-c", "\\n".join([
    "import os, socket", "sock = socket.socket(fileno=3)", "assert \\"LISTEN_FDS\\" not in os.environ",
    "assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1",
    "assert sock.family == socket.AF_INET",
    "while True:", " conn, _ = sock.accept()", " conn.recv(4096)",
    " conn.sendall(b\\"HTTP/1.0 200 OK\\\\r\\\\n\\\\r\\\\npid=%d id=x\\\\n\\" % os.getpid())", " conn.close()"])], {})
"""))
    broker = start([program])
    assert {http_get(broker.port).pid for _ in range(4)} == {
        broker.worker_pid("web.0"), broker.worker_pid("web.1")}


@test
def a_guest_is_started_with_its_listeners_too():
    broker = start()
    guest = Guest(broker, activated(), "--activation", "systemd", "--listen",
                  "x=127.0.0.1:%d" % broker.port)
    assert guest.pid in {http_get(broker.port).pid for _ in range(6)}


# --- what happens to it -------------------------------------------------------------------------


@test
def a_reload_under_load_loses_nothing():
    broker = start()
    load = Load(broker.port)
    load.wait_answers(200)
    with broker.same_fds():
        for _ in range(3):
            broker.reload_and_wait()
    load.wait_answers(200)
    load.stop()
    load.assert_clean()


@test
def a_reload_to_other_lines_takes_what_is_there_now():
    broker = start(listen=["127.0.0.1:{port} as one", "127.0.0.1:{port2} as two"])
    broker.configure(activated(), activation="systemd", listen="127.0.0.1:{port} as new")
    broker.reload_and_wait()
    assert [line[0] for line in sockets(broker.port)] == ["new"]
    assert wait_until(lambda: refused(broker.port2))
    broker.configure(activated(), activation="systemd",
                     listen=["127.0.0.1:{port2} as two", "127.0.0.1:{port} as new"])
    broker.reload_and_wait()
    assert [line[0] for line in sockets(broker.port2)] == ["two", "new"]


@test
def what_waits_at_one_that_is_killed_is_answered_by_others():
    broker = start(workers=2, stall_timeout="1h")
    kill_both_while_eight_wait(broker)


def slow(gate):
    """It has its listeners, and comes to them when the gate is open."""
    return "exec %s" % " ".join(activated("systemd", "slow", gate.path))


@test
def a_new_worker_serves_when_it_takes_connections_also_without_clients():
    release, gate = Release("exec %s" % " ".join(activated())), Gate()
    broker = start(release.command("x"), workers=2)
    old = {broker.worker_pid("web.0"), broker.worker_pid("web.1")}
    release.deploy(slow(gate))
    broker.hup()
    broker.wait_event("channel", generation=2)
    assert {http_get(broker.port).pid for _ in range(8)} == old
    assert not broker.events("worker-ready", generation=2)
    gate.open(2)
    broker.wait_event("reload-done")
    assert not {http_get(broker.port).pid for _ in range(4)} & old


@test
def a_deploy_that_never_accepts_is_aborted():
    release = Release("exec %s" % " ".join(activated()))
    broker = start(release.command("x"), start_timeout="1s")
    load = Load(broker.port, inflight=8)
    load.wait_answers(50)
    release.deploy(slow(Gate()))
    broker.hup()
    aborted = broker.wait_event("reload-aborted")
    assert "the program has taken no connection yet" in aborted["reason"], aborted
    load.wait_answers(50)
    load.stop()
    load.assert_clean()
    assert {w["generation"] for w in workers(broker) if w["state"] == "ready"} == {1}


@test
def a_check_of_its_own_takes_the_place_of_that_question():
    broker = start(check="GET /", check_interval="50ms")
    broker.wait_event("worker-check-passed", count=2)
    assert {http_get(broker.port).pid for _ in range(4)} == {
        broker.worker_pid("web.0"), broker.worker_pid("web.1")}


main()
