#!/usr/bin/env python3
"""brokerctl stop: it returns when nothing is left of the broker, and says how that has ended."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys

from harness import *
from lib import control, proc
from lib.control import Control, status
from lib.ctl import *
from lib.paths import TESTS
from lib.terminal import Terminal


def stop(broker, *arguments, code=0):
    got = ctl("-c", broker.file, "stop", *arguments)
    assert got.returncode == code, (arguments, got)
    return got


def busy(broker):
    """A client that a worker serves, and that worker's process."""
    sock = connect(broker.port)
    send_request(sock, close=False)
    return sock, read_answer(sock).pid


def begin(file):
    """Another broker with that file: its process, once it is ready."""
    ready, theirs = os.pipe()
    process = subprocess.Popen([broker_program(), "-c", file, "--ready-fd", str(theirs)],
                               stderr=subprocess.PIPE, text=True, pass_fds=(theirs,),
                               env=clean_environment(), preexec_fn=proc.die_with_parent)
    os.close(theirs)
    with open(ready) as said:
        assert said.read() == "ready\n", process.communicate(timeout=10)
    return process


@test
def the_next_broker_can_start_at_once_in_the_same_places():
    files = tmp("pid"), tmp("run")
    config = write_file("b.ini", "[broker]\nlog_level = error\npid_file = %s\nrun_dir = %s\n"
                        "[service:web]\ncommand = %s %d\n" % (*files, app("srv_poll")[0], free_port()))
    for n in range(10):
        process = begin(config)
        got = ctl("-c", config, "stop", *(["--now"] if n % 2 else []))
        assert (got.returncode, got.stdout, got.stderr) == (0, "the broker has ended\n", ""), got
        assert not proc.alive(process.pid) and not [f for f in files if os.path.exists(f)]
        assert process.wait(10) == 0
        process.stderr.close()


@test
def on_a_terminal_it_says_how_far_it_is():
    broker = Broker(app("srv_poll"), workers=2)
    sock, _ = busy(broker)
    terminal = Terminal([BROKERCTL, "-c", broker.file, "stop"], columns=100)
    terminal.wait_for("workers left: 1, open connections: 1, the first is web.")
    terminal.wait_for(lambda screen: re.search("the broker stops  [1-9]", screen.text()))
    sock.close()
    assert terminal.wait_exit() == 0
    assert [line for line in terminal.screen.lines() if line] == ["the broker has ended"]
    assert broker.wait_exit() == 0


@test
def connections_that_drain_timeout_cuts_off_are_not_in_order():
    # It is idle, and is not to be ended for that.
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="1s", drain_idle="off")
    sock, _ = busy(broker)
    said = stop(broker, code=5)
    assert "not finished when drain_timeout was over: 1, open connections in them: 1" in said.stderr, said
    assert said.stdout == "the broker has ended\n" and not proc.alive(broker.pid)
    sock.close()


@test
def clients_that_no_worker_is_left_for_are_not_in_order():
    listens = "import socket, sys, time; s = socket.create_server(('', int(sys.argv[1]))); time.sleep(99)"
    broker = Broker([sys.executable, "-c", listens, "{port}"], workers=1)
    pid = broker.worker_pid("web.0")
    with connect(broker.port):
        wait_until(lambda: control.worker(broker, "web.0")["waiting"] == 1)
        process = start_ctl("-c", broker.file, "stop")
        broker.wait_event("worker-draining")
        send_signal(pid, signal.SIGKILL)
        error = process.communicate(timeout=20)[1]
    assert process.returncode == 5 and "connections without a worker to go to: 1" in error, error
    assert broker.wait_stopped()["refused"] == 1


@test
def workers_that_a_second_signal_kills_are_not_in_order():
    for signals in (1, 2):
        broker = Broker(app("srv_poll"), workers=2)
        sock, pid = busy(broker)
        process = start_ctl("-c", broker.file, "stop")
        broker.wait_event("broker-stopping")
        broker.signal_again(signal.SIGTERM if signals == 1 else signal.SIGINT)
        said, error = process.communicate(timeout=20)
        assert process.returncode == 5 and "had to be killed: " in error, (said, error)
        assert said == "the broker has ended\n" and not proc.alive(pid)
        sock.close()


@test
def a_broker_that_is_killed_meanwhile_has_not_ended_in_order():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="500ms")
    sock, _ = busy(broker)
    process = start_ctl("-c", broker.file, "stop", "--json")
    assert json.loads(process.stdout.readline())["type"] == "stopping"
    broker.kill()
    said, error = process.communicate(timeout=20)
    assert process.returncode == 5 and "the broker has ended" in error, (said, error)
    sock.close()


