#!/usr/bin/env python3
"""mode = inetd with wait = yes: programs that a client starts, and that end by themselves."""

import os
import re
import signal
import socket
import sys

from harness import *
from lib import control
from lib.broker import broker_cli
from lib.ctl import ctl
from lib.inetd import ask_line
from lib.ports import free_port
from lib.steering import service as status_of, workers

SERVER = "{apps}/wait_server"


def waiting(idle_ms=60000, command=None, **options):
    options = dict({"listen": "127.0.0.1:{port}", "workers": 1}, **options)
    return Broker(command or [SERVER, str(idle_ms)], mode="inetd", wait="yes", **options)


def ask(port, line="hello", keep=False):
    """The pid that answers; with `keep`, and the connection."""
    text, client = ask_line(port, line)
    pid, got = re.fullmatch(r"pid=(\d+) line=(.*)\n", text).groups()
    assert got == line, text
    if keep:
        return int(pid), client
    client.close()
    return int(pid)


def sleeps(broker):
    return wait_until(lambda: status_of(broker)["state"] == "waiting", what="no worker to run")


@test
def the_first_client_starts_it_and_it_serves_them_all():
    broker = waiting()
    assert not broker.events("worker-start") and status_of(broker)["state"] == "waiting"
    (slot,) = workers(broker)
    assert slot["state"] == "waiting" and slot["why"] == "waiting for a client", slot
    assert "waiting for a client" in ctl("-c", broker.file, "status").stdout
    first = ask(broker.port)
    assert {ask(broker.port) for _ in range(20)} == {first}
    assert len(broker.events("worker-start")) == len(broker.events("demand")) == 1
    assert [w["pid"] for w in workers(broker)] == [first]
    broker.stop()


@test
def who_comes_while_it_is_paused_or_after_a_stop_is_answered_when_it_is_started():
    broker = waiting(50)
    for halt in ("pause web", "stop web --no-wait", "stop web --now --no-wait"):
        for again in ("start web --no-wait", "reload --no-wait"):
            for before in ("nobody", "a worker", "a client"):
                if before == "a worker":
                    ask(broker.port)
                elif before == "a client":
                    held = ask(broker.port, keep=True)[1]
                control.ask(broker, halt)
                if halt == "pause web":
                    early = socket.create_connection(("127.0.0.1", broker.port), 30)
                    early.sendall(b"early\n")
                control.ask(broker, again)
                if halt == "pause web":
                    assert b"line=early" in early.recv(100), (halt, again, before)
                    early.close()
                ask(broker.port)
                if before == "a client":
                    held.close()
                sleeps(broker)
    broker.stop()


@test
def after_its_end_the_next_client_starts_the_next():
    broker = waiting(50)
    pids = set()
    for n in range(3):
        pids.add(ask(broker.port))
        broker.wait_event("worker-exit", count=n + 1)
        sleeps(broker)
    assert len(pids) == len(broker.events("worker-start")) == 3, pids
    assert not broker.events("back-off") and not broker.events("worker-failed")
    ends = broker.events("worker-exit")
    assert {(e["level"], e["how"], e["served"]) for e in ends} == {("info", "exit 0", 1)}, ends
    assert workers(broker)[0]["restarts"] == 0
    broker.stop()


@test
def what_waits_at_its_end_starts_the_next():
    broker = waiting()
    first, holder = ask(broker.port, "hold", keep=True)
    clients = [connect(broker.port) for _ in range(8)]
    for c in clients:
        c.sendall(b"hello\n")
    wait_until(lambda: workers(broker)[0]["waiting"] == 8, what="eight to wait")
    os.kill(first, signal.SIGSTOP)  # so that it takes none of them before it is gone
    os.kill(first, signal.SIGKILL)
    answers = [c.recv(4096) for c in clients]
    assert len(set(answers)) == 1 and b"pid=%d " % first not in answers[0], answers
    assert broker.wait_event("taken-back")["count"] == 8
    broker.stop()


