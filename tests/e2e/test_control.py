#!/usr/bin/env python3
"""
The control socket itself: its form, who may connect, and clients that mean harm. What each command
does is tested where that thing is.
"""

import os
import pwd
import re
import socket
import stat
import subprocess
import sys

from harness import *
from lib import control
from lib.control import Control, ask, refusal

LIMIT = 4096  # bytes of a request
CLIENTS = 64


def small(**options):
    return Broker(app("srv_poll"), **dict({"workers": 2}, **options))


# --- the form -------------------------------------------------------------------------------


@test
def an_answer_is_json_lines_with_an_end():
    broker = small()
    with Control(broker) as c:
        lines = c.ask("status")
        kinds = [line["type"] for line in lines]
        assert kinds == ["broker", "service", "listener", "worker", "worker"], kinds
        assert lines[0]["schema"] == 1 and lines[0]["pid"] == broker.pid, lines[0]
        assert [w["worker"] for w in lines[3:]] == ["web.0", "web.1"]
        # The connection goes on.
        assert c.ask("status web.1")[0]["pid"] == broker.worker_pid("web.1")


@test
def each_service_has_its_own_lines_and_numbers():
    text = "[service:%s]\ncommand = %s {%s}\nworkers = 1\n"
    program = app("srv_poll")[0]
    broker = Broker(text=text % ("web", program, "port") + text % ("api", program, "port2"))
    ports = {"web": broker.port, "api": broker.port2}
    http_get(broker.port2)
    lines = ask(broker, "status")
    kinds = [(line["type"], line.get("service")) for line in lines]
    each = ["service", "listener", "worker"]
    assert kinds == [("broker", None)] + [(k, s) for s in ports for k in each], kinds
    for line in lines:
        if line["type"] == "listener":
            assert line["address"] == "127.0.0.1:%d" % ports[line["service"]], line
            assert line["accepted"] == (line["service"] == "api"), line
        elif line["type"] == "service":
            assert line["ledger"]["accepted"] == (line["service"] == "api"), line
    assert [line["type"] for line in ask(broker, "status api")] == each
    assert {line["service"] for line in ask(broker, "status api")} == {"api"}


@test
def requests_that_come_together_are_answered_in_order():
    with Control(small()) as c:
        c.socket.sendall(b"status web.0\nnonsense\nhelp hold\r\nstatus web.1\n")
        assert c.answer()[0]["worker"] == "web.0"
        assert c.answer()[-1]["code"] == "unknown-command"
        assert c.answer()[0]["command"] == "hold"
        assert c.answer()[0]["worker"] == "web.1"


@test
def a_request_that_comes_in_pieces_is_one():
    with Control(small()) as c:
        for part in (b"sta", b"tus we", b"b.0", b"\n"):
            c.socket.sendall(part)
        assert c.answer()[0]["worker"] == "web.0"


@test
def who_ends_his_side_is_answered_and_then_left():
    with Control(small()) as c:
        c.send("status web.0")
        c.socket.shutdown(socket.SHUT_WR)
        assert c.answer()[-1]["type"] == "end"
        assert c.line() is None


@test
def half_a_request_is_none():
    """`stop --no` must not become a stop because its sender died."""
    broker = small()
    with Control(broker) as c:
        c.socket.sendall(b"stop --no")
        c.socket.shutdown(socket.SHUT_WR)
        assert c.line() is None
    assert not broker.events("broker-stopping")


@test
def what_is_wrong_is_said_with_the_nearest_name():
    broker = small()
    for text, code, words in (
        ("sttaus", "unknown-command", "did you mean status?"),
        ("status wbe", "unknown-service", "did you mean web?"),
        ("status web.7", "unknown-worker", "did you mean web.0?"),
        ("events wbe", "unknown-service", "did you mean web?"),
        ("reload wbe", "unknown-service", "did you mean web?"),
        ("reload wbe --plan", "unknown-service", "did you mean web?"),
        ("pin 10.0.0.0/8 web.7", "unknown-worker", "did you mean web.0?"),
        ("next web.7", "unknown-worker", "did you mean web.0?"),
        ("hold web.0@1x", "unknown-worker", "did you mean web.0?"),
        ("hold web.0@0", "unknown-worker", "did you mean web.0?"),
        ("hold", "bad-request", "usage: hold WORKER"),
        ("status 'web", "bad-request", "quote"),
        ("top", "bad-request", "a command of brokerctl"),
        ("help xyzzy", "unknown-command", "xyzzy"),
        ("", "bad-request", "no command"),
    ):
        answer = refusal(broker, text)
        assert answer["code"] == code and words in answer["message"], (text, answer)


