#!/usr/bin/env python3
"""Shortage of everything: descriptors, memory, room, processes and their numbers, patience."""

import contextlib
import os
import select
import socket
import subprocess

from harness import *
from lib.broker import clean_environment
from lib.control import Control
from lib.guest import Guest

private_namespaces()

QUICK = dict(backoff_min="10ms", backoff_max="100ms", stall_timeout="1m")


def pids(broker, workers):
    return [broker.wait_event("worker-ready", worker="web.%d" % n)["pid"] for n in range(workers)]


@contextlib.contextmanager
def no_free_descriptor(broker):
    """
    Every number below the limit is taken: the last ones by visitors at the rendezvous who say
    nothing, and whom the broker bears for some seconds.
    """
    numbers = faults.open_descriptors(broker.main_pid)
    limit = numbers[-1] + 1
    visitors = [visit(broker) for _ in range(limit - len(numbers))]
    wait_until(lambda: len(faults.open_descriptors(broker.main_pid)) == limit)
    with faults.descriptor_limit(broker.main_pid, limit):
        yield
    for visitor in visitors:
        visitor.close()


def visit(broker):
    visitor = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    visitor.connect(os.path.join(broker.run_dir, "rendezvous"))
    return visitor


@test
def at_the_descriptor_limit_clients_wait_and_nobody_spins():
    broker = Broker(app("srv_poll"), workers=2, **QUICK)
    broker.fds_at_rest()
    with faults.Strace(broker.main_pid, "accept4,epoll_wait") as trace:
        mark = broker.mark()
        with no_free_descriptor(broker):
            clients = [connect(broker.port) for _ in range(20)]
            for n, sock in enumerate(clients):
                send_request(sock, "/?id=%d" % n)
            broker.wait_event("limit", since=mark)
            # It looks again a few times a second, and between that sleeps.
            wait_until(lambda: len(trace.lines("EMFILE")) >= 5)
            assert faults.in_backlog(broker.port) == 20
            assert len(trace.lines("epoll_wait")) < 30 * len(trace.lines("EMFILE")), (
                len(trace.lines("epoll_wait")), len(trace.lines("EMFILE")))
            assert len(trace.lines("accept4")) < 50
        for n, sock in enumerate(clients):
            assert read_answer(sock).id == str(n)
            sock.close()
    # Said once, not at every try.
    assert len(broker.events("limit", since=mark)) == 1


@test
def a_worker_that_dies_at_the_descriptor_limit_takes_nobody_with_it():
    broker = Broker(app("srv_blocking"), workers=2, **QUICK)
    workers = pids(broker, 2)
    silent = [connect(broker.port) for _ in workers]
    wait_until(lambda: proc.held_connections(workers, broker.port) == 2)
    clients = [connect(broker.port) for _ in range(8)]
    for n, sock in enumerate(clients):
        send_request(sock, "/?id=%d" % n)
    wait_until(lambda: faults.on_the_way(broker.port, workers) == 8)
    mark = broker.mark()
    with no_free_descriptor(broker):
        send_signal(workers[0], signal.SIGKILL)
        broker.wait_event("worker-exit", since=mark)
    for sock in silent:
        sock.close()
    for n, sock in enumerate(clients):
        assert read_answer(sock).id == str(n)
        sock.close()


@test
def a_visitor_at_the_rendezvous_at_the_descriptor_limit_does_not_spin():
    broker = Broker(app("srv_poll"), workers=1, **QUICK)
    broker.fds_at_rest()
    with faults.Strace(broker.main_pid, "accept4") as trace:
        with no_free_descriptor(broker), visit(broker):
            wait_until(lambda: len(trace.lines("EMFILE")) >= 2)
            before = faults.cpu_ticks(broker.main_pid)
            tries = len(trace.lines("EMFILE"))
            # Three more looks, which take their time, stand for all that would come in a spin.
            wait_until(lambda: len(trace.lines("EMFILE")) >= tries + 3)
            assert len(trace.lines("EMFILE")) < tries + 20, len(trace.lines("EMFILE"))
            assert faults.cpu_ticks(broker.main_pid) - before < 20


# With EACCES a security module forbids it: the connection stays in the backlog, as in a shortage.
PAUSES = ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EACCES")


