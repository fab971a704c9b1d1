#!/usr/bin/env python3
"""What the broker serves itself: HTTP, probes, HAProxy's agent-check; and clients that mean harm."""

import os
import re
import resource
import select
import shutil
import socket
import stat
import subprocess

from harness import *
from lib.metrics import Page, agent

SERVER = app("srv_poll")
OWN = {"metrics": "127.0.0.1:{port2}", "agent_check": "127.0.0.1:{port3}"}


def start(*command, own=OWN, **keys):
    broker = Broker(list(command) or SERVER, broker=own, **keys)
    broker.page = Page(broker.port2)
    return broker


# --- HTTP ---------------------------------------------------------------------------------------------


@test
def each_request_gets_the_answer_that_http_has_for_it():
    page = start(workers=1).page
    for request, status in (
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"GET http://a/healthz?x HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\n\r\n", 404),
        (b"GET /healthz/ HTTP/1.0\r\n\r\n", 404),
        (b"GET /healthz%00 HTTP/1.0\r\n\r\n", 404),
        (b"POST /healthz HTTP/1.0\r\n\r\n", 405),
        (b"DELETE / HTTP/1.0\r\n\r\n", 405),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", 400),
        (b"GET /healthz HTTP/3.0\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"x" * 8000000, 431),  # more than buffers hold: what it still sends is read away
        (b"GET /healthz HTTP/1.0\r\n\r\n" + b"GET /healthz HTTP/1.0\r\n\r\n" * 10000, 200),
    ):
        answer = page.ask(request)
        assert answer.status == status, (request[:60], answer.status)
        assert answer.headers["connection"] == "close", answer.headers
        assert ("allow" in answer.headers) == (status == 405), answer.headers


@test
def head_is_get_without_the_body():
    page = start(workers=1).page
    for path in ("/metrics", "/healthz", "/nothing"):
        with page.connect() as sock:
            sock.sendall(b"HEAD %s HTTP/1.0\r\n\r\n" % path.encode())
            head = b"".join(iter(lambda: sock.recv(65536), b""))
        assert head.endswith(b"\r\n\r\n") and head.count(b"\r\n\r\n") == 1, head
        assert b"Content-Length: 0" not in head, head