@test
def an_end_with_an_error_is_backed_off_and_one_with_status_0_ends_the_series():
    broker = waiting(backoff_min="10ms", backoff_max="10ms")
    ask(broker.port, "exit 3")
    assert broker.wait_event("worker-exit")["level"] == "error"
    assert "exit 3" in wait_until(lambda: broker.events("worker-exit"))[0]["how"]
    ask(broker.port, "exit 0")
    broker.wait_event("worker-exit", count=2)
    sleeps(broker)
    broker.stop()


@test
def a_program_that_takes_nothing_does_not_spin():
    broker = waiting(-1, backoff_min="1s", backoff_max="1h")
    client = connect(broker.port)
    assert broker.wait_event("back-off")["failures"] == 1
    starts = len(broker.events("worker-start"))
    assert starts == 1, starts
    (slot,) = workers(broker)
    assert slot["state"] == "back-off" and "exit 0" in slot["why"], slot
    assert broker.wait_event("back-off", count=2)["delay_ms"] == 2000
    client.close()
    broker.stop()


@test
def a_child_that_it_leaves_finishes_while_the_next_serves():
    broker = waiting(drain_timeout="1s")
    first, held = ask(broker.port, "fork", keep=True)
    broker.wait_event("worker-draining")
    second = ask(broker.port)
    assert second != first
    (child,) = [w for w in workers(broker) if w["state"] == "draining"]
    assert child["state_ms"] >= 0 and not broker.events("back-off")
    # Longer than drain_timeout, which is for those that were told to end.
    wait_until(lambda: [w for w in workers(broker) if w["state"] == "draining"
                        and w["state_ms"] > 1500], what="it to outlive drain_timeout")
    held.close()
    assert broker.wait_event("worker-exit")["level"] == "info"
    broker.stop()


@test
def the_end_of_the_service_ends_a_child_too():
    broker = waiting(drain_timeout="100ms", stop_timeout="5s")
    _, held = ask(broker.port, "fork", keep=True)
    broker.wait_event("worker-draining")
    broker.stop()
    held.close()


@test
def the_next_slot_is_used_when_the_first_is_full():
    broker = waiting(workers=2, queue=1)
    first, held = ask(broker.port, "hold", keep=True)
    clients = [connect(broker.port) for _ in range(3)]
    for c in clients:
        c.sendall(b"hello\n")
    broker.wait_event("worker-ready", worker="web.1")
    held.close()
    pids = {int(re.match(rb"pid=(\d+)", c.recv(4096)).group(1)) for c in clients}
    assert len(pids) == 2 and first in pids, pids
    broker.stop()


@test
def a_reload_with_nobody_running_takes_the_new_configuration():
    broker = waiting(50)
    broker.configure([SERVER, "40"], mode="inetd", wait="yes", workers=1, listen="127.0.0.1:{port}")
    broker.reload_and_wait()
    assert not broker.events("worker-start")
    ask(broker.port)
    assert broker.events("worker-start")[0]["generation"] == 2
    broker.stop()


@test
def a_reload_lets_the_one_that_runs_finish_and_the_next_is_new():
    broker = waiting()
    first, held = ask(broker.port, "hold", keep=True)
    broker.reload_and_wait()
    second = ask(broker.port)
    assert second != first and os.path.exists("/proc/%d" % first)
    assert [e["generation"] for e in broker.events("worker-start")] == [1, 2]
    held.close()
    assert broker.wait_event("worker-exit")["pid"] == first
    assert ask(broker.port) == second
    # By hand, too: nothing is started before somebody comes.
    assert ctl("-c", broker.file, "restart", "web.0").returncode == 0
    broker.wait_event("worker-exit", count=2)
    sleeps(broker)
    assert ask(broker.port) not in (first, second)
    broker.stop()


@test
def a_paused_service_starts_nobody():
    broker = waiting()
    assert ctl("-c", broker.file, "pause", "web").returncode == 0
    client = connect(broker.port)
    client.sendall(b"hello\n")
    assert status_of(broker)["state"] == "paused" and not broker.events("worker-start")
    assert ctl("-c", broker.file, "start", "web").returncode == 0
    assert b"line=hello" in client.recv(100)
    broker.stop()