def check_accept(error):
    broker = Broker(app("srv_poll"), workers=2, **QUICK)
    with faults.Strace(broker.main_pid, "accept4", inject="accept4:error=%s:when=1..3" % error) as trace:
        load = Load(broker.port, inflight=32, total=300)
        load.wait_end()
        load.assert_clean()
        assert len(trace.lines(error, "INJECTED")) == 3
    # What stays is a reason to pause; the rest belongs to one connection that is gone.
    assert bool(broker.events("limit")) == (error in PAUSES)
    assert broker.stop()["accepted"] == 300


for error in (
    "EMFILE ENFILE ENOMEM ENOBUFS EACCES ECONNABORTED EPROTO EINTR EAGAIN EPERM ENETDOWN ENOPROTOOPT "
    "EHOSTDOWN ENONET EHOSTUNREACH EOPNOTSUPP ENETUNREACH"
).split():
    add_test("accept fails with " + error, lambda error=error: check_accept(error))


def check_send(error, when):
    broker = Broker(app("srv_poll"), workers=2, backoff_min="10ms", stall_timeout="50ms")
    with faults.Strace(
        broker.main_pid, "sendmsg", inject="sendmsg:error=%s:when=%s" % (error, when)
    ) as trace:
        load = Load(broker.port, inflight=32, total=300)
        load.wait_end()
        load.assert_clean()
        assert trace.lines(error, "INJECTED")
    assert broker.stop()["accepted"] == 300


for error in ("EAGAIN", "ETOOMANYREFS", "ENOBUFS", "ENOMEM", "EINTR"):
    add_test("sendmsg fails with " + error, lambda error=error: check_send(error, "3..280+7"))


def check_wait(error):
    broker = Broker(app("srv_poll"), workers=2, **QUICK)
    inject = "epoll_wait:error=%s:when=1..199+2" % error
    with faults.Strace(broker.main_pid, "epoll_wait", inject=inject) as trace:
        load = Load(broker.port, inflight=32)
        wait_until(lambda: len(trace.lines(error, "INJECTED")) == 100)
        load.wait_answers(300)
        load.assert_clean()
    broker.stop()


# ENOSYS: what strace leaves behind when it lets go in the middle of a call that it tampers with.
for error in ("EINTR", "ENOSYS"):
    add_test("epoll_wait fails with " + error, lambda error=error: check_wait(error))


@test
def fork_fails_and_is_tried_again():
    broker = Broker(app("srv_poll"), workers=2, **QUICK)
    workers = pids(broker, 2)
    mark = broker.mark()
    calls = "clone,clone3,fork,vfork,kill"
    inject = ["%s:error=EAGAIN:when=1..4" % call for call in ("clone", "clone3", "fork", "vfork")]
    with faults.Strace(broker.pid, calls, inject=inject) as trace:
        send_signal(workers[0], signal.SIGKILL)
        message = broker.wait_event("worker-failed", since=mark)["message"]
        assert "cannot make its process" in message and "ulimit -u" in message, message
        assert http_get(broker.port).pid == workers[1]
        broker.wait_event("worker-ready", since=mark, worker="web.0", timeout=30)
        assert len(trace.lines("EAGAIN", "INJECTED")) == 4
        assert not trace.lines("kill(-") and not trace.lines("kill(0"), trace.lines("kill")
    assert broker.events("back-off", since=mark)


@test
def a_greeting_that_cannot_be_taken_is_answered_with_the_cause():
    """As when the user has as many watches of epoll as fs.epoll.max_user_watches allows."""
    broker = Broker(app("srv_poll"), workers=1, **QUICK)
    mark = broker.mark()
    with faults.Strace(broker.main_pid, "epoll_ctl", inject="epoll_ctl:error=ENOSPC:when=1..1"):
        ask_refused = visit(broker)
        with ask_refused as visitor:
            visitor.settimeout(20)
            assert b"max_user_watches" in visitor.recv(512)
    assert "max_user_watches" in broker.wait_event("worker-failed", since=mark)["message"]