@test
def a_time_limit_ends_the_waiting_and_not_the_stop():
    broker = Broker(app("srv_poll"), workers=1)
    sock, _ = busy(broker)
    said = stop(broker, "--timeout", "700ms", code=6)
    assert "not ended within 700ms, and goes on stopping; workers left: 1" in said.stderr, said
    assert proc.alive(broker.pid) and status(broker)[0]["state"] == "stopping"
    for wrong in (("web", "--timeout", "1s"), ("--no-wait", "--timeout", "1s")):
        assert "does not wait" in stop(broker, *wrong, code=2).stderr
    sock.close()
    broker.wait_stopped()
    # One that hangs has no end, and does not even answer.
    broker = Broker(app("srv_poll"), workers=1)
    send_signal(broker.main_pid, signal.SIGSTOP)
    assert "it has said nothing" in stop(broker, "--timeout", "300ms", code=6).stderr
    send_signal(broker.main_pid, signal.SIGCONT)
    broker.wait_stopped()


@test
def who_may_only_look_waits_for_nothing():
    if os.geteuid() != 0:
        skip("only root can be somebody else")
    broker = Broker(app("srv_poll"), workers=1, broker={"control_group": "4242"})
    got = ctl("-s", os.path.join(broker.run_dir, "control"), "stop", prepare=lambda: (
        os.setgroups([]), os.setgid(4242), os.setuid(65534)))
    assert got.returncode == 1 and "control_group may only look" in got.stderr, got
    assert proc.alive(broker.pid) and status(broker)[0]["state"] == "running"


@test
def the_answer_is_a_line_now_and_then_and_the_end():
    broker = Broker(app("srv_poll"), workers=2)
    sock, _ = busy(broker)
    with Control(broker) as c:
        c.send("stop")
        first = c.line()
        assert (first["type"], first["workers"], first["pid"]) == ("stopping", 2, broker.pid), first
        assert os.path.samefile(first["lock"], os.path.join(broker.run_dir, "lock"))
        c.wait_line(type="stopping", workers=1, connections=1)
        # What is asked meanwhile is not answered any more, and does no harm.
        c.send("status")
        sock.close()
        last = c.answer()[-1]
        assert last == {"type": "end", "ok": True}, last
        assert c.line() is None
    broker.wait_stopped()


# --- seen from outside: what is left of a broker after its last word ---------------------------------

FAKE = """
import os, sys, threading
sys.path.insert(0, %r)
from fake_control import FakeControl
path, said = sys.argv[1], threading.Event()
if os.fork() == 0:
    def stop(session):
        session.send({"type": "stopping", "workers": 0, "pid": os.getppid()}, {"type": "end", "ok": True})
        said.set()
    fake = FakeControl(path, {"stop": stop})
    print("listens", flush=True)
    said.wait()
    os._exit(0)
os.wait()
print("child", flush=True)
sys.stdin.read(1)
""" % os.path.join(TESTS, "harness")


@test
def the_process_that_people_know_is_waited_for_too():
    path = tmp("control")
    parent = subprocess.Popen([sys.executable, "-c", FAKE, path], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, preexec_fn=proc.die_with_parent)
    at_end(lambda: (parent.kill(), parent.communicate()))
    assert parent.stdout.readline() == "listens\n"
    process = start_ctl("-s", path, "stop")
    assert parent.stdout.readline() == "child\n"
    try:
        process.wait(0.5)
        raise AssertionError("it has not waited: %s" % (process.communicate(),))
    except subprocess.TimeoutExpired:
        pass
    parent.communicate("x")
    assert process.communicate(timeout=20)[0] == "the broker has ended\n" and not process.returncode


@test
def in_another_pid_namespace_the_lock_is_waited_for():
    alone = ["unshare", "--pid", "--fork", "--kill-child"]
    if not shutil.which(alone[0]) or subprocess.run(alone + ["true"], stderr=subprocess.DEVNULL).returncode:
        skip("namespaces are not permitted here")
    lock = open(write_file("lock", "1\n"), "r+")
    fcntl.flock(lock, fcntl.LOCK_EX)
    # Its own number is that of the first process of the namespace, as it happens.
    first = {"type": "stopping", "workers": 0, "pid": 1, "lock": lock.name}
    fake = fake_control({"stop": [first], "stop --timeout 500ms": [first]})
    late = subprocess.run([*alone, BROKERCTL, "-s", fake.path, "stop", "--timeout", "500ms"],
                          stderr=subprocess.PIPE, text=True, timeout=20)
    assert late.returncode == 6 and "not ended within 500ms" in late.stderr, late
    process = subprocess.Popen([*alone, BROKERCTL, "-s", fake.path, "stop"], text=True,
                               stdout=subprocess.PIPE, preexec_fn=proc.die_with_parent)
    fake.request(), fake.request()
    try:
        process.wait(0.5)
        raise AssertionError("it has not waited for the lock")
    except subprocess.TimeoutExpired:
        pass
    lock.close()
    assert process.communicate(timeout=20)[0] == "the broker has ended\n" and not process.returncode


main()