@test
def it_may_become_a_service_that_runs_always_and_back():
    broker = waiting()
    first = ask(broker.port)
    broker.configure([app("srv_activated")[0], "systemd"], activation="systemd", workers=1,
                     listen="127.0.0.1:{port}")
    broker.reload_and_wait()
    assert http_get(broker.port).status == 200
    broker.wait_event("worker-exit", pid=first)
    broker.configure([SERVER, "60000"], mode="inetd", wait="yes", workers=1,
                     listen="127.0.0.1:{port}")
    broker.reload_and_wait()
    broker.wait_event("worker-exit", count=2)
    sleeps(broker)
    ask(broker.port)
    broker.stop()


@test
def a_program_in_python_needs_no_change():
    script = write_file(tmp("server"), """#!%s
import os, socket, socketserver, sys
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"pid=%%d line=%%s" %% (os.getpid(), self.rfile.readline()))
class Server(socketserver.TCPServer):
    timeout = 0.2
    def handle_timeout(self):
        sys.exit(0)
server = Server(None, Handler, bind_and_activate=False)
server.socket = socket.socket(fileno=0)
while True:
    server.handle_request()
""" % sys.executable, 0o755)
    broker = waiting(command=[script])
    first = ask(broker.port)
    assert broker.wait_event("worker-exit")["how"] == "exit 0"
    sleeps(broker)
    assert ask(broker.port) != first
    broker.stop()



# --- datagrams --------------------------------------------------------------------------------


def udp(idle_ms=60000, **options):
    port = free_port()
    broker = waiting(idle_ms, **dict({"listen": "udp 127.0.0.1:%d" % port}, **options))
    broker.udp = port
    return broker


def datagram(port, line="hello", sock=None):
    """The pid that answers."""
    sock = sock or socket.socket(type=socket.SOCK_DGRAM)
    sock.settimeout(30)
    sock.sendto(line.encode() + b"\n", ("127.0.0.1", port))
    pid, got = re.fullmatch(r"pid=(\d+) line=(.*)\n", sock.recv(4096).decode()).groups()
    assert got == line
    return int(pid)


@test
def the_first_datagram_starts_a_program_that_has_the_socket():
    broker = udp()
    assert status_of(broker)["state"] == "waiting"
    first = datagram(broker.udp)
    assert {datagram(broker.udp) for _ in range(20)} == {first}
    assert len(broker.events("worker-start")) == len(broker.events("demand")) == 1
    text = ctl("-c", broker.file, "status").stdout
    assert "udp 127.0.0.1:%d  open" % broker.udp in text, text
    broker.stop()


@test
def what_has_one_socket_is_not_scaled_and_what_waits_for_a_client_is():
    broker = udp()
    done = ctl("-c", broker.file, "scale", "web", "2")
    assert done.returncode and "one process at a time has its socket" in done.stderr, vars(done)
    assert datagram(broker.udp)
    broker.stop()
    broker = waiting()
    done = ctl("-c", broker.file, "scale", "web", "2")
    assert done.returncode == 0 and "its clients wait" not in done.stdout + done.stderr, vars(done)
    broker.stop()


@test
def after_its_end_the_next_datagram_starts_the_next():
    broker = udp(50, output="log")
    pids = set()
    for n in range(3):
        pids.add(datagram(broker.udp))
        broker.wait_event("worker-exit", count=n + 1)
        sleeps(broker)
    assert len(pids) == len(broker.events("worker-start")) == 3, pids
    assert not broker.events("back-off")
    assert {e["how"] for e in broker.events("worker-exit")} == {"exit 0"}
    broker.stop()


@test
def datagrams_that_wait_at_its_end_start_the_next():
    broker = udp()
    first = datagram(broker.udp)
    os.kill(first, signal.SIGSTOP)
    socks = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(8)]
    for s in socks:
        s.settimeout(30)
        s.sendto(b"hello\n", ("127.0.0.1", broker.udp))
    os.kill(first, signal.SIGKILL)
    answers = {s.recv(4096) for s in socks}
    assert len(answers) == 1 and b"pid=%d " % first not in answers.pop()
    broker.stop()