@test
def a_channel_that_cannot_be_passed_is_no_worker_that_does_not_listen():
    broker = Broker(app("srv_poll"), workers=1, **QUICK)
    mark = broker.mark()
    # The first two ask the parent for the worker, and name it.
    with faults.Strace(broker.main_pid, "sendmsg", inject="sendmsg:error=ETOOMANYREFS:when=3+"):
        send_signal(broker.worker_pid("web.0"), signal.SIGKILL)
        wait_until(lambda: [e for e in broker.events("worker-failed", since=mark)
                            if "cannot pass it a channel: Too many references" in e["message"]])
    broker.wait_event("worker-ready", since=mark)


@test
def without_random_numbers_the_cause_is_named():
    broker = Broker(app("srv_poll"), workers=2, **QUICK)
    workers = pids(broker, 2)
    mark = broker.mark()
    with faults.Strace(broker.main_pid, "getrandom", inject="getrandom:error=EPERM:when=1..2"):
        send_signal(workers[0], signal.SIGKILL)
        message = broker.wait_event("worker-failed", since=mark)["message"]
        assert "getrandom: Operation not permitted" in message, message
        broker.wait_event("worker-ready", since=mark, worker="web.0", timeout=30)


@test
def a_user_with_few_descriptors_in_flight():
    """ETOOMANYREFS counts all that is in flight of one user; root with its rights is exempt."""
    nobody = 65534
    os.mkdir(tmp("own"))
    os.chmod(tmp("own"), 0o1777)
    own = {"user": nobody, "group": nobody, "run_dir": tmp("own", "run"), "strict_modes": "no"}
    broker = Broker(app("srv_blocking"), workers=2, queue=128, broker=own, **QUICK)
    workers = pids(broker, 2)
    silent = [connect(broker.port) for _ in workers]
    wait_until(lambda: proc.held_connections(workers, broker.port) == 2)
    top = max(faults.open_descriptors(broker.main_pid))
    with faults.descriptor_limit(broker.main_pid, top + 30):
        with faults.Strace(broker.main_pid, "sendmsg,accept4,epoll_wait") as trace:
            clients = [connect(broker.port) for _ in range(150)]
            for n, sock in enumerate(clients):
                send_request(sock, "/?id=%d" % n)
            wait_until(lambda: len(trace.lines("ETOOMANYREFS")) >= 5)
            assert faults.in_backlog(broker.port) > 0
            assert len(trace.lines("accept4(")) < 400
            # A message that was not sent is no room in the channel: nothing spins.
            assert not trace.lines("EPOLLOUT")
        for sock in silent:
            sock.close()
        for n, sock in enumerate(clients):
            assert read_answer(sock).id == str(n)
            sock.close()


@test
def a_worker_without_free_descriptors_loses_nobody():
    broker = Broker(
        ["sh", "-c", "ulimit -n 40; exec {apps}/srv_epoll_before_listen {port}"], workers=2, **QUICK
    )
    held = [connect(broker.port) for _ in range(100)]
    for n, sock in enumerate(held):
        send_request(sock, "/?id=%d" % n)
    for n, sock in enumerate(held):
        assert read_answer(sock).id == str(n)
        sock.close()
    assert not broker.events("worker-exit")


@test
def an_app_may_close_before_the_broker_has():
    """The broker loses the processor between sendmsg() and the close() of its own copy."""
    broker = Broker(app("srv_epoll_before_listen"), workers=1, **QUICK)
    worker = pids(broker, 1)[0]
    with connect(broker.port) as other:
        send_request(other, close=False)
        assert read_answer(other).pid == worker
        stop_it = "sendmsg:signal=SIGSTOP:when=1"
        with faults.Strace(broker.main_pid, "sendmsg,close", inject=stop_it) as trace:
            at_end(lambda: proc.alive(broker.main_pid) and send_signal(broker.main_pid, signal.SIGCONT))
            with connect(broker.port) as client:
                send_request(client)
                assert read_answer(client).pid == worker
            wait_until(lambda: trace.lines("SCM_RIGHTS") and proc.stat(broker.main_pid)[0] in "tT")
            # If the worker is told of that end, then before this.
            send_request(other, close=False)
            assert read_answer(other).pid == worker
            assert not trace.lines("close("), trace.lines("close(")
            send_signal(broker.main_pid, signal.SIGCONT)
            assert http_get(broker.port).pid == worker
            assert trace.lines("close(")
    broker.stop()


