#!/usr/bin/env python3
"""
The moment at which a worker cannot answer any more: what waits in its channel is answered by
others, exactly once. The server is srv_blocking, where one silent client keeps a whole worker
busy, so that everybody else of that worker waits in its channel for as long as the test likes.
"""

import datetime
import os
import random
import time

from harness import *

private_namespaces()


class Blocked:
    """A broker with every worker busy with a silent client, and `waiting` more for each of them."""

    def __init__(self, workers=2, waiting=3, command=None, **options):
        options = dict(dict(stall_timeout="1m", queue=8, backoff_min="10ms"), **options)
        self.broker = Broker(command or app("srv_blocking"), workers=workers, **options)
        self.port = self.broker.port
        names = ["web.%d" % n for n in range(workers)]
        ready = [self.broker.wait_event("worker-ready", worker=name) for name in names]
        self.workers = [event["pid"] for event in ready]
        self.silent = {}  # the pid of a worker: its silent client
        for _ in names:
            sock = connect(self.port)
            owner = wait_until(lambda: self.new_owner())
            self.silent[owner] = sock
        self.clients = []
        for n in range(waiting * workers):
            self.ask(str(n))
        self.wait_waiting(waiting * workers)

    def processes(self):
        return self.broker.below()

    def new_owner(self):
        """Which worker has got a connection that it did not have."""
        for worker in self.workers:
            tree = [worker] + proc.descendants(worker)
            if worker not in self.silent and proc.held_connections(tree, self.port):
                return worker
        return None

    def ask(self, name, half=False):
        sock = connect(self.port)
        send_request(sock, "/?id=" + name)
        if half:
            half_close(sock)
        self.clients.append((name, sock))
        return sock

    def waiting(self):
        return faults.on_the_way(self.port, self.processes())

    def wait_waiting(self, n):
        wait_until(
            lambda: self.waiting() == n, 20, lambda: "%d on the way, want %d" % (self.waiting(), n)
        )

    def release(self, worker=None):
        for pid in [worker] if worker else list(self.silent):
            self.silent.pop(pid).close()

    def answers(self):
        """Each client gets its own answer, once and then the end. Returns who answered."""
        owners = []
        for name, sock in self.clients:
            answer = read_answer(sock)
            assert (answer.status, answer.id) == (200, name), (name, vars(answer))
            assert sock.recv(1) == b"", "more than one answer to " + name
            owners.append(answer.pid)
            sock.close()
        self.clients = []
        return owners

    def taken_back(self, since=0, **fields):
        return sum(e["count"] for e in self.broker.events("taken-back", since, **fields))


@test
def killed():
    b = Blocked()
    first, second = b.workers
    mark = b.broker.mark()
    send_signal(first, signal.SIGKILL)
    event = b.broker.wait_event("taken-back", since=mark)
    assert event["worker"] == "web.0" and event["count"] == 3, event
    # The one in its hands is lost, as it must be, and says so at once.
    assert b.silent.pop(first).recv(1) == b""
    b.release(second)
    assert first not in b.answers()
    b.broker.stop()
    assert b.broker.stopped["taken_back"] == 3, b.broker.stopped


@test
def killed_with_all_the_others():
    b = Blocked()
    mark = b.broker.mark()
    for pid in b.workers:
        send_signal(pid, signal.SIGKILL)
    b.broker.wait_event("worker-exit", since=mark, count=2)
    assert b.taken_back(mark) >= 6
    assert not set(b.answers()) & set(b.workers)
    for sock in b.silent.values():
        sock.close()


@test
def stopped_and_continued():
    b = Blocked()
    first, second = b.workers
    mark = b.broker.mark()
    send_signal(first, signal.SIGSTOP)
    b.broker.wait_event("worker-held", since=mark, worker="web.0")
    assert b.broker.wait_event("taken-back", since=mark)["count"] == 3
    b.release(second)
    assert set(b.answers()) == {second}
    # Out of the round: not one of these goes to the worker that cannot answer.
    assert {http_get(b.port).pid for _ in range(6)} == {second}
    b.release(first)
    send_signal(first, signal.SIGCONT)
    b.broker.wait_event("worker-released", since=mark, worker="web.0")
    assert {http_get(b.port).pid for _ in range(6)} == {first, second}
    assert not b.broker.events("worker-exit", since=mark)


