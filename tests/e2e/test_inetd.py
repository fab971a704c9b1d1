#!/usr/bin/env python3
"""A process for each connection, made from one that is parked."""

import collections
import os
import re
import resource
import select
import shutil
import socket
import subprocess
import threading
import time

from harness import *
from lib import proc, tap
from lib.metrics import Page
from lib.paths import BUILD
from lib.ports import free_port
from lib.control import ask as ask_control
from lib.ctl import ctl
from lib.inetd import ask, ends, table_of
from lib.steering import ready_workers

PROGRAM = "{apps}/inetd_line"
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../apps/inetd_line.c")


def service(command=None, **options):
    return Broker(command or [PROGRAM, "word"], mode="inetd", listen="127.0.0.1:{port}", **options)


def storm(port, lines, at_once):
    """A connection for each of the lines, `at_once` of them at a time: [address, line, answer]."""
    poll, open_now, answers, lines = select.epoll(), {}, [], iter(lines)

    def begin():
        line = next(lines, None)
        if line is not None:
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            open_now[client.fileno()] = client, line, []
            poll.register(client, select.EPOLLOUT)

    for _ in range(at_once):
        begin()
    while open_now:
        for fd, events in poll.poll(30):
            client, line, parts = open_now[fd]
            if events & select.EPOLLOUT:
                client.send(line.encode() + b"\n")
                poll.modify(client, select.EPOLLIN)
                continue
            part = client.recv(4096)
            parts.append(part)
            if not part:
                answers.append(("%s:%d" % client.getsockname(), line, b"".join(parts)))
                del open_now[fd]
                client.close()
                begin()
    return answers


FREE, ENDED = (0).to_bytes(4, "little"), (3).to_bytes(4, "little")  # handoff_process.h


def entries(table):
    return range(4096 + 64, len(table) - 71, 72)


@test
def each_connection_has_a_process_of_its_own():
    for park in ("main", "exec"):
        broker = service(workers=2, park=park)
        answers = [ask(broker.port) for _ in range(40)]
        assert len({a["pid"] for a in answers}) == 40
        zygotes = {str(pid) for pid in ready_workers(broker).values()}
        assert {a["ppid"] for a in answers} == zygotes, park
        assert {(a["line"], a["arg"]) for a in answers} == {("hello", "word")}
        broker.stop()


@test
def its_environment_says_who_the_client_is():
    for park in ("main", "exec"):
        broker = service(workers=1, park=park)
        answer, client = ask(broker.port, "hold", keep=True)
        host, port = client.getsockname()
        assert answer["ip"] == host and answer["port"] == str(port), answer
        assert answer["local"] == "127.0.0.1:%d" % broker.port and answer["proto"] == "TCP", answer
        client.close()
        broker.stop()


@test
def what_parks_it_is_gone_from_its_environment():
    for park in ("main", "exec"):
        broker = service(["sh", "-c", "read x; env"], workers=1, park=park)
        with connect(broker.port) as client:
            client.sendall(b"\n")
            text = client.makefile("rb").read()
        names = {line.split(b"=")[0] for line in text.splitlines()}
        assert b"TCPREMOTEIP" in names and not {b"LD_PRELOAD", b"LD_BIND_NOW", b"BROKER_PARK"} & names, (park, text)
        broker.stop()


@test
def functions_are_looked_up_before_it_is_parked_unless_the_service_says_no():
    for own in ([], ["LD_BIND_NOW="]):
        broker = service(workers=1, environment=own)
        assert ask(broker.port)["line"] == "hello"
        first = proc.environment(ready_workers(broker)["web.0"])
        assert first.get("LD_BIND_NOW") == ("" if own else "parked"), first
        broker.stop()


