#!/usr/bin/env python3
"""Apps that listen on a Unix socket, unmodified: what they do to its file, and what they see."""

import os
import re
import shutil
import socket
import stat
import threading

from harness import *
from lib.guest import Guest
from lib.steering import ask, ready_workers, told, workers


def connect_unix(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect("\0" + path[1:] if path[0] == "@" else path)
    return s


def get(path, request="/"):
    with connect_unix(path) as s:
        send_request(s, request)
        return read_answer(s)


def own_answer(path):
    """The pid of a program that listens there by itself, and perhaps not yet."""
    try:
        return get(path).pid
    except (FileNotFoundError, ConnectionRefusedError):
        return None


def seen(answer):
    return dict(re.findall(r"(\w+)=(\S*)", answer.body))


def listeners(broker):
    return {o["address"]: o["state"] for o in ask(broker, "status web") if o["type"] == "listener"}


def unix_name(path):
    return "1:%s/%d" % (path, 2 + len(path) + (path[0] == "/"))


ASYNCIO = """
import asyncio, os, sys

async def serve(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    body = "pid=%d id=none peer=%r own=%s" % (
        os.getpid(), writer.get_extra_info("peername"), writer.get_extra_info("sockname"))
    writer.write(("HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body)).encode())
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_unix_server(serve, sys.argv[1])
    os.chmod(sys.argv[1], 0o600)
    await server.serve_forever()

asyncio.run(main())
"""

BINDS = """
import signal, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
signal.pause()
"""

# As a program that is careful with the file, and has more than one name for it.
CAREFUL = """
import os, socket, sys
real = os.path.dirname(sys.argv[1])
os.chdir(real)
s = socket.socket(socket.AF_UNIX)
s.bind("./web.sock")
os.chmod("web.sock", 0o777)
assert s.getsockname() == real + "/web.sock", s.getsockname()
s.listen(64)
link, here = real + "-link", os.open(real, os.O_RDONLY)
before = os.stat("web.sock")
os.unlink(real + "/web.sock")
os.unlink("web.sock", dir_fd=here)
os.remove(link + "/../" + os.path.basename(real) + "/web.sock")
os.unlink(link + "/web.sock")
os.chmod(link + "/web.sock", 0)
os.chown("web.sock", os.getuid() + 1, 0, dir_fd=here)
open("new", "w").close()
os.rename("new", link + "/web.sock")
os.rename("new", "web.sock", src_dir_fd=here, dst_dir_fd=here)
os.chdir("/")
try:
    os.rename(real + "/web.sock", real + "/other.sock")
    sys.exit("renamed")
except PermissionError:
    pass
after = os.stat(real + "/web.sock")
assert (before.st_ino, before.st_mode, before.st_uid) == (after.st_ino, after.st_mode, after.st_uid)
# What has the same name elsewhere, and what is no socket, is the app's.
os.mkdir(real + "/d"); os.mkdir(real + "/web.sock.d")
for name in "/d/web.sock", "/web.sock2":
    open(real + name, "w").close()
    os.chmod(real + name, 0o601)
    assert os.stat(real + name).st_mode & 0o777 == 0o601
    os.rename(real + name, real + name + ".new")
    os.unlink(real + name + ".new")
    assert not os.path.exists(real + name)
while True:
    c, peer = s.accept()
    body = "pid=%d id=none peer=%r" % (os.getpid(), peer)
    c.recv(4096)
    c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body.encode()))
    c.close()
"""

# Gives up if somebody serves there; what it runs, and it itself once it listens, are clients.
ASKS = """
import errno, os, socket, subprocess, sys
path = sys.argv[1]
s = socket.socket(socket.AF_UNIX)
error = s.connect_ex(path)
if error != errno.ECONNREFUSED:
    sys.exit("somebody serves there: " + os.strerror(error))
ask = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])"
subprocess.run([sys.executable, "-c", ask, path], check=True)
s = socket.socket(socket.AF_UNIX)
os.unlink(path)
s.bind(path)
s.listen(64)
socket.socket(socket.AF_UNIX).connect(path)
while True:
    c, peer = s.accept()
    body = b"pid=%d id=none" % os.getpid()
    if c.recv(4096):
        c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    c.close()
"""

NODE = """
const http = require('http'), fs = require('fs'), path = process.argv[2];
try { fs.unlinkSync(path); } catch (e) { if (e.code != 'ENOENT') throw e; }
http.createServer((request, response) => response.end(`pid=${process.pid} id=none`))
  .listen({ path, readableAll: true, writableAll: true });
"""


def c_app(path, *how):
    return app("srv_unix", path, *how)


def python_app(path):
    return ["python3", write_file("app.py", ASYNCIO), path]


def node_app(path):
    return ["node", write_file("app.js", NODE), path]


APPS_OF = {"c": c_app, "python": python_app}
if shutil.which("node"):
    APPS_OF["node"] = node_app


class Load:
    """Eight clients, one after another each, until the end of the block; none may fail."""

    def __init__(self, path):
        self.path, self.done, self.failed, self.over = path, [], [], threading.Event()

    def run(self):
        while not self.over.is_set():
            try:
                self.done.append(get(self.path).pid)
            except (OSError, AssertionError) as e:
                self.failed.append(e)

    def some(self):
        n = len(self.done)
        wait_until(lambda: len(self.done) > n + 50)

    def __enter__(self):
        self.threads = [threading.Thread(target=self.run) for _ in range(8)]
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *unused):
        self.over.set()
        for t in self.threads:
            t.join()


