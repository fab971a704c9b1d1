#!/usr/bin/env python3
"""Workers are checked one by one, over connections that count nowhere, and the ill ones leave."""

import os

from harness import *
from lib.ctl import ctl
from lib.metrics import Page, agent
from lib.steering import answered_by, ready_workers, service, who_answers, workers

QUICK = dict(check="GET /healthz", check_interval="50ms", check_timeout="20s")


class Patients:
    """A broker with py_health.py as its app, and the files that make a worker ill."""

    def __init__(self, *arguments, n=2, before=(), **keys):
        self.dir = tmp("health.%d" % id(self))
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o777)
        self.command = list(before) + ["python3", os.path.join(ROOT, "tests/apps/py_health.py"), "{port}", self.dir] + list(arguments)
        for name in keys.pop("files", ()):
            self.make(name)
        self.keys = dict(QUICK, **keys)
        ready = self.keys.pop("wait_ready", True)
        self.broker = Broker(self.command, workers=n, wait_ready=ready, **self.keys)

    def make(self, name):
        open(os.path.join(self.dir, name), "w").close()

    def remove(self, name):
        os.unlink(os.path.join(self.dir, name))

    def seen(self):
        with open(os.path.join(self.dir, "seen")) as f:
            return f.read().splitlines()


@test
def a_worker_gets_connections_once_its_check_has_passed():
    p = Patients(files=["ill"], n=1, wait_ready=False)
    failed = p.broker.wait_event("worker-check-failed", worker="web.0")
    assert failed["reason"] == "it answered with status 503", failed
    assert failed["failures"] == 3, failed
    assert not p.broker.events("worker-ready")
    why = workers(p.broker)[0]["why"]
    assert "check failing (" in why and "status 503" in why, why
    p.remove("ill")
    p.broker.wait_event("worker-ready", worker="web.0")
    assert http_get(p.broker.port).status == 200


def serving(broker):
    return {w["worker"]: w["pid"] for w in workers(broker) if w["state"] == "ready"}


def abort_of_reload(p, files):
    """The reload to a generation of which `files` say how it does."""
    old = ready_workers(p.broker)
    for name in files:
        p.make(name)
    p.broker.hup()
    aborted = p.broker.wait_event("reload-aborted")
    wait_until(lambda: serving(p.broker) == old, 30, "the old workers")
    return aborted


@test
def one_whose_check_does_not_pass_has_not_started():
    p = Patients(start_timeout="2s")
    load = Load(p.broker.port, inflight=4)
    reason = abort_of_reload(p, ["ill-2"])["reason"]
    assert reason.endswith("its check has not passed: it answered with status 503"), reason
    failed = p.broker.wait_event("worker-failed")["message"]
    assert "listens, but its check has not passed within start_timeout (2000 ms)" in failed, failed
    load.wait_answers(50)
    load.assert_clean()


@test
def one_whose_check_fails_on_probation_brings_the_old_ones_back():
    p = Patients(probation="1h")
    load = Load(p.broker.port, inflight=4)
    p.broker.hup()
    p.broker.wait_event("reload-step", phase="probation")
    p.make("ill-2")
    aborted = p.broker.wait_event("reload-aborted")
    assert aborted["restored"] == 2, aborted
    assert "of generation 2 fails its check: it answered with status 503" in aborted["reason"]
    load.wait_answers(50)
    load.assert_clean()
    assert service(p.broker)["generation"] == 1


@test
def a_probation_lasts_until_checks_have_decided():
    p = Patients(probation="2s", check_interval="100ms", check_fall=30)
    p.broker.hup()
    p.broker.wait_event("reload-step", phase="probation")
    p.make("ill-2")
    # Twenty results come before the probation would be over.
    assert p.broker.wait_event("reload-aborted")["restored"] == 2


