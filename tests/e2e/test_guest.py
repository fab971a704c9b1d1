#!/usr/bin/env python3
"""
Guests: workers that a person starts, under any tool. They serve like the others, leave by ending,
and the broker never lays a hand on them.
"""

import collections
import json
import os
import shutil
import socket
import struct
import subprocess
import sys

from harness import *
from lib.guest import Guest


def ask(broker, request):
    """The lines of the answer of the control socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(30)
        sock.connect(os.path.join(broker.run_dir, "control"))
        sock.sendall(request.encode() + b"\n")
        lines = []
        for line in sock.makefile("rb"):
            lines.append(json.loads(line))
            if lines[-1]["type"] in ("end", "error"):
                return lines
    raise AssertionError("no end of the answer to %s: %s" % (request, lines))


def status(broker, worker):
    lines = ask(broker, "status " + worker)
    assert len(lines) == 2, lines
    return lines[0]


def service_status(broker):
    return [line for line in ask(broker, "status web") if line["type"] == "service"][0]


def answers_of(broker, n):
    """Who answers `n` requests: {pid: how often}."""
    return collections.Counter(http_get(broker.port).pid for _ in range(n))


def join(broker, *options, service="web", command=("true",), **kwargs):
    """A join that is expected to fail: the exit code and what is said."""
    done = subprocess.run(
        [os.path.join(BUILD, "worker-shim"), "--join", os.path.join(broker.run_dir, "control"),
         "--service", service, *options, "--", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30, **kwargs)
    assert done.stdout == "" and done.stderr.count("\n") == 1, done
    return done.returncode, done.stderr


@test
def a_guest_takes_its_turn_behind_the_slots():
    broker = Broker(app("srv_poll"), workers=2)
    guest = Guest(broker, app("srv_poll", broker.port))
    assert guest.name == "web.guest.1", guest.name
    counts = answers_of(broker, 30)
    assert counts[guest.pid] == 10 and len(counts) == 3, counts
    line = status(broker, guest.name)
    assert (line["guest"], line["slot"], line["pid"], line["state"], line["pinned_only"]) == (
        True, None, guest.pid, "ready", False), line
    # Not one of the workers that were asked for.
    assert (service_status(broker)["workers"], service_status(broker)["ready"]) == (2, 2)
    names = [w["worker"] for w in ask(broker, "status web") if w["type"] == "worker"]
    assert names == ["web.0", "web.1", "web.guest.1"], names


@test
def what_it_is_told_is_in_its_environment():
    broker = Broker(app("srv_poll"), workers=1)
    guest = Guest(broker, app("srv_poll", broker.port), env={"BROKER_SLOT": "4"})
    env = {k: v for k, v in proc.environment(guest.pid).items() if k.startswith("BROKER_")}
    assert (env["BROKER_WORKER"], env["BROKER_SERVICE"], env["BROKER_GENERATION"]) == (
        guest.name, "web", "1"), env
    assert "BROKER_SLOT" not in env, env
    p = broker.port
    assert env["BROKER_PRIVATE_PORTS"] == "1-%d,%d-65535" % (p - 1, p + 1), env
    assert env["BROKER_SOCKETS"] == "", env


@test
def guests_come_and_go_under_load_and_no_connection_fails():
    broker = Broker(app("srv_poll"), workers=2)
    load = Load(broker.port, inflight=16)
    load.wait_answers(100)
    names = []
    for _ in range(3):
        guest = Guest(broker, app("srv_poll", broker.port))
        names.append(guest.name)
        wait_until(lambda: status(broker, guest.name)["given"] > 20, 30, "connections of the guest")
        # Of what it has taken it answers all: it is told to leave, and lets the kernel finish.
        proc.stop_process(guest.pid)
        broker.wait_event("worker-held", worker=guest.name)
        guest.signal(signal.SIGCONT)
        broker.wait_event("worker-released", worker=guest.name)
    assert names == ["web.guest.1", "web.guest.2", "web.guest.3"], names
    load.wait_answers(300)
    load.stop()
    load.assert_clean()


class Busy:
    """A broker and a guest of blocking servers, each busy with a silent client; some wait behind."""

    def __init__(self, workers=1, waiting=4, **options):
        options = dict(dict(stall_timeout="1m", queue=8), **options)
        self.broker = Broker(app("srv_blocking"), workers=workers, **options)
        self.guest = Guest(self.broker, app("srv_blocking", self.broker.port))
        self.own = [self.broker.worker_pid("web.%d" % n) for n in range(workers)]
        self.silent = {}
        for _ in range(workers + 1):
            sock = connect(self.broker.port)
            owner = wait_until(self._new_owner)
            self.silent[owner] = sock
        self.clients = []
        for n in range(waiting):
            sock = connect(self.broker.port)
            send_request(sock, "/?id=%d" % n)
            self.clients.append(sock)
        wait_until(lambda: self.at_guest() == waiting // (workers + 1), 20, "waiting at the guest")

    def _new_owner(self):
        for pid in self.own + [self.guest.pid]:
            if pid not in self.silent and proc.held_connections([pid], self.broker.port):
                return pid
        return None

    def at_guest(self):
        return status(self.broker, self.guest.name)["waiting"]

    def free(self, pid):
        self.silent.pop(pid).close()

    def answers(self):
        """Each client gets its own answer. By whom."""
        got = [read_answer(sock) for sock in self.clients]
        assert [a.id for a in got] == [str(n) for n in range(len(got))], [a.body for a in got]
        for sock in self.clients:
            sock.close()
        return [a.pid for a in got]


@test
def what_waits_at_a_guest_that_is_killed_is_answered_by_others():
    busy = Busy()
    busy.guest.end()
    event = busy.broker.wait_event("taken-back", worker=busy.guest.name)
    assert (event["count"], event["reason"]) == (2, "the worker ended"), event
    left = busy.broker.wait_event("guest-left", worker=busy.guest.name)
    assert (left["ended"], left["pid"], left["served"]) == (True, busy.guest.pid, 1), left
    busy.free(busy.own[0])
    assert set(busy.answers()) == {busy.own[0]}
    assert ask(busy.broker, "status " + busy.guest.name)[0]["code"] == "unknown-worker"
    assert answers_of(busy.broker, 4) == {busy.own[0]: 4}


@test
def a_guest_that_exits_is_not_started_again_and_its_number_not_used_again():
    broker = Broker(app("srv_poll"), workers=1)
    first = Guest(broker, app("srv_poll", broker.port))
    first.end(signal.SIGTERM)
    broker.wait_event("guest-left", worker=first.name)
    assert answers_of(broker, 6) == {broker.worker_pid(): 6}
    second = Guest(broker, app("srv_poll", broker.port))
    assert second.name == "web.guest.2", second.name
    assert not broker.events("back-off") and not broker.events("worker-exit")


@test
def numbers_are_not_used_again_by_a_service_that_comes_back():
    text = "[service:web]\nworkers = 1\ncommand = {apps}/srv_poll {port}\n"
    other = "[service:api]\nworkers = 1\ncommand = {apps}/srv_poll {port2}\n"
    broker = Broker(text=text + other)
    guest = Guest(broker, app("srv_poll", broker.port))
    broker.configure(text=other)
    broker.hup()
    broker.wait_event("guest-left", worker=guest.name)
    assert guest.alive()
    guest.end()
    mark = broker.mark()
    broker.configure(text=text + other)
    broker.hup()
    broker.wait_event("worker-ready", since=mark, worker="web.0")
    assert Guest(broker, app("srv_poll", broker.port)).name == "web.guest.2"


@test
def pinned_only_keeps_a_guest_out_of_the_round():
    broker = Broker(app("srv_poll"), workers=2)
    guest = Guest(broker, app("srv_poll", broker.port), "--pinned-only")
    load = Load(broker.port, inflight=8, total=300)
    load.wait_end()
    load.assert_clean()
    line = status(broker, guest.name)
    assert (line["state"], line["pinned_only"], line["given"]) == ("ready", True, 0), line
    # Nor when the round is rebuilt around it.
    proc.stop_process(guest.pid)
    guest.signal(signal.SIGCONT)
    broker.reload_and_wait()
    assert guest.pid not in answers_of(broker, 12)


@test
def a_pin_reaches_it_until_it_leaves():
    broker = Broker(app("srv_poll"), workers=2)
    for options in ([], ["--pinned-only"]):
        guest = Guest(broker, app("srv_poll", broker.port), *options)
        ask(broker, "pin 127.0.0.1 " + guest.name)
        assert answers_of(broker, 6) == {guest.pid: 6}
        broker.reload_and_wait()
        assert answers_of(broker, 6) == {guest.pid: 6}
        guest.end()
        broker.wait_event("guest-left", worker=guest.name)
        assert len(answers_of(broker, 6)) == 2
        assert [line["type"] for line in ask(broker, "pins")] == ["end"]


@test
def it_can_be_held_and_is_not_restarted_by_us():
    broker = Broker(app("srv_poll"), workers=1)
    guest = Guest(broker, app("srv_poll", broker.port))
    ask(broker, "hold " + guest.name)
    assert answers_of(broker, 4) == {broker.worker_pid(): 4}
    ask(broker, "release " + guest.name)
    assert answers_of(broker, 4)[guest.pid] == 2
    refused = ask(broker, "restart " + guest.name)[0]
    assert (refused["type"], refused["code"]) == ("error", "refused"), refused
    assert "is a guest" in refused["message"], refused


@test
def a_reload_leaves_a_guest_where_it_is():
    broker = Broker(app("srv_poll"), workers=2)
    guest = Guest(broker, app("srv_poll", broker.port))
    load = Load(broker.port, inflight=8)
    load.wait_answers(50)
    for _ in range(2):
        broker.reload_and_wait()
    load.wait_answers(50)
    load.stop()
    load.assert_clean()
    counts = answers_of(broker, 30)
    assert counts[guest.pid] == 10 and len(counts) == 3, counts
    line = status(broker, guest.name)
    assert (line["state"], line["generation"], line["pid"]) == ("ready", 1, guest.pid), line


@test
def a_reload_that_fails_leaves_it_too():
    broker = Broker(app("srv_poll"), workers=1)
    guest = Guest(broker, ["sh", "-c", "read x; exec %s %d" % (app("srv_poll")[0], broker.port)],
                  ready=False)
    broker.configure(["false"], workers=1)
    broker.reload_and_wait(want=None)
    assert status(broker, guest.name)["state"] == "starting"
    guest.process.stdin.write(b"\n")
    guest.process.stdin.flush()
    broker.wait_event("worker-ready", worker=guest.name)


@test
def a_guest_may_take_its_time_and_the_broker_is_ready_without_it():
    broker = Broker(app("srv_poll"), workers=1, start_timeout="1s")
    guest = Guest(broker, ["sh", "-c", "read x; exec %s %d" % (app("srv_poll")[0], broker.port)],
                  ready=False)
    # Longer than start_timeout, measured with a worker that never listens.
    broker.configure(["sleep", "100"], workers=1, start_timeout="1s")
    broker.reload_and_wait(want="reload-aborted")
    assert status(broker, guest.name)["state"] == "starting" and guest.alive()
    guest.process.stdin.write(b"\n")
    guest.process.stdin.flush()
    broker.wait_event("worker-ready", worker=guest.name)
    assert guest.pid in answers_of(broker, 4)


@test
def an_app_that_ends_below_a_tool_that_stays_may_listen_again():
    broker = Broker(app("srv_poll"), workers=1)
    loop = "while read x; do %s %d & wait $!; done" % (app("srv_poll")[0], broker.port)
    guest = Guest(broker, ["sh", "-c", loop], ready=False)
    for _ in range(2):
        mark = broker.mark()
        guest.process.stdin.write(b"\n")
        guest.process.stdin.flush()
        broker.wait_event("worker-ready", since=mark, worker=guest.name)
        child = wait_until(lambda: [p for p in answers_of(broker, 4) if p != broker.worker_pid()])[0]
        send_signal(child, signal.SIGKILL)
        broker.wait_event("worker-start", since=mark, worker=guest.name)
        assert answers_of(broker, 4) == {broker.worker_pid(): 4}
    guest.process.stdin.close()
    broker.wait_event("guest-left", worker=guest.name)


@test
def what_outlives_the_tool_serves_on_until_it_closes():
    """strace that is killed leaves its program running; so does the first process of a daemon."""
    broker = Broker(app("srv_poll"), workers=1)
    guest = Guest(broker, ["sh", "-c", "%s %d & read x" % (app("srv_poll")[0], broker.port)])
    child = proc.descendants(guest.pid)[0]
    guest.end()
    event = broker.wait_event("worker-daemonised", worker=guest.name)
    assert event["pid"] == child, event
    assert answers_of(broker, 8)[child] == 4
    assert status(broker, guest.name)["pid"] == child
    send_signal(child, signal.SIGKILL)
    left = broker.wait_event("guest-left", worker=guest.name)
    assert (left["ended"], left["pid"]) == (True, child), left
    assert answers_of(broker, 4) == {broker.worker_pid(): 4}


PREFORK = """
import os, socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
me = os.getpid()
if os.fork() and os.fork():
    os.wait()
