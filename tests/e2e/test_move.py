#!/usr/bin/env python3
"""
Busy connections of workers that drain go on with others, between two requests: no error, no
reconnect. What cannot go on stays where it is.
"""

import os
import re
import shutil
import signal
import socket
import struct
import time

from harness import *
from lib import shadow
from lib.busy import N, PYTHON, Client, Plain, arrived, finish, mover, pids, reload, start, wait_for
from lib.faults import copy_descriptor
from lib.keepalive import KeepAlive
from lib.metrics import Page
from lib.steering import ask, workers
from lib.tools import Tool, debug

NODE = ["node", "%s/tests/apps/app.js" % ROOT, "{port}"]


@test
def busy_clients_of_an_asyncio_app_notice_no_reload():
    broker = mover(broker={"metrics": "127.0.0.1:{port2}"})
    clients = start(broker)
    for _ in range(5):
        old = reload(broker)
        wait_for(clients, 2)
        assert not old & {c.pid for c in clients}
    moved = sum(e["moved"] for e in broker.events("worker-stopping"))
    page = Page(broker.port2).scrape()
    assert page.value("broker_connections_moved_total", service="web") == moved
    # Once for each reload, although there are two workers to be replaced.
    assert finish(broker, clients)["moved"] == moved == 5 * N


@test
def busy_clients_of_a_node_app_notice_no_reload():
    if not shutil.which("node"):
        skip("there is no node")
    broker = mover(NODE)
    clients = start(broker, plain=True)
    for _ in range(5):
        old = reload(broker)
        wait_for(clients, 2)
        assert not old & {c.pid for c in clients}
    assert finish(broker, clients)["moved"] == 5 * N


def old_and_new(broker):
    """A reload whose old workers do not end by themselves: their pids."""
    old = pids(broker)
    broker.reload_and_wait()
    return old


def sent_ms_ago(sock):
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 44)[0]


def relays(broker):
    return [p for p in proc.descendants(broker.pid) if proc.name(p) == "broker-relay"]


def relay_of(broker):
    """Once it runs: what waits for it in a seat may be all that the old workers had."""
    return wait_until(lambda: relays(broker))[0]


def swapped(broker, old):
    """The library has put a pair in the place of each connection of the old workers."""
    wait_until(lambda: proc.held_connections(old, broker.port) == 0)


WITNESS = "[service:witness]\ncommand = python3 %s/tests/apps/py_echo.py {port2}\n" % ROOT + (
    "workers = 1\nmove = auto\ndrain_timeout = 1h\ndrain_idle = off\n")


def beside_a_witness(command, **keys):
    """A service, and another one whose connections move: when they do, all services were told."""
    keys = dict({"drain_timeout": "1h", "drain_idle": "off"}, **keys)
    lines = ["%s = %s" % k for k in keys.items()]
    return Broker(text="\n".join(["[service:web]", "command = " + " ".join(command), *lines, WITNESS]))


def all_were_told(broker):
    """A reload whose old workers were told, or would have been: a worker that drains later was."""
    old = pids(broker)
    broker.reload_and_wait(service="web")
    broker.wait_event("reload-done", service="witness")
    seen = Plain(broker, port=broker.port2)
    ask(broker, "restart witness.0")
    seen.moves({seen.pid})
    seen.close()
    return old


