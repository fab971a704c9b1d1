#!/usr/bin/env python3
"""The units in docs/examples, run by a real systemd (in namespaces of its own)."""

import json
import os
import re
import signal
import time

from harness import *
from lib.systemd import Systemd

private_namespaces()

UNITS = os.path.join(ROOT, "docs/examples")
FILE, LOG = "/run/test/broker.ini", "/run/test/broker.log"


class Unit:
    """A unit of docs/examples, with our programs, under a systemd of its own."""

    def __init__(self, file="broker.service", name="broker.service", dropin="", broker="log = %s\n" % LOG, service=""):
        self.systemd = Systemd()
        self.port, self.name = free_port(), name
        with open(os.path.join(UNITS, file)) as f:
            text = f.read().replace("/usr/local/sbin", BUILD)
        for path in re.findall(r"-c (/etc/\S+)", text):
            text = text.replace(path, FILE)
        self.systemd.write("/run/systemd/system/" + file, text)
        # Else it would hide a tree that is built there.
        shown = "PrivateTmp=no\n" if BUILD.startswith("/tmp/") else ""
        self.systemd.write("/run/systemd/system/%s.d/test.conf" % file, "[Service]\n" + shown + dropin)
        self.app()
        self.systemd.write(FILE, "[broker]\nlog_format = json\n%s[service:web]\ncommand = /run/test/app\n"
                           "workers = 2\nprobation = 0\n%s" % (broker, service))

    def app(self, first=":"):
        body = "%s; exec %s %d" % (first, app("srv_poll")[0], self.port)
        self.systemd.write("/run/test/app", "#!/bin/sh\n%s\n" % body, 0o755)

    def events(self, word, log=LOG):
        return [e for e in map(json.loads, self.systemd.read(log).splitlines()) if e["event"] == word]

    def ctl(self, word, code=0):
        return self.systemd.ctl(word, self.name, code=code)

    def show(self, key):
        return self.systemd.show(self.name, key)

    def wait(self, key, value):
        self.systemd.wait(self.name, key, value)

    def pid(self):
        """Ours, of its main process."""
        return self.systemd.outside(self.show("MainPID"))


@test
def a_start_returns_when_all_services_are_ready():
    unit = Unit()
    gate = "read line < /run/test/gate"
    os.mkfifo(unit.systemd.path("/run/test/gate"))
    unit.app(gate)
    unit.systemd.ctl("start", "--no-block", "broker")
    unit.wait("StatusText", "starting; web starting 0/2 ready")
    assert unit.show("ActiveState") == "activating"
    fd = os.open(unit.systemd.path("/run/test/gate"), os.O_RDWR)
    os.write(fd, b"\n\n")
    unit.ctl("start")
    unit.wait("StatusText", "running; web serving 2/2 ready")
    assert unit.show("ActiveState") == "active" and http_get(unit.port).status == 200
    os.close(fd)


@test
def a_reload_fails_when_the_deployment_does():
    unit = Unit()
    unit.ctl("start")
    before = unit.show("MainPID")
    unit.ctl("reload")
    assert unit.show("ActiveState") == "active"
    unit.app("echo no such module >&2; exit 1")
    unit.ctl("reload", code=1)
    unit.wait("ActiveState", "active")
    assert http_get(unit.port).status == 200 and unit.show("MainPID") == before
    unit.app()
    unit.ctl("reload")
    assert len(unit.events("reload-done")) == 2 and len(unit.events("reload-aborted")) == 1


@test
def sighup_by_hand_is_a_reload_for_systemd_too():
    unit = Unit()
    unit.ctl("start")
    os.mkfifo(unit.systemd.path("/run/test/gate"))
    unit.app("read line < /run/test/gate")
    send_signal(unit.pid(), signal.SIGHUP)
    unit.wait("ActiveState", "reloading")
    fd = os.open(unit.systemd.path("/run/test/gate"), os.O_RDWR)
    os.write(fd, b"\n\n")
    unit.wait("ActiveState", "active")
    os.close(fd)


@test
def restarts_under_load_refuse_nobody():
    unit = Unit()
    unit.ctl("start")
    load = Load(unit.port)
    for _ in range(5):
        load.wait_answers(100)
        unit.wait("NFileDescriptorStore", "1")
        unit.ctl("restart")
        unit.ctl("reset-failed")  # five starts in ten seconds are too many for systemd
    load.wait_answers(100)
    load.assert_clean()
    note("5 restarts, %d answers" % load.stop()["answers"])
    assert "open since the last broker" in unit.events("listen")[-1]["message"]
    # A stop is one: then nobody listens.
    unit.ctl("stop")
    assert refused(unit.port) and unit.show("Result") == "success"