@test
def each_end_is_logged_with_its_status():
    metrics_port = free_port()
    broker = service(workers=2, log_connections="yes",
                     broker={"metrics": "127.0.0.1:%d" % metrics_port})
    asked = {ask(broker.port, line)["pid"]: how for line, how in
             (("hello", "exit 0"), ("exit 3", "exit 3"), ("abort", "signal 6"))}
    found = {str(e["pid"]): e for e in ends(broker, 3)}
    assert {pid: e["how"] for pid, e in found.items()} == asked, (found, asked)
    for e in found.values():
        assert e["client"].startswith("127.0.0.1:") and e["ms"] >= 0 and e["connection"] > 0, e
    metrics = Page(metrics_port).scrape()
    for how in ("good", "failed", "killed"):
        assert metrics.value("broker_process_ends_total", how=how) == 1, how
    assert metrics.value("broker_process_seconds_count") == 3
    assert metrics.value("broker_processes") == 0
    levels = {e["how"]: e["level"] for e in found.values()}
    assert levels["exit 0"] == "info" and levels["exit 3"] == levels["signal 6"] == "warn", levels


@test
def by_default_only_failures_are_logged():
    broker = service(workers=1)
    ask(broker.port, "hello")
    ask(broker.port, "exit 7")
    assert [e["how"] for e in ends(broker, 1)] == ["exit 7"]


@test
def at_the_limit_clients_wait_and_nobody_is_refused():
    broker = service(workers=2, processes=3)
    held = [ask(broker.port, "hold", keep=True)[1] for _ in range(3)]
    late = connect(broker.port)
    late.sendall(b"hello\n")
    answers = []
    threading.Thread(target=lambda: answers.append(late.recv(4096)), daemon=True).start()
    assert "raise processes" in broker.wait_event("limit")["message"]
    rows = [row for row in ask_control(broker, "status web") if row["type"] == "worker"]
    assert sum(row["running"] for row in rows) == 3, rows
    assert sum(row["open"] for row in rows) == 3, rows  # not one for each descriptor
    assert max(row.get("oldest_ms", -1) for row in rows) >= 0, rows
    assert "RUNNING  OLDEST" in ctl("-c", broker.file, "status").stdout
    assert not answers
    held.pop().close()
    wait_until(lambda: answers)
    assert b"line=hello" in answers[0], answers
    for client in held + [late]:
        client.close()


@test
def a_check_has_a_process_but_no_place_among_those_of_clients():
    broker = service(workers=1, processes=2, check="connect", check_interval="10ms", log_connections="yes")
    held = [ask(broker.port, "hold", keep=True)[1] for _ in range(2)]
    children = lambda: set(proc.descendants(ready_workers(broker)["web.0"]))
    before = children()
    wait_until(lambda: len(children() - before) >= 8, what="processes that were made for checks")
    late = connect(broker.port)
    late.sendall(b"hello\n")
    broker.wait_event("limit")
    assert not broker.events("connection-end")
    held.pop().close()
    assert b"line=hello" in late.recv(4096)
    for client in held + [late]:
        client.close()


WORDS = ["exit 1", "error", "hello", "exit 2"]


@test
def thousands_at_once_are_served_forty_at_a_time_and_each_end_is_logged():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The backlog has room for 4096. Beyond it the kernel forgets handshakes, and may reset them.
    at_once = 4000
    if hard < 5000:
        skip("only %d descriptors here" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 5000), hard))
    broker = service(workers=2, log_connections="yes")
    began = time.monotonic()
    held = ask(broker.port, "hold", keep=True)[1]
    answers = storm(broker.port, WORDS * 2500, at_once)
    seconds = time.monotonic() - began
    note("%d connections/s" % (len(answers) / seconds))
    assert len(answers) == 10000 and all(b" line=" in text for _, _, text in answers)
    answers.append(("%s:%d" % held.getsockname(), "hold", b""))
    held.close()
    answers.append((None, "hello", ask(broker.port)))  # at once
    (said,) = broker.events("limit")
    assert "raise processes" in said["message"], said
    found = ends(broker, len(answers))
    assert len({e["connection"] for e in found}) == len(answers) == len(found)
    # The number of a port is used again.
    assert not collections.Counter(
        (client, line if line.startswith("exit") else "exit 0")
        for client, line, _ in answers if client) - collections.Counter((e["client"], e["how"]) for e in found)
    assert all(0 <= e["ms"] <= 1000 * seconds + 1000 and e["cpu_us"] > 0 for e in found)
    assert max(e["ms"] for e in found) >= 1000 * seconds - 1000
    # What a process has written is known to be its own, also if that is read after its end.
    wrote = {e.get("connection", -i) for i, e in enumerate(broker.log.find(["output"]))}
    assert len(wrote) == 2500 and wrote <= {e["connection"] for e in found}, len(wrote)