@test
def stopped_below_its_main_process():
    """Nobody is told when a grandchild stops: the broker looks, because connections wait there."""
    b = Blocked(command=["sh", "-c", "{apps}/srv_blocking {port}; exit 1"])
    first, second = b.workers
    server = proc.descendants(first)[0]
    mark = b.broker.mark()
    send_signal(server, signal.SIGSTOP)
    b.broker.wait_event("worker-held", since=mark, worker="web.0")
    b.release(second)
    assert server not in b.answers()
    b.release(first)
    send_signal(server, signal.SIGCONT)
    b.broker.wait_event("worker-released", since=mark, worker="web.0")
    assert server in {http_get(b.port).pid for _ in range(4)}


@test
def drained():
    """Old workers that are busy for long: those who wait at them are answered by the new ones."""
    b = Blocked(stall_timeout="60s")
    mark = b.broker.mark()
    b.broker.reload_and_wait()
    assert not set(b.answers()) & set(b.workers)
    # What waited at the first old worker may have gone to the second, and come back again.
    b.broker.wait_event("worker-draining", since=mark, count=2)
    back = b.broker.events("taken-back", mark)
    assert sum(e["count"] for e in back if "drains" in e["reason"]) >= 6, back
    assert not b.broker.events("worker-exit", since=mark), "an old worker ended too early"
    for worker, sock in list(b.silent.items()):
        send_request(sock)
        assert read_answer(sock).pid == worker
    b.release()
    b.broker.wait_event("worker-exit", since=mark, count=2, generation=1)


@test
def leaving_for_good():
    b = Blocked(stall_timeout="60s")
    mark = b.broker.mark()
    b.broker.signal(signal.SIGTTOU)
    event = b.broker.wait_event("taken-back", since=mark, worker="web.1")
    assert event["count"] >= 3, event
    b.release(b.workers[0])
    assert set(b.answers()) == {b.workers[0]}
    b.release()


@test
def drained_and_stopped():
    b = Blocked()
    first, second = b.workers
    mark = b.broker.mark()
    b.broker.signal(signal.SIGTTOU)
    b.broker.wait_event("worker-draining", since=mark, worker="web.1")
    send_signal(second, signal.SIGSTOP)
    assert b.broker.wait_event("taken-back", since=mark)["count"] == 3
    b.release(first)
    assert set(b.answers()) == {first}
    send_signal(second, signal.SIGCONT)
    b.release()


@test
def drained_while_it_takes_them():
    """Whoever polls and then calls a blocking accept must not find the connection gone."""
    broker = Broker(app("srv_poll"), workers=2, queue=64)
    load = Load(broker.port, inflight=128)
    mark = broker.mark()
    for _ in range(30):
        load.wait_answers(20)
        broker.reload_and_wait()
    load.assert_clean()
    broker.wait_event("worker-exit", since=mark, count=60)


@test
def a_quiet_time_does_not_count_as_a_stall():
    """The clock of stall_timeout starts when somebody waits, not when the channel was last used."""
    b = Blocked(waiting=0, stall_timeout="400ms")
    first, second = b.workers
    b.release(first)
    assert http_get(b.port, "/slow?ms=600").pid == first
    began = time.time()  # the log's clock
    b.ask("a")
    b.ask("b")
    event = b.broker.wait_event("stalled")
    said = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
    assert said - began > 0.35, "stalled after %g s" % (said - began)
    assert set(b.answers()) == {first}
    b.release()


@test
def stuck_in_one_long_request():
    b = Blocked(waiting=0, stall_timeout="50ms")
    first, second = b.workers
    b.release(second)
    mark = b.broker.mark()
    for n in range(8):
        b.ask(str(n))
    # Not one of them waits for the end of the long request.
    assert set(b.answers()) == {second}
    b.broker.wait_event("stalled", since=mark, worker="web.0")
    assert b.taken_back(mark) >= 4
    # It was busy, not broken: it is let in again as soon as it takes one.
    b.release(first)
    wait_until(lambda: http_get(b.port).pid == first)
    b.broker.wait_event("worker-released", since=mark, worker="web.0")
    assert {http_get(b.port).pid for _ in range(4)} == {first, second}
    assert not b.broker.events("worker-exit", since=mark)