@test
def a_broker_that_was_killed_is_started_again_and_refuses_nobody_meanwhile():
    unit = Unit()
    unit.ctl("start")
    unit.wait("NFileDescriptorStore", "1")
    for n in range(3):
        before = unit.pid()
        main = proc.child_named(before, "broker-main")
        send_signal(before, signal.SIGKILL)
        wait_until(lambda: not proc.alive(main))  # systemd kills what is left, with all that it has
        with connect(unit.port) as client:  # before there is another
            send_request(client)
            assert read_answer(client).status == 200
        unit.wait("NRestarts", str(n + 1))
        unit.wait("ActiveState", "active")
        assert unit.pid() != before


@test
def after_an_upgrade_in_place_it_is_the_same_service():
    unit = Unit(dropin="WatchdogSec=2\n")
    unit.ctl("start")
    before = unit.show("MainPID")
    load = Load(unit.port, inflight=4)
    said = unit.systemd.run(os.path.join(BUILD, "brokerctl"), "-c", FILE, "upgrade")
    assert said.returncode == 0, said
    load.wait_answers(50)
    unit.ctl("reload")
    unit.wait("StatusText", "running; web serving 2/2 ready")
    time.sleep(4)  # fed as before: nothing happens, for twice its time
    assert (unit.show("MainPID"), unit.show("NRestarts"), unit.show("NFileDescriptorStore")) == (before, "0", "1")
    unit.ctl("restart")
    load.wait_answers(50)
    load.assert_clean()


@test
def a_loop_that_does_not_turn_is_replaced():
    unit = Unit(dropin="WatchdogSec=1\n", service="drain_timeout = 1s\n")
    unit.ctl("start")
    time.sleep(3)  # it is fed: nothing happens, for three times its time
    assert unit.show("NRestarts") == "0"
    send_signal(proc.child_named(unit.pid(), "broker-main"), signal.SIGSTOP)
    unit.wait("NRestarts", "1")
    unit.wait("ActiveState", "active")
    assert http_get(unit.port).status == 200


@test
def a_drain_longer_than_timeoutstopsec_is_waited_for():
    unit = Unit(dropin="TimeoutStopSec=1\n", service="drain_timeout = 20s\n")
    unit.ctl("start")
    with connect(unit.port) as client:
        send_request(client, "/slow?ms=4000")
        unit.ctl("stop")
        assert read_answer(client).status == 200
    assert unit.show("Result") == "success", unit.ctl("show")


@test
def a_socket_unit_starts_the_broker_with_the_first_client_and_stays_open():
    unit = Unit(service="listen = 127.0.0.1:4711 for 4712\nlisten = /run/web.sock for 4712\n")
    unit.port = 4712
    unit.app()
    unit.systemd.write("/run/systemd/system/broker.socket",
                       "[Socket]\nListenStream=127.0.0.1:4711\nListenStream=/run/web.sock\nSocketMode=0600\n")
    unit.systemd.ctl("start", "broker.socket")
    assert unit.show("ActiveState") == "inactive"
    for n in range(2):
        with connect(4711) as client:
            send_request(client)
            assert read_answer(client).status == 200
        said = [e["message"] for e in unit.events("listen")[-2:]]
        assert all("by the socket of the service manager" in text for text in said), said
        # Whatever is in the store: they are systemd's already.
        assert unit.show("NFileDescriptorStore") == "0"
        unit.systemd.ctl("stop", "broker.service")
        assert os.path.exists(unit.systemd.path("/run/web.sock")) and not refused(4711)
        proc.wait_until(lambda: unit.show("ActiveState") in ("inactive", "active"))
    assert os.stat(unit.systemd.path("/run/web.sock")).st_mode & 0o777 == 0o600


@test
def a_worker_that_speaks_to_systemd_is_not_believed():
    unit = Unit()
    text = "import os, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); " \
           "s.sendto(b'ERRNO=77\\nMAINPID=%d\\nFDSTOREREMOVE=1' % os.getppid(), '/run/systemd/notify')"
    unit.app('%s -c "%s"' % (os.sys.executable, text))
    unit.ctl("start")
    unit.ctl("reload")
    assert unit.show("StatusErrno") == "0"
    assert unit.show("MainPID") == str(unit.events("broker-start")[0]["pid"])


@test
def a_unit_for_one_file_runs_nothing_as_root():
    unit = Unit("broker@.service", "broker@web.service", broker="run_dir = /run/broker-web\nlog = /run/broker-web/log\n")
    unit.ctl("start")
    load = Load(unit.port, inflight=4)
    for pid in [unit.pid(), *proc.descendants(unit.pid())]:
        assert os.stat("/proc/%d" % pid).st_uid >= 1000, proc.describe(pid)
    unit.ctl("reload")
    said = unit.systemd.run(os.path.join(BUILD, "brokerctl"), "-c", FILE, "status")
    assert said.returncode == 0 and "2/2 ready" in said.stdout, said
    problems = [e for e in unit.events("limit", "/run/broker-web/log") if e["level"] in ("warn", "error")]
    assert not problems, problems
    load.wait_answers(50)
    unit.wait("NFileDescriptorStore", "1")
    unit.ctl("restart")
    load.wait_answers(50)
    load.assert_clean()
    unit.app("exit 1")
    unit.ctl("reload", code=1)


main()
