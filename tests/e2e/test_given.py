#!/usr/bin/env python3
"""
Listening sockets that outlive the broker: those of a socket unit, and those in the store of the
service manager. That is a fake one here; a real systemd is in test_systemd.py.
"""

import errno
import os
import shlex
import signal
import socket
import sys
import time

from harness import *
from lib.faults import Strace, in_backlog
from lib.manager import Manager
from lib.tools import brokerctl


def listener(address="127.0.0.1", port=0, family=socket.AF_INET, kind=socket.SOCK_STREAM, **kwargs):
    """As systemd makes one: it blocks."""
    sock = socket.socket(family, kind)
    at_end(sock.close)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, kwargs.get("v6only", 0))
    if family != socket.AF_UNIX and kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address if family == socket.AF_UNIX else (address, port))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def port_of(sock):
    return sock.getsockname()[1]


def inode(sock):
    return os.fstat(sock.fileno()).st_ino


def said(broker, word, since=0, **fields):
    return broker.wait_event(word, since, **fields)["message"]


def ask_unix(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(path)
        send_request(sock)
        return read_answer(sock).status


# --- of a socket unit -----------------------------------------------------------------------------


@test
def the_sockets_of_a_unit_serve_their_lines_and_are_never_closed():
    manager = Manager()
    path = tmp("unit.socket")
    socks = [listener(), listener("::", family=socket.AF_INET6), listener("::1", family=socket.AF_INET6, v6only=1),
             listener(path, family=socket.AF_UNIX), listener("\0broker-%d" % os.getpid(), family=socket.AF_UNIX)]
    os.chmod(path, 0o640)
    v4, v6, own = map(port_of, socks[:3])
    broker = manager.start(app("srv_poll"), sockets=socks, listen=[
        "127.0.0.1:%d for {port}" % v4, "%d for {port}" % v6, "[::1]:%d for {port}" % own, path + " for {port}",
        "@broker-%d for {port}" % os.getpid(), "127.0.0.1:{port}"])
    for port in (v4, v6, broker.port):
        assert http_get(port).status == 200
    assert http_get(own, address="::1").status == 200
    assert ask_unix(path) == ask_unix("\0broker-%d" % os.getpid()) == 200
    # The very sockets: nothing of its own is beside them.
    assert {inode(s) for s in socks} <= proc.socket_inodes(broker.main_pid)
    words = [e["message"] for e in broker.events("listen")]
    assert sum("by the socket of the service manager" in text for text in words) == 5, words
    assert os.stat(path).st_mode & 0o777 == 0o640
    broker.reload_and_wait()
    assert os.stat(path).st_mode & 0o777 == 0o640
    # No other process of the broker has them.
    for pid in [broker.pid] + broker.below():
        assert not proc.socket_inodes(pid) & {inode(s) for s in socks}, proc.describe(pid)
    broker.stop()
    assert os.path.exists(path)
    for sock in socks:  # listens, with clients waiting
        client = socket.socket(sock.family)
        client.connect(sock.getsockname())
        assert sock.accept()
        client.close()


@test
def what_no_line_names_is_said_and_left_alone():
    manager = Manager()
    used, unused = listener(), listener()
    pair = socket.socketpair()
    broker = manager.start(app("srv_poll"), sockets=[used, unused, pair[0]], workers=1,
                           listen="127.0.0.1:%d for {port}" % port_of(used))
    text = said(broker, "listen", address="127.0.0.1:%d" % port_of(unused))
    assert "which no listen line names and no app asks for: it is left alone" in text, text
    assert "no listening socket (descriptor 5)" in said(broker, "listen", level="warn", count=2) + said(
        broker, "listen", level="warn"), broker.events("listen")
    with connect(port_of(unused)) as client:
        assert http_get(port_of(used)).status == 200
        assert unused.accept()
        client.close()
    for sock in pair:
        sock.close()


@test
def an_app_that_asks_for_a_port_of_the_unit_has_it():
    manager, sock = Manager(), listener()
    broker = manager.start(app("srv_poll", port_of(sock)), sockets=[sock], workers=1)
    assert http_get(port_of(sock)).pid == broker.worker_pid()
    assert not [e for e in broker.events("listen") if e["level"] == "warn"]


@test
def a_unit_that_listens_elsewhere_is_named_if_the_start_fails_for_it():
    manager, sock = Manager(), listener("0.0.0.0")
    broker = manager.start(app("srv_poll"), sockets=[sock], listen="%d for {port}" % port_of(sock), wait_ready=False)
    assert broker.wait_exit() == 3
    assert "has given the broker 0.0.0.0:%d, which no listen line names" % port_of(sock) in said(broker, "listen")


@test
def sockets_for_another_process_are_not_touched():
    """LISTEN_PID names another: the variables are not for us."""
    manager, sock = Manager(), listener()
    broker = manager.start(app("srv_poll"), sockets=[sock], workers=1, env={"LISTEN_PID": "1"}, wait_ready=False,
                           listen="127.0.0.1:%d for {port}" % port_of(sock))
    assert broker.wait_exit() == 3


@test
def a_line_that_goes_leaves_the_socket_and_finds_it_again():
    manager = Manager()
    path = tmp("unit.socket")
    sock, local = listener(), listener(path, family=socket.AF_UNIX)
    lines = ["{port}", "127.0.0.1:%d for {port}" % port_of(sock), path + " for {port}"]
    broker = manager.start(app("srv_poll"), sockets=[sock, local], listen=lines)
    for _ in range(2):
        log = broker.mark()
        broker.configure(app("srv_poll"), listen=lines[:1])
        broker.reload_and_wait()
        text = said(broker, "unlisten", log, address="127.0.0.1:%d" % port_of(sock))
        assert "its socket is the service manager's: it stays open" in text, text
        proc.wait_until(lambda: len(broker.events("unlisten", log)) == 2)
        with connect(port_of(sock)) as client:
            send_request(client)
            broker.configure(app("srv_poll"), listen=lines)
            broker.reload_and_wait()
            assert read_answer(client).status == 200
        assert ask_unix(path) == 200


@test
def a_service_that_is_stopped_by_hand_leaves_the_socket_too():
    manager, sock = Manager(), listener()
    broker = manager.start(app("srv_poll"), sockets=[sock], workers=1, listen="127.0.0.1:%d for {port}" % port_of(sock))
    assert brokerctl(broker, "stop", "web").returncode == 0
    with connect(port_of(sock)) as client:
        send_request(client)
        assert brokerctl(broker, "start", "web").returncode == 0
        assert read_answer(client).status == 200


@test
def a_datagram_socket_of_the_unit_is_used():
    manager, sock = Manager(), listener(port=free_port(), kind=socket.SOCK_DGRAM)
    script = write_file("answer", "#!%s\nimport socket\ns = socket.socket(fileno=0)\n"
                        "data, peer = s.recvfrom(99)\ns.sendto(data.upper(), peer)\n" % os.sys.executable, 0o755)
    broker = manager.start([script], sockets=[sock], mode="inetd", wait="yes", workers=1,
                           listen="udp 127.0.0.1:%d" % port_of(sock))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.sendto(b"hello", sock.getsockname())
        assert client.recv(99) == b"HELLO"
    assert inode(sock) in proc.socket_inodes(broker.main_pid)


BINDS_UDP = "import socket; socket.socket(type=socket.SOCK_DGRAM).bind(('127.0.0.1', %d))"


@test
def why_a_datagram_socket_is_of_no_use_is_said_once():
    manager, gate = Manager(), Gate()
    sock = listener(port=free_port(), kind=socket.SOCK_DGRAM)
    program = shlex.join([sys.executable, "-c", BINDS_UDP % port_of(sock)])
    broker = manager.start(["sh", "-c", "%s; %s" % (gate, program)], sockets=[sock], workers=1, udp="yes",
                           so_rcvbuf="64k", wait_ready=False)
    broker.wait_event("worker-start")
    with Strace(broker.main_pid, "setsockopt", inject="setsockopt:error=ENOBUFS"):
        gate.open()
        said = broker.wait_event("worker-failed")["message"]
    assert said == "cannot change the socket options: " + os.strerror(errno.ENOBUFS), said


# --- the store ------------------------------------------------------------------------------------


@test
def listeners_are_stored_when_they_are_made_and_leave_when_they_are_closed():
    manager = Manager(store=8)
    lines = ["127.0.0.1:{port2} for {port}", tmp("one") + " for {port}"]
    broker = manager.start(app("srv_poll"), listen=lines)
    manager.wait("FDSTORE=1", count=2)
    broker.configure(app("srv_poll"), listen=lines[:1])
    broker.reload_and_wait()
    manager.wait("FDSTOREREMOVE=1")
    assert len(manager.store) == 1, manager.said
    # One that a reload brings.
    broker.configure(app("srv_poll"), listen="127.0.0.1:{port3} for {port}")
    broker.reload_and_wait()
    manager.wait("FDSTOREREMOVE=1", count=2)
    manager.wait("FDSTORE=1", count=3)
    assert len(manager.store) == 1, manager.said
    # What has left the store is closed, whenever the manager reads that.
    assert refused(broker.port2)


@test
def a_closed_address_is_free_at_once_though_the_manager_does_not_read():
    manager = Manager(store=8)
    broker = manager.start(app("srv_poll"), listen="127.0.0.1:{port2} for {port}")
    manager.wait("READY=1")
    broker.configure(app("srv_poll"), listen="127.0.0.1:{port3} for {port}")
    broker.reload_and_wait()
    proc.wait_until(lambda: refused(broker.port2))
    sock = listener(port=broker.port2)  # the copy in the store, of which the manager knows, is in nobody's way
    sock.close()
    assert http_get(broker.port3).status == 200


@test
def no_more_is_stored_than_the_manager_has_room_for():
    manager = Manager(store=2)
    broker = manager.start(app("srv_poll"), listen=["127.0.0.1:{port%d} for {port}" % n for n in (2, 3, 4)])
    manager.wait("READY=1")
    assert len(manager.find("FDSTORE=1")) == 2, manager.said
    broker.stop()
    # The third is closed as ever.
    assert [refused(port) for port in (broker.port2, broker.port3, broker.port4)] == [False, False, True]


@test
def without_room_in_the_store_nothing_is_sent_there():
    manager = Manager()
    broker = manager.start(app("srv_poll"), listen="127.0.0.1:{port2} for {port}")
    broker.stop()
    assert not manager.find("FDSTORE") and refused(broker.port2)


@test
def a_restart_under_load_refuses_nobody():
    """Twenty of them, with each kind of listener."""
    manager = Manager(store=8)
    ports = {"p": free_port(), "q": free_port()}
    text = "[service:web]\ncommand = {apps}/srv_poll %(p)d\n[service:api]\ncommand = {apps}/srv_poll 1234\n" \
           "listen = %(q)d for 1234\nlisten = {tmp}/local for 1234\n" % ports
    broker = manager.start(text=text)
    loads = [Load(ports["p"]), Load(ports["q"], inflight=8)]
    for n in range(20):
        for load in loads:
            load.wait_answers(50)
        broker.stop()
        assert len(manager.store) == 3 or n == 0, manager.store
        broker = manager.start(text=text)
        manager.read()
    for load in loads:
        load.wait_answers(50)
        load.assert_clean()
    assert ask_unix(tmp("local")) == 200
    assert sum("open since the last broker" in e["message"] for e in broker.events("listen")) == 3
    note("%d answers" % sum(load.stop()["answers"] for load in loads))


@test
def who_waits_at_a_stop_is_answered_by_the_next_broker():
    """The one worker is busy, so that nothing can be given away before the first broker ends."""
    manager, port = Manager(store=8), free_port()
    keys = {"text": "[service:web]\ncommand = {apps}/srv_poll %d\nworkers = 1\nqueue = 1\n" % port}
    broker = manager.start(**keys)
    busy = connect(port)
    send_request(busy, "/slow?ms=3000")
    clients = [connect(port) for _ in range(20)]
    for client in clients:
        send_request(client)
    proc.wait_until(lambda: in_backlog(port) > 10)
    broker.signal(signal.SIGTERM)
    broker.wait_event("broker-stopping")
    # And who comes while it drains.
    late = [connect(port) for _ in range(10)]
    for client in late:
        send_request(client)
    assert read_answer(busy).status == 200
    broker.wait_stopped()
    waiting = in_backlog(port)
    assert waiting >= 10, waiting
    manager.start(**keys)
    assert [read_answer(client).status for client in clients + late] == 30 * [200]


@test
def what_waits_at_a_stop_is_served_by_the_old_workers_if_they_can():
    manager, port = Manager(store=8), free_port()
    gate = Gate()
    broker = manager.start(text="[service:web]\ncommand = sh -c '%s; exec {apps}/srv_poll %d'\nworkers = 1\n"
                           "listen = %d for %d\n" % (gate, port + 1, port, port + 1), wait_ready=False)
    broker.wait_event("listen", port=port)
    clients = [connect(port) for _ in range(20)]
    for client in clients:
        send_request(client)
    gate.open()
    broker.wait_ready()
    broker.stop()
    assert [read_answer(client).status for client in clients] == 20 * [200]


@test
def a_broker_that_was_killed_leaves_its_ports_open():
    manager, port = Manager(store=8), free_port()
    path = tmp("local")
    keys = {"text": "[service:web]\ncommand = {apps}/srv_poll %d\nlisten = %d\nlisten = %s for %d\ndrain_timeout = 0\n"
            % (port, port, path, port)}
    broker = manager.start(**keys)
    manager.wait("READY=1")
    broker.kill()
    client = connect(port)
    send_request(client)
    manager.start(**keys)
    assert read_answer(client).status == 200
    assert ask_unix(path) == 200


@test
def what_nobody_asks_for_any_more_leaves_the_store():
    manager, port, gone = Manager(store=8), free_port(), free_port()
    text = "[service:web]\ncommand = {apps}/srv_poll %d\nlisten = %d\n" % (port, port)
    manager.start(text=text + "listen = 127.0.0.1:%d for %d\n" % (gone, port)).stop()
    assert not refused(gone)
    broker = manager.start(text=text)
    assert "nobody asks for it: closed" in said(broker, "unlisten", address="127.0.0.1:%d" % gone)
    manager.wait("FDSTOREREMOVE=1")
    assert refused(gone) and len(manager.store) == 1, manager.store
    assert http_get(port).status == 200


@test
def a_start_that_fails_leaves_the_store_as_it_is():
    manager, port, other = Manager(store=8), free_port(), listener()
    text = "[service:web]\ncommand = {apps}/srv_poll %d\nlisten = %d\n" % (port, port)
    manager.start(text=text).stop()
    failed = manager.start(text=text + "listen = 127.0.0.1:%d for %d\n" % (port_of(other), port), wait_ready=False)
    assert failed.wait_exit() == 3
    client = connect(port)
    send_request(client)
    manager.start(text=text)
    assert read_answer(client).status == 200 and not manager.find("FDSTOREREMOVE")


@test
def a_broker_that_died_while_it_closed_an_address_does_not_keep_clients_out_of_the_next():
    """Its socket still drops SYNs, in the kernel."""
    manager, port = Manager(store=8), free_port()
    text = "[service:web]\ncommand = {apps}/srv_poll %d\ndrain_timeout = 1s\n" % port
    broker = manager.start(text=text + "listen = %d\n" % port)
    manager.wait("READY=1")
    log = broker.mark()
    # One who has not completed the handshake would hold it up for a second; a slow worker does, too.
    broker.configure(text=text + "listen = 127.0.0.2:%d for %d\n" % (free_port(), port))
    busy = [connect(port) for _ in range(40)]
    for client in busy:
        send_request(client, "/slow?ms=200")
    broker.hup()
    broker.wait_event("unlisten", log)
    broker.kill()
    for client in busy:
        client.close()
    new = manager.start(text=text + "listen = %d\n" % port)
    if any("open since" in e["message"] for e in new.events("listen")):
        began = time.monotonic()
        assert http_get(port).status == 200
        assert time.monotonic() - began < 0.9, "a SYN was dropped"
    else:
        note("it was closed already when the broker was killed")


main()