@test
def one_that_reads_nothing_does_not_spin():
    broker = udp(-1, backoff_min="1s", backoff_max="1h")
    with socket.socket(type=socket.SOCK_DGRAM) as s:
        s.sendto(b"hello\n", ("127.0.0.1", broker.udp))
        assert broker.wait_event("back-off")["failures"] == 1
        assert len(broker.events("worker-start")) == 1
        assert broker.wait_event("back-off", count=2)["delay_ms"] == 2000
    broker.stop()


@test
def one_datagram_and_the_end_is_no_failure():
    broker = udp(backoff_min="1h", backoff_max="1h")
    assert len({datagram(broker.udp, "exit 0") for _ in range(10)}) == 10
    assert not broker.events("back-off")
    broker.stop()


@test
def a_client_of_a_new_address_does_not_wait_for_the_program_of_the_old_one():
    broker = udp(drain_timeout="1h", stop_timeout="1h")
    first = datagram(broker.udp)
    # It cannot follow a signal to end.
    os.kill(first, signal.SIGSTOP)
    port = free_port()
    broker.configure([SERVER, "60000"], mode="inetd", wait="yes", workers=1, drain_timeout="1h",
                     stop_timeout="1h", listen="udp 127.0.0.1:%d" % port)
    broker.reload_and_wait()
    second = datagram(port)
    assert second != first and not broker.events("worker-exit", pid=first)
    os.kill(first, signal.SIGCONT)
    broker.wait_event("worker-exit", pid=first)
    broker.stop()


@test
def a_child_that_has_a_client_goes_on_through_the_next_and_a_reload():
    broker = udp(drain_timeout="200ms")
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.settimeout(30)
    sock.sendto(b"fork\n", ("127.0.0.1", broker.udp))
    answer, child = sock.recvfrom(4096)
    assert child[1] != broker.udp and b"line=fork" in answer
    first = datagram(broker.udp)
    broker.reload_and_wait()
    broker.wait_event("worker-exit", pid=first)
    assert datagram(broker.udp) != first
    sock.sendto(b"x", child)
    assert b"line=child" in sock.recv(4096)
    broker.stop()


@test
def a_reload_waits_for_the_one_that_has_the_socket():
    broker = udp(drain_timeout="1h")
    first = datagram(broker.udp)
    broker.reload_and_wait()
    # It reads what comes, as the socket is its own, and is the only one.
    assert datagram(broker.udp) == first
    assert len(broker.events("worker-start")) == 1
    datagram(broker.udp, "exit 0")
    assert datagram(broker.udp) != first
    assert broker.events("worker-start")[1]["generation"] == 2
    broker.stop(signal.SIGQUIT)


@test
def a_socket_that_its_program_has_connected_serves_everybody_again():
    script = write_file(tmp("one"), """#!%s
import os, socket
s = socket.socket(fileno=0)
line, peer = s.recvfrom(1000)
s.connect(peer)
s.setblocking(False)
s.send(b"pid=%%d line=%%s" %% (os.getpid(), line))
""" % sys.executable, 0o755)
    port = free_port()
    broker = waiting(command=[script], listen="udp 127.0.0.1:%d" % port)
    first = datagram(port)
    broker.wait_event("worker-exit")
    sleeps(broker)  # until then the kernel lets nobody else in
    assert datagram(port) != first
    assert not broker.events("back-off")
    broker.stop()


@test
def errors_that_it_leaves_start_nobody():
    script = write_file(tmp("errors"), """#!%s
import os, select, socket
s = socket.socket(fileno=0)
s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
line, peer = s.recvfrom(1000)
s.sendto(b"pid=%%d line=%%s" %% (os.getpid(), line), peer)
s.sendto(b"x", ("127.0.0.1", %d))
p = select.poll()
p.register(s, 0)
assert p.poll(30000)[0][1] & select.POLLERR
""" % (sys.executable, free_port()), 0o755)
    port = free_port()
    broker = waiting(command=[script], listen="udp 127.0.0.1:%d" % port)
    first = datagram(port)
    assert broker.wait_event("worker-exit")["how"] == "exit 0"
    sleeps(broker)
    assert datagram(port) != first
    assert len(broker.events("worker-start")) == 2
    broker.stop()