@test
def a_check_that_was_answered_is_the_proof_of_a_new_worker():
    p = Patients(proof_wait="1h", start_timeout="1h")
    p.make("ill-2")
    p.broker.hup()
    p.broker.wait_event("worker-check-failed", generation=2)
    # A client has come, and is not given to the new worker: nobody waits until one is.
    http_get(p.broker.port)
    p.remove("ill-2")
    p.broker.wait_event("reload-done", generation=2)


@test
def an_ill_worker_leaves_the_round_and_is_replaced():
    p = Patients(n=3)
    old = ready_workers(p.broker)
    load = Load(p.broker.port, inflight=8)
    p.make("ill-%d" % old["web.1"])
    assert p.broker.wait_event("worker-check-failed")["pid"] == old["web.1"]
    assert p.broker.wait_event("worker-held", worker="web.1")["by"] == "check"
    assert p.broker.wait_event("recycle", worker="web.1")["reason"] == "check"
    p.broker.wait_event("worker-exit", worker="web.1", pid=old["web.1"])
    p.broker.wait_event("reload-done")
    load.wait_answers(100)
    load.assert_clean()
    new = serving(p.broker)
    assert {n for n in old if old[n] == new[n]} == {"web.0", "web.2"}, new


@test
def ill_workers_are_replaced_one_at_a_time():
    p = Patients(n=3)
    old = ready_workers(p.broker)
    for name in ("web.0", "web.2"):
        p.make("ill-%d" % old[name])
    for name in ("web.0", "web.2"):
        p.broker.wait_event("worker-exit", worker=name, pid=old[name])
    begun = [e["position"] for e in p.broker.events("reload-begin")]
    done = [e["position"] for e in p.broker.events("reload-done")]
    assert begun[0] < done[0] < begun[1], (begun, done)


@test
def with_hold_it_is_out_until_its_check_passes_again():
    p = Patients(check_action="hold")
    old = ready_workers(p.broker)
    ill = "ill-%d" % old["web.0"]
    p.make(ill)
    p.broker.wait_event("worker-held", worker="web.0")
    assert who_answers(p.broker.port) == {old["web.1"]}
    held = workers(p.broker)[0]
    assert held["state"] == "held", held
    assert held["why"].startswith("check failing ("), held
    p.remove(ill)
    p.broker.wait_event("worker-check-passed", worker="web.0")
    p.broker.wait_event("worker-released", worker="web.0")
    answered_by(p.broker.port, set(old.values()))
    assert not p.broker.events("recycle")


@test
def with_log_it_is_only_said():
    p = Patients(check_action="log")
    old = ready_workers(p.broker)
    p.make("ill-%d" % old["web.0"])
    p.broker.wait_event("worker-check-failed", worker="web.0")
    seen = len(p.seen())
    wait_until(lambda: len(p.seen()) > seen + 8, 30, "more checks")
    assert len(p.broker.events("worker-check-failed")) == 1, "one line for one change"
    assert serving(p.broker) == old
    assert workers(p.broker)[0]["why"].startswith("check failing (")


@test
def if_all_are_ill_they_serve_on_and_probes_say_so():
    web = free_port()
    weight = free_port()
    addresses = {"metrics": "127.0.0.1:%d" % web, "agent_check": "127.0.0.1:%d" % weight}
    p = Patients(n=3, check_action="hold", broker=addresses)
    old = ready_workers(p.broker)
    page = Page(web)
    p.make("ill-%d" % old["web.0"])
    p.broker.wait_event("worker-held", worker="web.0")
    assert page.get("/readyz").status == 200
    assert agent(weight) == "ready up 67%\n"
    p.make("ill")
    said = p.broker.wait_event("worker-check-failed", level="error")
    assert said["message"].startswith("the checks of all workers fail"), said
    answered_by(p.broker.port, set(old.values()))
    answer = page.get("/readyz")
    assert (answer.status, answer.body) == (503, "web: all workers fail their check (of 3)\n")
    assert agent(weight) == "down\n"
    p.remove("ill")
    p.broker.wait_event("worker-check-passed", count=2)
    p.broker.wait_event("worker-held", worker="web.0", count=2)
    answered_by(p.broker.port, {old["web.1"], old["web.2"]})
    assert page.get("/readyz").status == 200
    metrics = page.scrape()
    healthy = {w: metrics.value("broker_worker_healthy", worker=w) for w in old}
    assert healthy == {"web.0": 0, "web.1": 1, "web.2": 1}, healthy


