#!/usr/bin/env python3
"""The broker is killed, and its shadow goes on: workers and clients do not notice."""

import collections
import contextlib
import errno
import os
import platform
import re
import shutil
import signal
import socket
import struct

from harness import *
from lib import proc
from lib.control import Control
from lib.ctl import ctl
from lib.faults import Strace
from lib.shadow import kill, killed_as_it_sends, shadow, taken_over, wait_shadow
from lib.steering import ask, hold, refusal, service, told, who_answers, workers

private_namespaces()


def serve(**keys):
    return Broker(app("srv_poll"), workers=3, **keys)


def pids(broker):
    return {w["worker"]: w["pid"] for w in workers(broker)}


def held(broker):
    """Its descriptors, without their numbers."""
    return collections.Counter(re.sub(r"\d+", "", name) for name in proc.fds(broker.main_pid).values())


def balanced(broker):
    found = service(broker)["ledger"]
    assert found["balanced"], found
    return found


@test
def who_was_about_to_greet_does_so_to_the_next_broker():
    broker = serve()
    before = held(broker)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(30)
        s.connect(os.path.join(broker.run_dir, "rendezvous"))
        wait_until(lambda: sum(held(broker).values()) > sum(before.values()))
        kill(broker)
        s.send(b"not quite what docs/protocol.md asks for")
        assert struct.unpack("=H", s.recv(512)[2:4]) == (3,)  # REFUSED


@test
def a_broker_that_is_killed_loses_nobody_and_keeps_its_pid():
    for _ in range(4):
        broker = serve(listen="{port}")
        known, old = broker.pid, pids(broker)
        load = Load(broker.port, inflight=24)
        load.wait_answers(200)
        kill(broker)
        load.wait_answers(200)
        kill(broker)
        load.wait_answers(200)
        load.assert_clean()
        assert broker.process.poll() is None and broker.pid == known
        assert pids(broker) == old
        ledger = balanced(broker)
        assert ledger["accepted"] >= load.summary["connections"], (ledger, load.summary)
        broker.stop()


@test
def at_each_system_call_of_a_connection():
    """It ends when it is about to make the call, or when it has made it: no client is lost."""
    for call in ("accept4", "sendmsg", "close", "epoll_wait"):
        for how in ("signal=KILL:when=40", "retval=0:signal=KILL:when=40"):
            if call != "close" and how.startswith("retval"):
                continue  # that would be a call which has not been made
            broker = serve(listen="{port}")
            load = Load(broker.port, inflight=8)
            load.wait_answers(20)
            with Strace(broker.main_pid, call, inject="%s:%s" % (call, how)):
                taken_over(broker)
            load.wait_answers(100)
            load.assert_clean()
            balanced(broker)
            broker.stop()


@contextlib.contextmanager
def no_state(broker):
    """Within, none is written: there is no room for what clients have begun to ask."""
    with Strace(broker.main_pid, "ftruncate", inject="ftruncate:error=ENOSPC") as trace:
        with contextlib.ExitStack() as stack:
            for _ in range(32):
                stack.enter_context(Control(broker)).socket.sendall(4000 * b"x")
            wait_until(lambda: trace.lines("INJECTED"))
            yield


@test
def a_worker_that_was_about_to_get_its_channel_or_just_has_is_ready_with_the_next_broker():
    gate = Gate()
    for made in (False, True):
        broker = Broker(Release("%s\n%s" % (gate, GOOD)).command(), workers=1, wait_ready=False, listen="{port}")
        pid = broker.wait_event("worker-start")["pid"]
        killed_as_it_sends(broker, made, gate.open)
        broker.wait_event("worker-ready", pid=pid)
        kill(broker)
        assert http_get(broker.port).pid == pid
        broker.stop()


DATAGRAMS = """exec python3 -c 'import socket
s = socket.socket(type=socket.SOCK_DGRAM)
s.bind(("127.0.0.1", %d))
while True:
    s.sendto(*s.recvfrom(100))'"""