@test
def what_udp_cannot_have_is_refused():
    for keys, why in (({"workers": 2}, "must be 1"), ({"tcp_nodelay": "no"}, "has none"),
                      ({"listen": "udp 127.0.0.1:%d for 80" % free_port()}, "gets the socket itself")):
        keys = dict({"listen": "udp 127.0.0.1:%d" % free_port(), "workers": 1}, **keys)
        path = write_file("bad.ini", "[service:web]\ncommand = /bin/cat\nmode = inetd\nwait = yes\n"
                          + "".join("%s = %s\n" % k for k in keys.items()))
        done = broker_cli("-t", "-c", path)
        assert done.returncode != 0 and why in done.stderr + done.stdout, (keys, done)



# --- programs that bind by themselves, and share ------------------------------------------------

SHARER = """#!%s
import fcntl, os, select, signal, socket, sys
s = socket.socket(type=socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100000)
s.setblocking(False)
s.bind(("127.0.0.1", int(sys.argv[1])))
nonblock = bool(fcntl.fcntl(s, fcntl.F_GETFL) & os.O_NONBLOCK)
broadcast = s.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
size = s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
try:
    s.connect(("127.0.0.1", 9))
    refused = "connected"
except OSError as e:
    refused = os.strerror(e.errno)
free = socket.socket(type=socket.SOCK_DGRAM)
free.bind(("127.0.0.1", 0))
free.connect(("127.0.0.1", 9))
def leave(*_):
    os._exit(0)
signal.signal(signal.SIGTERM, leave)
while True:
    select.select([s], [], [])
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        line, peer = s.recvfrom(1000)
    except BlockingIOError:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        continue  # the other has it
    if line == b"what\\n":
        line = ("%%s %%d %%d %%s\\n" %% (nonblock, broadcast, size, refused)).encode()
    s.sendto(b"pid=%%d line=%%s" %% (os.getpid(), line), peer)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
""" % sys.executable


def sharing(**options):
    port = free_port()
    script = write_file(tmp("sharer"), SHARER, 0o755)
    broker = Broker([script, str(port)], udp="yes", workers=1, **options)
    broker.udp = port
    return broker


@test
def old_and_new_share_a_socket_that_is_never_closed():
    broker = sharing()
    # Connected: a closed port would be an error.
    client = socket.socket(type=socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", broker.udp))
    client.settimeout(30)
    first = broker.worker_pid()

    def ask_once():
        client.send(b"hello\n")
        return int(re.match(rb"pid=(\d+)", client.recv(100)).group(1))

    assert ask_once() == first
    assert "udp 127.0.0.1:%d (automatic)  open" % broker.udp in ctl("-c", broker.file, "status").stdout
    broker.hup()
    seen = set()
    while not broker.events("reload-done") or not broker.events("worker-exit"):
        seen.add(ask_once())
    second = ask_once()
    assert second != first and seen <= {first, second}, (seen, first, second)
    # One that is gone: what comes meanwhile waits for the next.
    os.kill(second, signal.SIGKILL)
    broker.wait_event("worker-exit", pid=second)
    assert ask_once() not in (first, second)
    broker.stop()


@test
def what_the_app_set_before_bind_is_kept_and_connect_is_refused():
    broker = sharing()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.sendto(b"what\n", ("127.0.0.1", broker.udp))
        answer = client.recv(1000).decode()
    assert answer.split("line=")[1] == "True 1 200000 Operation not supported\n", answer
    broker.stop()


@test
def without_udp_a_worker_binds_its_own():
    port = free_port()
    script = write_file(tmp("sharer"), SHARER.replace("import fcntl", "import http.server, threading, fcntl", 1)
                        .replace("while True", """web = http.server.HTTPServer(("127.0.0.1", %d), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=web.serve_forever, daemon=True).start()
s = socket.socket(type=socket.SOCK_DGRAM)
while True""" % free_port()), 0o755)
    broker = Broker([script, str(port)], workers=1)
    assert not [e for e in broker.events("listen") if "udp" in e["address"]]
    broker.stop()


main()