while True:
    conn = listener.accept()[0]
    conn.recv(4096)
    body = b"pid=%d id=-" % os.getpid()
    conn.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    conn.close()
"""


@test
def children_that_have_said_nothing_keep_it_until_the_last_has_ended():
    broker = Broker(app("srv_poll"), workers=1)
    guest = Guest(broker, [os.path.realpath(sys.executable), "-c", PREFORK, broker.port])
    children = wait_until(lambda: len(proc.descendants(guest.pid)) == 2 and proc.descendants(guest.pid))
    guest.end()
    counts = answers_of(broker, 8)
    assert counts.pop(broker.worker_pid()) == 4 and set(counts) <= set(children), counts
    assert status(broker, guest.name)["pid"] is None
    send_signal(children[0], signal.SIGKILL)
    wait_until(lambda: not proc.alive(children[0]))  # until then it may take one with it
    assert answers_of(broker, 8)[children[1]] == 4
    send_signal(children[1], signal.SIGKILL)
    broker.wait_event("guest-left", worker=guest.name)
    assert answers_of(broker, 4) == {broker.worker_pid(): 4}


@test
def a_join_that_is_none_is_refused_in_words_and_makes_no_guest():
    broker = Broker(app("srv_poll"), workers=1)
    join = struct.pack("=HHIII64s", 3, 6, 80, 0, 0, b"web")
    for sent, says in (
        (struct.pack("=HH", 1, 6) + join[4:], "version of worker-shim differs"),
        (join[:40], "version of worker-shim differs"),
        (join + b"x", "version of worker-shim differs"),
        (join[:8] + b"\xff" + join[9:], "version of worker-shim differs"),
        (join[:16] + b"x" * 64, "version of worker-shim differs"),
        (struct.pack("=HHIII64s", 3, 6, 80, 0, 0, b"wob"), "no service wob"),
        (struct.pack("=HHIII64s", 3, 6, 80, 0, 0, b"web --no-wait"), "join"),
    ):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(broker.run_dir, "control"))
            s.sendall(sent)
            s.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: s.recv(4096), b""))
        assert struct.unpack("=HHI", got[:8]) == (3, 3, 496) and len(got) == 496, (sent, got)
        assert says in got[16:].rstrip(b"\0").decode(), (sent, got)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.path.join(broker.run_dir, "control"))
        s.sendall(b"join web\n")
        assert b"worker-shim --join" in s.recv(4096)
    assert not broker.events("guest-join")


@test
def the_brokers_end_does_not_touch_it_nor_wait_for_it():
    for sig in (signal.SIGTERM, signal.SIGINT):
        busy = Busy(drain_timeout="1h")
        # Its own worker ends its drain; the guest is busy with a client that never ends.
        busy.free(busy.own[0])
        busy.broker.stop(sig)
        left = busy.broker.events("guest-left", worker=busy.guest.name)
        assert len(left) == 1 and left[0]["ended"] is False, left
        assert "left to itself" in left[0]["message"], left
        assert busy.guest.alive()
        stops = busy.broker.log.find(["worker-stopping", "worker-kill"], 0,
                                     {"worker": busy.guest.name})
        assert not stops, stops
        if sig == signal.SIGTERM:
            back = busy.broker.log.find(["taken-back"], 0, {"worker": busy.guest.name})
            assert [e["reason"] for e in back] == ["the guest is left to itself"], back
            assert busy.answers() == [busy.own[0]] * 4
        busy.guest.end()


@test
def what_nobody_else_could_take_is_left_to_the_guest():
    busy = Busy(workers=1, backoff_min="1h", backoff_max="1h")
    send_signal(busy.own[0], signal.SIGKILL)
    busy.broker.wait_event("taken-back", worker="web.0")
    wait_until(lambda: busy.at_guest() == 4, 20, "all wait at the guest")
    busy.broker.stop(signal.SIGTERM)
    assert busy.guest.alive()
    busy.free(busy.guest.pid)
    assert busy.answers() == [busy.guest.pid] * 4


@test
def the_parent_leaves_it_alone_when_the_broker_is_killed():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="100ms", stop_timeout="100ms")
    guest = Guest(broker, app("srv_poll", broker.port))
    own = broker.worker_pid()
    broker.kill()
    wait_until(lambda: not proc.alive(own), 30, "end of the broker's own worker")
    assert guest.alive()


@test
def a_pause_lets_go_of_it():
    broker = Broker(app("srv_poll"), workers=1)
    guest = Guest(broker, app("srv_poll", broker.port))
    broker.signal(signal.SIGWINCH)
    left = broker.wait_event("guest-left", worker=guest.name)
    assert left["ended"] is False and guest.alive()
    code, text = join(broker)
    assert code == 126 and "is paused" in text, text


@test
def refusals_are_said_in_words():
    broker = Broker(app("srv_poll"), workers=1)
    code, text = join(broker, service="wob")
    assert code == 126 and "there is no service wob; did you mean web?" in text, text
    port2 = free_port()
    guest = Guest(broker, app("srv_poll", port2), ready=False)
    # A port that the service does not have is the guest's own.
    wait_until(lambda: proc.listens(guest.pid, port2), 20, "its own listening socket")
    assert status(broker, guest.name)["state"] == "starting"


@test
def a_service_without_an_address_has_no_place_for_guests():
    broker = Broker(["sleep", "1000"], workers=1, wait_ready=False, stop_timeout="1s")
    broker.wait_event("worker-start")
    wait_until(lambda: os.path.exists(os.path.join(broker.run_dir, "control")))
    code, text = join(broker)
    assert code == 126 and "has no address to join yet" in text, text


@test
def another_user_may_not_join():
    if os.getuid() != 0:
        skip("needs root to become somebody else")
    broker = Broker(app("srv_poll"), workers=1)
    shim = tmp("worker-shim")
    shutil.copy(os.path.join(BUILD, "worker-shim"), shim)
    shutil.copy(os.path.join(BUILD, "libworker-shim.so"), tmp("libworker-shim.so"))
    done = subprocess.run(
        [shim, "--join", os.path.join(broker.run_dir, "control"), "--service", "web", "--", "true"],
        stderr=subprocess.PIPE, text=True, timeout=30, cwd="/",
        user=65534, group=65534, extra_groups=[])
    assert done.returncode == 126 and "not allowed for user 65534" in done.stderr, done
    assert not broker.events("guest-join")


@test
def a_hello_of_another_user_with_a_guests_token_is_refused():
    """Only if it is the guest's own user; the rule is the same as for workers."""
    if os.getuid() != 0:
        skip("needs root to become somebody else")
    broker = Broker(app("srv_poll"), workers=1)
    guest = Guest(broker, ["sleep", "1000"], ready=False)
    wait_until(lambda: "BROKER_RENDEZVOUS" in proc.environment(guest.pid))
    env = proc.environment(guest.pid)
    shutil.copy(os.path.join(BUILD, "libworker-shim.so"), tmp("libworker-shim.so"))
    shutil.copy(app("srv_poll")[0], tmp("srv_poll"))
    os.chmod(broker.dir, 0o755)
    os.chmod(broker.run_dir, 0o755)
    os.chmod(env["BROKER_RENDEZVOUS"], 0o777)
    env["LD_PRELOAD"] = tmp("libworker-shim.so")
    del env["BROKER_STDERR"]  # that of the guest is another one
    done = subprocess.run([tmp("srv_poll"), str(broker.port)], env=env, stderr=subprocess.PIPE,
                          text=True, timeout=30, cwd="/", user=65534, group=65534, extra_groups=[])
    assert done.returncode != 0 and "another user" in done.stderr, done
    assert status(broker, guest.name)["state"] == "starting"