@test
def an_app_on_a_path_is_served_by_turns_reloaded_and_replaced():
    for name, make in APPS_OF.items():
        path = tmp(name + ".sock")
        broker = Broker(make(path), workers=2, listen=path)
        assert listeners(broker) == {path: "open"}, name
        assert not broker.events("unlisten"), "nobody has removed what another worker listens on"
        assert [get(path).pid for _ in range(4)] == 2 * [get(path).pid for _ in range(2)], name
        assert len({get(path).pid for _ in range(2)}) == 2, name
        inode = os.stat(path).st_ino
        with Load(path) as load:
            load.some()
            broker.reload_and_wait()
            load.some()
        assert not load.failed, (name, load.failed[:3])
        assert len(set(load.done)) == 4 and os.stat(path).st_ino == inode, name
        mark = broker.mark()
        first = get(path).pid
        assert first > 1
        os.kill(first, 9)
        broker.wait_event("worker-ready", since=mark)
        assert first not in {get(path).pid for _ in range(4)} and os.stat(path).st_ino == inode
        broker.stop()
        assert not os.path.lexists(path), name


@test
def what_it_sees_of_its_sockets_is_what_the_kernel_says():
    for path in tmp("c.sock"), "@broker-app-%d" % os.getpid():
        broker = Broker(c_app(path), workers=2, listen=path)
        got = seen(get(path))
        assert got["accept"] == got["peer"] == "1:/2", got
        assert got["own"] == got["listener"] == unix_name(path), got
        assert got["cred"] == str(os.getpid()), got
        assert (got["domain"], got["protocol"], got["listener_domain"]) == ("1", "0", "1"), got
        assert (got["accepting"], got["type"], got["passcred"]) == ("1", "1", "1"), got
        broker.stop()


@test
def its_own_unlink_chmod_and_chown_do_no_harm():
    path = tmp("own.sock")
    broker = Broker(c_app(path), workers=1, listen=path, socket_mode="0622")
    before = os.stat(path)
    assert stat.S_IMODE(before.st_mode) == 0o622, oct(before.st_mode)
    with Load(path) as load:
        load.some()
        told(broker, "scale web 3")
        wait_until(lambda: len(set(load.done[-30:])) == 3)
        # Its end removes the file: that is the app's signal handler.
        told(broker, "scale web 1")
        wait_until(lambda: len(workers(broker)) == 1)
        load.some()
    after = os.stat(path)
    assert not load.failed, load.failed[:3]
    assert (before.st_ino, before.st_mode, before.st_uid) == (after.st_ino, after.st_mode, after.st_uid)


@test
def its_file_is_the_brokers_by_whatever_name():
    real = tmp("real")
    os.mkdir(real)
    os.symlink(real, real + "-link")
    broker = Broker(["python3", write_file("careful.py", CAREFUL), real + "/web.sock"], workers=1, listen=real + "/web.sock")
    wait_until(lambda: get(real + "/web.sock").status == 200)
    wait_until(lambda: "cannot be renamed" in str(broker.log.lines()))


@test
def an_app_binds_it_by_another_name_of_its_directory():
    real = tmp("dir")
    os.mkdir(real)
    os.symlink(real, real + "-link")
    broker = Broker(c_app(real + "-link/web.sock"), workers=2, listen=real + "/web.sock")
    assert len({get(real + "/web.sock").pid for _ in range(4)}) == 2
    assert listeners(broker) == {real + "/web.sock": "open"}


@test
def an_app_that_asks_who_serves_there_finds_nobody():
    path = tmp("asks.sock")
    broker = Broker(["python3", write_file("asks.py", ASKS), path], workers=2, listen=path)
    with Load(path) as load:
        load.some()
        broker.reload_and_wait()
        load.some()
    assert not load.failed, load.failed[:3]
    assert not broker.events("worker-failed")