@test
def nor_is_one_lost_that_was_about_to_get_its_socket_for_datagrams():
    gate, port = Gate(), free_port()
    for made in (False, True):
        broker = Broker(Release("%s\n%s" % (gate, DATAGRAMS % port)).command(), workers=1, wait_ready=False, udp="yes")
        broker.wait_event("worker-start")
        killed_as_it_sends(broker, made, gate.open)
        gate.open()  # for another one, if this one gets no answer
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(30)
            client.sendto(b"hello", ("127.0.0.1", port))
            assert client.recv(100) == b"hello"
        wait_until(lambda: workers(broker)[0]["state"] == "ready")
        assert len(broker.events("worker-start")) == 1 or not made
        broker.stop()


@test
def one_that_was_taken_back_is_answered_once_though_the_broker_ends_as_it_gives_it_away():
    for made in (False, True):
        broker = Broker(app("srv_blocking"), workers=2, listen="{port}", stall_timeout="1h", backoff_min="10s")
        busy = [connect(broker.port) for _ in range(2)]  # each worker waits for a request
        wait_until(lambda: service(broker)["ledger"]["taken"] == 2)
        client = connect(broker.port)
        send_request(client, close=True)
        wait_until(lambda: any(w["waiting"] for w in workers(broker)))
        first = next(w["pid"] for w in workers(broker) if w["waiting"])
        call = killed_as_it_sends(broker, made, lambda: send_signal(first, signal.SIGKILL))
        assert "SCM_RIGHTS" in call, call
        for sock in busy:
            send_request(sock, close=True)
        assert read_answer(client).pid not in (None, first)
        assert client.recv(1) == b""
        balanced(broker)
        broker.stop()


# It listens, and accepts nobody before it is told to.
LATER = """
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
open(sys.argv[2]).readline()
while True:
    c, _ = s.accept()
    c.recv(4096)
    c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    c.close()
"""


@test
def the_same_if_it_waits_behind_others_at_a_worker_that_has_taken_none():
    gate = Gate()
    for made in (False, True):
        broker = Broker(["python3", write_file("later.py", LATER), "{port}", gate.path], workers=2, queue=4,
                        stall_timeout="1h", backoff_min="10s")
        clients = [connect(broker.port) for _ in range(3)]
        for client in clients:
            send_request(client, close=True)
        wait_until(lambda: sum(w["waiting"] for w in workers(broker)) == 3)
        first = next(w["pid"] for w in workers(broker) if w["waiting"] == 2)
        call = killed_as_it_sends(broker, made, lambda: send_signal(first, signal.SIGKILL))
        assert "SCM_RIGHTS" in call, call
        gate.open()
        assert [read_answer(client).status for client in clients] == [200] * 3
        assert [client.recv(1) for client in clients] == [b""] * 3, "somebody else has it, too"
        balanced(broker)
        broker.stop()


def connect_by(broker, listen):
    """Through the listener of that line."""
    if listen[0] != "/":
        return connect(broker.port2, "::1" if listen[0] == "[" else "127.0.0.1")
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(listen)
    return s


@test
def those_that_were_taken_back_are_answered_once_though_their_listener_is_closed():
    """
    The service ends, and so does one of its workers. The broker is about to give a connection of that to the
    other one, has just done so, the same with no state since all was open; or both wait in a state.
    """
    for listen in ("127.0.0.1:{port2}", "[::1]:{port2}", tmp("web.sock")):
        for when in ("about", "made", "unsaid", "kept"):
            broker = Broker(app("srv_blocking"), workers=2, queue=2, stall_timeout="1h", drain_timeout="1h",
                            listen=["{port}", listen + " for {port}"])
            busy = [connect(broker.port) for _ in range(2)]  # each worker waits for a request
            wait_until(lambda: service(broker)["ledger"]["taken"] == 2)
            clients = [connect_by(broker, listen) for _ in range(3)]
            for client in clients:
                send_request(client, close=True)
            wait_until(lambda: sum(w["waiting"] for w in workers(broker)) == 3)
            first = next(w["pid"] for w in workers(broker) if w["waiting"] == 2)

            def end():
                broker.signal(signal.SIGTERM)
                broker.wait_event("worker-draining", count=2)  # after the listeners

            def kill_first():
                send_signal(first, signal.SIGKILL)
                broker.wait_event("taken-back")

            if when in ("kept", "unsaid"):
                with no_state(broker) if when == "unsaid" else contextlib.nullcontext():
                    end()
                    kill_first()
                    kill(broker)
            else:
                end()
                call = killed_as_it_sends(broker, when == "made", kill_first)
                assert "SCM_RIGHTS" in call, call
            for sock in busy:
                send_request(sock, close=True)
            assert all(read_answer(client).pid not in (None, first) for client in clients)
            assert [client.recv(1) for client in clients] == [b""] * 3
            broker.wait_stopped()


