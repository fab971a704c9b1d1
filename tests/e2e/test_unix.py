#!/usr/bin/env python3
"""A service on a Unix socket: the file, its rights, its connections, and what the app sees of them."""

import grp
import os
import pwd
import socket
import stat
import threading

from harness import *
from lib.ctl import ctl
from lib.steering import ask, workers


def listeners(broker):
    return {o["address"]: o["state"] for o in ask(broker, "status web") if o["type"] == "listener"}


def connect_unix(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect("\0" + path[1:] if path[0] == "@" else path)
    return s


def get(path):
    with connect_unix(path) as s:
        return send_and_read(s)


def send_and_read(s):
    send_request(s)
    return read_answer(s)


# Says what it sees of its sockets: one thread for each connection, "hold" keeps it.
SEES = """
import socket, sys, threading, os
family = socket.AF_INET6 if sys.argv[2] == "6" else socket.AF_INET
s = socket.socket(family)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", int(sys.argv[1])))
s.listen(64)

def serve(c, peer):
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    c.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 16)
    assert c.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) and c.family == family
    assert c.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) == family
    assert c.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) == socket.IPPROTO_TCP
    seen = c.getpeername()[:2], peer[:2], c.getsockname()[:2]
    cred = c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    for line in c.makefile():
        c.sendall(("%d %r %d\\n" % (os.getpid(), seen, int.from_bytes(cred[:4], "little"))).encode())
    c.close()

while True:
    threading.Thread(target=serve, args=s.accept(), daemon=True).start()
"""


def sees(family=4):
    return ["python3", write_file("sees.py", SEES), "{port}", str(family)]


def ask_app(s):
    """pid, what it sees, the client's pid as the kernel says it"""
    s.sendall(b"?\n")
    answer = b""
    while not answer.endswith(b"\n"):
        part = s.recv(4096)
        assert part, "the connection ended"
        answer += part
    pid, rest = answer.decode().split(" ", 1)
    seen, client = rest.rsplit(" ", 1)
    return int(pid), eval(seen), int(client)


def wait_file_gone(path):
    wait_until(lambda: not os.path.exists(path))


@test
def a_tcp_app_is_served_on_a_path_beside_its_port():
    path = tmp("web.sock")
    broker = Broker(app("srv_poll"), workers=2, listen=["{port}", path + " for {port}"])
    assert len({get(path).pid for _ in range(4)}) == 2
    assert http_get(broker.port).pid in {w["pid"] for w in workers(broker)}
    assert listeners(broker)[path] == "open"
    assert broker.events("listen", address=path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    broker.stop()
    assert not os.path.lexists(path), "it goes with the broker"


@test
def the_app_sees_a_local_client_in_its_own_family():
    for family, ip in (4, "127.0.0.1"), (6, "::ffff:127.0.0.1"):
        path = tmp("family%d.sock" % family)
        broker = Broker(sees(family), workers=1, listen=path + " for {port}")
        with connect_unix(path) as s:
            pid, (peer, accepted, own), client = ask_app(s)
        assert peer == accepted == (ip, 0), (peer, accepted)
        assert own == (ip, broker.port if hasattr(broker, "port") else own[1]), own
        assert client == os.getpid(), "SO_PEERCRED is the client's"
        broker.stop()


@test
def an_abstract_name_is_served_and_is_free_again_after_the_end():
    name = "@broker-test-%d" % os.getpid()
    broker = Broker(app("srv_poll"), workers=2, listen=name + " for {port}")
    assert get(name).status == 200
    assert listeners(broker) == {name: "open"}
    broker.stop()
    try:
        connect_unix(name).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("somebody listens on %s" % name)


@test
def mode_user_and_group_are_there_before_a_client_and_change_with_a_reload():
    path = tmp("rights.sock")
    keys = dict(workers=1, listen=path + " for {port}", socket_mode="0620")
    if os.geteuid() == 0:
        keys.update(socket_user="nobody", socket_group="daemon")
    broker = Broker(app("srv_poll"), **keys)
    st = os.stat(path)
    assert stat.S_IMODE(st.st_mode) == 0o620, oct(st.st_mode)
    if os.geteuid() == 0:
        assert (st.st_uid, st.st_gid) == (pwd.getpwnam("nobody").pw_uid, grp.getgrnam("daemon").gr_gid)
    broker.configure(app("srv_poll"), **dict(keys, socket_mode="0600"))
    broker.reload_and_wait()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.stat(path).st_ino == st.st_ino, "it is the same socket"


@test
def a_stale_socket_is_replaced_and_a_live_one_and_a_file_are_refused():
    path = tmp("taken.sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen(1)
        for what in "another process listens on", "is there already and is no socket":
            broker = Broker(app("srv_poll"), workers=1, listen=path + " for {port}", wait_ready=False)
            broker.wait_exit()
            assert what in str(broker.log.lines()), what
            assert os.path.lexists(path)
            os.unlink(path)
            write_file("taken.sock", "")
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
    broker = Broker(app("srv_poll"), workers=1, listen=path + " for {port}")
    assert get(path).status == 200


@test
def what_another_has_put_in_its_place_stays_there():
    path = tmp("replaced.sock")
    broker = Broker(app("srv_poll"), workers=1, listen=path + " for {port}")
    os.unlink(path)
    write_file("replaced.sock", "not yours")
    broker.stop()
    assert open(path).read() == "not yours"


@test
def a_reload_keeps_the_socket_and_loses_nobody():
    path = tmp("reload.sock")
    broker = Broker(app("srv_poll"), workers=2, listen=path + " for {port}")
    inode, failed, done, over = os.stat(path).st_ino, [], [], threading.Event()

    def load():
        while not over.is_set():
            try:
                done.append(get(path).pid)
            except (OSError, AssertionError) as e:
                failed.append(e)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for t in threads:
        t.start()
    try:
        wait_until(lambda: len(done) > 50)
        broker.reload_and_wait()
        n = len(done)
        wait_until(lambda: len(done) > n + 50)
    finally:
        over.set()
        for t in threads:
            t.join()
    assert not failed, failed[:3]
    assert len(set(done)) == 4 and os.stat(path).st_ino == inode


@test
def a_worker_that_drains_finishes_a_connection_that_came_by_the_socket():
    path = tmp("drain.sock")
    broker = Broker(sees(), workers=1, listen=path + " for {port}", drain_timeout="1h")
    with connect_unix(path) as s:
        old = ask_app(s)[0]
        mark = broker.mark()
        broker.hup()
        broker.wait_event("worker-draining", since=mark)
        # Two looks at least: without connections it would be ended at the first.
        wait_until(lambda: [w for w in workers(broker) if w["pid"] == old and w["open"] == 1])
        with connect_unix(path) as other:
            assert ask_app(other)[0] != old
        assert ask_app(s)[0] == old
    broker.wait_event("worker-exit", since=mark, pid=old)


@test
def a_reload_opens_and_closes_paths_and_who_waits_at_one_is_served():
    path, second = tmp("first.sock"), tmp("second.sock")
    broker = Broker(app("srv_poll"), workers=1, listen=path + " for {port}")
    broker.configure(app("srv_poll"), workers=1, listen=second + " for {port}")
    broker.reload_and_wait()
    wait_file_gone(path)
    assert get(second).status == 200
    wait_until(lambda: set(listeners(broker)) == {second})
    broker.configure(app("srv_poll"), workers=1, listen=path + " for {port}")
    broker.reload_and_wait()
    assert get(path).status == 200
    wait_file_gone(second)


@test
def who_waits_at_a_path_that_a_reload_drops_is_served():
    path = tmp("waits.sock")
    broker = Broker(app("srv_poll"), workers=1, queue=1, listen=path + " for {port}")
    pid = broker.worker_pid()
    os.kill(pid, signal.SIGSTOP)
    broker.wait_event("worker-held")
    waiting = [connect_unix(path) for _ in range(5)]
    for s in waiting:
        send_request(s)
    broker.configure(app("srv_poll"), workers=1, queue=1, listen="{port}")
    broker.reload_and_wait()
    wait_file_gone(path)
    assert {read_answer(s).status for s in waiting} == {200}
    os.kill(pid, signal.SIGCONT)


@test
def what_waits_at_a_worker_that_is_killed_goes_to_another():
    """As with TCP: see test_crash.py."""
    path = tmp("taken-back.sock")
    broker = Broker(app("srv_blocking"), workers=2, listen=path + " for {port}")
    busy = {get(path).pid: None for _ in range(4)}
    slow = [connect_unix(path) for _ in range(2)]
    for s in slow:
        send_request(s, "/slow?ms=60000")
    wait_until(lambda: all(w["given"] > 2 and w["waiting"] == 0 for w in workers(broker)))
    waiting = [connect_unix(path) for _ in range(6)]
    for s in waiting:
        send_request(s)
    wait_until(lambda: sum(w["waiting"] for w in workers(broker)) == 6)
    for pid in busy:
        os.kill(pid, signal.SIGKILL)
    assert {read_answer(s).status for s in waiting} == {200}
    assert broker.events("taken-back")


@test
def the_socket_of_a_dead_broker_is_replaced():
    path = tmp("dead.sock")
    broker = Broker(app("srv_poll"), workers=1, listen=path + " for {port}", drain_timeout="100ms")
    broker.kill()
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    with socket.socket(socket.AF_UNIX) as s:
        assert s.connect_ex(path) != 0
    again = Broker(app("srv_poll"), workers=1, listen=path + " for {port}")
    assert get(path).pid == again.worker_pid()


@test
def two_names_of_one_path_are_not_taken_for_another_process():
    lines = [tmp("twice.sock") + " for {port}", tmp("./twice.sock") + " for 2"]
    broker = Broker(app("srv_poll"), workers=1, listen=lines, wait_ready=False)
    assert broker.wait_exit() != 0
    assert "listens on %s already, for another name" % tmp("./twice.sock") in str(broker.log.lines())


@test
def a_second_broker_is_told_who_has_the_socket_and_takes_nothing():
    path = tmp("both.sock")
    broker = Broker(app("srv_poll"), workers=1, listen=path + " for {port}")
    other = Broker(app("srv_poll"), workers=1, listen=path + " for {port}", wait_ready=False)
    assert other.wait_exit() != 0
    assert "another process listens on %s (pid %d)" % (path, broker.main_pid) in str(other.log.lines())
    assert get(path).pid == broker.worker_pid()


@test
def a_path_moves_to_another_service_without_a_gap():
    path = tmp("moves.sock")
    text = ("[service:a]\ncommand = {apps}/srv_poll {port}\nworkers = 1\nlisten = %s for {port}\n"
            "[service:b]\ncommand = {apps}/srv_poll {port2}\nworkers = 1\nlisten = {port2}\n")
    other = ("[service:a]\ncommand = {apps}/srv_poll {port}\nworkers = 1\nlisten = {port}\n"
             "[service:b]\ncommand = {apps}/srv_poll {port2}\nworkers = 1\nlisten = {port2}\n"
             "listen = %s for {port2}\n")
    broker = Broker(text=text % path)
    inode, first = os.stat(path).st_ino, get(path).pid
    assert first == broker.worker_pid("a.0")
    broker.configure(text=other % path)
    broker.reload_and_wait(service="b")
    wait_until(lambda: get(path).pid == broker.worker_pid("b.0"))
    assert os.stat(path).st_ino == inode


@test
def a_reload_that_is_aborted_leaves_no_socket():
    path, second = tmp("stays.sock"), tmp("never.sock")
    broker = Broker(app("srv_poll"), workers=1, listen=path + " for {port}")
    broker.configure(app("srv_poll", "no-port"), workers=1, start_timeout="300ms",
                     listen=[path + " for {port}", second + " for {port}"])
    broker.reload_and_wait(want="reload-aborted")
    wait_file_gone(second)
    assert get(path).status == 200


@test
def a_socket_that_was_removed_is_made_again_by_a_reload():
    path = tmp("removed.sock")
    broker = Broker(app("srv_poll"), workers=1, listen=path + " for {port}", socket_mode="0600")
    os.unlink(path)
    broker.reload_and_wait()
    assert get(path).status == 200 and stat.S_IMODE(os.stat(path).st_mode) == 0o600
    wait_until(lambda: [o for o in ask(broker, "status web") if o["type"] == "listener"
                        and o["state"] == "closing"] == [])
    # One of somebody else is not.
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen(1)
        mark = broker.mark()
        broker.hup()
        event = broker.wait_event("reload-refused", since=mark)
        assert "another process listens on %s (pid %d)" % (path, os.getpid()) in event["message"], event


@test
def without_options_the_socket_belongs_to_the_workers():
    if os.geteuid() != 0:
        return
    path, nobody = tmp("owner.sock"), pwd.getpwnam("nobody")
    broker = Broker(app("srv_poll"), workers=1, user="nobody", listen=path + " for {port}")
    st = os.stat(path)
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (nobody.pw_uid, nobody.pw_gid, 0o660)
    broker.stop()
    broker = Broker(app("srv_poll"), workers=1, user="nobody", socket_group="daemon",
                    listen=path + " for {port}")
    st = os.stat(path)
    assert (st.st_uid, st.st_gid) == (nobody.pw_uid, grp.getgrnam("daemon").gr_gid)


@test
def a_broker_that_has_given_up_root_removes_its_socket():
    if os.geteuid() != 0:
        return
    where, nobody = tmp("theirs"), pwd.getpwnam("nobody")
    os.mkdir(where)
    os.chown(where, nobody.pw_uid, nobody.pw_gid)
    path = os.path.join(where, "s")
    broker = Broker(app("srv_poll"), workers=1, broker={"user": "nobody"}, listen=path + " for {port}")
    assert os.stat(path).st_uid == nobody.pw_uid and get(path).status == 200
    os.chown(broker.dir, nobody.pw_uid, -1)  # for its run directory
    broker.stop()
    assert os.listdir(where) == []


@test
def what_cannot_be_bound_is_said_before_anything_starts():
    broker = Broker(app("srv_poll"), workers=1, listen=tmp("x.sock") + " for {port}",
                    socket_user="no-such-user", wait_ready=False)
    assert broker.wait_exit() != 0
    broker.log.wait(["start-failed"])
    assert "no user" in str(broker.log.lines()) and "socket_user" in str(broker.log.lines())
    assert not os.path.lexists(tmp("x.sock"))
    for line, says in (
        ("/nowhere/x.sock for {port}", "cannot listen on /nowhere/x.sock: No such file or directory"),
        (tmp() + " for {port}", "is there already and is no socket"),
    ):
        broker = Broker(app("srv_poll"), workers=1, listen=line, wait_ready=False)
        assert broker.wait_exit() != 0
        broker.log.wait(["start-failed"])
        assert says in str(broker.log.lines()), says
        assert not broker.log.find(["worker-start"])
        checked = broker_cli("-c", broker.file, "-t")
        assert checked.returncode != 0 and line.split()[0] in checked.stderr, checked


@test
def clients_without_an_address_go_round_although_the_balance_is_by_source():
    path = tmp("source.sock")
    broker = Broker(app("srv_poll"), workers=2, balance="source", listen=path + " for {port}")
    wait_until(lambda: len({get(path).pid for _ in range(20)}) == 2)
    assert broker.events("listen", address=path)


@test
def a_health_check_of_a_published_program_is_no_client():
    path = tmp("check.sock")
    broker = Broker(app("srv_poll"), workers=1, check="GET /", check_interval="50ms",
                    listen=path + " for {port}")
    assert get(path).status == 200
    assert [w["state"] for w in workers(broker)] == ["ready"]


@test
def a_pin_of_clients_that_have_no_address_is_refused():
    path = tmp("pinned.sock")
    broker = Broker(app("srv_poll"), workers=1, listen=path + " for {port}")
    for words in (("pin", "127.0.0.1", "web.0"),
                  ("debug", "web.0", "--from", "127.0.0.1", "--", "true")):
        done = ctl("-c", broker.file, *words)
        assert done.returncode == 1 and "`next web.0`" in done.stderr, done
    assert ctl("-c", broker.file, "next", "web.0").returncode == 0 and get(path).status == 200
    broker.stop()


@test
def an_inetd_program_sees_no_addresses_of_a_unix_socket():
    names = "PROTO TCPREMOTEIP TCPREMOTEPORT TCPLOCALIP TCPLOCALPORT REMOTE_ADDR SERVER_ADDR SERVER_PORT"
    script = "print <STDIN> . join(',', map { $_ . '=' . $ENV{$_} } qw(%s))" % names
    path = tmp("inetd_env.sock")
    for park in ("main", "exec", "first-read"):
        broker = Broker(["perl", "-e", script], mode="inetd", workers=1, listen=path, park=park)
        with connect_unix(path) as s:
            s.sendall(b"x\n")
            answer = s.makefile().read()
        assert answer == "x\nPROTO=UNIX," + ",".join(n + "=" for n in names.split()[1:]), answer
        broker.stop()


@test
def an_inetd_program_is_served_on_a_path_and_a_port():
    path = tmp("inetd.sock")
    for listen in ([path], ["{port}", path], [path, "{port}"]):
        broker = Broker(["cat"], mode="inetd", workers=1, listen=listen)
        with connect_unix(path) as s:
            s.sendall(b"over a path\n")
            assert s.recv(100) == b"over a path\n"
        if len(listen) > 1:
            with connect(broker.port) as s:
                s.sendall(b"over TCP\n")
                assert s.recv(100) == b"over TCP\n"
        broker.stop()
        assert not os.path.lexists(path)


@test
def metrics_and_text_name_the_path():
    path = tmp("named.sock")
    broker = Broker(app("srv_poll"), workers=1, broker={"metrics": "127.0.0.1:{port2}"},
                    listen=[path + " for {port}", "{port3} for {port}"])
    assert get(path).status == 200
    with connect(broker.port2) as s:
        send_request(s, "/metrics")
        assert 'address="%s"} 1\n' % path in read_answer(s).body
    shown = ctl("-s", broker.run_dir + "/control", "status").stdout
    assert "\n  %s for %d  open  accepted 1\n" % (path, broker.port) in shown, shown
    broker.stop()


# Listens on a path as most do: removes what is there first.
LISTENS = """
import os, socket, sys
try:
    os.unlink(sys.argv[1])
except FileNotFoundError:
    pass
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
while True:
    c = s.accept()[0]
    c.sendall(b"%d" % os.getpid())
    c.close()
"""


def answer(path):
    with connect_unix(path) as s:
        return int(s.recv(100))


@test
def workers_that_remove_the_socket_before_they_bind_it_share_it():
    path, second = tmp("shared.sock"), tmp("moved.sock")
    program = ["python3", write_file("listens.py", LISTENS)]
    broker = Broker(program + [path], workers=4, listen=path)
    assert {answer(path) for _ in range(8)} == {w["pid"] for w in workers(broker)}
    inode = os.stat(path).st_ino
    broker.reload_and_wait()
    assert os.stat(path).st_ino == inode, "the new workers were told whose it is"
    assert {answer(path) for _ in range(8)} == {w["pid"] for w in workers(broker) if w["state"] == "ready"}
    # It goes with its line.
    broker.configure(program + [second], workers=1, listen=second)
    broker.reload_and_wait()
    wait_file_gone(path)
    answer(second)


@test
def a_native_program_on_a_socket_needs_a_line():
    path = tmp("unlisted.sock")
    broker = Broker([os.path.join(BUILD, "worker"), path], mode="native", workers=1, wait_ready=False)
    broker.wait_event("worker-failed")
    assert "no listen line names the socket %s: write listen = %s in [service:web]" % (path, path) in str(broker.log.lines())
    assert not os.path.lexists(path)


@test
def a_socket_of_a_service_of_another_user_is_that_users():
    if os.geteuid() != 0:
        return
    path = tmp("theirs.sock")
    broker = Broker(["python3", write_file("listens.py", LISTENS), path], workers=1, user="nobody", listen=path)
    assert answer(path) == broker.worker_pid()
    assert os.stat(path).st_uid == pwd.getpwnam("nobody").pw_uid


@test
def a_check_reaches_a_program_on_a_unix_socket():
    path = tmp("checked.sock")
    broker = Broker(["python3", write_file("listens.py", LISTENS), path], workers=2,
                    listen=path, check="connect", check_interval="50ms")
    wait_until(lambda: answer(path))
    assert {w["state"] for w in workers(broker)} == {"ready"}


main()
