"""
The apps that are tried behind the broker. None of them knows of it.

Each row says how the app is started, which program it needs and what may be expected of it. The
tests go through the rows of a group; docs/apps.md says the same for people.
"""

import os
import shutil
import subprocess
import sys

from harness import APPS, Load

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def which(program):
    return shutil.which(program, path=PATH)


class App:
    """
    group       which test program runs it
    command     function of a private directory and the ports: the words of the command
    needs       programs that must be installed
    ports       how many it listens on
    processes   of one worker that may answer
    keepalive   takes several requests on a connection, beside other connections
    env         answers GET /env
    load        a Load or something like it: function of port, number in flight and path
    """

    def __init__(
        self, name, group, command, needs=(), ports=1, processes=1, keepalive=False, env=True,
        load=lambda port, inflight, path: Load(port, inflight=inflight, path=path),
    ):
        self.name, self.group, self.command, self.needs = name, group, command, needs
        self.ports, self.processes, self.keepalive, self.env = ports, processes, keepalive, env
        self.load = load

    def missing(self):
        return [program for program in self.needs if not which(program)]


def c_app(name, *arguments, **expected):
    def command(_, ports):
        return [os.path.join(APPS, name)] + [str(p) for p in ports] + list(arguments)

    label = " ".join((name,) + arguments)
    return App(label, "c", command, **expected)


def python_app(name, **expected):
    # sys.executable, since python3 in PATH may be a wrapper that takes longer than the app.
    return App(
        name,
        "python",
        lambda _, ports: [sys.executable, "-B", os.path.join(HERE, name), str(ports[0])],
        **expected,
    )


def java_app(name, **expected):
    def command(directory, ports):
        sources = [os.path.join(HERE, source) for source in ("JdkHttp.java", "JdkSocket.java")]
        subprocess.run([which("javac"), "-d", directory] + sources, check=True)
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
        quick.append("-Dsun.net.httpserver.nodelay=true")
        return [which("java")] + quick + ["-cp", directory, name, str(ports[0])]

    return App(name + ".java", "java", command, needs=("java", "javac"), **expected)


def nginx(daemon):
    def command(directory, ports):
        with open(os.path.join(HERE, "nginx.conf.in")) as f:
            text = f.read().replace("@DIR@", directory).replace("@PORT@", str(ports[0]))
        conf = os.path.join(directory, "nginx.conf")
        with open(conf, "w") as f:
            f.write(text)
        start = [which("nginx"), "-e", "stderr", "-p", directory, "-c", conf]
        return start + ["-g", "daemon %s;" % daemon]

    return App(
        "nginx, daemon %s" % daemon, "nginx", command, needs=("nginx",), processes=2,
        keepalive=True, env=False,
    )


def redis_load(port, inflight, _):
    from redis_load import RedisLoad

    return RedisLoad(port, inflight)


def redis_command(directory, ports):
    options = "--port %d --bind 127.0.0.1 -::1 --appendonly no --daemonize no" % ports[0]
    return [which("redis-server"), "--dir", directory, "--save", ""] + options.split()


TABLE = [
    c_app("srv_blocking"),
    c_app("srv_poll", keepalive=True),
    c_app("srv_select", keepalive=True),
    c_app("srv_epoll_before_listen", keepalive=True),
    c_app("srv_fork", keepalive=True),
    c_app("srv_threads"),
    c_app("srv_prefork", processes=3),
    c_app("srv_exec"),
    c_app("srv_daemon"),
    c_app("srv_daemon", "listen-first"),
    c_app("srv_two", ports=2),
    c_app(
        "srv_line", env=False,
        load=lambda port, inflight, _: Load(port, inflight=inflight, mode="line"),
    ),
    App(
        "app.js", "node", lambda _, ports: [which("node"), os.path.join(HERE, "app.js"), str(ports[0])],
        needs=("node",), keepalive=True,
    ),
    python_app("py_http.py"),
    python_app("py_threading.py", keepalive=True),
    python_app("py_forking.py", keepalive=True),
    python_app("py_asyncio.py", keepalive=True),
    java_app("JdkHttp", keepalive=True),
    java_app("JdkSocket"),
    App(
        "perl_socket.pl", "perl",
        lambda _, ports: [which("perl"), os.path.join(HERE, "perl_socket.pl"), str(ports[0])],
        needs=("perl",),
    ),
    nginx("off"),
    nginx("on"),
    App(
        "redis", "redis", redis_command, needs=("redis-server",), env=False, load=redis_load,
    ),
]