@test
def a_reload_under_load_loses_nobody_and_children_finish():
    broker = service(workers=2, drain_timeout="20s")
    answer, held = ask(broker.port, "hold", keep=True)
    stop, failed, asked = threading.Event(), [], []

    def client():
        while not stop.is_set():
            try:
                asked.append(ask(broker.port)["pid"])
            except (OSError, AssertionError) as e:
                failed.append(repr(e))

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        broker.reload_and_wait()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed and len(asked) > 100, (failed[:3], len(asked))
    # It was made by a zygote of the first generation, which waits for it.
    held.sendall(b"x")
    assert proc.alive(int(answer["pid"]))
    held.close()


@test
def a_killed_zygote_loses_nothing_that_waits_and_its_children_go_on():
    for park in ("main", "exec"):
        broker = service(workers=1, park=park, processes=100)
        answer, held = ask(broker.port, "hold", keep=True)
        zygote = ready_workers(broker)["web.0"]
        os.kill(zygote, signal.SIGSTOP)
        idle = [pid for pid in proc.descendants(zygote) if pid != int(answer["pid"])]
        for pid in idle:
            os.kill(pid, signal.SIGKILL)
        # Until it is dead, one that waits in the kernel may still take a message with it.
        wait_until(lambda: not any(proc.alive(pid) for pid in idle))
        waiting = [connect(broker.port) for _ in range(20)]
        for client in waiting:
            client.sendall(b"hello\n")
        os.kill(zygote, signal.SIGKILL)
        for client in waiting:
            assert b"line=hello" in client.recv(4096)
            client.close()
        assert proc.alive(int(answer["pid"]))
        held.close()
        broker.stop()


@test
def a_killed_broker_leaves_what_waits_to_the_zygotes():
    broker = service(workers=1, processes=100)
    zygote = ready_workers(broker)["web.0"]
    wait_until(lambda: len(proc.descendants(zygote)) == 8)
    with table_of(zygote) as table:
        # Without a free entry it does not fork.
        for at in entries(table):
            table[at:at + 4] = ENDED
        idle = proc.descendants(zygote)
        for pid in idle:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(proc.alive(pid) for pid in idle))
        for at in entries(table):
            table[at:at + 4] = ENDED
        waiting = [connect(broker.port) for _ in range(14)]
        wait_until(lambda: [w["waiting"] for w in ask_control(broker, "status web")
                            if w["type"] == "worker"] == [14])
        broker.kill()
        table[4096 + 8:4096 + 12] = FREE  # none is idle
        for at in entries(table):
            table[at:at + 4] = FREE
    for client in waiting:
        client.sendall(b"hello\n")
        assert b"line=hello" in client.recv(4096)
        client.close()


@test
def a_zygote_is_replaced_after_so_many_connections():
    broker = service(workers=1, zygote_connections=20)
    first = ready_workers(broker)["web.0"]
    wait_until(lambda: ask(broker.port) and ready_workers(broker).get("web.0") not in (first, None))
    (event,) = broker.log.find(["recycle"])[:1]
    assert event["reason"] == "zygote_connections", event


@test
def what_cannot_be_parked_is_executed_for_each_connection():
    static = tap.tmp("static")
    built = subprocess.run(["cc", "-static", "-o", static, SOURCE], capture_output=True)
    if built.returncode:
        skip("no static libc here")
    broker = service([static, "word"], workers=1)
    pids = {ask(broker.port)["pid"] for _ in range(12)}
    assert len(pids) == 12
    broker.wait_event("output", text="%s is statically linked, so it is executed for each connection "
                      "(park = exec)" % static)


THREADS = """#include <pthread.h>
#include <unistd.h>
static void *wait_on(void *a) { for (;;) pause(); return a; }
__attribute__((constructor)) static void begin(void) { pthread_t t; pthread_create(&t, 0, wait_on, 0); }
"""


