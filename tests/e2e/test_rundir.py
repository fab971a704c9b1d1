#!/usr/bin/env python3
"""A run directory that vanishes, whole or in part: it is made again, and no connection is lost."""

import os
import pwd
import shutil
import signal

from harness import *
from lib.control import status
from lib.ctl import *

NAMES = ("lock", "rendezvous", "control")


@test
def all_of_it_is_made_again_on_hup_under_load():
    broker = Broker(app("srv_poll"), workers=2, broker={"pid_file": "{tmp}/pid"})
    pid_file = tmp("pid")
    before = sorted(os.listdir(broker.run_dir)), os.stat(broker.run_dir).st_mode
    load = Load(broker.port)
    load.wait_answers(100)
    with broker.same_fds():
        for _ in range(3):
            shutil.rmtree(broker.run_dir)
            os.unlink(pid_file)
            mark = broker.mark()
            broker.reload_and_wait()
            event = broker.wait_event("run-directory", since=mark)
            assert event["level"] == "warn" and broker.run_dir in event["made"], event
            assert (sorted(os.listdir(broker.run_dir)), os.stat(broker.run_dir).st_mode) == before
            assert open(pid_file).read() == "%d\n" % broker.pid
            load.wait_answers(100)
    # A worker of before keeps its connection, and the lock keeps other brokers away.
    with connect(broker.port) as held:
        send_request(held, close=False)
        read_answer(held)
        shutil.rmtree(broker.run_dir)
        broker.reload_and_wait()
        send_request(held, close=False)
        read_answer(held)
    load.assert_clean()
    assert "another broker (pid" in broker_cli("-c", broker.file).stderr
    got = ctl("-c", broker.file, "stop")
    assert (got.returncode, got.stdout) == (0, "the broker has ended\n"), got
    broker.wait_stopped()
    assert not os.path.exists(pid_file)


@test
def each_part_is_made_again_when_a_worker_starts():
    broker = Broker(app("srv_poll"), workers=2, broker={"pid_file": "{tmp}/pid"})
    parts = [tmp("pid")] + [os.path.join(broker.run_dir, name) for name in NAMES]
    inodes = lambda: {p: os.lstat(p).st_ino for p in parts}
    modes = lambda: [os.lstat(p).st_mode for p in parts]
    load, before = Load(broker.port), modes()
    load.wait_answers(10)
    for part in parts:
        mark, were = broker.mark(), inodes()
        os.unlink(part)
        send_signal(broker.worker_pid("web.0"), signal.SIGKILL)
        made = broker.wait_event("run-directory", since=mark)["made"]
        assert part in made.split(", "), (part, made)
        broker.wait_event("worker-ready", since=mark, worker="web.0")
        assert modes() == before
        assert status(broker)[0]["run_dir"] == broker.run_dir
        assert "web.0" in ctl("-c", broker.file, "status").stdout
        # What was there is left alone, but for the sockets: they come with the lock.
        for other in set(parts) - {part, *(parts[2:] if part == parts[1] else ())}:
            assert os.lstat(other).st_ino == were[other], (part, other)
    load.wait_answers(10)
    # The client whose worker is killed may be cut off: that worker had it.
    load.stop()


@test
def hup_makes_it_again_even_if_no_worker_starts():
    broker = Broker(app("srv_poll"), workers=1)
    text = open(broker.file).read()
    broker.write_file(text + "wrong\n")
    shutil.rmtree(broker.run_dir)
    mark = broker.mark()
    broker.signal(signal.SIGHUP)
    broker.wait_event("reload-refused", since=mark)
    assert "web.0" in ctl("-s", broker.run_dir + "/control", "status").stdout
    broker.write_file(text)


@test
def a_broker_with_a_user_of_its_own_makes_what_it_may():
    if os.geteuid() != 0:
        skip("only root can become somebody else")
    user = pwd.getpwnam("nobody")
    broker = Broker(app("srv_poll"), workers=1, user="nobody", broker={
        "user": "nobody", "control_group": str(user.pw_gid), "strict_modes": "no"})
    seen = lambda: {n: (s.st_mode, s.st_uid, s.st_gid) for n in NAMES
                    for s in [os.lstat(os.path.join(broker.run_dir, n))]}
    before = seen()
    for name in NAMES:
        os.unlink(os.path.join(broker.run_dir, name))
    mark = broker.mark()
    broker.reload_and_wait()
    assert broker.wait_event("run-directory", since=mark)["level"] == "warn"
    assert seen() == before
    # The directory was made by root in a place of root, and cannot be made again by nobody.
    shutil.rmtree(broker.run_dir)
    mark = broker.mark()
    broker.signal(signal.SIGHUP)
    event = broker.wait_event("run-directory", since=mark, level="error")
    assert "cannot use the run directory" in event["message"] and "set run_dir" in event["message"]
    http_get(broker.port)
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() == 0
    broker.stopped = {}


@test
def what_another_broker_has_taken_stays_its_own():
    broker = Broker(app("srv_poll"), workers=1)
    shutil.rmtree(broker.run_dir)
    other = Broker(app("srv_poll"), workers=1, broker={"run_dir": broker.run_dir})
    mark = broker.mark()
    broker.signal(signal.SIGHUP)
    event = broker.wait_event("run-directory", since=mark, level="error")
    assert "another broker (pid %d) runs" % other.main_pid in event["message"], event
    http_get(broker.port)
    files = {n: os.lstat(os.path.join(broker.run_dir, n)).st_ino for n in NAMES}
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() == 0
    broker.stopped = {}
    assert files == {n: os.lstat(os.path.join(broker.run_dir, n)).st_ino for n in NAMES}
    assert ctl("-s", broker.run_dir + "/control", "stop").returncode == 0
    assert other.wait_exit() == 0
    other.stopped = {}


main()