@test
def a_connection_that_a_child_of_a_worker_has_is_given_to_nobody_else():
    """The broker ends when it has sent it, and is about to close its copy; no answer has begun."""
    broker = Broker(app("srv_prefork"), workers=2, listen="{port}")
    wait_shadow(broker)
    with Strace(broker.main_pid, "close", inject="close:signal=KILL:when=1"):
        client = connect(broker.port)
        send_request(client, "/slow?ms=500", close=True)
        taken_over(broker)
    assert read_answer(client).status == 200
    assert client.recv(1) == b"", "somebody else has it, too"
    balanced(broker)


@test
def a_connection_whose_copy_it_has_just_closed_is_counted():
    broker = serve(listen="{port}")
    wait_shadow(broker)
    # Nothing is left to be closed when the next state is written.
    wait_until(lambda: sum("broker-hand" in what for what in proc.fds(broker.main_pid).values()) == 1)
    with Strace(broker.main_pid, "close", inject="close:delay_exit=60000000:when=1") as s:
        assert http_get(broker.port).status == 200
        wait_until(lambda: s.lines("DELAYED"))
        send_signal(broker.main_pid, signal.SIGKILL)
    taken_over(broker)
    assert balanced(broker)["accepted"] == 1


@test
def after_the_third_end_within_ten_seconds_the_workers_end_in_order():
    broker = serve(listen="{port}", drain_timeout="30s")
    sock, pid = hold(broker.port)
    kill(broker)
    kill(broker)
    send_signal(broker.main_pid, signal.SIGKILL)
    assert "third time" in broker.log.wait(["shadow"], level="error")["message"]
    # The parent ends them as each has finished what it has.
    others = [p for p in proc.descendants(broker.pid) if proc.name(p) == "srv_poll" and p != pid]
    send_request(sock, close=True)
    assert read_answer(sock).pid == pid
    sock.close()
    wait_until(lambda: broker.process.poll() is not None, 60, "the end of the parent")
    assert not any(proc.alive(p) for p in others + [pid])
    broker.stopped = {}


@test
def a_shadow_that_is_killed_is_replaced():
    broker = serve(listen="{port}")
    wait_shadow(broker)
    old = shadow(broker)
    send_signal(old, signal.SIGKILL)
    said = broker.wait_event("shadow")["message"]
    assert "has ended (signal 9)" in said and "nobody goes on in its place" in said, said
    wait_until(lambda: shadow(broker) not in (0, None, old), 10, "the next one")
    kill(broker)
    assert who_answers(broker.port) <= set(pids(broker).values())


@test
def what_was_under_way_goes_on():
    broker = serve(listen="{port}")
    ask(broker, "hold web.1")
    kill(broker)
    assert [w["state"] for w in workers(broker)] == ["ready", "held", "ready"]
    ask(broker, "release web.1")
    # A worker that ends is noticed, and a reload replaces all.
    mark = broker.mark()
    send_signal(pids(broker)["web.2"], signal.SIGKILL)
    broker.wait_event("worker-ready", since=mark, worker="web.2")
    broker.reload_and_wait()
    ask(broker, "pause web")
    kill(broker)
    assert service(broker)["state"] == "paused"
    waiting = connect(broker.port)
    send_request(waiting)
    ask(broker, "start web")
    assert read_answer(waiting).status == 200


@test
def connections_that_wait_are_served():
    """In the backlog, and at workers that are stopped."""
    broker = serve(listen="{port}", queue=2, stall_timeout="1h")
    stopped = pids(broker).values()
    for pid in stopped:
        send_signal(pid, signal.SIGSTOP)
    wait_until(lambda: all(w["state"] == "held" for w in workers(broker)))
    clients = [connect(broker.port) for _ in range(20)]
    for client in clients:
        send_request(client)
    kill(broker)
    for pid in stopped:
        send_signal(pid, signal.SIGCONT)
    assert [read_answer(client).status for client in clients] == [200] * 20
    balanced(broker)