def documented():
    """{type: {keys}} as docs/control.md has them."""
    page, tables = open(os.path.join(ROOT, "docs/control.md")).read(), {}
    for table in re.findall(r"^\| `(\w+)` \| \|\n\|---\|---\|\n((?:\|.*\n)+)", page, re.M):
        keys = re.findall(r"^\| ((?:`\w+`(?:, )?)+)", table[1], re.M)
        tables[table[0]] = {k for cell in keys for k in re.findall(r"`(\w+)`", cell)}
    return tables


@test
def the_page_has_every_key_and_no_other():
    broker = small()
    want, seen = documented(), {}
    ask(broker, "next web.0")
    plan_file = open(broker.file).read().replace("workers = 2", "workers = 3")
    for line in ask(broker, "status") + ask(broker, "config") + ask(broker, "help hold"):
        seen.setdefault(line.pop("type"), set()).update(line)
        if "ledger" in line:
            seen["ledger"] = set(line["ledger"])
    for line in ask(broker, "restart web.1"):
        seen.setdefault(line.pop("type"), set()).update(line)
    broker.write_file(plan_file)
    for line in ask(broker, "reload --plan"):
        seen.setdefault(line.pop("type"), set()).update(line)
    with Control(broker) as c:
        c.send("debug web.0")
        line = c.line()
        seen.setdefault(line.pop("type"), set()).update(line)
        ask(broker, "restart web.0 --no-wait")
        line = c.wait_line(type="debugged")
        seen.setdefault(line.pop("type"), set()).update(line)
    inetd = Broker([app("inetd_line")[0]], mode="inetd", listen="127.0.0.1:{port}", workers=1)
    for line in ask(inetd, "status"):
        seen[line.pop("type")].update(line)
    for line in ask(inetd, "stop"):
        seen.setdefault(line.pop("type"), set()).update(line)
    inetd.wait_stopped()
    for kind in want:
        assert seen[kind] == want[kind], (
            kind, "only documented", want[kind] - seen[kind], "only there", seen[kind] - want[kind])
    assert set(seen) == set(want), set(seen) ^ set(want)


# --- events ---------------------------------------------------------------------------------


@test
def who_asks_all_the_time_is_told_what_is_new():
    """Findings are kept for a tenth of a second: from when they were found, not last told."""
    broker = small(workers=1)
    assert control.worker(broker, "web.0")["open"] == 0
    with connect(broker.port):
        control.wait_worker(broker, "web.0", timeout=5, open=1)
    control.wait_worker(broker, "web.0", timeout=5, open=0)


@test
def events_are_kept_and_followed():
    broker = small()
    words = [e["event"] for e in ask(broker, "events") if e["event"] != "seccomp"]  # where there is none
    assert words[0] == "broker-start" and words[-1] == "broker-ready", words
    with Control(broker) as c:
        c.send("events --follow web.0")
        with Control(broker) as other:  # another client is answered while the first one follows
            other.ask("status")
        send_signal(broker.worker_pid("web.0"), signal.SIGKILL)
        event = c.wait_line(event="worker-exit")
        assert event["worker"] == "web.0" and event["how"] == "signal 9", event
        assert c.wait_line(event="worker-ready")["worker"] == "web.0"


@test
def brokerctl_ends_with_its_reader():
    """events -f | grep -m 1: it is not the next event that ends it, which may never come."""
    broker = small()
    process = subprocess.Popen(
        [os.path.join(BUILD, "brokerctl"), "-c", broker.file, "events", "-f", "--since", "1h"],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, preexec_fn=proc.die_with_parent,
    )
    at_end(process.kill)
    assert process.stdout.readline()  # the history has come
    process.stdout.close()
    assert process.wait(10) != 0