@test
def nobody_else_has_room_either():
    """Then everybody stays where he is, and is answered when the long request is over."""
    b = Blocked(waiting=0, queue=3, stall_timeout="20ms")
    mark = b.broker.mark()
    for n in range(11):
        b.ask(str(n))
    # Two seconds, a hundred times stall_timeout, in which there was no room anywhere.
    b.broker.wait_event("limit", since=mark)
    wait_until(lambda: b.waiting() + faults.in_backlog(b.port) == 11)
    send_request(b.silent[b.workers[0]])
    assert read_answer(b.silent[b.workers[0]]).pid == b.workers[0]
    b.release()
    b.answers()
    assert not b.broker.events("worker-exit", since=mark)


@test
def under_a_debugger():
    b = Blocked()
    first, second = b.workers
    mark = b.broker.mark()
    with faults.traced(first):
        b.broker.wait_event("worker-held", since=mark, worker="web.0")
        assert b.broker.wait_event("taken-back", since=mark)["count"] == 3
        b.release(second)
        assert set(b.answers()) == {second}
        assert {http_get(b.port).pid for _ in range(6)} == {second}
    b.release(first)
    b.broker.wait_event("worker-released", since=mark, worker="web.0")
    assert {http_get(b.port).pid for _ in range(4)} == {first, second}


@test
def under_a_debugger_no_clock_ticks():
    """The time of the other old worker runs out twice, and it is killed; the traced one is not."""
    command = ["sh", "-c", "trap '' TERM; {apps}/srv_blocking {port}; exit 1"]
    b = Blocked(waiting=0, command=command, drain_timeout="100ms", stop_timeout="100ms")
    first, second = b.workers
    with faults.traced(first):
        mark = b.broker.mark()
        b.broker.reload_and_wait()
        b.broker.wait_event("worker-draining", since=mark, worker="web.0")
        b.broker.wait_event("worker-kill", since=mark, worker="web.1")
        b.broker.wait_event("worker-exit", since=mark, pid=second)
        assert proc.alive(first)
        assert not b.broker.events("worker-stopping", since=mark, pid=first)
    b.broker.wait_event("worker-kill", since=mark, worker="web.0")
    b.broker.wait_event("worker-exit", since=mark, pid=first)


@test
def taking_and_taking_back_at_the_same_time():
    """Worker and broker read the same channel: each connection goes to exactly one of them."""
    broker = Broker(app("srv_poll"), workers=3, queue=128, stall_timeout="10ms")
    workers = [broker.wait_event("worker-ready", worker="web.%d" % n)["pid"] for n in range(3)]
    seed = random.randrange(1 << 32)
    note("seed %d" % seed)
    rng = random.Random(seed)
    # A millisecond of work for each: most of them wait in the channels.
    load = Load(broker.port, inflight=256, path="/slow?ms=1")
    while broker_taken_back(broker) < 3000:
        pid = rng.choice(workers)
        send_signal(pid, signal.SIGSTOP)
        if rng.random() < 0.8:
            # Not a new event: if it had not seen the worker go on, it holds it still.
            wait_until(lambda: last_word(broker, pid) == "worker-held")
        send_signal(pid, signal.SIGCONT)
    load.assert_clean()
    summary = load.summary
    ledger = broker.stop()
    note("%d connections, %d taken back" % (summary["connections"], ledger["taken_back"]))
    assert ledger["accepted"] == summary["connections"], (ledger, summary)
    assert ledger["taken_back"] >= 3000, ledger


def last_word(broker, pid):
    events = broker.log.find(["worker-ready", "worker-held", "worker-released"], 0, {"pid": pid})
    return events[-1]["event"] if events else None


def broker_taken_back(broker):
    return sum(event["count"] for event in broker.events("taken-back"))