@test
def connections_that_were_taken_back_are_served():
    """
    They are in the broker's hands, as there is no worker. No state is written since the worker and
    the log were there: what was closed has become nothing else, and a client's connection is
    taken neither for the one nor for the other.
    """
    broker = Broker(app("srv_blocking"), workers=1, listen="{port}", queue=2, backoff_min="1s")
    lost = connect(broker.port)  # the worker waits for its request, and takes no other
    wait_until(lambda: service(broker)["ledger"]["taken"] == 1)
    clients = [connect(broker.port) for _ in range(4)]
    for client in clients:
        send_request(client)
    wait_until(lambda: service(broker)["ledger"]["accepted"] >= 3)
    wait_shadow(broker)
    with no_state(broker):
        broker.mark()  # the log is opened once more
        send_signal(broker.worker_pid(), signal.SIGKILL)
        broker.wait_event("taken-back", count=1)
        broker.wait_event("worker-exit")
        kill(broker)
    assert [read_answer(client).status for client in clients] == [200] * 4
    lost.close()
    balanced(broker)


@test
def who_is_being_answered_sees_the_end():
    broker = serve(broker={"metrics": "127.0.0.1:{port2}"})
    client = connect(broker.port2)
    client.sendall(b"GET /metrics HTT")
    http_get(broker.port2, "/metrics")  # after that the broker has the first one, too
    kill(broker)
    assert client.recv(1) == b""
    assert http_get(broker.port2, "/metrics").status == 200


# It does in a trial, and then not.
LATE = """#!/bin/sh
case "$1" in
--check-upgrade) exec %s "$@" ;;
esac
%s
"""


@test
def a_new_program_that_ends_or_hangs_leaves_the_old_one():
    for end in ("kill -SEGV $$", "exit 1", "exec sleep 1000"):
        broker = serve(listen="{port}")
        wait_shadow(broker)
        load = Load(broker.port, inflight=8)
        load.wait_answers(50)
        path = write_file("late", LATE % (broker_program(), end), 0o755)
        message = refusal(broker, "upgrade " + path)
        assert "was killed" in message, message
        taken_over(broker)
        load.wait_answers(50)
        load.assert_clean()
        assert "goes on with" in told(broker, "upgrade")
        balanced(broker)
        broker.stop()


def waits_with(pid):
    """The system call that it is in, rt_sigtimedwait(2), and its arguments; or "running"."""
    with open("/proc/%d/syscall" % pid) as f:
        return f.read().split()


@test
def one_that_ends_before_the_shadow_hears_of_it_leaves_the_old_one():
    broker = serve(listen="{port}")
    wait_shadow(broker)
    pid, main = shadow(broker), broker.main_pid
    proc.stop_process(pid)
    at_end(lambda: proc.alive(pid) and send_signal(pid, signal.SIGCONT))
    with Control(broker) as control:
        control.send("upgrade " + write_file("late", LATE % (broker_program(), "exit 1"), 0o755))
        wait_until(lambda: not proc.alive(main), 10, "the end of the new program")
        send_signal(pid, signal.SIGCONT)
        answer = control.answer()[-1]
    assert "was killed" in answer["message"], answer
    taken_over(broker)
    assert who_answers(broker.port) <= set(pids(broker).values())


@test
def a_program_that_cannot_be_executed_after_its_trial_costs_nothing():
    broker = serve(listen="{port}")
    wait_shadow(broker)
    path = write_file("gone", LATE.replace("exec", 'rm "$0"; exec') % (broker_program(), "exit 1"), 0o755)
    assert os.strerror(errno.ENOENT) in refusal(broker, "upgrade " + path)
    # The shadow waits for the end of the broker, not for the next program: without a time limit.
    wait_until(lambda: waits_with(shadow(broker))[3:4] == ["0x0"])
    assert http_get(broker.port).status == 200


@test
def one_that_is_killed_while_it_stops_goes_on_stopping():
    for how in ("signal", "command"):
        broker = serve(listen="{port}")
        sock, pid = hold(broker.port)
        wait_shadow(broker)
        if how == "signal":
            broker.signal(signal.SIGTERM)
        else:
            ctl("-c", broker.file, "stop", "--no-wait")
        broker.wait_event("worker-draining", pid=pid)
        kill(broker)
        send_request(sock, close=True)
        assert read_answer(sock).pid == pid
        broker.wait_stopped()