@test
def descriptors_come_back_when_guests_have_left():
    broker = Broker(app("srv_poll"), workers=1)
    with broker.same_fds():
        for _ in range(5):
            guest = Guest(broker, app("srv_poll", broker.port))
            guest.end()
            broker.wait_event("guest-left", worker=guest.name)
        join(broker, service="wob")


# --- under real tools -----------------------------------------------------------------------------


def tool(name):
    path = shutil.which(name)
    if not path:
        skip("NO %s ON THIS MACHINE: a guest below it was not tried" % name)
    return path


def serves_below(words, workers=1):
    broker = Broker(app("srv_poll"), workers=workers)
    guest = Guest(broker, list(words) + app("srv_poll", broker.port))
    load = Load(broker.port, inflight=4)
    wait_until(lambda: status(broker, guest.name)["given"] > 10, 60, "connections of the guest")
    load.stop()
    load.assert_clean()
    return broker, guest


@test
def a_guest_below_gdb():
    broker, guest = serves_below([tool("gdb"), "-q", "-nx", "-batch", "-ex", "run", "--args"])
    app_pid = [p for p in proc.descendants(guest.pid) if "srv_poll" in proc.command_line(p)][0]
    assert status(broker, guest.name)["pid"] == guest.pid
    send_signal(app_pid, signal.SIGKILL)  # gdb sees it, has nothing more to do, and ends
    broker.wait_event("guest-left", worker=guest.name)
    assert guest.wait() == 0