@test
def who_takes_plain_text_only_gets_the_classic_format():
    page = start(workers=1).page
    answer = page.get("/metrics", "Accept: text/plain\r\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", answer.body, re.M))
    assert set(types.values()) == {"counter", "gauge", "histogram"}, types
    for name in re.findall(r"^(\w+)[{ ]", answer.body, re.M):
        assert name in types or types[re.sub("_(bucket|count|sum)$", "", name)] == "histogram", name
    assert "EOF" not in answer.body and "UNIT" not in answer.body
    promtool = shutil.which("promtool")
    if promtool:
        got = subprocess.run([promtool, "check", "metrics"], input=answer.body, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
        assert "error" not in got.stdout, got.stdout
    prometheus = (
        "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1\r\n"
    )
    answer = page.get("/metrics", prometheus)
    assert answer.headers["content-type"].startswith("application/openmetrics-text"), answer.headers


@test
def a_request_may_come_byte_by_byte_and_half_closed():
    page = start(workers=1).page
    with page.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /healthz HTTP/1.0\r\n\r\n":
            sock.sendall(bytes([byte]))
        half_close(sock)
        assert read_answer(sock).body == "ok\n"


# --- probes -------------------------------------------------------------------------------------------


@test
def ready_when_each_service_has_a_ready_worker_and_not_before():
    broker = Broker(
        text="[broker]\nmetrics = 127.0.0.1:{port2}\nagent_check = 127.0.0.1:{port3}\n"
        "[service:good]\ncommand = {apps}/srv_poll {port}\n"
        "[service:bad]\ncommand = sleep 100\nworkers = 3\n",
        wait_ready=False,
    )
    broker.wait_event("worker-ready", worker="good.1")
    page = Page(broker.port2)
    answer = page.get("/readyz")
    assert (answer.status, answer.body) == (503, "bad: no worker is ready (of 3)\n"), answer.body
    assert page.get("/healthz").status == 200
    assert agent(broker.port3) == "down\n"
    assert page.scrape().value("broker_state", broker_state="starting") == 1
    assert page.scrape().value("broker_service_serving", service="bad") == 0
    assert page.scrape().value("broker_service_serving", service="good") == 1


@test
def probes_through_pause_reload_and_stop():
    broker = start(workers=2)
    page = broker.page

    def all_say(ready, line):
        answer = page.get("/readyz")
        assert (answer.status == 200) == (ready == "ok\n") and answer.body == ready, answer.body
        assert agent(broker.port3) == line
        assert page.get("/healthz").body == "ok\n"

    all_say("ok\n", "ready up 100%\n")
    mark = broker.mark()
    broker.signal(signal.SIGWINCH)
    broker.wait_event("worker-draining", since=mark)
    all_say("web: paused\n", "drain\n")
    broker.reload_and_wait()
    all_say("ok\n", "ready up 100%\n")
    held = connect(broker.port)
    wait_until(lambda: page.scrape().sum("broker_worker_open_connections") == 1, 20, "an open one")
    mark = broker.mark()
    broker.signal(signal.SIGTERM)
    broker.wait_event("worker-draining", since=mark, timeout=20)
    all_say("the broker is stopping\n", "drain\n")
    assert page.scrape().value("broker_state", broker_state="stopping") == 1
    held.close()
    broker.wait_stopped()
    assert refused(broker.port2) and refused(broker.port3)


@test
def the_weight_is_the_share_of_ready_workers():
    broker = start(workers=3, backoff_min="1h", backoff_max="1h", backoff_reset="1h")
    send_signal(broker.worker_pid("web.0"), signal.SIGSTOP)
    broker.wait_event("worker-held", worker="web.0")
    assert agent(broker.port3) == "ready up 67%\n"
    send_signal(broker.worker_pid("web.1"), signal.SIGSTOP)
    broker.wait_event("worker-held", worker="web.1")
    assert agent(broker.port3) == "ready up 33%\n"
    assert broker.page.get("/readyz").status == 200
    send_signal(broker.worker_pid("web.2"), signal.SIGSTOP)
    broker.wait_event("worker-held", worker="web.2")
    assert agent(broker.port3) == "down\n"
    assert broker.page.get("/readyz").status == 503
    assert broker.page.scrape().value("broker_service_workers", state="held") == 3
    for n in range(3):
        send_signal(broker.worker_pid("web.%d" % n), signal.SIGCONT)
    broker.wait_event("worker-released", count=3)
    assert agent(broker.port3) == "ready up 100%\n"


@test
def an_agent_check_that_says_something_gets_its_line_too():
    broker = start(workers=1)
    with socket.create_connection(("127.0.0.1", broker.port3), 20) as sock:
        sock.sendall(b"web/one\n" * 1000)  # agent-send
        assert b"".join(iter(lambda: sock.recv(100), b"")) == b"ready up 100%\n"


# --- addresses ----------------------------------------------------------------------------------------


def listening_inodes(port):
    return [s.inode for s in sockdiag.tcp(port, [sockdiag.LISTEN])]


@test
def a_reload_switches_on_moves_and_switches_off():
    broker = Broker(SERVER, workers=1)
    port, other = free_port(), free_port()
    broker.configure(SERVER, workers=1, broker={"metrics": "127.0.0.1:%d" % port})
    broker.reload_and_wait()
    inodes = listening_inodes(port)
    assert Page(port).get("/readyz").status == 200
    broker.reload_and_wait()
    assert listening_inodes(port) == inodes != [], "it was bound again"
    # A client that asks while the address moves still gets an answer.
    with Page(port).connect() as early:
        early.sendall(b"GET /healthz HTTP/1.0\r\n")
        broker.configure(SERVER, workers=1, broker={"metrics": "127.0.0.1:%d" % other})
        wait_until(lambda: Page(port).get("/healthz").status == 200, 20, "an answer behind it")
        broker.reload_and_wait()
        early.sendall(b"\r\n")
        assert read_answer(early).body == "ok\n"
    assert refused(port)
    assert Page(other).get("/metrics").status == 200
    broker.configure(SERVER, workers=1)
    broker.reload_and_wait()
    assert refused(other)


@test
def an_address_that_is_taken_refuses_the_reload_and_changes_nothing():
    broker = start(workers=1)
    good = open(broker.file).read()
    taken = socket.socket()
    at_end(taken.close)
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    pid = broker.worker_pid()
    broker.write_file(good.replace(":%d" % broker.port2, ":%d" % port))
    event = broker.reload_and_wait(want="reload-refused")
    assert "[broker] metrics: cannot listen on 127.0.0.1:%d" % port in event["error"], event
    assert "pid %d" % os.getpid() in event["error"], event
    # Both at once, the second of which fails: the first must not be left open.
    new = free_port()
    broker.write_file(
        good.replace(":%d" % broker.port2, ":%d" % new).replace(":%d" % broker.port3, ":%d" % port)
    )
    with broker.same_fds():
        event = broker.reload_and_wait(want="reload-refused")
    assert "[broker] agent_check: " in event["error"], event
    assert refused(new) and broker.page.get("/readyz").status == 200
    # The port of a service, which the app asked for: only the broker knows.
    broker.write_file(good.replace(":%d" % broker.port2, ":%d" % broker.port))
    event = broker.reload_and_wait(want="reload-refused")
    assert "port %d is served for [service:web]" % broker.port in event["error"], event
    assert broker.worker_pid() == pid


@test
def a_broker_whose_address_is_taken_does_not_start():
    taken = socket.socket()
    at_end(taken.close)
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    path = write_file("b.ini", "[broker]\nrun_dir = %s\nmetrics = 127.0.0.1:%d\n[service:a]\ncommand = sleep 9\n" % (tmp("run"), port))
    got = broker_cli("-c", path)
    assert got.returncode == 3, got
    assert "metrics: cannot listen on 127.0.0.1:%d" % port in got.stderr, got.stderr


@test
def an_app_that_wants_the_brokers_own_port_is_told_so():
    broker = Broker(
        text="[broker]\nmetrics = 127.0.0.1:{port}\n[service:web]\ncommand = {apps}/srv_poll {port}\n",
        wait_ready=False,
    )
    event = broker.wait_event("worker-failed")
    want = "port %d is the broker's own (metrics in [broker])" % broker.port
    assert want in event["message"], event
    assert Page(broker.port).get("/healthz").status == 200


@test
def a_unix_socket_for_those_who_may():
    path = tmp("metrics.sock")
    broker = Broker(SERVER, workers=1, broker={"metrics": path})
    info = os.stat(path)
    assert stat.S_ISSOCK(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o600, oct(info.st_mode)
    assert Page(path).scrape().value("broker_service_serving") == 1
    broker.reload_and_wait()
    assert os.stat(path).st_ino == info.st_ino, "it was bound again"
    moved = tmp("moved.sock")
    broker.configure(SERVER, workers=1, broker={"metrics": moved})
    broker.reload_and_wait()
    assert not os.path.exists(path)
    assert Page(moved).get("/readyz").status == 200
    broker.write_file(open(broker.file).read().replace(moved, write_file("a file", "x").replace(" ", "\\ ")))
    assert "is no socket" in broker.reload_and_wait(want="reload-refused")["error"]
    assert Page(moved).get("/readyz").status == 200
    # What a killed broker has left behind is in nobody's way.
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()
    broker.configure(SERVER, workers=1, broker={"metrics": path})
    broker.reload_and_wait()
    assert Page(path).get("/readyz").status == 200
    broker.stop()
    assert not os.path.exists(path) and not os.path.exists(moved)


# --- clients that mean harm -----------------------------------------------------------------------------


def is_closed(sock):
    """Our end was closed or reset; what came before does not matter."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        pass
    except BlockingIOError:
        return False
    return True


@test
def a_thousand_hostile_clients_cost_no_connection_and_no_scrape():
    broker = start(workers=2)
    load = Load(broker.port, inflight=16)
    load.wait_answers(50)
    hostile = (
        b"", b"G", b"GET /metrics HTTP/1.1\r\nHost: a\r\n", b"\0" * 100, b"\xff" * 5000,
        b"GET /metrics HTTP/1.0\r\n\r\n", b"x" * 20000, b"\r\n" * 50,
    )
    with broker.same_fds(timeout=20):
        clients = []
        for n in range(1000):
            sock = socket.create_connection(("127.0.0.1", broker.port2 if n % 10 else broker.port3), 20)
            at_end(sock.close)
            sock.setblocking(False)
            try:
                sock.send(hostile[n % len(hostile)])
            except (ConnectionError, BlockingIOError):
                pass
            clients.append(sock)
            if n % 100 == 50:
                broker.page.scrape()
        # Sooner than they would go by themselves: once those in its backlog were seen.
        wait_until(
            lambda: sum(not is_closed(sock) for sock in clients) <= 64, 3, "no more than 64 at a time"
        )
        assert broker.page.scrape().value("broker_service_serving") == 1
        load.wait_answers(50)
        load.stop()
        # Nobody may stay for longer than an exchange takes.
        wait_until(lambda: all(map(is_closed, clients)), 20, "the end of all of them")
        for sock in clients:
            sock.close()
    load.assert_clean()


@test
def one_that_does_not_read_is_dropped_and_hurts_nobody():
    broker = start(workers=2)
    with broker.same_fds(timeout=20):
        socks = []
        for _ in range(40):
            sock = socket.socket()
            at_end(sock.close)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            sock.connect(("127.0.0.1", broker.port2))
            sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            socks.append(sock)
        broker.page.scrape()
        load = Load(broker.port, inflight=8, total=200)
        load.wait_end()
        load.assert_clean()
        # They are open still; the broker, though, is done with them.
    broker.page.scrape()


@test
def without_a_free_descriptor_clients_wait_until_there_is_one():
    broker = start(workers=1)
    broker.fds_at_rest()
    taken = {int(n) for n in os.listdir("/proc/%d/fd" % broker.main_pid)}
    free = min(set(range(len(taken) + 1)) - taken)
    old = resource.prlimit(broker.main_pid, resource.RLIMIT_NOFILE)
    resource.prlimit(broker.main_pid, resource.RLIMIT_NOFILE, (free, old[1]))
    socks = [broker.page.connect() for _ in range(3)]
    for sock in socks:
        at_end(sock.close)
        sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert select.select(socks, [], [], 0.3)[0] == [], "an answer without a descriptor"
    resource.prlimit(broker.main_pid, resource.RLIMIT_NOFILE, old)
    for sock in socks:
        assert read_answer(sock).body == "ok\n"


main()
