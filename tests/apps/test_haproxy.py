#!/usr/bin/env python3
"""A real HAProxy, configured as docs/examples/haproxy.cfg says, in front of two brokers."""

import csv
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import *  # noqa: E402,F401,F403
from row import which  # noqa: E402

HAPROXY = which("haproxy")
EXAMPLE = os.path.join(ROOT, "docs/examples/haproxy.cfg")
SERVERS = ("one", "two")
FORCED_DRAIN = 8  # in srv_admin_state
AGENT_RUNS = 1 | 4  # in srv_agent_state: in progress, enabled

if not HAPROXY:
    assert os.environ.get("BROKER_APPS_REQUIRED") != "1", "not installed: haproxy"
    skip_all("no haproxy here: haproxy")


def read(path):
    with open(path) as file:
        return file.read()


def replaced(text, changes):
    for old, new in changes:
        text, n = re.subn(old, new, text, flags=re.M)
        assert n, "no %s in the example" % old
    return text


class HAProxy:
    """The example, with addresses of this machine and quicker checks, as a running HAProxy."""

    def __init__(self, serve, metrics, agent):
        self.port = free_port()
        self._socket = tmp("haproxy.sock")
        text = replaced(read(EXAMPLE), (
            (r"/run/haproxy/admin\.sock", self._socket),
            (r"bind :80$", "bind 127.0.0.1:%d" % self.port),
            (r"10\.0\.0\.(\d):80$", r"127.0.0.\1:%d" % serve),
            (r"\b9180\b", str(metrics)),
            (r"\b9181\b", str(agent)),
            (r"\binter 2s", "inter 100ms"),
        ))
        log = open(tmp("haproxy.log"), "w+")
        at_end(log.close)
        self._process = subprocess.Popen(
            [HAPROXY, "-db", "-f", write_file("haproxy.cfg", text)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=proc.die_with_parent,
        )
        at_end(self._end)
        wait_until(lambda: not refused(self.port) and self._answers(), 20, lambda: read(log.name))

    def _end(self):
        self._process.kill()
        self._process.wait(10)

    def _answers(self):
        try:
            return self._ask("show info")
        except OSError:
            return None  # its socket is not there yet

    def _ask(self, command):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(self._socket)
            sock.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: sock.recv(65536), b"")).decode()

    def do(self, command):
        said = self._ask(command).strip()
        assert not said, "%s: %s" % (command, said)

    def stat(self, server):
        """The row of a server in `show stat`."""
        rows = csv.DictReader(self._ask("show stat").lstrip("# ").splitlines())
        return next(r for r in rows if (r["pxname"], r["svname"]) == ("web", server))

    def state(self, server, column):
        """A number of a server in `show servers state`."""
        lines = [line.lstrip("# ").split(" ") for line in self._ask("show servers state web").splitlines()[1:]]
        rows = [dict(zip(lines[0], line)) for line in lines[1:]]
        return int(next(r for r in rows if r.get("srv_name") == server)[column])

    def count(self, server, column):
        return int(self.stat(server)[column])

    def wait(self, server, status, weight=None):
        """Until `show stat` has that status and weight."""
        def is_there():
            stat = self.stat(server)
            return stat["status"] == status and weight in (None, int(stat["weight"]))

        wait_until(is_there, 30, lambda: "%s %s at %s, it is %s" % (server, status, weight, self.stat(server)))

    def wait_serving(self, server):
        """By both checks, with its whole weight, and nothing by hand or by the agent against it."""
        self.wait(server, "UP", 100)
        wait_until(lambda: self.stat(server)["agent_status"] == "L7OK", 30, "an answer of the agent")
        wait_until(lambda: self.state(server, "srv_admin_state") == 0, 30, "%s neither drains nor is in maintenance" % server)

    def wait_draining(self, server):
        """Until the agent has said so; the status then soon is DOWN, as /readyz says no as well."""
        wait_until(lambda: self.state(server, "srv_admin_state") == FORCED_DRAIN, 30, "%s drains" % server)
        assert self.stat(server)["status"].split()[0] in ("DRAIN", "DOWN"), self.stat(server)

    def wait_more(self, server, n=50):
        """Until it was given that many more."""
        before = self.count(server, "stot")
        wait_until(lambda: self.count(server, "stot") >= before + n, 60, "%d more for %s" % (n, server))

    def assert_clean(self, *servers):
        """It has never had to try again."""
        for server in servers:
            stat = self.stat(server)
            bad = {k: stat[k] for k in ("econ", "eresp", "wretr", "wredis") if stat[k] != "0"}
            assert not bad, (server, bad)