@test
def events_of_a_service_are_those_of_its_workers_too():
    broker = small(name="web", workers=2)
    broker.mark()
    of_worker = ask(broker, "events web.1")
    assert "worker-ready" in [e["event"] for e in of_worker], of_worker
    of_service = ask(broker, "events web")
    assert all(e in of_service for e in of_worker), of_service
    assert all(e["service"] == "web" for e in of_service), of_service
    assert [e for e in ask(broker, "events") if e.get("service") == "web"] == of_service


@test
def since_gives_what_follows_an_id():
    broker = small()
    events = ask(broker, "events")
    assert [e["id"] for e in events] == list(range(1, len(events) + 1))
    later = ask(broker, "events --since %d" % events[2]["id"])
    assert [e["id"] for e in later] == [e["id"] for e in events[3:]]
    assert ask(broker, "events --since 1h")[0]["id"] == 1
    # An id that is still to come is one of an earlier broker: it has missed all.
    assert ask(broker, "events --since 100000")[0]["id"] == 1


@test
def events_of_a_service_are_those_of_its_workers_too():
    text = "[service:%s]\ncommand = %s {%s}\nworkers = 1\n"
    program = app("srv_poll")[0]
    broker = Broker(text=text % ("web", program, "port") + text % ("web2", program, "port2"))
    found = ask(broker, "events web")
    assert {e.get("worker", "web.0") for e in found} == {"web.0"}, found
    assert {e.get("service", "web") for e in found} == {"web"}, found
    words = {e["event"] for e in found}
    assert {"listen", "worker-start", "worker-ready"} <= words, words


@test
def a_flood_of_one_kind_of_event_leaves_the_others_and_the_gap_is_told():
    broker = small(workers=1)
    before = {e["event"] for e in ask(broker, "events")}
    with Control(broker) as c:
        for _ in range(1100):  # each makes an event
            c.send("signal web.0 WINCH")
            c.answer()
    events = ask(broker, "events")
    words = [e.get("event") for e in events]
    gap = words.index(None)
    assert before == set(words[:gap]) >= {"worker-start", "worker-ready"}, (before, words[:gap])
    assert events[gap]["type"] == "lost" and events[gap]["count"] > 90, events[gap]
    assert events[gap + 1]["id"] == events[gap - 1]["id"] + events[gap]["count"] + 1
    assert set(words[gap + 1:]) == {"control"} and len(words) == 1001, set(words[gap:])


# --- rights ---------------------------------------------------------------------------------


@test
def nobody_else_can_reach_it():
    broker = small()
    path = os.path.join(broker.run_dir, "control")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(broker.run_dir).st_mode) == 0o700


AS_OTHER = """
import os, socket, sys
os.setgroups([int(g) for g in sys.argv[4].split(",") if g])
os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
except OSError as e:
    print(e.strerror); sys.exit()
s.settimeout(20)
try:
    s.sendall(sys.argv[5].encode() + b"\\n")
except BrokenPipeError:
    pass  # it was refused before it could ask
text = b""
while b'"type":"end"' not in text and b'"type":"error"' not in text:
    part = s.recv(65536)
    if not part: break
    text += part
print(text.decode())
"""


def as_other(broker, request, uid=65534, gid=65534, groups=()):
    """What a process of another user gets."""
    return subprocess.run(
        [sys.executable, "-c", AS_OTHER, os.path.join(broker.run_dir, "control"), str(uid),
         str(gid), ",".join(str(g) for g in groups), request],
        stdout=subprocess.PIPE, timeout=60, check=True, text=True,
    ).stdout


def as_root(function):
    if os.geteuid() == 0:
        return test(function)
    add_test(function.__name__, lambda: skip("needs root, to become another user"))
    return function


@as_root
def another_user_is_shut_out():
    broker = small()
    os.chmod(broker.run_dir, 0o711)  # even if somebody opens the directory
    assert "Permission denied" in as_other(broker, "status")
    os.chmod(os.path.join(broker.run_dir, "control"), 0o666)  # and the socket
    assert "not-allowed" in as_other(broker, "status")


