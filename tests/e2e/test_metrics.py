#!/usr/bin/env python3
"""Metrics: what a scrape says is what has happened, whatever happens meanwhile."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys

from harness import *
from lib.guest import Guest
from lib.metrics import Page, check_grown

SERVER = app("srv_poll")


def start(*command, own=None, **keys):
    own = dict({"metrics": "127.0.0.1:{port2}"}, **own or {})
    broker = Broker(list(command) or SERVER, broker=own, **keys)
    broker.page = Page(broker.port2)
    return broker


def settled(broker):
    """A scrape with nothing on its way."""
    def look():
        metrics = broker.page.scrape()
        return metrics if metrics.sum("broker_connections_waiting") == 0 else None

    return wait_until(look, 20, "nothing that waits")


@test
def the_numbers_are_those_of_the_load():
    broker = start(workers=3)
    load = Load(broker.port, inflight=16, total=900)
    summary = load.wait_end()
    load.assert_clean()
    n = summary["connections"]
    metrics = settled(broker)
    for name in ("accepted", "taken"):
        assert metrics.value("broker_connections_%s_total" % name, service="web") == n, name
    sent = metrics.value("broker_connections_sent_total", service="web")
    assert sent - metrics.value("broker_connections_taken_back_total", service="web") == n
    assert metrics.value("broker_listener_accepted_total", address="127.0.0.1:%d" % broker.port) == n
    workers = metrics.samples("broker_worker_taken_total")
    assert [w.labels["worker"] for w in workers] == ["web.0", "web.1", "web.2"]
    assert sum(w.value for w in workers) == n
    assert all(w.value > 0 for w in workers), [w.value for w in workers]
    # Each send and each accept was timed, once.
    assert metrics.value("broker_handoff_seconds_count", service="web") == sent
    assert metrics.value("broker_wait_seconds_count", service="web") == n
    # Which sum is larger says nothing: a worker may accept before the broker reads its clock.
    assert metrics.value("broker_handoff_seconds_sum") > 0
    assert metrics.value("broker_wait_seconds_sum") > 0
    assert metrics.value("broker_worker_start_seconds_count") == 3
    assert metrics.sum("broker_worker_up") == 3
    assert metrics.value("broker_service_workers", state="ready") == 3
    assert metrics.value("broker_service_workers_wanted") == 3
    assert metrics.value("broker_state", broker_state="running") == 1
    assert metrics.sum("broker_worker_resident_memory_bytes") > 100000
    assert metrics.sum("broker_worker_open_connections") == 0
    own = 1  # the connection that asks
    assert metrics.value("process_open_fds") == sum(broker.fds_at_rest().values()) + own
    assert 0 < metrics.value("process_cpu_seconds_total") < 60
    ledger = broker.stop()
    assert ledger["accepted"] == n, "a scrape was counted as a connection: %s" % ledger


@test
def counters_only_grow_through_reloads_and_crashes():
    broker = start(workers=2, drain_timeout="5s")
    load = Load(broker.port, inflight=8)
    load.wait_answers(100)
    scrapes = [broker.page.scrape()]
    for n in (1, 2):
        broker.reload_and_wait()
        load.wait_answers(100)
        scrapes.append(broker.page.scrape())
        assert scrapes[-1].value("broker_reloads_total", result="done") == n
        assert scrapes[-1].value("broker_reload_duration_seconds_count") == n
        assert scrapes[-1].value("broker_service_generation") == n + 1
        assert scrapes[-1].value("broker_worker_start_seconds_count") == 2 * n + 2
    load.stop()
    load.assert_clean()
    last = settled(broker)
    # Nobody was killed: not one is missing, though four of the pages are gone by now.
    taken = last.value("broker_connections_taken_total", service="web")
    assert last.value("broker_wait_seconds_count") == taken
    scrapes.append(last)

    hurt = Load(broker.port, inflight=8)
    hurt.wait_answers(50)
    mark = broker.mark()
    send_signal(broker.worker_pid("web.0"), signal.SIGKILL)
    broker.wait_event("worker-ready", since=mark, worker="web.0")
    hurt.wait_answers(50)
    scrapes.append(broker.page.scrape())
    hurt.stop()
    scrapes.append(settled(broker))
    for before, after in zip(scrapes, scrapes[1:]):
        check_grown(before, after)
    taken = scrapes[-1].value("broker_connections_taken_total", service="web")
    timed = scrapes[-1].value("broker_wait_seconds_count")
    assert scrapes[-1].sum("broker_worker_taken_total") == taken, "slots forget who is gone"
    # The worker that died may have taken a connection that it had not counted yet.
    assert taken - 1 <= timed <= taken, (timed, taken)
    assert scrapes[-1].value("broker_worker_taken_total", worker="web.0") > 0
    assert scrapes[-1].value("broker_worker_restarts_total", reason="signal") == 1
    assert scrapes[-1].sum("broker_worker_restarts_total") == 1


@test
def scrapes_during_load_and_reload_balance_and_cost_no_connection():
    broker = start(workers=2)
    load = Load(broker.port, inflight=16)
    load.wait_answers(50)
    with broker.same_fds():
        mark = broker.mark()
        broker.hup()
        before = broker.page.scrape()
        for _ in range(50):
            after = broker.page.scrape()  # checks the ledger
            check_grown(before, after)
            before = after
        broker.wait_event("reload-done", since=mark)
        load.stop()
    load.assert_clean()


@test
def what_waits_and_what_is_open_shows():
    broker = start(*app("srv_blocking"), workers=1, queue=4)
    first = connect(broker.port)  # its worker serves one at a time, and waits for this one's request
    wait_until(
        lambda: broker.page.scrape().value("broker_worker_open_connections", worker="web.0") == 1,
        20, "one open connection",
    )
    others = [connect(broker.port) for _ in range(3)]
    wait_until(
        lambda: broker.page.scrape().value("broker_connections_waiting", place="channel") == 3,
        20, "three that wait",
    )
    assert broker.page.scrape().value("broker_worker_waiting", worker="web.0") == 3
    for sock in [first] + others:
        send_request(sock)
        read_answer(sock)
        sock.close()
    metrics = settled(broker)
    assert metrics.value("broker_wait_seconds_count") == 4


@test
def an_overflowing_backlog_is_counted():
    broker = start(workers=1, backlog=2, listen="127.0.0.1:{port} for {port}")
    address = "127.0.0.1:%d" % broker.port
    mark = broker.mark()
    broker.signal(signal.SIGWINCH)  # nobody accepts from now on
    broker.wait_event("worker-exit", since=mark)
    metrics = broker.page.scrape()
    assert metrics.value("broker_listener_overflows_total", address=address) == 0
    assert metrics.value("broker_listener_backlog_limit", address=address) == 2
    clients = []
    for _ in range(8):
        sock = socket.socket()
        sock.setblocking(False)
        at_end(sock.close)
        sock.connect_ex(("127.0.0.1", broker.port))
        clients.append(sock)
    wait_until(
        lambda: broker.page.scrape().value("broker_listener_overflows_total", address=address) > 0,
        20, "an overflow",
    )
    assert broker.page.scrape().value("broker_listener_backlog", address=address) == 3  # limit + 1
    assert broker.page.scrape().value("broker_service_workers", state="ready") == 0
    assert broker.page.scrape().value("broker_worker_state", broker_worker_state="empty") == 1
    for sock in clients:
        sock.close()


@test
def reloads_that_fail_are_counted():
    broker = start(workers=1, start_timeout="1s")
    good = open(broker.file).read()
    broker.write_file("[service:web]\ncommand = x\nworkers = none\n")
    broker.reload_and_wait(want="reload-refused")
    assert broker.page.scrape().value("broker_reloads_refused_total") == 1
    broker.write_file(re.sub("command = .*", "command = sleep 100", good))
    broker.reload_and_wait(want="reload-aborted")
    metrics = broker.page.scrape()
    assert metrics.value("broker_reloads_total", result="aborted") == 1
    assert metrics.value("broker_reloads_total", result="done") == 0
    assert metrics.value("broker_reload_duration_seconds_count") == 0
    assert metrics.value("broker_service_generation") == 1


@test
def several_services_are_told_apart():
    broker = Broker(
        text="[broker]\nmetrics = 127.0.0.1:{port3}\n"
        "[service:one]\ncommand = {apps}/srv_poll {port}\nworkers = 1\n"
        "[service:two]\ncommand = {apps}/srv_poll {port2}\nworkers = 2\n"
    )
    page = Page(broker.port3)
    for _ in range(3):
        http_get(broker.port)
    http_get(broker.port2)
    metrics = page.scrape()
    assert metrics.value("broker_connections_accepted_total", service="one") == 3
    assert metrics.value("broker_connections_accepted_total", service="two") == 1
    assert metrics.value("broker_worker_taken_total", worker="one.0") == 3
    assert len(metrics.samples("broker_worker_up", service="two")) == 2
    # A service that is gone takes its series with it; the other's stay as they are.
    broker.configure(
        text="[broker]\nmetrics = 127.0.0.1:{port3}\n"
        "[service:one]\ncommand = {apps}/srv_poll {port}\nworkers = 1\n"
    )
    broker.reload_and_wait(service="one")
    broker.wait_event("worker-exit", worker="two.1")
    broker.wait_event("worker-exit", worker="two.0")
    wait_until(
        lambda: not page.scrape().samples("broker_service_serving", service="two"), 20, "its end"
    )
    assert page.scrape().value("broker_connections_accepted_total", service="one") == 3


@test
def a_guest_is_told_of_by_its_own_name():
    broker = start(workers=2)
    guest = Guest(broker, app("srv_poll", broker.port))
    for _ in range(9):
        http_get(broker.port)
    metrics = settled(broker)
    assert [w.labels["worker"] for w in metrics.samples("broker_worker_up")] == ["web.0", "web.1", guest.name]
    assert metrics.value("broker_worker_taken_total", worker=guest.name) == 3
    assert metrics.value("broker_connections_taken_total", service="web") == 9
    assert metrics.value("broker_wait_seconds_count") == 9
    assert metrics.value("broker_service_workers", state="ready") == 2  # of those that are wanted
    guest.end()
    broker.wait_event("guest-left")
    after = settled(broker)
    assert not after.samples("broker_worker_up", worker=guest.name)
    assert after.value("broker_connections_taken_total", service="web") == 9
    assert after.value("broker_wait_seconds_count") == 9


# --- workers that are not what they should be -------------------------------------------------------

# A worker without the library's help: it writes into the page whatever it likes.
LIAR = r"""
import array, mmap, os, socket, struct, sys
env = os.environ
def receive(sock):
    data, control, _, _ = sock.recvmsg(496, socket.CMSG_SPACE(16), socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, value in control:
        fds.frombytes(value[: len(value) - len(value) % fds.itemsize])
    return data, fds
rendezvous = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
rendezvous.connect(env["BROKER_RENDEZVOUS"])
rendezvous.send(struct.pack(
    "=HHIBBHI16sIIiIIIQ16s64s112x", 3, 1, 256, 4, 0, int(sys.argv[1]), 0, socket.inet_aton("127.0.0.1"),
    0, 1, os.getpid(), 128, 1, 0, 0, bytes.fromhex(env["BROKER_TOKEN"]), env["BROKER_SERVICE"].encode()))
data, fds = receive(rendezvous)
rx, tx = socket.socket(fileno=fds[0]), fds[1]
assert len(fds) == 3, fds
try:
    os.ftruncate(fds[2], 0)
    os._exit(1)
except PermissionError:
    pass
page = mmap.mmap(fds[2], 4096)
lies = [struct.pack("=33Q", *[2**63] * 33), bytes(264), struct.pack("=33Q", *range(33)), b"\xff" * 264]
while True:
    data, fds = receive(rx)
    page[:264] = lies[data[8] % len(lies)]
    with socket.socket(fileno=fds[0]) as client:
        client.recv(4096)
        client.send(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
"""


@test
def a_worker_that_lies_in_its_page_is_believed_no_more_than_possible():
    write_file("liar.py", LIAR)
    broker = start(sys.executable, "{tmp}/liar.py", "{port}", workers=1)
    before = broker.page.scrape()
    for n in range(1, 9):
        http_get(broker.port)
        after = broker.page.scrape()
        check_grown(before, after)
        taken = after.value("broker_connections_taken_total", service="web")
        assert taken == n
        assert after.value("broker_wait_seconds_count") <= n
        before = after
    assert before.value("broker_wait_seconds_count") > 0


@test
def waits_are_measured_only_while_metrics_are_on():
    def memfds(pid):
        links = []
        for n in os.listdir("/proc/%d/fd" % pid):
            try:
                links.append(os.readlink("/proc/%d/fd/%s" % (pid, n)))
            except FileNotFoundError:
                pass
        return sum("broker-page" in link for link in links)

    broker = Broker(SERVER, workers=2)
    http_get(broker.port)
    wait_until(lambda: memfds(broker.main_pid) == 2, 20, "one page for each worker")
    broker.configure(SERVER, workers=2, broker={"metrics": "127.0.0.1:{port2}"})
    broker.reload_and_wait()
    page = Page(broker.port2)
    http_get(broker.port)
    wait_until(lambda: memfds(broker.main_pid) == 2, 20, "one page for each worker")
    metrics = page.scrape()
    assert metrics.value("broker_connections_taken_total", service="web") == 2
    assert metrics.value("broker_wait_seconds_count") == 1  # the other was before
    assert metrics.value("broker_handoff_seconds_count") == 1
    broker.configure(SERVER, workers=2)
    broker.reload_and_wait()
    wait_until(lambda: memfds(broker.main_pid) == 2, 20, "no page of those that are gone")
    assert refused(broker.port2)
    http_get(broker.port)


# --- what is written about them ---------------------------------------------------------------------


def read(name):
    with open(os.path.join(ROOT, name)) as f:
        return f.read()


@test
def the_page_lists_exactly_what_is_served():
    broker = start(workers=1, check="connect")
    http_get(broker.port)
    families = list(broker.page.scrape().families.values())
    # What only a service of this mode has.
    inetd = start(app("inetd_line")[0], workers=1, mode="inetd", listen="127.0.0.1:{port}")
    families = [f for f in families if not f.name.startswith("broker_process")] + [
        f for f in inetd.page.scrape().families.values() if f.name.startswith("broker_process")]
    served = {}
    for family in families:
        assert family.samples, "%s has no sample here" % family.name
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = {frozenset(s.labels) - {"le"} for s in family.samples}
        assert len(labels) == 1, family.name
        served[family.name + suffix] = (family.type, family.unit or "", labels.pop())
    listed = {}
    for name, kind, unit, labels in re.findall(
        r"^\| `([a-z_]+)` \| (\w+) \| (\w*) ?\| ([\w, ]*?) ?\| ", read("docs/metrics.md"), re.M
    ):
        assert name not in listed, name
        listed[name] = (kind, unit, frozenset(filter(None, labels.split(", "))))
    assert served == listed, "only served: %s\nonly listed: %s" % (
        sorted(set(served.items()) - set(listed.items())), sorted(set(listed.items()) - set(served.items())),
    )


def names_there_are():
    names = set()
    for name, kind in re.findall(r"^\| `([a-z_]+)` \| (\w+) \|", read("docs/metrics.md"), re.M):
        names |= {name + s for s in ("_bucket", "_count", "_sum")} if kind == "histogram" else {name}
    assert len(names) > 30, names
    return names


def names_in(expression):
    """What could be a metric: not a function, not within the braces, not a word of the language."""
    plain = re.sub(r"\{[^}]*\}|\"[^\"]*\"|\[[^\]]*\]", "", expression)
    plain = re.sub(r"\b(by|on|group_left|group_right|without|ignoring) *\([^)]*\)", "", plain)
    return set(re.findall(r"\b([a-z]\w*_\w+)\b(?! *\()", plain))


@test
def the_dashboard_is_whole_and_uses_what_there_is():
    dashboard = json.loads(read("docs/examples/grafana-dashboard.json"))
    there, used = names_there_are(), set()
    assert dashboard["title"] and dashboard["uid"] and dashboard["schemaVersion"] >= 36
    ids, cells = set(), set()
    for panel in dashboard["panels"]:
        assert panel["id"] not in ids, "two panels %d" % panel["id"]
        ids.add(panel["id"])
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        for cell in [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]:
            assert cell not in cells, "%s lies over another" % panel["title"]
            cells.add(cell)
        assert (panel["type"] == "row") != bool(panel.get("targets")), panel["title"]
        for target in panel.get("targets", []):
            found = names_in(target["expr"])
            assert found and found <= there, "%s: %s" % (panel["title"], found - there)
            used |= found
            assert target["expr"].count("(") == target["expr"].count(")"), target["expr"]
    variables = {v["name"] for v in dashboard["templating"]["list"]}
    named = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard)))
    assert named - {"__rate_interval", "__all"} == variables, (named, variables)
    for variable in dashboard["templating"]["list"]:
        name = re.match(r"label_values\((\w+)", variable["query"])
        assert not name or name.group(1) in there, variable
    assert len(used) > 20, used


@test
def the_alerts_use_what_there_is():
    text = read("docs/examples/alerts.yml")
    expressions = re.findall(r"^ +expr: (.*)$", text, re.M)
    assert len(expressions) == len(re.findall(r"^ +- alert: \w+$", text, re.M)) >= 8
    for expression in expressions:
        found = names_in(expression)
        assert found and found <= names_there_are(), (expression, found)
    for label in re.findall(r"\$labels\.(\w+)", text):
        assert re.search(r"\| [\w, ]*\b%s\b[\w, ]* \|" % label, read("docs/metrics.md")), label
    promtool = shutil.which("promtool")
    if promtool:
        path = os.path.join(ROOT, "docs/examples/alerts.yml")
        got = subprocess.run([promtool, "check", "rules", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert got.returncode == 0, got.stdout.decode()


main()
