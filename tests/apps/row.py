"""A row of the table of real programs: what it is, how it is started, how it is asked."""

import contextlib
import os
import re
import shlex
import shutil
import socketserver
import subprocess
import threading

from asking import Asking
from harness import Load, at_end, free_port, tmp
from lib.paths import BUILD

HERE = os.path.dirname(os.path.abspath(__file__))
NPM = os.path.join(BUILD, "npm", "node_modules")
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
BROKEN = "this is { not [ what (( any program \" takes as its ' configuration\n"


def which(program):
    return shutil.which(program, path=PATH)


class Row:
    """
    name        of the program
    about       for docs/apps.md: how it accepts, and what its users must know
    apt, npm    the packages that it needs, the one that has its version first; npm with versions
    command     as in broker.ini
    shell       the same for sh -c. Each worker is in a folder of its own, where it may write
    files       {name: text} in the folder of the test. The first one is broken for the broken deploy
    setup       for sh -e, before the broker is started
    ask         a Talk
    inflight    how many ask at the same time
    tells_pid   the answers have a pid
    ports       how many it listens on: {port}, {port2}
    load        instead of `ask`, True for an app that knows load.c: "pid=PID id=ID"
    keys        of the service, beside `command`
    keepalive   as in behind.CApp; only with `load`
    broken      the broken deploy: its command, if broken files or options would not do
    processes   of one worker that may answer
    same_fds    False: how many of its processes listen changes, and with it the broker's descriptors

    In commands, keys and files {port} and {port2} are free ports, {dir} is the folder of the test,
    {socket} a path where the app listens instead of a port,
    {here} that of tests/apps, {npm} and {unpacked} where such packages are, {pem} a file with a certificate and its
    key, {backend} the port of a server that answers each line with "echo LINE". In shell, $W is the
    worker's folder.
    """

    def __init__(
        self, name, about, apt="", npm="", command=None, shell=None, files=None, ask=None, load=False,
        keys=None, keepalive=False, broken=None, processes=1, tells_pid=False, ports=1,
        setup=None, inflight=8, env=False, same_fds=True,
    ):
        self.name, self.about = name, about
        self.apt, self.npm = apt.split(), npm.split()
        self._command, self._shell, self._files = command, shell, files or {}
        self._ask, self._load, self._keys = ask, load, keys or {}
        self._keepalive, self._broken = keepalive, broken
        self.env, self.same_fds = env, same_fds
        self.processes, self.tells_pid, self._n, self._setup, self._inflight = processes, tells_pid or load, ports, setup, inflight

    # --- what is installed -------------------------------------------------------------------

    def missing(self, installed):
        """`installed`: versions() of all rows."""
        return [package for package in self.apt + self.npm if not installed.get(package)]

    def version(self, installed):
        """Major and minor of the package that is tested; of systemd the minor is Debian's fixes."""
        package = (self.npm or self.apt)[0]
        return re.match(r"(?:\d+:)?(\d{3}|\d+(?:\.\d+)?)(?!\d)", installed[package]).group(1)

    # --- what behind.check() asks for --------------------------------------------------------

    def prepare(self):
        self._dir = tmp("app")
        os.mkdir(self._dir)
        os.chmod(self._dir, 0o1777)  # apps of other users write there
        ports = [free_port() for _ in range(max(2, self._n))]
        self._values = {
            "{port}": str(ports[0]), "{port2}": str(ports[1]), "{dir}": self._dir, "{here}": HERE, "{npm}": NPM,
            "{unpacked}": os.path.join(BUILD, "unpacked"),
        }
        uses = repr((self._command, self._shell, self._keys, self._files, self._setup))
        if "{socket}" in uses:
            self._values["{socket}"] = ports[0] = os.path.join(self._dir, "app.socket")
        if "{pem}" in uses:
            self._values["{pem}"] = certificate(os.path.join(self._dir, "test.pem"))
        if "{backend}" in uses:
            self._values["{backend}"] = str(echo_server())
        for name, text in self._files.items():
            self._write(name, self._fill(text))
        command = self._words()
        keys = {
            "directory": self._dir, "start_timeout": "40s", "stop_timeout": "15s",
            "environment": ["PATH=" + PATH, "HOME=" + self._dir, "LC_ALL=C.UTF-8"],
        }
        for key, value in self._keys.items():
            if key == "environment":
                keys[key] = keys[key] + [self._fill(v) for v in value]
            else:
                keys[key] = self._fill(value)
        if "user" in keys:
            shutil.chown(self._dir, keys["user"])
        if self._setup:
            user = ["runuser", "-u", keys["user"], "--"] if "user" in keys else []
            subprocess.run(
                user + ["sh", "-ec", self._fill(self._setup)], check=True, cwd=self._dir, stdout=subprocess.DEVNULL,
                env=dict(os.environ, PATH=PATH, HOME=self._dir, LC_ALL="C.UTF-8"),
            )
        self.settings = dict(keys, command=command)
        self.broken = dict(keys, command=self._broken_words(command))
        self.ports = ports[: self._n]

    def _fill(self, text):
        for key, value in self._values.items():
            text = text.replace(key, value)
        return text

    def _words(self):
        if self._shell:
            text = "umask 022; mkdir worker.$$ && cd worker.$$ && export W=$PWD && " + self._shell
            return ["/bin/sh", "-c", self._fill(text)]
        words = [self._fill(word) for word in shlex.split(self._command)]
        # A program outside of the broker's PATH.
        return [which(words[0]) or words[0]] + words[1:]

    def _broken_words(self, command):
        if self._broken:
            return [self._fill(word) for word in shlex.split(self._broken)]
        if self._files:
            return command
        if self._shell:
            return command[:2] + [command[2] + " --no-such-option=1"]
        return command + ["--no-such-option=1"]

    def _first_file(self):
        return [] if self._broken else list(self._files)[:1]

    def break_files(self):
        for name in self._first_file():
            self._write(name, BROKEN)

    def mend_files(self):
        for name in self._first_file():
            self._write(name, self._fill(self._files[name]))

    def _write(self, name, text):
        path = os.path.join(self._dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w") as f:
            f.write(text)
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)  # it may be being served

    def load(self, port, path):
        if self._load:
            return Load(port, inflight=32, path=path)
        return Asking(self._ask, port, self._inflight)

    def more_loads(self):
        return [Load(self.ports[0], inflight=4, keepalive=20)] if self._keepalive else []