@test
def a_queue_of_one():
    broker = Broker(app("srv_blocking"), workers=2, queue=1, **QUICK)
    load = Load(broker.port, inflight=64, total=1000)
    load.wait_end()
    load.assert_clean()
    assert broker.stop()["taken_back"] == 0


@test
def more_clients_than_room_wait_in_the_backlog_in_their_order():
    broker = Broker(app("srv_blocking"), workers=1, queue=2, **QUICK)
    worker = pids(broker, 1)[0]
    order = [connect(broker.port) for _ in range(10)]
    wait_until(lambda: faults.in_backlog(broker.port) == 7)
    assert faults.on_the_way(broker.port, [worker]) == 2
    for n, sock in enumerate(order):
        send_request(sock, "/?id=%d" % n)
        assert read_answer(sock).id == str(n)
        # Nobody behind has been served before.
        rest = order[n + 1 :]
        assert not select.select(rest, [], [], 0)[0] if rest else True
        sock.close()


@test
def a_log_that_nobody_reads_stops_nothing():
    """Standard error is a pipe, and its reader sleeps while a worker floods."""
    port = free_port()
    command = "sh -c 'yes flood-flood-flood-flood & exec %s %d'" % (app("srv_poll")[0], port)
    text = """[broker]
log_format = json
run_dir = %s
[service:web]
command = %s
workers = 2
drain_timeout = 1s
stop_timeout = 1s
"""
    file = write_file("broker.ini", text % (tmp("run"), command))
    broker = subprocess.Popen(
        [os.path.join(BUILD, "broker"), "-c", file], stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env=clean_environment(), preexec_fn=proc.die_with_parent,
    )
    at_end(lambda: broker.poll() is None and (broker.kill(), broker.wait(10)))
    wait_until(lambda: not refused(port))
    load = Load(port, inflight=32)
    load.wait_answers(500)
    main_pid = proc.child_named(broker.pid, "broker-main")
    before = faults.resident_kb(main_pid)
    load.wait_answers(3000)
    assert faults.resident_kb(main_pid) - before < 512, (before, faults.resident_kb(main_pid))
    load.assert_clean()
    # The flood ends, and the reader wakes up: it gets what was kept, and is told what was not.
    for pid in proc.descendants(broker.pid):
        if proc.command_line(pid).startswith("yes "):
            send_signal(pid, signal.SIGKILL)
    log = EventLog(os.dup(broker.stderr.fileno()))
    lost = log.wait(["log-lost"], timeout=30)
    assert [value for key, value in lost.items() if isinstance(value, int) and value > 0], lost
    send_signal(broker.pid, signal.SIGTERM)
    assert broker.wait(30) == 0
    broker.stderr.close()
    log.wait(["broker-stop"])


def check_signal_by_hand(join):
    last_pid = "/proc/sys/kernel/ns_last_pid"
    if not os.access(last_pid, os.W_OK):
        skip("the kernel does not let us choose the number of a process")
    broker = Broker(app("srv_poll"), workers=1)
    with Control(broker) as c:
        name, pid, end = join(broker)
        c.ask("signal %s WINCH" % name)
        proc.stop_process(broker.main_pid)
        # The broker will read this before it hears of the end.
        c.send("signal %s KILL" % name)
        end()
        wait_until(lambda: proc.stat(pid)[0] is None)
        with open(last_pid, "w") as f:
            f.write("%d" % (pid - 1))
        stranger = subprocess.Popen(["sleep", "1000"])
        at_end(stranger.kill)
        assert stranger.pid == pid
        send_signal(broker.main_pid, signal.SIGCONT)
        refused = c.answer()[-1]
    assert refused["code"] == "refused" and "has just ended" in refused["message"], refused
    assert stranger.poll() is None


@test
def a_signal_by_hand_never_meets_a_stranger_with_the_number_of_a_worker():
    def join(broker):
        pid = broker.worker_pid()
        return "web.0", pid, lambda: send_signal(pid, signal.SIGKILL)

    check_signal_by_hand(join)


@test
def a_signal_by_hand_never_meets_a_stranger_with_the_number_of_a_guest():
    def join(broker):
        guest = Guest(broker, [app("srv_poll")[0], broker.port])
        return guest.name, guest.pid, guest.end

    check_signal_by_hand(join)


main()