@as_root
def members_of_control_group_may_look_and_not_steer():
    broker = small(broker={"control_group": "4242"})
    path = os.path.join(broker.run_dir, "control")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    assert os.stat(path).st_gid == 4242
    assert stat.S_IMODE(os.stat(broker.run_dir).st_mode) == 0o710
    for how in ({"gid": 4242}, {"groups": (17, 4242)}):
        for request in ("status", "events", "config", "help", "pins", "reload --plan"):
            answer = as_other(broker, request, **how)
            assert '"type":"end"' in answer, (request, answer)
        for request in ("stop", "reload", "hold web.0", "signal web.0 KILL", "pin ::1 web.0",
                        "scale web 1", "debug web.0", "restart web.0", "next web.0", "unpin all",
                        "rollback", "reload abort", "release web.0", "join web"):
            answer = as_other(broker, request, **how)
            assert "not-allowed" in answer, (request, answer)
    assert "Permission denied" in as_other(broker, "status")
    assert not broker.events("control")
    # Only clients with full rights see values that may be passwords.
    text = open(broker.file).read()
    broker.write_file(text + "environment = KEY=sesame HOME=/\n")
    broker.reload_and_wait()
    assert "KEY=sesame" in str(ask(broker, "config"))
    answer = as_other(broker, "config", gid=4242)
    assert "KEY=..., HOME=..." in answer and "sesame" not in answer, answer
    broker.write_file(text + "environment = KEY=changed\n")
    assert "sesame" in str(ask(broker, "reload --plan"))
    answer = as_other(broker, "reload --plan", gid=4242)
    assert "environment" in answer and "sesame" not in answer and "changed" not in answer, answer


@as_root
def a_broker_with_a_user_of_its_own_is_steered_by_it():
    nobody = pwd.getpwnam("nobody")
    broker = small(broker={"user": "nobody", "strict_modes": "no"})
    assert os.stat(os.path.join(broker.run_dir, "control")).st_uid == nobody.pw_uid
    assert '"type":"end"' in as_other(broker, "scale web 3", nobody.pw_uid, nobody.pw_gid)
    broker.wait_event("worker-ready", worker="web.2")
    # It has no right to remove the directory itself: that lies in one of root.
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() == 0
    assert os.stat(broker.run_dir).st_uid == nobody.pw_uid
    broker._start([], None, None)  # what is left over does not keep it from the next start
    broker.wait_ready()
    assert "serving" in as_other(broker, "status", nobody.pw_uid, nobody.pw_gid)
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() == 0
    os.chmod(broker.dir, 0o757)  # others may have put it there
    refused = broker_cli("-c", broker.file)
    assert refused.returncode == 3 and "directory %s can be written" % broker.dir in refused.stderr, refused
    broker.stopped = {}


@test
def what_was_asked_is_in_the_log():
    broker = small()
    ask(broker, "signal web.0 WINCH")
    event = broker.wait_event("control")
    assert event["request"] == "signal web.0 WINCH" and event["client"] == os.getpid(), event
    ask(broker, "status")
    assert len(broker.events("control")) == 1


@test
def without_a_socket_the_broker_serves_as_well():
    broker = small(broker={"control": "off"})
    assert os.listdir(broker.run_dir).count("control") == 0
    assert http_get(broker.port)


@test
def a_path_of_ones_own():
    path = tmp("ctl.sock")
    broker = small(broker={"control": path})
    with Control(path) as c:
        assert c.ask("status")[0]["pid"] == broker.pid
    # A second broker does not take it away, and says whose it is.
    other = Broker(app("srv_poll"), broker={"control": path}, wait_ready=False)
    assert other.wait_exit() == 3
    other.stopped = {}
    other.log.close()
    assert "another process listens on" in other.log.tail()
    broker.stop()
    assert not os.path.exists(path)