class Site:
    """Two brokers with an app each, on the same ports of two addresses, and HAProxy before them."""

    def __init__(self, **service):
        self.ports = [free_port() for _ in range(3)]
        self.service = service
        self.brokers = {server: self.start(server) for server in SERVERS}
        self.haproxy = HAProxy(*self.ports)
        for server in SERVERS:
            self.haproxy.wait_serving(server)

    def address(self, server):
        return "127.0.0.%d" % (1 + SERVERS.index(server))

    def start(self, server):
        address, (serve, metrics, agent) = self.address(server), self.ports
        return Broker(
            app("srv_poll", serve), workers=3, listen="%s:%d for %d" % (address, serve, serve),
            broker={"metrics": "%s:%d" % (address, metrics), "agent_check": "%s:%d" % (address, agent)},
            **self.service,
        )

    def loads(self):
        """Clients that come once, and such that stay for some requests."""
        loads = [
            Load(self.haproxy.port, inflight=16, path="/slow?ms=2"),
            Load(self.haproxy.port, inflight=4, keepalive=20),
        ]
        for load in loads:
            load.wait_answers(50)
        return loads

    def load_of(self, server):
        """Clients that come from now on and are all given to that server."""
        load = Load(self.haproxy.port, inflight=4)
        pids = load.wait_pids(200)
        assert self.brokers[server].top_pids(pids).keys() == pids.keys(), (pids, server)
        return load


@test
def the_example_is_what_haproxy_takes_and_what_the_page_shows():
    got = subprocess.run([HAPROXY, "-c", "-f", EXAMPLE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert got.returncode == 0 and "[" not in got.stdout, got.stdout
    page = read(os.path.join(ROOT, "docs/metrics.md")).split("\n## HAProxy\n")[1]
    shown = page.split("```haproxy\n")[1].split("```")[0]
    assert shown.replace("    ", "\t") in read(EXAMPLE), shown


@test
def the_weight_is_the_share_of_ready_workers():
    site = Site()
    broker, haproxy = site.brokers["one"], site.haproxy
    pids = [broker.worker_pid("web.%d" % n) for n in range(3)]
    for pid, status, weight in zip(pids, ("UP", "UP", "DOWN (agent)"), (67, 33, None)):
        send_signal(pid, signal.SIGSTOP)
        haproxy.wait("one", status, weight)
    haproxy.wait_serving("two")
    for pid in pids:
        send_signal(pid, signal.SIGCONT)
    haproxy.wait_serving("one")


@test
def reloads_fail_nothing():
    site = Site()
    loads = site.loads()
    for broker in site.brokers.values():
        broker.reload_and_wait()
        broker.wait_event("worker-exit", generation=1, count=3, timeout=60)
    for server in SERVERS:
        site.haproxy.wait_more(server)
    for load in loads:
        load.assert_clean()
    site.haproxy.assert_clean(*SERVERS)


@test
def a_client_that_stays_keeps_no_worker_from_ending():
    site = Site(drain_timeout="1h")
    clients = [connect(site.haproxy.port) for _ in range(6)]
    for sock in clients:
        at_end(sock.close)
        send_request(sock, close=False)
        assert read_answer(sock).status == 200
    for broker in site.brokers.values():
        broker.reload_and_wait()
        broker.wait_event("worker-exit", generation=1, count=3)
    for sock in clients:
        send_request(sock)
        assert read_answer(sock).status == 200


@test
def a_broker_that_stops_is_drained_and_gets_its_share_again_when_it_is_back():
    site = Site()
    haproxy, broker = site.haproxy, site.brokers["one"]
    # One on each: of the broker that stops, too.
    long = [connect(haproxy.port) for _ in SERVERS]
    for sock in long:
        at_end(sock.close)
        send_request(sock, "/slow?ms=1000")
    for server in SERVERS:
        wait_until(lambda: haproxy.count(server, "scur") == 1, 20, "one for %s" % server)
    loads = site.loads()
    # Past HAProxy, so that the broker stops for as long as we look.
    held = connect(site.ports[0], site.address("one"))
    at_end(held.close)
    broker.signal(signal.SIGTERM)
    haproxy.wait_draining("one")
    for sock in long:
        assert read_answer(sock).status == 200
    loads.append(site.load_of("two"))
    held.close()
    broker.wait_stopped()
    haproxy.wait("one", "DOWN")
    haproxy.wait_more("two", 200)
    site.start("one")
    haproxy.wait_serving("one")
    for server in SERVERS:
        haproxy.wait_more(server)
    for load in loads:
        load.assert_clean()
    haproxy.assert_clean("two")


@test
def a_paused_broker_is_drained_until_a_reload():
    site = Site()
    haproxy, broker = site.haproxy, site.brokers["one"]
    loads = site.loads()
    broker.signal(signal.SIGWINCH)
    haproxy.wait_draining("one")
    # All who came before may wait in the broker by now, until it goes on. Nobody else does.
    loads.append(site.load_of("two"))
    broker.reload_and_wait()
    haproxy.wait_serving("one")
    for server in SERVERS:
        haproxy.wait_more(server)
    for load in loads:
        load.assert_clean()
    haproxy.assert_clean(*SERVERS)


@test
def maintenance_ends_with_the_agents_next_word_unless_that_is_off():
    haproxy = Site().haproxy
    haproxy.do("set server web/one state maint")
    haproxy.wait_serving("one")
    haproxy.do("disable agent web/one")
    wait_until(lambda: haproxy.state("one", "srv_agent_state") & AGENT_RUNS == 0, 20, "the agent is off")
    haproxy.do("set server web/one state maint")
    haproxy.wait("one", "MAINT")
    haproxy.do("enable agent web/one")
    haproxy.wait_serving("one")


main()