@test
def what_the_app_sees_is_as_documented():
    for address in ("127.0.0.1", "::1"):
        p = Patients(address, n=1, check="GET /healthz www.example.com")
        assert p.seen()[0] == "%s www.example.com broker-check" % address, p.seen()


@test
def checks_are_counted_nowhere_as_clients():
    web = free_port()
    p = Patients(broker={"metrics": "127.0.0.1:%d" % web}, max_connections=10)
    ready_workers(p.broker)
    wait_until(lambda: len(p.seen()) > 50, 30, "checks")
    for _ in range(3):
        http_get(p.broker.port)
    assert sum(w["given"] for w in workers(p.broker)) == 3
    metrics = Page(web).scrape()
    for name in ("accepted", "sent", "taken"):
        assert metrics.value("broker_connections_%s_total" % name, service="web") == 3, name
    assert metrics.value("broker_wait_seconds_count", service="web") == 3
    assert not p.broker.events("recycle")
    assert service(p.broker)["ledger"]["balanced"]


@test
def the_waiting_times_are_those_of_clients():
    web = free_port()
    broker = Broker(
        app("srv_blocking"), workers=1, check="GET /", check_interval="50ms", check_timeout="200ms",
        check_action="log", broker={"metrics": "127.0.0.1:%d" % web},
    )
    with connect(broker.port):
        wait_until(lambda: service(broker)["ledger"]["taken"] == 1, 30, "a client that says nothing")
        waits = connect(broker.port)
        send_request(waits)
        wait_until(lambda: workers(broker)[0]["waiting"] == 1, 30, "another one")
        broker.wait_event("worker-check-failed")
    assert read_answer(waits).status == 200
    # Many checks were taken at once, but this client had to wait for at least three to time out.
    assert Page(web).scrape().value("broker_wait_seconds_sum", service="web") > 0.5


# --- other checks ----------------------------------------------------------------------------

SAYS = """
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    c = s.accept()[0]
    if sys.argv[2] == "greets":
        c.sendall(b"220 ")
        c.sendall(b"ready\\r\\n")
    elif c.recv(100) == b"PING\\r\\n":
        c.sendall(b"+PO")
        c.sendall(b"NG\\r\\n")
    c.close()
"""


def says(what):
    """The command of a server that says so."""
    return ["python3", write_file("says.py", SAYS), "{port}", what]


def passes(broker):
    """No check has failed, and none is in the ledger."""
    broker.wait_event("worker-ready", worker="web.0")
    assert broker.stop()["accepted"] == 0
    assert not broker.events("worker-check-failed")


@test
def a_server_that_answers_a_line():
    check = 'send "PING\\r\\n" expect "+PONG"'
    passes(Broker(says("answers"), workers=1, check=check))


@test
def a_server_that_speaks_first():
    passes(Broker(says("greets"), workers=1, check='expect "220 "'))
    broker = Broker(
        says("greets"), wait_ready=False, workers=1, check='expect "250"', check_interval="50ms"
    )
    failed = broker.wait_event("worker-check-failed")
    assert failed["reason"].startswith('it answered "220'), failed


@test
def a_server_that_takes_connections():
    for name in ("srv_poll", "srv_blocking", "srv_prefork", "srv_threads"):
        passes(Broker(app(name), workers=1, check="connect", check_interval="50ms"))