@test
def signals_reach_the_one_that_goes_on():
    broker = serve(listen="{port}")
    old = pids(broker)
    kill(broker)
    mark = broker.mark()
    broker.hup()
    broker.wait_event("reload-done", since=mark)
    assert not set(old.values()) & set(pids(broker).values())
    broker.stop()


# Of realpath(3), as it reads the configuration. The latter: glibc before 2.33, and others call that, too.
OLD = ("glibc", "") < platform.libc_ver() < ("glibc", "2.33")
READS = "lstat" if OLD else "readlink"


def killed_in(broker, call):
    """Within: it is killed at that call, if what is done there makes the broker make it."""
    wait_shadow(broker)
    return Strace(broker.main_pid, call, inject="%s:signal=KILL:when=1" % call)


@test
def a_signal_of_which_no_state_knows_is_heard_once_by_the_one_that_goes_on():
    # It reads the configuration; the parent is to get the words of a command. Neither is a call that
    # it makes by itself when it has been busy.
    for sig, call in ((signal.SIGHUP, READS), (signal.SIGTTIN, "memfd_create")):
        broker = serve(listen="{port}")
        mark, n = broker.mark(), 3 + (sig == signal.SIGTTIN)
        with killed_in(broker, call):
            broker.signal(sig)
            taken_over(broker)
        broker.wait_event("reload-done" if sig == signal.SIGHUP else "worker-ready", since=mark)
        wait_until(lambda: [w["state"] for w in workers(broker)] == ["ready"] * n)
        kill(broker)
        assert len(workers(broker)) == n
        broker.reload_and_wait()
        assert len(broker.events("reload-done")) == 1 + (sig == signal.SIGHUP)
        broker.stop()


@test
def who_has_asked_sees_the_end_if_it_may_have_been_heard():
    broker = serve(listen="{port}")
    with Control(broker) as idle, Control(broker) as control:
        idle.ask("pins")
        control.ask("pins")
        with killed_in(broker, "connect"):
            control.send("scale web 4")
            assert control.line() is None
        taken_over(broker)
    # Of those that only wait for their next question nothing is lost.
    with Control(broker) as idle:
        idle.ask("pins")
        # It has written that, and is not about to.
        wait_until(lambda: int((waits_with(broker.main_pid) + 4 * ["0"])[4], 16) > 50)
        kill(broker)
        assert idle.ask("pins") == []


@test
def what_was_opened_just_before_the_end_is_opened_again():
    """The control socket, and the metrics: the state has what was closed."""
    keys = dict(listen="{port}", broker={"metrics": "127.0.0.1:{port2}"})
    # All is there, as it reads the configuration; or the socket is, and does not listen yet.
    for call in (READS, "lchown")[OLD:]:
        broker = serve(**keys)
        shutil.rmtree(broker.run_dir)
        with killed_in(broker, call):
            broker.hup()
            taken_over(broker)
        broker.wait_event("reload-done")
        assert len(broker.events("run-directory")) == 1 + (call == "readlink")
        assert ask(broker, "pins") == []
    broker.configure(app("srv_poll"), workers=3, **dict(keys, broker={"metrics": "127.0.0.1:{port3}"}))
    with Control(broker) as control, killed_in(broker, "memfd_create"):
        control.send("reload")
        assert control.line() is None
        taken_over(broker)
    assert http_get(broker.port2, "/metrics").status == 200


@test
def a_socket_that_dies_while_its_file_is_made_again_is_made_once_more():
    """The file alone was removed. It is there, but of a socket that no state has."""
    for name in ("rendezvous", "control"):
        broker = serve(listen="{port}")
        os.unlink(os.path.join(broker.run_dir, name))
        with killed_in(broker, "listen"):
            broker.hup()
            taken_over(broker)
        assert name in broker.wait_event("run-directory")["made"]
        broker.wait_event("reload-done")
        assert ask(broker, "pins") == []


@test
def neither_descriptors_nor_memory_are_left_by_one_that_was_killed():
    broker = serve(listen="{port}")
    kill(broker)
    load = Load(broker.port, inflight=8, total=300)
    load.wait_end()
    before = held(broker)
    kill(broker)
    load = Load(broker.port, inflight=8, total=300)
    load.wait_end()
    wait_until(lambda: held(broker) == before, 10, lambda: "%s, not %s" % (
        held(broker) - before, before - held(broker)))


main()