@test
def a_program_with_threads_before_it_is_parked_is_executed_for_each_connection():
    with open(tap.tmp("threads.c"), "w") as f:
        f.write(THREADS)
    library, program = tap.tmp("libthreads.so"), tap.tmp("threads")
    source = SOURCE.replace("inetd_line", "inetd_first")
    subprocess.run(["cc", "-shared", "-fPIC", "-pthread", "-o", library, tap.tmp("threads.c")], check=True)
    subprocess.run(["cc", "-D_GNU_SOURCE", "-o", program, source, "-Wl,--no-as-needed", library], check=True)
    for park in ("main", "first-read"):
        broker = service([program, "read"], workers=1, park=park)
        answers = [ask(broker.port) for _ in range(6)]
        assert len({a["pid"] for a in answers}) == 6
        assert all(a["pid"] == a["began"] and a["line"] == "hello" for a in answers), answers
        broker.wait_event("output", text="%s has threads before it begins, so it is executed for each "
                          "connection (park = exec)" % program)
        broker.stop()


@test
def a_program_that_gains_privileges_is_executed_for_each_connection():
    if os.geteuid() != 0:
        skip("needs root")
    program = tap.tmp("setuid")
    shutil.copy(os.path.join(BUILD, "apps", "inetd_line"), program)
    os.chown(program, 65534, 65534)
    os.chmod(program, 0o4755)
    os.chmod(tap.tmp(), 0o755)
    broker = service([program, "word"], workers=1)
    answer, client = ask(broker.port, "hold", keep=True)
    with open("/proc/%s/status" % answer["pid"]) as f:
        assert re.search(r"^Uid:\t0\t65534\t", f.read(), re.M)
    assert answer["ip"] == "127.0.0.1" and len({ask(broker.port)["pid"] for _ in range(6)}) == 6
    assert "park = exec" in str(broker.events("output"))
    client.close()


@test
def of_a_false_table_no_more_is_believed_than_can_be():
    broker = service(workers=1, processes=50)
    zygote = ready_workers(broker)["web.0"]
    wait_until(lambda: len(proc.descendants(zygote)) == 8)
    with table_of(zygote) as table:
        for at in entries(table):
            # A pid, a status, then whatever: times before they began, no address.
            table[at + 4:at + 72] = os.urandom(68)
            table[at:at + 4] = ENDED
        client = connect(broker.port)
        client.sendall(b"exit 9\n")
        assert b"line=exit" in client.recv(4096)
        client.close()
        # Its own end is not in the table any more; whichever it is that is said, it is one.
        wait_until(lambda: broker.events("connection-end"))
    assert len(broker.events("connection-end")) == 1
    assert ask_control(broker, "status web")


@test
def errors_go_to_the_log_or_to_the_client():
    broker = service(workers=1)
    ask(broker.port, "error")
    broker.wait_event("output", text="said to descriptor 2")
    broker.stop()
    broker = service(workers=1, stderr="connection")
    with connect(broker.port) as client:
        client.sendall(b"error\n")
        text = b""
        while b"said to" not in text:
            part = client.recv(4096)
            assert part, text
            text += part


TALKS = """read a
printf 'half of %s' $a >&2
echo said
read b
echo 'the rest' >&2
sh -c 'echo inner >&2; echo said; read x'
exit 3
"""


@test
def a_line_of_output_says_whose_connection_it_is_of():
    with open(tap.tmp("talks"), "w") as f:
        f.write(TALKS)
    for park in ("main", "exec"):
        broker = service(["sh", tap.tmp("talks")], workers=1, park=park)
        clients = [connect(broker.port) for _ in range(2)]
        for word in ("one", "two"):
            for client in clients:
                client.sendall(word.encode() + b"\n")
                assert client.recv(4096) == b"said\n"
        # Whose an inner one is can be seen as long as it lives.
        wait_until(lambda: len(broker.log.find(["output"], fields={"text": "inner"})) == 2, 20, "the inner lines")
        for client in clients:
            name = "%s:%d" % client.getsockname()
            client.sendall(b"three\n")
            assert client.recv(4096) == b""
            client.close()
            end = broker.wait_event("connection-end", client=name)
            said = [e for e in broker.log.find(["output"]) if e.get("client") == name]
            assert [e["text"] for e in said] == ["half of one", "the rest", "inner"], said
            assert {e["connection"] for e in said} == {end["connection"]}, (said, end)
            assert [e["pid"] for e in said][:2] == 2 * [end["pid"]] != said[2]["pid"], (said, end)
        broker.stop()



main()