@test
def what_cannot_go_on_stays_and_is_served():
    broker = mover()
    upgraded, pipelined, known, promised = [Plain(broker) for _ in range(4)]
    untouched = connect(broker.port)
    upgraded.sock.sendall(b"GET / HTTP/1.1\r\nUpgrade: echo\r\n\r\n")
    assert b"101" in upgraded.file.readline()
    while upgraded.file.readline() != b"\r\n":
        pass
    wait_until(lambda: proc.held_connections(pids(broker), broker.port) == 5)
    old = old_and_new(broker)
    swapped(broker, old)
    upgraded.sock.sendall(b"a" * 500)
    assert upgraded.file.read(500) == b"a" * 500
    two = "GET /echo?ms=50 HTTP/1.1\r\n\r\n" * 2
    assert pipelined.ask() in old
    assert pipelined.ask(two) in old and pipelined.answer() in old and pipelined.stays(old)
    ntlm = "GET /echo HTTP/1.1\r\nAuthorization: NTLM x\r\n\r\n"
    assert known.ask(ntlm) in old and known.stays(old)
    promised.sock.sendall(b"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert b" 100 " in promised.file.readline() and promised.file.readline() == b"\r\n"
    promised.sock.sendall(b"abc")
    assert promised.answer() in old and promised.body == b"abc"
    # Of which nothing was read moves with its first request, however that comes.
    untouched.sendall(b"GET /ec")
    arrived(untouched)
    untouched.sendall(b"ho HTTP/1.1\r\nConnection: close\r\n\r\n")
    answer = b"".join(iter(lambda: untouched.recv(4096), b""))
    assert int(answer.split(b"X-Pid: ")[1].split()[0]) in pids(broker), answer
    assert sum(w["moved"] for w in workers(broker) if w["pid"] in old) == 1
    wait_until(lambda: sum(w["open"] or 0 for w in workers(broker) if w["pid"] in old) == 4)
    for plain in (upgraded, pipelined, known, promised):
        plain.close()
    for pid in old:
        broker.wait_event("worker-exit", pid=pid)


@test
def a_half_closed_client_gets_its_answer_from_whoever_has_the_request():
    broker = mover()
    a, b = Plain(broker), Plain(broker)
    old = old_and_new(broker)
    swapped(broker, old)
    for plain in (a, b):
        plain.sock.sendall(b"GET /echo?ms=100 HTTP/1.1\r\n\r\n")
        plain.sock.shutdown(socket.SHUT_WR)
        assert plain.answer() and plain.file.read() == b""
    for pid in old:
        broker.wait_event("worker-exit", pid=pid)


@test
def nothing_moves_with_off_and_to_nobody():
    broker = beside_a_witness(PYTHON, move="off")
    plain = Plain(broker)
    assert plain.stays(all_were_told(broker))
    plain.close()
    broker = mover()
    plain = Plain(broker)
    broker.signal(signal.SIGTERM)
    broker.wait_event("worker-draining", pid=plain.pid)
    assert plain.stays({plain.pid})
    plain.close()
    broker.wait_stopped()


@test
def one_worker_that_is_restarted_or_not_wanted_any_more_gives_its_clients_away():
    broker = mover(workers=3)
    clients = start(broker, 12)
    first = {w["pid"] for w in workers(broker) if w["worker"] == "web.0"}
    ask(broker, "restart web.0")
    for pid in first:
        broker.wait_event("worker-exit", pid=pid)
    last = {w["pid"] for w in workers(broker) if w["worker"] == "web.2"}
    ask(broker, "scale web 2")
    for pid in last:
        broker.wait_event("worker-exit", pid=pid)
    assert finish(broker, clients)["moved"] >= 8


@test
def a_new_worker_that_dies_before_it_takes_a_moved_connection_loses_none():
    broker = mover(workers=1, stall_timeout="1h")
    clients = [Plain(broker, first=None) for _ in range(8)]
    wait_until(lambda: proc.held_connections(pids(broker), broker.port) == 8)
    old = old_and_new(broker)
    new = pids(broker)
    swapped(broker, old)
    for pid in new:
        os.kill(pid, signal.SIGSTOP)
    for plain in clients:
        plain.sock.sendall(b"GET /echo HTTP/1.1\r\n\r\n")
    for pid in old:
        broker.wait_event("worker-exit", pid=pid)
    for pid in new:
        os.kill(pid, signal.SIGKILL)
    for plain in clients:
        assert plain.answer() not in old | new
        plain.close()
    assert broker.stop()["moved"] == 8


def limits(pid):
    with open("/proc/%d/status" % pid) as status:
        return next(line for line in status if line.startswith("Seccomp:"))


@test
def a_client_that_was_asked_for_its_body_moves_later():
    broker = mover()
    plain = Plain(broker, first=None)
    old = pids(broker)
    wait_until(lambda: proc.held_connections(old, broker.port) == 1)
    for pid in old:
        proc.stop_process(pid)
    plain.sock.sendall(b"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    # So that the kernel can tell which was later, the last byte to the app or from it.
    wait_until(lambda: sent_ms_ago(plain.sock) >= 10)
    for pid in old:
        os.kill(pid, signal.SIGCONT)
    assert plain.file.readline() == b"HTTP/1.1 100 Continue\r\n" and plain.file.readline() == b"\r\n"
    wait_until(lambda: pids(broker) == old)
    broker.reload_and_wait()
    wait_until(lambda: proc.held_connections(old, broker.port) == 0)
    plain.sock.sendall(b"body")
    assert plain.answer() in old
    plain.moves(old)
    plain.close()


@test
def a_killed_relay_costs_its_connections_and_no_others():
    broker = mover()
    plain = Plain(broker)
    old = old_and_new(broker)
    swapped(broker, old)
    relay = relay_of(broker)
    # It can make no calls but the broker's, where those are limited.
    wait_until(lambda: limits(relay) == limits(broker.events("broker-start")[0]["broker_pid"]))
    new = Plain(broker)
    assert plain.ask() in old
    # What it writes as text are words, even with the length of a message.
    words = copy_descriptor(relay, 2)
    os.write(words, b"sixteen bytes it")
    os.close(words)
    broker.wait_event("relay", level="warn", message="the relay: sixteen bytes it")
    os.kill(relay, signal.SIGKILL)
    assert plain.file.read() == b""
    broker.wait_event("relay", status=9, lost=1)
    for pid in old:
        broker.wait_event("worker-exit", pid=pid)
    again = pids(broker)
    broker.reload_and_wait()
    new.moves(again)
    new.close()


@test
def idle_connections_are_ended_when_their_time_has_come():
    broker = mover(drain_idle="1500ms")
    plain = Plain(broker)
    old = old_and_new(broker)
    swapped(broker, old)
    assert plain.sock.recv(1) == b""
    for pid in old:
        broker.wait_event("worker-exit", pid=pid)
    assert sum(e["ended_idle"] for e in broker.events("worker-stopping")) == 1


@test
def a_blocking_server_with_threads_keeps_its_clients():
    broker = Broker(["python3", "%s/tests/apps/py_threading.py" % ROOT, "{port}"], workers=2,
                    move="auto", drain_timeout="1h", drain_idle="off")
    clients = start(broker, 16, plain=True)
    old = old_and_new(broker)
    wait_for(clients, 10)
    assert {c.pid for c in clients} <= old
    for client in clients:
        client.stop()
    for pid in old:
        broker.wait_event("worker-exit", pid=pid)


# Its first process has the connection. Its second one has none, and is quicker with each message.
SIBLINGS = """
import os, select, socket, sys, time

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
listener.setblocking(False)
conns, epoll = {}, select.epoll()
epoll.register(listener, select.EPOLLIN)
while True:
    for fd, event in epoll.poll():
        if fd != listener.fileno():
            if conns[fd].recv(4096):
                conns[fd].sendall(b"HTTP/1.1 200 OK\\r\\nX-Pid: %d\\r\\nContent-Length: 0\\r\\n\\r\\n" % os.getpid())
            else:
                epoll.unregister(fd)
                conns.pop(fd).close()
            continue
        if conns:
            time.sleep(0.002)
        try:
            conn, _ = listener.accept()
        except BlockingIOError:
            continue
        if os.fork() == 0:
            conn.close()
            epoll.close()
            epoll = select.epoll()
            epoll.register(listener, select.EPOLLIN)
            break
        conns[conn.fileno()] = conn
        epoll.register(conn, select.EPOLLIN)
"""


@test
def a_process_without_connections_leaves_it_to_its_sibling():
    broker = mover(["python3", write_file("siblings.py", SIBLINGS), "{port}"], workers=1)
    plain = Plain(broker)
    old = {plain.pid}
    broker.reload_and_wait()
    plain.moves(old)
    plain.close()
    for pid in old:
        broker.wait_event("worker-exit", pid=pid)


@test
def the_relay_goes_on_with_the_next_broker():
    broker = mover()

    def upgrade():
        broker.signal(signal.SIGUSR2)
        broker.wait_event("upgrade", unadopted=0)

    for replace in (upgrade, lambda: shadow.kill(broker)):
        plain = Plain(broker)
        old = old_and_new(broker)
        swapped(broker, old)
        relay = relay_of(broker)
        replace()
        assert relays(broker) == [relay]
        plain.moves(old)
        plain.close()
        for pid in old:
            broker.wait_event("worker-exit", pid=pid)
        wait_until(lambda: not relays(broker))


@test
def a_relay_that_was_about_to_end_serves_the_next_drain():
    broker = mover()
    ask(broker, "hold web.0 --move")
    relay = relay_of(broker)
    # It hears of both at once: that its last worker has gone, and of another one.
    proc.stop_process(relay)
    held = workers(broker)[0]["pid"]
    os.kill(held, signal.SIGKILL)
    broker.wait_event("worker-exit", pid=held)
    wait_until(lambda: len(pids(broker)) == 2)
    plain = Plain(broker)
    old = old_and_new(broker)
    swapped(broker, old)
    os.kill(relay, signal.SIGCONT)
    plain.moves(old)
    plain.close()
    for pid in old:
        broker.wait_event("worker-exit", pid=pid)
    wait_until(lambda: not relays(broker))


@test
def busy_clients_notice_no_reload_in_which_the_broker_is_killed():
    broker = mover()
    clients = start(broker, 16)
    for _ in range(2):
        old = pids(broker)
        broker.reload_and_wait()
        wait_until(lambda: relays(broker))
        shadow.kill(broker)
        wait_for(clients, 3)
        for pid in old:
            broker.wait_event("worker-exit", pid=pid)
    assert finish(broker, clients)["moved"] >= 2 * 16


def was_told(pid):
    """A message with a descriptor waits for it, which is MOVE."""
    return any(re.search(r"scm_fds:\s*[1-9]", open("/proc/%d/fdinfo/%s" % (pid, fd)).read())
               for fd in proc.fds(pid))


@test
def a_broker_that_is_killed_as_it_gives_a_moved_connection_away_loses_none():
    """Nor one that came by a listener which a reload has closed meanwhile."""
    both = ["{port}", "127.0.0.1:{port2} for {port}"]
    for closed in (False, True):
        for made in (False, True):
            broker = mover(listen=both)
            plain = Plain(broker, first="GET /echo?ms=20 HTTP/1.1\r\n\r\n", port=broker.port2)
            one = plain.pid
            ask(broker, "hold %s --move" % next(w["worker"] for w in workers(broker) if w["pid"] == one))
            wait_until(lambda: proc.held_connections(relays(broker), broker.port2) == 1)
            assert plain.ask() == one  # the next one moves
            proc.stop_process(one)
            wait_until(lambda: was_told(one))  # and so it is not told again
            if closed:
                broker.configure(PYTHON, workers=2, move="auto", drain_timeout="1h", drain_idle="off", listen=both[:1])
                broker.reload_and_wait()
                wait_until(lambda: not listens(broker.port2))
            shadow.killed_as_it_sends(broker, made, lambda: plain.sock.sendall(b"GET /echo HTTP/1.1\r\n\r\n"))
            assert plain.answer() != one
            # That was the only answer, and the connection goes on.
            assert plain.ask() != one
            send_signal(one, signal.SIGCONT)
            plain.close()
            broker.stop()


@test
def what_moves_as_the_broker_is_told_to_end_is_served():
    for stops in ("broker", "relay"):
        broker = mover()
        clients = [Plain(broker, first=None) for _ in range(100)]
        wait_until(lambda: proc.held_connections(pids(broker), broker.port) == 100)
        old = old_and_new(broker)
        swapped(broker, old)
        stay = [Plain(broker) for _ in range(2)]
        # All of them are there, and not in a seat.
        wait_until(lambda: proc.held_connections(relays(broker), broker.port) == 100)
        stopped = broker.main_pid if stops == "broker" else relay_of(broker)
        os.kill(stopped, signal.SIGSTOP)
        for plain in clients:
            plain.sock.sendall(b"GET /echo HTTP/1.1\r\n\r\n")
        if stops == "broker":
            wait_until(lambda: proc.held_connections(relays(broker), broker.port) == 0)
        broker.signal(signal.SIGTERM)
        if stops == "relay":
            wait_until(lambda: not listens(broker.port))
        os.kill(stopped, signal.SIGCONT)
        # From the moment on when the relay has heard of it, there is nobody to move to.
        assert any([plain.answer() not in old for plain in clients])
        for plain in stay:
            assert plain.stays({plain.pid})
        for plain in clients + stay:
            plain.close()
        broker.wait_stopped()


def listens(port):
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return False
    return True


@test
def a_held_worker_gives_its_clients_away_but_for_those_that_are_pinned_to_it():
    broker = mover()
    one = next(w["pid"] for w in workers(broker) if w["worker"] == "web.0")
    ask(broker, "pin 127.0.0.2 web.0")
    ask(broker, "pin 127.0.0.4 web.0")
    pinned, later = Plain(broker, source="127.0.0.2"), Plain(broker, source="127.0.0.4")
    ask(broker, "unpin 127.0.0.4")
    def clients():
        return [p for p in [Plain(broker) for _ in range(4)] if p.pid == one]

    some = clients()
    ask(broker, "hold web.0")
    assert some and all(p.stays({one}) for p in some)
    ask(broker, "hold web.0 --move")
    for plain in some:
        plain.moves({one})
    assert pinned.stays({one})
    # The same with one that is pinned only now, until it is no more.
    ask(broker, "pin 127.0.0.4 web.0")
    assert later.stays({one})
    ask(broker, "unpin 127.0.0.4")
    later.moves({one})
    ask(broker, "release web.0")
    # It is in the relay, and stays there.
    assert relays(broker) and pinned.stays({one})
    assert next(w for w in workers(broker) if w["pid"] == one)["moved"] == len(some) + 1
    later.close()
    pinned.close()
    wait_until(lambda: not relays(broker))
    some += clients()
    tool = Tool(*debug(broker, "web.0", "--from", "127.0.0.3"), "sh", "-c", "cut -d. -f1,2 /proc/uptime; cat")
    tool.expect("this waits for them")
    began = here = time.clock_gettime(time.CLOCK_BOOTTIME)
    for plain in some:
        asked = began
        while plain.ask() == one:
            here, asked = max(here, asked), time.clock_gettime(time.CLOCK_BOOTTIME)
    # They have all gone before it begins, if that takes no longer than is waited for.
    at = float(tool.expect(r"^(\d+\.\d+)")[1])
    assert at > here - 0.02 or at - began > 1.9, (at, here, began)
    mine = Plain(broker, source="127.0.0.3")
    assert mine.pid == one and mine.stays({one})
    tool.end()
    for plain in some + [mine]:
        plain.close()


@test
def a_reload_is_not_waited_for_longer_than_half_of_the_drain():
    slow = "test $BROKER_SLOT$BROKER_GENERATION = 12 && exec sleep 1000; exec python3 "
    broker = mover(["sh", "-c", slow + "%s/tests/apps/py_echo.py {port}" % ROOT],
                   drain_timeout="8s", start_timeout="1h")
    clients = [Plain(broker) for _ in range(4)]
    broker.hup()
    old = broker.wait_event("worker-draining")["pid"]
    began = time.monotonic()
    mine = [plain for plain in clients if plain.pid == old]
    for plain in mine:
        wait_until(lambda: plain.ask() != old, 30)
        assert time.monotonic() - began > 3.5
    assert len(mine) == 2 and broker.wait_event("worker-stopping", pid=old)["moved"] == 2
    for plain in clients:
        plain.close()


@test
def a_worker_that_is_recycled_gives_its_clients_away():
    broker = mover(max_age="3s")
    clients = start(broker, 12)
    for pid in pids(broker):
        broker.wait_event("recycle", pid=pid)
        broker.wait_event("worker-exit", pid=pid)
    wait_for(clients, 2)
    assert finish(broker, clients)["moved"] >= 12


@test
def a_rollback_takes_clients_along():
    broker = mover(rollback_window="1h")
    clients = start(broker, 12)
    old = old_and_new(broker)
    for pid in old:
        broker.wait_event("worker-parked", pid=pid)
    new = pids(broker)
    ask(broker, "rollback web")
    for pid in new:
        broker.wait_event("worker-exit", pid=pid)
    wait_for(clients, 2)
    assert {c.pid for c in clients} <= old
    finish(broker, clients)


LIAR = """
import array, os, select, socket, struct, sys

HEADER, ADDRESS, env = "HHI", "BBHI16s", os.environ
rendezvous = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
rendezvous.connect(env["BROKER_RENDEZVOUS"])
rendezvous.send(struct.pack(
    "=" + HEADER + ADDRESS + "IIiIIIQ16s64s112x", 3, 1, 256, 4, 0, int(sys.argv[1]), 0,
    socket.inet_aton("127.0.0.1"), int(env["BROKER_SLOT"]), int(env["BROKER_GENERATION"]), os.getpid(),
    128, 1, 0, 0, bytes.fromhex(env["BROKER_TOKEN"]), env["BROKER_SERVICE"].encode()))

def receive(sock):
    data, control, _, _ = sock.recvmsg(496, socket.CMSG_SPACE(16), socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for _, _, value in control:
        fds.frombytes(value[: len(value) // 4 * 4])
    return data, fds

_, fds = receive(rendezvous)
rx, kept, lied = socket.socket(fileno=fds[0]), [], False
rx.setblocking(False)
while True:
    select.select([rx], [], [])
    data, fds = receive(rx)
    if data[2] == 4:  # CONN
        kept.append(fds)
    if data[2] != 9 or lied:
        continue
    lied = True
    seat, offer = socket.socket(fileno=fds[0]), struct.pack("=HHI", 3, 10, 8)
    listener = socket.create_server(("127.0.0.1", 0))
    a, b = socket.socketpair()
    c = socket.create_connection(listener.getsockname())
    d, _ = listener.accept()
    pipe = os.pipe()
    for data, lies in (
        (offer, [listener.fileno(), a.fileno()]), (offer, [a.fileno(), b.fileno()]),
        (offer, [c.fileno(), d.fileno()]), (offer, list(pipe)), (offer, []), (offer, [c.fileno()]),
        (b"x" * 400, [c.fileno(), a.fileno()]), (offer[:7], [c.fileno(), a.fileno()]),
        (offer, [c.fileno(), a.fileno()]), (offer, [d.fileno(), b.fileno()]),
        (offer, [kept[0][0], a.fileno()]), (offer, [kept[0][0], b.fileno()]),
    ) * 20:
        seat.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", lies))])
    for end in (c, d):
        end.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
    kept.append((a, b, c, d))
    last, other = socket.socketpair()
    seat.sendmsg([offer], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [last.fileno()]))])
    last.close()
    other.recv(1)  # the end: the relay has read all
    print("it has lied", flush=True)
"""


@test
def a_worker_that_lies_to_the_relay_harms_nobody_else():
    path = write_file("liar.py", LIAR)
    both = "[service:web]\ncommand = python3 %s {port}\nmove = auto\ndrain_timeout = 3s\n" \
           "[service:good]\ncommand = python3 %s/tests/apps/py_echo.py {port2}\nmove = auto\n"
    broker = Broker(text=both % (path, ROOT))
    at = connect(broker.port)
    send_request(at, "/", close=False)
    clients = [Client(broker.port2, i) for i in range(8)]
    for client in clients:
        client.start()
    wait_for(clients, 3)
    with broker.same_fds():
        for i in range(2):
            broker.reload_and_wait()
            broker.wait_event("output", count=i + 1, text="it has lied")
            # Two of twelve lies are a connection that it has, twenty times.
            held = [len(os.listdir("/proc/%d/fd" % p)) for p in relays(broker)]
            assert held and held[0] < 200, held
            wait_for(clients, 5)
            wait_until(lambda: len(broker.events("worker-exit")) % 4 == 0)
    assert sum(e["moved"] for e in broker.events("worker-stopping") if e["service"] == "good") >= 16
    assert not [e for e in broker.events("relay")]
    for client in clients:
        client.stop()
    at.close()


@test
def an_app_that_polls_and_then_blocks_in_accept_is_left_alone():
    broker = beside_a_witness(app("srv_poll"), move="auto")
    sock = connect(broker.port)
    send_request(sock, "/", close=False)
    pid = read_answer(sock).pid
    all_were_told(broker)
    for _ in range(5):
        send_request(sock, "/", close=False)
        assert read_answer(sock).pid == pid
    sock.close()
    broker.wait_event("worker-exit", pid=pid)


@test
def busy_clients_of_an_app_that_waits_in_accept_notice_no_reload():
    broker = mover(["python3", "%s/tests/apps/py_acceptor.py" % ROOT, "{port}"])
    clients = KeepAlive(broker.port, 16)
    clients.wait_answers(32)
    for _ in range(3):
        reload(broker)
    counts = clients.stop()
    assert counts["cut"] == counts["repeated"] == counts["closed"] == 0, counts
    assert broker.stop()["moved"] >= 3 * 16


main()