@test
def clients_that_leave_while_they_wait_in_a_channel():
    b = Blocked(workers=2, waiting=2)
    gone = [b.ask("gone%d" % n) for n in range(4)]
    b.wait_waiting(8)
    b.ask("half", half=True)
    b.wait_waiting(9)
    for sock in gone:
        b.clients = [(name, s) for name, s in b.clients if s is not sock]
        reset(sock)
    mark = b.broker.mark()
    b.release()
    b.answers()
    http_get(b.port)
    assert not b.broker.events("worker-exit", since=mark)
    assert not [e for e in b.broker.events("worker-failed", since=mark)]


class Gated(Blocked):
    """One worker, which starts only while the gate is open."""

    def __init__(self, **options):
        self.gate = write_file("gate", "")
        command = ["sh", "-c", "test -e {tmp}/gate && exec {apps}/srv_blocking {port}; exit 1"]
        Blocked.__init__(
            self, workers=1, command=command, backoff_min="10ms", backoff_max="50ms", **options
        )

    def shut(self):
        """Nobody serves any more; what waited is in the hands of the broker."""
        os.unlink(self.gate)
        mark = self.broker.mark()
        send_signal(self.workers[0], signal.SIGKILL)
        self.broker.wait_event("back-off", since=mark)
        self.silent.pop(self.workers[0]).close()

    def open(self):
        mark = self.broker.mark()
        write_file("gate", "")
        return self.broker.wait_event("worker-ready", since=mark)["pid"]


@test
def clients_that_leave_while_they_wait_in_the_broker():
    b = Gated(waiting=3)
    # Silent ones: what a client had sent is still handed over, as without a broker.
    gone = [connect(b.port) for _ in range(2)]
    b.ask("half", half=True)
    b.wait_waiting(6)
    b.shut()
    for sock in gone:
        reset(sock)
    late = b.ask("late")
    wait_until(lambda: faults.in_backlog(b.port) == 1)
    worker = b.open()
    assert set(b.answers()) == {worker}
    late.close()
    ledger = b.broker.stop()
    assert ledger["client_gone"] == 2, ledger


def held_clients(port, pid):
    """The ports of the clients whose connection the process has."""
    inodes = proc.socket_inodes(pid)
    return [s.peer for s in sockdiag.tcp(port, sockdiag.CONNECTED) if s.inode in inodes]


@test
def who_waited_longest_comes_first():
    """Through channel, broker and backlog: the order of arrival stays."""
    b = Gated(waiting=0, queue=4)
    order = [connect(b.port) for _ in range(4)]
    b.wait_waiting(4)
    b.shut()
    order += [connect(b.port) for _ in range(6)]
    wait_until(lambda: faults.in_backlog(b.port) == 6)
    worker = b.open()
    for sock in order:
        mine = sock.getsockname()[1]
        wait_until(
            lambda: held_clients(b.port, worker) == [mine],
            20,
            lambda: "turn of client %d of %s: %s"
            % (order.index(sock), mine, held_clients(b.port, worker)),
        )
        sock.close()


@test
def whom_something_was_taken_from_before_it_drains_is_not_left_waiting():
    """
    Stopped between poll and a blocking accept, taken back from, and then retired before anything new came:
    its other clients would wait with it until drain_timeout.
    """
    broker = Broker(app("srv_window"), workers=2, drain_timeout="1h", stall_timeout="1h")
    pid = broker.worker_pid("web.0")
    send_signal(pid, signal.SIGUSR1)
    with connect(broker.port) as first, connect(broker.port) as second:
        broker.wait_event("output", worker="web.0", text="polled")
        proc.stop_process(pid)
        broker.wait_event("taken-back", worker="web.0")
        send_request(first)
        send_request(second)
        assert read_answer(first).pid == read_answer(second).pid != pid
        mark = broker.mark()
        broker.hup()  # it drains before it runs again
        broker.wait_event("worker-draining", since=mark, pid=pid)
        # The broker may have told it to end by now; it does not before it has left the window.
        send_signal(pid, signal.SIGCONT)
        send_signal(pid, signal.SIGUSR2)
        broker.wait_event("output", since=mark, worker="web.0", text="aborted")
        broker.wait_event("worker-exit", since=mark, pid=pid)


main()