@test
def a_guest_below_strace():
    _, guest = serves_below([tool("strace"), "-f", "-o", "/dev/null"])
    child = proc.descendants(guest.pid)[0]
    send_signal(child, signal.SIGTERM)
    guest.wait()


@test
def a_guest_below_valgrind():
    broker, guest = serves_below([tool("valgrind"), "-q", "--error-exitcode=9"])
    guest.end(signal.SIGTERM)
    broker.wait_event("guest-left", worker=guest.name)


@test
def a_guest_below_gdbserver_whose_port_is_its_own():
    server, gdb, port = tool("gdbserver"), tool("gdb"), free_port()
    broker = Broker(app("srv_poll"), workers=1)
    guest = Guest(broker, [server, "--once", "127.0.0.1:%d" % port] + app("srv_poll", broker.port),
                  ready=False)
    wait_until(lambda: proc.listens(guest.pid, port), 20, "gdbserver's own port")
    debugger = subprocess.Popen(
        [gdb, "-q", "-nx", "-batch", "-ex", "set sysroot /", "-ex", "target remote 127.0.0.1:%d" % port,
         "-ex", "continue"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, preexec_fn=proc.die_with_parent)
    broker.wait_event("worker-ready", worker=guest.name)
    wait_until(lambda: len(answers_of(broker, 4)) == 2, 30, "an answer of the guest")
    child = [p for p in proc.descendants(guest.pid) if "srv_poll" in proc.command_line(p)][0]
    send_signal(child, signal.SIGKILL)
    debugger.wait(30)
    guest.wait()
    broker.wait_event("guest-left", worker=guest.name)


@test
def a_guest_in_node_and_one_in_python():
    program = tool("node")
    script = write_file("app.js", "require('http').createServer((q, s) => s.end('pid=' + process.pid +"
                        " ' id=-')).listen(%s, '127.0.0.1')" % "+process.argv[2]")
    broker = Broker([program, script, "{port}"], workers=1)
    guest = Guest(broker, [program, script, broker.port])
    other = Guest(broker, [os.path.realpath(sys.executable), "-c", """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"pid=%d id=-" % os.getpid()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
""", broker.port])
    counts = answers_of(broker, 12)
    assert counts == {broker.worker_pid(): 4, guest.pid: 4, other.pid: 4}, counts


main()
