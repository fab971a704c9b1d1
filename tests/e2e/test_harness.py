#!/usr/bin/env python3
"""The load client must notice what it exists to notice: servers that lie, against it alone."""

import os
import socket
import subprocess
import sys
import threading

from harness import *


def liar(answer):
    """A server that gives every connection `answer(id)` bytes (None: a reset). Returns its port."""
    port = free_port()
    listener = socket.create_server(("127.0.0.1", port))
    done = threading.Event()

    def serve():
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return done.set()
            request = conn.recv(4096).decode()
            reply = answer(request.split("id=")[1].split()[0] if "id=" in request else "")
            if reply is None:
                reset(conn)
            else:
                conn.sendall(reply)
                conn.shutdown(socket.SHUT_WR)
                conn.close()

    threading.Thread(target=serve, daemon=True).start()

    def stop():
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        done.wait(10)

    at_end(stop)
    return port


def http(body, headers="Content-Length: %d\r\n", status="200 OK"):
    if "%d" in headers:
        headers = headers % len(body)
    return ("HTTP/1.1 %s\r\n%s\r\n%s" % (status, headers, body)).encode()


def expect(kind, answer, **options):
    summary = Load(liar(answer), inflight=2, total=4, **options).wait_end()
    wrong = {k: n for k, n in summary["errors"].items() if n}
    assert set(wrong) == ({kind} if kind else set()), "want %s, got %s" % (kind, summary)
    assert summary["answers"] + summary["failed"] == summary["connections"] == 4, summary
    assert kind or summary["pids"] == {7: 4}, summary


@test
def a_right_answer_counts_with_and_without_a_length():
    expect(None, lambda i: http("pid=7 id=%s\n" % i))
    expect(None, lambda i: http("pid=7 id=%s" % i, headers=""))
    expect(None, lambda i: http("pid=7 id=%s\n" % i), keepalive=1)


@test
def a_wrong_answer_is_wrong():
    expect("wrong", lambda i: http("pid=7 id=%s" % i[:-1]))
    expect("wrong", lambda i: http("pid=0 id=%s" % i))
    expect("wrong", lambda i: http("pid=7 id=%s and more" % i))
    expect("wrong", lambda i: http("pid=7 id=%s" % i, status="500 Oops"))
    expect("wrong", lambda i: http("pid=7 id=%s" % i, headers="Transfer-Encoding: chunked\r\n"))


@test
def a_second_answer_is_a_duplicate():
    expect("duplicate", lambda i: http("pid=7 id=%s" % i) * 2)
    expect("duplicate", lambda i: http("pid=7 id=%s\npid=8 id=%s\n" % (i, i)))


@test
def an_early_end_is_told_by_how_early_it_was():
    expect("short", lambda i: http("pid=7 id=%s" % i)[:-1])
    expect("closed", lambda i: b"")
    expect("reset", lambda i: None)


@test
def nobody_listening_is_refused():
    summary = Load(free_port(), inflight=2, total=4).wait_end()
    assert summary["errors"]["refused"] == summary["failed"] == 4, summary


@test
def silence_is_a_timeout():
    holder = socket.create_server(("127.0.0.1", free_port()))
    at_end(holder.close)
    port = holder.getsockname()[1]
    summary = Load(port, inflight=2, total=2, request_timeout=0.2).wait_end()
    assert summary["errors"]["timeout"] == summary["failed"] == 2, summary


@test
def each_of_our_servers_answers_by_itself():
    for name in ("blocking poll select epoll_before_listen fork threads prefork exec").split():
        server = Server(app("srv_" + name))
        load = Load(server.port, inflight=8, total=300)
        load.wait_end()
        load.assert_clean()
        many = name in ("prefork",)
        assert many or list(load.summary["pids"]) == [server.pid], (name, load.summary)
        server.stop()


@test
def requests_share_a_connection_when_asked_to():
    load = Load(Server(app("srv_poll")).port, inflight=4, keepalive=50, total=1000)
    summary = load.wait_end()
    load.assert_clean()
    assert summary["connections"] < 30 < summary["answers"], summary


@test
def a_daemon_and_two_ports_and_lines():
    for extra in ((), ("listen-first",)):
        load = Load(Server(app("srv_daemon", "{port}", *extra)).port, inflight=4, total=100)
        load.wait_end()
        load.assert_clean()
    for port in Server(app("srv_two", "{port}", "{port2}")).ports:
        load = Load(port, inflight=4, total=100)
        load.wait_end()
        load.assert_clean()
    load = Load(Server(app("srv_line")).port, mode="line", inflight=4, total=100)
    load.wait_end()
    load.assert_clean()


@test
def the_kernel_says_how_many_connections_a_server_holds():
    server = Server(app("srv_poll"))
    held = [connect(server.port) for _ in range(3)]
    wait_until(lambda: proc.held_connections([server.pid], server.port) == 3)
    assert proc.listens(server.pid, server.port)
    assert server.pid in proc.stop_tree(server.pid)
    send_signal(server.pid, signal.SIGCONT)
    for sock in held:
        send_request(sock, "/?id=x")
        answer = read_answer(sock)
        assert (answer.status, answer.id, answer.pid) == (200, "x", server.pid), vars(answer)
        sock.close()


def run_program(*lines):
    """Runs a test program of these lines with the harness. Returns (exit code, TAP, diagnostics)."""
    path = write_file("program.py", "\n".join(("from harness import *",) + lines + ("main()",)))
    env = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "tests", "e2e"), BROKER_BUILD=BUILD)
    done = subprocess.run([sys.executable, path], env=env, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@test
def a_test_that_raises_fails_alone():
    code, out, err = run_program(
        "@test", "def a_b():", "    assert 1 == 2, 'so it is'", "@test", "def c():", "    skip('no')"
    )
    assert code == 1, (code, err)
    assert out.splitlines() == ["1..2", "not ok 1 - a b", "ok 2 - c # SKIP no"], out
    assert "# AssertionError: so it is" in err and "program.py:4" in err, err


@test
def a_process_that_is_left_over_fails_the_test_and_is_ended():
    # No other run of this program has the same.
    one, two = "sleep 98765.%d1" % os.getpid(), "sleep 98765.%d2" % os.getpid()
    code, out, err = run_program(
        "import subprocess",
        "@test",
        "def leaves_a_daemon():",
        "    subprocess.run(['sh', '-c', 'env -i setsid %s & env -u HOME %s &'])" % (one, two),
    )
    assert code == 1 and "not ok 1" in out, (code, out, err)
    assert one in err and two in err, err
    left = [pid for pid in proc.pids() if proc.command_line(pid) in (one, two)]
    assert not left, left


@test
def a_test_that_hangs_is_stopped():
    code, out, err = run_program(
        "from lib import tap",
        "tap.LIMIT_SECONDS = 1",
        "@test",
        "def hangs():",
        "    wait_until(lambda: False, 100)",
        "@test",
        "def goes_on():",
        "    pass",
    )
    assert code == 1 and "not ok 1 - hangs\nok 2 - goes on" in out, (code, out, err)
    assert "not finished after 1 s" in err and "wait_until" in err, err


@test
def private_namespaces_have_their_own_processes_and_loopback():
    code, out, err = run_program(
        "import os",
        "private_namespaces()",
        "@test",
        "def alone():",
        "    assert os.getpid() == 1 and proc.pids() == [1], proc.pids()",
        "    assert http_get(Server(app('srv_poll')).port, '/?id=x').id == 'x'",
    )
    if "1..0 # SKIP" in out:
        skip(out.split("SKIP ")[1].strip())
    assert code == 0 and "ok 1 - alone" in out, (code, out, err)


main()