@test
def a_command():
    flag, said = tmp("well"), tmp("said")
    script = "echo $BROKER_WORKER $BROKER_PID >> %s; test -e %s || { echo no flag; exit 3; }"
    broker = Broker(
        app("srv_poll"), wait_ready=False, workers=1, check_interval="50ms",
        check="command sh -c '%s'" % (script % (said, flag)),
    )
    assert broker.wait_event("worker-check-failed")["reason"] == "exit 3: no flag"
    open(flag, "w").close()
    broker.wait_event("worker-ready")
    with open(said) as f:
        assert f.readline() == "web.0 %d\n" % broker.worker_pid("web.0")


@test
def a_command_that_cannot_be_run_or_hangs():
    for command, reason in (
        ("/no/such/program", "cannot execute /no/such/program: No such file or directory"),
        ("sh -c 'sleep 1000; true'", "it did not end within check_timeout (200 ms)"),
    ):
        broker = Broker(
            app("srv_poll"), wait_ready=False, workers=1, check_interval="50ms",
            check="command " + command, check_timeout="200ms", start_timeout="5s",
        )
        if "sleep" in command:
            assert broker.wait_event("worker-check-failed")["reason"] == reason
        else:
            assert reason in broker.wait_event("limit")["message"]
        broker.stop()  # and leaves no sleep behind


TWO = """
import socket, sys, threading
def say(port, what):
    s = socket.create_server(("127.0.0.1", int(port)))
    while True:
        c = s.accept()[0]
        c.sendall(what)
        c.close()
threading.Thread(target=say, args=(sys.argv[1], b"first"), daemon=True).start()
say(sys.argv[2], b"second")
"""


@test
def the_port_of_another_listener():
    command = ["python3", write_file("two.py", TWO), "{port}", "{port2}"]
    keys = dict(workers=1, check="expect second", listen=["{port}", "{port2}"])
    passes(Broker(command, check_port="{port2}", **keys))
    # Without it, that of the first `listen` line is meant.
    broker = Broker(command, wait_ready=False, check_interval="50ms", **keys)
    assert broker.wait_event("worker-check-failed")["reason"] == 'it answered "first"'


# --- workers that do not answer ------------------------------------------------------------------


@test
def one_that_takes_nothing_is_ill_and_gets_well_with_the_same_connection():
    broker = Broker(
        app("srv_blocking"), workers=2, stall_timeout="1h", check="GET /", check_interval="50ms",
        check_timeout="200ms", check_action="hold",
    )
    old = ready_workers(broker)
    with connect(broker.port):
        failed = broker.wait_event("worker-check-failed")
        assert failed["reason"] == "it did not take the connection within check_timeout (200 ms)"
        broker.wait_event("worker-held", worker=failed["worker"], by="check")
        well = set(old.values()) - {failed["pid"]}
        assert who_answers(broker.port) == well
    broker.wait_event("worker-released", worker=failed["worker"])
    answered_by(broker.port, set(old.values()))


SLEEPS = """
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
open(sys.argv[2]).readline()
while True:
    c = s.accept()[0]
    open(sys.argv[3], "a").write("one more\\n")
    c.sendall(b"+PONG" if c.recv(100) == b"PING" else b"what?")
    c.close()
"""


@test
def one_that_hangs_collects_one_check_at_most():
    gate, taken = Gate(), tmp("taken")
    broker = Broker(
        ["python3", write_file("sleeps.py", SLEEPS), "{port}", gate.path, taken], wait_ready=False,
        workers=1, check="send PING expect +PONG", check_interval="1h", check_timeout="50ms",
        check_rise=1,
    )
    assert broker.wait_event("worker-check-failed")["failures"] == 3
    gate.open()
    broker.wait_event("worker-ready")
    with open(taken) as f:
        assert len(f.readlines()) == 1