def certificate(path):
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "30"]
    subprocess.run(key + ["-keyout", path, "-out", path + ".cert"], check=True, stderr=subprocess.DEVNULL)
    with open(path + ".cert") as cert, open(path, "a") as f:
        f.write(cert.read())
    os.chmod(path, 0o644)
    return path


class _EchoServer(socketserver.ThreadingTCPServer):
    request_queue_size = 1024
    daemon_threads = True


class _Echo(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            for line in self.rfile:
                self.wfile.write(b"echo " + line)


def echo_server():
    """Runs until the test ends; returns its port."""
    port = free_port()
    server = _EchoServer(("127.0.0.1", port), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at_end(server.server_close)
    at_end(server.shutdown)
    return port


def versions(rows):
    """{package: version} of all packages of these rows that are installed."""
    apt = sorted({package for row in rows for package in row.apt})
    got = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"] + apt,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) if shutil.which("dpkg-query") else None
    lines = [line.split() for line in (got.stdout if got else "").splitlines()]
    found = {line[0]: line[1] for line in lines if line[-1] == "installed"}
    for package in (package for row in rows for package in row.npm):
        name, version = package.rsplit("@", 1)
        if _npm_version(name) == version:
            found[package] = version
    return found


def _npm_version(name):
    try:
        with open(os.path.join(NPM, name, "package.json")) as f:
            return re.search(r'"version":\s*"([^"]+)"', f.read()).group(1)
    except (OSError, AttributeError):
        return None