@test
def a_socket_left_over_is_replaced():
    path = tmp("old.sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
    broker = small(broker={"control": path})
    with Control(path) as c:
        c.ask("status")
    broker.stop()


# --- harm -----------------------------------------------------------------------------------


def unharmed(broker, deed):
    """`deed` is done under load, which loses nothing, and leaves no descriptor behind."""
    load = Load(broker.port)
    load.wait_answers(100)
    with broker.same_fds():
        deed()
        load.wait_answers(500)
    load.wait_answers(100)
    load.assert_clean()
    assert ask(broker, "status")[0]["pid"] == broker.pid


def silent(broker):
    s = socket.socket(socket.AF_UNIX)
    s.connect(os.path.join(broker.run_dir, "control"))
    s.settimeout(20)
    return s


def read_to_end(s):
    text = b""
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            return text
        if not part:
            return text
        text += part


def send_until_refused(s, data):
    """All that the broker takes of it: it may have said its word and left before the end."""
    try:
        s.sendall(data)
    except OSError:
        pass


@test
def a_line_without_end_is_refused():
    broker = small()

    def deed():
        for size in (LIMIT, LIMIT + 1, 10 * LIMIT, 1 << 20):
            with silent(broker) as s:
                send_until_refused(s, b"x" * size)
                assert b"at most 4096 bytes" in read_to_end(s)

    unharmed(broker, deed)


@test
def the_longest_request_is_one():
    with Control(small()) as c:
        c.socket.sendall(b"status " + b"x" * (LIMIT - 8) + b"\n")
        assert c.answer()[-1]["code"] == "unknown-service"


@test
def binary_is_refused():
    broker = small()

    def deed():
        for data in (b"\0\1\2\3\n", b"\xff\xfe\n", b"status\x1b[2J\n", os.urandom(2000) + b"\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
            with silent(broker) as s:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                for line in read_to_end(s).splitlines():
                    assert re.search(rb'"code":"(bad-request|unknown-command)"', line), line

    unharmed(broker, deed)


@test
def who_does_not_read_is_dropped_and_slows_nobody():
    broker = small()

    def deed():
        with silent(broker) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            # It answers until nothing more goes out, reads no further, and then gives up on us.
            wait_until(lambda: fill(s), 30, "the broker leaves a client that does not read")

    unharmed(broker, deed)


def fill(s):
    """True when the other side has closed the connection."""
    s.setblocking(False)
    try:
        s.send(b"config\n" * 20)
    except BlockingIOError:
        return False
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


@test
def a_slow_follower_loses_events_and_no_more():
    broker = small(workers=1)
    with Control(broker) as slow, Control(broker) as c:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.send("events --follow --since 1h")
        for _ in range(300):
            c.send("signal web.0 WINCH")
            c.answer()
        seen = [slow.line() for _ in range(200)]
        ids = [e["id"] for e in seen if e["type"] == "event"]
        assert ids == sorted(ids) and len(set(ids)) == len(ids)


@test
def a_thousand_connections():
    broker = small()
    held = []

    def deed():
        for _ in range(1000):
            held.append(silent(broker))
        # The broker keeps the latest events and still answers.
        with Control(broker) as c:
            assert c.ask("status")[0]["pid"] == broker.pid
        assert sum(1 for s in held if is_open(s)) <= CLIENTS
        for s in held:
            s.close()

    unharmed(broker, deed)


def is_open(s):
    s.setblocking(False)
    try:
        return s.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


@as_root
def readers_leave_places_for_those_who_steer():
    broker = small(broker={"control_group": "4242"})
    own = os.getegid()
    followers = []
    os.setegid(4242)
    os.seteuid(65534)
    try:
        for _ in range(CLIENTS):
            followers.append(Control(broker))
    finally:
        os.seteuid(0)
        os.setegid(own)
    following = 0
    for c in followers:
        try:
            c.send("events --follow --since 1h")
            following += (c.line() or {}).get("type") == "event"
        except OSError:
            pass  # it was refused before it could ask
    assert following == 48, following
    with Control(broker) as c:
        assert c.ask("status")[0]["pid"] == broker.pid
    ask(broker, "scale web 1")
    broker.wait_event("scale")
    for c in followers:
        c.close()


@test
def all_places_taken_by_followers_is_said():
    broker = small()
    with broker.same_fds():
        followers = [Control(broker) for _ in range(CLIENTS)]
        for c in followers:
            c.send("events --follow --since 1h")
            assert c.line()["type"] == "event"
        with Control(broker) as late:
            assert late.answer()[-1]["code"] == "busy"
        for c in followers:
            c.close()
    ask(broker, "status")


main()