@test
def what_waits_behind_a_check_is_given_to_others():
    """The check of a worker that takes nothing stands between clients, and belongs to none."""
    broker = Broker(
        app("srv_blocking"), workers=2, stall_timeout="1h", check="GET /", check_interval="50ms",
        check_timeout="1h", check_rise=1,
    )
    old = ready_workers(broker)
    silent = [connect(broker.port), connect(broker.port)]
    wait_until(lambda: service(broker)["ledger"]["taken"] == 2, 30, "both workers busy")
    # Both have taken all that was there; the next checks wait in the channels.
    waiting = [connect(broker.port) for _ in range(6)]
    for sock in waiting:
        send_request(sock)
    wait_until(lambda: sum(w["waiting"] for w in workers(broker)) == 6, 30, "six in channels")
    proc.send_signal(old["web.0"], signal.SIGKILL)
    silent[1].close()
    silent[0].close()
    assert [read_answer(sock).status for sock in waiting] == [200] * 6
    broker.wait_event("taken-back", worker="web.0")
    broker.stop()


@test
def a_check_that_is_taken_back_is_no_result():
    broker = Broker(
        app("srv_blocking"), workers=2, stall_timeout="50ms", check="GET /", check_interval="50ms",
        check_timeout="1h", check_fall=1,
    )
    ready_workers(broker)
    with connect(broker.port):
        # The next check of the one that is busy waits there, with clients before or behind it.
        load = Load(broker.port, inflight=8)
        broker.wait_event("taken-back", reason="the worker takes none")
        load.wait_answers(200)
        load.assert_clean()
    assert not broker.events("worker-check-failed")


@test
def one_that_is_stopped_is_not_checked():
    p = Patients(check_timeout="100ms", check_action="log")
    pid = ready_workers(p.broker)["web.0"]
    proc.send_signal(pid, signal.SIGSTOP)
    p.broker.wait_event("worker-held", worker="web.0", by="stop")
    seen = len(p.seen())
    # Ten checks of the other, each with its own interval: this one would have failed by now.
    wait_until(lambda: len(p.seen()) > seen + 10, 30, "checks of the other")
    proc.send_signal(pid, signal.SIGCONT)
    p.broker.wait_event("worker-released", worker="web.0")
    assert not p.broker.events("worker-check-failed")


@test
def one_whose_listening_process_is_stopped_is_not_checked():
    # No signal tells the broker of the end of a grandchild, or that it was stopped.
    p = Patients(before=["sh", "-c", '"$@" & wait', "sh"], check_timeout="100ms", check_action="log")
    pid = http_get(p.broker.port).pid
    proc.send_signal(pid, signal.SIGSTOP)
    seen = len(p.seen())
    wait_until(lambda: len(p.seen()) > seen + 20, 30, "checks of the other")
    proc.send_signal(pid, signal.SIGCONT)
    assert not p.broker.events("worker-check-failed")


@test
def one_that_runs_in_a_debugger_is_not_checked():
    p = Patients()
    pid = ready_workers(p.broker)["web.0"]
    with faults.watched(pid):
        p.make("ill-%d" % pid)
        seen = len(p.seen())
        wait_until(lambda: len(p.seen()) > seen + 20, 30, "checks of the other")
        assert not p.broker.events("worker-check-failed")
    p.broker.wait_event("worker-check-failed", pid=pid)


@test
def one_that_is_held_by_hand_is_not_checked():
    p = Patients()
    pid = ready_workers(p.broker)["web.0"]
    assert ctl("-c", p.broker.file, "hold", "web.0").returncode == 0
    p.make("ill-%d" % pid)
    seen = len(p.seen())
    wait_until(lambda: len(p.seen()) > seen + 10, 30, "checks of the other")
    assert not p.broker.events("worker-check-failed")


@test
def a_check_under_way_does_not_keep_a_draining_worker():
    p = Patients(check_timeout="1h", drain_timeout="1h", n=1)
    pid = ready_workers(p.broker)["web.0"]
    p.make("hang-%d" % pid)
    seen = len(p.seen())
    wait_until(lambda: len(p.seen()) > seen, 30, "a check that hangs")
    p.broker.hup()
    p.broker.wait_event("worker-exit", worker="web.0", pid=pid)


main()