@test
def an_app_on_a_path_is_published_on_a_port_and_on_another_path():
    path, other = tmp("app.sock"), tmp("public.sock")
    broker = Broker(c_app(path), workers=2, listen=["{port} for " + path, other + " for " + path])
    assert set(listeners(broker)) == {"[::]:%d" % broker.port, other}
    got = seen(http_get(broker.port))
    assert got["accept"] == got["peer"] == "1:/2", got
    assert got["own"] == got["listener"] == unix_name(path), got
    assert (got["domain"], got["protocol"]) == ("1", "0"), got
    got = seen(get(other))
    assert (got["peer"], got["own"]) == ("1:/2", unix_name(other)), got
    assert not os.path.lexists(path), "nobody listens there"
    assert len({http_get(broker.port).pid for _ in range(2)}) == 2


@test
def the_listening_socket_goes_on_through_exec_and_fork():
    for how in "exec", "exec-bound", "fork":
        for path in tmp(how + ".sock"), "@broker-app-%s-%d" % (how, os.getpid()):
            broker = Broker(c_app(path, how), workers=2, listen=path)
            got = seen(get(path))
            assert got["listener"] == unix_name(path), (how, got)
            wait_until(lambda: len({get(path).pid for _ in range(4)}) == 2)
            with Load(path) as load:
                load.some()
                broker.reload_and_wait()
                load.some()
            assert not load.failed, (how, load.failed[:3])
            broker.stop()


@test
def a_socket_that_no_line_names_is_the_apps_own():
    path = tmp("own.sock")
    broker = Broker(c_app(path), workers=1, wait_ready=False)
    wait_until(lambda: own_answer(path))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert not listeners(broker), "the broker does not know it"


@test
def the_second_worker_on_a_socket_without_a_line_says_what_to_do():
    path = tmp("own.sock")
    broker = Broker(["python3", write_file("binds.py", BINDS), path], workers=2, wait_ready=False)
    broker.wait_event("worker-failed")
    assert "listen on %s: an earlier run has left it" % path in str(broker.log.lines())


# sd_is_socket_unix() does the same.
ACTIVATED = """
import os, socket, sys
family = os.environ.get("EINHORN_FD_FAMILY_0", "none")
s = socket.socket(fileno=3)
option = lambda name: s.getsockopt(socket.SOL_SOCKET, name)
facts = "accepting=%d type=%d domain=%d listener=%s family=%s names=%s" % (
    option(socket.SO_ACCEPTCONN), option(socket.SO_TYPE), option(socket.SO_DOMAIN),
    s.getsockname().decode() if isinstance(s.getsockname(), bytes) else s.getsockname(), family,
    os.environ.get("LISTEN_FDNAMES", os.environ.get("SERVER_STARTER_PORT")))
while True:
    c, peer = s.accept()
    body = "pid=%d id=none %s" % (os.getpid(), facts)
    if c.recv(4096):  # else the broker has looked whether it serves
        c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body.replace("\\0", "@").encode()))
    c.close()
"""


@test
def an_activated_program_is_started_with_the_socket():
    script, path, name = write_file("activated.py", ACTIVATED), tmp("activated.sock"), "@broker-act-%d" % os.getpid()
    for convention, listen, says in (
        ("systemd", path + " as http", {"names": "http"}), ("systemd", name, {"names": "web"}),
        ("einhorn", path, {"family": "AF_UNIX"}), ("server-starter", path, {"names": path + "=3"}),
    ):
        broker = Broker(["python3", script], workers=2, activation=convention, listen=listen)
        where = listen.split()[0]
        got = seen(get(where))
        want = dict(accepting="1", type="1", domain="1", listener=where, **says)
        assert {k: got[k] for k in want} == want, got
        assert len({get(where).pid for _ in range(4)}) == 2
        broker.stop()


@test
def a_native_program_listens_on_it():
    for path in tmp("native.sock"), "@broker-native-%d" % os.getpid():
        broker = Broker([os.path.join(BUILD, "worker"), path], mode="native", workers=2, listen=path)
        wait_until(lambda: len({get(path).body for _ in range(4)}) == 2)
        broker.stop()


@test
def a_guest_joins_the_socket_and_has_its_own_beside():
    path, own = tmp("guest.sock"), tmp("own.sock")
    broker = Broker(c_app(path), workers=1, listen=path)
    inode = os.stat(path).st_ino
    with Load(path) as load:
        guest = Guest(broker, c_app(path))
        wait_until(lambda: guest.pid in load.done)
    # Its handler of SIGTERM closes the socket and removes the file.
    guest.signal(15)
    guest.wait()
    assert get(path).pid != guest.pid
    assert not load.failed and os.stat(path).st_ino == inode, load.failed[:3]
    stranger = Guest(broker, c_app(own), ready=False)
    wait_until(lambda: own_answer(own) == stranger.pid)


main()
